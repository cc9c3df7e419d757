"""What the store sells and what shipping costs, as it is put into a new database.

Money is whole cents and weight is whole grams, so that a sum is exact. From then on the
database is what counts: nothing here is looked at again.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Part(NamedTuple):
    """One part of the catalogue. price: in cents. weight: in grams."""

    number: int
    name: str
    family: str
    size: str
    price: int
    weight: int
    text: str


class Zone(NamedTuple):
    """Zip codes that cost the same to ship to; first and last are the first three digits.

    base: in cents, for a parcel. per_kilo: in cents, for each kilogram begun. days: on the way.
    """

    first: str
    last: str
    name: str
    base: int
    per_kilo: int
    days: int


_FASTENERS = "Fasteners"
_GEARS = "Gears"
_SHAFTS = "Shafts and drives"
_SPRINGS = "Springs and controls"

PARTS: Final = (
    Part(1, "Hex bolt", _FASTENERS, "M6 × 40", 45, 12,
         "Zinc plated, grade 8.8. Holds two things together until you change your mind."),
    Part(2, "Hex nut", _FASTENERS, "M6", 12, 3,
         "The other half of part 1. They are sold apart and meet later."),
    Part(3, "Flat washer", _FASTENERS, "M6", 8, 1,
         "Spreads the load, saves the paint. Buy more than you think you need."),
    Part(4, "Eye bolt", _FASTENERS, "M8 × 60", 210, 38,
         "Forged in one piece, for a hook, a rope or a very heavy lamp."),
    Part(5, "Wing nut", _FASTENERS, "M6", 65, 7,
         "Tightens by hand and comes off by hand, with or without gloves."),
    Part(6, "Cotter pin", _FASTENERS, "3 × 40 mm", 15, 2,
         "Keeps a castle nut where it is. Bend it once and throw it away."),
    Part(7, "Spur gear, 24 teeth", _GEARS, "module 2", 1250, 180,
         "Hobbed steel with a keyed 12 mm bore. Meshes with parts 8, 9 and 10."),
    Part(8, "Spur gear, 12 teeth", _GEARS, "module 2", 890, 65,
         "The small one. With part 7 it turns twice as fast, half as strong."),
    Part(9, "Ring gear, 36 teeth", _GEARS, "module 2", 3400, 410,
         "Teeth on the inside, for planetary sets and quiet hoists."),
    Part(10, "Gear rack", _GEARS, "module 2 × 200", 1580, 320,
         "A gear of infinite radius, cut off at 200 mm for the post office."),
    Part(11, "Worm", _GEARS, "single start", 1890, 150,
         "Turns part 7 one tooth at a time, and never the other way round."),
    Part(12, "Roller sprocket", _GEARS, "08B, 15 teeth", 1120, 210,
         "Hardened teeth for half-inch chain. Takes the same shaft as part 7."),
    Part(13, "Roller chain", _SHAFTS, "08B, 1 metre", 1640, 700,
         "Seventy-eight links and one connector, oiled, in a paper bag."),
    Part(14, "V-belt pulley", _SHAFTS, "80 mm, one groove", 1975, 540,
         "Cast iron, balanced, with four holes that save weight and look well."),
    Part(15, "Ball bearing", _SHAFTS, "608, 8 × 22 × 7", 320, 12,
         "Shielded on both sides. Also fits the skates that you had as a child."),
    Part(16, "Bronze bushing", _SHAFTS, "12 × 16 × 20", 410, 22,
         "Sintered and full of oil, so that nobody has to remember it."),
    Part(17, "Keyed shaft", _SHAFTS, "12 × 150 mm", 1340, 130,
         "Ground and stepped, with the key in a bag taped to it."),
    Part(18, "Flange coupling", _SHAFTS, "12 mm, four bolts", 2250, 460,
         "Joins two shafts that were always meant to be one."),
    Part(19, "Compression spring", _SPRINGS, "1.6 × 16 × 50", 185, 14,
         "Pushes back. Seven turns of music wire with ground ends."),
    Part(20, "Extension spring", _SPRINGS, "1.2 × 12 × 60", 175, 11,
         "Pulls back. Close wound, with a loop at each end."),
    Part(21, "Torsion spring", _SPRINGS, "1.5 mm, 90°", 195, 9,
         "Turns back: three coils, two legs, one clothes-peg's worth of temper."),
    Part(22, "Hand wheel", _SPRINGS, "120 mm, five spokes", 2690, 620,
         "Turned and polished rim, for valves, vices and lathes."),
    Part(23, "Disc cam", _SPRINGS, "lift 12 mm", 1460, 190,
         "Round and round goes in, up and down comes out."),
    Part(24, "Angle bracket", _SPRINGS, "60 × 60 × 40", 240, 95,
         "Right angles, four holes, no opinions."),
)  # fmt: skip

MOST_OF_ONE: Final = 99  # pieces of a part in one cart

HOME: Final = "67401"  # Salina, Kansas, where the parcels start

# A zip code belongs to the first zone that has it: the exceptions stand before the rules.
ZONES: Final = (
    Zone("995", "999", "Alaska", 2400, 650, 8),
    Zone("967", "968", "Hawaii", 2400, 650, 8),
    Zone("006", "009", "Puerto Rico and the Virgin Islands", 2400, 650, 9),
    Zone("674", "674", "Salina and around", 395, 40, 1),
    Zone("660", "679", "Kansas", 550, 70, 2),
    Zone("500", "799", "the Plains and Texas", 790, 120, 3),
    Zone("350", "499", "the Midwest and the South", 950, 160, 4),
    Zone("800", "899", "the Mountains", 950, 160, 4),
    Zone("010", "349", "the East", 1190, 210, 5),
    Zone("900", "994", "the Pacific", 1190, 210, 5),
)
