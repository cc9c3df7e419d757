"""A request as WSGI sees it: one dictionary, as PEP 3333 and RFC 3875 name its entries.

What HTTP says in bytes stands here as text with one character a byte. Its law: no entry can be
mistaken for another. A field name with an underscore would be the same variable as one with a
hyphen, which a proxy may have guarded, so it is left out; so is Proxy, which programs that a
view starts would take for HTTP_PROXY.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crlf.message.errors import Malformed
from crlf.message.headers import visible
from crlf.message.percent import percent_decode
from crlf.message.request import Received, Request
from crlf.message.target import parse_target

Environ = dict[str, object]

_MOST_NAMES: Final = 256  # field names remembered with their variable; browsers send some 60
_LONGEST_NAME: Final = 64  # of those
# A coding that is undone is taken off (RFC 9112 7.1.3), and Proxy is httpoxy (CVE-2016-5385).
_UNSEEN: Final = frozenset({"transfer-encoding", "trailer", "te", "proxy"})
_PLAIN: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_VARIABLES: dict[str, str | None] = {"Content-Type": "CONTENT_TYPE", "Host": "HTTP_HOST"}
_PROTOCOLS: Final = {"1.1": "HTTP/1.1", "1.0": "HTTP/1.0"}
_PORTS: Final = {"http": "80", "https": "443"}
_LOGGED_AT_ONCE: Final = 8192  # characters of a line without an end


def variable_of(name: str) -> str | None:
    """Return the variable that a field is in, None for one that is in none."""
    lower = name.lower()
    variable: str | None
    if lower in _UNSEEN or "_" in name:
        variable = None
    else:
        variable = _PLAIN.get(lower) or "HTTP_" + name.upper().replace("-", "_")
    if len(_VARIABLES) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _VARIABLES[name] = variable
    return variable


def place_entries(where: Received) -> Environ:
    """Return the entries that a connection's requests have in common."""
    address, port = where.local or ("localhost", 0)
    entries: Environ = {
        "SERVER_NAME": address,
        "SERVER_PORT": str(port) if where.local else _PORTS[where.scheme],
        "REMOTE_ADDR": "",
        "wsgi.url_scheme": where.scheme,
    }
    if where.peer is not None:
        entries["REMOTE_ADDR"] = where.peer[0]
        entries["REMOTE_PORT"] = str(where.peer[1])
    if where.scheme == "https":
        entries["HTTPS"] = "on"
    if where.tls is not None:
        entries["SSL_PROTOCOL"] = where.tls.version
        entries["SSL_CIPHER"] = where.tls.cipher
    return entries


def request_entries(request: Request, entries: Environ, root_path: str = "") -> Environ:
    """Add what a request's head says to entries, and return them.

    root_path: where the application is mounted, decoded, without a slash at its end; it is
    SCRIPT_NAME. A proxy may have taken it off the path, or not. Raises Malformed (400) for an
    encoded NUL in the path, which ends a text in C.
    """
    target = request.target
    authority = None
    if target[:1] == "/":
        path, _, query = target.partition("?")
    else:  # a form that few requests have
        parsed = parse_target(target, request.method)
        path, query, authority = parsed.path, parsed.query or "", parsed.authority
    if "%" in path:
        path = percent_decode(path).decode("latin-1")
        if "\0" in path:
            raise Malformed("NUL in the path", "RFC 3986 7.3")
    if root_path and path.startswith(root_path):
        rest = path[len(root_path) :]
        if not rest or rest[0] == "/":
            path = rest
    entries["REQUEST_METHOD"] = request.method
    entries["SCRIPT_NAME"] = root_path
    entries["PATH_INFO"] = path
    entries["QUERY_STRING"] = query
    entries["RAW_URI"] = entries["REQUEST_URI"] = target
    entries["SERVER_PROTOCOL"] = _PROTOCOLS[request.version]
    for name, value in request.headers.fields:
        variable = _VARIABLES.get(name, "") or variable_of(name)
        if variable is None:
            continue
        if variable in entries:
            mark = "; " if variable == "HTTP_COOKIE" else ","  # RFC 6265bis 5.7.3; RFC 3875 4.1.18
            value = f"{entries[variable]}{mark}{value}"
        entries[variable] = value
    # RFC 9112 3.2.2: beside an absolute form the Host field counts no more.
    authority = request.received_how.authority or authority
    if authority is not None:
        entries["HTTP_HOST"] = authority
    return entries


class ErrorLog:
    """`wsgi.errors`: what an application writes here goes to the log, line by line."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = ""

    def write(self, text: str) -> int:
        """Log the lines that text ends; keep what has no end yet."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            _log(line)
        if len(self._rest) > _LOGGED_AT_ONCE:
            self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log what has no end yet."""
        if self._rest:
            rest, self._rest = self._rest, ""
            _log(rest)


def _log(line: str) -> None:
    import logging  # few applications write here

    logging.getLogger("crlf.wsgi").error("%s", visible(line.rstrip("\r")))
