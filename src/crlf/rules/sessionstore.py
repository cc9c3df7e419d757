"""What keeps sessions on the server: a record for each, by key, swapped only for what was read.

A store knows nothing of cookies, merging or visitors' ids: keys are hashes of ids, data is JSON
text, and times are handed in. Its law: whoever wants to write says which version he has read,
and of two who have read the same only one gets through.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable


class Record(NamedTuple):
    """A session as a store keeps it.

    data: a JSON object. user: who is signed in, by whom `delete_all_of` finds it; None for
    nobody. made, seen: seconds since 1970, of its beginning and of its last use that was
    noted. version: counts up from 1; what swapping compares.
    """

    data: str
    user: str | None
    made: int
    seen: int
    version: int


@runtime_checkable
class SessionStore(Protocol):
    """A place for sessions: a file, or a server for many machines.

    Its methods block, are called from many threads at once, and raise StoreUnavailable when the
    store does not answer within about two seconds. A record that is over counts as not there,
    for each of them. `ends` is when it will be: seconds since 1970, as `now` is.

    opens_slowly: `load` may wait, as for a network, so that it must not be called on a loop.
    """

    opens_slowly: bool

    def load(self, key: str, now: int) -> Record | None:
        """Return a record, or None where there is none or it is over."""

    def swap(self, key: str, version: int, record: Record, ends: int, now: int) -> bool:
        """Write a record if what is there has this version; return whether it was written.

        version: what was read; 0 to write only where there is none. record.version is one more.
        A version other than 0 never brings a record back that is gone. When `ends` is not after
        now, what is there is deleted instead.
        """

    def move(
        self, key: str, version: int, new_key: str, record: Record, ends: int, now: int
    ) -> bool:
        """Do the same under a new key, and delete the old one in the same moment.

        version: of what is under the old key, never 0. False leaves both keys as they were.
        """

    def delete(self, key: str) -> None:
        """Forget a record, whatever its version; it need not be there."""

    def delete_all_of(self, user: str) -> int:
        """Forget all records of a user, and return how many there were."""

    def prune(self, now: int) -> int:
        """Forget some of what is over, at most a batch; return how many."""

    def close(self) -> None:
        """Let go of files and connections; the store may be used again, and opens anew."""
