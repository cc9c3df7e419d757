"""Cookies in words: their names and attributes, and never their values.

Each attribute is said as what a browser makes of it (RFC 6265bis 5). Its law: an explanation may
be shown to others, so nothing in it signs anybody in.
"""

from __future__ import annotations

from typing import Final

from crlf.message.dates import parse_cookie_date
from crlf.wire.explaining.spans import Span, detail_of
from crlf.wire.explaining.valueparts import counted, joined, named, pair_of, pieces_of
from crlf.wire.explaining.words import shown

Said = tuple[str, tuple[Span, ...]]  # what a value says, and its parts


def cookies(start: int, value: str) -> Said:
    """Say which cookies a request gives back (RFC 6265bis 4.2)."""
    pieces = pieces_of(start, value, ";")
    names = [piece.text.partition("=")[0].strip(" \t") for piece in pieces]

    def say(text: str) -> str:
        return f"the cookie {shown(text.partition('=')[0])}"

    return f"gives back {counted(len(pieces), 'cookie')}: {joined(names)}", named(
        pieces, "cookie", say
    )


_ATTRIBUTES: Final = {
    "secure": "goes back over https only",
    "httponly": "no script of a page can read it",
    "partitioned": "one for each site that embeds this one",
    "path": "goes back for paths below {}",
    "domain": "goes back to {} and the hosts below it",
    "max-age": "is kept for {} seconds",
    "expires": "is kept until {}",
    "samesite": "goes along from other sites: {}",
}
_SAME_SITE: Final = {
    "strict": "never",
    "lax": "only where a link is followed",
    "none": "always (which needs Secure)",
}


def _attribute(key: str, said: str) -> str:
    """Say what an attribute means; key in lower case (RFC 6265bis 5.6)."""
    meaning = _ATTRIBUTES.get(key)
    if meaning is None:
        return f"{shown(key)}: no attribute that is known; passed over"
    if key == "samesite":
        said = _SAME_SITE.get(said.lower(), "")
    elif key == "expires":
        said = said if parse_cookie_date(said) is not None else ""
    elif key == "max-age":
        digits = said[1:] if said[:1] == "-" else said
        if not digits.isascii() or digits.strip("0123456789") or not digits:
            said = ""
        elif said[:1] == "-" or not digits.strip("0"):
            return "is taken back at once"
    elif key == "path" and said[:1] != "/":
        return "goes back for paths below the folder of this one: no path that begins with /"
    if "{}" in meaning and not said:
        return f"{key}: cannot be read; passed over"
    return meaning.replace("{}", shown(said))


def set_cookie(start: int, value: str) -> Said:
    """Say what a response asks to keep, attribute by attribute (RFC 6265bis 4.1)."""
    pieces = pieces_of(start, value, ";")
    if not pieces:
        return "sets nothing", ()
    first, *rest = pieces
    name = first.text.partition("=")[0].strip(" \t") if "=" in first.text else ""
    details = [detail_of(first.start, first.end, "cookie", f"sets the cookie {shown(name)}")]
    for piece in rest:
        key, said, _ = pair_of(piece)
        details.append(detail_of(piece.start, piece.end, "attribute", _attribute(key, said)))
    return f"sets the cookie {shown(name)}", tuple(details)
