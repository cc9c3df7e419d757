"""Refresh the tables of docs/server/configuration.md and limits.md from the tables of the source.

python scripts/server_pages.py

As in scripts/cli_page.py, a table stands between `<!-- made: NAME -->` and `<!-- end -->`; NAME
is settings, sizes or times. What each is for is in server/settable.py, its precedent in the
comment beside it in the source.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))
sys.path.insert(0, str(ROOT / "scripts"))

from cli_page import MADE, table  # noqa: E402 - its place is on the path only now
from crlf.server.kinds import shown  # noqa: E402
from crlf.server.settable import LIMITS, SETTINGS, TIMES, Setting  # noqa: E402
from settings import comments  # noqa: E402

PAGES = [ROOT / "docs" / "server" / f"{name}.md" for name in ("configuration", "limits")]
SOURCES = {
    "limits": ("wire/limits.py", "Limits"),
    "patience": ("rules/deadlines.py", "Patience"),
}


def remarks() -> dict[str, str]:
    """Find the comment beside each limit and deadline, by its place in the settings."""
    found = {}
    for part, (path, name) in SOURCES.items():
        text = (ROOT / "src" / "crlf" / path).read_text(encoding="utf-8")
        beside = comments(text)
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                for field in node.body:
                    if isinstance(field, ast.AnnAssign):
                        place = f"{part}.{ast.unparse(field.target)}"
                        found[place] = beside.get(field.lineno, "")
    return found


def default_of(setting: Setting) -> str:
    """Write what a setting is when nobody says anything, as TOML."""
    value = setting.initial
    if setting.name == "tls-key":
        return ""
    return f"`{shown(setting.kind, value)}`" if value != "" else '`""`'


def settings_table() -> str:
    """Write the table of everything but limits and timeouts, a heading for each group."""
    text, group = "", ""
    for setting in SETTINGS:
        if setting.group in (LIMITS, TIMES) or setting.group == group:
            continue
        group = setting.group
        rows = [
            (f"`{one.name}`", f"`{one.variable}`", default_of(one), meaning_of(one))
            for one in SETTINGS
            if one.group == group
        ]
        text += f"### {group}\n\n{table(('setting', 'variable', 'default', 'what it is'), rows)}\n"
    return text.rstrip("\n") + "\n"


def meaning_of(setting: Setting) -> str:
    """Say what a setting is, and what else means the same."""
    meaning = re.sub(r" \(default: [^)]*\)", "", setting.meaning)
    others = [f"`{name}`" for name in setting.variables]
    if setting.letter:
        others.insert(0, f"`-{setting.letter}`")
    return f"{meaning}; also {', '.join(others)}" if others else meaning


def bounds_table(group: str) -> str:
    """Write the table of limits, or of timeouts, each with its precedent."""
    why = remarks()
    rows = [
        (
            f"`--{one.name}`",
            f"`{one.place}`",
            default_of(one).strip('`"'),
            one.meaning,
            precedent(why[one.place]),
        )
        for one in SETTINGS
        if one.group == group
    ]
    return table(("option", "in Python", "default", "what it bounds", "precedent"), rows)


def precedent(remark: str) -> str:
    """Take from a comment what others do: what stands after what it is and before what happens."""
    _, _, rest = remark.partition("; ")
    return rest.partition(": ")[0]


def made(name: str) -> str:
    """Write the table of a name."""
    if name == "settings":
        return settings_table()
    return bounds_table(LIMITS if name == "sizes" else TIMES)


def refreshed(page: str) -> str:
    """Return a page with its tables made anew."""
    return MADE.sub(lambda found: f"{found[1]}\n{made(found[2])}\n{found[3]}", page)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")
