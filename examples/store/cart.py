"""The cart: how many of which part, kept in the visitor's session.

A session is what JSON can say, so part numbers are text in it. Its law: what comes out is whole
numbers within their limits, whatever an older version of the store has put in.
"""

from __future__ import annotations

from typing import Any

from examples.store.parts import MOST_OF_ONE

Session = dict[str, Any]


def cart_of(session: Session) -> dict[int, int]:
    """Read the cart: part number to quantity."""
    kept = session.get("cart")
    if not isinstance(kept, dict):
        return {}
    return {
        int(number): min(quantity, MOST_OF_ONE)
        for number, quantity in kept.items()
        if number.isdecimal() and isinstance(quantity, int) and quantity > 0
    }


def put(session: Session, number: int, quantity: int) -> None:
    """Have so many of a part in the cart; 0 takes it out."""
    cart = cart_of(session) | {number: min(quantity, MOST_OF_ONE)}
    session["cart"] = {str(part): count for part, count in cart.items() if count > 0}


def add(session: Session, number: int, quantity: int) -> None:
    """Put so many more of a part into the cart."""
    put(session, number, cart_of(session).get(number, 0) + quantity)


def empty(session: Session) -> None:
    """Take everything out."""
    session.pop("cart", None)
