"""Through HTTP proxies, against scripts: what the proxy is told, what the origin, what neither.

Every answer to CONNECT is cut at every byte, and every refusal is looked at for what it shows.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping

import pytest

from crlf.flow.budget import Budget
from crlf.flow.dial import Dialler
from crlf.flow.pool import Pool
from crlf.flow.run import run_sync
from crlf.flow.sending import open_response, send_through
from crlf.flow.tunnel import forwarded, open_tunnel
from crlf.message.errors import (
    ConnectTimeout,
    CrlfError,
    LocalError,
    ProxyFailed,
    TransportError,
)
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net.scripted import END, RESET, STALL, Item, ScriptedNetwork, ScriptedStream
from crlf.rules.deadlines import Timeout
from crlf.rules.ledger import PoolLimits
from crlf.rules.proxies import Proxies, Proxy, ProxyInput
from crlf.rules.redirects import redirecting
from crlf.wire.limits import CLIENT_LIMITS

SECRET = "bWU6czNjcmV0"  # me:s3cret
PROXY = "http://me:s3cret@proxy.example:3128"
TIMES = Timeout(connect=3.0, read=5.0, write=7.0, pool=2.0, total=60.0)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


Given = ProxyInput | Mapping[str, ProxyInput | None] | None


def choice_of(proxy: Given) -> Callable[[URL], Proxy | None] | None:
    """Read what a user gives as a client does."""
    proxies = Proxies.of(proxy)
    return None if proxies is None else proxies.for_url


class Going:
    """Requests by way of proxies, over scripted connections."""

    def __init__(self, proxy: Given, *connections: ScriptedStream) -> None:
        self.network = ScriptedNetwork(connections)
        dialler = Dialler(self.network, CLIENT_LIMITS, proxies=choice_of(proxy))
        self.pool = Pool(dialler, PoolLimits())

    def send(self, request: Request) -> Response:
        budget = Budget(TIMES, self.network.now)
        return run_sync(send_through(self.pool, request, budget))

    def get(self, url: str, fields: Mapping[str, str] | None = None) -> Response:
        host = {"host": URL(url).authority}
        return self.send(Request("GET", url, {**host, **(fields or {})}))


def sent(stream: ScriptedStream) -> str:
    return stream.written.decode()


# --- forwarding ----------------------------------------------------------------------------------


@pytest.mark.rfc("9112", "3.2.2")
def test_a_proxy_is_asked_in_the_absolute_form() -> None:
    stream = ScriptedStream([OK])
    going = Going("proxy.example:3128", stream)
    going.get("http://me:pw@a.example:8080/x?y#z")
    stream.play(0.1, OK)
    going.get("http://b.example")
    assert sent(stream) == (
        "GET http://a.example:8080/x?y HTTP/1.1\r\nhost: a.example:8080\r\n\r\n"
        "GET http://b.example/ HTTP/1.1\r\nhost: b.example\r\n\r\n"
    )
    assert going.network.asked == [("proxy.example", 3128)]


@pytest.mark.rfc("9112", "3.2")
def test_host_is_that_of_the_url() -> None:
    proxy = Proxy.parse(PROXY)
    for fields in ([], [("Host", "b.example")], [("host", "x"), ("host", "y")]):
        outgoing = forwarded(Request("GET", "http://a.example/", Headers(fields)), proxy)
        assert outgoing.headers.get_all("host") == ["a.example"]


@pytest.mark.rfc("9110", "11.7.2")
def test_the_proxys_password_goes_to_the_proxy_and_into_no_response() -> None:
    stream = ScriptedStream([OK])
    response = Going(PROXY, stream).get("http://a.example/")
    assert sent(stream).count(f"Proxy-Authorization: Basic {SECRET}\r\n") == 1
    request = response.request
    assert request is not None
    assert "proxy-authorization" not in request.headers
    assert request.target == "/"
    assert (str(response.url), request.path) == ("http://a.example/", "/")
    assert SECRET not in repr(forwarded(request, Proxy.parse(PROXY)).headers)


def test_a_streamed_response_does_not_know_the_password_either() -> None:
    stream = ScriptedStream([OK])
    going = Going(PROXY, stream)
    request = Request("GET", "http://a.example/", {"host": "a.example"})
    incoming = run_sync(open_response(going.pool, request, Budget(TIMES, going.network.now)))
    assert incoming.response.request is request
    incoming.close()
    assert SECRET in sent(stream)


def test_a_field_of_the_users_own_comes_first_where_a_proxy_forwards() -> None:
    stream = ScriptedStream([OK])
    going = Going(PROXY, stream)
    going.get("http://a.example/", {"Proxy-Authorization": "Negotiate abc"})
    assert "Proxy-Authorization: Negotiate abc\r\n" in sent(stream)
    assert SECRET not in sent(stream)


def test_a_repeated_request_is_dressed_once() -> None:
    proxy = Proxy.parse(PROXY)
    headers = Headers({"host": "a.example"})
    one, two = (
        forwarded(Request("GET", f"http://a.example/{path}", headers), proxy) for path in "ab"
    )
    assert one.headers is two.headers
    plain = forwarded(Request("GET", "http://a.example/", headers), Proxy.parse("p"))
    assert plain.headers is headers


def test_what_a_forwarded_request_asks_for_is_read_from_its_target() -> None:
    request = Request("GET", "http://a.example/x?y=1", {"host": "a.example"})
    assert request.path == "/x"
    outgoing = forwarded(request, Proxy.parse("p"))
    assert (outgoing.path, outgoing.query["y"]) == ("/x", "1")
    assert (outgoing.url, request.target) == (request.url, "/x?y=1")


def test_a_407_to_a_forwarded_request_is_a_response_like_others() -> None:
    stream = ScriptedStream([b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"])
    assert Going("p", stream).get("http://a.example/").status_code == 407


@pytest.mark.rfc("9110", "8.6")
def test_content_is_forwarded_with_its_framing() -> None:
    stream = ScriptedStream([OK])
    request = Request("POST", "http://a.example/", {"host": "a.example"}, b"abc")
    Going("p", stream).send(request)
    assert sent(stream).startswith("POST http://a.example/ HTTP/1.1\r\n")
    assert sent(stream).endswith("content-length: 3\r\n\r\nabc")


# --- tunnels -------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "9.3.6")
@pytest.mark.rfc("9112", "3.2.3")
def test_a_tunnel_is_asked_for_by_host_and_port() -> None:
    stream = ScriptedStream([OPEN, OK])
    going = Going(PROXY, stream)
    response = going.get("https://me:pw@a.example/x")
    stream.play(0.1, OK)
    going.get("https://a.example/y")
    ask, get, again, rest = sent(stream).split("\r\n\r\n")
    assert ask == (
        "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443"
        f"\r\nProxy-Authorization: Basic {SECRET}"
    )
    assert get == "GET /x HTTP/1.1\r\nhost: a.example"
    assert again == "GET /y HTTP/1.1\r\nhost: a.example"
    assert rest == ""
    assert str(response.url) == "https://me:pw@a.example/x"


@pytest.mark.parametrize(
    ("host", "target"),
    [("::1", "[::1]:443"), ("192.0.2.1", "192.0.2.1:443"), ("a.example.", "a.example.:443")],
)
def test_hosts_are_written_as_an_authority_has_them(host: str, target: str) -> None:
    stream = ScriptedStream([OPEN])
    run_sync(open_tunnel(stream, Proxy.parse("p"), host, 443, 1010.0, CLIENT_LIMITS))
    assert sent(stream) == f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n"


@pytest.mark.parametrize(
    "host",
    ["", "a b", "a\r\nx: y", "a\x00", "a/b", "a@b", "a:1", "[::1]", "0x7f.1", "fe80::1%eth0", "é"],
)
def test_what_is_no_host_is_not_asked_for(host: str) -> None:
    stream = ScriptedStream([OPEN])
    with pytest.raises(ProxyFailed):
        run_sync(open_tunnel(stream, Proxy.parse("p"), host, 443, 1010.0, CLIENT_LIMITS))
    assert sent(stream) == ""


def opened(*script: Item, proxy: str = PROXY, piece: int | None = None) -> ScriptedStream:
    """Ask for a tunnel, of a proxy that plays a script."""
    stream = ScriptedStream(script, piece=piece)
    going = open_tunnel(stream, Proxy.parse(proxy), "a.example", 443, 1003.0, CLIENT_LIMITS)
    run_sync(going)
    return stream


@pytest.mark.parametrize("piece", [1, 2, 7, None])
@pytest.mark.parametrize(
    "answer",
    [
        OPEN,
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 299 \r\nX: y\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n" + OPEN,
        # RFC 9110 9.3.6: framing means nothing in a 2xx to CONNECT
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ],
)
def test_any_2xx_opens_the_way(answer: bytes, piece: int | None) -> None:
    stream = opened(answer, piece=piece)
    assert not stream.is_closed


def fails(*script: Item, proxy: str = PROXY) -> ProxyFailed:
    with pytest.raises(ProxyFailed) as caught:
        opened(*script, proxy=proxy)
    error = caught.value
    assert error.phase == "proxy"
    assert "proxy.example:3128" in str(error)
    assert not {"s3cret", SECRET} & set(str(error).split(" "))
    assert "s3cret" not in repr(error)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.status_code) == (str(error), error.status_code)
    return error


@pytest.mark.rfc("9110", "9.3.6")
def test_whoever_speaks_before_tls_does_is_not_the_origin() -> None:
    error = fails(OPEN + b"HTTP/1.1 200 OK\r\n")
    assert "not asked yet" in str(error)
    assert "not asked yet" in str(fails(OPEN + b"\x16"))


@pytest.mark.rfc("9110", "15.5.8")
def test_a_refusal_says_whose_it_is_and_shows_nothing_of_its_page() -> None:
    page = b"Content-Length: 30\r\n\r\n\x1b[31m<script>steal()</script>ab"
    error = fails(b"HTTP/1.1 407 \x80Evil Reason\r\n" + page)
    assert error.status_code == 407
    assert "does not accept the user name and password" in str(error)
    error = fails(b"HTTP/1.1 407 Evil\r\n" + page, proxy="proxy.example:3128")
    assert "wants a user name and password" in str(error)
    error = fails(b"HTTP/1.1 403 Evil Reason\r\n" + page)
    assert error.status_code == 403
    assert "403 Forbidden" in str(error)
    assert "Evil" not in str(error)
    assert "script" not in str(error)
    assert fails(b"HTTP/1.1 302 Go\r\nLocation: http://b.example/\r\n\r\n").status_code == 302
    assert fails(b"HTTP/1.1 502 Bad\r\n\r\n").status_code == 502


def test_a_proxy_that_speaks_no_http_is_a_proxy_that_failed() -> None:
    for answer in (
        b"\x05\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 1_000_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + OPEN,
    ):
        assert fails(answer, END).status_code is None


@pytest.mark.parametrize("fault", [END, RESET])
def test_an_answer_that_is_cut_at_any_byte_opens_nothing(fault: Item) -> None:
    for size in range(len(OPEN)):
        fails(OPEN[:size], fault)


def test_a_proxy_has_until_the_deadline_for_connecting() -> None:
    drip: list[Item] = []
    for byte in OPEN:
        drip += [bytes([byte]), 0.2]
    for script in ([STALL], [OPEN[:9], STALL], drip):
        with pytest.raises(ConnectTimeout) as caught:
            opened(*script)
        assert caught.value.phase == "proxy"
        assert "proxy.example:3128" in str(caught.value)
    stream = ScriptedStream([OPEN], write_fault=STALL)
    with pytest.raises(ConnectTimeout):
        run_sync(open_tunnel(stream, Proxy.parse("p"), "a", 1, 1003.0, CLIENT_LIMITS))


def test_a_failed_tunnel_is_closed_and_says_for_which_request() -> None:
    refusal = b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
    for script in ([refusal], [STALL], [RESET], [OPEN + b"x"]):
        stream = ScriptedStream(script)
        going = Going("p", stream)
        request = Request("GET", "https://a.example/", {"host": "a.example"})
        with pytest.raises(TransportError) as caught:
            going.send(request)
        assert caught.value.request is request
        assert caught.value.phase == "proxy"
        assert caught.value.seconds is not None
        assert stream.is_closed
        assert going.network.asked == [("p", 80)]


# --- what never reaches an origin ----------------------------------------------------------------


@pytest.mark.rfc("9110", "11.7.2")
@pytest.mark.parametrize(
    ("proxy", "url"),
    [
        (None, "http://a.example/"),
        (None, "https://a.example/"),
        (PROXY, "https://a.example/"),
        ("socks5h://p", "http://a.example/"),
        ({"http": PROXY, "http://a.example": None}, "http://a.example/"),
    ],
)
def test_a_field_for_a_proxy_is_refused_where_no_proxy_reads_it(proxy: Given, url: str) -> None:
    stream = ScriptedStream([OPEN, OK])
    going = Going(proxy, stream)
    with pytest.raises(LocalError, match="would reach the origin") as caught:
        going.get(url, {"Proxy-authorization": "Basic x"})
    assert caught.value.request is not None
    assert caught.value.phase == "write"
    assert sent(stream) == ""


@pytest.mark.rfc("9110", "15.4")
def test_on_a_redirect_everybody_is_told_what_is_theirs() -> None:
    """From a host behind one proxy, to one behind another, to one that is gone to straight."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n"
    first = ScriptedStream([moved % b"https://b.example/"])
    second = ScriptedStream([OPEN, moved % b"https://c.example/"])
    straight = ScriptedStream([OK])
    table = {
        "http": "http://one:1@one.example",
        "https://b.example": "http://two:2@two.example",
    }
    going = Going(table, first, second, straight)
    steps = redirecting()(
        Request("GET", "http://a.example/", {"host": "a.example", "Proxy-Authorization": "mine"})
    )
    request = next(steps)
    while True:
        assert isinstance(request, Request)
        try:
            request = steps.send(going.send(request))
        except StopIteration as done:
            response = done.value
            break
    assert response.status_code == 200
    assert going.network.asked == [("one.example", 80), ("two.example", 80), ("c.example", 443)]
    assert "Proxy-Authorization: mine" in sent(first)
    assert "mine" not in sent(second) + sent(straight)
    ask, inside = sent(second).split("\r\n\r\n", 1)
    assert "Proxy-Authorization: Basic dHdvOjI=" in ask
    assert "authorization" not in inside.lower()
    assert "authorization" not in sent(straight).lower()


