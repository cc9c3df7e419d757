"""-w: what was measured, in the words of curl's --write-out.

The names, and what they count, are curl's, so that a format serves both. Names that are about
other protocols than HTTP, and the chain of certificates, are not there. Its law: a format can be
wrong and the exchange is told of all the same; what came over the wire is harmless on a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from crlf.cli.asking.request import open_input
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_OUTPUT, Failure
from crlf.cli.showing.measure import Measure
from crlf.cli.terminal import harmless_line
from crlf.message.errors import BadUrl
from crlf.message.headers import EMPTY, Headers
from crlf.message.url import URL
from crlf.patterns import pattern

_TOKEN = pattern(
    r"%%|%\{([^{}%]{0,64})\}|%header\{([^{}]{0,256})\}|%output\{([^{}]{0,4096})\}|\\[nrt]"
)
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "%%": "%"}
_MOST = 64 * 1024  # bytes of a file with a format


class Outcome(NamedTuple):
    """How an exchange ended: the exit code, and the line that said why, "" when all was well."""

    exit_code: int
    line: str
    url: str
    filename: str


class Seconds(float):
    """A time, written with six digits as in curl."""

    def __str__(self) -> str:
        return f"{self:.6f}"


class Status(int):
    """A status code, written with three digits even when there is none."""

    def __str__(self) -> str:
        return f"{int(self):03d}"


Value = int | float | str | None


def read_format(said: str, environment: Environment) -> str:
    """Return the format that -w stands for: itself, or what is in @FILE. Raises Failure."""
    if not said.startswith("@"):
        return said
    if said == "@-":
        return environment.stdin.read(_MOST).decode("utf-8", "replace")
    with open_input(said[1:], environment) as file:
        return file.read(_MOST).decode("utf-8", "replace")


def write_out(form: str, measure: Measure, outcome: Outcome, environment: Environment) -> None:
    """Write what the format asks for. Raises OSError."""
    values = variables(measure, outcome)
    headers = EMPTY if measure.head is None else measure.head.headers
    writer = _Writer(environment)
    at = 0
    for token in _TOKEN.finditer(form):
        writer.write(form[at : token.start()])
        at = token.end()
        name, field, path = token.groups()
        if token[0] in _ESCAPES:
            writer.write(_ESCAPES[token[0]])
        elif field is not None:
            writer.write_foreign(_text_of(headers.first(field.strip(" ").lower()) or ""))
        elif path is not None:
            writer.turn_to_file(path)
        elif name == "onerror":
            if not outcome.exit_code:
                at = len(form)
                break
        elif name in ("stdout", "stderr"):
            writer.turn_to(name)
        elif name == "json":
            writer.write(_json(values))
        elif name == "header_json":
            writer.write(_header_json(headers))
        elif name in values:
            value = values[name]
            writer.write_foreign("" if value is None else str(value))
        else:
            environment.complain(f"-w knows no variable {name!r}; %{{json}} lists them all")
    writer.write(form[at:])
    writer.close()


def variables(measure: Measure, outcome: Outcome) -> dict[str, Value]:
    """Return every variable by its name, in the order of the alphabet."""
    head, request, facts = measure.head, measure.request, measure.facts
    headers = EMPTY if head is None else head.headers
    code = 0 if head is None else head.status_code
    total = measure.total
    local_ip, local_port = facts.local or ("", 0)
    remote_ip, remote_port = facts.peer or ("", 0)
    kind = headers.first("content-type")
    last = outcome.url if request is None else str(request.url.without_credentials())
    return {
        "content_type": None if kind is None else _text_of(kind),
        "errormsg": outcome.line or None,
        "exitcode": outcome.exit_code,
        "filename_effective": outcome.filename or None,
        "http_code": Status(code),
        "http_version": "0" if head is None else head.version,
        "local_ip": local_ip,
        "local_port": local_port,
        "method": None if request is None else request.method,
        "num_connects": measure.connects,
        "num_headers": len(headers.fields),
        "num_redirects": measure.redirects,
        "num_retries": measure.retries,
        "redirect_url": _redirect_url(code, headers, last),
        "referer": None if request is None else request.headers.first("referer"),
        "remote_ip": remote_ip,
        "remote_port": remote_port,
        "response_code": Status(code),
        "scheme": last.partition(":")[0] or None,
        "size_download": measure.content_size,
        "size_header": measure.head_size,
        "size_request": measure.request_size,
        "size_upload": measure.upload_size,
        "speed_download": int(measure.content_size / total) if total > 0 else 0,
        "speed_upload": int(measure.upload_size / total) if total > 0 else 0,
        "ssl_verify_result": int("certificate" in outcome.line),
        "time_appconnect": Seconds(measure.seconds("tls")),
        "time_connect": Seconds(measure.seconds("connect")),
        "time_namelookup": Seconds(measure.seconds("dns")),
        "time_posttransfer": Seconds(measure.seconds("sent")),
        "time_pretransfer": Seconds(measure.seconds("ready")),
        "time_redirect": Seconds(measure.redirected),
        "time_starttransfer": Seconds(measure.seconds("first")),
        "time_total": Seconds(total),
        "url": outcome.url,
        "url_effective": last,
        "urlnum": 0,
    }


def _redirect_url(code: int, headers: Headers, base: str) -> str | None:
    """Return where a redirect leads that was not followed."""
    place = headers.first("location")
    if place is None or not 300 <= code < 400:
        return None
    try:
        return str(URL(base).join(place))
    except BadUrl:
        return _text_of(place)


def _text_of(value: str) -> str:
    """Return a field's value as text: UTF-8 where it is that."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _json(values: dict[str, Value]) -> str:
    from json import dumps

    pairs = [
        f"{dumps(name)}:{value if isinstance(value, Seconds) else dumps(value)}"
        for name, value in values.items()
    ]
    return "{" + ",".join(pairs) + "}"


