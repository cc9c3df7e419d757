"""Small files in memory, ready to be sent: bounded, and never older than a second.

An entry that was checked less than a second ago is an answer at once: one look into a table, no
thread, no system call. Half a second after a check the next request makes another, while those
beside it go on with what is here; after a whole second nobody does. Its law: every entry was
compared with the file itself (through the same walk, links and rights included) within the
second in which it is sent, and all of them together stay below a bound.

Entries are the representations of files; requests find them by an alias, made of nothing but
what the choice of the file and its coding depends on. Each alias has a second of its own: what
it leads to may change though the file does not. Threads add and take away under a lock;
whoever only looks needs none, for a dict is looked into in one step.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from crlf.message.headers import Headers
from crlf.message.response import Response
from crlf.server.files.opening import Facts
from crlf.server.files.representation import Description, answer_in_memory, not_modified_response

Alias = tuple[str, str | None, str | None]  # target, what of it is below the folder, codings
State = tuple[Facts, bool]  # of the file that is sent, and whether it has other codings

MEMORY: Final = 64 * 1024 * 1024  # bytes of all entries; nginx caches descriptors, not content
SMALL: Final = 128 * 1024  # bytes of one; from here on sendfile costs less than a copy
CODED: Final = 1024 * 1024  # bytes of one that was coded here: dear to make
SOON: Final = 0.5  # seconds after which somebody checks
LATE: Final = 1.0  # seconds after which nobody goes without a check
_OVERHEAD: Final = 2048  # bytes of an entry beside its content
_ALIASES: Final = 16_384  # of all entries together; a query makes another one
_LONGEST: Final = 512  # characters of a target, and of an Accept-Encoding; longer ones find nothing
_LOCKS: Final = 16


class Key(NamedTuple):
    """Which representation of which file. suffix: of the file beside it that is sent instead."""

    names: tuple[str, ...]
    coding: str | None
    suffix: str


class Kept:
    """A representation in memory."""

    __slots__ = ("aliases", "cost", "described", "key", "not_modified", "response", "state")

    def __init__(self, key: Key, state: State, described: Description, response: Response) -> None:
        self.key = key
        self.state = state
        self.described = described
        self.response = response
        self.not_modified = not_modified_response(described)
        self.cost = len(response.content) + _OVERHEAD  # of the memory, about
        self.aliases: set[Alias] = set()

    def answer(self, method: str, asked: Headers, now: int) -> Response:
        """Answer GET or HEAD with as much of it as conditions and ranges let through."""
        return answer_in_memory(
            self.described, self.response, method, asked, now, self.not_modified
        )


class Known:
    """What an alias leads to. due: when somebody checks it; end: when nobody uses it before."""

    __slots__ = ("due", "end", "kept", "response")

    def __init__(self, kept: Kept, now: float) -> None:
        self.kept = kept
        self.response = kept.response
        self.due, self.end = now + SOON, now + LATE


class FileCache:
    """The entries of one folder.

    memory: bytes of all of them; 0 for no entries at all. now: monotonic seconds.
    """

    def __init__(self, memory: int, now: Callable[[], float]) -> None:
        self.known: dict[Alias, Known] = {}  # guarded by _lock; looked into without
        self.size = 0  # bytes; guarded by _lock
        self._memory = memory
        self._now = now
        self._kept: dict[Key, Kept] = {}  # guarded by _lock; the one asked for longest ago first
        self._lock = Lock()
        self._making = tuple(Lock() for _ in range(_LOCKS))

    def making(self, key: Key) -> Lock:
        """The lock under which a representation is made, so that it is made once."""
        return self._making[hash(key) % _LOCKS]

    def find(self, key: Key, state: State, alias: Alias | None) -> Kept | None:
        """Return the entry of a file whose state was just looked at; None when it has changed."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept.state != state:
                self._drop(kept)
                return None
            self._kept[key] = self._kept.pop(key)
            self._name(kept, alias)
            return kept

    def keep(self, kept: Kept, alias: Alias | None) -> None:
        """Keep an entry, in place of the oldest ones if there is no room."""
        cost = kept.cost
        most = CODED if kept.described.is_made else SMALL
        if len(kept.response.content) > most or cost > self._memory:
            return
        with self._lock:
            there = self._kept.get(kept.key)
            if there is not None:
                self._drop(there)
            while self.size + cost > self._memory:
                self._drop(next(iter(self._kept.values())))
            self._kept[kept.key] = kept
            self.size += cost
            self._name(kept, alias)

    def forget(self, alias: Alias) -> None:
        """Let an alias find nothing: what it asks for is something else by now, or gone."""
        if alias in self.known:
            with self._lock:
                self._unname(alias)

    def _name(self, kept: Kept, alias: Alias | None) -> None:
        if alias is None or any(text is not None and len(text) > _LONGEST for text in alias):
            return
        self._unname(alias)
        if len(self.known) >= _ALIASES:
            self._unname(next(iter(self.known)))
        self.known[alias] = Known(kept, self._now())
        kept.aliases.add(alias)

    def _unname(self, alias: Alias) -> None:
        known = self.known.pop(alias, None)
        if known is not None:
            known.kept.aliases.discard(alias)

    def _drop(self, kept: Kept) -> None:
        del self._kept[kept.key]
        self.size -= kept.cost
        for alias in kept.aliases:
            del self.known[alias]
        kept.aliases = set()
