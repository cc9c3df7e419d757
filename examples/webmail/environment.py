"""The environment of the templates: Jinja2, with the words that these pages need beside it.

Its law: values are escaped, always; nothing in the templates says `safe` but one frame's content,
which nh3 has cleaned.
"""

from __future__ import annotations

import zlib
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HUES = 8  # colours of the circles that stand for people


def environment(folder: Path) -> Environment:
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"size": size, "hue": hue, "initial": initial}
    made.globals |= {"day": day, "moment": moment, "stamp": stamp}
    return made


def size(number: int) -> str:
    """Say how large a file is: "83 bytes", "1.2 MB"."""
    if number < 1000:
        return f"{number} bytes" if number != 1 else "1 byte"
    for unit in ("kB", "MB"):
        number_of = number / 1000
        if number_of < 999.5:
            return f"{number_of:.1f} {unit}" if number_of < 9.95 else f"{number_of:.0f} {unit}"
        number = int(number_of)
    return f"{number / 1000:.1f} GB"


def day(seconds: int) -> str:
    """Say when, as a list does: the time of today, the day of this year, or the date."""
    when, now = datetime.fromtimestamp(seconds), datetime.now()
    if when.date() == now.date():
        return f"{when:%H:%M}"
    return f"{when.day} {when:%b}" if when.year == now.year else f"{when:%Y-%m-%d}"


def moment(seconds: int) -> str:
    """Say when, in full."""
    when = datetime.fromtimestamp(seconds)
    return f"{when:%A}, {when.day} {when:%B %Y}, {when:%H:%M}"


def stamp(seconds: int) -> str:
    """Say when, as programs read it (the datetime of `<time>`)."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="minutes")


def hue(address: str) -> int:
    """Pick a colour for somebody, the same one every time."""
    return zlib.crc32(address.lower().encode("utf-8", "replace")) % HUES


def initial(name: str) -> str:
    """The letter in somebody's circle."""
    return next((letter.upper() for letter in name if letter.isalnum()), "?")
