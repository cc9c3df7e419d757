"""Write what shells and readers of manuals are given: completion scripts, and the man page.

python scripts/shells.py

Both are made from the command line's own table, and lie in the package: whoever installs crlf has
them without shtab, and no shell starts Python to complete a word. A test says when they are old.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import shtab

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from crlf.cli.arguments import Option  # noqa: E402
from crlf.cli.commands import COMMANDS, ITEMS, MAIN_OPTIONS, Command  # noqa: E402
from crlf.cli.exits import MEANINGS  # noqa: E402
from crlf.cli.shells.completion import FILES  # noqa: E402

PLACE = ROOT / "src" / "crlf" / "cli" / "shells"
SYNOPSIS = "crlf COMMAND [OPTION]... [WORD]..."


# --- completion ----------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    """Say the table to argparse, which is what shtab reads."""
    whole = argparse.ArgumentParser("crlf", add_help=False)
    for option in MAIN_OPTIONS:
        add(whole, option)
    commands = whole.add_subparsers()
    for command in COMMANDS.values():
        one = commands.add_parser(command.name, help=command.meaning, add_help=False)
        for option in command.options:
            add(one, option)
        add_words(one, command)
    return whole


def add(to: argparse.ArgumentParser, option: Option) -> None:
    """Say one option; a value that is one of a few, or a file, is completed as such."""
    meaning = option.meaning.replace("%", "%%")
    if not option.metavar:
        to.add_argument(*option.names, action="store_true", help=meaning, dest=option.names[-1])
        return
    choices = option.metavar.split("|") if "|" in option.metavar else None
    said = to.add_argument(
        *option.names, help=meaning, dest=option.names[-1], choices=choices,
        metavar=None if choices else option.metavar,
    )  # fmt: skip
    if "FILE" in option.metavar or "FOLDER" in option.metavar:
        said.complete = shtab.DIRECTORY if "FOLDER" in option.metavar else shtab.FILE  # type: ignore[attr-defined]  # how shtab is told


def add_words(to: argparse.ArgumentParser, command: Command) -> None:
    """Say what a command takes beside options: files where it takes files."""
    words = command.words
    if "|" in words and words.replace(" | ", "").isalpha() and words.islower():
        to.add_argument("word", choices=words.split(" | "))
    elif "FILE" in words or "FOLDER" in words:
        said = to.add_argument("word", nargs="*")
        said.complete = shtab.FILE  # type: ignore[attr-defined]  # how shtab is told
    else:
        to.add_argument("word", nargs="*")


# --- the man page --------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """Write text for troff: no backslash, hyphen or quote of it is an order."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\\&" + text if text.startswith(".") else text


def manual() -> str:
    """Write the man page."""
    return "".join(f"{line}\n" for line in manual_lines())


def manual_lines() -> Iterator[str]:
    """Write the lines of the man page, section by section."""
    yield '.TH CRLF 1 "" crlf "User commands"'
    yield ".SH NAME"
    yield escaped("crlf - ") + "both ends of HTTP, and the wire in sight"
    yield ".SH SYNOPSIS"
    yield f".B {escaped(SYNOPSIS)}"
    yield ".br"
    yield f".B {escaped('crlf URL')}"
    yield ".SH COMMANDS"
    for command in COMMANDS.values():
        yield from entry(f"crlf {command.name} {command.words}", f"{command.meaning}.")
    yield ".SH ITEMS"
    for form, meaning in ITEMS:
        yield from entry(form, meaning)
    told: dict[tuple[str, ...], str] = {}
    for command in COMMANDS.values():
        yield from options_of(command, told)
    yield ".SH EXIT STATUS"
    for code, meaning in MEANINGS.items():
        yield from entry(str(code), meaning)
    yield ".SH EXAMPLES"
    for command in COMMANDS.values():
        for line, meaning in command.examples:
            yield from entry(line, meaning)


def options_of(command: Command, told: dict[tuple[str, ...], str]) -> Iterator[str]:
    """Write a command's options; the ones that another had before are told of there."""
    shown = tuple(option for option in command.options if option.group)
    names = tuple(option.names[-1] for option in shown)
    if names in told or len(names) == 1:
        return
    told[names] = command.name
    same = [one.name for one in COMMANDS.values() if options_named(one) == names]
    yield f'.SH "OPTIONS OF {" ".join(same).upper()}"'
    group = ""
    for option in shown:
        if option.group != group:
            group = option.group
            yield f".SS {escaped(group)}"
        value = f" {option.metavar}" if option.metavar else ""
        yield from entry(f"{', '.join(option.names)}{value}", option.meaning)


def options_named(command: Command) -> tuple[str, ...]:
    """List the options that help lists."""
    return tuple(option.names[-1] for option in command.options if option.group)


def entry(term: str, meaning: str) -> Iterator[str]:
    """Write a term and what it means."""
    yield ".TP"
    yield f".B {escaped(term)}"
    yield escaped(meaning)


# --- all of it -----------------------------------------------------------------------------------


def made(names: Iterable[str] = FILES) -> dict[str, str]:
    """Write each file, by its name in crlf/cli/shells."""
    return {FILES[name]: manual() if name == "man" else completion(name) for name in names}


def completion(shell: str) -> str:
    """Write the script that completes crlf's words in a shell."""
    text = shtab.complete(parser(), shell)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


if __name__ == "__main__":
    for name, text in made().items():
        (PLACE / name).write_text(text, encoding="utf-8")
