"""What somebody writes who comes from another framework, or mistypes: refused at once, in words.

What could not be served as it reads is an error when it is registered (the law of apps/app.py):
an option that nobody knows would be a limit that nobody keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crlf import App
from crlf.rules.routes import Pattern

Register = Callable[[Any], object]


def page(request: object) -> str:
    return "a page"


def asked_with(request: object, error: object) -> str:
    return "an error's page"


MISTAKES: dict[str, tuple[Register, str]] = {
    "no call": (lambda app: app.get(page), r'begins with its path, as in @app.get\("/part"\)'),
    "no path": (lambda app: app.post(None), "begins with its path"),
    "methods of get": (
        lambda app: app.get("/x", methods=["GET", "POST"]),
        r'methods are named by @app.route\("/x", methods=\[...\]\)',
    ),
    "misspelt": (
        lambda app: app.post("/x", stream=True),
        "no route has an option 'stream'; there are name, body, streams, progress, cross_site",
    ),
    "of the whole app": (lambda app: app.post("/x", csrf=False), "no route has an option 'csrf'"),
    "words": (
        lambda app: app.post("/x", body="5 MB"),
        "body of /x is a whole number of bytes, or None for any number, not '5 MB'",
    ),
    "less than none": (lambda app: app.post("/x", body=-1), "whole number of bytes"),
    "no number": (lambda app: app.post("/x", body=True), "whole number of bytes"),
    "yes": (lambda app: app.post("/x", streams="yes"), "streams of /x is True or False"),
    "sites": (
        lambda app: app.post("/x", cross_site=["https://a.example"]),
        "cross_site of /x is True or False",
    ),
    "no function": (lambda app: app.post("/x", progress=True), "progress of /x is a function"),
    "none": (lambda app: app.post("/x", progress=None), "progress of /x is a function"),
    "no name": (lambda app: app.post("/x", name=""), "name of /x is a text that is not empty"),
    "error handler, no call": (lambda app: app.on_error(asked_with), "a status or an exception"),
    "error handler of the request": (
        lambda app: app.on_error(404)(page),
        r"page\(\) has to take the request and the error, in this order",
    ),
    "a function below a prefix": (
        lambda app: app.mount("/x", page),
        r'an App is mounted in an App, as in app.mount\("/admin", admin\); not <function page',
    ),
    "the other way round": (lambda app: app.mount(App(), "/x"), "an App is mounted in an App"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_could_not_be_served_as_it_reads_is_refused_at_once(mistake: str) -> None:
    register, said = MISTAKES[mistake]
    with pytest.raises(TypeError, match=said):
        register(App(sessions=False))


def test_every_option_of_a_route_is_taken_as_it_is_meant() -> None:
    app = App(sessions=False)
    app.post("/x", body=0, streams=False, cross_site=True, name="x")(page)
    app.put("/x", body=None, streams=True, progress=print, name="x")(page)
    assert app.url("x") == "/x"


def test_an_error_handler_may_take_more_than_it_is_given() -> None:
    app = App(sessions=False)

    @app.on_error(404)
    def missing(request: object, error: object, note: str = "") -> str:
        return note

    @app.on_error(KeyError)
    def no_such(*whatever: object) -> str:
        return ""

    assert app.scope.catchers.by_status == {404: missing}


def test_the_name_of_a_module_is_no_secret() -> None:
    """Flask(__name__) is what many have written; all who read the program know that name."""
    with pytest.raises(TypeError, match="App takes no module"):
        App("crlf.server.apps.app")


@pytest.mark.parametrize("secret", [bytearray(b"k" * 32), [99], [None], [b"k" * 32, None]])
def test_a_secret_is_text_or_bytes(secret: Any) -> None:
    """bytes(99) are 99 zeros, and what is made of a bytearray's numbers no better."""
    with pytest.raises(TypeError, match="a secret is text or bytes, or a list of them"):
        App(secret=secret)


def test_a_slot_in_the_words_of_others_is_no_literal() -> None:
    with pytest.raises(ValueError, match=r"a slot is written \{name\} or \{name:int\}"):
        Pattern("/part/<int:number>")
    assert Pattern("/a<b").is_literal


def test_a_method_in_small_letters_is_told_the_right_ones() -> None:
    with pytest.raises(ValueError, match="a method is written in capitals: GET, not get"):
        App(sessions=False).route("/x", methods=["get"])(page)
    with pytest.raises(ValueError, match="'trace' is no method that a route can have"):
        App(sessions=False).route("/x", methods=["trace"])(page)
