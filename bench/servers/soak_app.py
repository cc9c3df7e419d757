"""What bench/soak.py serves: an App with a folder in it, and an ASGI application.

Each answers /tasks with its process's number and how many tasks its loop has.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from crlf import App, Request, Response, text

FOLDER = os.environ.get("SOAK_FOLDER", ".")
PIECE = b"x" * 4096

app = App(secret="a secret of more than sixteen bytes", secure_cookies=False)
app.folder("/files", FOLDER)


def state() -> str:
    return f"{os.getpid()} {len(asyncio.all_tasks())}"


@app.get("/tasks")
async def tasks(request: Request) -> Response:
    return text(state())


@app.get("/")
async def hello(request: Request) -> Response:
    return text("Hello, world!\n")


@app.get("/thread/{number:int}")
def in_thread(request: Request, number: int) -> Response:
    return text(f"part {number} {request.query.get('color', '')}\n")


@app.get("/session")
def visits(request: Request) -> Response:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return text(str(request.session["visits"]))


@app.get("/broken")
async def broken(request: Request) -> Response:
    raise LookupError("as it is asked to")


@app.get("/stream")
async def stream(request: Request) -> Response:
    async def pieces() -> Any:
        for _ in range(64):
            yield PIECE
            await asyncio.sleep(0)

    return Response(200, {"content-type": "application/octet-stream"}, pieces())


@app.post("/upload")
async def upload(request: Request) -> Response:
    return text(f"{len(request.content)} {len(request.files)}\n")


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer with what came, with a stream, or with few bytes."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    content, pieces = b"Hello, world!\n", 1
    if scope["path"] == "/tasks":
        content = state().encode()
    elif scope["path"] == "/stream":
        content, pieces = PIECE, 64
    elif scope["path"] == "/broken":
        raise LookupError("as it is asked to")
    elif scope["method"] == "POST":
        size, more = 0, True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            size += len(event.get("body", b""))
            more = event.get("more_body", False)
        content = f"{size}\n".encode()
    fields = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    for _ in range(pieces):
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})
