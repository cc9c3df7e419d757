"""One application with all that an application may have, in either colour, for the matrix.

Handlers are written once as `def`; the other colour wraps them into an `async def`, except for
those that wait, which are written twice. What handlers see is noted by the visit, a field of the
request, and told at /notes: so the stories are the same whether this is here or elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.server.session_visitors import MemoryStore

from crlf.message.errors import CrlfError, LocalError, StoreUnavailable
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.sessionstore import Record
from crlf.server import App, Refused, events, file, html, redirect, stream, template, text
from crlf.server import json as json_answer
from crlf.wire.sse import ServerSentEvent

SECRET = b"0123456789abcdef0123456789abcdef"
LARGE = bytes(range(256)) * 1024  # 256 KiB
PIECE = b"x" * 65536
KINDS = ("cookie", "file", "memory")
TRUSTED = "https://friend.example"

TEMPLATES = {
    "layout.html": "<title>{% block title %}Shop{% endblock %}</title>"
    "{% for one in flashes() %}<p class={{ one.kind }}>{{ one.text }}</p>{% endfor %}"
    "{% block main %}{% endblock %}",
    "page.html": '{% extends "layout.html" %}{% block main %}<h1>{{ name }}</h1>'
    '<a href="{{ url("page", name=name) }}">here</a>{{ csrf() }}{% endblock %}',
    "broken.html": "<h1>half a page</h1>{{ nobody.said }}",
    "plain.txt": "Dear {{ name }}",
}
OWN_TEMPLATES = {
    "own.html": "<b>{{ name }}</b> {{ url('inner_page') }} {{ url('page', name='a') }}"
}


def furnish(folder: Path) -> None:
    """Write the files that the shop needs."""
    for place, texts in (("templates", TEMPLATES), ("own", OWN_TEMPLATES)):
        (folder / place).mkdir()
        for name, content in texts.items():
            (folder / place / name).write_text(content)
    (folder / "saved").mkdir()
    (folder / "files").mkdir()
    (folder / "files" / "large.bin").write_bytes(LARGE)
    (folder / "files" / "page.html").write_text("<p>a file")


class Notes:
    """What handlers have seen, by visit."""

    def __init__(self) -> None:
        self.of: dict[str, list[Any]] = defaultdict(list)

    def add(self, request: Request, thing: object) -> None:
        self.of[request.headers.get("x-visit", "")].append(thing)


class DownStore(MemoryStore):
    """A store that never answers."""

    def load(self, key: str, now: int) -> Record | None:
        raise StoreUnavailable("the store is down")

    def _held(self, key: str, now: int) -> Record | None:
        raise StoreUnavailable("the store is down")


class Colour:
    """Gives an application its handlers, in one colour."""

    def __init__(self, app: App, waits: bool) -> None:
        self.app = app
        self.waits = waits

    def __call__(self, path: str, *methods: str, **options: Any) -> Callable[[Any], Any]:
        route = self.app.route(path, methods or ("GET",), **options)
        return lambda handler: route(self.of(handler))

    def of(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """Give a handler of this colour."""
        if not self.waits:
            return handler

        @wraps(handler)
        async def waiting(request: Request, *others: Any, **values: Any) -> Any:
            await asyncio.sleep(0)
            return handler(request, *others, **values)

        return waiting

    def either(self, path: str, plain: Any, waiting: Any, *methods: str, **options: Any) -> None:
        """Register the handler of this colour."""
        self.app.route(path, methods or ("GET",), **options)(waiting if self.waits else plain)


def make_shop(folder: Path, *, waits: bool, valkey: str = "") -> App:
    """Make the application. waits: its handlers are `async def`. valkey: a store's URL."""
    notes = Notes()
    app = App(sessions=False, trusted_origins=(TRUSTED,))
    route = Colour(app, waits)

    @route("/notes")
    def told(request: Request) -> object:
        return notes.of[request.headers["x-visit"]]

    add_values(route)
    add_answers(route, folder)
    add_streams(route, notes)
    add_uploads(route, notes, folder)
    add_events(route, notes)
    add_afterwards(route, notes)
    stores: dict[str, Any] = {
        "cookie": "cookie",
        "file": folder / f"sessions-{waits}.sqlite",
        "memory": MemoryStore(),
        "down": DownStore(),
    }
    if valkey:
        stores["valkey"] = valkey
    for kind, store in stores.items():
        app.mount(f"/{kind}", sessions_shop(kind, store, waits))
    app.mount("/pages", pages_shop(folder, waits))
    app.mount("/layers", layers_shop(notes, waits))
    app.mount("/caught", catching_shop(waits))
    app.folder("/files", folder / "files")
    return app


