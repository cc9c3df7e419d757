"""Compressing: whether content is worth a coding, which one, and what is then said of it.

Worth it are texts in the wide sense, from about a KiB on; pictures, films and archives are
compressed already. Its law: what may hold a secret beside what a visitor sent is never coded
here: the length of the coded whole would tell the secret letter by letter (BREACH). That is
what sets a cookie, or is private, as every answer with a session is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from crlf.message.errors import Malformed
from crlf.message.fields.etags import parse_etag
from crlf.message.fields.media import parse_media_type
from crlf.message.fields.negotiation import best_coding
from crlf.message.grammar import split_list
from crlf.message.headers import Headers
from crlf.message.request import CHOSEN_BY, Request
from crlf.message.response import Response

LEAST: Final = 1024  # bytes; nginx 20, Apache none; below it head and tail eat up the gain
# Bytes of a file that is coded each time it is sent; a larger one costs seconds of a processor,
# which anybody could ask for again and again. It goes out as it is, or has a file beside it.
MOST: Final = 16 * 1024 * 1024
SUFFIXES: Final = {".zst": "zstd", ".br": "br", ".gz": "gzip"}  # of files that are coded already
IDENTITY: Final = "identity"
ACCEPT_ENCODING: Final = "Accept-Encoding"
_TYPES: Final = frozenset(
    {
        "application/atom+xml", "application/geo+json", "application/javascript",
        "application/json", "application/jsonl", "application/ld+json",
        "application/manifest+json", "application/rtf", "application/sql", "application/toml",
        "application/vnd.apple.mpegurl", "application/vnd.ms-fontobject", "application/wasm",
        "application/x-javascript", "application/x-ndjson", "application/x-sh",
        "application/x-subrip", "application/xml", "application/xml-dtd", "application/yaml",
        "font/collection", "font/otf", "font/ttf", "image/bmp", "image/svg+xml",
        "image/vnd.microsoft.icon", "model/obj", "model/stl",
    }
)  # fmt: skip
_NOT_ONES: Final = frozenset({"text/event-stream"})  # somebody waits for each line of it
_SECRET: Final = frozenset({"private", "no-store", "no-transform"})
# RFC 9110 8.8.1, 14.3; RFC 9530 2: what was true of the bytes before.
_OF_BYTES: Final = ("content-length", "accept-ranges", "content-digest", "repr-digest")


class Choice(NamedTuple):
    """The coding to send, None for none. varies: whether it was up to the request."""

    coding: str | None
    varies: bool


_AS_IT_IS: Final = Choice(None, False)


def is_worth_coding(content_type: str | None) -> bool:
    """Tell whether content of a type usually becomes much smaller."""
    kind = None if content_type is None else parse_media_type(content_type)
    if kind is None:
        return False
    essence = kind.essence
    if kind.type == "text":
        return essence not in _NOT_ONES
    return essence in _TYPES or essence.endswith(("+json", "+xml"))


def choose_coding(
    asked: Headers, status_code: int, headers: Headers, length: int | None, offered: Sequence[str]
) -> Choice:
    """Choose the coding of a response that is made on the way out (RFC 9110 12.5.3).

    asked: the request's fields. headers: the response's. length: of its content in bytes, None
    when nobody knows. offered: the codings there are, in the server's order.
    """
    if status_code in (204, 205, 206, 304) or status_code < 200:
        return _AS_IT_IS
    if (length is not None and length < LEAST) or not is_worth_coding(headers.get("content-type")):
        return _AS_IT_IS
    if not headers.keys().isdisjoint(("content-encoding", "content-range", "set-cookie")):
        return _AS_IT_IS
    if _has_secrets(headers):
        return _AS_IT_IS
    coding = best_coding(asked.get("accept-encoding"), (*offered, IDENTITY))
    return Choice(None if coding == IDENTITY else coding, True)


class Offer(NamedTuple):
    """What of a file is sent. suffix: of the coded file beside it, or "" for the file itself.

    coding: None for none. varies: whether it was up to the request.
    """

    coding: str | None = None
    suffix: str = ""
    varies: bool = False

    @property
    def is_made(self) -> bool:
        """Whether the coding is done on the way out."""
        return self.coding is not None and not self.suffix


def choose_offer(
    accept_encoding: str | None,
    content_type: str,
    size: int,
    beside: Sequence[tuple[str, int]],
    made: Sequence[str],
    *,
    is_ranged: bool,
) -> Offer | None:
    """Choose between a file, the coded ones beside it and what can be made of it.

    beside: suffixes and sizes. made: codings that can be done here, in the server's order.
    is_ranged: parts are asked for, which what is made on the way out has none of. None: the
    request refuses all there is (RFC 9110 12.5.3).

    Of equals the smallest file goes first, then what is made, then the file as it is.
    """
    coded = {SUFFIXES[suffix]: suffix for suffix, _ in sorted(beside, key=lambda one: one[1])}
    if not (LEAST <= size <= MOST and is_worth_coding(content_type)):
        made = ()
    if not coded and not made:
        return Offer()
    codings = [*coded, *(coding for coding in made if coding not in coded and not is_ranged)]
    best = best_coding(accept_encoding, [*codings, IDENTITY])
    if best is None:
        return None
    return Offer(varies=True) if best == IDENTITY else Offer(best, coded.get(best, ""), varies=True)


def _has_secrets(headers: Headers) -> bool:
    text = headers.get("cache-control")
    if text is None:
        return False
    try:
        said = {member.partition("=")[0].lower() for member in split_list(text)}
    except Malformed:
        return True
    return not _SECRET.isdisjoint(said)


def coded_headers(headers: Headers, coding: str) -> Headers:
    """Return the fields of content that is coded on its way out.

    Its tag is weak (RFC 9110 8.8.1): the same page, in other bytes.
    """
    fields = varied(headers.without(*_OF_BYTES)).adding("content-encoding", coding)
    tag = parse_etag(headers.get("etag", ""))
    return fields if tag is None else fields.with_field("etag", tag.weakened().build())


def with_vary(request: Request, response: Response) -> Response:
    """Return the response with Vary for what was chosen by the request's fields."""
    names = request.extras.get(CHOSEN_BY)
    if not isinstance(names, dict):
        return response
    headers = response.headers
    for name in names:
        headers = varied(headers, name)
    return response if headers is response.headers else response.with_headers(headers)


def varied(headers: Headers, name: str = ACCEPT_ENCODING) -> Headers:
    """Return the fields with a request's field in Vary (RFC 9110 12.5.5)."""
    there = headers.get("vary")
    if there is None:
        return headers.adding("vary", name)
    names = {member.lower() for member in there.replace(" ", "").split(",")}
    if not names.isdisjoint({"*", name.lower()}):
        return headers
    return headers.with_field("vary", f"{there}, {name}")
