"""The drawings of the parts: computed, in SVG, one symbol for each part number.

Line drawings in a square of 120 by 120 whose colour is the page's, so that they are ink on
paper by day and chalk on blue by night. They are made once, when the store starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, pi, sin
from typing import Final

from examples.store.markup import Markup, element, join

Point = tuple[float, float]
MIDDLE: Final = (60.0, 60.0)


def sheet() -> Markup:
    """Write all drawings as one SVG document; that of part 7 is the symbol `part-7`."""
    symbols = (
        element("symbol", drawing, id=f"part-{number}", viewBox="0 0 120 120")
        for number, drawing in enumerate(DRAWINGS, 1)
    )
    return element("svg", "\n", symbols, xmlns="http://www.w3.org/2000/svg")


# --- strokes -------------------------------------------------------------------------------------


def path(data: str, *, solid: bool = False, thin: bool = False) -> Markup:
    """Draw a path; a solid one is lightly filled."""
    return element(
        "path",
        d=data,
        fill="currentColor" if solid else "none",
        fill_opacity=".07" if solid else None,
        fill_rule="evenodd" if solid else None,
        stroke_width="var(--thin, 1)" if thin else None,
    )


def outline(points: Iterable[Point], *, solid: bool = True) -> Markup:
    """Draw a closed shape through points."""
    return path(closed(points), solid=solid)


def closed(points: Iterable[Point]) -> str:
    return "M" + "L".join(f"{x:.4g},{y:.4g}" for x, y in points) + "Z"


def ring(radius: float, at: Point = MIDDLE, *, solid: bool = False, thin: bool = False) -> Markup:
    """Draw a circle."""
    x, y = at
    arc = f"a{radius:.4g},{radius:.4g} 0 1 0"
    data = f"M{x - radius:.4g},{y:.4g}{arc} {2 * radius:.4g},0{arc} {-2 * radius:.4g},0Z"
    return path(data, solid=solid, thin=thin)


def centre(*lines: tuple[float, float, float, float]) -> Markup:
    """Draw centre lines: dash, dot, in the page's second colour."""
    data = "".join(f"M{x},{y}L{to_x},{to_y}" for x, y, to_x, to_y in lines)
    return element(
        "path",
        d=data,
        fill="none",
        stroke="var(--accent, currentColor)",
        stroke_width="var(--thin, 0.8)",
        stroke_dasharray="9 2.5 2 2.5",
    )


CROSS: Final = centre((60, 4, 60, 116), (4, 60, 116, 60))
ALONG: Final = centre((2, 60, 118, 60))


def around(count: int, radius: float, offset: float = 0.0) -> list[Point]:
    """Place points evenly on a circle round the middle, the first one on top."""
    return [polar(radius, 2 * pi * (step + offset) / count) for step in range(count)]


def polar(radius: float, angle: float) -> Point:
    return 60 + radius * sin(angle), 60 - radius * cos(angle)


# --- parts ---------------------------------------------------------------------------------------


def toothed(teeth: int, root: float, tip: float, at_tip: float = 0.2) -> list[Point]:
    """List the corners of a gear: each tooth rises from the root circle to the tip circle."""
    profile = ((root, -0.31), (tip, -at_tip), (tip, at_tip), (root, 0.31))
    return [
        polar(radius, 2 * pi * (tooth + turn) / teeth)
        for tooth in range(teeth)
        for radius, turn in profile
    ]


def gear(teeth: int, root: float, tip: float, bore: float, holes: int = 0) -> Markup:
    keyway = f"M{60 - bore / 3:.4g},{60 - bore:.4g}v-3.5h{2 * bore / 3:.4g}v3.5"
    between = (root + bore) / 2
    return join(
        outline(toothed(teeth, root, tip)),
        ring(bore),
        path(keyway),
        [ring((root - bore) / 5, point) for point in around(holes, between, 0.5)],
        ring(root - 4, thin=True) if holes else None,
        CROSS,
    )


def ring_gear() -> Markup:
    inner = list(reversed(toothed(36, 40, 34)))
    return join(
        path(f"M60,8A52,52 0 1 0 60.01,8Z{closed(inner)}", solid=True),
        [ring(2.2, point) for point in around(6, 46)],
        CROSS,
    )


def rack() -> Markup:
    points: list[Point] = [(6, 84), (6, 56)]
    for x in range(8, 110, 13):
        points += [(x, 56), (x + 3, 40), (x + 7, 40), (x + 10, 56)]
    return join(outline([*points, (114, 56), (114, 84)]), centre((2, 48, 118, 48)))


