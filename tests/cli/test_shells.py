"""What shells are given: completion that is up to date and works in each, and the man page."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shells
from crlf.cli.commands import COMMANDS
from crlf.cli.shells.completion import FILES

PLACE = shells.PLACE
CommandLine = Any  # see conftest.py
Program = Callable[[str], str]


def said_by(*words: str) -> str:
    """Run a program and return what it said. Fails when it complained."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize("name", FILES)
def test_what_lies_in_the_package_is_made_of_the_table_as_it_is(name: str) -> None:
    made = shells.made([name])
    # When this fails: python scripts/shells.py
    assert (PLACE / FILES[name]).read_text(encoding="utf-8") == made[FILES[name]]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_writes_it(crlf: CommandLine, shell: str) -> None:
    done = crlf("completion", shell)
    assert done.code == 0
    assert done.out == (PLACE / FILES[shell]).read_bytes()
    assert b"crlf" in done.out


def test_another_shell_is_told_which_there_are(crlf: CommandLine) -> None:
    done = crlf("completion", "tcsh")
    assert (done.code, done.out) == (2, b"")
    assert done.err == "crlf: there is no completion for tcsh; there is for bash, zsh and fish\n"


def test_bash_completes_commands_options_and_values(program: Program) -> None:
    def completed(*words: str) -> set[str]:
        line = " ".join(words)
        asked = " ".join(f"'{word}'" for word in words)
        return set(
            said_by(
                program("bash"), "--norc", "-c",
                f"source {PLACE / FILES['bash']}; COMP_WORDS=({asked}); COMP_LINE='{line}'; "
                f"COMP_CWORD={len(words) - 1}; _shtab_crlf; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            ).split()
        )  # fmt: skip

    assert completed("crlf", "do") == {"download"}
    assert completed("crlf", "") >= set(COMMANDS)
    assert "--pretty" in completed("crlf", "get", "--pre")
    assert completed("crlf", "get", "--pretty", "a") == {"all"}
    assert completed("crlf", "completion", "f") == {"fish"}


def test_fish_completes_commands_options_and_values(program: Program) -> None:
    def completed(line: str) -> set[str]:
        found = said_by(
            program("fish"), "--no-config", "-c",
            f"source {PLACE / FILES['fish']}; complete -C '{line}'",
        )  # fmt: skip
        return {row.partition("\t")[0] for row in found.splitlines()}

    assert completed("crlf down") == {"download"}
    assert "--pretty" in completed("crlf get --pre")
    assert {"all", "none"} <= completed("crlf get --pretty ")


def test_zsh_takes_its_script(program: Program) -> None:
    said = said_by(
        program("zsh"), "-fc",
        f"fpath=({PLACE} $fpath); autoload -Uz compinit; compinit -D -u; print $_comps[crlf]; "
        "autoload +X _crlf && print loaded",
    )  # fmt: skip
    assert said.split() == ["_crlf", "loaded"]


def test_the_man_page_is_one(crlf: CommandLine, tmp_path: Path, program: Program) -> None:
    done = crlf("man")
    assert done.code == 0
    page = tmp_path / "crlf.1"
    page.write_bytes(done.out)
    shown = said_by(program("man"), "-l", "-P", "cat", "--warnings", str(page))
    for command in COMMANDS:
        assert f"crlf {command}" in shown
    assert "EXIT STATUS" in shown
    assert "--pretty all|format|colors|none" in shown
