"""What a client knows and others are not to read: in no repr, no error, no TRACE, no cookie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crlf import App, Client
from crlf.client.settings import settings_of
from crlf.message.errors import BadUrl, LocalError, Malformed, StatusError, TooManyRedirects
from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.rules.filters import Filter, answering
from crlf.rules.redirects import redirecting

SECRET = "s3cReT"


def saying(*responses: Response) -> Filter:
    """Answer each request with the next response, the last one again and again."""
    left = list(responses)
    return answering(lambda _: left[0] if len(left) == 1 else left.pop(0))


@pytest.mark.parametrize(
    "options",
    [
        {"auth": ("user", SECRET)},
        {"headers": {"authorization": SECRET, "x-api-key": SECRET}},
        {"base_url": f"http://user:{SECRET}@a.example/"},
        {"params": {"api_key": SECRET}},
    ],
    ids=["auth", "headers", "base_url", "params"],
)
def test_settings_show_no_secret(options: Any) -> None:
    assert SECRET not in repr(settings_of(options))


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Cookie", "X-Api-Key", "apikey", "Private-Token", "X-Vault-Token",
     "X-Amz-Security-Token", "Client-Secret", "X-Auth"],
)  # fmt: skip
def test_fields_with_secrets_are_not_shown(name: str) -> None:
    assert SECRET not in repr(Headers({name: SECRET}))
    assert "text/plain" in repr(Headers({"accept": "text/plain"}))


@pytest.mark.rfc("9110", "15.4")
@pytest.mark.parametrize("location", [f"/?code={SECRET}", f"http://user:{SECRET}@b/?{SECRET}"])
def test_the_error_of_a_circle_shows_no_query(location: str) -> None:
    steps = redirecting(limit=1)(Request("GET", "http://a.example/"))
    next(steps)
    steps.send(Response(302, {"location": location}))
    with pytest.raises(TooManyRedirects) as raised:
        steps.send(Response(302, {"location": location}))
    assert SECRET not in str(raised.value)


def test_who_forgets_the_scheme_is_not_shown_his_password() -> None:
    with Client() as client, pytest.raises(BadUrl) as raised:
        client.get(f"user:{SECRET}@a.example:80")
    assert SECRET not in str(raised.value)


@pytest.mark.rfc("9110", "9.1")
def test_a_method_steers_no_terminal() -> None:
    request = Request("GET \x1b[31m\r\n", "http://a.example/")
    assert str(request).isprintable()
    assert repr(request).isprintable()


@pytest.mark.rfc("9112", "4")
def test_what_a_server_says_steers_no_terminal() -> None:
    # U+009B is the CSI of ISO 6429 in one character: a byte that fields may have.
    head = Headers({"content-type": "text/\x9b31mhtml"})
    response = Response(404, head, reason="\x9b31mRed")
    assert repr(response).isprintable()
    assert repr(head).isprintable()


def test_a_refused_download_repeats_neither_reason_nor_query(tmp_path: Path) -> None:
    answer = Response(304, reason="\x9b31mRed")
    with Client(filters=[saying(answer)]) as client, pytest.raises(StatusError) as raised:
        client.download(f"http://a.example/?token={SECRET}", tmp_path / "x")
    assert str(raised.value).isprintable()
    assert SECRET not in str(raised.value)
    assert str(raised.value).startswith("304 Not Modified: nothing to save")


@pytest.mark.rfc("9110", "9.3.8")
def test_a_trace_has_no_content() -> None:
    with Client(filters=[saying(Response(200))]) as client:
        assert client.request("TRACE", "http://a.example/").status_code == 200
        with pytest.raises(LocalError, match="no content"):
            client.request("TRACE", "http://a.example/", content=b"x")


@pytest.mark.rfc("6265bis", "5.8.3")
@pytest.mark.parametrize(
    "cookies",
    [{"a": "x; admin=1"}, {"a; admin": "1"}, {"a=b": "c"}, {"a": "x\r\nX: y"}, {"a": " x"},
     {"__Host-a\n": "x"}],
)  # fmt: skip
def test_one_cookie_given_with_a_request_is_one_cookie(cookies: dict[str, str]) -> None:
    with Client(filters=[saying(Response(200))]) as client, pytest.raises(Malformed):
        client.get("http://a.example/", cookies=cookies)


def test_saving_writes_through_no_link_and_leaves_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("page.part", "page"):
        (tmp_path / name).symlink_to(victim)
    Response(200, content=b"theirs").save(tmp_path / "page")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "page").is_symlink()
    with pytest.raises(OSError, match=r"."):
        Response(200, content=b"theirs").save(tmp_path)  # a folder
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page", "page.part", "victim"]


@pytest.mark.parametrize("verify", [0, 1, None, b"ca.pem"])
def test_verify_is_never_taken_for_a_descriptor(verify: Any) -> None:
    with pytest.raises(TypeError, match="verify="):
        Client(verify=verify)


# -- a client of one place asks another


def telling() -> App:
    app = App()

    @app.get("/")
    def told(request: Request) -> dict[str, str]:
        return {"asked": request.target, **dict(request.headers.fields)}

    return app


@pytest.mark.parametrize("base", ["https://api.example/v1/", "https://u:p@api.example/v1/"])
@pytest.mark.parametrize(
    "url",
    ["//evil.example/", "https://evil.example/", "http://api.example/", "https://api.example:444/"],
)
def test_what_a_client_has_for_its_base_url_goes_nowhere_else(base: str, url: str) -> None:
    """A path that is put together of pieces may be "//evil.example/" (CVE-2025-27152, axios)."""
    given: Any = {
        "headers": {
            "Authorization": "Bearer x",
            "X-Api-Key": "x",
            "Accept": "text/plain",
            "X-B": "b",
        },
        "cookies": {"sid": "x"},
        "params": {"key": "x"},
        "redirect_headers": ["x-b"],
    }
    with Client(app=telling(), base_url=base, **given) as client:
        home = client.get("https://api.example/").json()
        assert {"authorization", "x-api-key", "cookie", "x-b"} <= {name.lower() for name in home}
        there = {name.lower(): value for name, value in client.get(url).json().items()}
        assert there.keys().isdisjoint({"authorization", "x-api-key", "cookie"}) or (
            url == "https://api.example:444/" and there.get("cookie") == "sid=x"
        )
        assert (there["accept"], there["x-b"]) == ("text/plain", "b")
        assert (home["asked"], there["asked"]) == ("/?key=x", "/")
        again = client.get(URL("https://api.example/")).json()
        assert again == {**home, "asked": "/"}


def test_without_a_base_url_a_client_is_for_every_place() -> None:
    with Client(app=telling(), headers={"X-Api-Key": "x"}, cookies={"a": "b"}) as client:
        for url in ("http://a.example/", "https://b.example/"):
            found = {name.lower() for name in client.get(url).json()}
            assert {"x-api-key", "cookie"} <= found
