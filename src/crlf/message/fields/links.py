"""Link: typed pointers from a response to other resources (RFC 8288), as pages have to the next.

Read as the RFC's appendix B.2 does: forgiving in the small, and a link that is broken is passed
over without the others. Its law: one walk from the start to the end, whatever is in the text;
where a quote or an angle bracket is not closed nobody knows what the rest means, so it ends there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from crlf.message.errors import BadUrl
from crlf.message.grammar import BLANK, QUOTED, TOKEN, unquote
from crlf.message.headers import Headers
from crlf.message.link import Link
from crlf.message.url import URL
from crlf.patterns import pattern

MAX_LINKS: Final = 256  # of one response; pages that preload all they need have some dozens

_GAP = pattern(r"[ \t,]*")  # between two links; empty members are skipped (RFC 9110 5.6.1.2)
_NAME = pattern(rf"[ \t]*;[ \t]*(?:({TOKEN.pattern})[ \t]*(=[ \t]*)?)?")
_BARE = pattern(r'[^ \t;,"]*')  # what is no token, as text/css, is what many servers send
_REST = pattern(r'[^,"]*')


def links_of(headers: Headers, base: URL) -> Mapping[str, Link]:
    """Return the links of a response by relation type, the first of each; base: its URL.

    Links that are about something else (anchor) are left out: RFC 8288 3.2 warns of believing
    them.
    """
    found: dict[str, Link] = {}
    room = MAX_LINKS
    for value in headers.get_all("link"):
        for link in parse_links(value, base, room):
            room -= 1
            if link.anchor is not None and link.anchor != base.with_fragment(None):
                continue
            for relation in link.rel:
                found.setdefault(relation, link)
    return found


def parse_links(text: str, base: URL, most: int = MAX_LINKS) -> list[Link]:
    """Read a Link value, one character a byte, as the links in it; never raises.

    base: what relative references are resolved against. Broken links are left out, and so are
    those without rel, those to what is no URL, and any beyond `most`.
    """
    links: list[Link] = []
    for target, params in _members(text):
        if len(links) >= most:
            break
        if (link := _link(target, params, base)) is not None:
            links.append(link)
    return links


def _members(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield what stands between the angle brackets, and the parameters, of each whole link."""
    at = 0
    while True:
        gap = _GAP.match(text, at)
        at = at if gap is None else gap.end()
        if at == len(text):
            return
        if text[at] == "<":
            end = text.find(">", at)
            if end < 0:
                return
            target = text[at + 1 : end].strip(BLANK)
            params, at = _read_params(text, end + 1)
            if _is_over(text, at):
                yield target, params
        skipped = _next_comma(text, at)
        if skipped is None:
            return
        at = skipped


def _is_over(text: str, at: int) -> bool:
    """Tell whether a link ends here, as it should."""
    rest = text[at : at + 1]
    return not rest or rest == ","


def _next_comma(text: str, at: int) -> int | None:
    """Find the end of a link, passing over quoted strings; None when a quote is not closed."""
    while True:
        rest = _REST.match(text, at)
        at = at if rest is None else rest.end()
        if at == len(text) or text[at] == ",":
            return at
        quoted = QUOTED.match(text, at)
        if quoted is None:
            return None
        at = quoted.end()


def _read_params(text: str, at: int) -> tuple[list[tuple[str, str]], int]:
    """Read `*( OWS ";" OWS [ link-param ] ) OWS` from `at`; return where the reading stopped."""
    params: list[tuple[str, str]] = []
    while (found := _NAME.match(text, at)) is not None:
        at = found.end()
        if found[1] is None:
            continue  # an empty parameter: two semicolons, or one at the end
        value = ""
        if found[2] is not None:
            if text[at : at + 1] == '"':
                quoted = QUOTED.match(text, at)
                if quoted is None:
                    return params, at
                value, at = unquote(quoted[0]), quoted.end()
            elif (bare := _BARE.match(text, at)) is not None:
                value, at = bare[0], bare.end()
        params.append((found[1].lower(), value))
    while text[at : at + 1] in (" ", "\t"):
        at += 1
    return params, at


def _link(target: str, params: list[tuple[str, str]], base: URL) -> Link | None:
    relations: tuple[str, ...] | None = None
    anchor: str | None = None
    others = []
    for name, value in params:
        if name == "rel":
            # RFC 8288 3.3: occurrences after the first MUST be ignored by parsers.
            if relations is None:
                names = value.lower().replace("\t", " ").split(" ")
                relations = tuple(dict.fromkeys([one for one in names if one]))
        elif name == "anchor" and anchor is None:
            anchor = value
        else:
            others.append((name, value))
    if not relations:
        return None
    try:
        url = base.join(_from_wire(target))
        about = None if anchor is None else base.join(_from_wire(anchor))
    except BadUrl:
        return None
    return Link(url, relations, tuple(others), about)


def _from_wire(reference: str) -> str:
    """Read a reference as it is meant: what is not ASCII is UTF-8, and if not, bytes."""
    if reference.isascii():
        return reference
    try:
        return reference.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return "".join([c if c.isascii() else f"%{ord(c):02X}" for c in reference])
