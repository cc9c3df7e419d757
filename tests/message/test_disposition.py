"""Content-Disposition: two dialects read, one written, and names that are safe to keep."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.fields.disposition import (
    MAX_NAME,
    NAMELESS,
    Disposition,
    build_attachment,
    parse_disposition,
    safe_name,
)


def wire(text: str) -> str:
    """The text as it looks when read off the wire: one character a byte."""
    return text.encode().decode("latin-1")


@pytest.mark.rfc("6266", "4.1")
@pytest.mark.parametrize(
    ("text", "filename"),
    [
        ("inline", None),
        ("attachment", None),
        ('Attachment; FileName="a b.txt"', "a b.txt"),
        ("attachment; filename=a.txt", "a.txt"),
        ('attachment; filename="a\\"b.txt"', 'a"b.txt'),
        ('attachment; filename="f\\oo.html"', "foo.html"),
        ('attachment; filename="a%41.txt"', "a%41.txt"),
        ("attachment; filename*=UTF-8''na%C3%AFve%20file.txt", "naïve file.txt"),
        ("attachment; filename*=utf-8'en'x; filename=y", "x"),
        ("attachment; filename=y; filename*=iso-8859-1''%E9", "é"),
        ("attachment; filename=y; filename*=UTF-8''%E9", "y"),
        ("attachment; filename=y; filename*=UTF-8''%", "y"),
        ("attachment; filename=y; filename*=koi8-r''x", "y"),
        ("attachment; filename=y; filename*=UTF-8'x", "y"),
        ("attachment; foo=bar; filename=y;", "y"),
        (wire('attachment; filename="€.txt"'), "€.txt"),
        ('attachment; filename="\xe9.txt"', "é.txt"),
        ('attachment; filename=""', ""),
    ],
)
def test_downloads_are_read_by_rfc_6266(text: str, filename: str | None) -> None:
    found = parse_disposition(text)
    assert found is not None
    assert found.filename == filename
    assert found.kind in ("attachment", "inline")


@pytest.mark.rfc("6266", "4.1")
@pytest.mark.parametrize(
    "text",
    [
        "",
        '"attachment"',
        'filename="x"',
        "attachment; filename",
        "attachment; filename=a b.txt",
        "attachment; filename=a; filename=b",
        "attachment; filename=\"a\"; filename*=UTF-8''x; filename*=UTF-8''y",
        'attachment; filename="open',
        'attachment; filename="a"b',
        "attachment filename=a",
        "attachment, inline",
        'attachment; filename="a\nb"',
    ],
)
def test_a_broken_field_is_none(text: str) -> None:
    assert parse_disposition(text) is None


@pytest.mark.rfc("7578", "4.2")
@pytest.mark.parametrize(
    ("text", "name", "filename"),
    [
        ('form-data; name="a"', "a", None),
        ('Form-Data;NAME="a";filename="b.txt"', "a", "b.txt"),
        ("form-data; name=a; filename=b.txt", "a", "b.txt"),
        ('form-data; name="a%22b"', 'a"b', None),
        ('form-data; name="a%0D%0Ab%0d"', "a\r\nb\r", None),
        ('form-data; name="100%25 a%41"', "100%25 a%41", None),
        ('form-data; name="a\\"b"; filename="c\\"d"', 'a"b', 'c"d'),
        ('form-data; name="a"; filename="C:\\dir\\new.txt"', "a", "C:\\dir\\new.txt"),
        ('form-data; name="a\\"; filename="C:\\"', "a\\", "C:\\"),
        ('form-data; name="a\\\\"', "a\\\\", None),
        (wire('form-data; name="größe"; filename="日本.txt"'), "größe", "日本.txt"),
        ('form-data; name="\xe9"', "é", None),
        ('form-data; name=""; filename=""', "", ""),
        ('form-data; name="a;b=c"', "a;b=c", None),
        ("form-data; name=\"a\"; filename*=UTF-8''%C3%A9", "a", "é"),
        ('form-data; name="a"; filename="x"; filename*=UTF-8\'\'y', "a", "x"),
        ('form-data; name="a" ; filename="b" ; ', "a", "b"),
        ("form-data", None, None),
    ],
)
def test_forms_are_read_as_browsers_write_them(
    text: str, name: str | None, filename: str | None
) -> None:
    assert parse_disposition(text) == Disposition("form-data", name, filename)


@pytest.mark.rfc("7578", "4.2")
@pytest.mark.parametrize(
    "text",
    [
        'form-data; name="a',
        'form-data; name="a"b"',
        'form-data; name=""a"',
        'form-data; name="a" filename="b"',
        'form-data; name="a"; name="a"',
        'form-data; name="say \\"hi\\"; x"',
        "form-data; name=a b",
        "form-data; name",
        'form-data; na me="a"',
        'form-data x; name="a"',
        "form-data; name=",
    ],
)
def test_a_part_that_can_be_read_in_two_ways_is_none(text: str) -> None:
    assert parse_disposition(text) is None


plain = st.text('abc;= \t"\\%2D\xc3\xa9\x01', max_size=8)


@given(plain, st.none() | plain)
def test_the_short_way_and_the_long_way_agree(name: str, filename: str | None) -> None:
    field = f'; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    assert parse_disposition("form-data" + field) == parse_disposition("Form-Data" + field)


@pytest.mark.rfc("6266", "4.3")
@pytest.mark.parametrize(
    ("filename", "field"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("a b;c.txt", 'attachment; filename="a b;c.txt"'),
        ("naïve.txt", "attachment; filename=\"naive.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ("€", "attachment; filename=\"_\"; filename*=UTF-8''%E2%82%AC"),
        ('a"b', "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
        ("50%41", "attachment; filename=\"50_41\"; filename*=UTF-8''50%2541"),
        ("../a\\b", 'attachment; filename=".._a_b"'),
        ("a\r\nSet-Cookie: x\x00", 'attachment; filename="aSet-Cookie: x"'),
        ("a\u2028b\ud800\u202e", 'attachment; filename="ab"'),
        ("", "attachment"),
        ("\r\n", "attachment"),
    ],
)
def test_downloads_are_written_for_every_reader(filename: str, field: str) -> None:
    assert build_attachment(filename) == field


def test_inline_is_written_too() -> None:
    assert build_attachment("a.txt", inline=True) == 'inline; filename="a.txt"'


@given(st.text(max_size=40))
def test_what_is_written_is_one_ascii_line_that_reads_back(filename: str) -> None:
    field = build_attachment(filename)
    assert field.isascii()
    assert field.isprintable()
    found = parse_disposition(field)
    assert found is not None
    assert found == parse_disposition(build_attachment(found.filename or ""))
    if filename.isalnum():
        assert found.filename == filename


# SECURITY: every rule for the name of an upload, one by one.


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        # the last part, whatever the separators
        ("/etc/passwd", "passwd"),
        ("../../a.txt", "a.txt"),
        ("C:\\Users\\x\\photo.jpg", "photo.jpg"),
        ("a/b\\c.txt", "c.txt"),
        ("a\\b/c.txt", "c.txt"),
        ("folder/", NAMELESS),
        # one form of Unicode
        ("e\u0301.txt", "é.txt"),
        # controls, line ends, lone surrogates, marks that turn the writing direction
        ("a\x00b\r\n\x7f\x85.txt", "ab.txt"),
        ("a\u2028\u2029b", "ab"),
        ("a\ud800b", "ab"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        # dots and blanks at the ends
        (".htaccess", "htaccess"),
        ("...", NAMELESS),
        ("..", NAMELESS),
        (". .a", "a"),
        ("a.txt. . ", "a.txt"),
        (" a ", "a"),
        # devices of Windows
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("lpt³", "_lpt³"),
        ("CONIN$", "_CONIN$"),
        ("AUX .txt", "_AUX .txt"),
        (".CON", "_CON"),
        ("CONTENT.txt", "CONTENT.txt"),
        ("COM10", "COM10"),
        # second streams, and what Windows forbids
        ("a.txt:evil.exe", "a.txt_evil.exe"),
        ('a<b>c"d|e?f*g', "a_b_c_d_e_f_g"),
        # nothing left
        ("", NAMELESS),
        ("\x00", NAMELESS),
    ],
)
def test_a_safe_name(given_name: str, kept: str) -> None:
    assert safe_name(given_name) == kept


@pytest.mark.parametrize("size", [MAX_NAME - 1, MAX_NAME, MAX_NAME + 1, 5000])
def test_a_long_name_is_cut_and_keeps_its_suffix(size: int) -> None:
    name = "a" * (size - 4) + ".txt"
    assert safe_name(name) == "a" * (min(size, MAX_NAME) - 4) + ".txt"


def test_a_name_is_never_cut_inside_a_letter() -> None:
    assert safe_name("é" * 300 + ".jpeg") == "é" * 97 + ".jpeg"
    assert safe_name("x." + "日" * 300) == "x." + "日" * 66


@given(st.text(max_size=30) | st.text("ab./\\: \u0301é\x00CON1$", max_size=400))
def test_a_safe_name_is_safe_and_stays_as_it_is(filename: str) -> None:
    name = safe_name(filename)
    assert name
    assert safe_name(name) == name
    assert len(name.encode()) <= MAX_NAME
    assert not set(name) & set('/\\:<>"|?*\x00\n\r')
    assert name[0] not in ". "
    assert name[-1] not in ". "
    assert unicodedata.is_normalized("NFC", name)
