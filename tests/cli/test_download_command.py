"""`crlf download`: files that are there whole or can be gone on with, on peers that misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf.cli.environment import Environment
from crlf.cli.transferring import bars, painting, richbars
from crlf.cli.transferring.lists import read_list, read_size, read_sums
from crlf.cli.transferring.saving import Downloader, Names, Place
from crlf.cli.transferring.transfers import Transfer, clipped, size_text, widths
from crlf.message.errors import ReadFailed
from crlf.message.url import URL
from crlf.net.stoppable import StoppableNetwork, Stopped

CommandLine = Any  # see conftest.py
ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


class Peer:
    """A server that gives its answers in turn, one a connection, and keeps what it was asked.

    An answer is bytes and what comes after them: "close", "reset", "hold" until the end, or
    "slowly" one byte more, and hold.
    """

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.answers: list[tuple[bytes, str]] = []
        self.asked: list[str] = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def add(self, answer: bytes, then: str = "close") -> None:
        self.answers.append((answer, then))

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self.over.is_set():
                accepted, _ = self.listener.accept()
                thread = threading.Thread(target=self.serve, args=(accepted,))
                self.threads.append(thread)
                thread.start()

    def serve(self, accepted: socket.socket) -> None:
        accepted.settimeout(20)
        with contextlib.suppress(OSError), accepted:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := accepted.recv(65536)):
                    return
                head += more
            self.asked.append(head.decode("latin-1"))
            answer, then = (
                self.answers.pop(0) if self.answers else (failure("500 No more"), "close")
            )
            accepted.sendall(answer)
            if then == "slowly":
                time.sleep(0.1)  # progress is told twenty times a second
                accepted.sendall(b".")
            if then in ("hold", "slowly"):
                self.over.wait(20)
            elif then == "reset":
                accepted.settimeout(0.3)  # what was sent is to be read before it is reset
                with contextlib.suppress(OSError):
                    accepted.recv(1)
                linger = struct.pack("ii", 1, 0)
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(20)


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def whole(content: bytes, *fields: str, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {size}", *fields, "\r\n"]
    return "\r\n".join(lines).encode("latin-1") + content


def rest(content: bytes, start: int, total: int, tag: str = '"v1"') -> bytes:
    head = (
        f"HTTP/1.1 206 Partial Content\r\nETag: {tag}\r\nContent-Length: {len(content)}\r\n"
        f"Content-Range: bytes {start}-{start + len(content) - 1}/{total}\r\n\r\n"
    )
    return head.encode() + content


def failure(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


def wait_until(is_so: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < give_up, what
        time.sleep(0.01)


def start(folder: Path, *words: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start `crlf` as a process of its own, in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    run = [sys.executable, "-m", "crlf", *words]
    return subprocess.Popen(run, cwd=folder, env=environment, **streams)


# --- good ones -----------------------------------------------------------------------------------


def test_a_file_is_saved_and_its_path_written(crlf: CommandLine, peer: Peer) -> None:
    peer.add(whole(b"abc"))
    done = crlf("download", f"{peer.url}/a%20b.bin")
    path = crlf.folder / "a b.bin"
    assert (done.code, done.text) == (0, f"{path}\n")
    assert path.read_bytes() == b"abc"
    assert re.fullmatch(rf"crlf: {re.escape(str(path))}: 3 bytes in [0-9.]+ s\n", done.err)
    assert os.listdir(crlf.folder) == ["a b.bin"]


def test_several_are_saved_and_the_first_failure_is_the_exit_code(
    crlf: CommandLine, site: str
) -> None:
    urls = [f"{site}/bytes/512", f"{site}/status/404", f"{site}/page", f"{site}/status/503"]
    done = crlf("download", *urls, "--into", "new/folder", "-j", "1", "--retry", "0")
    folder = crlf.folder / "new" / "folder"
    assert done.code == 4
    assert (folder / "512").read_bytes() == bytes(range(256)) * 2
    assert done.text.split() == [str(folder / "512"), str(folder / "page")]
    assert f"crlf: {site}/status/404: 404 Not Found\n" in done.err
    assert re.search(r"2 of 4 files are here, [0-9]+ bytes in [0-9.]+ s; 2 failed\n$", done.err)


def test_quiet_says_only_what_went_wrong(crlf: CommandLine, site: str) -> None:
    done = crlf("download", f"{site}/page", f"{site}/status/404", "-q")
    assert done.err == f"crlf: {site}/status/404: 404 Not Found\n"
    assert crlf("download", f"{site}/status/404", "-qq").err == ""


def test_a_list_names_urls_and_files(crlf: CommandLine, site: str) -> None:
    listed = f"# parts\n\n{site}/page\n  out=first.html\r\n{site}/page\n\tout=second.html\n"
    (crlf.folder / "list").write_text(listed)
    crlf.stdin = f"{site}/bytes/256\n".encode()
    done = crlf("download", "-i", "list", "--input", "-", f"{site}/page")
    assert done.code == 0
    assert sorted(os.listdir(crlf.folder)) == ["256", "first.html", "list", "page", "second.html"]


def test_a_file_that_is_there_is_not_replaced_unasked(crlf: CommandLine, site: str) -> None:
    page = crlf.folder / "page"
    page.write_text("mine")
    done = crlf("download", f"{site}/page")
    hint = "--overwrite replaces it, --numbered keeps both"
    assert (done.code, done.out) == (23, b"")
    assert done.err == f"crlf: {site}/page: {page} is there already; {hint}\n"
    assert page.read_text() == "mine"
    skipped = crlf("download", f"{site}/page", f"{site}/bytes/256", "--skip-existing")
    assert skipped.code == 0
    assert f"crlf: {page} is there already\n" in skipped.err
    numbered = crlf("download", f"{site}/page", "--numbered")
    assert numbered.text == f"{page} (1)\n"
    assert page.read_text() == "mine"
    assert crlf("download", f"{site}/page", "--overwrite").code == 0
    assert page.read_text() == "<h1>Parts</h1>\n"


def test_two_files_of_one_name_are_kept_apart(crlf: CommandLine, peer: Peer) -> None:
    for content in (b"one", b"two"):
        peer.add(whole(content, "Content-Disposition: attachment; filename=same"))
    done = crlf("download", f"{peer.url}/1", f"{peer.url}/2", "--overwrite")
    assert done.code == 23
    assert "another file of this command is called" in done.err
    assert (crlf.folder / "same").read_bytes() in (b"one", b"two")
    for content in (b"one", b"two"):
        peer.add(whole(content, "Content-Disposition: attachment; filename=both"))
    assert crlf("download", f"{peer.url}/1", f"{peer.url}/2", "--numbered").code == 0
    both = {(crlf.folder / name).read_bytes() for name in ("both", "both (1)")}
    assert both == {b"one", b"two"}


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.rfc("6266", "4.3")
@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("../../x", "x"),
        ("/etc/passwd", "passwd"),
        ("..\\\\..\\\\x", "x"),
        (".bashrc", "bashrc"),
        ("a\x1b]0;owned\x07b", None),
        ("~root", "~root"),
        ("x.part", "x.part_"),
        ("..", "unnamed"),
    ],
)
def test_a_name_is_no_path(crlf: CommandLine, peer: Peer, said: str, name: str | None) -> None:
    peer.add(whole(b"abc", f'Content-Disposition: attachment; filename="{said}"'))
    inside = crlf.folder / "inside"
    done = crlf("download", f"{peer.url}/file", "-d", "inside")
    assert os.listdir(crlf.folder) == ["inside"]
    if name is None:  # refused as a whole, or without what moves a cursor
        assert "\x1b" not in done.err
        assert not any("\x1b" in name for name in os.listdir(inside))
    else:
        assert (done.code, os.listdir(inside)) == (0, [name])


def test_a_redirect_chooses_no_name(crlf: CommandLine, site: str, peer: Peer) -> None:
    """CVE-2010-2252 of wget."""
    moved = f"HTTP/1.1 302 Found\r\nLocation: {site}/page\r\nContent-Length: 0\r\n\r\n"
    peer.add(moved.encode())
    assert crlf("download", f"{peer.url}/asked.html").code == 0
    assert os.listdir(crlf.folder) == ["asked.html"]


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "", "x.part", "a\x07b"])
def test_a_list_names_no_path(name: str) -> None:
    with pytest.raises(Exception, match="line 2: out= takes the name of a file"):
        read_list(f"http://a.example/\n  out={name}\n", "list")


def test_a_page_instead_of_a_file_is_told(crlf: CommandLine, peer: Peer) -> None:
    peer.add(whole(b"<h1>Sign in</h1>", "Content-Type: text/html"))
    done = crlf("download", f"{peer.url}/a.zip")
    assert done.code == 0
    assert "a.zip: the server calls this a page (text/html), not application/zip" in done.err


@pytest.mark.parametrize("name", ["a.html", "a.htm", "page"])
def test_of_a_page_that_is_asked_for_nothing_is_told(
    crlf: CommandLine, peer: Peer, name: str
) -> None:
    peer.add(whole(b"<h1>Part 7</h1>", "Content-Type: text/html; charset=utf-8"))
    done = crlf("download", f"{peer.url}/7", "-o", name)
    assert done.code == 0
    assert "the server calls" not in done.err


# --- what breaks ---------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.3.7")
def test_a_reset_in_the_middle_is_gone_on_with(crlf: CommandLine, peer: Peer) -> None:
    content = os.urandom(600_000)
    peer.add(whole(content[:300_000], 'ETag: "v1"', length=600_000), "reset")
    peer.add(rest(content[300_000:], 300_000, 600_000))
    done = crlf("download", f"{peer.url}/file")
    assert (done.code, (crlf.folder / "file").read_bytes()) == (0, content)
    assert "range: bytes=300000-" in peer.asked[1]


@pytest.mark.rfc("9112", "8")
def test_a_lying_length_leaves_no_file(crlf: CommandLine, peer: Peer) -> None:
    for _ in range(2):
        peer.add(whole(b"half", length=100))
    done = crlf("download", f"{peer.url}/file", "--retry", "1")
    assert done.code == 8
    assert done.err.startswith(f"crlf: {peer.url}/file: the answer is broken: ")
    assert done.err.endswith(f"4 bytes of it are in {crlf.folder / 'file.part'}\n")
    assert not (crlf.folder / "file").exists()


@pytest.mark.rfc("9110", "15.5.17")
def test_416_for_the_right_length_means_that_all_is_here(crlf: CommandLine, peer: Peer) -> None:
    peer.add(whole(b"abc", 'ETag: "v1"', length=6), "reset")
    assert crlf("download", f"{peer.url}/f", "--retry", "0").code != 0
    assert (crlf.folder / "f.part").read_bytes() == b"abc"
    peer.add(rest(b"def", 3, 6))
    again = crlf("download", f"{peer.url}/f")
    assert (again.code, (crlf.folder / "f").read_bytes()) == (0, b"abcdef")
    assert "6 bytes in" in again.err
    assert "3 of them from before" in again.err
    peer.add(b"HTTP/1.1 416 No\r\nContent-Range: bytes */3\r\nContent-Length: 0\r\n\r\n")
    (crlf.folder / "g.part").write_bytes(b"abc")
    note = f'{{"crlf": 1, "url": "{peer.url}/g", "etag": "\\"v1\\"", "total": 3}}'
    (crlf.folder / "g.part.json").write_text(note)
    assert crlf("download", f"{peer.url}/g").code == 0
    assert (crlf.folder / "g").read_bytes() == b"abc"


def test_no_resume_asks_for_everything(crlf: CommandLine, peer: Peer) -> None:
    peer.add(whole(b"abc", 'ETag: "v1"', length=6), "reset")
    crlf("download", f"{peer.url}/f", "--retry", "0")
    peer.add(whole(b"abcdef", 'ETag: "v1"'))
    assert crlf("download", f"{peer.url}/f", "--no-resume").code == 0
    assert "range:" not in peer.asked[1].lower()


def test_checksums_are_held_to(crlf: CommandLine, site: str) -> None:
    page = hashlib.sha256(b"<h1>Parts</h1>\n").hexdigest()
    url = f"{site}/page"
    assert crlf("download", url, "--checksum", f"sha256:{page}").code == 0
    wrong = crlf("download", url, "--numbered", "--checksum", "0" * 64)
    assert wrong.code == 32
    assert page in wrong.err
    assert os.listdir(crlf.folder) == ["page"]
    (crlf.folder / "SUMS").write_text(f"{page} *./folder/page\n")
    assert crlf("download", url, "--checksums", "SUMS", "--overwrite").code == 0
    missing = crlf("download", f"{site}/bytes/256", "--checksums", "SUMS")
    assert (missing.code, missing.err) == (2, "crlf: SUMS has no checksum of 256\n")
    forged = crlf("download", url, "--checksum", "md5:" + "0" * 32)
    assert (forged.code, "MD5 proves nothing" in forged.err) == (2, True)


def test_what_is_too_large_is_not_read(crlf: CommandLine, site: str) -> None:
    done = crlf("download", f"{site}/bytes/4096", "--max-size", "4K")
    assert done.code == 0
    done = crlf("download", f"{site}/bytes/8192", "--max-size", "4K")
    assert (done.code, os.listdir(crlf.folder)) == (63, ["4096"])
    assert done.err.endswith("/bytes/8192: the content is over its limit of 4,096 bytes\n")


def test_a_folder_that_is_not_there_is_said_to_be_none(crlf: CommandLine, site: str) -> None:
    done = crlf("download", f"{site}/page", "-o", "none/page")
    assert (done.code, done.err.endswith("none/page.part: there is no such folder\n")) == (23, True)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "nothing to save"),
        (["-o", "-", "http://a.example/"], "crlf get URL -o - writes to standard output"),
        (["-o", "x", "http://a.example/1", "http://a.example/2"], "-o is for one URL"),
        (["http://a.example/", "-H", "Range: bytes=0-1"], "asks for ranges itself"),
        (["http://a.example/", "-j", "0"], "--jobs takes a number"),
        (["http://a.example/", "--max-size", "much"], "--max-size takes a size"),
        (["ftp://a.example/x"], "only http and https"),
        (["X-A:b", "http://a.example/"], "; a header field is said by -H 'NAME: VALUE'"),
        (["http://a.example/", "--checksum", "abc"], "is no checksum"),
        (["-i", "nowhere"], "cannot read nowhere"),
        (["http://a.example/", "--overwrite", "--numbered"], "exclude each other"),
    ],
)
def test_what_cannot_be_meant_is_said_first(crlf: CommandLine, words: list[str], line: str) -> None:
    done = crlf("download", *words)
    assert done.code in (2, 26)
    assert line in done.err
    assert done.err.count("\n") == 1


def test_credentials_are_for_one_origin(crlf: CommandLine, site: str, peer: Peer) -> None:
    for words in (["-a", "ann:secret"], ["-H", "Cookie: a=secret"]):
        done = crlf("download", f"{site}/page", f"{peer.url}/page", *words)
        assert done.code == 2
        assert "is for one origin, and these URLs are at 2" in done.err
    assert peer.asked == []


def test_no_secret_of_a_url_is_shown(crlf: CommandLine, peer: Peer) -> None:
    peer.add(failure("403 Forbidden"))
    url = peer.url.replace("//", "//ann:secret@")
    done = crlf("download", f"{url}/f?token=secret")
    assert (done.code, done.err) == (4, f"crlf: {peer.url}/f?...: 403 Forbidden\n")


# --- interruptions -------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_ctrl_c_keeps_what_came_and_the_next_call_goes_on(tmp_path: Path, peer: Peer) -> None:
    content = os.urandom(MIB)
    peer.add(whole(content[: MIB // 2], 'ETag: "v1"', length=MIB), "hold")
    peer.add(whole(b"", 'ETag: "v1"', length=MIB), "hold")
    process = start(tmp_path, "download", f"{peer.url}/f", f"{peer.url}/g", "-j", "2")
    parts = [tmp_path / "f.part", tmp_path / "g.part"]
    wait_until(
        lambda: len(peer.asked) == 2 and any(p.exists() and p.stat().st_size for p in parts),
        "nothing was written",
    )
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 3
    assert (process.returncode, out) == (130, b"")
    part = next(p for p in parts if p.exists() and p.stat().st_size)
    line = f"crlf: interrupted; {part.stat().st_size:,} bytes of it are in {part.name}, "
    assert err.decode() == f"{line}and the same command goes on from there\n"
    kept = part.stat().st_size
    assert content.startswith(part.read_bytes())
    peer.add(rest(content[kept:], kept, MIB))
    again = start(tmp_path, "download", f"{peer.url}/{part.stem}")
    again.communicate(timeout=20)
    assert again.returncode == 0
    assert (tmp_path / part.stem).read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_two_downloads_of_one_file_do_not_mix(
    crlf: CommandLine, tmp_path: Path, peer: Peer
) -> None:
    peer.add(whole(b"a" * MIB, 'ETag: "v1"', length=2 * MIB), "hold")
    peer.add(whole(b"b" * MIB, 'ETag: "v2"', length=2 * MIB), "hold")
    first = start(tmp_path, "download", f"{peer.url}/f")
    try:
        part = tmp_path / "f.part"
        wait_until(lambda: part.exists() and part.stat().st_size, "nothing was written")
        second = crlf("download", f"{peer.url}/f")
        assert second.code == 23
        assert second.err.endswith(f"another download is writing {part}\n")
        assert b"b" not in part.read_bytes()
    finally:
        first.kill()
        first.communicate()


def test_stopping_ends_every_wait_and_makes_nothing_whole(tmp_path: Path, peer: Peer) -> None:
    """Without a length an end is an end, but not one that we made ourselves."""
    peer.add(b"HTTP/1.1 200 OK\r\n\r\nab", "slowly")
    network = StoppableNetwork()
    transfer = Transfer(URL(f"{peer.url}/f"), "f")
    faults: list[BaseException] = []
    with Downloader(network=network) as client:

        def save() -> None:
            place = Place(str(tmp_path), transfer, Names(), overwrite=False, numbered=False)
            try:
                client.save(transfer.url, place, progress=transfer.tell)
            except BaseException as fault:
                faults.append(fault)

        thread = threading.Thread(target=save)
        thread.start()
        wait_until(lambda: transfer.size == 3, "nothing came")
        network.stop()
        thread.join(10)
    assert not thread.is_alive()
    assert isinstance(faults[0], Stopped | ReadFailed)
    assert os.listdir(tmp_path) == ["f.part"]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
def test_a_full_disk_is_one_line_and_keeps_what_fitted(tmp_path: Path, peer: Peer) -> None:
    content = bytes(2 * MIB)
    peer.add(whole(content, 'ETag: "v1"'))
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600000, 600000));"
        "from crlf.cli.main import main; main()"
    )
    run = [sys.executable, "-c", script, "download", f"{peer.url}/f"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        run, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=20
    )
    part = tmp_path / "f.part"
    assert done.returncode == 23
    assert 0 < part.stat().st_size <= 600_000
    assert done.stderr.count("\n") == 1
    assert "cannot write f.part: File too large; " in done.stderr
    assert f"{part.stat().st_size:,} bytes of it are in f.part" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
def test_nobody_listening_stops_no_file(tmp_path: Path, site: str, closed: str) -> None:
    ends = {}
    for name in ("stdout", "stderr"):
        if closed in (name, "both"):
            reading, ends[name] = os.pipe()
            os.close(reading)
    words = ("download", f"{site}/page", f"{site}/bytes/256", f"{site}/bytes/512")
    process = start(tmp_path, *words, **ends)
    for end in ends.values():
        os.close(end)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["256", "512", "page"]


# --- progress ------------------------------------------------------------------------------------


def transfers(*names: str, total: int | None = 1000) -> list[Transfer]:
    made = []
    for name in names:
        one = Transfer(URL("http://a.example/"), name)
        one.begin()
        one.tell(0, total)
        one.tell(400, total)
        made.append(one)
    return made


HOSTILE = "\x1b]0;owned\x07[bold red]\u202egpj.exe\r\n"


@pytest.mark.parametrize("width", [*range(1, 60), 80, 200])
@pytest.mark.parametrize("total", [1000, None])
def test_one_line_fits_the_terminal(width: int, total: int | None) -> None:
    for names in (["a.bin"], ["図面" * 30], [HOSTILE], ["a", "b", "c"]):
        line = bars.progress_line(transfers(*names, total=total), 1234.5, width)
        assert widths(line) <= width
        assert line.isprintable() or "\u202e" not in line
        assert "\x1b" not in line


def test_one_line_says_what_there_is_room_for() -> None:
    line = bars.progress_line(transfers("a.bin"), 100.0, 80)
    assert line == "a.bin   40%  400 B of 1000 B  100 B/s  0:06 left"
    assert bars.progress_line(transfers("a.bin"), 100.0, 24) == "a.bin   40%"


@pytest.mark.parametrize("width", [10, 20, 40, 60, 100])
def test_bars_fit_the_terminal_and_obey_no_name(width: int) -> None:
    err = io.BytesIO()
    environment = Environment(
        io.BytesIO(), io.BytesIO(), err, stderr_is_terminal=True,
        variables={"COLUMNS": str(width), "NO_COLOR": "1", "TERM": "xterm"},
    )  # fmt: skip
    painter = richbars.RichBars(environment, transfers("図面" * 20, HOSTILE, "a"))
    painter.paint()
    shown = err.getvalue().decode()
    painter.close()
    assert "owned" not in shown or "\\x1b]0;owned" in shown or width < 60
    assert "\x1b]" not in shown
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "").split("\n")
    assert all(widths(line) <= width for line in lines)
    assert len([line for line in lines if line.strip(" ")]) == 4


@pytest.mark.parametrize("width", [20, 30, 40, 56, 70, 80, 100, 200])
@pytest.mark.parametrize("total", [1001 * MIB, None])
def test_bars_cut_names_and_no_figures(width: int, total: int | None) -> None:
    environment = Environment(
        io.BytesIO(), io.BytesIO(), err := io.BytesIO(), stderr_is_terminal=True,
        variables={"COLUMNS": str(width), "NO_COLOR": "1", "TERM": "xterm"},
    )  # fmt: skip
    painter = richbars.RichBars(environment, transfers(*["a-long-name" * 6] * 2, total=total))
    painter._speed = lambda key, size: 99.9 * MIB  # type: ignore[method-assign]  # the widest
    painter.paint()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err.getvalue().decode())
    painter.close()
    for line in shown.replace("\r", "").split("\n"):
        assert line.count("…") <= 1, line
        assert not line.rstrip(" ").endswith("…"), line
    if width == 80:
        assert "-:--" in shown if total is None else re.search("[0-9]:[0-9]{2}", shown)


@pytest.mark.parametrize("has_rich", [True, False])
def test_progress_is_drawn_on_a_terminal(
    crlf: CommandLine, peer: Peer, monkeypatch: pytest.MonkeyPatch, has_rich: bool
) -> None:
    monkeypatch.setattr(painting, "_FIRST", 0.0)
    if not has_rich:
        monkeypatch.setitem(sys.modules, "crlf.cli.transferring.richbars", None)
    crlf.on_terminal = ("stderr",)
    crlf.variables = {"COLUMNS": "70", "TERM": "xterm"}
    peer.add(whole(b"ab", length=6), "slowly")
    result = []
    thread = threading.Thread(target=lambda: result.append(crlf("download", f"{peer.url}/f")))
    thread.start()
    wait_until(lambda: (crlf.folder / "f.part").exists(), "nothing came")
    time.sleep(0.5)  # some looks at it
    peer.over.set()
    thread.join(20)
    assert "50%" in result[0].err
    assert re.search(r"\x1b\[2?K", result[0].err)


# --- small things --------------------------------------------------------------------------------


def test_sizes_are_read_and_written() -> None:
    assert [read_size(text, "-") for text in ("1", "10K", "2MiB", "1g")] == [
        1, 10240, 2 * MIB, 1024 * MIB,
    ]  # fmt: skip
    sizes = [size_text(size) for size in (0, 1023, 1024, 1536, 150_000, 999.9 * MIB, 3 << 40)]
    assert sizes == ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "146 KiB", "1.0 GiB", "3.0 TiB"]


def test_names_are_clipped_in_the_middle() -> None:
    assert clipped("a-very-long-name.tar.gz", 12) == "a-very…ar.gz"
    assert widths(clipped("図面ファイル.zip", 10)) <= 10


def test_lists_of_checksums_are_read() -> None:
    digits = "0" * 64
    text = f"{digits}  a b\nSHA256 (c) = {digits}\n# no\n"
    assert set(read_sums(text, "SUMS")) == {"a b", "c"}
    with pytest.raises(Exception, match="SUMS, line 1: no line of sha256sum"):
        read_sums("nonsense", "SUMS")
