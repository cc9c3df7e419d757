"""Content as text and JSON: what a body says once its bytes are here.

The charset is what a byte order mark says, then Content-Type, then the page or the XML itself,
then UTF-8 if the bytes are that, and else a guess: by `charset-normalizer` where that package
is installed, windows-1252 otherwise. ISO 8859-1 is nobody's default any more (RFC 9110 8.3.2).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from encodings import normalize_encoding
from encodings.aliases import aliases
from functools import cache
from math import isinf
from typing import Any

from crlf.message.errors import Malformed
from crlf.message.fields.media import parse_media_type
from crlf.message.headers import Headers
from crlf.patterns import pattern

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SNIFFED = 1024  # bytes of a page in which its <meta charset> has to stand (WHATWG HTML 13.2.3.2)
_XML = pattern(
    rb"<\?xml[^>]{0,200}?[ \t\r\n]encoding[ \t]{0,8}=[ \t]{0,8}[\"']([A-Za-z0-9_.\-]{1,40})"
)
_META = pattern(rb"<meta[^>]{0,200}?charset=[\"']?([A-Za-z0-9_.:\-]{1,40})", re.IGNORECASE)
_SURROGATE = pattern(r"\\u[dD][89a-fA-F]")  # as JSON escapes it
_FALLBACK = "cp1252"  # windows-1252; WHATWG Encoding 4.2 takes "iso-8859-1" and "ascii" for it too
# Bytes that a guess is made of, around the first that is not UTF-8.
_BEFORE, _SAMPLE = 256, 4096
_LONGEST_NAME = 40  # characters; the longest of Python's own has 24
# Encodings of Python's that are known by one name only, which its table does not list.
_WITHOUT_ALIAS = (
    "cp1006", "cp720", "cp737", "cp856", "cp874", "cp875", "iso8859_1", "koi8_t", "koi8_u",
    "mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian", "palmos", "utf_8_sig",
)  # fmt: skip
# Codecs of Python that are no character encodings, or are slow by design.
_NOT_TEXT = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})


def charset_of(headers: Headers) -> str | None:
    """Return the charset that Content-Type names, if Python knows it."""
    value = headers.first("content-type")
    kind = None if value is None else parse_media_type(value)
    return None if kind is None or kind.charset is None else known_charset(kind.charset)


def known_charset(name: str) -> str | None:
    """Return Python's name for a character encoding, or None when there is no such thing.

    Python remembers every name that it was ever asked for, so it is asked for those it has.
    """
    if len(name) > _LONGEST_NAME or not name.isascii():
        return None
    name = normalize_encoding(name).lower()
    if name not in _all_names() and (name := name.replace(".", "_")) not in _all_names():
        return None
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    is_text = getattr(codec, "_is_text_encoding", True)
    return codec.name if is_text and codec.name.replace("-", "_") not in _NOT_TEXT else None


@cache
def _all_names() -> frozenset[str]:
    """List the names of all encodings that come with Python, as it writes them itself."""
    return frozenset({*aliases, *aliases.values(), *_WITHOUT_ALIAS})


def encoding_of(headers: Headers, content: bytes) -> str:
    """Decide which character encoding some content is in."""
    declared = declared_encoding(headers, content)
    if declared is not None:
        return declared
    try:
        content.decode()
    except UnicodeDecodeError as fault:
        return _guessed(content, fault.start)
    return "utf-8"


def declared_encoding(headers: Headers, content: bytes) -> str | None:
    """Return the encoding that content says it is in, by its first bytes or by its head.

    content: at least its first 1024 bytes, or all of it.
    """
    for mark, name in _BOMS:
        if content.startswith(mark):
            return name
    named = charset_of(headers)
    if named is not None:
        return named
    kind = headers.first("content-type") or ""
    found = None
    if "xml" in kind or "html" in kind:
        found = _XML.match(content[:_SNIFFED])
    if found is None and "html" in kind:
        found = _META.search(content[:_SNIFFED])
    declared = None if found is None else known_charset(found[1].decode("ascii"))
    if declared is not None and declared.startswith(("utf-16", "utf-32")):
        return "utf-8"  # it was read as ASCII, so it cannot be that (WHATWG HTML 13.2.3.2)
    return declared


def decode_text(headers: Headers, content: bytes) -> str:
    """Decode content as text; bytes that are wrong in its encoding become U+FFFD."""
    declared = declared_encoding(headers, content)
    if declared is not None:
        return content.decode(declared, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError as fault:
        return content.decode(_guessed(content, fault.start), "replace")


def _guessed(content: bytes, at: int) -> str:
    """Guess the encoding of content that is not UTF-8 from `at` on.

    UTF-8 that was damaged is still UTF-8: when most of what is not ASCII reads well.
    """
    sample = content[max(0, at - _BEFORE) : at + _SAMPLE]
    if at + _SAMPLE < len(content):
        # Cut where no character of two bytes can be cut: after a byte that is no second one.
        whole = max(sample.rfind(b"\n"), sample.rfind(b" "), sample.rfind(b">")) + 1
        sample = sample[: whole if whole > _BEFORE else None]
    read = sample.decode("utf-8", "replace")
    wrong = read.count("\ufffd")
    if len(read) - len(read.encode("ascii", "ignore")) > 4 * wrong:
        return "utf-8"
    guess = _guesser()
    name = None if guess is None else guess(sample)
    known = None if name is None else known_charset(name)
    return _FALLBACK if known in (None, "ascii", "iso8859-1", "utf-8") else known


def _guesser() -> Callable[[bytes], str | None] | None:
    """Return what guesses an encoding from a sample, if that package is installed."""
    try:
        from charset_normalizer import from_bytes  # 60 ms
    except ImportError:
        return None

    def guess(sample: bytes) -> str | None:
        found = from_bytes(sample)
        best = found.best()
        if best is None:
            return None
        # Of readings that make nearly as much sense, the one that most such pages are in.
        western = any(
            _FALLBACK in one.could_be_from_charset and one.chaos < best.chaos + 0.1 for one in found
        )
        return _FALLBACK if western else best.encoding

    return guess


class TextDecoder:
    """Content in pieces to text: feed it, then finish it.

    A mark, a page's or an XML's own declaration is waited for, as long as one may still come;
    nothing is guessed, for what was handed out cannot be taken back: then it is UTF-8.
    """

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        kind = headers.first("content-type") or ""
        self._is_markup = charset_of(headers) is None and ("html" in kind or "xml" in kind)
        self._held = b""  # the beginning, as long as nothing is decided
        self._decoder: codecs.IncrementalDecoder | None = None

    def feed(self, data: bytes) -> str:
        """Return the text that is complete with these bytes."""
        if self._decoder is None:
            self._held += data
            if self._may_declare(self._held):
                return ""
            return self._decided().decode(self._taken())
        return self._decoder.decode(data)

    def finish(self) -> str:
        """Return what is left, a character that was cut short as U+FFFD."""
        decoder = self._decoder or self._decided()
        return decoder.decode(self._taken(), True)

    def _may_declare(self, start: bytes) -> bool:
        """Tell whether more bytes could still say what encoding these are in."""
        if self._is_markup:
            return len(start) < _SNIFFED
        return any(mark != start and mark.startswith(start) for mark, _ in _BOMS)

    def _decided(self) -> codecs.IncrementalDecoder:
        name = declared_encoding(self._headers, self._held) or "utf-8"
        self._decoder = codecs.getincrementaldecoder(name)("replace")
        return self._decoder

    def _taken(self) -> bytes:
        held, self._held = self._held, b""
        return held


def parse_json(content: bytes, *, for_keeps: bool = False) -> Any:
    """Parse JSON (RFC 8259: UTF-8, a byte order mark tolerated). Raises Malformed (400).

    NaN and Infinity, which Python writes and reads, are no numbers there (RFC 8259 6).
    for_keeps: refuse texts with half a character in them, and numbers so large that they become
    Infinity, which no page and no database takes.
    """
    from json import detect_encoding  # a client that never meets JSON does not wait for its parser

    try:
        text = content.decode(detect_encoding(content), "surrogatepass")
        value = _json_reader(for_keeps)(text)
        if for_keeps:
            _refuse_halves(text, value)
        return value
    except UnicodeEncodeError:
        why = "JSON with half of a surrogate pair, which is no character"
        raise Malformed(why, "RFC 8259 8.2") from None
    except RecursionError:
        raise Malformed("JSON nested too deeply", "RFC 8259 9") from None
    except ValueError as fault:
        raise Malformed(f"not JSON: {fault}", "RFC 8259 2") from None


def _refuse_halves(text: str, value: object) -> None:
    """Raise UnicodeEncodeError for what could not be written as UTF-8 again."""
    if not text.isascii():
        text.encode()
    if _SURROGATE.search(text) is not None:  # mostly pairs; only all of it tells
        from json import dumps

        dumps(value, ensure_ascii=False).encode()


@cache
def _json_reader(is_finite: bool) -> Callable[[str], Any]:
    from json import JSONDecoder

    read = _finite if is_finite else None
    return JSONDecoder(parse_constant=_refuse_constant, parse_float=read).decode


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError(f"{text[:20]} is larger than a number can be")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")
