"""What there is to explain: a file of captures, a HAR, bytes; from a name or standard input.

What a file is, its content says. Its law: whatever is in it, the error names the file and says
what is wrong; and no more is read than anybody would want to have explained.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import BinaryIO

from crlf.cli.environment import Environment
from crlf.cli.exits import NO_INPUT, TOO_LARGE, Failure, reason_of
from crlf.message.errors import Malformed, TooLarge
from crlf.rules.captures import MAX_FILE, Captured, is_captures, parse_captures
from crlf.rules.har import parse_har

PIECE = 64 * 1024
_MOMENT = 0.05  # seconds without anything new, after which somebody may be waiting
_KNOWN_ENDS = (".har", ".http", ".bin", ".raw", ".txt", ".jsonl", ".capture")


def named_file(words: list[str], environment: Environment) -> str | None:
    """Return the file that a command line names; None when it names a URL. Raises Failure."""
    if len(words) != 1 or "://" in words[0]:
        return None
    word = words[0]
    path = environment.path(word)
    if os.path.isdir(path) and "/" in word:
        raise Failure(f"{word} is a folder", NO_INPUT)
    if os.path.isfile(path) or _is_device(path):
        return word
    if word.endswith(_KNOWN_ENDS) or word.startswith(("/", "./", "../", "~")):
        raise Failure(f"cannot read {word}: there is no such file", NO_INPUT)
    return None


def _is_device(path: str) -> bool:
    return os.path.exists(path) and not os.path.isdir(path)


def read_source(name: str, environment: Environment) -> list[Captured] | bytes:
    """Read a file: captures, or bytes that are nothing of ours. Raises Failure."""
    try:
        with open(environment.path(name), "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as fault:
        raise Failure(f"cannot read {name}: {reason_of(fault)}", NO_INPUT) from None
    if len(data) > MAX_FILE:
        raise Failure(f"{name} is over {MAX_FILE >> 20} MiB", TOO_LARGE)
    return recognised(data, name)


def recognised(data: bytes, name: str) -> list[Captured] | bytes:
    """Find out what some data is, and read it. Raises Failure."""
    try:
        if is_captures(data):
            return parse_captures(data)
        if is_json(data):
            return parse_har(data)
    except (Malformed, TooLarge) as fault:
        raise Failure(f"cannot read {name}: {fault.brief}", NO_INPUT) from None
    return data


def is_json(data: bytes) -> bool:
    """Whether data begins as a JSON object does, which no message of HTTP/1 can."""
    return data[:1000].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")[:1] == b"{"


def has_more(stream: BinaryIO) -> bool:
    """Whether more of a stream is here, or comes in the next moment: nobody is waiting yet."""
    try:
        return bool(select.select([stream], [], [], _MOMENT)[0])
    except (OSError, ValueError, TypeError):  # no descriptor, or one that cannot be asked
        return False


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """Read a stream piece by piece, each as soon as it is there."""
    read = getattr(stream, "read1", stream.read)
    while piece := read(PIECE):
        yield piece
