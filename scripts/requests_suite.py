"""Run requests' own test suite against httpbin as crlf hosts it, and as its usual server does.

python scripts/requests_suite.py FOLDER

FOLDER keeps an environment of its own and requests' source distribution, both from the package
index, so that a second run needs no network. Prints what differs; exits with 1 when a test passes
on the usual server (pytest-httpbin's) and not here. Tests that fail on both say something of this
machine: four of them need a host that never answers.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
# httpbin and what tests of requests need; what crlf needs comes with it.
PACKAGES = ["pytest", "pytest-httpbin", "pytest-mock", "trustme", "requests[socks]", "chardet"]

# Stands beside requests' own tests folder, so that its fixtures come before pytest-httpbin's.
CONFTEST = '''\
"""httpbin, hosted by crlf."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from httpbin import app
from pytest_httpbin import certs

from crlf.server.settings import ServerSettings
from crlf.server.starting import running
from crlf.server.gateways.wsgi import WsgiApplication

FOLDER = Path(certs.where()).parent


def hosted(scheme, **settings):
    settings = ServerSettings(bind=("127.0.0.1:0",), **settings)
    with running(WsgiApplication(app), settings=settings) as server:
        yield SimpleNamespace(url=f"{scheme}://127.0.0.1:{server.port}")


@pytest.fixture(scope="session")
def httpbin():
    yield from hosted("http")


@pytest.fixture(scope="session")
def httpbin_secure():
    yield from hosted("https", certificates=(f"{FOLDER}/server.pem:{FOLDER}/server.key",))
'''


def prepare(folder: Path) -> tuple[Path, Path]:
    """Make the environment and unpack the distribution, once; return its Python and its folder."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(folder / "venv", with_pip=True)
        pip = [str(python), "-m", "pip", "--quiet"]
        subprocess.run([*pip, "install", *PACKAGES, str(ROOT)], check=True)
        download = ["download", "--no-binary", ":all:", "--no-deps", "-d", str(folder), "requests"]
        subprocess.run([*pip, *download], check=True)
        (archive,) = folder.glob("requests-*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.glob("requests-*") if path.is_dir())
    return python, unpacked


def outcomes(python: Path, suite: Path, report: Path) -> dict[str, str]:
    """Run the suite; return what became of each test."""
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([*command, f"--junit-xml={report}"], cwd=suite, env=environment, check=False)
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        verdict = next((child.tag for child in case if child.tag != "system-out"), "passed")
        found[f"{case.get('classname')}::{case.get('name')}"] = verdict
    return found


def main(folder: Path) -> int:
    """Run it both ways, and say what differs."""
    folder.mkdir(parents=True, exist_ok=True)
    python, suite = prepare(folder)
    beside = suite / "conftest.py"
    beside.unlink(missing_ok=True)
    usual = outcomes(python, suite, folder / "usual.xml")
    beside.write_text(CONFTEST)
    ours = outcomes(python, suite, folder / "crlf.xml")
    for name, found in (("usual server", usual), ("crlf", ours)):
        counts = Counter(found.values())
        print(f"{name}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
    worse = 0
    for test in sorted(usual.keys() | ours.keys()):
        there, here = usual.get(test, "absent"), ours.get(test, "absent")
        if there != here:
            print(f"{test}: {there} on the usual server, {here} on crlf")
            worse += there == "passed"
    return 1 if worse or not ours else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).resolve()))
