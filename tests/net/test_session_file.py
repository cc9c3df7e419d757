"""Sessions in an SQLite file: versions, ends, users; who may read it, and what breaks."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crlf.message.errors import StoreUnavailable
from crlf.net.sessionfile import BATCH, OURS, SessionFile
from crlf.rules.sessionstore import Record, SessionStore

NOW = 1_800_000_000
ENDS = NOW + 100
ONE = Record('{"n":1}', None, NOW, NOW, 1)
TWO = ONE._replace(data='{"n":2}', version=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SessionFile]:
    made = SessionFile(path)
    yield made
    made.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- as any store --------------------------------------------------------------------------------


def test_it_is_a_store_that_is_read_on_the_loop(store: SessionFile) -> None:
    assert isinstance(store, SessionStore)
    assert not store.opens_slowly


def test_what_was_written_is_read(store: SessionFile) -> None:
    record = Record('{"name":"Zoë \N{SNOWMAN}"}', "zoë\n'", NOW - 5, NOW - 1, 1)
    assert store.load("a", NOW) is None
    assert store.swap("a", 0, record, ENDS, NOW)
    assert store.load("a", NOW) == record
    assert store.load("b", NOW) is None


def test_of_two_who_have_read_the_same_one_gets_through(store: SessionFile) -> None:
    assert store.swap("a", 0, ONE, ENDS, NOW)
    assert not store.swap("a", 0, ONE, ENDS, NOW)
    assert store.swap("a", 1, TWO, ENDS, NOW)
    assert not store.swap("a", 1, TWO, ENDS, NOW)
    assert store.load("a", NOW) == TWO


def test_what_is_gone_is_not_brought_back(store: SessionFile) -> None:
    assert not store.swap("a", 1, TWO, ENDS, NOW)
    assert not store.move("a", 1, "b", TWO, ENDS, NOW)
    assert (store.load("a", NOW), store.load("b", NOW)) == (None, None)


def test_what_is_over_counts_as_not_there(store: SessionFile) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    assert store.load("a", ENDS - 1) == ONE
    assert store.load("a", ENDS) is None
    assert not store.swap("a", 1, TWO, ENDS + 50, ENDS)
    assert not store.move("a", 1, "b", TWO, ENDS + 50, ENDS)
    assert not store.swap("a", 0, ONE, ENDS + 50, ENDS - 1)
    assert store.swap("a", 0, ONE._replace(data="{}"), ENDS + 50, ENDS)
    assert store.load("a", ENDS) == ONE._replace(data="{}")


def test_what_is_to_end_now_is_deleted(store: SessionFile) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    assert not store.swap("a", 2, TWO, NOW, NOW)
    assert store.load("a", NOW) == ONE
    assert store.swap("a", 1, TWO, NOW, NOW)
    assert store.load("a", NOW) is None
    store.swap("a", 0, ONE, ENDS, NOW)
    assert store.move("a", 1, "b", TWO, NOW, NOW)
    assert (store.load("a", NOW), store.load("b", NOW)) == (None, None)


def test_moving_leaves_nothing_behind(store: SessionFile) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    assert not store.move("a", 2, "b", TWO, ENDS, NOW)
    assert store.move("a", 1, "b", TWO, ENDS, NOW)
    assert (store.load("a", NOW), store.load("b", NOW)) == (None, TWO)


def test_all_of_a_user(store: SessionFile) -> None:
    for key, user in (("a", "ann"), ("b", "ann"), ("c", "bob"), ("d", None)):
        store.swap(key, 0, ONE._replace(user=user), ENDS, NOW)
    store.move("a", 1, "e", TWO._replace(user="ann"), ENDS, NOW)
    store.swap("b", 1, TWO._replace(user=None), ENDS, NOW)
    assert store.delete_all_of("ann") == 1
    assert [key for key in "abcde" if store.load(key, NOW)] == ["b", "c", "d"]
    store.delete("b")
    store.delete("b")
    assert store.load("b", NOW) is None


def test_what_is_over_is_forgotten_by_the_batch(store: SessionFile) -> None:
    for number in range(BATCH + 5):
        store.swap(f"{number}", 0, ONE, ENDS, NOW)
    store.swap("kept", 0, ONE, ENDS + 1, NOW)
    assert store.prune(ENDS - 1) == 0
    assert [store.prune(ENDS) for _ in range(3)] == [BATCH, 5, 0]
    assert store.load("kept", ENDS) == ONE


# --- the file ------------------------------------------------------------------------------------


def test_nothing_is_made_before_something_is_kept(store: SessionFile, path: Path) -> None:
    assert store.load("a", NOW) is None
    assert not store.swap("a", 1, TWO, ENDS, NOW)
    assert not store.move("a", 1, "b", TWO, ENDS, NOW)
    assert (store.delete_all_of("ann"), store.prune(NOW)) == (0, 0)
    store.delete("a")
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nobody_else_can_read_it(store: SessionFile, path: Path) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    store.load("a", NOW)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == [path.name, f"{path.name}-shm", f"{path.name}-wal"]
    assert {mode_of(file) for file in files} == {0o600}


def test_the_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    store = SessionFile()
    assert store.load("a", NOW) is None
    assert not (tmp_path / ".crlf").exists()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # where it is was settled before
    store.swap("a", 0, ONE, ENDS, NOW)
    store.close()
    assert (tmp_path / ".crlf" / "sessions.sqlite").exists()
    assert (tmp_path / ".crlf" / ".gitignore").read_text() == "*\n"
    if os.name == "posix":
        assert mode_of(tmp_path / ".crlf") == 0o700
    store.swap("b", 0, ONE, ENDS, NOW)  # it may be there
    store.close()


def test_systemd_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/another")
    store = SessionFile()
    assert store.path == str(tmp_path / "sessions.sqlite")
    store.swap("a", 0, ONE, ENDS, NOW)
    store.close()
    assert not (tmp_path / ".gitignore").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_of_others_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".crlf").mkdir()
    (tmp_path / ".crlf").chmod(0o777)
    with pytest.raises(StoreUnavailable, match="no folder that is this user's alone"):
        SessionFile().swap("a", 0, ONE, ENDS, NOW)
    (tmp_path / ".crlf").rmdir()
    (tmp_path / "other").mkdir()
    (tmp_path / ".crlf").symlink_to(tmp_path / "other")
    with pytest.raises(StoreUnavailable):
        SessionFile().swap("a", 0, ONE, ENDS, NOW)
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\x00" + b"\xff" * 999])
def test_a_broken_file_is_said_so_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    store = SessionFile(path)
    for ask in (lambda: store.load("a", NOW), lambda: store.swap("a", 0, ONE, ENDS, NOW)):
        with pytest.raises(StoreUnavailable, match="cannot be used") as caught:
            ask()
        assert str(path) not in str(caught.value)
        assert any(str(path) in note for note in caught.value.__notes__)
    assert path.read_bytes() == content
    store.close()


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 7")
    connection.execute(f"PRAGMA application_id = {OURS:d}")
    connection.close()
    path.chmod(0o600)
    store = SessionFile(path)
    for ask in (lambda: store.load("a", NOW), lambda: store.swap("a", 0, ONE, ENDS, NOW)):
        with pytest.raises(StoreUnavailable, match="newer crlf"):
            ask()
    store.close()


@pytest.mark.parametrize("version", [0, 1, 7])
def test_another_programs_database_is_left_alone(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE part (number INTEGER PRIMARY KEY)")
    connection.execute(f"PRAGMA user_version = {version:d}")
    connection.close()
    path.chmod(0o600)
    before = path.read_bytes()
    store = SessionFile(path)
    for ask in (lambda: store.load("a", NOW), lambda: store.swap("a", 0, ONE, ENDS, NOW)):
        with pytest.raises(StoreUnavailable, match="another program's"):
            ask()
    store.close()
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    store = SessionFile(tmp_path / "missing" / "sessions.sqlite")
    assert store.load("a", NOW) is None
    with pytest.raises(StoreUnavailable, match="No such file"):
        store.swap("a", 0, ONE, ENDS, NOW)
    (tmp_path / "missing").mkdir()  # mended: it goes on
    assert store.swap("a", 0, ONE, ENDS, NOW)
    store.close()


def test_a_file_that_was_deleted_is_made_anew(store: SessionFile, path: Path) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    assert store.load("a", NOW) == ONE
    for file in path.parent.iterdir():
        file.unlink()
    assert store.swap("b", 0, ONE, ENDS, NOW)
    assert (store.load("a", NOW), store.load("b", NOW)) == (None, ONE)
    assert path.exists()


def test_an_empty_file_is_one_that_is_just_being_made(store: SessionFile, path: Path) -> None:
    path.touch(0o600)
    assert store.load("a", NOW) is None
    assert store.swap("a", 0, ONE, ENDS, NOW)
    assert store.load("a", NOW) == ONE


def test_it_may_be_closed_and_used_again(store: SessionFile) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    for _ in range(2):
        store.close()
        assert store.load("a", NOW) == ONE


def test_who_reads_waits_for_no_writer(store: SessionFile, path: Path) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE session SET version = 9")
    assert store.load("a", NOW) == ONE
    other.execute("ROLLBACK")
    other.close()


def test_who_writes_waits_for_a_while(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crlf.net.sessionfile.PATIENCE", 0.1)
    store = SessionFile(path)
    store.swap("a", 0, ONE, ENDS, NOW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.swap("a", 1, TWO, ENDS, NOW)
    assert store.load("a", NOW) == ONE
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as threads:  # nor one after the other
        refused = threads.map(lambda _: raised(lambda: store.swap("a", 1, TWO, ENDS, NOW)), "a" * 8)
        assert set(refused) == {StoreUnavailable}
    assert time.monotonic() - begun < 0.7
    other.execute("ROLLBACK")
    assert store.swap("a", 1, TWO, ENDS, NOW)
    other.close()
    store.close()


def raised(work: Callable[[], object]) -> type[Exception] | None:
    try:
        work()
    except Exception as error:
        return type(error)
    return None


# --- many processes ------------------------------------------------------------------------------

COUNTING = """
import sys
import time
from crlf.message.errors import StoreUnavailable
from crlf.net.sessionfile import SessionFile
from crlf.rules.sessionstore import Record
store = SessionFile(sys.argv[1])
for _ in range(100):
    while True:
        try:
            held = store.load("n", 1000)
            version = held.version if held else 0
            count = int(held.data) + 1 if held else 1
            if store.swap("n", version, Record(f"{count}", None, 0, 0, version + 1), 2000, 1000):
                break
        except StoreUnavailable:  # a disk that is busy for seconds; the visitor tries again
            time.sleep(0.1)
