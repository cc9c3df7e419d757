"""Run one end of an exchange and note where its time goes: what profile.py starts.

    program.py client|async calls|samples URL COUNT       prints JSON
    program.py server calls|samples FILE ARGUMENT ...     runs crlf; writes JSON to FILE

"calls" counts with cProfile, which tells how often exactly, and how long too high for small
functions. "samples" looks a thousand times a second which layer is at work and slows nothing.
A server starts to watch on SIGUSR1 and stops on SIGUSR2, so its start is not in the figures.

It stands in a folder of its own: beside profile.py, `import cProfile` would find that one.
"""

import cProfile
import json
import re
import runpy
import signal
import sys
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

try:
    from uvloop import run
except ImportError:
    from asyncio import run  # type: ignore[assignment]

SPEC = find_spec("crlf")
PACKAGE = str(Path(SPEC.origin).parent) + "/" if SPEC and SPEC.origin else "crlf/"
BENCH = str(Path(__file__).parent.parent) + "/"
WARM = 500
KERNEL = re.compile(r"'_socket\.socket'|'select\.|'_ssl\.|posix\.(read|write|send)")


def layer_of(file: str) -> str:
    """Name the layer that a source file belongs to: a folder of the package, or outside."""
    if file.startswith(PACKAGE):
        return file.removeprefix(PACKAGE).partition("/")[0].removesuffix(".py")
    if file.startswith(BENCH):
        return "handler (bench)"
    return "asyncio" if "/asyncio/" in file else "other Python"


class Calls:
    """cProfile, summed by layer. A C function belongs to the layer that called it."""

    def __init__(self) -> None:
        self.profile = cProfile.Profile()

    def start(self) -> None:
        self.profile.enable()

    def stop(self) -> list[dict[str, Any]]:
        self.profile.disable()
        rows = []
        for entry in self.profile.getstats():
            if not isinstance(entry.code, CodeType):
                continue
            layer = layer_of(entry.code.co_filename)
            name = f"{Path(entry.code.co_filename).name}:{entry.code.co_qualname}"
            rows.append((layer, name, False, entry.callcount, entry.inlinetime))
            for inner in entry.calls or ():
                if isinstance(inner.code, str):
                    where = "kernel" if KERNEL.search(inner.code) else layer
                    rows.append((where, inner.code, True, inner.callcount, inner.inlinetime))
        keys = ("layer", "name", "is_c", "count", "seconds")
        return [dict(zip(keys, row, strict=True)) for row in rows]


class Samples:
    """A timer that notes the innermost frame of the package, wall clock."""

    def __init__(self) -> None:
        self.layers: Counter[str] = Counter()

    def start(self) -> None:
        signal.signal(signal.SIGALRM, self.look)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)

    def look(self, number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code.co_filename.startswith(PACKAGE):
                self.layers[layer_of(frame.f_code.co_filename)] += 1
                return
            frame = frame.f_back
        self.layers["outside (loop, kernel, waiting)"] += 1

    def stop(self) -> list[dict[str, Any]]:
        signal.setitimer(signal.ITIMER_REAL, 0)
        return [{"layer": layer, "count": count} for layer, count in self.layers.items()]


WAYS: dict[str, type[Calls] | type[Samples]] = {"calls": Calls, "samples": Samples}


def watch_client(way: str, url: str, count: int) -> dict[str, Any]:
    import crlf

    watch = WAYS[way]()
    with crlf.Client() as client:
        for _ in range(WARM):
            client.get(url)
        watch.start()
        start = time.perf_counter()
        for _ in range(count):
            client.get(url)
        spent = time.perf_counter() - start
        return {"rows": watch.stop(), "seconds": spent, "requests": count}


async def watch_async(way: str, url: str, count: int) -> dict[str, Any]:
    import crlf

    watch = WAYS[way]()
    async with crlf.AsyncClient() as client:
        for _ in range(WARM):
            await client.get(url)
        watch.start()
        start = time.perf_counter()
        for _ in range(count):
            await client.get(url)
        spent = time.perf_counter() - start
        return {"rows": watch.stop(), "seconds": spent, "requests": count}


def watch_server(way: str, file: Path, arguments: list[str]) -> None:
    watch = WAYS[way]()

    def stop(*_: object) -> None:
        file.with_suffix(".part").write_text(json.dumps({"rows": watch.stop()}))
        file.with_suffix(".part").rename(file)

    signal.signal(signal.SIGUSR1, lambda *_: watch.start())
    signal.signal(signal.SIGUSR2, stop)
    command = Path(sys.executable).parent / "crlf"
    sys.argv = [str(command), *arguments]
    runpy.run_path(str(command), run_name="__main__")


def main(end: str, way: str, *rest: str) -> None:
    if end == "server":
        watch_server(way, Path(rest[0]), list(rest[1:]))
        return
    if end == "client":
        seen = watch_client(way, rest[0], int(rest[1]))
    else:
        seen = run(watch_async(way, rest[0], int(rest[1])))
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
