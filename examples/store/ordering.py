"""The pages on the way to an order: the cart, where it shall go, and thank you."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from examples.store.database import Line, Order
from examples.store.layout import (
    NONE,
    Problems,
    Visit,
    button,
    drawing,
    facts_list,
    field,
    link,
    money,
    page,
    paragraph,
    wire,
)
from examples.store.markup import Attribute, Markup, element, join
from examples.store.parts import HOME, MOST_OF_ONE


def cart_page(visit: Visit, lines: Sequence[Line]) -> str:
    if not lines:
        return page(
            visit,
            "Cart",
            element("h1", "The cart is empty."),
            paragraph("What you put into it stays, although every request stands on its own: "
                      "a signed cookie goes back and forth.", class_="lead"),
            paragraph(link("To the catalogue", "/", class_="button")),
        )  # fmt: skip
    return page(
        visit,
        "Cart",
        element("h1", "Your cart"),
        element("ul", [element("li", cart_line(line)) for line in lines], class_="lines"),
        total("Total without shipping", sum(line.sum for line in lines)),
        paragraph(link("Order these", "/order", class_="button"), " ", link("Look for more", "/")),
    )


def cart_line(line: Line) -> Markup:
    part = line.part
    name = f"quantity-{part.number}"
    change = element(
        "form",
        element("label", f"Quantity of {part.name}", for_=name, class_="unseen"),
        element("input", id=name, name="quantity", type="number", min=0, max=MOST_OF_ONE,
                value=line.quantity, required=True),
        button("Change", class_="quiet"),
        button("Remove", class_="quiet", name="remove", value="yes", formnovalidate=True),
        method="post", action=f"/cart/{part.number}",
    )  # fmt: skip
    return join(
        link(drawing(part.number), f"/part/{part.number}", aria_hidden="true", tabindex="-1"),
        element(
            "div",
            link(part.name, f"/part/{part.number}", class_="name"),
            element("span", f"Part {part.number}, {part.size}, ", money(line.price), " each",
                    class_="size"),
        ),
        change,
        money(line.sum),
    )  # fmt: skip


def total(name: str, cents: int) -> Markup:
    return paragraph(element("span", name), " ", money(cents), class_="total")


def order_page(
    visit: Visit, lines: Sequence[Line], values: Mapping[str, str], problems: Problems = NONE
) -> str:
    def entry(
        label: str, name: str, hint: str | None = None, rows: int | None = None, **more: Attribute
    ) -> Markup:
        value, problem = values.get(name, ""), problems.get(name)
        return field(label, name, value, problem=problem, hint=hint, rows=rows, form="", **more)

    form = element(
        "form",
        paragraph("Please look at what is marked.", class_="problem") if problems else None,
        entry("Your name", "name", autocomplete="name", required=True, maxlength=80),
        entry("Street and town", "address", autocomplete="street-address", rows=3, required=True,
              maxlength=300),
        entry("Zip code", "zip", autocomplete="postal-code", inputmode="numeric", required=True,
              placeholder=HOME, hint="Five digits. It decides what the parcel costs."),
        entry("A note for us", "note", rows=3, maxlength=2000, hint="If you like."),
        button("Place the order"),
        wire("POST /order"),
        method="post", action="/order", class_="panel",
    )  # fmt: skip
    return page(
        visit,
        "Order",
        element("h1", "Where shall it go?"),
        element("div", form, summary(lines), class_="pair"),
    )


def summary(lines: Sequence[Line], shipping: int | None = None) -> Markup:
    rows = [
        element("li", element("span", f"{line.quantity} × {line.part.name}"), money(line.sum))
        for line in lines
    ]
    if shipping is not None:
        rows.append(element("li", element("span", "Shipping"), money(shipping)))
    cents = sum(line.sum for line in lines) + (shipping or 0)
    return element(
        "section",
        element("h2", "What goes into the parcel"),
        element("ul", rows, class_="sums"),
        total("Total" if shipping is not None else "Without shipping", cents),
        class_="panel",
    )


def confirmation(visit: Visit, order: Order) -> str:
    return page(
        visit,
        "Thank you",
        element("h1", f"Thank you, {order.name}."),
        paragraph("This page may be loaded again: the order was sent with POST and answered with "
                  "a redirect here, so nothing is ordered twice.", class_="lead"),
        element(
            "div",
            element(
                "section",
                element("h2", "Where it goes"),
                facts_list((
                    ("Order", element("code", order.code)),
                    ("Placed", f"{order.made} UTC"),
                    ("To", element("span", order.name, ", ", order.address, class_="text")),
                    ("Zip code", order.zip),
                    *([("Note", element("span", order.note, class_="text"))] if order.note else []),
                )),
                class_="panel",
            ),
            summary(order.lines, order.shipping),
            class_="pair",
        ),
        paragraph(link("To the catalogue", "/", class_="button")),
    )  # fmt: skip
