"""`~/.config/crlf/config.toml`: options that need not be said each time.

`[defaults]` holds for every command that asks, `[host."api.example"]` for one host, by the same
names as on the command line, which always wins. Its law: what belongs to one host is never given
to all, and a name that means nothing is an error that says where it stands.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping

from crlf.cli.arguments import Arguments, Option, UnknownValue
from crlf.cli.asking.request import whole_url
from crlf.cli.commands import COMMANDS, Command
from crlf.cli.environment import Environment
from crlf.cli.exits import Failure, reason_of
from crlf.cli.suggestions import closest
from crlf.message.errors import BadUrl
from crlf.message.headers import SECRETS
from crlf.message.url import DEFAULT_PORTS, URL
from crlf.net.ownfile import read_own

MOST = 1024 * 1024  # bytes; longer is no file of settings

_DEFAULTS, _HOST = "defaults", "host"
_ASKING = ("get", "explain", "download", "upload")  # of each kind of command that asks, one
# What is about one command alone: as a default it would surprise, or overwrite.
_ONCE = frozenset({"help", "output", "raw", "offline", "as", "har", "app", "input", "checksum"})
# What is one host's alone, and an open door for all others.
_OF_HOST = frozenset({"auth", "cert", "cert-key", "insecure", "unix-socket"})
_CONTENT = frozenset({"json", "form", "multipart", "chunked", "compress"})
# Those that are added to, instead of replaced.
_ADDED = frozenset({"header", "resolve"})
_FILES = frozenset({"ca", "cert", "cert-key", "unix-socket"})
# What leaves no place for each other: what is said later, or on the command line, counts.
_EXCLUSIVE = (
    frozenset({"json", "form", "multipart", "raw"}),
    frozenset({"session", "session-read-only"}),
    frozenset({"proxy", "no-proxy", "unix-socket", "untrusted", "app"}),
    frozenset({"app", "resolve", "interface", "untrusted"}),
    frozenset({"unix-socket", "resolve", "interface", "untrusted"}),
    frozenset({"insecure", "ca"}),
    frozenset({"overwrite", "numbered", "skip-existing"}),
)
# What is said makes the others meaningless, though not the other way round.
_OVER = {"auth": ("auth-type", "netrc"), "netrc": ("auth", "auth-type"), "cert": ("cert-key",)}

Given = dict[str, list[str]]


def with_settings(
    arguments: Arguments, command: Command, path: str, environment: Environment
) -> Arguments:
    """Return what was said on a command line, with what a file says where it said nothing.

    Raises Failure for a file that is not what it should be, naming it and the line.
    """
    file = _SettingsFile(path, os.fspath(environment.variables.get("HOME", "")))
    options = {option.key: option for option in command.options}
    said: Given = {key: arguments.every(key) for key in options if arguments.has(key)}
    given: Given = {}
    for table, where in file.tables(_urls(command, arguments)):
        _overlay(given, file.values(table, where, command))
    if command.name in ("get", "head"):
        given = {key: values for key, values in given.items() if key not in _CONTENT}
    _leave_out_fields(given, arguments.words)
    _overlay(given, said)
    return arguments.with_options(given)


class _SettingsFile:
    """A file of settings, read and checked as far as no command matters."""

    def __init__(self, path: str, home: str) -> None:
        inside = home and path.startswith(os.path.join(home, ""))
        self._shown = f"~{path[len(home.rstrip(os.sep)) :]}" if inside else path
        self._folder = os.path.dirname(path)
        self._text = self._read(path)
        try:
            self._tables = tomllib.loads(self._text)
        except (ValueError, RecursionError) as fault:  # the first also of numbers without end
            raise Failure(f"{self._shown} is no TOML: {fault}") from None
        for key, value in self._tables.items():
            if key not in (_DEFAULTS, _HOST):
                hint = "options go into [defaults]"
                if isinstance(value, dict):
                    hint = 'there are [defaults] and [host."NAME"]'
                raise self._failure((), key, f"{key} means nothing here: {hint}")
            if not isinstance(value, dict):
                raise self._failure((), key, f"{key} is a table: [{key}]")
        for key, value in self._hosts().items():
            if not isinstance(value, dict):
                raise self._failure((_HOST,), key, f'hosts are tables: [host."{key}"]')

    def _read(self, path: str) -> str:
        try:
            data = read_own(path, MOST)
        except OSError as fault:
            raise Failure(f"{self._shown} cannot be read: {reason_of(fault)}") from None
        if data is None:
            raise Failure(f"{self._shown} cannot be read: it is not there")
        try:
            return data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as fault:
            raise Failure(f"{self._shown} is no UTF-8, at byte {fault.start}") from None

    def _hosts(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = self._tables.get(_HOST, {})
        return found

    def tables(self, urls: list[URL]) -> Iterator[tuple[dict[str, object], tuple[str, ...]]]:
        """Yield the tables that count for some URLs, and where each is; the last counts most."""
        yield self._tables.get(_DEFAULTS, {}), (_DEFAULTS,)
        found = [("://" in name, name) for name in self._hosts() if self._covers(name, urls)]
        for _, name in sorted(found):
            yield self._hosts()[name], (_HOST, name)

    def _covers(self, name: str, urls: list[URL]) -> bool:
        """Tell whether a host's table is for all of these URLs. Raises Failure for no host."""
        has_scheme = "://" in name
        try:
            meant = URL(name if has_scheme else f"http://{name}")
            is_host = meant.is_requestable and meant.target == "/" and meant.username is None
        except BadUrl:
            is_host = False
        if not is_host:
            raise self._failure((_HOST, name), "", f"{name!r} is no host: write a.example:8080")
        if has_scheme:
            return bool(urls) and all(url.origin == meant.origin for url in urls)
        port = meant.explicit_port
        return bool(urls) and all(
            url.host == meant.host
            and url.port == (DEFAULT_PORTS[url.scheme] if port is None else port)
            for url in urls
        )

    def values(
        self, table: Mapping[str, object], where: tuple[str, ...], command: Command
    ) -> Given:
        """Read a table's options, those that this command takes; [] is off. Raises Failure."""
        own, given = _names(command), Given()
        for name, value in table.items():
            option = own.get(name) or self._elsewhere(name, where)
            self._check_place(option, name, value, where)
            values = self._values(option, name, value, where, own)
            if name in own:
                given[option.key] = values
        return given

    def _elsewhere(self, name: str, where: tuple[str, ...]) -> Option:
        """Find an option that only other commands have. Raises Failure where none has it."""
        known: dict[str, Option] = {}
        for command in _ASKING:
            known |= _names(COMMANDS[command])
        if name not in known:
            meant = closest(name, known)
            hint = f"; did you mean {meant}?" if meant else "; crlf get --help lists them"
            raise self._failure(where, name, f"there is no option {name}{hint}")
        return known[name]

    def _check_place(
        self, option: Option, name: str, value: object, where: tuple[str, ...]
    ) -> None:
        key = option.key
        if key in _ONCE:
            raise self._failure(where, name, f"{name} is about one command: say it there")
        if where[0] == _HOST:
            return
        if key in _OF_HOST and value is not False:
            raise self._failure(
                where, name, f'{name} is for one host, and not for all: [host."a.example"]'
            )
        if key == "header":
            texts = value if isinstance(value, list) else [value]
            for text in texts:
                field = str(text).partition(":")[0].strip(" \t").lower()
                if field in SECRETS:
                    raise self._failure(
                        where, name, f'{field} is for one host, and not for all: [host."a.example"]'
                    )

    def _values(
        self,
        option: Option,
        name: str,
        value: object,
        where: tuple[str, ...],
        own: Mapping[str, Option],
    ) -> list[str]:
        """Write an option's value as the command line has it; [] for a switch that is off."""
        if not option.metavar:
            if value is True:
                return [option.constant]
            if value is False:
                other = own.get(f"no-{name}")
                return [other.constant] if other is not None and other.key == option.key else []
            raise self._failure(where, name, f"{name} is true or false")
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str | int | float) and not isinstance(one, bool)
                   for one in values):  # fmt: skip
            raise self._failure(where, name, f"{name} is {option.metavar}, as text or a number")
        texts = [str(one) for one in values]
        odd = [text for text in texts if option.choices and text not in option.choices]
        if odd:
            raise self._failure(where, name, UnknownValue(name, odd[0], option.choices).line)
        if option.key in _FILES:
            return [self._from_folder(text) for text in texts]
        return texts

    def _from_folder(self, text: str) -> str:
        return text if text.startswith("~") else os.path.join(self._folder, text)

    def _failure(self, where: tuple[str, ...], name: str, line: str) -> Failure:
        number = _line_of(self._text, where, name)
        return Failure(f"{self._shown}{f':{number}' if number else ''}: {line}")


