"""Sessions in Valkey or Redis, for an application that runs on many machines.

A session is one string under one key, which the store forgets by itself when it is over; the
keys of a user's sessions are in a sorted set. Everything that looks before it writes is one
script, so that nothing comes between. Its law: a store that does not answer is noticed once a
second, by one thread, and by all others at once.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable
from hashlib import sha1, sha256
from queue import Empty
from time import monotonic
from typing import Any, Final

from crlf.message.errors import LocalError, StoreUnavailable
from crlf.net.valkeyurl import parse_place
from crlf.patterns import pattern
from crlf.rules.sessionstore import Record

CONNECT_TIMEOUT: Final = 1.0  # seconds for each address of the store; valkey's own default is 5
READ_TIMEOUT: Final = 1.0  # seconds; a script takes less than a millisecond
POOL_TIMEOUT: Final = 0.5  # seconds in which one of the connections should have come free
CONNECTIONS: Final = 64  # a worker has 32 threads; valkey's blocking pool has 50
PAUSE: Final = 1.0  # seconds after a failure in which nobody else waits for the store
MAX_RECORD: Final = 256 * 1024  # bytes, as they are stored; an App's sessions have 64 KiB at most
# Seconds that a user's index knows a session longer than it lasts: as far as clocks may differ.
GRACE: Final = 3600

# What is stored: "crlf1 version made seen ends owner", the user and the data as JSON, on three
# lines. owner: of the index that has the session, "-" when nobody is signed in.
_HEAD = pattern(rb"crlf1 ([1-9][0-9]{0,14}) ([0-9]{1,14}) ([0-9]{1,14}) ([0-9]{1,14}) [0-9a-f-]+")

# Version and owner of what a key holds; what is over, or not ours, has version 0. A script finds
# the index of an owner by its name, so all keys of one store are to be on one server.
_HELD: Final = """
local prefix, now = ARGV[1], tonumber(ARGV[2])
local function held(key)
  local head = redis.pcall('GETRANGE', key, 0, 255)
  if type(head) ~= 'string' then return '0', '-' end
  local version, ends, owner = string.match(head, '^crlf1 (%d+) %d+ %d+ (%d+) (%S+)\\n')
  if not version then return '0', '-' end
  if tonumber(ends) <= now then version = '0' end
  return version, owner
end
local function leave(owner, key)
  if owner ~= '-' then redis.call('ZREM', prefix .. 'user:' .. owner, key) end
end
"""
# The index first: a key too many in it does no harm, a session that it lacks would.
_SWAP: Final = (
    _HELD
    + """
local key, new = KEYS[1], KEYS[2]
local version, owner, ends = ARGV[3], ARGV[4], tonumber(ARGV[5])
local found, before = held(key)
if found ~= version or (new ~= key and held(new) ~= '0') then return 0 end
if ends <= now then
  redis.call('DEL', new)
  owner = '-'
else
  if owner ~= '-' then
    local index, grace = prefix .. 'user:' .. owner, tonumber(ARGV[6])
    redis.call('ZADD', index, ends, new)
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now - grace)
    local last = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')[2]
    redis.call('EXPIRE', index, tonumber(last) - now + grace)
  end
  redis.call('SET', new, ARGV[7], 'EX', ends - now)
end
if new ~= key then redis.call('DEL', key) end
if new ~= key or before ~= owner then leave(before, key) end
return 1
"""
)
_DELETE: Final = (
    _HELD
    + """
local _, owner = held(KEYS[1])
leave(owner, KEYS[1])
return redis.call('DEL', KEYS[1])
"""
)
_DELETE_ALL: Final = (
    _HELD
    + """
local gone = 0
for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local _, owner = held(key)
  if owner == ARGV[3] then gone = gone + redis.call('DEL', key) end
