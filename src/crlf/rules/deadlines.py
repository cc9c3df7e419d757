"""How long anything may take: timeouts as values, and the deadlines that follow from them.

A timeout is seconds from now, a deadline a moment. Everything that waits has both a phase's
deadline and, where there is one, that of the whole exchange: the nearer one counts. Finite by
default; None has to be written by whoever wants to wait for ever.
"""

from __future__ import annotations

from crlf.values import as_dict, frozen, replace

LONGEST = 1e8  # seconds, three years; of more, operating systems make less
_MOST = 2**62  # of what is no time
_MAY_BE_NOTHING = ("jitter", "body_grace", "linger", "drain")  # of a server's: at once will do


@frozen
class Timeout:
    """A client's patience, in seconds.

    connect: TCP and TLS. read: between two reads, the first byte included. write: for the peer
    to take what is sent. pool: for a free connection. total: the whole exchange, redirects,
    retries and body included; a streamed body is bounded by `read` alone.
    """

    connect: float | None = 10.0  # curl has 300, Go's dialer 30
    read: float | None = 30.0
    write: float | None = 30.0
    pool: float | None = 10.0
    total: float | None = 60.0  # requests, Go: none, their best known mistake; aiohttp 300

    def __post_init__(self) -> None:
        for seconds in (self.connect, self.read, self.write, self.pool, self.total):
            if seconds is not None and not 0 < seconds <= LONGEST:  # nor is NaN
                raise ValueError(
                    f"a timeout is more than 0 seconds, or None for no end, not {seconds}"
                )

    @classmethod
    def of(cls, value: Timeout | float | None) -> Timeout:
        """Read what users write: a Timeout, seconds for the whole exchange, or None for no end."""
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(None, None, None, None, None)
        if not isinstance(value, int | float):
            raise TypeError(
                "a timeout is seconds for the whole exchange, or a Timeout, as in "
                f"Timeout(connect=3, read=5), not {value!r}"
            )
        return cls(value, value, value, value, value)

    def without_total(self) -> Timeout:
        """The same for a streamed body: as long as it flows, it may go on."""
        return replace(self, total=None)


@frozen
class Patience:
    """A server's patience with its clients, in seconds unless the name says otherwise.

    All of it is finite: who wants none of a bound gives it LONGEST, the configuration's "off".
    (The sizes are Limits: an engine knows them, and knows no time.)
    """

    handshake: float = 10.0  # TLS, whole; asyncio 60, Node 120, Apache none
    head: float = 10.0  # a request's head, whole; nginx and Node 60, hypercorn 5
    idle: float = 15.0  # between requests; Apache, Node, uvicorn 5, nginx 75
    jitter: float = 1.0  # taken off `idle` by chance, so that not all end at once
    body_grace: float = 20.0  # a body may be slow for so long; Apache's mod_reqtimeout 20
    body_rate: float = 500.0  # bytes a second after that; Apache's mod_reqtimeout 500
    body_stall: float = 20.0  # between two pieces of a body
    write: float = 30.0  # for the client to take a piece of the response; nginx, Apache 60
    linger: float = 2.0  # for the client to read our last word before we close; nginx 5
    drain: float = 10.0  # for responses under way when the server stops
    requests: int = 1000  # on one connection; nginx 1000, Apache 100
    age: float = 3600.0  # of one connection; nginx 1 h

    def __post_init__(self) -> None:
        for name, number in as_dict(self).items():
            least = 0 if name in _MAY_BE_NOTHING else 1e-9
            most = _MOST if name in ("requests", "body_rate") else LONGEST
            if not least <= number <= most:  # nor is NaN
                raise ValueError(f"{name} is more than 0, and at most {most:.0f}, not {number}")

    def body_deadline(self, began: float, received: int, now: float) -> float:
        """Until when the next piece of a body has to come, `received` bytes after `began`."""
        return min(now + self.body_stall, began + self.body_grace + received / self.body_rate)


DEFAULT_TIMEOUT = Timeout()
DEFAULT_PATIENCE = Patience()
