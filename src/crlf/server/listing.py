"""A folder's contents as a page, for `crlf serve FOLDER` and whoever else wants to show them.

Valid HTML that needs nothing but itself: no script, no asset, light or dark as the reader has
it. Its law: a name is only ever shown escaped and only ever linked percent-encoded, relative
to the page; whatever it is called, it can neither act nor lead elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crlf.message.headers import Headers
from crlf.message.percent import percent_encode
from crlf.message.response import Response
from crlf.rules.pages import NOSNIFF, escape

_FIELDS: Final = Headers(
    [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "max-age=0, must-revalidate"),  # it changes, and has no validator
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
        ),
        NOSNIFF,
    ]
)
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
  padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; line-height: 1.2; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent);
  padding: .3rem .5rem; text-align: left; }}
th:first-child, td:first-child {{ overflow-wrap: anywhere; width: 100%; }}
th:nth-child(2), td:nth-child(2) {{ text-align: right; }}
td {{ font-variant-numeric: tabular-nums; white-space: nowrap; }}
td:first-child {{ white-space: normal; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<table>
<thead>
<tr><th scope="col">Name</th><th scope="col">Size</th><th scope="col">Modified (UTC)</th></tr>
</thead>
<tbody>
{rows}</tbody>
</table>
{more}</main>
</body>
</html>
"""
_ROW: Final = (
    '<tr><td><a href="{link}"><bdi>{name}</bdi></a></td><td>{size}</td><td>{time}</td></tr>\n'
)
_UP: Final = '<tr><td><a href="../">Parent folder</a></td><td></td><td></td></tr>\n'


class Entry(NamedTuple):
    """One file or folder. size: in bytes. modified: seconds since 1970."""

    name: str
    is_folder: bool
    size: int
    modified: int


def listing_response(
    place: str, entries: Sequence[Entry], *, has_parent: bool, is_cut: bool = False
) -> Response:
    """Build the page that lists a folder, folders first, each part by name.

    place: what the folder is called, for people. The page's own URL has to end in a slash.
    is_cut: whether there is more than these entries.
    """
    ordered = sorted(entries, key=lambda entry: (not entry.is_folder, entry.name.lower()))
    rows = [_UP] if has_parent else []
    rows += [_row(entry) for entry in ordered]
    more = ""
    if is_cut:
        more = f"<p>There is more here than these {len(entries):,} entries.</p>\n"
    elif not rows:
        rows.append('<tr><td colspan="3">This folder is empty.</td></tr>\n')
    text = _PAGE.format(title=escape(place), rows="".join(rows), more=more)
    return Response.quick(200, _FIELDS, text.encode())


def _row(entry: Entry) -> str:
    slash = "/" if entry.is_folder else ""
    return _ROW.format(
        link=percent_encode(entry.name) + slash,  # without a colon, so that it is no scheme
        name=escape(entry.name + slash),
        size="" if entry.is_folder else _size(entry.size),
        time=_time(entry.modified),
    )


def _size(size: int) -> str:
    """Write a size for people: three digits and a unit, in powers of 1000."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
    return f"{amount / 1000:,.1f} TB"


def _time(modified: int) -> str:
    try:
        moment = datetime.fromtimestamp(modified, UTC)
    except (ValueError, OverflowError, OSError):
        return ""  # before the year 1 or after 9999: a broken clock, not a date
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M}</time>'
