"""The wire, explained: what each byte is, message by message, in stories."""

from __future__ import annotations

import itertools

import pytest

from crlf.message.headers import Headers
from crlf.wire.explain import (
    DETAILS,
    ELEMENTS,
    Explained,
    Span,
    explain_bytes,
    explain_request,
    explain_response,
    explain_responses,
)
from crlf.wire.parts import RequestHead, ResponseHead

GET = b"GET /a?b=c&d HTTP/1.1\r\nHost: a.example\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nDigest: z\r\n\r\n"
)


def named(data: bytes, explained: Explained) -> list[tuple[bytes, str]]:
    return [(data[span.start : span.end], span.element) for span in explained.spans]


def span_of(data: bytes, explained: Explained, text: bytes) -> Span:
    return next(each for each in explained.spans if data[each.start : each.end] == text)


@pytest.mark.rfc("9112", "3")
def test_each_word_of_a_request_has_its_name() -> None:
    assert named(GET, explain_request(GET)) == [
        (b"GET", "method"),
        (b" ", "space"),
        (b"/a", "target path"),
        (b"?b=c&d", "target query"),
        (b" ", "space"),
        (b"HTTP/1.1", "version"),
        (b"\r\n", "line end"),
        (b"Host", "field name"),
        (b":", "colon"),
        (b" ", "whitespace"),
        (b"a.example", "field value"),
        (b"\r\n", "line end"),
        (b"\r\n", "head end"),
    ]


@pytest.mark.rfc("9112", "3.2")
@pytest.mark.parametrize(
    ("line", "elements"),
    [
        (b"GET http://b:80/c?d HTTP/1.1", "scheme authority path query"),
        (b"GET http://b HTTP/1.1", "scheme authority"),
        (b"CONNECT b:443 HTTP/1.1", "authority"),
        (b"OPTIONS * HTTP/1.1", "path"),
        (b"GET /? HTTP/1.1", "path query"),
    ],
)
def test_a_target_of_each_form_is_taken_apart(line: bytes, elements: str) -> None:
    explained = explain_request(line + b"\r\nHost: b:443\r\n\r\n")
    assert explained.fault is None
    found = [span.element for span in explained.spans if span.element.startswith("target")]
    assert found == [f"target {element}" for element in elements.split(" ")]


@pytest.mark.rfc("9112", "7.1")
def test_chunks_are_shown_one_by_one_with_their_trailers() -> None:
    explained = explain_response(CHUNKED)
    assert named(CHUNKED, explained)[11:] == [
        (b"\r\n", "head end"),
        (b"5", "chunk size"),
        (b";x=y", "chunk extension"),
        (b"\r\n", "line end"),
        (b"hello", "chunk data"),
        (b"\r\n", "chunk end"),
        (b"0", "last chunk"),
        (b"\r\n", "line end"),
        (b"Digest", "trailer name"),
        (b":", "colon"),
        (b" ", "whitespace"),
        (b"z", "trailer value"),
        (b"\r\n", "line end"),
        (b"\r\n", "body end"),
    ]
    [message] = explained.messages
    assert message.is_complete
    assert message.content_length == 5
    assert message.trailers == Headers({"digest": "z"})
    assert message.framing.how == "chunked"
    assert message.framing.rule == "RFC 9112 6.3 (4)"


@pytest.mark.rfc("9110", "15.2")
def test_interim_responses_are_messages_of_their_own() -> None:
    data = b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No\r\n\r\n"
    first, last = explain_response(data).messages
    assert isinstance(first.head, ResponseHead)
    assert first.head.status_code == 103
    assert (first.start, first.end, last.start, last.end) == (0, 34, 34, len(data))
    assert [message.framing.rule for message in (first, last)] == ["RFC 9112 6.3 (1)"] * 2


@pytest.mark.rfc("9112", "6.3")
@pytest.mark.parametrize(
    ("method", "data", "how", "rule"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "length", "RFC 9112 6.3 (6)"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "none", "RFC 9112 6.3 (6)"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "none", "RFC 9112 6.3 (1)"),
        ("GET", b"HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n", "none", "RFC 9112 6.3 (1)"),
        ("GET", b"HTTP/1.1 204 No\r\n\r\n", "none", "RFC 9112 6.3 (1)"),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nhi", "close", "RFC 9112 6.3 (8)"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", "close",
         "RFC 9112 6.3 (4)"),
        ("CONNECT", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\x16\x03", "tunnel",
         "RFC 9112 6.3 (2)"),
    ],
)  # fmt: skip
def test_how_the_end_is_found_is_said_with_its_rule(
    method: str, data: bytes, how: str, rule: str
) -> None:
    explained = explain_response(data, method=method, is_ended=True)
    assert explained.fault is None
    assert explained.messages[0].is_complete
    assert explained.messages[0].framing[0::2] == (how, rule)


