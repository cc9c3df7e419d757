"""Looking: lists, letters, and what came with them.

A list and a letter are one page: side by side on a desk, one after the other on a phone. What a
letter brought is sent as a download in a sandbox, under a name made safe, never shown as a page
of ours. Its law: whatever an address says, what is shown is in the mailbox of who is signed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from crlf import Refused, Request, file, redirect, template, text
from crlf.message.fields.disposition import safe_name
from examples.webmail.explained import explained
from examples.webmail.formatted import POLICY, Formatted, formatted
from examples.webmail.index import Page, Row
from examples.webmail.letters import Attachment, Letter
from examples.webmail.mailboxes import Found, Mailbox
from examples.webmail.maildir import SEEN, STARRED
from examples.webmail.quotes import passages
from examples.webmail.site import app, mailbox_of, reader
from examples.webmail.users import User

TITLES: Final = {
    "inbox": "Inbox",
    "starred": "Starred",
    "drafts": "Drafts",
    "sent": "Sent",
    "archive": "Archive",
    "bin": "Bin",
    "search": "Search",
}
MOST_AT_ONCE: Final = 100  # letters that one form changes


class Listing(NamedTuple):
    """A list that is shown. asked: what was searched for."""

    folder: str
    asked: str
    page: Page
    counts: dict[str, int]

    @property
    def title(self) -> str:
        return TITLES[self.folder]

    def query(self, number: int | None = None) -> dict[str, str]:
        """What an address says after its question mark, so that it comes back to this list."""
        number = self.page.number if number is None else number
        query = {"q": self.asked} if self.folder == "search" else {}
        return query | {"page": str(number)} if number > 1 else query

    def beside(self, id: str) -> tuple[Row | None, Row | None]:
        """The letters before and after one, on this page of the list."""
        rows = list(self.page.rows)
        at = next((number for number, row in enumerate(rows) if row.id == id), None)
        if at is None:
            return None, None
        return rows[at - 1] if at else None, rows[at + 1] if at + 1 < len(rows) else None


def listing(request: Request, mailbox: Mailbox, folder: str) -> Listing:
    """Make the list that an address asks for. Raises Refused (404), BadParameter (400)."""
    if folder not in TITLES:
        raise Refused(404, "There is no such folder.")
    number = request.query.int("page", 1)
    asked = request.query.get("q", "").strip(" ")[:200]
    if folder == "search":
        page = mailbox.search(asked, number)
    else:
        page = mailbox.page(folder, number)
    return Listing(folder, asked, page, mailbox.counts())


def found_in(mailbox: Mailbox, id: str) -> Found:
    found = mailbox.find(id)
    if found is None:
        raise Refused(404, "There is no such letter, or it has been deleted.")
    return found


# --- pages ---------------------------------------------------------------------------------------


@app.get("/mail/{folder:slug}")
def folder(request: Request, folder: str) -> object:
    user = reader(request)
    shown = listing(request, mailbox_of(user), folder)
    return template("folder.html", user=user, list=shown, titles=TITLES, found=None)


@app.get("/mail/{folder:slug}/{id:slug}")
def letter(request: Request, folder: str, id: str) -> object:
    """Show a letter, which is read from now on, beside the list that it was chosen from."""
    user = reader(request)
    mailbox = mailbox_of(user)
    found = found_in(mailbox, id)
    if request.method == "GET":
        mailbox.flag(id, SEEN)
    shown = listing(request, mailbox, folder)
    return template("letter.html", **letter_values(request, user, shown, found))


def letter_values(request: Request, user: User, shown: Listing, found: Found) -> dict[str, object]:
    """What the page of a letter is made of: its words, or a frame with what it looks like."""
    clean = formatted(found.letter)
    wants_text = request.query.get("show") == "text" or clean is None
    before, after = shown.beside(found.row.id)
    return {
        "user": user,
        "list": shown,
        "titles": TITLES,
        "found": found,
        "letter": found.letter,
        "formatted": clean,
        "wants_text": wants_text,
        "has_both": clean is not None and bool(found.letter.text.strip()),
        "passages": passages(found.letter.words) if wants_text else [],
        "files": files_beside(found.letter, None if wants_text else clean),
        "before": before,
        "after": after,
        "everybody": [*found.letter.to, *found.letter.cc],
    }


def files_beside(letter: Letter, clean: Formatted | None) -> list[Attachment]:
    """The attachments that are not pictures in the text which is shown."""
    shown = clean.shown if clean is not None else frozenset[int]()
    return [each for each in letter.attachments if each.number not in shown]


@app.get("/letter/{id:slug}/formatted", name="formatted")
def formatted_letter(request: Request, id: str) -> object:
    """Give a letter's HTML as a page of its own, for a frame: see formatted.py."""
    clean = formatted(found_in(mailbox_of(reader(request)), id).letter)
    if clean is None:
        raise Refused(404, "This letter has no HTML that can be shown.")
    return template("formatted.html", 200, {"content-security-policy": POLICY}, formatted=clean)


