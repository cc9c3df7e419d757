"""Status codes have their registered phrases, one class each, and a sentence for people."""

from __future__ import annotations

import http

import pytest

from crlf.message.response import Response
from crlf.message.status import (
    MEANINGS,
    REASONS,
    Status,
    explain,
    reason_of,
)

pytestmark = pytest.mark.rfc("9110", "15")


def test_the_table_has_the_registered_codes() -> None:
    assert sorted(REASONS) == [
        *range(100, 104), *range(200, 209), 226, *range(300, 306), 307, 308, *range(400, 418),
        *range(421, 427), 428, 429, 431, 451, *range(500, 509), 510, 511,
    ]  # fmt: skip


def test_names_phrases_and_codes_say_the_same() -> None:
    assert {status.value for status in Status} == set(REASONS)
    for status in Status:
        phrase = REASONS[status].upper().replace(" ", "_").replace("-", "_")
        assert status.name == phrase


def test_phrases_are_those_of_the_standard_library_but_for_what_rfc_9110_renamed() -> None:
    older = {413, 414, 416, 422}
    for status in http.HTTPStatus:
        if status in REASONS and status not in older:
            assert reason_of(status) == status.phrase
    assert reason_of(413) == "Content Too Large"
    assert reason_of(422) == "Unprocessable Content"


def test_a_name_is_its_number() -> None:
    assert Status.NOT_FOUND == 404
    assert f"{Status.NOT_FOUND}" == "404"


def test_an_unknown_code_has_no_phrase() -> None:
    assert (reason_of(299), reason_of(999), reason_of(306), reason_of(418)) == ("", "", "", "")


def test_every_code_is_explained_in_one_sentence_with_its_rule() -> None:
    for code, meaning in MEANINGS.items():
        assert explain(code) == f"{meaning.sentence} [{meaning.rule}]"
        assert meaning.sentence.endswith(".")
        assert meaning.rule.startswith("RFC ")
    sentences = [meaning.sentence for meaning in MEANINGS.values()]
    assert len(set(sentences)) == len(sentences)


def test_an_unknown_code_counts_as_the_first_of_its_class() -> None:
    assert "counts as 400" in explain(499)
    assert "counts as 200" in explain(299)
    assert explain(999).startswith("No status code")
    assert explain(99).startswith("No status code")


def test_a_response_knows_the_class_of_its_code() -> None:
    codes = range(100, 600)
    assert [code for code in codes if Response(code).is_success] == list(range(200, 300))
    assert [code for code in codes if Response(code).is_error] == list(range(400, 600))


@pytest.mark.rfc("9110", "15.4")
def test_a_redirect_has_somewhere_to_go() -> None:
    there = {"location": "/there"}
    found = [code for code in range(100, 600) if Response(code, there).is_redirect]
    assert found == [301, 302, 303, 307, 308]
    assert not Response(302).is_redirect
