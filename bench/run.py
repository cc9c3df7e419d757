"""Measure crlf and its peers in one run, in turns, and write the table (`make bench`).

    bench/run.py [--rows servers,clients,hosts,uploads ...] [--only NAMES] [--turns N] ...

The table goes to standard output and to bench/results/latest.md, what happens meanwhile to
standard error. A benchmark is no test: it exits with 0 whatever it saw. README.md says how
each is configured.
"""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import client_rows
import command_rows
import download_rows
import file_rows
import form_rows
import host_rows
import page_rows
import route_rows
import server_rows
import start_rows
import upload_rows
from ground import BENCH, CORES, PINNED, ROOT, Absent, Failed, Options
from peers import prepare, versions

SECTIONS = {
    "servers": server_rows.report,
    "pages": page_rows.report,
    "routes": route_rows.report,
    "files": file_rows.report,
    "clients": client_rows.report,
    "hosts": host_rows.report,
    "starts": start_rows.report,
    "commands": command_rows.report,
    "downloads": download_rows.report,
    "uploads": upload_rows.report,
    "forms": form_rows.report,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure crlf and its peers, in turns.")
    parser.add_argument("--rows", default=",".join(SECTIONS), help="default: %(default)s")
    parser.add_argument(
        "--only", default="", help="rows whose name has one of these words, by commas"
    )
    parser.add_argument("--turns", type=int, default=3, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=int, default=2, help="each measurement; default: %(default)s"
    )
    parser.add_argument(
        "--size", type=int, default=1024, help="MiB of a download or upload; default: %(default)s"
    )
    chosen = parser.parse_args()
    for name in chosen.rows.split(","):
        if name not in SECTIONS:
            parser.error(f"--rows: {name} is none of {', '.join(SECTIONS)}")
    return chosen


def surroundings() -> list[str]:
    """Say where this was measured, for the reader who compares two tables."""
    cpu = "unknown processor"
    if (info := Path("/proc/cpuinfo")).exists():
        models = [line for line in info.read_text().split("\n") if line.startswith("model name")]
        cpu = models[0].partition(": ")[2] if models else cpu
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip("\n") or "unknown"
    place = f"pinned to cores {CORES[0]} and {CORES[1]}" if PINNED else "**not pinned to cores**"
    return [
        f"# crlf and its peers, {time.strftime('%Y-%m-%d %H:%M')}",
        "",
        f"crlf at {commit}; Python {platform.python_version()}; {cpu}, {len(CORES)} cores,",
        f"{place}; load before the start: {os.getloadavg()[0]:.2f}.",
        f"Peers: {versions()}.",
        "",
        "Medians over the turns; ratios are taken within a turn. spread: half of what lies between",
        "the best and the worst turn. others: what strangers had of the two cores meanwhile. Where",
        "one of them is above 10 %, the row says little.",
        "",
    ]


def main() -> None:
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started is ended
    prepare()
    lines, scratch = surroundings(), Path(tempfile.mkdtemp(prefix="crlf-bench-"))
    only = tuple(word for word in chosen.only.split(",") if word)
    options = Options(chosen.turns, chosen.seconds, only, chosen.size, scratch)
    start = time.monotonic()
    try:
        for name in chosen.rows.split(","):
            print(name, file=sys.stderr)
            try:
                lines += [*SECTIONS[name](options), ""]
            except (Absent, Failed) as reason:  # nginx itself, on which the section stands
                lines += [f"## {name}: not measured: {reason}", ""]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    lines.append(f"Measured in {time.monotonic() - start:.0f} s, {options.turns} turns.")
    text = "\n".join(lines) + "\n"
    (BENCH / "results").mkdir(exist_ok=True)
    (BENCH / "results" / "latest.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
