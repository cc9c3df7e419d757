"""Both clients against httpbin, under a WSGI server that nobody here wrote (waitress).

What httpbin says it saw is what was sent; what it sends is what arrives. Authentication against
it is in test_auth.py.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from tests.live.peers import COLOURS, Face, Play, free_port, process

from crlf import (
    ReadTimeout,
    Retry,
    StatusError,
    Timeout,
    TooManyRedirects,
    TotalTimeout,
)
from crlf.message.response import Response

pytestmark = [pytest.mark.live]

# A process of its own, since httpbin brings Flask and greenlets; waitress reads chunked requests,
# asks for the content that Expect announces, and keeps connections.
SERVER = """
import sys
from httpbin import app
from waitress import serve

serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=16)
"""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    port = free_port()
    with process(port, sys.executable, "-c", SERVER, str(port)):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=list(COLOURS))
def play(request: pytest.FixtureRequest) -> Play:
    return COLOURS[request.param]


def seen(response: Response) -> dict[str, Any]:
    """What httpbin saw of a request."""
    assert response.status_code == 200, response.text
    said = response.json()
    assert isinstance(said, dict)
    return said


# --- what is sent --------------------------------------------------------------------------------


def test_params_and_fields_arrive(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        args = await face.get("get?z=0", params={"a": ["1", "2"], "b": "x y&ü"})
        fields = await face.get("headers", headers={"X-One": "1", "accept": None})
        return seen(args), seen(fields)["headers"]

    args, fields = play(
        story, base_url=base + "/", headers={"user-agent": "me/1"}, params={"k": "v"}
    )
    assert args["args"] == {"a": ["1", "2"], "b": "x y&ü", "k": "v", "z": "0"}
    assert (fields["X-One"], fields["User-Agent"], "Accept" in fields) == ("1", "me/1", False)
    assert fields["Host"] == base.removeprefix("http://")


def pieces() -> Iterator[bytes]:
    yield from (b"hel", b"", b"lo")


@pytest.mark.rfc("7578", "4")
def test_forms_and_files_arrive(base: str, play: Play, tmp_path: Path) -> None:
    path = tmp_path / "öffentlich.txt"
    path.write_text("from a file", encoding="utf-8")

    async def story(face: Face) -> Any:
        with path.open("rb") as opened:
            return [
                seen(await face.ask("POST", "post", **options))
                for options in (
                    {"data": {"a": ["1", "2"], "b": "x y&ü="}},
                    {"data": {"a": "1"}, "files": {"f": path, "g": ("g.bin", b"\0\xff", "x/y")}},
                    {"files": [("f", opened), ("h", ("two.txt", b"two"))]},
                    {"json": {"ü": [1, None, {"x": True}]}},
                    {"content": b"as it is", "headers": {"content-type": "text/plain"}},
                    {"content": pieces()},
                    {"content": b"", "headers": {"content-type": "text/plain"}},
                )
            ]

    form, mixed, files, as_json, plain, chunked, empty = play(story, base_url=base + "/")
    assert form["form"] == {"a": ["1", "2"], "b": "x y&ü="}
    assert form["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert mixed["form"] == {"a": "1"}
    assert mixed["files"] == {
        "f": "from a file",
        "g": "data:x/y;base64,AP8=",
    }
    assert files["files"] == {"f": "from a file", "h": "two"}
    assert as_json["json"] == {"ü": [1, None, {"x": True}]}
    assert as_json["headers"]["Content-Type"] == "application/json"
    assert (plain["data"], chunked["data"], empty["data"]) == ("as it is", "hello", "")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_every_method_brings_its_content(base: str, play: Play, method: str) -> None:
    async def story(face: Face) -> Any:
        return seen(await face.ask(method, method.lower(), json={"m": method}, params={"q": "1"}))

    found = play(story, base_url=base + "/")
    assert (found["json"], found["args"]) == ({"m": method}, {"q": "1"})


@pytest.mark.rfc("9110", "10.1.1")
def test_a_large_upload_asks_first_and_is_seen_whole(base: str, play: Play) -> None:
    """waitress says 100 when it has read the head; each byte is told of on its way."""
    content = bytes(range(256)) * 8192  # 2 MiB
    told: list[tuple[int, int | None]] = []
    steps: list[str] = []

    async def story(face: Face) -> Any:
        return seen(
            await face.ask(
                "POST", "post", content=content,
                headers={"content-type": "application/octet-stream"},
                progress=lambda sent, total: told.append((sent, total)),
                trace=lambda step: steps.append(step.name),
            )
        )  # fmt: skip

    found = play(story, base_url=base + "/")
    sent = base64.b64decode(found["data"].partition("base64,")[2])
    assert hashlib.sha256(sent).digest() == hashlib.sha256(content).digest()
    assert found["headers"]["Expect"] == "100-continue"
    assert told[0] == (0, len(content))
    assert told[-1] == (len(content), len(content))
    assert [sent for sent, _ in told] == sorted({sent for sent, _ in told})
    assert "failed" not in steps


# --- what comes ----------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "8.4.1")
@pytest.mark.parametrize(
    ("path", "coding", "word"),
    [("gzip", "gzip", "gzipped"), ("deflate", "deflate", "deflated"), ("brotli", "br", "brotli")],
)
def test_content_codings_are_undone(
    base: str, play: Play, path: str, coding: str, word: str
) -> None:
    async def story(face: Face) -> Any:
        whole = await face.get(path)
        async with face.stream("GET", path) as body:
            assert body.headers["content-encoding"] == coding
            piecewise = await body.read()
        return seen(whole), whole.headers.get("content-encoding"), json.loads(piecewise)

    said, named, piecewise = play(story, base_url=base + "/")
    assert said[word] is True
    assert said == piecewise
    assert named == coding  # the fields stay as they were sent


def test_lines_come_as_they_are(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        async with face.stream("GET", "stream/20") as body:
            return [json.loads(line)["id"] for line in await body.lines()], body.headers

    ids, fields = play(story, base_url=base + "/")
    assert ids == list(range(20))
    assert fields.get("transfer-encoding") == "chunked"


def test_bytes_come_whole_and_in_pieces(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        whole = (await face.get("bytes/100000", params={"seed": 7})).content
        chunked = (await face.get("stream-bytes/100000", params={"seed": 7})).content
        async with face.stream("GET", "bytes/100000?seed=7") as body:
            piecewise = b"".join([piece async for piece in body.pieces()])
        image = await face.get("image/png")
        return whole, chunked, piecewise, image.content[:8]

    whole, chunked, piecewise, image = play(story, base_url=base + "/")
    assert len(whole) == 100_000
    assert whole == chunked == piecewise
    assert image == b"\x89PNG\r\n\x1a\n"


def test_text_is_what_it_says(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        async with face.stream("GET", "encoding/utf8") as body:
            lines = await body.lines()
        return (await face.get("encoding/utf8")).text, lines, (await face.get("html")).text

    unicode, lines, page = play(story, base_url=base + "/")
    assert "▗▄▖▛▀▜" in unicode
    assert "Οὐχὶ ταὐτὰ" in unicode
    assert lines == unicode.removesuffix("\n").split("\n")
    assert "Moby-Dick" in page


@pytest.mark.rfc("9110", "14.4")
def test_a_part(base: str, play: Play) -> None:
    """httpbin says Content-Range in a 200 too, and its tag is no entity-tag: neither matters."""

    async def story(face: Face) -> Any:
        answers = [
            await face.get("range/1024", headers=headers)
            for headers in (None, {"range": "bytes=26-29"}, {"range": "bytes=2000-"})
        ]
        async with face.stream("GET", "range/1024", headers={"range": "bytes=-3"}) as body:
            last = await body.read(), body.headers["content-range"]
        return [(one.status_code, one.content) for one in answers], last

    (whole, part, beyond), last = play(story, base_url=base + "/")
    assert (whole[0], len(whole[1])) == (200, 1024)
    assert part == (206, b"abcd")
    assert beyond == (416, b"")
    assert last == (whole[1][-3:], "bytes 1021-1023/1024")


@pytest.mark.rfc("9110", "13.1.2")
def test_what_has_not_changed(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        answers = []
        for path in ("etag/x", "cache"):
            first = await face.get(path)
            again = await face.get(path, headers={"if-none-match": f'"{first.headers["etag"]}"'})
            answers.append((first.status_code, again.status_code, again.content))
        since = {"if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}
        return answers, (await face.get("cache", headers=since)).status_code

    assert play(story, base_url=base + "/") == ([(200, 304, b"")] * 2, 304)


def test_links(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        many = await face.get("links/10/0")
        said = await face.get("response-headers", params={"Link": '</get?page=2>; rel="next"'})
        following = await face.get(str(said.links["next"].url))
        return many.text.count("<a href="), seen(following)["args"]

    assert play(story, base_url=base + "/") == (9, {"page": "2"})


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [400, 404, 418, 500, 502, 503])
def test_a_status_is_an_answer(base: str, play: Play, code: int) -> None:
    async def story(face: Face) -> Any:
        response = await face.get(f"status/{code}")
        with pytest.raises(StatusError, match=str(code)) as caught:
            response.raise_for_status()
        assert caught.value.response is response
        return response.status_code, response.text

    found, text = play(story, base_url=base + "/")
    assert found == code
    assert ("teapot" in text) == (code == 418)


@pytest.mark.parametrize(
    ("path", "timeout", "kind", "says"),
    [
        ("delay/1", Timeout(read=0.15), ReadTimeout, "nothing arrived"),
        ("delay/1", 0.15, TotalTimeout, "longer than 0.15 s in all"),
        # Each byte comes in time, and all of them together do not.
        ("drip?numbytes=20&duration=2", Timeout(total=0.3), TotalTimeout, "longer than 0.3 s"),
        ("drip?numbytes=2&duration=2", Timeout(read=0.15), ReadTimeout, "nothing arrived"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_what_takes_too_long(
    base: str, play: Play, path: str, timeout: Any, kind: type, says: str, streamed: bool
) -> None:
    """The error says the phase, the seconds and whom; the connection is gone with it."""

    async def streaming(face: Face) -> None:
        async with face.stream("GET", path, timeout=timeout) as body:
            await body.read()

    async def story(face: Face) -> Any:
        if not streamed:
            return await face.failing(path, timeout=timeout), face.connections
        with pytest.raises(kind) as caught:
            await streaming(face)
        return caught.value, face.connections

    fault, left = play(story, base_url=base + "/")
    assert type(fault) is kind
    assert fault.phase == "read"
    assert 0.1 < fault.seconds < 0.9
    assert fault.peer == ("127.0.0.1", int(base.rpartition(":")[2]))
    assert says in str(fault)
    assert f"GET {base}/{path.partition('?')[0]}" in str(fault)
    assert left == 0


def test_a_stream_may_take_longer_than_a_client_has_in_all(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        began = time.monotonic()
        async with face.stream("GET", "drip?numbytes=4&duration=0.4") as body:
            return [(piece, time.monotonic() - began) async for piece in body.pieces()]

    pieces = play(story, base_url=base + "/", timeout=Timeout(total=0.15))
    assert b"".join(piece for piece, _ in pieces) == b"****"
    assert pieces[-1][1] - pieces[0][1] >= 0.2


def test_a_stream_is_left_early(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        async with (
            face.stream("GET", "stream-bytes/5000000?chunk_size=100000") as body,
            aclosing(body.pieces()) as pieces,
        ):
            assert await anext(pieces)
        return face.connections, (await face.get("status/200")).status_code

    assert play(story, base_url=base + "/") == (0, 200)


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.4")
@pytest.mark.parametrize("kind", ["redirect", "relative-redirect", "absolute-redirect"])
def test_a_row_of_redirects(base: str, play: Play, kind: str) -> None:
    async def story(face: Face) -> Any:
        there = await face.get(f"{kind}/5")
        fault = await face.failing(f"{kind}/11")
        one = await face.get(f"{kind}/5", follow_redirects=False)
        async with face.stream("GET", f"{kind}/3") as body:
            streamed = json.loads(await body.read())["url"], len(body.inner.history)
        return there, fault, one, streamed, face.connections

    there, fault, one, streamed, connections = play(story, base_url=base + "/")
    assert (there.status_code, there.url.path) == (200, "/get")
    assert [hop.status_code for hop in there.history] == [302] * 5
    assert isinstance(fault, TooManyRedirects)
    assert (one.status_code, one.history) == (302, ())
    assert streamed == (f"{base}/get", 3)
    assert connections == 1


AFTER = [
    (301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (307, "POST", "POST"),
    (308, "POST", "POST"), (301, "PUT", "PUT"), (303, "PUT", "GET"), (308, "PATCH", "PATCH"),
    (303, "DELETE", "GET"), (302, "GET", "GET"),
]  # fmt: skip


@pytest.mark.rfc("9110", "15.4")
def test_methods_and_content_after_a_redirect(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        found = []
        for code, method, _ in AFTER:
            response = await face.ask(
                method, "redirect-to", params={"url": "/anything?here=1", "status_code": code},
                content=b"" if method == "GET" else b"the content", follow_redirects=True,
            )  # fmt: skip
            found.append(seen(response))
        stays = await face.ask("POST", "redirect-to?url=/anything&status_code=307", content=b"x")
        return found, stays.status_code

    found, stays = play(story, base_url=base + "/")
    for (code, method, after), one in zip(AFTER, found, strict=True):
        expected = "the content" if after == method != "GET" else ""
        assert (one["method"], one["data"]) == (after, expected), (code, method)
        assert ("Content-Length" in one["headers"]) == bool(expected)
        assert one["args"] == {"here": "1"}
    assert stays == 307  # by default a POST is not followed


@pytest.mark.rfc("9110", "15.4")
def test_what_does_not_go_to_another_origin(base: str, play: Play) -> None:
    """localhost and 127.0.0.1 are two origins, if of one machine."""
    elsewhere = base.replace("127.0.0.1", "localhost") + "/headers"

    async def story(face: Face) -> Any:
        secrets = {"authorization": "Bearer a", "x-api-key": "b", "accept-language": "de"}
        response = await face.get("redirect-to", params={"url": elsewhere}, headers=secrets)
        same = await face.get("redirect-to", params={"url": "/headers"}, headers=secrets)
        return seen(response)["headers"], seen(same)["headers"]

    there, here = play(
        story, base_url=base + "/", cookies={"c": "1"}, resolve={"localhost": "127.0.0.1"}
    )
    assert there["Host"] == elsewhere.split("/")[2]
    assert there.keys().isdisjoint({"Authorization", "X-Api-Key", "Cookie"})
    assert there["Accept-Language"] == "de"
    assert here.keys() >= {"Authorization", "X-Api-Key"}


# --- cookies -------------------------------------------------------------------------------------


@pytest.mark.rfc("6265", "5.4")
def test_cookies_are_set_on_the_way_and_deleted(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        found = [
            seen(await face.get(path))["cookies"]
            for path in (
                "cookies", "cookies/set?a=1&b=2", "cookies/set/c/3", "cookies",
                "cookies/delete?a&c", "cookies",
            )
        ]  # fmt: skip
        one = await face.get("cookies", cookies={"only": "here"})
        return found, seen(one)["cookies"], [cookie.name for cookie in face.client.cookies]

    found, one, kept = play(story, base_url=base + "/")
    abc = {"a": "1", "b": "2", "c": "3"}
    assert found == [{}, {"a": "1", "b": "2"}, abc, abc, {"b": "2"}, {"b": "2"}]
    assert one["only"] == "here"
    assert kept == ["b"]


# --- again and again -----------------------------------------------------------------------------


def test_one_connection_for_everything(base: str, play: Play) -> None:
    async def story(face: Face) -> Any:
        for path in ("get", "status/404", "gzip", "range/3000", "bytes/70000", "redirect/2"):
            await face.get(path)
            await face.ask("HEAD", path)
            assert face.connections == 1
        return True

    assert play(story, base_url=base + "/")


def test_a_status_is_tried_again_as_often_as_said(base: str, play: Play) -> None:
    retry = Retry(attempts=3, statuses=frozenset({503}), first_wait=0.01)

    async def story(face: Face) -> Any:
        waits: list[object] = []
        found = await face.get("status/503", retry=retry, trace=note(waits))
        posted = await face.ask("POST", "status/503", retry=retry)
        other = await face.get("status/500", retry=retry)
        return found.extras.get("attempts"), len(waits), posted.extras, other.extras

    def note(waits: list[object]) -> Any:
        return lambda step: waits.append(step) if step.name == "retry" else None

    attempts, waits, posted, other = play(story, base_url=base + "/")
    assert (attempts, waits) == (3, 2)
    assert "attempts" not in posted  # what is not idempotent is not sent twice
    assert "attempts" not in other
