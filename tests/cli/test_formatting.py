"""Formatted content: what was sent, with other white space and colours, nothing else changed."""

from __future__ import annotations

import io
import json
import re
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf import Headers
from crlf.cli.environment import Environment
from crlf.cli.showing.formatting import Pretty, TerminalOutput, read_pretty, shape_of
from crlf.cli.showing.images import image_size
from crlf.cli.showing.jsontext import JsonShape
from crlf.cli.showing.markup import MarkupShape, indent_xml
from crlf.cli.showing.shapes import LONGEST_LINE, MOST, PATIENCE, HeldJson, HeldXml, Lines
from crlf.cli.terminal import Style

CommandLine = Terminal = Any  # see conftest.py
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def shaped(shape: Any, text: str, size: int = 0) -> str:
    pieces = [text[at : at + size] for at in range(0, len(text), size)] if size else [text]
    return "".join([shape.feed(piece) for piece in pieces]) + shape.finish()


def in_json(text: str, size: int = 0, *, colour: bool = False, indents: bool = True) -> str:
    return shaped(JsonShape(Style(colour), indents=indents), text, size)


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


# --- JSON ----------------------------------------------------------------------------------------


def test_json_is_indented() -> None:
    assert in_json('{"a":[1,{"b":null}],"c":{},"d":[]}') == (
        '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": {},\n  "d": []\n}'
    )


@pytest.mark.parametrize(
    "text",
    ['{"n":1.10,"n":12345678901234567890123,"u":"\\u00fc\\/","e":1E+400}', '"x"', "-0.0", "true"],
)
def test_no_value_is_written_anew(text: str) -> None:
    assert re.sub(r"\s", "", in_json(text)) == text


