"""A bare ASGI callable: what uvicorn and granian cost with no framework on top."""

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"14")],
}
BODY = {"type": "http.response.body", "body": b"Hello, world!\n"}


async def app(scope, receive, send):
    await send(START)
    await send(BODY)
