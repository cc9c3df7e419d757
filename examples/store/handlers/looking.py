"""Looking: the catalogue with its search, a part by its number, what it costs to send one."""

from __future__ import annotations

import re
from typing import Final

from crlf import BadParameter, Refused, Request
from crlf.message.params import Params
from examples.store.data.cart import cart_of
from examples.store.data.catalogue import (
    LONGEST_SEARCH,
    SORTS,
    Found,
    Line,
    Search,
    weight_of,
)
from examples.store.data.parts import FAMILIES, HOME, MOST_OF_ONE, Part, Zone
from examples.store.handlers.trouble import sentence
from examples.store.shop import Words, app, catalogue, page, typed

_ZIP: Final = re.compile(r"([0-9]{5})(?:-[0-9]{4})?")


@app.get("/")
def front(request: Request) -> object:
    """A page of the catalogue: /?q=gear&family=Gears&sort=cheap&page=2, all of it optional."""
    query = request.query
    search = Search(
        typed(query, "q")[:LONGEST_SEARCH],
        query.choice("family", FAMILIES, ""),
        query.choice("sort", SORTS, "number"),
        query.int("page", 1),
    )
    if search.page < 1:
        raise Refused(404, "Pages are counted from 1.")
    found = catalogue.search(search)
    if search.page > found.pages:
        raise Refused(404, f"There are {found.pages} pages of these, and no page {search.page}.")
    return shelf(request, search, found)


def shelf(
    request: Request,
    search: Search,
    found: Found,
    status_code: int = 200,
    number: str = "",
    problems: Words | None = None,
) -> object:
    """Show what was found, with the ways to the pages before and after it."""
    ways = {n: address_of(search._replace(page=n)) for n in range(1, found.pages + 1)}
    before, after = ways.get(found.page - 1), ways.get(found.page + 1)
    links = [f'<{to}>; rel="{name}"' for to, name in ((before, "prev"), (after, "next")) if to]
    return page(
        request,
        "catalogue.html",
        status_code,
        {"link": ", ".join(links)} if links else {},  # RFC 8288: what a program can follow
        search=search,
        found=found,
        before=before,
        after=after,
        pages=ways.items(),
        families=[("", "All families"), *((family, family) for family in FAMILIES)],
        sorts=[(name, called) for name, (called, _) in SORTS.items()],
        number=number,
        problems=problems or Words(),
    )


def address_of(search: Search) -> str:
    """Write the address of a page of the catalogue, without what goes without saying."""
    asked = {"q": search.words, "family": search.family}
    if search.sort != "number":
        asked["sort"] = search.sort
    if search.page != 1:
        asked["page"] = str(search.page)
    return app.url("front", {name: value for name, value in asked.items() if value})


@app.get("/part")
def look_up(request: Request) -> object:
    """The course's part number: GET /part?number=7, with the data in the URL."""
    try:
        number = request.query.int("number")
    except BadParameter as fault:
        asked, problems = typed(request.query, "number"), Words(number=sentence(fault))
        return shelf(request, Search(), catalogue.search(Search()), 400, asked, problems)
    return part(request, number)


@app.get("/part/{number:int}")
def part(request: Request, number: int) -> object:
    return page(request, "part.html", part=part_of(number), last=catalogue.last(), most=MOST_OF_ONE)


@app.get("/shipping")
def shipping(request: Request) -> object:
    """The course's zip code: GET /shipping?zip=67401&number=7; without a number, for the cart."""
    asked = {name: typed(request.query, name) for name in ("zip", "number")}
    problems = Words()
    if not request.query:
        return page(request, "shipping.html", **asked, zone=None, problems=problems)
    zone, what = zone_of(request.query, problems), "your cart"
    lines: tuple[Line, ...] = ()
    try:
        wanted = request.query.int("number", None)
        lines = catalogue.lines(cart_of(request.session) if wanted is None else {wanted: 1})
        if wanted is not None and lines:
            what = f"{lines[0].part.name}, part {wanted}"
        elif not lines:
            empty_cart = "The cart is empty: ask for a part number."
            problems["number"] = empty_cart if wanted is None else f"There is no part {wanted}."
    except BadParameter as fault:
        problems["number"] = sentence(fault)
    if zone is None or problems:
        return page(request, "shipping.html", 400, **asked, zone=None, problems=problems)
    weight = weight_of(lines)
    return page(
        request, "shipping.html", **asked, zone=zone, what=what, weight=weight, problems=problems
    )


def part_of(number: int) -> Part:
    """Find a part. Raises Refused (404)."""
    found = catalogue.part(number)
    if found is None:
        last = catalogue.last()
        raise Refused(404, f"There is no part {number}. The numbers go from 1 to {last}.")
    return found


def zone_of(fields: Params, problems: dict[str, str]) -> Zone | None:
    """Find the zone of the field `zip`, or note what is wrong with that."""
    text = typed(fields, "zip")
    known = _ZIP.fullmatch(text)
    zone = catalogue.zone(known[1]) if known else None
    if not text:
        problems["zip"] = "A zip code is needed: five digits."
    elif known is None:
        problems["zip"] = f"A zip code has five digits, as in {HOME}."
    elif zone is None:
        problems["zip"] = f"No parcel service goes to {known[1]}, as far as we know."
    return zone
