"""Percent-encoding: bytes that have no place in a URL, and how they travel in one all the same.

Decoding is done once and never twice, in linear time, by the one who needs the decoded text;
until then a path stays as it came. What decoding could hide (a NUL, a slash that is no
separator) is refused by `path_segments` and `decode_path`, so that no caller has to remember it.
"""

from __future__ import annotations

from binascii import a2b_qp
from functools import lru_cache

from crlf.message.errors import Malformed
from crlf.patterns import pattern

UNRESERVED = "-._~"  # with letters and digits; RFC 3986 2.3
_FORM_KEEP = "*-._"  # WHATWG URL, "application/x-www-form-urlencoded percent-encode set"

BAD_ESCAPE = pattern("%(?![0-9A-Fa-f]{2})")
_NO_ESCAPE = pattern(b"%(?![0-9A-Fa-f]{2})")  # the same, in bytes
_STEP = (
    64 * 1024
)  # bytes that are decoded at once, so that a form of 16 MiB is not there five times
_CONTROL = pattern("[\x00-\x1f\x7f]")
_FORM_SAFE = pattern(r"[A-Za-z0-9*\-._]*+")
_HEX = "0123456789ABCDEF"
# Every pair of hexadecimal digits, in either case, and the byte it stands for.
_BYTES = {
    (high + low).encode(): bytes([_HEX.index(high.upper()) * 16 + _HEX.index(low.upper())])
    for high in _HEX + "abcdef"
    for low in _HEX + "abcdef"
}
_ESCAPES = [f"%{byte:02X}" for byte in range(256)]


class _Table(dict[int, str]):
    """What str.translate asks: a character's code point -> what is written for it."""

    def __missing__(self, point: int) -> str:
        # Not remembered: hostile text would fill the table with all of Unicode.
        return "".join([_ESCAPES[byte] for byte in chr(point).encode()])


@lru_cache(maxsize=16)  # `keep` is a constant of the program, never text off the wire
def _table(keep: str) -> _Table:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    table = _Table({point: _ESCAPES[point] for point in range(128)})
    table.update({ord(character): character for character in letters + keep})
    return table


def percent_encode(text: str, keep: str = UNRESERVED) -> str:
    """Write text as UTF-8 with all but ASCII letters, digits and `keep` as %XX (RFC 3986 2.1).

    A percent sign is encoded too, unless it is in `keep`. Raises UnicodeEncodeError, a
    ValueError, on a lone surrogate.
    """
    return text.translate(_table(keep))


def percent_decode(text: str) -> bytes:
    """Give the bytes that text stands for; a percent sign before no two hex digits stays one.

    Characters beyond ASCII count as their UTF-8. Whoever must not be lenient looks for
    BAD_ESCAPE first.
    """
    raw = text.encode("utf-8", "surrogatepass")
    if b"%" not in raw:
        return raw
    # Quoted-printable (RFC 2045 6.7) has the same escapes after another sign, and a reader in C
    # that makes no object for each. A sign that begins no escape is escaped before.
    decoded, at = bytearray(), 0
    while at < len(raw):
        end = at + _STEP
        if end < len(raw):
            cut = raw.rfind(b"%", end - 2, end)  # an escape stays in one piece
            end = end if cut < 0 else cut
        piece = _NO_ESCAPE.sub(b"%25", raw[at:end])
        decoded += a2b_qp(piece.replace(b"=", b"%3D").replace(b"%", b"="))
        at = end
    return bytes(decoded)


def encode_plus(text: str) -> str:
    """Write a form's name or value as browsers do: blanks as +, the rest as %XX.

    WHATWG URL 5.2; the characters kept are letters, digits and `*-._`, so that what is signed
    here and by a browser is the same. Raises UnicodeEncodeError on a lone surrogate.
    """
    if _FORM_SAFE.fullmatch(text) is not None:
        return text
    return text.translate(_table(_FORM_KEEP)).replace("%20", "+")


def decode_plus(text: str) -> str:
    """Read a form's name or value: + is a blank, broken escapes stay, broken UTF-8 becomes U+FFFD.

    WHATWG URL 5.1 has no errors here, and neither has this.
    """
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    return percent_decode(text).decode("utf-8", "replace")


def path_segments(path: str) -> list[str]:
    """Split a raw path at its slashes, then decode each segment, so %2F stays inside its own.

    "/a/b%2Fc" is ["a", "b/c"], "/a/" is ["a", ""], "/" is [""], "" is []. Joined by slashes
    the raw segments are the path again; nothing is dropped, "." and ".." neither. Raises
    Malformed (400) on a broken escape, on UTF-8 that is none, and on NUL.
    """
    if not path:
        return []
    rest = path[1:] if path[0] == "/" else path
    if "%" not in rest:
        _refuse_nul(rest)
        return rest.split("/")
    return [_decode(segment) for segment in rest.split("/")]


def decode_path(path: str) -> str:
    """Decode a whole path once, for where it will be one text, such as the name of a file.

    Raises Malformed (400) as path_segments does, and also on control characters, backslashes
    and encoded slashes: in one text they would be separators that the sender did not write.
    Dot segments are left; whoever opens files must still refuse them.
    """
    decoded = _decode(path)
    if _CONTROL.search(decoded) is not None:
        raise Malformed("control character in the path", "RFC 3986 7.3")
    if "\\" in decoded:
        raise Malformed("backslash in the path", "RFC 3986 7.3")
    if decoded.count("/") != path.count("/"):
        raise Malformed("encoded slash in the path", "RFC 3986 7.3")
    return decoded


def _decode(text: str) -> str:
    if "%" not in text:
        _refuse_nul(text)
        return text
    if BAD_ESCAPE.search(text) is not None:
        raise Malformed("percent sign without two hexadecimal digits", "RFC 3986 2.1")
    try:
        decoded = percent_decode(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("path is not UTF-8", "RFC 3986 2.5") from None
    _refuse_nul(decoded)
    return decoded


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise Malformed("NUL in the path", "RFC 3986 7.3")
