"""What stands in a request line and in Host has one reading, or is refused."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.authority import parse_authority
from crlf.message.errors import Malformed
from crlf.message.target import Target, parse_target
from crlf.message.url import URL

# --- the four forms


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/", Target("origin", None, "/", None, None)),
        ("GET", "/a/../%2e?b=c?d", Target("origin", None, "/a/../%2e", "b=c?d", None)),
        ("GET", "/?", Target("origin", None, "/", "", None)),
        ("OPTIONS", "/a", Target("origin", None, "/a", None, None)),
        ("GET", "//a/b", Target("origin", None, "//a/b", None, None)),
        ("GET", "http://b/", Target("absolute", "b", "/", None, "http")),
        ("GET", "HTTPS://B:81?q", Target("absolute", "B:81", "/", "q", "https")),
        ("GET", "http://[::1]:80/a", Target("absolute", "[::1]:80", "/a", None, "http")),
        ("OPTIONS", "http://b", Target("absolute", "b", "*", None, "http")),
        ("OPTIONS", "http://b/", Target("absolute", "b", "/", None, "http")),
        ("OPTIONS", "http://b?", Target("absolute", "b", "/", "", "http")),
        ("CONNECT", "b:443", Target("authority", "b:443", "", None, None)),
        ("CONNECT", "[::1]:443", Target("authority", "[::1]:443", "", None, None)),
        ("OPTIONS", "*", Target("asterisk", None, "*", None, None)),
    ],
)
def test_a_target_has_one_of_four_forms(method: str, target: str, expected: Target) -> None:
    assert parse_target(target, method) == expected


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize(
    ("method", "target", "rule", "reason"),
    [
        ("GET", "", "9112 3.2", "no target"),
        ("GET", "*", "9112 3.2.4", "OPTIONS"),
        ("GET", "*x", "9112 3.2", "neither"),
        ("options", "*", "9112 3.2.4", "OPTIONS"),
        ("GET", "a:80", "9112 3.2.3", "CONNECT"),
        ("GET", "a", "9112 3.2", "neither"),
        ("GET", "a/b", "9112 3.2", "neither"),
        ("GET", "?a", "9112 3.2", "neither"),
        ("GET", "http:/a", "9112 3.2", "neither"),
        ("GET", "ftp://a/", "9110 4.2", "scheme"),
        ("GET", "http:///a", "9112 3.2", "no host"),
        ("GET", "http://u@a/", "9110 4.2.4", "user name"),
        ("GET", "http://u:p@a/", "9110 4.2.4", "user name"),
        ("GET", "http://a,b/", "9112 3.2", "',' in the host"),
        ("GET", "http://a:x/", "9112 3.2", "port"),
        ("GET", "http://a/b#c", "9112 3.2.2", "fragment"),
        ("GET", 'http://a/"', "9112 3.2.2", "0x22 in the path"),
        ("CONNECT", "/", "9112 3.2.3", "host:port"),
        ("CONNECT", "http://a:80/", "9112 3.2.3", "host:port"),
        ("CONNECT", "*", "9112 3.2.3", "host:port"),
        ("CONNECT", "a", "9110 9.3.6", "no port"),
        ("CONNECT", "a:", "9110 9.3.6", "no port"),
        ("CONNECT", "a:0", "9110 9.3.6", "no port"),
        ("CONNECT", "u@a:80", "9112 3.2", "in the host"),
        ("CONNECT", ":80", "9112 3.2", "no host"),
        ("CONNECT", "", "9112 3.2", "no host"),
        ("GET", "/#", "9112 3.2.1", "fragment"),
        ("GET", "/a#b", "9112 3.2.1", "fragment"),
        ("GET", "/a b", "9112 3.2.1", "0x20 in the path"),
        ("GET", "/a\r", "9112 3.2.1", "0x0d in the path"),
        ("GET", "/a\0", "9112 3.2.1", "0x00 in the path"),
        ("GET", "/\xff", "9112 3.2.1", "0xff in the path"),
        ("GET", "/\\", "9112 3.2.1", "0x5c in the path"),
        ("GET", "/{", "9112 3.2.1", "0x7b in the path"),
        ("GET", "/?\xe9", "9112 3.2.1", "0xe9 in the query"),
        ("GET", "/?<", "9112 3.2.1", "0x3c in the query"),
        ("GET", '/?"', "9112 3.2.1", "0x22 in the query"),
        ("GET", "/?\n", "9112 3.2.1", "0x0a in the query"),
        ("GET", "/%zz", "9112 3.2.1", "percent sign"),
        ("GET", "/%", "9112 3.2.1", "percent sign"),
        ("GET", "/%4?%41", "9112 3.2.1", "percent sign"),
    ],
)
def test_another_target_is_refused(method: str, target: str, rule: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        parse_target(target, method)
    assert (caught.value.rule, caught.value.status_code) == (f"RFC {rule}", 400)


@pytest.mark.parametrize("target", ["/[|]^", "/?[\\]^`{|}", "/?q=100%", "/?%zz", "/'()*!$&+,;=:@"])
def test_what_browsers_send_is_taken(target: str) -> None:
    found = parse_target(target, "GET")
    assert found.path + ("" if found.query is None else f"?{found.query}") == target


def test_every_byte_in_path_and_query_is_taken_or_refused_on_purpose() -> None:
    def taken(text: str) -> str:
        fine = ""
        for code in range(256):
            try:
                parse_target(text + chr(code), "GET")
            except Malformed:
                continue
            fine += chr(code)
        return fine

    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    allowed = letters + "-._~!$&'()*+,;=:@/?"
    assert set(taken("/a")) == set(allowed + "[]|^")
    assert set(taken("/a?")) == set(allowed + "[]|^\\`{}%")


def test_a_target_of_8000_characters_is_read() -> None:
    assert len(parse_target("/" + "a" * 7999, "GET").path) == 8000


# --- Host


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", ("a", None)),
        ("Example.COM:8000", ("example.com", 8000)),
        ("a:", ("a", None)),
        ("a:0", ("a", 0)),
        ("a:080", ("a", 80)),
        ("a:0000080", ("a", 80)),
        ("a:65535", ("a", 65535)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("a_b.example.", ("a_b.example.", None)),
        ("7x:1", ("7x", 1)),
        ("[::1]", ("::1", None)),
        ("[::1]:", ("::1", None)),
        ("[2001:DB8::1]:443", ("2001:db8::1", 443)),
        ("[::ffff:127.0.0.1]", ("::ffff:127.0.0.1", None)),
    ],
)
def test_a_host_field_is_read(text: str, expected: tuple[str, int | None]) -> None:
    assert parse_authority(text) == expected


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize(
    "text",
    ["", "a,b", "a, b", "u@a", "u:p@a", "a/b", "a b", " a", "a ", "[::1", "::1", "::1]", "[::1]x",
     "[::1]80", "[::1%25eth0]", "[]", "[a]", "[[::1]]", "a:99999", "a:65536", "a:-1", "a:+1",
     "a:1_0", "a: 1", "a:1 ", "a:1:2", ":80", ":", "a..b", ".a", ".", "a?b", "a#b", "a\\b", "a%41",
     "a\0", "a\n", "a\r\n", "a\tb", "a\xe9", "\xa0a", "a;b", "a=b", "<a>", "127.1", "0x7f.1",
     "2130706433", "0177.0.0.1", "256.0.0.1", "1.2.3.4.", "a.0x1", "a" * 64, "a." * 127 + "a",
     "http://a", "a:٨٠", "\uff11.example"],
)  # fmt: skip
def test_another_host_field_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_authority(text)
    assert (caught.value.rule, caught.value.status_code) == ("RFC 9112 3.2", 400)


def test_an_empty_host_is_taken_where_it_may_be() -> None:
    assert parse_authority("", may_be_empty=True) == ("", None)
    with pytest.raises(Malformed):
        parse_authority(":", may_be_empty=True)


# --- properties

TEXT = st.text(
    st.one_of(st.sampled_from("/:?#[]@,;%.\\| *0129aAzZ"), st.characters(max_codepoint=255)),
    max_size=25,
)


@given(TEXT.map("/".__add__) | TEXT | TEXT.map("http://a".__add__), TEXT)
def test_what_a_server_takes_makes_a_url(target: str, host: str) -> None:
    for method in ("GET", "OPTIONS", "CONNECT"):
        try:
            parse_authority(host)
        except Malformed:
            host = "h"
        try:
            found = parse_target(target, method)
        except Malformed:
            continue
        url = URL.received("http", host, found)
        assert (url.host, url.explicit_port) == parse_authority(found.authority or host)
        assert url.fragment is None


@given(TEXT)
def test_both_ends_take_the_same_hosts(host: str) -> None:
    if set(host) & set("/?#@\\"):
        return
    try:
        expected = parse_authority(host)[0]
    except Malformed:
        expected = ""
    try:
        found = URL(f"http://{host}/").host if host.isascii() else ""
    except ValueError:
        found = ""
    assert found == expected or "%25" in host


@pytest.mark.parametrize(
    "hostile",
    ["/" + "%4" * 200_000, "/" + "a" * 400_000 + " ", "http://" + "a." * 200_000,
     "http://" + "1" * 400_000 + "/", "/?" + "%" * 400_000 + "<", "a:" * 200_000, ":" * 400_000,
     "[" + "0:" * 200_000, "/%41" * 100_000 + "%"],
)  # fmt: skip
def test_hostile_text_takes_linear_time(hostile: str) -> None:
    start = time.process_time()
    for method in ("GET", "CONNECT"):
        with suppress(Malformed):
            parse_target(hostile, method)
    with suppress(Malformed):
        parse_authority(hostile)
    assert time.process_time() - start < 1  # seconds
