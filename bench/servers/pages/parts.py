"""What every application of the row "pages" shows: the same parts, to the same visitor."""

NAME = "Anna & Bo"
PARTS = [
    {"number": number, "name": f"Bolt <M{number}>", "price": f"{number}.50"}
    for number in range(1, 11)
]
