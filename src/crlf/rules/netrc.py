"""The text of a netrc file: logins by machine, as ftp, curl and git read them.

Words between blanks, some in quotes; finding and reading the file is net/netrc.py's. Its law: a
login is found by the whole name of a host and nothing else (CVE-2024-47081), and no error shows a
word of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from crlf.message.errors import Malformed, TooLarge
from crlf.patterns import pattern
from crlf.values import frozen

MAX_NETRC: Final = 256 * 1024  # characters; curl 128 KiB
_RULE = "netrc"

# One word with the blanks before it; a comment counts as one where a keyword may stand.
_BLANKS = pattern(r"[ \t\r\n]*")
_WORD = pattern(r"[^ \t\r\n]+")
_QUOTED = pattern(r'"(?:[^"\\\n]|\\[^\n])*+"')
_ESCAPED = pattern(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}  # curl's; any other character stands for itself


@frozen
class NetrcLogin:
    """One entry. machine: a host in lower case, or None for `default`, which is for all hosts."""

    machine: str | None
    login: str = ""
    password: str = ""
    account: str = ""

    def __repr__(self) -> str:
        return f"NetrcLogin({self.machine!r}, {self.login!r}, ***)"


def parse_netrc(text: str) -> tuple[NetrcLogin, ...]:
    """Read the entries of a netrc file, in their order; macros are skipped.

    Raises Malformed that names the line, TooLarge beyond MAX_NETRC.
    """
    if len(text) > MAX_NETRC:
        raise TooLarge("netrc", MAX_NETRC, 400, _RULE)
    return tuple(_entries(_Words(text)))


def find_login(entries: Iterable[NetrcLogin], host: str) -> NetrcLogin | None:
    """Return the first entry for a host, else the first `default`, else None.

    host: as URL.host has it, never text out of a URL that was cut by hand. An entry with neither
    login nor password is none.
    """
    default = None
    for entry in entries:
        if not entry.login and not entry.password:
            continue
        if entry.machine == host:
            return entry
        if entry.machine is None and default is None:
            default = entry
    return default


class _Words:
    """Goes through a text word by word."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def keyword(self) -> str | None:
        """Return the next word, comments skipped; None at the end."""
        while True:
            self._skip_blanks()
            if self._at == len(self._text):
                return None
            if self._text[self._at] != "#":
                return self._word()
            self._go_after("\n")

    def value(self) -> str:
        """Return the word after a keyword, unquoted. Raises Malformed when there is none."""
        self._skip_blanks()
        text = self._text
        if self._at == len(text):
            raise self.fault("a keyword without a value")
        if text[self._at] != '"':
            return self._word()
        found = _QUOTED.match(text, self._at)
        if found is None:
            raise self.fault("a quoted word that is not closed")
        self._at = found.end()
        if self._at < len(text) and text[self._at] not in " \t\r\n":
            raise self.fault("a quoted word is followed by a blank")
        inner = found[0][1:-1]
        return _ESCAPED.sub(lambda pair: _ESCAPES.get(pair[1], pair[1]), inner)

    def skip_macro(self) -> None:
        """Go on after the next empty line, which ends a macro."""
        self._go_after("\n")
        while self._at < len(self._text) and self._text[self._at] not in "\r\n":
            self._go_after("\n")

    def fault(self, reason: str) -> Malformed:
        line = self._text.count("\n", 0, self._at) + 1
        return Malformed(f"line {line}: {reason}", _RULE, 400, self._at)

    def _word(self) -> str:
        found = _WORD.match(self._text, self._at)
        if found is None:
            raise self.fault("no word")
        self._at = found.end()
        return found[0]

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        self._at = self._at if blanks is None else blanks.end()

    def _go_after(self, mark: str) -> None:
        found = self._text.find(mark, self._at)
        self._at = len(self._text) if found < 0 else found + 1


def _entries(words: _Words) -> Iterator[NetrcLogin]:
    machine: str | None = None
    known: dict[str, str] | None = None  # what the entry says; None before the first
    while (keyword := words.keyword()) is not None:
        if keyword in ("machine", "default"):
            if known is not None:
                yield NetrcLogin(machine, **known)
            machine = words.value().lower() if keyword == "machine" else None
            known = {}
        elif keyword == "macdef":
            words.value()
            words.skip_macro()
        elif keyword not in ("login", "user", "password", "account"):
            raise words.fault("a word that is no keyword; one with blanks needs quotes")
        elif known is None:
            raise words.fault("a login before the first machine")
        else:
            known["login" if keyword == "user" else keyword] = words.value()
    if known is not None:
        yield NetrcLogin(machine, **known)
