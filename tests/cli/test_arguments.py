"""Options in every spelling, and what is wrong with the others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from crlf.cli import elsewhere
from crlf.cli.arguments import UnknownOption, parse_arguments
from crlf.cli.commands import COMMANDS, MAIN_OPTIONS, REQUEST_OPTIONS
from crlf.cli.exits import USAGE, Failure

CommandLine = Any  # see conftest.py


@pytest.mark.parametrize(
    "line",
    ["-o f -v url", "url -vo f", "-vof url", "--output f --verbose url", "url --output=f -v",
     "-o=f url -v", "-v -o f -- url"],
)  # fmt: skip
def test_every_spelling_means_the_same(line: str) -> None:
    arguments = parse_arguments(line.split(" "), REQUEST_OPTIONS)
    assert arguments.words == ["url"]
    assert arguments.last("output") == "f"
    assert arguments.has("verbose")
    assert not arguments.has("insecure")
    assert arguments.last("timeout") is None


def test_after_two_hyphens_nothing_is_an_option() -> None:
    assert parse_arguments(["--", "-v", "--", "-o"], REQUEST_OPTIONS).words == ["-v", "--", "-o"]


def test_one_hyphen_alone_is_a_word() -> None:
    assert parse_arguments(["-", "-o", "-"], REQUEST_OPTIONS).words == ["-"]


def test_of_several_values_the_last_counts_or_all() -> None:
    arguments = parse_arguments(["-H", "a:1", "-Hb:2", "-o", "x", "-o", "y"], REQUEST_OPTIONS)
    assert arguments.every("header") == ["a:1", "b:2"]
    assert arguments.last("output") == "y"
    assert arguments.every("auth") == []


def test_a_switch_may_have_an_opposite() -> None:
    assert parse_arguments(["--follow", "--no-follow"], REQUEST_OPTIONS).last("follow") == "no"
    assert parse_arguments(["--no-follow", "--follow"], REQUEST_OPTIONS).last("follow") == "yes"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--nothing"], "there is no option --nothing"),
        (["--verb"], "there is no option --verb"),
        (["-vy"], "there is no option -y"),
        (["--verbose=yes"], "--verbose takes no value"),
        (["--output"], "--output needs FILE after it"),
        (["-vo"], "-o needs FILE after it"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], says: str) -> None:
    with pytest.raises(Failure, match=says) as caught:
        parse_arguments(words, REQUEST_OPTIONS)
    assert caught.value.code == USAGE


def test_an_unknown_option_is_an_error_of_its_own() -> None:
    with pytest.raises(UnknownOption) as caught:
        parse_arguments(["--verbos=1"], REQUEST_OPTIONS)
    assert caught.value.name == "--verbos"


@pytest.mark.parametrize("options", [MAIN_OPTIONS, *(c.options for c in COMMANDS.values())])
def test_no_name_is_given_twice(options: tuple[object, ...]) -> None:
    names = [name for option in options for name in option.names]  # type: ignore[attr-defined]
    assert len(names) == len(set(names))
    for name in names:
        assert name.startswith("--") == (len(name) > 2)


def hints() -> list[tuple[str, str, str]]:
    return [
        (module, name, hint)
        for module, tables in elsewhere._TABLES.items()
        for table in tables
        for names, hint in table
        for name in names.split(" ")
    ]


def test_what_fingers_remember_of_other_tools_is_said_in_our_words() -> None:
    """No option of ours is hidden by it, and what a hint names is there."""
    command = {"fetch": "get", "explain": "explain", "upload": "upload", "download": "download",
               "serve": "serve"}  # fmt: skip
    for module, name, hint in hints():
        ours = {each for option in COMMANDS[command[module]].options for each in option.names}
        if module == "fetch":
            assert name not in ours, name
        named = re.findall(r"(?<![-\w])--?[A-Za-z][a-z-]*", hint)
        known = ours | {each for option in COMMANDS["get"].options for each in option.names}
        assert set(named) <= known, (module, name, hint)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("get URL -X PUT", "-X; the command is the method, as in crlf put URL"),
        ("-I URL", "-I; crlf head URL asks for the head alone"),
        ("get URL --verify=no", "--verify; --insecure believes any certificate"),
        ("download URL -c", "-c; it goes on where it stopped anyway"),
        ("download URL -u a", "-u; -a USER[:PASSWORD] says who asks"),
        ("serve --cert FILE", "--cert; here it is --tls-certificate FILE"),
        ("get URL -y", "-y; crlf get --help lists them"),
        ("download URL -y", "-y; crlf download --help lists them"),
    ],
)
def test_an_option_of_another_tool_is_answered_with_ours(
    line: str, hint: str, crlf: CommandLine
) -> None:
    done = crlf(*line.split(" "))
    assert done.code == USAGE
    assert done.err.startswith(f"crlf: there is no option {hint}")


@pytest.mark.parametrize(
    ("line", "missing"),
    [("get", "URL"), ("upload f", "URL"), ("completion", "SHELL"), ("from-curl", "CURL-COMMAND")],
)
def test_what_is_missing_is_named(line: str, missing: str, crlf: CommandLine) -> None:
    assert crlf(*line.split(" ")).err.startswith(f"crlf: {missing} is missing: crlf ")
