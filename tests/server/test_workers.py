"""Several processes and who looks after them: real ones, each test with its own few.

The supervisor runs in a process of its own, since signals are its language.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from crlf.server.processes.briefing import Answer, Briefing, hear, read_line, write_line
from crlf.server.processes.reloading import CannotReload, is_source, watching_files
from crlf.server.settings import ServerSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="workers are for POSIX")

APP = """
import asyncio, os, time
import crlf
app = crlf.App()
VERSION = "one"
@app.get("/")
async def home(request): return crlf.text(f"{VERSION} {os.getpid()}")
@app.get("/slow")
async def slow(request):
    await asyncio.sleep(0.7)
    return crlf.text("at last")
@app.get("/block")
async def block(request): time.sleep(60)
"""

PARENT = """
import json, sys
from crlf.server.settings import ServerSettings
from crlf.server.processes.supervisor import CannotStart, serve_with_workers
from crlf.net.listening import url_of
told = json.loads(sys.argv[1])
options = told.pop("options")
folder, target = told.pop("folder"), told.pop("target")
told["bind"] = tuple(told["bind"])
def say(sentence): print("said:", sentence.replace(chr(10), " | "), flush=True)
def started(sockets): print("up:", *[url_of(one) for one in sockets], flush=True)
try:
    code = serve_with_workers(
        target, ServerSettings(**told), folder=folder, started=started, say=say, **options)
except CannotStart as fault:
    print("cannot start:", str(fault).replace(chr(10), " | "), flush=True)
    code = 3
