"""Pages of templates: what is escaped, whose templates they are, what they can ask for."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

from crlf import App, AsyncClient, Client, Refused, Response, Templates, render, template

SECRET = "a secret of the tests"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write templates, given by name with "__" for a dot, into a folder of a name."""

    def written(folder: str = "templates", /, **texts: str) -> Path:
        place = tmp_path / folder
        for name, text in texts.items():
            file = place / name.replace("__", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return place

    return written


def showing(folder: Path, name: str, **values: object) -> Response:
    """Show one template by an application that has nothing else."""
    app = App(templates=folder)
    app.get("/")(lambda request: template(name, **values))
    with Client(app=app) as client:
        return client.get("http://localhost/")


# --- what a page is ------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", ["def", "async def"])
def test_a_page_is_made_of_a_template_in_both_colours(write: Write, colour: str) -> None:
    app = App(templates=write(part__html="<p>{{ part.name }} {{ number }}"))

    def part(request: Any, number: int) -> object:
        return template("part.html", part={"name": "Bolt <M10>"}, number=number)

    async def waiting(request: Any, number: int) -> object:
        return part(request, number)

    app.get("/part/{number:int}")(part if colour == "def" else waiting)
    with Client(app=app) as client:
        answer = client.get("http://localhost/part/7")
        assert client.request("HEAD", "http://localhost/part/7").headers["content-length"] == "21"
    assert answer.text == "<p>Bolt &lt;M10&gt; 7"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"

    async def ask() -> str:
        async with AsyncClient(app=app) as client:
            return (await client.get("http://localhost/part/7")).text

    assert asyncio.run(ask()) == answer.text


def test_a_page_is_made_where_its_handler_runs(write: Write) -> None:
    app = App(templates=write(page__html="{{ where() }}"))
    seen = {}

    def told(request: Any) -> object:
        return template("page.html", where=lambda: seen.setdefault("def", threading.get_ident()))

    async def waiting(request: Any) -> object:
        return template("page.html", where=lambda: seen.setdefault("async", threading.get_ident()))

    app.get("/def")(told)
    app.get("/async")(waiting)

    async def ask() -> None:
        async with AsyncClient(app=app) as client:
            await client.get("http://localhost/def")
            await client.get("http://localhost/async")

    asyncio.run(ask())
    assert seen["async"] == threading.get_ident() != seen["def"]


def test_status_and_fields_are_the_handlers(write: Write) -> None:
    app = App(templates=write(page__html="{{ name }}{{ headers }}"))
    fields = {"Content-Type": "text/x-mine", "X-Part": "7"}
    app.get("/all")(lambda request: template("page.html", 404, fields, name="a", headers="b"))
    app.get("/pair")(lambda request: (template("page.html", name="", headers=""), 201, fields))
    with Client(app=app) as client:
        answer = client.get("http://localhost/all")
        assert (answer.status_code, answer.text) == (404, "ab")
        assert (answer.headers["content-type"], answer.headers["x-part"]) == ("text/x-mine", "7")
        answer = client.get("http://localhost/pair")
        assert (answer.status_code, answer.headers["x-part"]) == (201, "7")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("page.html", "text/html; charset=utf-8"),
        ("page.HTML", "text/html; charset=utf-8"),
        ("page.html.jinja", "text/html; charset=utf-8"),
        ("page.svg.j2", "image/svg+xml"),
        ("page.xml", "application/xml"),
        ("page.xhtml", "application/xhtml+xml"),
        ("page.txt", "text/plain; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("page", "application/octet-stream"),
    ],
)
def test_the_kind_follows_from_the_name(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_text("{{ text }}", encoding="utf-8")
    answer = showing(tmp_path, name, text="é<&'\"")
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    is_text = name == "page.txt"
    assert answer.content.decode() == ("é<&'\"" if is_text else "é&lt;&amp;&#39;&#34;")


def test_what_is_safe_is_said_by_the_template(write: Write) -> None:
    folder = write(page__html="{{ a|safe }}{% autoescape false %}{{ a }}{% endautoescape %}{{ a }}")
    assert showing(folder, "page.html", a="<b>").text == "<b><b>&lt;b&gt;"


# --- what is wrong -------------------------------------------------------------------------------


class Item:
    """Something with items alone."""

    def __getitem__(self, key: str) -> object:
        if key == "name":
            return "an item"
        raise TypeError


class Both(dict[str, object]):
    name = "an attribute"

    @property
    def broken(self) -> object:
        raise AttributeError("within")


@pytest.mark.parametrize("name", ["name", "items", "nme", "broken", "0", "__class__"])
@pytest.mark.parametrize(
    "value",
    [
        {"name": "Bolt", "items": 1}, {}, Item(), Both(name=1), Both(), None, "text", [1],
        jinja2.Undefined(name="value"), jinja2.runtime.Namespace(name=2),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_a_template_finds_is_what_jinja2_finds(write: Write, value: object, name: str) -> None:
    folder = write()
    folder.mkdir()
    ours = Templates(folder).environment
    theirs = jinja2.Environment(undefined=jinja2.StrictUndefined)

    def found(environment: jinja2.Environment) -> object:
        try:
            result = environment.getattr(value, name)
        except Exception as fault:
            return type(fault), str(fault)
        if isinstance(result, jinja2.Undefined):
            return type(result), result._undefined_name, result._undefined_message
        return type(result), repr(result)

    assert found(ours) == found(theirs)


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.ERROR, "crlf.server")
    return caplog


@pytest.mark.parametrize(
    ("text", "line", "fault"),
    [
        ("one\n{{ pary }}", 2, "'pary' is undefined"),
        ("{{ part.nme }}", 1, "has no attribute 'nme'"),
        ("{{ part.deeper.still }}", 1, "has no attribute 'deeper'"),
        ("\n\n{% if %}", 3, "Expected an expression"),
        ("{{ 1 / 0 }}", 1, "division by zero"),
        ("{{ url('nowhere') }}", 1, "no route is called 'nowhere'"),
        ("{% include '../secret.html' %}", 1, "../secret.html"),
    ],
)
def test_a_mistake_is_logged_with_its_line_and_no_half_page_is_sent(
    write: Write, errors: pytest.LogCaptureFixture, text: str, line: int, fault: str
) -> None:
    write(".", secret__html="secret")
    folder = write(page__html=text)
    answer = showing(folder, "page.html", part={"name": "Bolt"})
    assert answer.status_code == 500
    assert "one" not in answer.text
    assert "page.html" not in answer.text
    assert f'{folder / "page.html"}", line {line}' in errors.text
    assert fault in errors.text


@pytest.mark.parametrize(
    "name", ["missing.html", "../secret.html", "a/../../secret.html", "..", "", "a\0b", "/"]
)
def test_nothing_is_found_outside_of_the_folder(
    write: Write, errors: pytest.LogCaptureFixture, name: str
) -> None:
    write(".", secret__html="secret")
    folder = write(page__html="page")
    answer = showing(folder, name)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "TemplateNotFound" in errors.text


def test_an_absolute_name_is_in_the_folder_too(write: Write) -> None:
    folder = write(page__html="page")
    assert showing(folder, str(folder / "page.html")).status_code == 500
    assert showing(folder, "/page.html").text == "page"


def test_templates_that_cannot_be_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="missing is no folder"):
        App(templates=tmp_path / "missing")
    with pytest.raises(TypeError, match="not 7"):
        App(templates=7)


def test_without_templates_the_error_says_what_to_do(errors: pytest.LogCaptureFixture) -> None:
    app = App()
    app.get("/")(lambda request: template("page.html"))
    with Client(app=app) as client:
        assert client.get("http://localhost/").status_code == 500
    assert 'App(templates="folder")' in errors.text


def test_without_jinja_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "crlf.server.apps.environment", raising=False)
    with pytest.raises(ImportError, match=r"crlf\[templates\]"):
        App(templates=tmp_path)


