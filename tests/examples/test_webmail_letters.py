"""Letters from people who mean harm: read within bounds, and shown without doing what they want."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import pytest
from examples.webmail.formatted import formatted
from examples.webmail.letters import HEADERS, LONGEST, read_letter
from examples.webmail.mbox import NoMbox, read_mbox, write_mbox
from examples.webmail.oddities import BAIT, ODD
from examples.webmail.plaintext import plain_text
from examples.webmail.quotes import passages
from examples.webmail.samples import samples
from hypothesis import given
from hypothesis import strategies as st

ODDITIES = {name: fields + b"\r\n\r\n" + body for name, fields, body in ODD}


def html_letter(html: str) -> bytes:
    return b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()


def shown(html: str) -> str:
    clean = formatted(read_letter(html_letter(html)))
    assert clean is not None
    return clean.html


# --- reading -------------------------------------------------------------------------------------


def test_every_sample_is_read_and_the_same_each_time() -> None:
    once = [sample.content for sample in samples()]
    assert len(once) == 58
    letters = [read_letter(content) for content in once]
    assert sum(bool(letter.subject) for letter in letters) == 57  # one has a broken head
    assert [read_letter(sample.content).subject for sample in samples()] == [
        letter.subject for letter in letters
    ]


@pytest.mark.parametrize("name", ODDITIES)
def test_an_odd_letter_is_read_soon(name: str) -> None:
    began = time.process_time()
    letter = read_letter(ODDITIES[name])
    formatted(letter)
    assert time.process_time() - began < 1.5
    assert "\n" not in letter.subject
    assert len(letter.subject) <= 1000
    assert len(letter.cc) <= 500


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_message_is_too_broken(head: bytes, body: bytes) -> None:
    letter = read_letter(
        b"Subject: " + head + b"\r\nTo: " + head + b"\r\nDate: " + head + b"\r\nContent-Type: "
        b"multipart/mixed; boundary=b; " + head + b"\r\n\r\n--b\r\nContent-Type: " + head
        + b"\r\nContent-Disposition: attachment; filename=" + head + b"\r\n\r\n" + body
    )  # fmt: skip
    formatted(letter)
    assert all("\n" not in value and "\r" not in value for _, value in letter.fields)
    for text in (letter.subject, letter.text, *(each.filename for each in letter.attachments)):
        text.encode()  # no half of a character is left


@pytest.mark.parametrize(
    ("piece", "field"),
    [("(", "To"), ('"', "To"), (":", "Cc"), ("<", "From"), ("=?utf-8?b?", "Subject"),
     (";", "Content-Type"), ('"', "Content-Type"), (";a*0=", "Content-Disposition"),
     ("\r\n ", "References"), ("(", "Date")],
)  # fmt: skip
def test_work_grows_with_the_length_of_a_field_and_not_with_its_square(
    piece: str, field: str
) -> None:
    content = f"{field}: x; {piece * (1_000_000 // len(piece))}\r\n\r\nx".encode()
    began = time.process_time()
    letter = read_letter(content)
    assert time.process_time() - began < 1.5
    assert letter.text == "x"


def test_layers_beyond_reason_are_not_taken_apart() -> None:
    letter = read_letter(ODDITIES["Nested"])
    assert letter.subject == "Fifteen hundred layers"
    assert letter.faults == ("This message has more layers than anybody reads.",)
    assert letter.attachments == () or all(not each.size for each in letter.attachments)


def test_what_is_too_long_still_has_a_head() -> None:
    letter = read_letter(b"Subject: long\r\n\r\n" + bytes(LONGEST))
    assert (letter.subject, letter.text) == ("long", "")
    assert letter.faults
    assert HEADERS < LONGEST


def test_a_charset_that_is_missing_or_a_lie_is_guessed() -> None:
    assert "Le café est prêt à l’étage, 3 €" in read_letter(ODDITIES["No charset"]).text
    assert read_letter(ODDITIES["No charset"]).subject.startswith("Café au lait")
    letter = read_letter(ODDITIES["Wrong charset"])
    assert letter.text == "Ünïcödé all the same: 你好."
    assert letter.faults


def test_a_line_break_hidden_in_a_subject_is_none() -> None:
    assert read_letter(ODDITIES["Line breaks"]).subject == "Hello Bcc: everybody@crowd.example"


def test_a_multipart_without_an_end_has_its_parts() -> None:
    letter = read_letter(ODDITIES["Unended"])
    assert letter.text.strip() == "The last boundary is missing."
    assert [each.filename for each in letter.attachments] == ["cut.bin"]


def test_a_date_that_is_none_is_none() -> None:
    assert read_letter(ODDITIES["Late"]).date is None
    assert read_letter(b"Date: Mon, 23 Nov 2026 08:00:00 -0600\r\n\r\nx").date == datetime(
        2026, 11, 23, 14, tzinfo=UTC
    )


# --- formatted -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Scripts", "Form", "Pixel"])
def test_a_formatted_letter_keeps_nothing_that_acts_or_loads(name: str) -> None:
    clean = formatted(read_letter(ODDITIES[name]))
    assert clean is not None
    html = clean.html.lower()
    for bad in ("<script", "onerror", "onload", "onclick", "javascript:", "<form", "<input",
                "<button", "<iframe", "<style", "<svg", "<math", "<meta", "<base", "<link",
                "<video", "srcset", "url(", "position", "@import", "evil.example",
                "tracker.example", "src=", BAIT):  # fmt: skip
        assert bad not in html, bad


def test_a_link_leads_away_and_says_nothing_of_where_from() -> None:
    assert shown('<a href="https://a.example/">a</a>') == (
        '<a href="https://a.example/" target="_blank" rel="noopener noreferrer nofollow">a</a>'
    )
    for bad in ("javascript:alert(1)", "data:text/html,x", "cid:x", "//a.example", "/sign-out",
                "vbscript:x", "java\tscript:x", "file:///etc/passwd"):  # fmt: skip
        assert "href" not in shown(f'<a href="{bad}">a</a>')


def test_a_picture_is_shown_only_when_it_came_along() -> None:
    content = next(s.content for s in samples() if b"The club's week 47" in s.content)
    clean = formatted(read_letter(content))
    assert clean is not None
    assert clean.html.count('src="data:image/png;base64,') == 1
    assert clean.left_out == 1  # the one that would say that Ann reads this
    assert clean.has_colours
    assert "<img" not in shown('<img src="cid:nobody"><img src="data:image/png;base64,eA==">')


def test_html_that_calls_itself_a_picture_is_none() -> None:
    letter = read_letter(
        b"Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
        b"<img src=cid:x>\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <x>\r\n\r\n"
        b"<svg onload=alert(1)>\r\n--b--\r\n"
    )
    clean = formatted(letter)
    assert clean is not None
    assert clean.html.strip() == ""
    assert clean.left_out == 1


@pytest.mark.parametrize(
    "html",
    ["<div>" * 90_000, "<b><i>" * 60_000, "<table><tr><td>" * 25_000, "<font><a>" * 40_000,
     "<div></span>" * 30_000, "<table><td></div>" * 20_000, "</div>" * 50_000 + "<div>" * 5_000,
     "<p>" * 100_000, "<li>" * 90_000, "&" * 390_000, "<" * 390_000, "<a " * 120_000],
    ids=lambda html: html[:16],
)  # fmt: skip
def test_html_that_is_made_to_be_work_is_not_shown_or_soon(html: str) -> None:
    began = time.process_time()
    letter = read_letter(html_letter(html))
    formatted(letter)
    assert plain_text(letter.html) is not None
    assert time.process_time() - began < 3


@given(st.text(max_size=200))
def test_no_html_comes_through_that_is_not_on_the_list(text: str) -> None:
    clean = formatted(read_letter(html_letter(f"<p>{text}<script>x</script>{text}</p>")))
    assert clean is None or "<script" not in clean.html.lower()


def test_plain_text_is_what_a_reader_sees() -> None:
    html = "<style>p{}</style><h1>One</h1><p>Two<br>three &amp; four</p><script>no()</script>"
    assert plain_text(html) == "One\n\nTwo\nthree & four"


def test_quotes_are_told_from_words() -> None:
    found = passages("mine\n> yours\n>> mine before\n> yours again\nend https://a.example/x.")
    assert [passage.depth for passage in found] == [0, 1, 2, 1, 0]
    assert [(piece.text, piece.link) for piece in found[-1].pieces] == [
        ("end ", ""), ("https://a.example/x", "https://a.example/x"), (".", ""),
    ]  # fmt: skip


# --- mbox ----------------------------------------------------------------------------------------


def test_what_is_written_as_an_mbox_is_read_again() -> None:
    letters = [b"Subject: a\n\nFrom here on\n>From there\n\nFrom x\n", b"Subject: b\n\n\n\nend\n\n"]
    written = b"".join(write_mbox(letters, datetime(2026, 11, 23, tzinfo=UTC)))
    assert list(read_mbox(io.BytesIO(written))) == letters


def test_the_sample_mailbox_survives_an_mbox() -> None:
    letters = [sample.content.replace(b"\r\n", b"\n") for sample in samples()]
    written = b"".join(write_mbox(letters, datetime(2026, 11, 23, tzinfo=UTC)))
    again = list(read_mbox(io.BytesIO(written)))
    assert [read_letter(each).subject for each in again] == [
        read_letter(each).subject for each in letters
    ]
    assert [each.rstrip(b"\n") for each in again] == [each.rstrip(b"\n") for each in letters]


@pytest.mark.parametrize("content", [b"", b"Subject: x\n\n", b"\x89PNG\r\n", b"\nFrom x\n"])
def test_what_is_no_mbox_is_refused(content: bytes) -> None:
    with pytest.raises(NoMbox):
        list(read_mbox(io.BytesIO(content)))


def test_a_line_without_end_takes_no_more_than_a_letter_may() -> None:
    class Endless(io.RawIOBase):
        left = 3 * LONGEST

        def readable(self) -> bool:
            return True

        def readinto(self, room: memoryview) -> int:  # type: ignore[override]
            size = min(len(room), self.left)
            room[:size] = b"x" * size
            self.left -= size
            return size

    start = b"From x\nSubject: a\n\nfirst\n\nFrom y\n"

    class Mbox(io.BufferedReader):
        pass

    file = io.BytesIO(start)
    endless = Mbox(Endless())

    class Both:
        def readline(self, size: int) -> bytes:
            return file.readline(size) or endless.readline(size)

    assert list(read_mbox(Both())) == [b"Subject: a\n\nfirst\n"]  # type: ignore[arg-type]
