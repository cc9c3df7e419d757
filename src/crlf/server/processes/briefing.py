"""What a supervisor tells a worker when it is born, and what the worker answers: lines of JSON.

A socket joins the two. One line goes down it, the briefing; one comes back, that the worker is
ready or why it cannot serve; after that it is only held, and whoever sees it end knows that the
other is gone. Its law: nothing of it is in an argument or an environment, where others read.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

from crlf.server.settings import DEFAULT_SETTINGS, ServerSettings
from crlf.values import as_dict, frozen

LINK_ENDED = b""
_KIND = ":"  # the name under which a value's class is written; no field is called so


@frozen
class Briefing:
    """What a worker has to know.

    target: what is served; folder: what its path starts from. sockets, board: descriptors that
    the worker inherits. slot: its place on the board. generation: counts the loads of the code.
    """

    target: str
    folder: str
    settings: ServerSettings
    sockets: tuple[int, ...]
    board: int
    slot: int
    generation: int


@frozen
class Answer:
    """What a worker says of its start: why there is none; "" when it is ready."""

    fault: str = ""


def write_line(value: Briefing | Answer) -> bytes:
    """Write a value as one line."""
    return json.dumps(_plain(value)).encode() + b"\n"


def read_line(line: bytes) -> Any:
    """Read what write_line wrote. Raises ValueError."""
    return _value(json.loads(line))


def hear(link: socket.socket, most: int = 1 << 24) -> bytes:
    """Wait for one line. b"" when the other is gone."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < most:
        piece = link.recv(65536)
        if not piece:
            return LINK_ENDED
        pieces.append(piece)
        if piece.endswith(b"\n"):
            return b"".join(pieces)
    raise ValueError(f"a line of more than {most} bytes")


def _plain(value: Any) -> Any:
    if hasattr(type(value), "__match_args__"):
        fields = {name: _plain(field) for name, field in as_dict(value).items()}
        return {_KIND: type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, str | int | float | None):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be handed to a worker")


def _value(plain: Any) -> Any:
    if isinstance(plain, dict):
        kind = _KINDS[plain.pop(_KIND)]
        return kind(**{name: _value(field) for name, field in plain.items()})
    if isinstance(plain, list):
        return tuple([_value(one) for one in plain])
    return plain


def _kinds_in(value: object) -> Iterator[type]:
    """List the classes of a value and of all that it holds."""
    if hasattr(type(value), "__match_args__"):
        yield type(value)
        for field in as_dict(value).values():
            yield from _kinds_in(field)
    elif isinstance(value, tuple):
        for one in value:
            yield from _kinds_in(one)


_KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (Briefing, Answer, *_kinds_in(DEFAULT_SETTINGS))
}