def _names(command: Command) -> dict[str, Option]:
    return {option.names[-1].removeprefix("--"): option for option in command.options}


def _overlay(below: Given, above: Given) -> None:
    """Put options over others: they replace what is there, and what they exclude."""
    for key, values in above.items():
        gone = {other for group in _EXCLUSIVE if key in group for other in group}
        if values:
            for other in (gone - above.keys()) | {*_OVER.get(key, ())} - above.keys():
                below.pop(other, None)
        if not values:
            below.pop(key, None)  # a switch that is off here
        elif key == "header":
            said = {_field_of(text) for text in values}
            kept = [text for text in below.get(key, ()) if _field_of(text) not in said]
            below[key] = kept + values
        elif key in _ADDED:
            below[key] = below.get(key, []) + values
        else:
            below[key] = values


def _leave_out_fields(given: Given, words: list[str]) -> None:
    """Take away the header fields that an item of the command line says itself."""
    lowered = [word.lower() for word in words[1:]]
    kept = [
        text
        for text in given.pop("header", ())
        if not any(
            word.startswith((f"{_field_of(text)}:", f"{_field_of(text)};")) for word in lowered
        )
    ]
    if kept:
        given["header"] = kept


def _field_of(header: str) -> str:
    name = header.partition(":")[0] if ":" in header else header.removesuffix(";")
    return name.strip(" \t").lower()


