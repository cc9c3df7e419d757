"""The board: counters that processes share, each writing to its own slot alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from crlf.net import board
from crlf.net.board import (
    ACCEPTED,
    CONNECTIONS,
    COUNTERS,
    FREE,
    PID,
    REQUESTS_2XX,
    SECONDS,
    SECONDS_SUM,
    SECONDS_UP_TO,
    Board,
)  # fmt: skip

CHILD = """
import sys
from crlf.net.board import ACCEPTED, PID, Board
board = Board.attached(int(sys.argv[1]))
board[1].add(ACCEPTED, 41)
board[1][PID] = 7
print(board.total(ACCEPTED))
"""


def test_every_counter_has_a_place_of_its_own() -> None:
    names = [name for name in vars(board) if name.isupper() and name[0] != "_"]
    places = [
        vars(board)[name]
        for name in names
        if name not in ("SECONDS_UP_TO", "PRESENT", "COUNTERS", "FREE")
    ]
    assert len(set(places)) == len(places)
    assert max(places) == SECONDS
    assert FREE <= COUNTERS


def test_a_board_alone_counts() -> None:
    alone = Board()
    slot = alone[0]
    slot.add(REQUESTS_2XX)
    slot.add(REQUESTS_2XX, 2)
    slot[CONNECTIONS] = 5
    assert alone.total(REQUESTS_2XX) == 3
    assert slot[CONNECTIONS] == 5
    assert alone.descriptor is None
    alone.close()


def test_another_process_counts_on_the_same_board() -> None:
    shared = Board.shared(3)
    try:
        shared[0].add(ACCEPTED)
        descriptor = shared.descriptor
        assert descriptor is not None
        said = subprocess.run(
            [sys.executable, "-c", CHILD, str(descriptor)],
            pass_fds=[descriptor], capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert said.stdout == "42\n"
        assert shared.total(ACCEPTED) == 42
        assert [slot.number for slot in shared.living()] == [1]
        assert shared[1][PID] == 7
    finally:
        shared.close()


def test_the_descriptor_is_not_inherited_unasked() -> None:
    shared = Board.shared(1)
    assert shared.descriptor is not None
    assert not os.get_inheritable(shared.descriptor)
    shared.close()
    shared.close()


def test_what_was_counted_outlives_its_process() -> None:
    one = Board(1)
    one[0][PID] = 9
    one[0][CONNECTIONS] = 3
    one[0].add(ACCEPTED, 4)
    one[0].wipe()
    assert not one.living()
    assert one.total(CONNECTIONS) == 0
    assert one.total(ACCEPTED) == 4


def test_a_request_is_in_one_bucket_by_its_seconds() -> None:
    slot = Board()[0]
    for seconds in (0.0, 0.001, 0.0011, 9.0, 11.0):
        slot.answered(200, 0, seconds)
    buckets = [slot[SECONDS + place] for place in range(len(SECONDS_UP_TO) + 1)]
    assert buckets == [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert slot[SECONDS_SUM] == 20_002_100


def test_a_counter_holds_more_than_32_bits() -> None:
    shared = Board.shared(1)
    shared[0][ACCEPTED] = 2**40
    shared[0].add(ACCEPTED, 2**40)
    assert shared[0][ACCEPTED] == 2**41
    shared.close()


def test_what_is_no_board_is_refused(tmp_path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"123")
    descriptor = os.open(path, os.O_RDWR)
    try:
        with pytest.raises(ValueError, match="is no board: it has 3 bytes"):
            Board.attached(descriptor)
    finally:
        os.close(descriptor)
