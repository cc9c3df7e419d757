"""The traps that Python lays for who reads bytes of strangers are not in the source (traps.py)."""

from __future__ import annotations

import importlib
import re

import pytest

import lawbook
from crlf.patterns import pattern
from lawbook import Fault, report, sample, uphold
from traps import BUSY, ENGINE, EVERYWHERE, NUMBERS, pattern_faults, text_faults, trap_faults


def test_the_engine_steps_into_no_trap() -> None:
    uphold(
        fault
        for module in lawbook.pure()
        for fault in (*trap_faults(module, ENGINE), *text_faults(module))
    )


def test_nothing_steps_into_the_traps_of_every_floor() -> None:
    modules = (*lawbook.package(), *lawbook.beside("examples"))
    uphold(
        fault
        for module in modules
        for fault in trap_faults(
            module, EVERYWHERE if module.department == "cli" else EVERYWHERE + BUSY
        )
    )


def test_every_pattern_that_is_compiled_is_plain() -> None:
    """Patterns joined from pieces cannot be read in the source, so the module is imported."""
    seen, faults = 0, []
    for module in lawbook.pure():
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern | type(pattern(""))):
                seen += 1
                bad = pattern_faults(value.pattern, value.flags)
                faults += [Fault(module.path, 1, f"{name}: {what}") for what in bad]
    uphold(faults)
    assert seen >= 5, "grammar.py alone has as many"


def test_the_numbers_that_are_excused_exist() -> None:
    known = {
        (module.path, name)
        for module in lawbook.package()
        for name, _ in lawbook.definitions(module.tree)
    }
    assert set(NUMBERS) <= known


@pytest.mark.parametrize(
    "text",
    [
        "int(text)",
        "int(text, 16)",
        "int('5')",
        "float(text)",
        "list(map(int, parts))",
        "parse(text, kind=int)",
        "text.strip()",
        "text.rstrip(None)",
        "text.split()",
        "text.split(maxsplit=1)",
        "text.rsplit(sep=None)",
        "text.splitlines()",
        "text.isdigit()",
        "filter(str.isalnum, text)",
        "name.title()",
        "name.casefold()",
        "import email.parser",
        "from http.cookies import SimpleCookie",
        "from urllib.parse import urlsplit",
        "import urllib.parse as parse",
        "import mimetypes",
        "import random",
        "def f():\n    import cgi",
        "import pickle",
        "os.path.commonprefix([a, b])",
        "path.startswith(root)",
        "path.startswith(self.root_folder)",
        "socket.getfqdn()",
    ],
)
def test_a_trap_of_the_engine_is_seen(text: str) -> None:
    assert report(trap_faults(sample(text), ENGINE))


@pytest.mark.parametrize(
    "text",
    [
        "assert x",
        "def f():\n    assert x, y",
        "queue.pop(0)",
        "sum(chunks, b'')",
        "try: f()\nexcept Exception: pass",
        "try: f()\nexcept: pass",
        "try: f()\nexcept: raise",
        "try: f()\nexcept (ValueError, Exception): ...",
        "for x in y:\n    try: f()\n    except BaseException: continue",
        "with contextlib.suppress(Exception): f()",
    ],
)
def test_a_trap_of_every_floor_is_seen(text: str) -> None:
    assert report(trap_faults(sample(text), EVERYWHERE + BUSY))


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    data = b''\n    for c in x:\n        data += c",
        "def f(data: bytes):\n    while x:\n        if y:\n            data += c",
        "def f():\n    self.text = ''\n    while x:\n        self.text += c",
        "re.compile('a$')",
        r"re.match(r'\d+', x)",
        r"re.fullmatch(rb'[\w-]+', x)",
        r"re.search(r'(?:\s|,)', x)",
        r"re.compile(r'[^\S]')",
        r"re.compile(r'\bx')",
        "re.compile('(a+)+')",
        "re.compile('(?:a*,)*b')",
        "re.compile('(?:(?:x|y+)z?)*')",
        "re.compile('k', re.IGNORECASE)",
        "re.compile('k', flags=re.I)",
        "re.compile('(?i)k')",
        "re.compile('(')",
    ],
)
def test_a_trap_in_text_is_seen(text: str) -> None:
    assert report(text_faults(sample(text)))


@pytest.mark.parametrize(
    "text",
    [
        "int.from_bytes(data, 'big')\nint(5.5)\nx: int = 5",
        "isinstance(x, int)\ncast(int, x)",
        "text.strip(' ')\ntext.split(',')\ntext.split(sep=';')",
        "re.split(',', text)\nCOMMA.split(text)",
        "text.lower()\ntext.isascii()",
        "text.startswith('http')",
        "queue.pop()\nqueue.popleft()\nfields.pop('x', 0)\nsum(sizes, 0)",
        "try: f()\nexcept OSError: pass",
        "try: f()\nexcept Exception:\n    close()\n    raise",
        "def f():\n    data = bytearray()\n    for c in x:\n        data += c",
        "def f():\n    data = b'a'\n    data += c\n    for c in x:\n        count += 1",
        r"re.compile(r'[0-9]+\Z')",
        r"re.compile(r'(?:[^\"]|\\.)*')",
        "re.compile('(?:a++,)*b')",
        "re.compile('(?:a{1,3},)*b')",
        "re.compile(b'k', re.IGNORECASE)",
        "re.compile('k', re.IGNORECASE | re.ASCII)",
        "import re, secrets, html",
    ],
)
def test_what_is_allowed_is_no_trap(text: str) -> None:
    module = sample(text)
    assert not report((*trap_faults(module, ENGINE + EVERYWHERE + BUSY), *text_faults(module)))
