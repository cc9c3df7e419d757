"""Mailboxes: letters as files, an index that follows them, and names that nobody else chose."""

from __future__ import annotations

import mailbox as reference
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from examples.webmail.index import PAGE, id_of
from examples.webmail.letters import read_letter
from examples.webmail.mailboxes import Mailbox
from examples.webmail.maildir import Maildir
from examples.webmail.samples import samples
from examples.webmail.users import PAUSE, TRIES, TooManyTries, Users


def letter(subject: str, text: str = "Hello", sender: str = "a@a.example", day: int = 1) -> bytes:
    date = f"{day:02d} Nov 2026 10:00:00 +0000"
    return f"From: {sender}\r\nSubject: {subject}\r\nDate: {date}\r\n\r\n{text}\r\n".encode()


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "ann")


@pytest.fixture
def full(tmp_path: Path) -> Mailbox:
    made = Mailbox(tmp_path / "ann")
    for sample in samples():
        made.add_later(sample.folder, sample.content, sample.flags)
    return made


# --- the disk ------------------------------------------------------------------------------------


def test_a_letter_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    maildir = Maildir(tmp_path / "m")
    kept = maildir.add(b"x" * 100)
    assert kept.path.read_bytes() == b"x" * 100
    assert list((tmp_path / "m" / "tmp").iterdir()) == []
    with pytest.raises(TypeError):
        maildir.add("no bytes")  # type: ignore[arg-type]
    assert list((tmp_path / "m" / "tmp").iterdir()) == []
    assert [each.unique for each in maildir.letters()] == [kept.unique]


def test_other_programs_read_what_is_kept_here(mailbox: Mailbox, tmp_path: Path) -> None:
    mailbox.add("inbox", letter("one"), "FS")
    mailbox.add("sent", letter("two"), "S")
    theirs = reference.Maildir(tmp_path / "ann" / "Maildir", create=False)
    assert [(m["subject"], m.get_flags()) for m in theirs] == [("one", "FS")]
    assert sorted(theirs.list_folders()) == ["archive", "bin", "drafts", "sent"]
    assert [m["subject"] for m in theirs.get_folder("sent")] == ["two"]


def test_what_other_programs_do_is_noticed(mailbox: Mailbox, tmp_path: Path) -> None:
    theirs = reference.Maildir(tmp_path / "ann" / "Maildir", create=False)
    key = theirs.add(reference.MaildirMessage(letter("delivered")))
    rows = mailbox.page("inbox").rows
    assert [(row.subject, row.is_read) for row in rows] == [("delivered", False)]
    message = theirs[key]
    message.set_subdir("cur")
    message.set_flags("S")
    theirs[key] = message
    assert mailbox.page("inbox").rows[0].is_read
    theirs.remove(key)
    assert mailbox.page("inbox").rows == []
    assert mailbox.find(rows[0].id) is None


def test_a_letter_that_was_moved_behind_our_back_is_found(mailbox: Mailbox, tmp_path: Path) -> None:
    id = mailbox.add("inbox", letter("moved"))
    new = tmp_path / "ann" / "Maildir" / "new"
    (path,) = new.iterdir()
    path.rename(new.parent / "cur" / f"{path.name}:2,FS")
    found = mailbox.find(id)
    assert found is not None
    assert found.row.is_starred


def test_flags_are_renames_and_the_content_stays(mailbox: Mailbox) -> None:
    content = letter("flags")
    id = mailbox.add("inbox", content)
    for flag, is_set in (("S", True), ("F", True), ("S", False), ("F", True), ("F", False)):
        mailbox.flag(id, flag, is_set)
        found = mailbox.find(id)
        assert found is not None
        assert (flag in found.row.flags) is is_set
        assert found.content == content


