"""The cookie jar: the storage and retrieval models of RFC 6265bis, draft 22."""

from __future__ import annotations

import json
from threading import Lock, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.fields.cookies import MAX_AGE
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL, Origin
from crlf.rules.cookiefiles import (
    MAX_FIELD,
    Cookie,
    build_netscape,
    parse_json_cookies,
    parse_netscape,
)
from crlf.rules.cookiejar import (
    MAX_FROM_RESPONSE,
    MAX_IN_ALL,
    MAX_OF_DOMAIN,
    CookieJar,
    keeping_cookies,
)
from crlf.rules.redirects import redirecting
from crlf.rules.suffixes import is_public_suffix, is_same_site, parents_of, site_of

NOW = 1_000_000_000.0
SITE = "https://www.site.example/"


def received(url: str, *values: str, now: float = NOW) -> CookieJar:
    jar = CookieJar()
    jar.store(URL(url), values, now)
    return jar


def sent(jar: CookieJar, url: str, now: float = NOW, **options: object) -> str | None:
    return jar.field_for(URL(url), now, **options)  # type: ignore[arg-type]


# --- the examples of section 3.1 -------------------------------------------------------------


@pytest.mark.rfc("6265bis", "3.1")
def test_the_examples_of_the_overview() -> None:
    assert sent(received(SITE, "SID=31d4d96e407aad42"), SITE) == "SID=31d4d96e407aad42"

    wide = received(SITE, "SID=31d4d96e407aad42; Path=/; Domain=site.example")
    assert sent(wide, "https://other.site.example/any") == "SID=31d4d96e407aad42"

    jar = received(
        SITE,
        "SID=31d4d96e407aad42; Path=/; Secure; HttpOnly",
        "lang=en-US; Path=/; Domain=site.example",
    )
    assert sent(jar, SITE) == "SID=31d4d96e407aad42; lang=en-US"

    url = URL(SITE)
    jar = received(SITE, "SID=31d4d96e407aad42; Path=/; Secure; HttpOnly")
    jar.store(url, ["lang=en-US; Expires=Wed, 09 Jun 2021 10:18:14 GMT"], NOW)
    assert sent(jar, SITE) == "SID=31d4d96e407aad42; lang=en-US"
    jar.store(url, ["lang=; Expires=Sun, 06 Nov 1994 08:49:37 GMT"], NOW)
    assert sent(jar, SITE) == "SID=31d4d96e407aad42"


@pytest.mark.rfc("6265bis", "5.7")
def test_a_jar_is_asked_for_names_and_for_cookies() -> None:
    jar = received(SITE, "lang=en")
    assert "lang" in jar
    assert "en" not in jar
    assert next(iter(jar)) in jar
    assert None not in jar


def test_only_the_same_domain_and_path_remove_a_cookie() -> None:
    jar = received(SITE, "a=1; Path=/; Domain=site.example")
    for miss in ("a=; Max-Age=0; Path=/", "a=; Max-Age=0; Path=/x; Domain=site.example"):
        jar.store(URL(SITE), [miss], NOW)
        assert sent(jar, SITE) == "a=1"
    jar.store(URL(SITE), ["a=; Max-Age=0; Path=/; Domain=.SITE.example"], NOW)
    assert sent(jar, SITE) is None
    assert len(jar) == 0


# --- prefixes --------------------------------------------------------------------------------

# RFC 6265bis 5.4: ten that are rejected and six that are taken, from a secured origin.
REJECTED = [
    "__Secure-SID=12345; Domain=site.example",
    "__secure-SID=12345; Domain=site.example",
    "__SECURE-SID=12345; Domain=site.example",
    "__Host-SID=12345",
    "__host-SID=12345; Secure",
    "__host-SID=12345; Domain=site.example",
    "__HOST-SID=12345; Domain=site.example; Path=/",
    "__Host-SID=12345; Secure; Domain=site.example; Path=/",
    "__host-SID=12345; Secure; Domain=site.example; Path=/",
    "__HOST-SID=12345; Secure; Domain=site.example; Path=/",
]
TAKEN = [
    "__Secure-SID=12345; Domain=site.example; Secure",
    "__secure-SID=12345; Domain=site.example; Secure",
    "__SECURE-SID=12345; Domain=site.example; Secure",
    "__Host-SID=12345; Secure; Path=/",
    "__host-SID=12345; Secure; Path=/",
    "__HOST-SID=12345; Secure; Path=/",
]


