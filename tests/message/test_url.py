"""URLs keep their bytes, are read in one way only, and join as RFC 3986 says."""

from __future__ import annotations

import copy
import ipaddress
import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.authority import is_ipv6
from crlf.message.errors import BadUrl, Malformed
from crlf.message.reference import remove_dot_segments
from crlf.message.target import parse_target
from crlf.message.url import URL, Origin, build_pairs

# --- what a URL says


def test_a_url_is_taken_apart() -> None:
    url = URL("HTTP://Shop.Example:8080/Parts/a%2fb;v=1?q=1&Q=%e2#Top")
    assert (url.scheme, url.host, url.explicit_port, url.port) == (
        "http",
        "shop.example",
        8080,
        8080,
    )
    assert (url.path, url.query, url.fragment) == ("/Parts/a%2fb;v=1", "q=1&Q=%e2", "Top")
    assert (url.username, url.password) == (None, None)
    assert url.target == "/Parts/a%2fb;v=1?q=1&Q=%e2"
    assert url.segments == ["Parts", "a/b;v=1"]
    assert url.origin == Origin("http", "shop.example", 8080)
    assert url.is_requestable


@pytest.mark.parametrize(
    ("text", "port", "explicit"),
    [
        ("http://a", 80, None),
        ("https://a", 443, None),
        ("https://a:80", 80, 80),
        ("http://a:", 80, None),
        ("http://a:0", 0, 0),
        ("http://a:65535", 65535, 65535),
        ("http://a:0000080", 80, 80),
        ("wss://a", 443, None),
        ("gopher://a", 0, None),
        ("socks5://a:1080", 1080, 1080),
    ],
)
def test_the_port_is_the_written_one_or_the_schemes(
    text: str, port: int, explicit: int | None
) -> None:
    assert (URL(text).port, URL(text).explicit_port) == (port, explicit)


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize(
    ("text", "authority", "target"),
    [
        ("http://u:p@a/#f", "a", "/"),
        ("http://a?x", "a", "/?x"),
        ("http://a?", "a", "/?"),
        ("http://a:80/", "a", "/"),
        ("http://a:443/", "a:443", "/"),
        ("https://a:443/", "a", "/"),
        ("http://A.Example:8000/b#c", "a.example:8000", "/b"),
        ("http://[2001:DB8::1]:8000/", "[2001:db8::1]:8000", "/"),
        ("http://[fe80::1%25eth0]/", "[fe80::1]", "/"),
        ("http://a.example./", "a.example.", "/"),
    ],
)
def test_neither_userinfo_nor_fragment_nor_zone_is_sent(
    text: str, authority: str, target: str
) -> None:
    assert (URL(text).authority, URL(text).target) == (authority, target)


def test_an_origin_is_written_as_the_origin_field_has_it() -> None:
    assert str(URL("https://u@a.example:443/x").origin) == "https://a.example"
    assert str(URL("http://[::1]:8000/x").origin) == "http://[::1]:8000"


def test_credentials_are_decoded() -> None:
    url = URL("http://us%40er:p%3Aa:ss%C3%A9@a/")
    assert (url.username, url.password) == ("us@er", "p:a:ssé")
    assert (URL("http://u@a/").username, URL("http://u@a/").password) == ("u", None)
    assert (URL("http://:p@a/").username, URL("http://:p@a/").password) == ("", "p")


def test_the_password_is_not_shown() -> None:
    url = URL("http://user:secret@a.example/x?y")
    assert repr(url) == "URL('http://user:***@a.example/x?y')"
    assert url.redacted == "http://user:***@a.example/x?y"
    assert str(url) == "http://user:secret@a.example/x?y"
    assert URL("http://token@a/").redacted == "http://***@a/"
    assert URL("http://token:@a/").redacted == "http://***@a/"
    assert url.without_credentials() == URL("http://a.example/x?y")


