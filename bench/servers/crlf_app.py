"""crlf with one route; every default limit and deadline is on."""

from crlf import App, text

app = App()


@app.get("/")
async def hello(request):
    return text("Hello, world!\n")
