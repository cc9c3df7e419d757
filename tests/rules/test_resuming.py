"""What a download asks for, and what it makes of each answer: the table of edge cases."""

from __future__ import annotations

import json

import pytest

from crlf.message.errors import (
    ConnectFailed,
    CrlfError,
    DigestMismatch,
    PoolTimeout,
    ReadFailed,
    ReadTimeout,
    RemoteError,
    StatusError,
    TooLarge,
    TotalTimeout,
)
from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.rules.resuming import (
    MAX_NOTE,
    Complete,
    Kept,
    Refused,
    Rest,
    Unusable,
    Whole,
    asking,
    build_note,
    can_go_on,
    content_digest,
    file_name,
    judge,
    noted_url,
    parse_note,
    pause_before,
    said_digest,
    strong_etag,
)

KEPT = Kept(5, '"a"', 10)
PART = {"content-range": "bytes 5-9/10", "etag": '"a"', "content-length": "5"}


def headers(*changes: dict[str, str | None]) -> Headers:
    """A good answer's fields with some changed; None takes one away."""
    fields: dict[str, str | None] = {}
    for change in changes:
        fields.update(change)
    return Headers([(name, value) for name, value in fields.items() if value is not None])


# -- asking


@pytest.mark.rfc("9110", "13.1.5")
def test_the_rest_is_asked_for_by_its_strong_tag() -> None:
    asked = dict(asking(KEPT))
    assert (asked["range"], asked["if-range"]) == ("bytes=5-", '"a"')


@pytest.mark.rfc("9110", "12.5.3")
def test_no_coding_is_ever_asked_for() -> None:
    assert dict(asking(None)) == {
        "accept-encoding": "identity",
        "want-repr-digest": "sha-256=10, sha-512=9",
    }
    assert dict(asking(KEPT))["accept-encoding"] == "identity"


# -- a 200, and what is no success


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"etag": '"b"', "content-length": "7"}, Whole('"b"', 7)),
        ({"etag": 'W/"b"', "content-length": "7"}, Whole(None, 7)),
        ({"etag": "b"}, Whole(None, None)),
        ({"last-modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, Whole(None, None)),
        ({"etag": '"b"', "accept-ranges": "none"}, Whole(None, None)),
        ({"etag": '"b"', "accept-ranges": "bytes"}, Whole('"b"', None)),
        ({"etag": '"b"', "content-encoding": "gzip", "content-length": "7"}, Whole(None, None)),
        ({"etag": '"b"', "transfer-encoding": "chunked"}, Whole('"b"', None)),
        ({"content-length": "x"}, Whole(None, None)),
    ],
)
@pytest.mark.parametrize("kept", [None, KEPT])
def test_a_200_is_everything_anew(
    kept: Kept | None, fields: dict[str, str], verdict: Whole
) -> None:
    assert judge(kept, 200, Headers(fields)) == verdict


@pytest.mark.rfc("9110", "8.8.3")
def test_two_tags_are_none() -> None:
    assert strong_etag(Headers([("etag", '"a"'), ("etag", '"a"')])) is None


def test_other_successes_have_content_but_no_state() -> None:
    assert judge(None, 203, Headers({"etag": '"a"'})) == Whole(None, None)


@pytest.mark.parametrize("status", [301, 304, 400, 401, 404, 412, 500, 503])
def test_what_is_no_success_is_refused(status: int) -> None:
    assert judge(KEPT, status, headers(PART)) == judge(None, status, headers(PART)) == Refused()


# -- a 206


@pytest.mark.rfc("9110", "15.3.7")
@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Rest(10, 10)),
        ({"content-length": None}, Rest(10, 10)),
        ({"content-range": "bytes 5-6/10", "content-length": "2"}, Rest(7, 10)),
        ({"accept-ranges": "none"}, Rest(10, 10)),
    ],
)
def test_the_rest_that_was_asked_for(change: dict[str, str | None], verdict: Rest) -> None:
    assert judge(KEPT, 206, headers(PART, change)) == verdict
    assert judge(Kept(5, '"a"', None), 206, headers(PART, change)) == verdict


