"""The debug page shows an author all there is to know, and a secret to nobody."""
# ruff: noqa: F841  (the values are there to be shown)

from __future__ import annotations

import re
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from crlf import App, Client, Refused, running
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.rules.nearness import is_from_here
from crlf.server.apps.debugpage import MAX_ERRORS, MAX_FRAMES, MAX_PAGE, debug_response
from crlf.server.apps.shownvalues import MAX_VALUE, scrubbed, shown, without_literals

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NASTY = "</pre></dd><script>alert(1)</script>\"'&\x1b[31m"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What is raised here is logged as well, which is tried elsewhere."""


def page_of(
    work: Callable[[Request], object],
    *,
    target: str = "/break",
    fields: tuple[tuple[str, str], ...] = (("Accept", BROWSER),),
    content: bytes = b"",
    method: str = "POST",
) -> Response:
    """Answer for what a function raises, as for a request from this machine."""
    head = (method, target, Headers([("Host", "localhost:8000"), *fields]), "1.1")
    where = Received(peer=("127.0.0.1", 1234), local=("127.0.0.1", 8000))
    request = Request.received(head, content, where)
    try:
        work(request)
    except Exception as error:
        return debug_response(request, error)
    raise AssertionError("nothing was raised")


class Balanced(HTMLParser):
    """Reads a page and notes what stands in it; that each end has its start."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.given: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.given += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def fail(request: Request) -> float:
    amount = 0
    return 1 / amount


def test_it_shows_the_error_where_it_was_and_the_values() -> None:
    response = page_of(fail)
    assert response.status_code == 500
    assert "<h1>ZeroDivisionError</h1>" in response.text
    assert "division by zero" in response.text
    assert re.search(r'<span class="hit"><i>\d+</i> *return 1 / amount</span>', response.text)
    assert "<dt>amount</dt><dd>0</dd>" in response.text
    assert "test_debug_page.py, line" in response.text


def test_the_request_is_as_it_was_on_the_wire() -> None:
    fields = (("X-Second", "2"), ("accept", BROWSER), ("x-First", "a,  b"))
    page = page_of(fail, target="/break?a=1", fields=fields, content=b"12345").text
    wire = page[page.index('class="wire"') :]
    order = ["POST /break?a=1 HTTP/1.1", "Host:", "X-Second:", "accept:", "x-First:</b> a,  b"]
    places = [wire.index(one) for one in order]
    assert places == sorted(places)
    assert "5 bytes" in wire


def test_a_form_is_told_by_the_names_of_its_fields() -> None:
    kind = ("Content-Type", "application/x-www-form-urlencoded")
    page = page_of(
        fail, fields=(("Accept", BROWSER), kind), content=b"name=Ann+Secretive&passphrase=hunter2"
    ).text
    assert "<dd>name, passphrase</dd>" in page
    assert "hunter2" not in page


def test_no_secret_is_shown() -> None:
    @dataclass
    class Account:
        name: str
        password: str
        api_token: str

    class Box(dict):  # type: ignore[type-arg]
        pass

    def work(request: Request) -> None:
        password = "XXX1"
        client_secret = b"XXX2"
        account = Account("ann", "XXX3", "XXX4 with blanks")
        found = {"name": "ann", "Password": "XXX5", "deep": {"session_token": ["XXX6"]}}
        pairs = [("name", "ann"), ("password", "XXX7")]
        boxed = Box(csrf="XXX8")
        header = "Bearer XXX9XXX9"
        link = "https://a.example/?q=1&access_token=XXX10&b=2"
        key = "XXX11"
        settings = "host=a password='XXX12 13' user=b"
        raise ValueError

    fields = (
        ("Accept", BROWSER), ("Authorization", "Basic XXX"), ("Proxy-Authorization", "Basic XXX"),
        ("Cookie", "session=XXX"), ("X-API-Key", "XXX"), ("X-CSRF-Token", "XXX"),
        ("Referer", "https://a.example/?token=XXX"),
    )  # fmt: skip
    page = page_of(work, target="/break?token=XXX&plain=seen", fields=fields).text
    # The source has these words too, in lines that are the author's own.
    values = "".join(re.findall(r"<dd>.*?</dd>", page))
    assert "XXX" not in values
    assert "XXX" not in page[page.index('class="wire"') : page.index("The same as text")]
    assert "ann" in values
    assert "plain=seen" in page
    assert "user=b" in values