def worm() -> Markup:
    threads = [f"M{x},40q4,-6 8,0l4,40q-4,6 -8,0Z" for x in range(26, 86, 11)]
    return join(
        outline([(4, 52), (24, 52), (24, 68), (4, 68)]),
        outline([(98, 52), (116, 52), (116, 68), (98, 68)]),
        path("M24,46V74M98,46V74"),
        [path(thread, solid=True) for thread in threads],
        ALONG,
    )


def bolt() -> Markup:
    threads = "".join(f"M{x},49.5l2.4,21" for x in range(70, 110, 4))
    return join(
        outline([(12, 42), (16, 38), (30, 38), (30, 82), (16, 82), (12, 78)]),
        path("M13,49H30M13,71H30", thin=True),
        outline([(30, 49), (110, 49), (114, 53), (114, 67), (110, 71), (30, 71)]),
        path("M68,49V71", thin=True),
        path(threads, thin=True),
        ALONG,
    )


def nut() -> Markup:
    return join(
        outline(around(6, 46)),
        ring(37, thin=True),
        ring(20),
        path("M60,36A24,24 0 1 0 84,60", thin=True),
        CROSS,
    )


def washer() -> Markup:
    return join(ring(44, solid=True), ring(20), CROSS)


def eye_bolt() -> Markup:
    threads = "".join(f"M52,{y}l16,2.4" for y in range(84, 110, 4))
    return join(
        ring(28, (60, 36), solid=True),
        ring(16, (60, 36)),
        outline([(52, 63), (68, 63), (68, 111), (65, 114), (55, 114), (52, 111)]),
        path(threads, thin=True),
        path("M46,66H74"),
        centre((60, 2, 60, 118), (26, 36, 94, 36)),
    )


def wing_nut() -> Markup:
    left = "M44,86C40,62 24,50 12,34C8,28 14,22 20,26C36,36 46,46 50,58Z"
    right = "M76,86C80,62 96,50 108,34C112,28 106,22 100,26C84,36 74,46 70,58Z"
    return join(
        path(left, solid=True),
        path(right, solid=True),
        outline([(40, 92), (46, 56), (74, 56), (80, 92)]),
        path("M52,56V92M68,56V92", thin=True),
        path("M36,92H84"),
        centre((60, 40, 60, 106)),
    )


def cotter_pin() -> Markup:
    upper = "M112,54H44C36,54 38,46 30,42C16,36 4,46 4,60"
    lower = "M104,66H44C36,66 38,74 30,78C16,84 4,74 4,60"
    inner = "M112,59H42C33,59 33,52 27,50C18,46 11,51 11,60C11,69 18,74 27,70C33,68 33,61 42,61H104"
    return join(path(upper), path(lower), path(inner), path("M112,54V59M104,61V66"), ALONG)


def sprocket() -> Markup:
    return join(
        outline(toothed(15, 41, 52, 0.09)),
        ring(30, thin=True),
        ring(20),
        ring(10),
        path("M56.5,50v-3.5h7v3.5"),
        [ring(2.6, point) for point in around(5, 25.5)],
        CROSS,
    )


def chain() -> Markup:
    plates = (
        f"M{x},50A10,10 0 1 0 {x},70Q{x + 15},62 {x + 30},70A10,10 0 1 0 {x + 30},50"
        f"Q{x + 15},58 {x},50Z"
        for x in (15, 75)
    )
    return join(
        [path(plate, solid=True) for plate in plates],
        path("M45,54.5Q60,60 75,54.5M45,65.5Q60,60 75,65.5"),
        [ring(6, (x, 60)) for x in (15, 45, 75, 105)],
        [ring(2.6, (x, 60), thin=True) for x in (15, 45, 75, 105)],
        ALONG,
    )


def pulley() -> Markup:
    return join(
        ring(52, solid=True),
        ring(47, thin=True),
        ring(41),
        ring(17),
        ring(9),
        path("M57,51v-3.5h6v3.5"),
        [ring(8, point) for point in around(4, 29, 0.5)],
        CROSS,
    )


def bearing() -> Markup:
    return join(
        ring(52, solid=True),
        ring(42),
        ring(28),
        ring(18),
        [ring(7, point) for point in around(8, 35)],
        ring(35, thin=True),
        CROSS,
    )


def bushing() -> Markup:
    return join(
        path("M30,26H92V94H30Z", solid=True),
        path("M30,42H92M30,78H92"),
        path("M34,26L30,30M88,26L92,30M34,94L30,90M88,94L92,90"),
        path("".join(f"M{x},42l8,-16M{x},94l8,-16" for x in range(34, 84, 10)), thin=True),
        centre((20, 60, 102, 60)),
    )


