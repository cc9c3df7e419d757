"""What a browser makes of an answer: cookies kept or refused, https from now on, other origins.

The jar of the client is asked what it would keep (rules/cookiejar.py), so that a remark is what
happens. Its law: a cookie is named and its value never shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crlf.message.fields.cookies import parse_set_cookie, prefix_fault
from crlf.message.fields.transportsecurity import parse_transport_security
from crlf.rules.cookiejar import CookieJar
from crlf.rules.remarks import Exchange, Remark, shown


def of_cookies(exchange: Exchange) -> Iterator[Remark]:
    """Say which cookies are kept, and why others are refused (RFC 6265bis 5.7)."""
    for value in exchange.fields.get_all("set-cookie")[:50]:
        cookie = parse_set_cookie(value, exchange.now)
        if cookie is None:
            text = "refused: empty, too long, or a control character in it"
            yield Remark("cookie", text, "RFC 6265bis 5.6")
            continue
        name = shown(cookie.name)
        fault = _cookie_fault(exchange, value)
        if fault:
            yield Remark("cookie", f"{name}: refused: {fault}", "RFC 6265bis 5.7")
            continue
        where = "every request"
        if cookie.domain:
            where = f"requests to {shown(cookie.domain)} and the hosts below it"
        elif exchange.url is not None:
            where = f"requests to {exchange.url.host} alone"
        traits = [
            "over https only" if cookie.secure else "over plain http too",
            "hidden from scripts" if cookie.http_only else "read by scripts too",
            _FROM_ELSEWHERE[cookie.same_site],
        ]
        text = f"{name}: kept, and goes along with {where}, {', '.join(traits)}"
        yield Remark("cookie", text, "RFC 6265bis 5.7")


_FROM_ELSEWHERE: Final = {
    "Strict": "never from other sites",
    "Lax": "from other sites only where a link is followed",
    "None": "from other sites too",
    "": "from other sites as the browser likes (most take Lax)",
}


def _cookie_fault(exchange: Exchange, value: str) -> str:
    """Say why a client would not keep a cookie, or ""; a jar is asked where the URL is known."""
    if exchange.url is not None:
        refused = CookieJar().store(exchange.url, [value], exchange.now)
        return refused[0].partition(": ")[2] if refused else ""
    cookie = parse_set_cookie(value, exchange.now)
    if cookie is None:
        return "it cannot be read"
    if cookie.same_site == "None" and not cookie.secure:
        return "SameSite=None needs Secure"
    return prefix_fault(
        cookie.name, cookie.value, secure=cookie.secure, host_only=not cookie.domain,
        path=cookie.path,
    )  # fmt: skip


def of_security(exchange: Exchange) -> Iterator[Remark]:
    """Say whether this host is asked over https alone from now on (RFC 6797)."""
    value = exchange.fields.first("strict-transport-security")
    if value is None:
        return
    found = parse_transport_security(value)
    if found is None:
        text = "Strict-Transport-Security cannot be read, and says nothing"
        yield Remark("security", text, "RFC 6797 8.1")
    elif exchange.url is not None and exchange.url.scheme == "http":
        text = "Strict-Transport-Security counts over https only, and is passed over here"
        yield Remark("security", text, "RFC 6797 8.1")
    elif not found.max_age:
        text = "Strict-Transport-Security is taken back: http is allowed again"
        yield Remark("security", text, "RFC 6797 6.1.1")
    else:
        also = " and the hosts below it" if found.subdomains else ""
        text = f"this host{also} is asked over https alone for {found.max_age:,} s"
        yield Remark("security", text, "RFC 6797 8.3")


def of_other_origins(exchange: Exchange) -> Iterator[Remark]:
    """Say which pages' scripts may read the answer (Fetch 3.3)."""
    origin = exchange.request.headers.get("origin")
    allowed = exchange.fields.get("access-control-allow-origin")
    if allowed is None:
        if origin is not None and exchange.request.method in ("GET", "HEAD"):
            text = f"no Access-Control-Allow-Origin: scripts of {shown(origin)} cannot read it"
            yield Remark("other origins", text, "Fetch 3.3.5")
        return
    cookies = (exchange.fields.get("access-control-allow-credentials") or "") == "true"
    if allowed == "*" and cookies:
        text = "Access-Control-Allow-Origin: * is not believed together with credentials"
    elif allowed == "*":
        text = "scripts of every origin may read this, asked without cookies"
    else:
        text = f"scripts of {shown(allowed)} may read this"
        text += ", asked with cookies too" if cookies else ", asked without cookies"
        if "origin" not in (exchange.fields.get("vary") or "").lower():
            text += "; without Vary: Origin a cache may give it to another"
    yield Remark("other origins", text, "Fetch 3.3.5")


def of_date(exchange: Exchange) -> Iterator[Remark]:
    """Say when Date is missing."""
    if 200 <= exchange.response.status_code < 500 and "date" not in exchange.fields:
        text = "no Date: a server that has a clock sends one; who reads it takes the present"
        yield Remark("date", text, "RFC 9110 6.6.1")


_DEPRECATED: Final = {
    "accept-charset": ("RFC 9110 12.5.2", "all text is UTF-8 by now"),
    "content-md5": ("RFC 7231 B", "Content-Digest has taken its place"),
    "dnt": ("Tracking Preference", "Sec-GPC has taken its place"),
    "expect-ct": ("RFC 9163", "all certificates are logged by now"),
    "p3p": ("P3P 1.0", "no browser reads it"),
    "pragma": ("RFC 9111 5.4", "Cache-Control has taken its place"),
    "proxy-connection": ("RFC 9112 C.2.2", "Connection says it to a proxy too"),
    "warning": ("RFC 9111 5.5", "nobody reads it"),
    "x-frame-options": ("CSP3 6.4.2", "frame-ancestors of Content-Security-Policy is newer"),
    "x-ua-compatible": ("Internet Explorer", "no browser reads it"),
    "x-xss-protection": ("browsers", "no browser has that filter any more"),
}


def of_deprecated(exchange: Exchange) -> Iterator[Remark]:
    """Name the fields that are out of use."""
    for headers in (exchange.request.headers, exchange.fields):
        for name in headers:
            if name in _DEPRECATED:
                rule, why = _DEPRECATED[name]
                yield Remark("deprecated", f"{name} is out of use: {why}", rule)
