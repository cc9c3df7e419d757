"""Merging: two requests have changed one session at once, and neither change is to be lost.

What was loaded, what this request made of it, and what another has stored since: what only one
of them changed is as that one has it. Dicts are merged key by key, however deep; of a list or a
single value that both changed, the one that is kept later counts. Its law: a step that can be
done again (Session.increment, Session.change) is done again, to what is there now.
"""

from __future__ import annotations

from typing import Any, Final

from crlf.message.session import ABSENT, NOBODY, Session, as_json

MAX_DEPTH: Final = 32  # dicts in dicts; below that the later one counts as a whole


def merged(session: Session, theirs: str) -> str:
    """Return what a session is to be, as JSON, where another request has stored `theirs`.

    Raises what a step of the session's raises, TypeError and ValueError for what is not JSON,
    and ValueError when `theirs` is not.
    """
    import json  # few sessions are changed by two requests at once

    now = json.loads(theirs)
    before = {} if session.is_forgotten else json.loads(session.saved or NOBODY)
    mine = json.loads(session.close())
    steps = session.replays
    for key in steps:
        before.pop(key, None)
        mine.pop(key, None)  # so that theirs is taken
    result = merge_dicts(before, mine, now)
    for key, replay in steps.items():
        value = result.get(key, ABSENT)
        for step in replay:
            value = step(value)
        if value is ABSENT:
            result.pop(key, None)
        else:
            result[key] = value
    return as_json(result)


def merge_dicts(
    before: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any], depth: int = 0
) -> dict[str, Any]:
    """Merge two dicts that were made of the same one; theirs stands first in order."""
    result: dict[str, Any] = {}
    for key in (*theirs, *(key for key in mine if key not in theirs)):
        old, ours, other = (one.get(key, ABSENT) for one in (before, mine, theirs))
        if is_same(ours, old):
            kept = other
        elif isinstance(ours, dict) and isinstance(other, dict) and depth < MAX_DEPTH:
            kept = merge_dicts(old if isinstance(old, dict) else {}, ours, other, depth + 1)
        else:
            kept = other if is_same(other, ours) else ours
        if kept is not ABSENT:
            result[key] = kept
    return result


def is_same(one: object, other: object) -> bool:
    """Tell whether two values of JSON are the same: True is not 1 there, nor 1 1.0."""
    return one == other and repr(one) == repr(other)
