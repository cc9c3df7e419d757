"""What came of an exchange, and by which rule: remarks on a request and its response."""

from __future__ import annotations

import pytest

from crlf.message.headers import Headers
from crlf.rules.consequences import consequences
from crlf.rules.remarks import SUBJECTS, Remark
from crlf.wire.explain import explain_request, explain_response
from crlf.wire.parts import RequestHead, ResponseHead

URL = "https://a.example/b"
DATE = "date: Sun, 06 Nov 1994 08:49:37 GMT"
NOW = 1_700_000_000.0


def remarks(asked: str, answered: str, *, url: str = URL, about: str = "") -> list[Remark]:
    """Make heads of "GET / HTTP/1.1 | name: value | ..." and say what came of them."""
    start, *fields = asked.split(" | ")
    method, target, version = start.split(" ")
    request = RequestHead(method, target, headers(["host: a.example", *fields]), version[5:])
    start, *fields = answered.split(" | ")
    version, code = start.split(" ")
    response = ResponseHead(int(code), headers(fields), "", version[5:])
    found = consequences(request, response, url=url, now=NOW)
    assert all(remark.about in SUBJECTS and remark.rule for remark in found)
    assert [SUBJECTS.index(each.about) for each in found] == sorted(
        SUBJECTS.index(each.about) for each in found
    )
    return [remark for remark in found if about in ("", remark.about)]


def headers(fields: list[str]) -> Headers:
    return Headers([(name, value) for name, _, value in (each.partition(": ") for each in fields)])


GET = "GET / HTTP/1.1"
PART = f"HTTP/1.1 206 | content-range: bytes 0-4/9 | {DATE} | content-length: 5"
NO_PART = "HTTP/1.1 416 | content-range: bytes */9 | content-length: 0"
KEPT = (
    "a: kept, and goes along with requests to a.example alone, over https only, hidden from "
    "scripts, from other sites only where a link is followed"
)
PREFLIGHT = (
    "OPTIONS / HTTP/1.1 | origin: https://b | access-control-request-method: PUT"
    " | access-control-request-headers: x-a"
)
LETS_IN = "access-control-allow-origin: https://b"
LETS_BE_SENT = (
    "access-control-allow-methods: PUT | access-control-allow-headers: X-A"
    " | access-control-allow-credentials: true"
)
OK = f"HTTP/1.1 200 | {DATE} | content-length: 5"


