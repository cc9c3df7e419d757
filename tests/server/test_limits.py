"""Every limit of a server on what its programs read of a request, over a real connection.

At one less, at itself and at one more; at once and byte by byte. What an engine bounds by itself
is tried in tests/wire/test_limits.py, and once more here, where it becomes an answer.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from crlf import App, Request, Response, running, text
from crlf.message.fields.ranges import MAX_RANGES
from crlf.server.files.foldersite import FolderSite
from crlf.server.serving import Server
from crlf.wire.limits import Limits

SMALL = Limits(
    line=120, field=200, head=500, fields=12, blank_lines=3, body=2000, chunk_line=20,
    chunk_extensions=40, trailers=4, trailer_block=60, query_fields=5, form_fields=5, cookies=5,
    parts=4, part_headers=3, part_header=90, fields_total=50, field_in_memory=20,
)  # fmt: skip
HOST = b"Host: a\r\nConnection: close\r\n"
MULTIPART = b"Content-Type: multipart/form-data; boundary="


def build_app() -> App:
    """An application that reads everything of a request that it can."""
    app = App()

    def read(request: Request) -> Response:
        kinds = {type(file.file) is io.BytesIO for file in request.files.values()}  # type: ignore[attr-defined]
        counts = (len(request.query.pairs), len(request.form.pairs), len(request.cookies.pairs))
        return text(f"{counts} {len(request.files)} {kinds}")

    app.route("/", ["GET", "POST"])(read)
    return app


@pytest.fixture
def server() -> Iterator[Server]:
    with running(build_app(), limits=SMALL) as server:
        yield server


def asked(port: int, request: bytes, how: str) -> bytes:
    """Send a request in one way or the other; return all that is answered."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = [request] if how == "at once" else [bytes([one]) for one in request]
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break  # it was refused before its end
        answer = b""
        while piece := _received(connection):
            answer += piece
    return answer


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


def posted(kind: bytes, body: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: " + kind + b"\r\n" + length + b"\r\n" + body
    )


def form(*parts: bytes, boundary: bytes = b"B") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    kind = b"multipart/form-data; boundary=" + boundary
    return posted(kind, body + b"--" + boundary + b"--\r\n")


def part(content: bytes = b"x", *more: bytes, file: bool = False) -> bytes:
    name = b'Content-Disposition: form-data; name="a"' + (b'; filename="f"' if file else b"")
    return b"\r\n".join([name, *more]) + b"\r\n\r\n" + content


def padded_part(size: int) -> bytes:
    """A part with one header line of a size, its end not counted."""
    return part(b"x", b"X-More: " + b"a" * (size - 8))


def get(fields: bytes = b"", target: bytes = b"/") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


class Case(NamedTuple):
    """A limit, a request of a size that it counts, and the status that one more gets."""

    limit: str
    request: Callable[[int], bytes]
    status_code: int


CASES = [
    Case("query_fields", lambda n: get(target=b"/?" + b"&".join([b"a=1"] * n)), 414),
    Case("form_fields", lambda n: posted(b"application/x-www-form-urlencoded",
                                         b"&".join([b"a=1"] * n)), 413),
    Case("cookies", lambda n: get(b"Cookie: " + b"; ".join([b"a=1"] * n) + b"\r\n"), 431),
    Case("parts", lambda n: form(*[part()] * n), 413),
    Case("part_headers", lambda n: form(part(b"x", *[b"X: y"] * (n - 1))), 431),
    Case("part_header", lambda n: form(padded_part(n)), 431),
    Case("fields_total", lambda n: form(part(b"x" * 30), part(b"x" * (n - 30))), 413),
    Case("body", lambda n: posted(b"text/plain", b"x" * n), 413),
    Case("line", lambda n: get(target=b"/?" + b"a" * (n - 15)), 414),
    Case("field", lambda n: get(b"X: " + b"a" * (n - 3) + b"\r\n"), 431),
    Case("fields", lambda n: get(b"X: a\r\n" * (n - 2)), 431),
    Case("blank_lines", lambda n: b"\r\n" * n + get(), 400),
    Case("chunk_line", lambda n: CHUNKED + b"1;" + b"a" * (n - 2) + b"\r\nx\r\n0\r\n\r\n", 400),
    Case("trailers", lambda n: CHUNKED + b"0\r\n" + b"X: a\r\n" * n + b"\r\n", 431),
]  # fmt: skip


