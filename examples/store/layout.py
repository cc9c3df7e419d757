"""What all pages of the store look like, and the pieces they are made of.

A page is one sheet of a technical drawing: content above, and at the foot the title block,
which says what was asked for and what the store remembers. No script, nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from examples.store.markup import Attribute, Child, Markup, element, join

NAME: Final = "Prairie Parts"
PLACES: Final = (
    ("/", "Catalogue"),
    ("/shipping", "Shipping"),
    ("/projects", "Projects"),
    ("/about", "About"),
)

Problems = Mapping[str, str]  # what is wrong with a form, by field
NONE: Final[Problems] = {}


class Visit(NamedTuple):
    """What every page shows of the request that it answers.

    asked: method and target, as they stood in the request. path: of the page, for the menu.
    items: how many pieces are in the cart.
    """

    asked: str
    path: str
    items: int


def page(visit: Visit, title: str, *content: Child, canonical: str | None = None) -> str:
    """Put content on a sheet. It is valid as HTML and as XML."""
    full = title if title == NAME else f"{title} · {NAME}"
    head = element(
        "head",
        # In HTML this counts, in XML the XML declaration or the Content-Type does.
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", full),
        element("link", rel="stylesheet", href="/static/store.css"),
        element("link", rel="icon", href="/static/gear.svg", type="image/svg+xml"),
        element("link", rel="canonical", href=canonical) if canonical else None,
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        menu(visit),
        element("main", *content, id="content"),
        title_block(visit, title),
    )
    xmlns = "http://www.w3.org/1999/xhtml"
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en', xmlns=xmlns)}\n"


def menu(visit: Visit) -> Markup:
    links = [
        element("li", link(text, path, aria_current="page" if path == visit.path else None))
        for path, text in PLACES
    ]
    cart = link(
        join("Cart ", element("span", visit.items, class_="count")),
        "/cart",
        class_="cart",
        aria_current="page" if visit.path == "/cart" else None,
    )
    brand = element(
        "a",
        element("img", src="/static/gear.svg", alt="", width=28, height=28),
        element("span", NAME),
        href="/",
        class_="brand",
    )
    ways = element("nav", element("ul", links, element("li", cart)), aria_label="Main")
    return element("header", brand, ways, class_="top")


def title_block(visit: Visit, title: str) -> Markup:
    pieces = f"{visit.items} in the cart" if visit.items else "the cart is empty"
    cells = (
        ("Drawn by", join(NAME, ", Salina, Kansas")),
        ("Sheet", title),
        ("Asked for", element("code", shortened(visit.asked, 60))),
        ("Session", pieces),
    )
    return element(
        "footer",
        element("dl", [element("div", element("dt", a), element("dd", b)) for a, b in cells]),
        class_="block",
    )


# --- pieces --------------------------------------------------------------------------------------


def link(text: Child, to: str, **attributes: Attribute) -> Markup:
    return element("a", text, href=to, **attributes)


def button(text: str, **attributes: Attribute) -> Markup:
    return element("button", text, type="submit", **attributes)


def hidden(name: str, value: str | int) -> Markup:
    return element("input", type="hidden", name=name, value=value)


def paragraph(*children: Child, class_: str | None = None) -> Markup:
    return element("p", *children, class_=class_)


def field(
    label: str,
    name: str,
    value: str | int = "",
    *,
    problem: str | None = None,
    hint: str | None = None,
    rows: int | None = None,
    form: str = "",
    **attributes: Attribute,
) -> Markup:
    """Build an input with its label; with a problem it says so to eyes and to screen readers.

    rows: makes it a textarea of so many lines. form: a prefix that makes its id the only one.
    """
    own = form + name
    notes = [f"{own}-problem"] * bool(problem) + [f"{own}-hint"] * bool(hint)
    said: dict[str, Attribute] = {
        "id": own,
        "name": name,
        "aria_describedby": " ".join(notes) or None,
        "aria_invalid": "true" if problem else None,
        **attributes,
    }
    entry = (
        element("textarea", str(value), rows=rows, **said)
        if rows
        else element("input", value=value if value != "" else None, **said)
    )
    return element(
        "div",
        element("label", label, for_=own),
        entry,
        paragraph_with_id(problem, f"{own}-problem", "problem"),
        paragraph_with_id(hint, f"{own}-hint", "hint"),
        class_="field",
    )


def paragraph_with_id(text: str | None, name: str, class_: str) -> Markup | None:
    return element("p", text, id=name, class_=class_) if text else None


def wire(line: str) -> Markup:
    """Show what a form will send."""
    return paragraph("sends ", element("code", line), class_="wire")


def facts_list(facts: Iterable[tuple[str, Child]]) -> Markup:
    return element(
        "dl",
        [element("div", element("dt", name), element("dd", value)) for name, value in facts],
        class_="facts",
    )


def drawing(number: int, *, class_: str = "drawing") -> Markup:
    """Show the drawing of a part, which is in /drawings.svg."""
    use = element("use", href=f"/drawings.svg#part-{number}")
    svg = "http://www.w3.org/2000/svg"
    return element("svg", use, class_=class_, viewBox="0 0 120 120", aria_hidden="true", xmlns=svg)


def money(cents: int) -> Markup:
    """Write an amount in dollars."""
    return element("span", f"${cents // 100:,}.{cents % 100:02}", class_="money")


def weight(grams: int) -> str:
    """Write a weight as people say it."""
    return f"{grams} g" if grams < 1000 else f"{grams / 1000:.2f} kg"


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
