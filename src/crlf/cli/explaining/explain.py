"""`crlf explain` and `-vv`: an exchange or a file, from the command line to its explanation.

What goes over the wire is recorded while it happens and told of when it is over; what comes on
standard input as soon as a message is whole. Its law: an exchange that fails is explained too,
and what failed is said after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crlf.cli.arguments import Arguments
from crlf.cli.asking.request import STANDING, Asked, read_request
from crlf.cli.commands import COMMANDS, Command
from crlf.cli.environment import Environment
from crlf.cli.exchanging.fetch import code_of, in_session
from crlf.cli.exchanging.fetch import run as fetch
from crlf.cli.exchanging.recorded import as_kept, check_place, has_unicode, show_times, write_file
from crlf.cli.exits import NOT_HTTP, OK, TOO_LARGE, Failure
from crlf.cli.explaining.origins import UNKNOWN, Origins
from crlf.cli.explaining.sources import (
    has_more,
    is_json,
    named_file,
    pieces_of,
    read_source,
    recognised,
)
from crlf.cli.explaining.story import Chapter, chapter_of, chapter_of_bytes
from crlf.cli.explaining.textual import Teller
from crlf.cli.terminal import Style
from crlf.client.options import ClientOptions
from crlf.client.plain import PlainClient
from crlf.client.recording import Recorder
from crlf.message.grammar import is_token
from crlf.net.blocking import BlockingNetwork
from crlf.ports import Network
from crlf.rules.captures import MAX_FILE, Captured, build_captures, is_captures, masked

_OPTIONS = ("auth", "netrc", "json", "form", "multipart", "chunked", "compress", "range")
# Bytes that are looked at anew with each piece; beyond, when as much again has come, or a pause.
_SMALL = 4096


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Explain what a command line names; return the exit code."""
    _check(arguments, environment)
    if command.module == "fetch":  # -vv
        return _beside(command, arguments, environment)
    if arguments.words == ["-"]:
        return _of_input(arguments, environment)
    name = named_file(arguments.words, environment)
    if name is None:
        return _of_exchange(arguments, environment)
    found = read_source(name, environment)
    return _told(found, arguments, environment)


def _check(arguments: Arguments, environment: Environment) -> None:
    """Refuse what cannot be done before anything is sent. Raises Failure."""
    form = arguments.last("format")
    if form not in (None, "text", "json"):
        raise Failure(f"--format is text or json, not {form}")
    for option in ("html", "save", "har"):
        for name in arguments.every(option):
            check_place(name, environment)


# --- live ----------------------------------------------------------------------------------------


