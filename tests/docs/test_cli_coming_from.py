"""The tables for who comes from HTTPie, curl or wget name nothing that is not there."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crlf.cli.arguments import UnknownOption, UnknownValue, parse_arguments
from crlf.cli.asking.items import parse_item
from crlf.cli.commands import COMMANDS
from crlf.cli.exits import Failure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli" / "coming-from.md"
CODE = re.compile(r"`([^`]+)`")
TITLES = ["From HTTPie", "From curl", "From wget"]


def section(title: str) -> str:
    [found] = [
        each for each in PAGE.read_text(encoding="utf-8").split("\n## ") if each.startswith(title)
    ]
    return found


def rows(title: str) -> Iterator[list[list[str]]]:
    """Yield the words in code of each cell, of the table of a section."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    for line in lines[2:]:
        cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
        yield [[word.replace("\\|", "|") for word in CODE.findall(cell)] for cell in cells]


def said(words: str) -> None:
    """Read what stands in the middle, as the command line does. Raises Failure and its like."""
    name, *rest = shlex.split(words)
    if name != "crlf":
        name, rest = "get", shlex.split(words)
    else:
        name, rest = rest[0], rest[1:]
    command = COMMANDS[name]
    arguments = parse_arguments(rest, command.options)
    if command.module == "fetch" and len(arguments.words) > command.least:
        for item in arguments.words[command.least :]:
            parse_item(item)


@pytest.mark.parametrize("title", TITLES)
def test_every_line_of_ours_can_be_said(title: str) -> None:
    ours = [words for cells in rows(title) for words in cells[1]]
    assert len(ours) > 10
    for words in ours:
        said(words)


@pytest.mark.parametrize(
    "words", ["--nope", "crlf got URL", "crlf get URL --jobs 3", "--auth-type nope"]
)
def test_a_word_that_there_is_not_is_seen(words: str) -> None:
    with pytest.raises((UnknownOption, UnknownValue, KeyError, Failure)):
        said(words)


def test_what_is_said_to_be_the_same_is() -> None:
    same = CODE.findall(section("From HTTPie").split("are the same")[0].split("\n\n")[-1])
    assert len(same) > 20
    known = {name for option in COMMANDS["get"].options for name in option.names}
    assert [name for name in same if name not in known] == []


def help_of(command: list[str], program: Callable[[str], str]) -> str:
    command = [program(command[0]), *command[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


@pytest.mark.live
@pytest.mark.parametrize(
    ("title", "command"),
    [
        pytest.param("From HTTPie", ["http", "--help"], marks=pytest.mark.needs("http")),
        pytest.param("From curl", ["curl", "--help", "all"], marks=pytest.mark.needs("curl")),
        pytest.param("From wget", ["wget", "--help"], marks=pytest.mark.needs("wget")),
    ],
    ids=["httpie", "curl", "wget"],
)
def test_every_option_of_theirs_exists(
    title: str, command: list[str], program: Callable[[str], str]
) -> None:
    text = help_of(command, program)
    theirs = [word.split()[0] for cells in rows(title) for word in cells[0] if word[0] == "-"]
    if title == "From HTTPie":
        theirs += CODE.findall(section(title).split("are the same")[0].split("\n\n")[-1])
    assert len(theirs) > 15
    missing = [
        word for word in theirs if not re.search(rf"(?:^|[\s,\[]){re.escape(word)}(?![\w-])", text)
    ]
    assert missing == []
