"""The user's file of settings: what it says counts where the command line says nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from crlf.cli.arguments import Arguments, parse_arguments
from crlf.cli.asking.settings import with_settings
from crlf.cli.commands import COMMANDS
from crlf.cli.environment import Environment
from crlf.cli.exits import OK, USAGE, Failure

CommandLine = Any  # see conftest.py


class Home:
    """A home with a file of settings, and what a command line means in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / ".config" / "crlf" / "config.toml"
        self.file.parent.mkdir(parents=True)

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def read(self, *words: str) -> Arguments:
        name, *rest = words
        command = COMMANDS[name]
        environment = Environment(None, None, None, variables={"HOME": str(self.folder)})  # type: ignore[arg-type]  # nothing is written
        arguments = parse_arguments(rest, command.options)
        return with_settings(arguments, command, str(self.file), environment)

    def fault(self, text: str, *words: str) -> str:
        self.write(text)
        with pytest.raises(Failure) as caught:
            self.read(*(words or ("get", "http://a.example/")))
        assert caught.value.code == USAGE
        return caught.value.line


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def said(arguments: Arguments, *keys: str) -> list[list[str]]:
    return [arguments.every(key) for key in keys]


# --- which of them counts ------------------------------------------------------------------------


def test_what_is_not_said_is_read(home: Home) -> None:
    home.write('[defaults]\ntimeout = 2.5\nprint = "hb"\nno-proxy = true\nretry = 3\n')
    arguments = home.read("get", "http://a.example/")
    assert said(arguments, "timeout", "print", "no-proxy", "retry") == [
        ["2.5"], ["hb"], ["yes"], ["3"],
    ]  # fmt: skip
    assert arguments.words == ["http://a.example/"]


def test_the_command_line_wins(home: Home) -> None:
    home.write('[defaults]\ntimeout = 2\nprint = "h"\nfollow = true\n')
    arguments = home.read("get", "http://a.example/", "-t", "7", "-b", "--no-follow")
    assert said(arguments, "timeout", "print", "follow") == [["7"], ["b"], ["no"]]


def test_a_host_comes_before_the_defaults(home: Home) -> None:
    home.write(
        '[defaults]\ntimeout = 1\nretry = 1\n[host."a.example"]\ntimeout = 2\n'
        '[host."https://a.example"]\ntimeout = 3\n[host."b.example:81"]\ntimeout = 4\n'
    )
    for url, timeout in (
        ("http://a.example/b", "2"),
        ("A.EXAMPLE", "2"),
        ("https://a.example/", "3"),
        ("https://a.example:443/", "3"),
        ("http://a.example:8080/", "1"),
        ("b.example:81", "4"),
        ("b.example", "1"),
        ("http://[::1]/", "1"),
    ):
        arguments = home.read("get", url)
        assert said(arguments, "timeout", "retry") == [[timeout], ["1"]], url


@pytest.mark.parametrize(
    "words",
    [
        ["request", "PURGE", "a.example"],
        ["upload", "a.txt", "http://a.example/b"],
        ["explain", "a.example"],
        ["explain", "post", "a.example", "b=c"],
        ["download", "http://a.example/b", "http://a.example/c"],
    ],
)
def test_every_command_that_asks_is_given_its_hosts_settings(home: Home, words: list[str]) -> None:
    home.write('[host."a.example"]\ntimeout = 2\n')
    assert home.read(*words).last("timeout") == "2"


def test_one_hosts_settings_are_not_for_several(home: Home) -> None:
    home.write('[host."a.example"]\nauth = "a:b"\n')
    assert not home.read("download", "http://a.example/b", "http://c.example/").has("auth")


def test_a_switch_may_be_turned_off_again(home: Home) -> None:
    home.write(
        '[defaults]\nverbose = true\nfollow = true\n[host."a.example"]\nverbose = false\n'
        "follow = false\n"
    )
    arguments = home.read("get", "a.example")
    assert said(arguments, "verbose", "follow") == [[], ["no"]]


