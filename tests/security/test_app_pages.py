"""Pages of applications, attacked: insides, redirects, scripts, fields of the answer."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from crlf import App, Client, Refused, file, redirect, running, template
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.rules.nearness import is_from_here

SECRET = "a secret of sixteen bytes"
HOME = "http://localhost"
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
SCRIPT = "<script>alert(1)</script>"


def asked(port: int, head: str) -> str:
    """Send a head as it is and read all of what comes back."""
    with socket.create_connection(("127.0.0.1", port), 5) as stream:
        stream.sendall(head.replace("\n", "\r\n").encode("latin-1"))
        pieces = []
        while piece := stream.recv(65536):
            pieces.append(piece)
    return b"".join(pieces).decode("latin-1")


# -- insides: on this machine alone


def breaking() -> App:
    app = App(debug=True)

    @app.get("/")
    def breaks(request: Request) -> str:
        raise ValueError("insides")

    return app


@pytest.mark.parametrize(
    "line",
    [
        "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: a.example",
        "Forwarded: for=192.0.2.1", "Via: 1.1 nginx", "X-Real-IP: 192.0.2.1",
    ],
)  # fmt: skip
def test_a_proxy_on_this_machine_shows_nobody_the_insides(line: str) -> None:
    """It asks from here, and by nginx's default for 127.0.0.1, whoever has asked it."""
    with running(breaking()) as server:
        host = f"Host: 127.0.0.1:{server.port}\nConnection: close\nAccept: text/html\n"
        assert "insides" in asked(server.port, f"GET / HTTP/1.1\n{host}\n")
        answer = asked(server.port, f"GET / HTTP/1.1\n{host}{line}\n\n")
        assert (answer[:12], "insides" in answer) == ("HTTP/1.1 500", False)


def test_nginx_as_it_comes_shows_nobody_the_insides() -> None:
    """It says nothing of itself, and speaks HTTP/1.0, which no browser does."""
    with running(breaking()) as server:
        head = f"GET / HTTP/1.0\nHost: 127.0.0.1:{server.port}\nConnection: close\n\n"
        assert "insides" not in asked(server.port, head)


@pytest.mark.parametrize(
    "host",
    [
        "a.example", "127.0.0.1.a.example", "localhost.a.example", "0.0.0.0", "127.1", "2130706433",
        "[::ffff:127.0.0.1]", "[::]", "127.0.0.1, a.example",
        "127.0.0.999.", "\u0131localhost",
    ],
)  # fmt: skip
def test_no_other_name_is_this_machine(host: str) -> None:
    """A name of an attacker may lead here (DNS rebinding), and his page would read the answer."""
    where = Received(peer=("127.0.0.1", 5), local=("127.0.0.1", 80))
    headers = Headers([("host", host.encode().decode("latin-1"))])
    request = Request.received(("GET", "/", headers, "1.1"), b"", where)
    assert not is_from_here(request)


# -- pages of what visitors write


def showing(folder: Path) -> App:
    (folder / "pages").mkdir()
    for name in ENDINGS:
        (folder / "pages" / name).write_text("<a title='{{ x }}' href=\"{{ x }}\">{{ x }}</a>")
    (folder / "pages" / "link.html").write_text(
        "<a href='{{ url('item', name=x) }}' rel=\"{{ url('shown', {'n': x}) }}\">{{ csrf() }}</a>"
    )
    (folder / "pages" / "flashes.html").write_text(
        "{% for one in flashes() %}<p class='{{ one.kind }}'>{{ one.text }}</p>{% endfor %}"
    )
    (folder / "secret.html").write_text("SECRET")
    app = App(secret=SECRET, templates=folder / "pages", csrf=False)

    @app.get("/shown")
    def shown(request: Request) -> object:
        return template(request.query["n"], x=SCRIPT + "'\"&")

    @app.get("/item/{name}")
    def item(request: Request, name: str) -> str:
        raise Refused(410, f"{name} is sold")

    @app.get("/link")
    async def link(request: Request) -> object:
        return template("link.html", x=request.query["n"])

    @app.get("/flash")
    def flash(request: Request) -> object:
        request.session.flash(request.query["n"], request.query["n"])
        return template("flashes.html")

    @app.get("/go")
    async def go(request: Request) -> object:
        return redirect(request.query["n"])

    @app.get("/away")
    def away(request: Request) -> object:
        return redirect(request.query["n"], external=True)

    @app.get("/file")
    def download(request: Request) -> object:
        return file(folder / "secret.html", request.query["n"])

    @app.get("/field")
    async def field(request: Request) -> object:
        return "x", 200, {"x-echo": request.query["n"]}

    @app.get("/number")
    def number(request: Request) -> str:
        return str(request.query.int("n"))

    return app


