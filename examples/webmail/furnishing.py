"""Furnishing: a web mail with people in it, and Ann's sample mailbox.

    python -m examples.webmail.furnishing

is run once, before `crlf serve examples.webmail.app:app`, by whoever wants to look around.
"""

from __future__ import annotations

from datetime import datetime

from examples.webmail.app import mailbox_of, users
from examples.webmail.samples import NEWEST, USERS, samples


def furnish(newest: datetime = NEWEST) -> None:
    """Make the accounts and fill Ann's mailbox, unless that has been done."""
    for name, password, full_name in USERS:
        if users.find(name) is None:
            mailbox = mailbox_of(users.add(name, password, full_name))
            if name == "ann":
                for sample in samples(newest):
                    mailbox.add_later(sample.folder, sample.content, sample.flags)


if __name__ == "__main__":
    furnish(datetime.now().astimezone())
    print("Sign in as", ", ".join(f"{name} with {password!r}" for name, password, _ in USERS))
