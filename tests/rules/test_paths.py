"""Names in paths: what is a path, a device or an alias somewhere names nothing anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.rules.paths import may_be_named

ALLOWED = [
    "index.html", "a b", "ä.txt", "日本", "a..b", "a.b.c", "a~b", "12:30.txt",
    "con-tent", "console.log", "null", "aux1", "a%2fb", "-rf", "~", "x" * 255, "[id].js", "a;b",
]  # fmt: skip
NEVER = [
    "", ".", "..", "a/b", "/", "..\\x", "a\\b", "\\", "a\0b", "\0", "a\nb", "\x1b", "\x7f", "a\r",
    "C:", "c:x", "Z:\\x", "a:\x07", "CON", "con", "NUL.txt", "aux.tar.gz", "COM1", "lpt9.x",
    "CONIN$", "CONOUT$.x", "PRN ", "com\xb9",
]  # fmt: skip
HIDDEN = [".git", ".env", "...", ". ", "\u200c.git", "\ufeff\u200d.env"]
ALIASES = [
    "a.",
    "a ",
    "ab:c:$DATA",
    "ab::$INDEX_ALLOCATION",
    "PROGRA~1",
    "a?",
    "a*",
    'a"',
    "a|",
    "<",
]


@pytest.mark.parametrize("name", ALLOWED)
def test_everyday_names_are_names(name: str) -> None:
    assert may_be_named(name)


@pytest.mark.parametrize("name", NEVER)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("windows", [False, True])
def test_what_is_no_name_anywhere(name: str, hidden: bool, windows: bool) -> None:
    assert not may_be_named(name, hidden=hidden, windows=windows)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_dot_hides_unless_it_is_wanted(name: str) -> None:
    assert not may_be_named(name)
    assert may_be_named(name, hidden=True)


@pytest.mark.parametrize("name", ALIASES)
def test_second_spellings_of_windows(name: str) -> None:
    assert may_be_named(name)
    assert not may_be_named(name, windows=True)


@given(st.text(max_size=20))
def test_what_is_allowed_is_one_visible_name(name: str) -> None:
    if may_be_named(name):
        assert name not in ("", ".", "..")
        assert not set(name) & set("/\\\0\r\n\x1b\x7f")
        assert name[0] != "."
