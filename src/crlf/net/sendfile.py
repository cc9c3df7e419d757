"""Files that the kernel carries from disk to a socket itself (sendfile), and where it cannot.

No byte of such a file passes through Python. A call takes a piece of bounded size, so that a
fast peer cannot keep a loop to itself; what the socket does not take now is sent when it is
writable again. Its law: so many bytes as were promised leave, or the connection is given up.
A file that is not in memory yet is waited for in the call, as nginx and asyncio do by default.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable

from crlf.message.errors import LocalError
from crlf.ports import Stream

CAN_SEND_FILES = hasattr(os, "sendfile")  # not on Windows
_MOST = 2 * 1024 * 1024  # bytes for one call, 0.3 ms; nginx the same (sendfile_max_chunk)
_PIECE = 256 * 1024  # bytes read at once where the kernel cannot send a file
# What the kernel says of files that it does not send this way: those of /proc, of some FUSEs.
_UNSUITED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK})


def send_some(socket_number: int, descriptor: int, offset: int, count: int) -> int:
    """Let the kernel send the next bytes of a file; return how many it took.

    Raises OSError, BlockingIOError among them, and LocalError when the file has no more.
    """
    # There is no MSG_NOSIGNAL here, and a program may have made the signal deadly again.
    if signal.getsignal(signal.SIGPIPE) == signal.SIG_DFL:
        raise OSError(errno.ENOSYS, "a peer that hangs up would end this program")
    sent = os.sendfile(socket_number, descriptor, offset, min(count, _MOST))
    if sent == 0:
        raise ended_early(count)
    return sent


def is_unsuited(fault: OSError) -> bool:
    """Tell a file that the kernel does not send from a connection that broke."""
    return fault.errno in _UNSUITED


def ended_early(count: int) -> LocalError:
    """Make the error for a file that has shrunk: so many bytes of it are missing."""
    return LocalError(f"the file ended {count:,} bytes before its promised length", "RFC 9110 8.6")


async def write_pieces(
    stream: Stream,
    descriptor: int,
    offset: int,
    count: int,
    deadline_of: Callable[[], float | None],
) -> None:
    """Read so many bytes of a file and write them, piece by piece, where nothing better goes.

    The file's own position stays where it is. Raises WriteTimeout, WriteFailed, LocalError.
    """
    while count:
        piece = _read_at(descriptor, min(count, _PIECE), offset)
        if not piece:
            raise ended_early(count)
        await stream.write(piece, deadline_of())
        offset += len(piece)
        count -= len(piece)


def _read_at(descriptor: int, count: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    before = os.lseek(descriptor, 0, os.SEEK_CUR)  # Windows has no pread
    try:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)
    finally:
        os.lseek(descriptor, before, os.SEEK_SET)
