"""The errors are those that errors.py draws; each pickles, copies, and keeps what it knows."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
from collections.abc import Iterable
from types import ModuleType

import pytest

import lawbook
from crlf.message import errors
from crlf.message.errors import CrlfError

# What an error is made with, where one word of text is not enough.
ARGUMENTS = {"TooLarge": ("body", 16_777_216, 413, "RFC 9110 15.5.14")}


def drawn_tree(docstring: str) -> list[tuple[str, list[str], str]]:
    """Read the drawing: (parent, the names on one line, the line) for each line of it.

    A line's place says whose children its first name is; the names after that are either its
    own children or its siblings, which only the classes can tell.
    """
    rows: list[tuple[str, list[str], str]] = []
    above: list[tuple[int, str]] = []
    lines = docstring.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split()[:1] == ["CrlfError"])
    for line in lines[start:]:
        names = line.replace(";", " ").replace(":", " ").split()
        indent = len(line) - len(line.lstrip())
        while above and above[-1][0] >= indent:
            above.pop()
        if names:
            rows.append((above[-1][1] if above else "", names, line.strip()))
            above.append((indent, names[0]))
    return rows


def tree_faults(rows: list[tuple[str, list[str], str]], classes: dict[str, type]) -> Iterable[str]:
    """See where a drawing and the classes differ."""
    drawn = [name for _, names, _ in rows for name in names]
    for name in {name for name in drawn if drawn.count(name) > 1}:
        yield f"{name} is drawn twice"
    for name in set(classes) - set(drawn):
        yield f"{name} is not drawn"
    for name in set(drawn) - set(classes):
        yield f"{name} is drawn, but there is none"
    for parent, (first, *others), line in rows:
        owners = [parent_of(classes, name) for name in (first, *others)]
        if owners not in ([parent] * len(owners), [parent] + [first] * len(others)):
            yield f"{line}: really under {owners}"


def parent_of(classes: dict[str, type], name: str) -> str:
    """Name the error that an error derives from; "" for the root and for what is none."""
    bases = classes[name].__bases__ if name in classes else ()
    return next((base.__name__ for base in bases if base.__name__ in classes), "")


def errors_of(module: ModuleType) -> dict[str, type[CrlfError]]:
    """List the errors that a module defines."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, CrlfError)
        and value.__module__ == module.__name__
    }


CLASSES = errors_of(errors)


def test_the_drawing_is_the_tree() -> None:
    assert list(tree_faults(drawn_tree(errors.__doc__ or ""), CLASSES)) == []


@pytest.mark.parametrize(
    "drawing",
    [
        "    CrlfError\n      Timeout   ConnectTimeout\n      TransportError ConnectFailed",
        "    CrlfError\n      TransportError  ConnectFailed ReadFailed Timeout Nonsense",
        "    CrlfError   TooLarge TooLarge",
    ],
)
def test_a_wrong_drawing_is_seen(drawing: str) -> None:
    faults = list(tree_faults(drawn_tree(drawing), CLASSES))
    assert any("not drawn" in fault for fault in faults)
    assert any("not drawn" not in fault for fault in faults)


def test_all_errors_are_in_one_file() -> None:
    """An error on a higher floor would be unknown to those below that must let it pass."""
    for module in lawbook.package():
        if module.department not in ("cli", ""):
            importlib.import_module(module.name)
    family, found = [CrlfError], set()
    while family:
        found.update(children := family.pop().__subclasses__())
        family.extend(children)
    assert {error for error in found if error.__module__ != errors.__name__} == set()


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy]
    + [lambda error, p=p: pickle.loads(pickle.dumps(error, p)) for p in range(2, 6)],
    ids=["copy", "deepcopy", "pickle2", "pickle3", "pickle4", "pickle5"],
)
def test_an_error_survives_a_copy(name: str, again) -> None:
    error = CLASSES[name](*ARGUMENTS.get(name, ("it broke",)))
    error.during("the request")
    error.phase, error.seconds, error.extra = "read", 1.5, ["note"]
    for attribute in ("rule", "status_code", "offset"):
        if hasattr(error, attribute):
            setattr(error, attribute, f"another {attribute}")
    error.add_note("and a note")
    other = again(error)
    assert type(other) is type(error)
    assert (other.args, str(other), vars(other)) == (error.args, str(error), vars(error))
    assert other is not error


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_says_something(name: str) -> None:
    error = CLASSES[name](*ARGUMENTS.get(name, ("it broke",)))
    assert str(error)
    assert error.reason == error.args[0]
    assert CLASSES[name].__doc__
