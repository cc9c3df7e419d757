"""The tables for who comes from another server name nothing that is not there, on either side."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import crlf
from crlf import server
from crlf.server.processes import supervisor
from crlf.server.settable import BY_NAME, SETTINGS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "server" / "coming-from.md"
CODE = re.compile(r"`([^`]+)`")
OPTIONS = {
    *(f"--{one.name}" for one in SETTINGS),
    *(f"--no-{one.name}" for one in SETTINGS if not one.metavar),
    "--config",
}


def rows(title: str) -> Iterator[list[list[str]]]:
    """Yield the words in code of each cell, of the table of a section."""
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    (section,) = [each for each in sections if each.startswith(title)]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [CODE.findall(cell) for cell in line.strip()[1:-1].split("|")]


def theirs(title: str) -> list[str]:
    """List the words of the other program, and those that are said to be the same."""
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    (section,) = [each for each in sections if each.startswith(title)]
    same = CODE.findall(section.partition("|")[0]) if "are the same" in section else []
    words = [*same, *(word for cells in rows(title) for word in cells[0])]
    assert len(words) > 5
    return words


def exists(name: str) -> bool:
    """Tell whether a word in the middle is an option, a command, or a public name."""
    if name.startswith("--"):
        return name.split()[0] in OPTIONS
    if name.startswith("crlf serve"):
        return True
    first, _, rest = name.partition(".")
    found = next(
        (getattr(home, first) for home in (crlf, server, supervisor) if hasattr(home, first)), None
    )
    return found is not None and (not rest or hasattr(found, rest))


SECTIONS = ["From uvicorn", "From gunicorn", "From hypercorn", "From nginx", "From http.server",
            "From miniserve"]  # fmt: skip


@pytest.mark.parametrize("title", SECTIONS)
def test_every_name_of_ours_exists(title: str) -> None:
    ours = [name for cells in rows(title) for name in cells[1]]
    assert len(ours) > 4
    assert [name for name in ours if not exists(name)] == []


def test_a_name_that_there_is_not_is_seen() -> None:
    assert [name for name in ("--nope", "--no-port", "App.nope", "Nope") if exists(name)] == []


@pytest.mark.parametrize("title", SECTIONS[:3])
def test_what_is_said_to_be_the_same_is(title: str) -> None:
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}")[1]
    same = CODE.findall(section.partition("|")[0])
    assert [
        name for name in same if name not in OPTIONS | {"--check-config", "--print-config"}
    ] == []


@pytest.mark.parametrize(
    "name", ["forwarded-allow-ips", "timeout-keep-alive", "timeout-graceful-shutdown",
             "ssl-certfile", "ssl-keyfile"],
)  # fmt: skip
def test_what_is_said_to_be_understood_is(name: str) -> None:
    said = [cells for cells in rows("From uvicorn") if f"--{name}" in cells[0]]
    (ours,) = [one.name for one in SETTINGS if name in one.aliases]
    assert f"--{ours}" in said[0][1]


def options_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


@pytest.mark.parametrize("program", ["uvicorn", "gunicorn", "hypercorn", "http.server"])
def test_every_option_of_theirs_exists(program: str) -> None:
    module = {"gunicorn": "gunicorn", "hypercorn": "hypercorn"}.get(program, program)
    pytest.importorskip(module)
    text = options_of(sys.executable, "-m", program, "--help")
    words = [word for word in theirs(f"From {program}") if word.startswith("--")]
    missing = [
        word for word in words if not re.search(rf"(?:^|[\s,/]){re.escape(word)}(?![\w-])", text)
    ]
    assert missing == []


@pytest.mark.needs("nginx")
@pytest.mark.live
def test_every_directive_of_nginx_exists(program: Callable[[str], str]) -> None:
    binary = Path(program("nginx")).resolve().read_bytes()
    missing = [word for word in theirs("From nginx") if f"{word}\0".encode() not in binary]
    assert missing == []


def test_the_defaults_that_are_told_are_ours() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = r"`--([a-z-]+)` \|[^|]*there, ([0-9]+) s here"
    told = [(name, int(seconds)) for name, seconds in re.findall(found, text)]
    assert len(told) > 5
    assert told == [(name, BY_NAME[name].initial) for name, _ in told]
