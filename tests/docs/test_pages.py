"""The pages that are made from the source and from the tests' marks say what those say."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

import conformance
import settings
import states
from conformance import Guard
from crlf.cli.commands import COMMANDS
from crlf.server.settable import SETTINGS
from crlf.wire.h1.state import BODY, DATA, IDLE, NEXT, NO, STATE_NAMES, TABLE

DOCS = Path(__file__).resolve().parents[2] / "docs"

SOURCE = '''
@frozen
class Bounds:
    """Bounds on a thing."""

    first: int = 8 * 1024  # bytes; nginx 8 KiB | Apache 8190
    second: int | None = None
    third: float = 2.5  # "#" is no comment in a string

@dataclass(frozen=True)
class Facts:
    """No settings: nothing is set."""

    a: int | None = None
    b: int | None = None
    c: int | None = None

@dataclass(frozen=True)
class Value:
    """No settings: one has to be given."""

    a: int
    b: int = 1
    c: int = 1

SMALL = Bounds(first=1024)
SAME = Bounds()
'''


def test_settings_come_with_their_defaults_presets_and_remarks() -> None:
    groups = list(settings.groups_of(SOURCE, "crlf.sample"))
    page = settings.build_page(groups, {"CRLF_SAMPLE": "crlf.net.sample"})
    assert [group.name for group in groups] == ["Bounds"]
    assert "| `first` | `8 * 1024` | `1024` | bytes; nginx 8 KiB \\| Apache 8190 |" in page
    assert "| `second` | `None` |  |  |" in page
    assert '| "#" is no comment in a string |' in page
    assert "SAME" not in page
    assert "| `CRLF_SAMPLE` | `crlf.net.sample` |" in page


OPTIONS = """
class CallOptions(TypedDict, total=False):
    \"\"\"What a call takes.

    path: where to; a name will do. size, speed: how much. again: at once.
    \"\"\"

    path: str
    size: int
    speed: int
    again: bool
    colour: str

class ClientOptions(TypedDict, total=False):
    \"\"\"What a client takes.\"\"\"

    colour: str  # of everything
    wait: float | None

class ShelfOptions(TypedDict, total=False):
    \"\"\"What a Shelf takes.\"\"\"

    depth: int
    lit: bool

class Shelf:
    \"\"\"A shelf. depth: in metres. lit: with a lamp.

    More of it.
    \"\"\"

    def __init__(self, path: str, *, depth: int = 2, lit: bool = False) -> None: ...
"""
FACE = """
class ClientSettings:
    wait: float | None = LONGEST

def call(options):
    options.get("size", MOST), options.get("again", True), options.get("colour", other)