def test_a_letter_keeps_its_id_wherever_it_goes(mailbox: Mailbox) -> None:
    id = mailbox.add("inbox", letter("about"), "S")
    for folder in ("archive", "bin", "inbox", "sent"):
        mailbox.move(id, folder)
        assert [row.id for row in mailbox.page(folder).rows] == [id]
    mailbox.drop(id)
    assert mailbox.find(id) is None
    assert mailbox.content(id) is None


def test_names_from_outside_are_looked_up_and_never_opened(mailbox: Mailbox) -> None:
    mailbox.add("inbox", letter("here"))
    for id in ("../../etc/passwd", "", "..", "0" * 16, "new", "\0", "%", "' OR 1=1 --"):
        assert mailbox.find(id) is None
        mailbox.move(id, "bin")
        mailbox.flag(id, "S")
        mailbox.drop(id)
    assert mailbox.page("inbox").total == 1


def test_twenty_threads_deliver_and_nothing_is_lost(mailbox: Mailbox) -> None:
    def deliver(number: int) -> None:
        for each in range(5):
            mailbox.add("inbox", letter(f"{number}-{each}"))

    threads = [threading.Thread(target=deliver, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mailbox.page("inbox").total == 100


# --- the index -----------------------------------------------------------------------------------


def test_the_index_comes_back_by_itself(full: Mailbox, tmp_path: Path) -> None:
    before = [full.page("inbox", number) for number in (1, 2)]
    for path in (tmp_path / "ann").glob("index.sqlite*"):
        path.unlink()
    again = Mailbox(tmp_path / "ann")
    assert [again.page("inbox", number) for number in (1, 2)] == before


def test_a_folder_has_pages_the_newest_first(full: Mailbox) -> None:
    first, second = full.page("inbox", 1), full.page("inbox", 2)
    assert (first.total, first.of, len(first.rows)) == (37, 2, PAGE)
    moments = [row.moment for row in (*first.rows, *second.rows)]
    assert moments == sorted(moments, reverse=True)
    assert len({row.id for row in (*first.rows, *second.rows)}) == 37
    assert full.page("inbox", 10**15).number == 2
    assert full.page("inbox", -4).number == 1


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("furnace", 3),
        ("FURN", 3),
        ("ring gears furnace", 2),
        ("größe", 2),
        ("GROSSE", 0),
        ("cafe", 1),
        ("wing nut", 1),
        ("mira@gearworks.example", 5),
        ("nothinglikethis", 0),
        ("", 0),
        ('"', 0),
        ('a" OR "b', 10),
        ("NEAR(a b)", 0),
        ("subject:furnace", 0),
        ("*", 0),
        ("toner", 0),  # it is in the bin
    ],
)
def test_a_search_finds_all_words_as_beginnings(full: Mailbox, asked: str, found: int) -> None:
    assert full.search(asked).total == found


def test_what_was_found_is_marked_and_marks_of_senders_are_none(mailbox: Mailbox) -> None:
    mailbox.add("inbox", letter("x", "before <b>needle</b> after \x02fake\x03 end"))
    (row,) = mailbox.search("needle").rows
    assert ("needle", True) in row.excerpt
    assert "".join(text for text, _ in row.excerpt).strip().startswith("before <b>needle</b>")


def test_unread_letters_and_drafts_are_counted(full: Mailbox) -> None:
    full.page("inbox")
    assert full.counts() == {"inbox": 9, "drafts": 1}


def test_a_letter_from_the_future_does_not_stay_on_top(mailbox: Mailbox) -> None:
    mailbox.add("inbox", b"Date: Fri, 01 Jan 2199 00:00:00 +0000\r\nSubject: later\r\n\r\nx")
    (row,) = mailbox.page("inbox").rows
    assert row.moment < time.time() + 2 * 86400


def test_a_file_that_is_no_letter_is_left_alone(mailbox: Mailbox, tmp_path: Path) -> None:
    inbox = tmp_path / "ann" / "Maildir" / "new"
    (inbox / ".hidden").write_bytes(b"x")
    (inbox / "folder").mkdir()
    os.symlink("/etc/passwd", inbox / "link")
    (inbox / "empty").write_bytes(b"")
    assert [row.subject for row in mailbox.page("inbox").rows] == [""]


