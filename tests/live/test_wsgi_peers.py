"""WSGI with the frameworks that speak it: Flask, Django and httpbin, hosted by `crlf serve`.

Every application is in a process of its own, served as its users would; the client is ours. What
httpbin says under waitress, which nobody here wrote, it says under crlf.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.live.peers import free_port, process

from crlf import Client, Response

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]
LARGE = bytes(range(256)) * 4096  # 1 MiB

WAITRESS = """
import sys
from httpbin import app
from waitress import serve

serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=16)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "small.txt").write_text("small\n")
    return folder


@contextmanager
def served(folder: Path, factory: str, *options: str) -> Iterator[str]:
    """Let crlf serve an application until the block ends; give its URL."""
    port = free_port()
    line = [sys.executable, "-m", "crlf", "serve", "--factory", f"wsgi_shops:{factory}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_FOLDER", str(folder))
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        with process(port, *line, "--bind", f"127.0.0.1:{port}", *options):
            yield f"http://127.0.0.1:{port}/"


def client_of(url: str) -> Client:
    return Client(base_url=url, trust_env=False)


@pytest.fixture(scope="module")
def shops(folder: Path) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(served(folder, f"made_with_{name}"))
            for name in ("flask", "django")
        }


@pytest.fixture(params=["flask", "django"])
def shop(request: pytest.FixtureRequest, shops: dict[str, str]) -> Iterator[Client]:
    with client_of(shops[request.param]) as client:
        yield client


@pytest.fixture
def flask(shops: dict[str, str]) -> Iterator[Client]:
    with client_of(shops["flask"]) as client:
        yield client


@pytest.fixture
def django(shops: dict[str, str]) -> Iterator[Client]:
    with client_of(shops["django"]) as client:
        yield client


# --- Flask and Django ----------------------------------------------------------------------------


def test_a_page(shop: Client) -> None:
    assert shop.get("hello/caf%C3%A9%20x").text == "Hello, café x!"
    assert shop.get("nothing").status_code == 404


def test_a_form_with_a_file(shop: Client) -> None:
    response = shop.post(
        "form", data={"note": "grüße"}, files={"file": ("é.bin", io.BytesIO(LARGE))}
    )
    assert response.json() == {"note": "grüße", "name": "é.bin", "size": len(LARGE)}


@pytest.mark.parametrize("size", [0, 10, 100_000, 3_000_000])
def test_content_of_every_size(shop: Client, size: int) -> None:
    content = b"x" * size + b"last!"
    seen = shop.post("echo", content=content).json()
    assert (seen["size"], seen["last"]) == (size + 5, "last!")
    seen = shop.post("echo", content=iter([content[:7], content[7:]])).json()  # in chunks
    assert (seen["size"], seen["last"]) == (size + 5, "last!")


def test_a_stream(shop: Client) -> None:
    response = shop.get("stream")
    assert response.text == "0\n1\n2\n3\n4\n"


def test_a_file_goes_out_whole(shop: Client) -> None:
    response = shop.get("file", headers={"accept-encoding": "identity"})
    assert response.content == LARGE
    assert response.headers["content-length"] == str(len(LARGE))


def test_a_session_by_cookie(shop: Client) -> None:
    assert [shop.get("visit").json()["visits"] for _ in range(3)] == [1, 2, 3]


def test_head_has_no_content(shop: Client) -> None:
    response = shop.head("hello/x")
    assert response.content == b""
    assert response.headers["content-length"] == str(len("Hello, x!"))


def test_what_has_no_content_is_no_trouble(shop: Client) -> None:
    assert shop.delete("thing").status_code == 204
    assert shop.get("hello/x").status_code == 200


def test_a_broken_view_is_500_and_nobody_elses_trouble(shop: Client) -> None:
    assert shop.get("broken").status_code == 500
    assert shop.get("hello/x").text == "Hello, x!"