# --- which connections are shared ----------------------------------------------------------------


def routes_of(proxy: str | None, url: str) -> object:
    dialler = Dialler(ScriptedNetwork([]), CLIENT_LIMITS, proxies=choice_of(proxy))
    return dialler.route(URL(url))


def test_other_credentials_are_another_connection() -> None:
    for url in ("http://a.example/", "https://a.example/"):
        same = "http://me:s3cret@proxy.example:3128/"
        assert routes_of(PROXY, url) == routes_of(same, url)
        assert hash(routes_of(PROXY, url)) == hash(routes_of(same, url))
        others = [
            None, "http://proxy.example:3128", "http://me@proxy.example:3128",
            "http://me:other@proxy.example:3128", "https://me:s3cret@proxy.example:3128",
            "socks5://me:s3cret@proxy.example:3128", "http://me:s3cret@proxy.example",
        ]  # fmt: skip
        different = {routes_of(other, url) for other in others}
        assert len(different) == len(others)
        assert routes_of(PROXY, url) not in different


def test_a_forwarding_proxy_is_one_connection_and_a_tunnel_is_for_its_host_alone() -> None:
    assert routes_of("p", "http://a.example/") == routes_of("p", "http://b.example:81/")
    assert routes_of("p", "https://a.example/") != routes_of("p", "https://b.example/")
    assert routes_of("p", "http://a.example/") != routes_of("p", "https://a.example/")


def test_a_tunnel_whose_origin_went_away_is_opened_anew() -> None:
    first = ScriptedStream([OPEN, OK, END])
    second = ScriptedStream([OPEN, OK])
    going = Going(PROXY, first, second)
    going.get("https://a.example/")
    going.get("https://a.example/")
    assert sent(second).startswith("CONNECT a.example:443 ")
    assert first.is_closed


def test_errors_of_proxies_name_no_password() -> None:
    going = Going("http://me:s3cret@proxy.example", ScriptedStream([END]))
    with pytest.raises(CrlfError) as caught:
        going.get("http://a.example/")
    assert "s3cret" not in f"{caught.value} {caught.value!r} {going.pool.dialler.route}"


def test_an_address_of_this_machine_alone_is_behind_no_proxy() -> None:
    for url in ("http://[fe80::1%25eth0]/", "https://[fe80::1%25eth0]/"):
        stream = ScriptedStream([OPEN, OK])
        with pytest.raises(ProxyFailed, match="this machine only"):
            Going("p", stream).get(url)
        assert sent(stream) == ""
