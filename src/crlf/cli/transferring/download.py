"""`crlf download`: files, several at a time, each whole or resumable, and none replaced unasked.

Paths go to standard output, one a line, for a program that goes on with them; everything else is
said on standard error. Its law: a file that fails stops no other, and the exit code is that of
the first that failed.
"""

from __future__ import annotations

import errno
import io
import os
from typing import cast

from crlf.cli.arguments import Arguments
from crlf.cli.asking.request import Asked, read_request
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exchanging.fetch import in_session
from crlf.cli.exits import NO_OUTPUT, OK, Failure, reason_of
from crlf.cli.showing.output import count
from crlf.cli.terminated import in_order
from crlf.cli.transferring.bars import Painter
from crlf.cli.transferring.crew import carry_out
from crlf.cli.transferring.lists import Wanted, read_count, read_size, read_wanted
from crlf.cli.transferring.painting import painter_for
from crlf.cli.transferring.saving import (
    Downloader,
    Names,
    Place,
    done_line,
    doubt,
    failure_of,
    kept_of,
    part_size,
)
from crlf.cli.transferring.transfers import Transfer
from crlf.client.download import ATTEMPTS, DownloadOptions
from crlf.client.options import ClientOptions
from crlf.net.stoppable import StoppableNetwork, Stopped

