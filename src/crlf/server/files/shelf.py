"""What of a file is sent: itself, a coded one beside it, or a coding made now; from disk or memory.

The file is opened and looked at each time somebody comes here, and what is in memory is used
only while it is of this very state. Small files are read whole and kept, large ones are handed
over open. Its law: all that can be had of a file says in Vary that there is a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from crlf.message.fields.media import media_type_of
from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.caching import CacheRules
from crlf.rules.compressing import ACCEPT_ENCODING, SUFFIXES, Offer, choose_offer
from crlf.rules.pages import error_response
from crlf.server.files.filecache import CODED, SMALL, Alias, FileCache, Kept, Key
from crlf.server.files.opening import Looked, Opened, Root, is_nothing
from crlf.server.files.representation import answer_from_file, describe
from crlf.wire.encoding import encodable, encode

_LATER: Final = Headers({"retry-after": "1"})
_VARIED: Final = Headers({"vary": f"{ACCEPT_ENCODING}, Accept"})  # the page itself by Accept
_SUFFIXES: Final = tuple(SUFFIXES)


class Shelf:
    """The files below a root, and those of them that are in memory.

    clock: seconds since 1970. compress: send coded files from beside, and code what is worth it.
    looks_beside: False for no coded files from beside.
    """

    __slots__ = ("_beside", "_cache", "_clock", "_compress", "_root", "_rules")

    def __init__(
        self,
        root: Root,
        cache: FileCache,
        rules: CacheRules,
        clock: Callable[[], float],
        *,
        compress: bool,
        looks_beside: bool = True,
    ) -> None:
        self._root = root
        self._cache = cache
        self._rules = rules
        self._clock = clock
        self._compress = compress
        self._beside = _SUFFIXES if compress and looks_beside else ()

    def answer(self, request: Request, names: Sequence[str], alias: Alias | None) -> Response:
        """Answer with a file, in the coding that suits the request. Raises OSError."""
        name = names[-1] if names else ""
        looked = self._root.look(names, self._suffixes(name))
        opened = looked.file
        try:
            offer = self._offer(request, name, looked)
            if offer is None:
                return _refusal(request, 406, headers=_VARIED)
            if offer.suffix:
                try:
                    beside = self._root.open([*names[:-1], name + offer.suffix])
                except OSError as fault:  # gone since we looked
                    if not is_nothing(fault):
                        raise
                    offer = Offer(varies=True)
                else:
                    opened.close()
                    opened = beside
            return self._represented(request, tuple(names), opened, offer, alias)
        finally:
            opened.close()

    def _suffixes(self, name: str) -> tuple[str, ...]:
        return () if name.endswith(_SUFFIXES) else self._beside

    def _offer(self, request: Request, name: str, looked: Looked) -> Offer | None:
        """Choose what of a file is sent. What lies beside it and is older is of an older one."""
        if not self._compress:
            return Offer()
        facts = looked.file.facts
        beside = [
            (suffix, found.size)
            for suffix, found in looked.beside
            if found.seconds >= facts.seconds and found.size
        ]
        return choose_offer(
            request.headers.get("accept-encoding"),
            media_type_of(name),
            facts.size,
            beside,
            encodable(),
            is_ranged=request.method == "GET" and "range" in request.headers,
        )

    def _represented(
        self,
        request: Request,
        names: tuple[str, ...],
        opened: Opened,
        offer: Offer,
        alias: Alias | None,
    ) -> Response:
        """Answer with an open file, or with what is in memory of it."""
        method, asked, now = request.method, request.headers, int(self._clock())
        key, state = Key(names, offer.coding, offer.suffix), (opened.facts, offer.varies)
        kept = self._cache.find(key, state, alias)
        if kept is not None:
            return kept.answer(method, asked, now)
        described = describe(
            names[-1] if names else "",
            opened.facts,
            now,
            caching=self._rules.value_of("/" + "/".join(names)),
            coding=offer.coding,
            is_made=offer.is_made,
            varies=offer.varies,
        )
        if opened.facts.size > (CODED if offer.is_made else SMALL):
            return answer_from_file(described, opened, method, asked, now)
        with self._cache.making(key):
            kept = self._cache.find(key, state, alias)  # by whom we waited for
            if kept is None:
                read = opened.read()
                if read is None:
                    sentence = "The file is being changed just now."
                    return _refusal(request, 503, sentence, headers=_LATER)
                content, is_steady = read
                if offer.is_made and offer.coding is not None:
                    content = encode(content, offer.coding)
                whole = Response.quick(200, described.headers, content)
                kept = Kept(key, state, described, whole)
                if described.is_settled and is_steady:
                    self._cache.keep(kept, alias)
        return kept.answer(method, asked, now)


def _refusal(
    request: Request, status_code: int, sentence: str = "", *, headers: Headers = EMPTY
) -> Response:
    accept = request.headers.get("accept")
    return error_response(status_code, sentence, accept=accept, headers=headers)
