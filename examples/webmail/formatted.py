"""Formatted letters: HTML from strangers, made fit to be shown.

Three walls stand behind each other. nh3 (ammonia, a real HTML parser) keeps a list of elements
and attributes and drops the rest: scripts, forms, whatever loads something. What is left goes
into a page of its own, framed in a sandbox: no script, no form, no origin, so no cookies. And
that page's policy lets it load nothing but what it carries itself. `<iframe srcdoc>` would have
done without a second request, but takes over the policy of the page around it, which forbids the
inline styles that letters are made of. Its law: reading a letter tells nobody that it was read.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

import nh3

from examples.webmail.letters import Attachment, Letter

MOST: Final = 400_000  # characters of HTML
DEEPEST: Final = 250  # elements in each other; 100,000 take nh3 half a minute (it is quadratic)
MOST_PICTURES: Final = 4 * 1024 * 1024  # bytes of pictures that stand in the text
POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
PICTURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_TAGS: Final = frozenset(
    "a abbr b blockquote br caption center cite code col colgroup dd del div dl dt em font "
    "h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s small span strike strong sub sup table "
    "tbody td tfoot th thead tr tt u ul".split(" ")
)
_ATTRIBUTES: Final = {
    "*": {"style", "dir", "lang", "align", "title"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "table": {"border", "cellpadding", "cellspacing", "width", "bgcolor"},
    "td": {"colspan", "rowspan", "valign", "width", "height", "bgcolor"},
    "th": {"colspan", "rowspan", "valign", "width", "height", "bgcolor", "scope"},
    "tr": {"valign", "bgcolor"},
    "col": {"span", "width"},
    "font": {"color", "size"},
    "ol": {"start"},
}
_UNSEEN: Final = frozenset(
    "script style title template noscript iframe object svg math form select textarea".split(" ")
)
# Nothing that places text over other text, and nothing that loads.
_STYLES: Final = frozenset(
    "background-color border border-bottom border-collapse border-color border-left border-radius "
    "border-right border-spacing border-style border-top border-width color font-family font-size "
    "font-style font-weight height letter-spacing line-height list-style-type margin "
    "margin-bottom margin-left margin-right margin-top max-width padding padding-bottom "
    "padding-left padding-right padding-top text-align text-decoration text-transform "
    "vertical-align white-space width".split(" ")
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_CLOSED_BY_OTHERS: Final = frozenset(
    "area br col hr img input link meta p li dt dd option td th tr tbody thead tfoot".split(" ")
)
_LINK = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_PICTURE = re.compile(r'<img(?: [a-z]+="[^"]*")*>')  # as nh3 writes it
_COLOURED = re.compile(r"color[=:]", re.IGNORECASE)


class Formatted(NamedTuple):
    """A letter's HTML, fit to be shown.

    has_colours: it says some, so it has to stand on the white paper that it was made for.
    left_out: how many pictures of elsewhere are not loaded. height: in pixels, estimated, since
    nothing without a script makes a frame as high as what is in it. shown: the attachments that
    are pictures in it, by number.
    """

    html: str
    has_colours: bool
    left_out: int
    height: int
    shown: frozenset[int]


def formatted(letter: Letter) -> Formatted | None:
    """Make a letter's HTML fit to be shown; None when it has none, or is made to be work."""
    if not letter.html or len(letter.html) > MOST or _depth(letter.html) > DEEPEST:
        return None
    pictures = {each.content_id: each for each in letter.attachments if each.content_id}
    counts: Counter[str] = Counter()
    shown: set[int] = set()

    def judge(tag: str, name: str, value: str) -> str | None:
        if name == "src":
            return _picture(value, pictures, counts, shown)
        if name == "href":
            return value if _LINK.match(value) else None
        if name in ("width", "height"):
            return value if re.fullmatch("[0-9]{1,4}%?", value) else None
        return value

    html = nh3.clean(
        letter.html,
        tags=set(_TAGS),
        clean_content_tags=set(_UNSEEN),
        attributes=_ATTRIBUTES,
        attribute_filter=judge,
        url_schemes={"http", "https", "mailto", "cid"},  # and then by `judge`
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=set(_STYLES),
    )
    html = _PICTURE.sub(lambda found: found[0] if ' src="' in found[0] else "", html)
    return Formatted(
        html,
        bool(_COLOURED.search(html)),
        counts["left out"],
        _height(letter, html),
        frozenset(shown),
    )


def _picture(
    source: str, known: Mapping[str, Attachment], counts: Counter[str], shown: set[int]
) -> str | None:
    """Put a picture that came with the letter into the page; any other one is never asked for."""
    attached = known.get(source[4:]) if source[:4].lower() == "cid:" else None
    kind = picture_type(attached.content) if attached is not None else ""
    if attached is None or not kind or counts["bytes"] + attached.size > MOST_PICTURES:
        counts["left out"] += 1
        return None
    counts["bytes"] += attached.size
    shown.add(attached.number)
    return f"data:{kind};base64,{base64.b64encode(attached.content).decode()}"


def picture_type(content: bytes) -> str:
    """Say what picture this is by its first bytes; "" for none."""
    return next((kind for first, kind in PICTURES if content.startswith(first)), "")


def _depth(html: str) -> int:
    """Estimate how deep elements stand in each other: never less than a parser will find."""
    open_now: Counter[str] = Counter()
    depth = deepest = 0
    for found in _TAG.finditer(html):
        name = found[2].lower()
        if name in _CLOSED_BY_OTHERS:
            continue
        if not found[1]:
            open_now[name] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif open_now[name]:
            open_now[name] -= 1
            depth -= 1
    return deepest


def _height(letter: Letter, html: str) -> int:
    lines = sum(1 + len(line) // 58 for line in letter.words.split("\n"))
    return min(max(160, 120 + 27 * lines + 170 * html.count("<img ")), 2400)
