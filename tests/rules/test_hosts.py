"""Allowed hosts: whoever asks for another is told that he is at the wrong door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.rules.hosts import Hosts, hosts_gate

pytestmark = pytest.mark.rfc("9110", "7.4")

ALLOWED = ("example.com", "*.example.com", "127.0.0.1", "[::1]")


def asking(host: str | None, target: str = "/", authority: str | None = None) -> Request:
    headers = Headers([] if host is None else [("Host", host)])
    where = Received("http", ("203.0.113.5", 1), ("192.0.2.1", 8000), authority=authority)
    return Request.received(("GET", target, headers, "1.1"), b"", where)


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("example.com", True),
        ("EXAMPLE.com:8443", True),
        ("example.com.", True),
        ("a.example.com", True),
        ("a.b.example.com:1", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("other.com", False),
        ("badexample.com", False),
        ("example.com.evil.com", False),
        ("example.com:80:80", False),
        ("evil.com/example.com", False),
        ("[::2]", False),
        ("127.0.0.2", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
def test_a_host_is_allowed_or_misdirected(host: str | None, is_allowed: bool) -> None:
    gate = hosts_gate(ALLOWED)
    for _ in range(2):  # the second time it is remembered
        request = asking(host)
        passed = gate(request)
        if is_allowed:
            assert passed is request
        else:
            assert isinstance(passed, Response)
            assert passed.status_code == 421


@pytest.mark.rfc("9112", "3.2.2")
def test_the_host_of_an_absolute_target_comes_before_the_field() -> None:
    gate = hosts_gate(ALLOWED)
    assert isinstance(gate(asking("other.com", "http://example.com/")), Request)
    assert isinstance(gate(asking("example.com", "http://other.com/")), Response)
    gate(asking("example.com"))
    assert isinstance(gate(asking("example.com", "http://other.com/")), Response)


def test_what_a_trusted_proxy_says_comes_before_the_field() -> None:
    gate = hosts_gate(ALLOWED)
    assert isinstance(gate(asking("inside", authority="example.com")), Request)
    assert isinstance(gate(asking("example.com", authority="other.com")), Response)


def test_a_request_of_no_host_is_for_the_address_it_came_to() -> None:
    assert isinstance(hosts_gate(["192.0.2.1"])(asking(None)), Request)
    assert isinstance(hosts_gate(["192.0.2.1"])(asking("")), Request)


def test_the_page_names_no_host() -> None:
    refused = hosts_gate(["secret.example"])(asking("evil.example"))
    assert isinstance(refused, Response)
    assert b"secret" not in refused.content
    assert b"evil" not in refused.content
    assert b"RFC 9110 7.4" in refused.content


def test_below_is_not_the_name_itself() -> None:
    assert Hosts(["*.example.com"]).allow("a.example.com")
    assert not Hosts(["*.example.com"]).allow("example.com")
    assert not Hosts([]).allow("example.com")


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "a.*.com", "example.com:80", "http://a", "[a.com]", "[::1", "1.2.3"]
)
def test_what_can_be_no_host_is_said_at_once(entry: str) -> None:
    with pytest.raises(ValueError, match="no host to allow"):
        hosts_gate([entry])


def test_strangers_hosts_are_not_remembered() -> None:
    gate = hosts_gate(["*.example.com"])
    for number in range(1000):
        assert isinstance(gate(asking(f"a{number}.example.com")), Request)
        assert isinstance(gate(asking(f"a{number}.evil.com")), Response)
    known = next(cell.cell_contents for cell in gate.__closure__ or () if
                 isinstance(cell.cell_contents, set))  # fmt: skip
    assert len(known) <= 256


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])))
def test_no_host_field_does_any_harm(text: str) -> None:
    gate = hosts_gate(["example.com"])
    passed = gate(asking(text))
    assert isinstance(passed, Response) or text.strip(" \t").lower().startswith("example.com")
