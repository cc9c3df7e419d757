"""Files that visitors put into a folder: who may, under which names, and none of them is half."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from httplint import HttpResponseLinter
from httplint.note import levels

from crlf import Client
from crlf.message.headers import Headers
from crlf.message.percent import percent_encode
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.net import placing
from crlf.rules.admission import Admission
from crlf.server.files.foldersite import FolderSite
from crlf.server.files.uploading import Uploads
from crlf.server.settings import DEFAULT_SETTINGS, FolderSettings
from crlf.server.starting import running
from crlf.values import replace

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TOKEN = "correct-horse-battery"

pytestmark = [pytest.mark.timeout(60)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that takes files, beside one that is not served."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    return folder


@pytest.fixture(params=["nameless", "named"])
def way(request: pytest.FixtureRequest, monkeypatch) -> str:
    """Both ways of keeping a file out of sight until it is whole."""
    if request.param == "named":
        monkeypatch.setattr(placing, "_NAMELESS", 0)
    return request.param


@contextmanager
def served(root: Path, **options: object) -> Iterator[Client]:
    settings = FolderSettings(upload=True, **options)  # type: ignore[arg-type]
    with running(FolderSite(root, settings)) as server, Client(base_url=server.url) as client:
        ports[client] = server.port
        try:
            yield client
        finally:
            del ports[client]


ports: dict[Client, int] = {}  # of the servers that clients were made for


def within(folder: Path) -> list[str]:
    """List everything below a folder, hidden or not, but what it began with."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(name for name in names if name != "sub")


def send_form(client: Client, path: str, name: str, content: bytes = b"x", **fields: str):
    headers = {key.replace("_", "-"): value for key, value in fields.items()}
    return client.post(path, files={"file": (name, content)}, headers=headers)


