"""Signing in and out: a password is checked once, and from then on the session says who it is.

Signing in gives the session a new id, so that an id from before is nobody's (session fixation).
Its law: what is said about a wrong password is the same for every name.
"""

from __future__ import annotations

from crlf import Request, redirect, template
from examples.webmail.site import app, local_or_inbox, reader, users
from examples.webmail.users import TooManyTries


@app.get("/")
def front(request: Request) -> object:
    return redirect(app.url("folder", folder="inbox"))


@app.get("/sign-in")
def sign_in(request: Request) -> object:
    wanted = request.query.get("next", "")
    if request.session.user is not None and users.find(request.session.user) is not None:
        return redirect(local_or_inbox(wanted))
    return template("sign_in.html", name="", next=wanted, problem="")


@app.post("/sign-in", name="signing_in", body=10_000)
def signing_in(request: Request) -> object:
    form = request.form
    name, wanted = form.get("name", ""), form.get("next", "")
    try:
        user = users.sign_in(name, form.get("password", ""))
        problem = "This name and this password do not belong together."
        status, fields = 400, {}  # 401 would ask for Authorization (RFC 9110 15.5.2)
    except TooManyTries as fault:
        user, problem = None, f"Too many tries. Wait {fault.seconds:.0f} seconds, please."
        status, fields = 429, {"retry-after": f"{fault.seconds:.0f}"}
    if user is None:
        return template("sign_in.html", status, fields, name=name, next=wanted, problem=problem)
    request.session.sign_in(user.name)
    return redirect(local_or_inbox(wanted))


@app.post("/sign-out")
def sign_out(request: Request) -> object:
    request.session.sign_out()
    request.session.flash("You are signed out.")
    return redirect(app.url("sign_in"))


@app.post("/sign-out-everywhere")
def sign_out_everywhere(request: Request) -> object:
    """End all sessions of this user: on the phone that was lost, too."""
    user = reader(request)
    request.session.revoke_all(user.name)
    return redirect(app.url("sign_in"))
