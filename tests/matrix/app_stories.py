"""What every client must see of the shop (app_shop.py), wherever it is served: one story a feature.

A story is a coroutine over a Visitor. It says itself what should be, and gives what it has seen,
which has to be the same wherever it is told.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

from tests.matrix.app_shop import KINDS, LARGE, TRUSTED

from crlf import AsyncClient, Client
from crlf.message.errors import CrlfError
from crlf.message.request import Request
from crlf.message.response import Response

VISITS = count(1)
RUN = uuid4().hex[:8]  # so that no visit is one of another run's
OF_THE_PLACE = {
    "date", "server", "connection", "keep-alive", "transfer-encoding", "last-modified", "etag",
}  # fmt: skip
PHOTO = bytes(range(256)) * 300  # 76,800 bytes: beyond what is kept in memory
JSON = {"accept": "application/json"}
PAGE = {"accept": "text/html"}
ASKING = {"expect": "100-continue", "content-length": "100000", "connection": "close"}


class Visitor:
    """A client with a number of its own, by which the shop notes what it has seen of it."""

    def __init__(self, face: Any, prefix: str, is_told_to_send: bool) -> None:
        self.face = face
        self.prefix = prefix
        self.is_told_to_send = is_told_to_send
        self.number = f"{RUN}-{next(VISITS)}"

    @property
    def base(self) -> str:
        base: str = self.face.base
        return base

    async def ask(self, method: str, path: str, **options: Any) -> Response:
        options["headers"] = {"x-visit": self.number, **options.get("headers", {})}
        response: Response = await self.face.ask(method, self.prefix + path, **options)
        return response

    async def get(self, path: str, **options: Any) -> Response:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Response:
        return await self.ask("POST", path, **options)

    def stream(self, path: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        options["headers"] = {"x-visit": self.number, **options.get("headers", {})}
        context: AbstractAsyncContextManager[Any] = self.face.stream(
            "GET", self.prefix + path, **options
        )
        return context

    async def events(self, path: str, most: int = 1000, **options: Any) -> list[Any]:
        """Read so many events, and leave."""
        client: Client | AsyncClient = self.face.client
        options["headers"] = {"x-visit": self.number}
        found: list[Any] = []
        if isinstance(client, Client):
            with client.events(self.base + self.prefix + path, **options) as heard:
                for event in heard:
                    found.append(event)
                    if len(found) == most:
                        break
        else:
            async with client.events(self.base + self.prefix + path, **options) as waited:
                async for event in waited:
                    found.append(event)
                    if len(found) == most:
                        break
        return found

    async def at_once(self, method: str, path: str, times: int) -> list[Response]:
        """Ask the same several times at once."""
        client: Client | AsyncClient = self.face.client
        asked = [
            Request(method, self.base + self.prefix + path, {"x-visit": self.number})
            for _ in range(times)
        ]
        if isinstance(client, Client):
            outcomes = [outcome for _, outcome in client.gather(asked)]
        else:
            outcomes = [outcome async for _, outcome in client.gather(asked)]
        answers = [one for one in outcomes if isinstance(one, Response)]
        assert len(answers) == times, outcomes
        return answers

    async def notes(self) -> list[Any]:
        found: list[Any] = (await self.get("/notes")).json()
        return found

    async def noted(self, is_enough: Callable[[list[Any]], object]) -> list[Any]:
        """Wait until the shop has noted enough."""
        give_up = time.monotonic() + 8
        while not is_enough(seen := await self.notes()):
            assert time.monotonic() < give_up, seen
            await self.pause(0.005)
        return seen

    async def pause(self, seconds: float) -> None:
        if isinstance(self.face.client, Client):
            time.sleep(seconds)  # noqa: ASYNC251  # a blocking client's story never waits
        else:
            await asyncio.sleep(seconds)


Story = Callable[[Visitor], Awaitable[object]]
STORIES: dict[str, Story] = {}


def story(told: Story) -> Story:
    """Put a story among those that are told everywhere."""
    STORIES[told.__name__] = told
    return told


def play_all(matrix: Any, story: Story, prefix: str = "", *, is_told_to_send: bool = False) -> None:
    """Tell a story in every cell; say of all of them where it went wrong, and how.

    prefix: of the shop, where it is mounted in another application. is_told_to_send: the server
    says 100 to everybody, and asks no application.
    """

    async def told(face: Any) -> object:
        return await story(Visitor(face, prefix, is_told_to_send))

    results: dict[str, object] = {}
    faults: dict[str, str] = {}
    for cell in matrix.cells:
        try:
            results[cell.name] = cell.play(told, {})
        except Exception as fault:
            where = fault.__traceback__
            while where is not None and where.tb_next is not None:
                where = where.tb_next
            line = where.tb_lineno if where is not None else 0
            faults[cell.name] = f"line {line}: {type(fault).__name__}: {str(fault)[:300]}"
            last = fault
    if faults:
        told_of = "\n".join(f"{name}: {fault}" for name, fault in faults.items())
        raise AssertionError(f"{len(faults)} of {len(matrix.cells)} cells:\n{told_of}") from last
    name, first = next(iter(results.items()))
    for other, result in results.items():
        assert result == first, f"{other} differs from {name}"


def seen(response: Response) -> list[object]:
    """Say of a response what does not depend on where it was made."""
    fields = sorted(
        [name.lower(), value]
        for name, value in response.headers.fields
        if name.lower() not in OF_THE_PLACE and name.lower() != "set-cookie"
    )
    content = response.content
    shown = hashlib.sha256(content).hexdigest() if len(content) > 500 else content.decode("latin-1")
    return [response.status_code, fields, shown]


# --- what a handler is given ---------------------------------------------------------------------


@story
async def path_values(visitor: Visitor) -> object:
    good: list[tuple[str, str, object]] = [
        ("int/7", "int", 7), ("int/007", "int", 7), ("float/-1.5", "float", -1.5),
        ("uuid/12345678-1234-5678-1234-567812345678", "UUID",
         "12345678-1234-5678-1234-567812345678"),
        ("slug/a-b_9", "str", "a-b_9"), ("path/a/b%20c/", "str", "a/b c/"), ("path/", "str", ""),
        ("str/gr%C3%BC%C3%9Fe%20%3F", "str", "grüße ?"),
    ]  # fmt: skip
    for path, kind, value in good:
        response = await visitor.get(f"/value/{path}?x=1")
        assert response.json() == {"type": kind, "value": value}, path
    bad = [
        "int/x", "int/7.5", "int/" + "9" * 19, "int/%D9%A1", "float/nan", "float/1e5", "uuid/1234",
        "slug/%C3%BC", "slug/a.b", "str/a%2Fb", "str/", "path/a/../b", "int/",
    ]  # fmt: skip
    found = [(await visitor.get(f"/value/{path}")).status_code for path in bad]
    assert set(found) <= {404, 400}, found
    return found


@story
async def typed_getters(visitor: Visitor) -> object:
    given = {"int": "-7", "float": ".5", "bool": "on", "str": "ü", "choice": "b",
             "date": "2026-03-01"}  # fmt: skip
    expected = {"int": -7, "float": 0.5, "bool": True, "str": "ü", "choice": "b",
                "date": "2026-03-01"}  # fmt: skip
    assert (await visitor.get("/typed/query", params=given)).json() == expected
    assert (await visitor.post("/typed/form", data=given)).json() == expected
    by_parts = await visitor.post("/typed/form", data=given, files={"f": ("f", b"x")})
    assert by_parts.json() == expected
    assert (await visitor.get("/typed/query")).json() == {
        "int": 7, "float": 0.5, "bool": False, "str": "", "choice": "a", "date": None,
    }  # fmt: skip
    wrong = {"int": "7.0", "float": "inf", "bool": "maybe", "choice": "c", "date": "2026-02-30"}
    found = []
    for name, value in wrong.items():
        for response in (
            await visitor.get("/typed/query", params={name: value}, headers=JSON),
            await visitor.post("/typed/form", data={name: value}, headers=JSON),
        ):
            assert response.status_code == 400
            assert response.headers["content-type"] == "application/problem+json"
            said: Any = response.json()
            assert said["parameter"] == name
            assert f"'{name}'" in said["detail"]
            found.append(seen(response))
    missing = await visitor.get("/needed")
    assert missing.status_code == 400
    assert "'number'" in missing.text
    page = await visitor.get("/needed?number=%3Cb%3E", headers=PAGE)
    assert page.headers["content-type"].startswith("text/html")
    assert "<b>" not in page.text
    return [*found, seen(missing), seen(page)]


@story
async def json_and_forms_that_are_none(visitor: Visitor) -> object:
    good = await visitor.post("/typed/json", json={"ü": [1, None]})
    assert good.json() == {"given": {"ü": [1, None]}}
    broken = [b"", b"{", b"\xff", b"[1,]", b"[" * 100_000]
    found = [await visitor.post("/typed/json", content=one, headers=JSON) for one in broken]
    assert [one.status_code for one in found] == [400] * len(broken)
    many = "&".join(f"a{number}=1" for number in range(1001))
    form = {"content-type": "application/x-www-form-urlencoded"}
    found.append(await visitor.post("/typed/form", content=many.encode(), headers=form))
    found.append(await visitor.get(f"/typed/query?{many}"))
    assert [one.status_code for one in found[-2:]] == [413, 414]
    return [seen(one) for one in found]


@story
async def cookies(visitor: Visitor) -> object:
    set_here = await visitor.get("/cookies/set")
    given = set_here.headers.get_all("set-cookie")
    assert given == ["one=1; Path=/; HttpOnly", "two=2; Path=/; Max-Age=60"]
    assert set_here.headers["cache-control"] == "private"
    assert (await visitor.get("/cookies")).json() == [["one", "1"], ["two", "2"]]
    assert (await visitor.post("/cookies")).json() == [["one", "1"], ["two", "2"]]
    await visitor.get("/cookies/drop")
    own = await visitor.get("/cookies", cookies={"own": "3"})
    assert own.json() == [["own", "3"], ["two", "2"]]
    return seen(set_here)


@story
async def negotiation(visitor: Visitor) -> object:
    found = []
    for accept, kind in (
        ("application/json", "application/json"), ("text/html;q=0.1, */*;q=0.5",
         "application/json"), ("*/*", "text/html; charset=utf-8"),
    ):  # fmt: skip
        response = await visitor.get("/chosen", headers={"accept": accept})
        assert response.headers["content-type"] == kind
        assert response.headers["vary"] == "Accept"
        found.append(seen(response))
    refused = await visitor.get("/chosen", headers={"accept": "image/png"})
    assert (refused.status_code, refused.headers["vary"]) == (406, "Accept")
    for wish, tongue in (("de-CH, en;q=0.5", "de"), ("fr", "none"), ("en", "en")):
        response = await visitor.get("/language", headers={"accept-language": wish})
        assert (response.text, response.headers["vary"]) == (tongue, "Accept-Language")
    both = await visitor.get("/cookie/look", headers={"accept": "text/plain"})
    names = {name.strip() for name in both.headers["vary"].split(",")}
    assert names == {"Accept", "Cookie"}
    return [*found, seen(refused), seen(both)]


# --- whose page it is ----------------------------------------------------------------------------


def watched(pulled: list[int], size: int = 100_000) -> Iterator[bytes]:
    """Content that says whether somebody has asked for it."""
    for start in range(0, size, 10_000):
        pulled.append(start)
        yield b"x" * min(10_000, size - start)


@story
async def pages_of_other_sites(visitor: Visitor) -> object:
    theirs = [
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "?"},
    ]  # fmt: skip
    ours: list[dict[str, str]] = [
        {}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": visitor.base},
        {"sec-fetch-site": "cross-site", "origin": TRUSTED},
    ]  # fmt: skip
    found = []
    for fields in theirs:
        for method in ("POST", "PUT", "DELETE"):
            response = await visitor.ask(method, "/write", content=b"x", headers=fields)
            assert response.status_code == 403, (method, fields)
            found.append(seen(response))
        assert (await visitor.get("/lines/plain", headers=fields)).status_code == 200
        opened = await visitor.post("/write/open", content=b"x", headers=fields)
        assert opened.status_code == 200
        assert (await visitor.ask("OPTIONS", "/write", headers=fields)).status_code == 204
    for fields in ours:
        response = await visitor.post("/write", content=b"x", headers=fields)
        assert response.status_code == 200, fields
    pulled: list[int] = []
    length = {**ASKING, "sec-fetch-site": "cross-site"}
    refused = await visitor.post("/write", content=watched(pulled), headers=length)
    assert refused.status_code == 403
    assert pulled == [] or visitor.is_told_to_send
    return found


@story
async def tokens_of_forms(visitor: Visitor) -> object:
    form = {"word": "hinge"}
    bare = await visitor.post("/pages/send", data=form)
    assert bare.status_code == 403
    token = token_in((await visitor.get("/pages/page/a")).text)
    again = token_in((await visitor.get("/pages/page/a")).text)
    assert token != again
    sent = await visitor.post(
        "/pages/send", data={**form, "csrf_token": token}, follow_redirects=True
    )
    assert (sent.status_code, "hinge came." in sent.text) == (200, True)
    assert "hinge came." not in (await visitor.get("/pages/page/a")).text
    by_parts = await visitor.post(
        "/pages/send", data={**form, "csrf_token": again}, files={"f": ("f", b"x")},
        follow_redirects=False,
    )  # fmt: skip
    assert by_parts.status_code == 303
    by_field = await visitor.post(
        "/pages/send", data=form, headers={"x-csrf-token": token}, follow_redirects=False
    )
    assert by_field.status_code == 303
    other = token[:-2] + ("BB" if token.endswith("AA") else "AA")
    wrong = await visitor.post(
        "/pages/send", data={**form, "csrf_token": other},
        headers={"sec-fetch-site": "same-origin"},
    )  # fmt: skip
    assert wrong.status_code == 403
    own = await visitor.post(
        "/pages/send", data=form, headers={"sec-fetch-site": "same-origin"}, follow_redirects=False
    )
    assert own.status_code == 303
    assert (await visitor.post("/pages/data", json=[1])).json() == {"given": [1]}
    return [seen(one) for one in (bare, wrong)]


def token_in(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


# --- sessions ------------------------------------------------------------------------------------


async def session_that_remembers(kind: str, visitor: Visitor) -> object:
    unseen = await visitor.get(f"/{kind}/unseen")
    assert not {"set-cookie", "vary", "cache-control"} & set(unseen.headers)
    empty = await visitor.get(f"/{kind}/show")
    assert empty.json() == {"user": None, "data": {}}
    assert (empty.headers["vary"], empty.headers["cache-control"]) == ("Cookie", "private")
    assert "set-cookie" not in empty.headers
    put = await visitor.post(f"/{kind}/put", data={"n": "1", "ü": "grüße"})
    assert put.headers["cache-control"] == "no-store"
    assert "httponly" in put.headers["set-cookie"].lower()
    for number in (7, 8):
        await visitor.post(f"/{kind}/nested", data={"number": str(number)})
    shown = await visitor.get(f"/{kind}/show")
    assert shown.json() == {"user": None, "data": {"n": "1", "ü": "grüße", "cart": [7, 8]}}
    streamed = [(await visitor.get(f"/{kind}/stream")).text for _ in range(2)]
    assert streamed == ["1", "2"]
    head = await visitor.ask("HEAD", f"/{kind}/stream")
    assert (head.status_code, head.content) == (200, b"")
    failed = await visitor.post(f"/{kind}/fails")
    assert (failed.status_code, "set-cookie" in failed.headers) == (500, False)
    wrong = await visitor.post(f"/{kind}/do/wrong")
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (500, False)
    assert data_of(await visitor.get(f"/{kind}/show"))["n"] == "1"
    assert (await visitor.post(f"/{kind}/refuses")).status_code == 409
    assert data_of(await visitor.get(f"/{kind}/show"))["n"] == "kept"
    cleared = await visitor.post(f"/{kind}/do/clear")
    assert "=; Expires=Thu, 01 Jan 1970" in cleared.headers["set-cookie"]
    assert data_of(await visitor.get(f"/{kind}/show")) == {}
    return [seen(one) for one in (unseen, empty, put, shown, failed, wrong, cleared)]


async def session_of_a_user(kind: str, visitor: Visitor) -> object:
    user = {"user": f"ann-{visitor.number}"}
    is_stored = kind != "cookie"
    await visitor.post(f"/{kind}/put", data={"n": "1"})
    old = cookie_of(visitor, kind)
    signed = await visitor.post(f"/{kind}/do/sign-in", data=user)
    assert signed.json() == {"result": None, **user, "data": {"n": "1"}}
    new = cookie_of(visitor, kind)
    assert new != old
    if is_stored:
        assert (await visitor.get(f"/{kind}/show", headers=old)).json() == {
            "user": None, "data": {},
        }  # fmt: skip
        keep(visitor, kind, new)
    await visitor.post(f"/{kind}/do/rotate")
    assert (cookie_of(visitor, kind) != new) or not is_stored  # signed in the same second
    assert (await visitor.get(f"/{kind}/show")).json() == {**user, "data": {"n": "1"}}
    here = cookie_of(visitor, kind)
    out = await visitor.post(f"/{kind}/do/sign-out")
    assert out.json() == {"result": None, "user": None, "data": {}}
    if is_stored:
        again = await visitor.get(f"/{kind}/show", headers=here)
        assert again.json() == {"user": None, "data": {}}
    await visitor.post(f"/{kind}/do/sign-in", data=user)
    revoked = await visitor.post(f"/{kind}/do/revoke", data=user)
    assert revoked.text == ("revoked" if is_stored else "cannot")
    shown: Any = (await visitor.get(f"/{kind}/show")).json()
    assert shown["user"] == (None if is_stored else user["user"])
    return revoked.text


async def session_merges(kind: str, visitor: Visitor) -> object:
    first = await visitor.post(f"/{kind}/do/increment")
    changed = await visitor.post(f"/{kind}/do/change")
    assert first.json()["result"] == 1
    assert changed.json()["result"] == [0]
    if kind != "cookie":
        at_once = await visitor.at_once("POST", f"/{kind}/do/increment", 6)
        assert [one.status_code for one in at_once] == [200] * 6
        await visitor.at_once("POST", f"/{kind}/do/change", 3)
        assert data_of(await visitor.get(f"/{kind}/show")) == {"count": 7, "seen": [0, 1, 2, 3]}
    for text in ("one", "two"):
        await visitor.post(f"/{kind}/do/flash", data={"text": text})
    shown = [await visitor.post(f"/{kind}/do/flashes") for _ in range(2)]
    results = [one.json()["result"] for one in shown]
    assert results == [[["one", "good"], ["two", "good"]], []]
    return results


def session_stories(kind: str) -> dict[str, Story]:
    """Give the stories of sessions that are kept in one kind of store."""
    told = (session_that_remembers, session_of_a_user, session_merges)
    return {f"{one.__name__}[{kind}]": partial(one, kind) for one in told}


def data_of(response: Response) -> Any:
    said: Any = response.json()
    return said["data"]


def cookie_of(visitor: Visitor, kind: str) -> dict[str, str]:
    """The field with the session's cookie, as the client would send it."""
    found = [
        f"{cookie.name}={cookie.value}"
        for cookie in visitor.face.client.cookies
        if cookie.name.removeprefix("__Host-") == kind
    ]
    assert len(found) == 1, found
    return {"cookie": found[0]}


