"""Forwarded: the whole grammar of RFC 7239, and nothing beside it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.fields.forwarded import (
    MAX_HOPS,
    Hop,
    Node,
    build_forwarded,
    canonical_address,
    parse_forwarded,
    parse_node,
    parse_place,
)

pytestmark = pytest.mark.rfc("7239", "4")


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        # The examples of RFC 7239 4 and 7.1.
        ('for="_gazonk"', [Hop(Node("_gazonk"))]),
        ('For="[2001:db8:cafe::17]:4711"', [Hop(Node("2001:db8:cafe::17", 4711))]),
        (
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            [Hop(Node("192.0.2.60"), Node("203.0.113.43"), None, "http")],
        ),
        (
            "for=192.0.2.43, for=198.51.100.17",
            [Hop(Node("192.0.2.43")), Hop(Node("198.51.100.17"))],
        ),
        (
            'for=_hidden, for=_SEVKISEK;by="_x:_y"',
            [Hop(Node("_hidden")), Hop(Node("_SEVKISEK"), Node("_x", "_y"))],
        ),
        ("for=unknown", [Hop(Node("unknown"))]),
        # What else the grammar allows.
        ("", []),
        (" , ;, ;; ,", []),
        ('for="1.2.3.4:80" ; PROTO=HTTPS', [Hop(Node("1.2.3.4", 80), proto="https")]),
        ('host="a.example:8080";proto=x+y.z-1', [Hop(host="a.example:8080", proto="x+y.z-1")]),
        (r'for="\1.2.3.4"', [Hop(Node("1.2.3.4"))]),
        (
            r'secret="a\"b,c;d";for="1.2.3.4"',
            [Hop(Node("1.2.3.4"), others=(("secret", 'a"b,c;d'),))],
        ),
        ("for=UNKNOWN", [Hop(Node("unknown"))]),
        ('for="[::FFFF:1.2.3.4]:_p"', [Hop(Node("1.2.3.4", "_p"))]),
    ],
)  # fmt: skip
def test_a_field_is_read(text: str, hops: list[Hop]) -> None:
    assert parse_forwarded(text) == hops


@pytest.mark.parametrize(
    "text",
    [
        "for", "for=", "=1.2.3.4", "for =1.2.3.4", "for= 1.2.3.4", "for=1.2.3.4 proto=http",
        "for=1.2.3.4;for=1.2.3.4", "for=1.2.3.4;For=5.6.7.8", 'for="1.2.3.4', 'for="1.2.3.4"x',
        "for=[::1]", 'for="::1"', 'for="[::1"', 'for="[1.2.3.4]"', 'for="[::1]x"', 'for="[::1]:"',
        "for=1.2.3", "for=01.2.3.4", "for=a.example", 'for="1.2.3.4:"', 'for="1.2.3.4:65536"',
        'for="1.2.3.4:+80"', 'for="1.2.3.4:\xb2"', 'for="1.2.3.4:123456"', "for=_", 'for="_a b"',
        'for=""', 'proto=""', 'proto="1http"', 'host="a b"', 'host=""', 'host="a@b"', "\x00=a",
        "for=1.2.3.4\x0b", "for=1.2.3.4;\xa0proto=http", 'for="[fe80::1%eth0]"',
    ],
)  # fmt: skip
def test_what_is_no_field_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_forwarded(text)
    assert refused.value.rule.startswith(("RFC 7239", "RFC 9112"))


def test_a_chain_has_an_end() -> None:
    assert len(parse_forwarded(", ".join(["for=1.2.3.4"] * MAX_HOPS))) == MAX_HOPS
    with pytest.raises(Malformed, match="over 64"):
        parse_forwarded(", ".join(["for=1.2.3.4"] * (MAX_HOPS + 1)))


def test_addresses_have_one_spelling() -> None:
    assert parse_node("[2001:DB8:0:0::0001]:80") == Node("2001:db8::1", 80)
    assert canonical_address("::ffff:102:304") == "1.2.3.4"
    assert canonical_address("a.example") == "a.example"


def test_older_fields_have_ipv6_without_brackets() -> None:
    assert parse_place("2001:DB8::1") == Node("2001:db8::1")
    assert parse_place("[::1]:80") == Node("::1", 80)
    assert parse_place("1.2.3.4:80").place == ("1.2.3.4", 80)
    assert parse_place("unknown").place is None
    for text in ("", "a.example", "1.2.3.4, 5.6.7.8", "::1%eth0", "12", "1.2.3.4 "):
        with pytest.raises(Malformed):
            parse_place(text)


ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda a: canonical_address(str(a)))
)
PORTS = st.one_of(st.none(), st.integers(0, 65535), st.just("_p-1"))
NODES = st.builds(Node, st.one_of(ADDRESSES, st.sampled_from(["unknown", "_x.y"])), PORTS)
OTHERS = st.dictionaries(
    st.sampled_from(["secret", "x-1"]),
    st.text(st.characters(codec="latin-1", categories=["L", "P"])),
)
HOPS = st.builds(
    Hop,
    st.one_of(st.none(), NODES),
    NODES,
    st.sampled_from([None, "a.example", "[::1]:80"]),
    st.sampled_from([None, "http", "https"]),
    OTHERS.map(lambda pairs: tuple(pairs.items())),
)


@given(st.lists(HOPS, max_size=5))
def test_what_is_written_is_read_as_it_was(hops: list[Hop]) -> None:
    assert parse_forwarded(build_forwarded(hops)) == hops


@given(st.text(st.sampled_from('for=by;,"\\ \t_1.2:[]a\x00\xff')))
def test_no_text_does_any_harm(text: str) -> None:
    try:
        hops = parse_forwarded(text)
    except Malformed:
        return
    assert parse_forwarded(build_forwarded(hops)) == hops


def test_nothing_is_written_that_could_not_be_read() -> None:
    with pytest.raises(Malformed):
        build_forwarded([Hop(others=(("a b", "c"),))])
    with pytest.raises(Malformed):
        build_forwarded([Hop(others=(("a", "c\r\n"),))])