def from_environment() -> App:
    """Make the application for whoever serves it by its name."""
    waits = os.environ["SHOP_WAITS"] == "yes"
    return make_shop(Path(os.environ["SHOP_FOLDER"]), waits=waits)


# --- what a handler is given ---------------------------------------------------------------------


def add_values(route: Colour) -> None:
    for kind in ("int", "float", "uuid", "slug", "path", "str"):
        slot = "{value}" if kind == "str" else f"{{value:{kind}}}"

        @route(f"/value/{kind}/{slot}", name=f"value-{kind}")
        def value(request: Request, value: Any) -> object:
            shown = str(value) if isinstance(value, UUID) else value
            return {"type": type(value).__name__, "value": shown}

    def typed(params: Any) -> object:
        return {
            "int": params.int("int", 7),
            "float": params.float("float", 0.5),
            "bool": params.bool("bool", False),
            "str": params.str("str", ""),
            "choice": params.choice("choice", ("a", "b"), "a"),
            "date": params.read("date", date.fromisoformat, None, expected="a date"),
        }

    @route("/typed/query")
    def typed_query(request: Request) -> object:
        return typed(request.query)

    @route("/typed/form", "POST")
    def typed_form(request: Request) -> object:
        return typed(request.form)

    @route("/needed")
    def needed(request: Request) -> object:
        return {"number": request.query.int("number")}

    @route("/typed/json", "POST")
    def typed_json(request: Request) -> object:
        return {"given": request.json()}

    @route("/cookies", "GET", "POST")
    def cookies(request: Request) -> object:
        return sorted(request.cookies.pairs)

    @route("/cookies/set")
    def set_cookies(request: Request) -> Response:
        bitten = text("set").adding_field("set-cookie", "one=1; Path=/; HttpOnly")
        return bitten.adding_field("set-cookie", "two=2; Path=/; Max-Age=60")

    @route("/cookies/drop")
    def drop_cookies(request: Request) -> Response:
        return text("gone").adding_field("set-cookie", "one=; Path=/; Max-Age=0")

    @route("/chosen")
    def chosen(request: Request) -> object:
        kind = request.accepts("text/html", "application/json")
        if kind is None:
            raise Refused(406, "There is HTML, and there is JSON.")
        return html("<p>it") if kind == "text/html" else {"it": True}

    @route("/language")
    def language(request: Request) -> object:
        return text(request.accepts_language("en", "de") or "none")

    @route("/write", "POST", "PUT", "DELETE")
    def write(request: Request) -> str:
        return f"written {len(request.content)}"

    @route("/write/open", "POST", cross_site=True)
    def write_open(request: Request) -> str:
        return f"written {len(request.content)}"


# --- what it returns -----------------------------------------------------------------------------


@dataclass
class Part:
    number: int
    made: date


def add_answers(route: Colour, folder: Path) -> None:
    answers: dict[str, Callable[[], object]] = {
        "text": lambda: "<p>grüße",
        "bytes": lambda: b"\0\xff",
        "dict": lambda: {"ü": [1, None]},
        "list": lambda: [1, "2"],
        "dataclass": lambda: Part(7, date(2026, 3, 1)),
        "status": lambda: ({"made": True}, 201),
        "fields": lambda: ("made", 202, {"x-more": "1"}),
        "nothing": lambda: ("", 204),
        "response": lambda: text("itself", 203),
        "json": lambda: json_answer([UUID(int=7)]),
        "none": lambda: None,
        "object": lambda: object(),
    }

    @route("/answer/{kind}")
    def answer(request: Request, kind: str) -> object:
        if kind not in answers:
            raise Refused(404, f"There is no {kind}.", problem={"kind": kind})
        return answers[kind]()

    @route("/broken", "GET", "POST")
    def broken(request: Request) -> str:
        raise ZeroDivisionError("a secret of ours")

    @route("/form/target", "GET", "POST")
    def target(request: Request) -> object:
        return {"method": request.method, "form": list(request.form.pairs), "q": request.target}

    @route("/redirect", "POST")
    def redirects(request: Request) -> Response:
        return redirect(route.app.url("target", {"was": request.form.str("a")}))

    @route("/redirect/{code:int}", "GET", "POST")
    def redirects_by(request: Request, code: int) -> Response:
        return redirect(route.app.url("target", {"by": "code"}), code)

    @route("/leaving")
    def leaving(request: Request) -> Response:
        return redirect(request.query.str("to"))

    @route("/file")
    def one_file(request: Request) -> object:
        return file(folder / "files" / "large.bin")

    @route("/file/saved")
    def saved_file(request: Request) -> object:
        return file(folder / "files" / "page.html", "ü page.html"), 200, {"x-more": "1"}

    @route("/file/missing")
    def missing_file(request: Request) -> object:
        return file(folder / "files" / "nowhere")