def status_of(answer: bytes) -> int:
    return int(answer[9:12])


@pytest.mark.rfc("9110", "5.4")
@pytest.mark.parametrize("how", ["at once", "byte by byte"])
@pytest.mark.parametrize("case", CASES, ids=[case.limit for case in CASES])
def test_a_limit_is_exact_and_becomes_an_answer(case: Case, how: str, server: Server) -> None:
    limit = getattr(SMALL, case.limit)
    if case.limit == "body" and how == "byte by byte":
        how = "at once"  # 2,000 segments say no more
    for within in (limit - 1, limit):
        answer = asked(server.port, case.request(within), how)
        assert status_of(answer) == 200, (within, answer)
    refused = asked(server.port, case.request(limit + 1), how)
    assert status_of(refused) == case.status_code
    assert refused.count(b"HTTP/1.1 ") == 1
    assert b"aaaaaaaa" not in refused  # nothing of what was sent comes back


@pytest.mark.rfc("2046", "5.1.1")
@pytest.mark.parametrize("how", ["at once", "byte by byte"])
def test_a_boundary_has_seventy_characters(how: str, server: Server) -> None:
    for size, status in ((69, 200), (70, 200), (71, 400)):
        answer = asked(server.port, form(part(), boundary=b"b" * size), how)
        assert status_of(answer) == status, size


@pytest.mark.parametrize("how", ["at once", "byte by byte"])
def test_a_file_is_in_memory_up_to_its_limit(how: str, server: Server) -> None:
    limit = SMALL.field_in_memory
    for size, in_memory in ((limit - 1, True), (limit, True), (limit + 1, False)):
        answer = asked(server.port, form(part(b"x" * size, file=True)), how)
        assert answer.endswith(f"1 {{{in_memory}}}".encode()), size


@pytest.mark.rfc("9110", "14.2")
@pytest.mark.parametrize("how", ["at once", "byte by byte"])
def test_of_too_many_ranges_the_whole_is_sent(how: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(1000))
    with running(FolderSite(tmp_path)) as server:
        for count, status in ((MAX_RANGES - 1, 206), (MAX_RANGES, 206), (MAX_RANGES + 1, 200)):
            ranges = b",".join(b"%d-%d" % (10 * at, 10 * at) for at in range(count))
            request = get(b"Range: bytes=" + ranges + b"\r\n", b"/a.bin")
            assert status_of(asked(server.port, request, how)) == status, count


def test_by_default_there_is_room_for_what_is_usual() -> None:
    with running(build_app()) as server:
        fields = b"Cookie: " + b"; ".join([b"a=1"] * 200) + b"\r\n"
        answer = asked(server.port, get(fields, b"/?" + b"&".join([b"a=1"] * 1000)), "at once")
        assert answer.endswith(b"(1000, 0, 200) 0 set()")


def test_more_connections_wait_and_are_not_turned_away() -> None:
    with running(build_app(), limits=Limits(connections=2)) as server:
        there = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(3)]
        try:
            for connection in there:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            for connection in there[:2]:
                assert status_of(connection.recv(65536)) == 200
            there[2].settimeout(0.3)
            with pytest.raises(TimeoutError):
                there[2].recv(1)
            there[0].close()
            there[2].settimeout(10)
            assert status_of(there[2].recv(65536)) == 200
        finally:
            for connection in there:
                connection.close()