@pytest.mark.rfc("9110", "15.2.2")
def test_what_follows_a_switch_is_another_protocol() -> None:
    data = b"HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00\n\x82"
    explained = explain_response(data)
    assert named(data, explained)[-1] == (b"\x81\x00\n\x82", "other protocol")
    asked = RequestHead("GET", "/", Headers({"host": "a"}))
    refused = explain_response(data, request=asked).fault
    assert refused is not None
    assert refused.reason == "101 that no request asked for"
    assert data[refused.offset : refused.end] == b"101"


@pytest.mark.rfc("9110", "7.8")
def test_a_request_with_upgrade_may_be_followed_by_another_protocol() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    explained = explain_request(head + b"\x81\x85")
    assert explained.fault is None
    assert explained.spans[-1].element == "other protocol"
    assert len(explain_request(head + GET).messages) == 2


@pytest.mark.rfc("9112", "9.3.2")
def test_pipelined_requests_are_several_messages() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    explained = explain_request(GET + b"\r\n" + post + GET)
    assert [message.start for message in explained.messages] == [
        0, len(GET) + 2, len(GET) + 2 + len(post),
    ]  # fmt: skip
    assert [span.element for span in explained.spans].count("empty line") == 1


@pytest.mark.rfc("9112", "9.6")
def test_what_comes_after_close_is_left_over() -> None:
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    explained = explain_request(last + GET)
    assert explained.fault is None
    assert {span.element for span in explained.spans if span.start >= len(last)} == {"left over"}


@pytest.mark.rfc("9112", "9.2")
def test_bytes_behind_a_response_are_a_fault() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi!"
    fault = explain_response(data).fault
    assert fault is not None
    assert (fault.offset, fault.line, fault.column) == (len(data) - 1, 4, 3)


@pytest.mark.rfc("9112", "8")
def test_what_is_missing_is_a_fault_only_when_nothing_follows() -> None:
    part = GET[:-4]
    assert explain_request(part, is_whole=False).fault is None
    assert not explain_request(part, is_whole=False).messages[0].is_complete
    fault = explain_request(part).fault
    assert fault is not None
    assert fault.offset == fault.end == len(part)
    content = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"
    assert explain_response(content).fault is None
    ended = explain_response(content, is_ended=True).fault
    assert ended is not None
    assert ended.rule == "RFC 9112 8"


@pytest.mark.rfc("9112", "5.2")
def test_a_folded_line_of_a_response_goes_on_with_the_value() -> None:
    data = b"HTTP/1.1 204 No\r\nA: b;\r\n c\r\n\r\n"
    explained = explain_response(data)
    assert explained.fault is None
    assert named(data, explained)[-5:] == [
        (b"\r\n", "line end"),
        (b" ", "fold"),
        (b"c", "field value"),
        (b"\r\n", "line end"),
        (b"\r\n", "head end"),
    ]


@pytest.mark.rfc("9112", "2.2")
def test_after_a_fault_the_rest_is_named_and_not_read() -> None:
    data = b"GET / HTTP/1.1\r\nHost : a\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"
    explained = explain_request(data)
    assert len(explained.messages) == 1
    assert explained.messages[0].head is None
    assert named(data, explained)[6:] == [
        (b"Host", "field name"),
        (b" ", "broken"),
        (b":", "colon"),
        (b" ", "whitespace"),
        (b"a", "field value"),
        (b"\r\n", "line end"),
        (b"X", "field name"),
        (b":", "colon"),
        (b" ", "whitespace"),
        (b"y", "field value"),
        (b"\r\n", "line end"),
        (b"\r\n", "head end"),
        (b"GET /b HTTP/1.1\r\n", "not read"),
        (b"Host: a\r\n", "not read"),
        (b"\r\n", "not read"),
    ]


def test_a_conversation_is_read_in_both_directions() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    data = GET + answer + b"hi" + GET.replace(b"GET", b"HEAD") + answer
    explained = explain_bytes(data)
    assert explained.fault is None
    assert [message.kind for message in explained.messages] == ["request", "response"] * 2
    assert [message.content_length for message in explained.messages] == [0, 2, 0, 0]