def shaft() -> Markup:
    steps = [
        (4, 52), (7, 49), (26, 49), (26, 43), (84, 43), (84, 48), (104, 48), (104, 52), (114, 52),
        (116, 54), (116, 66), (114, 68), (104, 68), (104, 72), (84, 72), (84, 77), (26, 77),
        (26, 71), (7, 71), (4, 68),
    ]  # fmt: skip
    return join(
        outline(steps),
        path("M26,49V71M84,48V72M104,52V68", thin=True),
        path("M40,55H68A5,5 0 0 1 68,65H40A5,5 0 0 1 40,55Z"),
        ALONG,
    )


def coupling() -> Markup:
    return join(
        ring(50, solid=True),
        ring(26),
        ring(13),
        path("M56.5,47.8v-4h7v4"),
        [ring(6, point) for point in around(4, 38, 0.5)],
        [outline(hexagon(point, 3.8), solid=False) for point in around(4, 38, 0.5)],
        ring(38, thin=True),
        CROSS,
    )


def hexagon(at: Point, radius: float) -> list[Point]:
    x, y = at
    return [(x + radius * sin(k * pi / 3), y + radius * cos(k * pi / 3)) for k in range(6)]


def compression_spring() -> Markup:
    front = "".join(f"M{x},36L{x + 7},84" for x in range(14, 105, 14))
    back = "".join(f"M{x + 7},84L{x + 14},36" for x in range(14, 94, 14))
    thick = element("g", path(front), stroke_width="4", stroke_linecap="round")
    return join(path(back, thin=True), thick, path("M8,36V84M112,36V84"), ALONG)


def extension_spring() -> Markup:
    coils = "".join(f"M{x},46l3,28" for x in range(30, 90, 5))
    hooks = "M30,74C16,78 4,72 4,60C4,46 20,44 24,56M90,46C104,42 116,48 116,60C116,74 100,76 96,64"
    thick = element("g", path(coils + hooks), stroke_width="3.2", stroke_linecap="round")
    return join(thick, ALONG)


def torsion_spring() -> Markup:
    legs = element("g", path("M42,78V8M78,78H114"), stroke_width="3.2", stroke_linecap="round")
    coil = element("g", ring(18, (60, 78)), stroke_width="3.2")
    return join(
        legs, coil, ring(24, (60, 78), thin=True), ring(12, (60, 78), thin=True),
        centre((60, 48, 60, 112), (28, 78, 92, 78)),
    )  # fmt: skip


def hand_wheel() -> Markup:
    spokes = (
        outline([
            polar(14, angle - 0.3), polar(42, angle - 0.07), polar(42, angle + 0.07),
            polar(14, angle + 0.3),
        ])
        for angle in (2 * pi * step / 5 for step in range(5))
    )  # fmt: skip
    return join(
        path("M60,7A53,53 0 1 0 60.01,7ZM60,18A42,42 0 1 1 59.99,18Z", solid=True),
        spokes,
        ring(14, solid=True),
        ring(6),
        ring(7, polar(47.5, 0.63), solid=True),
        CROSS,
    )


def cam() -> Markup:
    points = []
    for step in range(72):
        angle = 2 * pi * step / 72
        lift = max(0.0, cos(angle)) ** 3 * 22
        points.append(polar(31 + lift, angle + 0.7))
    low = [(x, y + 6) for x, y in points]
    return join(
        outline(low),
        ring(11, (60, 66)),
        path("M56.5,55.6v-3.5h7v3.5"),
        ring(31, (60, 66), thin=True),
        centre((60, 10, 60, 112), (12, 66, 108, 66)),
    )


def bracket() -> Markup:
    face = [(18, 14), (34, 14), (34, 84), (104, 84), (104, 100), (18, 100)]
    holes = join([path(f"M18,{y}H34M18,{y + 8}H34", thin=True) for y in (26, 48)])
    floor = join([path(f"M{x},84V100M{x + 8},84V100", thin=True) for x in (58, 84)])
    axes = centre((12, 30, 40, 30), (12, 52, 40, 52), (62, 78, 62, 106), (88, 78, 88, 106))
    return join(outline(face), path("M34,70L48,84"), holes, floor, axes)


def pinion() -> Markup:
    """Draw a small gear with its hub and its set screw."""
    return join(gear(12, 36, 50, 11), ring(21), ring(2.6, polar(16, pi / 4)))


DRAWINGS: Final = (
    bolt(), nut(), washer(), eye_bolt(), wing_nut(), cotter_pin(),
    gear(24, 44, 53, 10, holes=6), pinion(), ring_gear(), rack(), worm(), sprocket(), chain(),
    pulley(), bearing(), bushing(), shaft(), coupling(), compression_spring(), extension_spring(),
    torsion_spring(), hand_wheel(), cam(), bracket(),
)  # fmt: skip
