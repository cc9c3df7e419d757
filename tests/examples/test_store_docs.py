"""What the page about the store shows is what stands in the store."""

from __future__ import annotations

import re

import pytest
from tests.examples.storefront import ROOT

PAGE = (ROOT / "docs/apps/store.md").read_text(encoding="utf-8")
SOURCES = {path: path.read_text("utf-8") for path in (ROOT / "examples/store").rglob("*.py")}


@pytest.mark.parametrize("shown", re.findall(r"^```python no-run\n(.*?)^```", PAGE, re.M | re.S))
def test_an_excerpt_is_one(shown: str) -> None:
    assert any(shown in source for source in SOURCES.values())


@pytest.mark.parametrize("name", re.findall(r"\]\((img/[^)]+)\)", PAGE))
def test_a_picture_is_there_and_light(name: str) -> None:
    assert 10_000 < (ROOT / "docs/apps" / name).stat().st_size < 150_000


def test_its_files_stay_small() -> None:
    assert max(source.count("\n") for source in SOURCES.values()) <= 400