# --- PUT -----------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "9.3.4")
def test_a_file_is_put(root: Path, way: str) -> None:
    with served(root) as client:
        response = client.put("/sub/gr%C3%B6%C3%9Fe%201.txt", content=b"hello")
        assert response.status_code == 201
        assert response.headers["location"] == "gr%C3%B6%C3%9Fe%201.txt"
        again = client.get("/sub/gr%C3%B6%C3%9Fe%201.txt")
        assert (again.content, again.headers["etag"]) == (b"hello", response.headers["etag"])
        assert client.put("/empty", content=b"").status_code == 201
    assert within(root) == ["empty", "sub/größe 1.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((root / "empty").stat().st_mode) == 0o666 & ~mask


@pytest.mark.rfc("9110", "13.1")
def test_nothing_is_replaced_unless_its_state_is_named(root: Path, way: str) -> None:
    with served(root) as client:

        def put(content: bytes, **fields: str) -> int:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            return client.put("/a.txt", content=content, headers=headers).status_code

        assert put(b"0", if_match="*") == 412  # there is none
        assert put(b"1", if_none_match="*") == 201
        assert put(b"2") == 409
        assert put(b"3", if_none_match="*") == 412
        assert put(b"4", if_match='"nonsense"') == 412
        tag = client.get("/a.txt").headers["etag"]
        assert put(b"5", if_match=f"W/{tag}") == 412  # strong or nothing
        assert put(b"6", if_none_match=tag) == 412
        assert client.get("/a.txt").content == b"1"
        assert put(b"7!", if_match=tag) == 204
        assert client.get("/a.txt").content == b"7!"  # at once
        assert put(b"8", if_match=tag) == 412
        assert put(b"9", if_match="*") == 204
        assert put(b"10", if_unmodified_since="Thu, 01 Jan 1970 00:00:00 GMT") == 412
    assert within(root) == ["a.txt"]
    assert (root / "a.txt").read_bytes() == b"9"


def test_what_is_no_file_is_never_replaced(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside" / "secret.txt")
    (root / "broken").symlink_to("nowhere")
    os.mkfifo(root / "fifo")
    with served(root) as client:
        for name in ("link", "broken", "fifo", "sub"):
            for fields in ({}, {"if-match": "*"}, {"if-none-match": '"x"'}):
                response = client.put(f"/{name}", content=b"x", headers=fields)
                assert response.status_code == 409, name
            assert send_form(client, "/", name).headers["location"] == f"{name}%20%281%29"
    assert (root.parent / "outside" / "secret.txt").read_text() == "secret"


@pytest.mark.parametrize("follow", [False, True])
def test_a_link_to_a_folder_leads_nowhere(root: Path, follow: bool) -> None:
    (root / "away").symlink_to(root.parent / "outside")
    with served(root, follow_symlinks=follow) as client:
        assert client.put("/away/x.txt", content=b"x").status_code == 409
        assert client.put("/none/x.txt", content=b"x").status_code == 409
        assert send_form(client, "/away/", "x.txt").status_code == 404
        assert send_form(client, "/none/", "x.txt").status_code == 404
    assert within(root.parent / "outside") == ["secret.txt"]


@pytest.mark.rfc("9110", "14.5")
def test_what_is_not_the_file_is_not_taken_for_it(root: Path) -> None:
    with served(root) as client:

        def put(path: str, **fields: str) -> Response:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            return client.put(path, content=b"x", headers=headers)

        assert put("/a", content_range="bytes 0-0/9").status_code == 400
        assert put("/a", content_encoding="gzip").status_code == 415
        response = put("/sub/")
        assert (response.status_code, "POST" in response.headers["allow"]) == (405, True)
        response = client.post("/a", content=b"x")
        assert (response.status_code, "PUT" in response.headers["allow"]) == (405, True)
        assert client.post("/", content=b"x").status_code == 415
        assert client.delete("/a").status_code == 405
        for path, word in (("/", "POST"), ("/a", "PUT")):
            response = client.request("OPTIONS", path)
            assert (response.status_code, word in response.headers["allow"]) == (204, True)
    assert within(root) == []


# --- forms ---------------------------------------------------------------------------------------


def test_a_form_takes_free_names(root: Path, way: str) -> None:
    with served(root) as client:
        for link in ("photo.jpg", "photo%20%281%29.jpg", "photo%20%282%29.jpg"):
            response = send_form(client, "/", "photo.jpg", link.encode())
            assert (response.status_code, response.headers["location"]) == (201, link)
            assert response.text == f"{link}\n"
            assert client.get(f"/{link}").content == link.encode()
    assert within(root) == ["photo (1).jpg", "photo (2).jpg", "photo.jpg"]


def test_a_form_says_what_it_kept_in_three_ways(root: Path) -> None:
    files = [("file", ("a.txt", b"1")), ("x", ("b.txt", b"x" * 2_000_000)), ("n", ("a.txt", b"3"))]
    with served(root) as client:
        told = client.post("/sub/", files=files, headers={"accept": "application/json"})
        assert told.json() == {
            "saved": [
                {"name": "a.txt", "size": 1, "link": "a.txt"},
                {"name": "b.txt", "size": 2_000_000, "link": "b.txt"},
                {"name": "a (1).txt", "size": 1, "link": "a%20%281%29.txt"},
            ]
        }
        page = client.post(
            "/sub/", files=files, headers={"accept": BROWSER}, follow_redirects=False
        )
        assert page.status_code == 303
        where = page.headers["location"]
        assert where == "./?new=a+%282%29.txt&new=b+%281%29.txt&new=a+%283%29.txt"
        assert client.get(f"/sub/{where[2:]}").text.count('<tr class="new">') == 3
        assert client.post("/", files={"file": ("", b"")}).status_code == 400
        assert client.post("/", files={"file": ("", b"x")}).status_code == 400
    assert len(within(root)) == 6


def test_a_form_is_taken_whole_or_not_at_all(root: Path, way: str) -> None:
    boundary = b"--x\r\nContent-Disposition: form-data; name=file; filename="
    broken = (
        boundary + b"a\r\n\r\n1\r\n" + boundary + b"b\r\n\r\n" + b"2" * 3_000_000,
        boundary + b"a\r\n\r\n1\r\n--x\r\nnonsense\r\n\r\n\r\n--x--\r\n",
        boundary + b"a\r\n\r\n1\r\n--x\r\nContent-Disposition: attachment\r\n\r\n\r\n--x--\r\n",
    )
    with served(root) as client:
        for content in broken:
            kind = {"content-type": "multipart/form-data; boundary=x"}
            assert client.post("/", content=content, headers=kind).status_code == 400
        kind = {"content-type": "multipart/form-data"}
        assert client.post("/", content=b"x", headers=kind).status_code == 400
    assert within(root) == []


def test_a_form_that_cannot_be_finished_leaves_nothing(root: Path, monkeypatch) -> None:
    place, placed = placing.Placing.place_free, []

    def fail_at_the_third(self: placing.Placing, folder: int | str, name: str) -> str:
        if len(placed) == 2:
            raise OSError(28, "no space left")
        placed.append(name)
        return place(self, folder, name)

    monkeypatch.setattr(placing.Placing, "place_free", fail_at_the_third)
    with served(root) as client:
        files = [("file", (name, name.encode())) for name in "abc"]
        assert client.post("/", files=files).status_code == 507
    assert placed == ["a", "b"]
    assert within(root) == []


# --- names ---------------------------------------------------------------------------------------

HOSTILE = [
    "..", ".", "", "../x", "../../etc/passwd", "/etc/passwd", "..\\x", "C:\\x", "C:x", "c:/x",
    "a/../../b", "a/b", "a\\b", "....//x", "..%2fx", "%2e%2e/x", ".htaccess", ".env", ".ssh/x",
    "..hidden", "...", " ", "  x", "x ", "x.", "x...", "con", "CON.txt", "nul", "aux.html", "COM1",
    "LPT9.log", "CONIN$", "CLOCK$", "com\xb9", "a:b", "a:$DATA", "x\0y", "x\ny", "x\r\ny", "x\ty",
    "\x1b[31mx", "\x7f", "\u202egpj.exe", "\u200bx", "\u2028x", "\u200c.git", "a" * 255, "a" * 300,
    "ä" * 150, "a" * 250 + ".txt", "<script>", '"quoted"', "'x'", "a|b", "a?b", "a*b", "~", "$HOME",
    "`id`", "$(id)", "-rf", "--help", "x;y", "x&y", "name.html.exe", ".crlf-upload-x", "\ufeff.x",
]  # fmt: skip


def test_hostile_names_in_forms_become_harmless(root: Path) -> None:
    with served(root) as client:
        for name in HOSTILE:
            if not name:
                continue  # no file was chosen
            escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
            head = f'Content-Disposition: form-data; name="file"; filename="{escaped}"\r\n\r\n'
            content = b"--x\r\n" + head.encode() + b"x\r\n--x--\r\n"
            kind = {"content-type": "multipart/form-data; boundary=x"}
            response = client.post("/sub/", content=content, headers=kind)
            assert response.status_code in (201, 400), name
    check_all_harmless(root, least=50)


def test_hostile_names_in_paths_are_refused_or_harmless(root: Path) -> None:
    with served(root) as client:
        for name in HOSTILE:
            for text in (percent_encode(name), percent_encode(name, "/.-_~")):
                response = raw_put(client, f"/sub/{text}")
                assert response in (201, 400, 403, 404, 405, 409), name
    check_all_harmless(root, least=10)


def raw_put(client: Client, target: str) -> int:
    """PUT to a target as it is: a client's URL would have its dots taken out."""
    with socket.create_connection(("127.0.0.1", ports[client])) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\nx".encode())
        with connection.makefile("rb") as answer:
            line = answer.readline()
            answer.read()
    return int(line.split(b" ")[1])


def check_all_harmless(root: Path, least: int) -> None:
    assert sorted(os.listdir(root.parent)) == ["outside", "root"]
    assert within(root.parent / "outside") == ["secret.txt"]
    assert os.listdir(root) == ["sub"]
    kept = os.listdir(root / "sub")
    assert len(kept) >= least
    for name in kept:
        assert (root / "sub" / name).is_file()
        assert name[0] not in ". "
        assert name[-1] not in ". "
        assert not set(name) & set('\\/:*?"<>|\0\r\n\t\x1b\x7f\u202e\u2028')
        assert len(name.encode()) <= 210
        assert name.split(".")[0].lower() not in ("con", "nul", "aux", "com1", "lpt9")


def test_a_name_that_is_only_written_otherwise_is_the_same(root: Path) -> None:
    with served(root) as client:
        response = client.put("/gro%CC%88%C3%9Fe.txt", content=b"x")  # as macOS writes it
        assert (response.status_code, response.headers["location"]) == (201, "gr%C3%B6%C3%9Fe.txt")
        assert client.put("/gr%C3%B6%C3%9Fe.txt", content=b"x").status_code == 409


def test_hidden_folders_take_nothing(root: Path) -> None:
    for name in (".git", ".well-known"):
        (root / name).mkdir()
    with served(root, hidden=True) as client:
        for path in ("/.git/x", "/.well-known/x", "/.x", "/sub/.x"):
            assert client.put(path, content=b"x").status_code == 403
        assert send_form(client, "/.well-known/", "x").status_code == 403
    assert within(root) == [".git", ".well-known"]


# --- how much ------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.5.14")
@pytest.mark.parametrize("chunked", [False, True])
def test_more_than_the_limit_is_refused(root: Path, chunked: bool) -> None:
    def content(size: int) -> object:
        return iter([b"x" * size]) if chunked else b"x" * size

    with served(root, upload_limit=100_000) as client:
        assert client.put("/a", content=content(100_000)).status_code == 201
        response = client.put("/b", content=content(100_001))
        assert (response.status_code, "100,000 bytes" in response.text) == (413, True)
        assert send_form(client, "/", "c", b"x" * 99_000).status_code == 201
        assert send_form(client, "/", "d", b"x" * 100_001).status_code == 413
    assert within(root) == ["a", "c"]


@pytest.mark.rfc("9112", "9.6")
def test_who_sent_too_much_is_told_that_it_was_the_last(root: Path) -> None:
    head = b"PUT /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        served(root, upload_limit=10) as client,
        socket.create_connection(("127.0.0.1", ports[client])) as connection,
    ):
        connection.sendall(head + b"B\r\n12345678901\r\n0\r\n\r\n")  # all of it in one piece
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in answer


def test_more_than_the_server_takes_of_others(root: Path) -> None:
    content = b"x" * (17 * 1024 * 1024)  # limits.body is 16 MiB
    with served(root) as client:
        assert client.put("/a", content=content).status_code == 201
        assert send_form(client, "/", "b", content).status_code == 201
    assert (root / "a").read_bytes() == (root / "b").read_bytes() == content


@pytest.mark.rfc("4918", "11.5")
def test_a_folder_has_its_quota_and_no_more(root: Path, way: str) -> None:
    (root / "sub" / "there").write_bytes(b"x" * 500)
    with served(root, upload_quota=1000) as client:
        assert client.put("/a", content=b"x" * 501).status_code == 507
        assert client.put("/a", content=iter([b"x" * 501])).status_code == 507
        assert send_form(client, "/", "a", b"x" * 501).status_code == 507
        assert send_form(client, "/", "a", b"x" * 200_000).status_code == 507
        assert client.put("/a", content=b"x" * 400).status_code == 201
        assert send_form(client, "/", "b", b"x" * 100).status_code == 201
        assert send_form(client, "/", "c", b"x").status_code == 507
        assert client.put("/c", content=b"").status_code == 201  # what weighs nothing
        more, less = ({"if-match": "*"}, b"x" * 401), ({"if-match": "*"}, b"x" * 400)
        assert client.put("/a", content=more[1], headers=more[0]).status_code == 507
        assert client.put("/a", content=less[1], headers=less[0]).status_code == 204
    assert within(root) == ["a", "b", "c", "sub/there"]


def test_a_folder_has_so_many_files_and_no_more(root: Path) -> None:
    with served(root, upload_files=2) as client:
        two = [("file", ("x", b"1")), ("file", ("y", b"2"))]
        assert client.put("/a", content=b"x").status_code == 201
        assert client.post("/", files=two).status_code == 507
        assert client.put("/sub/b", content=b"x").status_code == 201
        assert client.put("/c", content=b"x").status_code == 507
        assert client.put("/a", content=b"y", headers={"if-match": "*"}).status_code == 204
    assert within(root) == ["a", "sub/b"]


def test_a_disk_that_is_full_is_507(root: Path, way: str, monkeypatch) -> None:
    with served(root) as client:
        monkeypatch.setattr(placing, "free_space", lambda descriptor: 64 * 1024 * 1024)
        assert client.put("/a", content=b"x").status_code == 507
        assert send_form(client, "/", "a").status_code == 507
        assert send_form(client, "/", "a", b"x" * 2_000_000).status_code == 507
        monkeypatch.undo()
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, old[1]))
        try:
            response = client.put("/a", content=b"x" * 4_000_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert (response.status_code, "disk is full" in response.text) == (507, True)
    assert within(root) == []


def test_a_folder_that_cannot_be_written_is_403(root: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "no")

    with served(root) as client:
        monkeypatch.setattr(placing.Placing, "_open", refuse)
        response = client.put("/a", content=b"x")
        assert (response.status_code, "may not write" in response.text) == (403, True)


# --- who stops in the middle, and who comes at the same time -------------------------------------


@pytest.mark.parametrize("kind", ["put", "form"])
def test_an_upload_that_ends_early_leaves_nothing(
    root: Path, way: str, kind: str, monkeypatch
) -> None:
    ended = []  # of the ten: before that a file may not be there yet
    take = Uploads._take

    async def noted(*given: object) -> Response:
        try:
            return await take(*given)  # type: ignore[arg-type]
        finally:
            ended.append(1)

    monkeypatch.setattr(Uploads, "_take", noted)
    content = b"x" * 3_000_000
    if kind == "form":
        head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
        content = head + content + b"\r\n--x--\r\n"
    start = "PUT /a" if kind == "put" else "POST /"
    lines = (
        f"{start} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with served(root) as client:
        for tenth in range(10):
            with socket.create_connection(("127.0.0.1", ports[client])) as connection:
                connection.sendall(lines.encode() + content[: len(content) * tenth // 10])
                if tenth % 2:  # a reset, and otherwise an end
                    linger = b"\1\0\0\0\0\0\0\0"
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        give_up = time.monotonic() + 30
        while (len(ended) < 10 or within(root)) and time.monotonic() < give_up:
            time.sleep(0.02)
        assert (len(ended), within(root)) == (10, [])
        assert client.put("/a", content=b"whole").status_code == 201


def test_a_server_that_stops_leaves_nothing(root: Path, way: str) -> None:
    settings = FolderSettings(upload=True)
    patience = replace(DEFAULT_SETTINGS.patience, drain=0.1)
    with running(FolderSite(root, settings), patience=patience) as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(
            b"PUT /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
            + b"x" * 2_500_000
        )
        time.sleep(0.2)
    connection.close()
    assert within(root) == []


def at_once(count: int, work: Callable[[int], int]) -> list[int]:
    """Do something so many times at the same time."""
    barrier = threading.Barrier(count)

    def one(number: int) -> int:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(one, range(count)))


def test_of_many_that_want_a_name_one_gets_it(root: Path, way: str) -> None:
    with served(root) as client:

        def put(number: int) -> int:
            return client.put("/a", content=bytes([65 + number]) * 300_000).status_code

        def fill(number: int) -> int:
            return send_form(client, "/sub/", "a", bytes([65 + number]) * 300_000).status_code

        def replace_it(number: int) -> int:
            fields = {"if-match": tag}
            return client.put("/a", content=bytes([65 + number]) * 9, headers=fields).status_code

        assert at_once(6, put) == [201] + [409] * 5
        tag = client.get("/a").headers["etag"]
        assert len(set((root / "a").read_bytes())) == 1
        assert at_once(6, fill) == [201] * 6
        assert at_once(6, replace_it) == [204] + [412] * 5
    contents = [(root / "sub" / name).read_bytes() for name in os.listdir(root / "sub")]
    assert sorted({content[:1] for content in contents}) == [b"A", b"B", b"C", b"D", b"E", b"F"]
    assert all(content == content[:1] * 300_000 for content in contents)


def test_a_quota_holds_for_all_at_once(root: Path) -> None:
    with served(root, upload_quota=1000) as client:
        codes = at_once(5, lambda number: client.put(f"/{number}", content=b"x" * 400).status_code)
    assert codes == [201, 201, 507, 507, 507]
    assert len(within(root)) == 2


# --- who may -------------------------------------------------------------------------------------


@pytest.mark.rfc("7617", "2")
@pytest.mark.rfc("6750", "2.1")
def test_a_secret_lets_in(root: Path) -> None:
    ways: list[tuple[dict[str, object], object, bool]] = [
        ({"upload_token": TOKEN}, {"authorization": f"Bearer {TOKEN}"}, True),
        ({"upload_token": TOKEN}, {"authorization": f"bearer  {TOKEN}"}, True),
        ({"upload_token": TOKEN}, ("", TOKEN), True),
        ({"upload_token": TOKEN}, ("anybody", TOKEN), True),
        ({"upload_token": TOKEN}, ("anybody", TOKEN + "x"), False),
        ({"upload_token": TOKEN}, {"authorization": f"Bearer {TOKEN[:-1]}"}, False),
        ({"upload_token": TOKEN}, {"authorization": TOKEN}, False),
        ({"upload_token": TOKEN}, {"authorization": f"Basic {TOKEN}"}, False),
        ({"upload_token": TOKEN}, {"authorization": "Bearer"}, False),
        ({"upload_token": TOKEN}, {}, False),
        ({"upload_user": "ann:pa:ss wörd"}, ("ann", "pa:ss wörd"), True),
        ({"upload_user": "ann:pa:ss wörd"}, ("bob", "pa:ss wörd"), False),
        ({"upload_user": "ann:pa:ss wörd"}, ("ann", "pa:ss"), False),
        ({"upload_user": "ann:secret"}, {"authorization": "Bearer secret"}, False),
        ({"upload_user": "ann:secret", "upload_token": TOKEN}, ("ann", "secret"), True),
        ({"upload_user": "ann:secret", "upload_token": TOKEN}, ("ann", TOKEN), True),
        ({"upload_user": "ann:secret", "upload_token": TOKEN}, ("ann", ""), False),
    ]
    for number, (options, who, is_in) in enumerate(ways):
        settings = FolderSettings(upload=True, **options)  # type: ignore[arg-type]
        known = {"auth": who} if isinstance(who, tuple) else {"headers": who}
        with Client(app=FolderSite(root, settings)) as client:
            response = client.put(f"http://example.org/{number}", content=b"x", **known)
            assert response.status_code == (201 if is_in else 401), (options, who)
            asked = response.headers.get("www-authenticate", "")
            assert ("Basic" in asked) == (not is_in)
            assert ("Bearer" in asked) == (not is_in and "upload_token" in options)
            assert TOKEN not in response.text + asked
            assert client.get("http://example.org/").status_code == 200
    assert len(within(root)) == sum(is_in for *_, is_in in ways)


def test_two_credentials_are_none() -> None:
    for fields in (
        [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")],
        [("authorization", "Bearer x"), ("authorization", f"Bearer {TOKEN}")],
    ):
        request = Request.received(("PUT", "/a", Headers(fields), "1.1"), b"", Received())
        assert not Admission(TOKEN).admits(request)
        one = request.with_headers(Headers([("authorization", f"Bearer {TOKEN}")]))
        assert Admission(TOKEN).admits(one)


def test_without_a_secret_only_this_machine_may(root: Path) -> None:
    site = FolderSite(root, FolderSettings(upload=True))
    for peer, host, may in (
        ("127.0.0.1", "localhost:8000", True), ("127.0.0.1", "127.0.0.1", True),
        ("127.9.9.9", "127.0.0.1:1", True), ("::1", "[::1]:80", True),
        ("::ffff:127.0.0.1", "shop.localhost", True), ("10.0.0.1", "localhost", False),
        ("127.0.0.1", "evil.example", False), ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "localhost.evil.example", False), ("127.0.0.1", "192.168.0.1", False),
        (None, "localhost", False), ("1270.0.0.1", "localhost", False),
    ):  # fmt: skip
        where = Received(peer=None if peer is None else (peer, 1), local=("127.0.0.1", 80))
        request = Request.received(("GET", "/", Headers({"host": host}), "1.1"), b"", where)
        assert site.folder.panel_of is not None
        assert (site.folder.panel_of(request) is not None) == may, (peer, host)
    with Client(app=site) as client:  # nobody knows from where
        assert client.put("http://localhost/a", content=b"x").status_code == 403


@pytest.mark.parametrize(
    ("version", "field"),
    [
        ("1.0", ""), ("1.1", "X-Forwarded-For: 192.0.2.1"), ("1.1", "Via: 1.1 proxy"),
        ("1.1", "Forwarded: for=192.0.2.1"), ("1.1", "X-Real-IP: 192.0.2.1"),
        ("1.1", "X-Forwarded-Host: example.org"), ("1.1", "X-Forwarded-Proto: https"),
    ],
)  # fmt: skip
def test_who_comes_by_a_proxy_of_this_machine_is_not_this_machine(
    root: Path, version: str, field: str
) -> None:
    """nginx as it comes asks from here, for 127.0.0.1 and by HTTP/1.0, for the whole world."""
    with served(root) as client:
        lines = [
            "Host: 127.0.0.1",
            "Content-Length: 1",
            "Connection: close",
            *filter(None, [field]),
        ]
        head = "\r\n".join([f"PUT /a HTTP/{version}", *lines, "", "x"])
        with socket.create_connection(("127.0.0.1", ports[client]), 5) as stream:
            stream.sendall(head.encode())
            answer = stream.makefile("rb").read()
        assert answer[8:13] == b" 403 "
    assert within(root) == []


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True), ({"sec-fetch-site": "same-origin"}, True), ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False), ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": ""}, False), ({"origin": "null"}, False),
        ({"origin": "http://evil.example"}, False), ({"origin": "http://HOST"}, True),
        ({"origin": "https://HOST"}, True),  # before TLS was taken off
        ({"origin": "http://HOST.evil.example"}, False), ({"origin": "file:///x"}, False),
        ({"origin": "http://HOST:1"}, False),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "http://HOST", "sec-fetch-site": "cross-site"}, False),
    ],
)  # fmt: skip
def test_a_page_of_another_site_sends_nothing(root: Path, fields: dict, may: bool) -> None:
    with Client(app=FolderSite(root, FolderSettings(upload=True, upload_token=TOKEN))) as client:
        fields = {key: value.replace("HOST", "example.org") for key, value in fields.items()}
        fields["authorization"] = f"Bearer {TOKEN}"  # as a browser does that has signed in
        files = {"file": ("a", b"x")}
        response = client.post("http://example.org/", files=files, headers=fields)
        assert response.status_code == (201 if may else 403)
        assert client.put("http://example.org/b", content=b"x", headers=fields).is_success == may
    assert len(within(root)) == 2 * may


