"""Did you mean: the name that was probably meant, for one that there is not."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(name: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the name most like another one, or None when none is like it.

    likeness: how much of both is the same at least, from 0 to 1; hyphens before it count nothing.
    """
    bare = {each.lstrip("-"): each for each in names}
    found = get_close_matches(name.lstrip("-"), list(bare), 1, likeness)
    return bare[found[0]] if found else None
