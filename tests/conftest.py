"""What holds for every test: nothing is left behind, nothing is skipped in silence.

The leak oracle looks after each test for threads, file descriptors and tasks that the test
began and did not end, and for errors that an event loop only logged. A test that needs a
program says so with `needs`; a test that guards a rule of an RFC says so with `rfc`.
"""

from __future__ import annotations

import asyncio
import asyncio.runners
import contextlib
import gc
import json
import logging
import os
import re
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

os.environ["CRLF_CLIENT_CONFIG"] = "off"  # no test depends on who runs it, nor changes it
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
FDS = Path("/proc/self/fd")
# Seconds that a thread or a socket may take to end after its test.
PATIENCE = float(os.environ.get("CRLF_PATIENCE", "2"))
LONG = {"nightly": 7200}  # seconds allowed to a test marked `long`, by profile
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")  # nginx is not on a user's PATH


# Examples of each property: the same ones again and again in CI, fresh ones elsewhere. No
# deadline for one example, since machines are shared: the limit is that of the whole test.
hypothesis.settings.register_profile("default", max_examples=200, deadline=None)
hypothesis.settings.register_profile(
    "ci", max_examples=200, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)
PROFILE = os.environ.get("CRLF_PROFILE") or ("ci" if IN_CI else "default")
hypothesis.settings.load_profile(PROFILE)


# --- programs that a test needs ------------------------------------------------------------------

wanting: Counter[str] = Counter()


def find_program(choices: str) -> str | None:
    """Find a program; "chromium|google-chrome" means whichever there is.

    "python:starlette" is a package of the Python that runs the tests. Programs that were installed
    as packages (Caddy) are beside that.
    """
    beside = os.path.dirname(sys.executable)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS, beside])
    for name in choices.split("|"):
        package = name.removeprefix("python:")
        found = shutil.which(name, path=path) if package == name else find_spec(package) and name
        if found:
            return found
    return None


def require_program(choices: str) -> str:
    """Return a program's path; skip the test without it, or fail it in CI."""
    found = find_program(choices)
    if found is None:
        if IN_CI:
            pytest.fail(f"needs the program {choices}, and CI must have it", pytrace=False)
        wanting[choices] += 1
        pytest.skip(f"needs the program {choices}")
    return found


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Give the path of a program: `program("nginx")`. Skips, or fails in CI, without it."""
    return require_program


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        for choices in mark.args:
            require_program(choices)


def fail_for_want_of_a_package(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make of importorskip's skip a failure in CI, which installs what the tests need.

    But for uvloop, without which CI runs all of them once more.
    """
    if IN_CI and report.skipped and isinstance(report.longrepr, tuple):
        missing = re.search(r"could not import '([^'.]+)", report.longrepr[2])
        if missing is not None and missing[1] != "uvloop":
            report.outcome = "failed"
            report.longrepr = f"needs the package {missing[1]}, and CI must have it"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    fail_for_want_of_a_package(report)
    return report


# --- which tests are run, and what each guards ---------------------------------------------------

