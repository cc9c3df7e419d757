"""ASGI applications, hosted: what they are told, what may be said, what goes onto the wire.

The stream is a script; what waits for the client's end runs over a stream in memory. The oracle
is what was written, how often, and what the application was told.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from crlf.flow.serve import Service
from crlf.message.errors import LocalError, WriteFailed
from crlf.message.facts import StreamFacts, TlsFacts
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.net.memorystream import MemoryStream, join
from crlf.net.scripted import END, RESET, Item, ScriptedStream
from crlf.server.gateways.asgi import AsgiApplication
from crlf.server.starting import running
from crlf.wire.limits import Limits

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n"
Message = dict[str, Any]
App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


def post(content: bytes, *fields: bytes, chunked: bool = False) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        framing = b"Transfer-Encoding: chunked"
    else:
        body, framing = content, b"Content-Length: %d" % len(content)
    return b"POST / HTTP/1.1\r\nHost: a.example\r\n" + lines + framing + b"\r\n\r\n" + body


def start(status: object = 200, headers: object = (), **more: object) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(content: object = b"", **more: object) -> Message:
    return {"type": "http.response.body", "body": content, **more}


def saying(*messages: Message) -> App:
    """An application that says these and no more."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


HELLO = saying(start(200, [(b"content-type", b"text/plain")]), body(b"hello"))


async def in_thread(work: Callable[[], Any]) -> Any:
    return work()


class Told:
    """One connection, played to its end: what was written, and what was reported as a fault."""

    def __init__(
        self,
        app: App | AsgiApplication,
        *script: Item,
        facts: StreamFacts | None = None,
        limits: Limits | None = None,
        **options: Any,
    ) -> None:
        self.stream = ScriptedStream(script, facts=facts)
        self.faults: list[BaseException] = []
        hosted = app if isinstance(app, AsgiApplication) else AsgiApplication(app, **options)
        guards = {} if limits is None else {"limits": limits}
        service = Service(
            None, self.stream.clock.now, in_thread, io.BytesIO,
            talk=hosted.talker(in_thread, self.stream.clock.wall),
            report=lambda _, fault: self.faults.append(fault), **guards,
        )  # fmt: skip
        asyncio.run(service.serve(self.stream))
        assert self.stream.is_closed
        self.written = bytes(self.stream.written)

    @property
    def statuses(self) -> list[int]:
        return [int(code) for code in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", self.written)]

    @property
    def head(self) -> bytes:
        return self.written.partition(b"\r\n\r\n")[0].lower()

    @property
    def content(self) -> bytes:
        return self.written.partition(b"\r\n\r\n")[2]


def told(*script: Item, **options: Any) -> dict[str, Any]:
    """What an application is told of a request, as a scope."""
    scopes: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await HELLO(scope, receive, send)

    Told(app, *script, END, **options)
    return scopes[0]


def error_of(*messages: Message) -> Exception:
    """What an application is told when it says these: the error of the last of them."""
    errors: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except Exception as error:
            errors.append(error)
            raise

    Told(app, GET, END)
    return errors[0]


# --- the scope -----------------------------------------------------------------------------------


def test_the_scope_says_what_was_asked() -> None:
    facts = StreamFacts(("192.0.2.7", 4711), ("192.0.2.1", 80))
    scope = told(
        b"GET /caf%C3%A9/a%2Fb?x=%20&y HTTP/1.1\r\nHost: a.example\r\n"
        b"X-One: 1\r\nx-one: \xe9\r\n\r\n",
        facts=facts,
        state={"pool": 1},
    )
    draining = scope["extensions"].pop("crlf.draining")
    assert not draining["draining"]
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/café/a/b",
        "raw_path": b"/caf%C3%A9/a%2Fb",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": [(b"host", b"a.example"), (b"x-one", b"1"), (b"x-one", b"\xe9")],
        "client": ("192.0.2.7", 4711),
        "server": ("192.0.2.1", 80),
        "state": {"pool": 1},
        "extensions": {
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
            "http.response.early_hint": {},
            "http.response.trailers": {},
        },
    }


