"""The policy for URLs of strangers: what is not plainly public is refused, in any spelling."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import BadUrl, BlockedAddress
from crlf.message.url import URL
from crlf.rules.addresses import (
    Policy,
    parse_address,
    parse_network,
    public_only,
    unwrapped,
    why_not_public,
)

PUBLIC = [
    "93.184.216.34", "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255",
    "100.128.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.15",
    "2606:2800:220:1:248:1893:25c8:1946", "2001:4860:4860::8888", "2001:200::1", "2a00::1",
    "3ffe::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::808:808", "0:0:0:0:0:ffff:101:101",
]  # fmt: skip

SPECIAL = [
    ("0.0.0.0", "791"), ("0.1.2.3", "791"), ("10.0.0.1", "1918"), ("10.255.255.255", "1918"),
    ("172.16.0.1", "1918"), ("172.31.255.255", "1918"), ("192.168.0.1", "1918"),
    ("100.64.0.1", "6598"), ("100.100.100.200", "6598"), ("100.127.255.255", "6598"),
    ("127.0.0.1", "1122"), ("127.255.255.254", "1122"), ("169.254.169.254", "3927"),
    ("168.63.129.16", "Azure"), ("192.0.0.192", "6890"), ("192.0.2.1", "5737"),
    ("192.88.99.1", "7526"), ("198.18.0.1", "2544"), ("198.19.255.255", "2544"),
    ("198.51.100.1", "5737"), ("203.0.113.1", "5737"), ("224.0.0.1", "5771"),
    ("239.255.255.255", "5771"), ("240.0.0.1", "1112"), ("255.255.255.255", "919"),
    ("::", "4291 2.5.2"), ("::1", "4291 2.5.3"), ("0:0:0:0:0:0:0:1", "4291 2.5.3"),
    ("::7f00:1", "4291 2.5.5.1"), ("::127.0.0.1", "4291 2.5.5.1"), ("::8.8.8.8", "4291 2.5.5.1"),
    ("::ffff:127.0.0.1", "1122"), ("::FFFF:7F00:1", "1122"), ("::ffff:169.254.169.254", "3927"),
    ("0:0:0:0:0:ffff:10.0.0.1", "1918"), ("::ffff:0:127.0.0.1", "2765"),
    ("64:ff9b::127.0.0.1", "1122"), ("64:ff9b::a9fe:a9fe", "3927"), ("64:ff9b:1::1", "8215"),
    ("100::1", "6666"), ("100:0:0:1::1", "9780"), ("2001::1", "4380"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "4380"), ("2001:1::1", "2928"), ("2001:2::1", "2928"),
    ("2001:20::1", "2928"), ("2001:db8::1", "3849"), ("2002:7f00:1::", "7526"),
    ("2002:808:808::1", "7526"), ("3fff::1", "9637"), ("3fff:fff:ffff::1", "9637"),
    ("5f00::1", "9602"), ("fc00::1", "4193"), ("fd00:ec2::254", "4193"), ("fe80::1", "4291 2.5.6"),
    ("febf::1", "4291 2.5.6"), ("fec0::1", "3879"), ("ff02::1", "4291 2.7"), ("4000::1", "2.4"),
    ("200::1", "2.4"), ("1::", "2.4"), ("e000::1", "2.4"),
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_talked_to(address: str) -> None:
    public_only.check_address("a.example", address)


@pytest.mark.rfc("6890", "2.2")
@pytest.mark.parametrize(("address", "rule"), SPECIAL)
def test_a_special_address_is_refused_by_its_rule(address: str, rule: str) -> None:
    with pytest.raises(BlockedAddress, match=rule) as refused:
        public_only.check_address("a.example", address)
    assert str(refused.value).startswith("a.example is not allowed here: ")
    assert refused.value.phase == "dns"


def test_a_refusal_does_not_tell_where_inside_the_name_leads() -> None:
    """Strangers may be shown the error: the block is no secret, the address may be one."""
    with pytest.raises(BlockedAddress) as refused:
        public_only.check_address("wiki.a.example", "10.20.30.40")
    assert "10.20.30.40" not in str(refused.value)
    assert "10.0.0.0/8" in str(refused.value)


@pytest.mark.rfc("4007", "11")
@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:2800::1%1", "8.8.8.8%1"])
def test_an_address_with_a_zone_is_refused(address: str) -> None:
    with pytest.raises(BlockedAddress, match="RFC 4007"):
        Policy(allow=("fe80::/10", "0.0.0.0/0")).check_address("a.example", address)


@pytest.mark.parametrize(
    "address",
    ["", "a.example", "0x7f.1", "2130706433", "127.1", "010.0.0.1", "1.2.3.4.5", "1.2.3.256",
     ":::", "1::2::3", "\u0661.1.1.1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(BlockedAddress, match="its address is not one"):
        public_only.check_address("a.example", address)


@given(st.ip_addresses())
def test_addresses_are_read_as_python_reads_them(address: object) -> None:
    assert isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    for text in (str(address), address.exploded, str(address).upper()):
        assert parse_address(text) == (address.version, int(address))


@given(st.ip_addresses())
def test_nothing_is_allowed_that_python_knows_to_be_private(address: object) -> None:
    """One way only: what any of its versions calls global is another matter."""
    assert isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    inner = unwrapped(parse_address(str(address)) or pytest.fail("not read"))
    if why_not_public(inner) is None:
        meant = ipaddress.ip_address(inner.number) if inner.version == 4 else address
        assert not meant.is_private
        assert not meant.is_multicast
        assert not meant.is_reserved
        assert not meant.is_loopback
        assert not meant.is_link_local


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_however_it_is_wrapped(address: object) -> None:
    def verdict(text: str) -> bool:
        try:
            public_only.check_address("a.example", text)
        except BlockedAddress:
            return False
        return True

    plain = verdict(str(address))
    assert verdict(f"::ffff:{address}") == plain
    assert verdict(f"64:ff9b::{address}") == plain


# --- lists of one's own --------------------------------------------------------------------------


def test_networks_of_ones_own_may_be_allowed() -> None:
    policy = Policy(allow=("10.1.0.0/16", "fd12::/16"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd12::1", "8.8.8.8"):
        policy.check_address("a.example", address)
    for address in ("10.2.0.1", "fd13::1", "127.0.0.1"):
        with pytest.raises(BlockedAddress):
            policy.check_address("a.example", address)


def test_denied_beats_allowed_and_public() -> None:
    policy = Policy(allow=("10.0.0.0/8",), deny=("10.9.0.0/16", "8.8.8.8", "64:ff9b::/96"))
    policy.check_address("a.example", "10.8.0.1")
    for address in ("10.9.0.1", "8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::1.1.1.1"):
        with pytest.raises(BlockedAddress, match="which this client is denied"):
            policy.check_address("a.example", address)


def test_to_allow_what_wraps_does_not_allow_what_is_wrapped() -> None:
    policy = Policy(allow=("::ffff:0:0/96", "64:ff9b::/96", "::/0"))
    for address in ("::ffff:127.0.0.1", "64:ff9b::10.0.0.1"):
        with pytest.raises(BlockedAddress):
            policy.check_address("a.example", address)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10/8", "a.example", "1::/-1"]
)
def test_what_is_no_network_is_refused_when_the_policy_is_made(text: str) -> None:
    with pytest.raises(ValueError, match="no network"):
        Policy(allow=(text,))
    with pytest.raises(ValueError, match="no network"):
        Policy(deny=("10.0.0.0/8", text))


def test_a_network_is_its_first_and_last_address() -> None:
    assert parse_network("10.0.0.0/8") == (4, 10 << 24, (11 << 24) - 1)
    assert parse_network("8.8.8.8") == (4, 0x08080808, 0x08080808)
    assert parse_network("::/0") == (6, 0, 2**128 - 1)


# --- URLs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://a.example/", "https://a.example/", "https://a.example:443/", "http://8.8.8.8/",
            "http://[2606:2800::1]/", "https://a.example:80/"]
)  # fmt: skip
def test_a_url_of_the_web_may_be_asked(url: str) -> None:
    public_only.check_url(URL(url))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://a.example:22/", "port 22 is not allowed here"),
        ("http://a.example:8080/", "only 80, 443 may be connected to"),
        ("http://a.example:0/", "port 0"),
        ("ftp://a.example/", "ftp: URLs is not allowed|only http, https may be requested"),
        ("gopher://a.example:80/", "only http, https"),
        ("file:///etc/passwd", "only http, https"),
        ("http://127.0.0.1/", "RFC 1122"),
        ("http://[::1]/", "RFC 4291"),
        ("http://[::ffff:127.0.0.1]/", "RFC 1122"),
        ("http://[::ffff:7f00:1]/", "RFC 1122"),
        ("http://[64:ff9b::a9fe:a9fe]/", "RFC 3927"),
        ("http://[fe80::1%25eth0]/", "RFC 4007"),
        ("http://169.254.169.254/latest/meta-data/", "RFC 3927"),
        ("http://user@127.0.0.1/", "RFC 1122"),
        ("http://8.8.8.8@127.0.0.1/", "RFC 1122"),
    ],
)
def test_a_url_that_leads_inside_is_refused_before_anything_is_looked_up(url, why) -> None:
    with pytest.raises(BlockedAddress, match=why) as refused:
        public_only.check_url(URL(url))
    assert refused.value.phase in ("url", "dns")


@pytest.mark.parametrize(
    "host",
    [
        "0x7f.1", "0x7f000001", "2130706433", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01",
        "127.0.0.1.", "0", "127.0.0.256", "0x7f.0x0.0x0.0x1", "017700000001", "127.0.0.0x1",
        "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "127\u30020\u30020\u30021", "\u2460.1",
        "\uff10x7f.1", "127.0.0.1\u3002", "[::ffff:127.0.0.1", "[127.0.0.1]",
        "127.0.0.1%00.a.example", "localhost.:0",
        "[::1%25]", "[::127.0.0.01]", "1.1.1.1&@127.0.0.1", "127.0.0.1\\@8.8.8.8",
        "8.8.8.8\\@127.0.0.1", "8.8.8.8#@127.0.0.1", "localhost\u3002", "127.0.0.1:80:80",
    ],
)  # fmt: skip
def test_an_odd_spelling_reaches_nobody(host: str) -> None:
    """It is no URL, or the plain host that it is read as is checked like any other."""
    try:
        url = URL(f"http://{host}/")
    except BadUrl:
        return
    if url.host in ("8.8.8.8", "localhost", "localhost.") and url.port == 80:
        return  # what was written really is that host; a name is checked when it is looked up
    with pytest.raises(BlockedAddress):
        public_only.check_url(url)


def test_ports_may_be_chosen_or_left_free() -> None:
    Policy(ports=None).check_url(URL("http://a.example:22/"))
    Policy(ports=frozenset({8443})).check_url(URL("https://a.example:8443/"))
    with pytest.raises(BlockedAddress):
        Policy(ports=frozenset({8443})).check_url(URL("https://a.example/"))


def test_schemes_may_be_fewer() -> None:
    with pytest.raises(BlockedAddress, match="only https may be requested"):
        Policy(schemes=frozenset({"https"})).check_url(URL("http://a.example/"))


def test_caps_stand_beside_the_addresses() -> None:
    assert public_only.limits.body == 10 * 1024 * 1024
    assert public_only.limits.ratio == 100
    assert public_only.timeout.total == 30.0
    assert public_only.redirects == 5
    assert public_only == Policy()
    assert hash(public_only) == hash(Policy())