def test_a_wrong_request_seen_by_a_template_is_still_the_visitors(write: Write) -> None:
    app = App(templates=write(page__html="{{ request.query.int('page', 1) }}"))
    app.get("/")(lambda request: template("page.html"))
    with Client(app=app) as client:
        assert client.get("http://localhost/?page=3").text == "3"
        answer = client.get("http://localhost/?page=x")
    assert answer.status_code == 400
    assert "'page' should be a whole number" in answer.text


# --- what templates can ask for ------------------------------------------------------------------


def test_a_template_writes_urls_and_sees_the_request(write: Write) -> None:
    page = "{{ url('part', number=7) }} {{ url('page', {'q': 'a&b', 'n': 2}) }} {{ request.path }}"
    app = App(templates=write(page__html=page))
    app.get("/part/{number:int}", name="part")(lambda request, number: "")
    app.get("/page", name="page")(lambda request: template("page.html"))
    with Client(app=app) as client:
        assert client.get("http://localhost/page?x=1").text == "/part/7 /page?q=a%26b&amp;n=2 /page"


def test_macros_of_another_file_can_write_urls(write: Write) -> None:
    folder = write(
        macros__html="{% macro link(n) %}<a href='{{ url('part', number=n) }}'>{% endmacro %}",
        page__html="{% import 'macros.html' as m %}{{ m.link(7) }}",
        layout__html="[{% block main %}{% endblock %}{{ url('part', number=1) }}]",
        below__html="{% extends 'layout.html' %}{% block main %}{{ url('part', number=2) }} "
        "{% endblock %}",
    )
    app = App(templates=folder)
    app.get("/part/{number:int}", name="part")(
        lambda request, number: template("page.html" if number else "below.html")
    )
    with Client(app=app) as client:
        assert client.get("http://localhost/part/7").text == "<a href='/part/7'>"
        assert client.get("http://localhost/part/7").text == "<a href='/part/7'>"
        assert client.get("http://localhost/part/0").text == "[/part/2 /part/1]"


