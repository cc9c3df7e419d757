"""Certificates kept up to date while a server runs: when it is told to, and when files change.

Reading them takes a thread. Its law: what cannot be loaded is warned of, once, and changes
nothing.
"""

from __future__ import annotations

import asyncio

from crlf.message.errors import CrlfError
from crlf.ports import InThread
from crlf.server.application import Renewed
from crlf.server.watching.watches import warn

_LOOK = 5.0  # seconds between two looks at the files


class Renewing:
    """Looks after a server's certificates. Of one loop."""

    def __init__(self, certificates: Renewed, in_thread: InThread) -> None:
        self._certificates = certificates
        self._in_thread = in_thread
        self._task: asyncio.Task[None] | None = None  # held, or it could be collected under way
        self._looked = 0.0

    def request_reload(self) -> None:
        """Load them anew soon, as SIGHUP asks; for connections from then on."""
        self._task = asyncio.get_running_loop().create_task(self._reload_or_warn())

    def look(self, now: float) -> None:
        """See whether files have changed, when that was not seen for a while."""
        is_busy = self._task is not None and not self._task.done()
        if now - self._looked >= _LOOK and not is_busy:
            self._looked = now
            self._task = asyncio.get_running_loop().create_task(self._look())

    def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _reload_or_warn(self) -> None:
        try:
            await self._in_thread(self._certificates.reload)
        except CrlfError as fault:
            warn(f"the certificates cannot be loaded anew: {fault.brief}")

    async def _look(self) -> None:
        try:
            if await self._in_thread(self._certificates.refresh):
                warn("the certificates have changed and were loaded anew")
        except CrlfError as fault:
            warn(f"the certificates have changed and cannot be loaded: {fault.brief}")
