"""Answers: what handlers return, and redirects that stay where they should."""

from __future__ import annotations

import datetime
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import BadUrl, Malformed
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.server.apps.answers import (
    FileAnswer,
    Refused,
    file,
    html,
    is_local,
    json,
    redirect,
    response_of,
    stream,
    text,
)


@dataclass
class Part:
    number: int
    added: datetime.date


@pytest.mark.parametrize(
    ("answer", "kind", "content"),
    [
        (text("grüß"), "text/plain; charset=utf-8", "grüß".encode()),
        (html("<p>ü"), "text/html; charset=utf-8", "<p>ü".encode()),
        (json({"a": [1, None, "ü"]}), "application/json", '{"a":[1,null,"ü"]}'.encode()),
    ],
)
def test_each_says_its_kind_and_that_it_is_no_other(
    answer: Response, kind: str, content: bytes
) -> None:
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("build", [text, html, json])
def test_answers_without_fields_share_them(build: Callable[..., Response]) -> None:
    assert build("a").headers is build("b", 404).headers
    assert build("a", 404).status_code == 404
    more = build("a", headers={"X": "1", "Content-Type": "text/x"}).headers
    assert more["x"] == "1"
    assert more.get_all("content-type") == ["text/x"]
    assert "x" not in build("a").headers
    assert build("a", headers=Headers({"Y": "1"})).headers["y"] == "1"
    assert build("a", headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")]).headers.get_all(
        "set-cookie"
    ) == ["a=1", "b=2"]


def test_json_knows_records_dates_and_ids() -> None:
    identity = UUID("123e4567-e89b-12d3-a456-426614174000")
    part = Part(7, datetime.date(2026, 11, 22))
    assert json([part, identity]).json() == [
        {"number": 7, "added": "2026-11-22"},
        "123e4567-e89b-12d3-a456-426614174000",
    ]
    for wrong, error in ((object(), TypeError), ({1, 2}, TypeError), (float("nan"), ValueError)):
        with pytest.raises(error):
            json(wrong)


def test_a_stream_is_asked_piece_by_piece() -> None:
    answer = stream(iter([b"a", b"b"]), "text/csv")
    assert answer.headers["content-type"] == "text/csv"
    assert not isinstance(answer.body, bytes)
    assert list(answer.body.chunks()) == [b"a", b"b"]
    with pytest.raises(Malformed):
        stream([b"x"], "text/csv\r\nX: y")


# --- what a handler returns ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status_code", "kind", "content"),
    [
        ("<p>", 200, "text/html; charset=utf-8", b"<p>"),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        (bytearray(b"x"), 200, "application/octet-stream", b"x"),
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1], 200, "application/json", b"[1]"),
        (Part(1, datetime.date(2026, 1, 2)), 200, "application/json",
         b'{"number":1,"added":"2026-01-02"}'),
        (("gone", 410), 410, "text/html; charset=utf-8", b"gone"),
        (({"a": 1}, 201), 201, "application/json", b'{"a":1}'),
        (("", 204), 204, "text/html; charset=utf-8", b""),
    ],
)  # fmt: skip
def test_what_is_returned_becomes_a_response(
    result: object, status_code: int, kind: str, content: bytes
) -> None:
    response = response_of(result, "part")
    assert (response.status_code, response.content) == (status_code, content)
    assert response.headers["content-type"] == kind
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_response_is_left_alone_and_fields_are_added() -> None:
    response = Response(200)
    assert response_of(response, "part") is response
    made = response_of(("x", 201, {"Location": "/x"}), "part")
    assert (made.status_code, made.headers["location"]) == (201, "/x")


@pytest.mark.parametrize(
    "result",
    [
        None,
        7,
        1.5,
        True,
        object(),
        {1, 2},
        (),
        ("a",),
        ("a", "b"),
        ("a", 100),
        ("a", 600),
        ("a", 204),
        ("a", 205),
        ("a", 304),
        ("a", True),
        ("a", 200, {}, 1),
        (Response(200), 201),
        (None, 200),
        Part,
        iter([b"x"]),
    ],
)
def test_what_is_no_answer_is_an_error_that_names_the_handler(result: object) -> None:
    with pytest.raises(TypeError, match=r"^part\(\) returned "):
        response_of(result, "part")


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.4.4")
@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/cart", "/cart"),
        ("/a?b=c#d", "/a?b=c#d"),
        ("cart", "cart"),
        ("?page=2", "?page=2"),
        ("#top", "#top"),
        ("../up", "../up"),
        ("/at/12:30", "/at/12:30"),
        ("/über uns", "/%C3%BCber%20uns"),
        ("/a%2Fb", "/a%2Fb"),
        ("/?to=http://b.example/", "/?to=http://b.example/"),
        ('/"<x>', "/%22%3Cx%3E"),
    ],
)
def test_a_redirect_goes_where_it_was_told(location: str, sent: str) -> None:
    response = redirect(location)
    assert response.status_code == 303
    assert response.headers["location"] == sent
    assert response.content == b""


