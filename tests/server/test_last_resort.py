"""What is written to a terminal of errors whose text a visitor sent: nothing of it is obeyed."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from crlf.server.watching.lastresort import settle_last_resort

EVIL = "\x1b]0;owned\x07\x9b31m\u202e\r"
FORGED = "\nGET / failed: nothing at all"
APP = """
from crlf import App

app = App()

@app.get("/")
def home(request):
    raise ValueError(request.query["said"])
"""


@pytest.fixture
def handler() -> Iterator[logging.Handler]:
    found = logging.lastResort
    assert found is not None
    kept = found.formatter
    found.setFormatter(None)
    yield found
    found.setFormatter(kept)


def written(handler: logging.Handler) -> str:
    try:
        raise ValueError(f"bad {EVIL}{FORGED}")
    except ValueError:
        fault = sys.exc_info()
    record = logging.LogRecord("crlf.server", 40, __file__, 1, "failed: %s", (fault[1],), fault)
    return handler.format(record)


def test_no_terminal_obeys_an_error_and_no_visitor_writes_a_line(handler: logging.Handler) -> None:
    assert EVIL in written(handler)
    settle_last_resort()
    first, *rest = written(handler).split("\n")
    assert all(line.isprintable() and line.isascii() for line in (first, *rest))
    assert first == r"failed: bad \x1b]0;owned\x07\x9b31m\u202e\x0d"
    assert all(line.startswith("  ") for line in rest)
    assert f"  {FORGED[1:]}" in rest


def test_a_program_that_has_its_own_format_keeps_it(handler: logging.Handler) -> None:
    theirs = logging.Formatter("%(levelname)s %(message)s")
    handler.setFormatter(theirs)
    settle_last_resort()
    assert handler.formatter is theirs


@pytest.mark.timeout(60)
@pytest.mark.parametrize("options", [(), ("--workers", "1")], ids=["one process", "a worker"])
def test_crlf_serve_shows_it_so(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "shop.py").write_text(APP)
    words = [sys.executable, "-m", "crlf", "serve", "shop:app", "--port", "0", *options]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    place = re.search(r"http://[0-9.:]+/", process.stdout.readline())
    if place is not None:
        with suppress(OSError):  # it is 500
            urllib.request.urlopen(f"{place[0]}?said=%1B%5D0;owned%07%0AGET", timeout=10)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=30)[1]
    assert r"GET / failed: \x1b]0;owned\x07" in told
    assert "\x1b" not in told
    assert not re.search("^GET$", told, re.MULTILINE)
