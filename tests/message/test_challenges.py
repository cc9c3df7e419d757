"""Challenges: lists within lists, read once from left to right, or not at all."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.fields.challenges import (
    MAX_CHALLENGES,
    MAX_PARAMS,
    Challenge,
    build_challenge,
    parse_auth_params,
    parse_challenges,
)

pytestmark = pytest.mark.rfc("9110", "11.6.1")


@pytest.mark.parametrize(
    ("values", "challenges"),
    [
        (["Basic"], [Challenge("basic")]),
        (['Basic realm="a"'], [Challenge("basic", None, (("realm", "a"),))]),
        (["BASIC ReAlM=a"], [Challenge("basic", None, (("realm", "a"),))]),
        (["Negotiate YII=="], [Challenge("negotiate", "YII==")]),
        (["Negotiate abc"], [Challenge("negotiate", "abc")]),
        (["Basic realm="], [Challenge("basic", "realm=")]),  # odd, but there is no other reading
        (["Negotiate a="], [Challenge("negotiate", "a=")]),
        (["Negotiate, NTLM"], [Challenge("negotiate"), Challenge("ntlm")]),
        (["Negotiate", "NTLM"], [Challenge("negotiate"), Challenge("ntlm")]),
        (["Negotiate  ,", "", ", NTLM ,,"], [Challenge("negotiate"), Challenge("ntlm")]),
        (
            ['Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"'],
            [
                Challenge(
                    "newauth",
                    None,
                    (("realm", "apps"), ("type", "1"), ("title", 'Login to "apps"')),
                ),
                Challenge("basic", None, (("realm", "simple"),)),
            ],
        ),
        (
            ['Digest realm="a, Basic realm=\\\\", qop="auth,auth-int",, nonce = x'],
            [
                Challenge(
                    "digest",
                    None,
                    (("realm", "a, Basic realm=\\"), ("qop", "auth,auth-int"), ("nonce", "x")),
                )
            ],
        ),
        (
            ["Negotiate YII=, Basic realm=x\t,\tBearer"],
            [
                Challenge("negotiate", "YII="),
                Challenge("basic", None, (("realm", "x"),)),
                Challenge("bearer"),
            ],
        ),
        (['A realm="\xe9"'], [Challenge("a", None, (("realm", "\xe9"),))]),
        ([], []),
        ([" , ,"], []),
    ],
)
def test_read(values: list[str], challenges: list[Challenge]) -> None:
    assert parse_challenges(values) == tuple(challenges)


@pytest.mark.parametrize(
    "value",
    [
        'Basic realm="a',
        'Basic realm="a\\"',
        'Basic realm="a" x',
        'Basic realm="a"realm2="b"',
        "Basic realm=a b",
        "Basic realm=a, realm=a",
        "Basic realm=a, REALM=b",
        "realm=a",
        "Negotiate abc, realm=a",
        "Negotiate a=b=c",
        "Negotiate a b",
        "Basic/1 realm=a",
        "Basic;realm=a",
        'Basic "a"',
        'Basic realm="\x01"',
        'Basic realm="\x7f"',
        "Basic realm=\x00",
        "Basic\x0brealm=a",
        "\xe9 realm=a",
        "Basic realm=/",
        '"',
        "=",
    ],
)
def test_what_has_no_reading_is_refused(value: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_challenges([value])
    assert refused.value.rule.startswith("RFC 9110")
    assert refused.value.offset is not None


def test_a_realm_and_other_parameters_are_found_by_name() -> None:
    (challenge,) = parse_challenges(['Digest Realm="a", Nonce=x'])
    assert (challenge.realm, challenge.param("nonce")) == ("a", "x")
    assert challenge.param("opaque") is None


def test_there_is_an_end_to_challenges_and_parameters() -> None:
    assert len(parse_challenges([", ".join(["A"] * MAX_CHALLENGES)])) == MAX_CHALLENGES
    assert len(parse_challenges(["A"] * MAX_CHALLENGES)) == MAX_CHALLENGES
    for values in ([", ".join(["A"] * 1000)], ["A"] * (MAX_CHALLENGES + 1)):
        with pytest.raises(Malformed, match="challenges"):
            parse_challenges(values)
    with pytest.raises(Malformed, match="parameters"):
        parse_challenges(["A " + ", ".join(f"p{n}=1" for n in range(MAX_PARAMS + 1))])
    with pytest.raises(Malformed, match="members"):
        parse_challenges(["," * 100_000])


@pytest.mark.parametrize(
    "value",
    [
        'A x="' + "\\" * 100_000,
        'A x="' + '\\"' * 50_000,
        "A " + "a" * 100_000 + "=" * 100_000,
        "A" + " " * 200_000 + "!",
        "A x" + " " * 200_000 + "y",
        "A " + ", ".join(f"p{n}=" + "v" * 8192 for n in range(30)),
    ],
)
def test_a_hostile_field_takes_no_time(value: str) -> None:
    started = time.process_time()
    with contextlib.suppress(Malformed):
        parse_challenges([value])
    assert time.process_time() - started < 0.5


WORDS = st.text("abcXYZ019-_", min_size=1, max_size=8)
VALUES = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]))


@given(
    st.lists(
        st.one_of(
            st.builds(lambda scheme, word: Challenge(scheme.lower(), word), WORDS, WORDS),
            st.builds(
                lambda scheme, params: Challenge(scheme.lower(), None, tuple(params.items())),
                WORDS,
                st.dictionaries(WORDS.map(str.lower), VALUES, max_size=4),
            ),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_what_is_built_is_read_back(challenges: list[Challenge], apart: bool) -> None:
    built = [build_challenge(c.scheme, c.params, token68=c.token68) for c in challenges]
    assert parse_challenges(built if apart else [", ".join(built)]) == tuple(challenges)


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse_challenges([text])
    except Malformed:
        return
    assert (
        parse_challenges([build_challenge(c.scheme, c.params, token68=c.token68) for c in found])
        == found
    )


@pytest.mark.rfc("7616", "3.3")
def test_what_must_not_be_quoted_is_not() -> None:
    params = {"realm": 'a"b\\', "algorithm": "SHA-256", "stale": "true", "qop": "auth"}
    assert build_challenge("Digest", params) == (
        'Digest realm="a\\"b\\\\", algorithm=SHA-256, stale=true, qop="auth"'
    )
    assert build_challenge("Bearer") == "Bearer"
    assert build_challenge("Negotiate", token68="YII=") == "Negotiate YII="


@pytest.mark.parametrize(
    ("scheme", "params", "token68"),
    [
        ("a b", {}, None),
        ("", {}, None),
        ("a", {"b c": "x"}, None),
        ("a", {"b": "x\r\ny: z"}, None),
        ("a", {"b": "\u0141"}, None),
        ("a", {"algorithm": 'x"'}, None),
        ("a", (("b", "x"), ("B", "y")), None),
        ("a", {"b": "x"}, "token"),
        ("a", {}, "a b"),
        ("a", {}, "a\n"),
        ("a", {}, "a=b"),
    ],
)
def test_what_could_not_be_read_back_is_not_built(scheme: str, params, token68) -> None:
    with pytest.raises(Malformed):
        build_challenge(scheme, params, token68=token68)


@pytest.mark.rfc("9110", "11.6.3")
def test_parameters_alone() -> None:
    assert parse_auth_params('nextnonce="a,b", QOP=auth,') == (
        ("nextnonce", "a,b"),
        ("qop", "auth"),
    )
    assert parse_auth_params("") == ()
    for text in ("a", "a=1, a=2", 'a="', "a=1 b=2", "Digest a=1"):
        with pytest.raises(Malformed):
            parse_auth_params(text)