def test_other_schemes_are_read_in_their_generic_form() -> None:
    mail = URL("mailto:John.Doe@example.com?subject=a")
    assert (mail.scheme, mail.host, mail.path) == ("mailto", "", "John.Doe@example.com")
    assert not mail.is_requestable
    assert URL("file:///etc/x").path == "/etc/x"
    assert URL("urn:oasis:names").path == "oasis:names"
    assert URL("x://a,b:70/").host == "a,b"
    assert not URL("ws://a/").is_requestable


# --- bytes are kept


@pytest.mark.rfc("3986", "2.3")
@pytest.mark.parametrize(
    "text",
    [
        "http://a.example/%7euser/%7Euser/~user",
        "http://a.example/a/./b/../c//d",
        "http://a.example",
        "http://a.example?",
        "http://a.example/#",
        "http://a.example:/",
        "HTTP://A.Example/",
        "http://u%3a:p!$&'()*+,;=@a.example/",
        "http://a/?X-Amz-Signature=0aF&X-Amz-Credential=AKIA%2F2026%2Fus-east-1&x=a+b%20c",
        "http://a/?filter[name]=x&a[]=1",
        "http://a/?a=b=c;d/e?f:@!$'()*,",
        "https://[2001:DB8::A]:8443/x",
        "tel:+1-816-555-1212",
        "ldap://[2001:db8::7]/c=GB?objectClass?one",
    ],
)
def test_a_valid_url_stays_as_it_came(text: str) -> None:
    assert str(URL(text)) == text