ENDINGS = [
    "a.html", "a.htm", "a.HTML", "a.xhtml", "a.xml", "a.svg", "a.js", "a.json", "a", "a.html.jinja",
    "a.html.j2", "a.txt.html", "a.md", "a.html.bak", "a.txt.jinja.html",
]  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with Client(app=showing(tmp_path), base_url=HOME, follow_redirects=False) as opened:
        yield opened


@pytest.mark.parametrize("name", ENDINGS)
def test_whatever_a_template_is_called_it_escapes(client: Client, name: str) -> None:
    page = client.get("/shown", params={"n": name})
    assert page.status_code == 200
    assert "<script" not in page.text
    assert page.text.count("'") == page.text.count('"') == 2
    assert page.headers["x-content-type-options"] == "nosniff"


def test_an_environment_that_escapes_nothing_is_refused() -> None:
    """Jinja2's is one, unless it is told otherwise."""
    jinja2 = pytest.importorskip("jinja2")
    with pytest.raises(ValueError, match="autoescape"):
        App(templates=jinja2.Environment())
    App(templates=jinja2.Environment(autoescape=True))
    App(templates=jinja2.Environment(autoescape=lambda name: False))


@pytest.mark.parametrize(
    "name",
    [
        "../secret.html", "pages/../../secret.html", "..\\secret.html", "%2e%2e/secret.html", "",
        "....//secret.html", "/etc/passwd", "a.html\0", ".", "..", "x" * 5000, "{{ 7*7 }}",
        "file:///etc/passwd",
    ],
)  # fmt: skip
def test_a_template_that_a_visitor_names_is_in_the_folder_or_nowhere(
    client: Client, tmp_path: Path, name: str
) -> None:
    for asked_for in (name, str(tmp_path / "secret.html")):
        page = client.get("/shown", params={"n": asked_for})
        assert page.status_code == 500
        assert not {"SECRET", "root:", "49"} & set(re.findall(r"SECRET|root:|49", page.text))
        assert str(tmp_path) not in page.text


@pytest.mark.parametrize(
    "text", ["<script>alert(1)", "'><b>", '"><b>', "javascript:alert(1)", "&lt;b&gt;", "\u2028<b>"]
)
def test_what_stands_in_links_and_flashes_cannot_act(client: Client, text: str) -> None:
    link = client.get("/link", params={"n": text})
    flash = client.get("/flash", params={"n": text})
    for page in (link, flash):
        assert page.status_code == 200
        assert not {"<b>", "<script"} & set(re.findall("<b>|<script", page.text))
    assert re.findall(r"href='(/[^'\"<>]*)' rel=\"(/[^'\"<>]*)\"", link.text)
    assert flash.text.count("'") == 2


