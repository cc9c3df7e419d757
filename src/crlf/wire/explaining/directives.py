"""Directives of Cache-Control in words (RFC 9111 5.2, and those that came later)."""

from __future__ import annotations

from typing import Final

from crlf.message.grammar import parse_digits
from crlf.wire.explaining.spans import Kind
from crlf.wire.explaining.valueparts import lasting
from crlf.wire.explaining.words import shown

# {} is the argument, as a time.
_DIRECTIVES: Final = {
    "max-age": "fresh for {}",
    "s-maxage": "fresh for {} in shared caches",
    "max-stale": "content that has been stale for {} will do",
    "min-fresh": "it must stay fresh for {} more",
    "stale-while-revalidate": "may be shown stale for {} while a cache asks anew (RFC 5861 3)",
    "stale-if-error": "may be shown stale for {} where the server fails (RFC 5861 4)",
    "no-cache": "may be kept, and is asked about each time before it is used",
    "no-store": "may not be kept",
    "no-transform": "may not be changed on the way",
    "only-if-cached": "wants an answer from a cache or none",
    "must-revalidate": "once stale, is never used without asking",
    "proxy-revalidate": "once stale, is never used by a shared cache without asking",
    "must-understand": "may be kept only by caches that know this status code",
    "private": "may be kept by the reader's own cache, not by a shared one",
    "public": "may be kept by any cache, after authentication too",
    "immutable": "does not change while it is fresh, so there is no need to ask (RFC 8246)",
}


# With field names, a directive is about these fields alone.
_OF_FIELDS: Final = {
    "no-cache": "{} may not be used again without asking; all else may",
    "private": "{} may be kept by the reader's own cache only; all else by any",
}
# What a directive says in a request where that is something else (RFC 9111 5.2.1).
_ASKED: Final = {
    "max-age": "takes a copy that is at most {} old",
    "no-cache": "takes no copy that was not asked about first",
    "no-store": "may not be kept, nor its answer",
    "stale-if-error": "takes a copy stale for {} where the server fails (RFC 5861 4)",
}
# Those that a request has, and a response has not, and the other way round.
_ONLY_ASKED: Final = frozenset({"max-stale", "min-fresh", "only-if-cached"})
_BOTH: Final = frozenset({*_ASKED, "no-transform"})


def directive_meaning(name: str, value: str, kind: Kind) -> str:
    """Say what a directive means; name in lower case, value without quotes."""
    meaning = _ASKED.get(name) if kind == "request" else None
    meaning = meaning or _DIRECTIVES.get(name)
    if meaning is not None and name not in _BOTH and (name in _ONLY_ASKED) != (kind == "request"):
        return f"{name}: no directive of a {kind}; passed over"
    if value and kind == "response" and name in _OF_FIELDS:
        return _OF_FIELDS[name].replace("{}", shown(value))
    if meaning is None:
        return f"{shown(name)}: no directive that is known; passed over"
    if "{}" not in meaning:
        return meaning
    seconds = parse_digits(value)
    if seconds is None:
        any_age = "content that is stale, however long, will do"
        return any_age if name == "max-stale" and not value else f"{name} without its seconds"
    return meaning.replace("{}", lasting(seconds))