@app.get("/letter/{id:slug}/original")
def original(request: Request, id: str) -> object:
    """Give a letter as it came, byte for byte, as text that nothing interprets."""
    content = mailbox_of(reader(request)).content(id)
    if content is None:
        raise Refused(404, "There is no such letter.")
    return text(content.decode("utf-8", "replace"), 200, {"content-security-policy": "sandbox"})


@app.get("/letter/{id:slug}/headers")
def headers(request: Request, id: str) -> object:
    """Show the head of a letter, each field with what it is for."""
    user = reader(request)
    found = found_in(mailbox_of(user), id)
    shown = listing(request, mailbox_of(user), found.row.folder)
    fields = explained(found.letter.fields)
    return template(
        "headers.html", user=user, list=shown, titles=TITLES, found=found, fields=fields
    )


@app.get("/letter/{id:slug}/file/{number:int}", name="attachment")
def attachment(request: Request, id: str, number: int) -> object:
    """Give an attachment, as a file: a download that broke off can go on where it did."""
    mailbox = mailbox_of(reader(request))
    listed = found_in(mailbox, id).letter.attachments
    chosen = next((each for each in listed if each.number == number), None)
    if chosen is None:
        raise Refused(404, "This letter has no such attachment.")
    return file(mailbox.file(id, chosen), download_name=safe_name(chosen.filename))


# --- what a form does with letters ---------------------------------------------------------------

Deed = Callable[[Mailbox, str], None]
DEEDS: Final[dict[str, tuple[Deed, str]]] = {
    "archive": (lambda mailbox, id: mailbox.move(id, "archive"), "Archived"),
    "bin": (lambda mailbox, id: mailbox.move(id, "bin"), "Moved to the bin"),
    "inbox": (lambda mailbox, id: mailbox.move(id, "inbox"), "Moved to the inbox"),
    "delete": (lambda mailbox, id: mailbox.drop(id), "Deleted for ever"),
    "read": (lambda mailbox, id: mailbox.flag(id, SEEN), "Marked as read"),
    "unread": (lambda mailbox, id: mailbox.flag(id, SEEN, False), "Marked as unread"),
    "star": (lambda mailbox, id: mailbox.flag(id, STARRED), ""),
    "unstar": (lambda mailbox, id: mailbox.flag(id, STARRED, False), ""),
}


@app.post("/mail/{folder:slug}", name="change", body=100_000)
def change(request: Request, folder: str) -> object:
    """Do something with the letters that are ticked, or with the one that is shown."""
    mailbox = mailbox_of(reader(request))
    form = request.form
    query = {name: form[name] for name in ("q", "page") if form.get(name)}
    ids = list(dict.fromkeys(form.get_all("letter")))[:MOST_AT_ONCE]
    asked = form.get("do", "")
    if folder not in TITLES or asked not in DEEDS:
        raise Refused(400, "this is nothing that can be done with letters")
    deed, sentence = DEEDS[asked]
    for id in ids:
        deed(mailbox, id)
    if not ids:
        request.session.flash("No letter was chosen: tick one first.", "error")
    elif sentence:
        request.session.flash(f"{sentence}." if len(ids) == 1 else f"{sentence}: {len(ids)}.")
    if asked in ("star", "unstar") and len(ids) == 1:
        return redirect(app.url("letter", query, folder=folder, id=ids[0]))
    return redirect(app.url("folder", query, folder=folder))


@app.post("/bin/empty")
def empty_bin(request: Request) -> object:
    number = mailbox_of(reader(request)).empty_bin()
    request.session.flash(f"The bin is empty: {number} deleted for ever.")
    return redirect(app.url("folder", folder="bin"))
