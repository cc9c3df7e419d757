"""A session as a value: what an application remembers of one visitor, and who is signed in.

A dict that knows what it was when it was loaded, what is to be done to it again when another
request was quicker, and when it may no longer be changed. How it is kept, and where, is decided
in rules/sessions.py and rules/storedsessions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from crlf.message.errors import LocalError

MAX_USER: Final = 256  # characters; Django's user names have 150, an e-mail address 254
MAX_FLASHES: Final = 32  # messages that wait for a page that shows them; the oldest give way
FLASHES: Final = "_flashes"  # the key they wait under
FORM_SECRET: Final = "_csrf"  # the key of what tokens of forms are made of; a new id, a new one
NOBODY: Final = "{}"  # a session in which nothing is

Change = Callable[[Any], Any]


class Flash(NamedTuple):
    """A message that the next page shows once: "Saved.", of a kind such as "info" or "error"."""

    text: str
    kind: str = "info"


class Session(dict[str, Any]):
    """A visitor's data: a dict of what JSON can say.

    Nested lists and dicts may be changed in place. What JSON has no words for comes back as
    something else: a tuple as a list, a number as a key as text. After the head of the answer
    is made nothing can be kept any more, and changing raises RuntimeError.
    """

    __slots__ = (
        "_ended", "_is_over", "_is_touched", "_replays", "_text", "_user",
        "can_revoke", "cookie", "is_forgotten", "is_rotated", "is_signed_in",
        "key", "made", "revoked", "saved", "seen", "version", "was_user",
    )  # fmt: skip

    def __init__(
        self,
        cookie: str,
        data: dict[str, Any],
        made: int,
        seen: int,
        saved: str = "",
        user: str | None = None,
        *,
        key: str = "",
        version: int = 0,
        can_revoke: bool = True,
    ) -> None:
        super().__init__(data)
        self.cookie = cookie  # the name of the one that it came in, or will go out in
        self.made = made  # seconds since 1970, as is seen: when it was last noted to be in use
        self.seen = seen
        self.saved = saved  # the data as JSON, as the visitor has it; "" when there is none
        self.was_user = user  # who was signed in when it was loaded
        self.key = key  # where a store has it; "" when none does
        self.version = version
        self.can_revoke = can_revoke
        self.is_rotated = False
        self.is_forgotten = False  # what was loaded is not to be kept
        self.is_signed_in = False  # by this very request
        self.revoked: list[str] = []  # users whose sessions are to end
        self._user = user
        self._ended: str | None = None  # who was signed in until `revoke_all`
        self._replays: dict[str, tuple[list[Change], str] | None] = {}
        self._is_over = False
        self._is_touched = False  # by one of these methods; a list in it may change without them
        self._text: str | None = None

    # -- who it is

    @property
    def user(self) -> str | None:
        """Who is signed in, as `sign_in` was told; None for nobody."""
        return self._user

    def sign_in(self, user: str) -> None:
        """Note who the visitor is, and give the session a new id, so that no old one is theirs.

        What it holds is kept, such as a cart; unless it was another user's, whose data nobody
        else gets. user: at most 256 characters; a name or number that never changes is best.
        """
        self._still_open()
        check_user(user)
        if (self._user or self._ended) not in (None, user):
            self.clear()
        self._user, self._ended = user, None
        self.is_signed_in = True
        self.rotate()

    def sign_out(self) -> None:
        """Forget everything, also what requests at the same time put in; the old id is dead.

        What is put in afterwards, such as a message, is in a new session.
        """
        self._still_open()
        super().clear()
        self._user = self._ended = None
        self._replays = {}
        self.is_forgotten = self.is_rotated = True
        self.is_signed_in = False

    def rotate(self) -> None:
        """Begin anew with the same data, under a new id: after a change of rights.

        The lifetime starts again. A signed cookie that was copied before stays good until it
        is too old: there is no record of it that could be deleted.
        """
        self._still_open()
        self.is_rotated = True
        self.pop(FORM_SECRET, None)

    def revoke_all(self, user: str) -> None:
        """End all sessions of a user, on all devices, before the answer goes out.

        This one too, if it is theirs; `sign_in` afterwards goes on with it under a new id, as
        after a change of password. Raises LocalError where the visitors carry their sessions.
        """
        self._still_open()
        if not self.can_revoke:
            raise LocalError(
                "a session in a signed cookie cannot be revoked: nothing is stored that could be "
                "deleted; keep sessions on the server, which App() does",
            )
        check_user(user)
        self.revoked.append(user)
        if self._user == user:
            self._user, self._ended = None, user

    # -- changes that requests at the same time cannot undo

    def increment(self, key: str, by: float = 1) -> Any:
        """Add to a number, which is 0 where there is none, and return the sum.

        Of 200 requests at once that do so, none is lost.
        """

        def add(old: Any) -> Any:
            if not isinstance(old, int | float) or isinstance(old, bool):
                raise TypeError(f"session[{key!r}] is no number that could be incremented")
            return old + by

        return self.change(key, add, 0)

    def change(self, key: str, function: Change, default: object = None) -> Any:
        """Replace a value by what a function makes of it, and return that.

        The function is called now, with the value or else the default. If another request
        changes the value before this one is done, it is called again with what is there then:
        so it must do nothing else. It may change a list or dict in place, and return it.
        """
        self._still_open()
        template = _text_of(default)

        def step(old: Any) -> Any:
            return function(_value_of(template) if old is ABSENT else old)

        return self._stepped(key, step)

    def flash(self, text: str, kind: str = "info") -> None:
        """Keep a message for the next page that shows messages."""
        if not all(isinstance(part, str) for part in (text, kind)):
            raise TypeError("a flash is text, and so is its kind")

        def add(old: Any) -> Any:
            return [*_listed(old), [text, kind]][-MAX_FLASHES:]

        self._still_open()
        self._stepped(FLASHES, add)

    def flashes(self) -> list[Flash]:
        """Take the messages that were kept, the oldest first: they are shown once."""
        taken = _listed(self.get(FLASHES))
        if FLASHES not in self:
            return []

        def take(old: Any) -> Any:
            waiting = _listed(old)
            left = waiting[len(taken) :] if waiting[: len(taken)] == taken else waiting
            return left or ABSENT

        self._still_open()
        self._stepped(FLASHES, take)
        return [
            Flash(one[0], one[1])
            for one in taken
            if isinstance(one, list)
            and len(one) == 2
            and all(isinstance(part, str) for part in one)
        ]

    def _stepped(self, key: str, step: Change) -> Any:
        """Do one step now, and note it if it can be done again to what is there then.

        It can unless the value was written plainly before: then the written one counts.
        """
        before = self._text_at(key)
        known = self._replays.get(key, ([], self._saved_at(key)))
        can_replay = known is not None and known[1] == before
        value = step(super().get(key, ABSENT))
        text = "" if value is ABSENT else _text_of(value)
        if value is ABSENT:
            super().pop(key, None)
        else:
            super().__setitem__(key, value)
        steps = known[0] if known is not None and can_replay else []
        self._replays[key] = ([*steps, step], text) if can_replay else None
        return value

    def _text_at(self, key: str) -> str:
        value = super().get(key, ABSENT)
        return "" if value is ABSENT else _text_of(value)

    def _saved_at(self, key: str) -> str:
        if self.is_forgotten or not self.saved:
            return ""
        value = _value_of(self.saved).get(key, ABSENT)
        return "" if value is ABSENT else _text_of(value)

    @property
    def replays(self) -> dict[str, list[Change]]:
        """The steps that are to be done again if another request was quicker, by key.

        A value that was changed by other means since counts as written.
        """
        return {
            key: noted[0]
            for key, noted in self._replays.items()
            if noted is not None and noted[1] == self._text_at(key)
        }

    # -- its end

    @property
    def is_changed(self) -> bool:
        """Whether it is another than the one that was loaded, after `close`."""
        return self._text != (self.saved or NOBODY) or self._user != self.was_user

    @property
    def is_nobodys(self) -> bool:
        """Whether there is nothing to be kept, after `close`."""
        return self._text == NOBODY and self._user is None

    def close(self) -> str:
        """Allow no further change, and give the data as JSON. Raises TypeError, ValueError."""
        if self._text is None:
            if self._ended is not None:
                self.sign_out()
            self._is_over = True
            self._text = as_json(self) if self._may_differ() else self.saved
        return self._text

    def _may_differ(self) -> bool:
        """Whether the data can be another than what was loaded: most sessions are only read."""
        saved = self.saved
        return self._is_touched or not saved or "[" in saved or saved.count("{") != 1

    def _still_open(self) -> None:
        if self._is_over:
            raise RuntimeError("the session was changed after the head of the answer was made")
        self._is_touched = True

    # -- as a dict

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
        """Forget everything, who is signed in too: as `sign_out`."""
        self.sign_out()


class _Absent:
    """What stands for a value that is not there: None is one that may be."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def check_user(user: object) -> None:
    """Raise TypeError, ValueError for what cannot be a user."""
    if not isinstance(user, str):
        raise TypeError(f"a user is text, not {type(user).__name__}: str(number) is")
    if not 0 < len(user) <= MAX_USER:
        raise ValueError(f"a user has 1 to {MAX_USER} characters")
    user.encode()  # a lone surrogate could not be stored


def as_json(data: dict[str, Any]) -> str:
    """Write a session's data. Raises TypeError and ValueError for what JSON cannot say."""
    if not all(type(key) is str for key in data):
        raise TypeError("the keys of a session are text")
    return _text_of(data)


@cache
def _encoder() -> Any:
    from json import JSONEncoder  # a program without sessions may never need it

    return JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _text_of(value: object) -> str:
    try:
        return str(_encoder().encode(value))
    except TypeError as fault:
        raise TypeError(f"{fault}: a session keeps what JSON can say") from None


def _value_of(text: str) -> Any:
    import json  # what it reads is our own writing

    return json.loads(text)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
