"""What -d, --json and their kin send, in crlf's words: items where these make the same bytes.

curl joins data by &, leaves line ends out of what -d reads from a file, and encodes what
--data-urlencode is given. Items say it when a form made of them is what curl would send; a form
that is encoded for the user need only mean the same. Everything else is --raw, byte for byte.
"""

from __future__ import annotations

from typing import NamedTuple

from crlf.cli.environment import Environment
from crlf.cli.exits import NO_INPUT, Failure, reason_of
from crlf.cli.translating.crlfline import item
from crlf.cli.translating.curlwords import Datum
from crlf.cli.translating.shellquotes import has_expansion
from crlf.message.percent import decode_plus, percent_encode
from crlf.message.url import build_pairs

MAX_READ = 1024 * 1024  # bytes of a file that becomes a part of a command line; Linux 128 KiB
MAX_ITEMS = 50  # names and values; what is longer is easier read as it is
FORM_TYPE = "application/x-www-form-urlencoded"

_LINE_ENDS = b"\r\n\0"  # what -d leaves out of a file


class Piece(NamedTuple):
    """One of what is joined by &. pair: a name and a value, to be encoded by crlf.

    path: of the file that the value or, without a pair, all of it comes from. is_glued: there is
    no & before it.
    """

    text: str
    pair: tuple[str, str] | None = None
    path: str = ""
    is_stripped: bool = False
    is_glued: bool = False


def read_pieces(data: list[Datum]) -> list[Piece]:
    """Read what each option was given, in curl's forms."""
    return [
        _read_encoded(one.text) if one.kind == "urlencode" else _read_plain(one) for one in data
    ]


def _read_plain(one: Datum) -> Piece:
    is_json = one.kind == "json"
    if one.kind != "raw" and one.text.startswith("@"):
        return Piece("", None, one.text[1:], one.kind == "data", is_json)
    return Piece(one.text, is_glued=is_json)


def _read_encoded(text: str) -> Piece:
    """Read what --data-urlencode is given: content, =content, name=content, @file, name@file."""
    for at, sign in enumerate(text):
        if sign == "=":
            return Piece("", (text[:at], text[at + 1 :]))
        if sign == "@":
            return Piece("", (text[:at], ""), text[at + 1 :])
    return Piece("", ("", text))


class Texts:
    """Puts pieces together, and reads the files among them."""

    def __init__(self, environment: Environment, expansions: dict[str, str]) -> None:
        self._environment = environment
        self._expansions = expansions
        self.is_unencoded = False  # something that only the shell knows is sent as it is

    def items(self, pieces: list[Piece], separator: str) -> list[str] | None:
        """Say pieces as items name=value or name==value; None where these say something else."""
        if any(piece.is_glued for piece in pieces):
            return None
        items: list[str | None] = []
        for piece in pieces:
            if piece.pair is not None:
                items.append(self._encoded_item(piece, separator))
            elif piece.path or has_expansion(piece.text, self._expansions):
                return None
            else:
                items += _items_of(piece.text, separator)
        written = [text for text in items if text is not None]
        return written if len(written) == len(items) and 0 < len(items) <= MAX_ITEMS else None

    def _encoded_item(self, piece: Piece, separator: str) -> str | None:
        """Say name=content or name@file; the name is encoded already."""
        encoded, value = piece.pair or ("", "")
        name = decode_plus(encoded)
        if not name or build_pairs([(name, "")]) != f"{encoded}=":
            return None
        if not piece.path:
            return item(name, separator, value)
        path = f"./{piece.path}" if piece.path.startswith("~") else piece.path
        return item(name, f"{separator}@", path)

    def text(self, pieces: list[Piece]) -> str:
        """Put pieces together as curl does. Raises Failure for a file that cannot be read."""
        joined: list[str] = []
        for piece in pieces:
            if joined and not piece.is_glued:
                joined.append("&")
            joined.append(self._text(piece))
        return "".join(joined)

    def _text(self, piece: Piece) -> str:
        text = self.read(piece.path, piece.is_stripped) if piece.path else piece.text
        if piece.pair is None:
            return text
        name, value = piece.pair
        encoded = self._encode(text if piece.path else value)
        return f"{name}={encoded}" if name else encoded

    def _encode(self, text: str) -> str:
        """Percent-encode as curl does; what only the shell knows stays as it is."""
        if not has_expansion(text, self._expansions):
            return percent_encode(text).replace("%20", "+")
        self.is_unencoded = True
        return "".join(
            [sign if sign in self._expansions else percent_encode(sign) for sign in text]
        )

    def read(self, path: str, is_stripped: bool) -> str:
        """Read a file that becomes a part of the line. Raises Failure."""
        if path == "-" or has_expansion(path, self._expansions):
            what = "standard input" if path == "-" else "a file that only the shell can name"
            raise Failure(f"{what} among other data cannot be said; put it into a file", NO_INPUT)
        content = self.peek(path)
        if is_stripped:
            content = content.translate(None, _LINE_ENDS)
        if b"\0" in content:
            raise Failure(f"{path} has a NUL, which no command line can hold", NO_INPUT)
        return content.decode("utf-8", "surrogateescape")

    def peek(self, path: str) -> bytes:
        """Read a file. Raises Failure."""
        try:
            with open(self._environment.path(path), "rb") as file:
                content = file.read(MAX_READ + 1)
        except (OSError, ValueError) as fault:
            reason = reason_of(fault) if isinstance(fault, OSError) else str(fault)
            raise Failure(f"cannot read {path}: {reason}", NO_INPUT) from None
        if len(content) > MAX_READ:
            raise Failure(f"{path} is over {MAX_READ:,} bytes, too long for a command line")
        return content

    def has_line_ends(self, path: str) -> bool:
        """Tell whether -d would leave some of a file out; True when that cannot be known."""
        if path == "-" or has_expansion(path, self._expansions):
            return True
        try:
            content = self.peek(path)
        except Failure:
            return True
        return len(content.translate(None, _LINE_ENDS)) < len(content)


def _items_of(text: str, separator: str) -> list[str | None]:
    """Say text that is a form already; [None] when crlf would write it otherwise."""
    try:
        pairs = [(decode_plus(name), decode_plus(value)) for name, value in _split_pairs(text)]
        is_same = build_pairs(pairs) == text
    except ValueError:  # escapes that are no UTF-8
        return [None]
    return [item(name, separator, value) for name, value in pairs] if is_same else [None]


def _split_pairs(text: str) -> list[tuple[str, str]]:
    parts = [pair.partition("=") for pair in text.split("&", MAX_ITEMS)]
    return [(name, value) for name, _, value in parts]


def json_items(text: str) -> list[str] | None:
    """Say a JSON object as items; None where crlf would write it otherwise."""
    import json

    def written(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    try:
        found = json.loads(text, object_pairs_hook=_only_once)
        is_same = isinstance(found, dict) and written(found) == text
    except (ValueError, RecursionError):
        return None
    if not is_same or not 0 < len(found) <= MAX_ITEMS:
        return None
    if any(set("[]\\") & set(name) for name in found):
        return None  # brackets in names mean nesting
    items = [
        item(name, "=", value) if isinstance(value, str) else item(name, ":=", written(value))
        for name, value in found.items()
    ]
    return [one for one in items if one is not None] if None not in items else None


def _only_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found