def test_a_visitor_signs_in(root: Path) -> None:
    with served(root, upload_user="ann:secret") as client:
        page = client.get("/sub/", headers={"accept": BROWSER})
        assert "<form" not in page.text
        assert 'href="./?sign-in"' in page.text
        assert "script-src" not in page.headers["content-security-policy"]
        asked = client.get("/sub/?sign-in")
        assert (asked.status_code, asked.headers["cache-control"]) == (401, "no-store")
        signed = client.get("/sub/?sign-in", auth=("ann", "secret"), follow_redirects=False)
        assert (signed.status_code, signed.headers["location"]) == (303, "./")
        page = client.get("/sub/", auth=("ann", "secret"))
        assert '<form method="post"' in page.text
        assert page.headers["cache-control"] == "private, no-cache"
        assert page.headers["vary"] == "Accept, Authorization"
        assert client.get("/sub/x?sign-in").status_code == 404


def test_who_may_not_is_told_before_the_content(root: Path) -> None:
    head = b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n"
    with (
        served(root, upload_token=TOKEN) as client,
        socket.create_connection(("127.0.0.1", ports[client])) as connection,
    ):
        connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_settings_that_cannot_be(root: Path) -> None:
    (root / "file").write_text("x")
    for options in (
        {"upload_token": ""}, {"upload_token": "a b"}, {"upload_user": "ann"},
        {"upload_user": ":x"}, {"upload_user": "ann:"}, {"upload_user": "ann:a\nb"},
        {"spa": "index.html"}, {"error_pages": ("404=404.html",)},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"token|user|exclude|control|name"):
            FolderSite(root, FolderSettings(upload=True, **options))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="need a folder"):
        FolderSite(root / "file", FolderSettings(upload=True))
    assert not hasattr(FolderSite(root), "talker")


