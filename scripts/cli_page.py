"""Refresh the tables of docs/cli from the command line's own: what there is, is in there.

python scripts/cli_page.py

A table stands between `<!-- made: NAME -->` and `<!-- end -->`; NAME is commands, items, exits,
or a command whose options are listed. The words around them are written by hand.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from crlf.cli.arguments import HELP, Option  # noqa: E402
from crlf.cli.asking.options import REQUEST_OPTIONS  # noqa: E402
from crlf.cli.commands import COMMANDS, ITEMS  # noqa: E402
from crlf.cli.exits import MEANINGS  # noqa: E402

PAGES = [ROOT / "docs" / "cli" / f"{name}.md" for name in ("index", "options")]
LINKING = re.compile(r"(`[^`]*`)|\[")
MADE = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Write a table in Markdown."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join(f"| {' | '.join(map(cell, line))} |\n" for line in lines)


def cell(text: str) -> str:
    """Write what stands in a table: no bar ends it, no bracket of a meaning begins a link."""
    return LINKING.sub(lambda found: found[1] or r"\[", text).replace("|", r"\|")


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
    return options(name)


def options(name: str) -> str:
    """Write the tables of a command's options, one a group; what `get` has too is only named."""
    shared = set() if name == "get" else set(REQUEST_OPTIONS)
    listed = [option for option in COMMANDS[name].options if option.group]
    own = [option for option in listed if option not in shared]
    groups = dict.fromkeys(option.group for option in own)
    text = "\n".join(options_of(group, own, is_titled=len(groups) > 1) for group in groups)
    others = [option for option in listed if option in shared and option is not HELP]
    if others:
        names = ", ".join(f"`{one}`" for option in others for one in option.names)
        text += f"{text and chr(10)}As for a request: {names}.\n"
    return text


def options_of(group: str, those: Sequence[Option], *, is_titled: bool) -> str:
    """Write the table of one group, under its name."""
    rows = [(option_names(option), option.meaning) for option in those if option.group == group]
    return (f"**{group}**\n\n" if is_titled else "") + table(("Option", "What it does"), rows)


def refreshed(page: str) -> str:
    """Return a page with its tables made anew."""
    return MADE.sub(lambda found: f"{found[1]}\n{made(found[2])}\n{found[3]}", page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