"""


def test_processes_share_one_file_and_lose_nothing(path: Path) -> None:
    """Each of them may be the one that makes it."""
    line = [sys.executable, "-c", COUNTING, str(path)]
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE) for _ in range(3)]
    try:
        for process in processes:
            process.communicate(timeout=25)
            assert process.returncode == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    store = SessionFile(path)
    record = store.load("n", 1000)
    store.close()
    assert record == Record("300", None, 0, 0, 300)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX's")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_opens_the_file_for_itself(store: SessionFile) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    assert store.load("a", NOW) == ONE
    child = os.fork()
    if child == 0:
        is_right = False
        try:
            is_right = store.load("a", NOW) == ONE and store.swap("a", 1, TWO, ENDS, NOW)
        finally:
            os._exit(0 if is_right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.load("a", NOW) == TWO
    assert store.swap("a", 2, ONE._replace(version=3), ENDS, NOW)


# --- what others wrote into it -------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "data = x'7b7d'", "user = x'00ff'", "made = 'then'", "made = -1",
        "made = 9e999", "seen = 'now'", "seen = x'00'", "seen = 1.5", "seen = 9223372036854775807",
        "version = 'one'", "version = 0", "version = -1", "version = 9223372036854775807",
    ],
)  # fmt: skip
def test_what_is_no_session_is_not_there(store: SessionFile, path: Path, change: str) -> None:
    """A visitor with such a row begins anew, and is not answered 500 for as long as it is there."""
    assert store.swap("a", 0, ONE, ENDS, NOW)
    with sqlite3.connect(path) as other:
        other.execute(f"UPDATE session SET {change}")
    other.close()
    assert store.load("a", NOW) is None
    assert store.swap("b", 0, ONE, ENDS, NOW)
    assert store.load("b", NOW) == ONE
    store.delete("a")