def keep(visitor: Visitor, kind: str, cookie: dict[str, str]) -> None:
    """Nothing an old id was answered with has changed the client's cookie."""
    assert cookie_of(visitor, kind) == cookie


for _kind in KINDS:
    STORIES |= session_stories(_kind)


@story
async def a_store_that_is_down(visitor: Visitor) -> object:
    cookie = {"cookie": f"down={'A' * 22}; __Host-down={'A' * 22}"}
    down = [
        await visitor.get("/down/show", headers=cookie),
        await visitor.post("/down/put", data={"n": "1"}),
        await visitor.get("/down/show", headers={**cookie, **JSON}),
        await visitor.ask("HEAD", "/down/show", headers=cookie),
    ]
    assert [one.status_code for one in down] == [503] * 4
    assert {one.headers["retry-after"] for one in down} == {"5"}
    assert down[2].headers["content-type"] == "application/problem+json"
    fine = [
        await visitor.get("/down/unseen", headers=cookie), await visitor.get("/memory/show"),
        await visitor.get("/down/unseen"),
    ]  # fmt: skip
    assert [one.status_code for one in fine] == [200] * 3
    return [seen(one) for one in (*down, *fine)]


# --- content -------------------------------------------------------------------------------------


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@story
async def uploads(visitor: Visitor) -> object:
    files = {"photo": ("../ü/..\\photo.png", PHOTO, "image/png"), "empty": ("", b"", "a/b"),
             "small": ("CON", b"x", None)}  # fmt: skip
    response = await visitor.post("/upload", data={"title": "ü", "note": ""}, files=files)
    said: Any = response.json()
    assert said["form"] == [["title", "ü"], ["note", ""]]
    found = {name: facts for name, *facts in said["files"]}
    assert found["photo"][1:] == ["photo.png", "image/png", len(PHOTO), digest_of(PHOTO)]
    assert found["small"][3:] == [1, digest_of(b"x")]
    assert found["small"][1].upper() != "CON"
    assert await visitor_files(visitor) == []
    progress = await visitor.post("/upload/told", data={"a": "1"}, files={"f": ("f", PHOTO)})
    assert progress.text == "1 1 0"
    notes = await visitor.notes()
    total = notes[0][1]
    assert notes[0] == [0, total, False, False]
    assert notes[-1] == [total, total, True, False]
    assert total > len(PHOTO)
    assert [one[0] for one in notes] == sorted(one[0] for one in notes)
    return said["files"]