guards = pytest.StashKey[list[dict[str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rfc-report", metavar="FILE", help="write as JSON which test guards which rule of an RFC"
    )


def pytest_sessionstart() -> None:
    """Let libuv open its pipe for signals, which it keeps for the life of the process."""
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.new_event_loop().close()


def pytest_report_header() -> str:
    loop = os.environ.get("CRLF_LOOP", "as installed")
    return f"crlf: event loop {loop}; hypothesis profile {PROFILE}; CI {'yes' if IN_CI else 'no'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[guards] = [guard for item in items for guard in rules_of(item)]
    without_uvloop = find_spec("uvloop") is None
    for item in items:
        if item.get_closest_marker("needs"):
            item.add_marker("live")
        if without_uvloop and is_uvloop_case(item):
            item.add_marker(pytest.mark.skip("uvloop is not installed"))
        if item.get_closest_marker("long") or PROFILE == "nightly":
            item.add_marker(pytest.mark.timeout(LONG.get(PROFILE, 600)))
    if "long" not in config.option.markexpr and not any("::" in name for name in config.args):
        leave_out = [item for item in items if item.get_closest_marker("long")]
        if leave_out:
            config.hook.pytest_deselected(items=leave_out)
            items[:] = [item for item in items if not item.get_closest_marker("long")]


def is_uvloop_case(item: pytest.Item) -> bool:
    """Tell whether a test is a case named after uvloop: [uvloop], [uvloop+tls], [uvloop-slow]."""
    cases = getattr(item, "callspec", None)
    return cases is not None and "uvloop" in re.split("[^a-z]", cases.id)


def rules_of(item: pytest.Item) -> Iterator[dict[str, str]]:
    """List the rules that a test guards; a case of its own (a param's mark) has its own title."""
    cases = getattr(item, "callspec", None)
    for mark in item.iter_markers("rfc"):
        if mark.kwargs or len(mark.args) != 2 or not all(isinstance(a, str) for a in mark.args):
            raise pytest.UsageError(f'{item.nodeid}: write rfc("9112", "6.3"), not {mark}')
        alone = cases is not None and mark in cases.marks
        plain = getattr(item, "originalname", None) or item.name
        name = cases.id if alone and cases else plain
        yield {
            "number": mark.args[0],
            "section": mark.args[1],
            "test": item.nodeid if alone else item.nodeid.split("[")[0],
            "title": name.removeprefix("test_").replace("_", " "),
        }


def pytest_sessionfinish(session: pytest.Session) -> None:
    if target := session.config.getoption("--rfc-report"):
        rows = {tuple(row.values()): row for row in session.config.stash.get(guards, [])}
        Path(target).write_text(json.dumps(list(rows.values()), indent=1), encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if wanting:
        terminalreporter.section("skipped for want of a program")
        for choices, count in sorted(wanting.items()):
            terminalreporter.line(f"{choices}: {count} test{'s' if count > 1 else ''}")


# --- nothing is left behind ----------------------------------------------------------------------

failed = pytest.StashKey[bool]()
left_tasks: list[str] = []
logged: list[str] = []


class LoopErrors(logging.Handler):
    """Keeps what event loops only log: tasks destroyed while pending, errors nobody looked at."""

    def emit(self, record: logging.LogRecord) -> None:
        logged.append(record.getMessage())


logging.getLogger("asyncio").addHandler(LoopErrors(logging.ERROR))

# asyncio.run cancels what its main coroutine left running, so a task that was forgotten is
# never seen. This is the one place where it can be.
cancel_all_tasks = asyncio.runners._cancel_all_tasks  # type: ignore[attr-defined]


def note_and_cancel(loop: asyncio.AbstractEventLoop) -> None:
    left_tasks.extend(repr(task.get_coro()) for task in asyncio.all_tasks(loop))
    cancel_all_tasks(loop)


asyncio.runners._cancel_all_tasks = note_and_cancel  # type: ignore[attr-defined]


def pytest_configure() -> None:
    """Let uvloop open the pipe that its first loop keeps for ever, before anything is counted."""
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.new_event_loop().close()


def open_files() -> set[tuple[str, str]]:
    """List this process's descriptors with what each stands for; none where there is no /proc."""
    found = set()
    try:
        numbers = os.listdir(FDS)
    except OSError:
        return found
    for number in numbers:
        try:
            found.add((number, os.readlink(FDS / number)))
        except OSError:  # the descriptor that listdir itself had
            continue
    return found


def new_files(before: set[tuple[str, str]]) -> list[str]:
    """List descriptors that are open now and were not before, once all had time to close."""
    if not open_files() - before:
        return []
    gc.collect()
    give_up = time.monotonic() + PATIENCE
    while (new := open_files() - before) and time.monotonic() < give_up:
        time.sleep(0.01)
    return [f"descriptor {number}: {target}" for number, target in sorted(new)]


def new_threads(before: set[threading.Thread]) -> list[str]:
    """List threads that run now and did not before, once each had time to end."""
    new = set(threading.enumerate()) - before
    give_up = time.monotonic() + PATIENCE
    for thread in new:
        thread.join(max(0.0, give_up - time.monotonic()))
    return [f"thread {thread.name}" for thread in new if thread.is_alive()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    fail_for_want_of_a_package(report)
    if report.failed:
        item.stash[failed] = True
    return report


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a descriptor, a task or a logged loop error behind."""
    threads, files = set(threading.enumerate()), open_files()
    left_tasks.clear()
    logged.clear()
    yield
    if request.node.stash.get(failed, False):
        return  # its traceback may hold anything open
    left = new_threads(threads) + new_files(files)
    left += [f"task {task}" for task in left_tasks] + [f"loop error: {text}" for text in logged]
    if left:
        pytest.fail("left behind:\n  " + "\n  ".join(left), pytrace=False)
