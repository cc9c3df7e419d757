"""Help, made from the table of commands.

A command is shown as its words, its options in their groups, and examples; how wide is the
terminal's to say. Its law: nothing is said here that a table has not.
"""

from __future__ import annotations

from collections.abc import Iterable

from crlf.cli.arguments import Option
from crlf.cli.commands import COMMANDS, ITEMS, MAIN_OPTIONS, Command
from crlf.cli.exits import MEANINGS
from crlf.cli.terminal import Style

WIDTH = 80  # the widest; longer lines are read less well
_GAP = 2  # blanks between columns, and before the first
_LEAST = 30  # columns that an explanation has beside a name; with fewer it stands below
_FIRST = 32  # the widest first column that still has its explanation beside it


def main_help(style: Style, width: int = WIDTH) -> str:
    """Write what `crlf --help` shows."""
    lines = [
        *_usage(["crlf COMMAND ...", "crlf URL"], style),
        "",
        *fold("Both ends of HTTP, and the wire in sight.", width),
        *_section(
            "Commands", [(name, one.meaning) for name, one in COMMANDS.items()], style, width
        ),
        *_section("Options", [_row(option) for option in MAIN_OPTIONS], style, width),
        *_section("Items, after the URL", ITEMS, style, width),
        "",
        *fold("crlf COMMAND --help tells more: crlf get --help, crlf serve --help.", width),
    ]
    return "\n".join(lines) + "\n"


def command_help(command: Command, style: Style, width: int = WIDTH) -> str:
    """Write what `crlf COMMAND --help` shows."""
    lines = [
        *_usage([f"crlf {command.name} {command.words} [OPTION]..."], style),
        "",
        *fold(f"{command.meaning[:1].upper()}{command.meaning[1:]}.", width),
    ]
    if command.module == "fetch":
        lines += _section("Items", ITEMS, style, width)
    for group in dict.fromkeys(option.group for option in command.options if option.group):
        rows = [_row(option) for option in command.options if option.group == group]
        lines += _section(group, rows, style, width)
    if command.module == "fetch":
        rows = [(str(code), meaning) for code, meaning in MEANINGS.items()]
        lines += _section("Exit codes", rows, style, width)
    if command.examples:
        lines += ["", style.paint("Examples", "strong")]
        for line, meaning in command.examples:
            lines.append(f"{' ' * _GAP}{line}")
            folded = fold(meaning, width - 3 * _GAP)
            lines += [f"{' ' * _GAP * 3}{style.paint(one, 'faint')}" for one in folded]
    return "\n".join(lines) + "\n"


def _usage(forms: Iterable[str], style: Style) -> list[str]:
    start = style.paint("Usage", "strong")
    return [f"{start}  {form}" if at == 0 else f"       {form}" for at, form in enumerate(forms)]


def _row(option: Option) -> tuple[str, str]:
    value = f" {option.metavar}" if option.metavar else ""
    indent = "" if len(option.names) > 1 else " " * 4  # long names stand below each other
    return f"{indent}{', '.join(option.names)}{value}", option.meaning


def _section(title: str, rows: Iterable[tuple[str, str]], style: Style, width: int) -> list[str]:
    """Write rows in two columns, the second folded; a wide first one stands on its own line."""
    rows = list(rows)
    wide = max((len(first) for first, _ in rows if len(first) <= _FIRST), default=0)
    if width - wide - 2 * _GAP < _LEAST:
        wide = _GAP
    lines = ["", style.paint(title, "strong")]
    for first, second in rows:
        folded = fold(second, width - wide - 2 * _GAP)
        if len(first) > wide:
            lines.append(f"{' ' * _GAP}{style.paint(first, 'name')}")
        else:
            blanks = " " * (wide - len(first) + _GAP)
            lines.append(f"{' ' * _GAP}{style.paint(first, 'name')}{blanks}{folded.pop(0)}")
        lines += [f"{' ' * (wide + 2 * _GAP)}{line}" for line in folded]
    return lines


def fold(text: str, width: int) -> list[str]:
    """Break text at blanks into lines that are no wider, where its words allow."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
