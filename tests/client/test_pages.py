"""Pages: the next one is found by its link, and credentials stay where they belong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from crlf import App
from crlf.client.aio import AsyncClient
from crlf.client.blocking import Client
from crlf.client.options import RequestOptions
from crlf.client.pages import MAX_PAGES, Trail, pages, pages_async
from crlf.message.errors import CrlfError, LocalError, RemoteError, StatusError, TooLarge
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL

pytestmark = pytest.mark.rfc("8288", "3.3")

Log = list[tuple[str, str, str | None]]


def make_app(log: Log) -> App:
    """Three pages of a list, and some lists that are not well."""
    app = App()

    @app.get("/list")
    async def pages_of_list(request: Request) -> Response:
        host = request.headers["host"]
        log.append((host, request.target, request.headers.first("authorization")))
        number = request.query.get("page", "1")
        links = {"1": "</list?page=2&n=3>; rel=next", "2": '<?page=3&n=3#x>; rel="next last"'}
        headers = {"link": links[number]} if number in links else {}
        return Response(200, headers, number.encode())

    @app.get("/to/{name}")
    async def somewhere(request: Request, name: str) -> Response:
        log.append((request.headers["host"], request.target, None))
        links = {
            "elsewhere": "<http://b.example/list?page=3>; rel=next",
            "encrypted": "<https://a.example/list?page=3>; rel=next",
            "port": "<http://a.example:8080/list?page=3>; rel=next",
            "itself": "<#again>; rel=next",
            "circle": "</to/back>; rel=next",
            "back": "</to/circle>; rel=next",
            "user": "<http://eve:x@a.example/list?page=3>; rel=next",
            "mail": "<mailto:a@a.example>; rel=next",
        }
        return Response(200, {"link": links[name]}, name.encode())

    @app.get("/moved")
    async def moved(request: Request) -> Response:
        return Response(302, {"location": "http://b.example/list"})

    @app.get("/cursor")
    async def cursor(request: Request) -> Response:
        at = int(request.query.get("at", "0"))
        return Response(200, {}, json.dumps({"next": f"?at={at + 1}" if at < 3 else None}))

    @app.get("/broken")
    async def broken(request: Request) -> Response:
        return Response(500, {}, b"sorry")

    return app


def walk(url: str, *, most: int = 99, options: RequestOptions | None = None, **trail: Any) -> Any:
    """Walk the pages in both colours, demand that both see the same, and return it."""

    def blocking(log: Log) -> Any:
        with Client(app=make_app(log)) as client:
            seen = []
            try:
                for page in pages(client, url, options or {}, Trail(**trail)):
                    seen.append(page.text)
                    if len(seen) == most:
                        break
            except CrlfError as fault:
                return seen, fault
            return seen, None

    async def waiting(log: Log) -> Any:
        async with AsyncClient(app=make_app(log)) as client:
            seen = []
            try:
                async for page in pages_async(client, url, options or {}, Trail(**trail)):
                    seen.append(page.text)
                    if len(seen) == most:
                        break
            except CrlfError as fault:
                return seen, fault
            return seen, None

    logs: tuple[Log, Log] = ([], [])
    one, two = blocking(logs[0]), asyncio.run(waiting(logs[1]))
    assert one[0] == two[0]
    assert type(one[1]) is type(two[1])
    assert logs[0] == logs[1]
    return *one, logs[0]


def test_the_next_page_is_asked_for_until_there_is_none() -> None:
    seen, fault, log = walk("http://a.example/list")
    assert (seen, fault) == (["1", "2", "3"], None)
    assert [target for _, target, _ in log] == ["/list", "/list?page=2&n=3", "/list?page=3&n=3"]


def test_parameters_are_for_the_first_page_and_fields_for_all() -> None:
    options: RequestOptions = {"params": {"n": 3}, "headers": {"authorization": "Bearer abc"}}
    _, _, log = walk("http://a.example/list", options=options)
    assert [target for _, target, _ in log] == [
        "/list?n=3",
        "/list?page=2&n=3",
        "/list?page=3&n=3",
    ]
    assert {auth for _, _, auth in log} == {"Bearer abc"}


def test_a_user_in_the_first_url_is_the_user_of_all() -> None:
    _, _, log = walk("http://joe:secret@a.example/list")
    assert [auth for _, _, auth in log] == ["Basic am9lOnNlY3JldA=="] * 3


def test_pages_are_asked_for_one_at_a_time() -> None:
    seen, _, log = walk("http://a.example/list", most=1)
    assert seen == ["1"]
    assert len(log) == 1


def test_a_limit_ends_the_pages_in_silence() -> None:
    seen, fault, log = walk("http://a.example/list", limit=2)
    assert (seen, fault, len(log)) == (["1", "2"], None, 2)
    with pytest.raises(ValueError, match="1 or more"):
        Trail(limit=0)


@pytest.mark.parametrize("name", ["elsewhere", "encrypted", "port"])
def test_no_page_is_asked_for_at_another_origin(name: str) -> None:
    seen, fault, log = walk(f"http://a.example/to/{name}")
    assert seen == [name]
    assert isinstance(fault, LocalError)
    assert "another origin" in str(fault)
    assert fault.request is not None
    assert len(log) == 1


def test_another_origin_may_be_named() -> None:
    seen, fault, log = walk("http://a.example/to/elsewhere", origins=["http://b.example"])
    assert (seen, fault) == (["elsewhere", "3"], None)
    assert log[1][0] == "b.example"


def test_where_a_redirect_leads_is_another_origin_too() -> None:
    seen, fault, _ = walk("http://a.example/moved")
    assert seen == ["1"]
    assert isinstance(fault, LocalError)


@pytest.mark.parametrize(("name", "seen"), [("itself", ["itself"]), ("circle", ["circle", "back"])])
def test_a_circle_is_noticed(name: str, seen: list[str]) -> None:
    found, fault, _ = walk(f"http://a.example/to/{name}")
    assert found == seen
    assert isinstance(fault, RemoteError)
    assert "circle" in str(fault)


def test_a_user_in_a_link_is_not_the_callers() -> None:
    _, fault, log = walk("http://a.example/to/user")
    assert fault is None
    assert log[1] == ("a.example", "/list?page=3", None)


def test_a_link_to_what_is_no_page_is_an_error() -> None:
    assert isinstance(walk("http://a.example/to/mail")[1], CrlfError)


def test_an_interface_may_say_it_in_its_content() -> None:
    def next_page(response: Response) -> str | None:
        document: Any = response.json()
        following: str | None = document["next"]
        return following

    seen, fault, _ = walk("http://a.example/cursor", next_page=next_page)
    assert (len(seen), fault) == (4, None)


def test_an_error_page_is_a_page_and_the_last_one() -> None:
    assert walk("http://a.example/broken")[:2] == (["sorry"], None)
    with Client(app=make_app([])) as client:
        (page,) = pages(client, "http://a.example/broken", {}, Trail())
        with pytest.raises(StatusError):
            page.raise_for_status()


def test_pages_without_end_end_in_an_error() -> None:
    def page(number: int) -> Response:
        response = Response(200, {"link": f"<?{number + 1}>; rel=next"})
        response.request = Request("GET", f"http://a.example/?{number}")
        return response

    trail = Trail()
    for number in range(MAX_PAGES - 1):
        assert trail.after(page(number)) == URL(f"http://a.example/?{number + 1}")
    with pytest.raises(TooLarge, match="pages over its limit of 10,000"):
        trail.after(page(MAX_PAGES - 1))
