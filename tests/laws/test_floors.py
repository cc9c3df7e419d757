"""Imports only go down, at module level, never under TYPE_CHECKING (ARCHITECTURE.md, Floors)."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

import lawbook
from lawbook import FLOORS, Fault, Module, report, sample, uphold

# The only files that may import crlf's own modules late: the front door, so that `import crlf`
# is cheap, and the command line, which loads the one command that was asked for.
LATE = ("__init__.py", "cli/entry.py", "cli/main.py")

# Modules of crlf that few need: who loads them when they are needed, and why. A late import is no
# way round a floor: it goes down like any other.
LATE_OWN = {
    ("net/aio.py", "crlf.net.tls"): "loads ssl, 10 to 20 ms that plain HTTP does not owe",
    ("net/blocking.py", "crlf.net.tls"): "the same",
    ("net/aio.py", "crlf.net.socks"): "few have a SOCKS proxy",
    ("net/blocking.py", "crlf.net.socks"): "the same",
    ("net/blocking.py", "crlf.net.sendfile"): "few send files",
    ("message/request.py", "crlf.message.fields.negotiation"): "only an application chooses",
    ("message/request.py", "crlf.message.uploads"): "loads secrets; no client is sent files",
    ("message/link.py", "crlf.message.fields.disposition"): "few titles are beyond ASCII",
    ("message/response.py", "crlf.message.fields.links"): "few responses have any",
    ("client/plain.py", "crlf.client.inside"): "loads asyncio, 60 ms, for Client(app=app) alone",
    ("client/core.py", "crlf.client.authorized"): "most need no more than a field to authenticate",
    ("client/dressing.py", "crlf.wire.coding"): "looks for packages, 2 ms, unless it is told",
    ("client/forms.py", "crlf.client.uploads"): "most forms have no files",
    ("client/recording.py", "crlf.rules.har"): "a recorder alone writes no file",
    ("flow/incoming.py", "crlf.flow.decoding"): "decoders, which plain content does without",
    ("client/dressing.py", "crlf.message.progress"): "few watch their content go out",
    ("client/dressing.py", "crlf.rules.authentication"): "few authenticate",
    ("client/settings.py", "crlf.rules.proxies"): "few go through a proxy",
    ("flow/dial.py", "crlf.flow.tunnel"): "the same",
    ("flow/sending.py", "crlf.flow.tunnel"): "the same",
    ("flow/sending.py", "crlf.flow.decoding"): "decoders, which plain content does without",
    ("server/serving.py", "crlf.server.arriving"): "loads ssl, 20 ms that plain HTTP does not owe",
    ("server/serving.py", "crlf.net.certificates"): "the same",
    (
        "server/apps/app.py",
        "crlf.server.gateways.asgiface",
    ): "loads asyncio, and few serve it elsewhere",
    ("server/apps/sessions.py", "crlf.net.sessionvalkey"): "few have many machines",
    ("server/apps/templates.py", "crlf.server.apps.environment"): "made of Jinja2, an extra",
    ("server/apps/errorpages.py", "crlf.server.apps.debugpage"): "what no visitor ever sees",
    ("server/files/foldersite.py", "crlf.server.files.uploading"): "few folders take files",
    ("server/hosting.py", "crlf.server.gateways.asgi"): "few servers host both",
    ("server/hosting.py", "crlf.server.gateways.wsgi"): "the same",
    ("cli/commands.py", "crlf.cli.transferring.options"): "few commands move files",
    ("cli/commands.py", "crlf.cli.explaining.options"): "only explain has them",
    ("cli/commands.py", "crlf.cli.serving.options"): "a server's settings, which only it knows",
    ("cli/exchanging/fetch.py", "crlf.cli.showing.printing"): "a pipe gets content, as it is",
    ("cli/exchanging/watched.py", "crlf.cli.showing.view"): "few look at the wire",
    ("cli/exchanging/watched.py", "crlf.cli.exchanging.recorded"): "few keep what they sent",
    ("cli/explaining/explain.py", "crlf.cli.explaining.page"): "few want a page",
    ("cli/explaining/explain.py", "crlf.cli.explaining.structured"): "few want it for programs",
    ("cli/explaining/explain.py", "crlf.cli.loading"): "few talk to an application in memory",
    ("cli/explaining/explain.py", "crlf.client.inside"): "loads asyncio, 60 ms, for --app alone",
    ("cli/explaining/explain.py", "crlf.rules.har"): "few write one",
    ("cli/exchanging/watched.py", "crlf.cli.showing.measure"): "few ask for figures",
    ("cli/exchanging/watched.py", "crlf.cli.showing.writeout"): "the same",
    ("cli/showing/printing.py", "crlf.cli.showing.selecting"): "few select",
    ("cli/showing/printing.py", "crlf.cli.showing.measure"): "few ask for figures",
    ("cli/showing/printing.py", "crlf.cli.showing.sent"): "few look at what they asked",
    ("cli/showing/printing.py", "crlf.net.tap"): "the same",
    ("cli/showing/formatting.py", "crlf.cli.showing.images"): "most content is text",
    ("cli/showing/formatting.py", "crlf.cli.showing.markup"): "an answer is one thing or another",
    ("cli/asking/request.py", "crlf.cli.asking.content"): "most requests carry nothing",
    ("cli/asking/request.py", "crlf.cli.asking.credentials"): "few authenticate",
    ("cli/asking/request.py", "crlf.cli.asking.way"): "few say more than where",
    ("cli/asking/content.py", "crlf.cli.asking.nested"): "most content is no JSON",
    ("cli/asking/content.py", "crlf.cli.asking.coded"): "few compress, or keep a length back",
    ("cli/asking/content.py", "crlf.client.uploads"): "most forms have no files",
    ("cli/asking/way.py", "crlf.rules.addresses"): "few ask for a stranger",
    ("cli/asking/way.py", "crlf.rules.proxies"): "few go through one",
    ("cli/serving/serve.py", "crlf.net.selfsigned"): "few make a certificate up",
    ("cli/serving/serve.py", "crlf.server.processes.supervisor"): "one process does without",
    (
        "cli/transferring/painting.py",
        "crlf.cli.transferring.richbars",
    ): "rich is optional, 60 ms, and for a terminal alone",
    ("cli/exchanging/fetch.py", "crlf.cli.asking.sessions"): "few have a session",
    ("rules/retries.py", "crlf.message.fields.retryafter"): "few responses have the field",
}

# What a function may import when it is called, and why it is not imported before.
HEAVY = {
    "argparse": "only a command line that is about to fail or to print help needs it",
    "asyncio": "15 ms that a blocking client does not owe",
    "brotli": "optional",
    "charset_normalizer": "optional, 60 ms",
    "compression": "optional: Python 3.14",
    "concurrent": "threads are for those who use them",
    "hashlib": "loads OpenSSL",
    "html": "entity table",
    "idna": "tables, and few host names are not ASCII",
    "importlib": "loads what the user names",
    "ipaddress": "2 ms, and few clients are told of networks",
    "random": "3 ms, for the few who try again",
    "jinja2": "optional",
    "json": "few bodies are JSON",
    "logging": "the caller may never log",
    "markupsafe": "comes with Jinja2, which is optional",
    "multiprocessing": "only several workers need it",
    "prometheus_client": "optional",
    "cryptography": "optional: a certificate for development",
    "valkey": "optional, 100 ms",
    "watchfiles": "optional: for development",
    "publicsuffixlist": "reads a list of 10,000 lines",
    "python_socks": "optional",
    "resource": "not there on Windows",
    "secrets": "loads OpenSSL",
    "pathlib": "loads urllib, ipaddress and fnmatch",
    "shutil": "pulls in every archive format",
    "socket": "a command that stays in memory opens none",
    "sqlite3": "a library of its own",
    "ssl": "10 ms, and reads certificates",
    "subprocess": "only the supervisor needs it",
    "tomllib": "few servers have a file of settings",
    "tempfile": "pulls in random and shutil",
    "traceback": "only an error page needs it",
    "truststore": "imports ssl",
    "uvloop": "optional, 10 ms",
    "zlib": "a library of its own",
    "zstandard": "optional",
}


def floor_faults(module: Module) -> Iterator[Fault]:
    """See imports that go up or sideways between the departments of crlf."""
    here = FLOORS.get(module.department)
    if here is None:
        yield Fault(module.path, 1, f"on no floor: {module.department} is not in FLOORS")
        return
    for found in lawbook.imports(module):
        if (
            found.name.split(".")[0] != "crlf"
            or lawbook.department(found.name) == module.department
        ):
            continue
        there = FLOORS.get(lawbook.department(found.name))
        if there is None or there >= here:
            yield Fault(
                module.path, found.line, f"floor {here} imports {found.name}, floor {there}"
            )


def late_faults(module: Module) -> Iterator[Fault]:
    """See imports inside functions that are neither heavy nor in a place that may."""
    if module.path in LATE:
        return
    for found in lawbook.imports(module):
        heavy = found.name.split(".")[0] in HEAVY or (module.path, found.name) in LATE_OWN
        if found.deferred and not heavy:
            yield Fault(module.path, found.line, f"imports {found.name} inside a function")
    for node, _ in lawbook.walk(module.tree):
        if is_import_call(node) and any(is_own(argument) for argument in node.args):
            yield Fault(module.path, node.lineno, "imports a module of crlf by a string")


def table_faults(module: Module) -> Iterator[Fault]:
    """See a package export, by its table HOMES, what does not live in it: that is an import too.

    The front door exports from everywhere.
    """
    if not module.path.endswith("/__init__.py"):
        return
    for node in ast.walk(module.tree):
        text = node.value if isinstance(node, ast.Constant) else None
        foreign = isinstance(text, str) and text.startswith("crlf.") and " " not in text
        if foreign and not str(text).startswith(module.name + "."):
            yield Fault(module.path, node.lineno, f"{module.name} exports from {text}")


def is_import_call(node: ast.AST) -> bool:
    """Tell whether a node calls importlib.import_module or __import__."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
        "import_module",
        "__import__",
    )


