"""What auth= may be, and that none of it leaves the origin it was given for."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Generator, Iterator, Sequence

import pytest

from crlf.flow.filters import filtered
from crlf.flow.run import run_sync
from crlf.message.errors import CrlfError, Malformed, ReadFailed
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.authentication import WHOLE, Auth, at_origin, authenticating, standing_value
from crlf.rules.credentials import WITHOUT, Basic, Bearer, authorizing, basic, bearer
from crlf.rules.digest import Digest
from crlf.rules.filters import After, Filter
from crlf.rules.redirects import redirecting

Steps = Generator[Request | After, Response, Response]
A = "https://a.example/"
Respond = Callable[[Request], Response]


def drive(filters: Sequence[Filter], request: Request, respond: Respond) -> Response:
    """Send a request through filters, the first outermost, to a function that answers."""
    if not filters:
        response = respond(request)
        response.request = request
        return response
    steps, below = filters[0](request), filters[1:]
    try:
        wanted = next(steps)
        while True:
            asked = wanted.request if isinstance(wanted, After) else wanted
            try:
                response = drive(below, asked, respond)
            except CrlfError as fault:
                wanted = steps.throw(fault)
            else:
                wanted = steps.send(response)
    except StopIteration as done:
        answer: Response = done.value
        return answer
    finally:
        steps.close()


class Hops:
    """Answers each request with the next redirect, and in the end with 200; keeps all of them."""

    def __init__(self, *locations: str) -> None:
        self.locations = iter(locations)
        self.seen: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.seen.append(request)
        location = next(self.locations, None)
        return Response(302, {"location": location}) if location else Response(200)

    def told(self) -> list[str | None]:
        return [request.headers.first("authorization") for request in self.seen]


def signing(request: Request) -> Steps:
    """A flow of a user's own: a field with a secret in it."""
    response = yield request.with_field("x-api-key", "secret").with_field("authorization", "mine")
    return response


def refreshing(request: Request) -> Steps:
    """Asks for a token when it is refused, reads its JSON, and goes on."""
    response = yield request.with_field("authorization", bearer("old"))
    if response.status_code == 401:
        asking = Request("POST", "https://login.example/token", content=b"grant_type=x")
        answer = yield asking
        token = answer.json()["access_token"]
        response = yield request.with_field("authorization", bearer(token))
    return response


# --- what it may be ------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [("u", "p"), Basic("u", "p"), authorizing(basic("u", "p"))])
def test_basic_in_three_ways(auth: Auth) -> None:
    hops = Hops()
    drive([authenticating(auth)], Request("GET", A), hops)
    assert hops.told() == [basic("u", "p")]


@pytest.mark.rfc("6750", "2.1")
def test_bearer() -> None:
    hops = Hops()
    drive([authenticating(Bearer("abc"))], Request("GET", A), hops)
    assert hops.told() == ["Bearer abc"]


def test_what_stands_in_each_request_is_known_beforehand() -> None:
    assert standing_value(("u", "p")) == standing_value(Basic("u", "p")) == basic("u", "p")
    assert standing_value(Bearer("t")) == "Bearer t"
    assert standing_value(None) is None
    assert standing_value(Digest("u", "p")) is None
    assert standing_value(signing) is None


@pytest.mark.parametrize(
    "auth", ["token", 7, Basic, ("u",), ("u", "p", "x"), ["u", "p"], ("u", None)]
)
def test_what_it_may_not_be(auth) -> None:
    for take in (standing_value, authenticating):
        with pytest.raises(TypeError, match="user, password"):
            take(auth)


@pytest.mark.parametrize("auth", [("u:v", "p"), ("u", "p\n")])
def test_what_cannot_be_sent_is_refused_at_once(auth: Auth) -> None:
    with pytest.raises(Malformed):
        authenticating(auth)


def test_a_flow_that_is_no_generator_is_told_so() -> None:
    with pytest.raises(TypeError, match="returned Request, not a generator"):
        drive([authenticating(lambda request: request)], Request("GET", A), Hops())


def test_the_same_head_gives_the_same_head() -> None:
    rules, request = authenticating(("u", "p")), Request("GET", A, {"accept": "*/*"})
    assert next(rules(request)).headers is next(rules(request)).headers


# --- a flow of a user's own ----------------------------------------------------------------------


