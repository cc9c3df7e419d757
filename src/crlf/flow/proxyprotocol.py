"""Whoever is at the far end of a proxy, learned before the connection is served.

A proxy that passes on bytes says in a PROXY line whose they are (wire/proxyprotocol.py). Its
law: only where it is expected, and then nothing is served without it; a connection that could
begin with one or not would let every client choose its address.
"""

from __future__ import annotations

from crlf.flow.rewound import RewoundStream
from crlf.message.errors import Malformed, ReadFailed
from crlf.ports import Stream
from crlf.values import replace
from crlf.wire.proxyprotocol import ProxyLine, parse_proxy_line


async def read_proxy_line(stream: Stream, deadline: float | None) -> Stream:
    """Read the PROXY line; return the stream behind it, its facts as the line has them.

    Where the proxy does not know who came (UNKNOWN), or it was on a Unix domain socket, the peer
    is None. proxy-protocol.txt would have us take the proxy's own address for it then; but that
    is an address which is believed what it says of others, and the client would be.

    Raises Malformed, ReadTimeout, ReadFailed.
    """
    arrived = bytearray()
    line: ProxyLine | None = None
    while line is None:
        data = await stream.read(deadline)
        if not data:
            if arrived:
                raise Malformed("the connection ended within its PROXY line", "PROXY 2")
            raise ReadFailed("the connection ended before it said anything", phase="read")
        arrived += data
        line = parse_proxy_line(bytes(arrived))
    facts = stream.facts
    if line.is_relayed:
        # Without an address of ours either it would look like a Unix domain socket.
        local = line.local or facts.local or ("localhost", 0)
        facts = replace(facts, peer=line.peer, local=local)
    return RewoundStream(stream, bytes(arrived[line.size :]), facts)
