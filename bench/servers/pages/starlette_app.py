"""Starlette: a session in a signed cookie, tokens of starlette-csrf, a template of Jinja2."""

from markupsafe import Markup
from parts import NAME, PARTS
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from starlette_csrf import CSRFMiddleware

SECRET = "a secret of sixteen bytes or more"
templates = Jinja2Templates(".")


async def enter(request):
    request.session["name"] = NAME
    return PlainTextResponse("Welcome.")


async def parts(request):
    token = request.cookies.get("csrftoken", "")
    hidden = Markup('<input type="hidden" name="csrf_token" value="{}">').format(token)
    shown = {"name": request.session["name"], "parts": PARTS, "hidden": hidden}
    return templates.TemplateResponse(request, "parts.html", shown)


async def cart(request):
    form = await request.form()
    text = f"{request.session['name']} has {int(form['number'])}"
    return PlainTextResponse(text, headers={"x-cart": "1"})


app = Starlette(
    routes=[Route("/enter", enter), Route("/", parts), Route("/cart", cart, methods=["POST"])],
    middleware=[
        Middleware(SessionMiddleware, secret_key=SECRET),
        Middleware(CSRFMiddleware, secret=SECRET),
    ],
)