@pytest.mark.rfc("6265bis", "5.4")
@pytest.mark.parametrize("value", REJECTED)
def test_a_prefix_that_promises_too_much_is_rejected(value: str) -> None:
    jar = CookieJar()
    (reason,) = jar.store(URL("https://site.example/"), [value], NOW)
    assert "prefix" in reason
    assert "12345" not in reason
    assert len(jar) == 0


@pytest.mark.rfc("6265bis", "5.4")
@pytest.mark.parametrize("value", TAKEN)
def test_a_prefix_that_keeps_its_promise_is_taken(value: str) -> None:
    jar = CookieJar()
    assert jar.store(URL("https://site.example/"), [value], NOW) == []
    assert sent(jar, "https://site.example/") == value.partition(";")[0]
    assert jar.store(URL("http://site.example/"), [value], NOW) != []


@pytest.mark.rfc("6265bis", "5.7")
@pytest.mark.parametrize(
    "value", ["=__Host-SID=1", "__Secure-SID", "=__HOST-SID=1; Secure; Path=/", "__host-x; Path=/"]
)
def test_a_value_without_a_name_cannot_pose_as_a_prefix(value: str) -> None:
    jar = CookieJar()
    (reason,) = jar.store(URL("https://site.example/"), [value], NOW)
    assert "prefix" in reason


@pytest.mark.rfc("6265bis", "5.7")
def test_a_path_attribute_that_says_nothing_counts_as_one() -> None:
    value = "__Host-a=1; Secure; Path="
    assert sent(received("https://site.example/x", value), "https://site.example/") is not None
    assert sent(received("https://site.example/x/y", value), "https://site.example/x/") is None


# --- who it is for ---------------------------------------------------------------------------


@pytest.mark.rfc("6265bis", "5.1.3")
@pytest.mark.parametrize(
    ("attribute", "host", "goes"),
    [
        ("", "www.site.example", True),
        ("", "site.example", False),
        ("", "a.www.site.example", False),
        ("; Domain=www.site.example", "www.site.example", True),
        ("; Domain=www.site.example", "a.www.site.example", True),
        ("; Domain=www.site.example", "site.example", False),
        ("; Domain=site.example", "site.example", True),
        ("; Domain=site.example", "b.site.example", True),
        ("; Domain=.site.example", "b.site.example", True),
        ("; Domain=SITE.Example", "b.site.example", True),
        ("; Domain=site.example", "evilsite.example", False),
        ("; Domain=site.example", "site.example.evil.example", False),
        ("; Domain=", "www.site.example", True),
        ("; Domain=; Domain=site.example", "b.site.example", True),
        ("; Domain=site.example; Domain=", "b.site.example", False),
    ],
)
def test_domains_match_at_labels(attribute: str, host: str, goes: bool) -> None:
    jar = received(SITE, f"a=1{attribute}")
    assert (sent(jar, f"https://{host}/") is not None) == goes


@pytest.mark.rfc("6265bis", "5.7")
@pytest.mark.parametrize(
    "domain",
    ["other.example", "a.www.site.example", "ww.site.example", "te.example", "site.example.", ".."],
)
def test_no_host_speaks_for_another(domain: str) -> None:
    jar = CookieJar()
    (reason,) = jar.store(URL(SITE), [f"a=1; Domain={domain}"], NOW)
    assert "Domain" in reason
    assert len(jar) == 0


@pytest.mark.rfc("6265bis", "5.1.3")
@pytest.mark.parametrize(
    ("host", "domain"),
    [("1.2.3.4", "3.4"), ("1.2.3.4", "2.3.4"), ("1.2.3.4", "4"), ("[::1]", "1"), ("[::1]", ":1")],
)
def test_an_address_matches_itself_alone(host: str, domain: str) -> None:
    jar = CookieJar()
    assert jar.store(URL(f"http://{host}/"), [f"a=1; Domain={domain}"], NOW) != []
    jar.store(URL(f"http://{host}/"), ["b=2"], NOW)
    assert sent(jar, f"http://{host}:81/") == "b=2"  # cookies know no ports
    assert sent(jar, "http://9.2.3.4/") is None


def test_an_address_may_name_itself() -> None:
    assert sent(received("http://1.2.3.4/", "a=1; Domain=1.2.3.4"), "http://1.2.3.4/") == "a=1"