AT_ONCE = 4  # aria2 5, browsers 6 to a host
MOST_AT_ONCE = 64
_SECRETS = frozenset({"authorization", "cookie", "proxy-authorization"})
_NAMED = 3  # unfinished files that are named when it is interrupted


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Save what is at the URLs; return the exit code. Raises Failure."""
    quiet = len(arguments.every("quiet"))
    environment.is_silent = quiet > 1
    wanted = read_wanted(arguments, environment)
    asked = read_request(command, arguments.with_words([str(wanted[0].url)]), environment)
    _check(asked, wanted, arguments)
    with in_session(asked, arguments, environment) as asked:
        work = _Work(wanted, asked, arguments, environment)
        painter = painter_for(environment, work.transfers, is_quiet=quiet > 0)
        report = _Report(environment, painter, work, is_quiet=quiet > 0)
        network = StoppableNetwork()
        options: ClientOptions = {**asked.client, "network": network}
        with in_order(), Downloader(**options) as work.client:
            try:
                carry_out(work.transfers, work.save, report.tell, painter, network, work.at_once)
            except KeyboardInterrupt as fault:
                for note in report.unfinished():
                    fault.add_note(note)
                raise
            finally:
                painter.close()
    return report.finish()


def _check(asked: Asked, wanted: list[Wanted], arguments: Arguments) -> None:
    """Refuse what cannot be meant. Raises Failure."""
    for name in ("range", "if-range"):
        if name in asked.added:
            raise Failure(f"a download asks for ranges itself; crlf get URL -H '{name}: ...' -o")
    ways = [way for way in ("overwrite", "numbered", "skip-existing") if arguments.has(way)]
    if len(ways) > 1:
        raise Failure(f"--{ways[0]} and --{ways[1]} exclude each other")
    origins = {one.url.origin for one in wanted}
    if len(origins) < 2:
        return
    secret = next((name for name in asked.added if name in _SECRETS), "")
    for key in ("auth", "session", "session-read-only"):
        secret = secret or (f"--{key}" if arguments.has(key) else "")
    if secret:
        raise Failure(
            f"{secret} is for one origin, and these URLs are at {len(origins)}; "
            "--netrc has credentials for each host"
        )


class _Work:
    """The files, and how one of them is saved."""

    def __init__(
        self, wanted: list[Wanted], asked: Asked, arguments: Arguments, environment: Environment
    ) -> None:
        self.client: Downloader | None = None
        self.at_once = read_count(arguments.last("jobs"), "--jobs", AT_ONCE, MOST_AT_ONCE)
        self.transfers = [Transfer(one.url, one.likely_name) for one in wanted]
        self.doubts: dict[Transfer, str] = {}
        self._wanted = dict(zip(self.transfers, wanted, strict=True))
        self._names = Names()
        self._asked = asked
        self._overwrite = arguments.has("overwrite")
        self._numbered = arguments.has("numbered")
        self._skips = arguments.has("skip-existing")
        self.skipped: set[Transfer] = set()
        # What a request takes, a download does.
        self._options = cast("DownloadOptions", {**asked.options})
        self._options["resume"] = not arguments.has("no-resume")
        retries = arguments.last("retry")
        if retries is not None and retries.isascii() and retries.isdigit():
            self._options["attempts"] = int(retries[:6]) + 1
        else:
            self._options["attempts"] = ATTEMPTS
        size = arguments.last("max-size")
        if size is not None:
            self._options["max_size"] = read_size(size, "--max-size")
        self._folder = _folder(arguments.last("into"), environment)

    def save(self, transfer: Transfer) -> None:
        """Fetch one file. Raises what prevents it."""
        wanted = self._wanted[transfer]
        if self.client is None:
            raise RuntimeError("a client is made before files are asked for")
        options: DownloadOptions = {**self._options, "progress": transfer.tell}
        if wanted.digest is not None:
            options["digest"] = wanted.digest
        likely = path = os.path.join(self._folder, wanted.name)
        if os.path.isdir(path or "."):
            likely = os.path.join(path, wanted.likely_name)
            if os.path.exists(f"{likely}.part.json"):
                path = likely  # so that the first request asks for the rest already
        if self._skips and os.path.lexists(likely):
            self._skip(transfer, likely)
            return
        place = Place(
            path, transfer, self._names, overwrite=self._overwrite, numbered=self._numbered
        )
        try:
            done = self.client.save(wanted.url, place, **options)
        except FileExistsError as fault:
            if not self._skips or transfer.is_moving:
                raise
            self._skip(transfer, fault.filename)
            return
        transfer.rename(done.path)
        transfer.tell(done.size, done.size)
        self.doubts[transfer] = doubt(done)

    def _skip(self, transfer: Transfer, path: str) -> None:
        """Leave a file that is there."""
        transfer.rename(path)
        self.skipped.add(transfer)


def _folder(said: str | None, environment: Environment) -> str:
    """Return the folder for files, made if it has to be. Raises Failure."""
    if said is None:
        return environment.folder
    path = environment.path(said)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as fault:
        raise Failure(f"cannot make {said}: {reason_of(fault)}", NO_OUTPUT) from None
    return path


class _Report:
    """What is said while files come, and at the end."""

    def __init__(
        self, environment: Environment, painter: Painter, work: _Work, *, is_quiet: bool
    ) -> None:
        self._environment = environment
        self._painter = painter
        self._is_quiet = is_quiet
        self._work = work
        self._code = OK
        # A person who sees the lines on standard error needs no paths beside them.
        self._is_seen = environment.stdout_is_terminal and environment.stderr_is_terminal

    def tell(self, transfer: Transfer) -> None:
        """Say what became of a file."""
        if transfer.fault is not None:
            line, code = failure_of(transfer)
            self._code = self._code or code
            self._complain(line)
            return
        if transfer in self._work.skipped:
            self._remark(f"{transfer.path} is there already")
        else:
            self._remark(done_line(transfer))
        if remark := self._work.doubts.get(transfer):
            self._remark(remark)
        if not self._is_seen:
            self._write(transfer.path)

    def finish(self) -> int:
        """Sum up, if there is more than one file; return the exit code."""
        transfers = self._work.transfers
        saved = [one for one in transfers if one.state == "done"]
        if len(transfers) > 1:
            seconds = max(one.ended for one in transfers) - min(one.began for one in transfers)
            size = count(sum([one.moved for one in saved]))
            failed = len(transfers) - len(saved)
            ending = f"; {failed} failed" if failed else ""
            of = f"{len(saved)} of {len(transfers)} files are here"
            self._remark(f"{of}, {size} in {seconds:.2f} s{ending}")
        return self._code

    def unfinished(self) -> list[str]:
        """Say what an interruption leaves."""
        stopped = [
            one
            for one in self._work.transfers
            if one.state == "running" or isinstance(one.fault, Stopped)
        ]
        parts = [(one, size) for one in stopped if (size := part_size(one))]
        if len(parts) < 2:
            return [note for one, _ in parts for note in kept_of(one)]
        named = [f"{count(size)} in {one.part}" for one, size in parts[:_NAMED]]
        more = len(parts) - _NAMED
        kept = f"{', '.join(named)}{f' and {more} more' if more > 0 else ''}"
        return [f"there are {kept}", "the same command goes on from there"]

    def _remark(self, line: str) -> None:
        if not self._is_quiet:
            self._complain(line)

    def _complain(self, line: str) -> None:
        self._painter.clear()
        self._environment.complain(line)

    def _write(self, path: str) -> None:
        """Write a path to standard output, if somebody still reads that.

        Without a buffer, which would be written once more at the end.
        """
        stream = self._environment.stdout
        raw = stream.raw if isinstance(stream, io.BufferedWriter) else stream
        rest = os.fsencode(path) + b"\n"
        try:
            while rest:
                rest = rest[raw.write(rest) or 0 :]
        except OSError as fault:
            if fault.errno not in (errno.EPIPE, errno.EBADF):
                self._code = self._code or NO_OUTPUT
                self._complain(f"cannot write to standard output: {reason_of(fault)}")
