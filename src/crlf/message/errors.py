"""The errors of crlf: who is to blame, which rule was broken, and where.

Everything that crlf raises on purpose derives from CrlfError; wrong use of the library
is TypeError or ValueError. An error is raised where the fault is known and never
translated on its way up; a flow that lets one pass may only add what it alone knows
(the request, the phase, the seconds spent). All of them pickle: what identifies an error
is in `args`, everything else is an attribute.

    CrlfError
      TransportError      ConnectFailed ReadFailed WriteFailed TlsFailed ProxyFailed
        TimedOut          ConnectTimeout ReadTimeout WriteTimeout PoolTimeout TotalTimeout
      ProtocolError       RemoteError LocalError
        Malformed
          BadParameter    MissingParameter
      TooLarge            StatusError TooManyRedirects DecodingError DigestMismatch
      BlockedAddress      BadUrl BadSignature     StoreUnavailable
"""

from __future__ import annotations


class CrlfError(Exception):
    """Anything that crlf raises on purpose.

    request: the Request that was under way, where there is one.
    phase: what was being done: "pool", "dns", "connect", "tls", "proxy", "write", "read", ...
    seconds: how long it had been going on.
    attempt: which try of the request this was, from 1.
    peer: (address, port) of who was spoken to, where there was a connection.
    """

    request: object | None = None
    phase: str = ""
    seconds: float | None = None
    attempt: int = 1
    peer: tuple[str, int] | None = None

    def __init__(self, reason: str, *, phase: str = "", seconds: float | None = None) -> None:
        super().__init__(reason)
        if phase:
            self.phase = phase
        if seconds is not None:
            self.seconds = seconds

    @property
    def reason(self) -> str:
        """What went wrong, without the rule and the phase."""
        return str(self.args[0]) if self.args else ""

    @property
    def brief(self) -> str:
        """What went wrong and which rule says so, without what it happened to."""
        return self.reason

    def __str__(self) -> str:
        """Say what went wrong, what was asked of whom, in which phase, after how long, which try.

        The URL is shown without its query and password.
        """
        if self.request is None:
            return self.brief
        parts = [f"{self.request}"]
        if self.peer is not None:
            address, port = self.peer
            parts[0] += f" at [{address}]:{port}" if ":" in address else f" at {address}:{port}"
        if self.phase:
            parts.append(f"in {self.phase}" if self.phase != "url" else "before it was sent")
        if self.seconds is not None:
            parts.append(f"after {self.seconds:.3g} s")
        if self.attempt > 1:
            parts.append(f"attempt {self.attempt}")
        return f"{self.brief} ({', '.join(parts)})"

    def during(self, request: object) -> None:
        """Note the request that this happened to, unless that is known already."""
        if self.request is None:
            self.request = request


class TransportError(CrlfError, ConnectionError):
    """The bytes did not get through; nothing is known against either side's HTTP."""


class ConnectFailed(TransportError):
    """No connection came about: the name is unknown, or every address refused."""


class ReadFailed(TransportError):
    """The connection broke while we waited for bytes."""


class WriteFailed(TransportError):
    """The connection broke while we sent."""


class TlsFailed(TransportError):
    """The TLS handshake failed, or the peer's certificate was not accepted.

    is_untrusted: it is the certificate that was not accepted.
    """

    is_untrusted: bool = False


class ProxyFailed(TransportError):
    """A proxy did not open a way through: it refused, or does not speak as a proxy does.

    status_code: what it answered to CONNECT, or None.
    """

    status_code: int | None = None


class TimedOut(TransportError, TimeoutError):
    """A deadline passed. The message says the phase and the seconds.

    (Timeout is how long to wait, rules/deadlines.py; this is what happens then.)
    """


class ConnectTimeout(TimedOut):
    """No connection within the time allowed for connecting, TLS included."""


class ReadTimeout(TimedOut):
    """The peer sent nothing for the time allowed between two reads."""