@pytest.mark.rfc("6265bis", "5.7")
@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.site.com", "com"),
        ("www.site.co.uk", "co.uk"),
        ("me.github.io", "github.io"),
        ("www.site.test-tld", "test-tld"),
        ("www.xn--55qx5d.cn", "xn--55qx5d.cn"),
        ("x.anything.ck", "anything.ck"),
    ],
)
def test_no_cookie_for_a_public_suffix(host: str, domain: str) -> None:
    jar = CookieJar()
    (reason,) = jar.store(URL(f"https://{host}/"), [f"a=1; Domain={domain}"], NOW)
    assert "public suffix" in reason
    unchecked = CookieJar(public_suffix=None)
    assert unchecked.store(URL(f"https://{host}/"), [f"a=1; Domain={domain}"], NOW) == []


@pytest.mark.rfc("6265bis", "5.7")
@pytest.mark.parametrize("host", ["github.io", "localhost", "co.uk"])
def test_a_public_suffix_may_keep_cookies_to_itself(host: str) -> None:
    jar = received(f"http://{host}/", f"a=1; Domain={host}")
    assert sent(jar, f"http://{host}/") == "a=1"
    assert sent(jar, f"http://x.{host}/") is None
    assert [cookie.host_only for cookie in jar] == [True]


def test_public_suffixes_and_sites() -> None:
    for suffix in ("com", "co.uk", "github.io", "a.ck", "xn--55qx5d.cn", "unknown-tld"):
        assert is_public_suffix(suffix)
    for domain in (
        "site.com",
        "site.co.uk",
        "www.ck",
        "amazonaws.com",
        "1.2.3.4",
        "::1",
        "xn--.cn",
    ):
        assert not is_public_suffix(domain)
    assert site_of("a.b.site.co.uk", is_public_suffix) == "site.co.uk"
    assert site_of("x.y.compute.amazonaws.com", is_public_suffix) == "x.y.compute.amazonaws.com"
    assert site_of("localhost", is_public_suffix) == "localhost"
    assert site_of("1.2.3.4", is_public_suffix) == "1.2.3.4"
    assert is_same_site("a.site.com", "site.com", is_public_suffix)
    assert not is_same_site("a.github.io", "b.github.io", is_public_suffix)
    assert not is_same_site("a.site.com", "site.com", None)
    assert not is_same_site("1.2.3.4", "2.2.3.4", is_public_suffix)
    assert parents_of("a.b.example.") == ("b.example.", "example.")


@pytest.mark.rfc("6265bis", "5.1.4")
@pytest.mark.parametrize(
    ("came_from", "attribute", "goes_to", "goes"),
    [
        ("/", "", "/x", True),
        ("/a/b", "", "/a", True),
        ("/a/b", "", "/a/c", True),
        ("/a/b", "", "/ab", False),
        ("/a/b/", "", "/a/b/c", True),
        ("/a/b/", "", "/a/c", False),
        ("/", "; Path=/a", "/a", True),
        ("/", "; Path=/a", "/a/b", True),
        ("/", "; Path=/a", "/ab", False),
        ("/", "; Path=/a/", "/a/b", True),
        ("/", "; Path=/a/", "/a", False),
        ("/a/b", "; Path=c", "/a/x", True),  # no slash: the folder of the request
        ("/a/b", "; Path=/qux", "/qux", True),  # any path may be named
        ("/", "; Path=/a", "/A", False),
        ("/", "; Path=/a", "/%61", False),
    ],
)
def test_paths_match_at_slashes(came_from: str, attribute: str, goes_to: str, goes: bool) -> None:
    jar = received(f"https://a.example{came_from}", f"n=1{attribute}")
    assert (sent(jar, f"https://a.example{goes_to}") is not None) == goes


# --- Secure ----------------------------------------------------------------------------------


@pytest.mark.rfc("6265bis", "5.7")
def test_secure_cookies_need_a_secured_connection_both_ways() -> None:
    jar = CookieJar()
    (reason,) = jar.store(URL("http://a.example/"), ["a=1; Secure"], NOW)
    assert "plain connection" in reason
    jar.store(URL("https://a.example/"), ["a=1; Secure", "b=2"], NOW)
    assert sent(jar, "https://a.example/") == "a=1; b=2"
    assert sent(jar, "http://a.example/") == "b=2"


