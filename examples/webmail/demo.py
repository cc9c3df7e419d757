"""A walk through a web mail with crlf at both ends: many requests that make up one session.

`make demo APP=webmail` runs this. It opens the web mail with a sample mailbox, reads, searches,
writes and downloads, and shows what went over the wire. On a terminal it then stays open until
Ctrl-C. Exit code 0 when every step did what it should, 1 and one line when one did not.
"""

from __future__ import annotations

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)  # the folder of this file is a package of it, and no place to import from

from crlf import App, Client, Response  # noqa: E402
from examples.walk import DIM, Failed, Visit, expect, run, say, show  # noqa: E402

PASSWORDS: Final = {"ann": "prairie-wind", "tim": "prairie-rain"}
NOTE: Final = b"Part 7, twenty-four teeth.\nOne of them is shorter.\n" * 40


def load() -> App:
    from examples.webmail.furnishing import furnish  # it makes its folder where WEBMAIL_DATA says
    from examples.webmail.site import app

    furnish(datetime.now().astimezone())
    return app


def token_of(page: Response) -> str:
    """Find the token that a form has to send back: it says that the form was ours."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    if found is None:
        raise Failed(f"the page {page.url} has no form")
    return found[1]


def letter_called(page: Response, subject: str) -> str:
    """Find a letter's id in a list."""
    for row in re.findall(r'<li id="row-([0-9a-f]+)"(.*?)</li>', page.text, re.DOTALL):
        if subject in row[1]:
            return str(row[0])
    raise Failed(f"{subject!r} is not in the list {page.url}")


def sign_in(client: Client, url: str, name: str) -> Response:
    asked = client.get(f"{url}/mail/inbox", follow_redirects=True)
    form = {"csrf_token": token_of(asked), "name": name, "password": PASSWORDS[name],
            "next": "/mail/inbox"}  # fmt: skip
    return client.post(f"{url}/sign-in", data=form, follow_redirects=True)


# --- the steps -----------------------------------------------------------------------------------


def begin(visit: Visit) -> None:
    expect(sign_in(visit.client, visit.url, "ann"), 200, '<h1 id="list-title">Inbox')
    sent_away, form, signed_in, inbox = visit.wire.take()
    sent_away.show()
    form.show()
    signed_in.show()
    inbox.show("unread")
    say("  Signing in gave the session another id: one from before is nobody's now.\n")


def search(visit: Visit) -> None:
    url, client, wire = visit
    page = client.get(f"{url}/mail/search", params={"q": "ring gear"})
    expect(page, 200, "The ring gears are through the furnace")
    wire.take()[0].show("<mark>")


def read(visit: Visit) -> None:
    url, client, wire = visit
    page = client.get(f"{url}/mail/inbox")
    wire.take()
    id = letter_called(page, "The club&#39;s week")
    shown = expect(client.get(f"{url}/mail/inbox/{id}"), 200, "A picture was not loaded")
    wire.take()[0].show("<iframe")
    if "cycling.example/seen" in shown.text:
        raise Failed("the page would tell the sender that it was read")
    framed = expect(client.get(f"{url}/letter/{id}/formatted"), 200, "Three rides")
    if "sandbox" not in framed.headers["content-security-policy"]:
        raise Failed("a letter in HTML is not in a sandbox")
    wire.take()[0].show("Three rides")


def write(visit: Visit) -> None:
    url, client, wire = visit
    token = token_of(client.get(f"{url}/compose"))
    wire.take()
    form = {"csrf_token": token, "to": "Tim Lindqvist <tim@prairie.example>", "cc": "",
            "subject": "The short tooth", "text": "See the attachment.", "do": "send"}  # fmt: skip
    file = ("tooth.txt", NOTE, "text/plain")
    page = client.post(f"{url}/compose", data=form, files={"files": file}, follow_redirects=True)
    expect(page, 200, "Sent.")
    posted, _ = wire.take()
    posted.show()


def receive(visit: Visit) -> None:
    """Tim reads it: another browser, another cookie, another mailbox."""
    url = visit.url
    with Client() as tim:
        inbox = sign_in(tim, url, "tim")
        id = letter_called(inbox, "The short tooth")
        page = expect(tim.get(f"{url}/mail/inbox/{id}"), 200, "tooth.txt")
        path = re.search(rf"/letter/{id}/file/[0-9]+", page.text)
        if path is None:
            raise Failed("the attachment is not on the page")
        whole = expect(tim.get(url + path[0]), 200)
        fields = {"range": "bytes=1000-", "if-range": whole.headers["etag"]}
        rest = expect(tim.get(url + path[0], headers=fields), 206)
        if whole.content != NOTE or rest.content != NOTE[1000:]:
            raise Failed("the attachment that came back is not the one that was sent")
        say(f"  tooth.txt, {len(whole.content):,} bytes, came back the same.")
        say(f"  A download that broke off after 1,000 bytes went on: {rest.status_code}, "
            f"{rest.headers['content-range']}.\n")  # fmt: skip


def mean_harm(visit: Visit) -> None:
    url, client, wire = visit
    token = token_of(client.get(f"{url}/compose"))
    wire.take()
    form = {"csrf_token": token, "to": "tim@prairie.example", "text": "x",
            "subject": "Hello\r\nBcc: everybody@crowd.example"}  # fmt: skip
    expect(client.post(f"{url}/compose", data=form), 400, "A subject is one line")
    wire.take()[0].show("A subject is one line")
    fields = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    expect(client.post(f"{url}/sign-out", data=form, headers=fields), 403)
    wire.take()[0].show("<h1>")


def leave(visit: Visit) -> None:
    url, client, wire = visit
    page = expect(client.get(f"{url}/account"), 200, "This session")
    found = re.search(r"<b>([0-9]+)</b> requests", page.text)
    say(f"  What felt like one visit were {found[1] if found else 'some'} requests.\n")
    wire.take()
    form = {"csrf_token": token_of(page)}
    out = client.post(f"{url}/sign-out", data=form, follow_redirects=True)
    expect(out, 200, "You are signed out.")
    wire.take()[0].show()
    again = client.get(f"{url}/mail/inbox", follow_redirects=False)
    expect(again, 303)
    show(" ", "The same request as before is nobody's now: sent to the door.\n", DIM)


STEPS: Final = (
    ("Nobody is let in without a session", begin),
    ("A search: data in the URL", search),
    ("A letter in HTML, behind three walls", read),
    ("A letter with an attachment, sent with POST", write),
    ("It arrives, and a download goes on where it broke off", receive),
    ("What means harm is refused, and told why", mean_harm),
    ("The end of the session", leave),
)

if __name__ == "__main__":
    hint = f"Sign in as ann with {PASSWORDS['ann']!r}, or as tim with {PASSWORDS['tim']!r}."
    sys.exit(run("Prairie Mail", "WEBMAIL_DATA", load, STEPS, hint))