def test_secrets_are_not_shown() -> None:
    settings = FolderSettings(upload=True, upload_token=TOKEN, upload_user="ann:secret")
    shown = repr(replace(DEFAULT_SETTINGS, folder=settings))
    assert TOKEN not in shown
    assert "secret" not in shown
    assert "upload_token='***'" in shown


# --- what was sent cannot act --------------------------------------------------------------------


def test_a_page_that_was_sent_is_nobodys_page(root: Path) -> None:
    names = {
        "x.html": True, "x.htm": True, "x.xhtml": True, "x.svg": True, "x.xml": True,
        "x.xsl": True, "x.txt": False, "x.png": False, "x.pdf": False, "x.js": False, "x": False,
    }  # fmt: skip
    with served(root) as client:
        for name, is_sandboxed in names.items():
            client.put(f"/{name}", content=b"<script>alert(1)</script>")
            for fields in ({}, {"range": "bytes=0-3"}):
                response = client.get(f"/{name}", headers=fields)
                policy = response.headers.get("content-security-policy", "")
                assert policy.startswith("sandbox; default-src 'none'") == is_sandboxed, name
                assert "allow" not in policy
                assert response.headers["x-content-type-options"] == "nosniff"


def test_what_was_sent_stands_for_nothing_else(root: Path) -> None:
    (root / "app.js").write_text("mine")
    os.utime(root / "app.js", (1e9, 1e9))
    with served(root) as client:
        client.put("/index.html", content=b"<p>theirs")
        client.put("/app.js.gz", content=b"theirs")
        assert "theirs" not in client.get("/").text
        assert "index.html" in client.get("/").text
        fetched = client.get("/app.js", headers={"accept-encoding": "gzip, br"})
        assert (fetched.text, "content-encoding" in fetched.headers) == ("mine", False)


