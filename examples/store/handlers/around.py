"""Around the shop: the course's page, which is a file, and the page that is HTML and XHTML."""

from __future__ import annotations

from typing import Final

from crlf import Request, file
from examples.store.shop import STATIC, app, page

XHTML: Final = "application/xhtml+xml"


@app.get("/index.html")
async def index(request: Request) -> object:
    """The course's page: a file, sent as it is."""
    return file(STATIC / "index.html")


@app.get("/about")
def about(request: Request) -> object:
    """The page that is HTML for most, and XHTML for who prefers that."""
    kind = request.accepts("text/html", XHTML) or "text/html"
    return page(request, "about.html", 200, {"content-type": f"{kind}; charset=utf-8"}, kind=kind)