async def visitor_files(visitor: Visitor) -> list[str]:
    """What the shop has saved of this visitor."""
    names: Any = (await visitor.get("/saved")).json()
    return [name for name in names if visitor.number in name]


@story
async def content_as_it_comes(visitor: Visitor) -> object:
    expected = {"size": len(PHOTO), "sha256": digest_of(PHOTO)}
    for path in ("/pieces", "/pieces/told", "/pieces/whole"):
        for content in (PHOTO, iter([PHOTO[:7], PHOTO[7:70_000], PHOTO[70_000:]])):
            response = await visitor.post(path, content=content)
            assert response.json() == expected, path
    empty = await visitor.post("/pieces", content=b"")
    assert empty.json() == {"size": 0, "sha256": digest_of(b"")}
    asked = await visitor.post("/pieces", content=PHOTO, headers={"expect": "100-continue"})
    assert asked.json() == expected
    echoed = await visitor.post("/echo", content=PHOTO)
    assert echoed.content == PHOTO
    left = await visitor.post("/unread", content=PHOTO)
    assert left.text == "not read"
    pulled: list[int] = []
    unread = await visitor.post("/unread", content=watched(pulled), headers=ASKING)
    assert unread.text == "not read"
    assert pulled == [] or visitor.is_told_to_send
    told = [one for one in await visitor.notes() if isinstance(one, list)]
    assert told[0] == [0, len(PHOTO), False, False]
    assert [len(PHOTO), len(PHOTO), True, False] in told
    assert told[-1] == [len(PHOTO), None, True, False]
    return [seen(one) for one in (empty, asked, left, unread)]