@pytest.mark.rfc("6265bis", "5.7")
@pytest.mark.parametrize(
    ("url", "value", "is_taken"),
    [
        ("http://www.site.example/", "a=evil; Path=/login", False),
        ("http://www.site.example/", "a=evil; Path=/login/en", False),
        ("http://www.site.example/", "a=; Max-Age=0; Path=/login", False),
        ("http://www.site.example/", "a=evil; Path=/", True),
        ("http://www.site.example/", "a=evil; Path=/foo", True),
        ("http://www.site.example/", "b=other name; Path=/login", True),
        ("http://www.site.example/", "a=evil; Path=/login; Domain=site.example", False),
        ("http://site.example/", "a=evil; Path=/login; Domain=site.example", False),
        ("http://x.www.site.example/", "a=evil; Path=/login", False),
        ("http://other.site.example/", "a=evil; Path=/login", True),
        ("https://www.site.example/", "a=mine; Path=/login", True),
    ],
)
def test_a_plain_connection_cannot_overlay_a_secure_cookie(
    url: str, value: str, is_taken: bool
) -> None:
    jar = received(SITE, "a=1; Secure; Path=/login")
    assert (jar.store(URL(url), [value], NOW) == []) == is_taken
    field = sent(jar, "https://www.site.example/login")
    if not is_taken:
        assert field == "a=1"


# --- SameSite --------------------------------------------------------------------------------


@pytest.mark.rfc("6265bis", "5.7")
def test_same_site_none_needs_secure() -> None:
    jar = CookieJar()
    assert jar.store(URL(SITE), ["a=1; SameSite=None"], NOW) != []
    assert jar.store(URL(SITE), ["a=1; SameSite=None; Secure"], NOW) == []


@pytest.mark.rfc("6265bis", "5.8.3")
@pytest.mark.parametrize(
    ("first", "is_safe_method", "field"),
    [
        (None, True, "s=1; l=2; d=3; n=4"),
        (None, False, "s=1; l=2; d=3; n=4"),
        ("sso.site.example", False, "s=1; l=2; d=3; n=4"),
        ("other.example", True, "l=2; d=3; n=4"),
        ("other.example", False, "n=4"),
    ],
)
def test_a_redirect_from_another_site_is_cross_site(
    first: str | None, is_safe_method: bool, field: str
) -> None:
    jar = received(
        SITE, "s=1; SameSite=Strict", "l=2; SameSite=Lax", "d=3", "n=4; SameSite=None; Secure"
    )
    origin = None if first is None else Origin("http", first, 80)
    assert sent(jar, SITE, is_safe_method=is_safe_method, first=origin) == field


# --- times and order -------------------------------------------------------------------------


@pytest.mark.rfc("6265bis", "5.5")
def test_nothing_lives_longer_than_400_days() -> None:
    jar = received(
        SITE, "a=1; Max-Age=99999999999", "b=2; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "c=3"
    )
    assert [cookie.expires for cookie in jar] == [NOW + MAX_AGE, NOW + MAX_AGE, None]
    assert sent(jar, SITE, NOW + MAX_AGE - 1) == "a=1; b=2; c=3"
    assert sent(jar, SITE, NOW + MAX_AGE) == "c=3"
    assert len(jar) == 3
    jar.expire(NOW + MAX_AGE)
    assert len(jar) == 1


@pytest.mark.rfc("6265bis", "5.7")
def test_max_age_counts_more_than_expires() -> None:
    past = "Expires=Sun, 06 Nov 1994 08:49:37 GMT"
    assert sent(received(SITE, f"a=1; Max-Age=10; {past}"), SITE) == "a=1"
    assert sent(received(SITE, f"a=1; Max-Age=-1; {past}"), SITE) is None


@pytest.mark.rfc("6265bis", "5.8.3")
def test_longer_paths_go_first_then_older_cookies() -> None:
    url = URL("https://www.site.example/a/b")
    jar = CookieJar()
    jar.store(url, ["old=1; Path=/", "wide=2; Path=/; Domain=site.example", "deep=3"], NOW)
    jar.store(url, ["deeper=4; Path=/a/b", "new=5; Path=/"], NOW)
    assert sent(jar, str(url)) == "deeper=4; deep=3; old=1; wide=2; new=5"
    jar.store(url, ["old=changed; Path=/"], NOW + 10)
    assert sent(jar, str(url)) == "deeper=4; deep=3; old=changed; wide=2; new=5"


def test_a_clock_that_steps_back_changes_no_order() -> None:
    jar = received(SITE, "a=1")
    jar.store(URL(SITE), ["b=2"], NOW - 1000)
    assert sent(jar, SITE) == "a=1; b=2"


@pytest.mark.rfc("6265bis", "5.8.3")
def test_names_and_values_that_are_empty() -> None:
    assert sent(received(SITE, "a="), SITE) == "a="
    assert sent(received(SITE, "alone"), SITE) == "alone"
    assert sent(received(SITE, "=alone"), SITE) == "alone"
    assert sent(received(SITE, "="), SITE) is None
    assert sent(received(SITE, 'q="a b\t\xe9"'), SITE) == 'q="a b\t\xe9"'


