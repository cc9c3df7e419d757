"""The source of crlf as the laws read it: modules, their floors and their syntax trees.

A law is a function from a Module to faults, so that the same function that judges the
source can be shown, on a small bad sample, to see what it claims to see.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "crlf"

FLOORS = {
    "lazy": 0,  # how a package exports, and what a value is: of no subject
    "values": 0,
    "patterns": 0,
    "message": 1,
    "wire": 2,
    "rules": 3,
    "ports": 3,
    "flow": 4,
    "net": 4,
    "client": 5,
    "server": 5,
    "cli": 6,
    "": 7,  # crlf/__init__.py and __main__.py: the front door
}
PURE = ("message", "wire", "rules")  # what reads the peer's bytes, and knows no waiting


@dataclass(frozen=True)
class Module:
    """One file of Python.

    path: as a reader would write it, from src/crlf down ("wire/h1/head.py"), or from the
    repository's root for a file that is not of the package.
    """

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def name(self) -> str:
        """The name to import it by: "crlf.wire.h1.head"; a package's __init__ is the package."""
        parts = self.path.removesuffix(".py").split("/")
        if parts[-1] == "__init__":
            parts.pop()
        return ".".join(["crlf", *parts])

    @property
    def department(self) -> str:
        """The top-level name it lives under: "message", ... or "" for the front door."""
        return department(self.name)


@dataclass(frozen=True, order=True)
class Fault:
    """One breach of a law: where, and what was seen there."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def department(name: str) -> str:
    """Take "wire" from "crlf.wire.h1.head", and "" from "crlf" and "crlf.__main__"."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else ""


@cache
def package() -> tuple[Module, ...]:
    """Read every module of crlf."""
    return tuple(
        Module(path.relative_to(SOURCE).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    )


@cache
def beside(*folders: str) -> tuple[Module, ...]:
    """Read the Python files in folders of the repository that are not the package."""
    return tuple(
        Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    )


def pure() -> list[Module]:
    """Pick the modules of the floors that are pure."""
    return [module for module in package() if module.department in PURE]


def sample(text: str, path: str = "wire/sample.py") -> Module:
    """Make a Module of a few lines, to show that a law sees what it should."""
    return Module(path, text)


def report(faults: Iterable[Fault]) -> str:
    """Write faults as lines that an editor can jump to; "" when there are none."""
    return "\n".join(str(fault) for fault in sorted(set(faults)))


@dataclass(frozen=True)
class Import:
    """One imported name. deferred: inside a function, so done when that is called."""

    name: str
    line: int
    deferred: bool


def imports(module: Module) -> Iterator[Import]:
    """List what a module imports. `from a import b` is both "a" and "a.b", unless b is no module.

    A name of crlf is taken as far as it is a module; of anything else the module named.
    """
    for node, deferred in walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, deferred)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(module, node)
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                inside = origin.split(".")[0] == "crlf" and is_module(whole)
                yield Import(whole if inside else origin, node.lineno, deferred)


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """Spell a relative import out; an absolute one is as it stands."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    up = node.level - (1 if module.path.endswith("__init__.py") else 0)
    return ".".join(parts[: len(parts) - up] + ([node.module] if node.module else []))


@cache
def is_module(name: str) -> bool:
    """Tell whether a dotted name of crlf is a file or a folder, rather than something in one."""
    path = SOURCE.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def walk(tree: ast.AST, deferred: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Walk a tree, telling of each node whether it only runs when a function is called."""
    for child in ast.iter_child_nodes(tree):
        yield child, deferred
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from walk(child, deferred or inner)


def definitions(
    tree: ast.AST, prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """List functions and classes with their full names: "Client.get"."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + child.name, child
            yield from definitions(child, f"{prefix}{child.name}.")
        else:
            yield from definitions(child, prefix)


def uphold(faults: Iterable[Fault]) -> None:
    """Fail a test with every fault on a line of its own, if there are any."""
    if text := report(faults):
        pytest.fail(f"breaches of this law:\n{text}", pytrace=False)