@pytest.mark.parametrize(
    ("asked", "answered", "about", "text", "rule"),
    [
        # the connection
        (GET, OK, "connection", "kept open for the next", "RFC 9112 9.3"),
        (f"{GET} | connection: close", OK, "connection", "request says", "RFC 9112 9.6"),
        (GET, f"{OK} | connection: Close, x", "connection", "response says", "RFC 9112 9.6"),
        ("GET / HTTP/1.0", OK, "connection", "request is HTTP/1.0", "RFC 9112 9.3"),
        ("GET / HTTP/1.0 | connection: keep-alive", OK, "connection", "kept", "RFC 9112 9.3"),
        (GET, "HTTP/1.0 200 | content-length: 5", "connection", "response is", "RFC 9112 9.3"),
        (GET, "HTTP/1.1 200", "connection", "end says where", "RFC 9112 6.3 (8)"),
        (GET, "HTTP/1.1 204 | content-length: 5", "connection", "not used again", "RFC 9112 6.1"),
        # the content
        (GET, OK, "content", "Content-Length says 5", "RFC 9112 6.3 (6)"),
        (GET, "HTTP/1.1 200 | transfer-encoding: chunked", "content", "chunks",
         "RFC 9112 6.3 (4)"),
        ("HEAD / HTTP/1.1", OK, "content", "answer to HEAD", "RFC 9112 6.3 (1)"),
        ("POST / HTTP/1.1 | content-length: 7", OK, "request content", "says 7",
         "RFC 9112 6.3 (6)"),
        ("CONNECT a:1 HTTP/1.1", "HTTP/1.1 200", "content", "tunnel", "RFC 9112 6.3 (2)"),
        # expectations, upgrades
        ("PUT / HTTP/1.1 | expect: 100-continue | content-length: 5", OK, "expect", "waits",
         "RFC 9110 10.1.1"),
        (GET, "HTTP/1.1 417 | content-length: 0", "expect", "417", "RFC 9110 15.5.18"),
        (f"{GET} | connection: upgrade | upgrade: h2c", OK, "upgrade", "not taken up",
         "RFC 9110 7.8"),
        (f"{GET} | connection: upgrade | upgrade: x",
         "HTTP/1.1 101 | connection: upgrade | upgrade: x", "upgrade", "x is spoken",
         "RFC 9110 15.2.2"),
        (GET, "HTTP/1.1 426 | upgrade: TLS/1.0 | content-length: 0", "upgrade", "TLS/1.0",
         "RFC 9110 15.5.22"),
        # codings
        (f"{GET} | accept-encoding: gzip", f"{OK} | content-encoding: gzip", "coding", "has gzip",
         "RFC 9110 8.4"),
        (GET, f"{OK} | content-encoding: br", "coding", "though the request", "RFC 9110 8.4"),
        (GET, f"{OK} | content-encoding: br", "coding", "no Vary", "RFC 9110 12.5.5"),
        # conditions
        (f'{GET} | if-none-match: "a"', 'HTTP/1.1 304 | etag: "a"', "condition", '304: If-None',
         "RFC 9110 13.1.2"),
        (f"{GET} | if-modified-since: {DATE[6:]}", "HTTP/1.1 304", "condition", "did not change",
         "RFC 9110 13.1.3"),
        (GET, "HTTP/1.1 304", "condition", "no condition", "RFC 9110 15.4.5"),
        ('PUT / HTTP/1.1 | if-match: "a"', "HTTP/1.1 412 | content-length: 0", "condition",
         "If-Match has not", "RFC 9110 13.1.1"),
        ("PUT / HTTP/1.1 | if-none-match: *", "HTTP/1.1 412 | content-length: 0", "condition",
         "If-None-Match", "RFC 9110 13.1.2"),
        (f'{GET} | if-none-match: "a"', OK, "condition", "another state", "RFC 9110 13.1.2"),
        ("PUT / HTTP/1.1", "HTTP/1.1 428 | content-length: 0", "condition", "428", "RFC 6585 3"),
        # ranges
        (f"{GET} | range: bytes=0-4", PART, "range", "bytes 0 to 4 of 9", "RFC 9110 15.3.7"),
        (f"{GET} | range: bytes=9-", NO_PART, "range", "9 bytes", "RFC 9110 15.5.17"),
        (f"{GET} | range: bytes=9-", OK, "range", "all of it", "RFC 9110 14.2"),
        (f'{GET} | range: bytes=9- | if-range: "a"', OK, "range", "changed since If-Range",
         "RFC 9110 14.2"),
        # redirects
        (GET, "HTTP/1.1 301 | location: /c | content-length: 0", "redirect",
         "301: for good to be asked at https://a.example/c, with the same method",
         "RFC 9110 15.4.2"),
        ("POST / HTTP/1.1", "HTTP/1.1 302 | location: /c | content-length: 0", "redirect",
         "GET in the place of POST", "RFC 9110 15.4.3"),
        ("PUT / HTTP/1.1", "HTTP/1.1 303 | location: /c | content-length: 0", "redirect",
         "GET in the place of PUT", "RFC 9110 15.4.4"),
        ("POST / HTTP/1.1", "HTTP/1.1 307 | location: /c | content-length: 0", "redirect",
         "same method and the same content", "RFC 9110 15.4.8"),
        ("POST / HTTP/1.1", "HTTP/1.1 308 | location: /c | content-length: 0", "redirect",
         "for good", "RFC 9110 15.4.9"),
        (GET, "HTTP/1.1 302 | location: https://b/ | content-length: 0", "redirect",
         "another origin", "RFC 9110 15.4"),
        (GET, "HTTP/1.1 302 | location: http://a.example/ | content-length: 0", "redirect",
         "https to http", "RFC 9110 15.4"),
        (GET, "HTTP/1.1 302 | location: javascript:x | content-length: 0", "redirect",
         "not followed", "RFC 9110 10.2.2"),
        (GET, "HTTP/1.1 302 | content-length: 0", "redirect", "nowhere", "RFC 9110 10.2.2"),
        # who asks
        (GET, "HTTP/1.1 401 | www-authenticate: Basic realm=x | content-length: 0",
         "authentication", "nothing was sent; next comes Authorization by basic",
         "RFC 9110 15.5.2"),
        (f"{GET} | proxy-authorization: Basic YTpi",
         'HTTP/1.1 407 | proxy-authenticate: Digest nonce="x" | content-length: 0',
         "authentication", "not accepted; next comes Proxy-Authorization by digest",
         "RFC 9110 15.5.8"),
        (GET, "HTTP/1.1 401 | content-length: 0", "authentication", "nobody says",
         "RFC 9110 15.5.2"),
        (GET, "HTTP/1.1 503 | retry-after: 5 | content-length: 0", "retry", "Retry-After: 5",
         "RFC 9110 10.2.3"),
        # caches
        (GET, f"{OK} | cache-control: max-age=60", "cache", "fresh for 60 s", "RFC 9111 4.2.1"),
        (GET, f"{OK} | cache-control: max-age=6, s-maxage=60", "cache", "60 s in shared",
         "RFC 9111 4.2.1"),
        (GET, f"{OK} | expires: Sun, 06 Nov 1994 08:50:37 GMT", "cache", "for 60 s",
         "RFC 9111 4.2.1"),
        (GET, f"{OK} | expires: 0", "cache", "stale already", "RFC 9111 5.3"),
        (GET, f"{OK} | last-modified: Sun, 06 Nov 1994 08:39:37 GMT", "cache", "60 s",
         "RFC 9111 4.2.2"),
        (GET, OK, "cache", "nothing says for how long", "RFC 9111 4.2.2"),
        (GET, f"{OK} | cache-control: no-store", "cache", "no-store", "RFC 9111 5.2.2.5"),
        (f"{GET} | cache-control: no-store", OK, "cache", "request says", "RFC 9111 5.2.1.5"),
        (GET, f"{OK} | cache-control: private", "cache", "many share", "RFC 9111 5.2.2.7"),
        (GET, f"{OK} | cache-control: no-cache", "cache", "each time", "RFC 9111 5.2.2.4"),
        (f"{GET} | authorization: Basic YTpi", OK, "cache", "no shared cache", "RFC 9111 3.5"),
        (GET, f"{OK} | vary: Cookie", "cache", "same Cookie", "RFC 9111 4.1"),
        (GET, f"{OK} | vary: *", "cache", "fits no other", "RFC 9111 4.1"),
        (GET, f"HTTP/1.1 500 | {DATE} | content-length: 0", "cache", "nobody may guess",
         "RFC 9111 3"),
        ("POST / HTTP/1.1", OK, "cache", "only if it says", "RFC 9110 9.3.3"),
        ("PUT / HTTP/1.1", OK, "cache", "forgotten", "RFC 9111 4.4"),
        (f'{GET} | if-none-match: "a"', "HTTP/1.1 304", "cache", "up to date", "RFC 9111 4.3.4"),
        # browsers
        (GET, f"{OK} | set-cookie: a=b; Secure; HttpOnly; SameSite=Lax", "cookie",
         KEPT, "RFC 6265bis 5.7"),
        (GET, f"{OK} | set-cookie: a=b; SameSite=None", "cookie", "refused: SameSite=None needs",
         "RFC 6265bis 5.7"),
        (GET, f"{OK} | set-cookie: __Host-a=b; Secure", "cookie", "refused: the prefix",
         "RFC 6265bis 5.7"),
        (GET, f"{OK} | set-cookie: a=b; Domain=b.example", "cookie", "refused: its Domain",
         "RFC 6265bis 5.7"),
        (GET, f"{OK} | strict-transport-security: max-age=60; includeSubDomains", "security",
         "this host and the hosts below it", "RFC 6797 8.3"),
        (GET, f"{OK} | strict-transport-security: x", "security", "cannot be read",
         "RFC 6797 8.1"),
        (GET, f"{OK} | access-control-allow-origin: *", "other origins", "every origin",
         "Fetch 3.3.5"),
        (GET, f"{OK} | access-control-allow-origin: https://b", "other origins",
         "without Vary: Origin", "Fetch 3.3.5"),
        (f"{GET} | origin: https://b", OK, "other origins", "cannot read it", "Fetch 3.3.5"),
        (GET, "HTTP/1.1 200 | content-length: 0", "date", "no Date", "RFC 9110 6.6.1"),
        (f"{GET} | pragma: no-cache", OK, "deprecated", "Cache-Control has", "RFC 9111 5.4"),
        # what the two heads do not agree on
        (f"{GET} | accept-encoding: identity, gzip;q=0", f"{OK} | content-encoding: gzip",
         "coding", "though the request's", "RFC 9110 8.4"),
        (f'{GET} | if-none-match: "a"', 'HTTP/1.1 304 | etag: "b"', "condition",
         "304, though If-None-Match does not name", "RFC 9110 13.1.2"),
        (f'{GET} | if-none-match: "a"', f'{OK} | etag: W/"a"', "condition",
         "server passed over it", "RFC 9110 13.1.2"),
        (f'{GET} | if-none-match: "a"', f'{OK} | etag: "b"', "condition",
         'another state than this, "b"', "RFC 9110 13.1.2"),
        (f'{GET} | if-none-match: "a"', OK, "condition", "or the server passed over it",
         "RFC 9110 13.1.2"),
        ("HEAD / HTTP/1.1 | range: bytes=0-4", OK, "range", "counts for GET alone, not for HEAD",
         "RFC 9110 14.2"),
        ("HEAD / HTTP/1.1 | range: bytes=0-4", PART, "range", "though Range counts for GET alone",
         "RFC 9110 15.3.7"),
        (f"{GET} | range: lines=0-4", OK, "range", "no ranges of bytes that can be read",
         "RFC 9110 14.2"),
        (f"{GET} | range: bytes=0-4", f"{OK} | accept-ranges: none", "range", "Accept-Ranges says",
         "RFC 9110 14.2"),
        (f"{GET} | range: bytes=0-4", OK, "range", "as a server may always do", "RFC 9110 14.2"),
        (f"{GET} | range: bytes=5-6", PART, "range", "though Range asked for others",
         "RFC 9110 15.3.7"),
        (f"{GET} | range: bytes=0-1,3-4",
         "HTTP/1.1 206 | content-type: multipart/byteranges; boundary=x", "range",
         "several parts, each with", "RFC 9110 15.3.7"),
        # caches, when it is not as simple
        (GET, f"{OK} | cache-control: max-age=60 | age: 20", "cache", "of these, 20 s had passed",
         "RFC 9111 4.2.1"),
        (GET, f"{OK} | cache-control: max-age=60 | age: 60", "cache", "of these, all had passed",
         "RFC 9111 4.2.1"),
        (GET, f"{OK} | cache-control: max-age=0", "cache", "stale at once", "RFC 9111 4.2.1"),
        (GET, f"{OK} | cache-control: max-age=soon", "cache", "counts as stale",
         "RFC 9111 4.2.1"),
        (GET, f"{OK} | cache-control: no-store, must-understand", "cache",
         "know must-understand and what a 200 is", "RFC 9111 5.2.2.3"),
        (GET, f'{OK} | cache-control: private="x-a, x-b"', "cache", "leaves out x-a, x-b",
         "RFC 9111 5.2.2.7"),
        (GET, f'{OK} | cache-control: no-cache="set-cookie"', "cache", "but for set-cookie",
         "RFC 9111 5.2.2.4"),
        (GET, f"HTTP/1.1 302 | {DATE} | location: /c | cache-control: private | content-length: 0",
         "cache", "each time it is asked about", "RFC 9111 4.2.2"),
        ("POST / HTTP/1.1", f"{OK} | cache-control: public", "cache", "only if it says for how",
         "RFC 9110 9.3.3"),
        ("POST /b HTTP/1.1", f"{OK} | cache-control: max-age=9", "cache",
         "only if Content-Location names the same URL, and what caches have", "RFC 9110 9.3.3"),
        ("POST /b HTTP/1.1", f"{OK} | cache-control: max-age=9 | content-location: /c", "cache",
         "only if Content-Location", "RFC 9110 9.3.3"),
        ("POST /b HTTP/1.1", f"{OK} | cache-control: max-age=9 | content-location: b", "cache",
         "never another POST", "RFC 9110 9.3.3"),
        ("POST / HTTP/1.1", OK, "cache", "forgotten", "RFC 9110 9.3.3"),
        ("MKCOL / HTTP/1.1", OK, "cache", "forgotten", "RFC 9111 4.4"),
        # browsers, when it is not as simple
        (GET, f"{OK} | set-cookie: a=b; Max-Age=0", "cookie", "a: taken back", "RFC 6265bis 5.7"),
        (GET, f"{OK} | set-cookie: a=b; Path=/c", "cookie", "for /c and what is below",
         "RFC 6265bis 5.7"),
        (GET, f"{OK} | set-cookie: b", "cookie", "a cookie without a name: kept",
         "RFC 6265bis 5.7"),
        (f"{GET} | origin: https://b", f"{OK} | access-control-allow-origin: https://c",
         "other origins", "scripts of https://b cannot read this", "Fetch 3.3.5"),
        (PREFLIGHT, f"HTTP/1.1 204 | {LETS_IN} | access-control-allow-methods: PUT",
         "other origins", "fails: Access-Control-Allow-Headers has no x-a", "Fetch 3.3.3"),
        (PREFLIGHT, f"HTTP/1.1 204 | {LETS_IN}", "other origins",
         "fails: Access-Control-Allow-Methods has no PUT", "Fetch 3.3.3"),
        (PREFLIGHT, f"HTTP/1.1 405 | {LETS_IN} | content-length: 0", "other origins",
         "fails: a 405 lets nothing in", "Fetch 3.3.3"),
        (PREFLIGHT, "HTTP/1.1 204", "other origins", "fails: no Access-Control-Allow-Origin",
         "Fetch 3.3.3"),
        (PREFLIGHT, f"HTTP/1.1 204 | {LETS_IN} | {LETS_BE_SENT}", "other origins",
         "lets scripts of https://b ask by PUT, with cookies",
         "Fetch 3.3.3"),
        # what cannot be
        (GET, f"{OK} | transfer-encoding: chunked", "broken", "two different messages",
         "RFC 9112 6.3 (3)"),
    ],
)  # fmt: skip
@pytest.mark.rfc("9110", "15")
def test_a_consequence_is_said_with_its_rule(
    asked: str, answered: str, about: str, text: str, rule: str
) -> None:
    found = remarks(asked, answered, about=about)
    assert any(text in remark.text and remark.rule == rule for remark in found), found