def _header_json(headers: Headers) -> str:
    from json import dumps

    fields: dict[str, list[str]] = {}
    for name, value in headers.fields:
        fields.setdefault(name.lower(), []).append(_text_of(value))
    pairs = [f"{dumps(name)}:{dumps(values)}" for name, values in fields.items()]
    return "{" + ",\n".join(pairs) + "\n}"


class _Writer:
    """Where the output goes: standard output, standard error or a file, as the format says."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._put: Callable[[str], object] = environment.show
        self._is_terminal = environment.stdout_is_terminal
        self._close: Callable[[], object] = lambda: None

    def turn_to(self, name: str) -> None:
        self.close()
        here = self._environment
        is_out = name == "stdout"
        self._put = here.show if is_out else here.tell
        self._is_terminal = here.stdout_is_terminal if is_out else here.stderr_is_terminal

    def turn_to_file(self, path: str) -> None:
        """Write to a file from here on; `>>` before its name adds to it. Raises Failure."""
        self.close()
        mode, name = ("ab", path[2:]) if path.startswith(">>") else ("wb", path)
        try:
            file = open(self._environment.path(name), mode)  # noqa: SIM115  # closed by close
        except OSError as fault:
            raise Failure(f"cannot write {name}: {fault.strerror}", NO_OUTPUT) from None
        self._put = lambda text: file.write(text.encode("utf-8", "replace"))

        def close() -> None:
            try:
                file.close()
            except OSError as fault:
                raise Failure(f"cannot write {name}: {fault.strerror}", NO_OUTPUT) from None

        self._close = close
        self._is_terminal = False

    def write(self, text: str) -> None:
        if text:
            self._put(text)

    def write_foreign(self, text: str) -> None:
        """Write what came over the wire."""
        self.write(harmless_line(text) if self._is_terminal else text)

    def close(self) -> None:
        self._close()
        self._close = lambda: None
