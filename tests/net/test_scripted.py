"""Scripted streams: what the script says happens, at the time it says, without any waiting."""

from __future__ import annotations

import pytest

from crlf.flow.run import run_sync
from crlf.message.errors import (
    ConnectFailed,
    ReadFailed,
    ReadTimeout,
    WriteFailed,
    WriteTimeout,
)
from crlf.net.scripted import (
    END,
    RESET,
    STALL,
    UNENCRYPTED,
    FakeClock,
    ScriptedNetwork,
    ScriptedStream,
)
from crlf.ports import DEFAULT_TLS


def test_bytes_arrive_as_they_were_written_down() -> None:
    stream = ScriptedStream([b"one", b"", b"two", END])
    assert [run_sync(stream.read(None)) for _ in range(4)] == [b"one", b"two", b"", b""]
    assert stream.reads == 4


def test_pieces_may_be_made_smaller() -> None:
    stream = ScriptedStream([b"abcde", END], piece=2)
    assert [run_sync(stream.read(None)) for _ in range(4)] == [b"ab", b"cd", b"e", b""]


def test_a_reset_lasts() -> None:
    stream = ScriptedStream([b"a", RESET])
    assert run_sync(stream.read(None)) == b"a"
    for _ in range(2):
        with pytest.raises(ReadFailed):
            run_sync(stream.read(None))


def test_a_stall_lets_time_pass_to_the_deadline_and_the_script_goes_on() -> None:
    clock = FakeClock()
    stream = ScriptedStream([STALL, b"late"], clock)
    with pytest.raises(ReadTimeout, match="within 30 seconds") as late:
        run_sync(stream.read(clock.now() + 30))
    assert late.value.seconds == 30
    assert clock.now() == 1030
    assert run_sync(stream.read(clock.now() + 30)) == b"late"
    assert clock.now() == 1030


def test_after_the_script_nothing_arrives() -> None:
    clock = FakeClock()
    stream = ScriptedStream([], clock)
    assert not stream.has_arrived()
    with pytest.raises(ReadTimeout):
        run_sync(stream.read(clock.now() + 1))
    stream.play(b"more")
    assert stream.has_arrived()
    assert run_sync(stream.read(None)) == b"more"


def test_a_wait_that_would_never_end_is_a_fault_of_the_test() -> None:
    with pytest.raises(RuntimeError, match="no deadline"):
        run_sync(ScriptedStream([STALL]).read(None))


def test_a_pause_passes_in_parts_when_deadlines_come_between() -> None:
    clock = FakeClock()
    stream = ScriptedStream([2.5, b"a"], clock)
    for _ in range(2):
        with pytest.raises(ReadTimeout):
            run_sync(stream.read(clock.now() + 1))
    assert run_sync(stream.read(clock.now() + 1)) == b"a"
    assert clock.now() == 1002.5
    assert clock.wall() - FakeClock().wall() == 2.5


@pytest.mark.parametrize(("fault", "error"), [(RESET, WriteFailed), (STALL, WriteTimeout)])
def test_a_write_may_fail_after_any_byte(fault, error) -> None:
    for after in range(5):
        stream = ScriptedStream(write_fault=fault, write_after=after)
        with pytest.raises(error):
            run_sync(stream.write(b"01234", stream.clock.now() + 3))
        assert bytes(stream.written) == b"01234"[:after]
    stream = ScriptedStream(write_fault=fault, write_after=5)
    run_sync(stream.write(b"01234", None))
    assert stream.writes == 1


def test_what_has_arrived_is_seen() -> None:
    for script, arrived in [
        ([], False), ([b"", b"a"], True), ([b""], False), ([END], True), ([RESET], True),
        ([STALL, b"a"], False), ([0.1, b"a"], False),
    ]:  # fmt: skip
        assert ScriptedStream(script).has_arrived() == arrived


def test_a_stream_notes_how_it_was_left() -> None:
    stream = ScriptedStream([b"a"])
    run_sync(stream.end(None))
    assert stream.is_ended
    with pytest.raises(WriteFailed):
        run_sync(stream.write(b"x", None))
    stream.close()
    assert stream.is_closed
    assert stream.has_arrived()
    with pytest.raises(ReadFailed):
        run_sync(stream.read(None))


def test_a_network_gives_its_connections_in_order() -> None:
    clock = FakeClock()
    first = ScriptedStream([STALL])
    network = ScriptedNetwork([first, ConnectFailed("refused")], clock)
    assert run_sync(network.connect("a", 80, None)) is first
    with pytest.raises(ConnectFailed, match="refused"):
        run_sync(network.connect("b", 81, None))
    with pytest.raises(RuntimeError, match="no connection to c:82"):
        run_sync(network.connect("c", 82, None))
    assert network.asked == [("a", 80), ("b", 81), ("c", 82)]
    with pytest.raises(ReadTimeout):
        run_sync(first.read(network.now() + 5))
    assert (network.now(), network.wall() - FakeClock().wall()) == (1005, 5)
    tls = run_sync(network.start_tls(first, DEFAULT_TLS, "a", None))
    assert tls.facts.tls == UNENCRYPTED
    assert run_sync(network.in_thread(lambda: 5)) == 5


def test_a_bell_that_nobody_can_ring_is_late_at_once() -> None:
    network = ScriptedNetwork([])
    bell = network.new_bell()
    with bell:
        assert not run_sync(bell.wait(network.now() + 7))
        bell.ring()
    assert network.now() == 1007