@pytest.mark.rfc("6265bis", "5.6")
@pytest.mark.parametrize(
    "value", ["", ";", "a=b\0", "a\x7f=b", "a=" + "x" * 4096, "a=1; Domain=\xe9"]
)
def test_what_the_parser_drops_is_said(value: str) -> None:
    jar = CookieJar()
    (reason,) = jar.store(URL(SITE), [value], NOW)
    assert reason.isprintable()
    assert len(reason) < 200


def test_a_value_without_a_name_is_in_no_reason() -> None:
    jar = CookieJar()
    (reason,) = jar.store(URL(SITE), ["hush\0; Path=/"], NOW)
    assert "hush" not in reason


# --- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [MAX_FROM_RESPONSE - 1, MAX_FROM_RESPONSE, MAX_FROM_RESPONSE + 1])
def test_a_response_sets_so_many_cookies_and_no_more(count: int) -> None:
    jar = CookieJar()
    refused = jar.store(URL(SITE), (f"a{number}=1" for number in range(count)), NOW)
    assert len(jar) == min(count, MAX_FROM_RESPONSE)
    assert len(refused) == max(0, count - MAX_FROM_RESPONSE)


@pytest.mark.rfc("6265bis", "5.7")
def test_a_full_domain_loses_what_is_not_secure_and_was_not_used_for_longest() -> None:
    jar = received(SITE, *[f"s{number}=1; Secure" for number in range(MAX_OF_DOMAIN - 3)])
    jar.store(URL(SITE), ["used=1; Path=/x"], NOW + 1)
    jar.store(URL(SITE), ["idle=1; Path=/y", "short=1; Max-Age=5"], NOW + 2)
    assert len(jar) == MAX_OF_DOMAIN
    sent(jar, f"{SITE}x", NOW + 3)
    jar.store(URL(SITE), ["first=1"], NOW + 10)  # what has expired goes first of all
    assert jar.get("short") is None
    jar.store(URL(SITE), ["second=1"], NOW + 11)
    assert jar.get("idle") is None
    jar.store(URL(SITE), ["third=1"], NOW + 12)
    assert jar.get("used") is None
    assert jar.get("first") == "1"
    assert len(jar) == MAX_OF_DOMAIN
    for number in range(100):  # no number of plain cookies drives a Secure one out
        jar.store(URL("http://www.site.example/"), [f"flood{number}=1"], NOW + 13)
    assert all(jar.get(f"s{number}") for number in range(MAX_OF_DOMAIN - 3))


@pytest.mark.rfc("6265bis", "5.7")
def test_a_full_jar_loses_what_was_not_used_for_longest() -> None:
    jar = CookieJar()
    for number in range(MAX_IN_ALL):
        jar.store(URL(f"https://h{number}.example/"), [f"a{number}=1"], NOW + number)
    assert len(jar) == MAX_IN_ALL
    later = NOW + MAX_IN_ALL
    sent(jar, "https://h0.example/", later)
    jar.store(URL(SITE), ["x=1", "y=2"], later)
    assert len(jar) == MAX_IN_ALL
    assert jar.get("a0") == "1"
    assert jar.get("a1") is None
    assert jar.get("a2") is None
    assert jar.get("a3") == "1"


def test_a_cookie_field_has_an_end() -> None:
    jar = received(SITE, *[f"a{number}={'x' * 4000}" for number in range(10)], "small=1")
    field = sent(jar, SITE)
    assert field is not None
    assert len(field) <= MAX_FIELD
    assert field.endswith("; small=1")


# --- the user's own --------------------------------------------------------------------------


def test_cookies_of_the_user_for_a_host_a_domain_and_whatever_is_asked() -> None:
    jar = CookieJar()
    jar.set("host", "1", "site.example")
    jar.set("below", "2", ".site.example")
    jar.set("any", "3")
    assert sent(jar, "http://site.example/") == "host=1; below=2; any=3"
    assert sent(jar, "http://www.site.example/") == "below=2; any=3"
    assert sent(jar, "http://other.example/") == "any=3"
    assert sent(jar, "http://other.example/", first=Origin("http", "site.example", 80)) is None
    jar.set("any", "4", secure=True)
    assert sent(jar, "http://other.example/") is None
    assert len(jar) == 3


def test_as_many_cookies_for_any_host_as_the_user_wants() -> None:
    jar = CookieJar()
    for number in range(MAX_OF_DOMAIN + 10):
        jar.set(f"a{number}", "1")
    assert len(jar) == MAX_OF_DOMAIN + 10


