"""The cookie jar: which cookies are kept, and which of them go along with a request.

The storage and retrieval models of RFC 6265bis (draft 22), step by step; what a Set-Cookie field
says is read in message/fields/cookies.py. The clock is an argument. Its law: a cookie goes to no
host that its own host could not have meant, and nobody on a plain connection can replace one that
came over a secured one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from heapq import nsmallest
from typing import Final

from crlf.message.errors import Malformed
from crlf.message.fields.cookies import (
    MAX_AGE,
    ParsedCookie,
    default_path,
    domain_matches,
    parse_set_cookie,
    path_matches,
    prefix_fault,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL, Origin
from crlf.rules.cookiefiles import (
    Cookie,
    build_cookie_field,
    build_json,
    fault_of_cookie,
    parse_json_cookies,
)
from crlf.rules.filters import FieldSetter, Filter, first_origin
from crlf.rules.suffixes import is_public_suffix, is_same_site, parents_of

MAX_FROM_RESPONSE: Final = 50  # Set-Cookie fields that are looked at; curl 50
MAX_OF_DOMAIN: Final = 50  # RFC 6265bis 6.1: at least 50; curl has no limit, Chromium 180 a site
MAX_IN_ALL: Final = 3000  # RFC 6265bis 6.1: at least 3000; Chromium 3300

# Where response.extras says which cookies were refused: a list of sentences.
REFUSED: Final = "cookies_refused"

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 9.2.1
_MOMENT = 1e-6  # seconds between two cookies that came at the same time

_Key = tuple[str, str, bool]  # name, path, host-only; with the domain what makes a cookie itself


class CookieJar:
    """Cookies by domain. See crlf.rules.cookiefiles.Cookie for what is kept of each.

    public_suffix: tells whether a domain is one that cookies may not be set for; None: every
    domain is taken, as no jar should that meets strangers.

    guard: entered around each change. What is read needs none: it is never changed in place.
    Two threads that store at once without one may lose a cookie, and nothing worse; hand in a
    threading.Lock where that can be.
    """

    __slots__ = ("_count", "_domains", "_latest", "_public_suffix", "guard")

    guard: AbstractContextManager[object]

    def __init__(
        self,
        public_suffix: Callable[[str], bool] | None = is_public_suffix,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        self.guard = nullcontext() if guard is None else guard
        self._public_suffix = public_suffix
        # Each inner dict is replaced, never changed, so it can be read while others store.
        self._domains: dict[str, dict[_Key, Cookie]] = {}  # guarded by guard
        self._count = 0  # guarded by guard
        self._latest = 0.0  # guarded by guard; when the newest cookie was created

    # -- what goes along

    def matching(
        self, url: URL, now: float, *, is_safe_method: bool = True, first: Origin | None = None
    ) -> list[Cookie]:
        """List the cookies for a request in the order they are sent (RFC 6265bis 5.8.3).

        now: seconds since 1970. first: the origin that the user asked, where a redirect has led
        from there to url; None when he asked for url himself. A redirect to another site counts as
        cross-site, so SameSite=Strict stays behind and Lax goes only with a safe method.
        """
        domains = self._domains
        host, path, is_secure = url.host, url.path, url.scheme == "https"
        places = [host, *parents_of(host)]
        if "" in domains and (first is None or first == url.origin):
            places.append("")
        found = [
            cookie
            for place in places
            for cookie in domains.get(place, _NONE).values()
            if (not cookie.host_only or place == host or not place)
            and (is_secure or not cookie.secure)
            and (cookie.expires is None or cookie.expires > now)
            and (cookie.path == "/" or path_matches(path, cookie.path))
        ]
        if found and first is not None and not is_same_site(first.host, host, self._public_suffix):
            allowed = ("None", "Lax", "") if is_safe_method else ("None",)
            found = [cookie for cookie in found if cookie.same_site in allowed]
        if len(found) > 1:
            found.sort(key=_order)
        for cookie in found:
            cookie.accessed = now
        return found

    def field_for(
        self,
        url: URL,
        now: float,
        *,
        is_safe_method: bool = True,
        first: Origin | None = None,
        given: str = "",
    ) -> str | None:
        """Build the Cookie field of a request; None when there is nothing to send.

        Arguments: see matching, and build_cookie_field for `given`.
        """
        cookies = self.matching(url, now, is_safe_method=is_safe_method, first=first)
        return build_cookie_field(cookies, given)

    # -- what comes in

    def store(self, url: URL, set_cookie_values: Iterable[str], now: float) -> list[str]:
        """Take in the Set-Cookie fields of a response; say in a sentence each which were refused.

        url: of the request. RFC 6265bis 5.6, 5.7. now: seconds since 1970.
        """
        refused: list[str] = []
        with self.guard:
            for number, value in enumerate(set_cookie_values):
                if number == MAX_FROM_RESPONSE:
                    refused.append(f"over {MAX_FROM_RESPONSE} Set-Cookie fields, the rest ignored")
                    break
                received = parse_set_cookie(value, now)
                if received is None:
                    fault = "empty, too long, a control character, or a Domain beyond ASCII"
                else:
                    fault = self._receive(url, received, now)
                if fault:
                    name, equals, _ = value.partition(";")[0].partition("=")
                    refused.append(f"{name[:40] if equals else ''!a}: {fault}")
            self._shrink(now)
        return refused

    def _receive(self, url: URL, cookie: ParsedCookie, now: float) -> str:
        """Keep a cookie, or say why not (RFC 6265bis 5.7; its steps in brackets)."""
        host, domain, is_secure = url.host, cookie.domain, url.scheme == "https"
        host_only = not domain
        if host_only:
            domain = host
        else:
            if not domain_matches(host, domain):  # (10)
                return "its Domain is not this host or above it"
            if self._public_suffix is not None and self._public_suffix(domain):  # (9)
                if domain != host:
                    return "its Domain is a public suffix"
                host_only = True
        path = cookie.path or default_path(url.path)  # (11)
        if not is_secure:
            if cookie.secure:  # (13)
                return "Secure, but over a plain connection"
            if self._would_overlay(cookie.name, domain, path):  # (16)
                return "there is a Secure one, which a plain connection cannot replace"
        if cookie.same_site == "None" and not cookie.secure:  # (19)
            return "SameSite=None needs Secure"
        named = None if cookie.path is None else path
        if fault := prefix_fault(  # (20) to (22)
            cookie.name, cookie.value, secure=cookie.secure, host_only=host_only, path=named
        ):
            return fault
        kept = Cookie(
            cookie.name, cookie.value, domain, path, host_only, cookie.secure, cookie.http_only,
            cookie.same_site, cookie.partitioned, cookie.expires,
        )  # fmt: skip
        self._put(kept, now)  # (23), (24)
        return ""

    def _would_overlay(self, name: str, domain: str, path: str) -> bool:
        """Tell whether a Secure cookie of this name is there where the new one would be sent."""
        below = f".{domain}"
        near = [domain, *parents_of(domain)]
        near += [other for other in list(self._domains) if other.endswith(below)]
        return any(
            cookie.name == name and cookie.secure and path_matches(path, cookie.path)
            for other in near
            for cookie in self._domains.get(other, _NONE).values()
        )

    def _put(self, cookie: Cookie, now: float) -> None:
        """Put a cookie in the place of the one that is the same but for its value."""
        cookies = dict(self._domains.get(cookie.domain, _NONE))
        before, key = len(cookies), (cookie.name, cookie.path, cookie.host_only)
        old = cookies.get(key)
        if cookie.has_expired(now):
            cookies.pop(key, None)
        else:
            if old is None:
                self._latest = cookie.created = max(now, self._latest + _MOMENT)
            else:
                cookie.created = old.created
            cookie.accessed = now
            cookies[key] = cookie
            if len(cookies) > MAX_OF_DOMAIN and cookie.domain:
                del cookies[min(cookies, key=lambda each: _worth_in_domain(cookies[each], now))]
        self._replace(cookie.domain, cookies, before)

    def _replace(self, domain: str, cookies: dict[_Key, Cookie], before: int) -> None:
        self._count += len(cookies) - before
        if cookies:
            self._domains[domain] = cookies
        else:
            self._domains.pop(domain, None)

    def _shrink(self, now: float) -> None:
        """Get back under MAX_IN_ALL: what has expired goes, then what was not used for longest."""
        excess = self._count - MAX_IN_ALL
        if excess <= 0:
            return
        for cookie in nsmallest(excess, self._all(), key=lambda each: _worth(each, now)):
            cookies = dict(self._domains.get(cookie.domain, _NONE))
            before = len(cookies)
            cookies.pop((cookie.name, cookie.path, cookie.host_only), None)
            self._replace(cookie.domain, cookies, before)

    # -- what the user does

    def __iter__(self) -> Iterator[Cookie]:
        """Go through all cookies, oldest first, those that have expired meanwhile included."""
        return iter(sorted(self._all(), key=lambda cookie: cookie.created))

    def _all(self) -> list[Cookie]:
        return [cookie for each in list(self._domains.values()) for cookie in each.values()]

    def __len__(self) -> int:
        """Count the cookies, those that have expired meanwhile included."""
        return sum(map(len, list(self._domains.values())))

    def __contains__(self, sought: object) -> bool:
        """Tell whether there is a cookie of this name, or this very cookie."""
        return any(sought in (cookie.name, cookie) for cookie in self)

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the newest cookie of a name, whatever it is for."""
        found = default
        for cookie in self:
            if cookie.name == name:
                found = cookie.value
        return found

    def set(
        self,
        name: str,
        value: str,
        domain: str = "",
        path: str = "/",
        *,
        secure: bool = False,
        http_only: bool = False,
        same_site: str = "",
        expires: float | None = None,
        now: float = 0.0,
    ) -> None:
        """Put in a cookie of the user's own.

        domain: a host, and no other: "a.example"; with a dot before it the hosts below too; "" for
        whatever origin the user asks, though not where a redirect leads from there. expires: in
        seconds since 1970. Raises Malformed (a ValueError) for what could not be sent.
        """
        host = domain.removeprefix(".")
        cookie = Cookie(
            name, value, host.lower(), path, host == domain, secure, http_only, same_site,
            expires=expires,
        )  # fmt: skip
        if fault := fault_of_cookie(cookie):
            raise Malformed(f"cookie {name[:40]!a}: {fault}", "RFC 6265bis 5.7")
        with self.guard:
            self._put(cookie, now)
            self._shrink(now)

    def clear(self, domain: str | None = None) -> None:
        """Forget the cookies of one domain and of no other; of all when it is None."""
        with self.guard:
            gone = list(self._domains) if domain is None else [domain.removeprefix(".").lower()]
            for each in gone:
                self._replace(each, {}, len(self._domains.get(each, _NONE)))

    def expire(self, now: float) -> None:
        """Forget what has expired. That it is not sent needs no call of this."""
        with self.guard:
            for domain, cookies in list(self._domains.items()):
                kept = {key: each for key, each in cookies.items() if not each.has_expired(now)}
                self._replace(domain, kept, len(cookies))

    def load(self, cookies: Iterable[Cookie], now: float) -> list[str]:
        """Put in cookies from elsewhere, as from parse_netscape; say which were refused and why.

        They are checked as a server's are: well-formed, no public suffix, MAX_AGE from now at most.
        """
        refused: list[str] = []
        with self.guard:
            for cookie in cookies:
                fault = fault_of_cookie(cookie)
                suffix = self._public_suffix
                if not fault and not cookie.host_only and suffix is not None:
                    fault = "its domain is a public suffix" if suffix(cookie.domain) else ""
                if fault:
                    refused.append(f"{cookie.name[:40]!a}: {fault}")
                    continue
                if cookie.expires is not None:
                    cookie.expires = min(cookie.expires, now + MAX_AGE)
                self._put(cookie, now)
            self._shrink(now)
        return refused

    def as_json(self, *, session: bool = True) -> str:
        """Write all cookies as JSON; those that end with the session only if `session`."""
        return build_json(each for each in self if session or each.expires is not None)

    @classmethod
    def from_json(
        cls,
        text: str,
        public_suffix: Callable[[str], bool] | None = is_public_suffix,
        guard: AbstractContextManager[object] | None = None,
    ) -> CookieJar:
        """Make a jar of what as_json wrote. Raises Malformed.

        The text is taken for our own: suffixes are not looked up once more.
        """
        jar = cls(public_suffix, guard)
        for cookie in sorted(parse_json_cookies(text), key=lambda each: each.created):
            created, accessed = cookie.created, cookie.accessed
            jar._put(cookie, 0.0)
            cookie.created = max(created, cookie.created)
            cookie.accessed, jar._latest = accessed, max(jar._latest, cookie.created)
        jar._shrink(0.0)
        return jar

    def __repr__(self) -> str:
        return f"<CookieJar of {len(self)} cookies>"


