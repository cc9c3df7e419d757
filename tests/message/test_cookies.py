"""Cookies: read as RFC 6265bis section 5 says, written as its section 4 says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed, TooLarge
from crlf.message.fields.cookies import (
    LONG_GONE,
    MAX_AGE,
    MAX_COOKIES,
    ParsedCookie,
    SameSite,
    SetCookie,
    default_path,
    domain_matches,
    parse_cookies,
    parse_set_cookie,
    path_matches,
    prefix_fault,
)

NOW = 1_700_000_000


# The Cookie field: lenient, linear, and one bad pair loses nothing else.


@pytest.mark.rfc("6265bis", "4.2")
@pytest.mark.parametrize(
    ("field", "pairs"),
    [
        ("a=1; b=2", [("a", "1"), ("b", "2")]),
        ("a=1;b=2 ;\tc = 3 ", [("a", "1"), ("b", "2"), ("c", "3")]),
        ("a=x=y==", [("a", "x=y==")]),
        ("a=", [("a", "")]),
        ('a="x y"', [("a", "x y")]),
        ('a=""x""', [("a", '"x"')]),
        ('a="', [("a", '"')]),
        ('a="\\073\\""', [("a", '\\073\\"')]),
        ('a="x;y"; b=2', [("a", '"x'), ("b", "2")]),
        ("a=%20+", [("a", "%20+")]),
        ("novalue; b=2", [("b", "2")]),
        ("=x; b=2; =", [("b", "2")]),
        ("a\x01=1; b=\x00; c=3", [("c", "3")]),
        (";;; a=1;;", [("a", "1")]),
        ("a[b]=1; a b=2; \xe9=\xe9", [("a[b]", "1"), ("a b", "2"), ("\xe9", "\xe9")]),
        ("$Version=1; a=1; $Path=/", [("$Version", "1"), ("a", "1"), ("$Path", "/")]),
        ("a=1, b=2", [("a", "1, b=2")]),
        ("", []),
    ],
)
def test_cookies_are_read(field: str, pairs: list[tuple[str, str]]) -> None:
    assert list(parse_cookies(field).pairs) == pairs


def test_the_first_of_two_is_the_cookie() -> None:
    cookies = parse_cookies("sid=mine; sid=theirs")
    assert cookies["sid"] == "mine"
    assert cookies.get_all("sid") == ["mine", "theirs"]


def test_cookies_have_an_end() -> None:
    field = "; ".join(f"c{number}=x" for number in range(MAX_COOKIES))
    assert len(parse_cookies(field)) == MAX_COOKIES
    with pytest.raises(TooLarge) as caught:
        parse_cookies(field + "; one=more")
    assert caught.value.status_code == 431
    assert len(parse_cookies(field + ";" * 5000)) == MAX_COOKIES


@given(st.text(st.characters(max_codepoint=255), max_size=100))
def test_any_field_is_cookies(field: str) -> None:
    for name, value in parse_cookies(field).pairs:
        assert name
        assert ";" not in name + value
        assert "=" not in name


# Set-Cookie as a server writes it.


@pytest.mark.rfc("6265bis", "4.1.1")
def test_a_cookie_is_written_with_what_was_asked_for() -> None:
    assert SetCookie("a", "1").build() == "a=1; Path=/; SameSite=Lax"
    cookie = SetCookie(
        "__Host-sid",
        "x!#$%&'()*+-./:<=>?@[]^_`{|}~",
        max_age=60,
        expires=784111777,
        secure=True,
        http_only=True,
        same_site="None",
        partitioned=True,
    )
    assert cookie.build() == (
        "__Host-sid=x!#$%&'()*+-./:<=>?@[]^_`{|}~; Expires=Sun, 06 Nov 1994 08:49:37 GMT; "
        "Max-Age=60; Path=/; Secure; HttpOnly; SameSite=None; Partitioned"
    )
    bare = SetCookie("a", "", path=None, domain="a.example", same_site=None)
    assert bare.build() == "a=; Domain=a.example"


@pytest.mark.rfc("6265bis", "4.1.1")
def test_a_cookie_is_removed_within_the_grammar() -> None:
    gone = "Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    cookie = SetCookie("a", "1", path="/x", domain="a.example", max_age=60)
    assert cookie.removal().build() == f"a=; {gone}; Domain=a.example; Path=/x; SameSite=Lax"
    for age in (0, -5):
        assert SetCookie("a", "1", max_age=age).build() == f"a=1; {gone}; Path=/; SameSite=Lax"


@pytest.mark.rfc("6265bis", "4.1.1")
@pytest.mark.parametrize("bad", [";", ",", " ", "\r\n", "\x00", "\x7f", "é", '"', "\\", "\t"])
def test_nothing_outside_the_grammar_goes_out(bad: str) -> None:
    for name, value in (("a" + bad, "1"), ("a", "1" + bad)):
        with pytest.raises(Malformed):
            SetCookie(name, value)
    with pytest.raises(Malformed):
        SetCookie("a", "1", domain="a" + bad + ".example")
    if bad not in '"\\':
        with pytest.raises(Malformed):
            SetCookie("a", "1", path="/" + bad)


@pytest.mark.rfc("6265bis", "4.1")
def test_a_cookie_that_browsers_would_drop_is_refused() -> None:
    for name, options in (
        ("", {}),
        ("a=b", {}),
        ("a", {"path": ""}),
        ("a", {"path": "x"}),
        ("a", {"path": "/" + "x" * 1024}),
        ("a", {"domain": ""}),
        ("a", {"domain": ".a.example"}),
        ("a", {"domain": "a..example"}),
        ("a", {"domain": "-a.example"}),
        ("a", {"domain": "a" * 64 + ".example"}),
        ("a", {"domain": ("a" * 63 + ".") * 4 + "example"}),
        ("a", {"same_site": "None"}),
        ("a", {"same_site": "lax; Secure"}),
        ("a", {"partitioned": True}),
        ("__Secure-a", {}),
        ("__secure-a", {}),
        ("__Host-a", {"secure": True, "domain": "a.example"}),
        ("__Host-a", {"secure": True, "path": "/x"}),
        ("__HOST-a", {"secure": True, "path": None}),
        ("__host-a", {}),
    ):
        with pytest.raises(Malformed):
            SetCookie(name, "1", **options)
    assert SetCookie("a", "x" * 4095).build()
    with pytest.raises(Malformed):
        SetCookie("a", "x" * 4096)


# Set-Cookie as a client reads it.


@pytest.mark.rfc("6265bis", "5.6")
@pytest.mark.parametrize(
    ("field", "cookie"),
    [
        ("a=1", ParsedCookie("a", "1")),
        (" a = 1 ; Path=/x", ParsedCookie("a", "1", path="/x")),
        ('a="1"', ParsedCookie("a", '"1"')),
        ("a=1=2", ParsedCookie("a", "1=2")),
        ("a b=c d", ParsedCookie("a b", "c d")),
        ("a\t=\t1", ParsedCookie("a", "1")),
        # (3) without a name
        ("a", ParsedCookie("", "a")),
        ("=a", ParsedCookie("", "a")),
        ("=a=b", ParsedCookie("", "a=b")),
        ("a=", ParsedCookie("a", "")),
        # 5.7 (2) without anything
        ("", None),
        ("=", None),
        ("; Path=/", None),
        (" = ; x", None),
        # (1) controls, but a tab
        ("a=1\x00", None),
        ("a=1; Path=/\x1f", None),
        ("a=1\x7f", None),
        ("a=1\r\n b", None),
        ("a=1\t2", ParsedCookie("a", "1\t2")),
        # attributes
        ("a=1; SECURE; httponly", ParsedCookie("a", "1", secure=True, http_only=True)),
        ("a=1; Secure=no; HttpOnly=", ParsedCookie("a", "1", secure=True, http_only=True)),
        ("a=1;; unknown=x ;= ;Secure", ParsedCookie("a", "1", secure=True)),
        ("a=1; Partitioned", ParsedCookie("a", "1", partitioned=True)),
        ("a=1; Domain=.A.Example", ParsedCookie("a", "1", domain="a.example")),
        ("a=1; Domain=..a", ParsedCookie("a", "1", domain=".a")),
        ("a=1; Domain=b; Domain=c", ParsedCookie("a", "1", domain="c")),
        ("a=1; Domain=b; Domain=", ParsedCookie("a", "1", domain="")),
        ("a=1; Domain=\xe9", None),
        ("a=1; Path=/x; Path=/y", ParsedCookie("a", "1", path="/y")),
        ("a=1; Path=/x; Path=y", ParsedCookie("a", "1", path="")),
        ("a=1; Path", ParsedCookie("a", "1", path="")),
        ("a=1; Path = /a=b ", ParsedCookie("a", "1", path="/a=b")),
        ("a=1; SameSite=strict", ParsedCookie("a", "1", same_site="Strict")),
        ("a=1; SameSite=NONE", ParsedCookie("a", "1", same_site="None")),
        ("a=1; SameSite=Lax; SameSite=new", ParsedCookie("a", "1", same_site="")),
        ("a=1; \u212aey=1; Secure".replace("\u212a", "\xaa"), ParsedCookie("a", "1", secure=True)),
        # an attribute's value over 1024 is as if it was not there
        ("a=1; Path=/" + "x" * 1023, ParsedCookie("a", "1", path="/" + "x" * 1023)),
        ("a=1; Path=/y; Path=/" + "x" * 1024, ParsedCookie("a", "1", path="/y")),
        ("a=1; Domain=b; Domain=" + "x" * 1025, ParsedCookie("a", "1", domain="b")),
    ],
)
def test_set_cookie_step_by_step(field: str, cookie: ParsedCookie | None) -> None:
    assert parse_set_cookie(field, NOW) == cookie


@pytest.mark.rfc("6265bis", "5.6")
@pytest.mark.parametrize(("size", "kept"), [(4095, True), (4096, True), (4097, False)])
def test_name_and_value_are_4096_octets_at_most(size: int, kept: bool) -> None:
    half = size // 2
    field = "n" * half + "=" + "v" * (size - half)
    assert (parse_set_cookie(field, NOW) is not None) is kept
    assert (parse_set_cookie(" " * 999 + field + "; Secure", NOW) is not None) is kept


@pytest.mark.rfc("6265bis", "5.6.2")
@pytest.mark.parametrize(
    ("attributes", "expires"),
    [
        ("Max-Age=60", NOW + 60),
        ("max-age=0060", NOW + 60),
        ("Max-Age=0", LONG_GONE),
        ("Max-Age=-1", LONG_GONE),
        ("Max-Age=-0", LONG_GONE),
        ("Max-Age=000", LONG_GONE),
        (f"Max-Age={MAX_AGE - 1}", NOW + MAX_AGE - 1),
        (f"Max-Age={MAX_AGE}", NOW + MAX_AGE),
        (f"Max-Age={MAX_AGE + 1}", NOW + MAX_AGE),
        ("Max-Age=" + "9" * 1000, NOW + MAX_AGE),
        ("Max-Age=-" + "9" * 1000, LONG_GONE),
        ("Max-Age=", None),
        ("Max-Age", None),
        ("Max-Age=-", None),
        ("Max-Age=+5", None),
        ("Max-Age=5s", None),
        ("Max-Age=5.0", None),
        ("Max-Age=1_0", None),
        ('Max-Age="5"', None),
        ("Max-Age=\xb2", None),
        ("Max-Age=--5", None),
        # of several the last that can be read
        ("Max-Age=60; Max-Age=x", NOW + 60),
        ("Max-Age=60; Max-Age=70", NOW + 70),
        # Max-Age beats Expires, wherever it stands
        ("Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:37 GMT", NOW + 60),
        ("Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=60", NOW + 60),
        ("Expires=Sun, 06 Nov 1994 08:49:37 GMT; Max-Age=x", 784111777),
        ("Expires=Sun, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Expires=Fri, 31 Dec 2999 23:59:59 GMT", NOW + MAX_AGE),
        ("Expires=never", None),
        ("Expires=Sun, 06 Nov 1994 08:49:37 GMT; Expires=never", 784111777),
    ],
)
def test_how_long_a_cookie_lives(attributes: str, expires: float | None) -> None:
    cookie = parse_set_cookie(f"a=1; {attributes}", NOW)
    assert cookie is not None
    assert cookie.expires == expires


# The sixteen examples of the draft, 4.1.3.1 and 4.1.3.2, and what browsers' tests add.


@pytest.mark.rfc("6265bis", "4.1.3")
@pytest.mark.parametrize(
    ("field", "kept"),
    [
        ("__Secure-SID=12345; Domain=site.example", False),
        ("__Secure-SID=12345; Domain=site.example; Secure", True),
        ("__Secure-SID=12345; Secure", True),
        ("__SECURE-SID=12345", False),
        ("__Host-SID=12345", False),
        ("__Host-SID=12345; Secure", False),
        ("__Host-SID=12345; Domain=site.example", False),
        ("__Host-SID=12345; Domain=site.example; Path=/", False),
        ("__Host-SID=12345; Secure; Domain=site.example; Path=/", False),
        ("__Host-SID=12345; Secure; Path=/", True),
        ("__hOsT-SID=12345; Secure; Path=/", True),
        ("__host-SID=12345; Secure; Path=/x", False),
        ("__Host-=1; Secure; Path=/", True),
        ("=__Host-SID=12345; Secure; Path=/", False),
        ("__secure-x; Secure; Path=/", False),
        ("_Host-SID=12345", True),
    ],
)
def test_a_prefix_keeps_its_promise(field: str, kept: bool) -> None:
    cookie = parse_set_cookie(field, NOW)
    assert cookie is not None
    fault = prefix_fault(
        cookie.name,
        cookie.value,
        secure=cookie.secure,
        host_only=not cookie.domain,
        path=cookie.path,
    )
    assert (not fault) is kept, fault


@pytest.mark.rfc("6265bis", "5.1.3")
@pytest.mark.parametrize(
    ("host", "domain", "matches"),
    [
        ("a.example", "a.example", True),
        ("www.a.example", "a.example", True),
        ("x.www.a.example", "a.example", True),
        ("xa.example", "a.example", False),
        ("a.example", "www.a.example", False),
        ("a.example", "example", True),
        ("a.example", "", False),
        ("", "", False),
        ("a.example", ".example", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.1", False),
        ("127.0.0.1", "1", False),
        ("127.0.0.1.", "1.", False),
        ("x.0x7f", "0x7f", False),
        ("1.2.3.example", "3.example", True),
        ("::1", "1", False),
        ("[::ffff:1.2.3.4]", "3.4]", False),
        ("[::1]", "[::1]", True),
    ],
)
def test_domains_match_at_a_dot(host: str, domain: str, matches: bool) -> None:
    assert domain_matches(host, domain) is matches


@pytest.mark.rfc("6265bis", "5.1.4")
@pytest.mark.parametrize(
    ("request_path", "cookie_path", "matches"),
    [
        ("/", "/", True),
        ("/a", "/", True),
        ("/a", "/a", True),
        ("/a/", "/a", True),
        ("/a/b", "/a", True),
        ("/a/b", "/a/", True),
        ("/ab", "/a", False),
        ("/a", "/a/", False),
        ("/A", "/a", False),
        ("/a%2Fb", "/a", False),
        ("/a", "", False),
    ],
)
def test_paths_match_at_a_slash(request_path: str, cookie_path: str, matches: bool) -> None:
    assert path_matches(request_path, cookie_path) is matches


@pytest.mark.rfc("6265bis", "5.1.4")
@pytest.mark.parametrize(
    ("request_path", "path"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a", "/"),
        ("/a/", "/a"),
        ("/a/b", "/a"),
        ("/a/b/c", "/a/b"),
        ("a/b", "/"),
        ("*", "/"),
        ("//", "/"),
    ],
)
def test_the_path_of_a_cookie_without_one(request_path: str, path: str) -> None:
    assert default_path(request_path) == path


octets = st.text("!#$%&'()*+-./0123456789:<=>?@AZ[]^_`az{|}~", max_size=30)


@given(
    st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=20),
    octets,
    st.integers(1, 10**12),
    st.sampled_from(["/", "/a", "/a/b"]),
    st.sampled_from(["a.example", None]),
    st.sampled_from(["Lax", "Strict", "None", None]),
)
def test_what_a_server_writes_a_client_reads(
    name: str, value: str, age: int, path: str, domain: str | None, same_site: SameSite | None
) -> None:
    made = SetCookie(
        name, value, path=path, domain=domain, max_age=age, same_site=same_site, secure=True
    )
    read = parse_set_cookie(made.build(), NOW)
    assert read == ParsedCookie(
        name,
        value,
        expires=NOW + min(age, MAX_AGE),
        domain=domain or "",
        path=path,
        secure=True,
        same_site=same_site or "",
    )
    assert parse_cookies(f"x=y; {name}={value}")[name] == value
