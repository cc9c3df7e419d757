"""Where the content goes: pipes get it as it is, files whole, terminals only what is harmless."""

from __future__ import annotations

import io
import os
import stat
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.cli.exits import BROKE, NO_OUTPUT, NOT_HTTP, OK, PIPE_CLOSED, REFUSED
from crlf.cli.showing.output import FileOutput
from crlf.cli.terminal import Style, TerminalText, harmless, harmless_line, is_text

CommandLine = Terminal = Any  # see conftest.py


# --- pipes ---------------------------------------------------------------------------------------


def test_a_pipe_gets_the_bytes(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/bytes/512")
    assert done.out == bytes(range(256)) * 2
    assert crlf("get", f"{site}/evil").out == b"a\x1b]0;owned\x07b\xc2\x9bc\xe2\x80\xaed\te\r\nf"


@pytest.mark.parametrize(("status", "code"), [(404, REFUSED), (503, BROKE)])
def test_an_error_has_its_content_a_line_and_a_code(
    status: int, code: int, crlf: CommandLine, site: str
) -> None:
    done = crlf("get", f"{site}/status/{status}")
    assert (done.code, done.text) == (code, f"this is {status}\n")
    assert done.err.startswith(f"crlf: {status} ")
    assert done.err.count("\n") == 1


def test_who_stops_reading_is_not_complained_of(crlf: CommandLine, site: str) -> None:
    class Closed(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise BrokenPipeError

    done = crlf("get", f"{site}/page", stdout=Closed())
    assert (done.code, done.err) == (PIPE_CLOSED, "")


def test_a_full_disk_below_a_pipe_is_told(crlf: CommandLine, site: str) -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    done = crlf("get", f"{site}/page", stdout=Full())
    assert (done.code, done.err) == (
        NO_OUTPUT,
        "crlf: cannot write the output: No space left on device\n",
    )


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1024, 1024 * 1024])
def test_a_file_has_what_was_asked_for(size: int, crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/bytes/{size}", "-o", "a.png")
    assert (done.code, done.out, done.err) == (OK, b"", "")
    assert (crlf.folder / "a.png").read_bytes() == bytes(range(256)) * (size // 256)
    assert os.listdir(crlf.folder) == ["a.png"]


def test_a_file_is_replaced_with_its_rights_and_through_links(crlf: CommandLine, site: str) -> None:
    target, link = crlf.folder / "a", crlf.folder / "b"
    target.write_text("old", encoding="utf-8")
    target.chmod(0o640)
    link.symlink_to("a")
    assert crlf("get", f"{site}/page", "-o", "b").code == OK
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "<h1>Parts</h1>\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_an_error_never_takes_a_files_place(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "a.zip").write_text("old", encoding="utf-8")
    done = crlf("get", f"{site}/status/404", "-o", "a.zip")
    assert (done.code, done.err) == (REFUSED, "crlf: 404 Not Found; a.zip is left as it was\n")
    assert (crlf.folder / "a.zip").read_text(encoding="utf-8") == "old"
    done = crlf("get", f"{site}/status/404", "-o", "b.zip")
    assert (done.code, done.err) == (REFUSED, "crlf: 404 Not Found; b.zip is not written\n")
    assert os.listdir(crlf.folder) == ["a.zip"]


def test_what_is_no_file_is_written_directly(crlf: CommandLine, site: str) -> None:
    assert crlf("get", f"{site}/page", "-o", os.devnull).code == OK
    assert crlf("get", f"{site}/page", "-o", "-").out == b"<h1>Parts</h1>\n"
    assert os.listdir(crlf.folder) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_disk_is_told(crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page", "-o", "/dev/full")
    assert (done.code, done.err) == (
        NO_OUTPUT,
        "crlf: cannot write /dev/full: No space left on device\n",
    )


@pytest.mark.parametrize(
    ("name", "why"), [("none/a", "there is no such folder"), (".", "Is a directory")]
)
def test_a_place_where_nothing_can_be_is_named(
    name: str, why: str, crlf: CommandLine, site: str
) -> None:
    done = crlf("get", f"{site}/page", "-o", name)
    assert (done.code, done.err) == (NO_OUTPUT, f"crlf: cannot write {name}: {why}\n")


@pytest.mark.parametrize("name", ["", "a/"])
def test_a_file_has_a_name(name: str, crlf: CommandLine, site: str) -> None:
    done = crlf("get", f"{site}/page", "-o", name)
    assert (done.code, done.err) == (NO_OUTPUT, f"crlf: {name!r} is no name of a file\n")
    assert os.listdir(crlf.folder) == []


def test_a_part_is_no_way_through_a_link(crlf: CommandLine, site: str) -> None:
    (crlf.folder / "mine").write_text("mine", encoding="utf-8")
    (crlf.folder / "a.part").symlink_to("mine")
    assert crlf("get", f"{site}/page", "-o", "a").code == NO_OUTPUT
    assert (crlf.folder / "mine").read_text(encoding="utf-8") == "mine"


def test_a_part_is_kept_when_it_has_something(crlf: CommandLine) -> None:
    output = FileOutput(str(crlf.folder / "a"), "a")
    output.write(b"some")
    assert output.abandon() == "what had arrived, 4 bytes, is in a.part"
    assert os.listdir(crlf.folder) == ["a.part"]
    output = FileOutput(str(crlf.folder / "b"), "b")
    assert output.abandon() == ""
    assert os.listdir(crlf.folder) == ["a.part"]


def test_an_answer_cut_short_leaves_a_part(
    crlf: CommandLine, scripted: Callable[[bytes], str]
) -> None:
    url = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    done = crlf("get", url, "-o", "a")
    assert done.code == NOT_HTTP
    assert done.err.endswith("[RFC 9112 8]; what had arrived, 4 bytes, is in a.part\n")
    assert (crlf.folder / "a.part").read_bytes() == b"half"
    assert not (crlf.folder / "a").exists()


def test_a_download_needs_no_room_in_memory(crlf: CommandLine, site: str) -> None:
    size = 16 * 1024 * 1024  # the server, in this process, has it whole: that is counted too
    tracemalloc.start()
    try:
        assert crlf("get", f"{site}/bytes/{size}", "-o", "a").code == OK
        assert tracemalloc.get_traced_memory()[1] < size * 2.5
    finally:
        tracemalloc.stop()
    assert (crlf.folder / "a").stat().st_size == size


# --- terminals -----------------------------------------------------------------------------------


def test_a_terminal_gets_nothing_that_it_would_obey(terminal: Terminal, site: str) -> None:
    done = terminal("get", f"{site}/evil", "-b")
    assert done.text == "a\\x1b]0;owned\\x07b\\x9bc\\u202ed\te\nf\n"


def test_binary_content_is_a_note_on_a_terminal(terminal: Terminal, site: str) -> None:
    done = terminal("get", f"{site}/bytes/1024", "-b")
    assert (done.code, done.err) == (OK, "")
    assert done.text == "[image/png, 1,024 bytes; -o FILE saves it]\n"
    assert len(terminal("get", f"{site}/bytes/1024", "-o", "-").out) == 1024


def test_text_is_decoded_by_its_charset(terminal: Terminal, site: str) -> None:
    assert terminal("get", f"{site}/umlauts", "-b").text == "Gehäuse\n"


def test_pieces_are_shown_as_they_come(terminal: Terminal, site: str) -> None:
    class Watched(io.BytesIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    flushed: list[bytes] = []
    terminal("get", f"{site}/pieces", "-b", stdout=Watched())
    assert b"one\n" in flushed
    assert terminal("get", f"{site}/pieces", "-b").text == "one\ntwo\n"
    assert terminal("get", f"{site}/nothing", "-b").text == ""


def test_the_answer_to_head_is_its_head(terminal: Terminal, crlf: CommandLine, site: str) -> None:
    done = terminal("head", f"{site}/page")
    lines = done.text.splitlines()
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "content-type: text/html; charset=utf-8" in lines
    crlf.on_terminal = ()
    assert crlf("head", f"{site}/status/404").code == REFUSED


def test_colours_are_for_terminals_that_want_them(crlf: CommandLine, site: str) -> None:
    assert b"\x1b[" not in crlf("head", f"{site}/page").out
    crlf.on_terminal = ("stdout",)
    assert b"\x1b[1;32m200 OK\x1b[0m" in crlf("head", f"{site}/page").out
    crlf.variables["TERM"] = "dumb"
    assert b"\x1b[" not in crlf("head", f"{site}/page").out


@given(st.text())
def test_harmless_text_has_nothing_to_obey(text: str) -> None:
    shown = harmless_line(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
    assert harmless(shown) == shown
    assert harmless("plain ünïcode ✓\t\n") == "plain ünïcode ✓\t\n"


@given(st.lists(st.sampled_from(["a", "\r", "\n", "\r\n", "ü", "\x1b"])), st.integers(1, 3))
def test_text_in_pieces_is_the_same_text(words: list[str], size: int) -> None:
    content = "".join(words).encode()
    whole = TerminalText("utf-8").feed(content, is_last=True)
    pieces = TerminalText("utf-8")
    text = "".join([pieces.feed(content[at : at + size]) for at in range(0, len(content), size)])
    assert text + pieces.feed(b"", is_last=True) == whole


@pytest.mark.parametrize(
    ("sample", "encoding", "expected"),
    [
        (b"", "utf-8", True),
        (b"text\n\x1b[1m", "utf-8", True),
        ("ü".encode()[:1], "utf-8", True),  # cut in the middle of a character
        (b"\x89PNG\r\n\x1a\n", "utf-8", False),
        (b"a\x00b", "utf-8", False),
        (b"\xff\xfea\x00", "utf-16", True),
        (b"caf\xe9 x", "utf-8", False),
    ],
)
def test_text_is_told_by_its_beginning(sample: bytes, encoding: str, expected: bool) -> None:
    assert is_text(sample, encoding) is expected


def test_content_that_is_declared_text_may_be_odd_but_has_no_nul() -> None:
    assert is_text(b"caf\xe9 \x01", "utf-8", is_declared=True)
    assert not is_text(b"a\x00", "utf-8", is_declared=True)


def test_without_colour_a_style_does_nothing() -> None:
    assert Style(False).paint("a", "bad") == "a"
    assert Style(True).paint("a", "bad") == "\x1b[31ma\x1b[0m"
    assert Style(True).paint("", "bad") == ""
