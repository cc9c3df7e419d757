"""Routes: nanoseconds to find who answers a path, among 10 routes and among 1,000."""

import json
from functools import partial

from ground import BENCH, OWN, PEERS, Options, need_import, output_of
from turns import Aim, Bound, Column, Figures, in_turns, table

# The row's name, the name in the script, what must import.
ROWS = (
    ("Starlette", "starlette", "starlette"),
    ("Werkzeug (Flask)", "werkzeug", "werkzeug"),
    ("crlf", "crlf", "crlf.App"),
)
COLUMNS = [
    Column("literal 10", "literal, 10 routes, ns"),
    Column("literal 1000", "1,000"),
    Column("slot 10", "with a slot, 10 routes"),
    Column("slot 1000", "1,000"),
    Column("missing 10", "no route, 10 routes"),
    Column("missing 1000", "1,000"),
    Column("growth", "1,000 ÷ 10, the most", ".2f"),
]
AIMS = (
    Aim("crlf", "Starlette", "slot 1000", 1.0, less_is_better=True),
    Aim("crlf", "Werkzeug (Flask)", "slot 1000", 1.0, less_is_better=True),
    Bound("crlf", "growth", 1.5),
)


def measured(name: str, needs: str) -> Figures:
    python = (OWN if needs.startswith("crlf") else PEERS) / "python"
    need_import(python, needs)
    figures: Figures = json.loads(output_of([python, BENCH / "lookups.py", name], 1, 60))
    return figures


def report(options: Options) -> list[str]:
    subjects = {
        row: partial(measured, name, needs) for row, name, needs in ROWS if options.wants(row)
    }
    outcomes = in_turns(subjects, options.turns)
    return [
        "## A route among others: to find it, without what comes before and after",
        "",
        *table(outcomes, COLUMNS),
        "",
        *(aim.line(outcomes) for aim in AIMS),
    ]