@pytest.mark.rfc("9110", "15.3.7.3")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"content-range": None}, "without a Content-Range"),
        ({"content-range": "bytes */10"}, "without a Content-Range"),
        ({"content-range": "bytes 5-9"}, "without a Content-Range"),
        ({"content-range": "bytes 5-9/9"}, "without a Content-Range"),
        ({"content-range": "bytes 5-9/10, bytes 5-9/10"}, "without a Content-Range"),
        ({"content-range": "bytes 0-9/10"}, "from byte 0"),
        ({"content-range": "bytes 6-9/10"}, "from byte 6"),
        ({"content-range": "bytes 5-9/*"}, "of how much"),
        ({"content-range": "bytes 5-9/11"}, "which had been 10"),
        ({"etag": '"b"'}, "ETag"),
        ({"etag": 'W/"a"'}, "ETag"),
        ({"etag": None}, "ETag"),
        ({"content-length": "4"}, "Content-Length"),
        ({"content-encoding": "gzip"}, "coding"),
        ({"content-type": "multipart/byteranges; boundary=x"}, "several parts"),
        ({"content-type": "Multipart/ByteRanges;boundary=x", "content-range": None}, "several"),
    ],
)
def test_a_part_that_lies_is_of_no_use(change: dict[str, str | None], why: str) -> None:
    verdict = judge(KEPT, 206, headers(PART, change))
    assert isinstance(verdict, Unusable)
    assert why in verdict.reason


def test_a_part_that_nobody_asked_for() -> None:
    assert isinstance(judge(None, 206, headers(PART)), Unusable)


# -- a 416


@pytest.mark.rfc("9110", "15.5.17")
@pytest.mark.parametrize(
    ("kept", "fields", "is_complete"),
    [
        (Kept(10, '"a"', 10), {"content-range": "bytes */10"}, True),
        (Kept(10, '"a"', None), {"content-range": "bytes */10"}, True),
        (Kept(10, '"a"', 10), {"content-range": "bytes */10", "etag": '"a"'}, True),
        (Kept(10, '"a"', 10), {"content-range": "bytes */10", "etag": '"b"'}, False),
        (Kept(10, '"a"', 10), {"content-range": "bytes */10", "etag": 'W/"a"'}, False),
        (Kept(10, '"a"', 12), {"content-range": "bytes */10"}, False),
        (Kept(10, '"a"', 10), {"content-range": "bytes */9"}, False),
        (Kept(10, '"a"', 10), {"content-range": "bytes */11"}, False),
        (Kept(10, '"a"', 10), {"content-range": "bytes */*"}, False),
        (Kept(10, '"a"', 10), {"content-range": "bytes 0-9/10"}, False),
        (Kept(10, '"a"', 10), {}, False),
    ],
)
def test_nothing_left_means_complete_only_when_the_sizes_match(
    kept: Kept, fields: dict[str, str], is_complete: bool
) -> None:
    verdict = judge(kept, 416, Headers(fields))
    assert isinstance(verdict, Complete if is_complete else Unusable)


def test_a_416_without_a_range_is_an_error_like_others() -> None:
    assert judge(None, 416, Headers({"content-range": "bytes */0"})) == Refused()


# -- digests


@pytest.mark.rfc("9530", "3")
def test_which_digest_is_of_the_whole_file() -> None:
    repr_digest = {"repr-digest": "sha-256=:AAEC:"}
    of_content = {"content-digest": "sha-512=:AAEC:"}
    assert str(said_digest(Headers(repr_digest), is_whole=False)) == "sha-256=000102"
    assert str(said_digest(headers(repr_digest, of_content), is_whole=True)) == "sha-256=000102"
    assert str(said_digest(Headers(of_content), is_whole=True)) == "sha-512=000102"
    assert said_digest(Headers(of_content), is_whole=False) is None
    assert str(content_digest(Headers(of_content))) == "sha-512=000102"
    coded = headers(repr_digest, {"content-encoding": "gzip"})
    assert said_digest(coded, is_whole=True) is None
    assert said_digest(Headers({"repr-digest": "md5=:AAEC:"}), is_whole=True) is None


# -- notes


URL_TEXT = "https://a.example/f?x=1"


def test_a_note_is_read_as_it_was_written() -> None:
    assert parse_note(build_note(URL_TEXT, '"a"', 10), URL_TEXT, 5) == KEPT
    assert parse_note(build_note(URL_TEXT, '"\xfc"', None), URL_TEXT, 5) == Kept(5, '"\xfc"', None)


GOOD = {"crlf": 1, "url": URL_TEXT, "etag": '"a"', "total": 10}