@pytest.mark.rfc("3986", "2.1")
@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("http://a/b c", "http://a/b%20c"),
        ("http://a/ü?ö#ä", "http://a/%C3%BC?%C3%B6#%C3%A4"),
        ('http://a/"<>\\^`{|}', "http://a/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ('http://a/?"<>\\^`{|}', "http://a/?%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("http://a/100%", "http://a/100%25"),
        ("http://a/%zz%4", "http://a/%25zz%254"),
        ("http://a/%%41", "http://a/%25%41"),
        ("http://a/#a#b", "http://a/#a%23b"),
        ("http://ü ser:p|w@a/", "http://%C3%BC%20ser:p%7Cw@a/"),
        ("http://[::1]@a/", "http://%5B::1%5D@a/"),
        ("http://a/\U0001f600", "http://a/%F0%9F%98%80"),
        ("mailto:a b", "mailto:a%20b"),
    ],
)
def test_only_what_has_no_place_in_a_url_is_encoded(text: str, encoded: str) -> None:
    assert str(URL(text)) == encoded


def test_international_hosts_become_a_labels() -> None:
    url = URL("http://BÜCHER.example:8000/")
    assert url.host == "xn--bcher-kva.example"
    assert str(url) == "http://xn--bcher-kva.example:8000/"
    assert URL("http://日本。example/").host == "xn--wgv71a.example"


# --- what is refused


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("/path", "no scheme"),
        ("//a/b", "no scheme"),
        ("a.example/b", "no scheme"),
        ("1http://a/", "no scheme"),
        ("http:", "no host"),
        ("http:/a", "no host"),
        ("http:a", "no host"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("http://?x", "no host"),
        ("http://u@/", "no host"),
        ("http://:80/", "no host"),
        ("http://u:p@:80/", "no host"),
        (" http://a/", "blank"),
        ("http://a/ ", "blank"),
        ("http://a/\n", "control character 0x0a"),
        ("ht\ttp://a/", "control character 0x09"),
        ("http://a/\0", "control character 0x00"),
        ("http://a/\x7f", "control character 0x7f"),
        ("http://a/\x85", "control character 0x85"),
        ("http://a/\ud800", "half of a character"),
        ("http://a\\b/", "backslash"),
        ("http://a\\@b/", "backslash"),
        ("http:\\\\a/", "no host"),
        ("http://good@evil@a/", "two @"),
        ("http://u%FF@a/", "not UTF-8"),
        ("http://a b/", "' ' in the host"),
        ("http://a,b/", "',' in the host"),
        ("http://a%2eb/", "'%' in the host"),
        ("http://a|b/", "'|' in the host"),
        ("http://a..b/", "empty label"),
        ("http://.a/", "empty label"),
        ("http://./", "empty label"),
        ("http://" + "a" * 64 + ".example/", "label of over 63"),
        ("http://" + "a." * 126 + "ab/", "host of over 253"),
        ("http://a:99999/", "port"),
        ("http://a:65536/", "port"),
        ("http://a:+80/", "port"),
        ("http://a:8_0/", "port"),
        ("http://a:٨٠/", "port"),
        ("http://a: 80/", "port"),
        ("http://a:80:80/", "two colons"),
        ("http://::1/", "two colons"),
        ("http://[::1/", "brackets"),
        ("http://[::1]x/", "brackets"),
        ("http://[::g]/", "IPv6"),
        ("http://[]/", "IPv6"),
        ("http://[1.2.3.4]/", "IPv6"),
        ("http://[v1.a]/", "IPv6"),
        ("http://[fe80::1%eth0]/", "IPv6"),
        ("http://[fe80::1%25]/", "zone"),
        ("http://[fe80::1%25a%2fb]/", "zone"),
        ("http://xn--\u0131\u0300\ufffd/", "international"),
        ("x://a b/", "' ' in the host"),
    ],
)
def test_a_bad_url_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(BadUrl, match=reason):
        URL(text)


@pytest.mark.parametrize(
    "host",
    [
        "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "127.0.0.1.", "1.2.3", "1.2.3.4.5",
        "256.1.1.1", "0x", "0X7F000001", "1.2.3.04", "a.1", "a.0x1f", "00.0.0.0", "127.0.0.0x1",
        "a.1.", "999",
    ],
)  # fmt: skip
def test_an_ipv4_address_has_one_spelling(host: str) -> None:
    with pytest.raises(BadUrl, match="four numbers from 0 to 255"):
        URL(f"http://{host}/")


def test_fullwidth_digits_and_slashes_do_not_slip_through_idna() -> None:
    with pytest.raises(BadUrl):
        URL("http://１２７.１/")
    with pytest.raises(BadUrl):
        URL("http://good.example／.evil.example/")
    assert URL("http://１２７.0.0.1/").host == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "a-b.example", "a_b", "1a", "0xg", "3com.example", "a.example.", "-a-",
     "1.example", "xn--wgv71a", "1.2.3.4.example"],
)  # fmt: skip
def test_names_in_use_are_hosts(host: str) -> None:
    assert URL(f"http://{host}:80/x").host == host


def test_a_host_of_253_characters_fits_and_its_last_dot_is_free() -> None:
    host = "a." * 126 + "a"
    assert URL(f"http://{host}/").host == host
    assert URL(f"http://{host}./").host == f"{host}."


def test_no_message_tells_the_password() -> None:
    for text in ("http://u:secret/@a/", "http://u:sec ret@b@a/", "http://u:secret@a:x/"):
        with pytest.raises(BadUrl) as caught:
            URL(text)
        assert "sec" not in str(caught.value)


# --- a value


def test_a_url_is_a_value() -> None:
    url = URL("http://u:p@a.example/b ?c#d")
    assert url == URL("http://u:p@a.example/b%20?c#d")
    assert url != URL("http://u:p@a.example/b%20?c")
    assert url != str(url)
    assert len({url, URL(str(url))}) == 1
    assert pickle.loads(pickle.dumps(url)) == url
    assert copy.deepcopy(url) == url


def test_a_url_cannot_be_changed() -> None:
    url = URL("http://a/")
    with pytest.raises(AttributeError):
        url.host = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        url.more = 1  # type: ignore[attr-defined]


# --- made from another


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("http://a", {"q": "a b&c"}, "http://a?q=a+b%26c"),
        ("http://a/x?", {"q": "1"}, "http://a/x?q=1"),
        ("http://a/x?p=%7e#f", {"q": "ü"}, "http://a/x?p=%7e&q=%C3%BC#f"),
        ("http://a/", {"q": None}, "http://a/"),
        ("http://a/", {}, "http://a/"),
        ("http://a/", {"a": ["x", None, 2], "b": True, "c": False, "d": 1.5},
         "http://a/?a=x&a=2&b=true&c=false&d=1.5"),
        ("http://a/", [("a", "1"), ("b", ("2", "3")), ("a", "#")], "http://a/?a=1&b=2&b=3&a=%23"),
        ("http://a/", {"*-._": "~%+"}, "http://a/?*-._=%7E%25%2B"),
        ("http://a/", {"": ""}, "http://a/?="),
    ],
)  # fmt: skip
def test_params_are_added_to_the_query(text: str, params: object, expected: str) -> None:
    assert str(URL(text).with_params(params)) == expected  # type: ignore[arg-type]


def test_params_of_another_kind_are_a_mistake() -> None:
    with pytest.raises(TypeError, match="not bytes"):
        build_pairs({"a": b"x"})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="not dict"):
        build_pairs({"a": {"b": "c"}})  # type: ignore[dict-item]


def test_a_fragment_is_set_and_removed() -> None:
    url = URL("http://a/b?c#d")
    assert str(url.with_fragment("e f")) == "http://a/b?c#e%20f"
    assert str(url.with_fragment("")) == "http://a/b?c#"
    assert str(url.with_fragment(None)) == "http://a/b?c"


# --- references

RFC_3986_5_4 = """
g:h g:h | g http://a/b/c/g | ./g http://a/b/c/g | g/ http://a/b/c/g/ | /g http://a/g |
//g http://g | ?y http://a/b/c/d;p?y | g?y http://a/b/c/g?y | #s http://a/b/c/d;p?q#s |
g#s http://a/b/c/g#s | g?y#s http://a/b/c/g?y#s | ;x http://a/b/c/;x | g;x http://a/b/c/g;x |
g;x?y#s http://a/b/c/g;x?y#s | . http://a/b/c/ | ./ http://a/b/c/ | .. http://a/b/ |
../ http://a/b/ | ../g http://a/b/g | ../.. http://a/ | ../../ http://a/ | ../../g http://a/g |
../../../g http://a/g | ../../../../g http://a/g | /./g http://a/g | /../g http://a/g |
g. http://a/b/c/g. | .g http://a/b/c/.g | g.. http://a/b/c/g.. | ..g http://a/b/c/..g |
./../g http://a/b/g | ./g/. http://a/b/c/g/ | g/./h http://a/b/c/g/h | g/../h http://a/b/c/h |
g;x=1/./y http://a/b/c/g;x=1/y | g;x=1/../y http://a/b/c/y | g?y/./x http://a/b/c/g?y/./x |
g?y/../x http://a/b/c/g?y/../x | g#s/./x http://a/b/c/g#s/./x | g#s/../x http://a/b/c/g#s/../x
"""
EXAMPLES = [tuple(pair.strip(" \n").split(" ")) for pair in RFC_3986_5_4.split("|")]


@pytest.mark.rfc("3986", "5.4")
@pytest.mark.parametrize(("reference", "expected"), [*EXAMPLES, ("", "http://a/b/c/d;p?q")])
def test_the_examples_of_the_rfc(reference: str, expected: str) -> None:
    assert str(URL("http://a/b/c/d;p?q").join(reference)) == expected


@pytest.mark.rfc("3986", "5.2.2")
def test_a_scheme_alone_inherits_nothing() -> None:
    """5.4.2 has "http:g" for "http:g", which is no URL that has a host."""
    with pytest.raises(BadUrl, match="no host"):
        URL("http://a/b/c/d;p?q").join("http:g")


@pytest.mark.rfc("3986", "5.2")
@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("http://a", "g", "http://a/g"),
        ("http://a?x", "", "http://a?x"),
        ("http://a?x", "?y", "http://a?y"),
        ("http://a", "../g", "http://a/g"),
        ("HTTPS://u:p@A:8443/x/y", "z", "HTTPS://u:p@A:8443/x/z"),
        ("https://u:p@a/x", "//b/y", "https://b/y"),
        ("http://a/b?c#d", "", "http://a/b?c"),
        ("http://a/b?c", "?", "http://a/b?"),
        ("http://a/x", "http://b/c/../d", "http://b/d"),
        ("http://a/b//c/", "../x", "http://a/b//x"),
        ("http://a/b/", "c d?é#|", "http://a/b/c%20d?%C3%A9#%7C"),
        ("http://a/b/", "100%", "http://a/b/100%25"),
        ("http://a/b/", "1:2", "http://a/b/1:2"),
        ("http://a/b", "/\\evil.example", "http://a/%5Cevil.example"),
        ("mailto:a", "b", "mailto:b"),
        ("x:/a/b", "..//c", "x:/.//c"),
        ("x:/a", "/.//c", "x:/.//c"),
    ],
)
def test_references_are_followed(base: str, reference: str, expected: str) -> None:
    assert str(URL(base).join(reference)) == expected


@pytest.mark.parametrize(
    "reference", ["//", "///x", "http://", "\\\nx", " x", "x ", "//a b", "//a\\b", "//1.2/", "//[x"]
)
def test_a_bad_reference_is_refused(reference: str) -> None:
    with pytest.raises(BadUrl):
        URL("http://a/b").join(reference)


def remove_by_the_letter(path: str) -> str:
    """RFC 3986 5.2.4, its two buffers and five rules, for comparison."""
    output: list[str] = []
    while path:
        if path.startswith("../"):
            path = path[3:]
        elif path.startswith(("./", "/./")):
            path = path[2:]
        elif path == "/.":
            path = "/"
        elif path.startswith("/../") or path == "/..":
            path = "/" + path[4:]
            output[-1:] = []
        elif path in (".", ".."):
            path = ""
        else:
            end = path.find("/", 1)
            end = len(path) if end < 0 else end
            output.append(path[:end])
            path = path[end:]
    return "".join(output)


@pytest.mark.rfc("3986", "5.2.4")
@given(st.text("./a", max_size=14))
def test_dot_segments_go_as_by_the_letter(path: str) -> None:
    assert remove_dot_segments(path) == remove_by_the_letter(path)


# --- on a server


@pytest.mark.rfc("9110", "7.1")
@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/a?b", "https://h:81/a?b"),
        ("GET", "//evil/x", "https://h:81//evil/x"),
        ("GET", "http://Other/x", "http://Other/x"),
        ("GET", "http://other", "http://other/"),
        ("OPTIONS", "*", "https://h:81"),
        ("CONNECT", "c:443", "https://c:443"),
        ("GET", "/[|]?{a}=100%", "https://h:81/[%7C]?%7Ba%7D=100%25"),
    ],
)
def test_the_url_of_a_request(method: str, target: str, expected: str) -> None:
    assert str(URL.received("https", "h:81", parse_target(target, method))) == expected


def test_a_request_for_no_host_has_no_url() -> None:
    with pytest.raises(BadUrl, match="no host"):
        URL.received("http", "", parse_target("/", "GET"))


def test_segments_refuse_what_is_no_text() -> None:
    with pytest.raises(Malformed):
        _ = URL("http://a/%FF").segments


# --- properties

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("/:?#[]@!$&'()*+,;=%.\\| \t\r\n\0-_~0129aAzZéß。１"),
        st.characters(),
    ),
    max_size=40,
)


@given(st.one_of(HOSTILE, HOSTILE.map("http://".__add__), HOSTILE.map("https://a".__add__)))
def test_what_is_a_url_stays_one(text: str) -> None:
    try:
        url = URL(text)
    except BadUrl:
        return
    again = URL(str(url))
    assert str(url).isascii()
    assert (str(again), again.host, again.path, again.query, again.fragment, again.username) == (
        str(url), url.host, url.path, url.query, url.fragment, url.username,
    )  # fmt: skip
    if url.is_requestable:
        assert parse_target(url.target, "GET").path == url.path
        assert URL(f"{url.scheme}://{url.authority}{url.target}").target == url.target


@pytest.mark.rfc("3986", "6.1")
@given(
    st.lists(st.sampled_from([*"abAZ09-._~!$&'()*+,;=:@/", "%2f", "%C3", "%00"])).map("".join),
    st.lists(st.sampled_from([*"abAZ09-._~!$&'()*+,;=:@/?[]", "%2F", "%c3"])).map("".join),
)
def test_every_valid_path_and_query_goes_out_as_it_came(path: str, query: str) -> None:
    url = URL(f"http://a.example/{path}?{query}")
    assert url.target == f"/{path}?{query}"


@given(st.one_of(st.just("http://a/b/c?d#e"), st.just("x:a/b"), st.just("http://a")), HOSTILE)
def test_join_raises_nothing_but_bad_url(base: str, reference: str) -> None:
    try:
        joined = URL(base).join(reference)
    except BadUrl:
        return
    assert URL(str(joined)) == joined
    assert reference.startswith(("//", joined.scheme)) or joined.host in ("a", "")


@given(st.text("0123456789abcdefF:.g", max_size=20))
def test_ipv6_is_what_ipaddress_says(text: str) -> None:
    try:
        expected = bool(ipaddress.IPv6Address(text))
    except ValueError:
        expected = False
    assert is_ipv6(text) is expected


@pytest.mark.rfc("3986", "3.2.2")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("::", True),
        ("1:2:3:4:5:6:7::", True),
        ("::2:3:4:5:6:7:8", True),
        ("1:2:3:4:5:6:127.0.0.1", True),
        ("::127.0.0.1", True),
        ("1:2:3:4:5:6:7:8::", False),
        ("1:2:3:4::5:6:7:8", False),
        ("::1:2:3:4:5:6:7:8", False),
        ("1::2::3", False),
        (":::", False),
        ("1:2:3:4:5:6:7", False),
        ("1:2:3:4:5:6:7:127.0.0.1", False),
        ("127.0.0.1::", False),
        ("::127.0.0.1:1", False),
        ("::127.0.1", False),
        ("::127.0.0.01", False),
        ("12345::", False),
        ("::1 ", False),
        ("", False),
    ],
)
def test_ipv6_has_eight_groups_or_a_gap(text: str, expected: bool) -> None:
    assert is_ipv6(text) is expected


@given(st.integers(0, 2**128 - 1))
def test_every_ipv6_address_is_one(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    assert is_ipv6(address.compressed)
    assert is_ipv6(address.exploded)
    assert is_ipv6(":".join([*address.exploded.split(":")[:6], "127.0.0.1"]))


@pytest.mark.parametrize(
    "hostile",
    ["http://" + "a." * 200_000, "http://" + "a" * 400_000, "http://a/" + "%" * 400_000,
     "http://a/" + "%4" * 200_000, "http://a/?" + "é" * 100_000, "http://" + "1." * 200_000,
     "http://" + "@" * 400_000, "http://[" + ":" * 400_000, "http://a:" + "9" * 400_000,
     "http://a/" + "/.." * 150_000 + " ", "http://" + "é" * 400_000, "a" * 400_000],
)  # fmt: skip
def test_hostile_text_takes_linear_time(hostile: str) -> None:
    start = time.process_time()
    for reader in (URL, URL("http://a/b").join):
        try:
            reader(hostile)
        except BadUrl:
            continue
    assert time.process_time() - start < 2  # seconds; quadratic would be minutes
