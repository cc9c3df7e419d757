"""A file stays under 400 lines and a function under 60; one that must not says why in its head.

"Longer than 60 lines because ..." in the docstring of the function (or of the file) is what
the law looks for: it is read by whoever opens it, as a list here would not be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

import lawbook
from lawbook import Fault, Module, report, sample, uphold

FILE_LINES = 400
FUNCTION_LINES = 60
EXCUSE = "Longer than"


def size_faults(module: Module) -> Iterator[Fault]:
    """See files and functions that are too long and do not say why."""
    lines = len(module.text.splitlines())
    if lines > FILE_LINES and not is_excused(module.tree):
        yield Fault(module.path, 1, f"{lines} lines")
    for name, node in lawbook.definitions(module.tree):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if not isinstance(node, ast.ClassDef) and lines > FUNCTION_LINES and not is_excused(node):
            yield Fault(module.path, node.lineno, f"{name} has {lines} lines")


def head_faults(module: Module) -> Iterator[Fault]:
    """See files that do not open with a paragraph on what they are."""
    if module.text.strip() and not ast.get_docstring(module.tree):
        yield Fault(module.path, 1, "opens without saying what it is")


def is_excused(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Tell whether a docstring says why its owner is long."""
    return EXCUSE in (ast.get_docstring(node) or "")


LAWS = [size_faults, head_faults]


@pytest.mark.parametrize("law", LAWS)
def test_the_source_keeps(law) -> None:
    modules = (*lawbook.package(), *lawbook.beside("examples", "scripts"))
    uphold(fault for module in modules for fault in law(module))


@pytest.mark.parametrize(
    ("law", "text"),
    [
        (size_faults, "x = 1\n" * 401),
        (size_faults, "def f():\n" + "    x = 1\n" * 60),
        (size_faults, "class A:\n    async def f(self):\n" + "        x = 1\n" * 60),
        (head_faults, "x = 1"),
    ],
)
def test_a_breach_is_seen(law, text: str) -> None:
    assert report(law(sample(text)))


@pytest.mark.parametrize(
    "text",
    [
        '"""A file."""\n' + "x = 1\n" * 399,
        '"""A file. Longer than 400 lines: it is a table."""\n' + "x = 1\n" * 500,
        '"""A file."""\ndef f():\n    """Do. Longer than 60: a table."""\n' + "    x = 1\n" * 70,
        '"""A file."""\nclass A:\n    """A class may be long."""\n' + "    x = 1\n" * 70,
    ],
)
def test_what_is_allowed_is_no_breach(text: str) -> None:
    assert not report(fault for law in LAWS for fault in law(sample(text)))