@pytest.mark.rfc("9111", "3")
@pytest.mark.parametrize(
    ("asked", "answered", "about"),
    [
        (GET, OK, "expect upgrade coding condition range redirect authentication cookie security"),
        (GET, f"{OK} | cache-control: no-store | vary: a", "date"),
        (f"{GET} | authorization: Basic YTpi", f"{OK} | cache-control: public", "redirect"),
        ("CONNECT a:1 HTTP/1.1", "HTTP/1.1 200", "connection cache"),
        (f"{GET} | origin: https://a.example", OK, "other origins"),
        (
            f"{GET} | origin: https://b | connection: upgrade | upgrade: websocket",
            "HTTP/1.1 101 | connection: upgrade | upgrade: websocket",
            "other origins",
        ),
        ('POST / HTTP/1.1 | if-none-match: "a"', OK, "condition"),
        (GET, f"{OK} | x-frame-options: DENY", "deprecated"),
    ],
)
def test_what_did_not_happen_is_not_said(asked: str, answered: str, about: str) -> None:
    said = {remark.about for remark in remarks(asked, answered)}
    assert said.isdisjoint(about.split(" "))


@pytest.mark.rfc("9111", "3.5")
def test_public_lets_shared_caches_keep_what_was_asked_with_authorization() -> None:
    found = remarks(f"{GET} | authorization: Basic YTpi", f"{OK} | cache-control: public")
    assert not any(remark.rule == "RFC 9111 3.5" for remark in found)


