"""What a package exports, each name loaded when somebody first asks for it.

A package says where its names live, and importing it loads none of them; so a command that
needs one class does not wait for all the others. Type checkers read the stub beside it
(`__init__.pyi`, written by scripts/stubs.py from the same table and compared by a law).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

Homes = Mapping[str, tuple[str, ...]]  # module -> the names of it that are exported


def exporting(
    package: str, homes: Homes
) -> tuple[list[str], Callable[[str], object], Callable[[], list[str]]]:
    """Return `__all__`, `__getattr__` and `__dir__` for a package (PEP 562)."""
    home_of = {name: module for module, names in homes.items() for name in names}
    names = sorted(home_of)

    def load(name: str) -> object:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(home), name)
        setattr(sys.modules[package], name, value)
        return value

    return names, load, lambda: sorted({*names, *vars(sys.modules[package])})