@pytest.mark.parametrize(
    ("settings", "words", "kept"),
    [
        ("json = true", ["--form"], {"form"}),
        ("form = true", ["--json"], {"json"}),
        ('proxy = "http://p.example:8080"', ["--no-proxy"], {"no-proxy"}),
        ('session = "me"', ["--session-read-only", "you"], {"session-read-only"}),
        ('ca = "a.pem"', ["--insecure"], {"insecure"}),
        ("netrc = true", ["--auth", "a:b"], {"auth"}),
        ("", [], set()),
    ],
)
def test_what_is_said_leaves_no_place_for_what_it_excludes(
    home: Home, settings: str, words: list[str], kept: set[str]
) -> None:
    home.write(f"[defaults]\n{settings}\n")
    arguments = home.read("post", "http://a.example/", *words)
    assert {key for key in COMMANDS_KEYS if arguments.has(key)} == kept


COMMANDS_KEYS = {option.key for option in COMMANDS["post"].options}


def test_credentials_that_are_typed_are_said_as_the_command_line_says(home: Home) -> None:
    home.write('[host."a.example"]\nauth = "token"\nauth-type = "bearer"\n')
    assert said(home.read("get", "a.example"), "auth", "auth-type") == [["token"], ["bearer"]]
    typed = home.read("get", "a.example", "-a", "b:c")
    assert said(typed, "auth", "auth-type") == [["b:c"], []]


def test_fields_are_added_to_unless_they_are_said(home: Home) -> None:
    home.write(
        '[defaults]\nheader = ["X-Team: red", "X-Site: 1"]\n'
        '[host."a.example"]\nheader = "x-site: 2"\nresolve = ["a.example:127.0.0.1"]\n'
    )
    fields = home.read("get", "a.example", "-H", "Accept: x/y").every("header")
    assert fields == ["X-Team: red", "x-site: 2", "Accept: x/y"]
    assert home.read("get", "a.example", "X-TEAM:blue").every("header") == ["x-site: 2"]
    assert home.read("get", "a.example", "-H", "x-team;").every("header") == [
        "x-site: 2",
        "x-team;",
    ]


def test_content_options_are_left_out_where_there_is_no_content(home: Home) -> None:
    home.write("[defaults]\njson = true\n")
    assert not home.read("get", "a.example").has("json")
    assert home.read("post", "a.example").has("json")


def test_what_another_command_has_is_left_to_it(home: Home) -> None:
    home.write("[defaults]\njobs = 8\nselect = 'a'\n")
    assert not home.read("get", "a.example").has("jobs")
    assert home.read("download", "a.example").last("jobs") == "8"


def test_files_are_found_from_the_file_that_names_them(home: Home) -> None:
    home.write('[defaults]\nca = "corp.pem"\n[host."a.example"]\ncert = "~/me.pem"\n')
    arguments = home.read("get", "a.example")
    assert arguments.last("ca") == str(home.file.parent / "corp.pem")
    assert arguments.last("cert") == "~/me.pem"


# --- what is wrong with it -----------------------------------------------------------------------

