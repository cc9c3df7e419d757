"""What `crlf serve` is told, and what it says of it: options, --print-config, --check-config."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

import crlf as package
import server_pages
from crlf.cli.arguments import parse_arguments
from crlf.cli.commands import COMMANDS
from crlf.cli.exits import OK, OTHER, USAGE
from crlf.server.kinds import FLAG
from crlf.server.settable import SETTINGS

CommandLine = Any  # see conftest.py
ROOT = Path(__file__).resolve().parents[2]
SERVE = COMMANDS["serve"]
SHOP = """
import os
from crlf import App, text
app = App()
@app.get("/")
def home(request):
    return text(os.environ.get("SHOP", "the shop") + "\\n")
"""


# --- the table -----------------------------------------------------------------------------------


def test_each_setting_but_the_target_is_an_option() -> None:
    keys = {option.key for option in SERVE.options}
    extra = {"config", "print-config", "check-config", "help"}
    assert keys == {one.name for one in SETTINGS if one.name != "target"} | extra
    names = [name for option in SERVE.options for name in option.names]
    assert len(names) == len(set(names))


def test_each_switch_can_be_said_either_way() -> None:
    for setting in (one for one in SETTINGS if one.kind is FLAG):
        for word, value in ((f"--{setting.name}", "yes"), (f"--no-{setting.name}", "no")):
            assert parse_arguments([word], SERVE.options).last(setting.name) == value
        listed = [one for one in SERVE.options if one.key == setting.name and one.group]
        assert len(listed) == 1
        assert listed[0].names[-1].startswith("--no-") == (setting.initial is True)


def test_the_names_of_others_are_understood(crlf: CommandLine) -> None:
    words = ["--ssl-certfile", "a", "--ssl-keyfile", "b", "--timeout-keep-alive", "3"]
    told = tomllib.loads(crlf("serve", "--print-config", *words).text)
    assert (told["tls-certificate"], told["timeout-idle"]) == (
        [f"{crlf.folder}/a:{crlf.folder}/b"],
        3,
    )


def test_the_pages_have_what_the_tables_have() -> None:
    for page in server_pages.PAGES:
        text = page.read_text(encoding="utf-8")
        assert server_pages.refreshed(text) == text, "run python scripts/server_pages.py"
    words = "".join(page.read_text(encoding="utf-8") for page in server_pages.PAGES)
    for setting in SETTINGS:
        assert f"`{setting.name}`" in words or f"`--{setting.name}`" in words


# --- what is said --------------------------------------------------------------------------------


def test_the_configuration_is_printed_as_toml(crlf: CommandLine) -> None:
    crlf.variables["CRLF_THREADS"] = "3"
    (crlf.folder / "crlf.toml").write_text("timeout-idle = 2", encoding="utf-8")
    done = crlf("serve", "shop:app", "--print-config", "--limit-body", "1M", "--no-listing")
    assert (done.code, done.err) == (OK, "")
    told = tomllib.loads(done.text)
    assert told["target"] == "shop:app"
    assert (told["threads"], told["timeout-idle"], told["limit-body"]) == (3, 2, "1M")
    assert told["listing"] is False
    comments = {line.partition(" ")[0]: line.rpartition("# ")[2] for line in done.text.splitlines()}
    assert comments["target"] == "command line"
    assert comments["threads"] == "CRLF_THREADS"
    assert comments["timeout-idle"] == "crlf.toml"
    assert comments["limit-body"] == "--limit-body"
    assert comments["workers"] == "default"


def test_it_is_coloured_for_people_only(crlf: CommandLine) -> None:
    assert b"\x1b[" not in crlf("serve", "--print-config").out
    crlf.on_terminal = ("stdout",)
    assert b"\x1b[" in crlf("serve", "--print-config").out


def test_every_fault_is_told(crlf: CommandLine) -> None:
    (crlf.folder / "crlf.toml").write_text("worker = 2\nport = 'x'", encoding="utf-8")
    done = crlf("serve", "--limit-body", "much")
    assert done.code == USAGE
    assert done.err.splitlines() == [
        "crlf: crlf.toml has an unknown key worker; did you mean workers?",
        "crlf: crlf.toml: port takes a number from 0 to 65535, not 'x'",
        "crlf: --limit-body takes a size as in 64K or 16M, or \"off\", not 'much'",
    ]


def test_an_option_that_there_is_not_has_its_like(crlf: CommandLine) -> None:
    assert crlf("serve", "--limit-bodies", "1").err == (
        "crlf: there is no option --limit-bodies; did you mean --limit-body?\n"
    )


def test_a_variable_that_nobody_reads_is_remarked_on(crlf: CommandLine) -> None:
    crlf.variables["CRLF_TREADS"] = "3"
    done = crlf("serve", "--print-config")
    assert done.code == OK
    assert done.err == "crlf: nobody reads the variable CRLF_TREADS; did you mean CRLF_THREADS?\n"


# --- what is checked -----------------------------------------------------------------------------


@pytest.fixture
def pem(crlf: CommandLine) -> Path:
    """A certificate with its key, in one file."""
    path = crlf.folder / "shop.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    path.chmod(0o600)
    return path


def test_what_is_well_is_said_to_be(crlf: CommandLine, pem: Path) -> None:
    done = crlf("serve", "--tls-certificate", "shop.pem", "--check-config", "-b", ":0")
    assert (done.code, done.err) == (OK, "")
    assert done.text == "All is well: . can be served at :0\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "there is no folder or file nowhere; an application is written module:app"),
        (["none:app"], "there is no module none here or among those installed"),
        (["--bind", "::1:80"], "--bind: '::1:80': write an IPv6 address in brackets, [::1]:80"),
        (["--workers", "x"], "--workers takes a number from 0 to 1024, not 'x'"),
        (["--tls-certificate", "none.pem"], "none.pem"),
        (["--tls-certificate", "text.pem"], "text.pem"),
        (["--tls-certificate", "shop.pem", "--tls-key", "text.pem"], "text.pem"),
        (["--tls-certificate", "shop.pem", "--tls-client-ca", "none.pem"], "none.pem"),
        (["--log-file", "none/access.log"], "none/access.log cannot be written"),
        (["--cache", "no rule"], "a cache rule is PATTERN=VALUE"),
        (["--trusted-proxies", "proxy.example"], "--trusted-proxies: "),
    ],
)
def test_what_is_not_is_one_line_each(
    words: list[str], says: str, crlf: CommandLine, pem: Path
) -> None:
    (crlf.folder / "text.pem").write_text("no certificate", encoding="utf-8")
    done = crlf("serve", *words, "--check-config")
    assert (done.code, done.out) == (OTHER, b"")
    (line,) = done.err.splitlines()
    assert line.startswith("crlf: ")
    assert says in line


# --- for real ------------------------------------------------------------------------------------


@contextmanager
def served(folder: Path, *words: str, **variables: str) -> Iterator[tuple[str, Any]]:
    """Run `crlf serve` in a folder, until the block ends; give its first line."""
    with subprocess.Popen(
        [sys.executable, "-m", "crlf", "serve", *words],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode(), process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
    assert process.returncode == OK


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def test_the_environment_and_a_file_of_it_are_heeded(shop: Path) -> None:
    (shop / ".env").write_text("SHOP='our shop'\nCRLF_NAME=mine\n", encoding="utf-8")
    with served(shop, "--env-file", ".env", CRLF_TARGET="shop:app", PORT="0") as (line, _):
        assert line.startswith("Serving shop:app at http://127.0.0.1:")
        answer = package.get(line.split(" at ")[1].strip())
    assert (answer.text, answer.headers["server"]) == ("our shop\n", "mine")


def test_each_place_is_named(shop: Path) -> None:
    with served(shop, "shop:app", "-b", "127.0.0.1:0", "-b", "unix:s.sock") as (line, process):
        assert line == "Serving shop:app at\n"
        places = [process.stdout.readline().decode() for _ in range(2)]
    assert places[0].startswith("  http://127.0.0.1:")
    assert places[1] == "  unix:s.sock\n"
    assert not (shop / "s.sock").exists()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_limits_reach_who_serves(shop: Path, workers: str) -> None:
    words = ("shop:app", "-p", "0", "--workers", workers, "--limit-line", "100", "--health")
    with served(shop, *words) as (line, _):
        url = line.split(" at ")[1].strip()
        assert package.get(url + "healthz").status_code == 200
        assert package.get(url + "a" * 200).status_code == 414


def test_a_log_in_a_file_has_all_of_it(shop: Path) -> None:
    with served(shop, "shop:app", "-p", "0", "--log-file", "access.log") as (line, _):
        package.get(line.split(" at ")[1].strip())
        give_up = time.monotonic() + 10
        while not (shop / "access.log").read_text() and time.monotonic() < give_up:
            time.sleep(0.02)
    assert '"GET / HTTP/1.1" 200' in (shop / "access.log").read_text()


def test_quiet_is_quiet(shop: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "crlf", "serve", "shop:app", "-b", "unix:s.sock", "-q"],
        cwd=shop,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        give_up = time.monotonic() + 20
        while not (shop / "s.sock").exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        time.sleep(0.3)  # it listens a moment before it would say so
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == OK


def test_a_certificate_is_made_up(shop: Path) -> None:
    pytest.importorskip("cryptography")
    words = ("shop:app", "-p", "0", "--tls-self-signed")
    with served(shop, *words, TMPDIR=str(shop)) as (line, process):
        assert line == "A certificate was made up for development. Its SHA-256:\n"
        assert len(process.stdout.readline()) == 2 + 64 + 1
        url = process.stdout.readline().decode().split(" at ")[1].strip()
        assert url.startswith("https://127.0.0.1:")
        with package.Client(verify=False) as client:
            answer = client.get(url)
    assert answer.text == "the shop\n"
    assert not list(shop.glob("*.pem"))


def test_workers_that_cannot_load_say_why(shop: Path) -> None:
    (shop / "broken.py").write_text("def f():\n    1 / 0\nf()\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "crlf", "serve", "broken:app", "-p", "0", "--workers", "2"],
        cwd=shop,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == OTHER
    lines = done.stderr.decode().splitlines()
    assert lines[-1] == "crlf: broken cannot be imported: ZeroDivisionError: division by zero"
    assert [line.rpartition(", ")[2] for line in lines if "File " in line] == [
        "in <module>",
        "in f",
    ]


STARTS = """
import traceback
async def says(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
async def shows(scope, receive, send):
    try:
        1 / 0
    except ZeroDivisionError:
        text = traceback.format_exc()
    await receive()
    await send({"type": "lifespan.startup.failed", "message": text})
"""


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize(
    ("name", "why"),
    [("says", "no database"), ("shows", "ZeroDivisionError: division by zero")],
)
def test_an_application_that_does_not_start_is_no_mistake_of_ours(
    name: str, why: str, workers: str, shop: Path
) -> None:
    (shop / "starts.py").write_text(STARTS, encoding="utf-8")
    words = ["serve", f"starts:{name}", "-p", "0", "--workers", workers]
    done = subprocess.run(
        [sys.executable, "-m", "crlf", *words],
        cwd=shop,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == OTHER
    *trace, last = done.stderr.decode().splitlines()
    assert last == f"crlf: the application did not start: {why}"
    assert bool(trace) == (name == "shows")
    assert [line for line in trace if "crlf" in line] == []


def test_a_log_that_a_worker_cannot_open_is_named(shop: Path) -> None:
    words = ["serve", "shop:app", "-p", "0", "--workers", "1", "--log-file", "none/log"]
    done = subprocess.run(
        [sys.executable, "-m", "crlf", *words],
        cwd=shop,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.defpath},
        capture_output=True,
        timeout=30,
        check=False,
    )
    says = "crlf: none/log cannot be opened: No such file or directory\n"
    assert (done.returncode, done.stderr.decode()) == (OTHER, says)
