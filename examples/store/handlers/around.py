"""Around the shop: a page that is a file, one that is HTML and XHTML, and news that go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from crlf import Request, events, file
from examples.store.shop import STATIC, XHTML, app, catalogue, page

LOOKS_EVERY: Final = 1.0  # seconds between two looks at the stock


@app.get("/index.html")
async def index(request: Request) -> object:
    """The course's page: a file, sent as it is."""
    return file(STATIC / "index.html")


@app.get("/about")
def about(request: Request) -> object:
    """The page that is HTML for most, and XHTML for who prefers that."""
    kind = request.accepts("text/html", XHTML) or "text/html"
    return page(request, "about.html", 200, {"content-type": f"{kind}; charset=utf-8"}, kind=kind)


@app.get("/stock")
async def stock(request: Request) -> object:
    """What is left of each part, and from then on what changes: `curl -N .../stock`."""
    return events(changes())


async def changes() -> AsyncIterator[dict[int, int]]:
    """Yield the stock of all parts, then that of those of which some were sold."""
    told: dict[int, int] = {}
    while True:
        now = await asyncio.to_thread(catalogue.stock)  # SQLite may wait, the loop may not
        news = {number: left for number, left in now.items() if told.get(number) != left}
        if news:
            yield news
        told = now
        await asyncio.sleep(LOOKS_EVERY)
