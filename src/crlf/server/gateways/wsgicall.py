"""One call of a WSGI application: what happens in the thread, and how the loop hears of it.

The thread says things (a head, content, a file, the end) and the loop takes them in that order.
A whole answer is one thing, and by far the most frequent. Its law: the iterable is closed once,
in a thread, whatever happens; who says faster than a client reads waits, and who speaks to
nobody is stopped.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from crlf.message.errors import CrlfError, Malformed
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.handover import Handover
from crlf.net.openfile import what_is_left
from crlf.net.workpool import WorkPool
from crlf.server.gateways.environ import Environ, ErrorLog, request_entries
from crlf.server.gateways.wsgihead import Head, build_head
from crlf.wire.parts import ResponseHead

Wsgi = Callable[[Environ, Callable[..., object]], Iterable[bytes]]

SMALL_FILE: Final = 64 * 1024  # bytes of a file that is read at once, rather than sent by itself
_BODILESS: Final = frozenset({204, 304})  # RFC 9110 15.3.5, 15.4.5


class Sent(NamedTuple):
    """A piece of a file that the loop is to send by itself."""

    file: BinaryIO
    offset: int
    size: int


class End(NamedTuple):
    """The answer is complete."""


END: Final = End()
Said = Response | ResponseHead | bytes | Sent | End | BaseException


class FileWrapper:
    """`wsgi.file_wrapper`: a file to be sent (PEP 3333, Optional Platform-Specific File Handling).

    It is an iterator of blocks for whoever takes it apart before it gets to the server, and can
    be sought in and closed where its file can: Werkzeug does so for a part of one.
    """

    def __init__(self, filelike: Any, block_size: int = 64 * 1024) -> None:
        self.filelike = filelike
        self.block_size = block_size
        for name in ("close", "seek", "seekable", "tell"):
            if hasattr(filelike, name):
                setattr(self, name, getattr(filelike, name))

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block


class _Refused(Exception):
    """The client's request cannot be put into an environ."""

    def __init__(self, fault: Malformed) -> None:
        super().__init__()
        self.fault = fault


