"""Ways through an HTTP proxy: CONNECT for a tunnel, the absolute form for plain HTTP.

What is for the proxy and what is for the origin is kept apart here. Its law: a credential of
the proxy's is in no byte that leaves it again; and nothing that a proxy says before TLS begins
is taken for the origin's word.
"""

from __future__ import annotations

from crlf.flow.connection import Connection
from crlf.message.authority import fault_of_host, in_brackets, is_address
from crlf.message.errors import (
    ConnectTimeout,
    LocalError,
    ProxyFailed,
    RemoteError,
    TimedOut,
    TooLarge,
    TransportError,
)
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.status import reason_of
from crlf.ports import Stream, Via
from crlf.wire.h1.client import ClientEngine
from crlf.wire.limits import Limits
from crlf.wire.parts import RequestHead, ResponseHead

_FOR_PROXY = "proxy-authorization"
_RULE = "RFC 9110 11.7.2"


async def open_tunnel(
    stream: Stream, proxy: Via, host: str, port: int, deadline: float | None, limits: Limits
) -> None:
    """Ask the proxy at the other end of a stream for a way to a host (RFC 9110 9.3.6).

    host: a name or address, IPv6 without brackets. limits: on the head of the answer; of its
    content nothing is read. Afterwards the stream leads to the host. Raises ProxyFailed, with
    what the proxy answered as its status_code, and ConnectTimeout.
    """
    head = _connect_head(proxy, host, port)
    connection = Connection(stream, ClientEngine(limits))
    connection.engine.send_whole(head, b"")
    try:
        await connection.flush(deadline)
        while True:
            answer = await connection.next_part(deadline)
            if not isinstance(answer, ResponseHead) or answer.status_code >= 200:
                break
    except TimedOut as late:
        raise ConnectTimeout(
            f"the proxy {proxy} opened no way to {head.target} in time",
            phase="proxy",
            seconds=late.seconds,
        ) from None
    except TransportError as fault:
        raise _failed(proxy, f"is gone: {fault.reason}") from None
    except (RemoteError, TooLarge) as fault:
        raise _failed(proxy, f"does not answer as a proxy does: {fault}") from None
    if not isinstance(answer, ResponseHead) or not 200 <= answer.status_code < 300:
        raise _refused(proxy, head.target, answer)
    if connection.engine.leftover():
        # In TLS it is the client who speaks first. Whoever sends now is not the origin.
        raise _failed(proxy, "sent something on behalf of the host, which was not asked yet")


def forwarded(request: Request, proxy: Via) -> Request:
    """Return the request as a proxy is asked to forward it (RFC 9112 3.2.2).

    Its target is the URL without userinfo and fragment, its Host that of the URL (RFC 9112 3.2).
    The proxy's user name and password go along, unless the request has Proxy-Authorization
    already. Raises ProxyFailed for an address that means something on this machine only.
    """
    url = request.url
    authority = url.authority
    if "%" in url.host:
        raise _failed(proxy, _zoned(url.host))
    outgoing = request.with_target(f"{url.scheme}://{authority}{request.target}")
    headers = request.headers
    if headers.get_all("host") != [authority]:
        outgoing = outgoing.with_field("host", authority)
    return proxy.authorize(outgoing)


def check_straight(request: Request) -> None:
    """Refuse a request that would tell its origin what is for a proxy (RFC 9110 11.7.2).

    For every request that no proxy forwards: on a straight connection, through SOCKS, and inside
    a tunnel, whose proxy has been told already. Raises LocalError.
    """
    if request.headers.first(_FOR_PROXY) is not None:
        raise LocalError(
            "Proxy-Authorization would reach the origin: give the user name and password in the"
            " proxy's URL, as in proxy='http://user:password@host:port'",
            _RULE,
        )


def _connect_head(proxy: Via, host: str, port: int) -> RequestHead:
    """Write the request for a tunnel (RFC 9112 3.2.3). Raises ProxyFailed for what is no host."""
    if "%" in host:
        raise _failed(proxy, _zoned(host))
    if not is_address(host) and (fault := fault_of_host(host)) is not None:
        raise _failed(proxy, f"is not asked for this host: {fault}")
    target = f"{in_brackets(host)}:{port}"
    fields = [("host", target)]
    if proxy.authorization is not None:
        fields.append(("Proxy-Authorization", proxy.authorization))
    return RequestHead("CONNECT", target, Headers(fields))


def _refused(proxy: Via, place: str, answer: object) -> ProxyFailed:
    """Say why there is no tunnel. What the proxy wrote about it is not shown: it is anybody's."""
    code = answer.status_code if isinstance(answer, ResponseHead) else None
    if code == 407 and proxy.authorization is None:
        why = f"wants a user name and password before it opens a way to {place} (407)"
    elif code == 407:
        why = f"does not accept the user name and password it was given (407), asked for {place}"
    elif code is None:
        why = f"gave no answer when asked for a way to {place}"
    else:
        why = f"opens no way to {place}: it answered {code} {reason_of(code)}".rstrip(" ")
    failed = _failed(proxy, why)
    failed.status_code = code
    return failed


def _zoned(host: str) -> str:
    return f"cannot reach {host}: its zone means something on this machine only"


def _failed(proxy: Via, why: str) -> ProxyFailed:
    return ProxyFailed(f"the proxy {proxy} {why}", phase="proxy")
