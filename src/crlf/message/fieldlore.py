"""Field names: what each is for in one sentence, and the section that defines it."""

from __future__ import annotations

from typing import NamedTuple


class FieldLore(NamedTuple):
    """A field by its usual spelling, what it is for, and where that is written."""

    name: str
    purpose: str
    rule: str


def lore_of(name: str) -> FieldLore | None:
    """Return what is known of a field name, in any case; None for a name that nobody registered."""
    return None