end
redis.call('DEL', KEYS[1])
return gone
"""
)
_DIGESTS: Final = {
    script: sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (_SWAP, _DELETE, _DELETE_ALL)
}


class ValkeyStore:
    """Sessions in a Valkey or Redis server; a SessionStore (rules/sessionstore.py).

    url: as `parse_place` reads it. clock: gives seconds, for the pause after a failure.

    What another program wrote under our keys counts as absent unless it reads like a session.
    Raises ValueError for a URL that is none, RuntimeError without the package valkey.
    """

    opens_slowly = True

    def __init__(self, url: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._place = parse_place(url)
        try:
            import valkey
        except ImportError:
            raise RuntimeError(
                "sessions in Valkey or Redis need the package valkey: pip install 'crlf[valkey]'"
            ) from None
        self._library = valkey
        self._breaker = Breaker(PAUSE, clock)
        self._pool = self._new_pool()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place.name!r})"

    def load(self, key: str, now: int) -> Record | None:
        """Return a record, or None where there is none, it is over or is none of ours."""
        value = self._ask("GETRANGE", self._place.prefix + key, 0, MAX_RECORD)
        return _read(value, now) if isinstance(value, bytes) and value else None

    def swap(self, key: str, version: int, record: Record, ends: int, now: int) -> bool:
        """Write a record if what is there has this version; return whether it was written."""
        return self._swap(key, version, key, record, ends, now)

    def move(
        self, key: str, version: int, new_key: str, record: Record, ends: int, now: int
    ) -> bool:
        """Do the same under a new key, and delete the old one in the same moment."""
        return version > 0 and self._swap(key, version, new_key, record, ends, now)

    def delete(self, key: str) -> None:
        """Forget a record, whatever its version; it need not be there."""
        self._run(_DELETE, [key], 0)

    def delete_all_of(self, user: str) -> int:
        """Forget all records of a user, and return how many there were."""
        owner = _owner(user)
        return self._run(_DELETE_ALL, [f"user:{owner}"], 0, owner)

    def prune(self, now: int) -> int:
        """Nothing to do: the store forgets by itself what is over."""
        return 0

    def close(self) -> None:
        """Let go of the connections that nobody uses; the others close after their use."""
        idle, self._pool = self._pool.pool, self._new_pool()
        try:
            while True:
                connection = idle.get_nowait()
                if connection is not None:
                    connection.disconnect()
        except Empty:
            pass

    def _swap(
        self, key: str, version: int, new_key: str, record: Record, ends: int, now: int
    ) -> bool:
        value = _build(record, ends)
        if len(value) > MAX_RECORD:
            raise LocalError(
                f"a session of {len(value):,} bytes is more than the store takes, {MAX_RECORD:,}"
            )
        owner = _owner(record.user)
        keys = [key, new_key]
        return self._run(_SWAP, keys, now, version, owner, ends, GRACE, value) == 1

    # -- the conversation

    def _run(self, script: str, keys: list[str], now: int, *values: str | int | bytes) -> int:
        """Run a script, which the store knows by its digest once it has seen it."""
        prefix = self._place.prefix
        values = (len(keys), *(prefix + key for key in keys), prefix, now, *values)
        try:
            reply = self._ask("EVALSHA", _DIGESTS[script], *values)
        except self._library.exceptions.NoScriptError:
            reply = self._ask("EVAL", script, *values)
        if not isinstance(reply, int):
            raise StoreUnavailable(f"the sessions' store, {self._place.name}, makes no sense")
        return reply

    def _ask(self, *command: str | int | bytes) -> object:
        """Return the reply to a command.

        Raises NoScriptError for EVALSHA alone, and StoreUnavailable.
        """
        faults = self._library.exceptions
        why = self._breaker.refusal()
        if why:
            raise StoreUnavailable(why)
        try:
            reply = self._converse(command)
        except faults.ResponseError as fault:
            self._breaker.succeeded()  # it has answered
            if isinstance(fault, faults.NoScriptError) and command[0] == "EVALSHA":
                raise
            if "WRONGTYPE" in str(fault):
                return None  # somebody else's value
            raise StoreUnavailable(self._why(fault)) from None
        except (faults.ValkeyError, OSError, ValueError, RecursionError) as fault:
            # The last two from what parses replies: a number that is none, lists without end.
            why = self._why(fault)
            self._breaker.failed(why)
            raise StoreUnavailable(why) from None
        except BaseException:
            self._breaker.failed(f"asking {self._place.name} was interrupted")
            raise
        self._breaker.succeeded()
        return reply

    def _converse(self, command: tuple[str | int | bytes, ...]) -> object:
        """Send a command and read its reply, on a connection that nobody else uses."""
        pool = self._pool
        connection = pool.get_connection(command[0])
        is_clean = False  # no half of a reply is left to whoever comes next
        try:
            connection.send_command(*command)
            try:
                reply = connection.read_response()
            except self._library.exceptions.ResponseError:
                is_clean = True
                raise
            is_clean = True
        finally:
            if not is_clean:
                connection.disconnect()
            pool.release(connection)
        return reply

    def _why(self, fault: Exception) -> str:
        """Say what is wrong with the store; nothing that valkey says has the password in it."""
        said = str(fault)[:200] or type(fault).__name__
        if not said.isprintable():  # whoever answers there steers no terminal that shows a log
            said = ascii(said)[1:-1]
        return f"the sessions' store, {self._place.name}: {said}"

    def _new_pool(self) -> Any:
        connections = self._library.connection
        kinds = {
            "unix": connections.UnixDomainSocketConnection,
            "tcp": connections.Connection,
            "tls": connections.SSLConnection,
        }
        library: Any = self._library
        return library.BlockingConnectionPool(
            max_connections=CONNECTIONS,
            timeout=POOL_TIMEOUT,
            connection_class=kinds[self._place.kind],
            socket_connect_timeout=CONNECT_TIMEOUT,
            socket_timeout=READ_TIMEOUT,
            lib_name=None,  # each would be one more question to wait for
            lib_version=None,
            **self._place.options,
        )


class Breaker:
    """Remembers that a store did not answer, so that not everybody waits to see it.

    pause: seconds after a failure in which all are refused; after that one may try, and the
    others are refused until it knows more.
    """

    __slots__ = ("_again", "_clock", "_lock", "_pause", "_why")

    def __init__(self, pause: float, clock: Callable[[], float]) -> None:
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._again: float | None = None  # when somebody may try; guarded by _lock
        self._why = ""  # guarded by _lock

    def refusal(self) -> str:
        """Say why the store is not to be asked now; "" when it may be."""
        again = self._again
        if again is None:
            return ""
        with self._lock:
            again = self._again
            if again is not None and self._clock() < again:
                return self._why
            self._again = None if again is None else math.inf
            return ""

    def failed(self, why: str) -> None:
        """Note that the store did not answer."""
        with self._lock:
            self._again = self._clock() + self._pause
            self._why = why

    def succeeded(self) -> None:
        """Note that the store has answered."""
        if self._again is not None:
            with self._lock:
                self._again = None


def _owner(user: str | None) -> str:
    """Name a user's index: no more than a digest of who it is can be read from keys and logs."""
    return "-" if user is None else sha256(user.encode("utf-8", "surrogatepass")).hexdigest()


def _build(record: Record, ends: int) -> bytes:
    head = f"crlf1 {record.version:d} {record.made:d} {record.seen:d} {ends:d}"
    user = json.dumps(record.user)
    return f"{head} {_owner(record.user)}\n{user}\n{record.data}".encode()


def _read(value: bytes, now: int) -> Record | None:
    """Read what a key holds; None for what is over, and for what no store of ours has written."""
    lines = value.split(b"\n", 2)
    found = _HEAD.fullmatch(lines[0])
    if found is None or len(lines) != 3 or len(value) > MAX_RECORD:
        return None
    version, made, seen, ends = map(int, found.groups())
    if ends <= now:
        return None
    try:
        text = lines[2].decode()
        user, data = json.loads(lines[1].decode()), json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not (user is None or isinstance(user, str)) or not isinstance(data, dict):
        return None
    return Record(text, user, made, seen, version)
