"""Header fields: ordered, case-insensitive, many values to a name, immutable, cheap.

The fields are kept as they came, names and values as str with one character a byte
(ISO 8859-1), beside an index by lower-case name. Names and values are checked when they
enter, so whatever is in a Headers may go onto the wire; `block` writes it once and keeps
the bytes, because a program sends the same few heads again and again.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView

from crlf.message.errors import Malformed
from crlf.message.grammar import BLANK, is_token
from crlf.patterns import pattern

Field = tuple[str, str]
Index = dict[str, str | list[str]]

# RFC 9110 5.5: visible characters, blanks and obs-text; nothing that could end a line.
_VALUE = pattern(r"[\t \x21-\x7e\x80-\xff]*")
_CRLF_ONLY = bytes(byte for byte in range(256) if byte >= 32 and byte != 127) + b"\t"


def check_field(name: str, value: str) -> None:
    """Raise Malformed unless name is a token and value may stand in a field (RFC 9110 5.1, 5.5)."""
    if not is_token(name):
        raise Malformed(f"{name[:40]!r} is no field name", "RFC 9110 5.1")
    if _VALUE.fullmatch(value) is None:
        why = "control character" if value.isascii() else "control character or one beyond U+00FF"
        raise Malformed(f"{why} in the value of {name}", "RFC 9110 5.5")


class Headers(Mapping[str, str]):
    """An immutable list of fields, read as a mapping from names in any case.

    `headers["accept"]` is the combined value: several fields of one name joined by ", "
    (RFC 9110 5.2). Set-Cookie cannot be combined: there the first is returned; `get_all`
    gives each. `fields` is every (name, value) in order, as it stands on the wire.

    Raises Malformed (a ValueError) on a name or value that no field may have.
    """

    __slots__ = ("_block", "_index", "fields", "noted")

    fields: tuple[Field, ...]
    noted: object  # what the wire floor concluded from these fields; a memo of its own
    _index: Index
    _block: bytes | None  # what block() gave before

    def __init__(self, fields: Headers | Mapping[str, str] | Iterable[Field] | None = None) -> None:
        if isinstance(fields, Headers):
            self.fields, self._index, self._block = fields.fields, fields._index, fields._block
            self.noted = fields.noted
            return
        pairs = fields.items() if isinstance(fields, Mapping) else fields or ()
        kept = []
        for name, value in pairs:
            value = value.strip(BLANK)
            check_field(name, value)
            kept.append((name, value))
        self.fields = tuple(kept)
        self._index = index_of(kept)
        self._block = self.noted = None

    @classmethod
    def checked(cls, fields: tuple[Field, ...], index: Index) -> Headers:
        """Build from fields that a parser has checked already, with their index."""
        headers = cls.__new__(cls)
        headers.fields = fields
        headers._index = index
        headers._block = headers.noted = None
        return headers

    def __getitem__(self, name: str) -> str:
        value = self._index[name.lower()]
        if type(value) is str:
            return value
        return value[0] if name.lower() == "set-cookie" else ", ".join(value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def keys(self) -> KeysView[str]:
        """Return the distinct names, lower-case, in order of first appearance."""
        return self._index.keys()

    def items(self) -> ItemsView[str, str]:
        """Return the distinct names, each with its combined value."""
        return ItemsView(self)

    def values(self) -> ValuesView[str]:
        """Return the combined values."""
        return ValuesView(self)

    def first(self, name: str) -> str | None:
        """Return the first value of a name given in lower case, or None."""
        value = self._index.get(name)
        return value if value is None or type(value) is str else value[0]

    def get_all(self, name: str) -> list[str]:
        """Return every value of a name, in order; an empty list when there is none."""
        value = self._index.get(name.lower())
        if value is None:
            return []
        return [value] if type(value) is str else list(value)

    def with_field(self, name: str, value: str) -> Headers:
        """Return a copy in which name has this one value, at the place of its first or the end."""
        key, placed, kept = name.lower(), False, []
        for field in self.fields:
            if field[0].lower() != key:
                kept.append(field)
            elif not placed:
                kept.append((name, value))
                placed = True
        if not placed:
            kept.append((name, value))
        return Headers(kept)

    def adding(self, name: str, value: str) -> Headers:
        """Return a copy with one more field at the end, whatever is there already."""
        return Headers((*self.fields, (name, value)))

    def without(self, *names: str) -> Headers:
        """Return a copy without any field of these names."""
        gone = {name.lower() for name in names}
        if gone.isdisjoint(self._index):
            return self
        return Headers(field for field in self.fields if field[0].lower() not in gone)

    def merged(self, over: Headers) -> Headers:
        """Return these fields with every name that `over` has replaced by what it has there."""
        if not over.fields:
            return self
        kept = [field for field in self.fields if field[0].lower() not in over._index]
        return Headers((*kept, *over.fields))

    def block(self) -> bytes:
        """Return the field lines as they go onto the wire, each with its CRLF.

        Checked once more as bytes: a line end that is not ours raises Malformed.
        """
        block = self._block
        if block is None:
            lines = [f"{name}: {value}\r\n" for name, value in self.fields]
            block = "".join(lines).encode("latin-1")
            if block.translate(None, _CRLF_ONLY) != b"\r\n" * len(lines):
                raise Malformed("control character in a field", "RFC 9110 5.5")
            self._block = block
        return block

    def __eq__(self, other: object) -> bool:
        """Equal when the same names (in any case) have the same values in the same order."""
        if not isinstance(other, Headers):
            return NotImplemented
        return self._index == other._index

    def __hash__(self) -> int:
        return hash(tuple((name, str(value)) for name, value in self._index.items()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {_shown(name, value)}" for name, value in self.fields)
        return f"<Headers {shown}>"

    def __reduce__(self) -> tuple[type[Headers], tuple[tuple[Field, ...]]]:
        return Headers, (self.fields,)


# Fields whose values are secrets: never shown by a repr, a log line or a trace. And what the
# others that programs make up for theirs are called: X-Api-Key, Private-Token, X-Vault-Token.
SECRETS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SECRET = pattern(r".*(?:api-?key|token|secret|password|credential|signature|-auth)")


def _shown(name: str, value: str) -> str:
    name = name.lower()
    return "***" if name in SECRETS or _SECRET.match(name) is not None else visible(value)


def visible(text: str) -> str:
    """Write text from a peer in printable ASCII, so that no terminal obeys it."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("unicode_escape").decode("ascii")


def index_of(fields: Iterable[Field]) -> Index:
    """Gather the values of each name, in lower case."""
    index: Index = {}
    for name, value in fields:
        key = name.lower()
        if key in index:
            add_to(index, key, value)
        else:
            index[key] = value
    return index


def add_to(index: Index, key: str, value: str) -> None:
    """Add a further value under a name that the index has already."""
    there = index[key]
    if isinstance(there, str):
        index[key] = [there, value]
    else:
        there.append(value)


EMPTY = Headers()
