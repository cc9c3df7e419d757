"""Keeping: letters come in as an mbox and go out as one, and what the session is.

An upload is on the disk before its handler is called, and is read from there one letter at a
time; a download is written one letter at a time while it is sent. Neither is ever in memory.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Final

from crlf import Refused, Request, redirect, template
from crlf.message.fields.disposition import build_attachment
from crlf.message.uploads import Upload
from crlf.server import stream
from examples.webmail.looking import TITLES, listing
from examples.webmail.maildir import FOLDERS, SEEN
from examples.webmail.mbox import NoMbox, read_mbox, write_mbox
from examples.webmail.site import app, mailbox_of, reader
from examples.webmail.users import User

MOST_LETTERS: Final = 5000  # of one mbox
MBOX: Final = 64_000_000  # bytes of one


@app.get("/account")
def account(request: Request) -> object:
    return account_page(request, reader(request))


def account_page(request: Request, user: User, problem: str = "") -> object:
    session = request.session
    seen = {name: session.get(name, 0) for name in ("requests", "connections")}
    return template(
        "account.html", 400 if problem else 200, user=user, titles=TITLES, folders=FOLDERS,
        list=listing(request, mailbox_of(user), "inbox"), found=None, at="", seen=seen,
        problem=problem, most=MBOX,
    )  # fmt: skip


@app.post("/import", name="taking_in", body=MBOX)
def take_in(request: Request) -> object:
    """Take letters in from an mbox, into the archive."""
    user = reader(request)
    upload = request.files.get("mbox")
    if not isinstance(upload, Upload) or not upload.filename:
        return account_page(request, user, "No file came along: choose one first.")
    try:
        number = 0
        for letter in islice(read_mbox(upload.file), MOST_LETTERS):
            mailbox_of(user).add_later("archive", letter, SEEN)
            number += 1
    except NoMbox as fault:
        return account_page(request, user, str(fault))
    request.session.flash(f"Letters that are in the archive now: {number}.")
    return redirect(app.url("folder", folder="archive"))


@app.get("/export/{folder:slug}", name="export")
def export(request: Request, folder: str) -> object:
    """Give a folder as an mbox, which any mail program reads."""
    mailbox = mailbox_of(reader(request))
    if folder not in FOLDERS:
        raise Refused(404, "There is no such folder.")
    fields = {"content-disposition": build_attachment(f"{folder}.mbox")}
    pieces = write_mbox(mailbox.all(folder), datetime.now(UTC))
    return stream(pieces, "application/mbox", headers=fields)
