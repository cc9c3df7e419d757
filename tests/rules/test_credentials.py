"""Basic, Bearer, and credentials that stay at the origin they were given for."""

from __future__ import annotations

import base64
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.rules.credentials import Basic, Bearer, authorizing, basic, bearer, userinfo_of
from crlf.rules.filters import Filter
from crlf.rules.redirects import redirecting


def sent_with(rules: Filter, request: Request) -> str | None:
    return next(rules(request)).headers.first("authorization")


@pytest.mark.rfc("7617", "2")
def test_the_example_of_the_rfc() -> None:
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.rfc("7617", "2.1")
def test_basic_is_utf_8_in_its_composed_form() -> None:
    assert basic("test", "123\u00a3") == "Basic dGVzdDoxMjPCow=="
    assert basic("e\u0301", "") == basic("\u00e9", "")


@pytest.mark.rfc("7617", "2")
@pytest.mark.parametrize(
    ("user", "password"),
    [("a:b", ""), ("a\n", ""), ("a", "b\r\nx: y"), ("a", "\x7f"), ("a\0", "b"), ("\ud800", "")],
)
def test_what_could_not_be_read_back_is_refused_and_not_shown(user: str, password: str) -> None:
    with pytest.raises(Malformed) as refused:
        basic(user, password)
    assert (password or user) not in str(refused.value)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":")),
    st.text(st.characters(exclude_categories=["Cs", "Cc"])),
)
def test_basic_is_one_line_of_ascii(user: str, password: str) -> None:
    scheme, _, coded = basic(user, password).partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(coded, validate=True).decode().partition(":")[1] == ":"


@pytest.mark.rfc("6750", "2.1")
def test_bearer() -> None:
    assert bearer("mF_9.B5f-4.1JqM") == "Bearer mF_9.B5f-4.1JqM"
    assert bearer("7|a1b2") == "Bearer 7|a1b2"
    for token in ("", "a b", "a\n", "a,b", 'a"', "\u00e9", "\x7f", "\u212a"):
        with pytest.raises(Malformed):
            bearer(token)


def test_userinfo_of_a_url_is_decoded() -> None:
    assert userinfo_of(URL("http://a.example/")) is None
    assert userinfo_of(URL("http://@a.example/")) is None
    assert userinfo_of(URL("http://u%40x:p%3Aq@a.example/")) == basic("u@x", "p:q")
    assert userinfo_of(URL("http://u@a.example/")) == basic("u", "")
    assert userinfo_of(URL("http://:p@a.example/")) == basic("", "p")
    with pytest.raises(Malformed):
        userinfo_of(URL("http://u%3Ax:p@a.example/"))


def test_what_the_request_says_itself_counts_most() -> None:
    request = Request("GET", "http://u:p@a.example/", {"Authorization": "mine"})
    assert sent_with(authorizing("client's"), request) == "mine"
    assert sent_with(authorizing(), request) == "mine"


def test_a_value_counts_more_than_the_url_and_the_url_more_than_nothing() -> None:
    request = Request("GET", "http://u:p@a.example/")
    assert sent_with(authorizing("given"), request) == "given"
    assert sent_with(authorizing(), request) == basic("u", "p")
    assert sent_with(authorizing(), Request("GET", "http://a.example/")) is None


def test_the_response_comes_back_itself() -> None:
    steps = authorizing("x")(Request("GET", "http://a.example/"))
    next(steps)
    response = Response(401)
    with pytest.raises(StopIteration) as done:
        steps.send(response)
    assert done.value.value is response


@pytest.mark.rfc("9110", "9.3.8")
def test_trace_tells_no_secret() -> None:
    assert sent_with(authorizing("x"), Request("TRACE", "http://a.example/")) is None


def requests_sent(outer: Filter, inner: Filter, request: Request, *hops: str) -> list[Request]:
    """Run two filters round a line of redirects; return what went out."""
    sent: list[Request] = []
    outside = outer(request)
    wanted = next(outside)
    for location in (*hops, None):
        inside = inner(wanted)
        sent.append(next(inside))
        response = Response(302, {"location": location}) if location else Response(200)
        with pytest.raises(StopIteration) as done:
            inside.send(response)
        if location:
            wanted = outside.send(done.value.value)
    return sent


HOPS = ("/same", "https://b.example/", "https://a.example:444/", "https://a.example/again")


@pytest.mark.rfc("9110", "15.4")
def test_outside_of_redirecting_the_field_stays_within_the_origin() -> None:
    request = next(authorizing("x")(Request("GET", "https://a.example/")))
    plain: Filter = authorizing(None)
    sent = requests_sent(redirecting(), plain, request, *HOPS)
    assert ["authorization" in each.headers for each in sent] == [True, True, False, False, False]


@pytest.mark.rfc("9110", "15.4")
def test_inside_of_redirecting_it_goes_to_the_first_origin_alone() -> None:
    request = Request("GET", "https://a.example/")
    sent = requests_sent(redirecting(), authorizing("x"), request, *HOPS)
    assert ["authorization" in each.headers for each in sent] == [True, True, False, False, True]


def test_a_location_brings_no_credentials_along() -> None:
    request = Request("GET", "https://u:p@a.example/")
    hops = ("https://x:y@a.example/", "https://x:y@b.example/")
    sent = requests_sent(redirecting(), authorizing(), request, *hops)
    assert [each.headers.first("authorization") for each in sent] == [basic("u", "p"), None, None]
    assert all("@" not in str(each.url) for each in sent[1:])


def test_the_same_head_gives_the_same_head() -> None:
    rules, request = authorizing("x"), Request("GET", "https://a.example/", {"accept": "*/*"})
    assert next(rules(request)).headers is next(rules(request)).headers
    other = Request("GET", "https://a.example/", {"accept": "a/b"})
    assert next(rules(other)).headers["accept"] == "a/b"


def test_basic_and_bearer_are_values_that_keep_their_secret() -> None:
    assert repr(Basic("u", "geheim")) == "Basic('u', ***)"
    assert repr(Bearer("geheim")) == "Bearer(***)"
    assert Basic("u", "p").value == basic("u", "p")
    assert Bearer("t").value == bearer("t")
    assert pickle.loads(pickle.dumps(Basic("u", "p"))) == Basic("u", "p")


@pytest.mark.rfc("9110", "15.4")
@pytest.mark.parametrize("auth", [Basic("u", "p"), Bearer("t")])
def test_as_filters_they_are_anchored_too(auth: Basic | Bearer) -> None:
    sent = requests_sent(redirecting(), auth, Request("GET", "https://a.example/"), *HOPS)
    assert ["authorization" in each.headers for each in sent] == [True, True, False, False, True]
    assert sent_with(auth, Request("TRACE", "https://a.example/")) is None
    own = Request("GET", "https://a.example/", {"authorization": "own"})
    assert sent_with(auth, own) == "own"
