"""Whose page sent a request: by Sec-Fetch-Site, by Origin, and when nothing is said."""

from __future__ import annotations

import pytest

from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.rules.crosssite import CrossSite, is_from_elsewhere, parse_origin

pytestmark = pytest.mark.rfc("6454", "7")

SHOP = "https://shop.example"


def post(*fields: tuple[str, str], scheme: str = "https", host: str = "our.example") -> Request:
    head = ("POST", "/buy", Headers([("host", host), *fields]), "1.1")
    return Request.received(head, b"", Received(scheme=scheme, local=("192.0.2.1", 443)))


def site(value: str) -> tuple[str, str]:
    return ("sec-fetch-site", value)


def origin(value: str) -> tuple[str, str]:
    return ("origin", value)


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ([], True),
        ([site("same-origin")], True), ([site("none")], True), ([site("Same-Origin")], True),
        ([site("same-site")], False), ([site("cross-site")], False),
        ([site("")], False), ([site("nearly-same")], False), ([site("none, none")], False),
        ([site("same-origin"), site("same-origin")], False),
        ([origin("https://our.example")], True), ([origin("https://our.example:443")], True),
        ([origin("https://OUR.example")], True),
        ([origin("http://our.example")], False),  # whoever is on the way can be that page
        ([origin("https://our.example:8443")], False), ([origin("https://a.our.example")], False),
        ([origin("https://our.example.evil.example")], False), ([origin("null")], False),
        ([origin("")], False), ([origin("https://")], False), ([origin("file:///x")], False),
        ([origin("https://our.example/")], False), ([origin("https://me@our.example")], False),
        ([origin("https://our.example?")], False), ([origin("our.example")], False),
        ([origin("https://our.example https://our.example")], False),
        ([origin("https://our.example"), origin("https://our.example")], False),
        ([origin("https://our.example"), origin("https://evil.example")], False),
        # Where both are there, Sec-Fetch-Site knows better: no proxy rewrites it.
        ([site("same-origin"), origin("https://elsewhere.example")], True),
        ([site("same-origin"), origin("null")], True),
        ([site("cross-site"), origin("https://our.example")], False),
        ([site("same-origin"), origin("https://a.example"), origin("https://b.example")], False),
    ],
)  # fmt: skip
def test_whose_page_it_was(fields: list[tuple[str, str]], passes: bool) -> None:
    why = CrossSite()(post(*fields))
    assert (why == "") == passes
    assert is_from_elsewhere(post(*fields)) == (not passes)
    assert not why or (why.endswith(".") and ". " not in why)


@pytest.mark.parametrize(
    ("fields", "passes"),
    [
        ([origin(SHOP)], True), ([origin(SHOP + ":443")], True),
        ([site("cross-site"), origin(SHOP)], True), ([site("same-site"), origin(SHOP)], True),
        ([site("cross-site"), origin("http://shop.example")], False),
        ([site("cross-site"), origin("https://x.shop.example")], False),
        ([site("cross-site"), origin("null")], False), ([site("cross-site")], False),
        ([site("odd"), origin(SHOP)], False), ([origin("https://our.example")], True),
    ],
)  # fmt: skip
def test_pages_of_trusted_origins_may_send(fields: list[tuple[str, str]], passes: bool) -> None:
    assert (CrossSite([SHOP])(post(*fields)) == "") == passes


def test_tls_may_have_been_taken_off_by_a_proxy_that_nobody_told_us_of() -> None:
    assert not CrossSite()(post(origin("https://our.example"), scheme="http"))
    assert not CrossSite()(post(origin("http://our.example"), scheme="http"))
    assert CrossSite()(post(origin("https://evil.example"), scheme="http"))


@pytest.mark.parametrize(
    "host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.1.5:8000"]
)
def test_a_page_over_plain_http_where_browsers_send_no_sec_fetch_site(host: str) -> None:
    assert not CrossSite()(post(origin(f"http://{host}"), scheme="http", host=host))
    assert CrossSite()(post(origin("http://localhost:8001"), scheme="http", host=host))


def test_a_host_that_cannot_be_read_is_nobodys_own() -> None:
    assert CrossSite()(post(origin("https://our.example"), host="not a host"))


@pytest.mark.parametrize(
    "origins",
    [["shop.example"], ["https://shop.example/"], ["null"], ["*"], ["ftp://shop.example"], [""]],
)
def test_what_is_no_origin_cannot_be_trusted(origins: list[str]) -> None:
    with pytest.raises(ValueError, match=r"https://shop\.example"):
        CrossSite(origins)


def test_one_text_is_no_list_of_origins() -> None:
    with pytest.raises(TypeError):
        CrossSite(SHOP)


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ([("content-type", "application/x-www-form-urlencoded")], True),
        ([("content-type", "multipart/form-data; boundary=a")], True),
        ([("content-type", "text/plain")], True), ([], True), ([("content-type", "?")], True),
        ([("content-type", "application/json")], False),  # no form, and no script unasked
        ([site("same-origin")], False), ([origin(SHOP)], False),
    ],
)  # fmt: skip
def test_a_token_is_needed_where_only_it_can_tell(fields: list, needs: bool) -> None:
    assert CrossSite(tokens=True).needs_token(post(*fields)) == needs
    assert not CrossSite().needs_token(post(*fields))


def test_an_origin_is_read_as_browsers_write_it() -> None:
    assert str(parse_origin("https://a.example:8443")) == "https://a.example:8443"
    assert str(parse_origin("http://[::1]:80")) == "http://[::1]"
    assert parse_origin("https://a.example/x") is None