class Call(Handover[Said]):
    """A request on its way through an application: `run` in a thread, heard on the loop.

    entries: of its environ, those that its connection's have in common. content, size: what the
    request carries, from its beginning; None for nothing.
    """

    is_handed_on = False  # the loop has it closed, once a file is out
    is_left = False  # by the loop, which uses nothing of it any more
    _head: Head | None = None
    _has_said = False  # the head, so that it is settled
    _open: list[Callable[[], object]] | None = None  # what is to be closed, the last first

    def __init__(
        self,
        pool: WorkPool,
        app: Wsgi,
        request: Request,
        entries: Environ,
        root_path: str,
        content: BinaryIO | None,
        size: int,
    ) -> None:
        self.pool = pool
        self._said = deque()
        self._app, self._request, self._entries = app, request, entries
        self._root_path, self._content, self._size = root_path, content, size
        if content is not None:
            self._open = [content.close]

    # -- in the thread

    def run(self) -> None:
        """Call the application and say what it says."""
        errors = ErrorLog()
        try:
            environ = self._environ(errors)
            iterable = self._app(environ, self.start_response)
            if type(iterable) is list:
                self._say_list(iterable)
            else:
                if (close := getattr(iterable, "close", None)) is not None:
                    self._open = [*(self._open or ()), close]
                self._speak(iterable)
        except _Refused as refused:
            self.say(refused.fault)
        except BaseException as fault:
            self.say(_own(fault))
        finally:
            # That the client is gone is not enough: the loop may be sending the file even so, and
            # with its descriptor closed it would send what is opened next.
            if self._open is not None and (not self.is_handed_on or self.is_left):
                self.close()
            errors.flush()

    def close(self) -> None:
        """Close the iterable and the request's content, in a thread, each once."""
        while self._open:
            try:
                self._open.pop()()  # one step: another thread may be here as well
            except IndexError:
                return
            except BaseException as fault:
                _log("an application failed in close()", fault)

    def _environ(self, errors: ErrorLog) -> Environ:
        try:
            entries = request_entries(self._request, self._entries.copy(), self._root_path)
        except Malformed as fault:
            raise _Refused(fault) from None
        if self._content is None:
            entries["wsgi.input"] = io.BytesIO()
        else:
            entries["wsgi.input"] = self._content
            entries["CONTENT_LENGTH"] = str(self._size)
        entries["wsgi.errors"] = errors
        entries["wsgi.early_hints"] = self.inform
        return entries

    def start_response(
        self, status: str, fields: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        """Take the head of the response; see PEP 3333."""
        if exc_info is not None:
            try:
                if self._has_said:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # or its frames and this one would hold each other
        elif self._head is not None:
            raise RuntimeError("start_response was called a second time, without exc_info")
        self._head = build_head(status, fields)
        return self.write

    def inform(self, fields: Iterable[tuple[str, str]], /) -> None:
        """Send a 103 with some fields, before the response (RFC 8297)."""
        if not self._has_said and not self.is_gone:
            self.say(ResponseHead(103, Headers(fields)))

    def write(self, data: bytes, /) -> None:
        """Send content now; what start_response returns, for old programs."""
        self._put_piece(data)

    def _speak(self, iterable: Iterable[bytes]) -> None:
        """Say the response."""
        if type(iterable) is tuple:
            self._say_list(iterable)
            return
        if type(iterable) is FileWrapper and not self._has_said and self._say_file(iterable):
            return
        whole = False  # all that Content-Length says has been said
        for piece in iterable:
            if not piece:
                continue
            if whole:
                _log("an application yielded more than its Content-Length")
                return
            if not self._has_said:
                head = self._settled()
                if head.status_code in _BODILESS:
                    break
                if head.length == len(piece):
                    self._say_whole(head, piece)
                    whole = True
                    continue
            self._put_piece(piece)
            if self._request.method == "HEAD":
                break  # RFC 9110 9.3.2: nothing of it is sent
        if not self._has_said:
            self._say_whole(self._settled(), b"")
        elif not whole:
            self.say(END)

    def _say_list(self, pieces: Sequence[bytes]) -> None:
        """Say a response of which all is here already."""
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._has_said:
            self._put_piece(content)
            self.say(END)
        else:
            self._say_whole(self._settled(), content)

    def _settled(self) -> Head:
        """Return the head, which cannot be another from now on."""
        head = self._head
        if head is None:
            raise RuntimeError("the application has not called start_response")
        return head

    def _say_whole(self, head: Head, content: bytes) -> None:
        """Say an answer in one. Raises ValueError when its length is not what it said."""
        status_code, headers, reason, length = head
        if type(content) is not bytes:
            raise TypeError(f"an application yields bytes, not {type(content).__name__}")
        if status_code in _BODILESS:
            content = b""
        elif length is not None and length != len(content):
            if self._request.method != "HEAD":
                raise ValueError(f"Content-Length is {length}, the content {len(content)} bytes")
            headers, content = headers.adding("content-length", str(length)), b""
        response = Response.quick(status_code, headers, content)
        if reason:
            response.reason = reason
        self._has_said = True
        self.say(response)

    def _put_piece(self, piece: bytes) -> None:
        """Say a piece of content, its head before; wait while too much is under way."""
        if type(piece) is not bytes:
            raise TypeError(f"an application yields bytes, not {type(piece).__name__}")
        if not self._has_said:
            self._say_head(self._settled())
        if not piece:
            return
        self.say_content(piece, len(piece))

    def _say_head(self, head: Head) -> None:
        status_code, headers, reason, length = head
        if length is not None and status_code not in _BODILESS:
            headers = headers.adding("content-length", str(length))
        self._has_said = True
        self.say(ResponseHead(status_code, headers, reason))

    def _say_file(self, wrapper: FileWrapper) -> bool:
        """Let the loop send a real file; False when it is none, or a small one."""
        file, head = wrapper.filelike, self._settled()
        if self._request.method == "HEAD" or head.status_code in _BODILESS:
            return False
        found = what_is_left(file)
        if found is None:
            return False
        offset, left = found
        count = left if head.length is None else head.length
        if count > left:
            raise ValueError(f"Content-Length is {count}, and the file has {left} bytes left")
        if count <= SMALL_FILE:
            return False
        self.is_handed_on = True
        self._say_head(head._replace(length=count))
        self.say(Sent(file, offset, count))
        self.say(END)
        return True


def _own(fault: BaseException) -> BaseException:
    """Return an error as one of the application's: no exit, and nothing the client did wrong."""
    if isinstance(fault, Exception) and not isinstance(fault, CrlfError):
        return fault
    own = RuntimeError(f"the application raised {type(fault).__name__}")
    own.__cause__ = fault
    return own


def _log(sentence: str, fault: BaseException | None = None) -> None:
    import logging  # for applications that are not as they should be

    logging.getLogger("crlf.wsgi").error(sentence, exc_info=fault)