def _beside(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Do what `crlf get` does, and explain it on standard error when it is over."""
    recorder = Recorder()
    network = recorder.watch(_network(arguments, environment))
    asked_by = _Asking()
    is_shown = environment.stdout_is_terminal and environment.stderr_is_terminal
    has_failed = True
    try:
        asked_by.look(arguments)
        code = fetch(
            command, arguments, environment, network, is_shown=is_shown, trace=recorder.step
        )
        has_failed = False
        return code
    finally:
        is_terminal = environment.stderr_is_terminal
        teller = _teller(arguments, environment, is_terminal)
        captures = recorder.captured
        if captures and "t" in (arguments.last("print") or ""):
            show_times(captures, environment)
        for number, one in enumerate(captures, 1):
            shown = one if arguments.has("secrets") else masked(one, cookies=False)
            chapter = chapter_of(shown, asked_by.origins)
            environment.tell(teller.chapter(chapter, number if len(captures) > 1 else 0))
        _keep(recorder.captured, arguments, environment, has_failed=has_failed)


class _Asking:
    """What a command line says of the fields that it gives."""

    def __init__(self) -> None:
        self.origins = Origins()

    def look(self, arguments: Arguments) -> None:
        """Note who gives what, without anything of its content."""
        words = [word for word in arguments.words if not word.startswith(("@", "-"))]
        names = [text.partition(":")[0].rstrip(";") for text in arguments.every("header")]
        names += [word.partition(":")[0] for word in words[1:] if _is_field(word)]
        has_user = any("@" in word.partition("://")[2].partition("/")[0] for word in words)
        self.origins = Origins(
            [name.lower() for name in names],
            (),
            [name for name in _OPTIONS if arguments.has(name)],
            url_has_user=has_user,
        )


def _is_field(word: str) -> bool:
    name, colon, rest = word.partition(":")
    return bool(colon) and is_token(name) and not rest.startswith("=")


def _of_exchange(arguments: Arguments, environment: Environment) -> int:
    """Ask, and explain what went over the wire. Raises what asking raises, when that is told."""
    command, arguments = _asking_command(arguments)
    recorder = Recorder()
    network = recorder.watch(_network(arguments, environment))
    asked = read_request(command, arguments, environment)
    origins = UNKNOWN
    code, has_failed = OK, True
    try:
        with in_session(asked, arguments, environment) as told:
            origins = _origins(asked, told, arguments)
            code = _exchange(told, network, recorder)
        has_failed = False
    finally:
        asked.close()
        captures = recorder.captured
        if captures or not has_failed:
            _tell(captures, origins, arguments, environment, has_failed=has_failed)
    return code


def _exchange(asked: Asked, network: Network, recorder: Recorder) -> int:
    """Send a request, and read its response to the end."""
    options: ClientOptions = {"headers": STANDING, **asked.client, "network": network}
    asked.options["trace"] = recorder.step
    with (
        PlainClient(**options) as client,
        client.stream(asked.method, asked.url, **asked.options) as response,
    ):
        for _ in response.iter_bytes():
            pass
        return code_of(response.status_code)


def _network(arguments: Arguments, environment: Environment) -> Network:
    name = arguments.last("app")
    if name is None:
        return BlockingNetwork()
    from crlf.cli.loading import load_application  # few talk to an application in memory
    from crlf.client.inside import memory_network

    return memory_network(load_application(name, environment))


def _asking_command(arguments: Arguments) -> tuple[Command, Arguments]:
    """Find the method that is asked for, as a word before the URL or by the kind of URL: GET."""
    first, *rest = arguments.words
    command = COMMANDS.get(first.lower())
    if rest and command is not None and command.module == "fetch" and command.method:
        return command, _with_words(arguments, rest)
    if rest and is_token(first) and first.isupper() and not _is_field(first):
        return COMMANDS["request"], arguments
    return COMMANDS["get"], arguments


def _with_words(arguments: Arguments, words: list[str]) -> Arguments:
    return Arguments(words, {key: arguments.every(key) for key in _given(arguments)})


def _given(arguments: Arguments) -> list[str]:
    return [option.key for option in COMMANDS["explain"].options if arguments.has(option.key)]


def _origins(asked: Asked, told: Asked, arguments: Arguments) -> Origins:
    """Say who set which field: what a session added is what was not asked for before."""
    kept = _names(told) - _names(asked)
    options = [name for name in _OPTIONS if arguments.has(name)]
    has_user = asked.url.without_credentials() is not asked.url
    return Origins(asked.added, kept, options, url_has_user=has_user)


def _names(asked: Asked) -> set[str]:
    found: set[str] = set()
    for headers in (asked.options.get("headers"), asked.client.get("headers")):
        pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
        found |= {str(name).lower() for name, _ in pairs}
    return found


# --- what was kept -------------------------------------------------------------------------------


def _of_input(arguments: Arguments, environment: Environment) -> int:
    """Explain standard input: each message as soon as it is whole, when it is messages."""
    data = bytearray()
    looked, shown = 0, 0
    teller = _teller(arguments, environment, environment.stdout_is_terminal)
    is_live = arguments.last("format") != "json" and not arguments.has("timing")
    for piece in pieces_of(environment.stdin):
        data += piece
        if len(data) > MAX_FILE:
            raise Failure(f"standard input is over {MAX_FILE >> 20} MiB", TOO_LARGE)
        if not is_live or is_json(bytes(data[:1000])):
            continue
        if _SMALL < len(data) < 2 * looked and has_more(environment.stdin):
            continue
        looked = len(data)
        chapter = chapter_of_bytes(bytes(data), is_whole=False)
        shown = _show_new(chapter, shown, teller, environment)
        if chapter.is_broken:
            _write_page([chapter], arguments, environment)
            return NOT_HTTP
    whole = bytes(data)
    if not is_live or is_json(whole) or is_captures(whole):
        return _told(recognised(whole, "standard input"), arguments, environment)
    if not whole:
        raise Failure("there is nothing on standard input", NOT_HTTP)
    chapter = chapter_of_bytes(whole)
    rest = Chapter(None, chapter.parts[shown:])
    if rest.parts:
        environment.show(teller.chapter(rest))
    _write_page([chapter], arguments, environment)
    return NOT_HTTP if chapter.is_broken else OK


def _show_new(chapter: Chapter, shown: int, teller: Teller, environment: Environment) -> int:
    """Show the messages that are whole by now, or broken; return how many were shown in all."""
    ready = []
    for part in chapter.parts[shown:]:
        is_whole = part.message is not None and part.message.is_complete
        if not is_whole and part.fault is None and not chapter.is_broken:
            break
        ready.append(part)
    if ready:
        environment.show(teller.chapter(Chapter(None, tuple(ready))))
    return shown + len(ready)


def _told(found: list[Captured] | bytes, arguments: Arguments, environment: Environment) -> int:
    """Tell of what was read; return the exit code."""
    if isinstance(found, list):
        is_broken = _tell(found, UNKNOWN, arguments, environment, is_kept=True)
        return NOT_HTTP if is_broken else OK
    if not found:
        raise Failure("there is nothing in it", NOT_HTTP)
    if arguments.has("timing"):
        raise Failure("these are bytes, which have no times; a HAR or a file of --save has some")
    chapter = chapter_of_bytes(found)
    _show([chapter], [], arguments, environment)
    _write_page([chapter], arguments, environment)
    return NOT_HTTP if chapter.is_broken else OK


# --- telling -------------------------------------------------------------------------------------


def _tell(
    captures: list[Captured],
    origins: Origins,
    arguments: Arguments,
    environment: Environment,
    *,
    has_failed: bool = False,
    is_kept: bool = False,
) -> bool:
    """Show captures, and keep them where that is asked for; tell whether one is broken.

    is_kept: they come from a file.
    """
    is_file = arguments.last("format") == "json"
    shown = captures
    if not is_kept and not arguments.has("secrets"):
        shown = [masked(one, cookies=is_file) for one in captures]
    chapters = (chapter_of(one, origins) for one in shown)  # one after the other: there may be many
    is_broken = _show(chapters, shown, arguments, environment)
    _keep(captures, arguments, environment, origins, has_failed=has_failed)
    return is_broken


def _show(
    chapters: Iterable[Chapter],
    captures: list[Captured],
    arguments: Arguments,
    environment: Environment,
) -> bool:
    """Show an explanation on standard output; tell whether something in it is broken."""
    if arguments.last("format") == "json":
        from crlf.cli.explaining.structured import as_json  # few want it for programs

        if arguments.has("timing"):
            from crlf.cli.explaining.structured import as_times

            environment.show(as_times(captures))
        else:
            every = list(chapters)
            environment.show(as_json(every))
            return any(chapter.is_broken for chapter in every)
    elif arguments.has("timing"):
        show_times(captures, environment)
    else:
        teller = _teller(arguments, environment, environment.stdout_is_terminal)
        is_broken = False
        for number, chapter in enumerate(chapters, 1):
            environment.show(teller.chapter(chapter, number if len(captures) > 1 else 0))
            is_broken = is_broken or chapter.is_broken
        return is_broken
    return False


def _teller(arguments: Arguments, environment: Environment, is_terminal: bool) -> Teller:
    style = Style(environment.wants_colour(is_terminal))
    return Teller(
        environment.width,
        style,
        has_unicode=has_unicode(environment),
        shows_all=arguments.has("all"),
    )


def _keep(
    captures: list[Captured],
    arguments: Arguments,
    environment: Environment,
    origins: Origins = UNKNOWN,
    *,
    has_failed: bool = False,
) -> None:
    """Write the files that are asked for. Raises Failure."""
    captures = as_kept(captures, arguments)
    saved, har = arguments.last("save"), arguments.last("har")
    if saved is not None:
        write_file(build_captures(captures), saved, environment, has_failed=has_failed)
    if har is not None:
        from crlf.rules.har import har_text

        write_file(har_text(captures), har, environment, has_failed=has_failed)
    if arguments.has("html"):
        chapters = [chapter_of(one, origins) for one in captures]
        _write_page(chapters, arguments, environment, has_failed=has_failed)


def _write_page(
    chapters: list[Chapter],
    arguments: Arguments,
    environment: Environment,
    *,
    has_failed: bool = False,
) -> None:
    name = arguments.last("html")
    if name is None:
        return
    from crlf.cli.explaining.page import page_of  # few want a page

    write_file(page_of(chapters), name, environment, has_failed=has_failed)