def test_a_plain_connection_sets_no_secure_cookie_and_no_https_for_ever() -> None:
    answered = f"{OK} | set-cookie: a=b; Secure | strict-transport-security: max-age=5"
    texts = [remark.text for remark in remarks(GET, answered, url="http://a.example/")]
    assert any("refused: Secure, but over a plain" in text for text in texts)
    assert any("passed over here" in text for text in texts)


@pytest.mark.rfc("6797", "8.1.1")
def test_an_address_is_no_host_of_https_for_ever() -> None:
    answered = f"{OK} | strict-transport-security: max-age=5"
    [only] = remarks(GET, answered, url="https://127.0.0.1/", about="security")
    assert "passed over for an address" in only.text


@pytest.mark.rfc("9110", "10.1.1")
def test_content_that_was_waited_for_may_be_refused_before_or_after_it() -> None:
    fields = headers(["host: a", "expect: 100-continue", "content-length: 5"])
    request = RequestHead("POST", "/", fields)
    response = ResponseHead(403, headers(["content-length: 0"]))
    for interim, text in (((), "need not be sent"), ((100,), "was told to go on")):
        found = consequences(request, response, interim=interim)
        assert [text in remark.text for remark in found if remark.about == "expect"] == [True]


@pytest.mark.rfc("6265bis", "5.7")
def test_a_cookie_without_a_path_goes_along_below_the_folder_that_set_it() -> None:
    [only] = remarks(GET, f"{OK} | set-cookie: a=b", url="https://a.example/b/c", about="cookie")
    assert "alone for /b and what is below" in only.text


