"""Measuring in turns, A B A B ..., and the table that comes of it.

A ratio is taken within a turn, where both sides had the same machine, and the median over
the turns is shown; so a neighbour that wakes up in turn two spoils one ratio, not the table.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from ground import CORES, Absent, Failed, others_seconds

Figures = Mapping[str, float]  # by name; one measurement


@dataclass
class Outcome:
    """What one subject showed: the figures of each turn, empty where it failed."""

    name: str
    turns: list[Figures] = field(default_factory=list)
    remark: str = ""

    def median(self, figure: str) -> float | None:
        seen = [turn[figure] for turn in self.turns if figure in turn]
        return median(seen) if seen else None

    def spread(self, figure: str) -> float:
        """How far the turns lie apart, as a part of their median."""
        seen = [turn[figure] for turn in self.turns if figure in turn]
        return (max(seen) - min(seen)) / median(seen) if seen else 0.0

    def ratio(self, other: "Outcome", figure: str) -> float | None:
        """Median over the turns of this figure by the other's in the same turn."""
        pairs = zip(self.turns, other.turns, strict=False)
        seen = [a[figure] / b[figure] for a, b in pairs if a.get(figure) and b.get(figure)]
        return median(seen) if seen else None


Subjects = Mapping[str, Callable[[], Figures]]
Outcomes = dict[str, Outcome]


def in_turns(subjects: Subjects, turns: int) -> Outcomes:
    """Measure each subject once a turn. One that is absent or fails keeps its row."""
    outcomes = {name: Outcome(name) for name in subjects}
    for turn in range(turns):
        for name, measure in subjects.items():
            outcome = outcomes[name]
            if outcome.remark.startswith("absent"):
                continue
            figures: Figures = {}
            others, start = others_seconds(), time.monotonic()
            try:
                figures = measure()
                spent = (time.monotonic() - start) * min(2, len(CORES))
                figures = {**figures, "others": (others_seconds() - others) / spent}
            except Absent as reason:
                outcome.remark = f"absent: {reason}"
            except Failed as reason:
                outcome.remark = f"failed: {reason}"
            outcome.turns.append(figures)
            shown = " ".join(f"{key}={value:,.5g}" for key, value in figures.items())
            print(f"  turn {turn + 1}  {name}: {shown or outcome.remark}", file=sys.stderr)
    return outcomes


@dataclass(frozen=True)
class Column:
    """A column of figures. against: also show each row's ratio to the row of that name."""

    figure: str
    title: str
    form: str = ",.0f"
    scale: float = 1.0
    against: str = ""


@dataclass(frozen=True)
class Aim:
    """A figure to reach: ours is to be at least (most, where less is better) factor x theirs."""

    ours: str
    theirs: str
    figure: str
    factor: float
    less_is_better: bool = False

    def line(self, outcomes: Outcomes) -> str:
        sign = "≤" if self.less_is_better else "≥"
        claim = f"{self.ours} {sign} {self.factor:g} × {self.theirs}, {self.figure}"
        ours, theirs = outcomes.get(self.ours), outcomes.get(self.theirs)
        ratio = ours.ratio(theirs, self.figure) if ours and theirs else None
        if ratio is None:
            return f"- {claim}: not measured"
        reached = ratio <= self.factor if self.less_is_better else ratio >= self.factor
        return f"- {claim}: {ratio:.2f}, {'reached' if reached else '**not reached**'}"


@dataclass(frozen=True)
class Bound:
    """A figure that has to stay within a fixed one, whatever the peers need."""

    ours: str
    figure: str
    most: float
    unit: str = ""

    def line(self, outcomes: Outcomes) -> str:
        claim = f"{self.ours}: {self.figure} ≤ {self.most:g}{self.unit and ' '}{self.unit}"
        ours = outcomes.get(self.ours)
        value = None if ours is None else ours.median(self.figure)
        if value is None:
            return f"- {claim}: not measured"
        return f"- {claim}: {value:.3g}, {'reached' if value <= self.most else '**not reached**'}"


def table(outcomes: Outcomes, columns: Iterable[Column]) -> list[str]:
    """Write the Markdown table: one row a subject, medians, ratios, spread and remark."""
    titles, columns = ["what"], list(columns)
    for column in columns:
        titles.append(column.title)
        if column.against:
            titles.append(f"÷ {column.against}")
    titles += ["spread", "others", "remark"]
    lines = [row(titles), row(["---"] + ["--:"] * (len(titles) - 2) + ["---"])]
    for outcome in outcomes.values():
        cells = [outcome.name]
        for column in columns:
            value = outcome.median(column.figure)
            cells.append("–" if value is None else format(value / column.scale, column.form))
            if column.against:
                other = outcomes.get(column.against)
                ratio = outcome.ratio(other, column.figure) if other else None
                cells.append("–" if ratio is None else f"{ratio:.2f}")
        if (others := outcome.median("others")) is None:
            cells += ["–", "–"]
        else:
            cells += [f"±{outcome.spread(columns[0].figure) / 2:.0%}", f"{max(others, 0):.0%}"]
        lines.append(row([*cells, outcome.remark]))
    return lines


def row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