@story
async def parts_as_they_come(visitor: Visitor) -> object:
    parts = {
        "save-a": ("a.bin", PHOTO, "x/y"), "skip-b": ("b.bin", PHOTO, None),
        "pieces-c": ("c.bin", PHOTO, None), "read-d": ("d.txt", b"small", "text/plain"),
    }  # fmt: skip
    response = await visitor.post("/parts", data={"read-first": "ü"}, files=parts)
    said: Any = response.json()
    found = {name: facts for name, *facts in said}
    assert found["read-first"] == [None, found["read-first"][1], found["read-first"][2], 2]
    assert found["save-a"] == ["a.bin", "a.bin", "x/y", [len(PHOTO), digest_of(PHOTO)]]
    assert found["skip-b"][3] is None
    assert found["pieces-c"][3] == len(PHOTO)
    assert found["read-d"] == ["d.txt", "d.txt", "text/plain", 5]
    assert [one[0] for one in said] == ["read-first", *parts]
    large = await visitor.post("/parts", files={"read-d": ("d", PHOTO)})
    assert large.status_code == 413
    other = await visitor.post("/parts", json={"a": 1})
    assert other.status_code in (400, 415)
    kind = {"content-type": "multipart/form-data; boundary=b"}
    broken = await visitor.post("/parts", content=b"--b\r\nwhat?\r\n", headers=kind)
    cut = await visitor.post(
        "/parts", headers=kind,
        content=b'--b\r\nContent-Disposition: form-data; name="save-a"; filename="a"\r\n\r\nhal',
    )  # fmt: skip
    assert [broken.status_code, cut.status_code] == [400, 400]
    assert await visitor_files(visitor) == []
    return [said, *(seen(one) for one in (large, other, broken, cut))]


