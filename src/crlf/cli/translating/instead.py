"""--offline and --as: what would be sent, and how another tool sends it; nothing is sent.

Its law: what is written can be relied on. A pipe gets the bytes as they are, a terminal the same
as text, and whatever a reader has to know beside is said on standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crlf.cli.arguments import Arguments
from crlf.cli.asking.offline import Way, dressed, outgoing, request_bytes, way_of
from crlf.cli.asking.request import Asked, read_request
from crlf.cli.asking.sessions import named_session
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import OK, Failure
from crlf.cli.showing.output import count
from crlf.cli.terminal import Style, TerminalText, harmless, harmless_line, is_text
from crlf.cli.translating.curl import curl
from crlf.cli.translating.errand import Errand, errand_of
from crlf.cli.translating.fetch import fetch, forbidden
from crlf.cli.translating.httpie import httpie
from crlf.cli.translating.printfnc import printf_nc
from crlf.cli.translating.python import python
from crlf.cli.translating.pythonsocket import python_socket
from crlf.message.request import Request
from crlf.rules.digest import Digest

# What --as takes, as asking/options.py lists it too.
TOOLS: dict[str, Callable[[Errand], str]] = {
    "curl": curl,
    "printf-nc": printf_nc,
    "python-socket": python_socket,
    "python": python,
    "httpie": httpie,
    "fetch": fetch,
}
_BYTES = ("printf-nc", "python-socket")  # tools that are told bytes, and find no proxy themselves
_OF_ANSWERS = ("har", "write-out", "select")
_SECRETS = ("authorization", "proxy-authorization", "cookie")


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Write what a command line asks for instead of sending it. Raises Failure, CrlfError."""
    tool = arguments.last("as")
    if tool is not None and arguments.has("offline"):
        raise Failure("--offline and --as exclude each other: each writes the request its way")
    if arguments.has("output"):
        raise Failure("nothing is received that -o could save; redirect standard output: > FILE")
    for option in _OF_ANSWERS:
        if arguments.has(option):
            raise Failure(f"nothing is received, so --{option} has nothing to say")
    asked = read_request(command, arguments, environment)
    try:
        session = named_session(asked.url, arguments, environment)
        if session is not None:
            asked = session.apply(asked)  # which changes nothing of it
        if tool is None:
            _write_bytes(asked, environment)
        else:
            _write_for(tool, errand_of(asked, environment), environment)
    finally:
        asked.close()
    return OK


def _write_bytes(asked: Asked, environment: Environment) -> None:
    """Write the request's bytes, each piece as it is made."""
    request = dressed(asked)
    way = way_of(asked, request)
    request = outgoing(request, way)
    pieces = request_bytes(request)
    if environment.stdout_is_terminal:
        _show(pieces, environment)
    else:
        for piece in pieces:
            environment.stdout.write(piece)
        environment.stdout.flush()
    _tell(_remarks(asked, request, way), environment)


def _write_for(tool: str, errand: Errand, environment: Environment) -> None:
    """Write the request in the words of another tool."""
    text = TOOLS[tool](errand)
    if environment.stdout_is_terminal:
        environment.show(harmless(text))
    else:
        environment.stdout.write(text.encode("utf-8", "surrogateescape"))
        environment.stdout.flush()
    remarks = []
    if tool in _BYTES:
        remarks = _remarks(errand.asked, errand.request, errand.way)
        if not errand.is_closing:
            remarks.append(
                "the server is not asked to close, so the end is waited for; the item "
                "Connection:close asks it"
            )
    elif _secrets(errand.request):
        remarks.append(_secret_line(errand.request))
    _tell([*remarks, *_beside(tool, errand)], environment)


def _tell(remarks: Iterable[str], environment: Environment) -> None:
    for remark in remarks:
        environment.complain(remark)


# --- what else there is to know ------------------------------------------------------------------


def _remarks(asked: Asked, request: Request, way: Way) -> list[str]:
    """Say what bytes alone do not."""
    remarks = []
    if way.via is not None and way.forwards:
        remarks.append(f"these bytes are for the proxy {way.via}, which forwards the request")
    elif way.via is not None:
        asks = "" if way.via.is_socks else ", which is asked by CONNECT for a way there"
        remarks.append(f"these bytes are for {way.host}, by way of the proxy {way.via}{asks}")
    auth = asked.options.get("auth", asked.client.get("auth"))
    if isinstance(auth, Digest):
        remarks.append("Digest answers what a server asks, so its first request says nothing of it")
    if _secrets(request):
        remarks.append(_secret_line(request))
    return remarks


def _secrets(request: Request) -> list[str]:
    return [name for name in _SECRETS if name in request.headers]


def _secret_line(request: Request) -> str:
    return f"keep this to yourself: it has secrets in it ({', '.join(_secrets(request))})"


def _beside(tool: str, errand: Errand) -> list[str]:
    """Say what a tool does not do as we do."""
    path, _, query = errand.request.target.partition("?")
    remarks = []
    if "policy" in errand.asked.client and tool != "python":
        remarks.append("nothing of --untrusted is in it: it goes wherever the host's name leads")
    if tool == "httpie" and {"[", "]"} & set(path):
        remarks.append("HTTPie writes [ and ] in a path as %5B and %5D")
    names = forbidden(errand) if tool == "fetch" else []
    if names:
        remarks.append(f"browsers write these themselves: {', '.join(names)}")
    if tool == "fetch" and ("/." in path or "'" in query):
        remarks.append("fetch writes this URL in its own way, without /../ and with %27 for '")
    return remarks


# --- on a terminal -------------------------------------------------------------------------------


def _show(pieces: Iterable[bytes], environment: Environment) -> None:
    """Show a request to a person: its head coloured, its content where that is text."""
    head, content = b"", b""
    rest = iter(pieces)
    for piece in rest:
        head, end, content = (head + piece).partition(b"\r\n\r\n")
        if end:
            break
    style = Style(environment.wants_colour(True))
    line, *fields = head.decode("latin-1").split("\r\n")
    lines = [style.paint(harmless_line(line), "strong")]
    for field in fields:
        name, _, value = field.partition(":")
        shown = value.encode("latin-1").decode("utf-8", "replace")
        lines.append(f"{style.paint(name, 'name')}:{harmless_line(shown)}")
    environment.show("\n".join(lines) + "\n\n")
    text, binary = TerminalText("utf-8"), 0
    for number, piece in enumerate([content, *rest] if content else rest):
        if binary or (number == 0 and not is_text(piece, "utf-8")):
            binary += len(piece)
        else:
            environment.show(text.feed(piece))
    left = text.feed(b"", is_last=True)
    environment.show(left if text.ends_line else f"{left}\n")
    if binary:
        environment.complain(f"{count(binary)} of binary content are not shown; a pipe gets them")
