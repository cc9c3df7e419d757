"""Text and bytes as literals of other languages: the POSIX shell, printf, Python, JavaScript.

Whatever is in them, what is read back is what was written, and nothing of it is run: each literal
is closed by us alone. The shell is the least that all have, dash as well as bash.
"""

from __future__ import annotations

from collections.abc import Iterator

from crlf.patterns import pattern

_BARE = pattern(r"[A-Za-z0-9@%+=:,./_-]+")
_WIDTH = 76  # characters of a line of a literal

# How each byte is written in a format of printf, in single quotes (POSIX: octal, three digits).
_PRINTF = [f"\\{code:03o}" if not 32 <= code < 127 else chr(code) for code in range(256)]
_PRINTF[13], _PRINTF[10], _PRINTF[9] = "\\r", "\\n", "\\t"
_PRINTF[ord("%")], _PRINTF[ord("\\")], _PRINTF[ord("'")] = "%%", "\\\\", "\\047"

# And in a literal of Python, in double quotes.
_PYTHON = [f"\\x{code:02x}" if not 32 <= code < 127 else chr(code) for code in range(256)]
_PYTHON[13], _PYTHON[10], _PYTHON[9] = "\\r", "\\n", "\\t"
_QUOTE = '\\"'
_PYTHON[ord("\\")], _PYTHON[ord('"')] = "\\\\", _QUOTE


def sh(text: str) -> str:
    """Write a word for a shell. A word cannot have a NUL; see `is_word`."""
    return text if _BARE.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def is_word(text: str) -> bool:
    """Whether a text can be a word of a command line and be copied from a terminal.

    That has no control characters but line feeds, and nothing that turns text around.
    """
    return all(sign.isprintable() or sign in "\n " for sign in text)


def printf(data: bytes) -> list[str]:
    """Write bytes as words for printf, all of them one format: a line of it in each.

    The words stand one directly after the other, as over lines that end in a backslash.
    """
    words = [f"'{line}'" for line in _lines(data, _PRINTF)] or ["''"]
    if words[0].startswith("'-"):
        words[0] = "'\\055" + words[0][2:]  # no option
    return words


def python_bytes(data: bytes) -> list[str]:
    """Write bytes as literals of Python, a line in each; Python joins those that are neighbours."""
    return [_python_line(line) for line in _lines(data, _PYTHON)] or ['b""']


def _python_line(line: str) -> str:
    """Close a literal by the quotes that are not in it, where there is a choice."""
    if _QUOTE in line and "'" not in line:
        return "b'" + line.replace(_QUOTE, '"') + "'"
    return f'b"{line}"'


def javascript(text: str) -> str:
    """Write text as a literal of JavaScript, all ASCII, that ends no script element either."""
    from json import dumps  # only fetch has it

    return dumps(text).replace("</", "<\\/").replace("<!", "\\u003c!")


def _lines(data: bytes, written: list[str]) -> Iterator[str]:
    """Write bytes: a literal line for each line of theirs, and more for one that is long."""
    line: list[str] = []
    width = 0
    for code in data:
        sign = written[code]
        if width + len(sign) > _WIDTH:
            yield "".join(line)
            line, width = [], 0
        line.append(sign)
        width += len(sign)
        if code == 10:
            yield "".join(line)
            line, width = [], 0
    if line:
        yield "".join(line)
