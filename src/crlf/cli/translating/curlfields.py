"""Header fields as curl is told them: -H, and the options that are fields by another name.

What -H says counts more than -A, -e, -b, -r and -z. `Name:` takes a field away, `Name;` sends it
empty, and what is neither is passed over, as curl does.
"""

from __future__ import annotations

import os
import time
from typing import Protocol

from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.cli.translating.crlfline import CrlfLine, Field
from crlf.cli.translating.curlcontent import Texts
from crlf.cli.translating.curlwords import Given
from crlf.message.dates import build_date, parse_cookie_date, parse_date
from crlf.message.errors import CrlfError
from crlf.message.grammar import is_token, parse_digits
from crlf.message.url import URL
from crlf.patterns import pattern
from crlf.rules.cookiefiles import parse_netscape
from crlf.rules.cookiejar import CookieJar

_DAY = pattern("([0-9]{4})([0-9]{2})([0-9]{2})")
# Words, numbers and a time; a zone is none of these, unless it is this one.
_DATE = pattern("[A-Za-z]{3},?|[0-9]{1,4}|[0-9]{1,2}(?::[0-9]{2}){1,2}")
_CLOCK = pattern("[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")


class Translating(Protocol):
    """What of a translation is needed here."""

    given: Given
    environment: Environment
    expansions: dict[str, str]
    texts: Texts

    def remark(self, text: str, *, differs: bool = False) -> None: ...


def read_fields(translation: Translating, url: str, line: CrlfLine) -> list[Field]:
    """Read all fields that the user gave. Raises Failure."""
    given = translation.given
    fields = _from_lines(translation, line)
    named = {name.lower() for name, _ in fields}
    others = [
        ("User-Agent", given.last("user-agent")),
        ("Referer", _referer(translation)),
        ("Range", _range(translation)),
        ("Cookie", _cookies(translation, url, line)),
        *_condition(translation),
    ]
    for name, value in others:
        if value is not None and name.lower() not in named:
            fields.append((name, value or None))
    return fields


def _from_lines(translation: Translating, line: CrlfLine) -> list[Field]:
    """Read -H."""
    texts: list[str] = []
    for text in translation.given.every("header"):
        if text.startswith("@"):
            texts += translation.texts.read(text[1:], False).replace("\r", "").split("\n")
        else:
            texts.append(text)
    fields: list[Field] = []
    for text in texts:
        field = _field(text)
        if field is None:
            if text:
                translation.remark(
                    f"-H {text.partition(' ')[0][:20]!r} is no field; curl sends nothing of it"
                )
            continue
        name, value = field
        if name.lower() == "content-length":
            translation.remark("-H Content-Length: crlf counts itself", differs=False)
        elif name.lower() == "transfer-encoding" and value is not None:
            line.options += ["--chunked"] if "--chunked" not in line.options else []
        elif any(sign in translation.expansions for sign in name) or is_token(name):
            fields.append((name, value))
        else:
            translation.remark(f"-H {name[:40]!r} is no name of a field", differs=True)
    return fields


def _field(text: str) -> Field | None:
    name, colon, value = text.partition(":")
    if colon:
        value = value.strip(" \t")
        return name, value or None
    return (text[:-1], "") if text.endswith(";") and text[:-1] else None


def _referer(translation: Translating) -> str | None:
    text = translation.given.last("referer")
    if text is None or not text.endswith(";auto"):
        return text
    translation.remark("-e ;auto: crlf sends no Referer after redirects")
    return text.removesuffix(";auto") or None


def _range(translation: Translating) -> str | None:
    given = translation.given
    ranges, offset = given.last("range"), given.last("continue-at")
    if ranges is not None:
        # curl takes a bare number as where to begin.
        return f"bytes={ranges}-" if parse_digits(ranges) is not None else f"bytes={ranges}"
    if offset is None or offset == "-":
        return None
    if parse_digits(offset) is None:
        raise Failure(f"-C takes a number or -, not {offset!r}")
    return f"bytes={offset}-" if offset.strip("0") else None


# --- cookies -------------------------------------------------------------------------------------


def _cookies(translation: Translating, url: str, line: CrlfLine) -> str | None:
    """Read -b, whose value is cookies when it has an =, and a file of them otherwise; and -c."""
    given = translation.given
    texts = []
    jar = given.last("cookie-jar")
    for text in given.every("cookie"):
        if "=" in text or any(sign in translation.expansions for sign in text):
            texts.append(text)
        elif text and text != jar:
            texts += _from_file(translation, text, url)
        elif text:
            texts += _from_file(translation, text, url, must_be=False)
    if jar is not None and jar != "-":
        name = jar if "/" in jar else f"./{jar}"
        line.options += ["--session", f"{name}.json"]
        translation.remark(f"-c {jar}: crlf keeps cookies in a session of its own, {name}.json")
    return "; ".join([text.strip("; ") for text in texts if text.strip("; ")]) or None


def _from_file(translation: Translating, path: str, url: str, *, must_be: bool = True) -> list[str]:
    """Return the cookies that a file has for a URL, as they are now."""
    now = time.time()
    jar = CookieJar()
    try:
        jar.load(parse_netscape(translation.texts.peek(path).decode("latin-1")), now)
        field = jar.field_for(URL(url), now)
    except (Failure, CrlfError) as fault:
        if must_be:
            why = fault.line if isinstance(fault, Failure) else fault.brief
            translation.remark(f"-b {path}: no cookies can be read from it: {why}", differs=True)
        return []
    if field is not None:
        field = field.encode("latin-1").decode("utf-8", "surrogateescape")
    if field is not None:
        translation.remark(f"-b {path}: its cookies for this URL are written out, as they are now")
    return [] if field is None else [field]


# --- conditions ----------------------------------------------------------------------------------


def _condition(translation: Translating) -> list[tuple[str, str | None]]:
    """Read -z: a date, or a file whose date it is; - before it turns it around."""
    text = translation.given.last("time-cond")
    if text is None:
        return []
    name = "If-Modified-Since"
    if text.startswith("-"):
        name, text = "If-Unmodified-Since", text[1:]
    seconds = _read_date(text)
    if seconds is None:
        try:
            seconds = int(os.stat(translation.environment.path(text)).st_mtime)
        except (OSError, ValueError):
            translation.remark(f"-z {text[:40]!r} is no date known here, and no file", differs=True)
            return []
    return [(name, build_date(seconds))]


def _read_date(text: str) -> int | None:
    """Read a date as curl does in the everyday cases: HTTP's own, 20261123, 23 Nov 2026 12:30."""
    seconds = parse_date(text)
    if seconds is not None:
        return seconds
    day = _DAY.fullmatch(text)
    if day is not None and 1 <= int(day[2]) <= 12:
        text = f"{day[3]} {_MONTHS[int(day[2]) - 1]} {day[1]}"
    text = text[:60].removesuffix(" GMT").removesuffix(" UTC")
    if not all(_DATE.fullmatch(word) for word in text.split(" ")):
        return None
    clock = _CLOCK.search(text)
    if clock is None:
        text += " 00:00:00"
    elif clock[1] is None:
        text = f"{text[: clock.end()]}:00{text[clock.end() :]}"
    return parse_cookie_date(text)
