"""Whose page sent this: what a browser says of it, and what is refused (CSRF).

A browser adds what it knows of a visitor to requests that pages of other sites make it send, and
says whose they are: by Sec-Fetch-Site, older ones by Origin. Who sends neither is no browser of
these years, and nobody's cookies are his to misuse; an application may ask him for a token
(server/apps/csrftokens.py). Its law: what cannot be read, or stands there twice, comes from
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from crlf.message.errors import BadUrl
from crlf.message.fields.media import parse_media_type
from crlf.message.request import FORM_TYPE, Request
from crlf.message.url import URL, Origin

_OWN: Final = ("same-origin", "none")  # Fetch Metadata 2.4; none: the visitor did it, not a page
_KNOWN: Final = (*_OWN, "same-site", "cross-site")
# What a form can send, and a script without asking first (Fetch 2.2.2, CORS-safelisted).
_OF_FORMS: Final = (FORM_TYPE, "multipart/form-data", "text/plain")

_OTHER: Final = "A page of another site has sent this, which may not act for you here."
_NOBODY: Final = "A page that does not say whose it is has sent this (Origin: null)."
_UNCLEAR: Final = "What the browser says of the page that has sent this cannot be understood."
NO_TOKEN: Final = (
    "This form has no token of this site: load its page again, and send it from there."
)
OLD_TOKEN: Final = (
    "This form's token is not yours, or too old: load its page again and send it then."
)


class CrossSite:
    """Refuses what pages of other sites send: called with a request, it gives the reason or "".

    trusted_origins: of sites whose pages may send here, as in "https://shop.example". tokens:
    ask for one where the browser says nothing. Raises ValueError for what is no origin.
    """

    __slots__ = ("_trusted", "tokens")

    def __init__(self, trusted_origins: Iterable[str] = (), *, tokens: bool = False) -> None:
        if isinstance(trusted_origins, str):
            raise TypeError("trusted_origins is a list of origins, not one text")
        self._trusted = frozenset(_trusted(text) for text in trusted_origins)
        self.tokens = tokens

    def __call__(self, request: Request) -> str:
        """Say in one sentence why a request is refused, by its head alone; "" when it is not."""
        headers = request.headers
        sites = headers.get_all("sec-fetch-site")
        origins = headers.get_all("origin")
        if not sites and not origins:
            return ""
        if len(sites) > 1 or len(origins) > 1:
            return _UNCLEAR
        site = sites[0].lower() if sites else ""
        if site in _OWN:
            return ""
        if sites and site not in _KNOWN:
            return _UNCLEAR
        if not origins:
            return _OTHER
        if origins[0] == "null":  # whoever hides: a sandbox, a file, a redirect between sites
            return _NOBODY
        theirs = parse_origin(origins[0])
        if theirs is None:
            return _UNCLEAR
        if theirs in self._trusted or (not sites and _is_ours(theirs, request)):
            return ""
        return _OTHER

    @property
    def trusts_others(self) -> bool:
        """Whether pages of any other site may send."""
        return bool(self._trusted)

    def needs_token(self, request: Request) -> bool:
        """Whether only a token can tell: a form, and not a word of whose page has sent it."""
        headers = request.headers
        if not self.tokens or "sec-fetch-site" in headers or "origin" in headers:
            return False
        kind = parse_media_type(headers.first("content-type") or "")
        return kind is None or kind.essence in _OF_FORMS


def guard_of(csrf: bool | Literal["token"], trusted_origins: Iterable[str]) -> CrossSite | None:
    """Make what an application was told into what judges its requests; None: nothing does.

    DEFAULT where it was told nothing. Raises ValueError and TypeError.
    """
    if csrf not in (True, False, "token"):
        raise ValueError(f'csrf is True, False or "token", not {csrf!r}')
    guard = CrossSite(trusted_origins, tokens=csrf == "token")
    if not csrf:
        return None
    return guard if guard.tokens or guard.trusts_others else DEFAULT


def is_from_elsewhere(request: Request) -> bool:
    """Tell whether a page of another site made the browser send this."""
    return DEFAULT(request) != ""


def parse_origin(text: str) -> Origin | None:
    """Read an Origin field: scheme, host, port (RFC 6454 7.1). None: it is none of HTTP's."""
    try:
        url = URL(text)
    except BadUrl:
        return None
    is_bare = text.count("/") == 2 and "?" not in text and "#" not in text and "@" not in text
    return url.origin if is_bare and url.is_requestable else None


def _trusted(text: str) -> Origin:
    origin = parse_origin(text)
    if origin is None:
        raise ValueError(f"an origin is like https://shop.example, without a path; not {text!r}")
    return origin


def _is_ours(theirs: Origin, request: Request) -> bool:
    """Tell whether an origin is the one that was asked.

    One of https is also where this is plain HTTP: a proxy that nobody told us of has the TLS,
    and who can answer for https://host can for http://host as well. Not the other way round.
    """
    try:
        url = request.url
        if url.scheme == theirs.scheme:
            return url.origin == theirs
        return theirs.scheme == "https" and URL(f"https://{url.authority}").origin == theirs
    except BadUrl:
        return False


DEFAULT: Final = CrossSite()  # of whoever says nothing else