@pytest.mark.parametrize("accept", [BROWSER, "application/json", "application/problem+json", "*/*"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_no_error_page_can_act(client: Client, method: str, accept: str) -> None:
    for path in (
        "/item/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/%3Cscript%3E?<script>",
        "/number?n=<script>alert(1)</script>",
        "/shown?n=<script>",
        "/item/%1B%5B2J%00%E2%80%AE",
    ):
        page = client.request(method, path, headers={"accept": accept})
        kind = page.headers.get("content-type", "")
        if "html" in kind:
            assert "<script" not in page.text
            assert "script-src" not in page.headers["content-security-policy"]
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
        if "json" in kind:
            page.json()
        assert "\x1b" not in page.text
        assert "\x00" not in page.text
        assert not kind or page.headers["x-content-type-options"] == "nosniff"


# -- where a visitor is sent, and what stands in fields


@pytest.mark.parametrize(
    "location",
    [
        "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "/\t/evil.example",
        "\t//evil.example", " //evil.example", "https://evil.example", "HTTPS:evil.example",
        "https:/evil.example", "javascript:alert(1)", "data:text/html,x", "evil.example:80/x",
        "/\r\nSet-Cookie: a=b", "/\x00", "\x01//evil.example", "", "/\x7f/evil.example",
    ],
)  # fmt: skip
def test_no_redirect_leaves_the_site_unasked(client: Client, location: str) -> None:
    answer = client.get("/go", params={"n": location})
    assert answer.status_code == 500
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "location",
    [
        "/a", "a?b=c:d", "?x", "#y", "/.//evil.example", "..//evil.example", "%2f%2fevil.example",
        "\xa0//evil.example", "\u3000//evil.example", "\u2028//evil.example", "/@evil.example",
        "\uff0f\uff0fevil.example", ".//evil.example", "/%5cevil.example", "./https://evil.example",
    ],
)  # fmt: skip
def test_what_is_local_stays_local_also_for_a_browser(client: Client, location: str) -> None:
    answer = client.get("/go", params={"n": location})
    assert answer.status_code == 303
    told = answer.headers["location"]
    assert told.isascii()
    assert urljoin("http://localhost/go", told).startswith("http://localhost/")
    assert not re.match(r"[/\\]{2}|[^/?#]*:", told)


@pytest.mark.rfc("9110", "5.5")
@pytest.mark.parametrize("path", ["/file", "/field", "/away", "/go"])
@pytest.mark.parametrize(
    "text", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "a%0d%0aX-Evil: 1",
             'a"; filename="evil.exe', "\u560d\u560aX-Evil: 1", "a\x85X-Evil: 1"],
)  # fmt: skip
def test_nothing_becomes_a_field_of_its_own(client: Client, path: str, text: str) -> None:
    answer = client.get(path, params={"n": text})
    assert answer.status_code in (200, 303, 500)
    assert "x-evil" not in answer.headers
    for _, value in answer.headers.fields:
        assert not {"\r", "\n", "\0"} & set(value)
    disposition = answer.headers.get("content-disposition")
    if disposition is not None:
        assert disposition.count('"') == 2
        assert disposition.startswith('attachment; filename="')


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example/a", "//evil.example", "/\\evil.example/a", "http://evil.example/a",
        "http://evil.example//evil.example", "/%2f%2fevil.example", "///a", "/a/..//evil.example",
    ],
)  # fmt: skip
def test_no_slash_that_is_added_leads_to_another_site(target: str) -> None:
    app = App(sessions=False)

    @app.get("/a/")
    def one(request: Request) -> str:
        return "one"

    @app.get("/{name}/")
    def any_name(request: Request, name: str) -> str:
        return "any"

    with running(app) as server:
        head = f"GET {target} HTTP/1.1\nHost: 127.0.0.1:{server.port}\nConnection: close\n\n"
        answer = asked(server.port, head)
    for location in re.findall(r"(?im)^location: (.*)\r$", answer):
        assert re.match(r"/[^/\\]", location), location


def test_no_url_of_ours_leads_to_another_site() -> None:
    app = App(sessions=False)

    @app.get("/{rest:path}", name="any")
    def any_path(request: Request, rest: str) -> str:
        return rest

    @app.get("/{one}/{two}", name="two")
    def two(request: Request, one: str, two: str) -> str:
        return "two"

    for rest in ("/evil.example", "\\evil.example", "//evil.example", "\t/evil.example", ".", ".."):
        try:
            made = app.url("any", rest=rest)
        except ValueError:
            continue
        assert urljoin("http://localhost/", made).startswith("http://localhost/"), made
    with pytest.raises(ValueError, match="fit"):
        app.url("two", one="", two="evil.example")