@pytest.mark.parametrize(
    ("line", "path", "raw", "query"),
    [
        (b"GET http://a.example/x?q HTTP/1.1", "/x", b"/x", b"q"),
        (b"GET http://a.example HTTP/1.1", "/", b"/", b""),
        (b"OPTIONS * HTTP/1.1", "*", b"*", b""),
        (b"GET /? HTTP/1.0", "/", b"/", b""),
        (b"GET /%FF HTTP/1.1", "/�", b"/%FF", b""),
    ],
)
@pytest.mark.rfc("9112", "3.2")
def test_each_form_of_a_target_has_its_path(
    line: bytes, path: str, raw: bytes, query: bytes
) -> None:
    scope = told(line + b"\r\nHost: a.example\r\n\r\n")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw, query)
    assert scope["http_version"] == line[-3:].decode()


def test_an_application_that_is_mounted_hears_its_root_path() -> None:
    scope = told(b"GET /x%20y HTTP/1.1\r\nHost: a\r\n\r\n", root_path="/the shop/")
    assert scope["root_path"] == "/the shop"
    assert scope["path"] == "/the shop/x y"
    assert scope["raw_path"] == b"/the%20shop/x%20y"


def test_tls_is_told_as_numbers() -> None:
    tls = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", "http/1.1")
    scope = told(GET, facts=StreamFacts(tls=tls))
    assert scope["scheme"] == "https"
    said = scope["extensions"]["tls"]
    assert (said["tls_version"], said["cipher_suite"]) == (0x0304, 0x1301)
    assert (said["client_cert_chain"], said["client_cert_name"]) == ([], None)


@pytest.mark.rfc("7468", "5.1")
def test_a_client_certificate_is_told_as_pem() -> None:
    der = bytes(range(100))
    tls = TlsFacts("TLSv1.2", "strange", None, "CN=ann", der)
    said = told(GET, facts=StreamFacts(tls=tls))["extensions"]["tls"]
    assert said["client_cert_chain"] == [ssl.DER_cert_to_PEM_cert(der)]
    assert said["client_cert_name"] == "CN=ann"
    assert (said["tls_version"], said["cipher_suite"]) == (0x0303, None)


def test_plain_http_says_nothing_of_tls() -> None:
    assert "tls" not in told(GET)["extensions"]


def test_no_request_sees_what_another_did_to_its_scope() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen = (len(scope["headers"]), sorted(scope), sorted(scope["extensions"]), scope["state"])
        await send(start(200, []))
        await send(body(repr(seen).encode()))
        scope["headers"].append((b"x", b"y"))
        scope["extensions"]["mine"] = {}
        scope["state"]["mine"] = 1
        scope["asgi"]["mine"] = 1
        scope["mine"] = 1

    once = Told(app, GET, END).written
    twice = Told(app, GET, GET, END).written
    assert twice == once + once


def test_a_scope_is_made_anew_for_another_target_and_other_fields() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(f"{scope['path']} {scope['method']} {scope['headers']};".encode()))

    answers = Told(
        app,
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /b HTTP/1.1\r\nHost: i\r\n\r\n",
        b"POST /b HTTP/1.1\r\nHost: i\r\n\r\n",
        END,
    ).written
    said = re.findall(rb"(/[ab]) ([A-Z]+) \[\(b'host', b'([hi])'\)\];", answers)
    assert said == [
        (b"/a", b"GET", b"h"),
        (b"/b", b"GET", b"h"),
        (b"/b", b"GET", b"i"),
        (b"/b", b"POST", b"i"),
    ]


def test_a_context_variable_ends_with_its_request() -> None:
    visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor", default="nobody")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen = visitor.get()
        visitor.set("someone")
        await asyncio.sleep(0)
        assert visitor.get() == "someone"
        await send(start())
        await send(body(seen.encode()))

    assert Told(app, GET, GET, END).written.count(b"nobody") == 2


# --- the answer ----------------------------------------------------------------------------------


def test_a_whole_answer_is_one_write() -> None:
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    answer = Told(saying(start(200, fields), body(b"hello")), GET, END)
    assert answer.stream.writes == 1
    assert answer.head == b"http/1.1 200 ok\r\ncontent-type: text/plain\r\ncontent-length: 5"
    assert answer.content == b"hello"


def test_a_whole_answer_without_a_length_gets_one() -> None:
    assert b"content-length: 5" in Told(HELLO, GET, END).head


def test_the_connection_goes_on_after_an_answer() -> None:
    assert Told(HELLO, GET, GET, GET, END).statuses == [200, 200, 200]


def test_pieces_are_chunks() -> None:
    app = saying(
        start(), body(b"one", more_body=True), body(bytearray(b"two"), more_body=True), body()
    )
    answer = Told(app, GET, GET, END)
    assert b"transfer-encoding: chunked" in answer.head
    assert answer.content.startswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert answer.statuses == [200, 200]


