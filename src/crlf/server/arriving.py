"""From an accepted connection to one that can be served: the PROXY line, then TLS.

Both come before the first request, and a client that dawdles in either must not hold anything
but itself. Its law: a connection that does not get through is closed, its reason one quiet line
of the log; and where neither is wanted this file is not in the way at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from crlf.flow.clienthello import read_client_hello, say_https
from crlf.flow.proxyprotocol import read_proxy_line
from crlf.flow.serve import REST
from crlf.message.dates import build_date
from crlf.message.errors import CrlfError, Malformed, TlsFailed
from crlf.net.certificates import Certificates
from crlf.net.tls import start_server_tls
from crlf.ports import Service, Stream
from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.rules.forwarded import Trusted

_LOG: Final = logging.getLogger("crlf.server")
_QUIET: Final = 10.0  # seconds between two warnings


class Arrivals:
    """What connections pass through before they are served.

    serve: the next station, which closes its stream. now, wall: monotonic and POSIX seconds.
    certificates: for TLS. proxies: for a PROXY line, from whom it is taken; None for no line.
    refused: told why, of each connection that does not get through.
    """

    def __init__(
        self,
        serve: Service,
        now: Callable[[], float],
        wall: Callable[[], float],
        *,
        certificates: Certificates | None = None,
        proxies: Trusted | None = None,
        patience: Patience = DEFAULT_PATIENCE,
        refused: Callable[[str], object] | None = None,
    ) -> None:
        self._serve = serve
        self._now, self._wall = now, wall
        self._certificates = certificates
        self._proxies = proxies
        self._patience = patience
        self._refused = refused
        self._under_way: dict[Stream, float] = {}  # when each has come, the earliest first
        self._next_warning = 0.0

    async def serve(self, stream: Stream) -> None:
        """Serve a connection to its end, once it has arrived."""
        self._under_way[stream] = self._now()
        try:
            arrived = await self.arrive(stream)
        except CrlfError as fault:
            self._note(stream, fault)
            return
        finally:
            self._under_way.pop(stream, None)
        await self._serve(arrived)

    async def arrive(self, stream: Stream) -> Stream:
        """Return the stream to serve; the one given is closed when there is none.

        Raises Malformed, TransportError.
        """
        try:
            if self._proxies is not None:
                if not self._proxies.has_peer(stream.facts.peer, stream.facts.local):
                    raise Malformed("a PROXY line is due, and the peer is no proxy that is trusted")
                stream = await read_proxy_line(stream, self._now() + self._patience.head)
            if self._certificates is not None:
                stream = await self._encrypt(stream, self._certificates)
        except BaseException:
            stream.close()
            raise
        return stream

    async def _encrypt(self, stream: Stream, certificates: Certificates) -> Stream:
        deadline = self._now() + self._patience.handshake
        looked = await read_client_hello(stream, certificates.protocols, deadline)
        if looked is None:
            date = f"date: {build_date(int(self._wall()))}\r\n".encode()
            await say_https(stream, self._now() + self._patience.linger, date)
            raise TlsFailed("no TLS with the client: it sent plain HTTP", phase="tls")
        return await start_server_tls(looked, certificates.context(), deadline)

    def drain(self) -> None:
        """Close what has not arrived yet: nobody has asked for anything there."""
        for stream in list(self._under_way):
            stream.close()

    def make_room(self) -> None:
        """Close what has been on its way for longest, since others wait to be let in."""
        stream, came = next(iter(self._under_way.items()), (None, 0.0))
        if stream is not None and self._now() - came > REST:
            stream.close()

    def _note(self, stream: Stream, fault: CrlfError) -> None:
        if self._refused is not None:
            self._refused(fault.brief)
        # A proxy that is not understood is what somebody should see to; strangers may do the same
        # as often as they like, and are not to fill the log.
        is_news = isinstance(fault, Malformed) and self._now() >= self._next_warning
        if is_news:
            self._next_warning = self._now() + _QUIET
        level = logging.WARNING if is_news else logging.DEBUG
        _LOG.log(level, "connection of %s closed: %s", _shown(stream), fault.brief)


def _shown(stream: Stream) -> str:
    peer = stream.facts.peer
    if peer is None:
        return "a Unix domain socket"
    return f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
