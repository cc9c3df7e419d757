"""Redirects: who is followed, with what method, and what never goes along."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import TooManyRedirects
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.rules.filters import Filter
from crlf.rules.redirects import ANCHORED, SAFE_FIELDS, follow_up, redirecting

SECRETS = {
    "Authorization": "Bearer x",
    "Cookie": "sid=1",
    "Proxy-Authorization": "Basic x",
    "X-Api-Key": "x",
    "Private-Token": "x",
    "Referer": "https://a.example/secret",
    "Origin": "https://a.example",
}


def to(location: str, status_code: int = 302) -> Response:
    return Response(status_code, {"location": location})


def run(rules: Filter, request: Request, *responses: Response) -> tuple[list[Request], Response]:
    """Answer a filter's requests in order; return them, and what it handed back."""
    steps = rules(request)
    sent, answers = [next(steps)], iter(responses)
    try:
        while True:
            sent.append(steps.send(next(answers)))
    except StopIteration as done:
        assert next(answers, None) is None, "not every response was asked for"
        return sent, done.value


def follow(
    url: str,
    location: str,
    headers: dict[str, str] | None = None,
    *,
    method: str = "GET",
    status_code: int = 302,
    content: object = b"",
    rules: Filter | None = None,
) -> Request:
    """Follow one redirect; return the request that came of it."""
    request = Request(method, url, headers or {}, content)
    rules = rules or redirecting(methods=None)
    sent, _ = run(rules, request, to(location, status_code), Response(200))
    assert len(sent) == 2
    return sent[1]


def refused(url: str, response: Response, **options: object) -> str:
    """Return the sentence with which a redirect is refused; the response itself comes back."""
    rules = redirecting(methods=None, **options)  # type: ignore[arg-type]
    sent, answer = run(rules, Request("GET", url), response)
    assert len(sent) == 1
    assert answer is response
    return str(answer.extras["redirect_refused"])


# --- what is no redirect ---------------------------------------------------------------------


def test_a_response_that_is_no_redirect_comes_back_itself() -> None:
    response = Response(200)
    sent, answer = run(redirecting(), Request("GET", "http://a.example/"), response)
    assert answer is response
    assert answer.history == ()
    assert len(sent) == 1


@pytest.mark.parametrize("status_code", [201, 300, 304, 305, 306, 404])
def test_other_statuses_with_a_location_are_not_followed(status_code: int) -> None:
    response = to("/x", status_code)
    _, answer = run(redirecting(), Request("GET", "http://a.example/"), response)
    assert answer is response


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_and_head_are_followed_by_default(method: str) -> None:
    response = to("/x")
    _, answer = run(redirecting(), Request(method, "http://a.example/"), response)
    assert answer is response
    assert answer.extras == {}


# --- method and content ----------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.4")
@pytest.mark.parametrize(
    ("status_code", "method", "after", "keeps_content"),
    [
        (301, "GET", "GET", True),
        (301, "HEAD", "HEAD", True),
        (301, "POST", "GET", False),
        (301, "PUT", "PUT", True),
        (302, "POST", "GET", False),
        (302, "DELETE", "DELETE", True),
        (302, "QUERY", "QUERY", True),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (303, "GET", "GET", False),
        (303, "HEAD", "HEAD", False),
        (307, "POST", "POST", True),
        (307, "GET", "GET", True),
        (308, "PUT", "PUT", True),
    ],
)
def test_the_table_of_methods(
    status_code: int, method: str, after: str, keeps_content: bool
) -> None:
    headers = {
        "content-type": "a/b", "content-language": "de", "Repr-Digest": "x",
        "expect": "100-continue", "accept": "*/*",
    }  # fmt: skip
    for location in ("/x", "http://b.example/"):
        request = follow(
            "http://a.example/", location, headers,
            method=method, status_code=status_code, content=b"text",
        )  # fmt: skip
        assert request.method == after
        assert request.content == (b"text" if keeps_content else b"")
        of_content = {"content-type", "content-language", "repr-digest", "expect"}
        assert set(request.headers) == {"accept"} | (of_content if keeps_content else set())


@pytest.mark.rfc("9110", "15.4.8")
@pytest.mark.parametrize("status_code", [307, 308])
def test_content_that_cannot_be_sent_again_stops_the_redirect(status_code: int) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"once"

    request = Request("POST", "http://a.example/", content=pieces())
    response = to("/x", status_code)
    _, answer = run(redirecting(methods=None), request, response)
    assert answer is response
    assert "second time" in str(answer.extras["redirect_refused"])