class WriteTimeout(TimedOut):
    """The peer took nothing for the time allowed for a write."""


class PoolTimeout(TimedOut):
    """No connection of the pool became free in time."""


class TotalTimeout(TimedOut):
    """The whole exchange took longer than its total deadline allows."""


class ProtocolError(CrlfError):
    """A message breaks the rules of HTTP.

    rule: the rule, as in "RFC 9112 6.3 (5)".
    status_code: what a server answers with.
    offset: where in the message's bytes the fault was seen, or None.
    """

    rule: str = ""
    status_code: int = 400
    offset: int | None = None

    def __init__(
        self, reason: str, rule: str = "", status_code: int = 400, offset: int | None = None
    ) -> None:
        super().__init__(reason)
        self.rule = rule
        self.status_code = status_code
        self.offset = offset

    @property
    def brief(self) -> str:
        """What went wrong, and the rule that was broken."""
        return f"{self.reason} [{self.rule}]" if self.rule else self.reason


class Malformed(ProtocolError, ValueError):
    """A parser met bytes that its grammar does not have.

    The connection turns it into a RemoteError when receiving and a LocalError when sending.
    """


class BadParameter(Malformed):
    """A parameter of a query or form is missing, or is not what the program asked for.

    name: the parameter's name. expected: what it should have been. The message shows at most
    40 characters of the value, escaped to printable ASCII.
    """

    name: str = ""
    expected: str = ""

    def __init__(
        self,
        reason: str,
        rule: str = "",
        status_code: int = 400,
        offset: int | None = None,
        *,
        name: str = "",
        expected: str = "",
    ) -> None:
        super().__init__(reason, rule, status_code, offset)
        self.name = name
        self.expected = expected


class MissingParameter(BadParameter, KeyError):
    """A parameter that the program asked for by its bare name is not there."""


class RemoteError(ProtocolError):
    """The peer broke a rule."""


class LocalError(ProtocolError):
    """We, or the program that uses us, would have broken a rule; nothing was sent."""


class TooLarge(CrlfError):
    """Something is longer than its limit. Nothing beyond the limit was read.

    what: the limit's name in Limits, as in "head" or "body".
    limit: its value, in bytes unless the name says otherwise.
    status_code: what a server answers with (413, 414 or 431).
    """

    rule: str = ""
    offset: int | None = None

    def __init__(self, what: str, limit: int = 0, status_code: int = 413, rule: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.limit = limit
        self.status_code = status_code
        self.rule = rule

    @property
    def brief(self) -> str:
        """Which limit was passed, and its value."""
        text = f"{self.what.replace('_', ' ')} over its limit of {self.limit:,}"
        return f"{text} [{self.rule}]" if self.rule else text


class StatusError(CrlfError):
    """A response has a status of 4xx or 5xx (raise_for_status).

    response: the response, whole.
    """

    response: object | None = None

    def __init__(self, reason: str, *, request: object = None, response: object = None) -> None:
        super().__init__(reason)
        self.request = request
        self.response = response


class TooManyRedirects(CrlfError):
    """A chain of redirects is longer than allowed, or runs in a circle.

    response: the last redirect, with those before it in its history.
    """

    response: object | None = None


class DecodingError(CrlfError, ValueError):
    """A content coding or character encoding is broken, or decodes to too much."""


class DigestMismatch(CrlfError, ValueError):
    """What arrived is not what its digest says (RFC 9530, or one that was given)."""


class BlockedAddress(CrlfError):
    """The address is not one that this client may talk to."""


class BadUrl(CrlfError, ValueError):
    """Text is no URL that can be requested. The message says what is wrong with it."""


class BadSignature(CrlfError, ValueError):
    """A signed value was not signed by us, or is too old."""


class StoreUnavailable(CrlfError):
    """What keeps sessions does not answer: a page that needs one is answered 503."""
