"""Content codings undone: gzip, deflate, br and zstd, in bounded pieces (RFC 9110 8.4.1).

Encoded bytes go in, decoded pieces come out when asked for, about PIECE bytes at most, so that
content of any size passes through in constant memory. A few bytes may stand for gigabytes:
how many times their size they may become is a limit, for each coding and for all together.

Its law: a content is decoded to its end or it is an error. One that is cut short, that goes on
after its end, or that is broken anywhere raises DecodingError, and stays broken. Zeros after a
gzip content are padding, as tape and block devices leave it; anything else there is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final

from crlf.message.errors import DecodingError
from crlf.wire.limits import Limits

PIECE: Final = 64 * 1024  # bytes; br may give half as much again, for it grows by blocks
RATIO_FROM: Final = 1024 * 1024  # decoded bytes that no ratio is asked of
# Encoded bytes handed over at once: a library copies what it has not used at each call.
_SLICE = 16 * 1024
# Steps that may give nothing before the caller has its turn again.
_STEPS = 16
# gzip members or zstd frames: so many in any content, and beyond that one a KiB. Each costs up
# to 10 us however little is in it; bgzip has one for 16 KiB or so, pzstd for a MiB.
_MEMBERS = 10_000
_MEMBER_SIZE = 1024
# RFC 9659 3: a decoder may refuse what needs a window over 8 MiB, and an encoder must not ask.
_ZSTD_WINDOW_LOG = 23
_RFCS = {"gzip": "RFC 1952", "deflate": "RFC 1950", "br": "RFC 7932", "zstd": "RFC 8878"}


class _Stage:
    """One coding undone. `receive` when `step` has said None, and then step again.

    encoded, decoded: bytes that went in and came out.
    """

    def __init__(self, coding: str, ratio: int | None) -> None:
        self.coding = coding
        self.encoded = self.decoded = 0
        self._ratio = ratio
        self._input = b""
        self._at = 0
        self._members = 0
        self._is_open = False  # in the middle of a member, and so not at an end
        self._has_more = False  # the library may give more without being given more

    def receive(self, data: bytes) -> None:
        """Take encoded bytes."""
        if self._has_more or self._at < len(self._input):
            raise RuntimeError("there are pieces to be taken first")
        self._input, self._at = data, 0

    def step(self) -> bytes | None:
        """Return the next decoded bytes, b"" for a step that gave none, None to be given more.

        Raises DecodingError.
        """
        if self._at >= len(self._input) and not self._has_more:
            return None
        piece = self._decode(self._input[self._at : self._at + _SLICE])
        if piece:
            self.decoded += len(piece)
            refuse_ratio(self.coding, self.decoded, self.encoded, self._ratio)
        return piece

    def finish(self) -> None:
        """Raise DecodingError when content has not ended."""
        if self._is_open or not self._members:
            raise self._broken("it ends early")

    def _decode(self, given: bytes) -> bytes:
        raise NotImplementedError  # each coding has a library of its own

    def _use(self, size: int) -> None:
        """Note how much of the input is used up."""
        self._at += size
        self.encoded += size

    def _begin(self) -> None:
        """Note that a member begins; a flood of little ones is refused."""
        self._members += 1
        self._is_open = True
        if self._members > _MEMBERS + self.encoded // _MEMBER_SIZE:
            raise self._broken(f"over {_MEMBERS:,} members, with next to nothing in them")

    def _broken(self, why: object) -> DecodingError:
        text = f"broken {self.coding} content: {why} [{_RFCS[self.coding]}]"
        return DecodingError(text, phase="decode")


class _Inflating(_Stage):
    """What gzip and deflate share: zlib."""

    def __init__(self, coding: str, ratio: int | None) -> None:
        super().__init__(coding, ratio)
        import zlib

        self._zlib = zlib
        self._inflate: Any = None  # zlib's decompressobj while a member is open

    def _inflated(self, given: bytes) -> bytes:
        inflate = self._inflate
        piece = self._fed(given)
        left = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        self._use(len(given) - len(left))
        self._has_more = len(piece) >= PIECE and not inflate.eof
        if inflate.eof:
            self._inflate = None
            self._is_open = False
        return piece

    def _fed(self, given: bytes) -> bytes:
        try:
            piece: bytes = self._inflate.decompress(given, PIECE)
        except self._zlib.error as fault:
            raise self._broken(fault) from None
        return piece


class _Gzip(_Inflating):
    """gzip: members one after the other, each with its checksum and length (RFC 1952 2.2)."""

    _is_padded = False

    def _decode(self, given: bytes) -> bytes:
        if self._inflate is None:
            if self._is_padded or (self._members and given[0] == 0):
                self._is_padded = True
                if given.strip(b"\0"):
                    raise self._broken("bytes after its end")
                self._use(len(given))
                return b""
            if self._members and given[0] != 0x1F:
                raise self._broken("bytes after its end")
            self._begin()
            self._inflate = self._zlib.decompressobj(31)  # a gzip wrapper, a 32 KiB window
        return self._inflated(given)


class _Deflate(_Inflating):
    """deflate: the zlib format (RFC 9110 8.4.1.2), or without it, as some servers send it.

    The first two bytes tell: they are a zlib header, or what no encoder begins with.
    """

    _held = b""  # the first byte, as long as the second is not here

    def _decode(self, given: bytes) -> bytes:
        if self._inflate is None:
            if self._members:
                raise self._broken("bytes after its end")
            self._is_open = True
            start = self._held + given[:2]
            if len(start) < 2:
                self._held = start
                self._use(1)
                return b""
            self._begin()
            self._inflate = self._zlib.decompressobj(15 if _is_zlib_header(start) else -15)
            self._fed(self._held)
        return self._inflated(given)


def _is_zlib_header(start: bytes) -> bool:
    """Tell whether content begins as RFC 1950 2.2 says: method 8, a window, a check by 31."""
    first, second = start[0], start[1]
    return first & 0x0F == 8 and first >> 4 <= 7 and (first << 8 | second) % 31 == 0


class _Brotli(_Stage):
    """br: one stream, and nothing after it (RFC 7932)."""

    def __init__(self, coding: str, ratio: int | None) -> None:
        super().__init__(coding, ratio)
        library = _library("brotli")
        self._fault: type[Exception] = library.error
        self._stream = library.Decompressor()

    def _decode(self, given: bytes) -> bytes:
        stream = self._stream
        if self._has_more:
            given = b""  # it keeps what it could not use yet
        elif self._members and not self._is_open:
            raise self._broken("bytes after its end")
        else:
            if not self._members:
                self._begin()
            self._use(len(given))
        try:
            piece: bytes = stream.process(given, output_buffer_limit=PIECE)
        except self._fault as fault:
            raise self._broken(fault) from None
        self._is_open = not stream.is_finished()
        self._has_more = self._is_open and (
            len(piece) >= PIECE or not stream.can_accept_more_data()
        )
        return piece


class _Zstd(_Stage):
    """zstd: frames one after the other, some of which are to be skipped (RFC 8878 3.1)."""

    def __init__(self, coding: str, ratio: int | None) -> None:
        super().__init__(coding, ratio)
        self._library = _library("compression.zstd", "backports.zstd")  # the first: Python 3.14
        self._frame: Any = None  # a ZstdDecompressor while a frame is open

    def _decode(self, given: bytes) -> bytes:
        library = self._library
        if self._frame is None:
            self._begin()
            window = {library.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
            self._frame = library.ZstdDecompressor(options=window)
        if self._has_more:
            given = b""  # it keeps what it could not use yet
        self._use(len(given))
        frame = self._frame
        try:
            piece: bytes = frame.decompress(given, PIECE)
        except library.ZstdError as fault:
            raise self._broken(fault) from None
        self._has_more = not (frame.needs_input or frame.eof)
        if frame.eof:
            self._use(-len(frame.unused_data))  # of the next frame
            self._frame = None
            self._is_open = False
        return piece


def _library(*names: str) -> Any:
    """Import the first of some modules that is there. Raises ImportError."""
    from importlib import import_module

    for name in names[:-1]:
        with suppress(ImportError):
            return import_module(name)
    return import_module(names[-1])


_STAGES: dict[str, Callable[[str, int | None], _Stage]] = {
    "gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


@cache
def available() -> tuple[str, ...]:
    """List the codings that can be undone here, as Accept-Encoding is to name them.

    br needs the package brotli, 1.2 or newer, for older ones cannot be bounded; zstd needs
    Python 3.14 or the package backports.zstd. Looked up once.
    """
    names = ["gzip", "deflate"]
    if _has_brotli():
        names.append("br")
    if _has_zstd():
        names.append("zstd")
    return tuple(names)


def _has_brotli() -> bool:
    try:
        library = _library("brotli")  # 0.7 ms; how old it is cannot be known without
    except ImportError:
        return False
    return hasattr(library.Decompressor, "can_accept_more_data")


def _has_zstd() -> bool:
    from importlib.util import find_spec

    try:
        return find_spec("_zstd") is not None or find_spec("backports.zstd") is not None
    except ModuleNotFoundError:
        return False


def refuse_ratio(coding: str, decoded: int, encoded: int, ratio: int | None) -> None:
    """Raise DecodingError when content has become too many times its size; None is no limit."""
    if ratio is not None and decoded > RATIO_FROM and decoded > encoded * ratio:
        raise DecodingError(
            f"{coding} content decodes to over {ratio} times its size: over the limit `ratio`",
            phase="decode",
        )


class ContentDecoder:
    """Undoes the codings of one content, the last applied first (RFC 9110 8.4).

    codings: in the order they were applied, each of them available here. limits: `ratio` and
    `codings` are looked at. Raises DecodingError when there are more codings than that.

    Like an engine: bytes go into `receive`, pieces come out of `next_piece`; when no more
    comes in, and every piece has been taken, `finish` tells whether that was all.
    """

    def __init__(self, codings: Sequence[str], limits: Limits) -> None:
        if len(codings) > limits.codings:
            text = f"{len(codings)} codings: over the limit `codings` of {limits.codings}"
            raise DecodingError(text, phase="decode")
        self._stages = [_STAGES[coding](coding, limits.ratio) for coding in reversed(codings)]
        self._ratio = limits.ratio
        self._name = ", ".join(codings)
        self._fault: DecodingError | None = None

    @property
    def encoded(self) -> int:
        """Bytes that went in and have been used."""
        return self._stages[0].encoded

    def receive(self, data: bytes) -> None:
        """Take encoded bytes, when next_piece has given None."""
        self._stages[0].receive(data)

    def next_piece(self) -> bytes | None:
        """Return the next decoded bytes; None when more has to come in first.

        b"" is no end: much was looked at and gave nothing yet, and the caller may want to let
        others have their turn. Raises DecodingError, each time it is asked.
        """
        if self._fault is not None:
            raise self._fault
        try:
            return self._next_piece()
        except DecodingError as fault:
            self._fault = fault
            raise

    def _next_piece(self) -> bytes | None:
        stages = self._stages
        at = last = len(stages) - 1
        for _ in range(_STEPS):
            piece = stages[at].step()
            if piece is None:
                if at == 0:
                    return None
                at -= 1
            elif not piece:
                continue
            elif at < last:
                at += 1
                stages[at].receive(piece)
            else:
                if last:
                    refuse_ratio(self._name, stages[at].decoded, self.encoded, self._ratio)
                return piece
        return b""

    def finish(self) -> None:
        """Raise DecodingError unless the content has come to its end, or never began."""
        if self.encoded:
            for stage in self._stages:
                stage.finish()
