"""Cache-Control by path: patterns in their order, names with digests, and nothing guessed."""

from __future__ import annotations

import time

import pytest

from crlf.rules.caching import ASK, FOREVER, CacheRules, is_hashed, parse_rules


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("/assets/*", ["/assets/a.js", "/assets/", "/assets/x/y.css"], ["/assets", "/b/assets/a"]),
        ("*.css", ["/a.css", "/x/y.css", ".css"], ["/a.css.map", "/a.CSS"]),
        ("/a/*/b*.js", ["/a//b.js", "/a/x/y/bcd.js"], ["/a/b.js", "/a/x/c.js"]),
        ("/robots.txt", ["/robots.txt"], ["/robots.txt2", "/x/robots.txt"]),
        ("*", ["/", "/a", ""], []),
        ("/a*a", ["/aa", "/a/a"], ["/a"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    rules = CacheRules({pattern: "max-age=60"})
    assert {path: rules.value_of(path) for path in fits} == dict.fromkeys(fits, "max-age=60")
    assert {path: rules.value_of(path) for path in fits_not} == dict.fromkeys(fits_not, ASK)


def test_the_first_pattern_that_fits_says_it() -> None:
    rules = CacheRules([("/a/*", "max-age=1"), ("*.js", "max-age=2")], default="max-age=3")
    assert [rules.value_of(path) for path in ("/a/x.js", "/x.js", "/x")] == [
        "max-age=1", "max-age=2", "max-age=3",
    ]  # fmt: skip


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    rules = CacheRules({"*a" * 200 + "b": "max-age=60"})
    began = time.process_time()
    rules.value_of("a" * 8000)
    assert time.process_time() - began < 0.2


def test_rules_as_text() -> None:
    rules = CacheRules(parse_rules(["/a/*=max-age=60, immutable", "*="]))
    assert rules.value_of("/a/b") == "max-age=60, immutable"
    assert rules.value_of("/b") == ""
    for text in ("max-age", "=max-age", ""):
        with pytest.raises(ValueError, match="PATTERN=VALUE"):
            parse_rules([text])


def test_a_value_that_no_field_may_have_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="control"):
        CacheRules({"*": "max-age=1\r\nx: y"})


@pytest.mark.rfc("8246", "2")
@pytest.mark.parametrize(
    "name",
    [
        "app.3f2a9b1c.js", "app.3f2a9b1c4d5e6f70.min2hash9.js", "index-DiwrgTda.css",
        "main-LOQZ6YWM.js", "main-LOQZSYWM.js", "chunk.3f2a9b1c.js.map", "a-B_x9-Abc.woff2",
        "logo.d41d8cd98f00b204e9800998ecf8427e.svg",
    ],
)  # fmt: skip
def test_names_with_a_digest_never_change(name: str) -> None:
    assert is_hashed(name)
    assert CacheRules(hashed=True).value_of("/assets/" + name) == FOREVER
    assert CacheRules().value_of("/assets/" + name) == ASK


@pytest.mark.parametrize(
    "name",
    [
        "app.js", "jquery-3.6.0.min.js", "bootstrap-datepicker.js", "report-20240101.pdf",
        "my-component.js", "page.3f2a9b1c.html", "INDEX.3F2A9B1C.HTM", "3f2a9b1c", "a.3f2a9b1.js",
        "lib.ununununununun.js", "", ".", "README-ENGLISH.md",
    ],
)  # fmt: skip
def test_other_names_may(name: str) -> None:
    assert not is_hashed(name)


def test_a_rule_goes_before_a_digest() -> None:
    rules = CacheRules({"*.map": "no-store"}, hashed=True)
    assert rules.value_of("/app.3f2a9b1c.js.map") == "no-store"


def test_a_long_name_takes_no_time() -> None:
    began = time.process_time()
    for name in ("-" * 8000 + ".js", ".a" * 4000, "a-" * 4000 + ".", "-aaaaaaaa." * 800):
        is_hashed(name)
    assert time.process_time() - began < 0.5
