"""HAR 1.2: written as browsers read it, read as browsers write it, and never believed too much."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.fields.servertiming import ServerTiming, parse_server_timing
from crlf.message.timestamps import build_timestamp, parse_timestamp
from crlf.rules.captures import (
    Captured,
    build_captures,
    is_captures,
    mask_heads,
    masked,
    parse_captures,
)
from crlf.rules.har import build_har, har_text, parse_har
from crlf.rules.timing import timings_of
from crlf.rules.tracing import Step
from crlf.wire.explain import explain_request, explain_response

STEPS = (
    Step("dns", 10.0, 10.001),
    Step("connect", 10.001, 10.003),
    Step("tls", 10.003, 10.010),
    Step("send", 10.010, 10.011),
    Step("wait", 10.011, 10.061),
    Step("receive", 10.061, 10.062),
)
SENT = (
    b"POST /part?n=7&n=8 HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer secret\r\n"
    b"Cookie: sid=hidden; theme=dark\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)
RECEIVED = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
    b'Server-Timing: db;dur=12.5;desc="the shelf", cache\r\nSet-Cookie: sid=hidden; HttpOnly\r\n'
    b"\r\n5\r\nGr\xc3\xbcn\r\n0\r\nDigest: x\r\n\r\n"
)
CAPTURED = Captured(
    "http://a.example/part?n=7&n=8", "POST", SENT, RECEIVED, began=1_000_000_000.25, steps=STEPS,
    connection=3, peer=("192.0.2.1", 80),
)  # fmt: skip


def entry_of(captured: Captured) -> Any:
    [entry] = json.loads(har_text([captured]))["log"]["entries"]
    return entry


def test_an_exchange_is_told_as_har_has_it() -> None:
    entry = entry_of(CAPTURED)
    assert entry["startedDateTime"] == "2001-09-09T01:46:40.250Z"
    request, response = entry["request"], entry["response"]
    assert request["method"] == "POST"
    assert request["queryString"] == [{"name": "n", "value": "7"}, {"name": "n", "value": "8"}]
    assert request["postData"]["text"] == "hello"
    assert request["bodySize"] == 5
    assert request["headersSize"] == len(SENT) - 5
    assert response["status"] == 200
    assert response["content"]["text"] == "Grün"
    assert response["content"]["size"] == 5
    assert response["_trailers"] == [{"name": "Digest", "value": "x"}]
    assert entry["connection"] == "3"
    assert entry["serverIPAddress"] == "192.0.2.1"


def test_times_add_up_and_tls_is_a_part_of_connect() -> None:
    entry = entry_of(CAPTURED)
    times = entry["timings"]
    assert times == {
        "blocked": -1, "dns": 1.0, "connect": 9.0, "ssl": 7.0,
        "send": 1.0, "wait": 50.0, "receive": 1.0,
    }  # fmt: skip
    assert entry["time"] == pytest.approx(62.0)


def test_every_field_that_har_demands_is_there() -> None:
    log = build_har([CAPTURED])["log"]
    assert isinstance(log, dict)
    assert log["version"] == "1.2"
    assert set(log["creator"]) == {"name", "version"}
    entry = log["entries"][0]
    assert entry.keys() >= {
        "startedDateTime", "time", "request", "response", "cache", "timings",
    }  # fmt: skip
    assert entry["request"].keys() >= {
        "method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize",
        "bodySize",
    }  # fmt: skip
    assert entry["response"].keys() >= {
        "status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL",
        "headersSize", "bodySize",
    }  # fmt: skip
    assert entry["response"]["content"].keys() >= {"size", "mimeType"}


def test_compressed_content_is_told_as_text() -> None:
    coded = gzip.compress(b"a page " * 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded)
    content = entry_of(Captured("http://a.example/", "GET", b"", head + coded))["response"]
    assert content["content"]["text"] == "a page " * 100
    assert content["content"]["compression"] == 700 - len(coded)
    assert content["bodySize"] == len(coded)


def test_binary_content_is_told_in_base64() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    content = entry_of(Captured("http://a.example/", "GET", b"", head + b"\0\xff\1\2"))["response"]
    assert content["content"]["encoding"] == "base64"
    assert base64.b64decode(content["content"]["text"]) == b"\0\xff\1\2"


def test_an_exchange_without_an_answer_has_status_0() -> None:
    entry = entry_of(Captured("http://a.example/", "GET", fault="nobody answers"))
    assert entry["response"]["status"] == 0
    assert entry["response"]["_error"] == "nobody answers"


@pytest.mark.parametrize("broken", [b"HTTP/1.1 2x0 OK\r\n\r\n", b"\0" * 50, b"HTTP/1.1 200", b""])
def test_a_broken_answer_makes_a_har_all_the_same(broken: bytes) -> None:
    assert entry_of(Captured("http://a.example/", "GET", SENT, broken))["response"]["status"] == 0


# --- secrets -------------------------------------------------------------------------------------


def test_secrets_are_stars_and_sizes_stay() -> None:
    safe = masked(CAPTURED)
    assert len(safe.sent) == len(SENT)
    assert len(safe.received) == len(RECEIVED)
    assert b"Authorization: Bearer ******\r\n" in safe.sent
    assert b"Cookie: sid=******; theme=****\r\n" in safe.sent
    assert b"Set-Cookie: sid=******; HttpOnly\r\n" in safe.received
    assert "hidden" not in har_text([safe])
    assert "secret" not in repr(CAPTURED)


def test_credentials_without_a_scheme_are_secrets_too() -> None:
    assert mask_heads(b"GET / HTTP/1.1\r\nauthorization:token\r\n\r\n").endswith(b":*****\r\n\r\n")
    assert b"42" not in mask_heads(b"GET / HTTP/1.1\r\nX-API-Key: 42\r\n\r\n")


def test_content_that_looks_like_a_field_is_left_alone() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nSet-Cookie: a=b\r\n\r\n"
    assert mask_heads(data) == data


# --- read again ----------------------------------------------------------------------------------

BROWSER = {
    "log": {
        "version": "1.2",
        "creator": {"name": "WebInspector", "version": "537.36"},
        "pages": [],
        "entries": [
            {
                "_initiator": {"type": "other"},
                "startedDateTime": "2026-11-23T13:00:00.500+01:00",
                "time": 25.5,
                "request": {
                    "method": "GET",
                    "url": "https://a.example/page?q=1",
                    "httpVersion": "h2",
                    "headers": [
                        {"name": ":authority", "value": "a.example"},
                        {"name": "accept", "value": "*/*"},
                    ],
                    "queryString": [],
                    "cookies": [],
                    "headersSize": -1,
                    "bodySize": 0,
                },
                "response": {
                    "status": 200,
                    "statusText": "",
                    "httpVersion": "h2",
                    "headers": [
                        {"name": "content-encoding", "value": "br"},
                        {"name": "content-length", "value": "9"},
                        {"name": "set-cookie", "value": "a=1\nb=2"},
                    ],
                    "content": {"size": 11, "mimeType": "text/html", "text": "<p>Hello</p>"},
                    "redirectURL": "",
                    "headersSize": -1,
                    "bodySize": -1,
                    "_transferSize": 200,
                },
                "serverIPAddress": "192.0.2.7",
                "connection": "443",
                "cache": {},
                "timings": {"blocked": 1.5, "dns": -1, "ssl": -1, "connect": -1, "send": 0.5,
                            "wait": 20, "receive": 3.5, "_blocked_queueing": 1},
            }
        ],
    }
}  # fmt: skip


def test_what_a_browser_wrote_is_rebuilt_as_messages() -> None:
    [captured] = parse_har(json.dumps(BROWSER).encode())
    assert captured.origin == "a HAR (spoken as H2)"
    assert captured.sent == b"GET /page?q=1 HTTP/1.1\r\nHost: a.example\r\naccept: */*\r\n\r\n"
    assert captured.received == (
        b"HTTP/1.1 200 \r\ncontent-encoding: br\r\ncontent-length: 12\r\n"
        b"set-cookie: a=1\r\nset-cookie: b=2\r\n\r\n<p>Hello</p>"
    )
    assert captured.began == parse_timestamp("2026-11-23T12:00:00.5Z")
    assert timings_of(captured).seconds["wait"] == pytest.approx(0.02)
    assert explain_request(captured.sent).fault is None
    assert explain_response(captured.received).fault is None


def test_our_own_is_read_again() -> None:
    [again] = parse_har(har_text([CAPTURED]).encode())
    assert again.url == CAPTURED.url
    assert again.sent == SENT
    assert again.received.endswith(b"\r\n\r\n5\r\nGr\xc3\xbcn\r\n0\r\n\r\n")
    assert timings_of(again).total == pytest.approx(0.062)


def test_content_that_was_not_kept_is_said_to_be_missing() -> None:
    entry = {"response": {"status": 200, "content": {"size": 500}}}
    [captured] = parse_har(json.dumps({"log": {"entries": [entry]}}).encode())
    assert captured.received_cut == 500


def rebuilt(request: dict[str, object], response: dict[str, object]) -> Captured:
    entry = {"request": {"url": "http://a.example/", **request}, "response": response}
    [captured] = parse_har(json.dumps({"log": {"entries": [entry]}}).encode())
    sent = explain_request(captured.sent, is_whole=not captured.sent_cut)
    assert sent.fault is None
    answered = explain_response(captured.received, method=captured.method)
    assert answered.fault is None
    return captured


def field(name: str, value: str) -> list[dict[str, str]]:
    return [{"name": name, "value": value}]


def test_a_length_stays_as_it_was_where_the_content_was_not_kept() -> None:
    # as Playwright writes a redirect: a body of 169 bytes, of which it knows nothing
    answer = {"status": 301, "headers": field("Content-Length", "169"), "content": {"size": -1}}
    captured = rebuilt({}, answer)
    assert b"Content-Length: 169\r\n" in captured.received
    assert captured.received_cut == 169


def test_an_upload_that_was_not_kept_is_said_to_be_missing() -> None:
    # as Chromium writes one with files: neither text nor pairs
    captured = rebuilt({"method": "POST", "headers": field("Content-Length", "282")}, {})
    assert b"Content-Length: 282\r\n" in captured.sent
    assert captured.sent_cut == 282
    captured = rebuilt({"method": "PUT", "bodySize": 3, "postData": {"text": ""}}, {})
    assert captured.sent.endswith(b"Content-Length: 3\r\n\r\n")
    assert captured.sent_cut == 3


def test_a_form_that_is_told_in_pairs_alone_is_content_all_the_same() -> None:
    pairs = [{"name": "q", "value": "1 2"}, {"name": "\ud800"}, 5]
    post = {"mimeType": "application/x-www-form-urlencoded; charset=utf-8", "params": pairs}
    captured = rebuilt({"method": "POST", "postData": post}, {})
    assert captured.sent.endswith(b"Content-Length: 10\r\n\r\nq=1+2&%3F=")


@pytest.mark.rfc("9112", "6.3 (1)")
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304), ("GET", 204)])
def test_what_has_no_content_is_given_none_by_a_har(method: str, status: int) -> None:
    # browsers tell with a 304 what they had kept
    content = {"size": 5, "text": "hello"}
    answer = {"status": status, "headers": field("Content-Length", "3600"), "content": content}
    captured = rebuilt({"method": method}, answer)
    assert captured.received.endswith(b"Content-Length: 3600\r\n\r\n")
    assert captured.received_cut == 0


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html; charset=iso-8859-1", b"Gr\xfcn"),
        ("text/html; charset=utf-16-le", "Gr\xfcn".encode("utf-16-le")),
        ("text/html; charset=ascii", b"Gr\xc3\xbcn"),
        ("text/html; charset=zip", b"Gr\xc3\xbcn"),
        ("text/html", b"Gr\xc3\xbcn"),
    ],
)
def test_text_is_made_bytes_again_in_the_charset_that_is_declared(
    kind: str, content: bytes
) -> None:
    answer = {"status": 200, "headers": field("Content-Type", kind), "content": {"text": "Gr\xfcn"}}
    assert rebuilt({}, answer).received.endswith(b"\r\n\r\n" + content)


def test_no_value_begins_another_line() -> None:
    headers = [{"name": "a\r\nb", "value": "c\r\nGET / HTTP/1.1\r\n\r\n"}]
    request = {"method": "G\r\nT", "url": "http://a.example/", "headers": headers}
    [captured] = parse_har(json.dumps({"log": {"entries": [{"request": request}]}}).encode())
    assert captured.sent.startswith(b"G  T / HTTP/1.1\r\n")
    assert captured.sent.count(b"\r\n\r\n") == 1
    assert all(b": " in line or line[-1:] == b":" for line in captured.sent.split(b"\r\n")[1:-2])


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"log": 5}', '{"log": {"entries": 5}}', '{"log": {"entries": [5]}}',
     "[" * 100_000, "\ud800"],
)  # fmt: skip
def test_what_is_no_har_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_har(text.encode("utf-8", "surrogatepass"))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["request", "response", "url", "method", "headers", "name", "value",
                         "status", "content", "text", "encoding", "size", "timings", "wait",
                         "connection", "serverIPAddress", "startedDateTime", "postData"]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@given(st.lists(JSON, max_size=3))
def test_whatever_stands_in_a_har_nothing_else_is_raised(entries: list[object]) -> None:
    try:
        captures = parse_har(json.dumps({"log": {"entries": entries}}).encode())
    except Malformed:
        return
    for one in captures:
        har_text([masked(one)])


# --- captures ------------------------------------------------------------------------------------


def test_captures_are_read_as_they_were_written() -> None:
    odd = CAPTURED._replace(received=bytes(range(256)), received_cut=7, fault="it broke")
    text = build_captures([CAPTURED, odd])
    assert is_captures(text.encode())
    first, second = parse_captures(text.encode())
    assert (first.sent, first.received, first.peer) == (SENT, RECEIVED, ("192.0.2.1", 80))
    assert (second.received, second.received_cut, second.fault) == (
        bytes(range(256)), 7, "it broke",
    )  # fmt: skip
    assert [(one.name, round(one.ended, 6)) for one in first.steps][-1] == ("receive", 0.062)


@pytest.mark.parametrize(
    "line",
    ["5", "{}", '{"url": 5, "method": "GET"}', '{"url": "", "method": "", "sent64": "?"}',
     '{"url": "", "method": "", "sent": "\\u0100"}', '{"url": "", "method": "", "steps": [1]}',
     '{"url": "", "method": "", "steps": [["x", 0, 0, ""]]}',
     '{"url": "", "method": "", "tls": 5}', "\\"],
)  # fmt: skip
def test_a_broken_line_of_captures_is_named(line: str) -> None:
    with pytest.raises(Malformed, match="line 2"):
        parse_captures((build_captures([]) + line + "\n").encode())


# --- Server-Timing, timestamps -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ("db;dur=53", [("db", 53.0, "")]),
        ('cache;desc="Cache Read";dur=23.2', [("cache", 23.2, "Cache Read")]),
        ("miss, db;dur=1, app;dur=2.5", [("miss", None, ""), ("db", 1.0, ""), ("app", 2.5, "")]),
        ("db ; dur = 5", [("db", None, "")]),  # blanks round "=" are no parameter here
        ("db;dur=-1", [("db", None, "")]),
        ("db;dur=1e5", [("db", None, "")]),
        (";dur=5, =, ok", [("ok", None, "")]),
        ('"', []),
    ],
)
def test_server_timing_is_read(text: str, metrics: list[Any]) -> None:
    assert parse_server_timing([text]) == tuple(ServerTiming(*one) for one in metrics)


def test_server_timing_is_bounded() -> None:
    assert len(parse_server_timing(["a," * 900 + "a"])) == 100


@given(st.integers(-62_000_000_000_000, 253_000_000_000_000))
def test_a_timestamp_is_read_as_it_was_written(thousandths: int) -> None:
    assert parse_timestamp(build_timestamp(thousandths / 1000)) == pytest.approx(
        thousandths / 1000, abs=0.0005
    )


@pytest.mark.parametrize("text", ["", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z"])
def test_what_is_no_timestamp_is_none(text: str) -> None:
    assert parse_timestamp(text) is None
