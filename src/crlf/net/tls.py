"""TLS for every colour: a stream that speaks it over another stream.

OpenSSL works on two buffers in memory, and the waiting is left to the stream below; so there
is one TLS for sockets that block, for event loops and for memory. Its law, RFC 9112 9.8: an
end is an end only when the peer says so (close_notify), and we say so before ours.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from crlf.message.errors import (
    ConnectTimeout,
    ReadFailed,
    ReadTimeout,
    TlsFailed,
    TransportError,
    WriteFailed,
    WriteTimeout,
)
from crlf.net.sendfile import write_pieces
from crlf.net.trust import client_context, has_context, reason_of, refusal, server_context
from crlf.net.x509 import subject_of
from crlf.ports import InThread, Stream, TlsFacts, TlsSettings
from crlf.values import replace

__all__ = ["TlsStream", "server_context", "start_client_tls", "start_server_tls"]

_RECORD = 16 * 1024  # bytes of a record at most (RFC 8446 5.1): more than one read can give
_MOST_LOOKS = 8  # reads, of records that are no data, before a peer counts as noisy
_LARGE_PIECE = 256 * 1024  # bytes encrypted at once: what a write may need on top of its data


class TlsStream:
    """The inside of a TLS connection as a Stream, once `shake_hands` is done."""

    __slots__ = (
        "_broken", "_ended", "_failure", "_incoming", "_inner", "_outgoing", "_pieces", "_said_end",
        "_tls", "facts",
    )  # fmt: skip
    sends_files = False  # the kernel would have to encrypt them

    def __init__(
        self, inner: Stream, context: ssl.SSLContext, hostname: bytes | None, *, at_server: bool
    ) -> None:
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=at_server, server_hostname=hostname
        )
        self._pieces: list[bytes] = []  # decrypted, and not read yet
        self._ended = False  # by the peer
        self._failure: ReadFailed | None = None  # what the next read raises
        self._broken = False  # a record was sent in part, so no other may follow
        self._said_end = False
        self.facts = inner.facts

    async def shake_hands(self, deadline: float | None, hostname: str) -> None:
        """Agree with the peer. Raises TlsFailed, ConnectTimeout. hostname: for their texts."""
        began = monotonic()
        try:
            while not self._try_handshake():
                await self._flush(deadline)
                data = await self._inner.read(deadline)
                if not data:
                    raise TlsFailed(
                        f"no TLS with {hostname or 'the client'}: it hung up", phase="tls"
                    )
                self._incoming.write(data)
            await self._flush(deadline)
        except (ReadTimeout, WriteTimeout):
            spent = monotonic() - began
            raise ConnectTimeout(
                f"no TLS with {hostname or 'the client'} within {spent:.3g} seconds",
                phase="tls",
                seconds=spent,
            ) from None
        except (ReadFailed, WriteFailed) as fault:
            peer = hostname or "the client"
            raise TlsFailed(f"no TLS with {peer}: {fault.reason}", phase="tls") from None
        except ssl.SSLError as fault:
            with suppress(TransportError):  # the alert that says why: a courtesy
                await self._flush(deadline)
            failure = TlsFailed(refusal(fault, hostname), phase="tls")
            failure.is_untrusted = isinstance(fault, ssl.SSLCertVerificationError)
            raise failure from fault
        self._decrypt()  # what came along with the last of the handshake
        self.facts = replace(self._inner.facts, tls=_facts_of(self._tls))

    def _try_handshake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    # -- the stream

    async def read(self, deadline: float | None) -> bytes:
        """Return what has arrived, waiting for at least one byte; b"" after close_notify."""
        pieces = self._pieces
        while not pieces:
            if self._ended:
                return b""
            if self._failure is not None:
                raise ReadFailed(self._failure.reason, phase="read")
            self._take(await self._inner.read(deadline))
            if self._outgoing.pending:  # an answer to something that is not data
                with suppress(TransportError):  # the next write tells
                    await self._flush(deadline)
        if len(pieces) == 1:
            return pieces.pop()
        data = b"".join(pieces)
        pieces.clear()
        return data

    async def write(self, data: bytes, deadline: float | None) -> None:
        """Send all of data."""
        if self._broken:
            raise WriteFailed("an earlier write was cut short", phase="write")
        rest = memoryview(data)
        while rest:
            try:
                taken = self._tls.write(rest[:_LARGE_PIECE])
            except ssl.SSLError as fault:
                why = "we ended it" if self._said_end else reason_of(fault)
                raise WriteFailed(f"TLS takes no more: {why}", phase="write") from None
            rest = rest[taken:]
            await self._flush(deadline)

    async def send_file(
        self, descriptor: int, offset: int, count: int, deadline_of: Callable[[], float | None]
    ) -> None:
        """Read so many bytes of an open file and send them; see Stream."""
        await write_pieces(self, descriptor, offset, count, deadline_of)

    async def end(self, deadline: float | None) -> None:
        """Send close_notify, and let the stream below end; reading goes on."""
        if not self._said_end:
            self._said_end = True
            self._decrypt()  # what is left there, unwrap would throw away
            with suppress(ssl.SSLError):  # SSLWantReadError: the peer has not ended yet
                self._tls.unwrap()
            if not self._broken:
                with suppress(TransportError):
                    await self._flush(deadline)
        await self._inner.end(deadline)

    def close(self) -> None:
        """Let go of the connection at once.

        Without `end` before, the peer sees that it was cut: no close_notify is sent, since
        what we sent may be half of something.
        """
        self._pieces.clear()
        self._ended = False
        if self._failure is None:
            self._failure = ReadFailed("connection lost: closed by us")
        self._broken = True
        self._inner.close()

    def has_arrived(self) -> bool:
        """Whether a read would return at once.

        What has arrived below may be no data (a ticket for a later session), so it is
        decrypted here. That read returns at once, so no colour suspends in it.
        """
        looks = 0
        while not (self._pieces or self._ended or self._failure):
            if not self._inner.has_arrived():
                return False
            looks += 1
            if looks > _MOST_LOOKS:
                return True  # nobody has so many tickets: not a connection to be used again
            reading = self._inner.read(None)
            try:
                reading.send(None)
            except StopIteration as done:
                self._take(done.value)
            except ReadFailed as failure:
                self._failure = failure
            else:
                raise RuntimeError("a stream said that something has arrived, and then waited")
        return True

    def on_end(self, callback: Callable[[], object] | None) -> None:
        """Call back once when the connection below has ended, at once if the peer said goodbye.

        A close_notify that is not read yet is no end; peers close the connection after theirs.
        """
        if callback is not None and (self._ended or self._failure is not None):
            callback()
            callback = None
        self._inner.on_end(callback)

    # -- the two buffers

    def _take(self, data: bytes) -> None:
        """Decrypt what the stream below has read."""
        if data:
            self._incoming.write(data)
            self._decrypt()
        else:
            self._failure = ReadFailed(
                "the connection ended without TLS close_notify, so what came may be cut short"
                " (RFC 9112 9.8)"
            )

    def _decrypt(self) -> None:
        """Decrypt all whole records that are here."""
        tls, incoming, pieces = self._tls, self._incoming, self._pieces
        try:
            while incoming.pending or tls.pending():
                piece = tls.read(_RECORD)
                if not piece:
                    self._ended = True
                    return
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass  # the last record is not whole
        except ssl.SSLZeroReturnError:
            self._ended = True
        except ssl.SSLError as fault:
            self._failure = ReadFailed(f"TLS broke: {reason_of(fault)}")

    async def _flush(self, deadline: float | None) -> None:
        """Send what OpenSSL has written.

        One Task may be here for what it reads while another is for what it writes: each hands
        down whole records, so that they stay in order.
        """
        if self._outgoing.pending:
            try:
                await self._inner.write(self._outgoing.read(), deadline)
            except BaseException:
                self._broken = True
                raise


async def start_client_tls(
    stream: Stream,
    settings: TlsSettings,
    hostname: str,
    deadline: float | None,
    in_thread: InThread | None = None,
) -> TlsStream:
    """Speak TLS on a stream as its client; the stream is closed when that fails.

    hostname: who must be at the other end, a name or an address; not in brackets. in_thread:
    where files are read, if reading them here would hold others up.
    Raises TlsFailed, ConnectTimeout.
    """
    try:
        if in_thread is None or has_context(settings):
            context = client_context(settings)
        else:
            context = await in_thread(lambda: client_context(settings))
        try:
            begun = TlsStream(stream, context, server_name(hostname), at_server=False)
        except (ValueError, ssl.SSLError) as fault:
            raise TlsFailed(f"no TLS with {hostname!r}: {fault}", phase="tls") from None
        await begun.shake_hands(deadline, hostname)
    except BaseException:
        stream.close()
        raise
    return begun


async def start_server_tls(
    stream: Stream, context: ssl.SSLContext, deadline: float | None
) -> TlsStream:
    """Speak TLS on a stream as its server; the stream is closed when that fails.

    Raises TlsFailed, ConnectTimeout.
    """
    try:
        begun = TlsStream(stream, context, None, at_server=True)
        await begun.shake_hands(deadline, "")
    except BaseException:
        stream.close()
        raise
    return begun


def _facts_of(tls: ssl.SSLObject) -> TlsFacts:
    """Say what was agreed on, and at a server who the client has proved to be."""
    cipher = tls.cipher()
    shown = tls.getpeercert() if tls.server_side else None
    return TlsFacts(
        tls.version() or "",
        cipher[0] if cipher else "",
        tls.selected_alpn_protocol(),
        subject_of(shown) if shown else None,
        tls.getpeercert(True) if shown else None,
    )


def server_name(hostname: str) -> bytes:
    """Write a host as the certificate must have it; OpenSSL sends no SNI for an address.

    RFC 6066 3: no dot at the end. RFC 6874 1: the zone of an address is of this machine only.
    As bytes, since for a str the ssl module loads its tables of IDNA. Raises ValueError.
    """
    if ":" in hostname:
        return hostname.partition("%")[0].encode("ascii")
    return hostname.removesuffix(".").encode("ascii")
