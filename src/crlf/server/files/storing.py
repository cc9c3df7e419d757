"""What an upload does with the disk: where it may go, whether there is room, and its name.

All of it is done in threads. Its law: nothing that is there is replaced, unless the request says
which state of it (If-Match); and a folder never has more than its quota, which is counted again
at the moment in which a file gets its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from os import PathLike
from typing import Final, TypeVar
from unicodedata import normalize

from crlf.message.errors import Malformed, TooLarge
from crlf.message.fields.disposition import NAMELESS, safe_name
from crlf.message.fields.etags import ETag
from crlf.message.grammar import parse_digits
from crlf.message.headers import EMPTY, Headers
from crlf.message.percent import path_segments
from crlf.message.request import Request
from crlf.message.uploads import Files, Upload
from crlf.net.placing import Landing, Placing, alone, is_plain, usage
from crlf.rules.conditional import evaluate
from crlf.rules.paths import may_be_named
from crlf.server.files.opening import WINDOWS, Root, facts_of, is_nothing
from crlf.server.files.representation import describe
from crlf.server.kinds import NO_LIMIT

T = TypeVar("T")

_GUARDS: Final = frozenset({"if-match", "if-none-match", "if-unmodified-since"})


class Refused(Exception):
    """A request is refused: with a status, a sentence for people, the rule, and more fields."""

    def __init__(
        self, status_code: int, sentence: str = "", rule: str = "", headers: Headers = EMPTY
    ) -> None:
        super().__init__(status_code)
        self.status_code = status_code
        self.sentence = sentence
        self.rule = rule
        self.headers = headers


class Store:
    """A folder that takes files, and what it may have.

    No link below it is followed. quota: bytes of all that is in it. most_files: their number.
    """

    def __init__(self, folder: str | PathLike[str], quota: int, most_files: int) -> None:
        self.quota = quota
        self.most_files = most_files
        self._root = Root(folder)

    def landing(self, folders: Sequence[str]) -> Landing:
        """Open a folder below ours. Raises OSError."""
        return Landing(self._root.folder(folders))

    def room(self, request: Request, freed: int | None = None) -> int | None:
        """Return how many bytes may come; None for no bound. Raises Refused, TooLarge (507).

        freed: the size of a file that is there and will be replaced.
        """
        if self.quota >= NO_LIMIT and self.most_files >= NO_LIMIT:
            return None
        files, size = usage(self._root.path)
        if files >= self.most_files and freed is None:
            raise Refused(507, f"The folder may have {self.most_files:,} files, and has them.")
        room = self.quota + (freed or 0) - size
        length = parse_digits(request.headers.first("content-length") or "")
        if room < 0 or (request.method == "PUT" and length is not None and length > room):
            raise TooLarge("upload_quota", self.quota, 507, "RFC 4918 11.5")
        return None if self.quota >= NO_LIMIT else room

    def alone_with_room(self, files: int, size: int, work: Callable[[], T]) -> T:
        """Do some work while nobody else does, if so many files and bytes have room.

        It is counted anew, since others sent files meanwhile. Raises Refused, TooLarge (507).
        """
        folder = self._root.folder(())
        root = Landing(folder)
        try:
            with alone(folder):
                if self.quota < NO_LIMIT or self.most_files < NO_LIMIT:
                    there, used = usage(self._root.path)
                    if there + files > self.most_files:
                        raise Refused(507, f"The folder may have {self.most_files:,} files.")
                    if used + size > self.quota:
                        raise TooLarge("upload_quota", self.quota, 507, "RFC 4918 11.5")
                return work()
        finally:
            root.close()


class PutFile:
    """One file that is put under a name. All of it is done in threads."""

    def __init__(
        self,
        store: Store,
        request: Request,
        folders: Sequence[str],
        name: str,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._request = request
        self._folders = folders
        self._name = name
        self._now = now
        self._landing: Landing | None = None
        self._placing: Placing | None = None

    def begin(self) -> None:
        """See whether it may be put there. Raises Refused, TooLarge, OSError."""
        try:
            self._landing = self._store.landing(self._folders)
        except OSError as fault:
            if not is_nothing(fault):
                raise
            raise Refused(409, "There is no such folder.", "RFC 4918 9.7.1") from None
        freed = self._weigh(self._landing)
        room = self._store.room(self._request, freed)
        self._placing = self._landing.begin(room, self._store.quota)

    def write(self, content: bytes | bytearray) -> None:
        """Write some of it."""
        if self._placing is None:
            raise RuntimeError("it has not begun")
        self._placing.write(content)

    def finish(self, content: bytes | bytearray) -> tuple[int, ETag]:
        """Write the last of it and give it its name; return 201, or 204, and its tag."""
        placing, landing = self._placing, self._landing
        if placing is None or landing is None:
            raise RuntimeError("it has not begun")
        placing.write(content)
        size = placing.facts().st_size

        def place() -> int:
            freed = self._weigh(landing)
            if freed is None:
                placing.place(landing.folder, self._name)
                return 201
            placing.replace(landing.folder, self._name)
            return 204

        try:
            there = self._weigh(landing)
            files, more = (1, size) if there is None else (0, size - there)
            status_code = self._store.alone_with_room(files, more, place)
        except FileExistsError:
            raise self._taken() from None
        described = describe(self._name, facts_of(placing.facts()), int(self._now()))
        return status_code, described.etag

    def _weigh(self, landing: Landing) -> int | None:
        """Weigh the request's conditions; return the size of what is replaced, None for nothing.

        Raises Refused (409, 412).
        """
        found, headers, now = landing.look(self._name), self._request.headers, int(self._now())
        if found is not None and not is_plain(found):
            raise Refused(409, "There is something of this name that is no file.")
        etag = modified = None
        if found is not None:
            described = describe(self._name, facts_of(found), now)
            etag, modified = described.etag, described.modified
        verdict = evaluate("PUT", headers, etag, modified, now, exists=found is not None)
        if verdict != 200:
            raise Refused(412, rule="RFC 9110 13.1")
        if found is None:
            return None
        if _GUARDS.isdisjoint(headers.keys()):
            raise self._taken()
        return found.st_size

    def _taken(self) -> Refused:
        """Say that the name is somebody else's."""
        if "if-none-match" in self._request.headers:
            return Refused(412, rule="RFC 9110 13.1.2")
        sentence = "There is a file of this name. PUT with If-Match and its ETag replaces it."
        return Refused(409, sentence, "RFC 9110 15.5.10")

    def close(self) -> None:
        """Let go of all; a file that was not placed is gone."""
        if self._placing is not None:
            self._placing.close()
        if self._landing is not None:
            self._landing.close()