def test_a_folder_may_take_files_and_show_none(root: Path) -> None:
    (root / "sub" / "theirs.txt").write_text("x")
    with served(root, listing=False) as client:
        page = client.get("/sub/").text
        assert "<form" in page
        assert "theirs" not in page
        assert client.get("/sub/?format=json").json() == {
            "path": "/sub/", "entries": [], "complete": False,
        }  # fmt: skip
        assert send_form(client, "/sub/", "b.txt").status_code == 201


# --- in the eyes of a linter ---------------------------------------------------------------------


def faults_of(response: Response, *, head: bool = False) -> list[str]:
    linter = HttpResponseLinter(no_content=head)
    linter.process_response_topline(b"HTTP/1.1", str(response.status_code).encode(), b"")
    fields = response.headers.fields
    linter.process_headers([(name.encode(), value.encode()) for name, value in fields])
    linter.feed_content(response.content)
    linter.finish_content(True)
    return [
        f"{response.status_code} {type(note).__name__}: {note.summary}"
        for note in linter.notes
        if note.level in (levels.BAD, levels.WARN) and type(note).__name__ != "STATUS_BAD_REQUEST"
    ]


@pytest.mark.parametrize("accept", ["*/*", BROWSER, "application/json"])
def test_answers_are_clean(root: Path, accept: str) -> None:
    fields = {"accept": accept, "accept-encoding": "identity"}
    some = {"auth": ("", TOKEN), "headers": fields, "follow_redirects": False}
    answers = []
    with served(root, upload_token=TOKEN, upload_limit=1000, upload_files=3) as client:
        for content in (b"x" * 1001, b"x", b"x"):
            answers.append(client.put("/a.html", content=content, **some))
            answers.append(client.post("/", files={"file": ("b", content)}, **some))
            answers.append(client.put("/b/c", content=content, **some))
        tag = {"if-match": answers[3].headers["etag"]}
        for conditions in (tag, {"if-match": '"x"'}):
            options = some | {"headers": fields | conditions}
            answers.append(client.put("/a.html", content=b"y", **options))
        for target in ("/", "/?sort=size", "/?sign-in", "/a.html", "/sub", "/none/"):
            answers.append(client.get(target, **some))
            answers.append(client.get(target, headers=fields, follow_redirects=False))
        answers.append(client.put("/d", content=b"x", **some))
        answers.append(client.put("/d", content=b"x", headers=fields))
        answers.append(client.put("/.d", content=b"x", **some))
        answers.append(client.request("OPTIONS", "/", **some))
        answers.append(client.delete("/", **some))
        again = {"if-none-match": client.get("/", **some).headers["etag"]}
        answers.append(client.get("/", **(some | {"headers": fields | again})))
        assert faults_of(client.head("/", **some), head=True) == []
    codes = {answer.status_code for answer in answers}
    assert codes >= {200, 201, 204, 301, 303, 304, 401, 403, 404, 405, 409, 412, 413, 507}
    assert [fault for answer in answers for fault in faults_of(answer)] == []