@pytest.mark.parametrize(
    ("name", "value", "domain", "options"),
    [
        ("a;b", "1", "", {}),
        ("a=b", "1", "", {}),
        ("a", "1\r\nx: y", "", {}),
        ("a", "1; b=2", "", {}),
        ("a", "\u20ac", "", {}),
        ("a", " 1", "", {}),
        ("", "", "", {}),
        ("a", "x" * 4096, "", {}),
        ("a", "1", "a b", {}),
        ("a", "1", "localhost:80", {}),
        ("a", "1", ".", {}),
        ("a", "1", "1.2", {}),
        ("a", "1", "a.example", {"path": "x"}),
        ("a", "1", "a.example", {"path": "/\n"}),
        ("a", "1", "a.example", {"same_site": "lax"}),
        ("a", "1", "a.example", {"same_site": "None"}),
        ("a", "1", "a.example", {"expires": -1.0}),
        ("a", "1", "a.example", {"expires": float("nan")}),
        ("__Host-a", "1", ".a.example", {"secure": True}),
        ("__Secure-a", "1", "a.example", {}),
    ],
)
def test_what_could_not_be_sent_cannot_be_set(
    name: str, value: str, domain: str, options: dict[str, object]
) -> None:
    with pytest.raises(Malformed):
        CookieJar().set(name, value, domain, **options)  # type: ignore[arg-type]


def test_what_a_jar_shows() -> None:
    jar = received(SITE, "a=1; Path=/x", "a=2", "b=3")
    assert jar.get("a") == "2"
    assert jar.get("c") is None
    assert jar.get("c", "none") == "none"
    assert [(cookie.name, cookie.path) for cookie in jar] == [("a", "/x"), ("a", "/"), ("b", "/")]
    assert "3" not in repr(list(jar)[2])
    assert repr(jar) == "<CookieJar of 3 cookies>"


def test_clear() -> None:
    jar = received(SITE, "a=1", "b=2; Domain=site.example")
    jar.clear("other.example")
    jar.clear("Site.example")
    assert sent(jar, SITE) == "a=1"
    jar.clear()
    assert len(jar) == 0
    jar.store(URL(SITE), ["a=1"], NOW)
    assert len(jar) == 1


# --- at rest ---------------------------------------------------------------------------------

EVERYTHING = (
    "a=1; Secure; HttpOnly; SameSite=Strict; Partitioned; Max-Age=1000; Path=/x",
    "b=2; Domain=site.example; SameSite=Lax",
    "nameless",
    'c="\xe9 \t"',
)


@pytest.mark.rfc("6265bis", "5.7")
def test_json_keeps_everything_and_host_only_above_all() -> None:
    jar = received(SITE, *EVERYTHING)
    jar.set("any", "1")
    again = CookieJar.from_json(jar.as_json())
    assert list(again) == list(jar)
    assert sent(again, "https://x.www.site.example/") == "b=2; any=1"
    again.store(URL(SITE), ["z=1"], NOW)
    assert [cookie.name for cookie in again][-1] == "z"
    assert jar.as_json().isascii()


def test_cookies_of_the_session_may_be_left_out() -> None:
    jar = received(SITE, *EVERYTHING)
    assert [cookie.name for cookie in CookieJar.from_json(jar.as_json(session=False))] == ["a"]


@given(st.lists(st.text(st.characters(max_codepoint=0xFF)), max_size=5), st.booleans())
def test_whatever_a_server_sets_survives_json(values: list[str], is_secure: bool) -> None:
    url = URL(f"http{'s' * is_secure}://a.site.example/x;y/z")
    jar = CookieJar()
    jar.store(url, [f"{value}; Max-Age=10" for value in values] + values, NOW)
    assert list(CookieJar.from_json(jar.as_json())) == list(jar)
    field = jar.field_for(url, NOW)
    if field is not None:
        assert Headers({"cookie": field})  # what is sent may stand in a field


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"format": "other", "cookies": []}',
        '{"format": "crlf cookies 1"}',
        '{"format": "crlf cookies 1", "cookies": [1]}',
    ],
)
def test_json_that_is_no_jar_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        CookieJar.from_json(text)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": 1},
        {"value": "a\r\nx: y"},
        {"domain": "Site.example"},
        {"domain": "evil\n"},
        {"secure": 1},
        {"host_only": "false"},
        {"expires": "soon"},
        {"expires": True},
        {"expires": 10**400},
        {"created": float("inf")},
        {"created": None},
        {"path": ""},
        {"same_site": "x"},
        {"domain": "", "host_only": False},
    ],
)
def test_json_is_checked_entry_by_entry(entry: dict[str, object]) -> None:
    whole = {"name": "a", "value": "1", "domain": "site.example", "created": 5} | entry
    text = json.dumps({"format": "crlf cookies 1", "cookies": [whole]})
    with pytest.raises(Malformed, match="cookie 1"):
        parse_json_cookies(text)


