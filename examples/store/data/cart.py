"""The cart: how many of which part, kept in the visitor's session.

It is changed by functions of what is there, so that two pages that are sent at once lose
nothing. A session is what JSON can say, so part numbers are text in it. Its law: what comes out
is whole numbers within their limits, whatever an older version of the store has put in.
"""

from __future__ import annotations

from collections.abc import Mapping

from crlf.message.session import Session
from examples.store.data.parts import MOST_OF_ONE

MOST_LINES = 60  # different parts in one cart
Cart = dict[str, int]


def cart_of(session: Session) -> dict[int, int]:
    """Read the cart: part number to quantity."""
    return {int(number): quantity for number, quantity in _sound(session.get("cart")).items()}


def put(session: Session, number: int, quantity: int) -> None:
    """Have so many of a part in the cart; 0 takes it out."""
    session.change("cart", lambda cart: _with(cart, number, quantity), {})


def add(session: Session, number: int, quantity: int) -> None:
    """Put so many more of a part into the cart, or fewer."""

    def more(cart: object) -> Cart:
        return _with(cart, number, _sound(cart).get(str(number), 0) + quantity)

    session.change("cart", more, {})


def take_out(session: Session, ordered: Mapping[int, int]) -> None:
    """Take out what was ordered; what another page has put in meanwhile stays."""
    for number, quantity in ordered.items():
        add(session, number, -quantity)


def _with(cart: object, number: int, quantity: int) -> Cart:
    changed = _sound(cart) | {str(number): min(quantity, MOST_OF_ONE)}
    kept = [(part, count) for part, count in changed.items() if count > 0]
    return dict(kept[:MOST_LINES])


def _sound(cart: object) -> Cart:
    if not isinstance(cart, dict):
        return {}
    return {
        number: min(quantity, MOST_OF_ONE)
        for number, quantity in cart.items()
        if number.isascii() and number.isdigit() and type(quantity) is int and quantity > 0
    }
