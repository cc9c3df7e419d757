"""Writes the settings page: every limit, timeout and option with its default and its reason.

A setting is a field of a value (crlf/values.py, or a frozen dataclass) all of whose fields have
defaults, not all of them None. What it means is the comment beside it in the source, so page
and source cannot differ.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "crlf"
FEWEST = 3  # fields; a smaller class is a value, not a group of settings


@dataclass(frozen=True)
class Setting:
    """One field. kind and value are as the source writes them."""

    name: str
    kind: str
    value: str
    remark: str


@dataclass(frozen=True)
class Group:
    """One class of settings. presets: instances of it by name, with what they change."""

    name: str
    module: str
    about: str
    settings: list[Setting]
    presets: dict[str, dict[str, str]]


def find_groups() -> list[Group]:
    """Read the source for classes of settings."""
    return [
        group
        for path in sorted(SOURCE.rglob("*.py"))
        for group in groups_of(path.read_text(encoding="utf-8"), module_name(path))
    ]


def module_name(path: Path) -> str:
    """Name a file as it is imported."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def groups_of(text: str, module: str) -> Iterator[Group]:
    """Find the classes of settings in one file."""
    tree = ast.parse(text)
    remarks = comments(text)
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_") or not frozen(node):
            continue
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
        if len(fields) < FEWEST or not all(field.value for field in fields):
            continue
        if all(field.value and ast.unparse(field.value) == "None" for field in fields):
            continue  # facts that may be missing
        yield Group(
            name=node.name,
            module=module,
            about=ast.get_docstring(node) or "",
            settings=[
                Setting(
                    ast.unparse(field.target),
                    ast.unparse(field.annotation),
                    ast.unparse(field.value) if field.value else "",
                    remarks.get(field.end_lineno or field.lineno, ""),
                )
                for field in fields
            ],
            presets=dict(presets_of(tree, node.name)),
        )


def frozen(node: ast.ClassDef) -> bool:
    """Tell whether a class is a value: its fields are set once."""
    marks = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(
        mark == "frozen" or ("dataclass(" in mark and "frozen=True" in mark) for mark in marks
    )


def presets_of(tree: ast.Module, name: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Find `CLIENT_LIMITS = Limits(line=...)` and the like, as far as they change something."""
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=preset)],
                value=ast.Call(func=ast.Name(id=called), keywords=changed),
            ) if called == name:
                if changed:
                    yield (
                        preset,
                        {item.arg: ast.unparse(item.value) for item in changed if item.arg},
                    )


def comments(text: str) -> dict[int, str]:
    """Find the comments that stand at the end of a line, by the line's number."""
    lines = iter(text.splitlines(keepends=True))
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(lambda: next(lines, ""))
        if token.type == tokenize.COMMENT and token.line.split("#")[0].strip()
    }


def find_variables() -> dict[str, str]:
    """Find the environment variables that the source reads, each with its module."""
    found: dict[str, str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                    reader = ast.unparse(function)
                case ast.Subscript(value=mapping, slice=ast.Constant(value=str(name))):
                    reader = ast.unparse(mapping) + ".get"
                case _:
                    continue
            if reader.endswith(("environ.get", "getenv")):
                found.setdefault(name, module_name(path))
    return found


def build_page(groups: list[Group], variables: dict[str, str]) -> str:
    """Write the page in Markdown."""
    lines = [
        "# Settings",
        "",
        "Made from the source, where each number stands beside its precedent. Sizes are in bytes",
        "and times in seconds unless a name says otherwise; `None` means no bound, and has to be",
        "written.",
    ]
    for group in groups:
        lines += ["", f"## {group.name}", "", f"`{group.module}`", "", group.about, ""]
        head = ["setting", "default", *group.presets, "why"]
        lines += [row(head), row(["---"] * len(head))]
        for setting in group.settings:
            changed = [group.presets[preset].get(setting.name, "") for preset in group.presets]
            values = [code(value) if value else "" for value in (setting.value, *changed)]
            lines.append(row([code(setting.name), *values, setting.remark]))
    if variables:
        lines += ["", "## Environment variables", "", row(["variable", "read by"])]
        lines.append(row(["---"] * 2))
        lines += [row([code(name), code(variables[name])]) for name in sorted(variables)]
    return "\n".join(lines) + "\n"


def row(cells: list[str]) -> str:
    """Write one row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def code(text: str) -> str:
    """Write a value as code."""
    return f"`{text}`"


if __name__ == "__main__":
    print(build_page(find_groups(), find_variables()), end="")