def test_without_a_clock_date_says_whether_a_cookie_is_taken_back() -> None:
    request = RequestHead("GET", "/", headers(["host: a"]))
    for date, text in ((DATE, "taken back"), ("x-date: none", "kept")):
        fields = headers(["set-cookie: a=b; Expires=Sat, 05 Nov 1994 08:49:37 GMT", date])
        found = consequences(request, ResponseHead(204, fields))
        assert [text in each.text for each in found if each.about == "cookie"] == [True]


def test_without_a_url_a_cookie_is_judged_by_what_it_says() -> None:
    answered = f"{OK} | set-cookie: __Secure-a=b | set-cookie: c=d"
    first, second = remarks(GET, answered, url="", about="cookie")
    assert "refused: the prefix __Secure-" in first.text
    assert second.text.startswith("c: kept")


def test_no_secret_stands_in_a_remark() -> None:
    asked = f"{GET} | authorization: Bearer s3cret | cookie: a=s3cret"
    answered = f"HTTP/1.1 401 | www-authenticate: Bearer | set-cookie: a=s3cret | {DATE}"
    assert "s3cret" not in "".join(remark.text for remark in remarks(asked, answered))


def test_no_control_character_stands_in_a_remark() -> None:
    asked = f"{GET} | origin: \x9b2J | accept-encoding: \x9b"
    answered = f"{OK} | location: \x9b | vary: \x9b | content-encoding: \x9b | set-cookie: \x9b=a"
    for remark in remarks(asked, answered.replace("200", "301")):
        assert remark.text.isascii()
        assert remark.text.isprintable()


def test_heads_that_were_explained_lead_to_remarks() -> None:
    request = explain_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").messages[0].head
    response = explain_response(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").messages[0].head
    assert isinstance(request, RequestHead)
    assert isinstance(response, ResponseHead)
    found = consequences(request, response)
    assert {remark.about for remark in found} == {"connection", "content", "cache", "date"}
