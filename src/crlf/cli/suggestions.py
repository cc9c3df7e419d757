"""Did you mean: the name that was probably meant, for one that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the name most like another one, or None when none is like it."""
    found = get_close_matches(name, list(names), 1, 0.6)
    return found[0] if found else None
