"""Letters: what stands in a message, read by Python's `email`, whatever was sent.

The sender may be hostile, so the parser is given bounds before it is given the message: headers
are cut, work is estimated, parts are counted. It is `email`'s older policy that reads: the newer
one takes three seconds for 10,000 recipients, and raises for many a broken header. Its law:
every message gives a Letter; what could not be read is said in `faults`, beside what could.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import Compat32
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any, Final, NamedTuple

from examples.webmail.plaintext import plain_text

LONGEST: Final = 32 * 1024 * 1024  # bytes of a message that is taken apart
HEADERS: Final = 256 * 1024  # bytes of a message that are looked at when it is too much
MOST_PARTS: Final = 200
MOST_ADDRESSES: Final = 500  # that are read of a field; nobody writes to more by hand
MOST_TEXT: Final = 512 * 1024  # characters of a text that is shown
MOST_LAYERS: Final = 250  # multiparts; one in the other, 1,000 are too deep for the parser
MOST_STEPS: Final = 20_000_000  # lines times multiparts: each line is compared with each boundary
FIELD: Final = 8 * 1024  # characters of a field; of one with addresses:
ADDRESSES: Final = 64 * 1024
_MULTIPART = re.compile(rb"multipart/", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]+")
_BAD_LINES = re.compile(r"[^\S\n]*\n")
_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,255}")
WITH_ADDRESSES: Final = frozenset({"to", "cc", "from", "reply-to", "bcc", "sender"})
FOREIGN: Final = (Exception, RecursionError)  # what a parser may raise that meets a monster


class Person(NamedTuple):
    """Who wrote or is written to. name: may be empty. address: may be nonsense."""

    name: str
    address: str

    def __str__(self) -> str:
        return self.name or self.address


class Attachment(NamedTuple):
    """A part that is a file. number: its place among all parts. size: in bytes, decoded."""

    number: int
    filename: str
    content_type: str
    size: int
    content_id: str
    content: bytes

    def __repr__(self) -> str:
        return f"<Attachment {self.number} {self.filename!r}>"


class Letter(NamedTuple):
    """A message, read. html: as it was sent, so not fit to be shown. date: None for no date."""

    subject: str
    sender: Person
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    reply_to: Person | None
    date: datetime | None
    message_id: str
    references: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]
    fields: tuple[tuple[str, str], ...]
    faults: tuple[str, ...]

    @property
    def words(self) -> str:
        """The text, or what a reader sees of the HTML."""
        return self.text or plain_text(self.html)


class _Bounded(Compat32):
    """The older policy, with a bound on each header."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, _, rest = sourcelines[0].partition(":")
        most = ADDRESSES if name.lower() in WITH_ADDRESSES else FIELD
        value = (rest.lstrip(" \t") + "".join(sourcelines[1:]))[:most]
        return name[:200], value.rstrip("\r\n")

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value  # with what is no ASCII as surrogates, which _decoded makes letters of


_POLICY: Final = _Bounded()


def read_letter(content: bytes) -> Letter:
    """Take a message apart. Never raises."""
    message, faults = _parsed(content)
    text, html, attachments = "", "", []
    for number, part in enumerate(_leaves(message, faults)):
        try:
            kind, filename = part.get_content_type(), _filename(part)
            is_attached = part.get_content_disposition() == "attachment" or bool(filename)
            content_id = (part.get("content-id") or "").strip(" \t\r\n<>")[:200]
            if kind == "text/plain" and not is_attached and not text:
                text = _text(part, faults)
            elif kind == "text/html" and not is_attached and not html:
                html = _text(part, faults)
            else:
                payload = _payload(part)
                name = filename or f"part-{number}{_ENDINGS.get(kind, '')}"
                attachments.append(
                    Attachment(number, name, kind, len(payload), content_id, payload)
                )
        except FOREIGN:
            faults.append(f"Part {number} cannot be read.")
    return Letter(
        subject=_field(message, "subject"),
        sender=next(iter(_people(message, "from")), Person("", "")),
        to=_people(message, "to"),
        cc=_people(message, "cc"),
        reply_to=next(iter(_people(message, "reply-to")), None),
        date=_date(message),
        message_id=_field(message, "message-id"),
        references=f"{_field(message, 'references')} {_field(message, 'in-reply-to')}".strip(),
        text=text,
        html=html,
        attachments=tuple(attachments),
        fields=tuple((name, _decoded(str(value))) for name, value in message.items()[:200]),
        faults=tuple(dict.fromkeys(faults)),
    )