def add_streams(route: Colour, notes: Notes) -> None:
    def endless(request: Request) -> Iterator[bytes]:
        try:
            while True:
                notes.add(request, "made")
                yield PIECE
        finally:
            notes.add(request, "closed")

    async def endless_async(request: Request) -> AsyncIterator[bytes]:
        try:
            while True:
                notes.add(request, "made")
                yield PIECE
        finally:
            notes.add(request, "closed")

    sources: dict[str, Callable[[Request], Any]] = {"plain": endless, "waiting": endless_async}

    @route("/endless/{kind}")
    def endlessly(request: Request, kind: str) -> Response:
        return stream(sources[kind](request))

    async def lines_async() -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield b"line %d\n" % number

    @route("/lines/{kind}")
    def lines(request: Request, kind: str) -> Response:
        if kind == "waiting":
            return stream(lines_async(), "text/plain")
        length = {"content-length": "21"} if kind == "sized" else None
        return stream((b"line %d\n" % number for number in range(3)), "text/plain", 200, length)

    @route("/lines/broken")
    def broken_lines(request: Request) -> Response:
        def half() -> Iterator[bytes]:
            yield b"half"
            raise ZeroDivisionError("a secret of ours")

        return stream(half())


# --- what comes in -------------------------------------------------------------------------------


def add_uploads(route: Colour, notes: Notes, folder: Path) -> None:
    def told(request: Request, progress: Any) -> None:
        notes.add(request, [progress.received, progress.total, progress.ended, progress.failed])

    def place(request: Request, name: str = "upload") -> Path:
        return folder / "saved" / f"{request.headers['x-visit']}-{name}"

    @route("/saved")
    def saved(request: Request) -> object:
        return sorted(path.name for path in (folder / "saved").iterdir())

    @route("/upload", "POST")
    def upload(request: Request) -> object:
        found = []
        for name in request.files:
            one: Any = request.files[name]
            where = one.save(place(request))
            content = where.read_bytes()
            where.unlink()
            assert content == one.read()
            assert hashlib.sha256(content).hexdigest() == one.sha256
            facts = [one.filename, one.safe_name(), one.content_type, one.size, one.sha256]
            found.append([name, *facts])
        return {"form": list(request.form.pairs), "files": found}

    @route("/upload/told", "POST", progress=told)
    def upload_told(request: Request) -> str:
        return f"{len(request.files)} {len(request.form)} {len(request.content)}"

    @route("/small", "POST", body=1000)
    def small(request: Request) -> str:
        notes.add(request, "called")
        return f"{len(request.content)} {len(request.form)} {len(request.files)}"

    @route("/huge", "POST", body=None)
    def huge(request: Request) -> str:
        return f"{len(request.content)}"

    def pieces(request: Request) -> object:
        notes.add(request, "begun")
        digest, size = hashlib.sha256(), 0
        try:
            for piece in request.pieces():
                digest.update(piece)
                size += len(piece)
        except Exception as fault:
            notes.add(request, [type(fault).__name__, size])
            raise
        return {"size": size, "sha256": digest.hexdigest()}

    async def pieces_async(request: Request) -> object:
        notes.add(request, "begun")
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in request.pieces():
                digest.update(piece)
                size += len(piece)
        except Exception as fault:
            notes.add(request, [type(fault).__name__, size])
            raise
        return {"size": size, "sha256": digest.hexdigest()}

    route.either(
        "/pieces", pieces, pieces_async, "POST", name="pieces", streams=True, body=20_000_000
    )
    route.either("/pieces/small", pieces, pieces_async, "POST", name="few", streams=True, body=1000)
    route.either(
        "/pieces/told", pieces, pieces_async, "POST", name="told", streams=True, progress=told
    )
    route.either("/pieces/whole", pieces, pieces_async, "POST", name="whole")

    def facts(part: Any) -> list[object]:
        return [part.name, part.filename, part.safe_name(), part.content_type]

    def parts(request: Request) -> object:
        found: list[object] = []
        notes.add(request, "begun")
        for part in request.parts():
            how = part.name.partition("-")[0]
            said: object = None
            if how == "save":
                where = part.save(place(request))
                said = [where.stat().st_size, part.sha256]
                where.unlink()
            elif how == "read":
                said = len(part.read(1000))
            elif how == "pieces":
                said = sum(len(piece) for piece in part.pieces())
            found.append([*facts(part), said])
        return found

    async def parts_async(request: Request) -> object:
        found: list[object] = []
        notes.add(request, "begun")
        async for part in request.parts():
            how = part.name.partition("-")[0]
            said: object = None
            if how == "save":
                where = await part.save(place(request))
                said = [where.stat().st_size, part.sha256]
                where.unlink()
            elif how == "read":
                said = len(await part.read(1000))
            elif how == "pieces":
                said = 0
                async for piece in part.pieces():
                    said += len(piece)
            found.append([*facts(part), said])
        return found

    route.either("/parts", parts, parts_async, "POST", name="parts", streams=True)

    @route("/unread", "POST", streams=True)
    def unread(request: Request) -> str:
        return "not read"

    @route("/echo", "POST", streams=True)
    def echo(request: Request) -> Response:
        return stream(request.pieces())


