"""Broken messages explained: the rule, the caret under the offending byte, what to do about it.

A row is a message in which `<<` and `>>` stand round the bytes that are wrong (`<<>>` where some
are missing), the rule, what is answered, and what the advice has to name.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from crlf.wire.explain import Explained, explain_request, explain_response
from crlf.wire.explaining.mending import advice_for

OK = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\n"


class Row(NamedTuple):
    marked: bytes
    rule: str
    answer: str
    advice: str


REQUESTS = [
    # lines
    Row(b"GET / HTTP/1.1<<\n>>Host: a\n\n", "RFC 9112 2.2", "400", "CR LF"),
    Row(OK + b"X: 1<<\n>>Y: 2\r\n\r\n", "RFC 9112 2.2", "400", "CR LF"),
    Row(OK + b"X: a<<\r>>b\r\n\r\n", "RFC 9112 2.2", "400", "take the CR out"),
    Row(OK + b"X: a<<\0>>b\r\n\r\n", "RFC 9112 2.2", "400", "NUL"),
    Row(OK + b"X: a<<\x1b>>[2J\r\n\r\n", "RFC 9112 2.2", "400", "control character"),
    Row(b"<<\x16>>\x03\x01\x02\0\x01", "RFC 9112 2.2", "400", "TLS"),
    Row(b"<<\n>>" + OK + b"\r\n", "RFC 9112 2.2", "400", "begin with the method"),
    Row(b"\r\n" * 8 + b"<<\r\n>>" + OK + b"\r\n", "RFC 9112 2.2", "400", "empty lines"),
    Row(b"GET / HTTP/1.1\r\n<< >>Host: a\r\n\r\n", "RFC 9112 2.2", "400", "without a blank"),
    Row(OK + b"X: a\r\n<< >>b\r\n\r\n", "RFC 9112 5.2", "400", "in one line"),
    # request lines
    Row(b"GET << >>/ HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3", "400", "one space"),
    Row(b"GET<<\t>>/ HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3", "400", "one space"),
    Row(b"<< >>GET / HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3", "400", "one space"),
    Row(b"GET /<<>>\r\n\r\n", "RFC 9112 3", "400", "HTTP/1.1"),
    Row(b"GET /a<< >>b HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3", "400", "%20"),
    Row(b"G<<@>>T / HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.1", "400", "letters"),
    Row(b"GET / <<http/1.1>>\r\nHost: a\r\n\r\n", "RFC 9112 2.3", "400", "capitals"),
    Row(b"GET / <<HTTP/1.10>>\r\nHost: a\r\n\r\n", "RFC 9112 2.3", "400", "one digit"),
    Row(b"GET / <<HTTP/2.0>>\r\nHost: a\r\n\r\n", "RFC 9110 2.5", "505", "HTTP/2"),
    Row(b"GET << >>HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2", "400", "`/`"),
    Row(b"GET /" + b"a" * 8187 + b"<<a HTTP/1.1>>\r\n\r\n", "RFC 9112 3", "414", "shorter"),
    # targets
    Row(b"GET <<*>> HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2.4", "400", "OPTIONS"),
    Row(b"GET <<a:80>> HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2.3", "400", "`/`"),
    Row(b"CONNECT <<a>> HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9110 9.3.6", "400", "port"),
    Row(b"CONNECT <</a>> HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2.3", "400", "host and port"),
    Row(b"GET http://<<u:p@>>a/ HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9110 4.2.4", "400", "password"),
    Row(b"GET http://a<<,>>b/ HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2", "400", "host"),
    Row(b"GET <<ftp://a/>> HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9110 4.2", "400", "http"),
    Row(b"GET <<index.html>> HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2", "400", "`/`"),
    Row(b"GET /a<<#b>> HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2.1", "400", "fragment"),
    Row(b"GET /<<\xc3>>\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2.1", "400", "percent"),
    Row(b'GET /?a=<<">> HTTP/1.1\r\nHost: a\r\n\r\n', "RFC 9112 3.2.1", "400", "percent"),
    Row(b"GET /a<<%>>zz HTTP/1.1\r\nHost: a\r\n\r\n", "RFC 9112 3.2.1", "400", "%25"),
    # Host
    Row(b"GET / HTTP/1.1\r\n<<>>Accept: */*\r\n\r\n", "RFC 9112 3.2", "400", "add a line `Host"),
    Row(OK + b"<<Host: a>>\r\n\r\n", "RFC 9112 3.2", "400", "`Host: name` once"),
    Row(b"GET / HTTP/1.1\r\nHost:<<>>\r\n\r\n", "RFC 9112 3.2", "400", "behind `Host:`"),
    Row(b"GET / HTTP/1.1\r\nHost: a<<,>>b\r\n\r\n", "RFC 9112 3.2", "400", "no list"),
    Row(b"GET / HTTP/1.1\r\nHost: u<<@>>a\r\n\r\n", "RFC 9112 3.2", "400", "user"),
    Row(b"GET / HTTP/1.1\r\nHost: a:<<99999>>\r\n\r\n", "RFC 9112 3.2", "400", "65535"),
    Row(b"GET / HTTP/1.1\r\nHost: <<[::1>>\r\n\r\n", "RFC 9112 3.2", "400", "brackets"),
    # fields
    Row(OK + b"Content-Length<< >>: 5\r\n\r\n", "RFC 9112 5.1", "400", "before the colon"),
    Row(OK + b"a<<[>>b]: c\r\n\r\n", "RFC 9110 5.1", "400", "letters"),
    Row(OK + b"<<:>> c\r\n\r\n", "RFC 9110 5.1", "400", "letters"),
    Row(OK + b"<<hello>>\r\n\r\n", "RFC 9112 5", "400", "Name: value"),
    Row(OK + b"Accept: a\r\nRange: a\r\n<<range: b>>\r\n\r\n", "RFC 9110 5.3", "400", "Range once"),
    Row(OK + b'Connection: a, <<">>\r\n\r\n', "RFC 9110 5.6.4", "400", "quotes"),
    Row(OK + b"Expect: <<200-ok>>\r\n\r\n", "RFC 9110 10.1.1", "417", "100-continue"),
    Row(OK + b"X: " + b"a" * 8189 + b"<<a>>\r\n\r\n", "RFC 9110 5.4", "431", "shorter"),
    Row(OK + b"A: b\r\n" * 99 + b"<<A: b>>\r\n\r\n", "RFC 9110 5.4", "431", "fewer"),
    # framing
    Row(POST + b"Content-Length: 5\r\n<<Transfer-Encoding: chunked>>\r\n\r\n0\r\n\r\n",
        "RFC 9112 6.3 (3)", "400", "smuggled"),
    Row(POST + b"Content-Length: <<+5>>\r\n\r\nhello", "RFC 9112 6.3 (5)", "400", "plain digits"),
    Row(POST + b"Content-Length: 5<<, 5>>\r\n\r\nhello", "RFC 9112 6.3 (5)", "400", "plain digits"),
    Row(POST + b"Content-Length: 5\r\n<<Content-Length: 6>>\r\n\r\nhello", "RFC 9112 6.3 (5)",
        "400", "once"),
    Row(POST + b"Transfer-Encoding: <<chunked, gzip>>\r\n\r\n", "RFC 9112 6.3 (4)", "400",
        "Content-Encoding"),
    Row(POST + b"Transfer-Encoding: <<xchunked>>\r\n\r\n", "RFC 9112 6.3 (4)", "501", "chunked"),
    Row(POST + b"Transfer-Encoding: <<gzip, chunked>>\r\n\r\n", "RFC 9112 6.1", "501",
        "Content-Encoding"),
    Row(POST + b'Transfer-Encoding: <<"chunked">>\r\n\r\n', "RFC 9112 6.1", "400", "quotes"),
    Row(b"POST / HTTP/1.0\r\nTransfer-Encoding: <<chunked>>\r\n\r\n", "RFC 9112 6.1", "400",
        "HTTP/1.0"),
    # chunks
    Row(CHUNKS + b"2\r\nab<<c>>\r\n0\r\n\r\n", "RFC 9112 7.1", "400", "number of its bytes"),
    Row(CHUNKS + b"<<+5>>\r\nhello\r\n0\r\n\r\n", "RFC 9112 7.1", "400", "hexadecimal"),
    Row(CHUNKS + b"0<<x5>>\r\nhello\r\n0\r\n\r\n", "RFC 9112 7.1.1", "400", "only the size"),
    Row(CHUNKS + b"5<<\n>>hello\r\n0\r\n\r\n", "RFC 9112 7.1", "400", "CR LF"),
    Row(CHUNKS + b"0\r\n<<Content-Length: 5>>\r\n\r\n", "RFC 9110 6.5.1", "400", "in the head"),
    Row(CHUNKS + b"0\r\n<<hello>>\r\n\r\n", "RFC 9112 7.1.2", "400", "Name: value"),
    # what is missing
    Row(b"GET / HT<<>>", "RFC 9112 8", "400", "empty line"),
    Row(POST + b"Content-Length: 5\r\n\r\nhell<<>>", "RFC 9112 8", "400", "Content-Length"),
    Row(CHUNKS + b"5\r\nhello\r\n<<>>", "RFC 9112 8", "400", "size 0"),
]  # fmt: skip

RESPONSES = [
    Row(b"HTTP/1.1 <<20>> OK\r\n\r\n", "RFC 9112 4", "gives up", "three digits"),
    Row(b"HTTP/1.1 <<2000>> OK\r\n\r\n", "RFC 9112 4", "gives up", "three digits"),
    Row(b"<<http/1.1>> 200 OK\r\n\r\n", "RFC 9112 2.3", "gives up", "capitals"),
    Row(b"<<SSH-2.0-OpenSSH>>\r\n\r\n", "RFC 9112 2.3", "gives up", "SSH begins"),
    Row(FINE + b"X: a<<\n>>Content-Length: 0\r\n\r\n", "RFC 9112 2.2", "gives up", "CR LF"),
    Row(FINE + b"Content-Length<< >>: 5\r\n\r\n", "RFC 9112 5.1", "gives up", "before the colon"),
    Row(FINE + b"Content-Length: 5<<, 6>>\r\n\r\n", "RFC 9112 6.3 (5)", "gives up", "digits"),
    Row(FINE + b"Transfer-Encoding: chunked\r\n<<Content-Length: 5>>\r\n\r\n",
        "RFC 9112 6.3 (3)", "gives up", "smuggled"),
    Row(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: <<chunked>>\r\n\r\n", "RFC 9112 6.1", "gives up",
        "HTTP/1.0"),
    Row(FINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc<<X>>X", "RFC 9112 7.1", "gives up",
        "number of its bytes"),
    Row(FINE + b"Content-Length: 5\r\n\r\nhell<<>>", "RFC 9112 8", "gives up", "Content-Length"),
    Row(FINE + b"Content-Length: 2\r\n\r\nhi<<!>>", "RFC 9112 9.2", "counts", "one response"),
    Row(b"<<>>", "RFC 9112 8", "gives up", "answer before"),
]  # fmt: skip


def check(row: Row, explained: Explained) -> None:
    begin = row.marked.index(b"<<")
    end = row.marked.index(b">>") - 2
    fault = explained.fault
    assert fault is not None
    assert (fault.offset, fault.end) == (begin, end), fault
    assert fault.rule == row.rule
    assert row.answer in fault.answer
    assert row.advice in fault.advice
    before = row.marked[:begin]
    assert (fault.line, fault.column) == (before.count(b"\n") + 1, begin - before.rfind(b"\n"))


def bytes_of(row: Row) -> bytes:
    return row.marked.replace(b"<<", b"").replace(b">>", b"")


def test_there_are_over_forty_broken_messages() -> None:
    assert len({row.marked for row in (*REQUESTS, *RESPONSES)}) >= 70


@pytest.mark.rfc("9112", "2.2")
@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: ascii(row.marked[-40:]))
def test_a_broken_request_is_explained(row: Row) -> None:
    check(row, explain_request(bytes_of(row)))


@pytest.mark.rfc("9112", "2.2")
@pytest.mark.parametrize("row", RESPONSES, ids=lambda row: ascii(row.marked[-40:]))
def test_a_broken_response_is_explained(row: Row) -> None:
    check(row, explain_response(bytes_of(row), is_ended=True))


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"\x16\x03\x01\0\xc8\x01\0\0\xc4", "TLS"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", "by HTTP/1.1"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 5 80\r\n" + OK + b"\r\n", "--proxy-protocol"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + OK + b"\r\n", "--proxy-protocol"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "this is how SSH begins"),
        (b"EHLO me\r\n", "SMTP"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff\r\n\r\n", "gzip"),
        ((OK + b"\r\n").decode().encode("utf-16"), "UTF-16"),
        ((OK + b"\r\n").decode().encode("utf-16-be"), "UTF-16"),
        ((OK + b"\r\n").decode().encode("utf-16-le"), "UTF-16"),
        (b"\xef\xbb\xbf" + OK + b"\r\n", "byte order mark"),
        (FINE + b"\r\n", "this is a response"),
    ],
    ids=lambda data: ascii(data[:12]),
)
def test_what_is_no_request_at_all_is_called_by_its_name(data: bytes, advice: str) -> None:
    fault = explain_request(data).fault
    assert fault is not None
    assert advice in fault.advice


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"\x15\x03\x03\0\x02\x02\x16", "TLS refuses"),
        (b"\0\0\x12\4\0\0\0\0\0\0\x03\0\0\0\x80", "HTTP/2 begins"),
        (b"220 mail.example ESMTP\r\n", "SMTP"),
    ],
    ids=lambda data: ascii(data[:12]),
)
def test_what_is_no_response_at_all_is_called_by_its_name(data: bytes, advice: str) -> None:
    fault = explain_response(data, is_ended=True).fault
    assert fault is not None
    assert advice in fault.advice


def test_a_control_character_inside_of_a_head_is_no_handshake() -> None:
    fault = explain_request(OK + b"X: \x16\x03\r\n\r\n").fault
    assert fault is not None
    assert "TLS" not in fault.advice


def test_a_fault_in_a_later_message_is_counted_from_the_beginning() -> None:
    first = OK + b"\r\n"
    fault = explain_request(first + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n").fault
    assert fault is not None
    assert (fault.offset, fault.line, fault.column) == (len(first) + 20, 5, 5)


def test_each_fault_of_the_cases_has_advice_of_its_own() -> None:
    for row in REQUESTS:
        fault = explain_request(bytes_of(row)).fault
        assert fault is not None
        assert fault.advice != advice_for("something else", "request")
