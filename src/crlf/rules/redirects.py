"""Redirects: which 3xx response leads on, and what the request that follows may take along.

Every hop is a new trust decision, made by one function, `follow_up`: the server that was asked
says where to go, and on the way to another origin everything stays behind but what is known to be
harmless. Its law: no credential leaves its origin, and a response that was received is never
thrown away because of where it points; it comes back with the reason why it was not followed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from typing import Final

from crlf.message.errors import BadUrl, TooManyRedirects
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.patterns import pattern
from crlf.rules.filters import FIRST_ORIGIN, Filter

MAX_REDIRECTS: Final = 10  # Go 10, browsers 20, requests 30, curl 50
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})  # 300, 304 and 305 name nowhere to go on to

# Where response.extras says, in a sentence, why a redirect was not followed.
REFUSED: Final = "redirect_refused"
# Where the extras of a response in `history` say that its content was let go of.
DROPPED: Final = "content_dropped"

# What goes along to another origin. A list of what may, since nobody can list the secrets that
# programs put in fields of their own (X-Api-Key, Private-Token, X-Vault-Token ...).
SAFE_FIELDS: Final = frozenset(
    {
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control",
        "dnt", "if-match", "if-modified-since", "if-none-match", "if-range",
        "if-unmodified-since", "pragma", "prefer", "priority", "range", "save-data", "sec-gpc",
        "upgrade-insecure-requests", "user-agent", "want-content-digest",
        "want-repr-digest",
    }
)  # fmt: skip
# What nobody can declare safe. Host is not a secret but a lie at another origin.
ANCHORED: Final = frozenset(
    {"authorization", "cookie", "host", "origin", "proxy-authorization", "referer"}
)
# What tells of the content, beside Content-*; it is gone when the content is (RFC 9110 15.4).
_OF_CONTENT = frozenset(
    {"digest", "expect", "last-modified", "repr-digest", "trailer", "transfer-encoding"}
)
_NOT_ASCII = pattern("[^\x00-\x7f]")
_MOST_KEPT = 64 * 1024  # bytes of content that history keeps of each redirect
_SHOWN = 200  # characters of a URL in an error


def redirecting(
    limit: int = MAX_REDIRECTS,
    methods: Collection[str] | None = frozenset({"GET", "HEAD"}),
    downgrade: bool = False,
    *,
    safe_fields: Collection[str] = SAFE_FIELDS,
    upgraded: Callable[[URL], URL] | None = None,
) -> Filter:
    """Make a filter that follows redirects, to be put outside of those that dress each request.

    limit: of redirects in a row. methods: of the first request; None follows all. downgrade: also
    from https to http. safe_fields: names of the fields that go along to another origin; those of
    ANCHORED never do, and naming one is a ValueError. upgraded: gives the URL that is asked in the
    place of the one a redirect names, as Hsts does.

    What comes back has the responses that led to it in `history`. A redirect that is refused comes
    back itself, with a sentence in extras["redirect_refused"]. Raises TooManyRedirects.
    """
    if limit < 0:
        raise ValueError(f"a limit of redirects is 0 or more, not {limit}")
    safe = frozenset(name.lower() for name in safe_fields)
    if leaks := safe & ANCHORED:
        raise ValueError(f"{', '.join(sorted(leaks))} may not go along to another origin")

    def following(request: Request) -> Generator[Request, Response, Response]:
        response = yield request
        if response.status_code not in REDIRECTS:
            return response
        if methods is not None and request.method not in methods:
            return response
        history: list[Response] = []
        visited = {str(request.url)}
        while response.status_code in REDIRECTS:
            follow = follow_up(
                request, response, downgrade=downgrade, safe_fields=safe, upgraded=upgraded
            )
            if isinstance(follow, str):
                response.extras[REFUSED] = follow
                break
            if len(history) == limit:
                response = response.with_history((*history, *response.history))
                raise _too_many(response, request, follow, str(follow.url) in visited)
            visited.add(str(follow.url))
            response = _remembered(response)
            history.append(response)
            request = follow
            response = yield request
        return response.with_history((*history, *response.history)) if history else response

    return following


def follow_up(
    request: Request,
    response: Response,
    *,
    downgrade: bool = False,
    safe_fields: frozenset[str] = SAFE_FIELDS,
    upgraded: Callable[[URL], URL] | None = None,
) -> Request | str:
    """Build the request that follows a redirect, or say in a sentence why none does.

    RFC 9110 15.4. downgrade, safe_fields, upgraded: as of `redirecting`. No user name or password
    of a URL goes into the next one, neither from the URL that was asked nor from Location.
    """
    values = set(response.headers.get_all("location"))
    if len(values) != 1:
        return "more than one Location" if values else "no Location"
    try:
        url = destination(request.url, values.pop())
    except BadUrl as fault:
        return f"Location is nothing to go to: {fault.reason}"
    if upgraded is not None:
        url = upgraded(url)
    before, after = request.url.origin, url.origin
    if before.scheme == "https" and after.scheme == "http" and not downgrade:
        return "it leads from https to http, where everyone on the way could read and change it"
    method = method_after(response.status_code, request.method)
    keep_content = method == request.method and response.status_code != 303
    body = request.body
    if keep_content and not isinstance(body, bytes) and not body.can_send_again:
        return f"the content of this {method} was a stream, which cannot be sent a second time"
    # Noted first, so that the copies share it.
    request.extras.setdefault(FIRST_ORIGIN, before)
    follow = request.redirected(method, url, keep_content=keep_content)
    headers = request.headers
    if before != after:
        headers = _at_another_origin(headers, url, safe_fields, keep_content and body != b"")
    elif not keep_content:
        headers = headers.without(*filter(_is_of_content, headers))
    return follow.with_headers(headers)


def destination(asked: URL, location: str) -> URL:
    """Read a Location field found at a URL: resolved, with the fragment inherited, no credentials.

    location: one character a byte, as in Headers. RFC 9110 10.2.2. Raises BadUrl.
    """
    if not location:
        raise BadUrl("it is empty")
    if not location.isascii():
        # RFC 3986 has no such bytes. What browsers do: they are the UTF-8 of what was meant.
        raw = location.encode("latin-1")
        try:
            location = raw.decode()
        except UnicodeDecodeError:
            location = _NOT_ASCII.sub(lambda found: f"%{ord(found[0]):02X}", location)
    url = asked.join(location)
    if not url.is_requestable:
        raise BadUrl(f"{url.scheme[:20]}: is neither http nor https")
    if url.fragment is None and asked.fragment is not None:
        url = url.with_fragment(asked.fragment)
    return url.without_credentials()


def method_after(status_code: int, method: str) -> str:
    """Say with which method a redirect is followed (RFC 9110 15.4.2, 15.4.3, 15.4.4)."""
    if status_code == 303:
        return "HEAD" if method == "HEAD" else "GET"
    if status_code in (301, 302) and method == "POST":
        return "GET"  # for historical reasons: what every browser does
    return method


def _at_another_origin(
    headers: Headers, url: URL, safe_fields: frozenset[str], has_content: bool
) -> Headers:
    """Keep the fields that are known to be harmless; Host, where it was, names the new one."""
    kept = []
    for field in headers.fields:
        name = field[0].lower()
        if name == "host":
            kept.append((field[0], url.authority))
        elif name not in ANCHORED and (
            has_content if _is_of_content(name) else name in safe_fields
        ):
            kept.append(field)
    return Headers(kept)


def _remembered(response: Response) -> Response:
    """Return what history keeps of a redirect: not much content, which nobody asked for."""
    body = response.body
    if not isinstance(body, bytes) or len(body) <= _MOST_KEPT:
        return response
    kept = response.with_content(b"")
    kept.extras[DROPPED] = f"{len(body):,} bytes of content, which history does not keep"
    return kept


def _is_of_content(name: str) -> bool:
    return name.startswith("content-") or name in _OF_CONTENT


def _too_many(
    response: Response, request: Request, follow: Request, is_circle: bool
) -> TooManyRedirects:
    shown = str(follow).partition(" ")[2]  # without the query, in which secrets travel
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    where = f"in a circle through {shown}" if is_circle else f"the next would be {shown}"
    error = TooManyRedirects(f"over {len(response.history)} redirects, {where}")
    error.response = response
    error.during(request)
    return error
