"""The application itself: what is common to all its pages, and who is asking.

Handlers are in signing.py, looking.py, composing.py and keeping.py; app.py imports them all. Each
is a plain function, which the server runs in a thread. Its law: a handler that shows anything of
a mailbox begins with `reader(request)`, and what it gets is that reader's mailbox and no other's.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path
from typing import Final

from crlf import (
    App,
    Headers,
    ProtocolError,
    Refused,
    Request,
    Response,
    TooLarge,
    redirect,
    template,
)
from crlf.server import is_local
from examples.webmail.environment import environment
from examples.webmail.mailboxes import Mailbox
from examples.webmail.place import data_folder
from examples.webmail.users import User, Users

FOLDER: Final = data_folder()
STATIC: Final = Path(__file__).with_name("static")
# No script, ours included: a letter that got past all else could still do nothing. Frames are for
# letters in HTML, which have a stricter policy of their own (formatted.py).
SAFE: Final = Headers(
    {
        "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "referrer-policy": "same-origin",  # a link in a letter does not say where it was clicked
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",  # who comes after at the same computer finds nothing
    }
)

app = App(
    sessions=str(FOLDER / "sessions.sqlite"),
    templates=environment(Path(__file__).with_name("templates")),
    csrf="token",  # asked for where a browser does not say whose page a form was on
)
app.folder("/static", STATIC)
users = Users(FOLDER / "users")
_mailboxes: dict[str, Mailbox] = {}  # guarded by _lock
_lock = threading.Lock()


@app.filter
def safe(request: Request) -> Generator[Request, Response, Response]:
    """Say on every answer what a browser may do with it; what a handler has said comes first."""
    response = yield request
    fields = SAFE
    if request.path.startswith("/static/"):
        fields = SAFE.without("cache-control")
    elif "content-disposition" in response.headers:
        fields = SAFE.with_field("cache-control", "private, no-cache")  # so that ranges work
    return response.with_headers(fields.merged(response.headers))


# --- who is asking -------------------------------------------------------------------------------


class SignInFirst(Exception):
    """Nobody is signed in who may see this page."""


def reader(request: Request) -> User:
    """Return who is signed in. Raises SignInFirst.

    HTTP forgets who asked; the session is what remembers. To see that at work, it also counts
    how many requests, over how many connections, make up what feels like one visit.
    """
    session = request.session
    user = users.find(session.user) if session.user is not None else None
    if user is None:
        raise SignInFirst
    session.increment("requests")
    port = request.peer[1] if request.peer is not None else 0
    if session.get("port") != port:
        session["port"] = port
        session.increment("connections")
    return user


def mailbox_of(user: User) -> Mailbox:
    """Open a user's mailbox. The name is from the accounts, never from a request."""
    with _lock:
        if user.name not in _mailboxes:
            _mailboxes[user.name] = Mailbox(FOLDER / "mail" / user.name)
        return _mailboxes[user.name]


def local_or_inbox(path: str) -> str:
    """Where to go after signing in: where somebody wanted to, if that is on this site."""
    return path if is_local(path) and path.startswith("/") else app.url("folder", folder="inbox")


# --- what went wrong -----------------------------------------------------------------------------


@app.on_error(SignInFirst)
def sign_in_first(request: Request, error: SignInFirst) -> object:
    wanted = request.target if request.method == "GET" else ""
    return redirect(app.url("sign_in", {"next": wanted} if wanted not in ("", "/") else None))


@app.on_error(400)
def not_understood(request: Request, error: ProtocolError | Refused) -> object:
    return _trouble("That was not understood", _sentence(error.reason))


@app.on_error(403)
def not_from_here(request: Request, error: Refused) -> object:
    if request.session.user is None and request.headers.get("sec-fetch-site") == "same-origin":
        sentence = (
            "Your session ended in the meantime, and nothing was done. Sign in, and try again."
        )
        return _trouble("You are signed out", sentence)
    sentence = "The form was not sent by a page of this site, or that page was too old. "
    return _trouble("Please try that again", f"{sentence}{_sentence(error.reason)}")


@app.on_error(405)
def not_that_way(request: Request, error: Refused) -> object:
    return _trouble("Not that way", "This address does other things than that.")


@app.on_error(404)
def not_there(request: Request, error: Refused) -> object:
    return _trouble("Nothing here", error.reason or "Nothing in this mailbox has that address.")


@app.on_error(413)
def too_large(request: Request, error: TooLarge | Refused) -> object:
    sentence = "A letter may bring 20 MB of files, and an mbox may have 64 MB."
    return _trouble("That is too much", f"{sentence} Go back: what you wrote is still there.")


@app.on_error(500)
def broken(request: Request, error: Exception) -> object:
    """What nobody foresaw: the log says what it was, and the page does not."""
    return _trouble("Something broke", "It is our fault, and it has been noted. Please try again.")


def _trouble(title: str, sentence: str) -> object:
    # With SAFE here too: what is refused before it is read does not come by the filter.
    return template("trouble.html", 200, SAFE, title=title, sentence=sentence)


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:].removesuffix('.')}." if reason else ""