class Login:
    """A server that wants a new token, and another that gives one."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.seen.append(request)
        if request.url.host == "login.example":
            return Response(200, content=b'{"access_token": "new"}')
        right = request.headers.first("authorization") == "Bearer new"
        return Response(200 if right else 401)


def test_a_flow_asks_elsewhere_for_a_token() -> None:
    login = Login()
    response = drive([authenticating(refreshing)], Request("POST", A, content=b"x"), login)
    assert response.status_code == 200
    assert [str(each.url) for each in login.seen] == [A, "https://login.example/token", A]


def test_what_it_asks_elsewhere_has_a_host_and_is_read_whole() -> None:
    login, request = Login(), Request("GET", A)
    drive([authenticating(refreshing)], request, login)
    asked = login.seen[1]
    assert asked.headers["host"] == "login.example"
    assert asked.extras.get(WHOLE) is True
    assert all(WHOLE not in each.extras for each in (request, login.seen[0], login.seen[2]))
    assert asked.content == b"grant_type=x"


def test_a_query_that_is_signed_is_the_same_request() -> None:
    def flow(request: Request) -> Steps:
        url = request.url.with_params({"signature": "x"})
        return (yield Request(request.method, url, request.headers, request.body))

    hops = Hops()
    drive([authenticating(flow)], Request("GET", A, {"host": "a.example"}), hops)
    assert hops.seen[0].target == "/?signature=x"
    assert WHOLE not in hops.seen[0].extras


def test_one_flow_for_both_colours() -> None:
    for run in (run_sync, asyncio.run):
        login = Login()

        async def send(request: Request, login: Login = login) -> Response:
            return login(request)

        found = run(filtered([authenticating(refreshing)], Request("GET", A), send))
        assert found.status_code == 200


def test_a_flow_is_told_of_errors_and_may_wait() -> None:
    log: list[str] = []

    def flow(request: Request) -> Steps:
        try:
            response = yield request
        except ReadFailed as fault:
            log.append(fault.reason)
            response = yield After(1.5, request.with_field("authorization", "later"))
        return response

    steps = authenticating(flow)(Request("GET", A))
    next(steps)
    wanted = steps.throw(ReadFailed("broken"))
    assert isinstance(wanted, After)
    assert wanted.seconds == 1.5
    assert wanted.request.headers["authorization"] == "later"
    assert log == ["broken"]
    with pytest.raises(StopIteration):
        steps.send(Response(200))


def test_an_error_that_a_flow_leaves_alone_comes_out() -> None:
    steps = authenticating(signing)(Request("GET", A))
    next(steps)
    with pytest.raises(ReadFailed):
        steps.throw(ReadFailed("broken"))


def test_a_flow_is_closed_when_nobody_goes_on() -> None:
    log: list[str] = []

    def flow(request: Request) -> Steps:
        try:
            return (yield request)
        finally:
            log.append("closed")

    steps = authenticating(flow)(Request("GET", A))
    next(steps)
    steps.close()
    assert log == ["closed"]


# --- content that goes once ----------------------------------------------------------------------


def once() -> Iterator[bytes]:
    yield b"abc"


def spending(request: Request, refused: Callable[[], Response]) -> list[Request]:
    """Send a request through `refreshing` to a server that reads its content."""
    seen: list[Request] = []

    def respond(request: Request) -> Response:
        seen.append(request)
        if request.url.host == "login.example":
            return Response(200, content=b'{"access_token": "new"}')
        return refused()

    response = drive([authenticating(refreshing)], request, respond)
    assert response.status_code == 401
    assert "cannot be sent a second time" in str(response.extras["auth_refused"])
    return seen


def test_a_stream_is_not_sent_half_twice() -> None:
    seen = spending(Request("POST", A, content=once()), lambda: Response(401))
    assert [each.url.host for each in seen] == ["a.example", "login.example"]


def test_an_error_stays_an_error_where_content_went_once() -> None:
    def flow(request: Request) -> Steps:
        try:
            return (yield request)
        except ReadFailed:
            return (yield request)

    def broken(request: Request) -> Response:
        raise ReadFailed("broken")

    with pytest.raises(ReadFailed):
        drive([authenticating(flow)], Request("POST", A, content=once()), broken)


@pytest.mark.parametrize("content", [b"abc", [b"a", b"bc"], io.BytesIO(b"abc")])
def test_other_content_is_sent_again(content: object) -> None:
    login = Login()
    request = Request("POST", A, content=content)
    assert drive([authenticating(refreshing)], request, login).status_code == 200
    assert login.seen[0].body is login.seen[2].body


# --- whose it is ---------------------------------------------------------------------------------

EVERY_AUTH = [("u", "p"), Basic("u", "p"), Bearer("t"), signing, Digest("u", "p")]
HOPS = ("/same", "https://b.example/", "https://a.example:444/", "https://a.example/again")


@pytest.mark.rfc("9110", "15.4")
@pytest.mark.parametrize("auth", EVERY_AUTH)
def test_nothing_of_it_leaks_through_a_redirect(auth: Auth) -> None:
    hops = Hops(*HOPS)
    drive([redirecting(), authenticating(auth)], Request("GET", A), hops)
    here = [
        request.url.origin.host == "a.example" and request.url.port == 443 for request in hops.seen
    ]
    assert here == [True, True, False, False, True]
    for request, is_first_origin in zip(hops.seen, here, strict=True):
        if not is_first_origin:
            assert {name for name, _ in request.headers.fields} == set()
        elif not isinstance(auth, Digest):
            assert "authorization" in request.headers


@pytest.mark.rfc("7616", "3.7")
def test_a_redirect_cannot_fish_for_digests() -> None:
    asked: list[Request] = []

    def respond(request: Request) -> Response:
        asked.append(request)
        if request.url.host == "a.example" and "authorization" in request.headers:
            return Response(302, {"location": "https://evil.example/private"})
        domain = "https://evil.example/ /"
        challenge = f'Digest realm="r", nonce="{len(asked)}", qop="auth", domain="{domain}"'
        return Response(401, {"www-authenticate": challenge})

    auth = Digest("u", "p")
    for _ in range(2):
        response = drive([redirecting(), authenticating(auth)], Request("GET", A), respond)
        assert response.status_code == 401
        assert response.url.host == "evil.example"
    evil = [each for each in asked if each.url.host == "evil.example"]
    assert len(evil) == 2
    assert all("authorization" not in each.headers for each in evil)


@pytest.mark.parametrize("auth", EVERY_AUTH)
def test_a_field_of_the_requests_own_counts_more(auth: Auth) -> None:
    hops = Hops()
    drive([authenticating(auth)], Request("GET", A, {"Authorization": "own"}), hops)
    assert hops.told() == ["own"]
    assert "x-api-key" not in hops.seen[0].headers


@pytest.mark.parametrize("auth", EVERY_AUTH)
def test_a_request_that_is_to_go_without_goes_without(auth: Auth) -> None:
    request, hops = Request("GET", A), Hops("/same")
    request.extras[WITHOUT] = True
    drive([redirecting(), authenticating(auth)], request, hops)
    assert [each.headers.fields for each in hops.seen] == [(), ()]


def test_a_flow_may_be_for_one_origin_only() -> None:
    rules = at_origin(Request("GET", A).url.origin, authenticating(signing))
    for url, told in ((A, "mine"), ("https://b.example/", None), ("http://a.example/", None)):
        hops = Hops()
        drive([rules], Request("GET", url), hops)
        assert hops.told() == [told]


@pytest.mark.rfc("9110", "9.3.8")
@pytest.mark.parametrize("auth", EVERY_AUTH)
def test_trace_tells_no_secret(auth: Auth) -> None:
    hops = Hops()
    drive([authenticating(auth)], Request("TRACE", A), hops)
    assert hops.seen[0].headers.fields == ()


@pytest.mark.parametrize("auth", EVERY_AUTH[1:])
def test_no_secret_is_shown(auth: Auth) -> None:
    for secret in ("'p'", "'t'"):
        assert secret not in repr(auth)
        assert secret not in repr(authenticating(auth))


def test_the_outermost_of_two_counts() -> None:
    hops = Hops()
    drive([authenticating(Bearer("outer")), authenticating(("u", "p"))], Request("GET", A), hops)
    assert hops.told() == ["Bearer outer"]


def test_values_compare_and_do_not_change() -> None:
    assert Basic("u", "p") == Basic("u", "p") != Basic("u", "q")
    assert len({Bearer("t"), Bearer("t")}) == 1
    with pytest.raises(AttributeError):
        Basic("u", "p").password = "q"
    for wrong in (lambda: Basic("u:v", ""), lambda: Bearer("a b")):
        with pytest.raises(Malformed):
            wrong()
