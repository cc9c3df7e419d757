"""One file of a download: where it may go, how it is fetched, what is said when it is not.

Files of one command that come to the same name are kept apart here, before anything of the
second is written. Its law: a line about a failure names the URL without its secrets, what went
wrong, and what was kept.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from typing import Unpack

from crlf.cli.exits import NO_OUTPUT, Failure, reason_of
from crlf.cli.outcomes import outcome_of
from crlf.cli.showing.output import count
from crlf.cli.transferring.transfers import Transfer, without_secrets
from crlf.client.download import DownloadOptions, save
from crlf.client.plain import PlainClient
from crlf.client.streamed import StreamedResponse
from crlf.flow.run import run_sync
from crlf.message import status
from crlf.message.errors import StatusError
from crlf.message.fields.media import media_type_of
from crlf.message.progress import Download
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.partfile import Destination, PartFile


class Downloader(PlainClient):
    """A client that saves files where a Destination says."""

    def save(self, url: URL, place: Destination, **options: Unpack[DownloadOptions]) -> Download:
        """Fetch a URL into its place; see Client.download."""
        return run_sync(save(self._core, url, place, options))


class Names:
    """The paths that the files of one command go to, each of them once."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.taken: set[str] = set()  # guarded by guard


class Place(Destination):
    """Where one of several files goes; it tells its transfer as soon as it is known."""

    def __init__(
        self, path: str, transfer: Transfer, names: Names, *, overwrite: bool, numbered: bool
    ) -> None:
        super().__init__(path or ".", overwrite=overwrite, numbered=numbered)
        self.path = path  # where that is here, names are shown without a folder
        self._transfer = transfer
        self._names = names

    def part(self, name: str) -> PartFile:
        """Return the unfinished file. Raises FileExistsError, Failure."""
        part = super().part(name)
        self._transfer.part = f"{self._transfer.path}.part"
        return part

    def choose(self, path: str) -> str:
        """Choose a name that is free, and that none of the others has. Raises FileExistsError."""
        with self._names.guard:
            for name in self.free_names(path):
                if os.path.realpath(name) in self._names.taken:
                    continue
                if self.overwrite:
                    super().choose(name)  # for what it refuses
                elif os.path.lexists(name):
                    continue
                self._names.taken.add(os.path.realpath(name))
                self._transfer.rename(name)
                return name
            is_ours = os.path.realpath(path) in self._names.taken
        if is_ours:
            raise Failure(
                f"another file of this command is called {path}; --numbered keeps both", NO_OUTPUT
            )
        raise FileExistsError(errno.EEXIST, "already there", path)


def done_line(transfer: Transfer) -> str:
    """Say what was saved."""
    found = ""
    if transfer.found:
        found = f", {transfer.found:,} of them from before"
    return f"{transfer.path}: {count(transfer.size)} in {transfer.seconds:.2f} s{found}"


def doubt(done: Download) -> str:
    """Say what is odd about an answer that was saved: a page where a file was expected."""
    is_page = done.response.headers.get("content-type", "").lower().startswith("text/html")
    expected = media_type_of(done.path).partition(";")[0]
    if not is_page or expected in ("text/html", "application/octet-stream"):
        return ""
    return f"{done.path}: the server calls this a page (text/html), not {expected}"


def failure_of(transfer: Transfer) -> tuple[str, int]:
    """Say in one line what became of a file that was not saved; return the exit code too."""
    line, code = _reason(transfer)
    return "; ".join([f"{without_secrets(transfer.url)}: {line}", *kept_of(transfer)]), code


def _reason(transfer: Transfer) -> tuple[str, int]:
    fault = transfer.fault
    if isinstance(fault, StatusError) and isinstance(fault.response, Response):
        return status_line(fault.response)
    if isinstance(fault, FileExistsError):
        path = fault.filename or transfer.path
        if fault.strerror == "there, and no file":
            return f"{path} is there, and no file", NO_OUTPUT
        hint = "--overwrite replaces it, --numbered keeps both"
        return f"{path} is there already; {hint}", NO_OUTPUT
    if isinstance(fault, BlockingIOError):
        return f"another download is writing {transfer.part}", NO_OUTPUT
    if type(fault) in (OSError, FileNotFoundError, PermissionError) and isinstance(fault, OSError):
        where = transfer.part or fault.filename or "the file"
        is_lost = isinstance(fault, FileNotFoundError)
        why = "there is no such folder" if is_lost else reason_of(fault)
        return f"cannot write {where}: {why}", NO_OUTPUT
    return outcome_of(fault if fault is not None else RuntimeError("it has not failed"))


def status_line(response: Response | StreamedResponse) -> tuple[str, int]:
    """Say what an answer's status is; return the exit code that it stands for."""
    code = response.status_code
    text = f"{code} {response.reason or status.reason_of(code)}".rstrip(" ")
    if 300 <= code < 400 and (where := response.headers.get("location", "")):
        text += f", to {where}"
    return text, code // 100 if code >= 300 else 0


def kept_of(transfer: Transfer) -> list[str]:
    """Say what is left of a file that is not whole; nothing when nothing is."""
    size = part_size(transfer)
    if not size:
        return []
    goes_on = os.path.exists(f"{transfer.part}.json")
    hint = ", and the same command goes on from there" if goes_on else ""
    return [f"{count(size)} of it are in {transfer.part}{hint}"]


def part_size(transfer: Transfer) -> int:
    """Return how many bytes a file has that is not whole; 0 where there is none, or another's."""
    size = 0
    with suppress(OSError):
        size = os.stat(transfer.part).st_size if transfer.part else 0
    return 0 if isinstance(transfer.fault, BlockingIOError) else size
