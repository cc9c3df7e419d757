"""Much data passes through a client that needs no more memory for it than for little.

bench/memory.py does the work: each transfer is a process of its own against a bare peer in
another, and says what it had in memory at most.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "bench" / "memory.py"
MEGABYTE = 1024 * 1024


def measured(megabytes: int, only: str = "") -> list[dict[str, Any]]:
    command = [sys.executable, PROGRAM, "--json", "--megabytes", str(megabytes), "--only", only]
    done = subprocess.run(command, capture_output=True, text=True, timeout=570)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_64_megabytes_each_way_need_hardly_more_memory_than_none() -> None:
    rows = measured(64)
    assert len(rows) == 12
    for row in rows:
        assert row["peak"] - row["before"] < 16 * MEGABYTE, row


@pytest.mark.long
def test_a_gigabyte_each_way_needs_less_than_60_megabytes_in_all() -> None:
    rows = measured(1024)
    assert len(rows) == 12
    for row in rows:
        assert row["peak"] < 60 * MEGABYTE, row
        assert row["peak"] - row["before"] < 16 * MEGABYTE, row