@story
async def limits_of_content(visitor: Visitor) -> object:
    fits = await visitor.post("/small", content=b"x" * 1000)
    assert fits.text == "1000 0 0"
    found = []
    for path in ("/small", "/pieces/small"):
        pulled: list[int] = []
        asked = await visitor.post(path, content=watched(pulled), headers=ASKING)
        assert (asked.status_code, path) == (413, path)
        assert pulled == [] or visitor.is_told_to_send
        at_once = await visitor.post(path, content=b"x" * 1001)
        chunked = await visitor.post(path, content=iter([b"x" * 500] * 3))
        form = await visitor.post(path, files={"f": ("f", b"x" * 2000)})
        assert [one.status_code for one in (at_once, chunked, form)] == [413] * 3
        found += [seen(one) for one in (asked, at_once, chunked, form)]
    notes = await visitor.notes()
    assert notes.count("called") == 1
    for method, path, status in (("POST", "/nowhere", 404), ("PUT", "/small", 405)):
        pulled = []
        refused = await visitor.ask(
            method, path, content=watched(pulled), headers=ASKING,
            )  # fmt: skip
        assert refused.status_code == status
        assert pulled == [] or visitor.is_told_to_send
    large = await visitor.post("/huge", content=b"x" * (17 * 1024 * 1024))
    assert large.text == str(17 * 1024 * 1024)
    after = await visitor.get("/lines/plain")
    assert after.status_code == 200
    return found


class Left(Exception):
    """A client has left."""


