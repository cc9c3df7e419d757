"""Adds to the documentation the pages that are made, not written, and looks at what was built.

mkdocs calls the functions here by their names (mkdocs.yml, hooks). Nothing is written into
docs/: made pages exist only in the site.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import conformance
import settings
import states

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "crlf"
# Pages that stand at the repository's root, where a visitor looks for them.
AT_ROOT = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
# Packages in the order of their floors, with what each is for.
FLOORS = {
    "message": "what HTTP says: values and grammar",
    "wire": "bytes to parts and back",
    "rules": "decisions, without I/O",
    "ports": "what the flows wait on",
    "flow": "waiting, written once",
    "net": "sockets and loops",
    "client": "the client's faces",
    "server": "the server's faces",
    "cli": "the command line",
}
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *(?:```+|~~~+)[a-z]+)((?: [^\n]*)?)$", re.MULTILINE)
ROW = re.compile(r"^\|.*\|$", re.MULTILINE)  # of a table
CODE = re.compile(r"`[^`\n]+`")
# What makes a browser fetch something as it shows the page: from elsewhere, that is a leak.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?![^>]*rel=["']?(?:canonical|next|prev|alternate))[^>]*href=["']?(?:https?:)?//[^"'\s>]+"""
    r"""|url\(["']?(?:https?:)?//[^)]+|@import\s+["'](?:https?:)?//[^"']+"""
)


def on_files(files: Any, config: Any) -> Any:
    """Add the made pages."""
    made = {
        "conformance.md": conformance.build_page(
            conformance.collect_guards(), conformance.cited_rules()
        ),
        "settings.md": settings.build_page(settings.find_groups(), settings.find_variables()),
        "states.md": states.build_page(),
        "reference/index.md": reference_index(),
    }
    for name, page in AT_ROOT.items():
        path = ROOT / name
        made[page] = move_links(path.read_text(encoding="utf-8")) if path.is_file() else UNWRITTEN
    for floor in FLOORS:
        made[f"reference/{floor}.md"] = reference_page(floor)
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


UNWRITTEN = "# Not written yet\n"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Take from opening fences what is said to the tests: `python no-run` becomes `python`.

    In tables, a bar in code loses its backslash, which GitHub wants and Python-Markdown shows.
    """

    def plain(match: re.Match[str]) -> str:
        title = re.search(r' title="[^"]*"', match[2])
        return match[1] + (title[0] if title else "")

    def unescaped(match: re.Match[str]) -> str:
        return match[0].replace(r"\|", "|")

    return ROW.sub(
        lambda row: CODE.sub(unescaped, row[0]),
        FENCE.sub(plain, markdown),
    )


def on_post_build(config: Any) -> None:
    """Fail when a page would make its reader's browser ask another site for anything."""
    found = [
        f"{path.name}: {match[0]}"
        for path in sorted(Path(config["site_dir"]).rglob("*"))
        if path.suffix in (".html", ".css")
        for match in FETCHED.finditer(path.read_text(encoding="utf-8"))
    ]
    if found:
        raise PluginError("fetched from elsewhere:\n" + "\n".join(found))


def move_links(text: str) -> str:
    """Turn links between files of the repository into links between pages, or into words."""

    def moved(match: re.Match[str]) -> str:
        words, target = match[1], match[2]
        if target.startswith(("#", "https://", "http://")):
            return match[0]
        file, _, anchor = target.partition("#")
        page = AT_ROOT.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") else "")
        return f"[{words}]({page}{'#' + anchor if anchor else ''})" if page else words

    return LINK.sub(moved, text)


def modules_of(floor: str) -> list[str]:
    """List the modules of a floor by their full names, the package itself first."""
    single = SOURCE / f"{floor}.py"
    if single.is_file():
        return [f"crlf.{floor}"]
    return [
        settings.module_name(path) for path in sorted((SOURCE / floor).rglob("*.py"), key=order)
    ]


def order(path: Path) -> tuple[bool, str]:
    """Sort a package's own file before those in it."""
    return (path != path.parent / "__init__.py" or path.parent.parent != SOURCE, str(path))


def reference_page(floor: str) -> str:
    """Write one floor's page: its modules, each from its docstrings."""
    lines = [f"# crlf.{floor}", "", f"{FLOORS[floor].capitalize()}.", ""]
    for module in modules_of(floor):
        if says_something(module):
            lines += [f"::: {module}", ""]
    return "\n".join(lines)


def says_something(module: str) -> bool:
    """Tell whether a module has any text: a package's __init__ may be empty."""
    path = SOURCE.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return bool(file.read_text(encoding="utf-8").strip())


def reference_index() -> str:
    """Write the page that the reference opens with."""
    lines = [
        "# Reference",
        "",
        "From the lowest floor up. What a floor uses is above it in this list.",
        "",
    ]
    lines += [f"- [crlf.{floor}]({floor}.md): {about}" for floor, about in FLOORS.items()]
    return "\n".join([*lines, "", "::: crlf", ""])