NETSCAPE = """# Netscape HTTP Cookie File
# a comment

.site.example\tTRUE\t/\tTRUE\t1000000500\twide\t1
#HttpOnly_www.site.example\tFALSE\t/x\tFALSE\t0\thost\ta\tb\r
www.site.example\tFALSE\t/\tFALSE\t0\tempty
"""


def test_netscape_files_are_read_as_curl_writes_them() -> None:
    jar = CookieJar()
    assert jar.load(parse_netscape(NETSCAPE), NOW) == []
    wide, host, empty = jar
    assert (wide.domain, wide.host_only, wide.secure, wide.expires) == (
        "site.example", False, True, NOW + 500,
    )  # fmt: skip
    assert (host.host_only, host.http_only, host.path, host.expires) == (True, True, "/x", None)
    assert host.value == "a\tb"
    assert empty.value == ""
    assert sent(jar, "https://b.site.example/") == "wide=1"
    assert sent(jar, "https://www.site.example/x") == "host=a\tb; wide=1; empty="


def test_netscape_files_keep_host_only() -> None:
    jar = received(SITE, *EVERYTHING[:2], "t=a\tb", "p=1; Path=/a\tb")
    jar.set("any", "1")
    text = build_netscape(jar)
    again = CookieJar()
    again.load(parse_netscape(text), NOW)
    kept = [
        (cookie.name, cookie.domain, cookie.host_only, cookie.secure, cookie.http_only)
        for cookie in again
    ]
    assert kept == [
        ("a", "www.site.example", True, True, True),
        ("b", "site.example", False, False, False),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "nothing",
        "a.example FALSE / FALSE 0 a b",
        "a.example\tFALSE\t/\tFALSE\t-1\ta\tb",
        "a.example\tFALSE\t/\tFALSE\t1_0\ta\tb",
        "a.example\tfalse\t/\tFALSE\t0\ta\tb",
        "a.example\tFALSE\t\tFALSE\t0\ta\tb",
        "\tFALSE\t/\tFALSE\t0\ta\tb",
        "a b\tFALSE\t/\tFALSE\t0\ta\tb",
        "a.example\tFALSE\t/\tFALSE\t0\ta\tb\x0bc",
        ".a.example\tTRUE\t/\tTRUE\t0\t__Host-a\tb",
    ],
)
def test_netscape_lines_that_are_none_are_named(line: str) -> None:
    with pytest.raises(Malformed, match="line 2"):
        parse_netscape(f"# x\n{line}\n")


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_netscape_text_is_read_or_refused(text: str) -> None:
    try:
        cookies = parse_netscape(f"a.example\tFALSE\t/\tFALSE\t0\t{text}")
    except Malformed:
        return
    assert [cookie.name for cookie in parse_netscape(build_netscape(cookies))] == [
        cookie.name for cookie in cookies
    ]


def test_a_foreign_file_is_trusted_no_more_than_a_server() -> None:
    jar = CookieJar()
    refused = jar.load(
        [
            Cookie("a", "1", "co.uk", host_only=False),
            Cookie("b", "1", "com", host_only=False),
            Cookie("c", "1\n", "site.example"),
            Cookie("d", "1", "site.example", expires=NOW * 2),
            Cookie("e", "1", "site.example", expires=NOW - 1),
        ],
        NOW,
    )
    assert [reason.split(":")[0] for reason in refused] == ["'a'", "'b'", "'c'"]
    assert [(cookie.name, cookie.expires) for cookie in jar] == [("d", NOW + MAX_AGE)]


# --- the filter ------------------------------------------------------------------------------


class Browsing:
    """A user behind redirecting and keeping_cookies; notes the Cookie field of each hop."""

    def __init__(self, jar: CookieJar) -> None:
        self.fields: list[str | None] = []
        self._outer = redirecting(methods=None)
        self._inner = keeping_cookies(jar, lambda: NOW)

    def ask(self, request: Request, *responses: Response) -> Response:
        answers, outside = iter(responses), self._outer(request)
        wanted = next(outside)
        while True:
            inside = self._inner(wanted)
            self.fields.append(next(inside).headers.first("cookie"))
            try:
                inside.send(next(answers))
            except StopIteration as kept:
                try:
                    wanted = outside.send(kept.value)
                except StopIteration as done:
                    answer: Response = done.value
                    return answer


