"""Help: for everything there is, on any terminal; and the page that says the same."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import cli_page
from crlf.cli.arguments import parse_arguments, parse_raw
from crlf.cli.asking.items import parse_item
from crlf.cli.commands import COMMANDS, ITEMS
from crlf.cli.exits import MEANINGS, OK, USAGE
from crlf.cli.help import WIDTH, fold
from crlf.message.version import __version__

CommandLine = Any  # see conftest.py
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_names_every_command(words: list[str], crlf: CommandLine) -> None:
    done = crlf(*words)
    assert (done.code, done.err) == (OK, "")
    flat = " ".join(done.text.split())
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name}  ", done.text, re.MULTILINE)
        assert f"{name} {command.meaning}" in flat
    assert max(map(len, done.text.splitlines())) <= WIDTH


def test_who_says_nothing_is_helped_and_has_made_a_mistake(crlf: CommandLine) -> None:
    done = crlf()
    assert (done.code, done.out) == (USAGE, b"")
    assert done.err == crlf("--help").text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_explains_every_option(name: str, crlf: CommandLine) -> None:
    command = COMMANDS[name]
    done = crlf(name, "--help")
    assert done.code == OK
    assert crlf("help", name).out == done.out
    flat = " ".join(done.text.split())
    for option in (option for option in command.options if option.group):
        assert ", ".join(option.names) in flat
        assert " ".join(option.meaning.split()) in flat
    assert max(map(len, done.text.splitlines())) <= WIDTH
    if command.module == "fetch":
        for code, meaning in MEANINGS.items():
            assert f"{code} {meaning}" in flat


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_examples_can_be_said(command: Any) -> None:
    for line, _ in command.examples:
        [(_, *words)] = [
            shlex.split(part, comments=True) for part in line.split(" | ") if part[:5] == "crlf "
        ]
        words = words[1:] if words[0] == command.name else words
        said = parse_raw(words) if command.is_raw else parse_arguments(words, command.options)
        assert len(said.words) >= command.least
        for text in said.words[command.least :] if command.module == "fetch" else []:
            parse_item(text)


def test_items_are_explained_by_what_they_are() -> None:
    for form, _ in ITEMS:
        parse_item("a:=1" if form == "name:=json" else form)


def test_the_version_is_that_of_the_package(crlf: CommandLine) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{__version__}"\n' in text
    assert crlf("--version").text == f"crlf {__version__}\n"


def test_a_slip_beside_help_is_told(crlf: CommandLine) -> None:
    assert crlf("help", "explian").err.endswith("no command explian; did you mean explain?\n")
    assert "did you mean" not in crlf("explain", ":8000", "--print=h").err
    assert crlf("--help", "--colour").err.startswith("crlf: there is no option --colour")


def test_help_is_coloured_on_a_terminal(crlf: CommandLine) -> None:
    assert b"\x1b[" not in crlf("--help").out
    crlf.on_terminal = ("stdout",)
    assert b"\x1b[1mCommands\x1b[0m" in crlf("--help").out


def test_text_is_folded_at_blanks() -> None:
    assert fold("aa bb cc", 5) == ["aa bb", "cc"]
    assert fold("aaaaaa b", 3) == ["aaaaaa", "b"]


def test_the_pages_have_what_the_tables_have() -> None:
    texts = [path.read_text(encoding="utf-8") for path in cli_page.PAGES]
    for text in texts:
        assert cli_page.refreshed(text) == text, "run python scripts/cli_page.py"
    page = "".join(texts)
    for command in COMMANDS.values():
        assert f"`crlf {command.name}" in page
        for option in (option for option in command.options if option.group):
            assert all(f"`{name}" in page for name in option.names)


def test_a_stale_page_is_seen() -> None:
    stale = "a\n<!-- made: items -->\nold\n<!-- end -->\nb\n"
    fresh = cli_page.refreshed(stale)
    assert "old" not in fresh
    assert fresh.startswith("a\n<!-- made: items -->\n")
    assert fresh.endswith("<!-- end -->\nb\n")
