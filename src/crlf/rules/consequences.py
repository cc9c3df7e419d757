"""What an exchange led to, and why: remarks on a request and its response, each with its rule.

Each function looks at one thing and says at most what the two heads prove; the decisions are
those of the rules that client and server run on, asked here for their reasons. Its law: what is
not in the heads is not guessed, and no secret stands in a remark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from crlf.message.dates import parse_date
from crlf.message.errors import BadUrl, Malformed
from crlf.message.fields.challenges import parse_challenges
from crlf.message.fields.codings import codings_of
from crlf.message.fields.negotiation import best_coding
from crlf.message.url import URL
from crlf.rules.browserremarks import (
    of_cookies,
    of_date,
    of_deprecated,
    of_other_origins,
    of_security,
)
from crlf.rules.conditionremarks import of_condition, of_range
from crlf.rules.freshness import keeping
from crlf.rules.redirects import REDIRECTS, destination, method_after
from crlf.rules.remarks import SUBJECTS, Exchange, Remark, shown
from crlf.wire.explaining.framings import framing_of
from crlf.wire.explaining.spans import How
from crlf.wire.h1.framing import (
    CHUNKED,
    TO_CLOSE,
    TUNNEL,
    connection_options,
    request_facts,
    response_facts,
)
from crlf.wire.parts import RequestHead, ResponseHead


def consequences(
    request: RequestHead,
    response: ResponseHead,
    *,
    url: str = "",
    now: float = 0.0,
    interim: Iterable[int] = (),
) -> list[Remark]:
    """Say what came of a request and its final response, and by which rule.

    url: that was asked; without it nothing is said of where a redirect leads and of cookies'
    domains. now: seconds since 1970, for cookies that expire; 0 takes what Date says. interim:
    the status codes of the interim responses that came before.
    """
    try:
        asked = request_facts(request.headers, request.version)
        answered = response_facts(
            response.status_code, response.headers, response.version, request.method
        )
    except Malformed as fault:
        text = f"{fault.reason}: refused"
        if fault.rule.startswith("RFC 9112 6"):
            text += ", since two readers could take it for two different messages"
        return [Remark("broken", text, fault.rule)]
    try:
        place = URL(url) if url else None
    except BadUrl:
        place = None
    now = now or parse_date(response.headers.get("date") or "") or 0.0
    exchange = Exchange(request, response, place, now, asked, answered, tuple(interim))
    remarks = [remark for look in _LOOKS for remark in look(exchange)]
    return sorted(remarks, key=lambda remark: SUBJECTS.index(remark.about))


# -- the connection and the content


def _of_connection(exchange: Exchange) -> Iterator[Remark]:
    request, response = exchange.request, exchange.response
    if exchange.answered.length == TUNNEL or response.status_code == 101:
        return
    for name, head in (("request", request), ("response", response)):
        if "close" in connection_options(head.headers):
            text = f"closed after this exchange: the {name} says Connection: close"
            yield Remark("connection", text, "RFC 9112 9.6")
            return
    if exchange.answered.length == TO_CLOSE:
        text = "closed: nothing but the connection's end says where the content ends"
        yield Remark("connection", text, "RFC 9112 6.3 (8)")
    elif not exchange.asked.persists or not exchange.answered.persists:
        old = request if request.version == "1.0" else response
        who = "request" if old is request else "response"
        if old.version == "1.0":
            text = f"closed: the {who} is HTTP/1.0 and does not say Connection: keep-alive"
            yield Remark("connection", text, "RFC 9112 9.3")
        else:
            text = "not used again: the response has fields that announce content it cannot have"
            yield Remark("connection", text, "RFC 9112 6.1")
    elif "1.0" in (request.version, response.version):
        text = "kept open: HTTP/1.0, but keep-alive is said"
        yield Remark("connection", text, "RFC 9112 9.3")
    else:
        text = "kept open for the next request: HTTP/1.1, and nobody says close"
        yield Remark("connection", text, "RFC 9112 9.3")


_HOW: Final[dict[int, How]] = {CHUNKED: "chunked", TO_CLOSE: "close", TUNNEL: "tunnel", 0: "none"}


def _of_content(exchange: Exchange) -> Iterator[Remark]:
    asked, answered = exchange.asked, exchange.answered
    if asked.length != 0:
        framing = framing_of(exchange.request, _HOW.get(asked.length, "length"), "")
        yield Remark("request content", framing.text, framing.rule)
    how = "tunnel" if exchange.response.status_code == 101 else _HOW.get(answered.length, "length")
    framing = framing_of(exchange.response, how, exchange.request.method)
    yield Remark("content", framing.text, framing.rule)


def _of_expectation(exchange: Exchange) -> Iterator[Remark]:
    if exchange.asked.expects_continue:
        text = "the client waits for 100 (Continue) before it sends the content"
        if 100 in exchange.interim:
            text += ", and was told to go on"
        elif exchange.response.status_code >= 300:
            text += "; it was answered without, so the content need not be sent"
        yield Remark("expect", text, "RFC 9110 10.1.1")
    if exchange.response.status_code == 417:
        text = "417: the server has no such expectation; ask again without Expect"
        yield Remark("expect", text, "RFC 9110 15.5.18")


def _of_upgrade(exchange: Exchange) -> Iterator[Remark]:
    offered = exchange.asked.upgrade
    code = exchange.response.status_code
    if code == 101:
        chosen = shown(exchange.fields.get("upgrade") or "another protocol")
        text = f"from here on {chosen} is spoken on this connection"
        yield Remark("upgrade", text, "RFC 9110 15.2.2")
    elif code == 426:
        wanted = shown(exchange.fields.get("upgrade") or "another protocol")
        text = f"426: the server wants to be asked by {wanted}"
        yield Remark("upgrade", text, "RFC 9110 15.5.22")
    elif offered is not None:
        text = f"{shown(offered)} was offered and not taken up: HTTP goes on"
        yield Remark("upgrade", text, "RFC 9110 7.8")


def _of_coding(exchange: Exchange) -> Iterator[Remark]:
    codings = codings_of(exchange.fields)
    accepted = exchange.request.headers.get("accept-encoding")
    if not codings:
        return
    names = ", ".join(shown(coding) for coding in codings)
    if accepted is None:
        text = f"coded as {names}, though the request has no Accept-Encoding"
    elif any(best_coding(accepted, [coding]) is None for coding in codings):
        text = f"coded as {names}, though the request's Accept-Encoding is {shown(accepted)}"
    else:
        text = f"coded as {names}: the request's Accept-Encoding has {shown(accepted)}"
    yield Remark("coding", text, "RFC 9110 8.4")
    vary = (exchange.fields.get("vary") or "").lower()
    if "accept-encoding" not in vary and vary != "*":
        text = "no Vary: Accept-Encoding, so a cache may give it to who cannot decode it"
        yield Remark("coding", text, "RFC 9110 12.5.5")


# -- redirects, authentication


def _of_redirect(exchange: Exchange) -> Iterator[Remark]:
    code, method = exchange.response.status_code, exchange.request.method
    if code not in REDIRECTS:
        return
    location = exchange.fields.get("location")
    if location is None or len(exchange.fields.get_all("location")) > 1:
        text = f"{code} without one Location: there is nowhere to go"
        yield Remark("redirect", text, "RFC 9110 10.2.2")
        return
    where = shown(location)
    if exchange.url is not None:
        try:
            target = destination(exchange.url, location)
        except BadUrl as fault:
            text = f"{code}, not followed: Location is nothing to go to: {fault.reason}"
            yield Remark("redirect", text, "RFC 9110 10.2.2")
            return
        where = shown(str(target))
        before, after = exchange.url.origin, target.origin
        if before.scheme == "https" and after.scheme == "http":
            text = "leads from https to http, which crlf does not follow unasked"
            yield Remark("redirect", text, "RFC 9110 15.4")
        elif before != after:
            text = "leads to another origin: no credentials, cookies or unknown fields go along"
            yield Remark("redirect", text, "RFC 9110 15.4")
    then = method_after(code, method)
    kept = "the same method" if then == method else f"{then} in the place of {shown(method)}"
    if code in (307, 308):
        kept += " and the same content"
    lasting = "for good" if code in (301, 308) else "this time"
    number = {301: 2, 302: 3, 303: 4, 307: 8, 308: 9}[code]
    text = f"{code}: {lasting} to be asked at {where}, with {kept}"
    yield Remark("redirect", text, f"RFC 9110 15.4.{number}")


_NEXT: Final = {
    "basic": "user and password in base64",
    "digest": "a digest of the password, which it does not send",
    "bearer": "a token",
    "negotiate": "a ticket of Kerberos",
}


def _of_authentication(exchange: Exchange) -> Iterator[Remark]:
    code = exchange.response.status_code
    if code not in (401, 407):
        return
    wanted = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
    answer = "Authorization" if code == 401 else "Proxy-Authorization"
    rule = "RFC 9110 15.5.2" if code == 401 else "RFC 9110 15.5.8"
    try:
        challenges = parse_challenges(exchange.fields.get_all(wanted))
    except Malformed:
        challenges = ()
    if not challenges:
        text = f"{code} without a {wanted} that can be read: nobody says how to authenticate"
        yield Remark("authentication", text, rule)
        return
    sent = exchange.request.headers.get(answer)
    state = "what was sent was not accepted" if sent else "nothing was sent"
    ways = [
        f"{shown(each.scheme)} ({_NEXT.get(each.scheme, 'in its own way')})"
        for each in challenges[:4]
    ]
    text = f"{code}: {state}; next comes {answer} by {' or '.join(ways)}"
    yield Remark("authentication", text, rule)


def _of_retry(exchange: Exchange) -> Iterator[Remark]:
    after = exchange.fields.get("retry-after")
    if after is not None:
        yield Remark("retry", f"not before Retry-After: {shown(after)}", "RFC 9110 10.2.3")


# -- caches


def _of_cache(exchange: Exchange) -> Iterator[Remark]:
    if exchange.response.status_code >= 200 and exchange.answered.length != TUNNEL:
        for text, rule in keeping(exchange.request, exchange.response):
            yield Remark("cache", text, rule)


_LOOKS: Final[tuple[Callable[[Exchange], Iterator[Remark]], ...]] = (
    _of_expectation, _of_upgrade, _of_connection, _of_content, _of_coding, of_condition,
    of_range, _of_redirect, _of_authentication, _of_retry, _of_cache, of_cookies,
    of_security, of_other_origins, of_date, of_deprecated,
)  # fmt: skip
