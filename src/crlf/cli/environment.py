"""The process as a command sees it: streams, variables, the folder. Its law: nothing in cli/
looks at sys or os.environ for these itself, so a test hands in its own.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import BinaryIO, cast

from crlf.cli.exits import NO_INPUT, Failure
from crlf.cli.terminal import harmless_line

_FORCED = ("FORCE_COLOR", "CLICOLOR_FORCE")


class Environment:
    """Where a command runs.

    stdin, stdout, stderr: binary. stdout_is_terminal, stderr_is_terminal: whether a person is
    likely to read them. variables: the environment's. folder: what relative paths start from.
    ask: shows a prompt and returns what is typed, unseen; None where there is nobody to ask.
    """

    def __init__(
        self,
        stdin: BinaryIO,
        stdout: BinaryIO,
        stderr: BinaryIO,
        *,
        stdout_is_terminal: bool = False,
        stderr_is_terminal: bool = False,
        variables: Mapping[str, str] | None = None,
        folder: str = ".",
        ask: Callable[[str], str] | None = None,
        encoding: str = "utf-8",
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.stdout_is_terminal = stdout_is_terminal
        self.stderr_is_terminal = stderr_is_terminal
        self.variables = {} if variables is None else variables
        self.folder = folder
        self.ask = ask
        self.encoding = encoding
        self.is_silent = False  # nothing is complained of: -qq

    def path(self, name: str) -> str:
        """Return where a file is that the user named."""
        return os.path.join(self.folder, os.path.expanduser(name))

    def config_folder(self) -> str:
        """Return where the user's own settings and sessions are; "" where there is no such place.

        It need not be there. The XDG Base Directory Specification; %APPDATA% on Windows.
        """
        variables = self.variables
        base = variables.get("XDG_CONFIG_HOME", "")
        if not os.path.isabs(base):  # as it says: what is relative counts for nothing
            base = variables.get("APPDATA", "") if os.name == "nt" else ""
            home = variables.get("HOME", "")
            if not base and os.path.isabs(home):
                base = os.path.join(home, ".config")
        return os.path.join(base, "crlf") if base else ""

    def settings_file(self) -> str:
        """Return the user's file of settings, "" where there is none: one look at the disk.

        CRLF_CLIENT_CONFIG names another, or is off. (CRLF_CONFIG is a server's.)
        """
        variables = self.variables
        named = variables.get("CRLF_CLIENT_CONFIG", "")
        if named:
            return "" if named == "off" else self.path(named)
        folder = "" if variables.get("CRLF_CONFIG") == "off" else self.config_folder()
        path = os.path.join(folder, "config.toml")
        return path if folder and os.path.exists(path) else ""

    def encoded(self, text: str) -> bytes:
        """Write text in the terminal's encoding, escaping what that does not have."""
        return text.encode(self.encoding, "backslashreplace")

    def show(self, text: str) -> None:
        """Write text to stdout, now: somebody may be waiting for it."""
        self.stdout.write(self.encoded(text))
        self.stdout.flush()

    def leave_line(self) -> None:
        """Begin a new line on a terminal that has just echoed ^C."""
        if self.stderr_is_terminal:
            self.tell("\n")

    def tell(self, text: str) -> None:
        """Write text to stderr, after what stdout has been given."""
        with suppress(OSError, ValueError):  # who ends the pipe has seen enough
            self.stdout.flush()
        with suppress(OSError, ValueError):  # nowhere left to say so
            self.stderr.write(self.encoded(text))
            self.stderr.flush()

    def complain(self, text: str) -> None:
        """Write one line to stderr that says whose it is, harmless whatever is in it."""
        if not self.is_silent:
            self.tell(f"crlf: {harmless_line(text)}\n")

    def wants_colour(self, is_terminal: bool) -> bool:
        """Whether to colour what people read in a stream; by default on a terminal.

        As the field has agreed: NO_COLOR with any value is no, FORCE_COLOR or CLICOLOR_FORCE
        (but for 0) is yes even into a pipe, CLICOLOR=0 and TERM=dumb are no.
        """
        variables = self.variables
        if variables.get("NO_COLOR"):
            return False
        if any(variables.get(name, "0") not in ("", "0") for name in _FORCED):
            return True
        return is_terminal and variables.get("CLICOLOR") != "0" and variables.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """Columns of the terminal: what COLUMNS says, else what the terminal does, else 80."""
        said = self.variables.get("COLUMNS", "")
        if said.isascii() and said.isdigit() and 0 < len(said) < 5 and int(said):
            return int(said)
        for stream, is_terminal in (
            (self.stdout, self.stdout_is_terminal),
            (self.stderr, self.stderr_is_terminal),
        ):
            with suppress(OSError, ValueError, AttributeError):  # a test's has no descriptor
                if is_terminal and (columns := os.get_terminal_size(stream.fileno()).columns):
                    return columns
        return 80


def of_process(ask: Callable[[str], str]) -> Environment:
    """Return the Environment that is this process."""
    out, err = sys.stdout, sys.stderr
    return Environment(
        _binary(sys.stdin),
        _binary(out),
        _binary(err),
        stdout_is_terminal=out is not None and out.isatty(),
        stderr_is_terminal=err is not None and err.isatty(),
        variables=os.environ,
        folder="",
        ask=ask,
        encoding=(err or out or io.StringIO()).encoding or "utf-8",
    )


class _Closed(io.RawIOBase):
    """A standard stream that the process was started without (`>&-`, `<&-`)."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        raise Failure("cannot read standard input: it is closed", NO_INPUT)

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        raise OSError(errno.EBADF, "it is closed")


def _binary(stream: object) -> BinaryIO:
    """Return what is below a text stream; None is what Python makes of one that is closed."""
    binary: BinaryIO = getattr(stream, "buffer", None) or cast(BinaryIO, _Closed())
    return binary
