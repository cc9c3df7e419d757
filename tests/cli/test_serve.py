"""`crlf serve` and --app: folders and applications by name, and what is wrong with the others."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf.cli.exits import OK, OTHER, USAGE

CommandLine = Any  # see conftest.py
ROOT = Path(__file__).resolve().parents[2]
SHOP = """
from crlf import App, text
app = App()
class Site:
    inner = app
site = Site()
word = "no app"
@app.get("/")
async def home(request):
    return text("the shop\\n")
"""
COUNT = iter(range(1000))


@pytest.fixture
def module(crlf: CommandLine) -> Iterator[Callable[[str], str]]:
    """Write a module into the folder and return its name, forgotten after the test."""
    path = list(sys.path)
    names = []

    def write(text: str) -> str:
        names.append(f"shop_{next(COUNT)}")
        (crlf.folder / f"{names[-1]}.py").write_text(text, encoding="utf-8")
        return names[-1]

    yield write
    sys.path[:] = path
    for name in names:
        sys.modules.pop(name, None)


# --- in memory -----------------------------------------------------------------------------------


def test_an_application_is_talked_to_in_memory(
    crlf: CommandLine, module: Callable[[str], str]
) -> None:
    name = module(SHOP)
    assert crlf("get", "/", "--app", f"{name}:app").out == b"the shop\n"
    assert crlf("http://any.example/", "--app", f"{name}:site.inner").out == b"the shop\n"
    watched = crlf("get", "/", "--app", f"{name}:app", "-v")
    assert "> GET / HTTP/1.1\r\n> host: localhost\r\n" in watched.err
    assert "< HTTP/1.1 200 OK\r\n" in watched.err


# --- names ---------------------------------------------------------------------------------------


WRONG = [
    (SHOP, "ap", "NAME has no ap: it has app"),
    ("x = 1", "app", "NAME has no app: nothing in it is an application"),
    ("import nonesuch_xyz", "app", "NAME needs the module nonesuch_xyz, which is not there"),
    ("\n1 / 0", "app", "NAME cannot be imported: ZeroDivisionError: division by zero"),
    ("(", "app", "NAME cannot be imported: SyntaxError: '(' was never closed (NAME.py, line 1)"),
    ("raise SystemExit(3)", "app", "NAME cannot be imported: SystemExit: 3"),
    (SHOP, "", "an application is written module:app, not 'NAME:'"),
]


@pytest.mark.parametrize(("text", "attribute", "says"), WRONG)
def test_an_application_that_cannot_be_had_is_explained(
    text: str, attribute: str, says: str, crlf: CommandLine, module: Callable[[str], str]
) -> None:
    name = module(text)
    for words in (["serve", f"{name}:{attribute}"], ["get", "/", "--app", f"{name}:{attribute}"]):
        done = crlf(*words)
        assert done.code == USAGE
        assert done.err.splitlines()[-1] == f"crlf: {says}".replace("NAME", name)
        assert "importlib" not in done.err
        assert "hosting.py" not in done.err


def test_the_lines_of_the_user_are_shown_and_no_other(
    crlf: CommandLine, module: Callable[[str], str]
) -> None:
    name = module("import json\n\ndef load():\n    return json.loads('{')\n\napp = load()\n")
    lines = crlf("serve", f"{name}:app").err.splitlines()
    places = [line for line in lines if line.startswith('  File "')]
    assert [place.rpartition(", ")[2] for place in places] == ["in <module>", "in load"]
    assert all(f"{name}.py" in place for place in places)
    assert lines[-1].startswith(f"crlf: {name} cannot be imported: JSONDecodeError: Expecting")


@pytest.mark.parametrize(
    ("attribute", "serve_says", "get_says"),
    [
        ("word", "a str; crlf.App() makes one", "a str; crlf.App() makes one"),
        ("Site", "a type; --factory makes one of it", "a type; crlf.App() makes one"),
    ],
)
def test_what_is_no_application_is_told(
    attribute: str,
    serve_says: str,
    get_says: str,
    crlf: CommandLine,
    module: Callable[[str], str],
) -> None:
    name = module(SHOP) + ":" + attribute
    assert crlf("serve", name).err == f"crlf: {name} is no application but {serve_says}\n"
    assert crlf("get", "/", "--app", name).err == f"crlf: {name} is no application but {get_says}\n"


def test_a_module_that_is_not_there_is_named(crlf: CommandLine) -> None:
    assert crlf("serve", "nonesuch_xyz:app").err == (
        "crlf: there is no module nonesuch_xyz here or among those installed\n"
    )


def test_the_traceback_is_there_for_who_wants_it(
    crlf: CommandLine, module: Callable[[str], str]
) -> None:
    crlf.variables["CRLF_DEBUG"] = "1"
    assert "Traceback" in crlf("serve", f"{module('1 / 0')}:app").err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "there is no folder or file nowhere; an application is written module:app"),
        (
            ["part"],
            (
                "there is no folder or file part; an application is written module:app;"
                " part.py is there: part:app?"
            ),
        ),
        (["part.py"], "part.py is a program; what serves its application is part:app"),
        (["--port", "http"], "--port takes a number from 0 to 65535, not 'http'"),
        (
            ["--tls-certificat", "a"],
            "there is no option --tls-certificat; did you mean --tls-certificate?",
        ),
        (["--port", "65536"], "--port takes a number from 0 to 65535, not '65536'"),
        (["--port", "-1"], "--port takes a number from 0 to 65535, not '-1'"),
        ([".", "."], "'.' is too much: crlf serve [FOLDER | FILE | MODULE:APP]"),
    ],
)
def test_a_slip_is_one_line(words: list[str], says: str, crlf: CommandLine) -> None:
    (crlf.folder / "part.py").write_bytes(b"")
    done = crlf("serve", *words)
    assert (done.code, done.err) == (USAGE, f"crlf: {says}\n")


def test_a_port_that_is_taken_is_explained(crlf: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = crlf("serve", "--port", str(port))
    hint = f"--port {port + 1} is another, --port 0 any free one"
    assert (done.code, done.err) == (OTHER, f"crlf: port {port} of 127.0.0.1 is in use; {hint}\n")


def test_a_place_that_cannot_be_had_is_named_once(crlf: CommandLine) -> None:
    for place in ("unix:/nonesuch/shop.sock", "fd://999"):
        done = crlf("serve", "--bind", place)
        assert done.code == OTHER
        assert done.err.startswith(f"crlf: cannot listen on {place}: ")
        assert done.err.count("cannot listen") == 1


def test_what_is_no_place_is_not_called_one(crlf: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = f"127.0.0.1:{taken.getsockname()[1]}"
        done = crlf("serve", "--port", "0", "--metrics", other)
    assert (done.code, done.err) == (OTHER, f"crlf: cannot listen on {other}: it is in use\n")
    (crlf.folder / "no.pem").write_text("no certificate", encoding="utf-8")
    for words, says in [
        (["--tls-certificate", "none.pem"], "bad TLS settings: cannot read none.pem: No such file"),
        (
            ["--tls-certificate", "no.pem"],
            "bad TLS settings: no certificate with its key in no.pem",
        ),
        (["--log-file", "none/log"], "none/log cannot be opened: No such file"),
    ]:
        done = crlf("serve", "--port", "0", *words)
        assert done.code == OTHER
        assert says in done.err.replace(f"{crlf.folder}/", "")
        assert "listen" not in done.err


@pytest.mark.parametrize(
    ("words", "module", "says"),
    [
        (
            ["--metrics", "/m"],
            "prometheus_client",
            "prometheus-client: pip install 'crlf[metrics]'",
        ),
        (["--reload"], "watchfiles", "watchfiles: pip install 'crlf[reload]'"),
        (["--tls-self-signed"], "cryptography", "cryptography: pip install 'crlf[selfsigned]'"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--workers", "2"], ["--check-config"]])
def test_a_package_that_is_needed_is_named(
    words: list[str],
    module: str,
    says: str,
    more: list[str],
    crlf: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    done = crlf("serve", "--port", "0", *words, *more)
    name = words[0].removeprefix("--")
    assert (done.code, done.err) == (OTHER, f"crlf: {name} needs the package {says}\n")


def test_a_proxy_line_from_nobody_is_a_fault(crlf: CommandLine) -> None:
    for words in ([], ["--check-config"]):
        done = crlf("serve", "--port", "0", "--proxy-protocol", *words)
        assert done.err.startswith("crlf: --proxy-protocol needs trusted-proxies")
        assert done.err.count("\n") == 1


# --- for real ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("target", [".", "site", "shop:app"])
def test_it_serves_until_it_is_told_to_stop(
    target: str, ending: signal.Signals, tmp_path: Path, crlf: CommandLine
) -> None:
    (tmp_path / "index.html").write_text("here", encoding="utf-8")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("there", encoding="utf-8")
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "crlf", "serve", target, "--port", "0"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        named = "this folder" if target == "." else target
        assert line.startswith(f"Serving {named} at http://127.0.0.1:")
        done = crlf("get", line.split(" at ")[1].strip())
        process.send_signal(ending)
        _, err = process.communicate(timeout=20)
    assert done.out == {".": b"here", "site": b"there", "shop:app": b"the shop\n"}[target]
    assert (process.returncode, err) == (OK, b"")


def test_it_listens_on_this_machine_only_unless_told_otherwise(crlf: CommandLine) -> None:
    assert 'bind = ["127.0.0.1:8000"]' in crlf("serve", "--print-config").text