def _parsed(content: bytes) -> tuple[Message[Any, Any], list[str]]:
    if len(content) > LONGEST:
        return _headers_of(content), ["This message is too long to be taken apart."]
    layers = len(_MULTIPART.findall(content))
    if layers > MOST_LAYERS or content.count(b"\n") * layers > MOST_STEPS:
        return _headers_of(content), ["This message has more layers than anybody reads."]
    try:
        return BytesParser(policy=_POLICY).parsebytes(content), []
    except FOREIGN:
        return _headers_of(content), ["This message has more layers than anybody reads."]


def _headers_of(content: bytes) -> Message[Any, Any]:
    message = BytesHeaderParser(policy=_POLICY).parsebytes(content[:HEADERS])
    message.set_payload("")
    return message


def _leaves(message: Message[Any, Any], faults: list[str]) -> Iterator[Message[Any, Any]]:
    """Walk through the parts that have no parts, in order; not by recursion, and not for ever.

    A letter inside of a letter (message/rfc822) is a file like any other.
    """
    left, seen = [message], 0
    while left:
        part = left.pop()
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            left += [inner for inner in payload[MOST_PARTS::-1] if isinstance(inner, Message)]
            continue
        seen += 1
        if seen > MOST_PARTS:
            faults.append(f"Only the first {MOST_PARTS} parts are shown.")
            return
        yield part


def _payload(part: Message[Any, Any]) -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    inner = part.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], Message):
        return inner[0].as_bytes()
    return b""


def _text(part: Message[Any, Any], faults: list[str]) -> str:
    """Decode a text by its charset; by UTF-8, and by what old Windows wrote, when that is a lie."""
    payload = _payload(part)
    named = str(part.get_content_charset("utf-8"))
    for charset in (named, "utf-8", "cp1252"):
        try:
            text = payload.decode(charset)
            break
        except (LookupError, ValueError):  # no such charset, or not in it
            if charset == named:
                faults.append("The text is not in the character set that it names.")
    else:
        text = payload.decode("latin-1")
    if len(text) > MOST_TEXT:
        faults.append("The text is very long: only its beginning is shown.")
    text = text[:MOST_TEXT].replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return _BAD_LINES.sub("\n", text)


def _field(message: Message[Any, Any], name: str) -> str:
    return _decoded(str(message.get(name, "")))[:1000]


def _decoded(value: str) -> str:
    """Decode the encoded words of a field and take out whatever breaks a line or turns it."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # bytes that are no ASCII, where only ASCII may stand
        raw = value.encode("utf-8", "surrogateescape")
        try:
            value = raw.decode("utf-8")
        except ValueError:
            value = raw.decode("cp1252", "replace")
    try:
        text = str(make_header(decode_header(value)))
    except FOREIGN:
        text = value
    text = _CONTROLS.sub(" ", text.encode("utf-8", "replace").decode("utf-8"))
    return re.sub(" {2,}", " ", text).strip(" ")


def _people(message: Message[Any, Any], name: str) -> tuple[Person, ...]:
    values = [str(value) for value in message.get_all(name, [])[:10]]
    try:
        pairs = getaddresses(values)
    except FOREIGN:
        pairs = [("", value[:200]) for value in values]
    people = []
    for shown, address in pairs[:MOST_ADDRESSES]:
        if shown or address:
            people.append(Person(_decoded(shown)[:200], _decoded(address)[:320]))
    if not people:  # broken in a way that getaddresses gives up on: as it stands
        people = [Person(_decoded(value)[:200], "") for value in values if value]
    return tuple(people)


def _date(message: Message[Any, Any]) -> datetime | None:
    try:
        date = parsedate_to_datetime(str(message.get("date", ""))[:100])
        date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        return date if 1970 < date.astimezone(UTC).year < 2200 else None
    except FOREIGN:
        return None


def _filename(part: Message[Any, Any]) -> str:
    try:
        return _decoded(part.get_filename("") or "")[:200]
    except FOREIGN:
        return "unreadable"


def is_address(text: str) -> bool:
    """Tell whether text is an address that a letter may be sent to."""
    return _ADDRESS.fullmatch(text) is not None


_ENDINGS: Final = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "application/pdf": ".pdf",
    "message/rfc822": ".eml",
}
