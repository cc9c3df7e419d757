"""What crlf exports exists and says what it is, and `import crlf` costs next to nothing."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import lawbook
import stubs

PUBLIC = ("crlf", "crlf.message", "crlf.wire", "crlf.rules", "crlf.client", "crlf.server")
# What `import crlf` must not pull in: each takes milliseconds, or is what few programs need.
# (For typing there is `TYPE_CHECKING = False`, which type checkers take for true.)
NOT_AT_ONCE = frozenset(
    "ssl socket asyncio json idna truststore publicsuffixlist uvloop argparse re dataclasses"
    " inspect typing logging email http urllib tempfile sqlite3 subprocess threading".split(" ")
)


def name_faults(module: ModuleType) -> Iterator[str]:
    """See exported names that do not exist, say nothing of themselves, or hide."""
    names: list[str] = getattr(module, "__all__", [])
    if len(set(names)) != len(names):
        yield f"{module.__name__}.__all__ has a name twice"
    for name in dict.fromkeys(names):
        if name.startswith("_") and name != "__version__":
            yield f"{module.__name__}.{name} is exported and private"
        try:
            value = getattr(module, name)
        except AttributeError:
            yield f"{module.__name__}.{name} is exported and missing"
            continue
        describable = inspect.isclass(value) or inspect.isfunction(value)
        if describable and not inspect.getdoc(value):
            yield f"{module.__name__}.{name} does not say what it is"
        if name not in dir(module):
            yield f"dir({module.__name__}) does not list {name}"


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_exist_and_explain_themselves(package: str) -> None:
    assert list(name_faults(importlib.import_module(package))) == []


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_with_modules_exports_names(package: str) -> None:
    """Not the folder, but what its __init__ says, is public; so it must say something."""
    home = lawbook.department(package) or "client"  # the front door: once there is a face
    modules = [m for m in lawbook.package() if m.department == home and "__" not in m.path]
    if modules:
        assert getattr(importlib.import_module(package), "__all__", []), f"{package}.__all__"


def test_stubs_say_what_the_tables_say(capsys: pytest.CaptureFixture[str]) -> None:
    """Type checkers read the stub, Python the table."""
    stale = stubs.main(["--check"])
    assert not stale, capsys.readouterr().err


def test_a_stale_stub_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "__init__.py").write_text("HOMES = {'a.b': ('C',)}\n", encoding="utf-8")
    monkeypatch.setattr(stubs, "SOURCE", tmp_path)
    assert stubs.main(["--check"]) == 1
    assert stubs.main([]) == 0
    assert stubs.main(["--check"]) == 0
    (tmp_path / "__init__.pyi").write_text("", encoding="utf-8")
    assert stubs.main(["--check"]) == 1


def test_a_breach_is_seen() -> None:
    module = types.ModuleType("sample")
    module.silent = lambda: None
    module._hidden = 1
    module.__all__ = ["silent", "silent", "missing", "_hidden"]
    assert len(list(name_faults(module))) == 4


def loaded_by(statement: str, *options: str) -> set[str]:
    """Run a statement in a bare interpreter; list the modules that it loaded."""
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(lawbook.SOURCE.parent)!r})\n"
        "before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = [sys.executable, "-S", "-E", *options, "-c", script]
    return set(subprocess.run(run, check=True, capture_output=True, text=True).stdout.split())


def test_import_crlf_is_cheap() -> None:
    loaded = loaded_by("import crlf")
    assert "crlf" in loaded
    assert {name.split(".")[0] for name in loaded} & NOT_AT_ONCE == set()
    assert [name for name in loaded if name.startswith("crlf.")] == ["crlf.lazy"]


def test_a_heavy_import_is_seen() -> None:
    assert {"json", "crlf"} <= loaded_by("import crlf, json") & (NOT_AT_ONCE | {"crlf"})


@pytest.mark.parametrize("package", ["crlf.message", "crlf.wire"])
def test_the_low_floors_load_no_outside_world(package: str) -> None:
    """They are useful alone, so they must not bring sockets and loops along."""
    outside = {"socket", "ssl", "asyncio", "threading", "selectors", "uvloop", "truststore"}
    assert loaded_by(f"import {package}") & outside == set()