def test_values_come_before_what_a_template_could_ask_for(write: Write) -> None:
    folder = write(page__html="{{ url }} {{ request }} {{ session }}")
    assert showing(folder, "page.html", url=1, request=2, session=3).text == "1 2 3"


def test_a_session_is_opened_when_a_template_looks_at_it(write: Write) -> None:
    folder = write(
        blind__html="{% if false %}{{ session.name }}{% endif %}.",
        seeing__html="{{ session.name }} {{ session['name'] }} {{ session.get('x', 'none') }} "
        "{{ 'name' in session }} {{ session|length }}",
    )
    app = App(secret=SECRET, templates=folder)
    app.get("/{name}")(lambda request, name: template(f"{name}.html"))

    @app.get("/enter", name="enter")
    def enter(request: Any) -> str:
        request.session["name"] = "Anna & Bo"
        return ""

    with Client(app=app) as client:
        client.get("http://localhost/enter")
        assert "vary" not in client.get("http://localhost/blind").headers
        answer = client.get("http://localhost/seeing")
    assert answer.text == "Anna &amp; Bo Anna &amp; Bo none True 1"
    assert "cookie" in answer.headers["vary"].lower()


def test_a_form_has_its_token_and_is_taken_with_it(write: Write) -> None:
    form = "<form method=post>{{ csrf() }}<input name=n></form>"
    app = App(secret=SECRET, templates=write(form__html=form), csrf="token")
    app.get("/form")(lambda request: template("form.html"))
    app.post("/form")(lambda request: request.form["n"])
    with Client(app=app) as client:
        page = client.get("http://localhost/form").text
        name, value = page.split('name="')[1].split('"')[0], page.split('value="')[1].split('"')[0]
        assert page.startswith('<form method=post><input type="hidden" name="csrf_token" value="')
        sent = client.post("http://localhost/form", data={name: value, "n": "7"})
    assert (sent.status_code, sent.text) == (200, "7")


def test_a_form_has_no_token_where_nobody_asks_for_one(write: Write) -> None:
    app = App(secret=SECRET, templates=write(form__html="<form>{{ csrf() }}</form>"))
    app.get("/form")(lambda request: template("form.html"))
    with Client(app=app) as client:
        page = client.get("http://localhost/form")
    assert page.text == "<form></form>"
    assert "set-cookie" not in page.headers
    assert "vary" not in page.headers


def test_flashes_are_shown_once(write: Write) -> None:
    page = "{% for flash in flashes() %}<p class={{ flash.kind }}>{{ flash.text }}{% endfor %}."
    app = App(secret=SECRET, templates=write(page__html=page))
    app.get("/")(lambda request: template("page.html"))

    @app.get("/say")
    def say(request: Any) -> str:
        request.session.flash("Saved <7>.")
        return ""

    with Client(app=app) as client:
        client.get("http://localhost/say")
        assert client.get("http://localhost/").text == "<p class=info>Saved &lt;7&gt;.."
        assert client.get("http://localhost/").text == "."


def test_outside_of_a_page_there_is_none(write: Write) -> None:
    templates = Templates(write(page__html="{{ url('x') }}"))
    with pytest.raises(LookupError):
        templates.environment.get_template("page.html").render()


# --- whose templates they are --------------------------------------------------------------------


