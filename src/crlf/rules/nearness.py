"""Who sits at this machine: what is shown, or allowed, to its own people and to nobody else.

An address alone does not tell: a proxy on this machine asks from here for the whole world, and
a stranger's name may lead here (DNS rebinding). Its law: near is who comes from here, by a name
that is always this machine's own, and through nothing that could be a proxy.
"""

from __future__ import annotations

from typing import Final

from crlf.message.errors import BadUrl
from crlf.message.request import Request
from crlf.patterns import pattern

# Of a URL's host, which has been checked: four numbers are an IPv4 address there.
_LOOPBACK = pattern(r"127(?:\.[0-9]{1,3}){3}|(?:[a-z0-9_-]+\.)*+localhost|::1")
_MAPPED: Final = "::ffff:"  # an IPv4 address as a socket for both has it (RFC 4291 2.5.5.2)
# What proxies write: who came by one is not known to sit at this machine, whatever Host says.
_OF_PROXIES = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Tell whether a URL's host is this machine: localhost, 127.x.x.x or ::1 (RFC 6761 6.3)."""
    return _LOOPBACK.fullmatch(host.removesuffix(".")) is not None


def is_from_here(request: Request) -> bool:
    """Tell whether a request comes from this machine and is for it; so does one in memory.

    A proxy on this machine asks from here, often by this machine's own name, for the whole world.
    Most say that they are one; nginx, unless told to, says so by HTTP/1.0 alone, which no browser
    speaks.
    """
    if request.version == "1.0" or any(name in request.headers for name in _OF_PROXIES):
        return False
    try:
        peer = request.peer
        if peer is None:
            is_near = request.received_how.is_inside
        else:
            is_near = is_loopback(peer[0].removeprefix(_MAPPED))
        return is_near and is_loopback(request.url.host)
    except BadUrl:
        return False
