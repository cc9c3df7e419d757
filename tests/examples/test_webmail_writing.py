"""Writing: whatever is typed, a message has the fields that the program has set, and no other."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import quote

import pytest
from examples.webmail.letters import Attachment, Person, read_letter
from examples.webmail.users import User
from examples.webmail.writing import (
    Draft,
    attached,
    composed,
    forward,
    kept_draft,
    people_in,
    problems_of,
    reopened,
    reply,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

ANN = User("ann", "", "Ann Whitfield")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
HOSTILE = st.text(st.sampled_from('ab \r\n\t:;,<>@"\\()=?_%\0\x85\u2028\u00fc\u202e'), max_size=40)
CODED = HOSTILE.map(lambda text: f"=?utf-8?q?{quote(text).replace('%', '=')}?=")
TYPED = st.one_of(HOSTILE, CODED, st.tuples(HOSTILE, CODED).map("".join))


@given(to=TYPED, cc=TYPED, subject=TYPED, ids=TYPED, name=TYPED)
def test_nothing_that_is_typed_writes_a_field(
    to: str, cc: str, subject: str, ids: str, name: str
) -> None:
    draft = Draft(f"{to} <a@b.example>", cc, subject, to, f"<{ids}>", f"<{ids}> <x@y> {ids}")
    files = [attached(Attachment(1, name, name, 1, "", b"x"))]
    kept = read_letter(written(kept_draft(draft, ANN, files, NOW)))
    assert not {"bcc", "a", "b"} & {field.lower() for field, _ in kept.fields}
    assert reopened(kept).subject == subject
    assert len(kept.attachments) == 1
    if not problems_of(draft, files):
        sent = read_letter(written(composed(draft, ANN, files, NOW)))
        assert {field.lower() for field, _ in sent.fields} <= SET_HERE


SET_HERE = {"from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references",
            "content-type", "mime-version", "content-transfer-encoding"}  # fmt: skip


def test_a_head_that_is_not_what_was_set_is_never_sent() -> None:
    """What a Python older than 3.11.10 makes of an encoded word with a line break in it."""

    class Broken(EmailMessage):
        def as_bytes(self, unixfrom: bool = False, policy: object = None) -> bytes:
            return b"Subject: a\r\nBcc: x@y.example\r\n\r\nx"

    message = Broken()
    message["Subject"] = "a"
    with pytest.raises(ValueError, match="not what was written"):
        written(message)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("a@b.example", [("", "a@b.example")]),
        ("Ann <a@b.example>; c@d.example", [("Ann", "a@b.example"), ("", "c@d.example")]),
        ('"Whitfield, Ann" <a@b.example>', [("Whitfield, Ann", "a@b.example")]),
        ("Größe <a@b.example>,", [("Größe", "a@b.example")]),
        ("", []),
        (" , ; ", []),
    ],
)
def test_addresses_are_read_as_people_type_them(typed: str, read: list[tuple[str, str]]) -> None:
    assert people_in(typed) == [Person(*each) for each in read]


def test_an_answer_to_all_leaves_out_who_answers() -> None:
    letter = read_letter(
        b"From: Tim <tim@x.example>\r\nTo: ann@prairie.example, c@d.example\r\n"
        b"Cc: TIM@x.example, e@f.example\r\nSubject: re: x\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n"
    )
    draft = reply(letter, ANN, to_all=True)
    assert (draft.to, draft.cc) == ("Tim <tim@x.example>", "c@d.example, e@f.example")
    assert draft.subject == "re: x"
    assert draft.text.endswith("wrote:\n> hi\n")
    assert reply(letter, ANN, to_all=False).cc == ""


def test_an_answer_to_a_letter_in_html_quotes_its_words() -> None:
    letter = read_letter(b"Content-Type: text/html\r\n\r\n<p>One</p><script>x</script><p>Two</p>")
    assert reply(letter, ANN, to_all=False).text.endswith("> One\n>\n> Two\n")
    assert "<p>" not in forward(letter).text
