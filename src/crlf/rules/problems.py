"""Problems: what went wrong as JSON that programs can act on (RFC 9457).

One status, one sentence and the rule, as an error page has them, by names that are the same
everywhere; a program may add its own. Its law: whoever asks for JSON gets it when it fails too,
and nobody else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from crlf.message.fields.negotiation import best_media_type

PROBLEM: Final = "application/problem+json"
NO_MEMBERS: Final[Mapping[str, object]] = {}

_ANYTHING: Final = (None, "", "*/*")
_TEXTS: Final = ("text/plain", "text/html")  # of equals the first
_DATA: Final = (PROBLEM, "application/json")
_OURS: Final = ("status", "detail")  # members that are an answer's own

Form = Literal["page", "problem", "text"]


def form_for(accept: str | None) -> Form:
    """Choose how to say what went wrong, by a request's Accept field (RFC 9110 12.5.1).

    Text for whoever did not say, or takes anything: that is who reads a terminal. Of equals that
    are all named, the page: browsers name JSON after it. `application/json, text/plain, */*`, as
    axios and Angular send it, asks for JSON.
    """
    if accept in _ANYTHING:
        return "text"
    named = accept.lower() if accept else ""
    offered: tuple[str, ...] = _TEXTS
    if "json" in named:
        offered = (_TEXTS[1], *_DATA, _TEXTS[0]) if "html" in named else (*_DATA, *_TEXTS)
    best = best_media_type(accept, offered)
    return "problem" if best in _DATA else "page" if best == "text/html" else "text"


def build_problem(
    status_code: int,
    title: str,
    detail: str,
    rule: str = "",
    members: Mapping[str, object] = NO_MEMBERS,
) -> bytes:
    """Write a problem of no type of its own, unless the members have one (RFC 9457 3.1, 4.2.1).

    detail: the sentence. rule: which one was broken, as in "RFC 9110 8.6". members: more, or
    "type", "title" and "instance" in place of ours; what JSON has no word for becomes text.

    Raises ValueError for numbers that JSON has not.
    """
    import json  # few requests fail, and few of those are a program's

    said: dict[str, object] = {"type": "about:blank", "title": title, "status": status_code}
    said["detail"] = detail
    if rule:
        said["rule"] = rule
    said |= {name: value for name, value in members.items() if name not in _OURS}
    return json.dumps(said, allow_nan=False, default=str).encode("ascii")


def check_members(members: Mapping[str, object] | None) -> Mapping[str, object]:
    """Return what a program adds to a problem. Raises ValueError for what is said already."""
    if not members:
        return NO_MEMBERS
    taken = [name for name in members if name in _OURS]
    if taken:
        raise ValueError(f"a problem has its own {taken[0]!r}, from the status and the reason")
    return dict(members)
