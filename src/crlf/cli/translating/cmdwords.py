"""A line for cmd.exe, taken apart as Windows does it: carets by cmd, quotes by each program.

This is what browsers copy as "cURL (cmd)". Its law: as that of shellwords.py, nothing is run.
"""

from __future__ import annotations

from crlf.cli.exits import Failure


def is_for_cmd(text: str) -> bool:
    """Tell whether a text is written for cmd.exe: lines end with ^, or quotes are escaped by it."""
    return '^"' in text or " ^\n" in text


def split_for_cmd(text: str) -> list[list[str]]:
    """Take a text apart as cmd.exe and a program's C runtime do. Raises Failure."""
    commands = [_split_arguments(line) for line in _without_carets(text)]
    return [words for words in commands if words]


def _without_carets(text: str) -> list[str]:
    """Do what cmd.exe does: take away carets, end commands at the ends of lines."""
    lines: list[str] = []
    kept: list[str] = []
    is_quoted, at = False, 0
    while at < len(text):
        sign = text[at]
        if sign == "^" and not (is_quoted and text[at + 1 : at + 2] != "\n"):
            at += 1
            if text[at : at + 1] == "\n":  # the line goes on; what comes then is as it is
                at += 1
            kept.append(text[at : at + 1])
        elif sign == "\n":
            lines.append("".join(kept))
            kept, is_quoted = [], False
        elif sign == "&" and not is_quoted and text[at + 1 : at + 2] in ("", " ", "\n", "&"):
            lines.append("".join(kept))  # "copy all as cURL" puts one between commands
            kept = []
        else:
            is_quoted ^= sign == '"'
            kept.append(sign)
        at += 1
    return [*lines, "".join(kept)]


def _split_arguments(line: str) -> list[str]:
    """Split as Microsoft's C runtime: 2n backslashes before a quote are n, and one more is it."""
    words: list[str] = []
    word: list[str] | None = None
    is_quoted, at = False, 0
    while at < len(line):
        sign = line[at]
        if sign in " \t\n" and not is_quoted:
            if word is not None:
                words.append("".join(word))
            word, at = None, at + 1
            continue
        word = [] if word is None else word
        start = at
        while at < len(line) and line[at] == "\\":
            at += 1
        slashes = at - start
        if at < len(line) and line[at] == '"':
            word.append("\\" * (slashes // 2))
            if slashes % 2:
                word.append('"')
            elif is_quoted and line[at + 1 : at + 2] == '"':
                word.append('"')
                at += 1
            else:
                is_quoted = not is_quoted
            at += 1
        elif slashes:
            word.append("\\" * slashes)
        else:
            word.append(sign)
            at += 1
    if is_quoted:
        raise Failure('a " is never closed')
    if word is not None:
        words.append("".join(word))
    return words
