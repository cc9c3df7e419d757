"""Source files that are watched while one writes them: a change starts new workers.

The watching is done by `watchfiles`, in a thread; what is looked at are sources and settings,
not what an application itself may write. Its law: what is needed for it is asked of those alone
who want it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SUFFIXES = (".py", ".pyi", ".toml", ".env")  # of the files whose change counts
_ASIDE = frozenset(
    "__pycache__ node_modules site-packages .git .hg .svn .venv venv .tox .nox .mypy_cache"
    " .pytest_cache .ruff_cache .idea .hypothesis".split(" ")
)
_GATHER = 200  # milliseconds in which changes are taken for one; a checkout changes many


class CannotReload(Exception):
    """Files cannot be watched. The text says what to do about it."""


@contextmanager
def watching_files(folders: Sequence[str], changed: Callable[[str], object]) -> Iterator[None]:
    """Call `changed` with the name of each file that has changed, as long as the block lasts.

    It is called in a thread of its own. Raises CannotReload when watchfiles is not there.
    """
    try:
        from watchfiles import watch  # optional: for development
    except ImportError:
        raise CannotReload(
            "--reload needs the package watchfiles: pip install 'crlf[reload]'"
        ) from None
    stop = threading.Event()
    thread = threading.Thread(
        target=_look, args=(watch, folders, changed, stop), name="crlf-reload", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _look(
    watch: Any, folders: Sequence[str], changed: Callable[[str], object], stop: threading.Event
) -> None:
    for changes in watch(
        *folders, watch_filter=is_source, debounce=_GATHER, step=50, stop_event=stop,
        rust_timeout=500, raise_interrupt=False,
    ):  # fmt: skip
        for name in sorted({path for _, path in changes}):
            changed(os.path.relpath(name))


def is_source(_: object, path: str) -> bool:
    """Tell whether a file's change counts."""
    if not path.endswith(SUFFIXES):
        return False
    return not _ASIDE.intersection(path.split(os.sep))
