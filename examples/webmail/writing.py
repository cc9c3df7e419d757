"""Writing: what stood in the form becomes a message, or a sentence beside the field.

A subject or an address with a line break in it would be a header of somebody else's choice, so it
is refused here, in words. So is "=?", which begins an encoded word: `email` decodes those in what
it is given, and before Python 3.11.10 wrote the line break that may be in one into the head. Its
law: what was typed is given back as it was typed, and a head has the fields that were set here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses, make_msgid
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from crlf.message.fields.disposition import safe_name
from examples.webmail.letters import FOREIGN, Attachment, Letter, Person, is_address
from examples.webmail.users import DOMAIN, User

MOST_RECIPIENTS: Final = 50
MOST_SUBJECT: Final = 500  # characters
MOST_TEXT: Final = 200_000
MOST_FILES: Final = 20
ROOM: Final = 20_000_000  # bytes of all attachments of a letter; base64 makes 27 MB of it
_BREAK = re.compile(r"[\r\n\0\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_MEDIA = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}")
_ID = re.compile(r"<[!-;=?-~]{1,250}>")
CODE: Final = "=?"  # RFC 2047 2: an encoded word begins with it
TYPED: Final = ("to", "cc", "subject")


class Draft(NamedTuple):
    """What stands in the form."""

    to: str = ""
    cc: str = ""
    subject: str = ""
    text: str = ""
    answers: str = ""  # the Message-ID of what this answers
    references: str = ""


class File(NamedTuple):
    """An attachment to be sent."""

    filename: str
    content_type: str
    content: bytes


def problems_of(draft: Draft, files: Iterable[File] = ()) -> dict[str, str]:
    """Say what is wrong with a letter that is to be sent, by field."""
    problems = {}
    for name in ("to", "cc"):
        typed = getattr(draft, name)
        if _BREAK.search(typed) or CODE in typed:
            problems[name] = f"An address has no line breaks in it, and no “{CODE}”."
            continue
        wrong = [person for person in people_in(typed) if not is_address(person.address)]
        if wrong:
            problems[name] = f"“{wrong[0].address or wrong[0].name}” is no address."
    if not draft.to.strip(" ,;") and not draft.cc.strip(" ,;"):
        problems["to"] = "Say whom it is for: an address, as in ann@prairie.example."
    elif len(people_in(f"{draft.to}, {draft.cc}")) > MOST_RECIPIENTS:
        problems["to"] = f"A letter goes to at most {MOST_RECIPIENTS} people from here."
    if _BREAK.search(draft.subject):
        problems["subject"] = "A subject is one line; this one has a line break in it."
    elif CODE in draft.subject:
        problems["subject"] = f"Mail programs take “{CODE}” for the beginning of a code."
    elif len(draft.subject) > MOST_SUBJECT:
        problems["subject"] = f"At most {MOST_SUBJECT} characters, please."
    if len(draft.text) > MOST_TEXT:
        problems["text"] = f"At most {MOST_TEXT:,} characters, please; attach the rest as a file."
    return problems | file_problems(files)


def file_problems(files: Iterable[File]) -> dict[str, str]:
    """Say what is wrong with attachments."""
    listed = list(files)
    if len(listed) > MOST_FILES:
        return {"files": f"At most {MOST_FILES} files, please."}
    if sum(len(file.content) for file in listed) > ROOM:
        return {"files": f"At most {ROOM // 1_000_000} MB in all, please."}
    return {}


def people_in(typed: str) -> list[Person]:
    """Read addresses as people type them, with commas or semicolons between them."""
    try:
        pairs = getaddresses([typed.replace(";", ",")])
    except FOREIGN:
        pairs = [("", typed)]
    if typed.strip(" ,;") and not any(address for _, address in pairs):
        pairs = [("", typed.strip(" "))]
    return [Person(name, address) for name, address in pairs if name or address]


def composed(draft: Draft, sender: User, files: Iterable[File], date: datetime) -> EmailMessage:
    """Write a letter that has no problems."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(Person(sender.full_name, sender.address))
    for name in ("to", "cc"):
        people = people_in(getattr(draft, name))
        if people:
            message[name.title()] = [_address(person) for person in people]
    message["Subject"] = draft.subject
    return _finished(message, draft, files, date)


