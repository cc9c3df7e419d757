"""Uploads: the files of a form, as a handler gets them.

An upload is what the sender claims (a name, a type) and what is known (size, digest, the
content itself, in memory or in a temporary file that has no name). Its law: nothing the sender
chose becomes part of a path unless it went through `safe_name`. Like Response.save, `save` is
an exception on a floor without I/O, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final

from crlf.message.errors import MissingParameter
from crlf.message.fields.disposition import safe_name
from crlf.message.params import missing

_PIECE: Final = 1024 * 1024  # bytes copied at a time


class Upload:
    """One uploaded file.

    filename, content_type: as the sender wrote them, the type None when it said none; data, and
    never to be trusted. size: in bytes. sha256: of the content, in hexadecimal.
    file: the content, an open binary file at its beginning. It is closed, and with that gone,
    when the request has been answered; what is to stay has to be saved.
    """

    __slots__ = ("content_type", "file", "filename", "sha256", "size")

    def __init__(
        self, filename: str, content_type: str | None, size: int, sha256: str, file: BinaryIO
    ) -> None:
        self.filename = filename
        self.content_type = content_type
        self.size = size
        self.sha256 = sha256
        self.file = file

    def safe_name(self) -> str:
        """Return a name for it that is safe in a folder on any system; never empty."""
        return safe_name(self.filename)

    def read(self) -> bytes:
        """Return all of it, from its beginning, wherever `file` stands."""
        self.file.seek(0)
        content = self.file.read()
        self.file.seek(0)
        return content

    def save(self, path: str | Path, *, exclusive: bool = False) -> Path:
        """Write it to a file, whole or not at all, and return its path.

        An existing file is replaced at once at the end; with `exclusive` it is left alone and
        FileExistsError raised. The path is the program's to choose, as in
        `upload.save(folder / upload.safe_name())`. Raises ValueError when it ends in a filename
        that is not safe or goes up by "..", IsADirectoryError for a folder, OSError.
        """
        target = Path(path)
        refuse_unsafe(target, self.filename)
        if exclusive:
            target.open("xb").close()  # takes the name; never follows a link
        part = target.with_name(f".{token_hex(8)}.part")
        try:
            with part.open("xb") as copy:
                self.file.seek(0)
                while piece := self.file.read(_PIECE):
                    copy.write(piece)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            if exclusive:
                target.unlink(missing_ok=True)
            raise
        finally:
            self.file.seek(0)
        return target

    def close(self) -> None:
        """Let go of the content. May be called twice."""
        self.file.close()

    def __repr__(self) -> str:
        return f"<Upload {self.safe_name()!r}, {self.size:,} bytes>"


def refuse_unsafe(target: Path, filename: str) -> None:
    """Raise ValueError for a path that a sender's file name made unsafe, or for a folder.

    The latter is IsADirectoryError.
    """
    if ".." in target.parts:
        raise ValueError("a path to save to does not go up by '..'; use safe_name()")
    theirs = Path(filename).parts
    is_theirs = theirs and target.parts[-len(theirs) :] == theirs
    if is_theirs and filename != safe_name(filename):
        raise ValueError("the sender's file name is not safe to save under; use safe_name()")
    if target.is_dir():
        raise IsADirectoryError(f"{str(target)!r} is a folder; save to a file in it")


class Files(Mapping[str, Upload]):
    """The uploads of one form: each name's first, `get_all` for all, `pairs` for everything."""

    __slots__ = ("_first", "pairs")

    def __init__(self, pairs: Iterable[tuple[str, Upload]] = ()) -> None:
        self.pairs = tuple(pairs)
        self._first: dict[str, Upload] = {}
        for name, upload in self.pairs:
            self._first.setdefault(name, upload)

    def __getitem__(self, name: str) -> Upload:
        """Return a name's first upload. Raises MissingParameter, a KeyError and a 400."""
        upload = self._first.get(name)
        if upload is None:
            raise missing(name, "a file", MissingParameter)
        return upload

    def __iter__(self) -> Iterator[str]:
        return iter(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def get_all(self, name: str) -> list[Upload]:
        """List every upload of a name, in order; an empty list when there is none."""
        return [upload for key, upload in self.pairs if key == name]

    def close(self) -> None:
        """Let go of every upload, saved or not. May be called twice."""
        for _, upload in self.pairs:
            upload.close()

    def __repr__(self) -> str:
        return f"Files({list(self.pairs)!r})"
