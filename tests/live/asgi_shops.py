"""Applications of others, and one of ours, for test_asgi_peers.py: made where they are served.

Each function makes one, for `--factory` of whoever serves it; nothing is imported before.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("SHOP_FOLDER", "."))


def made_with_starlette() -> Any:
    """Forms, uploads, streams, files, events, background tasks, state."""
    from contextlib import asynccontextmanager

    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import (
        FileResponse,
        JSONResponse,
        PlainTextResponse,
        StreamingResponse,
    )
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> Any:
        yield {"greeting": "hello from the lifespan"}

    async def hello(request: Any) -> Any:
        return PlainTextResponse(request.state.greeting)

    async def form(request: Any) -> Any:
        async with request.form() as filled:
            file = filled["file"]
            content = await file.read()
            return JSONResponse(
                {"note": filled["note"], "name": file.filename, "size": len(content)}
            )

    async def echo(request: Any) -> Any:
        size, last = 0, b""
        async for piece in request.stream():
            size += len(piece)
            last = piece or last
        return JSONResponse({"size": size, "last": last[-5:].decode()})

    async def stream(request: Any) -> Any:
        async def pieces() -> Any:
            for number in range(5):
                yield f"piece {number}\n"
                await asyncio.sleep(0)

        return StreamingResponse(pieces(), media_type="text/plain")

    async def ticks(request: Any) -> Any:
        async def tell() -> Any:
            try:
                while True:
                    yield "data: tick\n\n"
                    await asyncio.sleep(0.02)
            finally:
                events.append("ticks ended")

        return StreamingResponse(tell(), media_type="text/event-stream")

    async def wait(request: Any) -> Any:
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        events.append("waiting ended")
        return PlainTextResponse("too late")

    async def work(request: Any) -> Any:
        async def later() -> None:
            await asyncio.sleep(0.05)
            events.append("work done")

        return PlainTextResponse("begun", background=BackgroundTask(later))

    async def seen(request: Any) -> Any:
        return JSONResponse(events)

    async def broken(request: Any) -> Any:
        raise LookupError("not for visitors")

    async def sized(request: Any) -> Any:
        return FileResponse(FOLDER / "large.bin")

    async def hinted(request: Any) -> Any:
        await request.send_early_hints("</a.css>; rel=preload; as=style")
        return PlainTextResponse("hinted")

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            response = await call_next(request)
            response.headers["x-passed"] = "yes"
            return response

    plain = [
        Route("/", hello), Route("/form", form, methods=["POST"]),
        Route("/echo", echo, methods=["POST"]), Route("/stream", stream), Route("/ticks", ticks),
        Route("/wait", wait), Route("/work", work), Route("/seen", seen),
        Route("/broken", broken), Route("/file", sized), Route("/hinted", hinted),
    ]  # fmt: skip
    return Starlette(
        lifespan=lifespan,
        routes=[
            *plain,
            Mount("/static", StaticFiles(directory=FOLDER)),
            Mount("/passed", routes=plain, middleware=[Middleware(Passing)]),
        ],
    )


def made_with_fastapi() -> Any:
    """Typed parameters and bodies, threads, errors of validation."""
    from fastapi import Body, FastAPI

    app = FastAPI()

    @app.get("/part/{number}")
    def part(number: int, color: str = "grey") -> dict[str, Any]:
        return {"number": number, "color": color}

    @app.post("/sum")
    async def add(numbers: list[int] = Body()) -> int:  # noqa: B008 - FastAPI's way
        return sum(numbers)

    # What is imported here is no global, so the annotations are resolved by hand.
    return app


def made_with_django() -> Any:
    """A view that waits, one that does not, an upload, a file, a stream."""
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    settings.configure(
        SECRET_KEY="only for this test", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DEBUG=False
    )

    def hello(request: Any) -> Any:
        return HttpResponse(f"hello {request.GET.get('name', 'stranger')}")

    async def waiting(request: Any) -> Any:
        await asyncio.sleep(0.01)
        return HttpResponse(f"{request.path} {request.scheme} {request.META['REMOTE_ADDR']}")

    def upload(request: Any) -> Any:
        file = request.FILES["file"]
        return JsonResponse({"note": request.POST["note"], "name": file.name, "size": file.size})

    async def stream(request: Any) -> Any:
        async def pieces() -> Any:
            for number in range(3):
                yield f"piece {number}\n"

        return StreamingHttpResponse(pieces(), content_type="text/plain")

    def file(request: Any) -> Any:
        return FileResponse((FOLDER / "large.bin").open("rb"))

    def broken(request: Any) -> Any:
        raise LookupError("not for visitors")

    sys.modules[__name__].urlpatterns = [  # type: ignore[attr-defined]
        path("", hello), path("waiting", waiting), path("upload", upload),
        path("stream", stream), path("file", file), path("broken", broken),
    ]  # fmt: skip
    django.setup()
    return get_asgi_application()


def made_with_crlf() -> Any:
    """An App with a bit of everything, for the servers of others."""
    from crlf import App, Request, Response, html, text

    app = App(secret="a secret of sixteen bytes at least", secure_cookies=False)

    @app.get("/")
    async def front(request: Request) -> Response:
        return html("<h1>Shop</h1>")

    @app.get("/part/{number:int}")
    def part(request: Request, number: int) -> Response:
        return text(f"part {number}, {request.query.get('color', 'grey')}")

    @app.post("/form")
    async def form(request: Request) -> Response:
        return text(f"{request.form.get('name')} {request.form.get('size')}")

    @app.post("/upload")
    def upload(request: Request) -> Response:
        file: Any = request.files["file"]
        return text(f"{file.filename} {file.size} {file.sha256[:8]} {request.form['note']}")

    @app.get("/count")
    async def count(request: Request) -> Response:
        request.session["count"] = seen = request.session.get("count", 0) + 1
        return text(f"visit {seen}")

    @app.get("/stream")
    async def stream(request: Request) -> Response:
        async def pieces() -> Any:
            for number in range(3):
                yield f"piece {number}\n".encode()

        return Response(200, {"content-type": "text/plain"}, pieces())

    @app.get("/nothing")
    async def nothing(request: Request) -> Response:
        return Response(204)

    @app.get("/broken")
    async def broken(request: Request) -> Response:
        raise LookupError("not for visitors")

    app.folder("/files", FOLDER)
    return app