def test_ranges_and_conditions_of_flask(flask: Client) -> None:
    part = flask.get("static/large.bin", headers={"range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, LARGE[256:512])
    tag = part.headers["etag"]
    assert flask.get("static/large.bin", headers={"if-none-match": tag}).status_code == 304


def test_not_modified_and_gzip_of_django(django: Client) -> None:
    assert django.get("thing").status_code == 304
    response = django.get("file")
    assert response.headers["content-encoding"] == "gzip"
    assert response.content == LARGE


def test_a_client_that_goes_ends_its_stream(flask: Client) -> None:
    with flask.stream("GET", "endless") as response:
        next(iter(response.iter_bytes()))
    give_up = time.monotonic() + 10
    while "endless ended" not in flask.get("seen").json():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_an_application_that_is_mounted_knows_where(folder: Path, framework: str) -> None:
    options = ["--root-path", "/shop"]
    with served(folder, f"made_with_{framework}", *options) as url, client_of(url) as shop:
        seen = shop.get("shop/where?x=1").json()
        assert seen["url"] == f"{url}shop/where?x=1"
        assert seen["root"] == "/shop"
        if framework == "flask":
            assert seen["to"] == "/shop/hello/%C3%A9%20x"


def test_the_validator_of_the_standard_library_has_no_complaint(folder: Path) -> None:
    options = ["--interface", "wsgi"]  # it takes anything, and so does not look like one
    with served(folder, "made_to_be_judged", *options) as url, client_of(url) as judged:
        assert judged.get("x?y=1").text == "nothing\n"
        assert judged.post("x", content=b"some").text == "some"
        assert judged.post("x", content=iter([b"so", b"me"])).text == "some"
        assert judged.head("x").status_code == 200


# --- httpbin, here and under waitress -------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(folder: Path) -> Iterator[tuple[str, str]]:
    port = free_port()
    with (
        process(port, sys.executable, "-c", WAITRESS, str(port)),
        served(folder, "made_of_httpbin") as ours,
    ):
        yield ours, f"http://127.0.0.1:{port}/"


@pytest.fixture
def both(pair: tuple[str, str]) -> Iterator[tuple[Client, Client]]:
    with client_of(pair[0]) as ours, client_of(pair[1]) as theirs:
        yield ours, theirs


ASKED = [
    ("GET", "get?a=1&a=2&b=%20x", {}),
    ("GET", "headers", {"headers": {"x-some": "1", "cookie": "a=b"}}),
    ("GET", "anything/a%2Fb/%C3%A9?q=%C3%A9", {}),
    ("POST", "post", {"data": {"a": "b c", "é": "ü"}}),
    ("POST", "post", {"json": {"a": [1, 2]}}),
    ("POST", "post", {"content": b"\x00\xff" * 50_000}),
    ("PUT", "put", {"content": b"x"}),
    ("PATCH", "patch", {"content": b""}),
    ("DELETE", "delete", {}),
    ("HEAD", "get", {}),
    ("OPTIONS", "get", {}),
    ("GET", "status/418", {}),
    ("GET", "status/204", {}),
    ("GET", "status/304", {}),
    ("GET", "status/500", {}),
    ("GET", "redirect/3", {}),
    ("GET", "absolute-redirect/2", {}),
    ("GET", "cookies/set?a=b", {}),
    ("GET", "basic-auth/u/p", {"auth": ("u", "p")}),
    ("GET", "basic-auth/u/p", {}),
    ("GET", "bytes/100000?seed=1", {}),
    ("GET", "stream-bytes/100000?seed=1&chunk_size=5000", {}),
    ("GET", "stream/10", {}),
    ("GET", "range/1000", {"headers": {"range": "bytes=10-19"}}),
    ("GET", "gzip", {}),
    ("GET", "deflate", {}),
    ("GET", "drip?duration=0.1&numbytes=5&delay=0", {}),
    ("GET", "etag/tag", {"headers": {"if-none-match": '"tag"'}}),
    ("GET", "cache/60", {}),
    ("GET", "response-headers?X-A=1&X-A=2&Content-Type=text/plain", {}),
    ("GET", "encoding/utf8", {}),
    ("GET", "image/png", {}),
    ("GET", "links/3/0", {}),
    ("GET", "html", {}),
    ("GET", "nothing-there", {}),
]  # fmt: skip
# What a server says of itself or of the moment, and what Flask says in no order.
ITS_OWN = {
    "allow",
    "date",
    "server",
    "via",
    "connection",
    "transfer-encoding",
    "content-length",
    "set-cookie",
}


def told(response: Response) -> Any:
    """What a response says, but for where and when it was made."""
    there = f"127.0.0.1:{response.url.port}"
    fields = sorted(
        (name.lower(), value.replace(there, "HERE"))
        for name, value in response.headers.fields
        if name.lower() not in ITS_OWN
    )
    content = response.content.replace(there.encode(), b"HERE")
    return response.status_code, len(response.history), fields, content


@pytest.mark.parametrize(("method", "target", "options"), ASKED)
def test_httpbin_says_what_it_says_elsewhere(
    both: tuple[Client, Client], method: str, target: str, options: dict[str, Any]
) -> None:
    ours, theirs = (client.request(method, target, **options) for client in both)
    assert told(ours) == told(theirs)


def test_httpbin_is_sent_chunks(both: tuple[Client, Client]) -> None:
    ours = both[0].post("post", content=iter([b"one", b"two"]))
    assert ours.json()["data"] == "onetwo"
