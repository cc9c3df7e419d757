"""Sessions in a file: SQLite in WAL mode, one file for all processes of a machine.

Who reads waits for nobody, so a session is read on the loop; who writes waits for other writers,
so that is done in a thread. Each change is one statement, and so whole or not at all. Its law:
nothing is made before there is a session to keep, and what is made only its owner can read.
Not for a folder that machines share by a network: WAL needs memory that all of them see.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakSet

from crlf.message.errors import StoreUnavailable
from crlf.rules.sessionstore import Record

PATIENCE: Final = 2.0  # seconds for other writers; each takes well under a millisecond
READ_PATIENCE: Final = 0.25  # seconds, only while somebody mends the file after a crash
OPEN_PATIENCE: Final = 1.0  # seconds, while somebody makes the file, which syncs it to the disk
AVOIDED: Final = 2.0  # seconds for which nobody waits again for a file that others kept from us
BATCH: Final = 256  # records that are forgotten at once, a few milliseconds
MAX_TIME: Final = 10**14  # seconds since 1970, as with Valkey: what a session's end is reckoned of
MAX_VERSION: Final = 10**15
SCHEMA: Final = 1  # its version, as the file has it in user_version
OURS: Final = 0x43524C46  # "CRLF", as the file has it in application_id
FOLDER: Final = ".crlf"
NAME: Final = "sessions.sqlite"

_TABLE: Final = (
    """CREATE TABLE IF NOT EXISTS session (
        key TEXT PRIMARY KEY, user TEXT, data TEXT NOT NULL, made INTEGER NOT NULL,
        seen INTEGER NOT NULL, version INTEGER NOT NULL, ends INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS session_user ON session (user) WHERE user IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS session_ends ON session (ends)",
    f"PRAGMA user_version = {SCHEMA:d}",
    f"PRAGMA application_id = {OURS:d}",
)
_LOAD: Final = "SELECT data, user, made, seen, version FROM session WHERE key = ? AND ends > ?"
_BEGIN: Final = (
    "INSERT INTO session (data, user, made, seen, version, ends, key)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data,"
    " user = excluded.user, made = excluded.made, seen = excluded.seen,"
    " version = excluded.version, ends = excluded.ends WHERE session.ends <= ?"
)
_SWAP: Final = (
    "UPDATE session SET data = ?, user = ?, made = ?, seen = ?, version = ?, ends = ?, key = ?"
    " WHERE key = ? AND version = ? AND ends > ?"
)
_END: Final = "DELETE FROM session WHERE key = ? AND version = ? AND ends > ?"
_PRUNE: Final = (
    f"DELETE FROM session WHERE key IN (SELECT key FROM session WHERE ends <= ? LIMIT {BATCH:d})"
)


_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_OPENING: Final = threading.Lock()  # nobody opens a file that is just being made
_LINES: Final[WeakSet[_Line]] = WeakSet()  # all of this process


