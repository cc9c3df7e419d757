"""Projects: what customers made of the parts, one photo each."""

from __future__ import annotations

from typing import Final, NamedTuple

from examples.store.data.database import Database

MOST: Final = 60  # photos that are kept; then the oldest goes
MOST_OF_ONE: Final = 12  # and of one member, so that nobody drives out all others
COLUMNS: Final = "photo, caption, maker, member, filename, size, sha256"


class Project(NamedTuple):
    """A photo and what is said of it.

    photo: our name for it. maker: the name of the member. filename: the sender's, made safe.
    """

    photo: str
    caption: str
    maker: str
    member: int
    filename: str
    size: int
    sha256: str


class Projects:
    """All projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self) -> tuple[Project, ...]:
        """List them, newest first."""
        with self._database.reading() as db:
            rows = db.execute(f"SELECT {COLUMNS} FROM projects ORDER BY id DESC").fetchall()
        return tuple(Project(*row) for row in rows)

    def find(self, photo: str) -> Project | None:
        """Find one by the name of its photo."""
        with self._database.reading() as db:
            row = db.execute(f"SELECT {COLUMNS} FROM projects WHERE photo = ?", (photo,)).fetchone()
        return None if row is None else Project(*row)

    def add(self, project: Project) -> list[str]:
        """Write one down, and return the photos that have to make room for it."""
        with self._database.writing() as db:
            db.execute(f"INSERT INTO projects ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", project)
            old = db.execute(
                "SELECT photo FROM projects WHERE member = ? ORDER BY id DESC LIMIT -1 OFFSET ?",
                (project.member, MOST_OF_ONE),
            ).fetchall()
            old += db.execute(
                "SELECT photo FROM projects ORDER BY id DESC LIMIT -1 OFFSET ?", (MOST,)
            ).fetchall()
            db.executemany("DELETE FROM projects WHERE photo = ?", old)
        return [photo for (photo,) in old]

    def remove(self, photo: str, member: int) -> bool:
        """Take down a member's own project; False when it is not theirs, or gone already."""
        with self._database.writing() as db:
            gone = db.execute(
                "DELETE FROM projects WHERE photo = ? AND member = ?", (photo, member)
            )
        return gone.rowcount == 1
