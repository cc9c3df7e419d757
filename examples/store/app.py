"""The store as an application: which address shows which page, and what a form sets off.

    crlf serve examples.store.app:app --port 8000

Every handler is a plain function from a request to an answer; the server runs it in a thread.
What is wrong with an input is said beside it, with status 400 and never with a traceback.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from crlf import (
    App,
    BadParameter,
    ProtocolError,
    Refused,
    Request,
    Response,
    file,
    html,
    redirect,
)
from crlf.message.fields.negotiation import best_media_type
from crlf.message.params import Params
from crlf.message.uploads import Upload
from examples.store import ordering, pages
from examples.store.cart import add, cart_of, empty, put
from examples.store.database import Database, Line, Project
from examples.store.drawings import sheet
from examples.store.layout import Visit
from examples.store.parts import MOST_OF_ONE, Part, Zone
from examples.store.photos import NoPicture, Photos
from examples.store.place import data_folder, secret

FOLDER: Final = data_folder()
STATIC: Final = Path(__file__).with_name("static")
DRAWINGS: Final = sheet().encode()
# What a page of ours may load and where its forms may go: here, and nowhere else; no script.
SAFE: Final = {
    "content-security-policy": "default-src 'self'; script-src 'none'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",  # a page is out of date as soon as the cart is another
}
XHTML: Final = "application/xhtml+xml"
_ZIP = re.compile(r"([0-9]{5})(?:-[0-9]{4})?")

app = App(secret=secret(FOLDER))
app.folder("/static", STATIC)
database = Database(FOLDER / "store.sqlite")
photos = Photos(FOLDER / "photos")


def visit(request: Request) -> Visit:
    method = "GET" if request.method == "HEAD" else request.method  # the page is the same
    asked = f"{method} {request.target}"
    return Visit(asked, request.path, sum(cart_of(request.session).values()))


def show(content: str, status_code: int = 200) -> Response:
    return html(content, status_code, SAFE)


# --- looking -------------------------------------------------------------------------------------


@app.get("/")
def front(request: Request) -> Response:
    return show(pages.catalogue(visit(request), database.parts()))


@app.get("/part")
def look_up(request: Request) -> Response:
    """The course's part number: GET /part?number=7, with the data in the URL."""
    try:
        number = request.query.int("number")
    except BadParameter as fault:
        typed = request.query.get("number", "")
        problems = {"number": sentence(fault)}
        parts = database.parts()
        return show(pages.catalogue(visit(request), parts, number=typed, problems=problems), 400)
    return part(request, number)


@app.get("/part/{number:int}")
def part(request: Request, number: int) -> Response:
    found, last = part_of(number), database.parts()[-1].number
    return show(pages.part_page(visit(request), found, last))


@app.get("/shipping")
def shipping(request: Request) -> Response:
    """The course's zip code: GET /shipping?zip=67401&number=7; without a number, for the cart."""
    zip_code, number = (request.query.get(name, "").strip(" ") for name in ("zip", "number"))
    if not request.query:
        return show(pages.shipping_page(visit(request), "", "", None))
    problems: dict[str, str] = {}
    zone = zone_of(request.query, problems)
    lines: tuple[Line, ...] = ()
    try:
        wanted = request.query.int("number", None)
        lines = database.lines(cart_of(request.session) if wanted is None else {wanted: 1})
        if not lines:
            empty_cart = "The cart is empty: ask for a part number."
            problems["number"] = empty_cart if wanted is None else f"There is no part {wanted}."
    except BadParameter as fault:
        problems["number"] = sentence(fault)
    if zone is None or problems:
        return show(
            pages.shipping_page(visit(request), zip_code, number, None, problems),
            400,
        )
    what = "your cart" if wanted is None else f"{lines[0].part.name}, part {wanted}"
    answer = pages.quote(zone, zip_code, what, weight_of(lines), cost(zone, lines))
    return show(pages.shipping_page(visit(request), zip_code, number, answer))


def part_of(number: int) -> Part:
    found = database.part(number)
    if found is None:
        last = database.parts()[-1].number
        raise Refused(404, f"There is no part {number}. The numbers go from 1 to {last}.")
    return found


def zone_of(fields: Params, problems: dict[str, str]) -> Zone | None:
    """Find the zone of the field `zip`, or note what is wrong with that."""
    text = fields.get("zip", "").strip(" ")
    known = _ZIP.fullmatch(text)
    zone = database.zone(known[1]) if known else None
    if not text:
        problems["zip"] = "A zip code is needed: five digits."
    elif known is None:
        problems["zip"] = "A zip code has five digits, as in 67401."
    elif zone is None:
        problems["zip"] = f"No parcel service goes to {known[1]}, as far as we know."
    return zone


def weight_of(lines: tuple[Line, ...]) -> int:
    return sum(line.part.weight * line.quantity for line in lines)