class SessionFile:
    """A store of sessions in an SQLite file.

    path: made when the first session is kept, in a folder that is there. None for the default
    place: $STATE_DIRECTORY, as systemd gives it, or else .crlf below the current folder, which
    is made when needed and which git leaves out. Many processes may have the same file.
    """

    opens_slowly = False

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._own_folder = ""  # the one that we make
        if path is None:
            given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
            folder = given or os.path.join(os.getcwd(), FOLDER)
            self._own_folder = "" if given else folder
            path = os.path.join(folder, NAME)
        self.path = os.path.abspath(os.fspath(path))
        self._reader = _Line(self.path, READ_PATIENCE)
        self._writer = _Line(self.path, PATIENCE)

    # -- what a store does

    def load(self, key: str, now: int) -> Record | None:
        """Return a record, or None where there is none, it is over or is none of ours."""
        reader = self._reader
        with reader:
            reader.refuse_blocked()
            if reader.connection is None and not self._found(reader):
                return None
            row = reader.connection.execute(_LOAD, (key, now)).fetchone()
        return None if row is None else _read(row)

    def swap(self, key: str, version: int, record: Record, ends: int, now: int) -> bool:
        """Write a record if what is there has this version; return whether it was written."""
        if ends <= now:
            return version > 0 and self._changed(_END, (key, version, now)) == 1
        values = (*record, ends, key)
        if version == 0:
            return self._changed(_BEGIN, (*values, now)) == 1
        return self._changed(_SWAP, (*values, key, version, now)) == 1

    def move(
        self, key: str, version: int, new_key: str, record: Record, ends: int, now: int
    ) -> bool:
        """Do the same under a new key, and delete the old one in the same moment."""
        if ends <= now:
            return self._changed(_END, (key, version, now)) == 1
        return self._changed(_SWAP, (*record, ends, new_key, key, version, now)) == 1

    def delete(self, key: str) -> None:
        """Forget a record, whatever its version; it need not be there."""
        self._changed("DELETE FROM session WHERE key = ?", (key,))

    def delete_all_of(self, user: str) -> int:
        """Forget all records of a user, and return how many there were."""
        return self._changed("DELETE FROM session WHERE user = ?", (user,))

    def prune(self, now: int) -> int:
        """Forget some of what is over, at most BATCH; return how many."""
        return self._changed(_PRUNE, (now,))

    def close(self) -> None:
        """Let go of the file; the store may be used again, and opens it anew."""
        for line in (self._reader, self._writer):
            with line:
                line.let_go()

    # -- how

    def _found(self, reader: _Line) -> bool:
        """Open the file for reading, if it is there, and not just being made."""
        if not os.path.exists(self.path):
            return False
        reader.open()
        _wait_at_most(reader.connection, OPEN_PATIENCE)
        if _version(reader.connection) == SCHEMA:
            _wait_at_most(reader.connection, READ_PATIENCE)
            return True
        reader.let_go()
        return False

    def _changed(self, statement: str, values: Sequence[object]) -> int:
        """Run one statement, and return how many records it changed."""
        writer, is_another = self._writer, False
        with writer:
            if writer.connection is not None and not writer.is_in_place():
                writer.let_go()  # somebody deleted the file, or put another in its place
                is_another = True
            if writer.connection is None:
                if statement is not _BEGIN and not os.path.exists(self.path):
                    return 0
                self._make_folder()
                writer.make()
            count: int = writer.connection.execute(statement, values).rowcount
        if is_another:
            with self._reader:
                self._reader.let_go()
        return count

    def _make_folder(self) -> None:
        """Make our own folder, for our eyes only. Raises PermissionError if it is not ours."""
        folder = self._own_folder
        if not folder:
            return
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        known = os.lstat(folder)
        is_ours = not hasattr(os, "geteuid") or known.st_uid == os.geteuid()
        if not stat.S_ISDIR(known.st_mode) or not is_ours or _is_shared(known.st_mode):
            raise PermissionError(0, f"{FOLDER} is no folder that is this user's alone")
        with contextlib.suppress(FileExistsError):
            note = os.open(os.path.join(folder, ".gitignore"), _NEW, 0o600)
            with open(note, "wb") as file:
                file.write(b"*\n")


