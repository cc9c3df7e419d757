"""Composing: a form that becomes a letter, a draft, or a sentence beside the field.

POST, redirect, GET: reloading a page sends nothing twice. A browser cannot give files back to a
form that was refused, so what was attached is kept in the draft, and the form comes back with it.
Its law: the hidden fields name letters by id and nothing else; what is in those is read here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from crlf import Request, redirect, template
from crlf.message.uploads import Files
from examples.webmail.looking import TITLES, found_in, listing
from examples.webmail.mailboxes import Mailbox
from examples.webmail.maildir import ANSWERED, DRAFT, SEEN
from examples.webmail.posting import deliver
from examples.webmail.site import app, mailbox_of, reader, users
from examples.webmail.users import User
from examples.webmail.writing import (
    OCTETS,
    ROOM,
    Draft,
    File,
    attached,
    composed,
    file_problems,
    forward,
    kept_draft,
    people_in,
    problems_of,
    reopened,
    reply,
    written,
)

BODY: Final = ROOM + 4_000_000  # bytes of one form; the server's limit is 16 MiB
NO_PROBLEMS: Final[dict[str, str]] = {}


@app.get("/compose")
def compose(request: Request) -> object:
    """Begin a letter: a new one, an answer, one to hand on, or a draft that waited."""
    user = reader(request)
    mailbox, asked = mailbox_of(user), request.query
    draft = Draft(to=asked.get("to", "")[:500])
    ids = {name: asked.get(name, "") for name in ("draft", "reply", "forward")}
    if ids["draft"]:
        draft = reopened(found_in(mailbox, ids["draft"]).letter)
    elif ids["reply"]:
        draft = reply(found_in(mailbox, ids["reply"]).letter, user, "all" in asked)
    elif ids["forward"]:
        draft = forward(found_in(mailbox, ids["forward"]).letter)
    return form_page(request, user, draft, ids)


def form_page(
    request: Request,
    user: User,
    draft: Draft,
    ids: dict[str, str],
    problems: dict[str, str] = NO_PROBLEMS,
) -> object:
    mailbox = mailbox_of(user)
    source = ids["draft"] or ids["forward"]
    files = found_in(mailbox, source).letter.attachments if source else ()
    return template(
        "compose.html", 400 if problems else 200,
        user=user, list=listing(request, mailbox, "drafts"), titles=TITLES, found=None, at="",
        draft=draft, ids=ids, problems=problems, files=files, source=source, room=ROOM,
    )  # fmt: skip


@app.post("/compose", name="composed", body=BODY)
def post_letter(request: Request) -> object:
    """Send what was written, keep it, or forget it: which button it was says `do`."""
    user = reader(request)
    mailbox, form = mailbox_of(user), request.form
    ids = {name: form.get(name, "") for name in ("draft", "reply", "forward")}
    asked = form.get("do", "send")
    if asked == "discard":
        if ids["draft"]:
            mailbox.drop(ids["draft"])
        request.session.flash("The draft is gone.")
        return redirect(app.url("folder", folder="inbox"))
    draft = Draft(*(form.get(name, "") for name in ("to", "cc", "subject", "text")))
    if ids["reply"]:
        answered = found_in(mailbox, ids["reply"]).letter
        draft = draft._replace(answers=answered.message_id, references=answered.references)
    files = [*kept_files(request, mailbox), *sent_files(request)]
    problems = problems_of(draft, files) if asked == "send" else file_problems(files)
    now = datetime.now(UTC)
    if problems or asked != "send":
        few = [] if "files" in problems else files
        kept = written(kept_draft(draft, user, few, now))
        ids["draft"], old = mailbox.add("drafts", kept, SEEN + DRAFT), ids["draft"]
        if old:
            mailbox.drop(old)
        if problems:
            return form_page(request, user, draft, ids, problems)
        request.session.flash("The draft is kept.")
        again = {name: id for name, id in ids.items() if id and name != "forward"}
        return redirect(app.url("compose", again))
    message = composed(draft, user, files, now)
    delivered = deliver(message, people_in(f"{draft.to}, {draft.cc}"), users, mailbox_of)
    mailbox.add("sent", written(message), SEEN)
    if ids["reply"]:
        mailbox.flag(ids["reply"], ANSWERED)
    if ids["draft"]:
        mailbox.drop(ids["draft"])
    request.session.flash(delivered.sentence)
    return redirect(app.url("folder", folder="inbox"))


def kept_files(request: Request, mailbox: Mailbox) -> list[File]:
    """The attachments of a draft, or of a letter handed on, that are still ticked."""
    source = request.form.get("source", "")
    if not source:
        return []
    ticked = set(request.form.get_all("keep"))
    listed = found_in(mailbox, source).letter.attachments
    return [attached(each) for each in listed if str(each.number) in ticked]


def sent_files(request: Request) -> list[File]:
    """The files that came with the form; they were on the disk before this was called."""
    uploads = request.files.get_all("files") if isinstance(request.files, Files) else []
    return [
        File(upload.safe_name(), upload.content_type or OCTETS, upload.read())
        for upload in uploads
        if upload.filename
    ]