def test_a_secret_in_the_source_is_hidden() -> None:
    assert without_literals('password = "hunter2"') == "password = ..."
    assert without_literals('password: str | None = "hunter2"') == "password: str | None = ..."
    assert without_literals('TOKENS = ["hunter2"]') == "TOKENS = [...]"
    assert without_literals('os.environ["API_KEY"] = "hunter2"') == 'os.environ["API_KEY"] = ...'
    assert without_literals('def f(token: str, x="y")') == 'def f(token: str, x="y")'
    assert (
        without_literals("connect(api_key=b'abc', user='me')") == "connect(api_key=..., user='me')"
    )
    assert without_literals("password = form['password']") == "password = form['password']"


@pytest.mark.parametrize("hide", [scrubbed, without_literals])
def test_hiding_takes_a_time_that_grows_with_the_text(hide: Callable[[str], str]) -> None:
    def seconds(times: int) -> float:
        began = time.process_time()
        hide("token" * times)
        return time.process_time() - began

    hide("")  # compiled
    assert seconds(8_000) < 8 * max(seconds(2_000), 0.005)


@pytest.mark.parametrize(
    "text", ["passw" * 800, "secret='" * 500, "token" + "-" * 4000, "bearer " * 600]
)
def test_hiding_takes_no_longer_for_what_is_made_for_it(text: str) -> None:
    assert len(scrubbed(text)) <= 2 * len(text)


