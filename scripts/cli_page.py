"""Refresh the tables in docs/cli.md from the command line's own: what there is, is in there.

python scripts/cli_page.py

A table stands between `<!-- made: NAME -->` and `<!-- end -->`; NAME is commands, items, exits,
or a command whose options are listed. The words around them are written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from crlf.cli.arguments import Option  # noqa: E402
from crlf.cli.commands import COMMANDS, ITEMS  # noqa: E402
from crlf.cli.exits import MEANINGS  # noqa: E402

PAGE = ROOT / "docs" / "cli.md"
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Write a table in Markdown."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n"
                   for line in lines)  # fmt: skip


def option_names(option: Option) -> str:
    """Write an option as one says it, each spelling by itself."""
    value = f" {option.metavar}" if option.metavar else ""
    return ", ".join(f"`{name}{value}`" for name in option.names)


def made(name: str) -> str:
    """Write the table of a name."""
    if name == "commands":
        rows = [(f"`crlf {one.name} {one.words}`", one.meaning) for one in COMMANDS.values()]
        return table(("Command", "What it does"), rows)
    if name == "items":
        return table(("Item", "What it is"), [(f"`{form}`", meaning) for form, meaning in ITEMS])
    if name == "exits":
        return table(("Code", "Meaning"), [(str(code), text) for code, text in MEANINGS.items()])
    options = COMMANDS[name].options
    rows = [(option_names(option), option.meaning) for option in options if option.group]
    return table(("Option", "What it does"), rows)


def refreshed(page: str) -> str:
    """Return a page with its tables made anew."""
    return MADE.sub(lambda found: f"{found[1]}\n{made(found[2])}\n{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
