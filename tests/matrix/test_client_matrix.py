"""What a client does beyond asking, told by every client to every server; all must tell the same.

The cells are those of test_matrix.py: Client and AsyncClient, in memory, over sockets and over
TLS, on asyncio and uvloop, to `def` and to `async def` handlers. A visit has a number of its own
by which the application remembers it, so that each cell begins anew.
"""

from __future__ import annotations

import gc
import gzip
import hashlib
import re
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from crlf import (
    After,
    Bearer,
    CookieJar,
    CrlfError,
    DecodingError,
    Digest,
    Limits,
    PoolLimits,
    Retry,
    Timeout,
    build_event,
    public_only,
)
from crlf import json as json_answer
from crlf.client.streamed import StreamedResponse
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.ports import Stream
from crlf.server import App, Refused, redirect, stream, text
from crlf.values import replace

VISITS = count(1)
SEEN: Counter[str] = Counter()  # how often a visit came, by its number and path
CODED = ("plain text,\nagain and again. " * 300).encode()


def visit() -> dict[str, str]:
    """Make the field that tells one visit from another."""
    return {"x-visit": str(next(VISITS))}


def seen_before(request: Request) -> int:
    """Count this request, and say how many like it there were in its visit."""
    place = f"{request.headers['x-visit']} {request.path}"
    SEEN[place] += 1
    return SEEN[place] - 1