def _urls(command: Command, arguments: Arguments) -> list[URL]:
    """Read what a command asks for, as far as it can be read yet."""
    words = list(arguments.words)
    if command.module == "upload" or (command.module == "fetch" and not command.method):
        words = words[1:2]
    elif command.module == "explain":
        words = words[1:2] if len(words) > 1 and words[0].lower() in COMMANDS else words[:1]
    elif command.module == "fetch":
        words = words[:1]
    urls = []
    for word in words:
        try:
            url = URL(whole_url(word, arguments.has("app")))
        except BadUrl:
            continue
        if url.is_requestable:
            urls.append(url)
    return urls


def _line_of(text: str, where: tuple[str, ...], name: str) -> int:
    """Return the line of a table's key, or of the table itself; 0 where it is not plain to see."""
    here: tuple[str, ...] = ()
    begins = re.compile(rf"""["']?{re.escape(name)}["']?[ \t]*=""")
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip(" \t")
        if line.startswith("["):
            here = _table_of(line)
            if here == where and not name:
                return number
            if here == (*where, name):
                return number
        elif here == where and name and begins.match(line):
            return number
    return 0


def _table_of(line: str) -> tuple[str, ...]:
    """Read the names in a table's heading, by the reader of TOML itself."""
    names: list[str] = []
    try:
        inside: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ("",)
    while isinstance(inside, dict) and inside:
        names.append(next(iter(inside)))
        inside = inside[names[-1]]
    return tuple(names)
