"""Sessions in a real Valkey server: versions, ends, users, hostile values, a store that fails."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.live.valkeyserver import NEEDED, StoreServer, behind_tls, store_server
from tests.server.session_shops import SessionStories
from tests.server.session_visitors import Shop, increments_at_once, putting

from crlf.message.errors import LocalError, StoreUnavailable
from crlf.net import sessionvalkey
from crlf.net.sessionvalkey import GRACE, MAX_RECORD, ValkeyStore
from crlf.rules.sessionstore import Record, SessionStore

pytestmark = [pytest.mark.live, pytest.mark.needs(NEEDED, "python:valkey")]

NOW = 1_800_000_000  # no store is asked what time it is
ENDS = NOW + 1000
ONE = Record('{"n":1}', None, NOW, NOW, 1)


class TestStories(SessionStories):
    """What holds of sessions wherever they are kept."""

    @pytest.fixture(params=["def", "async def"])
    def shop(self, request: pytest.FixtureRequest, store: ValkeyStore) -> Shop:
        return Shop(store, waits=request.param == "async def")

    def test_200_increments_on_a_loop_are_200(self, shop: Shop) -> None:
        with shop.browser() as ann:
            ann.do(putting(n=0))
            asyncio.run(increments_at_once(shop, f"session={ann.id}", 200))
            assert ann.data == {"n": 200}


def signed_in(user: str | None, version: int = 1, data: str = "{}") -> Record:
    return Record(data, user, NOW, NOW, version)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with store_server(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def url(server: StoreServer, request: pytest.FixtureRequest) -> str:
    """A part of the server for this test alone."""
    return f"{server.url}?prefix={abs(hash(request.node.nodeid))}:"


@pytest.fixture
def store(url: str) -> Iterator[ValkeyStore]:
    made = ValkeyStore(url)
    yield made
    made.close()


@pytest.fixture
def inside(server: StoreServer) -> Iterator[Any]:
    """Look into the server, as another program would."""
    import valkey

    with valkey.Valkey(port=server.port) as client:
        yield client


def prefix(store: ValkeyStore) -> str:
    return store._place.prefix


# --- versions ------------------------------------------------------------------------------------


def test_it_is_a_store(store: ValkeyStore) -> None:
    assert isinstance(store, SessionStore)
    assert store.opens_slowly
    assert store.prune(NOW) == 0


def test_what_was_written_is_read(store: ValkeyStore) -> None:
    record = Record('{"name":"Zoë \N{SNOWMAN}","lines":"a\\nb"}', "zoë\n", NOW - 5, NOW - 1, 1)
    assert store.load("a", NOW) is None
    assert store.swap("a", 0, record, ENDS, NOW)
    assert store.load("a", NOW) == record


def test_of_two_who_read_the_same_version_one_gets_through(store: ValkeyStore) -> None:
    assert store.swap("a", 0, ONE, ENDS, NOW)
    assert not store.swap("a", 0, ONE, ENDS, NOW)
    assert store.swap("a", 1, ONE._replace(data='{"n":2}', version=2), ENDS, NOW)
    assert not store.swap("a", 1, ONE._replace(data='{"n":3}', version=2), ENDS, NOW)
    kept = store.load("a", NOW)
    assert kept is not None
    assert (kept.data, kept.version) == ('{"n":2}', 2)


def test_a_version_brings_nothing_back_that_is_gone(store: ValkeyStore) -> None:
    assert not store.swap("a", 1, ONE._replace(version=2), ENDS, NOW)
    store.swap("a", 0, ONE, ENDS, NOW)
    store.delete("a")
    store.delete("a")  # it need not be there
    assert not store.swap("a", 1, ONE._replace(version=2), ENDS, NOW)
    assert store.load("a", NOW) is None


def test_moving_takes_the_old_key_away_in_the_same_moment(store: ValkeyStore) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    moved = ONE._replace(version=2)
    assert not store.move("a", 2, "b", moved, ENDS, NOW)
    assert not store.move("a", 0, "b", moved, ENDS, NOW)
    assert not store.move("x", 1, "b", moved, ENDS, NOW)
    assert (store.load("a", NOW), store.load("b", NOW)) == (ONE, None)

    assert store.move("a", 1, "b", moved, ENDS, NOW)
    assert (store.load("a", NOW), store.load("b", NOW)) == (None, moved)


def test_a_key_that_is_taken_is_moved_to_by_nobody(store: ValkeyStore) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    store.swap("b", 0, signed_in("ann"), ENDS, NOW)
    assert not store.move("a", 1, "b", ONE._replace(version=2), ENDS, NOW)
    assert (store.load("a", NOW), store.load("b", NOW)) == (ONE, signed_in("ann"))


def test_two_hundred_increments_at_once_lose_none(store: ValkeyStore) -> None:
    store.swap("a", 0, ONE._replace(data='{"n":0}'), ENDS, NOW)

    def increment(_: int) -> None:
        while True:
            there = store.load("a", NOW)
            assert there is not None
            data = {"n": json.loads(there.data)["n"] + 1}
            changed = there._replace(data=json.dumps(data), version=there.version + 1)
            if store.swap("a", there.version, changed, ENDS, NOW):
                return

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(increment, range(200)))
    assert store.load("a", NOW) == ONE._replace(data='{"n": 200}', version=201)


def test_a_session_over_the_limit_is_the_programs_mistake(store: ValkeyStore) -> None:
    large = ONE._replace(data=json.dumps({"x": "x" * MAX_RECORD}))
    with pytest.raises(LocalError, match="262,144"):
        store.swap("a", 0, large, ENDS, NOW)
    fitting = ONE._replace(data=json.dumps({"x": "x" * (MAX_RECORD - 200)}))
    assert store.swap("a", 0, fitting, ENDS, NOW)
    assert store.load("a", NOW) == fitting


# --- ends ----------------------------------------------------------------------------------------


def test_what_is_over_is_not_there(store: ValkeyStore) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    assert store.load("a", ENDS - 1) == ONE
    assert store.load("a", ENDS) is None
    assert not store.swap("a", 1, ONE._replace(version=2), ENDS + 9, ENDS)
    assert not store.move("a", 1, "b", ONE._replace(version=2), ENDS + 9, ENDS)
    assert store.swap("a", 0, ONE, ENDS + 9, ENDS)


def test_the_store_forgets_by_itself(store: ValkeyStore, inside: Any) -> None:
    store.swap("a", 0, signed_in("ann"), NOW + 1, NOW)
    store.swap("b", 0, signed_in("ann"), ENDS, NOW)
    assert inside.ttl(f"{prefix(store)}a") == 1
    assert inside.ttl(f"{prefix(store)}b") == 1000
    (index,) = inside.keys(f"{prefix(store)}user:*")
    assert inside.ttl(index) == 1000 + GRACE
    assert b"ann" not in index
    time.sleep(1.1)
    assert store.load("a", NOW) is None  # by whichever clock
    assert store.delete_all_of("ann") == 1


def test_to_end_now_is_to_be_deleted(store: ValkeyStore, inside: Any) -> None:
    store.swap("a", 0, signed_in("ann"), ENDS, NOW)
    assert not store.swap("a", 2, signed_in("ann", 3), NOW, NOW)
    assert store.swap("a", 1, signed_in("ann", 2), NOW, NOW)
    assert store.load("a", NOW) is None
    assert inside.keys(f"{prefix(store)}*") == []


# --- users ---------------------------------------------------------------------------------------


def test_all_sessions_of_a_user_and_no_others_are_ended(store: ValkeyStore, inside: Any) -> None:
    store.swap("a", 0, signed_in("ann"), ENDS, NOW)
    store.swap("b", 0, signed_in("ann"), ENDS, NOW)
    store.swap("c", 0, signed_in("bob"), ENDS, NOW)
    store.swap("d", 0, signed_in(None), ENDS, NOW)
    store.swap("e", 0, signed_in(""), ENDS, NOW)
    assert store.delete_all_of("ann") == 2
    assert [store.load(key, NOW) is None for key in "abcde"] == [True, True, False, False, False]
    assert store.delete_all_of("ann") == 0
    assert store.delete_all_of("") == 1
    assert store.delete_all_of("bob") == 1
    assert inside.keys(f"{prefix(store)}user:*") == []


def test_a_session_is_found_by_whoever_is_signed_in_now(store: ValkeyStore) -> None:
    store.swap("a", 0, signed_in(None), ENDS, NOW)
    store.move("a", 1, "b", signed_in("ann", 2), ENDS, NOW)
    store.swap("b", 2, signed_in("bob", 3), ENDS, NOW)
    assert store.delete_all_of("ann") == 0
    store.move("b", 3, "c", signed_in("bob", 4), ENDS, NOW)
    assert store.delete_all_of("bob") == 1
    store.swap("a", 0, signed_in("ann"), ENDS, NOW)
    store.swap("a", 1, signed_in(None, 2), ENDS, NOW)
    assert store.delete_all_of("ann") == 0
    assert store.load("a", NOW) is not None


def test_what_is_being_changed_while_it_is_revoked_does_not_survive(store: ValkeyStore) -> None:
    stop = threading.Event()
    begun = threading.Barrier(9)

    def go_on(number: int) -> int:
        """Swap and move one session, until it is gone."""
        key, version = f"a{number}", 1
        assert store.swap(key, 0, signed_in("ann"), ENDS, NOW)
        begun.wait(5)
        while not stop.is_set():
            new = f"b{number}-{version}" if version % 3 == 0 else key
            change = store.swap if new == key else store.move
            to = (key, version) if new == key else (key, version, new)
            if not change(*to, signed_in("ann", version + 1), ENDS, NOW):
                assert store.load(key, NOW) is None
                return version
            key, version = new, version + 1
        return -version

    with ThreadPoolExecutor(8) as threads:
        going = [threads.submit(go_on, number) for number in range(8)]
        begun.wait(5)
        time.sleep(0.2)
        gone = store.delete_all_of("ann")
        assert store.delete_all_of("ann") == 0
        time.sleep(0.1)
        stop.set()
    versions = [one.result() for one in going]
    assert gone == 8
    assert min(versions) > 1  # each was under way, and each was ended


def test_an_index_does_not_grow_by_sessions_that_are_over(store: ValkeyStore, inside: Any) -> None:
    for number in range(50):
        store.swap(f"a{number}", 0, signed_in("ann"), NOW + 60, NOW)
    (index,) = inside.keys(f"{prefix(store)}user:*")
    assert inside.zcard(index) == 50
    for number in range(0, 50, 2):
        store.delete(f"a{number}")
    assert inside.zcard(index) == 25

    later = NOW + 60 + GRACE
    store.swap("b", 0, signed_in("ann"), later + 60, later)
    assert inside.zrange(index, 0, -1) == [f"{prefix(store)}b".encode()]


# --- what others wrote ---------------------------------------------------------------------------

GOOD = f"crlf1 1 {NOW} {NOW} {ENDS} -\nnull\n{{}}".encode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        b"\xff\xfe\n\n",
        b"crlf1",
        GOOD.replace(b"crlf1", b"crlf2"),
        GOOD.replace(b"crlf1 1", b"crlf1 0"),
        GOOD.replace(b"crlf1 1", b"crlf1 -1"),
        GOOD.replace(b"crlf1 1", b"crlf1 " + b"9" * 5000),
        GOOD.replace(b"crlf1 1", "crlf1 \N{ARABIC-INDIC DIGIT ONE}".encode()),
        GOOD.replace(b"null", b"7"),
        GOOD.replace(b"null\n", b""),
        GOOD.replace(b"{}", b"[]"),
        GOOD.replace(b"{}", b"{"),
        GOOD.replace(b"{}", b'{"a":"\xff"}'),
        GOOD.replace(b"{}", "{}".encode("utf-16")),
        GOOD.replace(b"{}", b'{"a":' + b"[" * 100_000),
        GOOD.replace(b"{}", b'{"a":"' + b"x" * MAX_RECORD + b'"}'),
        GOOD + b" " * MAX_RECORD,
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_is_no_session_is_not_there(store: ValkeyStore, inside: Any, value: bytes) -> None:
    inside.set(f"{prefix(store)}a", GOOD)
    assert store.load("a", NOW) == Record("{}", None, NOW, NOW, 1)
    inside.set(f"{prefix(store)}a", value)
    assert store.load("a", NOW) is None
    store.delete("a")
    assert inside.keys(f"{prefix(store)}*") == []


def test_a_key_of_another_type_is_not_there_and_is_written_over(
    store: ValkeyStore, inside: Any
) -> None:
    inside.rpush(f"{prefix(store)}a", "x")
    assert store.load("a", NOW) is None
    assert not store.swap("a", 1, ONE, ENDS, NOW)
    assert store.swap("a", 0, ONE, ENDS, NOW)
    assert store.load("a", NOW) == ONE


def test_an_index_ends_nothing_that_is_not_its_users(store: ValkeyStore, inside: Any) -> None:
    store.swap("a", 0, signed_in("ann"), ENDS, NOW)
    store.swap("b", 0, signed_in("bob"), ENDS, NOW)
    inside.set(f"{prefix(store)}other", "treasure")
    (index,) = [
        name
        for name in inside.keys(f"{prefix(store)}user:*")
        if f"{prefix(store)}a".encode() in inside.zrange(name, 0, -1)
    ]
    inside.zadd(index, {f"{prefix(store)}b": ENDS, f"{prefix(store)}other": ENDS})
    assert store.delete_all_of("ann") == 1
    assert store.load("b", NOW) == signed_in("bob")
    assert inside.get(f"{prefix(store)}other") == b"treasure"


def test_a_user_whose_index_is_no_index_cannot_be_signed_in(
    store: ValkeyStore, inside: Any
) -> None:
    store.swap("a", 0, signed_in("ann"), ENDS, NOW)
    (index,) = inside.keys(f"{prefix(store)}user:*")
    inside.set(index, "x")
    with pytest.raises(StoreUnavailable):
        store.swap("b", 0, signed_in("ann"), ENDS, NOW)
    assert store.load("b", NOW) is None  # nothing by halves
    with pytest.raises(StoreUnavailable):
        store.delete_all_of("ann")  # and never "none were there"


def test_scripts_that_the_server_has_forgotten_are_sent_again(
    store: ValkeyStore, inside: Any
) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    inside.script_flush()
    assert store.swap("a", 1, ONE._replace(version=2), ENDS, NOW)


# --- ways in -------------------------------------------------------------------------------------


@contextmanager
def opened(url: str) -> Iterator[ValkeyStore]:
    store = ValkeyStore(url)
    try:
        yield store
    finally:
        store.close()


def failing(url: str) -> str:
    """Say what an unusable store says."""
    with opened(url) as store, pytest.raises(StoreUnavailable) as failed:
        store.load("a", NOW)
    assert failed.value.__suppress_context__
    return str(failed.value)


@pytest.fixture
def guarded(inside: Any) -> Iterator[None]:
    """A user of the server who may do what a store does, to its keys alone."""
    inside.acl_setuser(
        "shop", enabled=True, passwords=["+s3cr/t"], keys=["crlf:session:*"],
        commands=["+getrange", "+evalsha", "+eval", "+set", "+del", "+zadd", "+zrem", "+zrange",
                  "+zremrangebyscore", "+expire", "+select"],
    )  # fmt: skip
    yield
    inside.acl_deluser("shop")


@pytest.mark.usefixtures("guarded")
def test_a_user_with_few_rights_is_enough(server: StoreServer) -> None:
    with opened(f"valkey://shop:s3cr%2Ft@127.0.0.1:{server.port}/1") as store:
        assert store.swap("a", 0, signed_in("ann"), ENDS, NOW)
        assert store.move("a", 1, "b", signed_in("ann", 2), ENDS, NOW)
        assert store.delete_all_of("ann") == 1
        store.delete("b")
        assert "s3cr" not in repr(store)


@pytest.mark.usefixtures("guarded")
def test_what_is_not_allowed_is_said_without_the_password(server: StoreServer) -> None:
    at = f"127.0.0.1:{server.port}"
    wrong = failing(f"valkey://shop:s3cr3t@{at}/0")
    assert "password" in wrong
    assert "s3cr" not in wrong
    elsewhere = failing(f"valkey://shop:s3cr%2Ft@{at}/0?prefix=other:")
    assert "permission" in elsewhere.lower()
    assert "s3cr" not in elsewhere
    assert f"valkey://{at}/0" in elsewhere
    assert "DB index" in failing(f"valkey://{at}/99")


def test_a_socket_file_is_a_way_in(server: StoreServer, url: str) -> None:
    with opened(url) as by_port, opened(f"unix://{server.socket}?{url.partition('?')[2]}") as store:
        assert store.swap("a", 0, ONE, ENDS, NOW)
        assert by_port.load("a", NOW) == ONE


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    assert "refused" in failing("valkey://127.0.0.1:1")
    assert "No such file" in failing(f"unix://{tmp_path}/none.sock")
    assert "..:6379" in failing("valkey://..")


def test_over_tls_the_certificate_is_for_the_name_that_was_asked(
    server: StoreServer, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with behind_tls(server.port, context) as port:
        with opened(f"valkeys://localhost:{port}/2?ca={tmp_path}/ca.pem") as store:
            assert store.swap("a", 0, ONE, ENDS, NOW)
            store.delete("a")
        assert "certificate" in failing(f"valkeys://127.0.0.1:{port}?ca={tmp_path}/ca.pem").lower()
        assert "certificate" in failing(f"rediss://localhost:{port}").lower()


# --- a store that fails --------------------------------------------------------------------------


def timed(work: Callable[[], object]) -> float:
    """Return the seconds until some work finds no store."""
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable):
        work()
    return time.monotonic() - begun


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> float:
    """Let stores be waited for, and left in peace, for 0.3 seconds instead of one."""
    monkeypatch.setattr(sessionvalkey, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(sessionvalkey, "PAUSE", 0.3)
    return 0.3


def test_a_store_that_hangs_is_waited_for_by_one(tmp_path: Path, hasty: float) -> None:
    with store_server(tmp_path) as server, opened(server.url) as store:
        store.swap("a", 0, ONE, ENDS, NOW)
        server.pause()
        assert hasty <= timed(lambda: store.load("a", NOW)) < 1
        assert max(timed(lambda: store.load("a", NOW)) for _ in range(100)) < 0.1

        time.sleep(hasty)
        with ThreadPoolExecutor(8) as threads:
            begun = time.monotonic()
            took = list(threads.map(lambda _: timed(lambda: store.load("a", NOW)), range(8)))
        assert time.monotonic() - begun < 1
        assert sum(seconds >= hasty for seconds in took) == 1, took

        server.resume()
        time.sleep(hasty)
        assert store.load("a", NOW) == ONE


def test_a_store_that_was_started_anew_is_found_by_itself(tmp_path: Path, hasty: float) -> None:
    keeps = ("--appendonly", "yes", "--appendfsync", "always")
    with store_server(tmp_path, *keeps) as server, opened(server.url) as store:
        store.swap("a", 0, ONE, ENDS, NOW)
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(lambda _: store.load("a", NOW), range(20))) == [ONE] * 20
        server.kill()
        server.start()
        assert store.load("a", NOW) == ONE  # by new connections, and nobody saw an error
        assert store.swap("a", 1, ONE._replace(version=2), ENDS, NOW)

        server.kill()
        assert timed(lambda: store.load("a", NOW)) < 0.5
        server.start()
        time.sleep(hasty)
        assert store.load("a", NOW) == ONE._replace(version=2)


def test_a_store_that_is_full_still_ends_sessions(tmp_path: Path) -> None:
    import valkey

    with store_server(tmp_path) as server, opened(server.url) as store:
        store.swap("a", 0, signed_in("ann"), ENDS, NOW)
        with valkey.Valkey(port=server.port) as inside:
            inside.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="memory"):
            store.swap("a", 1, signed_in("ann", 2), ENDS, NOW)
        assert store.load("a", NOW) == signed_in("ann")
        assert store.delete_all_of("ann") == 1


def test_a_store_may_be_used_again_after_it_was_closed(store: ValkeyStore) -> None:
    store.swap("a", 0, ONE, ENDS, NOW)
    store.close()
    assert store.load("a", NOW) == ONE
