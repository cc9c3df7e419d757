"""Content codings done: gzip, br and zstd, whole or piece by piece (RFC 9110 8.4.1).

The other side of coding.py, for what we send. gzip is there always; br with the package brotli,
zstd with Python 3.14 or backports.zstd. Its law: the same content gives the same bytes, in any
process of the same server, so that no time and no name is written into it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any, Final

# What is made on the way out is made quickly; who has time makes files beforehand.
GZIP_LEVEL: Final = 6  # nginx 1, Apache and zlib 6
BR_QUALITY: Final = 5  # of 11; nginx's module 6, where each step costs half as much again
ZSTD_LEVEL: Final = 3  # the library's own; its window of 2 MiB is within RFC 9659's 8 MiB
_BR_WINDOW: Final = 22  # 4 MiB, as RFC 7932 9.1 lets any decoder take
_GZIP_WINDOW: Final = 31  # 15 bits, and 16 for gzip's head and tail


class Encoder:
    """One coding done on one content."""

    def encode(self, data: bytes) -> bytes:
        """Take bytes; return what is ready of the coded ones, b"" when it waits for more."""
        raise NotImplementedError  # each coding has a library of its own

    def flush(self) -> bytes:
        """Return all that is held back, so that a reader has everything up to here."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """Return the end of the coded content."""
        raise NotImplementedError


class _Gzip(Encoder):
    def __init__(self) -> None:
        import zlib

        self._made: Any = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        self._sync = zlib.Z_SYNC_FLUSH

    def encode(self, data: bytes) -> bytes:
        made: bytes = self._made.compress(data)
        return made

    def flush(self) -> bytes:
        made: bytes = self._made.flush(self._sync)
        return made

    def finish(self) -> bytes:
        made: bytes = self._made.flush()
        return made


class _Brotli(Encoder):
    def __init__(self) -> None:
        self._made: Any = _brotli().Compressor(quality=BR_QUALITY, lgwin=_BR_WINDOW)

    def encode(self, data: bytes) -> bytes:
        made: bytes = self._made.process(data)
        return made

    def flush(self) -> bytes:
        made: bytes = self._made.flush()
        return made

    def finish(self) -> bytes:
        made: bytes = self._made.finish()
        return made


class _Zstd(Encoder):
    def __init__(self) -> None:
        self._made: Any = _zstd().ZstdCompressor(level=ZSTD_LEVEL)

    def encode(self, data: bytes) -> bytes:
        made: bytes = self._made.compress(data)
        return made

    def flush(self) -> bytes:
        made: bytes = self._made.flush(self._made.FLUSH_BLOCK)
        return made

    def finish(self) -> bytes:
        made: bytes = self._made.flush(self._made.FLUSH_FRAME)
        return made


_ENCODERS: Final = {"zstd": _Zstd, "br": _Brotli, "gzip": _Gzip}


@cache
def encodable() -> tuple[str, ...]:
    """List the codings that can be done here, the quickest first. Looked up once."""
    from importlib.util import find_spec

    found = []
    for coding, modules in (
        ("zstd", ("_zstd", "backports.zstd")),
        ("br", ("brotli", "brotlicffi")),
    ):
        with suppress(ModuleNotFoundError):  # of a dotted name's first half
            if any(find_spec(module) is not None for module in modules):
                found.append(coding)
    return (*found, "gzip")


def encoder_of(coding: str) -> Encoder:
    """Begin a coding. Raises KeyError for one that is not known, ImportError for its library."""
    made: Encoder = _ENCODERS[coding]()
    return made


def encode(content: bytes, coding: str) -> bytes:
    """Return content in a coding."""
    encoder = encoder_of(coding)
    return encoder.encode(content) + encoder.finish()


def _brotli() -> Any:
    from importlib import import_module

    with suppress(ImportError):
        return import_module("brotli")
    return import_module("brotlicffi")


def _zstd() -> Any:
    from importlib import import_module

    with suppress(ImportError):
        return import_module("compression.zstd")  # Python 3.14
    return import_module("backports.zstd")