def test_the_head_goes_out_with_the_first_piece() -> None:
    answer = Told(saying(start(), body(b"one", more_body=True), body()), GET, END)
    assert answer.stream.writes == 2


def test_events_are_announced_at_once() -> None:
    writes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, [(b"content-type", b"text/event-stream; charset=utf-8")]))
        writes.append(answer_stream.writes)
        await send(body(b"data: 1\n\n"))

    hosted = AsgiApplication(app)
    answer_stream = ScriptedStream([GET, END])
    service = Service(
        None, answer_stream.clock.now, in_thread, io.BytesIO,
        talk=hosted.talker(in_thread, answer_stream.clock.wall),
    )  # fmt: skip
    asyncio.run(service.serve(answer_stream))
    assert writes == [1]
    assert answer_stream.written.endswith(b"9\r\ndata: 1\n\n\r\n0\r\n\r\n")


def test_pieces_of_a_known_length_are_no_chunks() -> None:
    app = saying(
        start(200, [(b"Content-Length", b"6")]), body(b"one", more_body=True), body(b"two")
    )
    answer = Told(app, GET, END)
    assert b"chunked" not in answer.head
    assert answer.content == b"onetwo"


@pytest.mark.rfc("9110", "9.3.2")
@pytest.mark.parametrize(
    ("messages", "length"),
    [
        ((start(200, [(b"content-length", b"5")]), body(b"hello")), b"5"),
        ((start(200, [(b"content-length", b"5")]), body()), b"5"),
        ((start(), body(b"hello")), b"5"),
        ((start(), body()), None),
        ((start(), body(b"hel", more_body=True), body(b"lo")), None),
    ],
)
def test_head_has_no_content_and_no_length_that_nobody_knows(
    messages: tuple[Message, ...], length: bytes | None
) -> None:
    answer = Told(saying(*messages), HEAD, HEAD, END)
    assert answer.written.count(b"hello") == 0
    assert answer.statuses == [200, 200]
    assert re.findall(rb"content-length: ([0-9]+)", answer.head) == ([length] if length else [])


@pytest.mark.rfc("9110", "15.3.5")
@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize(
    "messages",
    [
        (body(b"hello"),),
        (body(b"hel", more_body=True), body(b"lo")),
    ],
)
def test_what_has_no_content_is_sent_without(status: int, messages: tuple[Message, ...]) -> None:
    app = saying(start(status, [(b"content-length", b"5")]), *messages)
    answer = Told(app, GET, GET, END)
    assert answer.statuses == [status, status]
    assert b"hel" not in answer.written
    assert not answer.faults


def test_transfer_encoding_is_the_servers() -> None:
    app = saying(start(200, [(b"transfer-encoding", b"gzip, chunked")]), body(b"hello"))
    answer = Told(app, GET, END)
    assert b"transfer-encoding" not in answer.head
    assert answer.content == b"hello"


def test_an_answer_to_http_1_0_ends_with_the_connection() -> None:
    app = saying(start(), body(b"one", more_body=True), body(b"two"))
    answer = Told(app, b"GET / HTTP/1.0\r\n\r\n", END)
    assert answer.content == b"onetwo"
    assert b"connection: close" in answer.head


def test_several_cookies_stay_several_and_are_not_remembered() -> None:
    fields = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    answer = Told(saying(start(200, fields), body()), GET, END)
    assert b"set-cookie: a=1\r\nset-cookie: b=2" in answer.head


def test_lists_and_generators_of_fields_are_fields() -> None:
    def fields() -> Iterable[list[bytes]]:
        yield [b"x-one", b"1"]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, fields()))
        await send(body())

    assert b"x-one: 1" in Told(app, GET, END).head