def test_content_that_can_be_sent_again_is() -> None:
    request = follow(
        "http://a.example/", "/x", method="POST", status_code=307, content=[b"on", b"ce"]
    )
    assert not isinstance(request.body, bytes)
    assert list(request.body.chunks()) == [b"on", b"ce"]


def test_a_stream_does_not_stop_a_303_which_drops_it() -> None:
    request = Request("POST", "http://a.example/", content=iter([b"x"]))
    sent, _ = run(redirecting(methods=None), request, to("/x", 303), Response(200))
    assert sent[1].content == b""


# --- where to --------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "10.2.2")
@pytest.mark.parametrize(
    ("asked", "location", "url"),
    [
        ("http://a.example/b/c?d", "e", "http://a.example/b/e"),
        ("http://a.example/b/c?d", "/e?f", "http://a.example/e?f"),
        ("http://a.example/b/c?d", "?f", "http://a.example/b/c?f"),
        ("http://a.example/b", "//b.example/c", "http://b.example/c"),
        ("http://a.example/b#top", "/c", "http://a.example/c#top"),
        ("http://a.example/b#top", "/c#end", "http://a.example/c#end"),
        ("http://a.example/b#top", "/c#", "http://a.example/c#"),
        ("http://a.example/b", "/a b", "http://a.example/a%20b"),
        ("http://a.example/b", "/\xc3\xa9", "http://a.example/%C3%A9"),  # UTF-8, a byte each
        ("http://a.example/b", "/\xe9", "http://a.example/%E9"),  # Latin-1
        ("http://u:p@a.example/b", "/c", "http://a.example/c"),
        ("http://a.example/b", "http://u:p@a.example/c", "http://a.example/c"),
        ("http://a.example/b", "http://u:p@b.example/c", "http://b.example/c"),
    ],
)
def test_location_is_read_relative_to_the_url(asked: str, location: str, url: str) -> None:
    assert str(follow(asked, location).url) == url


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http:///x",
        "http://",
        "http:g",
        "http://a b/",
        "http://0x7f.1/",
        "http://[::1/",
        "http://a:99999/",
        "ftp://a.example/",
        "mailto:a@b.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://\xff/",
        "/\x85\tx",
    ],
)
def test_a_location_that_leads_nowhere_gives_the_response_back(location: str) -> None:
    assert "Location" in refused("http://a.example/", to(location))


def test_no_location_and_two_that_differ_give_the_response_back() -> None:
    assert refused("http://a.example/", Response(302)) == "no Location"
    two = Response(302, [("location", "/a"), ("location", "/b")])
    assert refused("http://a.example/", two) == "more than one Location"
    same = Response(302, [("location", "/a"), ("location", "/a")])
    sent, _ = run(redirecting(), Request("GET", "http://a.example/"), same, Response(200))
    assert sent[1].url.path == "/a"


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")))
def test_no_location_whatever_raises(location: str) -> None:
    response = Response(302, {"location": location})
    steps = redirecting()(Request("GET", "https://a.example/b", {"authorization": "x"}))
    next(steps)
    request = answer = None
    try:
        request = steps.send(response)
    except StopIteration as done:
        answer = done.value
    if request is None:
        assert answer is response
        assert response.extras["redirect_refused"]
        return
    assert request.url.is_requestable
    same = request.url.origin == URL("https://a.example/").origin
    assert ("authorization" in request.headers) == same


def test_a_refused_hop_keeps_the_history_that_led_to_it() -> None:
    first, second = to("/x"), to("mailto:x@y.example")
    _, answer = run(redirecting(), Request("GET", "http://a.example/"), first, second)
    assert answer.status_code == 302
    assert answer.history == (first,)
    assert "mailto" in str(answer.extras["redirect_refused"])


# --- trust -----------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "15.4")
@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("https://a.example/", "https://b.example/"),
        ("https://a.example/", "https://a.example:8443/"),
        ("https://a.example/", "https://www.a.example/"),
        ("https://www.a.example/", "https://a.example/"),
        ("https://a.example/", "https://a.example./"),
        ("https://a.example/", "https://a.example@b.example/"),
        ("http://a.example/", "https://a.example/"),  # even the better scheme is another origin
        ("https://a.example/", "//b.example"),
    ],
)
def test_another_origin_gets_nothing_but_harmless_fields(asked: str, location: str) -> None:
    harmless = {"Accept": "a/b", "User-Agent": "x", "Range": "bytes=0-", "If-Range": '"x"'}
    request = follow(asked, location, {"Host": "a.example", **SECRETS, **harmless})
    assert set(request.headers) == {"host", *map(str.lower, harmless)}
    assert request.headers["host"] == request.url.authority