def test_nothing_on_it_can_act() -> None:
    def work(request: Request) -> None:
        nasty = NASTY
        raise ValueError(nasty)

    response = page_of(
        work, target=f"/{NASTY}", fields=(("Accept", BROWSER), ("X-Nasty", NASTY[:-5]))
    )
    page = Balanced(response.text)
    assert not {"script", "img", "a", "form", "link", "iframe"} & set(page.tags)
    assert not [name for name, _ in page.given if name.startswith("on") or name in ("src", "href")]
    assert "\x1b" not in response.text
    policy = response.headers["content-security-policy"]
    style = re.search("<style>(.*)</style>", response.text, re.DOTALL)
    assert style is not None
    assert b64encode(sha256(style[1].encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    assert response.headers["cache-control"] == "no-store"


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class NotText:
    def __repr__(self) -> str:
        return 7  # type: ignore[return-value]


class Nothing:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("not even a class")


@pytest.mark.parametrize(
    "make",
    [Unshowable, NotText, Nothing, Odd, lambda: [Unshowable()], lambda: {"a": NotText()}],
    ids=["raises", "no-text", "nothing", "error", "in-a-list", "in-a-dict"],
)
def test_a_value_that_cannot_be_shown_hurts_nobody(make: Callable[[], object]) -> None:
    def work(request: Request) -> None:
        there = make()
        raise Odd

    page = page_of(work).text
    assert "<dt>there</dt>" in page
    assert "Odd" in page


@pytest.mark.parametrize(
    "value",
    ["x" * 10**7, b"x" * 10**7, list(range(10**6)), dict.fromkeys(range(10**6)), 10**4000,
     [[[[[[[[["deep"]]]]]]]]], {"a" * 5000: "b" * 5000}, bytearray(10**6), set(range(10**5))],
    ids=["text", "bytes", "list", "dict", "number", "deep", "keys", "bytearray", "set"],
)  # fmt: skip
def test_a_value_is_shown_in_part(value: object) -> None:
    assert len(shown("value", value)) <= MAX_VALUE


def test_a_list_that_has_itself_has_an_end() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert len(shown("endless", endless)) <= MAX_VALUE


def test_the_page_has_an_end() -> None:
    def deeper(number: int) -> None:
        a = b = c = d = e = f = g = h = "<>&'\"" * 100
        deeper(number + 1)

    def work(request: Request) -> None:
        deeper(0)

    page = page_of(work).text
    assert "RecursionError" in page
    assert "more frames, further out" in page
    assert page.count("<details") <= MAX_FRAMES + 1
    assert len(page) < 2 * MAX_PAGE


def test_what_led_to_it_is_told_newest_first() -> None:
    def work(request: Request) -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise TypeError("second")  # noqa: B904
        except TypeError as cause:
            raise ValueError("third") from cause

    page = page_of(work).text
    places = [
        page.index("<h1>ValueError"),
        page.index("Because of: TypeError: second"),
        page.index("While this was being dealt with: KeyError: &#39;first&#39;"),
    ]
    assert places == sorted(places)


def test_a_chain_without_end_has_one() -> None:
    def work(request: Request) -> None:
        error: Exception = ValueError("0")
        for number in range(1000):
            following = ValueError(str(number))
            following.__cause__ = error
            error = following
        error.__cause__.__cause__.__cause__ = error  # type: ignore[union-attr]
        raise error

    assert page_of(work).text.count("<h2>Because of") < MAX_ERRORS


def test_each_error_of_a_group_is_told() -> None:
    def work(request: Request) -> None:
        raise ExceptionGroup("both", [ValueError("one"), ExceptionGroup("in", [OSError("two")])])

    page = page_of(work).text
    places = [page.index(text) for text in ("1 of 2: ValueError: one", "2 of 2: ", "OSError: two")]
    assert places == sorted(places)


def test_notes_are_told() -> None:
    def work(request: Request) -> None:
        error = ValueError("wrong")
        error.add_note("try the other door")
        raise error

    assert "try the other door" in page_of(work).text


def test_libraries_are_closed_and_the_program_is_open() -> None:
    def work(request: Request) -> None:
        Headers([("a b", "")])

    page = page_of(work).text
    assert page.index("<details open>\n<summary><b>") < page.index("work</b>")
    assert "<details>\n<summary><b>" in page or "headers.py" in page


def test_who_is_no_browser_gets_text_or_json() -> None:
    text = page_of(fail, fields=(("Accept", "*/*"),))
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "ZeroDivisionError" in text.text
    problem = page_of(fail, fields=(("Accept", "application/json"),)).json()
    assert problem["status"] == 500
    assert any("ZeroDivisionError" in line for line in problem["traceback"])


# -- who may see it


@pytest.mark.parametrize(
    ("peer", "host", "may"),
    [
        (("127.0.0.1", 5), "localhost", True), (("127.0.0.1", 5), "127.0.0.1:8000", True),
        (("::1", 5), "[::1]:8000", True), (None, "localhost", True),
        (("127.0.0.1", 5), "shop.example", False), (("192.0.2.1", 5), "localhost", False),
        (("127.0.0.1", 5), "localhost.evil.example", False), (("127.0.0.1", 5), "a b", False),
    ],
)  # fmt: skip
def test_it_is_shown_here_and_by_this_machines_own_name(
    peer: tuple[str, int] | None, host: str, may: bool
) -> None:
    where = Received(peer=peer, local=None if peer is None else ("127.0.0.1", 80))
    request = Request.received(("GET", "/", Headers([("host", host)]), "1.1"), b"", where)
    assert is_from_here(request) == may


def test_who_came_by_a_socket_of_a_proxy_sees_nothing() -> None:
    where = Received(is_unix=True)
    request = Request.received(("GET", "/", Headers([("host", "localhost")]), "1.1"), b"", where)
    assert not is_from_here(request)


def raising(error: Exception, **options: Any) -> App:
    app = App(**options)

    @app.get("/async")
    async def breaks(request: Request) -> str:
        raise error

    @app.get("/def/{number:int}")
    def breaks_in_a_thread(request: Request, number: int) -> str:
        raise error

    return app


@pytest.mark.parametrize("path", ["/async", "/def/7"])
@pytest.mark.parametrize("error", [KeyError("why"), StopIteration(3), RuntimeError()])
def test_both_colours_have_it(path: str, error: Exception) -> None:
    with Client(app=raising(error, debug=True), base_url="http://localhost") as client:
        page = client.get(path, headers={"accept": BROWSER})
        assert (page.status_code, type(error).__name__ in page.text) == (500, True)
        assert "answered by breaks" in page.text
        assert page.headers["vary"] == "Accept"
        Balanced(page.text)


def test_an_application_with_it_listens_on_this_machine_alone() -> None:
    with (
        pytest.raises(ValueError, match=r"debug=True .* bind 127\.0\.0\.1"),
        running(App(debug=True), host="0.0.0.0"),
    ):
        raise AssertionError("it listens")
    with running(App(debug=True)) as server, Client() as client:
        assert client.get(server.url).status_code == 404


def test_it_is_not_for_what_was_refused_nor_without_being_asked() -> None:
    with Client(app=raising(Refused(409, "Sold."), debug=True), base_url="http://localhost") as one:
        assert "breaks" not in one.get("/async", headers={"accept": BROWSER}).text
    with Client(app=raising(KeyError("why")), base_url="http://localhost") as another:
        assert "KeyError" not in another.get("/async", headers={"accept": BROWSER}).text