# --- what is said wrong --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "kind", "text"),
    [
        ([body()], RuntimeError, "http.response.body where http.response.start is expected"),
        ([start(), start()], RuntimeError, "http.response.start where http.response.body"),
        ([start(), body(), body()], RuntimeError, "where nothing more is expected"),
        ([{"type": "http.response.trailers"}], RuntimeError, "http.response.trailers where"),
        ([{"type": "websocket.accept"}], RuntimeError, "'websocket.accept' is no message"),
        ([{"type": 7}], RuntimeError, "'7' is no message"),
        ([{}], TypeError, "a dict with a type"),
        ([None], TypeError, "a dict with a type"),
        ([start("200")], TypeError, "the status of http.response.start is a number, not '200'"),
        ([start(None)], TypeError, "status"),
        ([start(99)], ValueError, "99 is no status"),
        ([start(103)], ValueError, "103 is no status"),
        ([start(600)], ValueError, "600 is no status"),
        ([start(200, [("x", b"1")])], TypeError, "the name of a header is bytes, not str"),
        ([start(200, [(b"x", "1")])], TypeError, "the value of x is bytes, not str"),
        ([start(200, [b"x: 1"])], TypeError, "headers are pairs of bytes"),
        ([start(200, [(b"x y", b"1")])], ValueError, "'x y' is no field name"),
        ([start(200, [(b"x", b"1\r\ny: 2")])], ValueError, "control character"),
        ([start(200, [(b"content-length", b"five")])], ValueError, "content-length is not one"),
        ([start(200, [(b"content-length", b"5")] * 2)], ValueError, "content-length is not one"),
        ([start(), body("text")], TypeError, "content is bytes, not str"),
        ([start(200, [(b"content-length", b"5")]), body(b"six...")], RuntimeError, "has 6 bytes"),
        ([start(), {"type": "http.response.pathsend"}], TypeError, "the path of"),
        (
            [start(), {"type": "http.response.pathsend", "path": "/nowhere/at/all"}],
            RuntimeError,
            "No such file",
        ),
        (
            [start(), {"type": "http.response.zerocopysend", "file": None}],
            TypeError,
            "open binary file",
        ),
    ],
)
def test_what_is_said_wrong_is_named(messages: list[Any], kind: type[Exception], text: str) -> None:
    error = error_of(*messages)
    assert type(error) is kind
    assert text in str(error)


@pytest.mark.parametrize(
    "messages",
    [
        [body()],
        [start(200, [(b"x", b"1\r\ny: 2")])],
        [start(200, [(b"content-length", b"5")]), body(b"six...")],
        [start()],
        [],
    ],
)
def test_a_fault_before_anything_was_sent_is_a_500(messages: list[Message]) -> None:
    answer = Told(saying(*messages), GET, END)
    assert answer.statuses == [500]
    assert len(answer.faults) == 1


@pytest.mark.parametrize(
    "messages",
    [
        [start(), body(b"one", more_body=True)],
        [start(), body(b"one", more_body=True), start()],
        [start(200, [(b"content-length", b"9")]), body(b"one", more_body=True), body()],
        [start(200, [(b"content-length", b"3")]), body(b"one", more_body=True), body(b"two")],
    ],
)
def test_a_fault_after_the_first_piece_cuts_the_connection(messages: list[Message]) -> None:
    answer = Told(saying(*messages), GET, GET, END)
    assert answer.statuses == [200]
    assert not answer.written.endswith(b"0\r\n\r\n")
    assert len(answer.faults) == 1


def test_an_error_of_the_application_is_reported_and_answered() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError("mine")

    answer = Told(app, GET, GET, END)
    assert answer.statuses == [500, 500]
    assert [str(fault) for fault in answer.faults] == ["mine", "mine"]
    assert b"mine" not in answer.written


def test_an_error_in_the_content_of_others_is_not_the_clients() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        Response(200, {"x": "\n\0"})

    answer = Told(app, GET, END)
    assert answer.statuses == [500]


def test_an_error_after_the_answer_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await HELLO(scope, receive, send)
        raise LookupError("in the background")

    with caplog.at_level(logging.INFO, "crlf.server"):
        answer = Told(app, GET, GET, END)
    assert answer.statuses == [200, 200]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "GET / failed after its answer" in caplog.text


