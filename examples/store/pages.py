"""The pages of the store, from what there is to show to the text of the page.

They know nothing of requests and of the database: what they show, they are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from examples.store.database import Project
from examples.store.layout import (
    NAME,
    NONE,
    Problems,
    Visit,
    button,
    drawing,
    facts_list,
    field,
    hidden,
    link,
    money,
    page,
    paragraph,
    weight,
    wire,
)
from examples.store.markup import Markup, element
from examples.store.parts import HOME, MOST_OF_ONE, Part, Zone

# --- the catalogue -------------------------------------------------------------------------------


def catalogue(
    visit: Visit, parts: Sequence[Part], *, number: str = "", problems: Problems = NONE
) -> str:
    hero = element(
        "section",
        element("h1", "Every part has a number."),
        paragraph(
            f"{len(parts)} parts, drawn to be recognised, sent from Salina, Kansas. ",
            "If you know the number, ask for it: it goes into the address of the page.",
            class_="lead",
        ),
        element("div", part_form(number, problems), shipping_form(), class_="pair"),
        class_="hero",
    )
    families = (
        element(
            "section",
            element("h2", family),
            element("ul", [element("li", card(part)) for part in members], class_="cards"),
            class_="family",
        )
        for family, members in groupby(parts, key=lambda part: part.family)
    )
    return page(visit, NAME if not problems else "No such part", hero, families)


def part_form(number: str = "", problems: Problems = NONE) -> Markup:
    return element(
        "form",
        element("h2", "Look a part up"),
        element(
            "div",
            field("Part number", "number", number, problem=problems.get("number"),
                  inputmode="numeric", autocomplete="off", placeholder="7", required=True),
            button("Look up"),
            class_="row short",
        ),
        wire("GET /part?number=…"),
        method="get", action="/part", class_="panel",
    )  # fmt: skip


def shipping_form(
    zip_code: str = "", number: str = "", problems: Problems = NONE, what: str = "Cost of shipping"
) -> Markup:
    return element(
        "form",
        element("h2", what),
        element(
            "div",
            field("Zip code", "zip", zip_code, problem=problems.get("zip"), inputmode="numeric",
                  autocomplete="postal-code", placeholder=HOME, required=True),
            field("Part number", "number", number, problem=problems.get("number"), form="ship-",
                  inputmode="numeric", autocomplete="off", placeholder="7"),
            button("Work it out", class_="quiet"),
            class_="row",
        ),
        wire("GET /shipping?zip=…&number=…"),
        method="get", action="/shipping", class_="panel",
    )  # fmt: skip


def card(part: Part) -> Markup:
    return element(
        "a",
        drawing(part.number),
        element("span", part.number, class_="number"),
        element("span", part.name, class_="name"),
        element("span", part.size, class_="size"),
        money(part.price),
        href=f"/part/{part.number}",
        class_="card",
    )


def part_page(visit: Visit, part: Part, last: int) -> str:
    facts = (
        ("Number", part.number),
        ("Size", part.size),
        ("Weight", weight(part.weight)),
        ("Family", part.family),
        ("Price", money(part.price)),
    )
    buy = element(
        "form",
        hidden("number", part.number),
        element(
            "div",
            field("Quantity", "quantity", 1, type="number", min=1, max=MOST_OF_ONE, required=True),
            button("Add to cart"),
            class_="row short",
        ),
        wire("POST /cart"),
        method="post", action="/cart", class_="panel",
    )  # fmt: skip
    sheet = element(
        "article",
        element("figure", drawing(part.number), element("figcaption", f"Fig. {part.number}")),
        element(
            "div",
            element("h1", part.name),
            paragraph(part.text, class_="lead"),
            facts_list(facts),
            buy,
            shipping_form(number=str(part.number), what="What does it cost to send?"),
        ),
        class_="sheet",
    )
    beside = element(
        "nav",
        link(f"← Part {part.number - 1}", f"/part/{part.number - 1}") if part.number > 1 else "",
        link(f"Part {part.number + 1} →", f"/part/{part.number + 1}")
        if part.number < last else "",
        class_="beside", aria_label="Other parts",
    )  # fmt: skip
    return page(visit, part.name, sheet, beside, canonical=f"/part/{part.number}")


def shipping_page(
    visit: Visit, zip_code: str, number: str, quote: Markup | None, problems: Problems = NONE
) -> str:
    return page(
        visit,
        "Shipping",
        element("h1", "What does it cost to send?"),
        paragraph(
            "It depends on the weight and on how far you are from Salina. Without a part number "
            "it is worked out for your cart.",
            class_="lead",
        ),
        shipping_form(zip_code, number, problems),
        quote,
    )  # fmt: skip


def quote(zone: Zone, zip_code: str, what: str, grams: int, cents: int) -> Markup:
    days = "one day" if zone.days == 1 else f"{zone.days} days"
    return element(
        "section",
        element("h2", f"To {zip_code}, {zone.name}"),
        facts_list(
            (
                ("What", what),
                ("Weight", weight(grams)),
                ("On the way", days),
                ("Shipping", money(cents)),
            )
        ),
        class_="panel answer",
    )


# --- projects ------------------------------------------------------------------------------------


def projects_page(
    visit: Visit,
    projects: Sequence[Project],
    values: Mapping[str, str] = NONE,
    problems: Problems = NONE,
) -> str:
    form = element(
        "form",
        element("h2", "Send a photo"),
        field("Photo", "photo", type="file", accept="image/png,image/jpeg,image/gif,image/webp",
              problem=problems.get("photo"), hint="PNG, JPEG, GIF or WebP, up to 8 MB.",
              required=True),
        field("What is it?", "caption", values.get("caption", ""),
              problem=problems.get("caption"), required=True, maxlength=120),
        field("Who made it?", "maker", values.get("maker", ""),
              problem=problems.get("maker"), autocomplete="name", maxlength=60),
        button("Show it"),
        wire("POST /projects, multipart/form-data"),
        method="post", action="/projects", enctype="multipart/form-data", class_="panel",
    )  # fmt: skip
    shown = [element("li", project_card(project)) for project in projects]
    return page(
        visit,
        "Projects",
        element("h1", "Show us your project."),
        paragraph("What became of our parts? A photo is worth a hundred part numbers.",
                  class_="lead"),
        element("div", form, gallery(shown), class_="pair"),
    )  # fmt: skip


def gallery(shown: Sequence[Markup]) -> Markup:
    if shown:
        return element("ul", shown, class_="gallery")
    return paragraph("Nobody has sent one yet. Yours would be the first.", class_="panel empty")


def project_card(project: Project) -> Markup:
    return element(
        "figure",
        element(
            "img", src=f"/photo/{project.photo}", alt="", loading="lazy"
        ),  # the caption says it
        element(
            "figcaption",
            link(project.caption, f"/projects/{project.photo}", class_="name"),
            element("span", f"by {project.maker}", class_="size") if project.maker else None,
        ),
    )


def project_page(visit: Visit, project: Project) -> str:
    facts = (
        ("Made by", project.maker or "somebody modest"),
        ("File", project.filename),
        ("Size", f"{project.size:,} bytes"),
        ("SHA-256", element("code", project.sha256)),
    )
    return page(
        visit,
        project.caption,
        element("h1", project.caption),
        element(
            "figure",
            element("img", src=f"/photo/{project.photo}", alt=project.caption),
            class_="photo",
        ),
        facts_list(facts),
        paragraph(
            link("Download it", f"/photo/{project.photo}", class_="button"), " ",
            link("All projects", "/projects"),
        ),
    )  # fmt: skip


# --- the rest ------------------------------------------------------------------------------------


def about(visit: Visit, content_type: str) -> str:
    return page(
        visit,
        "About",
        element("h1", "A store front, a protocol"),
        paragraph("This shop exists to be asked. Each of its pages is one kind of message that a "
                  "client can send, and what a server makes of it.", class_="lead"),
        element(
            "ul",
            about_item("A page", "/index.html", "GET /index.html", "is a file, sent as it is."),
            about_item("A part number", "/part?number=7", "GET /part?number=7",
                       "a little data travels in the address, after the question mark."),
            about_item("A zip code", f"/shipping?zip={HOME}&number=7",
                       f"GET /shipping?zip={HOME}&number=7", "and so does a little more."),
            about_item("An order", "/order", "POST /order",
                       "more data than an address should hold goes into the body."),
            about_item("A photo", "/projects", "POST /projects",
                       "and a file goes there too, in a part of its own."),
            about_item("The cart", "/cart", "Cookie: session=…",
                       "is how requests that know nothing of each other make a visit."),
            class_="about",
        ),
        paragraph("This page is XHTML as well. Your client was sent it as ",
                  element("code", content_type), ", which is what its Accept field prefers."),
    )  # fmt: skip


def about_item(name: str, to: str, code: str, text: str) -> Markup:
    return element("li", link(name, to), ": ", element("code", code), ", ", text)


def trouble(visit: Visit, status_code: int, title: str, sentence: str) -> str:
    return page(
        visit,
        title,
        paragraph(status_code, class_="status"),
        element("h1", title),
        paragraph(sentence, class_="lead"),
        paragraph(link("To the catalogue", "/", class_="button")),
    )
