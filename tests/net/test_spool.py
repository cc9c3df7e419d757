"""Temporary files: without a name, ours alone, and never the last of the disk."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from crlf.flow.batches import BATCH
from crlf.flow.forms import read_form
from crlf.flow.run import run_sync
from crlf.message.errors import TooLarge
from crlf.message.headers import Headers
from crlf.net import spool as spool_module
from crlf.net.spool import Quota, Spool, free_space
from crlf.wire.parts import END, Data, Part


@pytest.fixture(params=["nameless", "unlinked"])
def spool(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Spool:
    """A spool in an empty folder, in both ways a file without a name can be had."""
    if request.param == "unlinked":
        monkeypatch.setattr(spool_module, "_TMPFILE", 0)
    elif not spool_module._TMPFILE:
        pytest.skip("no O_TMPFILE on this system")
    return Spool(str(tmp_path))


def test_a_file_is_written_and_read_and_has_no_name(spool: Spool, tmp_path: Path) -> None:
    with spool() as file:
        file.write(b"one ")
        file.write(bytearray(b"two"))
        file.seek(0)
        assert file.read() == b"one two"
        assert os.listdir(tmp_path) == []
        assert os.fstat(file.fileno()).st_nlink == 0


def test_nobody_else_may_read_it(spool: Spool) -> None:
    before = os.umask(0)
    try:
        with spool() as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_program_that_is_started_does_not_inherit_it(spool: Spool) -> None:
    with spool() as file:
        assert not os.get_inheritable(file.fileno())


def test_large_writes_are_whole(spool: Spool) -> None:
    content = os.urandom(BATCH + 17)
    with spool() as file:
        assert file.write(content) == len(content)
        file.seek(0)
        assert file.read() == content


def test_the_systems_folder_is_the_usual_place(monkeypatch, tmp_path: Path) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool()
    with spool() as file:
        file.write(b"x")
    assert spool.folder == str(tmp_path)


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Spool(str(tmp_path / "none"))()


def test_a_crash_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from crlf.net import spool\n"
        f"spool._TMPFILE = {spool_module._TMPFILE}\n"
        "file = spool.Spool(sys.argv[1])()\n"
        "file.write(b'x' * 100_000)\n"
        "os._exit(9)\n"
    )
    source = str(Path(spool_module.__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": source},
        check=False,
    )
    assert ended.returncode == 9
    assert os.listdir(tmp_path) == []


def test_a_planted_name_is_not_opened(monkeypatch, tmp_path: Path) -> None:
    """Who guesses our random name still cannot make us write into a file of theirs."""
    monkeypatch.setattr(spool_module, "_TMPFILE", 0)
    monkeypatch.setattr(spool_module, "token_hex", lambda size: "guessed")
    (tmp_path / "theirs").write_bytes(b"before")
    (tmp_path / "crlf-guessed").symlink_to(tmp_path / "theirs")
    with pytest.raises(FileExistsError):
        Spool(str(tmp_path))()
    assert (tmp_path / "theirs").read_bytes() == b"before"


# --- a quota -------------------------------------------------------------------------------------


def test_all_files_share_a_quota_that_is_exact(spool: Spool) -> None:
    spool.quota.limit = 1000
    with spool() as one, spool() as other:
        one.write(b"x" * 600)
        one.flush()
        other.write(b"x" * 400)
        other.flush()
        assert spool.quota.taken == 1000
        with pytest.raises(TooLarge) as caught:
            other.write(b"x" * 9000)
        assert (caught.value.what, caught.value.limit, caught.value.status_code) == (
            "spool", 1000, 507,
        )  # fmt: skip
    assert spool.quota.taken == 0


def test_a_file_that_is_closed_twice_gives_back_once(spool: Spool) -> None:
    spool.quota.limit = 20_000
    keeper, file = spool(), spool()
    keeper.write(b"x" * 10_000)
    file.write(b"x" * 10_000)
    file.close()
    file.close()
    assert spool.quota.taken == 10_000
    keeper.close()


def test_threads_take_no_more_than_there_is() -> None:
    quota = Quota(1000)

    def take() -> None:
        for _ in range(500):
            with suppress(TooLarge):
                quota.take(1)

    threads = [Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert quota.taken == 1000


# --- a disk that is full -------------------------------------------------------------------------


def test_the_reserve_is_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(spool_module, "free_space", lambda descriptor: 1_000_000)
    with Spool(str(tmp_path), keep_free=1_000_000 - BATCH // 2)() as file:
        file.write(b"x" * (BATCH // 2))
        with pytest.raises(TooLarge) as caught:
            file.write(b"x" * (BATCH // 2 + 1))
        assert (caught.value.what, caught.value.limit) == ("spool", BATCH // 2)
        assert caught.value.status_code == 507
        file.seek(0)
        assert len(file.read()) == BATCH // 2


def test_a_disk_without_a_count_of_its_blocks_is_not_full(tmp_path: Path, monkeypatch) -> None:
    with Spool(str(tmp_path))() as file:
        found = os.fstatvfs(file.fileno())
        monkeypatch.setattr(os, "fstatvfs", lambda descriptor: os.statvfs_result((0,) * 10))
        assert free_space(file.fileno()) > found.f_bavail
        monkeypatch.delattr(os, "fstatvfs")
        file.write(b"x" * BATCH)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_what_the_system_says_of_a_full_disk_is_507(tmp_path: Path, monkeypatch, code: int) -> None:
    def full(descriptor: int) -> int:
        raise OSError(code, os.strerror(code))

    file = Spool(str(tmp_path))()
    monkeypatch.setattr(spool_module, "free_space", full)
    with pytest.raises(TooLarge) as caught:
        file.write(b"x" * BATCH)
    assert caught.value.status_code == 507
    file.close()


def test_another_fault_of_the_disk_stays_what_it_is(tmp_path: Path, monkeypatch) -> None:
    def broken(descriptor: int) -> int:
        raise OSError(errno.EIO, "broken")

    file = Spool(str(tmp_path))()
    monkeypatch.setattr(spool_module, "free_space", broken)
    with pytest.raises(OSError, match="broken"):
        file.write(b"x" * BATCH)
    file.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_really_full_disk_is_507() -> None:
    file = io.BufferedRandom(spool_module._Spooled(os.open("/dev/full", os.O_RDWR), 0, Quota(None)))
    with pytest.raises(TooLarge):
        file.write(b"x" * BATCH)
    file.write(b"x")
    with pytest.raises(TooLarge):
        file.flush()
    with pytest.raises(TooLarge):
        file.close()
    assert file.closed


def test_a_form_on_a_full_disk_leaves_no_descriptor(tmp_path: Path, monkeypatch) -> None:
    """The oracle of conftest sees the descriptor if there is one."""
    monkeypatch.setattr(spool_module, "free_space", lambda descriptor: 0)
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    parts: list[Part] = [Data(head + b"x" * BATCH), Data(b"\r\n--b--"), END]
    parts.reverse()

    class Source:
        async def next_part(self, deadline: float | None) -> Part:
            return parts.pop()

    async def inline(work):
        return work()

    headers = Headers({"content-type": "multipart/form-data; boundary=b"})
    with pytest.raises(TooLarge) as caught:
        run_sync(read_form(Source(), headers, None, Spool(str(tmp_path)), lambda: None, inline))
    assert caught.value.status_code == 507
    assert os.listdir(tmp_path) == []