# --- the request's content -----------------------------------------------------------------------


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was received, and how often."""
    messages = []
    while True:
        messages.append(await receive())
        if not messages[-1].get("more_body"):
            break
    content = b"".join(message.get("body", b"") for message in messages)
    await send(start(200, [(b"x-last", messages[-1]["type"].encode())]))
    await send(body(content))


@pytest.mark.parametrize("chunked", [False, True])
def test_content_arrives_and_the_connection_goes_on(chunked: bool) -> None:
    request = post(b"some content", chunked=chunked)
    for script in (
        [request, GET, END],
        [*(request[i : i + 1] for i in range(len(request))), GET, END],
    ):
        answer = Told(echo, *script)
        assert answer.statuses == [200, 200]
        assert b"x-last: http.request" in answer.head
        assert b"some content" in answer.content


def test_a_request_without_content_is_one_empty_message() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        await send(start())
        await send(body(repr(message).encode()))

    said = Told(app, GET, END).content
    assert said == b"{'type': 'http.request', 'body': b'', 'more_body': False}"


@pytest.mark.rfc("9110", "10.1.1")
def test_continue_is_said_when_content_is_asked_for_and_not_before() -> None:
    request = post(b"content", b"Expect: 100-continue")
    head, _, content = request.partition(b"\r\n\r\n")
    assert Told(echo, head + b"\r\n\r\n", content, END).statuses == [100, 200]
    assert Told(HELLO, head + b"\r\n\r\n", END).statuses == [200]


def test_content_that_nobody_read_is_dropped() -> None:
    assert Told(HELLO, post(b"x" * 1000), GET, END).statuses == [200, 200]


def test_content_over_the_limit_is_refused_whatever_the_application_says() -> None:
    limits = Limits(body=10)
    for request in (post(b"x" * 11), post(b"x" * 11, chunked=True)):
        answer = Told(echo, request, END, limits=limits)
        assert answer.statuses == [413]
        assert not answer.faults


def test_content_that_is_broken_is_refused_whatever_the_application_says() -> None:
    request = post(b"content", chunked=True).replace(b"content\r\n", b"content??")
    answer = Told(echo, request, END)
    assert answer.statuses == [400]
    assert not answer.faults


def test_a_client_that_goes_in_its_content_is_a_disconnect() -> None:
    types = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            types.append(message["type"])
            if message["type"] == "http.disconnect":
                break
        with pytest.raises(OSError, match="the client is gone"):
            await send(start())

    answer = Told(app, post(b"x" * 100)[:-50], RESET)
    assert types == ["http.request", "http.disconnect"]
    assert answer.written == b""
    assert not answer.faults


def test_after_the_answer_there_is_only_a_disconnect() -> None:
    types = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await HELLO(scope, receive, send)
        types.append((await receive())["type"])

    Told(app, post(b"content"), END)
    assert types == ["http.disconnect"]


# --- extensions ----------------------------------------------------------------------------------


def test_a_path_is_sent_as_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content" * 100)
    send_path = {"type": "http.response.pathsend", "path": str(path)}
    answer = Told(saying(start(), send_path), GET, GET, END)
    assert b"content-length: 700" in answer.head or b"chunked" in answer.head
    assert answer.written.count(b"content" * 100) == 2
    framed = start(200, [(b"content-length", b"10")])
    assert Told(saying(framed, send_path), GET, END).content == b"contentcon"
    assert Told(saying(framed, send_path), HEAD, END).content == b""


def test_a_folder_is_no_path_to_send(tmp_path: Path) -> None:
    error = error_of(start(), {"type": "http.response.pathsend", "path": str(tmp_path)})
    assert "is no file" in str(error)


def test_a_path_shorter_than_its_length_cuts_the_connection(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    app = saying(
        start(200, [(b"content-length", b"10")]),
        {"type": "http.response.pathsend", "path": str(path)},
    )
    answer = Told(app, GET, GET, END)
    assert answer.statuses == [200]
    assert isinstance(answer.faults[0], LocalError)


def test_pieces_of_files_and_of_content_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with path.open("rb") as file:
            piece = {"type": "http.response.zerocopysend", "file": file, "more_body": True}
            await send(start(200, [(b"content-length", b"13")]))
            await send({**piece, "offset": 2, "count": 3})
            await send(body(b"abc", more_body=True))
            await send({**piece, "count": 4})
            await send({**piece, "more_body": False, "offset": 7})

    assert Told(app, GET, END).content == b"234abc0123789"


@pytest.mark.rfc("8297", "2")
def test_early_hints_go_ahead() -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b>"]}
    answer = Told(saying(hint, start(), hint, body(b"x")), GET, END)
    assert answer.statuses == [103, 103, 200]
    assert answer.head == (b"http/1.1 103 early hints\r\nlink: </a.css>; rel=preload\r\nlink: </b>")
    assert Told(saying(hint, start(), body()), b"GET / HTTP/1.0\r\n\r\n", END).statuses == [200]


@pytest.mark.rfc("9110", "6.5.1")
def test_trailers_are_for_those_who_take_them() -> None:
    trailers = {"type": "http.response.trailers"}
    app = saying(
        start(200, [(b"trailer", b"x-sum")], trailers=True),
        body(b"content"),
        {**trailers, "headers": [(b"x-sum", b"7")], "more_trailers": True},
        {**trailers, "headers": [(b"x-end", b"1")]},
    )
    asking = b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n"
    answer = Told(app, asking, GET, END)
    first, _, second = answer.written.partition(b"x-end: 1\r\n\r\n")
    assert first.endswith(b"7\r\ncontent\r\n0\r\nx-sum: 7\r\n")
    assert b"x-sum: 7" not in second
    assert second.endswith(b"7\r\ncontent\r\n0\r\n\r\n")


@pytest.mark.rfc("9110", "7.8")
def test_an_upgrade_is_ignored() -> None:
    request = (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert told(request)["type"] == "http"
    assert Told(HELLO, request, GET, END).statuses == [200, 200]


# --- a client that goes, while others wait -------------------------------------------------------


async def live(app: App, asked: bytes) -> tuple[MemoryStream, asyncio.Task[None]]:
    """Serve an application on a stream in memory; return the client's end, and the Task."""
    ours, theirs = join(asyncio.get_running_loop())
    loop = asyncio.get_running_loop()
    hosted = AsgiApplication(app)
    service = Service(
        None, loop.time, in_thread, io.BytesIO, talk=hosted.talker(in_thread, loop.time)
    )
    task = asyncio.create_task(service.serve(theirs))
    await ours.write(asked, None)
    return ours, task


