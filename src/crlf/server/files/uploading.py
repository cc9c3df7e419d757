"""Files that visitors put into a folder: by PUT, or by a form of its page; whole or not at all.

Content goes to the disk as it comes, a batch at a time, in constant memory, and has no name
until all of it is there (storing.py, net/placing.py). Its law: nobody is let in who need not
be; and what was sent here cannot act on this origin when it is shown.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from os import PathLike
from typing import Final, TypeVar

from crlf.flow.batches import BATCH
from crlf.flow.bodies import Lent
from crlf.flow.forms import is_form_data, read_form
from crlf.flow.turn import Talk, Turn
from crlf.message.errors import CrlfError, RemoteError, TooLarge
from crlf.message.fields.negotiation import best_media_type
from crlf.message.headers import Field, Headers
from crlf.message.percent import encode_plus, percent_encode
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.admission import Admission
from crlf.rules.crosssite import is_from_elsewhere
from crlf.rules.pages import NOSNIFF, error_response, refuse_method
from crlf.server.files.listingpage import Panel
from crlf.server.files.opening import is_shortage
from crlf.server.files.storing import FormFiles, PutFile, Refused, Store, exact_name, names_of
from crlf.server.files.uploadpage import SIGN_IN, SIGN_IN_PANEL, upload_panel
from crlf.server.settings import FolderSettings
from crlf.wire.parts import END, Data, Part

T = TypeVar("T")

MOST_MARKED: Final = 20  # names that a page is asked to mark as new; a URL should stay short

_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_OF_FOLDERS: Final = Headers([("allow", "GET, HEAD, OPTIONS, POST")])
_OF_FILES: Final = Headers([("allow", "GET, HEAD, OPTIONS, PUT")])
_ANSWERS: Final = ("text/plain", "text/html", "application/json")  # of equals the first
_UNKEPT: Final = ("cache-control", "no-store")
# What visitors wrote is shown as a page of nowhere: it has no origin, no script and no form.
_SANDBOX: Final = (
    "content-security-policy",
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
)
_ACTING: Final = ("html", "xml")  # ends of the types that a browser runs scripts of


class Uploads:
    """What takes files for a folder and those below it.

    folder: its path; no link below it is followed. settings: of which those for uploads count.
    Raises ValueError for settings that cannot be.
    """

    def __init__(self, folder: str | PathLike[str], settings: FolderSettings) -> None:
        for name in ("spa", "error_pages"):
            if getattr(settings, name):
                raise ValueError(
                    f"upload and {name.replace('_', '-')} exclude each other: whoever sends "
                    "that file would answer for all that is missing"
                )
        self._store = Store(folder, settings.upload_quota, settings.upload_files)
        self._admission = Admission(settings.upload_token, settings.upload_user)
        self._limit = settings.upload_limit
        self._panel = upload_panel(settings.upload_limit)

    def panel_of(self, request: Request) -> Panel | None:
        """Return what stands on a folder's page for whoever asks for it."""
        if self._admission.admits(request):
            return self._panel
        return SIGN_IN_PANEL if self._admission.needs_secret else None

    def talk(
        self,
        send: Callable[[Request], Awaitable[Response]],
        in_thread: InThread,
        now: Callable[[], float],
    ) -> Talk:
        """Return what answers all requests. send: answers those that only read."""

        async def talk(turn: Turn) -> None:
            request = turn.request
            if request.method in ("GET", "HEAD"):
                response = self._signed_in(request)
                if response is None:
                    response = _sandboxed(await send(request))
            elif request.method in ("PUT", "POST"):
                response = await self._take(turn, in_thread, now)
            else:
                is_folder = request.path.endswith("/")
                response = refuse_method(request, _OF_FOLDERS if is_folder else _OF_FILES)
            await turn.answer(response)

        return talk

    def _signed_in(self, request: Request) -> Response | None:
        """Answer who wants to sign in: once a browser has done it here, it does so by itself."""
        path, _, query = request.target.partition("?")
        if query != SIGN_IN or not path.endswith("/") or not self._admission.needs_secret:
            return None
        if self._admission.admits(request):
            return Response.quick(303, Headers([("location", "./"), _UNKEPT, NOSNIFF]), b"")
        headers = self._admission.challenges.adding(*_UNKEPT)
        sentence = "Uploads are for those who know the password, or the token as one."
        return error_response(401, sentence, accept=request.headers.get("accept"), headers=headers)

    async def _take(self, turn: Turn, in_thread: InThread, now: Callable[[], float]) -> Response:
        """Take what a request brings, or say why not."""
        request = turn.request
        accept = request.headers.get("accept")
        try:
            self._admit(request)
            if request.method == "PUT":
                return await self._put(turn, in_thread, now)
            return await self._form(turn, in_thread)
        except Refused as refused:
            return error_response(
                refused.status_code, refused.sentence, refused.rule, accept,
                headers=refused.headers,
            )  # fmt: skip
        except TooLarge as fault:
            return error_response(fault.status_code, _too_large(fault), fault.rule, accept)
        except RemoteError as fault:
            if turn.fault is fault:
                raise
            return error_response(fault.status_code, f"{fault.reason}.", fault.rule, accept)
        except OSError as fault:
            if isinstance(fault, CrlfError):  # the connection's
                raise
            status_code, sentence = _of_the_disk(fault)
            return error_response(status_code, sentence, accept=accept)

    def _admit(self, request: Request) -> None:
        """Raise Refused for who may not."""
        if is_from_elsewhere(request):
            raise Refused(403, "A page of another site has sent this.", "Fetch Metadata 2.4")
        if self._admission.admits(request):
            return
        if self._admission.needs_secret:
            sentence = "Who sends files has to know the password, or the token as one."
            raise Refused(401, sentence, headers=self._admission.challenges)
        raise Refused(403, "Without a token or a user, files are taken from this machine alone.")

    # -- PUT

    async def _put(self, turn: Turn, in_thread: InThread, now: Callable[[], float]) -> Response:
        """Take one file, under the name that its URL has (RFC 9110 9.3.4)."""
        request = turn.request
        folders, name = names_of(request)
        if not name:
            raise Refused(405, "A folder is no file: PUT to a name in it.", headers=_OF_FOLDERS)
        _refuse_partial(request)
        name = exact_name(name)
        put = PutFile(self._store, request, folders, name, now)
        lent = Lent(put.close)

        async def run(work: Callable[[], T]) -> T:
            return await in_thread(lambda: lent.use(work))

        gathered = bytearray()
        try:
            await run(put.begin)
            turn.take_up_to(self._limit)
            while (piece := await turn.next_piece()) is not None:
                gathered += piece
                if len(gathered) >= BATCH:
                    content, gathered = gathered, bytearray()
                    await run(partial(put.write, content))
            status_code, tag = await run(partial(put.finish, gathered))
        finally:
            lent.let_go()
        link = percent_encode(name)
        fields: list[Field] = [("etag", tag.build()), NOSNIFF]
        if status_code == 204:
            return Response.quick(204, Headers(fields), b"")
        fields += [("location", link), ("content-type", "text/plain; charset=utf-8")]
        return Response.quick(201, Headers(fields), f"{link}\n".encode())

    # -- POST

    async def _form(self, turn: Turn, in_thread: InThread) -> Response:
        """Take the files of a form, all of them or none, under names that are free."""
        request = turn.request
        folders, name = names_of(request)
        if name:
            sentence = "A form is sent to a folder, whose path ends in a slash; files go by PUT."
            raise Refused(405, sentence, headers=_OF_FILES)
        if not is_form_data(request.headers):
            raise Refused(415, "Files come as multipart/form-data, or by PUT.", "RFC 7578 4")
        form = FormFiles(self._store, folders)
        lent = Lent(form.close)
        try:
            await in_thread(lambda: lent.use(lambda: form.begin(request)))
            turn.take_up_to(self._limit)
            _, form.files = await read_form(
                _Parts(turn), request.headers, self._limit,
                lambda: lent.use(form.spool), _never, in_thread,
            )  # fmt: skip
            saved = await in_thread(lambda: lent.use(form.finish))
        finally:
            lent.let_go()
        return _saved(request, saved)


