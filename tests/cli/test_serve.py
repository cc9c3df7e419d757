"""`crlf serve` and --app: folders and applications by name, and what is wrong with the others."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf.cli.commands import COMMANDS
from crlf.cli.exits import OK, OTHER, USAGE

CommandLine = Any  # see conftest.py
ROOT = Path(__file__).resolve().parents[2]
SHOP = """
from crlf import App, text
app = App()
class Site:
    inner = app
site = Site()
word = "no app"
@app.get("/")
async def home(request):
    return text("the shop\\n")
"""
COUNT = iter(range(1000))


@pytest.fixture
def module(crlf: CommandLine) -> Iterator[Callable[[str], str]]:
    """Write a module into the folder and return its name, forgotten after the test."""
    path = list(sys.path)
    names = []

    def write(text: str) -> str:
        names.append(f"shop_{next(COUNT)}")
        (crlf.folder / f"{names[-1]}.py").write_text(text, encoding="utf-8")
        return names[-1]

    yield write
    sys.path[:] = path
    for name in names:
        sys.modules.pop(name, None)


# --- in memory -----------------------------------------------------------------------------------


def test_an_application_is_talked_to_in_memory(
    crlf: CommandLine, module: Callable[[str], str]
) -> None:
    name = module(SHOP)
    assert crlf("get", "/", "--app", f"{name}:app").out == b"the shop\n"
    assert crlf("http://any.example/", "--app", f"{name}:site.inner").out == b"the shop\n"
    watched = crlf("get", "/", "--app", f"{name}:app", "-v")
    assert "> GET / HTTP/1.1\r\n> host: localhost\r\n" in watched.err
    assert "< HTTP/1.1 200 OK\r\n" in watched.err


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "attribute", "says"),
    [
        (SHOP, "ap", "NAME has no ap: it has app"),
        ("x = 1", "app", "NAME has no app: nothing in it is an application"),
        (SHOP, "word", "NAME:word is no application but a str; crlf.App() makes one"),
        (SHOP, "Site", "NAME:Site is no application but a type; crlf.App() makes one"),
        ("import nonesuch_xyz", "app", "NAME needs the module nonesuch_xyz, which is not there"),
        ("\n1 / 0", "app", "NAME cannot be imported: ZeroDivisionError: division by zero @2"),
        ("(", "app", "NAME cannot be imported: SyntaxError: '(' was never closed @1"),
        (SHOP, "", "an application is written module:app, not 'NAME:'"),
    ],
)  # fmt: skip
def test_an_application_that_cannot_be_had_is_explained(
    text: str, attribute: str, says: str, crlf: CommandLine, module: Callable[[str], str]
) -> None:
    name = module(text)
    says = re.sub("@([0-9])", r"(NAME.py, line \1)", says).replace("NAME", name)
    for words in (["serve", f"{name}:{attribute}"], ["get", "/", "--app", f"{name}:{attribute}"]):
        done = crlf(*words)
        assert (done.code, done.err) == (USAGE, f"crlf: {says}\n")


def test_a_module_that_is_not_there_is_named(crlf: CommandLine) -> None:
    assert crlf("serve", "nonesuch_xyz:app").err == (
        "crlf: there is no module nonesuch_xyz here or among those installed\n"
    )


def test_the_traceback_is_there_for_who_wants_it(
    crlf: CommandLine, module: Callable[[str], str]
) -> None:
    crlf.variables["CRLF_DEBUG"] = "1"
    assert "Traceback" in crlf("serve", f"{module('1 / 0')}:app").err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "there is no folder nowhere; an application is written module:app"),
        (["a.txt"], "a.txt is no folder; serve the one that it is in"),
        (["--port", "http"], "--port takes a number from 0 to 65535, not 'http'"),
        (["--port", "65536"], "--port takes a number from 0 to 65535, not '65536'"),
        (["--port", "-1"], "--port takes a number from 0 to 65535, not '-1'"),
        ([".", "."], "'.' is too much: crlf serve [FOLDER | MODULE:APP]"),
    ],
)
def test_a_slip_is_one_line(words: list[str], says: str, crlf: CommandLine) -> None:
    (crlf.folder / "a.txt").write_bytes(b"")
    done = crlf("serve", *words)
    assert (done.code, done.err) == (USAGE, f"crlf: {says}\n")


def test_a_port_that_is_taken_is_explained(crlf: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = crlf("serve", "--port", str(port))
    hint = f"--port {port + 1} is another, --port 0 any free one"
    assert (done.code, done.err) == (OTHER, f"crlf: port {port} of 127.0.0.1 is in use; {hint}\n")


# --- for real ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("target", [".", "site", "shop:app"])
def test_it_serves_until_it_is_told_to_stop(
    target: str, ending: signal.Signals, tmp_path: Path, crlf: CommandLine
) -> None:
    (tmp_path / "index.html").write_text("here", encoding="utf-8")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("there", encoding="utf-8")
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "crlf", "serve", target, "--port", "0"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        named = "this folder" if target == "." else target
        assert line.startswith(f"Serving {named} at http://127.0.0.1:")
        done = crlf("get", line.split(" at ")[1].strip())
        process.send_signal(ending)
        _, err = process.communicate(timeout=20)
    assert done.out == {".": b"here", "site": b"there", "shop:app": b"the shop\n"}[target]
    assert (process.returncode, err) == (OK, b"")


def test_it_listens_on_this_machine_only_unless_told_otherwise() -> None:
    host = next(option for option in COMMANDS["serve"].options if option.key == "host")
    assert "127.0.0.1, this machine only" in host.meaning
