"""What field names mean: a table that people read."""

from __future__ import annotations

import pytest

from crlf.message.fieldlore import FieldLore, known_fields, lore_of
from crlf.message.grammar import is_token
from crlf.wire.h1.body import FORBIDDEN_TRAILERS
from crlf.wire.h1.framing import SINGLE

FIELDS = known_fields()


def test_there_are_at_least_a_hundred_and_fifty() -> None:
    assert len(FIELDS) >= 150


@pytest.mark.parametrize("lore", FIELDS, ids=lambda lore: lore.name)
def test_a_field_is_described_in_one_sentence(lore: FieldLore) -> None:
    assert is_token(lore.name)
    assert lore_of(lore.name.upper()) == lore
    assert lore.rule.strip(" ")
    assert 15 < len(lore.purpose) < 90
    assert not lore.purpose.endswith(".")
    assert lore.purpose.isascii()
    assert lore.purpose[0] in "abcdefghijklmnopqrstuvwxyz"


def test_they_stand_in_order_and_once() -> None:
    names = [lore.name.lower() for lore in FIELDS]
    assert names == sorted(set(names))


def test_all_that_the_engine_knows_by_name_is_known() -> None:
    assert all(lore_of(name) is not None for name in SINGLE | FORBIDDEN_TRAILERS)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("host", "RFC 9110 7.2"),
        ("Content-Length", "RFC 9110 8.6"),
        ("TRANSFER-ENCODING", "RFC 9112 6.1"),
        ("Cache-Control", "RFC 9111 5.2"),
        ("CF-Ray", "Cloudflare"),
        ("Sec-Fetch-Storage-Access", "Fetch Metadata 2"),
        ("X-Amz-Date", "Amazon"),
        ("X-Something", "RFC 6648 1"),
    ],
)
def test_a_name_or_its_family_says_where_it_is_written(name: str, rule: str) -> None:
    found = lore_of(name)
    assert found is not None
    assert found.rule == rule


@pytest.mark.parametrize("name", ["", "Nobody-Knows", "X-", "Hos", "Sec-"])
def test_what_nobody_knows_is_not_made_up(name: str) -> None:
    assert lore_of(name) is None
