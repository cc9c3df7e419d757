"""Content as text and JSON: what a body says once its bytes are here.

The charset comes from Content-Type, then from a byte order mark, then from an HTML page's
own declaration, then it is UTF-8; ISO 8859-1 is nobody's default any more (RFC 9110 8.3.2).
"""

from __future__ import annotations

import codecs
import re

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
_META = pattern(rb"<meta[^>]{0,200}?charset=[\"']?([A-Za-z0-9_.:\-]{1,40})", re.IGNORECASE)
# Codecs of Python that are no character encodings, or are slow by design.
_NOT_TEXT = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})


def charset_of(headers: Headers) -> str | None:
    """Return the charset that Content-Type names, if Python knows it."""
    value = headers.first("content-type")
    kind = None if value is None else parse_media_type(value)
    return None if kind is None or kind.charset is None else known_charset(kind.charset)


def known_charset(name: str) -> str | None:
    """Return Python's name for a character encoding, or None when there is no such thing."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    is_text = getattr(codec, "_is_text_encoding", True)
    return codec.name if is_text and codec.name.replace("-", "_") not in _NOT_TEXT else None


def encoding_of(headers: Headers, content: bytes) -> str:
    """Decide which character encoding some content is in."""
    for mark, name in _BOMS:
        if content.startswith(mark):
            return name
    named = charset_of(headers)
    if named is not None:
        return named
    if "html" in (headers.first("content-type") or ""):
        found = _META.search(content[:_SNIFFED])
        declared = None if found is None else known_charset(found[1].decode("ascii"))
        if declared is not None:
            return declared
    return "utf-8"


def decode_text(headers: Headers, content: bytes) -> str:
    """Decode content as text; bytes that are wrong in its encoding become U+FFFD."""
    return content.decode(encoding_of(headers, content), "replace")


def parse_json(content: bytes) -> object:
    """Parse JSON (RFC 8259: UTF-8, a byte order mark tolerated). Raises Malformed (400)."""
    import json  # a client that never meets JSON does not wait for its parser

    try:
        value: object = json.loads(content)
        return value
    except RecursionError:
        raise Malformed("JSON nested too deeply", "RFC 8259 9") from None
    except ValueError as fault:
        raise Malformed(f"not JSON: {fault}", "RFC 8259 2") from None