def mounted(write: Write) -> App:
    site = App(templates=write("site", both__html="site {{ url('home') }}", own__html="own",
                               oops__html="oops of the site"))  # fmt: skip
    shop = App(templates=write("shop", both__html="shop {{ url('home') }} {{ url('top') }}"),
               )  # fmt: skip
    bare = App()
    for app in (site, shop, bare):
        app.get("/show/{name}", name="show")(lambda request, name: template(name + ".html"))
        app.get("/", name="home")(lambda request: "")
    site.get("/top", name="top")(lambda request: "")

    @site.on_error(410)
    def gone(request: Any, error: Exception) -> object:
        return template("oops.html")

    @shop.get("/gone")
    def was_here(request: Any) -> str:
        raise Refused(410)

    site.mount("/shop", shop)
    site.mount("/bare", bare)
    return site


def test_the_innermost_application_that_has_the_template_makes_the_page(
    write: Write, errors: pytest.LogCaptureFixture
) -> None:
    with Client(app=mounted(write), base_url="http://localhost/") as client:
        assert client.get("shop/show/both").text == "shop /shop/ /top"
        assert client.get("shop/show/own").text == "own"
        assert client.get("bare/show/own").text == "own"
        answer = client.get("shop/gone")
        assert (answer.status_code, answer.text) == (410, "oops of the site")
        assert client.get("shop/show/none").status_code == 500
    assert str(Path("shop")) in errors.text  # where it should have been


def test_one_name_in_two_applications_is_asked_from_the_templates_own(write: Write) -> None:
    shop = App()
    shop.get("/there", name="there")(lambda request: template("page.html"))
    site = App(templates=write(page__html="{{ url('there') }}"))
    site.mount("/shop", shop)
    with Client(app=site) as client:
        assert client.get("http://localhost/shop/there").text == "/shop/there"


# --- environments and files ----------------------------------------------------------------------


def test_an_environment_of_ones_own_is_used_as_it_is() -> None:
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({"page.html": "{{ price|money }}{{ missing }} {{ url() }}"}),
        autoescape=True,
    )
    environment.filters["money"] = lambda number: f"{number:.2f} €"
    environment.globals["url"] = lambda: "mine"
    app = App(templates=environment)
    app.get("/")(lambda request: template("page.html", price=10.5))
    with Client(app=app) as client:
        assert client.get("http://localhost/").text == "10.50 € mine"


def test_templates_are_shared_and_have_filters(write: Write) -> None:
    pages = Templates(write(page__html="{{ price|money }}"))
    pages.environment.filters["money"] = lambda number: f"{number:.2f} €"
    for app in (App(templates=pages), App(templates=pages)):
        app.get("/")(lambda request: template("page.html", price=10.5))
        with Client(app=app) as client:
            assert client.get("http://localhost/").text == "10.50 €"


@pytest.mark.parametrize("debug", [True, False])
def test_a_template_is_read_again_only_while_debugging(write: Write, debug: bool) -> None:
    folder = write(page__html="old")
    app = App(templates=folder, debug=debug)
    app.get("/")(lambda request: template("page.html"))
    with Client(app=app) as client:
        assert client.get("http://localhost/").text == "old"
        write(page__html="new")
        os.utime(folder / "page.html", (1, 1))
        assert client.get("http://localhost/").text == ("new" if debug else "old")


def test_the_folder_is_the_one_of_the_beginning(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(page__html="here")
    monkeypatch.chdir(tmp_path)
    app = App(templates="templates")
    app.get("/")(lambda request: template("page.html"))
    monkeypatch.chdir("/")
    with Client(app=app) as client:
        assert client.get("http://localhost/").text == "here"


def test_a_text_is_made_for_a_mail_also_after_the_answer(write: Write) -> None:
    folder = write(
        mail__txt="Dear {{ name }}: {{ url('order', number=7) }}", page__html="{{ part|upper }}"
    )
    app, asked = App(templates=folder), []

    @app.get("/order/{number:int}")
    def order(request: Any, number: int) -> object:
        asked.append(request)
        return template("page.html", part=render(request, "mail.txt", name="Anna & Bo"))

    with Client(app=app) as client:
        answer = client.get("http://localhost/order/7")
    assert answer.text == "DEAR ANNA &amp; BO: /ORDER/7"
    assert render(asked[0], "mail.txt", name="Bo") == "Dear Bo: /order/7"
