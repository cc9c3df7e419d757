"""The rules that tests/conftest.py holds every test to, shown on tests that break them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lawbook

SETTINGS = "[pytest]\nfilterwarnings = error\nmarkers =\n  rfc\n  needs\n  live\n  long\n"
SAMPLE = """
import asyncio, socket, sys, threading, time
import pytest

kept = []

async def fail():
    raise ValueError("nobody looked")

async def begin(work):
    kept.append(asyncio.ensure_future(work))
    await asyncio.sleep(0)

def test_leaves_nothing():
    thread = threading.Thread(target=time.sleep, args=(0.1,))
    thread.start()
    with socket.socket():
        pass

def test_leaves_a_thread():
    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()

def test_leaves_a_descriptor():
    kept.append(socket.socket())

def test_leaves_a_task():
    asyncio.run(begin(asyncio.sleep(5)))

def test_leaves_an_error_that_nobody_looked_at():
    async def main():
        await begin(fail())
        kept.clear()
    asyncio.run(main())

def test_leaves_a_socket_unclosed():
    socket.socket()

@pytest.mark.needs("sh", "no-such-program|nor-this")
def test_needs_a_program():
    pass

@pytest.mark.needs("no-such-program|sh")
def test_needs_either():
    pass

def test_needs_a_package():
    pytest.importorskip("no_such_package.inside")

def test_needs_uvloop(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    pytest.importorskip("uvloop")

@pytest.mark.long
def test_takes_long():
    pass

@pytest.mark.rfc("9112", "6.3")
@pytest.mark.parametrize(
    "case", [1, pytest.param(2, id="a case", marks=pytest.mark.rfc("9110", "9"))]
)
def test_guards_a_rule(case):
    pass
"""


def run(folder: Path, text: str, *options: str, **environment: str) -> str:
    """Run pytest on a text with our conftest.py; return what it printed."""
    (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    (folder / "test_sample.py").write_text(text, encoding="utf-8")
    path = os.pathsep.join(
        [str(lawbook.ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "conftest", *options],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "CI"} | environment | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout


def outcomes(output: str) -> set[tuple[str, str]]:
    """Read pytest's summary: ("PASSED", "test_leaves_nothing")."""
    return set(re.findall(r"^(PASSED|ERROR|FAILED) test_sample\.py::(\w+)", output, re.MULTILINE))


def test_what_is_left_behind_is_an_error(tmp_path: Path) -> None:
    output = run(tmp_path, SAMPLE, f"--rfc-report={tmp_path / 'rules.json'}", CRLF_PATIENCE="0.3")
    found = outcomes(output)
    bad = {name for outcome, name in found if outcome in ("ERROR", "FAILED")}
    assert bad == {
        "test_leaves_a_thread",
        "test_leaves_a_descriptor",
        "test_leaves_a_task",
        "test_leaves_an_error_that_nobody_looked_at",
        "test_leaves_a_socket_unclosed",
    }
    assert ("PASSED", "test_leaves_nothing") in found
    assert ("PASSED", "test_needs_either") in found
    assert "no-such-program|nor-this: 1 test\n" in output
    assert "1 deselected" in output
    rules = json.loads((tmp_path / "rules.json").read_text(encoding="utf-8"))
    assert [(row["number"], row["section"], row["title"]) for row in rules] == [
        ("9112", "6.3", "guards a rule"),
        ("9110", "9", "a case"),
    ]


def test_a_missing_program_is_a_failure_in_ci(tmp_path: Path) -> None:
    output = run(tmp_path, SAMPLE, "-k", "needs", CI="true")
    assert outcomes(output) == {
        ("ERROR", "test_needs_a_program"),
        ("PASSED", "test_needs_either"),
        ("FAILED", "test_needs_a_package"),
    }
    assert "needs the package no_such_package, and CI must have it" in output


def test_a_file_without_its_package_is_a_failure_in_ci(tmp_path: Path) -> None:
    text = 'import pytest\npytest.importorskip("no_such_package")\ndef test_x(): pass\n'
    assert "1 skipped" in run(tmp_path, text)
    assert "needs the package no_such_package" in run(tmp_path, text, CI="true")


@pytest.mark.parametrize("mark", ["rfc(9112, 6.3)", 'rfc("9112", section="6.3")'])
def test_a_rule_is_written_in_one_way(mark: str, tmp_path: Path) -> None:
    text = f"import pytest\n@pytest.mark.{mark}\ndef test_x(): pass\n"
    output = run(tmp_path, text)
    assert 'write rfc("9112", "6.3"), not' in output
    assert "passed" not in output
