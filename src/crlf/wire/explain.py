"""The wire, explained: from bytes to spans that say what each byte is, and to one fault.

The engines that client and server run on read the same bytes and decide what is valid, how the
end of a message is found, and what is wrong (explaining/engines.py); here that is only written
down. No terminal, no network, no clock: a page, a replay or a command may be built on it.

    explained = explain_request(b"GET / HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n")
    for span in explained.spans:
        print(data[span.start:span.end], span.element, span.meaning, span.rule)

Its law: the spans tile the input, whatever it is, in linear time.
"""

from __future__ import annotations

from collections.abc import Iterable

from crlf.message.headers import Headers
from crlf.wire.explaining.elements import DETAILS, ELEMENTS
from crlf.wire.explaining.readers import RequestReader, ResponseReader, read_turns
from crlf.wire.explaining.spans import Explained, Fault, Framing, How, Kind, Message, Span
from crlf.wire.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from crlf.wire.parts import RequestHead

__all__ = [
    "DETAILS",
    "ELEMENTS",
    "Explained",
    "Fault",
    "Framing",
    "How",
    "Message",
    "Span",
    "explain_bytes",
    "explain_request",
    "explain_response",
    "explain_responses",
]


def explain_request(
    data: bytes, *, is_whole: bool = True, limits: Limits = SERVER_LIMITS
) -> Explained:
    """Explain what a client sent: one request or several behind one another.

    is_whole: nothing follows, so what is not complete is a fault. What a request with Upgrade
    is followed by is taken for another protocol, unless it begins like a request.
    """
    return RequestReader(data, limits, ended=is_whole).read()


def explain_response(
    data: bytes,
    *,
    method: str = "GET",
    is_ended: bool = False,
    request: RequestHead | None = None,
    limits: Limits = CLIENT_LIMITS,
) -> Explained:
    """Explain what a server sent to one request: interim responses, and the final one.

    method: of the request, which decides whether content may follow. request: its head, when more
    is known; without it, a 101 is believed to have been asked for. is_ended: the server closed the
    connection behind these bytes. Bytes behind the response are a fault, as they are to a client.
    """
    asked = _asking(method) if request is None else request
    return ResponseReader(data, limits, [asked], ended=is_ended).read()


def explain_responses(
    data: bytes,
    requests: Iterable[RequestHead | str] = (),
    *,
    is_ended: bool = False,
    limits: Limits = CLIENT_LIMITS,
) -> Explained:
    """Explain what a server sent on one connection to several requests.

    requests: their heads or methods, in order; what comes after those is taken for answers to
    GET, as long as the connection persists.
    """
    asked = [_asking(each) if isinstance(each, str) else each for each in requests]
    return ResponseReader(data, limits, asked, ended=is_ended, then=_asking("GET")).read()


def explain_bytes(data: bytes, *, is_whole: bool = True) -> Explained:
    """Explain bytes of which nobody says what they are: requests, or responses.

    Where requests are followed by responses, as in a transcript of one connection, both are read,
    turn by turn; a response without a request is believed to answer GET.
    """
    first: Kind = "response" if _begins_with_response(data) else "request"
    return read_turns(data, first, _asking("GET"), ended=is_whole)


def _begins_with_response(data: bytes) -> bool:
    start = data[:1000].lstrip(b"\r\n")[:5]
    return start == b"HTTP/"


def _asking(method: str) -> RequestHead:
    target = "a.example:443" if method == "CONNECT" else "/"
    asks = {"host": "a.example", "connection": "upgrade", "upgrade": "any"}
    return RequestHead(method, target, Headers(asks))
