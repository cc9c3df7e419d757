"""Heads in ASGI's words: a request as a scope, and the start of a response as fields.

A client on one connection asks with the same fields again and again, and a program answers with
the same few: what was worked out of either is kept and found again. Its law: what an application
may change is a copy of its own, so that one request never sees what was done to another's scope.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable
from typing import Any, Final

from crlf.message.facts import TlsFacts
from crlf.message.grammar import parse_digits
from crlf.message.headers import Headers
from crlf.message.percent import percent_decode, percent_encode
from crlf.message.request import Request
from crlf.message.target import parse_target
from crlf.wire.parts import ResponseHead

Scope = dict[str, Any]
Message = dict[str, Any]

VERSIONS: Final = {"version": "3.0", "spec_version": "2.5"}
EXTENSIONS: Final[dict[str, dict[str, object]]] = {
    "http.response.pathsend": {},
    "http.response.zerocopysend": {},
    "http.response.early_hint": {},
    "http.response.trailers": {},
}
_MOST_FIELDS: Final = 256  # different heads of responses that are kept
_LARGE: Final = 2048  # bytes of a head that is not worth keeping

_TLS_VERSIONS: Final = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
# OpenSSL's names of what it offers by default for TLS 1.2 and 1.3 (IANA's registry of suites).
_CIPHERS: Final = {
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "DHE-RSA-AES128-GCM-SHA256": 0x009E,
    "DHE-RSA-AES256-GCM-SHA384": 0x009F,
    "ECDHE-ECDSA-AES128-GCM-SHA256": 0xC02B,
    "ECDHE-ECDSA-AES256-GCM-SHA384": 0xC02C,
    "ECDHE-RSA-AES128-GCM-SHA256": 0xC02F,
    "ECDHE-RSA-AES256-GCM-SHA384": 0xC030,
    "ECDHE-RSA-CHACHA20-POLY1305": 0xCCA8,
    "ECDHE-ECDSA-CHACHA20-POLY1305": 0xCCA9,
    "DHE-RSA-CHACHA20-POLY1305": 0xCCAA,
}


class ScopeMaker:
    """Makes the scopes of one head, as often as it comes.

    root_path: where the application is mounted: what a proxy has cut off the path.
    """

    __slots__ = ("_extensions", "_fields", "_headers", "_method", "_received", "_scope", "_target")

    def __init__(self, request: Request, root_path: str) -> None:
        self._fields, self._target, self._method = request.headers, request.target, request.method
        received = self._received = request.received_how
        target = parse_target(request.target, request.method)
        path = target.path if target.path != "*" or not root_path else ""
        prefix = percent_encode(root_path, _KEPT) if root_path else ""
        self._scope: Scope = {
            "type": "http",
            "http_version": request.version,
            "method": request.method,
            "scheme": received.scheme,
            "path": root_path + percent_decode(path).decode("utf-8", "replace"),
            "raw_path": (prefix + path).encode("latin-1"),
            "query_string": (target.query or "").encode("latin-1"),
            "root_path": root_path,
            "client": received.peer,
            "server": received.local,
            # What each scope has of its own stands here, so that none of the copies has to grow.
            "asgi": {},
            "headers": [],
            "extensions": {},
            "state": {},
        }
        self._headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.fields
        ]
        # RFC 9112 3.2.2: beside an absolute form the Host field counts no more.
        authority = received.authority or target.authority
        if authority is not None:
            others = [field for field in self._headers if field[0] != b"host"]
            self._headers = [(b"host", authority.encode("latin-1")), *others]
        self._extensions: dict[str, Any] = dict(EXTENSIONS)
        self._extensions["crlf.draining"] = {"draining": received.draining}
        if received.tls is not None:
            self._extensions["tls"] = tls_extension(received.tls)

    def fits(self, request: Request) -> bool:
        """Whether a request is the same again: the very same fields, target and connection."""
        return (
            request.headers is self._fields
            and request.target is self._target
            and request.method is self._method
            and request.received_how is self._received
        )

    def new_scope(self, state: dict[str, Any]) -> Scope:
        """Make a scope that its application may change as it likes."""
        scope = self._scope.copy()
        scope["asgi"] = VERSIONS.copy()
        scope["headers"] = self._headers.copy()
        scope["extensions"] = self._extensions.copy()
        scope["state"] = state.copy()
        return scope


_KEPT: Final = "-._~!$&'()*+,;=:@/"  # RFC 3986 3.3: what a path may have as it is


def tls_extension(facts: TlsFacts) -> dict[str, object]:
    """Say what a handshake agreed on, as the TLS extension 0.2 of ASGI has it."""
    certificate = facts.certificate
    return {
        "server_cert": None,  # which of several it was, nobody has asked yet
        "client_cert_chain": [] if certificate is None else [_pem_of(certificate)],
        "client_cert_name": facts.subject,
        "client_cert_error": None,  # who fails is refused before any request
        "tls_version": _TLS_VERSIONS.get(facts.version),
        "cipher_suite": _CIPHERS.get(facts.cipher),
    }


def _pem_of(certificate: bytes) -> str:
    """Write a certificate, which is DER, as PEM (RFC 7468)."""
    text = b2a_base64(certificate, newline=False).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


class Fields:
    """The fields of a response as an application gave them.

    framed: all of them, but for Transfer-Encoding, which is the server's (ASGI HTTP 2.5). plain:
    without Content-Length too. length: what that says, or None. is_live: events, whose client
    wants to know at once that they will come.
    """

    __slots__ = ("framed", "heads", "is_live", "length", "plain")

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        framed, plain = [], []
        lengths = []
        for name, value in pairs:
            field = (name.decode("latin-1"), value.decode("latin-1"))
            key = field[0].lower()
            if key == "transfer-encoding":
                continue
            framed.append(field)
            if key == "content-length":
                lengths.append(field[1])
            else:
                plain.append(field)
        self.plain = Headers(plain)
        self.framed = Headers(framed) if lengths else self.plain
        self.length = parse_digits(lengths[0].strip(" \t")) if lengths else None
        if len(lengths) > 1 or (lengths and self.length is None):
            raise ValueError(f"content-length is not one plain number: {lengths[0][:40]!r}")
        kind = self.plain.first("content-type")
        self.is_live = kind is not None and kind.lower().startswith("text/event-stream")
        self.heads: dict[int, ResponseHead] = {}  # by status, those that `head` has made

    def head(self, status_code: int) -> ResponseHead:
        """Return the head with these fields, the plain ones."""
        head = self.heads.get(status_code)
        if head is None:
            head = self.heads[status_code] = ResponseHead(status_code, self.plain)
        return head


EMPTY_FIELDS: Final = Fields(())


class FieldsMaker:
    """Makes Fields of what applications give, and finds those again that it made before."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Fields] = {}

    def fields(self, given: Iterable[Any]) -> Fields:
        """Return the fields that an application gives as pairs of bytes.

        Raises TypeError for what are no such pairs, ValueError for what no field may have.
        """
        pairs = tuple(given)
        try:
            made = self._made.get(pairs)
        except TypeError:  # lists instead of tuples, which have no hash
            made = None
        return made if made is not None else self._new(pairs)

    def _new(self, given: tuple[Any, ...]) -> Fields:
        pairs = tuple(_checked(pair) for pair in given)
        try:
            made = Fields(pairs)
        except ValueError as fault:  # a Malformed would be taken for the client's fault
            raise ValueError(str(fault)) from None
        size = sum(len(name) + len(value) for name, value in pairs)
        # A cookie that is set is some visitor's secret, and not the same twice.
        if size <= _LARGE and "set-cookie" not in made.plain:
            if len(self._made) >= _MOST_FIELDS:
                self._made.clear()
            self._made[pairs] = made
        return made


