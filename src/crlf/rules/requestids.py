"""Request ids: one name for a request in every log it passes.

Taken from X-Request-ID where a trusted proxy has given one, else made here: chance once a
process, then counted, so that it costs next to nothing. Its law: what a stranger sends names
nothing, and what names something is short and plain.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.patterns import pattern
from crlf.rules.gates import Gate

REQUEST_ID: Final = "request_id"  # request.extras[REQUEST_ID]
_FIELD: Final = "x-request-id"
_SOUND: Final = pattern(r"[A-Za-z0-9._~:+/=@\-]{1,128}")  # UUIDs, ULIDs, base64, trace ids


def counted_ids(chance: str) -> Callable[[], str]:
    """Make names that are a process's chance and a count. chance: 12 hexadecimal digits, say.

    They are unique, not secret: who knows one knows the next.
    """
    numbers = count(1)

    def name() -> str:
        return f"{chance}-{next(numbers)}"

    return name


def naming(trusts: Callable[[Received], bool], new_id: Callable[[], str]) -> Gate:
    """Make the gate that puts a request's id into its extras.

    trusts: whether whoever sent it so may name it, and his X-Request-ID is taken over. It has to
    stand before the gate that believes proxies, after which the peer is the client.
    """

    def name(request: Request) -> Request | Response:
        given = request.headers.first(_FIELD)
        if given is None or not trusts(request.received_how) or _SOUND.fullmatch(given) is None:
            given = new_id()
        request.extras[REQUEST_ID] = given
        return request

    return name


def stamp_id(request: Request, headers: Headers) -> Headers:
    """Say a request's id in the answer, unless the application has said one."""
    name = request.extras.get(REQUEST_ID)
    if not isinstance(name, str) or _FIELD in headers:
        return headers
    return headers.adding(_FIELD, name)
