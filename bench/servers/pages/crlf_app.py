"""crlf: a session, the guard against strangers' pages and a form's token, a template of Jinja2.

SESSIONS says where sessions are: "cookie", the path of a SQLite file, the URL of a Valkey.
"""

import os
from pathlib import Path

from bench.servers.pages.parts import NAME, PARTS
from markupsafe import Markup

from crlf import App, template, text
from crlf.server.apps.csrftokens import csrf_field

where = os.environ.get("SESSIONS", "cookie")
SECRET = "a secret of sixteen bytes or more"
app = App(
    SECRET if where == "cookie" else None,
    sessions=where,
    templates=Path(__file__).parent,
    csrf="token",
)


@app.get("/enter")
async def enter(request):
    request.session["name"] = NAME
    return text("Welcome.")


@app.get("/")
async def parts(request):
    hidden = Markup(csrf_field(request))
    return template("parts.html", name=request.session["name"], parts=PARTS, hidden=hidden)


@app.get("/bare")
async def bare(request):
    return text("no session, no template")


@app.get("/name")
async def name(request):
    return text(request.session["name"])


@app.post("/cart")
async def cart(request):
    content = f"{request.session['name']} has {request.form.int('number')}"
    return text(content, headers={"x-cart": "1"})