def deflated(content: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(content) + packer.flush()


def codings() -> dict[str, tuple[str, bytes]]:
    """Write the same content in every coding: by path, the field and the bytes."""
    made = {
        "gzip": ("gzip", gzip.compress(CODED)),
        "x-gzip": ("X-GZip", gzip.compress(CODED)),
        "zlib": ("deflate", zlib.compress(CODED)),
        "deflate": ("deflate", deflated(CODED, -15)),
        "both": ("deflate, gzip", gzip.compress(zlib.compress(CODED))),
        "identity": ("identity", CODED),
        "unknown": ("shorthand", b"squiggle"),
        "broken": ("gzip", gzip.compress(CODED)[:-9] + b"x" * 9),
        "cut-short": ("gzip", gzip.compress(CODED)[:40]),
        "bomb": ("gzip", gzip.compress(b"\0" * 4_000_000)),
    }
    if find_spec("brotli") or find_spec("brotlicffi"):
        brotli = __import__("brotli" if find_spec("brotli") else "brotlicffi")
        made["br"] = ("br", brotli.compress(CODED))
    zstd = zstd_module()
    if zstd is not None:
        made["zstd"] = ("zstd", zstd.compress(CODED))
    return made


def zstd_module() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return __import__(name, fromlist=["compress"])
        except ImportError:
            continue
    return None


CODINGS = codings()
NOT_UNDONE = ("unknown", "broken", "cut-short", "bomb")
TEXTS: dict[str, tuple[str, bytes]] = {
    "field": ("text/plain; charset=iso-8859-1", "fünf".encode("latin-1")),
    "utf-8": ("text/plain", "fünf".encode()),
    "bom": ("text/plain; charset=latin-1", b"\xff\xfe" + "fünf".encode("utf-16-le")),
    "meta": ("text/html", b'<meta charset="windows-1252"><p>f\xfcnf \x80</p>'),
    "wrong": ("text/plain; charset=utf-8", b"f\xfcnf"),
}


def fill(app: App, colour: Callable[[Any], Any]) -> None:
    """Give an application its handlers, in one colour."""

    def route(path: str, *methods: str) -> Callable[[Any], Any]:
        return lambda handler: app.route(path, methods or ("GET",))(colour(handler))

    @route("/seen", "GET", "POST", "PUT")
    def seen(request: Request) -> object:
        names = ("authorization", "accept", "accept-encoding", "x-one", "cookie", "expect", "range")
        return json_answer(
            {
                "path": request.target,
                "method": request.method,
                "size": len(request.content),
                "fields": {name: request.headers.get(name) for name in names},
                "cookies": sorted(request.cookies.pairs),
            }
        )

    @route("/busy/{times:int}", "GET", "POST")
    def busy(request: Request, times: int) -> Response:
        if (before := seen_before(request)) < times:
            return text("later", 503, headers={"retry-after": "0"})
        return text(f"after {before} with {request.content.decode()}")

    @route("/token", "POST")
    def token(request: Request) -> object:
        return {"token": f"t{seen_before(request)}"}

    @route("/private", "GET", "POST")
    def private(request: Request) -> str:
        if request.headers.get("authorization") not in ("Bearer t0", "Bearer t1"):
            raise Refused(401, headers={"www-authenticate": "Bearer"})
        return f"{request.headers['authorization']}: {request.content.decode()}"

    @route("/digest", "GET", "POST")
    def digest(request: Request) -> str:
        if not is_proven(request):
            challenge = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
            raise Refused(401, headers={"www-authenticate": challenge})
        return f"proven {request.content.decode()}"

    @route("/go/{code:int}", "GET", "POST")
    def go(request: Request, code: int) -> Response:
        return redirect("/seen", code).adding_field("set-cookie", "hop=1; Path=/")

    @route("/coded/{coding}")
    def coded(request: Request, coding: str) -> Response:
        field, content = CODINGS[coding]
        return Response(200, {"content-encoding": field, "content-type": "text/plain"}, content)

    @route("/text/{kind}")
    def in_charset(request: Request, kind: str) -> Response:
        return Response(200, {"content-type": TEXTS[kind][0]}, TEXTS[kind][1])

    @route("/events")
    def events(request: Request) -> Response:
        if (last := request.headers.get("last-event-id")) is not None:
            return Response(204 if last == "3" else 409)
        return stream(
            iter(
                [
                    build_event("one", id="1", retry=1),
                    build_event("two\nlines", event="kind")[:9],
                    build_event("two\nlines", event="kind")[9:],
                    build_event(comment="nobody reads this"),
                    build_event("thrée", id="3"),
                ]
            ),
            "text/event-stream",
        )

    @route("/page/{number:int}")
    def page(request: Request, number: int) -> Response:
        link = f'</page/{number + 1}>; rel="next", </page/1>; rel=first; title="The first"'
        asked = request.headers.get("x-one", "")
        return text(f"page {number} {asked}", headers={"link": link} if number < 4 else {})

    @route("/circle")
    def circle(request: Request) -> Response:
        return text("round", headers={"link": '</circle>; rel="next"'})

    @route("/parts")
    def parts(request: Request) -> Response:
        """Break off in the middle at the first visit; then give what is left."""
        tag = {"etag": '"strong"', "accept-ranges": "bytes"}
        asked = re.fullmatch("bytes=([0-9]+)-", request.headers.get("range", ""))
        if asked is None:
            return stream(breaking_off(), headers={**tag, "content-length": str(len(CODED))})
        begin = int(asked[1])
        tag["content-range"] = f"bytes {begin}-{len(CODED) - 1}/{len(CODED)}"
        return Response(206, tag, CODED[begin:])

    @route("/file")
    def file(request: Request) -> Response:
        name = {"content-disposition": "attachment; filename=a.bin"}
        return Response(200, name, CODED)

    @route("/cookie/{name}")
    def cookie(request: Request, name: str) -> Response:
        return text("set").adding_field("set-cookie", f"{name}=1; Path=/")

    @route("/long")
    def long(request: Request) -> Response:
        return stream(iter([b"x" * 1000] * 100))


def breaking_off() -> Iterator[bytes]:
    yield CODED[:5000]
    raise ZeroDivisionError("in the middle")


def is_proven(request: Request) -> bool:
    """Check a digest by RFC 7616 3.4.1, for anna with the password geheim."""
    said = dict(re.findall(r'([a-z]+)="?([^",]*)"?', request.headers.get("authorization", "")[7:]))

    def sha(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    try:
        proof = ":".join(said[name] for name in ("nonce", "nc", "cnonce", "qop"))
        ends = sha("anna:r:geheim"), sha(f"{request.method}:{said['uri']}")
        return said["response"] == sha(f"{ends[0]}:{proof}:{ends[1]}")
    except KeyError:
        return False


@pytest.fixture
def matrix(tools: Any, papers: tuple[str, str]) -> Iterator[Any]:
    SEEN.clear()
    with tools.matrix_of(tools.in_both_colours(fill), papers) as made:
        yield made


# --- what the stories are told with --------------------------------------------------------------


def asked(response: Response) -> dict[str, Any]:
    """What the application saw."""
    assert response.status_code == 200, response
    said = response.json()
    assert isinstance(said, dict)
    return said


async def failing(awaitable: Any) -> CrlfError:
    try:
        response = await awaitable
    except CrlfError as error:
        return error
    raise AssertionError(f"{response!r} where an error was expected")


@asynccontextmanager
async def another(face: Any, **options: Any) -> AsyncIterator[Any]:
    """Give one more client of the same kind on the network of the first, which will close it."""
    core = face.client._core
    options = {"network": core.network, "verify": core.settings.tls.verify, **options}
    client = type(face.client)(**options)
    try:
        yield type(face)(client, face.base)
    finally:
        client._core.close()


async def everything(source: Any) -> list[Any]:
    """List what comes of a source of either colour."""
    if isinstance(source, Iterator) or not hasattr(source, "__aiter__"):
        return list(source)
    return [each async for each in source]


async def raw_of(body: Any) -> bytes:
    """Read a stream as it is on the wire."""
    inner = body.inner
    if isinstance(inner, StreamedResponse):
        return b"".join(inner.iter_raw())
    return b"".join([piece async for piece in inner.iter_raw()])


async def text_of(body: Any) -> str:
    """Read a stream as text, piece by piece."""
    inner = body.inner
    if isinstance(inner, StreamedResponse):
        return "".join(inner.iter_text())
    return "".join([piece async for piece in inner.iter_text()])


async def waited(result: Any) -> Any:
    """Wait for what a client of either colour returns."""
    return await result if hasattr(result, "__await__") else result


def names(steps: list[Any]) -> list[str]:
    """List steps by name; TLS is a step more, and only where there is TLS."""
    return [step.name for step in steps if step.name != "tls"]


# --- again ---------------------------------------------------------------------------------------

PATIENT = Retry(attempts=3, statuses=frozenset({503}), first_wait=0.001)


def test_a_status_is_tried_again(matrix: Any) -> None:
    async def story(face: Any) -> object:
        found = []
        for method, times, options in (
            ("GET", 2, {}), ("GET", 3, {}), ("POST", 1, {"content": b"x"}),
            ("POST", 1, {"content": b"x", "retry": replace(PATIENT, methods=None)}),
            ("GET", 1, {"retry": None}), ("GET", 0, {}),
        ):  # fmt: skip
            response = await face.ask(method, f"/busy/{times}", headers=visit(), **options)
            found.append((response.status_code, response.text, response.extras.get("attempts", 1)))
        async with face.stream("GET", "/busy/1", headers=visit()) as body:
            found.append((body.status_code, (await body.read()).decode(), 2))
        return found, face.connections

    found, connections = matrix.play(story, retry=PATIENT)
    assert found == [
        (200, "after 2 with ", 3), (503, "later", 3), (503, "later", 1), (200, "after 1 with x", 2),
        (503, "later", 1), (200, "after 0 with ", 1), (200, "after 1 with ", 2),
    ]  # fmt: skip
    assert connections == 1


def test_content_that_is_gone_is_not_sent_again(matrix: Any) -> None:
    async def story(face: Any) -> object:
        pieces = (piece for piece in (b"a", b"b"))
        whole = await face.ask("POST", "/busy/1", headers=visit(), content=pieces)
        again = await face.ask("POST", "/busy/1", headers=visit(), content=[b"a", b"b"])
        return [(one.status_code, one.extras.get("attempts")) for one in (whole, again)]

    retry = Retry(methods=None, statuses=frozenset({503}), first_wait=0.0)
    assert matrix.play(story, retry=retry) == [(503, None), (200, 2)]


# --- filters -------------------------------------------------------------------------------------

Steps = Generator[Request | After, Response, Response]


def numbering(request: Request) -> Steps:
    response = yield request.with_field("x-one", "1")
    return response.with_field("x-seen", str(response.status_code))


def answering_itself(request: Request) -> Steps:
    if request.path == "/never":
        answer = text("not from there")
        answer.request = request
        return answer
    return (yield request)


def asking_twice(request: Request) -> Steps:
    first = yield request
    second = yield After(0.001, request)
    return second.with_field("x-before", first.text)


def test_filters_of_a_user(matrix: Any) -> None:
    """The first is outermost; what they see is decoded, and redirects are followed below them."""

    async def story(face: Any) -> object:
        said = await face.ask("GET", "/seen")
        went = await face.ask("GET", "/go/303")
        own = await face.ask("GET", "/never")
        async with face.stream("GET", "/never") as body:
            streamed = body.status_code, await body.read()
        twice = await face.ask("GET", "/busy/1", headers=visit(), retry=None)
        return (
            (asked(said)["fields"]["x-one"], said.headers["x-seen"]),
            (asked(went)["fields"]["x-one"], went.headers["x-seen"], len(went.history)),
            (own.text, own.headers["x-seen"]),
            streamed,
            (twice.text, twice.headers["x-before"]),
        )

    filters = [numbering, answering_itself, asking_twice]
    assert matrix.play(story, filters=filters) == (
        ("1", "200"), ("1", "200", 1), ("not from there", "200"), (200, b"not from there"),
        ("after 1 with ", "later"),
    )  # fmt: skip


def test_a_filter_sees_errors_and_may_answer_for_them(matrix: Any) -> None:
    def excusing(request: Request) -> Steps:
        try:
            return (yield request)
        except DecodingError as fault:
            return text(type(fault).__name__, 502)

    async def story(face: Any) -> object:
        return (await face.ask("GET", "/coded/broken")).text, face.connections

    assert matrix.play(story, filters=[excusing]) == ("DecodingError", 1)


# --- authentication ------------------------------------------------------------------------------


class Fetching:
    """A flow of one's own: ask for a token where there is none, or it is no good any more."""

    def __init__(self, place: dict[str, str]) -> None:
        self.place = place
        self.token = ""

    def __call__(self, request: Request) -> Steps:
        if self.token:
            response = yield request.with_field("authorization", f"Bearer {self.token}")
            if response.status_code != 401:
                return response
        url = request.url.join("/token")
        answer = yield Request("POST", url, self.place)
        said = answer.json()
        assert isinstance(said, dict)
        self.token = said["token"]
        return (yield request.with_field("authorization", f"Bearer {self.token}"))


def test_a_flow_that_fetches_a_token(matrix: Any) -> None:
    async def story(face: Any) -> object:
        flow = Fetching(visit())
        found = [(await face.ask("GET", "/private", auth=flow)).text for _ in range(2)]
        flow.token = "old"
        found.append((await face.ask("POST", "/private", auth=flow, content=b"x")).text)
        async with face.stream("GET", "/private", auth=Fetching(visit())) as body:
            found.append((await body.read()).decode())
        without = await face.ask("GET", "/private")
        return found, without.status_code, face.connections

    found, without, connections = matrix.play(story)
    assert found == ["Bearer t0: ", "Bearer t0: ", "Bearer t1: x", "Bearer t0: "]
    assert (without, connections) == (401, 1)


@pytest.mark.rfc("7616", "3.4")
def test_digest(matrix: Any) -> None:
    async def story(face: Any) -> object:
        right = Digest("anna", "geheim")
        found = [(await face.ask("GET", "/digest", auth=right)).text for _ in range(2)]
        found.append((await face.ask("POST", "/digest", auth=right, content=b"x")).text)
        async with face.stream("GET", "/digest", auth=Digest("anna", "geheim")) as body:
            found.append((await body.read()).decode())
        wrong = await face.ask("GET", "/digest", auth=Digest("anna", "falsch"))
        return found, wrong.status_code, "auth_refused" in wrong.extras

    found, code, refused = matrix.play(story)
    assert found == ["proven ", "proven ", "proven x", "proven "]
    assert (code, refused) == (401, True)


def test_whose_credentials_count(matrix: Any) -> None:
    async def story(face: Any) -> object:
        with_user = face.base.replace("://", "://url:x@")
        found = []
        for url, options in (
            (face.base, {}), (face.base, {"auth": None}), (face.base, {"auth": Bearer("t")}),
            (face.base, {"headers": {"authorization": "own"}}),
            (face.base, {"headers": {"authorization": None}}), (with_user, {}),
        ):  # fmt: skip
            reply = await waited(face.client.request("GET", url + "/seen", **options))
            found.append((asked(reply)["fields"]["authorization"] or "").split(" ")[0])
        return found

    assert matrix.play(story, auth=("a", "b")) == ["Basic", "", "Bearer", "own", "", "Basic"]


# --- what is asked -------------------------------------------------------------------------------


def test_a_base_params_and_fields_for_all(matrix: Any) -> None:
    async def story(face: Any) -> object:
        options = {"params": {"k": "v"}, "headers": {"x-one": "all", "accept": "text/plain"}}
        async with another(face, base_url=face.base + "/page/", **options) as based:
            based.base = ""
            first = await based.ask("GET", "../seen?q=1", params={"z": "ü"})
            second = await based.ask("GET", "1")
            third = await based.ask("GET", "/seen", headers={"X-One": None, "accept": "a/b"})
        return asked(first)["path"], second.text, asked(third)["fields"], based.connections

    path, second, fields, _ = matrix.play(story)
    assert path == "/seen?q=1&k=v&z=%C3%BC"
    assert second == "page 1 all"
    assert (fields["x-one"], fields["accept"]) == (None, "a/b")


@pytest.mark.rfc("6265", "5.4")
def test_a_jar_that_two_clients_share(matrix: Any) -> None:
    async def story(face: Any) -> object:
        jar = CookieJar()
        async with another(face, cookies=jar) as one, another(face, cookies=jar) as two:
            await one.ask("GET", "/cookie/a")
            await two.ask("GET", "/go/302")
            async with two.stream("GET", "/cookie/b"):
                pass
            both = [asked(await each.ask("GET", "/seen"))["cookies"] for each in (one, two)]
        return both, asked(await face.ask("GET", "/seen"))["cookies"], sorted(c.name for c in jar)

    both, others, kept = matrix.play(story)
    assert both == [[["a", "1"], ["b", "1"], ["hop", "1"]]] * 2
    assert (others, kept) == ([], ["a", "b", "hop"])


def test_progress(matrix: Any, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"x" * 200_000)

    async def story(face: Any) -> object:
        found: list[object] = []
        for content in (b"x" * 200_000, [b"a" * 1000] * 3):
            told: list[tuple[int, int | None]] = []
            await face.ask(
                "POST", "/seen", content=content, progress=lambda *now, t=told: t.append(now)
            )
            found.append(told)
        told = []
        await face.ask(
            "POST", "/seen", files={"f": path}, progress=lambda *now, t=told: t.append(now)
        )
        size = told[-1][0]
        found.append((size > 200_000, told[-1] == (size, size), told == sorted(told)))
        return found

    whole, pieces, file = matrix.play(story)
    assert (whole[0], whole[-1], whole == sorted(whole)) == ((0, 200_000), (200_000, 200_000), True)
    assert pieces == [(0, None), (1000, None), (2000, None), (3000, None)]
    assert file == (True, True, True)


@pytest.mark.rfc("9110", "10.1.1")
def test_large_content_is_announced_first(matrix: Any) -> None:
    async def story(face: Any) -> object:
        found = []
        for content in (b"x" * 99, b"x" * 100, iter([b"x" * 50] * 3)):
            said = asked(await face.ask("PUT", "/seen", content=content))
            found.append((said["size"], said["fields"]["expect"]))
        return found, face.connections

    expected = [(99, None), (100, "100-continue"), (150, "100-continue")]
    assert matrix.play(story, expect_continue=100) == (expected, 1)


# --- what comes ----------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "8.4.1")
@pytest.mark.parametrize("coding", [name for name in CODINGS if name not in NOT_UNDONE])
def test_codings_are_undone(matrix: Any, coding: str) -> None:
    async def story(face: Any) -> object:
        path = f"/coded/{coding}"
        whole = await face.ask("GET", path)
        async with face.stream("GET", path) as body:
            piecewise = b"".join([piece async for piece in body.pieces()])
        async with face.stream("GET", path) as body:
            raw = await raw_of(body)
        head = await face.ask("HEAD", path)
        kept = whole.headers["content-encoding"], whole.extras.get("codings", ())
        return whole.content, piecewise, raw, head.content, kept, face.connections

    whole, piecewise, raw, head, kept, connections = matrix.play(story)
    assert whole == piecewise == CODED
    assert (raw, head) == (CODINGS[coding][1], b"")
    assert kept == (CODINGS[coding][0], ())
    assert connections == 1


@pytest.mark.rfc("9110", "8.4")
def test_codings_that_cannot_be_undone(matrix: Any) -> None:
    async def story(face: Any) -> object:
        unknown = await face.ask("GET", "/coded/unknown")
        found = []
        for coding in ("broken", "cut-short", "bomb"):
            fault = await failing(face.ask("GET", f"/coded/{coding}"))
            streamed = None
            async with face.stream("GET", f"/coded/{coding}") as body:
                streamed = await failing(body.read())
            found.append((type(fault).__name__, fault.brief, streamed.brief, fault.phase))
        return unknown.content, unknown.extras["codings"], found, face.connections

    content, left, found, connections = matrix.play(story, limits=Limits(body=1_000_000))
    assert (content, left) == (b"squiggle", ("shorthand",))
    assert [kind for kind, *_ in found] == ["DecodingError", "DecodingError", "TooLarge"]
    assert all(whole == streamed for _, whole, streamed, _ in found)
    assert [phase for *_, phase in found] == ["decode", "decode", "read"]
    assert connections <= 1


@pytest.mark.parametrize("kind", list(TEXTS))
def test_charsets(matrix: Any, kind: str) -> None:
    async def story(face: Any) -> object:
        async with face.stream("GET", f"/text/{kind}") as body:
            piecewise = await text_of(body)
        return (await face.ask("GET", f"/text/{kind}")).text, piecewise

    whole, piecewise = matrix.play(story)
    assert "f\N{REPLACEMENT CHARACTER}nf" in whole if kind == "wrong" else "fünf" in whole
    assert whole == piecewise


def test_events(matrix: Any) -> None:
    async def story(face: Any) -> object:
        once = await everything(face.client.events(face.base + "/events", reconnect=False))
        again = await everything(face.client.events(face.base + "/events"))
        return [(each.data, each.event, each.id) for each in once], len(again), face.connections

    found, again, connections = matrix.play(story)
    assert found == [
        ("one", "message", "1"),
        ("two\nlines", "kind", "1"),
        ("thrée", "message", "3"),
    ]
    assert again == 3  # it came back with the last id, and was told that there is no more
    assert connections <= 1


@pytest.mark.rfc("8288", "3")
def test_pages_and_links(matrix: Any) -> None:
    async def story(face: Any) -> object:
        at = face.base + "/page/1"
        found = [
            each.text for each in await everything(face.client.pages(at, headers={"x-one": "!"}))
        ]
        few = [each.text for each in await everything(face.client.pages(at, limit=2))]
        fault = await failing(everything(face.client.pages(face.base + "/circle")))
        links = (await face.ask("GET", "/page/1")).links
        link = links["first"]
        said = {rel: each.url.path for rel, each in links.items()}, link.title
        return found, few, type(fault).__name__, said, face.connections

    found, few, fault, said, connections = matrix.play(story)
    assert found == [f"page {number} !" for number in range(1, 5)]
    assert few == ["page 1 ", "page 2 "]
    assert fault == "RemoteError"
    assert said == ({"next": "/page/2", "first": "/page/1"}, "The first")
    assert connections == 1


def test_many_at_once(matrix: Any) -> None:
    async def story(face: Any) -> object:
        urls = [f"{face.base}/page/{number}" for number in range(20)]
        urls += [face.base + "/nowhere", face.base + "/coded/broken", "ftp://a.example/"]
        told: list[tuple[int, int | None]] = []
        results = await everything(
            face.client.gather(urls, at_once=5, on_progress=lambda *now: told.append(now))
        )
        by_url = dict(results)
        outcome = [
            one.status_code if isinstance(one, Response) else type(one).__name__
            for one in (by_url[url] for url in urls)
        ]
        return len(results), outcome, told, face.connections <= 3

    number, outcome, told, in_bounds = matrix.play(story, pool=PoolLimits(per_host=3))
    assert number == 23
    assert outcome == [200] * 20 + [404, "DecodingError", "BadUrl"]
    assert told == [(done, 23) for done in range(1, 24)]
    assert in_bounds


def test_downloads(matrix: Any, tmp_path: Path) -> None:
    digest = "sha-256=" + hashlib.sha256(CODED).hexdigest()

    async def story(face: Any) -> object:
        path = tmp_path / str(next(VISITS))

        async def save(place: str, **options: Any) -> Any:
            return await waited(face.client.download(face.base + place, path, **options))

        one = await save("/file", digest=digest)
        whole = path.read_bytes() == CODED
        with pytest.raises(FileExistsError):
            await save("/file")
        fault = await failing(save("/page/1", overwrite=True, digest="0" * 64))
        lost = await failing(save("/nowhere", overwrite=True))
        again = await save("/file", numbered=True)
        return (
            whole and path.read_bytes() == CODED,
            (one.size, one.attempts, one.digest == digest, one.response.status_code),
            (type(fault).__name__, type(lost).__name__),
            Path(again.path).name.removeprefix(path.name),
        )

    found = matrix.play(story)
    faults = ("DigestMismatch", "StatusError")
    assert found == (True, (len(CODED), 1, True, 200), faults, " (1)")
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]


@pytest.mark.parametrize(
    "cells", [4, pytest.param(None, marks=pytest.mark.long)], ids=["some", "all"]
)
def test_a_download_is_taken_up_where_it_stopped(
    matrix: Any, tmp_path: Path, cells: int | None
) -> None:
    """It waits before, so not in every cell: in both colours, in memory and over sockets."""
    del matrix.cells[slice(cells, None) if cells else slice(0)]

    async def story(face: Any) -> object:
        path = tmp_path / str(next(VISITS))
        found = await waited(face.client.download(face.base + "/parts", path))
        return path.read_bytes() == CODED, found.size, found.attempts, found.response.status_code

    assert matrix.play(story) == (True, len(CODED), 2, 206)
    assert len(matrix.cells) == cells or cells is None


# --- steps ---------------------------------------------------------------------------------------

AGAIN = ["send", "wait", "receive"]
BEGIN = ["dns", "connect", *AGAIN]


def test_steps_have_one_order(matrix: Any) -> None:
    async def story(face: Any) -> object:
        steps: list[Any] = []
        found = []

        async def told(awaitable: Any) -> None:
            with_error = None
            try:
                await awaitable
            except CrlfError as fault:
                with_error = type(fault).__name__
            found.append((names(steps), with_error))
            steps.clear()

        watch = {"trace": steps.append}
        await told(face.ask("GET", "/page/1", **watch))
        assert all(step.began <= step.ended for step in steps)
        await told(face.ask("GET", "/page/1", **watch))
        await told(face.ask("GET", "/go/302", **watch))
        await told(face.ask("GET", "/go/302", follow_redirects=False, **watch))
        await told(face.ask("GET", "/busy/1", headers=visit(), retry=PATIENT, **watch))
        await told(face.ask("GET", "/coded/broken", **watch))
        await told(face.ask("POST", "/seen", content=b"x" * 70_000, **watch))
        async with face.stream("GET", "/long", **watch) as body:
            await body.read()
        found.append((names(steps), None))
        return found

    found = matrix.play(story)
    assert [steps for steps, _ in found] == [
        BEGIN, AGAIN, [*AGAIN, "redirect", *AGAIN], AGAIN, [*AGAIN, "retry", *AGAIN],
        [*AGAIN, "failed"], AGAIN, AGAIN,
    ]  # fmt: skip
    assert [fault for _, fault in found] == [None] * 5 + ["DecodingError", None, None]


# --- what goes wrong -----------------------------------------------------------------------------


def test_where_a_client_may_not_go(matrix: Any) -> None:
    async def story(face: Any) -> object:
        fault = await failing(face.ask("GET", "/seen"))
        return type(fault).__name__, face.connections

    # A host that is an address is refused before anything, a name when its address is known.
    assert matrix.play(story, policy=public_only) == ("BlockedAddress", 0)


def test_too_much_content(matrix: Any) -> None:
    async def story(face: Any) -> object:
        fault = await failing(face.ask("GET", "/long"))
        async with face.stream("GET", "/long") as body:
            streamed = await failing(body.read())
        size = 0
        async with face.stream("GET", "/long") as body, aclosing(body.pieces()) as pieces:
            async for piece in pieces:
                size += len(piece)
        return [(type(each).__name__, each.brief) for each in (fault, streamed)], size

    faults, size = matrix.play(story, limits=Limits(body=50_000))
    assert faults == [("TooLarge", "body over its limit of 50,000 [RFC 9110 15.5.14]")] * 2
    assert size == 100_000  # who takes it piece by piece has a limit of their own


def test_who_stops_reading_leaves_nothing_to_the_loop(matrix: Any) -> None:
    """Generators that are left open are closed by a loop some time later, in a Task of nobody's."""

    async def story(face: Any) -> object:
        left: list[object] = []
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=left.append)
        try:
            async with face.stream("GET", "/long") as body:
                await failing(body.read())
            for reading in ("iter_lines", "iter_text"):
                async with face.stream("GET", "/file") as body:
                    pieces = getattr(body.inner, reading)()
                    if hasattr(pieces, "__anext__"):
                        async with aclosing(pieces):
                            assert await anext(pieces)
                    else:
                        assert next(pieces)
            del body, pieces
            gc.collect()
        finally:
            sys.set_asyncgen_hooks(*hooks)
        return left

    assert matrix.play(story, limits=Limits(body=50_000)) == []


