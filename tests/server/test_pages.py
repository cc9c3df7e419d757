"""Error pages say what is wrong, in HTML or as text, and nothing in them can act."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import TooLarge
from crlf.message.headers import Headers
from crlf.message.status import MEANINGS
from crlf.rules.pages import error_response, escape

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NASTY = "<script>alert('x')</script>\"&\x00\x1b[31m\r\nX: y"


class Reader(HTMLParser):
    """Reads a page: its elements, their attributes, its text; and that each end has a start."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


def read(page: str) -> Reader:
    reader = Reader(page)
    assert reader.open == []
    return reader


@pytest.mark.rfc("9110", "12.5.1")
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "text/plain"),
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("image/png", "text/plain"),
        ("text/plain, text/html;q=0.9", "text/plain"),
        ("text/html;q=0", "text/plain"),
        ("!!!", "text/plain"),
        (BROWSER, "text/html"),
        ("text/html", "text/html"),
    ],
)
def test_a_page_is_for_who_prefers_one(accept: str | None, kind: str) -> None:
    response = error_response(404, accept=accept)
    assert response.headers["content-type"] == f"{kind}; charset=utf-8"
    assert response.headers["vary"] == "Accept"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("status_code", [400, 404, 405, 413, 431, 500, 503, 599])
@pytest.mark.parametrize("accept", [None, BROWSER])
def test_a_page_says_its_status_and_what_it_means(status_code: int, accept: str | None) -> None:
    response = error_response(status_code, accept=accept)
    assert response.status_code == status_code
    assert str(status_code) in response.text
    if status_code in MEANINGS:
        meaning = MEANINGS[status_code]
        for words in meaning:
            assert words in response.text.replace("&#39;", "'")


def test_the_sentence_and_the_rule_are_the_errors_own() -> None:
    plain = error_response(400, "Two Host fields.", "RFC 9112 3.2")
    assert plain.text == "400 Bad Request\n\nTwo Host fields.\n[RFC 9112 3.2]\n"
    page = read(error_response(400, "Two Host fields.", "RFC 9112 3.2", BROWSER).text)
    assert page.texts["h1"] == page.texts["title"] == "400 Bad Request"
    assert page.texts["p"] == "Two Host fields."
    assert page.texts["small"] == "RFC 9112 3.2"


def test_a_page_is_whole_html_that_asks_for_nothing() -> None:
    text = error_response(500, detail="Traceback:\n  line", accept=BROWSER).text
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    page = read(text)
    tags = [tag for tag, _ in page.elements]
    assert tags[:6] == ["html", "head", "meta", "meta", "title", "style"]
    assert {"h1", "main", "pre"} <= set(tags)
    assert not {"script", "link", "img", "iframe", "object"} & set(tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "://" not in text
    assert "light dark" in page.texts["style"]
    assert page.texts["pre"] == "Traceback:\n  line"


@pytest.mark.parametrize("accept", [None, BROWSER])
def test_nothing_in_a_page_can_act(accept: str | None) -> None:
    response = error_response(400, NASTY, NASTY, accept, detail=NASTY)
    text = response.content.decode()
    assert not any(character < " " and character != "\n" for character in text)
    if accept is not None:
        assert "<script" not in text
        assert NASTY[:27] in read(text).texts["p"]
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy


@given(st.text(), st.text())
def test_any_text_is_only_shown(sentence: str, rule: str) -> None:
    quiet = [tag for tag, _ in read(error_response(400, "x", "x", BROWSER).text).elements]
    page = read(error_response(400, sentence or "x", rule or "x", BROWSER).content.decode())
    assert [tag for tag, _ in page.elements] == quiet


@given(st.text())
def test_what_is_escaped_is_read_as_it_was(text: str) -> None:
    page = Reader(
        f'<p title="{escape(text)}">{escape(text)}</p>'.encode("utf-8", "replace").decode()
    )
    shown = page.texts.get("p", "")
    assert [tag for tag, _ in page.elements] == ["p"]
    assert page.elements[0][1]["title"] == shown
    if text.isprintable():
        assert shown == text


def test_further_fields_come_along() -> None:
    response = error_response(405, headers=Headers({"Allow": "GET", "Vary": "Accept, Origin"}))
    assert response.headers["allow"] == "GET"
    assert response.headers.get_all("vary") == ["Accept, Origin"]


def test_pages_of_a_kind_share_their_fields() -> None:
    assert error_response(404).headers is error_response(500).headers


@pytest.mark.parametrize("accept", [None, BROWSER])
def test_a_rule_is_said_once(accept: str | None) -> None:
    fault = TooLarge("body", 10, 413, "RFC 9110 15.5.14")
    text = error_response(413, fault.brief, fault.rule, accept).text
    assert text.count("RFC 9110 15.5.14") == 1
    assert "body over its limit of 10" in text
