"""Problems are for who asks for JSON, and say what the page says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from crlf.message.headers import Headers
from crlf.rules.pages import error_response
from crlf.rules.problems import build_problem, check_members, form_for

pytestmark = pytest.mark.rfc("9457", "3")

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.rfc("9110", "12.5.1")
@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "text"), ("", "text"), ("*/*", "text"), ("text/*", "text"), ("image/png", "text"),
        ("!!", "text"), ("text/plain", "text"), (BROWSER, "page"), ("text/html", "page"),
        ("application/json", "problem"), ("application/problem+json", "problem"),
        ("Application/JSON", "problem"), ("application/json, */*;q=0.5", "problem"),
        ("application/json, text/plain, */*", "problem"),  # axios, Angular
        ("application/json, text/javascript, */*; q=0.01", "problem"),  # jQuery
        ("application/json, */*", "problem"), ("application/json;q=0", "text"),
        ("text/html, application/json", "page"), ("application/json, text/html;q=0.9", "problem"),
        ("application/json;q=0.8, text/html", "page"),
        ("text/plain, application/json;q=0.9", "text"),
        ("application/problem+json;q=0.5, text/html;q=0.4", "problem"),
        ("application/vnd.shop+json", "text"),
    ],
)  # fmt: skip
def test_json_is_for_who_prefers_it(accept: str | None, form: str) -> None:
    assert form_for(accept) == form


def test_a_problem_says_what_the_page_says() -> None:
    response = error_response(404, "There is no such part.", accept="application/json")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["vary"] == "Accept"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no such part.",
    }


def test_the_rule_is_one_of_its_members() -> None:
    response = error_response(
        400, "two lengths", "RFC 9112 6.3", "application/json", members={"line": 3}
    )
    said = response.json()
    assert (said["rule"], said["line"], said["detail"]) == ("RFC 9112 6.3", 3, "two lengths")


@pytest.mark.parametrize("status_code", [400, 404, 405, 413, 431, 500, 503, 599])
def test_each_status_is_a_problem_with_a_sentence(status_code: int) -> None:
    said = error_response(status_code, accept="application/json").json()
    assert said["status"] == status_code
    assert said["detail"]


def test_fields_are_kept() -> None:
    response = error_response(
        405, accept="application/json", headers=Headers([("allow", "GET, HEAD")])
    )
    assert response.headers["allow"] == "GET, HEAD"


def test_a_program_may_add_members_and_name_the_type() -> None:
    members = {"type": "https://shop.example/problems/stock", "title": "Sold out", "left": 0}
    said = json.loads(build_problem(409, "Conflict", "None left.", members=members))
    assert said == {**members, "status": 409, "detail": "None left."}


def test_what_json_has_no_word_for_is_text() -> None:
    members = {"price": Decimal("3.50"), "at": datetime(2026, 1, 2, tzinfo=UTC)}
    said = json.loads(build_problem(409, "", "", members=members))
    assert (said["price"], said["at"]) == ("3.50", "2026-01-02 00:00:00+00:00")
    with pytest.raises(ValueError, match="JSON"):
        build_problem(409, "", "", members={"price": float("nan")})


@pytest.mark.parametrize("name", ["status", "detail"])
def test_what_it_says_anyway_cannot_be_said_otherwise(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        check_members({name: 1})
    assert json.loads(build_problem(400, "a", "b", members={name: 1}))[name] in (400, "b")


def test_nothing_in_it_leaves_ascii() -> None:
    content = build_problem(400, "t", "\x1b[31m\u202e\ud800</script>")
    assert content.isascii()
    assert b"\x1b" not in content
