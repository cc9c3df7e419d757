"""The pictures of the command line are small and shown somewhere, and can be taken again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = sorted((ROOT / "docs" / "cli" / "img").glob("*.png"))


def test_there_are_those_that_the_script_takes() -> None:
    script = (ROOT / "scripts" / "terminal_shots.py").read_text(encoding="utf-8")
    taken = re.findall(r'\bShot\(\s*"([a-z]+)"', script)
    assert len(taken) > 5
    assert [path.stem for path in PICTURES] == sorted(taken)


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_small_and_shown(path: Path) -> None:
    assert path.stat().st_size < 120_000
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    assert any(f"img/{path.name})" in page for page in pages)


def test_each_picture_of_the_examples_is_shown() -> None:
    for path in sorted((ROOT / "docs" / "apps" / "img").glob("*.png")):
        pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "apps").glob("*.md")]
        assert any(f"img/{path.name})" in page for page in pages), path.name
