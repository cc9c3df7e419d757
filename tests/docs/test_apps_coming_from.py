"""The tables for who comes from another framework name what is there, on either side."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import crlf
from crlf import message, server
from crlf.message.session import Session
from crlf.message.uploads import Upload
from crlf.rules.routes import Pattern
from crlf.server.apps.handlers import RouteOptions
from crlf.server.settable import BY_NAME

PAGE = Path(__file__).resolve().parents[2] / "docs" / "apps" / "coming-from.md"
CODE = re.compile(r"`([^`]+)`")
WITH_OPTION = re.compile(r"([A-Za-z.]+)\(([a-z_]+)=\)")
# What a word of a program stands for, at the start of a name of ours.
STANDS_FOR = {
    "app": crlf.App, "request": crlf.Request, "response": crlf.Response, "upload": Upload,
    "server": server, "message": message,
}  # fmt: skip
# What properties give, which their classes cannot tell.
GIVES = {
    "request.session": Session,
    "request.query": message.Params,
    "request.form": message.Params,
}
SECTIONS = ["From Flask", "From Starlette", "From FastAPI", "From Django"]
# Where each framework keeps its names.
HOMES = {
    "From Flask": ["flask", "flask.sessions", "werkzeug.datastructures", "werkzeug.utils",
                   "werkzeug.middleware.proxy_fix"],
    "From Starlette": [
        f"starlette.{name}"
        for name in ("applications", "background", "concurrency", "datastructures", "exceptions",
                     "middleware", "middleware.base", "middleware.cors", "middleware.gzip",
                     "middleware.sessions", "middleware.trustedhost", "requests", "responses",
                     "routing", "staticfiles", "templating", "testclient")
    ],
    "From FastAPI": ["fastapi", "fastapi.exceptions"],
    "From Django": ["django.http", "django.urls", "django.shortcuts", "django.contrib.messages",
                    "django.contrib.auth", "django.contrib.sessions.backends.base",
                    "django.core.exceptions", "django.views.decorators.csrf", "django.test",
                    "django.utils.http", "django.conf.global_settings"],
}  # fmt: skip
# Words that name no attribute: of other packages, of templates, of a class that an app fills.
ELSEWHERE = {
    "CSRFProtect", "login_user", "handler404", "handler500", "runserver", "response_model",
    "flask.g",
}  # fmt: skip


def rows(title: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words in code of the first two cells of each row."""
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    (section,) = [each for each in sections if each.startswith(f"{title}\n")]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        theirs, ours, *_ = line.strip("|").split("|")
        yield CODE.findall(theirs), CODE.findall(ours)


def exists(name: str) -> bool:
    """Tell whether a word in the middle is a name, an argument, an option or a slot."""
    if name.startswith("--"):
        return name == "--reload" or name.removeprefix("--") in BY_NAME
    if name.startswith("{"):
        return bool(Pattern(f"/a/{name}").names)
    if name == "crlf serve":
        return True
    with_option = WITH_OPTION.fullmatch(name)
    if with_option is not None:
        return exists(with_option[1]) and with_option[2] in options_of(with_option[1])
    return found(name) is not None


def found(name: str) -> object:
    owner, _, last = name.rpartition(".")
    if owner:
        return getattr(GIVES.get(owner) or found(owner), last, None)
    return STANDS_FOR.get(last) or (getattr(crlf, last) if last in crlf.__all__ else None)


def options_of(name: str) -> set[str]:
    if name in ("Client", "AsyncClient"):
        return set(crlf.ClientOptions.__annotations__)
    if name.startswith("app."):
        return set(RouteOptions.__annotations__)
    return set(inspect.signature(found(name)).parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("title", SECTIONS)
def test_every_name_of_ours_exists(title: str) -> None:
    ours = [name for _, names in rows(title) for name in names]
    assert len(ours) > 9
    assert [name for name in ours if not exists(name)] == []


def test_a_name_that_is_not_ours_is_seen() -> None:
    wrong = [
        "request.args", "app.mounts", "App(middleware=)", "app.post(limit=)", "{number:integer}",
        "--nope", "request.session.flush", "Client(application=)", "request.query.ints",
        "Blueprint",
    ]  # fmt: skip
    assert [name for name in wrong if exists_or_fails(name)] == []


def exists_or_fails(name: str) -> bool:
    try:
        return exists(name)
    except ValueError:
        return False


def test_a_name_that_is_not_theirs_is_seen() -> None:
    flask = [pytest.importorskip("flask")]
    wrong = ["request.query", "app.filter", "UPLOAD_LIMIT", "Refused", "request.nothing"]
    assert [name for name in wrong if is_theirs(name, flask, "From Flask")] == []


@pytest.mark.filterwarnings("ignore")  # theirs, on being imported
@pytest.mark.parametrize("title", SECTIONS)
def test_every_name_of_theirs_exists(title: str) -> None:
    pytest.importorskip(HOMES[title][0].partition(".")[0])
    homes = [importlib.import_module(name) for name in HOMES[title]]
    theirs = [word.removeprefix("await ") for words, _ in rows(title) for word in words]
    names = [word for word in theirs if re.fullmatch(r"[A-Za-z_.0-9]+(\(\))?", word)]
    assert len(names) > 9
    missing = [name for name in names if not is_theirs(name.removesuffix("()"), homes, title)]
    assert set(missing) <= ELSEWHERE


def is_theirs(name: str, homes: list[ModuleType], title: str) -> bool:
    """Tell whether a framework has a name; what an object gets when it is made counts too."""
    first, *rest = name.split(".")
    kinds = {
        "app": ("Flask",), "request": ("Request", "HttpRequest"), "response": ("Response",),
        "messages": ("messages",),
    }  # fmt: skip
    for place in homes:
        if name in vars(place):  # a setting may be None
            return True
        for start in kinds.get(first, (first,)):
            thing: object = getattr(place, start, None)
            if thing is None and start == "messages" and place.__name__.endswith("messages"):
                thing = place
            for word in rest:
                thing = getattr(thing, word, None) or sets_it(thing, word)
            if thing is not None:
                return True
    if title == "From Flask" and name.isupper():
        return name in homes[0].Flask.default_config
    return title == "From Flask" and name == "static_folder"


def sets_it(kind: object, name: str) -> object:
    """Tell whether a class sets an attribute when an object of it is made."""
    classes = inspect.getmro(kind) if isinstance(kind, type) else ()
    for one in classes:
        if one is not object and re.search(rf"\bself\.{name}\b\s*(:|=)", inspect.getsource(one)):
            return True
    if name == "user" and "HttpRequest" in str(kind):
        return True  # set by AuthenticationMiddleware
    return True if name == "session" and "HttpRequest" in str(kind) else None


def test_redirects_of_theirs_are_as_told() -> None:
    """The page says that theirs are 302 and 307, and ours 303."""
    flask = pytest.importorskip("flask")
    responses = pytest.importorskip("starlette.responses")
    told = PAGE.read_text(encoding="utf-8")
    codes = [
        inspect.signature(flask.redirect).parameters["code"].default,
        inspect.signature(responses.RedirectResponse).parameters["status_code"].default,
        inspect.signature(crlf.redirect).parameters["status_code"].default,
    ]
    assert f"| redirect | {codes[0]} | {codes[1]} | 302 | {codes[2]} |" in told
