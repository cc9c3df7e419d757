"""Much content from end to end: how long a process takes for it, and the memory at most.

Two clocks: the process's own, which begins when its client is made, and ours, which begins
with the process; between them lies what a program pays once. The peak is the kernel's mark of
this program alone (VmHWM): that of getrusage begins with whoever started it.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ground import BENCH, OWN, PEERS, Failed, last_line, need_import, on_core, running
from turns import Aim, Bound, Column, Outcomes, table

LIMIT = 120  # seconds for one transfer
MOST = 60  # MiB that a client of ours may need, whatever passes through it
LOOK = 0.002  # seconds between two looks whether it has ended
COLUMNS = ("rate", "MiB/s"), ("whole", "MiB/s, start included")


@dataclass(frozen=True)
class Passed:
    """One transfer: seconds by its own clock and by ours, MiB at most, and what it printed."""

    seconds: float
    whole: float
    peak: float
    printed: list[str]  # lines, the figures at the end left out
    size: int  # bytes, as the process counts


def script(file: str, name: str, needs: str, *rest: str) -> Callable[..., list[str | Path]]:
    """Give what builds the command of one of clients/*.py. Raises Absent when called."""

    def command(*arguments: str | Path) -> list[str | Path]:
        python = (OWN if needs.startswith("crlf") else PEERS) / "python"
        need_import(python, needs, *(("uvloop",) if name.endswith("_waiting") else ()))
        return [python, BENCH / "clients" / file, name, *rest, *arguments]

    return command


def passed(command: Sequence[str | Path]) -> Passed:
    """Run a transfer on the loading core. It prints {"seconds": s, "bytes": n}. Raises Failed."""
    start = time.perf_counter()
    with running(on_core(1, command), BENCH) as (process, printed):
        peak = waited(process.pid, time.monotonic() + LIMIT)
        whole = time.perf_counter() - start
        status, process.returncode = peak[1], 0  # it was waited for here, for its memory's sake
        printed.seek(0)
        text = printed.read()
    if status:
        raise Failed(f"exit code {status}: {last_line(text)}")
    *lines, last = text.strip("\n").split("\n")
    try:
        figures = json.loads(last)
    except ValueError:
        figures = None
    if not isinstance(figures, dict):  # a command with no clock of its own
        return Passed(whole, whole, peak[0], [*lines, last], -1)
    return Passed(figures["seconds"], whole, peak[0], lines, figures["bytes"])


def waited(child: int, deadline: float) -> tuple[float, int]:
    """Wait for the end of a process; return its peak in MiB and its exit code. Raises Failed."""
    peak, looks = 0.0, 0
    while time.monotonic() < deadline:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return peak or usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)
        if looks % 10 == 0:
            peak = max(peak, mark(child))
        looks += 1
        time.sleep(LOOK)
    raise Failed(f"not done after {LIMIT} s")


def mark(process: int) -> float:
    """Return what a process has had in memory at once so far, in MiB (Linux; elsewhere 0)."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    _, found, rest = status.partition("VmHWM:")
    return int(rest.partition("kB")[0].strip("\t ")) / 1024 if found else 0.0


def lines_of(outcomes: Outcomes, against: str, *, with_aims: bool) -> list[str]:
    """Write the table, and for each row of ours what it is to reach."""
    columns = [Column(figure, title, against=against) for figure, title in COLUMNS]
    columns.append(Column("peak", "peak memory, MiB", ".0f"))
    lines = [*table(outcomes, columns), ""]
    ours = [name for name in outcomes if "crlf" in name] if with_aims else []
    lines += [Aim(name, against, "rate", 1.0).line(outcomes) for name in ours]
    lines += [Bound(name, "peak", MOST, "MiB").line(outcomes) for name in ours]
    return [*lines, ""] if ours else lines
