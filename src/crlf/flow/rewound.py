"""A stream from which something was read too early: it is read again first.

Its law: after that it is the stream itself. What it gives are the other's own methods, so
nobody who comes later pays for the look that was taken.
"""

from __future__ import annotations

from crlf.ports import Stream, StreamFacts


class RewoundStream:
    """A Stream that begins with `data`, which came off it before.

    facts: what is known of it now, if that is something else.
    """

    __slots__ = (
        "_data", "_inner", "close", "end", "facts", "has_arrived", "on_end", "read", "send_file",
        "sends_files", "write",
    )  # fmt: skip

    def __init__(self, inner: Stream, data: bytes, facts: StreamFacts | None = None) -> None:
        self._inner = inner
        self._data = data
        self.facts = inner.facts if facts is None else facts
        self.sends_files = inner.sends_files
        self.write, self.end, self.close = inner.write, inner.end, inner.close
        self.send_file, self.on_end = inner.send_file, inner.on_end
        self.read = self._read_again if data else inner.read
        self.has_arrived = self._has_more if data else inner.has_arrived

    async def _read_again(self, deadline: float | None) -> bytes:
        self.read, self.has_arrived = self._inner.read, self._inner.has_arrived
        data, self._data = self._data, b""
        return data

    def _has_more(self) -> bool:
        return True
