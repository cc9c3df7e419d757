"""What a browser makes of an answer: cookies kept or refused, https from now on, other origins.

The jar of the client is asked what it would keep (rules/cookiejar.py), so that a remark is what
happens. Its law: a cookie is named and its value never shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crlf.message.authority import is_address
from crlf.message.fields.cookies import (
    ParsedCookie,
    default_path,
    parse_set_cookie,
    prefix_fault,
)
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
        named = shown(cookie.name) or "a cookie without a name"
        fault = _cookie_fault(exchange, value)
        if fault:
            yield Remark("cookie", f"{named}: refused: {fault}", "RFC 6265bis 5.7")
            continue
        if cookie.expires is not None and cookie.expires <= exchange.now:
            text = f"{named}: taken back, and forgotten where it was kept"
            yield Remark("cookie", text, "RFC 6265bis 5.7")
            continue
        traits = [
            "over https only" if cookie.secure else "over plain http too",
            "hidden from scripts" if cookie.http_only else "read by scripts too",
            _FROM_ELSEWHERE[cookie.same_site],
        ]
        text = f"{named}: kept, and goes along with {_where(exchange, cookie)}, {', '.join(traits)}"
        yield Remark("cookie", text, "RFC 6265bis 5.7")


def _where(exchange: Exchange, cookie: ParsedCookie) -> str:
    """Say which requests a cookie goes along with: of which hosts, and below which path."""
    where = "every request"
    if cookie.domain:
        where = f"requests to {shown(cookie.domain)} and the hosts below it"
    elif exchange.url is not None:
        where = f"requests to {exchange.url.host} alone"
    path = cookie.path
    if not path and exchange.url is not None:
        path = default_path(exchange.url.path)
    return f"{where} for {shown(path)} and what is below" if path and path != "/" else where


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
    elif exchange.url is not None and is_address(exchange.url.host):
        text = "Strict-Transport-Security counts for names only, and is passed over for an address"
        yield Remark("security", text, "RFC 6797 8.1.1")
    elif not found.max_age:
        text = "Strict-Transport-Security is taken back: http is allowed again"
        yield Remark("security", text, "RFC 6797 6.1.1")
    else:
        also = " and the hosts below it" if found.subdomains else ""
        text = f"this host{also} is asked over https alone for {found.max_age:,} s"
        yield Remark("security", text, "RFC 6797 8.3")


def of_other_origins(exchange: Exchange) -> Iterator[Remark]:
    """Say which pages' scripts may read the answer, or ask at all (Fetch 3.3)."""
    request, fields = exchange.request, exchange.fields
    origin = request.headers.get("origin")
    allowed = fields.get("access-control-allow-origin")
    if exchange.response.status_code == 101 or _is_own(exchange, origin):
        return  # RFC 6455 10.2: a WebSocket is the server's to refuse, and nobody asks Fetch
    asked = request.headers.get("access-control-request-method")
    if request.method == "OPTIONS" and origin is not None and asked is not None:
        yield Remark("other origins", _preflight(exchange, origin, asked), "Fetch 3.3.3")
        return
    if allowed is None:
        if origin is not None and request.method in ("GET", "HEAD"):
            text = f"no Access-Control-Allow-Origin: scripts of {shown(origin)} cannot read it"
            yield Remark("other origins", text, "Fetch 3.3.5")
        return
    cookies = (fields.get("access-control-allow-credentials") or "") == "true"
    if allowed == "*" and cookies:
        text = "Access-Control-Allow-Origin: * is not believed together with credentials"
    elif allowed == "*":
        text = "scripts of every origin may read this, asked without cookies"
    elif origin is not None and allowed != origin:
        text = f"scripts of {shown(origin)} cannot read this: it is for {shown(allowed)}"
    else:
        text = f"scripts of {shown(allowed)} may read this"
        text += ", asked with cookies too" if cookies else ", asked without cookies"
        vary = [name.lower() for name in _names(fields.get("vary"))]
        if "origin" not in vary and "*" not in vary:
            text += "; without Vary: Origin a cache may give it to another"
    yield Remark("other origins", text, "Fetch 3.3.5")


def _names(value: str | None) -> list[str]:
    """Cut a list of names, which has no quotes in it."""
    names = [name.strip(" \t") for name in (value or "").split(",")]
    return [name for name in names if name]


def _is_own(exchange: Exchange, origin: str | None) -> bool:
    """Whether a page of the very origin that is asked makes the request."""
    return exchange.url is not None and origin is not None and origin == str(exchange.url.origin)


def _preflight(exchange: Exchange, origin: str, asked: str) -> str:
    """Say whether a preflight lets the request in that it asks about."""
    fields, who = exchange.fields, shown(origin)
    allowed = fields.get("access-control-allow-origin")
    cookies = (fields.get("access-control-allow-credentials") or "") == "true"
    methods = _names(fields.get("access-control-allow-methods"))
    lowered = [name.lower() for name in _names(fields.get("access-control-allow-headers"))]
    wanted = _names(exchange.request.headers.get("access-control-request-headers"))
    refused = [] if "*" in lowered else [name for name in wanted if name.lower() not in lowered]
    fault = ""
    if not 200 <= exchange.response.status_code < 300:
        fault = f"a {exchange.response.status_code} lets nothing in"
    elif allowed is None:
        fault = "no Access-Control-Allow-Origin"
    elif allowed not in ("*", origin):
        fault = f"Access-Control-Allow-Origin is {shown(allowed)}"
    elif asked not in methods and asked not in ("GET", "HEAD", "POST") and "*" not in methods:
        fault = f"Access-Control-Allow-Methods has no {shown(asked)}"
    elif refused:
        fault = f"Access-Control-Allow-Headers has no {shown(refused[0])}"
    if fault:
        return (
            f"the preflight fails: {fault}, so that scripts of {who} cannot ask by {shown(asked)}"
        )
    how = "with cookies too" if cookies and allowed != "*" else "without cookies"
    return f"the preflight lets scripts of {who} ask by {shown(asked)}, {how}"


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