def _checked(pair: Any) -> tuple[bytes, bytes]:
    try:
        name, value = pair
    except (TypeError, ValueError):
        raise TypeError(f"headers are pairs of bytes, not {type(pair).__name__}") from None
    if not isinstance(name, (bytes, bytearray, memoryview)):
        raise TypeError(f"the name of a header is bytes, not {type(name).__name__}")
    if not isinstance(value, (bytes, bytearray, memoryview)):
        shown = bytes(name)[:40].decode("ascii", "replace")
        raise TypeError(f"the value of {shown} is bytes, not {type(value).__name__}")
    return bytes(name), bytes(value)


def takes_trailers(request: Request) -> bool:
    """Whether a client says that it reads trailers (RFC 9110 10.1.4)."""
    return request.version != "1.0" and "trailers" in (
        word.strip(" \t").lower() for word in (request.headers.get("te") or "").split(",")
    )


def bytes_of(content: object) -> bytes:
    """Return content as bytes that nobody changes under us. Raises TypeError."""
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    raise TypeError(f"content is bytes, not {type(content).__name__}")


def status_of(status_code: Any) -> int:
    """Return a status as a plain number. Raises TypeError, ValueError."""
    if not isinstance(status_code, int):
        raise TypeError(f"the status of http.response.start is a number, not {status_code!r:.40}")
    if not 200 <= status_code <= 599:
        raise ValueError(f"{status_code} is no status of a response: RFC 9110 15")
    return int(status_code)  # an HTTPStatus is one too