class _Parts:
    """The content of a turn's request, as what reads a form takes it."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    async def next_part(self, deadline: float | None) -> Part:
        """Return some content, or its end."""
        piece = await self._turn.next_piece()
        return END if piece is None else Data(piece)


def _never() -> None:
    """Say until when content has to come: the turn knows that by itself."""


# --- answers -------------------------------------------------------------------------------------


def _refuse_partial(request: Request) -> None:
    """Refuse content that is not what the file is to be."""
    if "content-range" in request.headers:
        raise Refused(400, "A part of a file cannot be put.", "RFC 9110 14.5")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "Files are kept as they come, and not decoded.", "RFC 9110 8.4")


def _saved(request: Request, saved: Sequence[tuple[str, int]]) -> Response:
    """Say under which names files were saved: to a browser by the page that has them marked."""
    kind = best_media_type(request.headers.get("accept"), _ANSWERS)
    links = [percent_encode(name) for name, _ in saved]
    if kind == "text/html":
        marks = "&".join(f"new={encode_plus(name)}" for name, _ in saved[:MOST_MARKED])
        return Response.quick(303, Headers([("location", f"./?{marks}"), NOSNIFF]), b"")
    fields: list[Field] = [("vary", "Accept"), NOSNIFF]
    if len(saved) == 1:
        fields.append(("location", links[0]))
    if kind == "application/json":
        import json

        told = [
            {"name": name, "size": size, "link": link}
            for (name, size), link in zip(saved, links, strict=True)
        ]
        content = json.dumps({"saved": told}, ensure_ascii=False)
        fields.append(("content-type", kind))
    else:
        content = "\n".join(links)
        fields.append(("content-type", "text/plain; charset=utf-8"))
    return Response.quick(201, Headers(fields), f"{content}\n".encode())


def _sandboxed(response: Response) -> Response:
    """Let a page that a visitor may have sent do nothing here."""
    kind = response.headers.get("content-type", "").partition(";")[0]
    if not kind.endswith(_ACTING) or "content-security-policy" in response.headers:
        return response
    return response.with_headers(response.headers.adding(*_SANDBOX))


def _too_large(fault: TooLarge) -> str:
    if fault.what == "body":
        return f"More than the {fault.limit:,} bytes that may be sent at once."
    if fault.what == "upload_quota":
        return f"More than the {fault.limit:,} bytes that the folder may have."
    if fault.what == "free_space":
        return "The disk is full."
    return f"{fault.brief}."


def _of_the_disk(fault: OSError) -> tuple[int, str]:
    """Say what is wrong with our disk. Raises the fault when it is none of its everyday ones."""
    if is_shortage(fault):
        return 503, "There are too many files open just now."
    if fault.errno in _FORBIDDEN:
        return 403, "The server may not write into this folder."
    if fault.errno in _FULL:
        return 507, "The disk is full."
    raise fault