def test_an_empty_jar_leaves_the_request_as_it_is() -> None:
    request = Request("GET", SITE, {"cookie": "mine=1"})
    steps = keeping_cookies(CookieJar(), lambda: NOW)(request)
    assert next(steps) is request
    response = Response(200)
    with pytest.raises(StopIteration) as done:
        steps.send(response)
    assert done.value.value is response


def test_cookies_are_kept_and_looked_at_anew_at_each_hop() -> None:
    jar = CookieJar()
    user = Browsing(jar)
    user.ask(
        Request("GET", "https://a.example/"),
        Response(302, [("set-cookie", "sid=1; Path=/in"), ("location", "/in")]),
        Response(302, [("set-cookie", "x=2"), ("location", "https://b.example/")]),
        Response(302, [("set-cookie", "b=3"), ("location", "https://a.example/in/end")]),
        Response(404, {"set-cookie": "late=4"}),
    )
    assert user.fields == [None, "sid=1", None, "sid=1; x=2"]
    assert jar.get("late") == "4"


def test_cookies_of_the_caller_win_and_end_at_his_origin() -> None:
    jar = received("https://a.example/", "a=jar", "b=jar")
    jar.store(URL("https://b.example/"), ["c=jar"], NOW)
    jar.set("any", "5")
    user = Browsing(jar)
    user.ask(
        Request("GET", "https://a.example/", {"cookie": "a=mine; d=mine"}),
        Response(302, {"location": "/same"}),
        Response(302, {"location": "https://b.example/"}),
        Response(200),
    )
    merged = "a=mine; d=mine; b=jar; any=5"
    assert user.fields == [merged, merged, "c=jar"]


@pytest.mark.rfc("6265bis", "5.8.1")
def test_there_is_never_more_than_one_cookie_field() -> None:
    jar = received(SITE, "c=3")
    request = Request("GET", SITE, [("cookie", "a=1"), ("Cookie", "b=2")])
    steps = keeping_cookies(jar, lambda: NOW)(request)
    assert next(steps).headers.get_all("cookie") == ["a=1; b=2; c=3"]


def test_a_stranger_cannot_redirect_a_post_into_a_session() -> None:
    jar = received("https://bank.example/", "sid=1; SameSite=Lax", "old=2")
    user = Browsing(jar)
    user.ask(
        Request("POST", "https://evil.example/", content=b"x"),
        Response(307, {"location": "https://bank.example/transfer"}),
        Response(200),
    )
    assert user.fields == [None, None]


def test_refused_cookies_are_named_in_the_response() -> None:
    user = Browsing(CookieJar())
    response = Response(200, [("set-cookie", "ok=1"), ("set-cookie", "__Host-x=1")])
    answer = user.ask(Request("GET", SITE), response)
    assert answer.extras["cookies_refused"] == [
        "'__Host-x': the prefix __Host- needs Secure, Path=/ and no Domain"
    ]


@pytest.mark.rfc("9110", "9.3.8")
def test_trace_takes_no_cookies_along() -> None:
    user = Browsing(received(SITE, "a=1"))
    user.ask(Request("TRACE", SITE), Response(200))
    assert user.fields == [None]


def test_the_same_head_gives_the_same_head() -> None:
    rules = keeping_cookies(received(SITE, "a=1"), lambda: NOW)
    request = Request("GET", SITE, {"accept": "*/*"})
    assert next(rules(request)).headers is next(rules(request)).headers


# --- threads ---------------------------------------------------------------------------------


def test_every_change_is_made_under_the_guard() -> None:
    entered: list[str] = []

    class Guard:
        def __enter__(self) -> None:
            entered.append("in")

        def __exit__(self, *_: object) -> None:
            entered.append("out")

    jar = CookieJar(guard=Guard())
    jar.store(URL(SITE), ["a=1"], NOW)
    jar.set("b", "2")
    jar.load([Cookie("c", "3", "site.example")], NOW)
    jar.expire(NOW)
    jar.clear()
    assert entered == ["in", "out"] * 5


def test_threads_with_a_guard_lose_nothing_and_readers_need_none() -> None:
    jar, url = CookieJar(guard=Lock()), URL(SITE)

    def storing(start: int) -> None:
        for number in range(start, start + 12):
            jar.store(url, [f"a{number}=1"], NOW)
            jar.field_for(url, NOW)
            list(jar)

    threads = [Thread(target=storing, args=(start,)) for start in (0, 12, 24, 36)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jar) == 48