sys.exit(code)
"""


class Crew:
    """A supervisor in a process of its own, and what it says."""

    def __init__(self, folder: Path, target: str, options: dict[str, object], **settings) -> None:
        told = {"folder": str(folder), "target": target, "options": options, **settings}
        told.setdefault("bind", ["127.0.0.1:0"])
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, json.dumps(told)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: Queue[str] = Queue()
        self.heard: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.address = ("", 0)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def until_said(self, pattern: str, seconds: float = 20.0) -> str:
        """Wait for a line."""
        give_up = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, give_up - time.monotonic()))
            except Empty:
                raise AssertionError(f"{pattern!r} was not said, but {self.heard}") from None
            self.heard.append(line)
            if re.search(pattern, line):
                return line

    def until_up(self) -> Crew:
        """Wait for the first workers."""
        line = self.until_said("^up: ")
        if found := re.search(r"http://([^:/]+):([0-9]+)/", line):
            self.address = (found[1], int(found[2]))
        return self

    def get(self, path: str = "/") -> str:
        """Ask on a new connection; return the content."""
        with socket.create_connection(self.address, timeout=10) as visitor:
            return ask(visitor, path)

    def version(self) -> str:
        return self.get().split(" ")[0]

    def pids(self, least: int = 1) -> set[int]:
        """Ask until so many different processes have answered."""
        found: set[int] = set()
        give_up = time.monotonic() + 15
        while len(found) < least and time.monotonic() < give_up:
            found.add(int(self.get().split(" ")[1]))
        assert len(found) >= least
        return found

    def children(self) -> set[int]:
        """List the processes that the supervisor has."""
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)],
            capture_output=True, text=True, check=False,
        ).stdout  # fmt: skip
        return {int(pid) for pid in listed.split()}

    def until(self, what: Callable[[], object], seconds: float = 15.0) -> None:
        give_up = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < give_up, f"waited in vain; heard {self.heard}"
            time.sleep(0.05)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.process.wait(timeout=20)
        self.reader.join(timeout=5)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(timeout=5)
        if self.process.stdout is not None:
            self.process.stdout.close()


def ask(visitor: socket.socket, path: str = "/", more: str = "connection: close\r\n") -> str:
    visitor.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n{more}\r\n".encode())
    data = b""
    while piece := visitor.recv(65536):
        data += piece
        head, _, content = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: ([0-9]+)", head)
        if found and len(content) == int(found[1]):
            break
    return data.partition(b"\r\n\r\n")[2].decode()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return Path("/proc/self").exists() is False


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Callable[..., Crew]]:
    made: list[Crew] = []
    (tmp_path / "shop.py").write_text(APP)

    def start(workers: int = 2, target: str = "shop:app", options=None, **settings) -> Crew:
        made.append(Crew(tmp_path, target, options or {}, workers=workers, **settings))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_several_processes_answer_and_stop_in_order(crew: Callable[..., Crew], tmp_path) -> None:
    path = tmp_path / "x.sock"
    ours = crew(bind=["127.0.0.1:0", f"unix:{path}"]).until_up()
    assert ours.pids(2) == ours.children()
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(path))
        assert ask(visitor).startswith("one ")
    children = ours.children()
    ours.send(signal.SIGTERM)
    assert ours.end() == 0
    assert not any(is_alive(pid) for pid in children)
    assert not path.exists()
    with pytest.raises(ConnectionRefusedError):
        ours.get()


def test_an_answer_under_way_is_finished(crew: Callable[..., Crew]) -> None:
    ours = crew(1).until_up()
    with socket.create_connection(ours.address, timeout=10) as visitor:
        visitor.sendall(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.3)
        os.killpg(ours.process.pid, signal.SIGINT)  # Ctrl-C reaches all of a terminal's processes
        data = b""
        while piece := visitor.recv(4096):
            data += piece
    assert b"at last" in data
    assert b"connection: close" in data.lower()
    assert ours.end() == 0


def test_a_second_signal_insists(crew: Callable[..., Crew]) -> None:
    ours = crew(1).until_up()
    with socket.create_connection(ours.address, timeout=10) as visitor:
        visitor.sendall(b"GET /block HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.3)
        ours.send(signal.SIGINT)
        time.sleep(0.2)
        assert ours.process.poll() is None
        ours.send(signal.SIGINT)
        assert ours.end() == 130


def test_a_dead_worker_is_replaced(crew: Callable[..., Crew]) -> None:
    ours = crew().until_up()
    before = ours.pids(2)
    dead = before.pop()
    os.kill(dead, signal.SIGKILL)
    ours.until_said(f"worker {dead} was ended by SIGKILL; another takes its place in 0.1 s")
    ours.until(lambda: len(ours.children()) == 2 and dead not in ours.children())
    assert ours.pids(2) == ours.children()
    assert before < ours.children(), "the other one went on"


def test_new_code_is_loaded_and_no_request_is_lost(crew: Callable[..., Crew], tmp_path) -> None:
    ours = crew().until_up()
    old = ours.children()
    # Of another length: Python trusts a .pyc when time, in seconds, and size are the same.
    (tmp_path / "shop.py").write_text(APP.replace('"one"', '"two"') + "\n")
    seen: list[str] = []
    with socket.create_connection(ours.address, timeout=10) as kept:
        ask(kept, more="")
        ours.send(signal.SIGHUP)
        ours.until(lambda: seen.append(ours.version()) or seen[-1] == "two")
        assert ask(kept, more="").startswith("one"), "who was connected asked once more"
    ours.until(lambda: not ours.children() & old)
    assert seen == sorted(seen)
    assert ours.version() == "two"


def test_code_that_does_not_load_leaves_the_old_serving(
    crew: Callable[..., Crew], tmp_path
) -> None:
    ours = crew().until_up()
    old = ours.children()
    (tmp_path / "shop.py").write_text("import no_such_module")
    ours.send(signal.SIGHUP)
    ours.until_said("shop:app does not load, the old one serves: .*no_such_module")
    assert ours.version() == "one"
    ours.until(lambda: ours.children() == old)
    (tmp_path / "shop.py").write_text(APP.replace('"one"', '"three"') + "\n")
    ours.send(signal.SIGHUP)
    ours.until(lambda: ours.version() == "three")


def test_many_hang_ups_at_once_are_one(crew: Callable[..., Crew]) -> None:
    ours = crew(1).until_up()
    old = ours.children()
    for _ in range(20):
        ours.send(signal.SIGHUP)
    ours.until(lambda: ours.children() and not ours.children() & old)
    time.sleep(0.3)
    ours.send(signal.SIGTERM)
    assert ours.end() == 0
    while not ours.lines.empty():
        ours.heard.append(ours.lines.get())
    assert 1 <= sum("loading anew" in line for line in ours.heard) <= 4


def test_an_application_that_never_loads_is_explained_once(crew: Callable[..., Crew]) -> None:
    ours = crew(3, "shop:nothing")
    said = ours.until_said("^cannot start: ")
    assert "nothing" in said
    assert ours.end() == 3
    assert ours.lines.empty()


def test_one_more_and_one_less(crew: Callable[..., Crew]) -> None:
    ours = crew(1).until_up()
    ours.send(signal.SIGTTIN)
    ours.until_said("2 workers from now on")
    assert len(ours.pids(2)) == 2
    ours.send(signal.SIGTTOU)
    ours.until_said("1 worker from now on")
    ours.until(lambda: len(ours.children()) == 1)
    ours.send(signal.SIGTTOU)
    time.sleep(0.2)
    assert ours.version() == "one", "the last one stays"


def test_a_stuck_worker_is_replaced(crew: Callable[..., Crew]) -> None:
    ours = crew(1, options={"stuck_after": 1.5}).until_up()
    [stuck] = ours.children()
    with socket.create_connection(ours.address, timeout=10) as visitor:
        visitor.sendall(b"GET /block HTTP/1.1\r\nhost: a\r\n\r\n")
        ours.until_said(f"worker {stuck} is stuck: nothing for . s; it is ended")
        ours.until_said(f"worker {stuck} was ended by SIGABRT; another takes its place")
    ours.until(lambda: ours.children() - {stuck})
    assert ours.version() == "one"


def test_workers_of_a_dead_parent_end(crew: Callable[..., Crew]) -> None:
    ours = crew().until_up()
    children = ours.children()
    ours.process.kill()
    ours.process.wait()
    ours.until(lambda: not any(is_alive(pid) for pid in children))


def test_what_a_worker_is_told_is_not_for_all_to_read(crew: Callable[..., Crew]) -> None:
    ours = crew(1, certificates=[], name="secret").until_up()
    [child] = ours.children()
    try:
        line = Path(f"/proc/{child}/cmdline").read_bytes()
    except FileNotFoundError:
        pytest.skip("no /proc here")
    assert b"secret" not in line
    assert b"shop" not in line


def test_a_folder_that_is_served_is_not_imported_from(crew: Callable[..., Crew], tmp_path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name in ("asyncio.py", "json.py", "crlf.py"):
        (site / name).write_text("raise SystemExit('a visitor wrote this')")
    (site / "page.txt").write_text("here")
    ours = Crew(tmp_path, str(site), {}, workers=1)
    try:
        ours.until_up()
        assert ours.get("/page.txt") == "here"
    finally:
        ours.close()


# -- while one writes the code


def test_a_change_is_seen_named_and_loaded(crew: Callable[..., Crew], tmp_path) -> None:
    pytest.importorskip("watchfiles")
    ours = crew(1, reload=True).until_up()
    time.sleep(0.3)
    (tmp_path / "shop.py").write_text(APP.replace('"one"', '"two"') + "\n")
    assert "shop.py" in ours.until_said("loading anew, because .* changed")
    ours.until(lambda: ours.version() == "two")


def test_what_does_not_load_at_first_waits_for_a_change(
    crew: Callable[..., Crew], tmp_path
) -> None:
    pytest.importorskip("watchfiles")
    (tmp_path / "shop.py").write_text("app = ")
    ours = crew(2, reload=True)
    ours.until_said("Waiting for a change")
    time.sleep(0.3)
    (tmp_path / "shop.py").write_text(APP)
    ours.until_up()
    assert ours.version() == "one"


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/home/a/shop.py", True), ("/home/a/crlf.toml", True), ("/home/a/.env", True),
        ("/home/a/data.json", False), ("/home/a/page.html", False),
        ("/home/a/.venv/lib/x.py", False), ("/home/a/__pycache__/x.py", False),
    ],
)  # fmt: skip
def test_sources_count_and_data_does_not(path: str, counts: bool) -> None:
    assert is_source(None, path) is counts


def test_who_wants_to_reload_is_told_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with (
        pytest.raises(CannotReload, match=r"pip install 'crlf\[reload\]'"),
        watching_files(["."], print),
    ):
        pass


def test_a_server_that_cannot_reload_says_so_and_ends(tmp_path) -> None:
    hidden = f"import sys; sys.modules['watchfiles'] = None\n{PARENT}"
    told = {"folder": str(tmp_path), "target": "a:b", "options": {}, "reload": True, "bind": ["0"]}
    done = subprocess.run(
        [sys.executable, "-c", hidden, json.dumps(told)],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "cannot start: --reload needs the package watchfiles" in done.stdout


# -- what the two say to each other


def test_a_briefing_arrives_as_it_was_sent() -> None:
    settings = ServerSettings(bind=("a:1", "unix:/x"), workers=3, access_log="json")
    briefing = Briefing("shop:app", "/srv", settings, (3, 4), 5, 0, 2)
    here, there = socket.socketpair()
    with here, there:
        here.sendall(write_line(briefing))
        assert read_line(hear(there)) == briefing
        there.sendall(write_line(Answer("two\nlines")))
        assert read_line(hear(here)) == Answer("two\nlines")
        here.close()
        assert hear(there) == b""


def test_what_cannot_be_handed_on_is_refused() -> None:
    settings = ServerSettings(name=b"crlf")  # type: ignore[arg-type]  # what is wrong with it
    with pytest.raises(TypeError, match="a bytes cannot be handed to a worker"):
        write_line(Briefing("a:b", "", settings, (), 0, 0, 1))
