"""What `crlf serve --print-config` shows: every setting, its value, and who said so.

It is TOML, so that it can be saved as crlf.toml and changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from crlf.cli.terminal import Style
from crlf.server.configuration import DEFAULT, Chosen
from crlf.server.kinds import SECRET, shown

_WIDEST = 44  # of a line before its comment; a longer one has its comment after two blanks


def configuration_text(chosen: Iterable[Chosen], style: Style) -> str:
    """Write settings as TOML, each with its source as a comment, in their groups."""
    rows = [(one, _line(one)) for one in chosen]
    wide = max(len(line) for _, line in rows if len(line) <= _WIDEST)
    lines: list[str] = []
    group = None
    for one, line in rows:
        if one.setting.group != group:
            group = one.setting.group
            lines += ["", style.paint(f"# {group.partition(' (')[0]}", "strong")]
        source = style.paint(f"# {one.source}", "faint" if one.rank == DEFAULT else "good")
        lines.append(f"{line}{' ' * (wide - len(line))}  {source}")
    return "\n".join(lines[1:]) + "\n"


def _line(one: Chosen) -> str:
    """Write a setting; of a secret only that there is one."""
    if one.setting.kind is SECRET and one.value is not None:
        return f"# {one.setting.name} is set, and not shown"
    return f"{one.setting.name} = {shown(one.setting.kind, one.value)}"
