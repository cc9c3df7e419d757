"""What a short command loads: most of its time goes into that, so the list is a budget.

`crlf get` of a small page is to take less than twice as long as Python with argparse and socket
(a figure of `make bench`). What is loaded needs no stopwatch to be seen: a module that is new
here has to be worth its milliseconds to everybody who fetches a page.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crlf import App, running, text

SOURCE = Path(__file__).resolve().parents[2] / "src"
# Milliseconds on the machine where they were measured, Python 3.11 at 10 ms by itself.
NEVER = {
    "dataclasses": 8, "inspect": 6, "pathlib": 3, "asyncio": 30, "ssl": 10, "json": 3,
    "argparse": 7, "logging": 8, "tempfile": 5, "email": 10, "http": 10, "urllib.request": 20,
    "hashlib": 2, "secrets": 3, "random": 3, "subprocess": 4, "shutil": 4, "difflib": 1,
    "traceback": 2, "decimal": 3, "datetime": 1, "idna": 10, "truststore": 12,
    "publicsuffixlist": 10, "uvloop": 10, "getpass": 1, "html": 2,
}  # fmt: skip
# Modules of crlf itself, about 0.2 ms each, and of the standard library beside what Python
# loads anyway: as many as there are now, and some for another version's.
MOST_OWN, MOST_OTHERS = 100, 60

SCRIPT = """
import sys
before = set(sys.modules)
sys.path.insert(0, sys.argv.pop(1))
import io
from crlf.cli.environment import Environment
from crlf.cli.main import main
code = main(sys.argv[1:], Environment(io.BytesIO(), io.BytesIO(), io.BytesIO()))
print(code, *sorted(set(sys.modules) - before))
"""


def loaded_by(*words: str) -> set[str]:
    """Run a command line in a bare interpreter; list the modules that it loaded."""
    run = [sys.executable, "-S", "-E", "-c", SCRIPT, str(SOURCE), *words]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    code, *names = done.stdout.split()
    assert code == "0"
    return set(names)


@pytest.fixture
def url() -> Iterator[str]:
    app = App()

    @app.get("/")
    async def home(request: object) -> object:
        return text("a page\n")

    with running(app) as server:
        yield server.url


def test_a_short_get_loads_little(url: str) -> None:
    loaded = loaded_by("get", url, "-o", "/dev/null")
    own = {name for name in loaded if name.split(".")[0] == "crlf"}
    assert "crlf.cli.exchanging.fetch" in own
    assert not loaded & set(NEVER)
    assert not own & {"crlf.cli.help", "crlf.cli.showing.view", "crlf.net.tls", "crlf.net.aio"}
    assert not any(name.startswith("crlf.server") for name in own)
    assert len(own) <= MOST_OWN, sorted(own)
    assert len(loaded - own) <= MOST_OTHERS, sorted(loaded - own)


def test_help_loads_no_client() -> None:
    for words in (["--help"], ["get", "--help"], ["--version"]):
        loaded = loaded_by(*words)
        assert not loaded & {*NEVER, "socket", "dataclasses", "inspect"}
        assert not any(name.startswith(("crlf.client", "crlf.net")) for name in loaded)


def test_a_heavy_module_is_seen(url: str) -> None:
    assert "json" in loaded_by("request", "GET", url, "a:=1")
