"""One file as a site: `crlf serve report.html`.

It is at its name, and at / as well; nothing else is there, neither what lies beside it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from crlf.message.percent import percent_encode
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import InThread
from crlf.rules.pages import error_response
from crlf.server.files import Folder


class FileSite:
    """Serves one file of a folder. folder: how it is served; name: of the file in it."""

    def __init__(self, folder: Folder, name: str) -> None:
        self.folder = folder
        self.name = name

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers requests."""
        path = "/" + percent_encode(self.name)

        async def send(request: Request) -> Response:
            if request.path not in ("/", path):
                return error_response(404, accept=request.headers.get("accept"))
            return await self.folder.answer(request, path, in_thread)

        return send
