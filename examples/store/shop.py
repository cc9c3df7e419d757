"""What all handlers of the store share: the application, its memory, and what every page shows."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Final, NamedTuple

from crlf import App, Headers, Request, Response, template
from crlf.message.params import Params
from crlf.server import is_local
from crlf.server.apps.templates import TemplateAnswer
from examples.store.data.attempts import Attempts
from examples.store.data.cart import cart_of
from examples.store.data.catalogue import Catalogue
from examples.store.data.database import Database
from examples.store.data.members import Member, Members
from examples.store.data.orders import Orders
from examples.store.data.photos import Photos
from examples.store.data.projects import Projects
from examples.store.place import data_folder

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
FOLDER: Final = data_folder()

# What a page of ours may load and where its forms may go: here, and nowhere else; no script.
SAFE: Final = {
    "content-security-policy": "default-src 'self'; script-src 'none'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
}
XHTML: Final = "application/xhtml+xml"
# Control characters but the line feed, and what is no character (XML 1.0 2.2, HTML 13.2.3.5).
_NOT_TEXT: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

# Browsers say whose page a form was on, and what a page of another site has sent is refused. With
# csrf="token" even whoever says nothing would need the token of a form, and so would the course's
# clients; `csrf()` stands in every form, and writes one as soon as somebody asks for it.
app = App(templates=HERE / "templates", sessions=FOLDER / "sessions.sqlite")
app.folder("/static", STATIC)

database = Database(FOLDER / "shop.sqlite")
catalogue = Catalogue(database)
orders = Orders(database, catalogue)
members = Members(database)
attempts = Attempts(database)
projects = Projects(database)
photos = Photos(FOLDER / "photos")


@app.filter
def guarding(request: Request) -> Generator[Request, Response, Response]:
    """Say of every page, whoever made it, what it may load."""
    response = yield request
    if response.headers.get("content-type", "").startswith(("text/html", XHTML)):
        return response.with_headers(response.headers.merged(Headers(SAFE)))
    return response


class Words(dict[str, str]):
    """A form's fields as they were sent, or what is wrong with them; "" for what is not there."""

    def __missing__(self, name: str) -> str:
        return ""


def typed(fields: Params, name: str) -> str:
    """Read what somebody typed, without blanks around it and what no page can show."""
    return _NOT_TEXT.sub("", fields.get(name, "").replace("\r\n", "\n")).strip(" \n")


class Visit(NamedTuple):
    """What every page shows of the request that it answers.

    asked: method and target, as they stood in the request. path: of the page, for the menu.
    items: how many pieces are in the cart. member: the name of who is signed in, or "".
    """

    asked: str
    path: str
    items: int
    member: str


def visit_of(request: Request) -> Visit:
    method = "GET" if request.method == "HEAD" else request.method  # the page is the same
    session = request.session
    member = str(session.get("name", "")) if session.user else ""
    asked = f"{method} {request.target}"
    return Visit(asked, request.path, sum(cart_of(session).values()), member)


def page(
    request: Request,
    name: str,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
    /,
    **values: object,
) -> TemplateAnswer:
    """Answer with a page of the store, which is out of date as soon as the cart is another."""
    fields = {"cache-control": "no-store"} | (headers or {})
    return template(name, status_code, fields, visit=visit_of(request), **values)


class SignInFirst(Exception):
    """Only members may do this, and nobody is signed in."""


def member_of(request: Request) -> Member:
    """Return who is signed in. Raises SignInFirst."""
    user = request.session.user
    member = None if user is None else members.by_id(int(user))
    if member is None:
        raise SignInFirst
    return member


def next_of(request: Request) -> str:
    """Where to go after signing in: what `next` says if it is a path of ours, else the account."""
    wanted = request.form.get("next") or request.query.get("next", "")
    return wanted if wanted.startswith("/") and is_local(wanted) else "/account"
