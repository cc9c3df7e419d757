"""What becomes of a command that fails: one line for people, and the exit code.

The first row that fits an error says its code. Its law: every exception has a line and a code,
also one that is a mistake of ours, and nobody else in cli/ turns errors into codes.
"""

from __future__ import annotations

from crlf.cli import exits
from crlf.cli.exits import Failure, reason_of
from crlf.message import errors

# The first that fits counts: timeouts are transport errors too.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (errors.BadUrl, exits.USAGE),
    (errors.Malformed, exits.USAGE),
    (errors.LocalError, exits.USAGE),
    (errors.TimedOut, exits.TOO_LATE),
    (errors.ConnectFailed, exits.NO_CONNECTION),
    (errors.BlockedAddress, exits.NO_CONNECTION),
    (errors.TlsFailed, exits.NO_TLS),
    (errors.TransportError, exits.LOST),
    (errors.RemoteError, exits.NOT_HTTP),
    (errors.TooManyRedirects, exits.REDIRECTS),
    (errors.TooLarge, exits.TOO_LARGE),
    (errors.DecodingError, exits.NOT_DECODED),
    (errors.DigestMismatch, exits.NOT_AS_SAID),
)


def outcome_of(fault: BaseException) -> tuple[str, int]:
    """Return the line that explains a fault, and the exit code that it stands for."""
    if isinstance(fault, Failure):
        line, code = fault.line, fault.code
    elif isinstance(fault, errors.CrlfError):
        line = fault.brief
        code = _code_of(fault)
        if isinstance(fault, errors.RemoteError):
            line = f"the answer is broken: {line}"
        elif isinstance(fault, errors.TooLarge) and fault.what == "body":
            line = f"the content is over its limit of {fault.limit:,} bytes"
    elif isinstance(fault, OSError):
        where = f"{fault.filename}: " if isinstance(fault.filename, str) else ""
        line, code = f"cannot write the output: {where}{reason_of(fault)}", exits.NO_OUTPUT
    else:
        line = f"a mistake in crlf: {type(fault).__name__}: {fault}; CRLF_DEBUG=1 shows where"
        code = exits.OTHER
    return "; ".join([line, *getattr(fault, "__notes__", ())]), code


def _code_of(fault: errors.CrlfError) -> int:
    if isinstance(fault, errors.ConnectFailed) and fault.phase == "dns":
        return exits.NO_NAME
    if isinstance(fault, errors.TlsFailed) and fault.is_untrusted:
        return exits.NO_TRUST
    return next((code for kind, code in _CODES if isinstance(fault, kind)), exits.OTHER)