@story
async def a_client_that_leaves_while_it_sends(visitor: Visitor) -> object:
    def half(head: bytes = b"") -> Iterator[bytes]:
        yield head + b"x" * 100_000
        raise Left

    kind = {"content-type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="save-a"; filename="a"\r\n\r\n'
    long = {"content-length": "1000000"}
    for path, head, fields in (
        ("/small", b"", {}), ("/upload", part, kind), ("/pieces", b"", {}), ("/parts", part, kind),
        ("/pieces", b"", long), ("/parts", part, {**kind, **long}), ("/upload", part, long | kind),
    ):  # fmt: skip
        left = False
        try:
            await visitor.post(path, content=half(head), headers=fields)
        except Left:
            left = True
        except CrlfError:  # of a server that answers before all is sent
            pass
        assert left or path == "/small", path
    notes = await visitor.noted(lambda seen: len([one for one in seen if type(one) is list]) >= 2)
    assert "called" not in notes
    ends = [one for one in notes if type(one) is list]
    give_up = time.monotonic() + 5
    while await visitor_files(visitor):
        assert time.monotonic() < give_up, "a part of an upload is left"
        await visitor.pause(0.01)
    assert {one[0] for one in ends} <= {"RemoteError", "ReadFailed"}, ends
    return notes.count("begun")


# --- answers -------------------------------------------------------------------------------------


@story
async def answers_of_all_kinds(visitor: Visitor) -> object:
    statuses = {"status": 201, "fields": 202, "nothing": 204, "response": 203, "none": 500,
                "object": 500, "unknown": 404}  # fmt: skip
    found = []
    for kind in ("text", "bytes", "dict", "list", "dataclass", "json", *statuses):
        response = await visitor.get(f"/answer/{kind}")
        assert response.status_code == statuses.get(kind, 200), kind
        assert response.headers["x-content-type-options"] == "nosniff" or kind == "nothing"
        head = await visitor.ask("HEAD", f"/answer/{kind}")
        assert (head.status_code, head.content) == (response.status_code, b"")
        assert seen(head)[1] == seen(response)[1]
        found.append(seen(response))
    assert json.loads(str(found[4][2])) == {"number": 7, "made": "2026-03-01"}
    return found


@story
async def problems(visitor: Visitor) -> object:
    unknown = await visitor.get("/answer/x", headers=JSON)
    assert unknown.headers["content-type"] == "application/problem+json"
    assert unknown.json() == {
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no x.",
        "kind": "x",
    }  # fmt: skip
    found = [unknown]
    for path, status in (("/nowhere", 404), ("/broken", 500), ("/upload", 405)):
        for fields in (JSON, PAGE, {"accept": "*/*"}):
            response = await visitor.get(path, headers=fields)
            assert response.status_code == status
            assert "secret" not in response.text
            kind = response.headers["content-type"].partition(";")[0]
            assert kind == {
                "application/json": "application/problem+json", "text/html": "text/html",
                "*/*": "text/plain",
            }[fields["accept"]]  # fmt: skip
            found.append(response)
    return [seen(one) for one in found]


@story
async def error_handlers(visitor: Visitor) -> object:
    nowhere = await visitor.get("/caught/not/here")
    assert (nowhere.status_code, nowhere.text) == (
        404,
        f"<p>nothing at {visitor.prefix}/caught/not/here",
    )
    outside = await visitor.get("/nowhere")
    assert "<p>nothing at" not in outside.text
    expected: dict[str, tuple[int, str]] = {
        "key": (422, "name"), "404": (404, "<p>nothing at"), "value": (500, "ValueError"),
        "none": (500, "TypeError"), "stop": (500, ""), "409": (500, ""), "410": (410, "Gone."),
        "401": (401, ""), "int": (400, "unread"),
    }  # fmt: skip
    found = [nowhere]
    for what, (status, text) in expected.items():
        response = await visitor.get(f"/caught/raise/{what}")
        assert (response.status_code, text in response.text) == (status, True), response.text
        assert "secret" not in response.text
        assert (what == "401") == ("www-authenticate" in response.headers)
        head = await visitor.ask("HEAD", f"/caught/raise/{what}")
        assert (head.status_code, head.content) == (status, b"")
        if what != "stop":  # which is raised as another in a coroutine
            found.append(response)
    return [seen(one) for one in found]


@story
async def redirects(visitor: Visitor) -> object:
    target = f"{visitor.prefix}/form/target"
    made = await visitor.post("/redirect", data={"a": "ü&"}, follow_redirects=False)
    assert (made.status_code, made.headers["location"]) == (303, f"{target}?was=%C3%BC%26")
    followed = await visitor.post("/redirect", data={"a": "b"}, follow_redirects=True)
    assert followed.json() == {"method": "GET", "form": [], "q": f"{target}?was=b"}
    kept = await visitor.post("/redirect/307", data={"a": "b"}, follow_redirects=True)
    assert kept.json() == {
        "method": "POST", "form": [["a", "b"]], "q": f"{target}?by=code",
    }  # fmt: skip
    slash = await visitor.post("/form/target/?q=1", data={"a": "b"}, follow_redirects=True)
    assert slash.json() == {"method": "POST", "form": [["a", "b"]], "q": f"{target}?q=1"}
    hostile = [
        await visitor.get("/leaving", params={"to": to}, follow_redirects=False)
        for to in ("//evil.example", "https://evil.example/", "/\\evil.example", "a\r\nb", "")
    ]
    assert {one.status_code for one in hostile} == {500}
    double = await visitor.face.ask("GET", "//evil.example/..//", follow_redirects=False)
    assert not double.headers.get("location", "").startswith("//")
    return [seen(one) for one in (made, followed, kept, slash, *hostile, double)]


@story
async def files_and_ranges(visitor: Visitor) -> object:
    found = []
    for path in ("/file", "/files/large.bin"):
        whole = await visitor.get(path)
        assert whole.content == LARGE
        tag = whole.headers["etag"]
        for wish, status, content in (
            ("bytes=256-511", 206, LARGE[256:512]), ("bytes=-10", 206, LARGE[-10:]),
            ("bytes=262140-", 206, LARGE[-4:]), ("bytes=999999-", 416, None),
            ("lines=1-2", 200, LARGE), ("bytes=0-9,20-29", 206, None),
        ):  # fmt: skip
            part = await visitor.get(path, headers={"range": wish})
            assert (part.status_code, path, wish) == (status, path, wish)
            assert content is None or part.content == content
            if "," not in wish:
                found.append(seen(part))
        stale = await visitor.get(path, headers={"range": "bytes=0-9", "if-range": '"x"'})
        fresh = await visitor.get(path, headers={"range": "bytes=0-9", "if-range": tag})
        assert (stale.status_code, fresh.status_code) == (200, 206)
        same = await visitor.get(path, headers={"if-none-match": tag})
        assert (same.status_code, same.content) == (304, b"")
        head = await visitor.ask("HEAD", path)
        assert (head.headers["content-length"], head.content) == (str(len(LARGE)), b"")
        found += [seen(same), seen(head)]
    saved = await visitor.get("/file/saved")
    assert "attachment" in saved.headers["content-disposition"]
    missing = [await visitor.get("/file/missing"), await visitor.get("/files/nowhere"),
               await visitor.get("/files/../app_shop.py"),
               await visitor.get("/files/%2e%2e/saved")]  # fmt: skip
    assert [one.status_code for one in missing[:2]] == [500, 404]
    assert {one.status_code for one in missing[2:]} <= {400, 404}
    return [*found, seen(saved), *(seen(one) for one in missing)]


@story
async def templates(visitor: Visitor) -> object:
    page = await visitor.get("/pages/page/%3Cb%3E")
    assert "<h1>&lt;b&gt;</h1>" in page.text
    assert f'href="{visitor.prefix}/pages/page/%3Cb%3E"' in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    made = await visitor.get("/pages/made")
    assert (made.status_code, made.headers["x-more"]) == (201, "1")
    plain = await visitor.get("/pages/plain")
    assert (plain.text, plain.headers["content-type"]) == (
        "Dear Anna & Bo", "text/plain; charset=utf-8",
    )  # fmt: skip
    broken = [await visitor.get(f"/pages/{name}") for name in ("broken", "missing")]
    assert [one.status_code for one in broken] == [500, 500]
    assert not any("half a page" in one.text or "nobody" in one.text for one in broken)
    inner = await visitor.get("/pages/inner/page")
    assert "<h1>inner</h1>" in inner.text
    own = await visitor.get("/pages/own/page")
    at = f"{visitor.prefix}/pages"
    assert own.text == f"<b>&lt;own&gt;</b> {at}/own/page {at}/page/a"
    nowhere = await visitor.get("/pages/nowhere")
    assert (nowhere.status_code, "<h1>nowhere</h1>" in nowhere.text) == (404, True)
    for path in ("/pages/page/a", "/pages/own/page", "/pages/broken"):
        head = await visitor.ask("HEAD", path)
        assert head.content == b""
        assert head.status_code == (500 if "broken" in path else 200)
    return [seen(one) for one in (plain, *broken, own)]


@story
async def layers(visitor: Visitor) -> object:
    plain = await visitor.get("/layers/plain")
    assert plain.text == "given 1"
    everything = [plain.headers.get(f"x-{name}") for name in ("filter", "waiting", "stepping")]
    assert everything == ["GET", "1", "1"]
    first = await visitor.notes()
    assert first == [
        "filter in", "waiting in", "stepping in", "handler", "stepping out 200",
        "waiting out 200", "filter out 200",
    ]  # fmt: skip
    found = [plain]
    for path, status in (
        ("short", 403), ("other", 200), ("broken", 500), ("nowhere", 404), ("stream", 200),
        ("inner/plain", 200), ("inner/nowhere", 404),
    ):  # fmt: skip
        response = await visitor.get(f"/layers/{path}")
        assert (response.status_code, path) == (status, path)
        assert response.headers["x-filter"] == "GET"
        assert ("x-inner" in response.headers) == path.startswith("inner")
        assert "secret" not in response.text
        found.append(response)
    assert found[2].text == "another answer"
    assert found[5].text == "one two"
    head = await visitor.ask("HEAD", "/layers/stream")
    assert (head.headers["x-filter"], head.content) == ("HEAD", b"")
    options = await visitor.ask("OPTIONS", "/layers/plain")
    wrong = await visitor.ask("DELETE", "/layers/plain")
    assert (options.status_code, wrong.status_code) == (204, 405)
    assert "allow" in wrong.headers
    found += [options, wrong]
    strangers = await visitor.post("/layers/plain", headers={"sec-fetch-site": "cross-site"})
    assert strangers.status_code == 403
    notes = await visitor.notes()
    assert notes.count("handler") == 1
    return [notes, *(seen(one) for one in (*found, strangers))]


@story
async def work_after_the_answer(visitor: Visitor) -> object:
    assert (await visitor.get("/after")).text == "done"
    notes = await visitor.noted(lambda seen: len(seen) >= 4)
    assert notes == ["handler", "first", "second", "third"]
    assert (await visitor.ask("HEAD", "/after")).content == b""
    notes = (await visitor.noted(lambda seen: len(seen) >= 8))[4:]
    assert notes == ["handler", "first", "second", "third"]
    assert (await visitor.get("/after/stream")).content == b"piece" * 3
    notes = (await visitor.noted(lambda seen: len(seen) >= 12))[8:]
    assert notes == [0, 1, 2, "after"]
    assert (await visitor.get("/after/broken")).status_code == 500
    assert (await visitor.get("/after/refused")).status_code == 409
    notes = (await visitor.noted(lambda seen: len(seen) >= 13))[12:]
    assert notes == ["refused"]
    assert (await visitor.post("/after", content=b"x" * 70_000)).text == "done"
    return (await visitor.noted(lambda seen: len(seen) >= 17))[13:]


# --- what goes on --------------------------------------------------------------------------------


@story
async def told_events(visitor: Visitor) -> object:
    found = []
    for kind in ("few", "few-waiting"):
        heard = await visitor.events(f"/events/{kind}", reconnect=False)
        assert [one.data for one in heard] == ["two\nlines", '{"price":3}', "4"]
        assert (heard[2].event, heard[2].id, heard[2].retry) == ("tick", "id-4", 250)
        whole = await visitor.get(f"/events/{kind}")
        assert whole.headers["content-type"] == "text/event-stream"
        assert whole.headers["cache-control"] == "no-store"
        head = await visitor.ask("HEAD", f"/events/{kind}")
        assert (head.status_code, head.content) == (200, b"")
        found.append(seen(whole))
    for kind in ("quiet", "quiet-waiting"):
        beats = (await visitor.get(f"/events/{kind}")).text
        between = beats.partition("data: first\n\n")[2].partition("data: second")[0]
        assert between.replace(":", "").strip() == ""
        assert between.count(":") >= 2, beats
    again = await visitor.events("/events/again", most=3)
    assert [one.data for one in again] == ["after 0", "after 1", "after 2"]
    assert await visitor.notes() == [0, 1, 2]
    return found


@story
async def a_client_that_leaves_events(visitor: Visitor) -> object:
    for number, kind in enumerate(("ticks", "ticks-waiting"), 1):
        heard = await visitor.events(f"/events/{kind}", most=3, reconnect=False)
        assert [one.data for one in heard] == ["0", "1", "2"]
        await visitor.noted(lambda seen, number=number: seen.count("closed") == number)  # type: ignore[misc]
    head = await visitor.ask("HEAD", "/events/ticks")
    assert head.content == b""
    return await visitor.notes()


@story
async def events_that_fail(visitor: Visitor) -> object:
    said = b""
    try:
        async with visitor.stream("/events/broken") as body, aclosing(body.pieces()) as pieces:
            async for piece in pieces:
                said += piece
    except CrlfError:
        assert b"data: first" in said
        assert b"secret" not in said
        return "broken"
    return "ended"


@story
async def streamed_answers(visitor: Visitor) -> object:
    found = []
    for kind in ("plain", "waiting", "sized"):
        response = await visitor.get(f"/lines/{kind}")
        assert response.text == "line 0\nline 1\nline 2\n"
        head = await visitor.ask("HEAD", f"/lines/{kind}")
        assert (head.status_code, head.content) == (200, b"")
        assert (head.headers.get("content-length") == "21") == (kind == "sized")
        found.append(seen(response))
    broken = "an end"
    try:
        await visitor.get("/lines/broken")
    except CrlfError:
        broken = "an error"
    assert broken == "an error"
    return found


@story
async def a_slow_client_that_leaves(visitor: Visitor) -> object:
    for number, kind in enumerate(("plain", "waiting"), 1):
        before = (await visitor.notes()).count("made")
        async with (
            visitor.stream(f"/endless/{kind}") as body,
            aclosing(body.pieces()) as pieces,
        ):
            read = 0
            while read < 500_000:
                read += len(await anext(pieces))
            made, later = 0, -1
            give_up = time.monotonic() + 5
            while made != later:  # until what the sockets hold is full
                assert time.monotonic() < give_up, (made, later)
                made = (await visitor.notes()).count("made")
                await visitor.pause(0.05)
                later = (await visitor.notes()).count("made")
            assert (made - before) * 65536 < 64_000_000
        await visitor.noted(lambda seen, number=number: seen.count("closed") == number)  # type: ignore[misc]
    made = (await visitor.notes()).count("made")
    head = await visitor.ask("HEAD", "/endless/waiting")
    assert head.content == b""
    assert (await visitor.notes()).count("made") == made
    return "left"


# --- the methods that answer by themselves -------------------------------------------------------

METHODS = {
    "/value/int/7": "GET, HEAD, OPTIONS", "/typed/form": "OPTIONS, POST",
    "/write": "DELETE, OPTIONS, POST, PUT", "/cookies": "GET, HEAD, OPTIONS, POST",
    "/pieces": "OPTIONS, POST", "/files/large.bin": "GET, HEAD, OPTIONS",
    "/pages/page/a": "GET, HEAD, OPTIONS", "/layers/plain": "GET, HEAD, OPTIONS, POST",
    "/events/few": "GET, HEAD, OPTIONS", "/memory/put": "OPTIONS, POST",
    "/caught/raise/key": "GET, HEAD, OPTIONS", "/endless/plain": "GET, HEAD, OPTIONS",
}  # fmt: skip


@story
async def methods(visitor: Visitor) -> object:
    found = []
    for path, allowed in METHODS.items():
        options = await visitor.ask("OPTIONS", path)
        assert (options.status_code, options.headers["allow"]) == (204, allowed), path
        wrong = await visitor.ask("PATCH", path)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, allowed), path
        if "HEAD" not in allowed:
            head = await visitor.ask("HEAD", path)
            assert (head.status_code, head.content) == (405, b"")
        found += [seen(options), seen(wrong)]
    unknown = await visitor.ask("BREW", "/value/int/7")
    nowhere = [await visitor.ask(method, "/nowhere") for method in ("OPTIONS", "HEAD", "PUT")]
    assert unknown.status_code == 501
    assert [one.status_code for one in nowhere] == [404] * 3
    return [*found, seen(unknown), *(seen(one) for one in nowhere)]