def test_bytes_are_known_by_how_they_begin() -> None:
    assert explain_bytes(b"\r\n" + GET).messages[0].kind == "request"
    two = explain_bytes(CHUNKED + b"HTTP/1.1 204 No\r\n\r\n")
    assert [message.kind for message in two.messages] == ["response"] * 2
    assert two.fault is None
    assert explain_bytes(b"") == Explained((), (), None)


def test_responses_answer_their_requests_in_order() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" * 2 + b"hi"
    explained = explain_responses(data, ["HEAD", "GET"])
    assert [message.content_length for message in explained.messages] == [0, 2]
    assert explained.fault is None


@pytest.mark.parametrize(
    ("data", "text", "meaning", "rule"),
    [
        (GET, b"GET", "GET: asks for the resource itself; changes nothing", "RFC 9110 9"),
        (GET, b"/a", "asks for the resource /a", "RFC 9112 3.2.1"),
        (GET, b"HTTP/1.1", "the client understands HTTP/1.1", "RFC 9112 2.3"),
        (GET, b"a.example", "means the site a.example", "RFC 9110 7.2"),
        (CHUNKED, b"200", "200: the request succeeded", "RFC 9110 15.3.1"),
        (CHUNKED, b"5", "5 bytes of content follow in this chunk (hexadecimal 5)", "RFC 9112 7.1"),
        (CHUNKED, b"chunked", "the content comes in chunks, each with its size before it",
         "RFC 9112 6.1"),
    ],
)  # fmt: skip
def test_a_span_says_what_it_means_here(data: bytes, text: bytes, meaning: str, rule: str) -> None:
    span = span_of(data, explain_bytes(data), text)
    assert (span.meaning, span.rule) == (meaning, rule)


@pytest.mark.rfc("6265bis", "5.6")
@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("Max-Age=60", "is kept for 60 seconds"),
        ("Max-Age=0", "is taken back at once"),
        ("Max-Age=-1", "is taken back at once"),
        ("Max-Age=1h", "cannot be read"),
        ("Expires=Sun, 06 Nov 1994 08:49:37 GMT", "is kept until Sun, 06 Nov"),
        ("Expires=never", "cannot be read"),
        ("SameSite=Maybe", "cannot be read"),
        ("SameSite=Lax", "only where a link is followed"),
        ("Path=here", "no path that begins with /"),
        ("Path=/a", "for paths below /a"),
    ],
)
def test_an_attribute_of_a_cookie_says_what_is_made_of_it(attribute: str, words: str) -> None:
    data = f"HTTP/1.1 204 No\r\nSet-Cookie: a=b; {attribute}\r\n\r\n".encode()
    [value] = [span for span in explain_response(data).spans if span.element == "field value"]
    assert words in value.details[-1].meaning


@pytest.mark.rfc("9111", "5.1")
def test_an_age_that_is_none_is_not_taken_for_a_date() -> None:
    data = b"HTTP/1.1 204 No\r\nAge: old\r\n\r\n"
    [value] = [span for span in explain_response(data).spans if span.element == "field value"]
    assert value.meaning.startswith("no number of seconds")


@pytest.mark.rfc("9111", "5.2")
@pytest.mark.parametrize(
    ("field", "asked", "answered"),
    [
        ("Cache-Control: max-age=5", "at most 5 seconds old", "fresh for 5 seconds"),
        ("Cache-Control: no-cache", "takes no copy that was not asked about", "may be kept, and"),
        ("Cache-Control: max-stale", "however long, will do", "no directive of a response"),
        ("Cache-Control: public", "no directive of a request", "by any cache"),
        ('Cache-Control: no-cache="a"', "takes no copy", "a may not be used again without"),
        ('Cache-Control: private="a"', "no directive of a request", "a may be kept by the reader"),
        ("Upgrade: h2c", "offers h2c", "speaks h2c"),
        ("Accept-Encoding: gzip;q=0, br", "likes br, and not gzip", "likes br, and not gzip"),
    ],
)
def test_a_field_means_what_it_does_in_its_direction(field: str, asked: str, answered: str) -> None:
    request = f"GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n".encode()
    response = f"HTTP/1.1 204 No\r\n{field}\r\n\r\n".encode()
    for explained, words in (
        (explain_request(request), asked),
        (explain_response(response), answered),
    ):
        values = [span.meaning for span in explained.spans if span.element == "field value"]
        assert words in values[-1]


