"""The page of elements says what the table says.

python tests/wire/test_explain_elements.py

makes it anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from crlf.wire.explain import DETAILS, ELEMENTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli" / "wire-elements.md"
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
TABLES = {"elements": ELEMENTS, "details": DETAILS}


def table_of(name: str) -> str:
    rows = [f"| {each} | {known.rule} | {known.meaning} |" for each, known in TABLES[name].items()]
    return "\n".join(["| Element | Defined in | What it is |", "|---|---|---|", *rows])


def refreshed(page: str) -> str:
    return MADE.sub(lambda found: f"{found[1]}\n{table_of(found[2])}\n\n{found[3]}", page)


def test_the_page_has_the_elements_of_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert refreshed(page) == page, "run python tests/wire/test_explain_elements.py"
    assert set(re.findall(r"<!-- made: (\w+) -->", page)) == set(TABLES)


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
