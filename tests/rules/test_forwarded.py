"""Whom a request comes from: what trusted proxies say is believed, and what others say is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.rules.forwarded import PROXY_FIELDS, Trusted, forwarded_gate

PROXY = ("10.0.0.9", 4000)
LOCAL = ("10.0.0.1", 80)
CLIENT = ("203.0.113.5", 0)
EVERY_X = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port")


def received(
    *fields: tuple[str, str], peer: tuple[str, int] | None = PROXY, target: str = "/path?q"
) -> Request:
    headers = Headers([("Host", "inside:8000"), *fields])
    local = None if peer is None else LOCAL
    return Request.received(("GET", target, headers, "1.1"), b"", Received("http", peer, local))


def told(
    *fields: tuple[str, str],
    trusted: Sequence[str] = ("10.0.0.0/8",),
    names: Sequence[str] = EVERY_X,
    peer: tuple[str, int] | None = PROXY,
) -> Request:
    """Return the request as the application sees it."""
    passed = forwarded_gate(Trusted(trusted), names)(received(*fields, peer=peer))
    assert isinstance(passed, Request)
    return passed


def xff(*lines: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", line) for line in lines]


def forwarded(*lines: str) -> Request:
    return told(*[("Forwarded", line) for line in lines], names=("forwarded",))


# --- who is trusted ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "address", "is_trusted"),
    [
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["10.0.0.0/8"], "10.255.0.1", True),
        (["10.0.0.0/8"], "11.0.0.0", False),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["10.0.0.0/8"], "64:ff9b::a00:1", False),
        (["2001:db8::/32"], "2001:db8:1::", True),
        (["2001:db8::/32"], "2001:db9::", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["*"], "203.0.113.5", True),
        (["unix"], "127.0.0.1", False),
        ([], "127.0.0.1", False),
        (["127.0.0.1"], "no address", False),
    ],
)
def test_a_proxy_is_an_address_or_of_a_network(
    entries: list[str], address: str, is_trusted: bool
) -> None:
    trusted = Trusted(entries)
    assert trusted.has((address, 1)) is is_trusted
    assert trusted.has((address, 2)) is is_trusted  # remembered
    assert bool(trusted) is bool(entries)


@pytest.mark.parametrize("entry", ["example.com", "10.0.0.1/8", "10.0.0.0/33", "", "localhost"])
def test_what_is_no_address_is_said_at_once(entry: str) -> None:
    with pytest.raises(ValueError, match="no network"):
        Trusted([entry])


def test_a_unix_socket_is_trusted_by_its_name() -> None:
    assert told(*xff("203.0.113.5"), trusted=["unix"], peer=None).peer == CLIENT
    assert told(*xff("203.0.113.5"), trusted=["10.0.0.0/8"], peer=None).peer is None
    # An address of ours and none of the peer's: a PROXY line that knows of nobody.
    assert not Trusted(["unix", "*"]).has_peer(None, LOCAL)


def test_no_more_addresses_are_remembered_than_some() -> None:
    trusted = Trusted(["10.0.0.0/8"])
    for number in range(3000):
        trusted.has((f"11.0.{number >> 8}.{number & 255}", 1))
    assert len(trusted._seen) <= 1024


# --- X-Forwarded-* -------------------------------------------------------------------------------


def test_a_stranger_is_believed_nothing() -> None:
    request = received(*xff("1.2.3.4"), ("X-Forwarded-Proto", "https"), peer=("203.0.113.9", 1))
    passed = forwarded_gate(Trusted(["10.0.0.0/8"]))(request)
    assert passed is request


def test_without_a_field_of_theirs_nothing_is_made_anew() -> None:
    request = received(("Forwarded", "for=1.2.3.4"))
    assert forwarded_gate(Trusted(["*"]))(request) is request


@pytest.mark.parametrize(
    ("lines", "peer"),
    [
        (["203.0.113.5"], CLIENT),
        (["203.0.113.5:4711"], ("203.0.113.5", 4711)),
        (["2001:DB8::1"], ("2001:db8::1", 0)),
        (["[2001:db8::1]:80"], ("2001:db8::1", 80)),
        (["203.0.113.5, 10.1.1.1, 10.2.2.2"], CLIENT),
        (["203.0.113.5", "10.1.1.1,10.2.2.2"], CLIENT),
        (["198.51.100.1, 203.0.113.5"], CLIENT),  # the left one is the client's own
        (["10.1.1.1, 203.0.113.5"], CLIENT),  # and be it of ours
        (["127.0.0.1", "203.0.113.5, 10.1.1.1"], CLIENT),
        (["garbage, 203.0.113.5"], CLIENT),
        (["10.1.1.1, 10.2.2.2"], ("10.1.1.1", 0)),  # a client of our own network
        (["203.0.113.5, ,"], CLIENT),
        ([","], PROXY),
        ([""], PROXY),
        (["garbage"], None),
        (["203.0.113.5, garbage"], None),
        (["unknown"], None),
        (["203.0.113.5, _hidden, 10.1.1.1"], None),
        ([", ".join(["10.1.1.1"] * 64)], ("10.1.1.1", 0)),
        ([", ".join(["10.1.1.1"] * 65)], None),
        (["203.0.113.5, " * 10_000 + "203.0.113.5"], CLIENT),
    ],
)
def test_the_client_is_the_first_from_the_right_who_is_no_proxy(
    lines: list[str], peer: tuple[str, int] | None
) -> None:
    request = told(*xff(*lines))
    assert request.peer == peer
    assert request.received_how.local == LOCAL


def test_what_was_read_once_is_not_mistaken_for_another() -> None:
    gate = forwarded_gate(Trusted(["10.0.0.0/8", "unix"]), EVERY_X)

    def ask(*fields: tuple[str, str], peer: tuple[str, int] | None = PROXY) -> tuple[object, str]:
        passed = gate(received(*fields, peer=peer))
        assert isinstance(passed, Request)
        return passed.peer, str(passed.url)

    port = ("X-Forwarded-Port", "81")
    inside = "http://inside:8000/path?q"
    for _ in range(2):
        assert ask(*xff("203.0.113.5")) == (CLIENT, inside)
        assert ask(*xff("203.0.113.5"), port) == (CLIENT, inside)  # Host has one of its own
        assert ask(*xff("203.0.113.5"), port, ("X-Forwarded-Host", "b")) == (
            CLIENT,
            "http://b:81/path?q",
        )
        assert ask(port) == (PROXY, inside)
        assert ask(port, peer=("10.0.0.8", 1)) == (("10.0.0.8", 1), inside)
        assert ask(*xff("garbage"), peer=None)[0] is None
    for number in range(3000):
        ask(*xff(f"203.0.{number >> 8}.{number & 255}"))
    known = [cell.cell_contents for cell in gate.__closure__ or ()]
    assert max(len(cell) for cell in known if isinstance(cell, dict)) <= 1024


def test_everybody_trusted_means_the_leftmost() -> None:
    assert told(*xff("1.1.1.1, 2.2.2.2"), trusted=["*"]).peer == ("1.1.1.1", 0)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ([("X-Forwarded-Proto", "https")], "https://inside:8000/path?q"),
        ([("X-Forwarded-Proto", "HTTPS")], "https://inside:8000/path?q"),
        ([("X-Forwarded-Proto", "gopher")], "http://inside:8000/path?q"),
        ([("X-Forwarded-Proto", "https, http")], "http://inside:8000/path?q"),
        ([*xff("203.0.113.5, 10.1.1.1"), ("X-Forwarded-Proto", "https, http")],
         "https://inside:8000/path?q"),
        ([*xff("1.1.1.1, 203.0.113.5, 10.1.1.1"), ("X-Forwarded-Proto", "https, http")],
         "http://inside:8000/path?q"),
        ([("X-Forwarded-Host", "a.example")], "http://a.example/path?q"),
        ([("X-Forwarded-Host", "evil.example, a.example:8443")], "http://a.example:8443/path?q"),
        ([("X-Forwarded-Host", "a.example/evil?")], "http://inside:8000/path?q"),
        ([("X-Forwarded-Host", "a.example"), ("X-Forwarded-Port", "8443"),
          ("X-Forwarded-Proto", "https")], "https://a.example:8443/path?q"),
        ([("X-Forwarded-Host", "a.example:1"), ("X-Forwarded-Port", "2")],
         "http://a.example:1/path?q"),
        ([("X-Forwarded-Host", "[::1]"), ("X-Forwarded-Port", "2")], "http://[::1]:2/path?q"),
        ([("X-Forwarded-Port", "x")], "http://inside:8000/path?q"),
        ([("X-Forwarded-Port", "99999")], "http://inside:8000/path?q"),
    ],
)  # fmt: skip
def test_scheme_and_host_are_those_that_the_client_saw(
    fields: list[tuple[str, str]], url: str
) -> None:
    assert str(told(*fields).url) == url


def test_a_host_of_a_clients_is_not_believed_by_default() -> None:
    assert "x-forwarded-host" not in PROXY_FIELDS
    request = told(*xff("203.0.113.5"), ("X-Forwarded-Host", "evil.example"), names=PROXY_FIELDS)
    assert request.peer == CLIENT
    assert request.url.host == "inside"


def test_the_request_itself_stays_as_it_came() -> None:
    request = told(*xff("203.0.113.5"), ("X-Forwarded-Host", "a.example"))
    assert request.headers["host"] == "inside:8000"
    assert request.headers["x-forwarded-for"] == "203.0.113.5"


# --- RFC 7239 ------------------------------------------------------------------------------------


@pytest.mark.rfc("7239", "5.2")
@pytest.mark.parametrize(
    ("lines", "peer"),
    [
        (["for=203.0.113.5"], CLIENT),
        (['for="[2001:db8::1]:80"'], ("2001:db8::1", 80)),
        (["for=203.0.113.5, for=10.1.1.1"], CLIENT),
        (["for=1.1.1.1, for=203.0.113.5", "for=10.1.1.1"], CLIENT),
        (["for=1.1.1.1;proto=https, proto=http"], PROXY),  # the nearest tells of no client
        (["for=unknown"], None),
        (["for=1.1.1.1, for=_secret, for=10.1.1.1"], None),
        (["for=garbage"], None),
        (["for=1.1.1.1;for=2.2.2.2"], None),
        (['for="', "for=203.0.113.5"], CLIENT),  # the client's own line is broken, not the proxy's
        (['for=", for=203.0.113.5'], CLIENT),  # and so it is in one line
        (['for=", for=10.1.1.1'], None),
        (['for=", for="[2001:db8::1]"'], None),  # nobody knows where this one begins
        (['for=", host="x, for=1.1.1.1"'], None),
        ([", ".join(["for=10.1.1.1"] * 65)], None),
        (["for=10.1.1.1", *["for=10.1.1.1"] * 80], None),
    ],
)
def test_forwarded_is_walked_from_the_right(lines: list[str], peer: tuple[str, int] | None) -> None:
    assert forwarded(*lines).peer == peer


@pytest.mark.rfc("7239", "5.4")
def test_the_outermost_trusted_proxy_says_scheme_and_host() -> None:
    line = (
        "for=1.1.1.1;proto=gopher;host=evil.example, for=203.0.113.5;proto=https;host=a.example,"
        " for=10.1.1.1;proto=http;host=inside"
    )
    assert str(forwarded(line).url) == "https://a.example/path?q"
    assert str(forwarded("for=203.0.113.5;proto=https, for=10.1.1.1;host=b").url) == (
        "https://b/path?q"
    )


def test_only_the_family_that_is_configured_is_looked_at() -> None:
    both = [("Forwarded", "for=1.1.1.1;host=evil.example"), *xff("203.0.113.5")]
    assert told(*both).peer == CLIENT
    assert told(*both, names=("forwarded",)).peer == ("1.1.1.1", 0)
    with pytest.raises(ValueError, match="one of them would be clients'"):
        forwarded_gate(Trusted(["*"]), ["forwarded", "x-forwarded-for"])
    with pytest.raises(ValueError, match="no field of proxies: 'x-real-ip'"):
        forwarded_gate(Trusted(["*"]), ["X-Real-IP"])


PIECES = st.sampled_from(
    ["for=", "1.2.3.4", "10.1.1.1", '"', ",", ";", "host=a", "proto=https", "\\", " ", "[::1]", "_"]
)


@given(st.lists(PIECES, max_size=30).map("".join), st.lists(PIECES, max_size=30).map("".join))
def test_nonsense_does_no_harm_and_never_moves_the_client(one: str, other: str) -> None:
    """Whatever a client sends: what its proxy adds in a field of its own is what counts."""
    assert forwarded(one, other, "for=203.0.113.5").peer == CLIENT
    assert told(*xff(one, other, "203.0.113.5")).peer == CLIENT
    forwarded(one, other)
    told(*xff(one, other), ("X-Forwarded-Host", one), ("X-Forwarded-Proto", other))


@given(st.text(st.sampled_from('for=1.2,;"\\ \t_:[]a')))
def test_in_one_line_a_client_cannot_choose_another_address(garbage: str) -> None:
    assert forwarded(f"{garbage}, for=203.0.113.5").peer == CLIENT