@pytest.mark.parametrize(
    ("field", "details"),
    [
        (b"Host: a:80", [("a", "host"), ("80", "port")]),
        (b'Content-Type: a/b; c="d;e"', [("a/b", "media type"), ('c="d;e"', "parameter")]),
        (b"Accept: a/b, c;q=0", [("a/b", "media type"), ("c", "media type"), ("q=0", "weight")]),
        (b"Cookie: a=b; c=d", [("a=b", "cookie"), ("c=d", "cookie")]),
        (b"Set-Cookie: a=b; Secure", [("a=b", "cookie"), ("Secure", "attribute")]),
        (b"Cache-Control: max-age=5, x", [("max-age=5", "directive"), ("x", "directive")]),
        (b"Range: bytes=0-4, -5", [("0-4", "range"), ("-5", "range")]),
        (b"If-None-Match: \"a\", W/\"b\"", [('"a"', "validator"), ('W/"b"', "validator")]),
        (b"Authorization: Basic YTpi", [("Basic", "auth scheme"), ("YTpi", "credentials")]),
        (b"User-Agent: a/1 (b c) d", [("a/1", "product"), ("(b c)", "comment"), ("d", "product")]),
        (b"Connection: close, x", [("close", "option"), ("x", "option")]),
    ],
)  # fmt: skip
def test_a_value_is_taken_apart(field: bytes, details: list[tuple[str, str]]) -> None:
    data = b"HTTP/1.1 204 No\r\n" + field + b"\r\n\r\n"
    explained = explain_response(data)
    [value] = [span for span in explained.spans if span.element == "field value"]
    found = [(data[each.start : each.end].decode(), each.element) for each in value.details]
    assert found == details
    assert all(value.start <= each.start < each.end <= value.end for each in value.details)


@pytest.mark.rfc("9110", "11.4")
def test_no_secret_is_repeated_in_a_sentence() -> None:
    data = (
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\r\nCookie: id=s3cret\r\n"
        b"Proxy-Authorization: Basic s3cret\r\nX-Api-Key: s3cret\r\n\r\n"
    )
    explained = explain_request(data)
    assert "s3cret" not in "".join(
        each.meaning for span in explained.spans for each in (span, *span.details)
    )


def test_no_control_character_reaches_a_sentence() -> None:
    data = (
        b'GET /\xff\x9b HTTP/1.1\r\nHost: a\x1b\r\nX: \x9b2J\r\nContent-Type: a/b;c="\x9b"\r\n\r\n'
    )
    for span in explain_request(data).spans:
        for each in (span, *span.details):
            assert each.meaning.isascii()
            assert each.meaning.isprintable()


def test_each_element_has_a_rule_and_a_meaning() -> None:
    for name, element in (*ELEMENTS.items(), *DETAILS.items()):
        assert name == name.lower()
        assert element.rule
        assert element.meaning[0] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" or element.meaning[:2] == "CR"


# --- what is too much ----------------------------------------------------------------------------

MANY = 45_000
CHUNKS = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BLANK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (b"GET / HTTP/1.1\r\nX : a\r\n\r\n" + b"y\n" * MANY, 1100),  # a log, a list of words
        (b"y\n" * MANY, 102_000),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * MANY, 102_000),
        (CHUNKS + b"1\r\nx\r\n" * MANY + b"0\r\n\r\n", 41_000),
        (CHUNKS + b"1\r\nx\r\n" * MANY + b"g\r\n", 41_000),
        (BLANK * MANY, 501_000),
        ((BLANK + ANSWER) * MANY, 501_000),
    ],
    ids=["behind a fault", "lines", "fields", "chunks", "broken chunks", "requests", "exchanges"],
)
def test_spans_are_bounded_and_tile_all_the_same(data: bytes, most: int) -> None:
    spans = explain_bytes(data).spans
    assert len(spans) <= most
    assert spans[0].start == 0
    assert spans[-1].end == len(data)
    assert all(first.end == then.start for first, then in itertools.pairwise(spans))


def test_a_fault_behind_many_chunks_is_found_and_the_last_chunk_is_told() -> None:
    many = CHUNKS + b"1\r\nx\r\n" * MANY
    explained = explain_request(many + b"0\r\n\r\n")
    assert explained.fault is None
    assert explained.messages[0].content_length == MANY
    assert [span.element for span in explained.spans[-3:-1]] == ["last chunk", "line end"]
    fault = explain_request(many + b"g\r\n").fault
    assert fault is not None
    assert (fault.offset, fault.rule) == (len(many), "RFC 9112 7.1")
