"""The page of a folder: a path to go back by, columns that sort, rows that a thumb can hit.

Valid HTML that needs nothing but itself: no script of its own, no asset, light or dark as the
reader has it. Its law: a name is only ever shown escaped and only ever linked percent-encoded,
relative to the page; whatever it is called, it can neither act nor lead elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crlf.message.percent import percent_encode
from crlf.rules.pages import build_page, build_policy, escape

TOP: Final = "Files"  # what the folder is called that is served; its own name is nobody's business

_STYLE: Final = """\
nav ol { display: flex; flex-wrap: wrap; list-style: none; margin: 0 0 .25rem; padding: 0; }
nav li { overflow-wrap: anywhere; }
nav li + li::before { color: var(--soft); content: "/"; padding: 0 .4em; }
nav a, .pages a { display: inline-block; padding: .35rem 0; }
table { border-collapse: collapse; width: 100%; }
caption { color: var(--soft); font-size: .9rem; padding: .25rem 0 .5rem; text-align: left; }
th, td { border-bottom: 1px solid var(--line); padding: 0 .5rem; text-align: left;
  white-space: nowrap; }
th { border-bottom-width: 2px; font-size: .9rem; }
th a { color: inherit; display: block; padding: .5rem 0; text-decoration: none; }
th a:hover, td a:hover { text-decoration: underline; }
th a::after { content: "\\25B2"; font-size: .7em; margin-left: .4em; visibility: hidden; }
th[aria-sort] a::after { visibility: visible; }
th[aria-sort=descending] a::after { content: "\\25BC"; }
th:nth-child(2), td:nth-child(2) { text-align: right; }
td { font-variant-numeric: tabular-nums; }
td + td { color: var(--soft); font-size: .9rem; }
td:first-child { padding-left: .25rem; white-space: normal; width: 100%; }
td:first-child a { display: block; overflow-wrap: anywhere; padding: .45rem 0 .45rem 1.8rem;
  position: relative; text-decoration: none; }
td:first-child a::before { background: var(--soft); content: ""; height: .95em; left: .35rem;
  opacity: .55; position: absolute; top: .75em; width: .75em;
  clip-path: polygon(0 0, 62% 0, 100% 30%, 100% 100%, 0 100%); }
.folder td:first-child a { font-weight: 600; }
.folder td:first-child a::before { background: var(--link); height: .85em; left: .2rem;
  opacity: .8; width: 1.05em;
  clip-path: polygon(0 0, 42% 0, 52% 20%, 100% 20%, 100% 100%, 0 100%); }
.up td:first-child a::before { clip-path: polygon(50% 0, 100% 55%, 65% 55%, 65% 100%, 35% 100%,
  35% 55%, 0 55%); }
tbody tr:hover { background: var(--tint); }
.new td:first-child a::after { background: var(--good); border-radius: 1em; color: var(--paper);
  content: "new"; font-size: .75rem; font-weight: 600; margin-left: .6em; padding: .1em .6em; }
.pages { display: flex; gap: 1.5rem; padding: .75rem .25rem; }
.empty { color: var(--soft); padding: 1.5rem .25rem; text-align: center; }
@media (max-width: 36rem) { body { padding: 1rem .75rem 2rem; }
  time span, th span { display: none; } th a::after { display: none; margin-left: .2em; }
  th[aria-sort] a::after { display: inline; } td + td { font-size: .8rem; }
  th, td { padding: 0 .35rem; } td:first-child a { padding-bottom: .6rem; padding-top: .6rem; }
  td:first-child a::before { top: .9em; } }
