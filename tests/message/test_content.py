"""Which encoding text is in: what is said first, what is tried then, and what is guessed last.

The order is the whole subject, so each step is shown to be beaten by the one before it. What is
decoded in pieces says the same as what is decoded whole, wherever it is cut.
"""

from __future__ import annotations

import codecs
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crlf.message import content as module
from crlf.message.content import TextDecoder, decode_text, encoding_of, known_charset
from crlf.message.headers import Headers

pytestmark = pytest.mark.rfc("9110", "8.3.2")

SOURCE = Path(__file__).resolve().parents[2] / "src"
HTML = Headers({"content-type": "text/html"})
XML = Headers({"content-type": "application/atom+xml"})
PLAIN = Headers({"content-type": "text/plain"})
NONE = Headers()


def kind(value: str) -> Headers:
    return Headers({"content-type": value})


@pytest.fixture(params=["installed", "absent"])
def guesser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let charset-normalizer be there, or not."""
    if request.param == "absent":
        monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    return str(request.param)


@pytest.mark.parametrize(
    ("headers", "content", "encoding"),
    [
        # A mark beats all, the header beats the page, the page beats UTF-8.
        (kind("text/html; charset=koi8-r"), codecs.BOM_UTF8 + b"x", "utf-8-sig"),
        (kind("text/plain; charset=utf-8"), codecs.BOM_UTF16_LE + b"x\0", "utf-16"),
        (kind("text/plain"), codecs.BOM_UTF32_LE + b"x\0\0\0", "utf-32"),
        (kind("text/html; charset=koi8-r"), b"<meta charset=utf-8>", "koi8-r"),
        (kind("text/html; charset=nonsense"), b"<meta charset=koi8-r>", "koi8-r"),
        (HTML, b"<html><META CHARSET='koi8-r'>", "koi8-r"),
        (HTML, b'<meta http-equiv=x content="text/html; charset=big5">', "big5"),
        (HTML, b"<!--" + b" " * 1024 + b"--><meta charset=koi8-r>", "utf-8"),
        (PLAIN, b"<meta charset=koi8-r>", "utf-8"),
        (HTML, b"<meta charset=utf-16>", "utf-8"),
        (HTML, b"<meta charset=rot13>", "utf-8"),
        (XML, b"<?xml version='1.0' encoding='koi8-r'?><feed/>", "koi8-r"),
        (XML, b'<?xml version="1.0"\n encoding = "koi8-r" ?>', "koi8-r"),
        (XML, b"<?xml version='1.0' encoding='UTF-16'?>", "utf-8"),
        (XML, b" <?xml version='1.0' encoding='koi8-r'?>", "utf-8"),
        (kind("application/xhtml+xml"), b"<?xml version='1.0' encoding='koi8-r'?>", "koi8-r"),
        (kind("text/xml; charset=utf-8"), b"<?xml encoding='koi8-r'?>", "utf-8"),
        (PLAIN, b"<?xml version='1.0' encoding='koi8-r'?>", "utf-8"),
        (NONE, b"", "utf-8"),
        (NONE, "naïve".encode(), "utf-8"),
        # ISO 8859-1 is nobody's default any more.
        (PLAIN, "naïve".encode(), "utf-8"),
    ],
)
def test_what_is_said_is_believed_in_this_order(
    headers: Headers, content: bytes, encoding: str
) -> None:
    assert encoding_of(headers, content) == encoding


def test_damaged_utf_8_is_still_utf_8(guesser: str) -> None:
    text = "Příliš žluťoučký kůň úpěl ďábelské ódy. " * 50
    data = text.encode()
    for broken in (data[:-30] + b"\xc3", data[:101] + b"\xff" + data[101:], data[1:]):
        assert encoding_of(PLAIN, broken) == "utf-8"
        assert decode_text(PLAIN, broken).count("\ufffd") <= 2


def test_western_pages_of_old_are_read(guesser: str) -> None:
    text = "Le café est déjà fermé, naïve “quote” – tant pis pour l’été à Noël. "
    for repeated in (text, text * 200, "plain at first, " * 100 + text):
        assert decode_text(PLAIN, repeated.encode("cp1252")) == repeated


@pytest.mark.parametrize("name", ["gb18030", "cp932", "cp1251", "big5", "cp949", "koi8-r"])
def test_other_scripts_are_guessed_where_the_package_is(name: str) -> None:
    texts = {
        "gb18030": "今天天气很好，我们一起去公园散步吧。这里有很多人在打太极拳。",
        "big5": "今天天氣很好，我們一起去公園散步吧。這裡有很多人在打太極拳。",
        "cp932": "今日は天気がいいので、公園へ散歩に行きましょう。たくさんの人がいます。",
        "cp949": "오늘은 날씨가 좋아서 공원에 산책하러 갑시다. 많은 사람들이 있습니다.",
        "cp1251": "Сегодня хорошая погода, давайте пойдём гулять в парк. Здесь много людей.",
        "koi8-r": "Сегодня хорошая погода, давайте пойдём гулять в парк. Здесь много людей.",
    }
    page = "<html><body><p>hello, this is a page</p>\n" + texts[name] * 100
    assert decode_text(HTML, page.encode(name)) == page


def test_without_the_package_it_is_windows_1252(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    assert encoding_of(PLAIN, "Здесь много людей".encode("koi8-r")) == "cp1252"


def test_a_guess_looks_at_a_bounded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def guess(sample: bytes) -> str:
        seen.append(sample)
        return "koi8-r"

    monkeypatch.setattr(module, "_guesser", lambda: guess)
    ascii_part = b"a line of plain words\n" * 100_000
    assert encoding_of(PLAIN, ascii_part + b"\xd4\xc5 " * 100_000) == "koi8-r"
    assert len(seen[0]) <= 5000
    assert b"\xd4\xc5 " * 1000 in seen[0]
    assert seen[0].endswith(b" ")


@pytest.mark.parametrize("answer", [None, "no-such-charset", "idna", "ascii", "utf_8"])
def test_a_guess_that_is_no_help_is_windows_1252(
    answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_guesser", lambda: lambda sample: answer)
    assert encoding_of(PLAIN, b"caf\xe9") == "cp1252"


@given(st.binary(max_size=3000), st.sampled_from([HTML, XML, PLAIN, NONE]))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_some_text(data: bytes, headers: Headers) -> None:
    assert known_charset(encoding_of(headers, data)) is not None
    decode_text(headers, data)


def test_a_guess_takes_no_time_to_speak_of() -> None:
    hostile = [bytes(range(128, 256)) * 100_000, b"\x81\xff" * 5_000_000, b"\xff" + bytes(10**7)]
    decode_text(PLAIN, hostile[0][:100])  # the package is loaded
    began = time.process_time()
    for data in hostile:
        encoding_of(PLAIN, data)
    assert time.process_time() - began < 2.0


def test_utf_8_loads_no_guesser() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from crlf.message.content import decode_text\n"
        "from crlf.message.headers import Headers\n"
        "assert decode_text(Headers(), 'naïve'.encode()) == 'naïve'\n"
        "assert 'charset_normalizer' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(SOURCE)], check=True)


# --- in pieces -----------------------------------------------------------------------------------


def in_pieces(headers: Headers, content: bytes, size: int) -> str:
    decoder = TextDecoder(headers)
    pieces = [decoder.feed(content[at : at + size]) for at in range(0, len(content), size)]
    return "".join(pieces) + decoder.finish()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000, 10_000])
@pytest.mark.parametrize(
    ("headers", "content"),
    [
        (PLAIN, "naïve “quotes” 🎈\r\n".encode() * 300),
        (PLAIN, codecs.BOM_UTF8 + "naïve".encode()),
        (PLAIN, "naïve".encode("utf-16")),
        (PLAIN, "naïve".encode("utf-32")),
        (PLAIN, codecs.BOM_UTF16_LE),
        (kind("text/plain; charset=shift_jis"), "日本語".encode("shift_jis")),
        (HTML, b"<meta charset=koi8-r>" + "Здесь много людей".encode("koi8-r")),
        (HTML, b"<p>" * 1000 + b"<meta charset=koi8-r>" + "naïve".encode()),
        (XML, b"<?xml version='1.0' encoding='koi8-r'?>" + "Здесь".encode("koi8-r")),
        (NONE, b""),
        (NONE, b"\xef"),
        (NONE, b"\xef\xbb"),
        (NONE, b"cut short: \xe2\x80"),
    ],
)
def test_pieces_say_what_the_whole_says(headers: Headers, content: bytes, size: int) -> None:
    encoding = module.declared_encoding(headers, content) or "utf-8"
    assert in_pieces(headers, content, size) == content.decode(encoding, "replace")


def test_text_is_not_held_back_but_for_a_mark_or_a_page() -> None:
    assert TextDecoder(NONE).feed(b"d") == "d"
    assert TextDecoder(kind("text/event-stream")).feed(b"data: 1\n\n") == "data: 1\n\n"
    assert TextDecoder(kind("text/html; charset=utf-8")).feed(b"<p>") == "<p>"
    assert TextDecoder(NONE).feed(b"\xef\xbb") == ""
    page = TextDecoder(HTML)
    assert page.feed(b"<p>") == ""
    assert page.feed(b" " * 1021) == "<p>" + " " * 1021
    assert page.feed(b"<p>") == "<p>"


def test_what_is_no_utf_8_in_pieces_is_marked_and_not_guessed() -> None:
    assert in_pieces(PLAIN, b"caf\xe9 noir", 3) == "caf\ufffd noir"
