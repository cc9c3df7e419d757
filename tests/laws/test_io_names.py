"""Only net/, cli/ and a short list of files know sockets, loops, threads, clocks and files.

Everything else is handed a port (crlf/ports.py), which is why it can be tested with a fake
clock, and a fault at every byte.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

import lawbook
from lawbook import Fault, Module, report, sample, uphold

# Modules of the outside world. The law names socket, ssl, asyncio, threading, selectors, time
# and os; the others are the same things under another name.
OUTSIDE = frozenset(
    "socket ssl asyncio threading selectors time os"
    " _socket _thread select signal socketserver subprocess multiprocessing concurrent queue"
    " sched tempfile shutil glob fcntl mmap uvloop truststore sqlite3 getpass".split(" ")
)
CLOCKS = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
FILES = ("open", "io.open", "builtins.open", "print", "input")

# Of os, what only looks at a path's text.
PATH_WORDS = ("os.PathLike", "os.fspath", "os.fsencode", "os.fsdecode", "os.path.basename")

FREE = ("net", "cli")
# Other files that may know some of it, and why. Keep it short: a name here is a file that
# cannot be tested without the real thing.
NAMED: dict[str, tuple[str, ...]] = {
    "server/apps/events.py": ("asyncio", "waits for an event and for a heartbeat at once"),
    "server/gateways/asgiexchange.py": ("asyncio", "who receives waits for news of the client"),
    "server/gateways/lifespan.py": ("asyncio", "the application's lifespan is a Task"),
    "server/files/single.py": ("os", "time", "a file that the program has chosen"),
    "server/files/opening.py": ("os", "a folder is walked by openat, one name after the other"),
    "server/files/folder.py": ("time", "its clocks, unless it is given others"),
    "server/files/foldersite.py": ("os", "whether a path is a folder's"),
    "server/files/filecache.py": ("threading", "threads fill what the loop looks into"),
    "server/processes/supervisor.py": ("*", "signals, workers and sockets are its subject"),
    "server/serving.py": ("*", "the running loop is its subject"),
    "server/renewing.py": ("asyncio", "what is done on that loop beside serving"),
    "server/starting.py": ("*", "signals, loops and threads are its subject"),
    "server/processes/workers.py": ("*", "processes are its subject"),
    "server/processes/hearing.py": ("*", "signals are its subject"),
    "server/processes/worker.py": ("*", "a process of its own"),
    "server/processes/reloading.py": ("*", "watches files"),
    "server/arriving.py": ("*", "sockets that have just been accepted"),
    "server/watching/logfile.py": ("*", "a thread that writes a file"),
    "server/configuration.py": ("os", "where relative paths begin"),
    "server/processes/briefing.py": ("socket", "a supervisor's link to a worker"),
    "server/envfile.py": ("open", "reads one"),
    "server/tomlfile.py": ("os", "open", "finds and reads one"),
    "server/hosting.py": ("os", "a target is a folder, a file or a module of this folder"),
}

# `async def` is for what waits; these are the faces whose users wait.
WAITING = ("flow", "net")
ASYNC_FACES = {
    "ports.py": "what the flows wait on",
    "client/aio.py": "AsyncClient",
    "client/core.py": "what both clients are inside",
    "client/events.py": "server-sent events, in either colour",
    "client/gathering.py": "many requests at once, in either colour",
    "client/pages.py": "page after page, in either colour",
    "client/streamed.py": "reading piece by piece, in either colour",
    "client/verbs.py": "each verb once, for both colours",
    "client/download.py": "saving while reading",
    "server/apps/answering.py": "handlers of both colours are called here",
    "server/apps/app.py": "the handler is called by a flow",
    "server/apps/layers.py": "what stands around a handler waits for it",
    "server/apps/events.py": "events are waited for",
    "server/files/folder.py": "a handler that looks at the disk, in a thread",
    "server/files/foldersite.py": "the same, by itself",
    "server/files/uploading.py": "content that comes piece by piece",
    "server/incoming.py": "a body that streams in",
    "server/watching/measures.py": "an application of one page",
    "server/gateways/asgi.py": "ASGI is asynchronous",
    "server/gateways/asgiexchange.py": "the same",
    "server/gateways/asgiface.py": "the same, from the other side",
    "server/gateways/lifespan.py": "what ASGI awaits before and after",
    "server/gateways/wsgi.py": "its answers are awaited",
    "server/serving.py": "starts and stops on a loop",
    "server/renewing.py": "certificates are read in a thread",
    "server/starting.py": "waits for signals",
    "server/processes/worker.py": "waits for signals",
    "server/arriving.py": "handshakes are waited for",
    "server/processes/supervisor.py": "signals and the accepting loop",
    "server/sessions.py": "the coloured exception: a store does I/O",
}


def outside_faults(module: Module) -> Iterator[Fault]:
    """See the outside world named in a file that should be handed it."""
    allowed = NAMED.get(module.path, ())
    if module.department in FREE or "*" in allowed:
        return
    for found in lawbook.imports(module):
        root = found.name.split(".")[0]
        harmless = found.name == "os" and not other_than_paths(module)
        if root in OUTSIDE and root not in allowed and not harmless:
            yield Fault(module.path, found.line, f"imports {found.name}")
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in FILES and called not in allowed:
            yield Fault(module.path, node.lineno, f"calls {called}()")
        if any(called == clock or called.endswith("." + clock) for clock in CLOCKS):
            yield Fault(module.path, node.lineno, f"reads the clock: {called}()")


def other_than_paths(module: Module) -> bool:
    """Tell whether a module that imports os uses more of it than the words for paths."""
    used = {ast.unparse(node) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
    return any(
        name.startswith("os.") and not any(word.startswith(name) for word in PATH_WORDS)
        for name in used
    )


def waiting_faults(module: Module) -> Iterator[Fault]:
    """See `async` outside the flows, the ports and the asynchronous faces."""
    if module.department in WAITING or module.path in ASYNC_FACES:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield Fault(module.path, node.lineno, f"{type(node).__name__} outside the flows")


LAWS = [outside_faults, waiting_faults]


@pytest.mark.parametrize("law", LAWS)
def test_the_source_keeps(law) -> None:
    uphold(fault for module in lawbook.package() for fault in law(module))


@pytest.mark.parametrize(
    ("law", "path", "text"),
    [
        (outside_faults, "wire/x.py", "import time"),
        (outside_faults, "wire/x.py", "from os.path import join"),
        (outside_faults, "client/x.py", "import os\nos.PathLike\nos.environ['X']"),
        (outside_faults, "client/x.py", "import os\nos.path.exists('x')"),
        (outside_faults, "flow/x.py", "import asyncio"),
        (outside_faults, "flow/x.py", "def f():\n    import socket"),
        (outside_faults, "client/x.py", "from concurrent.futures import Future"),
        (outside_faults, "server/apps/app.py", "from threading import Lock"),
        (outside_faults, "rules/x.py", "with open('x') as f: pass"),
        (outside_faults, "message/x.py", "import io\nio.open('x')"),
        (outside_faults, "message/x.py", "print('x')"),
        (outside_faults, "rules/x.py", "import datetime\ndatetime.datetime.now()"),
        (outside_faults, "ports.py", "import ssl"),
        (waiting_faults, "wire/x.py", "async def f(): pass"),
        (waiting_faults, "rules/x.py", "class A:\n    async def f(self): pass"),
        (waiting_faults, "client/blocking.py", "async def f():\n    await g()"),
        (waiting_faults, "cli/x.py", "async def f(): pass"),
    ],
)
def test_a_breach_is_seen(law, path: str, text: str) -> None:
    assert report(law(sample(text, path)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("net/x.py", "import socket, ssl, asyncio\nasync def f(): open('x')"),
        ("cli/x.py", "import time\nprint(time.time())"),
        ("server/processes/supervisor.py", "import os, signal"),
        ("flow/x.py", "async def f(): await g()"),
        ("client/x.py", "import os\nx: os.PathLike[str] = os.path.basename('x')"),
        ("wire/x.py", "def opening(file): return file.opened()"),
    ],
)
def test_what_is_allowed_is_no_breach(path: str, text: str) -> None:
    assert not report(fault for law in LAWS for fault in law(sample(text, path)))