_NONE: Final[dict[_Key, Cookie]] = {}


def keeping_cookies(jar: CookieJar, now: Callable[[], float]) -> Filter:
    """Make a filter that sends a jar's cookies and keeps those that come.

    now: seconds since 1970. It belongs inside of `redirecting`, so that each hop is looked at by
    itself. A Cookie field that the request has already is kept and wins; see CookieJar.field_for.
    Cookies that are refused are named in response.extras["cookies_refused"].
    """
    setter = FieldSetter("cookie")

    def keeping(request: Request) -> Generator[Request, Response, Response]:
        if jar._domains and request.method != "TRACE":  # RFC 9110 9.3.8
            request = _with_cookies(jar, request, now(), setter)
        response = yield request
        if response.headers.first("set-cookie") is not None:
            values = response.headers.get_all("set-cookie")
            if refused := jar.store(request.url, values, now()):
                response.extras[REFUSED] = refused
        return response

    return keeping


def _with_cookies(jar: CookieJar, request: Request, now: float, setter: FieldSetter) -> Request:
    given = "; ".join(request.headers.get_all("cookie"))  # RFC 6265bis 5.8.1: one field, not more
    field = jar.field_for(
        request.url,
        now,
        is_safe_method=request.method in _SAFE_METHODS,
        first=first_origin(request),
        given=given,
    )
    return request if field is None or field == given else setter.on(request, field)


def _order(cookie: Cookie) -> tuple[int, float]:
    return -len(cookie.path), cookie.created


def _worth(cookie: Cookie, now: float) -> tuple[bool, float]:
    return not cookie.has_expired(now), cookie.accessed


def _worth_in_domain(cookie: Cookie, now: float) -> tuple[bool, bool, float]:
    return not cookie.has_expired(now), cookie.secure, cookie.accessed
