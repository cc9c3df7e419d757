"""Money and weight: whole numbers, so that a sum is exact, which print as people write them."""

from __future__ import annotations


class Money(int):
    """An amount in cents: str(Money(1250)) is "$12.50"."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"${self // 100:,}.{self % 100:02}"


class Grams(int):
    """A weight: str(Grams(1400)) is "1.40 kg"."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{int(self)} g" if self < 1000 else f"{self / 1000:.2f} kg"

    @property
    def kilograms(self) -> int:
        """Kilograms, the last one only begun."""
        return -(-self // 1000)