# --- other people's clients ----------------------------------------------------------------------


@pytest.mark.needs("curl")
def test_curl_sends_files(root: Path, tmp_path: Path) -> None:
    big = tmp_path / "big file.bin"
    big.write_bytes(os.urandom(20_000_000))

    def curl(*arguments: str) -> list[str]:
        command = ["curl", "-sS", "-w", "\n%{http_code}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return [line for line in done.stdout.split("\n") if line]

    with served(root, upload_token=TOKEN) as client:
        url = f"http://127.0.0.1:{ports[client]}"
        bearer = ("-H", f"Authorization: Bearer {TOKEN}")
        assert curl("-T", str(big), f"{url}/sub/")[-1] == "401"
        assert curl("-T", str(big), *bearer, f"{url}/sub/")[-1] == "201"
        assert curl("-T", str(big), *bearer, f"{url}/sub/")[-1] == "409"
        form = curl("-u", f":{TOKEN}", "-F", f"file=@{big}", "-F", f"file=@{big}", f"{url}/sub/")
        assert form == ["big%20file%20%281%29.bin", "big%20file%20%282%29.bin", "201"]
        told = curl("-u", f":{TOKEN}", "-H", "Accept: application/json", f"{url}/sub/")
        sizes = [entry["size"] for entry in json.loads(told[0])["entries"]]
        assert sizes == [20_000_000] * 3
    for name in within(root):
        assert (root / name).read_bytes() == big.read_bytes()
