"""Names say what a thing is: no word that names nothing, no second word for one thing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

import lawbook
from lawbook import Fault, Module, report, sample, uphold

# Words that name nothing: not in the name of a file, a class or a function.
EMPTY = frozenset(
    "util utils utility utilities helper helpers common base misc manager managers".split(" ")
)
EMPTY_STARTS = ("handle_", "process_", "do_")
# Second words for a head field, a connection, a response and a request: not in any name.
SYNONYMS = frozenset("hdr hdrs conn conns resp resps req reqs".split(" "))

# Names that others gave, so that we must use them: (file, name) and whose they are.
FOREIGN: dict[tuple[str, str], str] = {}


def words(name: str) -> list[str]:
    """Split a name at its underscores and capitals: "parse_HTTPDate" is parse, http, date."""
    pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return [piece.lower() for piece in pieces]


def file_faults(module: Module) -> Iterator[Fault]:
    """See files whose name names nothing, or hides behind an underscore."""
    for part in module.path.removesuffix(".py").split("/"):
        if part in ("__init__", "__main__"):
            continue
        if part.startswith("_"):
            yield Fault(module.path, 1, f"underscore on {part}: public is what a package exports")
        if set(words(part)) & (EMPTY | SYNONYMS):
            yield Fault(module.path, 1, f"{part} names nothing")


def definition_faults(module: Module) -> Iterator[Fault]:
    """See classes and functions whose name says nothing of what they are or do."""
    for name, node in lawbook.definitions(module.tree):
        plain = node.name.lstrip("_")
        if (module.path, node.name) in FOREIGN:
            continue
        if empty := set(words(plain)) & EMPTY:
            yield Fault(module.path, node.lineno, f"{name}: {', '.join(empty)} names nothing")
        if plain.startswith(EMPTY_STARTS):
            yield Fault(module.path, node.lineno, f"{name}: say what it does")


def synonym_faults(module: Module) -> Iterator[Fault]:
    """See a second word given to a thing that has a name already."""
    for name, line in given_names(module.tree):
        if (synonyms := set(words(name)) & SYNONYMS) and (module.path, name) not in FOREIGN:
            yield Fault(module.path, line, f"{name}: {', '.join(synonyms)} has a whole word")


def given_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """List the names that a file gives: what it defines, assigns, takes as an argument."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name, node.lineno


LAWS = [file_faults, definition_faults, synonym_faults]


@pytest.mark.parametrize("law", LAWS)
def test_the_source_keeps(law) -> None:
    modules = (*lawbook.package(), *lawbook.beside("examples", "scripts"))
    uphold(fault for module in modules for fault in law(module))


@pytest.mark.parametrize(
    ("law", "path", "text"),
    [
        (file_faults, "wire/utils.py", ""),
        (file_faults, "wire/_head.py", ""),
        (file_faults, "net/tls_helper.py", ""),
        (file_faults, "common/x.py", ""),
        (file_faults, "wire/resp.py", ""),
        (definition_faults, "x.py", "class PoolManager: pass"),
        (definition_faults, "x.py", "class BaseClient: pass"),
        (definition_faults, "x.py", "def url_helper(): pass"),
        (definition_faults, "x.py", "def handle_request(): pass"),
        (definition_faults, "x.py", "class A:\n    def _process_head(self): pass"),
        (definition_faults, "x.py", "async def do_get(): pass"),
        (synonym_faults, "x.py", "resp = 1"),
        (synonym_faults, "x.py", "def f(req): pass"),
        (synonym_faults, "x.py", "def f(*, new_conn=1): pass"),
        (synonym_faults, "x.py", "self.hdrs = 1"),
        (synonym_faults, "x.py", "for i, conn in x: pass"),
        (synonym_faults, "x.py", "with a as conn: pass"),
        (synonym_faults, "x.py", "lambda req: 1"),
        (synonym_faults, "x.py", "class HTTPResp: pass"),
        (synonym_faults, "x.py", "import a as req"),
    ],
)
def test_a_breach_is_seen(law, path: str, text: str) -> None:
    assert report(law(sample(text, path)))


@pytest.mark.parametrize(
    "text",
    [
        "def decode_base64(): pass",
        "class Database: pass",
        "def processed(): pass",
        "def undo(): pass",
        "required = response = request = connection = 1",
        "foreign.conn.close()",
        "database = 1",
    ],
)
def test_what_is_allowed_is_no_breach(text: str) -> None:
    assert not report(fault for law in LAWS for fault in law(sample(text)))
