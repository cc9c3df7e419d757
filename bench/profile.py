"""One warm GET of crlf at each end, by layer: where its time goes (`bench/profile.py`).

    bench/profile.py [--ends client,async,server] [--requests N] [--head bare|browser]

Each end is run twice (watched/program.py): under cProfile, for the number of calls a request,
and under a sampling timer, for what a layer costs when nothing is counted. Times by cProfile
are too high where functions are small; the sampled ones are the ones to believe. A signal is
noticed by Python at the next bytecode, so what uvloop does in C before it calls into crlf is
partly booked to the function that it calls first, in net.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ground import (
    BENCH,
    OWN,
    ROOT,
    Absent,
    Failed,
    Options,
    exchange,
    free_port,
    need_import,
    output_of,
    serving,
)
from heads import HEADS, build_request
from nginx import nginx_command
from server_rows import SERVERS, checked, loaded
from turns import row

PROGRAM = BENCH / "watched" / "program.py"
TOP = 25  # functions shown
Seen = dict[str, Any]

AT_A_STRETCH = 500  # requests on one connection: crlf ends one after 1,000, as nginx does


def watched_client(end: str, way: str, count: int, options: Options) -> Seen:
    need_import(OWN / "python", "crlf.Client" if end == "client" else "crlf.AsyncClient")
    port = free_port()
    with serving(nginx_command(options.scratch, port), port):
        url = f"http://127.0.0.1:{port}/"
        command: list[str | Path] = [OWN / "python", PROGRAM, end, way, url, str(count)]
        return dict(json.loads(output_of(command, 1, 120)))


def watched_server(head: str, way: str, count: int, options: Options) -> Seen:
    """Watch the server under one connection for "calls", under wrk for "samples"."""
    need_import(OWN / "python", "crlf.App")
    server, port = SERVERS["crlf"], free_port()
    file = options.scratch / f"server-{way}.json"
    arguments = server.command(options.scratch, port)[1:]
    command: list[str | Path] = [OWN / "python", PROGRAM, "server", way, file, *arguments]
    with serving(command, port, ROOT) as session:
        checked(server, port)
        os.kill(session, signal.SIGUSR1)
        time.sleep(0.05)
        if way == "samples":
            each = 1 / loaded(server, port, head, options)
        else:
            each = asked(port, build_request(head, port, "/"), count) / count
        os.kill(session, signal.SIGUSR2)
        end = time.monotonic() + 10
        while not file.exists():
            if time.monotonic() > end:
                raise Failed("the server did not hand over what was seen")
            time.sleep(0.02)
        return {**json.loads(file.read_text()), "seconds": each * count, "requests": count}


def asked(port: int, request: bytes, count: int) -> float:
    """Ask one after another, on a connection as long as servers grant it; return the seconds."""
    start = time.perf_counter()
    for begun in range(0, count, AT_A_STRETCH):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            for _ in range(min(AT_A_STRETCH, count - begun)):
                exchange(connection, request)
    return time.perf_counter() - start


def layers(calls: Seen, samples: Seen) -> list[str]:
    """Write the table by layer: the sampled microseconds, then the calls."""
    each = samples["seconds"] / samples["requests"] * 1e6
    shares = Counter({line["layer"]: line["count"] for line in samples["rows"]})
    python, in_c, profiled = Counter[str](), Counter[str](), Counter[str]()
    for line in calls["rows"]:
        (in_c if line["is_c"] else python)[line["layer"]] += line["count"]
        profiled[line["layer"]] += line["seconds"]
    count = calls["requests"]
    titles = ["layer", "µs a request", "share", "Python calls", "C calls", "µs by cProfile"]
    lines = [row(titles), row(["---"] + ["--:"] * (len(titles) - 1))]
    for layer in sorted(shares | profiled, key=lambda name: (-shares[name], -profiled[name])):
        share = shares[layer] / max(shares.total(), 1)
        cells = [layer, f"{each * share:.1f}", f"{share:.0%}", f"{python[layer] / count:.1f}"]
        cells += [f"{in_c[layer] / count:.1f}", f"{profiled[layer] / count * 1e6:.1f}"]
        lines.append(row(cells))
    sums = [f"{counter.total() / count:.1f}" for counter in (python, in_c)]
    total = f"{profiled.total() / count * 1e6:.1f}"
    return [*lines, row(["**all**", f"{each:.1f}", "100%", *sums, total])]


def functions(calls: Seen) -> list[str]:
    """Write the functions that cost most, by cProfile."""
    count = calls["requests"]
    lines = [row(["function", "layer", "calls a request", "µs by cProfile"])]
    lines.append(row(["---", "---", "--:", "--:"]))
    for line in sorted(calls["rows"], key=lambda line: -line["seconds"])[:TOP]:
        each = f"{line['seconds'] / count * 1e6:.2f}"
        lines.append(row([line["name"], line["layer"], f"{line['count'] / count:.2f}", each]))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Show where one warm GET of crlf spends its time.")
    parser.add_argument("--ends", default="client,async,server", help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--head", choices=HEADS, default="browser", help="of the server's requests")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    scratch = Path(tempfile.mkdtemp(prefix="crlf-profile-"))
    options = Options(turns=1, seconds=3, only=(), megabytes=0, scratch=scratch)
    lines = ["# One warm GET by layer", ""]
    try:
        for end in chosen.ends.split(","):
            watched = watched_server if end == "server" else watched_client
            what = chosen.head if end == "server" else end
            try:
                calls, samples = (
                    watched(what, way, chosen.requests, options) for way in ("calls", "samples")
                )
            except (Absent, Failed) as reason:
                lines += [f"## {end}: not measured: {reason}", ""]
                continue
            lines += [f"## {end}", "", *layers(calls, samples), "", *functions(calls), ""]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    text = "\n".join(lines)
    (BENCH / "results").mkdir(exist_ok=True)
    (BENCH / "results" / "profile.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
