"""A download: a file that is either not there, or there whole.

The bytes go to a file under a passing name, beside a note of what they are. A connection that
breaks is taken up again where it stopped, within this call and in a later one, whenever the
answers prove that they belong together (rules/resuming.py). Its law: the final name appears
after the last byte, the length and every digest were found right, and at no other time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, Literal, Protocol, TypeVar

from crlf.flow.bodies import Lent, refuse_over
from crlf.flow.filters import wait_until
from crlf.flow.incoming import Arrived, Incoming, content_of
from crlf.message.body import Progress
from crlf.message.errors import (
    CrlfError,
    DecodingError,
    DigestMismatch,
    StatusError,
    TooLarge,
)
from crlf.message.fields.digests import Digest, Hash
from crlf.message.progress import Download
from crlf.message.response import Response
from crlf.message.status import reason_of
from crlf.message.url import URL
from crlf.ports import Network
from crlf.rules.resuming import (
    ENOUGH,
    Complete,
    Kept,
    Refused,
    Rest,
    Unusable,
    Whole,
    asking,
    build_note,
    can_go_on,
    content_digest,
    file_name,
    judge,
    lie,
    noted_url,
    parse_note,
    pause_before,
    said_digest,
)
from crlf.values import frozen

T = TypeVar("T")
Outcome = Literal["done", "more", "anew"]  # more: is to come; anew: ask again, from the start

BATCH: Final = 256 * 1024  # bytes handed to the disk at once
_MANY: Final = 512  # pieces handed to the disk at once, however small; IOV_MAX is 1024
_ERROR_SHOWN: Final = 64 * 1024  # bytes kept of an error's content
_EVERY: Final = 0.05  # seconds between two reports of progress

Source = Incoming | Arrived
# Sends the download's request with some more fields, and returns its response's head.
Ask = Callable[[list[tuple[str, str]]], Awaitable[tuple[Source, Response]]]


class Part(Protocol):
    """A file on its way, under a passing name. Everything blocks, so it is called in a thread."""

    def look(self) -> tuple[bytes, int] | None:
        """Return what an earlier call left, its note and its size; None when there is nothing.

        From then on it is ours alone. Raises OSError when somebody else is at it.
        """

    def begin(self, note: bytes | None) -> None:
        """Start at 0, and keep this note beside it."""

    def write(self, pieces: Sequence[bytes]) -> None:
        """Add to its end. Raises OSError; what fits is written."""

    def feed(self, update: Callable[[bytes], object]) -> None:
        """Hand over everything that is in it, from the start."""

    def finish(self) -> str:
        """Give it its final name, and return that. Raises FileExistsError."""

    def discard(self) -> None:
        """Remove it and its note."""

    def close(self) -> None:
        """Let go of it; it stays for a later call."""


class Place(Protocol):
    """Where a file is to go: a path, or a folder in which a name is still to be chosen."""

    is_folder: bool

    def part(self, name: str) -> Part:
        """Return the unfinished file; name counts in a folder only. Raises FileExistsError."""


@frozen
class Wishes:
    """What a download is to be like; see Client.download."""

    url: URL
    digest: Digest | None = None
    resume: bool = True
    max_size: int | None = None
    attempts: int = 5
    progress: Progress | None = None


async def download(ask: Ask, place: Place, wishes: Wishes, network: Network) -> Download:
    """Fetch a file and put it in its place, whole.

    Raises StatusError before anything is written, DigestMismatch and TooLarge (nothing is
    left), and what breaks a connection once the attempts are used up: then what came stays, for
    the next call. OSError of the disk leaves it too, FileExistsError included.
    """
    under_way = _Downloading(ask, place, wishes, network)
    try:
        return await under_way.run()
    finally:
        under_way.let_go()


class _Downloading:
    """One download under way: what came so far, of which state, and how to go on."""

    def __init__(self, ask: Ask, place: Place, wishes: Wishes, network: Network) -> None:
        self._ask = ask
        self._place = place
        self._wishes = wishes
        self._url = noted_url(wishes.url)
        self._network = network
        self._part: Part | None = None
        self._lent: Lent | None = None
        self._size = 0  # bytes in the part
        self._etag: str | None = None  # strong; what allows to go on
        self._total: int | None = None
        self._found = 0  # bytes that an earlier call left, and that are in use
        self._hashes: dict[str, Hash] = {}  # of what is in the part
        self._said: Digest | None = None  # what the server says that it should come to
        self._response: Response | None = None  # the last good one
        self._attempts = 0
        self._has_begun_anew = False  # after an answer that was of no use
        self._tell_at = 0.0  # when progress is told next

    async def run(self) -> Download:
        """Go all the way."""
        if not self._place.is_folder:
            await self._take("")
            await self._look()
        try:
            await self._fetch()
            digest = await self._check()
        except (DecodingError, DigestMismatch, TooLarge):
            if self._part is not None:
                await self._work(lambda part: part.discard())
            raise
        path = await self._work(lambda part: part.finish())
        self._total = self._size
        self._tell(self._size)
        if self._response is None:
            raise RuntimeError("a download ended without an answer")
        shown = None if digest is None else str(digest)
        return Download(path, self._size, self._response, self._found, self._attempts, shown)

    def let_go(self) -> None:
        """Close the part, as soon as no thread is at it."""
        if self._lent is not None:
            self._lent.let_go()

    # -- the part

    async def _take(self, name: str) -> None:
        part = await self._network.in_thread(lambda: self._place.part(name))
        self._part, self._lent = part, Lent(part.close)

    async def _work(self, work: Callable[[Part], T]) -> T:
        """Run what blocks in a thread; the part is closed when the last of us is done with it."""
        part, lent = self._part, self._lent
        if part is None or lent is None:
            raise RuntimeError("a part is taken before it is worked on")
        return await self._network.in_thread(lambda: lent.use(lambda: work(part)))

    async def _look(self) -> None:
        """See what an earlier call has left."""
        if not self._wishes.resume:
            return
        found = await self._work(lambda part: part.look())
        kept = None if found is None else parse_note(found[0], self._url, found[1])
        if kept is not None:
            self._size = self._found = kept.size
            self._etag, self._total = kept.etag, kept.total

    @property
    def _kept(self) -> Kept | None:
        """What can be gone on with."""
        if self._etag is None or not self._size or not self._wishes.resume:
            return None
        return Kept(self._size, self._etag, self._total)

    # -- fetching

    async def _fetch(self) -> None:
        """Ask until everything is here. Raises the last fault when that leads nowhere."""
        fruitless = 0  # attempts in a row that brought next to nothing
        while True:
            before = self._size
            self._attempts += 1
            fault: CrlfError | None = None
            try:
                outcome = await self._attempt()
                if outcome == "done":
                    return
                if outcome == "anew":
                    continue
            except CrlfError as broken:
                if self._response is None or not can_go_on(broken):
                    raise
                fault = broken
            if self._kept is not None and self._size - before >= ENOUGH:
                fruitless = 0
            elif (fruitless := fruitless + 1) >= self._wishes.attempts:
                raise fault or lie("206 after 206 with next to nothing in it")
            if fault is not None:
                await wait_until(self._network, self._network.now() + pause_before(fruitless))

    async def _attempt(self) -> Outcome:
        """Ask once and take what comes."""
        kept = self._kept
        incoming, response = await self._ask(asking(kept))
        try:
            outcome = await self._take_answer(kept, incoming, response)
            await incoming.leave()
            return outcome
        except _Useless as fault:
            if kept is None or self._has_begun_anew:
                raise incoming.completed(lie(fault.reason)) from None
            self._has_begun_anew = True
            self._etag = None
            return "anew"
        except CrlfError as fault:
            raise incoming.completed(fault) from None
        finally:
            incoming.close()

    async def _take_answer(
        self, kept: Kept | None, incoming: Source, response: Response
    ) -> Outcome:
        match judge(kept, response.status_code, response.headers):
            case Whole(etag, total):
                if await self._has_some_of(etag, response):
                    return "anew"
                await self._begin(etag, total, response)
                await self._receive(incoming, response, None)
            case Rest(end, total):
                refuse_over(self._wishes.max_size, total)
                self._response, self._total = response, total
                self._said = said_digest(response.headers, is_whole=False) or self._said
                await self._receive(incoming, response, end, content_digest(response.headers))
                return "done" if end == total else "more"
            case Complete():
                self._response = response
            case Unusable(reason):
                raise _Useless(reason)
            case Refused():
                raise await _refusal(incoming, response)
        return "done"

    async def _has_some_of(self, etag: str | None, response: Response) -> bool:
        """In a folder the name is known only now, and with it what an earlier call has left."""
        if self._part is not None:
            return False
        await self._take(file_name(response.headers, self._wishes.url))
        await self._look()
        return self._kept is not None and self._etag == etag

    async def _begin(self, etag: str | None, total: int | None, response: Response) -> None:
        """Start with an empty part."""
        refuse_over(self._wishes.max_size, total)
        self._response = response
        self._etag, self._total = etag, total
        self._size = self._found = 0
        self._hashes = {}
        self._said = said_digest(response.headers, is_whole=True)
        note = build_note(self._url, etag, total) if etag and self._wishes.resume else None
        await self._work(lambda part: part.begin(note))

    # -- content

    async def _receive(
        self, incoming: Source, response: Response, end: int | None, of_it: Digest | None = None
    ) -> None:
        """Take an answer's content to its end.

        end: the size of the file then, where the answer said so. of_it: what this content
        alone has to come to.
        """
        await self._work(self._catch_up)
        content = content_of(incoming, response)
        alone = None if of_it is None else of_it.new_hash()
        hashes = [*self._hashes.values(), *([] if alone is None else [alone])]
        pieces: list[bytes] = []
        held = 0
        self._tell(self._size)
        try:
            while (piece := await content.next_piece()) is not None:
                size = self._size + held + len(piece)
                refuse_over(self._wishes.max_size, size)
                if end is not None and size > end:
                    raise _Useless("206 with more content than its Content-Range says")
                pieces.append(piece)
                held += len(piece)
                if held >= BATCH or len(pieces) >= _MANY:
                    batch, pieces, held = pieces, [], 0
                    await self._write(batch, hashes)
                self._tell(size, is_due=False)
        except CrlfError:
            await self._write(pieces, hashes)  # it has come, and is good for a later call
            raise
        await self._write(pieces, hashes)
        if end is not None and self._size != end:
            raise _Useless("206 with less content than its Content-Range says")
        if alone is not None and of_it is not None:
            of_it.check(alone)
        if self._said is None:
            self._said = said_digest(incoming.response.trailers, is_whole=end is None)

    async def _write(self, pieces: list[bytes], hashes: list[Hash]) -> None:
        def work(part: Part) -> None:
            part.write(pieces)
            for one in hashes:
                for piece in pieces:
                    one.update(piece)

        if pieces:
            await self._work(work)
            self._size += sum([len(piece) for piece in pieces])

    def _catch_up(self, part: Part) -> None:
        """Bring the hash of each digest that will be checked to where the part is."""
        for digest in (self._wishes.digest, self._said):
            if digest is not None and digest.algorithm not in self._hashes:
                begun = digest.new_hash()
                if self._size:
                    part.feed(begun.update)
                self._hashes[digest.algorithm] = begun

    async def _check(self) -> Digest | None:
        """Compare what came with what it should be, and return what it was held to."""
        await self._work(self._catch_up)  # a digest may have come in a trailer
        digests = [one for one in (self._wishes.digest, self._said) if one is not None]
        for digest in digests:
            digest.check(self._hashes[digest.algorithm])
        return digests[0] if digests else None

    def _tell(self, size: int, *, is_due: bool = True) -> None:
        """Report progress, if it is due or was not told for a while."""
        told = self._wishes.progress
        if told is not None and (is_due or self._network.now() >= self._tell_at):
            self._tell_at = self._network.now() + _EVERY
            told(size, self._total)


class _Useless(Exception):
    """An answer contradicts what was asked, or itself. Never leaves this module."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def _refusal(incoming: Source, response: Response) -> StatusError:
    """Return the error for an answer without content to save, with what it says for itself."""
    content = content_of(incoming, response)
    pieces: list[bytes] = []
    size = 0
    with suppress(CrlfError):  # the status is the news; of its explanation there is what came
        while size < _ERROR_SHOWN and (piece := await content.next_piece()) is not None:
            pieces.append(piece)
            size += len(piece)
    whole = response.with_content(b"".join(pieces)[:_ERROR_SHOWN])
    try:
        whole.raise_for_status()
    except StatusError as fault:
        return fault
    what = f"{whole.status_code} {reason_of(whole.status_code)}: nothing to save"
    return StatusError(what, request=whole.request, response=whole)