@pytest.mark.parametrize(
    "note",
    [
        b"", b"{", b"[]", b"null", b"1", b"\xff\xfe", b"[" * 60_000,
        b" " * MAX_NOTE + json.dumps(GOOD).encode(),
        *(
            json.dumps({**GOOD, **change}).encode()
            for change in (
                {"crlf": 2}, {"crlf": None}, {"url": "https://a.example/g?x=1"}, {"url": None},
                {"etag": 'W/"a"'}, {"etag": "a"}, {"etag": None}, {"etag": ['"a"']},
                {"etag": '"a"\r\nx: y'}, {"etag": '"\u20ac"'},
                {"total": "10"}, {"total": 4}, {"total": -1}, {"total": 10.0}, {"total": True},
            )
        ),
    ],
)  # fmt: skip
def test_a_note_that_cannot_be_trusted_is_none(note: bytes) -> None:
    assert parse_note(note, URL_TEXT, 5) is None


def test_there_is_nothing_to_go_on_with_in_an_empty_file() -> None:
    assert parse_note(build_note(URL_TEXT, '"a"', 10), URL_TEXT, 0) is None


def test_a_note_has_no_password_in_it() -> None:
    assert noted_url(URL("https://user:secret@a.example/f?x=1#part")) == URL_TEXT


# -- names


@pytest.mark.rfc("6266", "4.3")
@pytest.mark.parametrize(
    ("disposition", "url", "name"),
    [
        (None, "http://a/b/c.txt?d=e.f", "c.txt"),
        (None, "http://a/b/c%20d.txt", "c d.txt"),
        (None, "http://a/", "index.html"),
        (None, "http://a", "index.html"),
        (None, "http://a/b/?c=d", "index.html"),
        (None, "http://a/..%2f..%2fetc%2fpasswd", "passwd"),
        (None, "http://a/.bashrc", "bashrc"),
        (None, "http://a/%00%0a", "unnamed"),
        ('attachment; filename="x.bin"', "http://a/b", "x.bin"),
        ("attachment; filename*=UTF-8''na%C3%AFve.txt", "http://a/b", "na\u00efve.txt"),
        ('attachment; filename="../../etc/passwd"', "http://a/b", "passwd"),
        ('attachment; filename="..\\\\..\\\\x.exe"', "http://a/b", "x.exe"),
        ('attachment; filename="C:\\\\x.exe"', "http://a/b", "x.exe"),
        ('attachment; filename=".ssh"', "http://a/b", "ssh"),
        ('attachment; filename=".."', "http://a/b", "unnamed"),
        ('attachment; filename="CON"', "http://a/b", "_CON"),
        ('attachment; filename="nul.txt"', "http://a/b", "_nul.txt"),
        ('attachment; filename="a:b"', "http://a/b", "a_b"),
        ('attachment; filename=""', "http://a/b", "b"),
        ("attachment", "http://a/b", "b"),
        ("attachment; filename=x; filename=y", "http://a/b", "b"),
        ('attachment; filename="other.iso.part"', "http://a/b", "other.iso.part_"),
        ('attachment; filename="other.iso.PART.json"', "http://a/b", "other.iso.PART.json_"),
        ('attachment; filename="other.iso.part "', "http://a/b", "other.iso.part_"),
        (None, "http://a/x.part", "x.part_"),
    ],
)
def test_a_name_is_safe_and_nobody_elses(disposition: str | None, url: str, name: str) -> None:
    fields = {} if disposition is None else {"content-disposition": disposition}
    assert file_name(Headers(fields), URL(url)) == name


def test_a_long_name_leaves_room_for_what_is_added() -> None:
    name = file_name(Headers(), URL(f"http://a/{'x' * 5000}.tar.gz"))
    assert len(f"{name} (9999).part.json.new".encode()) <= 255


# -- going on


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (ReadFailed("reset"), True),
        (ReadTimeout("late"), True),
        (ConnectFailed("refused"), True),
        (RemoteError("connection closed 5 bytes before the end", "RFC 9112 8"), True),
        (RemoteError("chunk data not followed by CRLF", "RFC 9112 7.1"), False),
        (PoolTimeout("no connection"), False),
        (TotalTimeout("60 s in all"), False),
        (TooLarge("body", 5), False),
        (DigestMismatch("not what it should be"), False),
        (StatusError("503", response=Response(503)), True),
        (StatusError("429", response=Response(429)), True),
        (StatusError("404", response=Response(404)), False),
        (StatusError("500", response=Response(500)), False),
        (StatusError("503"), False),
    ],
)
def test_what_passes_by_itself(fault: CrlfError, passes: bool) -> None:
    assert can_go_on(fault) is passes


def test_pauses_grow_and_end() -> None:
    pauses = [pause_before(attempt) for attempt in range(1, 12)]
    assert pauses[:3] == [0.5, 1.0, 2.0]
    assert pauses == sorted(pauses)
    assert pause_before(10**9) == pauses[-1] == 30.0
