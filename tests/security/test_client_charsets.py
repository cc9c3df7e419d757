"""Charsets that peers make up: unknown, refused at once, and remembered by nobody."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
from encodings.aliases import aliases

import pytest

from crlf.message.content import known_charset
from crlf.message.response import Response

# Not character encodings, slow by design, or of Windows alone.
NONE = {
    "aliases", "base64_codec", "bz2_codec", "charmap", "hex_codec", "idna", "mbcs", "oem",
    "punycode", "quopri_codec", "raw_unicode_escape", "rot_13", "undefined", "unicode_escape",
    "uu_codec", "zlib_codec", "_win_cp_codecs",
}  # fmt: skip


def remembered() -> int:
    """Tell how many names Python has kept, known and unknown ones; it forgets none."""
    kept: dict[str, object] = vars(encodings)["_cache"]
    return len(kept)


@pytest.mark.rfc("9110", "8.3.2")
def test_names_that_peers_make_up_are_not_kept() -> None:
    page = Response(200, {"content-type": "text/plain; charset=utf-8"}, b"x")
    assert page.text == "x"
    before = remembered()
    for number in range(50):
        made_up = [f"x{number}", f"x{number}" * 1000, f"utf{'-' * number}8", f"utf-8.{number}"]
        for name in made_up:
            known_charset(name)
            assert Response(200, {"content-type": f"text/plain; charset={name}"}, b"x").text == "x"
    assert remembered() - before <= 2  # utf_8 may be new


@pytest.mark.rfc("9110", "8.3.2")
def test_every_encoding_of_python_is_known_by_each_of_its_names() -> None:
    modules = {module.name for module in pkgutil.iter_modules(encodings.__path__)} - NONE
    # One alias is in mixed case, and Python does not find it itself.
    named = {name for name, module in aliases.items() if module not in NONE and name.islower()}
    names = named | modules
    assert len(names) > 300
    wrong = {name for name in names if known_charset(name) != codecs.lookup(name).name}
    assert not wrong
    assert known_charset("ISO-8859-1") == "iso8859-1"
    assert known_charset("ANSI_X3.4-1968") == "ascii"
    assert {known_charset(name) for name in NONE} == {None}
