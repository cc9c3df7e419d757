"""Writes the settings page: every limit, timeout and option with its default and its reason.

A setting is a field of a value (crlf/values.py, or a frozen dataclass) all of whose fields have
defaults, not all of them None. What it means is the comment beside it in the source, so page
and source cannot differ.

An option is a word that a face takes: a key of a TypedDict. What it means is the comment beside
it, or in the docstring as "word: meaning". Its default is where the face looks it up, or the field
of that name in what it makes of its options: for ClientOptions, ClientSettings.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "crlf"
FEWEST = 3  # fields; a smaller class is a value, not a group of settings
# Values that fit the description, and are none of a user's settings. ClientSettings says in one
# form what ClientOptions says in a user's; the others are an event, a test's, and what was read.
NOT_SET = {"Bind", "ClientSettings", "FileTold", "ServerSentEvent", "Shape"}
# Of these each field is a setting of the command line too, which says what it is.
OF_SERVERS = {"ServerSettings": "", "FolderSettings": "folder."}
CLIENT = "ClientOptions"
CLIENTS = "the client's"  # the default of an option of one request that its client takes too


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
    are_options: bool = False


def find_groups() -> list[Group]:
    """Read the source for classes of settings."""
    sources = {
        module_name(path): path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))
    }
    everywhere = find_constants(sources.values())
    found: list[Group] = []
    for package in sorted({parent(module) for module in sources}):
        inside = {name: text for name, text in sources.items() if parent(name) == package}
        constants = everywhere | find_constants(inside.values())
        has_options = any("TypedDict" in text for text in inside.values())
        defaults = defaults_in(inside.values()) if has_options else {}
        for module, text in inside.items():
            groups = [*options_of(text, module, defaults), *groups_of(text, module)]
            found += [spelled_out(each, constants) for each in groups if each.name not in NOT_SET]
    return [of_server(group) if group.name in OF_SERVERS else group for group in found]


def of_server(group: Group) -> Group:
    """Say of each field what the command line says of its option."""
    sys.path.insert(0, str(SOURCE.parent))
    from crlf.server.settable import SETTINGS

    known = {one.place or one.name.replace("-", "_"): one for one in SETTINGS}
    settings = []
    for setting in group.settings:
        one = known.get(OF_SERVERS[group.name] + setting.name)
        meaning = f"`--{one.name}`: {one.meaning}" if one is not None else "see there"
        remark = "; ".join(filter(None, [meaning, setting.remark]))
        settings.append(replace(setting, remark=remark))
    about = group.about.partition("\n\n")[0]  # the rest says the same, field by field
    return replace(group, about=about, settings=settings)


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def parent(module: str) -> str:
    return module.rpartition(".")[0]


# -- options


def options_of(text: str, module: str, defaults: dict[str, str]) -> Iterator[Group]:
    """Find the TypedDicts of one file; what one inherits is said where it stands.

    defaults: of options by name, and of what a client makes of its own as "client.name".
    """
    tree = parsed(text)
    of_client = [
        ast.unparse(item.target)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == CLIENT
        for item in node.body
        if isinstance(item, ast.AnnAssign)
    ]
    remarks = comments(text)
    known = {"TypedDict", "RequestOptions"}  # a download's options are in another file
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or not known & {ast.unparse(b) for b in node.bases}:
            continue
        known.add(node.name)
        fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
        names = [ast.unparse(field.target) for field in fields]
        about, meanings = meanings_in(ast.get_docstring(node) or "", names)
        made = made_of(tree, node.name.removesuffix("Options"))
        meanings = meanings_in(made[0], [*names, *made[1]])[1] | meanings
        own = defaults | made[1]
        settings = [
            Setting(
                name,
                ast.unparse(field.annotation),
                CLIENTS
                if node.name != CLIENT and name in of_client
                else own.get(f"client.{name}", own.get(name, "None")),
                remarks.get(field.end_lineno or field.lineno, "") or meanings.get(name, ""),
            )
            for name, field in zip(names, fields, strict=True)
        ]
        yield Group(node.name, module, about, settings, {}, are_options=True)


def made_of(tree: ast.Module, name: str) -> tuple[str, dict[str, str]]:
    """Find the class that is made with options, as Folder is with FolderOptions.

    Return its docstring and what its options are when they are not given.
    """
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name != name:
            continue
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                given = zip(item.args.kwonlyargs, item.args.kw_defaults, strict=True)
                return (ast.get_docstring(node) or "").partition("\n\nRaises ")[0], {
                    each.arg: ast.unparse(value) for each, value in given if value is not None
                }
    return "", {}


def meanings_in(docstring: str, names: list[str]) -> tuple[str, dict[str, str]]:
    """Take a docstring apart: what stands before the first "word: meaning", and the meanings."""
    text = " ".join(docstring.split())
    listed = "|".join(sorted(names, key=len, reverse=True))
    starts = list(re.finditer(rf"(?:^|(?<=[.;] ))((?:{listed})(?:, (?:{listed}))*): ", text))
    ends = [*(start.start() for start in starts[1:]), len(text)]
    meanings = {
        name: text[start.end() : end].strip(" ;.")
        for start, end in zip(starts, ends, strict=bool(starts))
        for name in start[1].split(", ")
    }
    return text[: starts[0].start()].strip() if starts else text, meanings


def defaults_in(texts: Iterable[str]) -> dict[str, str]:
    """Find what the modules of a face take where an option is not given, by its name."""
    found: dict[str, str] = {}
    for node in (node for text in texts for node in ast.walk(parsed(text))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="options"), attr="get"),
                args=[ast.Constant(value=str(name)), default],
            ) if not isinstance(default, ast.Name) or default.id.isupper():
                found[name] = ast.unparse(default)
            case ast.ClassDef(name="ClientSettings", body=body):
                for field in body:
                    if isinstance(field, ast.AnnAssign) and field.value is not None:
                        found[f"client.{ast.unparse(field.target)}"] = ast.unparse(field.value)
    return found


# -- values


def find_constants(texts: Iterable[str]) -> dict[str, str]:
    """Find numbers and sets that have one name in all of the source, and what they are."""
    found: dict[str, set[str]] = {}
    for text in texts:
        for node in parsed(text).body:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ) if name.isupper():
                    found.setdefault(name, set()).add(ast.unparse(value))
    return {name: values.pop() for name, values in found.items() if len(values) == 1}


def spelled_out(group: Group, constants: dict[str, str]) -> Group:
    """Say what a default is that the source says by a name."""
    settings = []
    for setting in group.settings:
        value = constants.get(setting.value, setting.value)
        plain = r"[0-9 *.]+|frozenset\(.*\)|[A-Z][a-zA-Z]+\(\)|\(('[^']*',? ?)+\)"
        is_plain = re.fullmatch(plain, value) is not None
        settings.append(replace(setting, value=value) if is_plain else setting)
    return replace(group, settings=settings)


def module_name(path: Path) -> str:
    """Name a file as it is imported."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def groups_of(text: str, module: str) -> Iterator[Group]:
    """Find the classes of settings in one file."""
    tree = parsed(text)
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
        if group.are_options:
            lines += option_rows(group)
            continue
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
        lines += [
            "",
            "Each setting of a server has one as well: [Configuration](server/configuration.md).",
        ]
    return "\n".join(lines) + "\n"


def option_rows(group: Group) -> list[str]:
    """Write the table of a group of options."""
    head = ["option", "takes", "default", "what it is"]
    return [
        row(head),
        row(["---"] * len(head)),
        *(
            row(
                [
                    code(s.name),
                    code(s.kind),
                    s.value if s.value == CLIENTS else code(s.value),
                    s.remark,
                ]
            )
            for s in group.settings
        ),
    ]


def row(cells: list[str]) -> str:
    """Write one row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def code(text: str) -> str:
    """Write a value as code."""
    return f"`{text}`"


if __name__ == "__main__":
    print(build_page(find_groups(), find_variables()), end="")
