"""What is to be saved, as it was said: URLs, lists of them, and what their files come to.

A list may be a stranger's. Its law: a line of one names no path, and whatever is wrong with a
list is said, with the number of its line, before anything is asked for.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from crlf.cli.arguments import Arguments
from crlf.cli.asking.inputs import open_input
from crlf.cli.asking.request import read_url
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_INPUT, Failure
from crlf.message.fields.digests import digest_of
from crlf.message.fields.disposition import safe_name
from crlf.message.grammar import parse_digits
from crlf.message.headers import Headers
from crlf.message.url import URL
from crlf.patterns import pattern
from crlf.rules.resuming import file_name

MOST = 32 * 1024 * 1024  # bytes of a list; 100,000 URLs of 300 bytes
# sha256sum's line: digits, a blank, a blank or an asterisk, the name; and that of BSD.
_SUM = pattern(r"\\?([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128}) [ *](.+)")
_BSD_SUM = pattern(r"SHA(?:256|512) \((.+)\) = ([0-9A-Fa-f]{64}|[0-9A-Fa-f]{128})")
_SIZE = pattern(r"([0-9]{1,15})([KkMmGgTt]?)(?:i?[Bb])?")
_FOLDS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_NO_PROOF = {32: "MD5", 40: "SHA-1"}  # by their number of digits


class Wanted(NamedTuple):
    """One file. name: what it is to be called, "" for what server or URL say. digest: or None."""

    url: URL
    name: str = ""
    digest: str | None = None

    @property
    def likely_name(self) -> str:
        """What it will be called, unless the server says otherwise."""
        return self.name or file_name(Headers(), self.url)


def read_wanted(arguments: Arguments, environment: Environment) -> list[Wanted]:
    """List what a command line asks for, nothing twice. Raises Failure."""
    wanted = [Wanted(_word_url(word)) for word in arguments.words]
    for source in arguments.every("input"):
        wanted += read_list(_read(source, environment), source)
    if not wanted:
        raise Failure("nothing to save: crlf download URL..., or -i FILE for a list of them")
    wanted = list(dict.fromkeys(wanted))
    output, checksum = arguments.last("output"), arguments.last("checksum")
    for option, value in (("-o", output), ("--checksum", checksum)):
        if value is not None and len(wanted) > 1:
            raise Failure(f"{option} is for one URL, and these are {len(wanted)}")
    if output == "-":
        raise Failure("a download is a file; crlf get URL -o - writes to standard output")
    if output is not None:
        wanted = [wanted[0]._replace(name=os.path.expanduser(output))]
    if checksum is not None:
        wanted = [wanted[0]._replace(digest=read_digest(checksum))]
    sums = arguments.last("checksums")
    if sums is not None:
        wanted = _with_digests(wanted, sums, environment)
    return wanted


def _word_url(word: str) -> URL:
    """Read a URL of the command line, where others would have an item. Raises Failure."""
    try:
        return read_url(word)
    except Failure as fault:
        if "/" in word or not (":" in word or "=" in word):
            raise
        raise Failure(f"{fault.line}; a header field is said by -H 'NAME: VALUE'") from None


def _list_url(text: str, where: str) -> URL:
    """Read a URL of a list. Raises Failure."""
    try:
        return read_url(text)
    except Failure as fault:
        raise Failure(f"{where}{fault.line}") from None


def read_list(text: str, source: str) -> list[Wanted]:
    """Read a list: a URL a line, and indented below it what its file is called (as aria2)."""
    wanted: list[Wanted] = []
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{source}, line {number}: "
        word = line.strip(" \t\r")
        if not word or word.startswith("#"):
            continue
        if line[:1] not in " \t" or "://" in word.partition("=")[0]:
            wanted.append(Wanted(_list_url(word, where)))
            continue
        key, _, value = word.partition("=")
        if not wanted:
            raise Failure(f"{where}{key} belongs under a URL")
        if key == "out":
            wanted[-1] = wanted[-1]._replace(name=_list_name(value, where))
        elif key == "checksum":
            wanted[-1] = wanted[-1]._replace(digest=read_digest(value, where))
        else:
            raise Failure(f"{where}{key!r} means nothing here; out= and checksum= do")
    return wanted


def _list_name(value: str, where: str) -> str:
    is_unfinished = value.lower().endswith((".part", ".part.json"))  # as rules/resuming.py
    if not value or safe_name(value) != value or is_unfinished:
        raise Failure(f"{where}out= takes the name of a file without its folder, not {value!r}")
    return value


def read_digest(text: str, where: str = "") -> str:
    """Read a digest; return it as a download takes it. Raises Failure."""
    kind, _, digits = text.rpartition("=" if "=" in text else ":")
    name = _NO_PROOF.get(len(digits)) or (kind.upper() if kind[:3].lower() == "md5" else "")
    if name:
        raise Failure(f"{where}{name} proves nothing, it can be forged; ask for the SHA-256")
    try:
        return str(digest_of(text))
    except ValueError:
        raise Failure(
            f"{where}{text!r} is no checksum: write sha256: or sha512: and its digits"
        ) from None


def _with_digests(wanted: list[Wanted], source: str, environment: Environment) -> list[Wanted]:
    """Give each file the digest that a list has for its name. Raises Failure for one without."""
    sums = read_sums(_read(source, environment), source)
    found = []
    for one in wanted:
        name = one.likely_name.replace("\\", "/").rpartition("/")[2]
        if one.digest is None and name not in sums:
            raise Failure(f"{source} has no checksum of {name}")
        found.append(one if one.digest else one._replace(digest=sums[name]))
    return found


def read_sums(text: str, source: str) -> dict[str, str]:
    """Read what sha256sum and sha512sum write: digests by name, without folders."""
    sums: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip("\r")
        if not line.strip(" \t") or line.startswith("#"):
            continue
        plain, bsd = _SUM.fullmatch(line), _BSD_SUM.fullmatch(line)
        if plain is not None:
            digits, name = plain.groups()
        elif bsd is not None:
            name, digits = bsd.groups()
        else:
            raise Failure(f"{source}, line {number}: no line of sha256sum or sha512sum")
        sums[name.rpartition("/")[2]] = read_digest(digits)
    return sums


def read_size(text: str, option: str) -> int:
    """Read a size in bytes, or in binary units as 10M. Raises Failure."""
    found = _SIZE.fullmatch(text)
    size = None if found is None else parse_digits(found[1])
    if found is None or not size:
        raise Failure(f"{option} takes a size, as in 500000, 10M or 2G, not {text!r}")
    return size << _FOLDS[found[2].lower()]


def read_count(text: str | None, option: str, usual: int, most: int) -> int:
    """Read a number of things. Raises Failure."""
    if text is None:
        return usual
    number = parse_digits(text, 6)
    if not number or number > most:
        raise Failure(f"{option} takes a number from 1 to {most}, not {text!r}")
    return number


def _read(source: str, environment: Environment) -> str:
    """Read a list whole. Raises Failure."""
    if source == "-":
        data = environment.stdin.read(MOST + 1)
    else:
        with open_input(source, environment) as file:
            data = file.read(MOST + 1)
    if len(data) > MOST:
        raise Failure(f"{source} is longer than a list can be, {MOST:,} bytes", NO_INPUT)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{source} is not text in UTF-8", NO_INPUT) from None
