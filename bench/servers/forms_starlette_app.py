"""Starlette taking a form with a large file, by python-multipart; it makes no digest."""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def form(request):
    async with request.form() as taken:
        return PlainTextResponse(str(taken["file"].size))


app = Starlette(routes=[Route("/form", form, methods=["POST"])])