# --- what goes on --------------------------------------------------------------------------------


def add_events(route: Colour, notes: Notes) -> None:
    told = ["two\nlines", {"price": 3}, ServerSentEvent("tick", "4", "id-4", 250)]

    async def few_async(request: Request) -> AsyncIterator[Any]:
        for event in told:
            await asyncio.sleep(0)
            yield event

    def ticking(request: Request) -> Iterator[Any]:
        try:
            for number in range(10_000):
                yield str(number)
                time.sleep(0.01)
        finally:
            notes.add(request, "closed")

    async def ticking_async(request: Request) -> AsyncIterator[Any]:
        try:
            for number in range(10_000):
                yield str(number)
                await asyncio.sleep(0.01)
        finally:
            notes.add(request, "closed")

    def quiet(request: Request) -> Iterator[str]:
        yield "first"
        time.sleep(0.05)
        yield "second"

    async def quiet_async(request: Request) -> AsyncIterator[str]:
        yield "first"
        await asyncio.sleep(0.05)
        yield "second"

    sources: dict[str, Any] = {
        "few": lambda request: told, "few-waiting": few_async, "ticks": ticking,
        "ticks-waiting": ticking_async, "quiet": quiet, "quiet-waiting": quiet_async,
    }  # fmt: skip

    @route("/events/{kind}")
    def tells(request: Request, kind: str) -> object:
        return events(sources[kind](request), heartbeat=0.015 if "quiet" in kind else 15, retry=99)

    @route("/events/again")
    def tells_again(request: Request) -> object:
        last = int(request.headers.get("last-event-id") or "0")
        notes.add(request, last)
        return events([ServerSentEvent(data=f"after {last}", id=str(last + 1))], retry=1)

    @route("/events/broken")
    def tells_half(request: Request) -> object:
        def source() -> Iterator[str]:
            yield "first"
            raise ZeroDivisionError("a secret of ours")

        return events(source())