def is_own(node: ast.expr) -> bool:
    """Tell whether an argument is a string, or an f-string, that starts with crlf."""
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return isinstance(node, ast.Constant) and str(node.value).split(".")[0] == "crlf"


def type_checking_faults(module: Module) -> Iterator[Fault]:
    """See TYPE_CHECKING anywhere but at the front door, whose names are lazy and must be typed."""
    if module.path == "__init__.py":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node).endswith(
            "TYPE_CHECKING"
        ):
            yield Fault(module.path, node.lineno, "TYPE_CHECKING: a floor that cannot be imported")


def cycle(modules: Iterable[Module]) -> list[str]:
    """Find modules that import each other in a ring, late imports too; the front door's aside."""
    graph = {
        module.name: {
            found.name for found in lawbook.imports(module) if found.name.split(".")[0] == "crlf"
        }
        for module in modules
        if module.path != "__init__.py"
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


LAWS = [floor_faults, late_faults, table_faults, type_checking_faults]


@pytest.mark.parametrize("law", LAWS)
def test_the_source_keeps(law) -> None:
    uphold(fault for module in lawbook.package() for fault in law(module))


def test_no_module_imports_itself_through_others() -> None:
    assert cycle(lawbook.package()) == []


def test_every_late_module_is_still_loaded_late() -> None:
    late = {
        (module.path, found.name)
        for module in lawbook.package()
        for found in lawbook.imports(module)
        if found.deferred
    }
    assert set(LATE_OWN) <= late


def test_every_floor_is_built() -> None:
    assert {module.department for module in lawbook.package()} >= {
        floor for floor, height in FLOORS.items() if height
    }


@pytest.mark.parametrize(
    ("law", "path", "text"),
    [
        (floor_faults, "message/x.py", "from crlf.wire import limits"),
        (floor_faults, "message/x.py", "import crlf"),
        (floor_faults, "wire/h1/x.py", "from ...flow import run"),
        (floor_faults, "wire/x.py", "from crlf import rules"),
        (floor_faults, "rules/x.py", "import crlf.ports"),
        (floor_faults, "flow/x.py", "from crlf.net import blocking"),
        (floor_faults, "net/x.py", "from crlf.flow.run import run_sync"),
        (floor_faults, "client/x.py", "from crlf.server import App"),
        (floor_faults, "server/x.py", "import crlf.client.aio as aio"),
        (floor_faults, "wire/x.py", "def f():\n    from crlf.net import tls"),
        (floor_faults, "wire/x.py", "if 1:\n    from crlf.net import tls"),
        (floor_faults, "garage/x.py", ""),
        (late_faults, "flow/x.py", "def f():\n    from crlf.wire import limits"),
        (late_faults, "flow/x.py", "class A:\n    def f(self):\n        import re"),
        (late_faults, "net/x.py", "import_module('crlf.wire')"),
        (table_faults, "wire/__init__.py", "HOMES = {'crlf.flow.run': ('run_sync',)}"),
        (late_faults, "net/x.py", "importlib.import_module(f'crlf.{name}')"),
        (type_checking_faults, "net/x.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING: 1"),
        (type_checking_faults, "net/x.py", "import typing\nif typing.TYPE_CHECKING:\n    pass"),
    ],
)
def test_a_breach_is_seen(law, path: str, text: str) -> None:
    assert report(law(sample(text, path)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("wire/x.py", "from crlf.message.errors import Malformed\nimport re, asyncio"),
        ("wire/h1/x.py", "from crlf.wire import limits"),
        ("client/x.py", "from crlf.flow import run\nfrom crlf.net import blocking"),
        ("net/x.py", "def f():\n    import ssl\n    from concurrent.futures import Future"),
        ("net/aio.py", "def f():\n    from crlf.net.tls import start_client_tls"),
        ("wire/__init__.py", "HOMES = {'crlf.wire.h1.client': ('ClientEngine',)}"),
        ("server/x.py", "importlib.import_module(name)"),
        ("cli/main.py", "def f(name):\n    importlib.import_module(f'crlf.cli.{name}')"),
        ("__init__.py", "def __getattr__(name):\n    from crlf.client import Client"),
    ],
)
def test_what_is_allowed_is_no_breach(path: str, text: str) -> None:
    assert not report(fault for law in LAWS for fault in law(sample(text, path)))


def test_a_ring_of_imports_is_seen() -> None:
    ring = [
        sample("import crlf.flow.run", "flow/pool.py"),
        sample("import crlf.flow.exchange", "flow/run.py"),
        sample("from crlf.flow.pool import Pool", "flow/exchange.py"),
    ]
    assert len(cycle(ring)) == 4
    assert cycle(ring[:2]) == []
    late = sample("def f():\n    from crlf.flow.exchange import exchange", "flow/pool.py")
    assert len(cycle([late, sample("import crlf.flow.pool", "flow/exchange.py")])) == 3