def test_ids_tell_nothing_of_files() -> None:
    assert id_of("1700.x.host") == id_of("1700.x.host")
    assert id_of("1700.x.host").isalnum()
    assert len(id_of("ä\udcff")) == 16


def test_values_are_parameters(mailbox: Mailbox, tmp_path: Path) -> None:
    mailbox.add("inbox", letter("'); DROP TABLE letters; --", "x' OR '1'='1"))
    assert mailbox.page("inbox").total == 1
    with sqlite3.connect(tmp_path / "ann" / "index.sqlite") as database:
        assert database.execute("SELECT count(*) FROM letters").fetchone() == (1,)
    database.close()


def test_an_attachment_becomes_a_file_of_our_name(full: Mailbox, tmp_path: Path) -> None:
    (row,) = full.search("names that mean harm").rows
    found = full.find(row.id)
    assert found is not None
    paths = [full.file(row.id, each) for each in found.letter.attachments]
    assert len(paths) == 5
    assert {path.parent for path in paths} == {tmp_path / "ann" / "files"}
    assert all(path.name.replace("-", "").isalnum() for path in paths)
    full.drop(row.id)
    assert list((tmp_path / "ann" / "files").iterdir()) == []


def test_a_list_costs_what_it_shows(tmp_path: Path) -> None:
    """Whether there is news is one look at a folder's time of change."""
    maildir = Maildir(tmp_path / "ann" / "Maildir")
    for number in range(2000):  # by hand, without the sync to disk of each
        path = maildir.path / "cur" / f"{number}.x:2,S"
        path.write_bytes(letter(f"number {number}", day=1 + number % 28))
    mailbox = Mailbox(tmp_path / "ann")
    assert mailbox.page("inbox").total == 2000
    began = time.monotonic()
    for _ in range(10):
        mailbox.page("inbox", 40)
    assert (time.monotonic() - began) / 10 < 0.1


# --- users ---------------------------------------------------------------------------------------


def test_a_password_is_not_kept(tmp_path: Path) -> None:
    users = Users(tmp_path / "users")
    users.add("ann", "prairie-wind", "Ann")
    text = (tmp_path / "users").read_text()
    assert "prairie-wind" not in text
    assert "$argon2id$" in text
    assert (tmp_path / "users").stat().st_mode & 0o077 == 0
    assert "argon2" not in repr(users.find("ann"))


def test_who_signs_in_is_who_has_the_password(tmp_path: Path) -> None:
    users = Users(tmp_path / "users")
    ann = users.add("ann", "prairie-wind", "Ann")
    assert users.sign_in("ann", "prairie-wind") == ann
    assert users.sign_in(" Ann@prairie.example ", "prairie-wind") == ann
    assert users.sign_in("ann", "prairie-rain") is None
    assert users.sign_in("nobody", "prairie-wind") is None
    assert users.sign_in("ann", "x" * 5000) is None


@pytest.mark.parametrize("name", ["", "../ann", "Ann", "a b", "ann\n", "ann\tx", "a" * 40, "-x"])
def test_a_name_that_could_be_a_path_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="a name is like"):
        Users(tmp_path / "users").add(name, "x", "X")


def test_guessing_has_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("examples.webmail.users.time.monotonic", lambda: now)
    users = Users(tmp_path / "users")
    users.add("ann", "prairie-wind", "Ann")
    for _ in range(TRIES):
        assert users.sign_in("ann", "wrong") is None
    with pytest.raises(TooManyTries):
        users.sign_in("ann", "prairie-wind")
    now += PAUSE + 1
    assert users.sign_in("ann", "prairie-wind") is not None


def test_the_samples_are_what_the_docs_say() -> None:
    assert sum(len(read_letter(sample.content).attachments) for sample in samples()) > 20
