"""Starlette taking a form with a large file, by python-multipart: as it is, and with a digest."""

import hashlib

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def form(request):
    async with request.form() as taken:
        return PlainTextResponse(str(taken["file"].size))


async def digested(request):
    async with request.form() as taken:
        file = taken["file"]
        digest = await run_in_threadpool(hashlib.file_digest, file.file, "sha256")
        return PlainTextResponse(str(file.size), headers={"x-digest": digest.hexdigest()})


routes = [Route(f"/{take.__name__}", take, methods=["POST"]) for take in (form, digested)]
app = Starlette(routes=routes)