def cost(zone: Zone, lines: tuple[Line, ...]) -> int:
    """Say what a parcel costs, in cents: the zone's price, and more for each kilogram begun."""
    return zone.base + zone.per_kilo * -(-weight_of(lines) // 1000)


# --- the cart, which is the session --------------------------------------------------------------


@app.get("/cart")
def cart(request: Request) -> Response:
    return show(ordering.cart_page(visit(request), database.lines(cart_of(request.session))))


@app.post("/cart")
def add_to_cart(request: Request) -> Response:
    number, quantity = request.form.int("number"), quantity_of(request.form, least=1)
    add(request.session, part_of(number).number, quantity)
    return redirect(app.url("cart"))


@app.post("/cart/{number:int}")
def change_cart(request: Request, number: int) -> Response:
    quantity = 0 if "remove" in request.form else quantity_of(request.form, least=0)
    put(request.session, part_of(number).number, quantity)
    return redirect(app.url("cart"))


def quantity_of(form: Params, least: int) -> int:
    quantity = form.int("quantity")
    if not least <= quantity <= MOST_OF_ONE:
        raise Refused(400, f"'quantity' should be a number from {least} to {MOST_OF_ONE}.")
    return quantity


# --- ordering: POST, redirect, GET ---------------------------------------------------------------


@app.get("/order")
def order_form(request: Request) -> Response:
    lines = database.lines(cart_of(request.session))
    if not lines:
        return redirect(app.url("cart"))
    return show(ordering.order_page(visit(request), lines, {}))


@app.post("/order")
def place_order(request: Request) -> Response:
    lines = database.lines(cart_of(request.session))
    if not lines:
        return redirect(app.url("cart"))
    values, problems = order_fields(request.form)
    zone = zone_of(request.form, problems)
    if zone is None or problems:
        return show(ordering.order_page(visit(request), lines, values, problems), 400)
    name, address, zip_code, note = values.values()
    code = database.add_order(name, address, zip_code, note, cost(zone, lines), lines)
    empty(request.session)
    return redirect(app.url("order", code=code))


@app.get("/order/{code:slug}")
def order(request: Request, code: str) -> Response:
    found = database.order(code)
    if found is None:
        raise Refused(404, "There is no such order. Its address has a code that nobody guesses.")
    return show(ordering.confirmation(visit(request), found))


def order_fields(form: Params) -> tuple[dict[str, str], dict[str, str]]:
    """Read the order form: its values, and what is wrong with them."""
    limits = {"name": (1, 80), "address": (1, 300), "zip": (0, 10), "note": (0, 2000)}
    values = {name: form.get(name, "").replace("\r\n", "\n").strip(" \n") for name in limits}
    problems = {}
    for name, (least, most) in limits.items():
        if len(values[name]) < least:
            problems[name] = "This is needed to send you anything."
        elif len(values[name]) > most:
            problems[name] = f"At most {most} characters, please."
    return values, problems


# --- projects: an upload -------------------------------------------------------------------------


@app.get("/projects")
def projects(request: Request) -> Response:
    return show(pages.projects_page(visit(request), database.projects()))


@app.post("/projects")
def add_project(request: Request) -> Response:
    values = {name: request.form.get(name, "").strip(" ") for name in ("caption", "maker")}
    upload = request.files.get("photo")
    problems = {}
    if not 0 < len(values["caption"]) <= 120:
        problems["caption"] = "A few words are needed, up to 120 characters."
    if len(values["maker"]) > 60:
        problems["maker"] = "At most 60 characters, please."
    if not isinstance(upload, Upload):
        problems["photo"] = "No photo came along: choose a file first."
    elif not problems:
        try:
            return redirect(app.url("project", photo=keep_project(upload, **values)))
        except NoPicture as fault:
            problems["photo"] = str(fault)
    page = pages.projects_page(visit(request), database.projects(), values, problems)
    return show(page, 400)


def keep_project(upload: Upload, caption: str, maker: str) -> str:
    """Keep a photo and what is said of it. Raises NoPicture."""
    photo = photos.keep(upload)
    name = upload.safe_name()
    for old in database.add_project(
        Project(photo, caption, maker, name, upload.size, upload.sha256)
    ):
        photos.drop(old)
    return photo


@app.get("/projects/{photo:slug}")
def project(request: Request, photo: str) -> Response:
    found = database.project(photo)
    if found is None:
        raise Refused(404, "There is no such project, or it had to make room for a newer one.")
    return show(pages.project_page(visit(request), found))


@app.get("/photo/{name:slug}")
def photo(request: Request, name: str) -> object:
    answer = photos.show(name)
    if answer is None:
        raise Refused(404, "There is no such photo.")
    return answer


# --- the rest ------------------------------------------------------------------------------------


@app.get("/index.html")
def index(request: Request) -> object:
    """The course's page: a file, sent as it is."""
    return file(STATIC / "index.html")


@app.get("/about")
def about(request: Request) -> Response:
    """The page that is HTML for most, and XHTML for who prefers that."""
    kind = best_media_type(request.headers.get("accept"), ("text/html", XHTML)) or "text/html"
    content = pages.about(visit(request), kind)
    fields = SAFE | {"content-type": f"{kind}; charset=utf-8", "vary": "Accept"}
    return html(content, headers=fields)


@app.get("/drawings.svg")
def drawings(request: Request) -> Response:
    return Response(
        200,
        {
            "content-type": "image/svg+xml",
            "cache-control": "max-age=3600",
            "x-content-type-options": "nosniff",
        },
        DRAWINGS,
    )


@app.on_error(400)
def not_understood(request: Request, error: ProtocolError | Refused) -> Response:
    title = "That was not understood"
    return show(pages.trouble(visit(request), 400, title, sentence(error)), 400)


@app.on_error(404)
def not_there(request: Request, error: Refused) -> Response:
    reason = error.reason or "Nothing in this store has that address."
    return show(pages.trouble(visit(request), 404, "Not in stock", reason), 404)


def sentence(error: ProtocolError | Refused) -> str:
    return f"{error.reason[:1].upper()}{error.reason[1:].removesuffix('.')}."