@media (pointer: coarse) { nav a, .pages a, th a { padding-bottom: .6rem; padding-top: .6rem; } }
"""
_COLUMNS: Final = (("name", "Name"), ("size", "Size"), ("date", "Modified<span> (UTC)</span>"))


class Entry(NamedTuple):
    """One file or folder. size: in bytes. modified: seconds since 1970."""

    name: str
    is_folder: bool
    size: int
    modified: int


class Listed(NamedTuple):
    """A folder that is shown.

    names: that lead to it from the top, decoded. entries: None where they are not to be seen.
    is_cut: whether there are more.
    """

    names: tuple[str, ...]
    entries: Sequence[Entry] | None
    is_cut: bool = False


class View(NamedTuple):
    """How it is shown. key: "name", "size" or "date". number: of the page. new: names to mark."""

    key: str = "name"
    is_descending: bool = False
    number: int = 1
    new: frozenset[str] = frozenset()


class Panel(NamedTuple):
    """What stands above a listing: HTML, and the one style and script that it needs.

    directives: of the page's policy, beside those for the two, as in "form-action 'self'".
    """

    html: str
    style: str = ""
    script: str = ""
    directives: str = ""


NO_PANEL: Final = Panel("", directives="form-action 'none'; frame-ancestors 'self'")


def policy_of(panel: Panel | None) -> str:
    """Write the policy of a page that listing_page writes."""
    panel = panel or NO_PANEL
    return build_policy(_STYLE + panel.style, panel.script, panel.directives)


def listing_page(
    listed: Listed,
    ordered: Sequence[Entry],
    view: View,
    per_page: int,
    panel: Panel | None = None,
) -> str:
    """Write the page. Its own URL has to end in a slash.

    ordered: the entries as the view wants them, all of them; of these one page is shown.
    """
    panel = panel or NO_PANEL
    name = f"{listed.names[-1]}/" if listed.names else TOP
    title = escape(name)
    body = f"<main>\n{_path(listed.names)}<h1><bdi>{title}</bdi></h1>\n{panel.html}"
    if listed.entries is not None:
        body += _table(listed, ordered, view, per_page)
    body += "</main>\n"
    if panel.script:
        body += f"<script>{panel.script}</script>\n"
    return build_page(title, body, _STYLE + panel.style)


def _path(names: tuple[str, ...]) -> str:
    """Write the way back, each step relative to here."""
    if not names:
        return ""
    links = [("../" * len(names), TOP)]
    links += [
        ("../" * (len(names) - place), f"<bdi>{escape(name)}</bdi>")
        for place, name in enumerate(names[:-1], 1)
    ]
    steps = "".join(f'<li><a href="{link}">{words}</a></li>' for link, words in links)
    return f'<nav aria-label="Folders above">\n<ol>\n{steps}\n</ol>\n</nav>\n'


def _table(listed: Listed, ordered: Sequence[Entry], view: View, per_page: int) -> str:
    pages = max(1, -(-len(ordered) // per_page))
    number = min(view.number, pages)
    shown = ordered[(number - 1) * per_page : number * per_page]
    rows = [_row(entry, is_new=entry.name in view.new) for entry in shown]
    if listed.names:
        rows.insert(0, _UP)
    if not ordered:
        rows.append('<tr><td colspan="3" class="empty">This folder is empty.</td></tr>\n')
    heads = "".join(_head(key, words, view) for key, words in _COLUMNS)
    return (
        f"<table>\n<caption>{_summary(listed, ordered)}</caption>\n"
        f"<thead>\n<tr>{heads}</tr>\n</thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table>\n"
        f"{_pages(view, number, pages)}"
    )


def _summary(listed: Listed, ordered: Sequence[Entry]) -> str:
    if listed.is_cut:
        return f"There is more here than these {len(ordered):,} entries."
    sizes = [entry.size for entry in ordered if not entry.is_folder]
    folders = len(ordered) - len(sizes)
    words = [f"{folders:,} folder{'' if folders == 1 else 's'}"] if folders else []
    if sizes or not folders:
        words.append(f"{len(sizes):,} file{'' if len(sizes) == 1 else 's'}")
    if sizes:
        words.append(size_of(sum(sizes)))
    return ", ".join(words)


def _head(key: str, words: str, view: View) -> str:
    """Write a column's head: a link that sorts by it, and back when it is sorted so already."""
    is_now = key == view.key
    sorting = ""
    if is_now:
        sorting = f' aria-sort="{"descending" if view.is_descending else "ascending"}"'
    order = "desc" if is_now and not view.is_descending else "asc"
    link = f"?sort={key}&amp;order={order}"
    return f'<th scope="col"{sorting}><a href="{link}">{words}</a></th>'


def _pages(view: View, number: int, pages: int) -> str:
    if pages == 1:
        return ""
    start = f"?sort={view.key}&amp;order={'desc' if view.is_descending else 'asc'}&amp;page="
    links = [f"<span>Page {number:,} of {pages:,}</span>"]
    if number > 1:
        links.insert(0, f'<a href="{start}{number - 1}" rel="prev">Previous</a>')
    if number < pages:
        links.append(f'<a href="{start}{number + 1}" rel="next">Next</a>')
    return f'<nav aria-label="Pages" class="pages">\n{" ".join(links)}\n</nav>\n'


_UP: Final = (
    '<tr class="folder up"><td><a href="../">Parent folder</a></td><td></td><td></td></tr>\n'
)


def _row(entry: Entry, *, is_new: bool) -> str:
    slash = "/" if entry.is_folder else ""
    words = " ".join((["folder"] if entry.is_folder else []) + (["new"] if is_new else []))
    kind = f' class="{words}"' if words else ""
    link = percent_encode(entry.name) + slash  # without a colon, so that it is no scheme
    return (
        f'<tr{kind}><td><a href="{link}"><bdi>{escape(entry.name + slash)}</bdi></a></td>'
        f"<td>{'' if entry.is_folder else size_of(entry.size)}</td>"
        f"<td>{_time(entry.modified)}</td></tr>\n"
    )


def size_of(size: int) -> str:
    """Write a size for people: three digits and a unit, in powers of 1000."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
    return f"{amount / 1000:,.1f} TB"


def moment_of(modified: int) -> str:
    """Write a time as ISO 8601 in UTC; "" before the year 1 or after 9999: a broken clock."""
    try:
        moment = datetime.fromtimestamp(modified, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{moment.isoformat()[:19]}Z"


def _time(modified: int) -> str:
    moment = moment_of(modified)
    if not moment:
        return ""
    return f'<time datetime="{moment}">{moment[:10]}<span> {moment[11:16]}</span></time>'
