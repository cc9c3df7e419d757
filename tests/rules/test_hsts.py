"""Hosts that are asked over https alone: who may say so, of whom, for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.fields.transportsecurity import (
    LONGEST,
    TransportSecurity,
    parse_transport_security,
)
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.rules import hsts
from crlf.rules.hsts import Hsts, SecureHost
from crlf.rules.redirects import redirecting

NOW = 1_000_000.0


def answer(url: str, *values: str) -> Response:
    response = Response(200, [("strict-transport-security", value) for value in values])
    response.request = Request("GET", url)
    return response


def told(*said: tuple[str, str]) -> Hsts:
    store = Hsts()
    for url, value in said:
        store.learn(answer(url, value), NOW)
    return store


# --- the field -----------------------------------------------------------------------------------


@pytest.mark.rfc("6797", "6.1")
@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("max-age=31536000", TransportSecurity(31536000)),
        ("max-age=15768000 ; includeSubDomains", TransportSecurity(15768000, True)),
        ('max-age="31536000"', TransportSecurity(31536000)),
        ("max-age=0", TransportSecurity(0)),
        ('max-age="0"; includeSubDomains', TransportSecurity(0, True)),
        ("MAX-AGE=1;INCLUDESUBDOMAINS;preload", TransportSecurity(1, True)),
        (';;max-age = 7 ;; x="a;b" ;', TransportSecurity(7)),
        ("max-age=" + "9" * 5000, TransportSecurity(LONGEST)),
        ("max-age=" + "0" * 30 + "5", TransportSecurity(5)),
    ],
)
def test_a_field_says(text: str, meaning: TransportSecurity) -> None:
    assert parse_transport_security(text) == meaning


@pytest.mark.rfc("6797", "6.1")
@pytest.mark.parametrize(
    "text",
    [
        "", "includeSubDomains", "max-age", "max-age=", "max-age=x", "max-age=-1", "max-age=1.5",
        "max-age=+1", "max-age=1_0", "max-age=1, max-age=2", "max-age=1; max-age=1",
        "max-age=1; includeSubDomains; includesubdomains", "max-age=1; includeSubDomains=yes",
        "max-age=1 2", "max-age=1; =x", 'max-age="1', "max-age=\u0661", "max-age=1; a@b",
        'max-age=""', "max-age=1\n",
    ],
)  # fmt: skip
def test_what_is_outside_of_the_grammar_says_nothing(text: str) -> None:
    assert parse_transport_security(text) is None


@given(st.text(alphabet='max-ge=1;" \\,includeSubDomains\t\xff', max_size=60))
def test_no_field_is_an_error(text: str) -> None:
    said = parse_transport_security(text)
    assert said is None or 0 <= said.max_age <= LONGEST


@given(st.sampled_from(['"', '\\"', ";", " ", "a=", 'a="', "\t;"]), st.integers(1, 3000))
@pytest.mark.timeout(20)
def test_a_long_field_takes_linear_time(piece: str, count: int) -> None:
    assert parse_transport_security("max-age=" + piece * count) is None


# --- who may say so ------------------------------------------------------------------------------


@pytest.mark.rfc("6797", "8.1")
def test_only_an_answer_over_https_counts() -> None:
    assert told(("https://a.example/", "max-age=9")).knows("a.example", NOW)
    assert not told(("http://a.example/", "max-age=9")).knows("a.example", NOW)


@pytest.mark.rfc("6797", "8.1")
def test_only_the_first_field_counts() -> None:
    store = Hsts()
    store.learn(answer("https://a.example/", "max-age=9", "max-age=0"), NOW)
    store.learn(answer("https://b.example/", "nonsense", "max-age=9"), NOW)
    assert [each.host for each in store] == ["a.example"]


@pytest.mark.rfc("6797", "8.1.1")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[fe80::1%25eth0]"])
def test_an_address_is_never_known(host: str) -> None:
    store = told((f"https://{host}/", "max-age=9"))
    assert len(store) == 0
    with pytest.raises(Malformed, match="an address"):
        store.add(host.strip("[]").replace("%25", "%"))
    assert not store.knows(host.strip("[]"), NOW)


@pytest.mark.rfc("6797", "6.1.1")
def test_max_age_zero_forgets_this_host_and_no_other() -> None:
    store = told(
        ("https://example/", "max-age=9; includeSubDomains"),
        ("https://a.example/", "max-age=9"),
        ("https://a.example/", "max-age=0; includeSubDomains"),
    )
    assert [each.host for each in store] == ["example"]
    assert store.knows("a.example", NOW)  # by what is above it


@pytest.mark.rfc("6797", "8.1")
def test_what_a_host_says_replaces_what_it_said() -> None:
    store = told(
        ("https://a.example/", "max-age=100; includeSubDomains"),
        ("https://a.example/", "max-age=5"),
    )
    assert list(store) == [SecureHost("a.example", False, NOW + 5)]


def test_a_host_cannot_shorten_what_is_known_of_those_above_it() -> None:
    # CVE-2024-9681 of curl: the expiry of a subdomain was taken for its parent's.
    store = told(
        ("https://example/", "max-age=1000; includeSubDomains"), ("https://a.example/", "max-age=1")
    )
    assert store.knows("example", NOW + 999)
    assert store.knows("a.example", NOW + 999)


# --- of whom, for how long -----------------------------------------------------------------------


@pytest.mark.rfc("6797", "8.2")
def test_hosts_below_are_known_only_where_that_was_said() -> None:
    store = told(
        ("https://a.example/", "max-age=9; includeSubDomains"), ("https://b.example/", "max-age=9")
    )
    known = ["a.example", "x.a.example", "y.x.a.example", "b.example", "A.EXAMPLE", "a.example."]
    assert all(store.knows(host, NOW) for host in known)
    others = ["x.b.example", "example", "ba.example", "xa.example", "a.example.org", "ample"]
    assert not any(store.knows(host, NOW) for host in others)


@pytest.mark.parametrize(
    ("learned", "asked"), [("a.example", "a.example."), ("a.example.", "A.example")]
)
def test_a_dot_at_the_end_is_no_way_round(learned: str, asked: str) -> None:
    # CVE-2022-30115 of curl.
    assert told((f"https://{learned}/", "max-age=9")).knows(asked, NOW)


def test_a_host_is_known_by_whatever_it_is_written_in() -> None:
    # CVE-2022-42916 and CVE-2022-43551 of curl: full-width dots, and names beyond ASCII.
    store = told(("https://b\u00fccher.example/", "max-age=9"))
    for written in ("http://b\u00fccher\u3002example/", "http://XN--BCHER-KVA.example/"):
        assert store.upgraded(URL(written), NOW).scheme == "https"


@pytest.mark.rfc("6797", "8.2")
def test_it_ends_when_its_time_is_over() -> None:
    store = told(("https://a.example/", "max-age=9"))
    assert store.knows("a.example", NOW + 8.9)
    assert not store.knows("a.example", NOW + 9)


def test_a_store_has_an_end_and_drops_what_has_expired_then_what_was_not_heard_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hsts, "MAX_HOSTS", 3)
    store = told(*[(f"https://{name}.example/", "max-age=9") for name in "abc"])
    store.learn(answer("https://a.example/", "max-age=9"), NOW)
    store.learn(answer("https://d.example/", "max-age=9"), NOW)
    assert [each.host[0] for each in store] == ["c", "a", "d"]
    store.learn(answer("https://e.example/", "max-age=9"), NOW + 10)
    assert [each.host[0] for each in store] == ["e"]


# --- what is asked instead -----------------------------------------------------------------------


@pytest.mark.rfc("6797", "8.3")
@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("http://a.example", "https://a.example"),
        ("http://a.example/b?c#d", "https://a.example/b?c#d"),
        ("HTTP://A.Example:80/b:80", "https://A.Example:443/b:80"),
        ("http://u:p@a.example:80?:80", "https://u:p@a.example:443?:80"),
        ("http://a.example:8080/", "https://a.example:8080/"),
        ("http://a.example:443/", "https://a.example:443/"),
        ("http://other.example/", "http://other.example/"),
        ("https://a.example:80/", "https://a.example:80/"),
        ("ftp://a.example/", "ftp://a.example/"),
    ],
)
def test_http_becomes_https_and_80_becomes_443(asked: str, sent: str) -> None:
    store = told(("https://a.example/", "max-age=9"))
    assert str(store.upgraded(URL(asked), NOW)) == sent


def test_a_request_keeps_everything_but_its_scheme() -> None:
    store = told(("https://a.example/", "max-age=9"))
    url = "http://a.example:443/b"
    steps = store.upgrading(lambda: NOW)(
        Request("PUT", url, {"Host": "a.example:443", "x-token": "1"}, b"content")
    )
    sent = next(steps)
    assert str(sent.url) == "https://a.example:443/b"
    assert (sent.method, sent.content) == ("PUT", b"content")
    assert sent.headers.fields == (("Host", "a.example"), ("x-token", "1"))


def test_a_host_field_of_the_users_own_stays() -> None:
    store = told(("https://a.example/", "max-age=9"))
    steps = store.upgrading(lambda: NOW)(Request("GET", "http://a.example/", {"host": "b.example"}))
    assert next(steps).headers["host"] == "b.example"


def follow(store: Hsts, url: str, location: str) -> Request | None:
    upgraded = lambda there: store.upgraded(there, NOW)  # noqa: E731 - as a client does it
    request = Request("GET", url, {"authorization": "x"})
    steps = redirecting(upgraded=upgraded)(request)
    next(steps)
    try:
        return steps.send(Response(302, {"location": location}))
    except StopIteration:
        return None


@pytest.mark.rfc("6797", "8.3")
def test_a_redirect_to_http_of_a_known_host_goes_to_https() -> None:
    store = told(("https://a.example/", "max-age=9"))
    after = follow(store, "https://a.example/", "http://a.example/b")
    assert after is not None
    assert str(after.url) == "https://a.example/b"
    assert after.headers["authorization"] == "x"  # it is the same origin
    assert follow(store, "https://a.example/", "http://b.example/") is None  # as ever


# --- at rest -------------------------------------------------------------------------------------


def test_what_is_written_down_is_read_again() -> None:
    store = told(
        ("https://a.example/", "max-age=9"), ("https://b.example/", "max-age=99; includeSubDomains")
    )
    store.add("c.example", subdomains=True)
    assert list(Hsts.from_json(store.as_json())) == list(store)
    assert [one.host for one in Hsts.from_json(store.as_json(), NOW + 50)] == [
        "b.example",
        "c.example",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format": "crlf hsts 2", "hosts": []}', '{"format": "crlf hsts 1"}',
        '{"format": "crlf hsts 1", "hosts": [1]}',
        '{"format": "crlf hsts 1", "hosts": [{"host": "a", "subdomains": 1, "expires": 1}]}',
        '{"format": "crlf hsts 1", "hosts": [{"host": "::1", "subdomains": true, "expires": 1}]}',
        '{"format": "crlf hsts 1", "hosts": [{"host": "A", "subdomains": true, "expires": 1}]}',
        '{"format": "crlf hsts 1", "hosts": [{"host": "a", "subdomains": true, "expires": NaN}]}',
        '{"format": "crlf hsts 1", "hosts": [{"host": "a", "subdomains": true, "expires": -1}]}',
        '{"format": "crlf hsts 1", "hosts": [{"host": "a b", "subdomains": true, "expires": 1}]}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Hsts.from_json(text)


@pytest.mark.parametrize("host", ["", "a b", "a..b", "a/b", "1.2.3.4", "::1"])
def test_only_names_of_hosts_are_put_in(host: str) -> None:
    with pytest.raises(Malformed):
        Hsts().add(host)


def test_a_store_shows_no_hosts() -> None:
    assert repr(told(("https://a.example/", "max-age=9"))) == "<Hsts of 1 hosts>"
