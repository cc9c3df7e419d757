"""The first words of a TLS client, as real clients say them and as nobody should."""

from __future__ import annotations

import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.wire.clienthello import MAX_HELLO, ClientHello, HelloReader, build_alert

pytestmark = pytest.mark.rfc("8446", "4.1.2")


def hello_of(name: str | None, alpn: tuple[str, ...] = (), newest: str = "1.3") -> bytes:
    """Let OpenSSL say hello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if newest == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if alpn:
        context.set_alpn_protocols(list(alpn))
    said = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name).do_handshake()
    return said.read()


def in_records(message: bytes, size: int) -> bytes:
    """Cut a message into records of so many bytes."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def read(data: bytes) -> ClientHello | None:
    return HelloReader().receive(data)


@pytest.mark.parametrize(
    ("name", "alpn", "expected"),
    [
        ("a.example", ("h2", "http/1.1"), ClientHello(b"a.example", (b"h2", b"http/1.1"))),
        ("a.example", (), ClientHello(b"a.example", None)),
        (None, ("h2",), ClientHello(None, (b"h2",))),
        ("127.0.0.1", (), ClientHello(None, None)),  # RFC 6066 3: no address is sent
    ],
)
@pytest.mark.parametrize("newest", ["1.2", "1.3"])
def test_what_openssl_says_is_understood(
    name: str | None, alpn: tuple[str, ...], expected: ClientHello, newest: str
) -> None:
    data = hello_of(name, alpn, newest)
    assert read(data) == expected
    assert read(data + b"and more") == expected
    message = data[5:]
    for size in (1, 7, 100):
        assert read(in_records(message, size)) == expected


def test_it_does_not_matter_how_the_bytes_are_cut() -> None:
    data = in_records(hello_of("a.example", ("http/1.1",))[5:], 50)
    reader = HelloReader()
    for at in range(len(data) - 1):
        assert reader.receive(data[at : at + 1]) is None
    assert reader.receive(data[-1:]) == ClientHello(b"a.example", (b"http/1.1",))
    assert reader.data == data


@pytest.mark.parametrize(
    "data",
    [
        b"\x15\x03\x01\0\2\1\0",  # an alert
        b"\x16\x02\x01\0\1\1",  # of no version
        b"\x16\x03\x01\0\0",  # an empty record
        b"\x16\x03\x01\x40\x01",  # one that is too long
        b"\x16\x03\x01\0\4\2\0\0\0",  # a ServerHello
        b"\x16\x03\x01\0\4\1\0\0\0",  # an empty ClientHello
        b"\x16\x03\x01\0\4\1\1\0\0",  # one that says it is over the limit
        in_records(hello_of("a.example")[5:-1] + b"", 9000)[:0] + b"\x80\x2e\x01\3\1\0",  # SSL 2
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="RFC 8446"):
        read(data)


def test_no_more_is_kept_than_the_limit() -> None:
    room = MAX_HELLO - 100
    start = b"\1" + (MAX_HELLO - 4).to_bytes(3, "big")
    reader = HelloReader()
    assert reader.receive(in_records(start + bytes(room), 16000)) is None
    with pytest.raises(Malformed, match="over 32,768 bytes"):
        reader.receive(in_records(bytes(200), 200)[:-1])
    tiny = in_records(start + bytes(MAX_HELLO - 4), 1)  # six bytes of record for one of message
    pieces = [tiny[at : at + 1] for at in range(len(tiny))]
    stingy = HelloReader()
    began = time.process_time()
    with pytest.raises(Malformed, match="over 32,768 bytes"):
        list(map(stingy.receive, pieces))
    assert time.process_time() - began < 1  # one pass, however small the pieces


@given(st.data())
def test_a_broken_hello_does_no_harm(data: st.DataObject) -> None:
    whole = bytearray(HELLO)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        hello = read(bytes(whole))
    except Malformed:
        return
    assert hello is None or isinstance(hello, ClientHello)


HELLO = hello_of("a.example", ("h2", "http/1.1"))


def test_an_alert_is_one_for_openssl() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    heard = ssl.MemoryBIO()
    tls = context.wrap_bio(heard, ssl.MemoryBIO(), server_hostname="a.example")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    heard.write(build_alert(120))
    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
        tls.do_handshake()
