"""Routes: who answers a path, found in a time that the number of routes does not change.

A pattern is literal segments and slots, "/part/{number:int}". All patterns make one tree of
decoded segments, and a pattern without slots stands in a flat table of raw paths besides, where
it is found with one look. Its law: the most specific pattern wins, in whatever order they were
added; and a path is matched as it came, never repaired: dot segments and doubled slashes are
not resolved, and no slot is filled by what could be a separator on somebody's disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from crlf.message.grammar import is_token, parse_digits, parse_hex
from crlf.message.percent import UNRESERVED, path_segments, percent_encode
from crlf.message.reference import encode_path
from crlf.patterns import pattern

T = TypeVar("T")

MAX_DIGITS: Final = 18  # of an int slot; every such number fits a signed 64-bit column
# The methods that HTTP itself has (RFC 9110 9.3, RFC 5789); others are those of the routes.
METHODS: Final = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS QUERY TRACE CONNECT".split(" "))
NEVER: Final = frozenset({"TRACE", "CONNECT"})  # RFC 9110 9.3.8: TRACE echoes credentials
NO_VALUES: Final[Mapping[str, object]] = {}

_SLOT = pattern(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?\}")
_NOT_PLAIN = pattern(r"[\x00-\x1f\x7f/\\]")
_TO_DECODE = pattern(r"%|/\.|[\x00-\x1f\x7f\\]")  # anything to look at in a raw path
_FLOAT = pattern(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,24}))?")  # 0.0001 has 21 at most in Python
_UUID = pattern(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SLUG = pattern(r"[A-Za-z0-9_-]+")
_KEPT: Final = UNRESERVED + "!$&'()*+,;=:@/"  # what a path may have raw: RFC 3986 3.3


class Kind(NamedTuple):
    """What a slot takes. read: one decoded segment to its value, or None when it does not fit."""

    name: str
    rank: int  # the lower is tried first
    read: Callable[[str], object]

    def fits(self, text: str) -> bool:
        """Whether a path can have this text in such a slot."""
        if self.takes_rest:
            return _rest(text.split("/")) is not None
        return is_plain(text) and self.read(text) is not None

    @property
    def takes_rest(self) -> bool:
        """Whether it takes all that is left of a path, slashes included."""
        return self.name == "path"


class Slot(NamedTuple):
    """A place in a pattern that a path fills."""

    name: str
    kind: Kind


def _read_float(text: str) -> object:
    found = _FLOAT.fullmatch(text)
    if found is None:
        return None
    minus, whole, fraction = found[1], found[2], found[3] or ""
    digits = parse_digits(whole + fraction, 42)
    number = 0.0 if digits is None else digits / 10 ** len(fraction)  # rounded once, by division
    return -number if minus else number


def _read_uuid(text: str) -> object:
    number = parse_hex(text.replace("-", ""), 32) if _UUID.fullmatch(text) is not None else None
    return None if number is None else UUID(int=number)


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("int", 1, lambda text: parse_digits(text, MAX_DIGITS)),
        Kind("uuid", 2, _read_uuid),
        Kind("float", 3, _read_float),
        Kind("slug", 4, lambda text: text if _SLUG.fullmatch(text) is not None else None),
        Kind("str", 5, lambda text: text or None),
        Kind("path", 6, lambda text: text),  # all that is left, slashes included; see _rest
    )
}


class Pattern:
    """A route's path: "/part/{number:int}".

    A slot is a whole segment: {name} takes any one that is not empty; int takes digits, float
    also a minus and a fraction, uuid and slug what they say, and path, at the end, all the
    rest, which may be empty. Literal text is written decoded: "/über uns", not "/%C3%BCber".

    Raises ValueError for what no path could match, or only one that is not plain.
    """

    __slots__ = ("names", "pieces", "text")

    def __init__(self, text: str) -> None:
        if not text.startswith("/"):
            raise ValueError(f"route {text!r} does not start with a slash")
        self.text = text
        self.pieces: tuple[str | Slot, ...] = tuple(
            self._piece(segment) for segment in text[1:].split("/")
        )
        self.names = tuple(piece.name for piece in self.pieces if isinstance(piece, Slot))
        if "" in self.pieces[:-1]:
            raise ValueError(f"route {text!r} has an empty segment")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"route {text!r} has two slots of one name")
        if any(isinstance(piece, Slot) and piece.kind.takes_rest for piece in self.pieces[:-1]):
            raise ValueError(f"route {text!r} goes on after a path slot, which takes all the rest")

    def _piece(self, segment: str) -> str | Slot:
        slot = _SLOT.fullmatch(segment)
        if slot is not None:
            kind = KINDS.get(slot[2] or "str")
            if kind is None:
                known = ", ".join(KINDS)
                raise ValueError(
                    f"route {self.text!r}: no slot is a {slot[2]!r}; there are {known}"
                )
            return Slot(slot[1], kind)
        if segment.startswith("<") and segment.endswith(">"):
            raise ValueError(f"route {self.text!r}: a slot is written {{name}} or {{name:int}}")
        if "{" in segment or "}" in segment:
            raise ValueError(f"route {self.text!r}: a slot is a whole segment, as in /{{name:int}}")
        if "%" in segment or "?" in segment or "#" in segment:
            raise ValueError(f"route {self.text!r} is a path, written without percent-encoding")
        if not is_plain(segment):
            raise ValueError(f"route {self.text!r} has a segment that no plain path has")
        return segment

    @property
    def is_literal(self) -> bool:
        """Whether it has no slots."""
        return not self.names

    def build(self, values: Mapping[str, object]) -> str:
        """Write the raw path that this pattern reads these values from. Raises ValueError."""
        written = []
        for piece in self.pieces:
            if isinstance(piece, str):
                written.append(encode_path(piece))
                continue
            text = str(values[piece.name])
            if not piece.kind.fits(text):
                raise ValueError(f"{text!r} does not fit {{{piece.name}}} of {self.text!r}")
            written.append(percent_encode(text, _KEPT))
        return "/" + "/".join(written)


class Found(NamedTuple, Generic[T]):
    """A route, and the values of its slots by name."""

    endpoint: T
    values: Mapping[str, object]


class Missed(NamedTuple):
    """No route for that method and path.

    allowed: the methods that the path does have, sorted; empty when there is no such path.
    variant: the raw path with a slash more or less at its end, where that one has a route.
    """

    allowed: tuple[str, ...] = ()
    variant: str | None = None


class _Spot(NamedTuple, Generic[T]):
    endpoint: T
    names: tuple[str, ...]
    pattern: str


_Spots = dict[str, _Spot[T]]  # by method


class _Node(Generic[T]):
    """A place in the tree. here: what ends at it; rest: what takes all that follows it."""

    __slots__ = ("here", "literals", "rest", "typed")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.typed: list[tuple[Kind, _Node[T]]] = []
        self.here: _Spots[T] = {}
        self.rest: _Spots[T] = {}

    def child(self, piece: str | Slot) -> _Node[T]:
        if isinstance(piece, str):
            return self.literals.setdefault(piece, _Node())
        for kind, node in self.typed:
            if kind is piece.kind:
                return node
        added: _Node[T] = _Node()
        self.typed.append((piece.kind, added))
        self.typed.sort(key=lambda pair: pair[0].rank)
        return added


class Routes(Generic[T]):
    """Patterns with their methods and what answers them.

    literals: raw path -> method -> endpoint, of the patterns without slots: one look is enough,
    and what is found there is what `find` would find. HEAD is not in it, unless added.
    """

    def __init__(self) -> None:
        self.literals: dict[str, dict[str, T]] = {}
        self.methods: set[str] = set()
        self._root: _Node[T] = _Node()
        self._named: dict[str, list[Pattern]] = {}

    def add(self, pattern: Pattern, methods: Iterable[str], endpoint: T, name: str) -> None:
        """Let an endpoint answer a pattern; GET answers HEAD too.

        Raises ValueError when that pattern and method are taken, and for TRACE and CONNECT.
        """
        pieces = pattern.pieces
        last = pieces[-1]
        takes_rest = isinstance(last, Slot) and last.kind.takes_rest
        node = self._root
        for piece in pieces[:-1] if takes_rest else pieces:
            node = node.child(piece)
        spots = node.rest if takes_rest else node.here
        methods = tuple(methods)
        for method in methods:
            if not is_token(method) or method.upper() in NEVER:
                raise ValueError(f"{method!r} is no method that a route can have")
            if method != method.upper():
                raise ValueError(f"a method is written in capitals: {method.upper()}, not {method}")
            if method in spots:
                taken = spots[method].pattern
                raise ValueError(f"{method} {pattern.text} is taken, by the route {taken}")
        for method in methods:
            spots[method] = _Spot(endpoint, pattern.names, pattern.text)
            if pattern.is_literal:
                self.literals.setdefault(encode_path(pattern.text), {})[method] = endpoint
        self.methods.update(methods)
        self._named.setdefault(name, []).append(pattern)

    def find(self, method: str, path: str) -> Found[T] | Missed:
        """Find who answers a method at a raw path. Raises Malformed as path_segments does."""
        methods = self.literals.get(path)
        if methods is not None and method in methods:
            return Found(methods[method], NO_VALUES)
        allowed: set[str] = set()
        found = self._search(method, path, allowed)
        if found is not None:
            return found
        if not allowed and (other := _variant(path)) is not None:
            return Missed((), other if self._search(method, other, set()) is not None else None)
        if "GET" in allowed:
            allowed.add("HEAD")
        return Missed(tuple(sorted({*allowed, "OPTIONS"})) if allowed else ())

    def _search(self, method: str, path: str, allowed: set[str]) -> Found[T] | None:
        segments = plain_segments(path)
        if segments is None:
            return None
        walk: _Walk[T] = _Walk(segments, method, allowed)
        return walk.below(self._root, 0, [])

    def url(self, name: str, values: Mapping[str, object]) -> str:
        """Write the raw path of a route by its name, from a value for each of its slots.

        Several patterns may have one name, and the slots tell which is meant. Raises ValueError
        when there is none, or values do not fit.
        """
        patterns = self._named.get(name)
        if patterns is None:
            raise ValueError(f"no route is called {name!r}")
        fitting = {pattern.text: pattern for pattern in patterns if {*pattern.names} == {*values}}
        if len(fitting) != 1:
            shown = ", ".join(pattern.text for pattern in patterns)
            given = ", ".join(values) or "no values"
            fault = "several routes" if fitting else "no route"
            raise ValueError(f"{fault} called {name!r} with {given}; there is {shown}")
        return next(iter(fitting.values())).build(values)


class _Walk(Generic[T]):
    """One search through the tree, the most specific branch first.

    A node stands at one depth, so it is looked at once at most: no path is slower than the
    patterns that begin like it are many. allowed: gets the methods of what fits in vain.
    """

    __slots__ = ("allowed", "method", "segments")

    def __init__(self, segments: list[str], method: str, allowed: set[str]) -> None:
        self.segments = segments
        self.method = method
        self.allowed = allowed

    def below(self, node: _Node[T], at: int, values: list[object]) -> Found[T] | None:
        if at == len(self.segments):
            return self.taken(node.here, values) if node.here else None
        segment = self.segments[at]
        literal = node.literals.get(segment)
        if literal is not None:
            found = self.below(literal, at + 1, values)
            if found is not None:
                return found
        for kind, child in node.typed:
            value = kind.read(segment)
            if value is not None:
                found = self.below(child, at + 1, [*values, value])
                if found is not None:
                    return found
        if node.rest:
            rest = _rest(self.segments[at:])
            if rest is not None:
                return self.taken(node.rest, [*values, rest])
        return None

    def taken(self, spots: _Spots[T], values: list[object]) -> Found[T] | None:
        spot = spots.get(self.method)
        if spot is None and self.method == "HEAD":
            spot = spots.get("GET")  # RFC 9110 9.3.2
        if spot is None:
            self.allowed.update(spots)
            return None
        return Found(spot.endpoint, dict(zip(spot.names, values, strict=True)))


def is_plain(segment: str) -> bool:
    """Tell whether a decoded segment is a name: no dot segment, separator or control character."""
    return segment not in (".", "..") and _NOT_PLAIN.search(segment) is None


def plain_segments(path: str) -> list[str] | None:
    """Split a raw path into decoded segments; None when one of them is not plain.

    `/a/../b`, `/a/%2e%2e/b` and `/a/b%2Fc` match no route, so that no handler meets them.
    Raises Malformed (400) on a broken escape, on UTF-8 that is none, and on NUL.
    """
    if not path.startswith("/"):
        return None
    if _TO_DECODE.search(path) is None:
        return path[1:].split("/")
    segments = path_segments(path)
    return segments if all(map(is_plain, segments)) else None


def _rest(segments: list[str]) -> str | None:
    """Join what a path slot takes; None when it would begin with a slash, or is not plain."""
    if (segments[0] == "" and len(segments) > 1) or not all(map(is_plain, segments)):
        return None
    return "/".join(segments)


def _variant(path: str) -> str | None:
    """The same path with a slash more or less at its end; None where that would mislead.

    "//host/" is never made into a redirect: "//host" in a Location is another host.
    """
    if path in ("", "/") or "//" in path:
        return None
    return path[:-1] if path.endswith("/") else f"{path}/"