MOST = LONGEST = 5
MOST: Final = 7  # bytes
"""


def test_options_come_with_their_defaults_and_meanings() -> None:
    found = settings.options_of(OPTIONS, "crlf.face", settings.defaults_in([FACE]))
    call, client, shelf = found
    assert call.about == "What a call takes."
    assert [(one.name, one.value, one.remark) for one in call.settings] == [
        ("path", "None", "where to; a name will do"),
        ("size", "MOST", "how much"),
        ("speed", "None", "how much"),
        ("again", "True", "at once"),
        ("colour", "the client's", ""),
    ]
    assert [(one.value, one.remark) for one in client.settings] == [
        ("None", "of everything"),
        ("LONGEST", ""),
    ]
    assert [(one.name, one.value, one.remark.partition(".")[0]) for one in shelf.settings] == [
        ("depth", "2", "in metres"),
        ("lit", "False", "with a lamp"),
    ]
    page = settings.build_page([settings.spelled_out(call, {"MOST": "7"})], {})
    assert "| `size` | `int` | `7` | how much |" in page
    assert "| `colour` | `str` | the client's |  |" in page


def test_the_settings_of_crlf_are_found() -> None:
    names = {group.name for group in settings.find_groups()}
    assert {
        "ClientOptions", "DownloadOptions", "FolderOptions", "FolderSettings", "Limits",
        "Patience", "Policy", "PoolLimits", "RequestOptions", "Retry", "ServerSettings",
        "Timeout", "TrustEnv",
    } <= names  # fmt: skip


def test_every_option_of_crlf_says_what_it_is() -> None:
    silent = [
        f"{group.name}.{setting.name}"
        for group in settings.find_groups()
        if group.are_options or group.name in settings.OF_SERVERS
        for setting in group.settings
        if not setting.remark
    ]
    assert silent == []


def test_every_limit_says_its_precedent() -> None:
    """STYLE: a limit says its precedent, beside it, where whoever changes it will see it."""
    silent = [
        f"{group.module}.{group.name}.{setting.name}"
        for group in settings.find_groups()
        if group.name.endswith("Limits")
        for setting in group.settings
        if not setting.remark
    ]
    assert silent == []


def test_the_states_are_drawn_from_the_table_of_the_engine(monkeypatch) -> None:
    drawn = states.build_page()
    assert all(f">{name}</text>" in drawn for name in STATE_NAMES)
    assert drawn.count(">whole message</text>") == 1
    assert "| **IDLE** | IDLE | BODY | – | – | DONE | – | CLOSED | SWITCHED | FAILED |" in drawn
    other = [list(row) for row in TABLE]
    other[BODY][DATA], other[BODY][NEXT] = NO, IDLE
    monkeypatch.setattr(states, "TABLE", other)
    drawn = states.build_page()
    assert (drawn.count(">data</text>"), drawn.count(">next</text>")) == (0, 2)


def test_a_rule_is_listed_with_its_tests_in_their_words() -> None:
    guards = [
        Guard(("9112", "6.10"), "tests/a.py::test_b", "a *body* ends"),
        Guard(("9112", "6.9"), "tests/a.py::test_c", "another"),
    ]
    page = conformance.build_page(guards, Counter())
    assert "2 tests guard 2 rules" in page
    assert page.index("[6.9](https://www.rfc-editor.org/rfc/rfc9112#section-6.9)") < page.index(
        "- a \\*body\\* ends"
    )
    assert "None: each rule" in page


def test_a_rule_that_no_test_names_is_a_gap() -> None:
    guards = [Guard(("9112", "6.3.1"), "t", "t"), Guard(("9112", "71"), "t", "t")]
    cited = Counter([("9112", "6.3"), ("9112", "6"), ("9112", "7"), ("9110", "6.3")])
    assert conformance.gaps(guards, cited) == [("9110", "6.3"), ("9112", "7")]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("# RFC 9112 6.3 (5)", ("9112", "6.3")),
        ('"RFC 6265bis 5.6.2"', ("6265bis", "5.6.2")),
        ("RFC 9110, section 15.4.4: a 303", ("9110", "15.4.4")),
        ("by the rules of RFC 9112 section 6.", ("9112", "6")),
    ],
)
def test_a_citation_is_recognised(text: str, rule: tuple[str, str]) -> None:
    found = conformance.CITED.search(text)
    assert found is not None
    assert found.groups() == rule


# What these pages are about is limits, or what goes wrong; or they are read from top to bottom.
WITHOUT = {
    "server/configuration": {"Limits and defaults"},
    "server/limits": {"Limits and defaults"},
    "server/slow-clients": {"Limits and defaults", "What goes wrong"},
    "apps/coming-from": {"Limits and defaults"},
    "apps/store": {"Limits and defaults", "What goes wrong"},
    "apps/tutorial": {"Limits and defaults", "What goes wrong"},
}
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path for path in sorted(DOCS.glob("*/*.md"))
}


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith(("apps/", "server/"))])
def test_a_page_says_what_goes_wrong_and_what_holds(page: str) -> None:
    titles = set(re.findall(r"^##+ (.+)$", PAGES[page].read_text(encoding="utf-8"), re.M))
    assert {"What goes wrong", "Limits and defaults"} - titles == WITHOUT.get(page, set())


@pytest.mark.parametrize("path", [*PAGES.values(), *DOCS.glob("*.md")], ids=lambda path: path.stem)
def test_each_module_that_a_page_names_exists(path: Path) -> None:
    """`crlf.server.files.folder` is a module, and so on, or something in one."""
    floors = "message|wire|rules|ports|flow|net|client|server|cli"
    text = path.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w./-])crlf\.(?:{floors})\b(?:\.[A-Za-z_]\w*)*", text)
    assert [name for name in sorted(set(named)) if not is_there(name)] == []


def test_a_module_that_is_not_there_is_seen() -> None:
    names = [
        "crlf.server.answers",
        "crlf.server.apps.answers",
        "crlf.server.is_local",
        "crlf.wire.Lamp",
    ]
    assert [is_there(name) for name in names] == [False, True, True, False]


def is_there(name: str) -> bool:
    """Tell whether a dotted name is a module's, or in a module."""
    words = name.split(".")
    for length in range(len(words), 0, -1):
        module = ".".join(words[:length])
        try:
            found: object = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        return all((found := getattr(found, word, None)) is not None for word in words[length:])
    return False


def test_the_excerpts_of_the_web_mail_stand_in_it() -> None:
    """Those of the store: tests/examples/test_store_docs.py."""
    shown = re.findall(
        r"^```python no-run\n(.*?)^```", PAGES["apps/webmail"].read_text(), re.M | re.S
    )
    sources = [path.read_text() for path in (DOCS.parent / "examples/webmail").glob("*.py")]
    assert shown
    assert [text for text in shown if not any(text in source for source in sources)] == []


def test_each_page_is_in_the_table_of_contents() -> None:
    menu = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    first = (DOCS / "index.md").read_text(encoding="utf-8")
    for path in sorted(DOCS.glob("*/*.md")):
        name = path.relative_to(DOCS).as_posix()
        assert f": {name}\n" in menu
        assert f"({name})" in first


def test_each_option_that_a_page_names_exists() -> None:
    known = {name for option in COMMANDS["serve"].options for name in option.names}
    known |= {f"--{one.name}" for one in SETTINGS} | {"--no-health"}
    known |= {f"--{alias}" for one in SETTINGS for alias in one.aliases}
    for path in sorted((DOCS / "server").glob("*.md")):
        if path.stem == "coming-from":
            continue  # it names those of others; see test_server_coming_from.py
        text = re.sub(r"```(?:ini|text|dockerfile)[^`]*```|`docker [^`]*`", "", path.read_text())
        for line in re.findall(r"^.*crlf serve.*$|`--[a-z][^`]*`", text, re.M):
            named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", line))
            assert named <= known, f"{path.name}: {named - known}"
