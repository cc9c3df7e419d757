"""A session as a value: what an application remembers of one visitor.

A dict that knows when it may no longer be changed. How it is kept, and where, is decided in
rules/sessions.py.
"""

from __future__ import annotations

from typing import Any, Final

FORM_SECRET: Final = "_csrf"  # the key of what tokens of forms are made of; a new id, a new one


class Session(dict[str, Any]):
    """A visitor's data: a dict of what JSON can say.

    Nested lists and dicts may be changed in place. What JSON has no words for comes back as
    something else: a tuple as a list, a number as a key as text. After the head of the answer
    is made nothing can be kept any more, and changing raises RuntimeError.
    """

    __slots__ = ("_is_over", "cookie", "is_rotated", "made", "saved", "seen")

    def __init__(
        self, cookie: str, data: dict[str, Any], made: int, seen: int, saved: str = ""
    ) -> None:
        super().__init__(data)
        self.cookie = cookie  # the name of the one that it came in, or will go out in
        self.made = made  # seconds since 1970, as is seen: when the visitor last got the cookie
        self.seen = seen
        self.saved = saved  # the data as JSON, as the visitor has it; "" when there is none
        self.is_rotated = False
        self._is_over = False

    def rotate(self) -> None:
        """Begin anew with the same data: after a login, a logout, a change of rights.

        The lifetime starts again. A signed cookie that was copied before stays good until it
        is too old: there is no record of it that could be deleted.
        """
        self._still_open()
        self.is_rotated = True
        self.pop(FORM_SECRET, None)

    def close(self) -> str:
        """Allow no further change, and give the data as JSON. Raises TypeError, ValueError."""
        self._is_over = True
        return as_json(self)

    def _still_open(self) -> None:
        if self._is_over:
            raise RuntimeError("the session was changed after the head of the answer was made")

    def __setitem__(self, key: str, value: object) -> None:
        self._still_open()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self._still_open()
        super().__delitem__(key)

    def __ior__(self, other: Any) -> Session:  # type: ignore[override,misc]
        self.update(other)
        return self

    def update(self, *others: Any, **values: object) -> None:
        self._still_open()
        super().update(*others, **values)

    def setdefault(self, key: str, default: object = None) -> object:
        self._still_open()
        return super().setdefault(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._still_open()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, object]:
        self._still_open()
        return super().popitem()

    def clear(self) -> None:
        """Forget everything: the visitor is told to delete the cookie."""
        self._still_open()
        super().clear()


def as_json(data: dict[str, Any]) -> str:
    """Write a session's data. Raises TypeError and ValueError for what JSON cannot say."""
    import json  # a program without sessions may never need it

    if not all(type(key) is str for key in data):
        raise TypeError("the keys of a session are text")
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except TypeError as fault:
        raise TypeError(f"{fault}: a session keeps what JSON can say") from None
