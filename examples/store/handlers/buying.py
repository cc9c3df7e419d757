"""Buying: the cart, which is in the session, and an order: POST, redirect, GET."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import Final

from crlf import Refused, Request, redirect
from crlf.message.params import Params
from examples.store.data.cart import add, cart_of, put, take_out
from examples.store.data.catalogue import total_of
from examples.store.data.orders import Address, SoldOut
from examples.store.data.parts import HOME, MOST_OF_ONE
from examples.store.handlers.looking import part_of, zone_of
from examples.store.shop import Words, app, catalogue, orders, page, typed

_TICKET: Final = re.compile(r"[0-9a-f]{32}")
# Of the order form's fields: how many characters at least and at most.
LENGTHS: Final = {"name": (1, 80), "address": (1, 300), "zip": (0, 10), "note": (0, 2000)}


@app.get("/cart")
def cart(request: Request) -> object:
    lines = catalogue.lines(cart_of(request.session))
    return page(request, "cart.html", lines=lines, goods=total_of(lines), most=MOST_OF_ONE)


@app.post("/cart")
def add_to_cart(request: Request) -> object:
    number, quantity = request.form.int("number"), quantity_of(request.form, least=1)
    part = part_of(number)
    add(request.session, number, quantity)
    request.session.flash(f"In your cart: {quantity} × {part.name}, {part.size}.")
    return redirect(app.url("cart"))


@app.post("/cart/{number:int}")
def change_cart(request: Request, number: int) -> object:
    quantity = 0 if "remove" in request.form else quantity_of(request.form, least=0)
    put(request.session, part_of(number).number, quantity)
    return redirect(app.url("cart"))


@app.post("/cart/left")
def take_what_is_left(request: Request) -> object:
    """Make the cart one that can be ordered."""
    for line in catalogue.lines(cart_of(request.session)):
        if line.quantity > line.part.stock:
            put(request.session, line.part.number, line.part.stock)
    return redirect(app.url("cart"))


def quantity_of(form: Params, least: int) -> int:
    quantity = form.int("quantity")
    if not least <= quantity <= MOST_OF_ONE:
        raise Refused(400, f"'quantity' should be a number from {least} to {MOST_OF_ONE}.")
    return quantity


@app.get("/order")
def order_form(request: Request) -> object:
    if not catalogue.lines(cart_of(request.session)):
        return redirect(app.url("cart"))
    values = Words(name=request.session.get("name", ""))
    return asking_where(request, values, Words(), token_hex(16))


@app.post("/order")
def place_order(request: Request) -> object:
    """Order what is in the cart; with the same ticket twice, once."""
    ticket = request.form.get("ticket") or token_hex(16)
    if not _TICKET.fullmatch(ticket):
        raise Refused(400, "'ticket' should be the one that the form came with.")
    bought = {line.part.number: line.quantity for line in catalogue.lines(cart_of(request.session))}
    # The button may have been pressed twice. Asked after the cart was read: where the first press
    # has emptied that, its order is there.
    code = orders.placed_with(ticket)
    if code is None:
        if not bought:
            return redirect(app.url("cart"))
        values, problems = order_fields(request.form)
        zone = zone_of(request.form, problems)
        if zone is None or problems:
            return asking_where(request, values, problems, ticket, 400)
        member = None if request.session.user is None else int(request.session.user)
        try:
            code = orders.place(ticket, bought, Address(**values), zone, member)
        except SoldOut as fault:
            return page(request, "soldout.html", 409, short=fault.short)
        take_out(request.session, bought)
    return redirect(app.url("order", code=code))


@app.get("/order/{code:slug}")
def order(request: Request, code: str) -> object:
    found = orders.find(code)
    if found is None:
        raise Refused(404, "There is no such order. Its address has a code that nobody guesses.")
    return page(request, "thanks.html", order=found)


def asking_where(
    request: Request, values: Words, problems: Words, ticket: str, status_code: int = 200
) -> object:
    lines = catalogue.lines(cart_of(request.session))
    return page(
        request, "order.html", status_code, lines=lines, goods=total_of(lines), values=values,
        problems=problems, ticket=ticket, home=HOME,
    )  # fmt: skip


def order_fields(form: Params) -> tuple[Words, Words]:
    """Read the order form: its values, and what is wrong with them."""
    values, problems = Words(), Words()
    for name, (least, most) in LENGTHS.items():
        values[name] = typed(form, name)
        if len(values[name]) < least:
            problems[name] = "This is needed to send you anything."
        elif len(values[name]) > most:
            problems[name] = f"At most {most} characters, please."
    return values, problems