# --- what no application of ours would say -------------------------------------------------------

EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"


async def raw(stream: Stream) -> None:
    """Answer as the path says, on one connection after the other."""
    head = b""
    while True:
        while b"\r\n\r\n" not in head:
            data = await stream.read(None)
            if not data:
                return
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        path = head.split(b" ")[1]
        if path == b"/never":
            while await stream.read(None):
                pass
            return
        if path == b"/half":
            await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None)
            while await stream.read(None):
                pass
            return
        if path == b"/strict" and b"\r\nexpect:" in head.lower():
            assert not rest, "content that nobody has asked for"
            await stream.write(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", None)
            await stream.end(None)
            return
        length = re.search(rb"content-length: ([0-9]+)", head.lower())
        while length is not None and len(rest) < int(length[1]):
            rest += await stream.read(None)
        early = EARLY if path == b"/early" else b""
        said = head.lower() + b"\r\n\r\n" + rest
        await stream.write(early + OK % (len(said), said), None)
        head = b""


@pytest.fixture
def raw_matrix(tools: Any, papers: tuple[str, str]) -> Iterator[Any]:
    with tools.raw_matrix_of(raw, papers) as made:
        yield made


@pytest.mark.rfc("8297", "2")
def test_early_hints_are_told_of(raw_matrix: Any) -> None:
    async def story(face: Any) -> object:
        steps: list[Any] = []
        first = await face.ask("GET", "/early", trace=steps.append)
        async with face.stream("GET", "/early", trace=steps.append) as body:
            await body.read()
        hints = [
            (step.detail.status_code, step.detail.headers["link"])
            for step in steps
            if step.name == "interim"
        ]
        return first.status_code, names(steps), hints, face.connections

    code, steps, hints, connections = raw_matrix.play(story)
    interim = ["send", "interim", "wait", "receive"]
    assert steps == ["dns", "connect", *interim, *interim]
    assert hints == [(103, "</style.css>; rel=preload")] * 2
    assert (code, connections) == (200, 1)


@pytest.mark.rfc("9110", "10.1.1")
def test_an_expectation_that_nobody_meets(raw_matrix: Any) -> None:
    async def story(face: Any) -> object:
        response = await face.ask("PUT", "/strict", content=b"the content")
        pieces = await face.ask("PUT", "/strict", content=(b"x" for _ in range(3)))
        return response.status_code, response.content.endswith(b"the content"), pieces.status_code

    # What can be sent but once has not been sent yet; still nobody can promise that.
    assert raw_matrix.play(story, expect_continue=1) == (200, True, 417)


TOLD = (b"authorization", b"cookie", b"secret")


@pytest.mark.rfc("9110", "9.3.8")
def test_trace_brings_no_credentials(raw_matrix: Any) -> None:
    async def story(face: Any) -> object:
        face.client.cookies.set("secret", "cookie")
        ways = (
            {}, {"auth": Digest("u", "secret")}, {"headers": {"authorization": "secret"}},
            {"cookies": {"c": "secret"}},
        )  # fmt: skip
        said = [(await face.ask("TRACE", "/", **options)).content for options in ways]
        get = (await face.ask("GET", "/")).content
        return (
            [told for told in TOLD if any(told in each for each in said)],
            [told for told in TOLD if told in get],
        )

    assert raw_matrix.play(story, auth=("u", "secret")) == ([], list(TOLD))


def test_what_never_comes(raw_matrix: Any) -> None:
    async def story(face: Any) -> object:
        found = []
        for path, timeout in (("/never", Timeout(read=0.04)), ("/half", 0.12)):
            fault = await failing(face.ask("GET", path, timeout=timeout))
            streamed = None
            if path == "/half":
                async with face.stream("GET", path, timeout=timeout) as body:
                    streamed = type(await failing(body.read())).__name__
            known = fault.peer is not None or face.base == "http://localhost"
            found.append((type(fault).__name__, fault.phase, streamed, known, fault.attempt))
            assert face.connections == 0
        return found

    assert raw_matrix.play(story) == [
        ("ReadTimeout", "read", None, True, 1), ("TotalTimeout", "read", "TotalTimeout", True, 1),
    ]  # fmt: skip
