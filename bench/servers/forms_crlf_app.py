"""crlf taking a form with a large file: whole, and as it comes; digested on its way."""

import os
import tempfile

from crlf import App, text

app = App(sessions=False)


@app.post("/form", body=None)
async def form(request):
    return text(str(request.files["file"].size))


async def save(part):
    with tempfile.TemporaryDirectory() as folder:
        await part.save(os.path.join(folder, "saved"))
    return part.size


@app.post("/parts", body=None, streams=True)
async def parts(request):
    return text(str(sum([await save(part) async for part in request.parts()])))