def test_downgrade_drops_what_another_origin_may_not_have() -> None:
    rules = redirecting(downgrade=True)
    request = follow("https://a.example/", "http://a.example/", SECRETS, rules=rules)
    assert set(request.headers) == set()


def test_the_same_origin_keeps_every_field() -> None:
    headers = {"Host": "virtual.example", **SECRETS}
    for location in ("/x", "https://a.example/x", "HTTPS://A.example:443/x"):
        assert follow("https://a.example/", location, headers).headers.fields == tuple(
            headers.items()
        )


def test_what_was_dropped_does_not_come_back() -> None:
    request = Request("GET", "https://a.example/", SECRETS)
    sent, _ = run(
        redirecting(), request, to("https://b.example/"), to("https://a.example/"), Response(200)
    )
    assert "authorization" in sent[0].headers
    assert set(sent[2].headers) == set()


def test_content_at_another_origin_takes_its_fields_along_and_nothing_else() -> None:
    request = follow(
        "https://a.example/", "https://b.example/", {**SECRETS, "content-type": "a/b"},
        method="POST", status_code=307, content=b"x",
    )  # fmt: skip
    assert dict(request.headers) == {"content-type": "a/b"}
    assert request.content == b"x"


def test_without_content_no_field_of_content_goes_to_another_origin() -> None:
    request = follow("https://a.example/", "https://b.example/", {"content-token": "secret"})
    assert set(request.headers) == set()


def test_the_caller_may_declare_fields_safe_but_no_credentials() -> None:
    rules = redirecting(safe_fields=SAFE_FIELDS | {"X-Trace"})
    headers = {"x-trace": "1", "x-api-key": "2"}
    request = follow("https://a.example/", "https://b.example/", headers, rules=rules)
    assert dict(request.headers) == {"x-trace": "1"}
    for name in ANCHORED:
        with pytest.raises(ValueError, match=name):
            redirecting(safe_fields={name.upper()})
    request = Request("GET", "https://a.example/", SECRETS)
    after = follow_up(request, to("https://b.example/"), safe_fields=frozenset(ANCHORED))
    assert isinstance(after, Request)
    assert set(after.headers) == set()


@pytest.mark.rfc("9110", "15.4")
def test_https_does_not_lead_to_http_unless_it_may() -> None:
    response = to("http://b.example/")
    assert "https to http" in refused("https://a.example/", response)
    rules = redirecting(downgrade=True)
    assert follow("https://a.example/", "http://b.example/", rules=rules).url.scheme == "http"


# --- how far ---------------------------------------------------------------------------------


def test_history_is_every_response_on_the_way_oldest_first() -> None:
    hops = [to(f"/{number}") for number in range(10)]
    last = Response(200, content=b"end")
    sent, answer = run(redirecting(), Request("GET", "http://a.example/"), *hops, last)
    assert answer.history == tuple(hops)
    assert answer.content == b"end"
    assert [request.target for request in sent] == ["/", *(f"/{n}" for n in range(10))]


@pytest.mark.parametrize("limit", [0, 1, 10])
def test_more_redirects_than_the_limit_are_an_error(limit: int) -> None:
    steps = redirecting(limit)(Request("GET", "http://a.example/"))
    request = next(steps)
    for number in range(limit):
        request = steps.send(to(f"/{number}"))
    with pytest.raises(TooManyRedirects, match=f"over {limit} redirects, the next would be") as e:
        steps.send(to("http://u:hush@b.example/next"))
    assert e.value.request is request
    assert "hush" not in str(e.value)


def test_a_circle_is_called_one() -> None:
    steps = redirecting(3)(Request("GET", "http://a.example/"))
    next(steps)
    for location in ("/x", "/", "/x"):
        steps.send(to(location))
    with pytest.raises(TooManyRedirects, match=r"in a circle through http://a\.example/"):
        steps.send(to("/"))


def test_a_limit_below_nothing_is_wrong_use() -> None:
    with pytest.raises(ValueError, match="limit"):
        redirecting(-1)
