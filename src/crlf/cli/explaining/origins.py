"""Who set a field of a request, and why: you, the URL, the session, or crlf by itself.

One table has every field that crlf sets by itself. Its law: what cannot be known is not said; of
the fields of a response it is always the server, or who stands before it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple


class Origin(NamedTuple):
    """Who set something, and why."""

    who: str
    why: str


_BY_CRLF: Final[dict[str, Origin]] = {
    "host": Origin("the URL", "its host, and its port where that is not the usual one"),
    "user-agent": Origin("crlf", "says who asks; -H User-Agent: leaves it out"),
    "accept": Origin("crlf", "takes any kind, since you named none"),
    "accept-encoding": Origin("crlf", "can undo these codings by itself"),
    "content-length": Origin("crlf", "counted the content"),
    "transfer-encoding": Origin("crlf", "cannot know how long the content will be, so in chunks"),
    "content-type": Origin("crlf", "goes by what you gave: a form, JSON, the name of a file"),
    "content-encoding": Origin("you", "--compress"),
    "connection": Origin(
        "crlf", "will not use this connection again, or asks for another protocol"
    ),
    "authorization": Origin("crlf", "found it where you keep it, or answers what was asked"),
    "proxy-authorization": Origin("crlf", "had it in the URL of the proxy"),
    "cookie": Origin("crlf", "gives back what this server has set before"),
    "expect": Origin("crlf", "asks first, since the content is long; waits a second for a 100"),
    "range": Origin("crlf", "wants what is missing of a file that was begun"),
    "if-range": Origin("crlf", "wants the rest only of the very file that was begun"),
    "if-match": Origin("crlf", "wants nothing changed that somebody else has changed"),
    "if-none-match": Origin("crlf", "has it already, unless it has changed"),
    "te": Origin("crlf", "says that it reads trailers"),
    "trailer": Origin("crlf", "announces what comes after the content"),
    "upgrade": Origin("crlf", "asks for another protocol on this connection"),
    "last-event-id": Origin("crlf", "says where a stream of events had stopped"),
    "proxy-connection": Origin("somebody", "a name that no standard has"),
}
_YOU: Final = Origin("you", "-H or an item")
_BY_OPTION: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "authorization": (("auth", "--auth"), ("netrc", "--netrc")),
    "content-type": (("json", "--json"), ("form", "--form"), ("multipart", "--multipart")),
    "transfer-encoding": (("chunked", "--chunked"),),
    "range": (("range", "--range"),),
}


class Origins:
    """What is known of one command line: which fields it gave, which a session added.

    added: lower-case names that the user gave. kept: those from the session. options: which
    options were given. url_has_user: the URL has credentials in it.
    """

    def __init__(
        self,
        added: Collection[str] = (),
        kept: Collection[str] = (),
        options: Collection[str] = (),
        *,
        url_has_user: bool = False,
        is_ours: bool = True,
    ) -> None:
        self._added = frozenset(added)
        self._kept = frozenset(kept)
        self._options = frozenset(options)
        self._url_has_user = url_has_user
        self._is_ours = is_ours

    def of_field(self, name: str) -> Origin | None:
        """Say who set a field of a request; None when nobody can know."""
        name = name.lower()
        if not self._is_ours:
            return None
        if name in self._added:
            return _YOU
        if name in self._kept:
            return Origin("the session", "keeps it for this host")
        for option, said in _BY_OPTION.get(name, ()):
            if option in self._options:
                return Origin("you", said)
        if name == "authorization" and self._url_has_user:
            return Origin("the URL", "has a user name in it")
        return _BY_CRLF.get(name)


UNKNOWN: Final = Origins(is_ours=False)  # of messages that somebody else has sent
