"""The cookbook has forty tasks, and says of each what is typed and what comes out of it.

That it is true is seen by test_snippets.py, which runs the page from top to bottom.
"""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli" / "cookbook.md"
TASK = re.compile(
    r"\n```sh run\n(.+?)```\n\n```text printed\n(.+?)```\n(?:\n[^\n]+\n){0,2}", re.DOTALL
)


def tasks(page: str) -> dict[str, str]:
    """Find what stands under each third heading."""
    parts = re.split(r"^##[^#].*$", page, flags=re.MULTILINE)
    found = (part.partition("\n") for each in parts for part in each.split("\n### ")[1:])
    return {title: text for title, _, text in found}


def test_there_are_forty_tasks_and_each_is_shown() -> None:
    found = tasks(PAGE.read_text(encoding="utf-8"))
    assert len(found) >= 40
    assert [
        title for title, text in found.items() if not TASK.fullmatch(f"{text.rstrip()}\n")
    ] == []
    assert [title for title, text in found.items() if "crlf" not in text] == []


def test_a_task_without_its_outcome_is_seen() -> None:
    page = "## A\n### Look\n\n```sh run\ncrlf\n```\n\nSo it is.\n## B\n### See\n\ntext\n"
    assert list(tasks(page)) == ["Look", "See"]
    assert not any(TASK.fullmatch(text) for text in tasks(page).values())