def add_afterwards(route: Colour, notes: Notes) -> None:
    def plain(request: Request, word: str) -> None:
        here = threading.current_thread() is threading.main_thread()
        notes.add(request, "on the main thread" if here else word)

    async def waiting(request: Request, word: str) -> None:
        await asyncio.sleep(0.01)
        notes.add(request, word)

    def failing(request: Request) -> None:
        raise ZeroDivisionError("after the answer")

    def note_all(request: Request) -> None:
        request.after_answer(waiting, request, "first")
        request.after_answer(plain, request, "second")
        request.after_answer(failing, request)
        request.after_answer(waiting, request, "third")

    @route("/after", "GET", "POST")
    def after(request: Request) -> str:
        note_all(request)
        notes.add(request, "handler")
        return "done"

    @route("/after/stream")
    def after_stream(request: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            for number in range(3):
                notes.add(request, number)
                yield b"piece"

        request.after_answer(plain, request, "after")
        return stream(pieces())

    @route("/after/refused")
    def after_refused(request: Request) -> str:
        request.after_answer(plain, request, "refused")
        raise Refused(409, "Not now.")

    @route("/after/broken")
    def after_broken(request: Request) -> str:
        request.after_answer(plain, request, "broken")
        raise ZeroDivisionError


# --- applications in it --------------------------------------------------------------------------


def sessions_shop(kind: str, store: Any, waits: bool) -> App:
    """An application that does with its session what it is told."""
    app = App(secret=SECRET if kind == "cookie" else None, sessions=store, session_cookie=kind)
    route = Colour(app, waits)

    def shown(request: Request) -> dict[str, object]:
        session = request.session
        return {"user": session.user, "data": dict(session)}

    @route("/show", name=f"{kind}-show")
    def show(request: Request) -> object:
        return shown(request)

    @route("/unseen", name=f"{kind}-unseen")
    def unseen(request: Request) -> str:
        return "nobody looked"

    @route("/look", name=f"{kind}-look")
    def look(request: Request) -> object:
        return [request.accepts("text/html", "text/plain"), "n" in request.session]

    @route("/put", "POST", name=f"{kind}-put")
    def put(request: Request) -> object:
        for name, value in request.form.pairs:
            request.session[name] = value
        return shown(request)

    @route("/nested", "POST", name=f"{kind}-nested")
    def nested(request: Request) -> object:
        request.session.setdefault("cart", []).append(request.form.int("number"))  # type: ignore[attr-defined]  # a list, as set here
        return shown(request)

    @route("/do/{what}", "POST", name=f"{kind}-do")
    def do(request: Request, what: str) -> object:
        session = request.session
        works: dict[str, Callable[[], object]] = {
            "increment": lambda: session.increment("count"),
            "change": lambda: session.change("seen", lambda old: [*old, len(old)], []),
            "rotate": session.rotate,
            "sign-in": lambda: session.sign_in(request.form.str("user")),
            "sign-out": session.sign_out,
            "clear": session.clear,
            "flash": lambda: session.flash(request.form.str("text"), "good"),
            "flashes": lambda: [list(one) for one in session.flashes()],
            "wrong": lambda: session.update(x=object()),
        }
        if what == "revoke":
            try:
                session.revoke_all(request.form.str("user"))
            except LocalError:
                return "cannot"
            return "revoked"
        return {"result": works[what](), **shown(request)}

    @route("/fails", "POST", name=f"{kind}-fails")
    def fails(request: Request) -> object:
        request.session["n"] = "lost"
        raise ZeroDivisionError

    @route("/refuses", "POST", name=f"{kind}-refuses")
    def refuses(request: Request) -> object:
        request.session["n"] = "kept"
        raise Refused(409, "Not now.")

    @route("/stream", name=f"{kind}-stream")
    def streams(request: Request) -> Response:
        seen = request.session.increment("count")
        return stream(iter([str(seen).encode()]), "text/plain")

    return app


def pages_shop(folder: Path, waits: bool) -> App:
    """Pages of templates, with forms that have tokens."""
    app = App(
        SECRET, sessions="cookie", session_cookie="pages", csrf="token",
        templates=folder / "templates",
    )  # fmt: skip
    route = Colour(app, waits)

    @route("/page/{name}")
    def page(request: Request, name: str) -> object:
        return template("page.html", name=name)

    @route("/made")
    def made(request: Request) -> object:
        return template("page.html", 201, {"x-more": "1"}, name="a")

    @route("/broken")
    def broken(request: Request) -> object:
        return template("broken.html")

    @route("/missing")
    def missing(request: Request) -> object:
        return template("nowhere.html")

    @route("/plain")
    def plain(request: Request) -> object:
        return template("plain.txt", name="Anna & Bo")

    @route("/send", "POST")
    def send(request: Request) -> object:
        request.session.flash(f"{request.form.str('word')} came.", "good")
        return redirect(app.url("page", name="sent"))

    @route("/data", "POST")
    def data(request: Request) -> object:
        return {"given": request.json()}

    @app.on_error(404)
    def nowhere(request: Request, error: Exception) -> object:
        return template("page.html", name="nowhere")

    inner, own = App(), App(templates=folder / "own")
    in_inner, in_own = Colour(inner, waits), Colour(own, waits)

    @in_inner("/page")
    def theirs(request: Request) -> object:
        return template("page.html", name="inner")

    @in_own("/page", name="inner_page")
    def ours(request: Request) -> object:
        return template("own.html", name="<own>")

    app.mount("/inner", inner)
    app.mount("/own", own)
    return app


def layers_shop(notes: Notes, waits: bool) -> App:
    """Layers of every kind around handlers and around what no route answers."""
    app = App()
    route = Colour(app, waits)

    @app.filter
    def outermost(request: Request) -> Generator[Request, Response, Response]:
        notes.add(request, "filter in")
        response = yield request.with_headers(request.headers.with_field("x-given", "1"))
        notes.add(request, f"filter out {response.status_code}")
        return response.with_field("x-filter", request.method)

    @app.around
    async def waiting(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> object:
        await asyncio.sleep(0)
        notes.add(request, "waiting in")
        response = await answer(request)
        await asyncio.sleep(0)
        notes.add(request, f"waiting out {response.status_code}")
        return response.with_field("x-waiting", "1")

    @app.around
    def stepping(request: Request) -> Generator[Request, Response, object]:
        notes.add(request, "stepping in")
        if request.path.endswith("/short"):
            raise Refused(403, "Not further.")
        if request.path.endswith("/other"):
            return text("another answer")
        response = yield request
        time.sleep(0.001)
        notes.add(request, f"stepping out {response.status_code}")
        return response.with_field("x-stepping", "1")

    @route("/plain", "GET", "POST")
    def plain(request: Request) -> str:
        notes.add(request, "handler")
        return f"given {request.headers['x-given']}"

    @route("/short")
    def short(request: Request) -> str:
        raise AssertionError("nobody gets here")

    @route("/other")
    def other(request: Request) -> str:
        raise AssertionError("nobody gets here")

    @route("/broken")
    def broken(request: Request) -> str:
        raise ZeroDivisionError("a secret of ours")

    @route("/stream")
    def streams(request: Request) -> Response:
        return stream(iter([b"one ", b"two"]), "text/plain")

    inner = App()

    @inner.filter
    def within(request: Request) -> Generator[Request, Response, Response]:
        response = yield request
        return response.with_field("x-inner", "1")

    @Colour(inner, waits)("/plain", name="inner_plain")
    def innermost(request: Request) -> str:
        return "inner"

    app.mount("/inner", inner)
    return app


def catching_shop(waits: bool) -> App:
    """Handlers for errors, by their status and by their class."""
    app = App()
    route = Colour(app, waits)

    @app.on_error(404)
    @route.of
    def nowhere(request: Request, error: Exception) -> object:
        return f"<p>nothing at {request.path}"

    @app.on_error(KeyError)
    @route.of
    def no_key(request: Request, error: Exception) -> object:
        return {"no": str(error)}, 422

    @app.on_error(Exception)
    @route.of
    def accident(request: Request, error: Exception) -> object:
        return {"accident": type(error).__name__}

    @app.on_error(409)
    @route.of
    def worse(request: Request, error: Exception) -> object:
        raise ZeroDivisionError("a secret of ours")

    @app.on_error(CrlfError)
    @route.of
    def unread(request: Request, error: Exception) -> object:
        return {"unread": str(error)}

    @route("/raise/{what}")
    def raises(request: Request, what: str) -> object:
        if what == "none":
            return None
        if what == "int":
            return {"n": request.query.int("n")}
        errors: dict[str, Exception] = {
            "key": KeyError("name"), "404": Refused(404), "409": Refused(409, "Not now."),
            "410": Refused(410, "Gone."), "value": ValueError("a secret of ours"),
            "stop": StopIteration(7), "401": Refused(401, "", {"www-authenticate": "Basic"}),
        }  # fmt: skip
        raise errors[what]

    return app