@given(VALUES, st.integers(1, 9), st.booleans())
def test_json_stays_what_it_is(value: object, size: int, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    whole = in_json(text)
    assert json.loads(whole) == value
    assert in_json(text, size) == whole
    assert COLOUR.sub("", in_json(text, size, colour=True)) == whole
    assert COLOUR.sub("", in_json(text, size, colour=True, indents=False)) == text


@given(st.text(alphabet='[]{}",:\\u0a1 -.etrufalsn\n', max_size=30), st.integers(1, 5))
def test_json_is_told_from_what_is_none(text: str, size: int) -> None:
    shape = JsonShape(Style(False))
    out = shaped(shape, text, size)
    strip = re.compile(r"[ \t\r\n]")
    assert strip.sub("", out) == strip.sub("", text)
    try:
        json.loads(text, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        # More than one value on the top level is none, but shown as several.
        if not shape.is_broken:
            decoder = json.JSONDecoder()
            rest = text.strip(" \t\r\n")
            while rest:
                _, end = decoder.raw_decode(rest)
                rest = rest[end:].strip(" \t\r\n")
    else:
        assert not shape.is_broken


@pytest.mark.parametrize(
    "text",
    ['{"a":1,}', "[1,]", '{"a" 1}', "[01]", "[1 2]", '["\\x"]', '["a\nb"]', "[+1]", '{"a":1'],
)
def test_what_is_no_json_is_shown_as_it_came(text: str) -> None:
    assert shaped(HeldJson(JsonShape(Style(True)), Clock()), text) == text
    assert shaped(HeldJson(JsonShape(Style(True)), Clock()), text, 1) == text


def test_depth_is_bounded() -> None:
    assert shaped(HeldJson(JsonShape(Style(True)), Clock()), "[" * 600) == "[" * 600
    deep = in_json("[" * 500 + "]" * 500)
    assert max(map(len, deep.splitlines())) < 70


def test_a_long_document_is_shown_as_it_comes() -> None:
    held = HeldJson(JsonShape(Style(True)), Clock())
    piece = '{"a": "' + "x" * (MOST // 2) + '"},'
    assert held.feed("[") == held.feed(piece) == ""
    assert held.feed(piece) == f"[{piece}{piece}"
    assert held.feed("more") == "more"
    assert held.finish() == ""


def test_a_document_that_says_it_is_long_is_shown_as_it_comes() -> None:
    headers = Headers({"content-type": "application/json", "content-length": str(MOST + 1)})
    assert shape_of(headers, "[", Pretty(True, True)).feed("[1") == "[1"


def test_a_long_document_is_formatted_where_that_was_asked_for() -> None:
    headers = Headers({"content-type": "application/json", "content-length": str(MOST + 1)})
    shape = shape_of(headers, "[", Pretty(True, False, is_said=True))
    long = "x" * MOST
    assert shape.feed(f'["{long}",') == f'[\n  "{long}",\n  '
    assert shape.feed("1]") + shape.finish() == "1\n]"
    asked = read_pretty("all", Environment(io.BytesIO(), io.BytesIO(), io.BytesIO()))
    assert asked == (True, True, True)


def test_a_slow_document_is_shown_while_it_comes() -> None:
    clock = Clock()
    held = HeldJson(JsonShape(Style(False)), clock)
    assert held.feed('[{"a":1},') == ""
    clock.at = PATIENCE * 2
    assert held.feed('{"a":2},') == '[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  },\n  '
    assert held.feed("3") + held.feed("]") == "3\n]"


def test_each_whole_value_is_shown_at_once() -> None:
    held = HeldJson(JsonShape(Style(False)), Clock())
    assert held.feed('{"a":1}\n') == '{\n  "a": 1\n}'
    assert held.feed('{"a":') == ""
    assert held.feed("2}\n") == '\n{\n  "a": 2\n}'


@pytest.mark.parametrize("piece", ["[", '"', "1", '{"a":', '"\\', "<", "<!--", "a"])
def test_a_stream_of_anything_takes_linear_time(piece: str) -> None:
    for kind in ("application/json", "application/xml", "text/html", "text/event-stream"):
        shape = shape_of(Headers({"content-type": kind}), piece, Pretty(True, True))
        looked_at = 0
        for _ in range(5_000):
            looked_at += len(shape.feed(piece))
        shape.finish()
        assert looked_at < 5_000 * 100


# --- markup --------------------------------------------------------------------------------------

PAGE = (
    "<!doctype html><!-- a > b --><p class='x' id=y hidden>1 < 2 &amp; <br/></p>"
    "<script>if (a<b) '</p>'</script><![CDATA[<x>]]><?pi a?> <"
)


@pytest.mark.parametrize("is_html", [True, False])
def test_markup_in_colour_is_the_same_markup(is_html: bool) -> None:
    whole = shaped(MarkupShape(Style(True), is_html=is_html), PAGE)
    assert COLOUR.sub("", whole) == PAGE
    assert "\x1b[36mid\x1b[0m=\x1b[32my\x1b[0m" in whole
    for size in range(1, 12):
        cut = shaped(MarkupShape(Style(True), is_html=is_html), PAGE, size)
        assert COLOUR.sub("", cut) == PAGE


@given(st.text(alphabet="<>/!-?[]CDATA'\"= as\n"), st.integers(1, 4), st.booleans())
def test_no_markup_is_lost(text: str, size: int, is_html: bool) -> None:
    shape = MarkupShape(Style(True), is_html=is_html)
    assert COLOUR.sub("", shaped(shape, text, size)) == text


def test_a_script_is_no_markup() -> None:
    text = "<script>a<b</script><b>"
    out = shaped(MarkupShape(Style(True), is_html=True), text)
    assert "a<b\x1b" in out
    assert "<\x1b[0m\x1b[34mb\x1b[0m" in shaped(MarkupShape(Style(True)), text)


def test_xml_is_indented() -> None:
    text = '<?xml version="1.0"?><a><b x="1>2">text</b><!-- c --><e/><f></f>\n\n<g>\n</g></a>'
    assert indent_xml(text) == (
        '<?xml version="1.0"?>\n<a>\n  <b x="1>2">text</b>\n  <!-- c -->\n  <e/>\n  <f></f>\n'
        "  <g>\n</g>\n</a>\n"
    )


@pytest.mark.parametrize(
    "inner",
    ["a <b>bold</b> word", "<b>a</b> <i>b</i>", "<b/>&#32;<b/>", "<b/><![CDATA[ ]]><b/>"],
)
def test_mixed_content_stays_as_it_is(inner: str) -> None:
    assert indent_xml(f"<a><p>{inner}</p></a>") == f"<a>\n  <p>{inner}</p>\n</a>\n"


@pytest.mark.parametrize(
    "text",
    [
        "<a><b></a></b>", "<a>", "</a>", "text", "<a b='>", "<!-- a", "<![CDATA[ a",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a>" * 600 + "</a>" * 600,
    ],
)  # fmt: skip
def test_xml_that_is_odd_is_not_indented(text: str) -> None:
    assert indent_xml(text) is None
    assert shaped(HeldXml(indent_xml, MarkupShape(Style(False)), Clock()), text) == text


def test_space_that_is_to_be_kept_is_kept() -> None:
    text = '<a><b xml:space="preserve">\n<c/>\n</b></a>'
    assert indent_xml(text) == '<a>\n  <b xml:space="preserve">\n<c/>\n</b>\n</a>\n'


# --- lines ---------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["a", "b\n", "\n", "c" * 50])), st.integers(1, 7))
def test_lines_are_painted_one_by_one(words: list[str], size: int) -> None:
    text = "".join(words)
    painted = shaped(Lines(lambda line: f"<{line}>"), text, size)
    ended = "".join(f"<{line}>\n" for line in text.split("\n")[:-1])
    rest = text.split("\n")[-1]
    assert painted == ended + (f"<{rest}>" if rest else "")


def test_a_line_without_an_end_is_shown_as_it_comes() -> None:
    lines = Lines(lambda line: f"<{line}>")
    assert lines.feed("x" * LONGEST_LINE) == ""
    assert lines.feed("y") == "x" * LONGEST_LINE + "y"
    assert lines.feed("z\na") == "z\n"
    assert lines.finish() == "<a>"


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl"])
def test_json_lines_are_coloured_as_they_come(kind: str) -> None:
    shape = shape_of(Headers({"content-type": kind}), "{", Pretty(True, True))
    assert shape.feed('{"a":1}\n{"b"') == '{\x1b[36m"a"\x1b[0m:\x1b[35m1\x1b[0m}\n'
    assert shape.feed(": no}\n") == '{"b": no}\n'


def test_events_are_coloured_as_they_come() -> None:
    shape = shape_of(Headers({"content-type": "text/event-stream"}), ":", Pretty(True, True))
    assert shape.feed(": ping\ndata: [1]\n") == (
        "\x1b[2m: ping\x1b[0m\n\x1b[36mdata\x1b[0m: [\x1b[35m1\x1b[0m]\n"
    )


def test_a_form_has_a_line_for_each_pair() -> None:
    headers = Headers({"content-type": "application/x-www-form-urlencoded"})
    shape = shape_of(headers, "a", Pretty(True, False))
    assert shaped(shape, "a=1&b=x+%41&c") == "a=1\nb=x+%41\nc"


# --- pictures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480),
        b"GIF89a" + struct.pack("<HH", 640, 480),
        b"\xff\xd8\xff\xe0\0\x04ab\xff\xc2\0\x11\x08" + struct.pack(">HH", 480, 640),
        b"RIFF0000WEBPVP8X" + bytes(8) + b"\x7f\x02\0\xdf\x01\0",
        b"RIFF0000WEBPVP8L0000\x2f" + struct.pack("<I", 639 | 479 << 14) + bytes(5),
        b"RIFF0000WEBPVP8 0000000\x9d\x01\x2a" + struct.pack("<HH", 640, 480),
    ],
)
def test_a_picture_says_how_large_it_is(start: bytes) -> None:
    assert image_size(start) == (640, 480)
    for end in range(len(start)):
        assert image_size(start[:end]) is None


@given(st.binary(max_size=64), st.sampled_from([b"", b"\xff\xd8\xff", b"RIFF0000WEBPVP8X"]))
def test_what_is_no_picture_does_no_harm(data: bytes, start: bytes) -> None:
    image_size(start + data)


# --- on a terminal -------------------------------------------------------------------------------


def on_terminal(content: bytes, fields: dict[str, str], pretty: Pretty) -> str:
    shown: list[str] = []
    output = TerminalOutput(shown.append, Headers(fields), pretty)
    output.write(content)
    output.finish()
    return "".join(shown)


@pytest.mark.parametrize(
    "kind",
    ["application/json", "text/html", "application/xml", "text/event-stream", "text/plain", ""],
)
@pytest.mark.parametrize("pretty", [Pretty(True, True), Pretty(False, True), Pretty(True, False)])
def test_nothing_that_came_is_obeyed(kind: str, pretty: Pretty) -> None:
    evil = b'<a b="\x1b[2J">{"a": "\x1b]0;t\x07\xc2\x9b1m\xe2\x80\xae"}</a>\ndata: [1]\r\n\x1b[H'
    shown = on_terminal(evil, {"content-type": kind} if kind else {}, pretty)
    plain = COLOUR.sub("", shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", plain)


KINDS = (
    "application/json", "text/html", "application/xml", "text/event-stream", "text/plain; charset=",
    "application/x-ndjson", "application/x-www-form-urlencoded", "image/svg+xml", "",
)  # fmt: skip
CHARSETS = ("utf-8", "utf-16", "iso-8859-1", "cp037", "utf-7", "shift_jis")


@given(
    st.sampled_from(KINDS),
    st.sampled_from(CHARSETS),
    st.lists(
        st.binary() | st.sampled_from([b"\x1b[2J", b'{"a":', b'"', b"<a b='", b"<!--", b"\n", b"]"])
    ),
)
def test_whatever_comes_nothing_is_obeyed(kind: str, charset: str, pieces: list[bytes]) -> None:
    shown: list[str] = []
    named = f"{kind}{charset}" if kind.endswith("=") else kind
    fields = Headers({"content-type": named} if kind else {})
    output = TerminalOutput(shown.append, fields, Pretty(True, True))
    for piece in pieces:
        output.write(piece)
    output.finish()
    plain = COLOUR.sub("", "".join(shown))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", plain)


def test_what_is_still_compressed_is_no_text() -> None:
    shown: list[str] = []
    fields = Headers({"content-type": "text/plain", "content-encoding": "zz"})
    TerminalOutput(shown.append, fields, Pretty(True, False), is_coded=True).write(b"abc")
    assert shown == ["[text/plain; -o FILE saves it]\n"]


def test_a_note_stands_for_a_picture() -> None:
    start = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + b"\0"
    fields = {"content-type": "image/png", "content-length": "12345"}
    assert on_terminal(start, fields, Pretty(False, False)) == (
        "[image/png, 12,345 bytes, 640 x 480 pixels; -o FILE saves it]\n"
    )
    fields = {"content-type": "a/b", "content-length": "10", "content-encoding": "zz"}
    assert on_terminal(b"\0", fields, Pretty(False, False)).startswith("[a/b, 10 bytes as zz; -o")
    assert on_terminal(b"\0", {}, Pretty(False, False)).startswith("[content of no type; -o")


def test_a_note_is_short_on_a_narrow_terminal() -> None:
    shown: list[str] = []
    fields = Headers({"content-type": "a/b", "content-length": "10"})
    TerminalOutput(shown.append, fields, Pretty(False, False), width=30).write(b"\0")
    assert shown == ["[a/b, 10 bytes]\n"]


def test_a_first_piece_may_end_within_a_character() -> None:
    shown: list[str] = []
    output = TerminalOutput(shown.append, Headers({}), Pretty(False, False))
    for byte in "aüb".encode():
        output.write(bytes([byte]))
    output.finish()
    assert "".join(shown) == "aüb\n"


@pytest.mark.parametrize(
    ("variables", "is_terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False),
        ({"CLICOLOR": "0"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colours_are_as_the_environment_wants_them(
    variables: dict[str, str], is_terminal: bool, wanted: bool
) -> None:
    none = io.BytesIO()
    assert Environment(none, none, none, variables=variables).wants_colour(is_terminal) is wanted


@pytest.mark.parametrize(
    ("columns", "width"), [("40", 40), ("0", 80), ("x", 80), ("", 80), ("99999", 80), ("٣", 80)]
)
def test_columns_say_how_wide_it_is(columns: str, width: int) -> None:
    none = io.BytesIO()
    assert Environment(none, none, none, variables={"COLUMNS": columns}).width == width