class _Line:
    """One connection to the file, of which one thread at a time makes use."""

    __slots__ = (
        "__weakref__", "_blocked_until", "_guard", "_identity", "_path", "_patience", "connection",
    )  # fmt: skip

    def __init__(self, path: str, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._guard = threading.Lock()
        _LINES.add(self)
        self._blocked_until = 0.0  # monotonic
        self._identity: tuple[int, int] | None = None  # device and number of the file
        self.connection: Any = None  # guarded by _guard

    def __enter__(self) -> _Line:
        if not self._guard.acquire(timeout=self._patience):
            raise StoreUnavailable("the file of sessions cannot be used: others are waiting too")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, *_: object
    ) -> None:
        """Leave the line to the next; what went wrong is StoreUnavailable, and ends it."""
        try:
            if fault is None:
                return
            import sqlite3  # a library of its own, for who has a session to keep

            self.let_go()
            if getattr(fault, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                self._blocked_until = time.monotonic() + AVOIDED
            if isinstance(fault, sqlite3.Error | OSError):
                what = fault.strerror if isinstance(fault, OSError) else fault
                error = StoreUnavailable(f"the file of sessions cannot be used: {what}")
                error.add_note(f"It is {self._path!a}.")  # for a log; no page shows it
                raise error from fault
        finally:
            self._guard.release()

    def __del__(self) -> None:
        self.let_go()

    def open(self) -> None:
        """Connect to the file, which is there. Raises OSError, sqlite3.Error."""
        import sqlite3
        from pathlib import Path  # loads urllib and more

        known = os.stat(self._path)
        _refuse_others(known)
        self._identity = known.st_dev, known.st_ino
        with _OPENING:
            self.connection = sqlite3.connect(
                Path(self._path).as_uri() + "?mode=rw",
                timeout=self._patience,
                isolation_level=None,  # each statement is a transaction
                check_same_thread=False,
                uri=True,
            )

    def refuse_blocked(self) -> None:
        """Raise OSError where a moment ago others did not let go of the file.

        Who reads does so on the loop, which stands still while he waits: one may, not each.
        """
        if self._blocked_until and time.monotonic() < self._blocked_until:
            raise OSError(0, "others keep it locked")

    def make(self) -> None:
        """Connect to the file, and make it and its table if they are not there."""
        # Closing a file takes all locks of this process from it, SQLite's too, which another
        # process would take as a sign that nobody else is here: so only one that nobody has yet.
        with _OPENING, contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, _NEW, 0o600))
        self.open()
        connection = self.connection
        version = _version(connection)
        _turn_on_wal(connection, time.monotonic() + self._patience)
        connection.execute("PRAGMA synchronous = NORMAL")  # safe with WAL, without a sync a write
        if version == SCHEMA:
            return
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLE:
            connection.execute(statement)
        connection.execute("COMMIT")

    def is_in_place(self) -> bool:
        """Whether the file still has its name."""
        try:
            known = os.stat(self._path)
        except FileNotFoundError:
            return False
        return (known.st_dev, known.st_ino) == self._identity

    def hold(self) -> None:
        """Have no connection while this process forks."""
        self._guard.acquire()
        self.let_go()

    def go_on(self) -> None:
        """After a fork, in either process."""
        self._guard.release()

    def let_go(self) -> None:
        """Close the connection, if there is one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


def _wait_at_most(connection: Any, seconds: float) -> None:
    """Set for how long a statement waits while others keep the file."""
    connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")


def _read(row: Sequence[object]) -> Record | None:
    """Make a record of a row; None for what no store of ours has written.

    A column of SQLite takes what it is given, whatever its type says.
    """
    data, user, made, seen, version = row
    if not isinstance(data, str) or not (user is None or isinstance(user, str)):
        return None
    if not isinstance(made, int) or not isinstance(seen, int) or not isinstance(version, int):
        return None
    if not 0 <= made < MAX_TIME or not 0 <= seen < MAX_TIME or not 0 < version < MAX_VERSION:
        return None
    return Record(data, user, made, seen, version)


def _version(connection: Any) -> int:
    """Return the version of a file's tables, 0 when it has none.

    Raises OSError when it is newer than we are, or not ours: an application's own database.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    is_made = version or connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    # Last of all: another process may just have made it, all in one transaction.
    if is_made and connection.execute("PRAGMA application_id").fetchone()[0] != OURS:
        raise OSError(0, "it is another program's database: sessions need a file of their own")
    if version > SCHEMA:
        raise OSError(0, f"a newer crlf has made it, version {version:d}")
    return version


def _turn_on_wal(connection: Any, deadline: float) -> None:
    """Let readers and a writer go on beside each other; two who say so at once disturb each other.

    SQLite does not wait then, whatever its timeout says. deadline: monotonic seconds.
    """
    import sqlite3

    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _refuse_others(known: os.stat_result) -> None:
    """Raise PermissionError for a file that is another user's, or that anybody may open.

    Who can write it is signed in as whomever he likes; who can read it knows what all have done.
    """
    if os.name != "posix":
        return
    if known.st_uid not in (os.geteuid(), 0):
        raise PermissionError(0, "it belongs to another user")
    if known.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise PermissionError(0, "anybody on this machine may open it: chmod 600")


def _is_shared(mode: int) -> bool:
    """Tell whether others may write to what has this mode."""
    return os.name == "posix" and bool(mode & (stat.S_IWGRP | stat.S_IWOTH))


def _before_fork() -> None:
    """Close all connections: an open one that is forked has locks that are none (SQLite, 2.6)."""
    for line in tuple(_LINES):
        line.hold()
        _forking.append(line)


def _after_fork() -> None:
    while _forking:
        _forking.pop().go_on()


_forking: list[_Line] = []  # held while this process forks
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
