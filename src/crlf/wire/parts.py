"""The parts that a message is made of, the same in both directions and for both roles.

A message is a head, then any number of Data, then one End. A response may have interim
heads (1xx) before its own. After the last message comes Closed, or Switched when both
sides agreed to speak something else. Parts are tuples: cheap, immutable, matchable.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from crlf.message.headers import EMPTY, Headers


class RequestHead(NamedTuple):
    """A request line and its fields. target is the request target as it stands on the wire."""

    method: str
    target: str
    headers: Headers = EMPTY
    version: str = "1.1"


class ResponseHead(NamedTuple):
    """A status line and its fields; interim when status_code is below 200."""

    status_code: int
    headers: Headers = EMPTY
    reason: str = ""
    version: str = "1.1"


class Data(NamedTuple):
    """Some bytes of a body, never empty when received. Where one Data ends means nothing."""

    data: bytes


class End(NamedTuple):
    """The end of a message, with the trailer fields, kept apart from the header fields."""

    trailers: Headers = EMPTY


class Closed(NamedTuple):
    """There will be no further message on this connection."""

    reason: str = ""


class Switched(NamedTuple):
    """What follows on this connection is not HTTP/1.1 any more (101, or a tunnel).

    leftover: bytes of the new protocol that have arrived already.
    """

    leftover: bytes = b""


class RequestLike(Protocol):
    """What an engine needs of a request to write its head: a RequestHead has it, a Request too."""

    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def version(self) -> str: ...


class ResponseLike(Protocol):
    """What an engine needs of a response to write its head."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def reason(self) -> str: ...


CONTINUE = ResponseHead(100)
END = End()
CLOSED = Closed()

Head = RequestHead | ResponseHead
Part = RequestHead | ResponseHead | Data | End | Closed | Switched
