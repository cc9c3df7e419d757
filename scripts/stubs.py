"""Write the stub of every package that exports lazily, from the table in its __init__.py.

python scripts/stubs.py           write them
python scripts/stubs.py --check   exit 1 when one is not what its table says
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "crlf"


def homes_of(init: Path) -> dict[str, tuple[str, ...]] | None:
    """Return the table HOMES of an __init__.py, or None when it has none."""
    for node in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOMES":
            table: dict[str, tuple[str, ...]] = ast.literal_eval(node.value)
            return table
    return None


def stub_of(homes: dict[str, tuple[str, ...]]) -> str:
    """Write the stub that says to a type checker what the table says to Python."""
    lines = ["# Made by scripts/stubs.py from the table beside it."]
    for home, names in sorted(homes.items()):
        lines += [f"from {home} import {name} as {name}" for name in sorted(names, key=by_kind)]
    listed = sorted((name for names in homes.values() for name in names), key=by_kind)
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in listed), "]"]
    return "\n".join(lines) + "\n"


def by_kind(name: str) -> tuple[int, str]:
    """Sort constants first, then classes, then functions, as ruff does."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1 if name[:1].isupper() else 2), name


def main(arguments: list[str]) -> int:
    """Write or compare every stub."""
    stale = 0
    for init in sorted(SOURCE.rglob("__init__.py")):
        homes = homes_of(init)
        if homes is None:
            continue
        stub = init.with_suffix(".pyi")
        text = stub_of(homes)
        if stub.is_file() and stub.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            sys.stderr.write(f"{stub} is not what HOMES says: run python scripts/stubs.py\n")
            stale += 1
        else:
            stub.write_text(text, encoding="utf-8")
    return min(stale, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
