"""Pages of other sites, sending: by every word that a browser may say of them, as it is written."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crlf import App, Client, running
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.rules.crosssite import CrossSite
from crlf.server.apps.csrftokens import csrf_token

pytestmark = [pytest.mark.rfc("6454", "7"), pytest.mark.timeout(60)]

SECRET = "a secret of sixteen bytes"
HOME = "http://localhost"
EVIL = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "PURGE", "PROPFIND", "QUERY", "MKCOL", "REPORT")


def bank(**options: Any) -> tuple[App, list[str]]:
    app, paid = App(secret=SECRET, **options), list[str]()

    @app.route("/pay", METHODS)
    def pay(request: Request) -> str:
        if request.method not in ("GET", "HEAD"):
            paid.append(request.method)
        return "paid"

    @app.post("/{name}/pay")
    async def pay_somebody(request: Request, name: str) -> str:
        paid.append(name)
        return "paid"

    @app.get("/token")
    def token(request: Request) -> str:
        return csrf_token(request)

    @app.post("/login")
    def log_in(request: Request) -> str:
        request.session.sign_in(request.form["who"])
        return csrf_token(request)

    return app, paid


def judged(fields: list[tuple[str, str]], host: str | None = "shop.example", **how: Any) -> str:
    where = Received(peer=("192.0.2.1", 5), local=("192.0.2.2", 80), **how)
    named = [("host", host.encode().decode("latin-1"))] if host else []
    head = ("POST", "/pay", Headers([*named, *fields]), "1.1" if host else "1.0")
    return CrossSite()(Request.received(head, b"", where))


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("path", ["/pay", "/ann/pay", "http://localhost/pay", "/pay?_method=GET"])
def test_no_unsafe_method_gets_through(method: str, path: str) -> None:
    app, paid = bank()
    with Client(app=app, base_url=HOME) as client:
        for fields in ({}, {"x-http-method-override": "GET"}, {"content-type": "text/plain"}):
            answer = client.request(
                method, path, headers={**EVIL, **fields}, content=b"_method=GET"
            )
            assert answer.status_code in (403, 405)
    assert paid == []


def test_no_safe_method_becomes_another() -> None:
    app, paid = bank()
    with Client(app=app, base_url=HOME) as client:
        for method in ("GET", "HEAD", "OPTIONS"):
            for name in ("x-http-method-override", "x-method-override", "x-http-method"):
                client.request(method, "/pay?_method=DELETE", headers={**EVIL, name: "DELETE"})
    assert paid == []


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "shop.example"), ("NULL", "shop.example"), ("", "shop.example"),
        ("http://shop.example/", "shop.example"), ("http://shop.example/x", "shop.example"),
        ("http://shop.example?", "shop.example"), ("http://shop.example#", "shop.example"),
        ("http://evil@shop.example", "shop.example"), ("shop.example", "shop.example"),
        ("http://shop.example, http://evil.example", "shop.example"),
        ("http://evil.example http://shop.example", "shop.example"),
        ("http://shop.example.evil.example", "shop.example"),
        ("http://shopxexample", "shop.example"),
        ("http://evil-shop.example", "shop.example"), ("http://a.shop.example", "shop.example"),
        ("http://shop.example:8080", "shop.example"), ("http://shop.example", "shop.example:8080"),
        ("http://shop.example:80", "shop.example:8080"), ("http://shop.example.", "shop.example"),
        ("http://shop.example", "shop.example."), ("ftp://shop.example", "shop.example"),
        ("file://", "shop.example"), ("data:text/html,x", "shop.example"),
        ("http://", "shop.example"),
        ("http:shop.example", "shop.example"), ("http:///shop.example", "shop.example"),
        ("http://[::2]", "[::1]"), ("http://127.0.0.1", "[::ffff:127.0.0.1]"),
        ("http://127.1", "127.0.0.1"), ("http://shop.example:0", "shop.example"),
        ("http://shop.example:80:80", "shop.example"),
        ("http://shop.example:99999", "shop.example"),
        ("http://b\u00fccher.example", "bucher.example"),
        ("http://shop.example\u3002", "shop.example"),
        ("http://" + "a" * 5000, "shop.example"), ("http://shop.example", None),
        ("http://shop.example", "shop.example, evil.example"), ("http://evil.example", "a b"),
        ("moz-extension://1234", "shop.example"), ("about:blank", "shop.example"),
    ],
)  # fmt: skip
def test_what_is_not_exactly_ours_is_somebody_elses(origin: str, host: str | None) -> None:
    assert judged([("origin", origin.encode().decode("latin-1"))], host)


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://shop.example", "shop.example", "http"),
        ("http://shop.example:80", "shop.example", "http"),
        ("http://shop.example", "shop.example:80", "http"),
        ("https://shop.example:443", "shop.example", "https"),
        ("https://shop.example", "shop.example:443", "https"),
        ("HTTP://Shop.Example", "SHOP.example", "http"),
        ("http://[::1]:8000", "[::1]:8000", "http"),
        ("http://shop.example.", "shop.example.", "http"),
        ("https://shop.example", "shop.example", "http"),  # TLS is a proxy's
    ],
)  # fmt: skip
def test_one_origin_may_be_written_in_more_than_one_way(
    origin: str, host: str, scheme: str
) -> None:
    assert not judged([("origin", origin)], host, scheme=scheme)


def test_a_page_in_the_clear_does_not_send_over_tls() -> None:
    """Whoever is on the way has written it."""
    assert judged([("origin", "http://shop.example")], scheme="https")
    assert judged([("origin", "http://shop.example:443")], "shop.example:443", scheme="https")


@pytest.mark.parametrize(
    "sites",
    [
        ["cross-site"], ["same-site"], ["Cross-Site"], [""], ["unknown"], ["same-origin, none"],
        ["same-origin", "same-origin"], ["none", "cross-site"], ["same-origin\xa0"], ["?1"],
        ['"same-origin"'], ["same-origin;a"],
    ],
)  # fmt: skip
def test_a_word_that_is_not_known_is_a_strangers(sites: list[str]) -> None:
    assert judged([("sec-fetch-site", site) for site in sites])
    # Nor does an Origin of ours help: a browser that says both says the same.
    assert judged(
        [*[("sec-fetch-site", site) for site in sites], ("origin", "http://shop.example")]
    )


@pytest.mark.parametrize(
    "fields",
    [
        [("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "https")],
        [("forwarded", "host=evil.example;proto=https")], [("x-original-url", "https://evil.example")],
        [("x-host", "evil.example")], [("referer", "http://shop.example/")],
        [("access-control-request-method", "POST")], [("sec-fetch-mode", "navigate")],
    ],
)  # fmt: skip
def test_nothing_else_that_stands_there_helps(fields: list[tuple[str, str]]) -> None:
    assert judged([("origin", "https://evil.example"), *fields])


# -- on the wire


@contextmanager
def sent(port: int, head: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 5) as stream:
        stream.sendall(head.replace("\n", "\r\n").encode("latin-1"))
        yield stream


@pytest.mark.rfc("9110", "10.1.1")
@pytest.mark.parametrize("length", ["5", "999999999999"])
def test_nothing_is_asked_for_that_will_be_refused(length: str) -> None:
    app, paid = bank()
    head = (
        "POST /pay HTTP/1.1\nHost: localhost\nOrigin: https://evil.example\n"
        f"Content-Length: {length}\nExpect: 100-continue\n\n"
    )
    with running(app) as server, sent(server.port, head) as stream:
        answer = stream.recv(65536)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert stream.recv(65536) == b""  # and no content is waited for
    assert paid == []


def test_two_words_of_one_kind_are_none() -> None:
    app, paid = bank()
    here = "Origin: http://localhost\n"
    head = f"POST /pay HTTP/1.1\nHost: localhost\nConnection: close\n{here}{here}\n"
    with running(app) as server, sent(server.port, head) as stream:
        assert stream.recv(65536).startswith(b"HTTP/1.1 403 ")
    assert paid == []


def test_an_upload_folder_takes_nothing_of_other_sites(tmp_path: Path) -> None:
    inner, paid = bank()
    outer = App(secret=SECRET)
    outer.mount("/bank", inner)
    with Client(app=outer, base_url=HOME) as client:
        assert client.post("/bank/pay", headers=EVIL).status_code == 403
        assert client.post("/bank/pay", headers={"origin": HOME}).status_code == 200
    assert paid == ["POST"]


# -- tokens


def test_a_token_is_good_in_its_session_and_for_its_user_alone() -> None:
    app, paid = bank(csrf="token")
    with Client(app=app, base_url=HOME) as ann, Client(app=app, base_url=HOME) as eve:
        of_ann, of_eve = ann.get("/token").text, eve.get("/token").text

        def pays(client: Client, token: str) -> bool:
            by_field = client.post("/pay", headers={"x-csrf-token": token}).status_code == 200
            by_form = client.post("/pay", data={"csrf_token": token}).status_code == 200
            assert by_field == by_form
            return by_field

        assert (pays(ann, of_ann), pays(ann, of_eve), pays(eve, of_ann)) == (True, False, False)
        for wrong in (
            "",
            of_ann[:-1],
            of_ann + "A",
            of_ann.lower(),
            "A" * 48,
            "\u00e9" * 24,
            "=" * 48,
        ):
            assert ann.post("/pay", data={"csrf_token": wrong}).status_code == 403
        after = ann.post("/login", data={"who": "ann", "csrf_token": of_ann}).text
        assert (pays(ann, of_ann), pays(ann, after)) == (False, True)  # a login makes all new
    assert len(paid) == 4


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data; boundary=XX", "",
             "application/x-www-form-urlencoded", "TEXT/PLAIN", "text/plain; charset=utf-8",
             "nonsense"],
)  # fmt: skip
def test_every_form_of_an_old_browser_needs_a_token(kind: str) -> None:
    app, paid = bank(csrf="token")
    with Client(app=app, base_url=HOME) as client:
        fields = {"content-type": kind} if kind else {}
        body = b"--XX--\r\n" if "XX" in kind else b"x=1"
        assert client.post("/pay", content=body, headers=fields).status_code == 403
        assert client.post("/login", content=body, headers=fields).status_code == 403
    assert paid == []
