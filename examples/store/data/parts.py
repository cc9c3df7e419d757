"""What the store sells and what shipping costs, as it is put into a new database.

From then on the database is what counts: nothing here is looked at again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from examples.store.data.amounts import Grams, Money


class Part(NamedTuple):
    """One part of the catalogue. drawing: which of the drawings shows it. stock: pieces left."""

    number: int
    name: str
    family: str
    size: str
    price: Money
    weight: Grams
    drawing: int
    stock: int
    text: str


class Zone(NamedTuple):
    """Where it costs the same to ship to.

    base: for a parcel. per_kilo: for each kilogram begun. days: on the way.
    """

    name: str
    base: Money
    per_kilo: Money
    days: int

    def cost(self, weight: Grams) -> Money:
        """Say what a parcel costs."""
        return Money(self.base + self.per_kilo * weight.kilograms)


MOST_OF_ONE: Final = 99  # pieces of a part in one cart
HOME: Final = "67401"  # Salina, Kansas, where the parcels start

FASTENERS: Final = "Fasteners"
GEARS: Final = "Gears"
SHAFTS: Final = "Shafts and drives"
SPRINGS: Final = "Springs and controls"
FAMILIES: Final = (FASTENERS, GEARS, SHAFTS, SPRINGS)

# Number, name, family, size, cents, grams, drawing, stock, text.
PARTS: Final = (
    (1, "Hex bolt", FASTENERS, "M6 × 40", 45, 12, 1, 2400,
     "Zinc plated, grade 8.8. Holds two things together until you change your mind."),
    (2, "Hex nut", FASTENERS, "M6", 12, 3, 2, 3100,
     "The other half of part 1. They are sold apart and meet later."),
    (3, "Flat washer", FASTENERS, "M6", 8, 1, 3, 5200,
     "Spreads the load, saves the paint. Buy more than you think you need."),
    (4, "Eye bolt", FASTENERS, "M8 × 60", 210, 38, 4, 160,
     "Forged in one piece, for a hook, a rope or a very heavy lamp."),
    (5, "Wing nut", FASTENERS, "M6", 65, 7, 5, 480,
     "Tightens by hand and comes off by hand, with or without gloves."),
    (6, "Cotter pin", FASTENERS, "3 × 40 mm", 15, 2, 6, 900,
     "Keeps a castle nut where it is. Bend it once and throw it away."),
    (7, "Spur gear, 24 teeth", GEARS, "module 2", 1250, 180, 7, 240,
     "Hobbed steel with a keyed 12 mm bore. Meshes with parts 8, 9 and 10."),
    (8, "Spur gear, 12 teeth", GEARS, "module 2", 890, 65, 8, 180,
     "The small one. With part 7 it turns twice as fast, half as strong."),
    (9, "Ring gear, 36 teeth", GEARS, "module 2", 3400, 410, 9, 3,
     "Teeth on the inside, for planetary sets and quiet hoists."),
    (10, "Gear rack", GEARS, "module 2 × 200", 1580, 320, 10, 75,
     "A gear of infinite radius, cut off at 200 mm for the post office."),
    (11, "Worm", GEARS, "single start", 1890, 150, 11, 60,
     "Turns part 7 one tooth at a time, and never the other way round."),
    (12, "Roller sprocket", GEARS, "08B, 15 teeth", 1120, 210, 12, 95,
     "Hardened teeth for half-inch chain. Takes the same shaft as part 7."),
    (13, "Roller chain", SHAFTS, "08B, 1 metre", 1640, 700, 13, 140,
     "Seventy-eight links and one connector, oiled, in a paper bag."),
    (14, "V-belt pulley", SHAFTS, "80 mm, one groove", 1975, 540, 14, 44,
     "Cast iron, balanced, with four holes that save weight and look well."),
    (15, "Ball bearing", SHAFTS, "608, 8 × 22 × 7", 320, 12, 15, 1600,
     "Shielded on both sides. Also fits the skates that you had as a child."),
    (16, "Bronze bushing", SHAFTS, "12 × 16 × 20", 410, 22, 16, 520,
     "Sintered and full of oil, so that nobody has to remember it."),
    (17, "Keyed shaft", SHAFTS, "12 × 150 mm", 1340, 130, 17, 88,
     "Ground and stepped, with the key in a bag taped to it."),
    (18, "Flange coupling", SHAFTS, "12 mm, four bolts", 2250, 460, 18, 36,
     "Joins two shafts that were always meant to be one."),
    (19, "Compression spring", SPRINGS, "1.6 × 16 × 50", 185, 14, 19, 700,
     "Pushes back. Seven turns of music wire with ground ends."),
    (20, "Extension spring", SPRINGS, "1.2 × 12 × 60", 175, 11, 20, 640,
     "Pulls back. Close wound, with a loop at each end."),
    (21, "Torsion spring", SPRINGS, "1.5 mm, 90°", 195, 9, 21, 310,
     "Turns back: three coils, two legs, one clothes-peg's worth of temper."),
    (22, "Hand wheel", SPRINGS, "120 mm, five spokes", 2690, 620, 22, 52,
     "Turned and polished rim, for valves, vices and lathes."),
    (23, "Disc cam", SPRINGS, "lift 12 mm", 1460, 190, 23, 0,
     "Round and round goes in, up and down comes out."),
    (24, "Angle bracket", SPRINGS, "60 × 60 × 40", 240, 95, 24, 410,
     "Right angles, four holes, no opinions."),
    (25, "Hex bolt", FASTENERS, "M8 × 60", 72, 30, 1, 1500,
     "Part 1 after a good breakfast. The head takes a 13 mm spanner."),
    (26, "Hex nut", FASTENERS, "M8", 16, 6, 2, 2200,
     "For part 25, and for nothing else in this catalogue."),
    (27, "Flat washer", FASTENERS, "M8", 11, 2, 3, 4100,
     "Goes on before part 26, and is looked for on the floor after it."),
    (28, "Spur gear, 24 teeth", GEARS, "module 1", 780, 28, 7, 130,
     "Part 7 at half its size, for clocks and for patient people."),
    (29, "Spur gear, 12 teeth", GEARS, "module 1", 520, 10, 8, 130,
     "The smallest gear in the house. Count the teeth before you sneeze."),
    (30, "Roller chain", SHAFTS, "08B, 5 metres", 7450, 3500, 13, 18,
     "Five of part 13 in one piece, which saves four connectors."),
    (31, "V-belt pulley", SHAFTS, "120 mm, one groove", 2890, 1180, 14, 21,
     "With part 14 on the motor, two thirds of the speed and more of the force."),
    (32, "Ball bearing", SHAFTS, "6201, 12 × 32 × 10", 480, 37, 15, 830,
     "Fits the shaft of part 17. Runs for years on what is in it."),
    (33, "Keyed shaft", SHAFTS, "12 × 300 mm", 2180, 265, 17, 40,
     "Part 17 for two wheels instead of one."),
    (34, "Compression spring", SPRINGS, "2.5 × 25 × 80", 340, 52, 19, 260,
     "Pushes back harder. Mind your thumbs when you let it go."),
    (35, "Hand wheel", SPRINGS, "200 mm, five spokes", 4350, 1640, 22, 9,
     "For valves that have not been turned since the last one was sold."),
    (36, "Angle bracket", SPRINGS, "100 × 100 × 60", 415, 240, 24, 190,
     "Still right angles, still no opinions, more shelf."),
)  # fmt: skip

# First and last of the first three digits, name, cents, cents, days. A zip code belongs to the
# first zone that has it: the exceptions stand before the rules.
ZONES: Final = (
    ("995", "999", "Alaska", 2400, 650, 8),
    ("967", "968", "Hawaii", 2400, 650, 8),
    ("006", "009", "Puerto Rico and the Virgin Islands", 2400, 650, 9),
    ("674", "674", "Salina and around", 395, 40, 1),
    ("660", "679", "Kansas", 550, 70, 2),
    ("500", "799", "the Plains and Texas", 790, 120, 3),
    ("350", "499", "the Midwest and the South", 950, 160, 4),
    ("800", "899", "the Mountains", 950, 160, 4),
    ("010", "349", "the East", 1190, 210, 5),
    ("900", "994", "the Pacific", 1190, 210, 5),
)
