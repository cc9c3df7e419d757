"""Posting: a letter goes to those who have an account here, and a copy into Sent.

This is the seam. Letters for elsewhere end here in the demo; `deliver` is where a real one hands
them to a mail server, and the comment in it says how. Its law: the message was written by
writing.py, so nothing in its head is of a visitor's grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from email.message import EmailMessage
from typing import NamedTuple

from examples.webmail.letters import Person
from examples.webmail.mailboxes import Mailbox
from examples.webmail.users import User, Users
from examples.webmail.writing import written


class Delivered(NamedTuple):
    """Where a letter went. elsewhere: addresses that this program cannot reach."""

    here: tuple[str, ...]
    elsewhere: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Say what became of it, to who sent it."""
        if not self.elsewhere:
            return "Sent."
        names = ", ".join(self.elsewhere[:3]) + (" and others" if len(self.elsewhere) > 3 else "")
        sent = f"Sent to {', '.join(self.here)}. " if self.here else "Kept in Sent. "
        return f"{sent}The demo sends nothing over the network, so {names} will not get it."


def deliver(
    message: EmailMessage,
    recipients: Iterable[Person],
    users: Users,
    mailbox_of: Callable[[User], Mailbox],
) -> Delivered:
    """Put a letter into the inbox of everybody who has one here."""
    content = written(message)
    here: dict[str, User] = {}
    elsewhere: list[str] = []
    for person in recipients:
        user = users.find_address(person.address)
        if user is not None:
            here[user.name] = user
        elif person.address not in elsewhere:
            elsewhere.append(person.address)
    for user in here.values():
        mailbox_of(user).add("inbox", content)
    # For the rest of the world, with what smtplib.SMTP_SSL needs to know of your mail server:
    #     with smtplib.SMTP_SSL("mail.example", 465, timeout=20) as server:
    #         server.login(user, password)
    #         server.send_message(message, to_addrs=elsewhere)
    # and after the answer, so that no visitor waits for it: request.after_answer(send, message).
    return Delivered(tuple(user.address for user in here.values()), tuple(elsewhere))