LEADS_AWAY = [
    "",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/a\\b",
    "http://evil.example/",
    "HTTPS://evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "x:/y",
    " //evil.example",
    " http://evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\x00/x",
    "/a\r\nSet-Cookie: x=y",
    "/a\x7f",
]


@pytest.mark.parametrize("location", LEADS_AWAY)
def test_a_redirect_does_not_leave_the_site(location: str) -> None:
    assert not is_local(location)
    with pytest.raises(BadUrl):
        redirect(location)


@given(st.text("/\\:.@#?%aA \t\r\n\x00\x0b", max_size=8))
def test_a_local_redirect_is_local_to_a_browser(location: str) -> None:
    """A browser drops tabs and line ends, strips blanks, and takes backslashes for slashes."""
    if is_local(location):
        sent = redirect(location).headers["location"]
        seen = sent.replace("\t", "").replace("\n", "").strip(" \x00\x0b").replace("\\", "/")
        assert not seen.startswith("//")
        before = seen.partition("/")[0].partition("?")[0].partition("#")[0]
        assert ":" not in before


def test_an_external_redirect_is_asked_for() -> None:
    def location(url: str) -> str:
        return redirect(url, 302, external=True).headers["location"]

    assert location("https://b.example/ü") == "https://b.example/%C3%BC"
    assert location("//b.example/x") == "//b.example/x"
    assert location("myapp:/callback?code=1") == "myapp:/callback?code=1"
    for wrong in ("http://", "http://a b/", "https://x\r\ny", "\\\\b", "", " //b"):
        with pytest.raises(BadUrl):
            location(wrong)


@pytest.mark.parametrize("status_code", [200, 300, 304, 305, 306, 309, 404])
def test_a_redirect_has_the_status_of_one(status_code: int) -> None:
    with pytest.raises(ValueError, match="no redirect"):
        redirect("/", status_code)
    assert redirect("/", 308, headers={"X": "1"}).headers["x"] == "1"


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.5.2")
@pytest.mark.rfc("9110", "15.5.6")
@pytest.mark.parametrize(
    ("status_code", "field"), [(401, "WWW-Authenticate"), (405, "Allow"), (426, "Upgrade")]
)
def test_some_refusals_need_a_field(status_code: int, field: str) -> None:
    with pytest.raises(ValueError, match=field.lower()):
        Refused(status_code)
    assert Refused(status_code, headers={field: "x"}).headers[field] == "x"


def test_a_refusal_is_an_error_and_survives_a_copy() -> None:
    for status_code in (200, 303, 399, 600):
        with pytest.raises(ValueError, match="refuses nothing"):
            Refused(status_code)
    error = Refused(404, "No such part.", {"X": "1"})
    other = pickle.loads(pickle.dumps(error))
    assert (other.status_code, other.reason, other.headers) == (404, "No such part.", error.headers)


# --- files ---------------------------------------------------------------------------------------


def test_a_file_is_opened_when_the_request_is_known(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"hello")
    answer = file(path)
    assert answer == FileAnswer(path)

    def ask(method: str = "GET", **fields: str) -> Response:
        headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
        return answer.response(Request.received((method, "/", headers, "1.1"), b"", Received()))

    first = ask()
    assert (first.status_code, first.content) == (200, b"hello")
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    assert ask(if_none_match=first.headers["etag"]).status_code == 304
    assert ask("POST", if_none_match=first.headers["etag"]).status_code == 200
    saved = file(path, "report ü.txt").response(ask_request())
    assert saved.headers["content-disposition"].startswith("attachment")


def ask_request() -> Request:
    return Request.received(("GET", "/", Headers(), "1.1"), b"", Received())


def test_a_status_may_come_from_the_library_that_names_them() -> None:
    made = response_of(({"a": 1}, HTTPStatus.CREATED), "f")
    assert (made.status_code, type(made.status_code)) == (201, int)
    with pytest.raises(TypeError, match=r"f\(\) returned True where a status"):
        response_of(("", True), "f")


def test_what_begins_with_its_text_as_others_do_is_told_the_order() -> None:
    with pytest.raises(TypeError, match=r"Response\(200, fields, content\): a str is none"):
        Response("hello")  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(ValueError, match="'404' refuses nothing"):
        Refused("404")  # type: ignore[arg-type]  # the mistake itself
