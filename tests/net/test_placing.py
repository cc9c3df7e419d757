"""A file has a name when it is whole, and never one that something else has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crlf.message.errors import TooLarge
from crlf.net import placing
from crlf.net.placing import PREFIX, Landing, usage


@pytest.fixture(params=["nameless", "named", "named by path", "without links"])
def landing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch) -> Iterator[Landing]:
    """An empty folder, on systems of every kind."""
    folder = tmp_path / "folder"
    folder.mkdir()
    if request.param != "nameless":
        monkeypatch.setattr(placing, "_NAMELESS", 0)
    if request.param == "without links":

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(1, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    place: int | str = str(folder)
    if request.param != "named by path":
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    landing = Landing(place)
    yield landing
    landing.close()
    landing.close()


def seen(tmp_path: Path) -> list[str]:
    return sorted(name for name in os.listdir(tmp_path / "folder") if not name.startswith(PREFIX))


def test_nothing_is_seen_until_it_is_whole(landing: Landing, tmp_path: Path) -> None:
    with landing.begin() as file:
        file.write(b"half")
        assert seen(tmp_path) == []
        assert usage(str(tmp_path)) == (0, 0)
        file.write(b" and half")
        file.place(landing.folder, "größe.txt")
        assert seen(tmp_path) == ["größe.txt"]
    assert os.listdir(tmp_path / "folder") == ["größe.txt"]
    assert (tmp_path / "folder" / "größe.txt").read_bytes() == b"half and half"
    assert usage(str(tmp_path)) == (1, 13)


def test_what_is_not_placed_is_gone(landing: Landing, tmp_path: Path) -> None:
    file = landing.begin()
    file.write(b"x")
    landing.close()  # whoever placed it would need the folder; to be gone it does not
    file.close()
    file.close()
    assert os.listdir(tmp_path / "folder") == []


def test_a_name_that_is_taken_stays_taken(landing: Landing, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a.tar.gz").write_bytes(b"theirs")
    (folder / "a (1).tar.gz").symlink_to("nowhere")
    with landing.begin() as file:
        file.write(b"ours")
        for name in ("a.tar.gz", "a (1).tar.gz"):
            with pytest.raises(FileExistsError):
                file.place(landing.folder, name)
        assert file.place_free(landing.folder, "a.tar.gz") == "a (2).tar.gz"
    assert (folder / "a.tar.gz").read_bytes() == b"theirs"
    assert (folder / "a (2).tar.gz").read_bytes() == b"ours"
    assert len(os.listdir(folder)) == 3


def test_a_file_is_replaced_at_once(landing: Landing, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a").write_bytes(b"theirs")
    with landing.begin() as file:
        file.write(b"ours")
        assert (folder / "a").read_bytes() == b"theirs"
        file.replace(landing.folder, "a")
    assert os.listdir(folder) == ["a"]
    assert (folder / "a").read_bytes() == b"ours"


def test_there_is_room_or_it_is_too_large(landing: Landing, tmp_path: Path) -> None:
    with landing.begin(room=10, limit=99) as file:
        assert file.write(b"x" * 10) == 10
        with pytest.raises(TooLarge, match="upload quota") as caught:
            file.write(b"x")
        assert (caught.value.status_code, caught.value.limit) == (507, 99)
    landing.keep_free = 1 << 60
    with landing.begin() as file, pytest.raises(TooLarge, match="free space"):
        file.write(b"x")
    assert os.listdir(tmp_path / "folder") == []


def test_links_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"x" * 7)
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "a" / "file").symlink_to(tmp_path / "a" / "b" / "c")
    os.mkfifo(tmp_path / "fifo")
    assert usage(str(tmp_path)) == (1, 7)
    assert usage(str(tmp_path / "none")) == (0, 0)


def test_a_look_follows_no_link(landing: Landing, tmp_path: Path) -> None:
    (tmp_path / "folder" / "link").symlink_to(tmp_path)
    found = landing.look("link")
    assert found is not None
    assert not placing.is_plain(found)
    assert landing.look("none") is None
    landing.remove("none")
    landing.remove("link")
    assert os.listdir(tmp_path / "folder") == []
