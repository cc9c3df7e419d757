"""Content codings: what was done to content before it was sent, by the Content-Encoding field.

Its one idea: the list is read, never repaired. A field that does not fit the grammar names one
coding that nobody knows, so that its content stays as it came.
"""

from __future__ import annotations

from typing import Final

from crlf.message.errors import Malformed
from crlf.message.grammar import is_token, split_list
from crlf.message.headers import Headers

ALIASES: Final = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 8.4.1
_MOST = 50  # members that are read; two in a row are rare already


def codings_of(headers: Headers) -> tuple[str, ...]:
    """List the content codings of a message in the order they were applied (RFC 9110 8.4).

    In lower case, an alias by its proper name, and without "identity", which is none. A field
    that cannot be read is listed as the one text it is.
    """
    if headers.first("content-encoding") is None:
        return ()
    text = headers["content-encoding"]
    try:
        members = split_list(text, _MOST)
    except Malformed:
        return (text,)
    if not all(is_token(member) for member in members):
        return (text,)
    names = [ALIASES.get(lowered, lowered) for lowered in map(str.lower, members)]
    return tuple([name for name in names if name != "identity"])
