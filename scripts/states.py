"""Draws what may follow what in HTTP/1.1, from the engine's own table.

Only where the states stand is said here; what leads from one to another is in
crlf/wire/h1/state.py, and a state that has no place here is an error.
"""

from __future__ import annotations

from typing import Final

from crlf.wire.h1.state import FAIL, NO, STATE_NAMES, STEP_NAMES, TABLE

Point = tuple[float, float]

WIDTH, HEIGHT = 760, 440
HALF: Final = (58, 20)  # of a state's box
BEND: Final = 34  # how far a line stands off that has one coming back
PLACES: Final[dict[str, Point]] = {
    "IDLE": (90, 190),
    "BODY": (380, 60),
    "DONE": (670, 190),
    "SWITCHED": (215, 370),
    "CLOSED": (545, 370),
    "FAILED": (690, 60),
}

WORDS: Final = {
    "IDLE": "between messages",
    "BODY": "the head has passed, the end has not",
    "DONE": "the message is complete; the other direction may not be",
    "CLOSED": "no further message in this direction",
    "SWITCHED": "another protocol has taken over",
    "FAILED": "a rule was broken: nothing in this direction can be believed",
}

BEGINNING: Final = f"""\
<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="States of a direction, and the steps
between them; the same is in the table below" style="max-width:100%;height:auto" fill="none"
stroke="currentColor" font-family="inherit" font-size="14" text-anchor="middle">
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8"
orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor" stroke="none"/></marker></defs>"""

PAGE: Final = """# What may follow what

HTTP/1.1 is one request and one reply, again and again on a connection. Each direction of it goes
through a few states, and the engine has them in one table for both ends: what a client sends is
what a server receives. A step that the table does not have is an error of whoever took it,
`LocalError` of ours and `RemoteError` of theirs. Drawing and table are made of
[`crlf.wire.h1.state`](reference/wire.md), which the engine reads on each part of each message.

{drawing}

{states}

{table}

A message is `head`, any number of `data`, `end` ([RFC 9112 2.1]({rfc}#section-2.1)); one without
content, or all at once, is a `whole message`. Before a final response any number of interim ones
(`100 Continue`, `103 Early Hints`) may come ([RFC 9110 15.2]({semantics}#section-15.2)).
`next` waits for both directions: only then may the next request begin
([RFC 9112 9.3]({rfc}#section-9.3)).
"""
RFC, SEMANTICS = (f"https://www.rfc-editor.org/rfc/rfc{number}" for number in (9112, 9110))


def build_page() -> str:
    """Write the page, in Markdown with the drawing in it."""
    states = "| state | when |\n| --- | --- |\n"
    states += "\n".join(f"| {name} | {WORDS[name]} |" for name in STATE_NAMES)
    return PAGE.format(
        drawing=drawing(), states=states, table=table(), rfc=RFC, semantics=SEMANTICS
    )


def table() -> str:
    """Write the table: a row for each state, a column for each step."""
    lines = [f"| from | {' | '.join(STEP_NAMES)} |", "| --- " * (len(STEP_NAMES) + 1) + "|"]
    for name, row in zip(STATE_NAMES, TABLE, strict=True):
        targets = ("–" if target == NO else STATE_NAMES[target] for target in row)
        lines.append(f"| **{name}** | {' | '.join(targets)} |")
    return "\n".join(lines)


def drawing() -> str:
    """Draw the table as SVG: states, and lines with the steps that lead along them."""
    steps: dict[tuple[str, str], list[str]] = {}
    for name, row in zip(STATE_NAMES, TABLE, strict=True):
        for step, target in enumerate(row):
            if target != NO and step != FAIL and name != "FAILED":
                steps.setdefault((name, STATE_NAMES[target]), []).append(STEP_NAMES[step])
    shapes = [BEGINNING]
    for (start, end), names in steps.items():
        shapes += loop(start, names) if start == end else line(start, end, names, steps)
    for name, (x, y) in PLACES.items():
        shapes.append(
            f'<rect x="{x - HALF[0]}" y="{y - HALF[1]}" width="{2 * HALF[0]}" '
            f'height="{2 * HALF[1]}" rx="8"/>' + said(name, (x, y + 5), "font-weight='bold'")
        )
    x, y = PLACES["FAILED"]
    shapes.append(said("from any state,", (x, y + 40)) + said("when a rule is broken", (x, y + 57)))
    return "\n".join([*shapes, "</svg>"])


def loop(name: str, steps: list[str]) -> list[str]:
    """Draw steps that lead back to where they begin, on the state's outer side."""
    x, y = PLACES[name]
    out = 1 if y > HEIGHT / 2 else -1
    side = y + out * HALF[1]
    far = side + out * 34
    path = f"M{x - 22} {side} C{x - 34} {far} {x + 34} {far} {x + 22} {side}"
    label = said(", ".join(steps), (x, side + (42 if out > 0 else -30)))
    return [f'<path d="{path}" marker-end="url(#tip)"/>', label]


def line(
    start: str, end: str, steps: list[str], others: dict[tuple[str, str], list[str]]
) -> list[str]:
    """Draw steps from one state to another, bent where there is a way back."""
    (x0, y0), (x1, y1) = PLACES[start], PLACES[end]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    bend = BEND if (end, start) in others else 0
    away = ((y1 - y0) / length * bend, -(x1 - x0) / length * bend)
    middle = ((x0 + x1) / 2 + away[0], (y0 + y1) / 2 + away[1])
    begin, stop = edge(PLACES[start], middle), edge(PLACES[end], middle)
    path = f"M{point(begin)} Q{point(middle)} {point(stop)}"
    # A third of the way along, where lines that cross have their words apart.
    share = 0.5 if bend else 0.4
    at = tuple(
        (1 - share) ** 2 * a + 2 * share * (1 - share) * m + share**2 * b
        for a, m, b in zip(begin, middle, stop, strict=True)
    )
    is_steep = abs(y1 - y0) > abs(x1 - x0)
    aside = 28 if at[0] > WIDTH / 2 else -28
    place = (at[0] + aside, at[1]) if is_steep else (at[0], at[1] - 7)
    label = said(", ".join(steps), place)
    return [f'<path d="{path}" marker-end="url(#tip)"/>', label]


def edge(place: Point, towards: Point) -> Point:
    """Find where a line from a state's middle leaves its box."""
    dx, dy = towards[0] - place[0], towards[1] - place[1]
    shares = [half / abs(d) for half, d in zip(HALF, (dx, dy), strict=True) if d]
    share = min(shares)
    return place[0] + dx * share, place[1] + dy * share


def point(place: Point) -> str:
    return f"{place[0]:.0f} {place[1]:.0f}"


def said(words: str, place: Point, more: str = "") -> str:
    return (
        f'<text x="{place[0]:.0f}" y="{place[1]:.0f}" fill="currentColor" stroke="none" {more}>'
        f"{words}</text>"
    )


if __name__ == "__main__":
    print(build_page())