@pytest.mark.timeout(20)
def test_who_waits_for_the_clients_end_is_told_of_it() -> None:
    said: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        await send(body(b"one", more_body=True))
        waiting = asyncio.create_task(receive())
        said.append((await waiting)["type"])
        said.append((await receive())["type"])
        try:
            await send(body(b"two"))
        except OSError as error:
            said.append(type(error))
            raise

    async def story() -> None:
        client, task = await live(app, GET)
        assert b"one" in await client.read(None)
        client.close()
        await task

    asyncio.run(story())
    assert said == ["http.disconnect", "http.disconnect", WriteFailed]


@pytest.mark.timeout(20)
def test_one_task_listens_while_another_speaks() -> None:
    types: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def listen() -> None:
            while not types or types[-1] != "http.disconnect":
                types.append((await receive())["type"])

        listening = asyncio.create_task(listen())
        await send(start())
        for _ in range(3):
            await send(body(b"tick", more_body=True))
            await asyncio.sleep(0)
        await send(body())
        await listening

    async def story() -> bytes:
        client, task = await live(app, post(b"content"))
        got = b""
        while not got.endswith(b"0\r\n\r\n"):
            got += await client.read(None)
        client.close()
        await task
        return got

    assert asyncio.run(story()).count(b"tick") == 3
    assert types == ["http.request", "http.disconnect"]


@pytest.mark.timeout(20)
def test_a_cancelled_connection_cancels_its_application() -> None:
    ends: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def story() -> None:
        client, task = await live(app, GET)
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        client.close()

    asyncio.run(story())
    assert ends == ["cancelled"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("fails", [False, True])
def test_a_next_request_does_not_wait_for_what_follows_an_answer(
    fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tasks: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        task = asyncio.current_task()
        await HELLO(scope, receive, send)
        if scope["path"] == "/later":
            await asyncio.sleep(0.2)
            tasks.append(asyncio.current_task() is task)
            if fails:
                raise LookupError("in the background")

    hosted = AsgiApplication(app, lifespan="off")
    with running(hosted) as server:
        with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
            for path in (b"/later", b"/", b"/later", b"/later", b"/"):
                connection.sendall(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
                assert connection.recv(4096).endswith(b"hello")
        assert not tasks
    assert tasks == [True] * 3
    assert caplog.text.count("failed after its answer") == (3 if fails else 0)


def test_a_request_is_named_without_its_query(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await HELLO(scope, receive, send)
        raise LookupError

    with caplog.at_level(logging.INFO, "crlf.server"):
        Told(app, b"GET /a?token=secret HTTP/1.1\r\nHost: a\r\n\r\n", END)
    assert "secret" not in caplog.text


def test_faults_are_reported_with_their_request() -> None:
    seen: list[object] = []
    stream = ScriptedStream([GET, END])
    service = Service(
        None, stream.clock.now, in_thread, io.BytesIO,
        talk=AsgiApplication(saying()).talker(in_thread, stream.clock.wall),
        report=lambda request, fault: seen.append(request),
    )  # fmt: skip
    asyncio.run(service.serve(stream))
    assert isinstance(seen[0], Request)
