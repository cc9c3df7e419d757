"""Writes the conformance page: which test guards which rule of which RFC, from the tests' marks.

A rule that the source cites and no test names is listed too: that list is where to work next.

    python scripts/conformance.py                  the page, on standard output
    python scripts/conformance.py --gaps           only the rules that no test names
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "crlf"
CITED = re.compile(r"RFC[ -]?([0-9]{3,5}(?:bis)?),?(?: section)? ([0-9]+(?:\.[0-9]+)*)")
SUBJECTS = {
    "3986": "URIs",
    "5861": "stale responses",
    "6265": "cookies",
    "6265bis": "cookies",
    "6266": "Content-Disposition",
    "6454": "origins",
    "7239": "Forwarded",
    "7578": "multipart/form-data",
    "7616": "Digest",
    "7617": "Basic",
    "8187": "extended parameters",
    "8288": "links",
    "9110": "HTTP semantics",
    "9111": "HTTP caching",
    "9112": "HTTP/1.1",
}

Rule = tuple[str, str]  # number and section: ("9112", "6.3")


@dataclass(frozen=True)
class Guard:
    """A test, and the rule that it guards. title: what it shows, in words."""

    rule: Rule
    test: str
    title: str


def collect_guards() -> list[Guard]:
    """Ask pytest for the marks of every test, without running one."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "rules.json")
        collect = [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-qq",
            "-p",
            "no:cacheprovider",
        ]
        done = subprocess.run(
            [*collect, f"--rfc-report={target}", "tests"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"the tests cannot be collected:\n{done.stdout}{done.stderr}")
        return read_guards(target.read_text(encoding="utf-8"))


def read_guards(text: str) -> list[Guard]:
    """Read what `pytest --rfc-report` wrote."""
    return [
        Guard((row["number"], row["section"]), row["test"], row["title"])
        for row in json.loads(text)
    ]


def cited_rules() -> Counter[Rule]:
    """Count how often the source names each section of each RFC."""
    texts = (path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    return Counter((match[1], match[2]) for text in texts for match in CITED.finditer(text))


def gaps(guards: list[Guard], cited: Counter[Rule]) -> list[Rule]:
    """List the rules that the source cites and no test names, neither itself nor a part of it."""
    named = {guard.rule for guard in guards}
    whole = {
        (number, ".".join(section.split(".")[:depth]))
        for number, section in named
        for depth in range(1, section.count(".") + 2)
    }
    return sorted(set(cited) - whole, key=reading_order)


def reading_order(rule: Rule) -> tuple[str, list[int]]:
    """Sort 6.10 after 6.9; a section may end in a letter or a rule's number."""
    number, section = rule
    return number, [int(digits) for digits in re.findall("[0-9]+", section)]


def link(rule: Rule) -> str:
    """Write a rule as a link to its text."""
    number, section = rule
    if number.endswith("bis"):
        page = f"https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc{number}"
    else:
        page = f"https://www.rfc-editor.org/rfc/rfc{number}"
    anchor = re.match(r"[0-9.]*[0-9]", section)
    return f"[{section}]({page}#section-{anchor[0]})" if anchor else section


def build_page(guards: list[Guard], cited: Counter[Rule]) -> str:
    """Write the page in Markdown."""
    shown: dict[str, dict[Rule, set[str]]] = defaultdict(lambda: defaultdict(set))
    for guard in guards:
        shown[guard.rule[0]][guard.rule].add(f"{guard.title} <!-- {guard.test} -->")
    tests, rules = {guard.test for guard in guards}, {guard.rule for guard in guards}
    lines = [
        "# Conformance",
        "",
        "Made from the marks of the tests: each line is a test, in its own words, under the rule",
        f"that it guards. {len(tests):,} tests guard {len(rules):,} rules.",
    ]
    for number in sorted(shown):
        subject = f": {SUBJECTS[number]}" if number in SUBJECTS else ""
        lines += ["", f"## RFC {number}{subject}"]
        for rule in sorted(shown[number], key=reading_order):
            lines += ["", f"**{link(rule)}**", ""]
            lines += [f"- {escape(title)}" for title in sorted(shown[number][rule])]
    lines += ["", "## Cited, and not yet guarded", ""]
    missing = gaps(guards, cited)
    if missing:
        lines += ["The source names these rules; no test is marked with them.", ""]
        lines += [f"- RFC {rule[0]} {link(rule)}" for rule in missing]
    else:
        lines.append("None: each rule that the source names has a test marked with it.")
    return "\n".join(lines) + "\n"


def escape(title: str) -> str:
    """Keep Markdown from reading a title as anything but words."""
    text, comment = title.split(" <!-- ")
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text) + f" <!-- {comment}"


def main() -> None:
    arguments = argparse.ArgumentParser(description="Write the conformance page.")
    arguments.add_argument("--gaps", action="store_true", help="only the rules no test names")
    arguments.add_argument("--report", type=Path, help="what pytest --rfc-report wrote")
    options = arguments.parse_args()
    report: Path | None = options.report
    guards = read_guards(report.read_text(encoding="utf-8")) if report else collect_guards()
    if options.gaps:
        for number, section in gaps(guards, cited_rules()):
            print(f"RFC {number} {section}")
    else:
        print(build_page(guards, cited_rules()), end="")


if __name__ == "__main__":
    main()