SHOWN = "~/.config/crlf/config.toml"
OF_HOST = 'is for one host, and not for all: [host."a.example"]'
TABLES = 'there are [defaults] and [host."NAME"]'
MEANT = "there is no option timeot; did you mean timeout?"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n[defaults]\n\ntimeot = 1", f":4: {MEANT}"),
        ("[defaults]\nqqqq = 1", ":2: there is no option qqqq; crlf get --help lists them"),
        ("timeout = 1", ":1: timeout means nothing here: options go into [defaults]"),
        ("[host]\na = 1", ':2: hosts are tables: [host."a"]'),
        ("[hosts.a]\ntimeout = 1", f": hosts means nothing here: {TABLES}"),
        ("defaults = 1", ":1: defaults is a table: [defaults]"),
        ('[host."a b"]\ntimeout = 1', ":1: 'a b' is no host: write a.example:8080"),
        ('[host."http://a/b"]\n', ":1: 'http://a/b' is no host: write a.example:8080"),
        ('[defaults]\nverbose = 1\n', ":2: verbose is true or false"),
        ("[defaults]\ntimeout = true\n", ":2: timeout is SECONDS, as text or a number"),
        (
            '[defaults]\nretry = 1\npretty = "fancy"\n',
            ":3: pretty takes all, format, colors or none, not 'fancy'",
        ),
        ("[defaults]\ntimeout = {}\n", ":2: timeout is SECONDS, as text or a number"),
        ('[defaults]\noutput = "a"\n', ":2: output is about one command: say it there"),
        ("[defaults]\nhelp = true\n", ":2: help is about one command: say it there"),
        ('[defaults]\nauth = "a:b"\n', f":2: auth {OF_HOST}"),
        ("[defaults]\ninsecure = true\n", f":2: insecure {OF_HOST}"),
        (
            '[defaults]\nheader = ["A: b", "authorization: c"]\n',
            f":2: authorization {OF_HOST}",
        ),
        ('[host."a.example"]\n"timeot" = 1', f":2: {MEANT}"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(home: Home, text: str, line: str) -> None:
    assert home.fault(text, "get", "a.example") == SHOWN + line


def test_no_toml_is_said(home: Home) -> None:
    assert home.fault("[defaults\n").startswith(f"{SHOWN} is no TOML: ")
    assert home.fault(f"timeout = {'9' * 10_000}").startswith(f"{SHOWN} is no TOML: ")
    home.file.write_bytes(b"# \xff")
    with pytest.raises(Failure, match="is no UTF-8, at byte 2"):
        home.read("get", "a.example")


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_a_file_that_anybody_may_write_is_not_believed(home: Home) -> None:
    home.write("[defaults]\ntimeout = 1\n")
    home.file.chmod(0o666)
    with pytest.raises(Failure, match="anybody may write to it: chmod o-w"):
        home.read("get", "a.example")


# --- from the command line -----------------------------------------------------------------------


def test_a_command_line_reads_it(crlf: CommandLine, site: str, tmp_path: Path) -> None:
    Home(tmp_path).write('[defaults]\nheader = "X-Team: red"\n')
    crlf.variables["HOME"] = str(tmp_path)
    answer = json.loads(crlf("get", f"{site}/echo").out)
    assert ["x-team", "red"] in answer["headers"]


def test_it_may_be_elsewhere_or_off(crlf: CommandLine, site: str, tmp_path: Path) -> None:
    Home(tmp_path).write("[defaults]\nnonsense = 1\n")
    crlf.variables["HOME"] = str(tmp_path)
    assert crlf("get", f"{site}/page").code == USAGE
    for name, value in (
        ("CRLF_CLIENT_CONFIG", "off"),
        ("CRLF_CONFIG", "off"),
        ("XDG_CONFIG_HOME", str(tmp_path / "elsewhere")),
    ):
        crlf.variables = {"HOME": str(tmp_path), name: value}
        assert crlf("get", f"{site}/page").code == OK, name
    (tmp_path / "mine.toml").write_text('[defaults]\nheader = "X-Team: blue"\n')
    crlf.variables["CRLF_CLIENT_CONFIG"] = "mine.toml"
    assert b"blue" in crlf("get", f"{site}/echo").out
    crlf.variables["CRLF_CLIENT_CONFIG"] = "missing.toml"
    done = crlf("get", f"{site}/echo")
    assert done.code == USAGE
    assert done.err.endswith("missing.toml cannot be read: it is not there\n")


def test_help_and_serving_do_not_read_it(crlf: CommandLine, tmp_path: Path) -> None:
    Home(tmp_path).write("nonsense")
    crlf.variables["HOME"] = str(tmp_path)
    assert crlf("get", "--help").code == OK
    assert crlf("serve", "--help").code == OK