def kept_draft(draft: Draft, sender: User, files: Iterable[File], date: datetime) -> EmailMessage:
    """Write a letter that is not ready. What was typed stands in fields that need no grammar."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _address(Person(sender.full_name, sender.address))
    for name in TYPED:
        message[f"X-Draft-{name.title()}"] = quote(getattr(draft, name)[:5000], safe="@,.")
    message["Subject"] = _harmless(draft.subject)
    return _finished(message, draft, files, date)


def _finished(
    message: EmailMessage, draft: Draft, files: Iterable[File], date: datetime
) -> EmailMessage:
    message["Date"] = format_datetime(date)
    message["Message-ID"] = make_msgid(domain=DOMAIN)
    if answers := _ids(draft.answers)[:1]:  # from somebody else's head, so read again
        message["In-Reply-To"] = answers[0]
        message["References"] = " ".join([*_ids(draft.references)[-8:], *answers])
    message.set_content(draft.text.replace("\r\n", "\n")[:MOST_TEXT], cte="quoted-printable")
    for file in files:
        known = _MEDIA.fullmatch(file.content_type) and not file.content_type.startswith(
            ("multipart/", "message/")
        )
        maintype, _, subtype = (file.content_type if known else OCTETS).partition("/")
        message.add_attachment(file.content, maintype, subtype, filename=file.filename)
    return message


OCTETS: Final = "application/octet-stream"


def _address(person: Person) -> Address:
    local, _, domain = person.address.rpartition("@")
    return Address(_harmless(person.name)[:200], local, domain)


def _harmless(text: str) -> str:
    return _BREAK.sub(" ", text).replace(CODE, "= ?")[:MOST_SUBJECT]


def _ids(text: str) -> list[str]:
    return [id for id in _ID.findall(text) if CODE not in id]


def written(message: EmailMessage) -> bytes:
    """Give a message as bytes. Raises ValueError if its head has a field that nobody set."""
    content = message.as_bytes()
    head = content.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    bare = head.replace(b"\r\n", b"")
    known = sorted(name.encode() for name, _ in message.items())
    if sorted(names) != known or b"\n" in bare or b"\r" in bare:
        raise ValueError("the head of this message is not what was written")
    return content


# --- what a form begins with ---------------------------------------------------------------------


def reopened(letter: Letter) -> Draft:
    """What stood in the form when a draft was kept."""
    fields = {name.lower(): value for name, value in letter.fields}
    typed = {name: unquote(fields.get(f"x-draft-{name}", "")) for name in TYPED}
    if not any(typed.values()):  # a draft that another program has written
        typed = {"to": listed(letter.to), "cc": listed(letter.cc), "subject": letter.subject}
    answers, references = fields.get("in-reply-to", ""), fields.get("references", "")
    return Draft(**typed, text=letter.words.rstrip("\n"), answers=answers, references=references)


def reply(letter: Letter, reader: User, to_all: bool) -> Draft:
    """Begin an answer: to whom the letter says, with its words quoted."""
    back_to = letter.reply_to or letter.sender
    to, cc = [back_to], []
    if back_to.address.lower() == reader.address:
        to = list(letter.to)  # an answer to one's own letter goes where that one went
    if to_all:
        known = {person.address.lower() for person in to} | {reader.address}
        others = (*letter.to, *letter.cc)
        cc = [person for person in others if person.address.lower() not in known]
    return Draft(
        listed(to), listed(cc), _prefixed("Re", letter.subject), f"\n\n{quoted(letter)}",
        letter.message_id, letter.references,
    )  # fmt: skip


def forward(letter: Letter) -> Draft:
    """Begin a letter that hands another one on."""
    heads: Mapping[str, str] = {
        "From": listed([letter.sender]),
        "Date": _day(letter),
        "To": listed(letter.to[:10]),
        "Subject": letter.subject,
    }
    head = "\n".join(f"{name}: {value}" for name, value in heads.items() if value)
    text = f"\n\n---------- Forwarded letter ----------\n{head}\n\n{letter.words}"
    return Draft(subject=_prefixed("Fwd", letter.subject), text=text[:MOST_TEXT])


def quoted(letter: Letter) -> str:
    """The words of a letter, each line behind a bracket, below a line that says whose they are."""
    lines = letter.words[: MOST_TEXT // 2].rstrip("\n").split("\n")
    marked = (">" + ("" if line.startswith(">") or not line else " ") + line for line in lines)
    return f"On {_day(letter)}, {letter.sender} wrote:\n" + "\n".join(marked) + "\n"


def listed(people: Iterable[Person]) -> str:
    """Write people as they are typed into a form."""
    return ", ".join(_typed(person) for person in people if person.address)


def _typed(person: Person) -> str:
    if not person.name or person.name == person.address:
        return person.address
    plain = re.fullmatch(r"[\w '.-]+", person.name) is not None
    name = person.name if plain else '"' + re.sub(r'["\\]', "", person.name) + '"'
    return f"{name} <{person.address}>"


def _prefixed(prefix: str, subject: str) -> str:
    known = subject.lower().startswith(f"{prefix.lower()}:")
    return (subject if known else f"{prefix}: {subject}")[:MOST_SUBJECT]


def _day(letter: Letter) -> str:
    return "an unknown day" if letter.date is None else f"{letter.date:%d %B %Y, %H:%M}".lstrip("0")


def attached(attachment: Attachment) -> File:
    """An attachment of another letter, to be sent along."""
    return File(safe_name(attachment.filename), attachment.content_type, attachment.content)