class FormFiles:
    """The files of one form. Its fields are of no interest."""

    def __init__(self, store: Store, folders: Sequence[str]) -> None:
        self._store = store
        self._folders = folders
        self._landing: Landing | None = None
        self._room: int | None = None
        self.files = Files()

    def begin(self, request: Request) -> None:
        """Open the folder. Raises Refused, TooLarge, OSError."""
        try:
            self._landing = self._store.landing(self._folders)
        except OSError as fault:
            if not is_nothing(fault):
                raise
            raise Refused(404, "There is no such folder.") from None
        self._room = self._store.room(request)

    def spool(self) -> Placing:
        """Open a file for content."""
        if self._landing is None:
            raise RuntimeError("it has not begun")
        return self._landing.begin(self._room, self._store.quota)

    def finish(self) -> list[tuple[str, int]]:
        """Give every file a name; return names and sizes."""
        uploads = [upload for _, upload in self.files.pairs if upload.filename]
        if not uploads:
            raise Refused(400, "No file was chosen.")
        size = sum(upload.size for upload in uploads)
        return self._store.alone_with_room(len(uploads), size, lambda: self._place(uploads))

    def _place(self, uploads: Sequence[Upload]) -> list[tuple[str, int]]:
        landing = self._landing
        if landing is None:
            raise RuntimeError("it has not begun")
        saved: list[tuple[str, int]] = []
        try:
            for upload in uploads:
                placing = upload.file if isinstance(upload.file, Placing) else self.spool()
                with placing:
                    if placing is not upload.file:
                        placing.write(upload.read())
                    name = placing.place_free(landing.folder, _kept_name(upload))
                saved.append((name, upload.size))
        except BaseException:
            for name, _ in saved:
                with suppress(OSError):
                    landing.remove(name)
            raise
        return saved

    def close(self) -> None:
        """Let go of all; files that were not placed are gone."""
        self.files.close()
        if self._landing is not None:
            self._landing.close()


# --- names ---------------------------------------------------------------------------------------


def names_of(request: Request) -> tuple[list[str], str]:
    """Take a path apart: its folders, and the name at its end, "" for none. Raises Refused."""
    try:
        *folders, name = path_segments(request.path) or [""]
    except Malformed as fault:
        raise Refused(fault.status_code, f"{fault.reason}.", fault.rule) from None
    for each in (*folders, name) if name else folders:
        if not may_be_named(each, windows=WINDOWS):
            raise Refused(403, "A name of this path is hidden, or none at all.")
    return folders, name


def exact_name(name: str) -> str:
    """Return a name that is safe everywhere, if that is the very name. Raises Refused."""
    kept = safe_name(name)
    if kept != normalize("NFC", name):
        raise Refused(403, f"Not every system can have a file of this name; {kept!r} would do.")
    return kept


def _kept_name(upload: Upload) -> str:
    """Make the name of a form's file safe."""
    name = upload.safe_name()
    return name if may_be_named(name, windows=WINDOWS) else NAMELESS
