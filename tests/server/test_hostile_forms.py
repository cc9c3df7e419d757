"""Forms that mean harm, or are none: each is refused, by the rule that it breaks, and nobody else.

The form that a server takes in and the one that a handler reads part by part get the same verdict,
in one piece or byte by byte; afterwards the next visitor is answered as ever.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crlf import App, Client, Request, Response

B = b"--b\r\n"
END = b"\r\n--b--\r\n"
NAMED = b'Content-Disposition: form-data; name="a"\r\n'
FILE = b'Content-Disposition: form-data; name="a"; filename="f"\r\n'
TYPE = "multipart/form-data; boundary=b"
PART = B + NAMED + b"\r\nx\r\n"

SYNTAX, NAME, ENCODING = "RFC 2046 5.1.1", "RFC 7578 4.2", "RFC 7578 4.7"
FIELD_NAME, FIELD_VALUE, TWICE = "RFC 9110 5.1", "RFC 9110 5.5", "RFC 7578 4.8"

Case = tuple[str, str, bytes, int, str]  # what it is, its type, its content, status, rule
CASES: list[Case] = [
    ("no boundary at all", TYPE, b"just text", 400, SYNTAX),
    ("nothing", TYPE, b"\r\n", 400, SYNTAX),
    ("a first boundary that is cut", TYPE, b"--", 400, SYNTAX),
    ("a part without an end", TYPE, B + NAMED + b"\r\nx", 400, SYNTAX),
    ("an end that is cut", TYPE, B + NAMED + b"\r\nx\r\n--b-", 400, SYNTAX),
    ("a head without an end", TYPE, B + NAMED, 400, SYNTAX),
    ("a head that is cut in a line", TYPE, B + b"Content-Dispo", 400, SYNTAX),
    ("another boundary than was said", TYPE, (PART + END).replace(b"--b", b"--c"), 400, SYNTAX),
    ("line ends of LF", TYPE, (PART + END).replace(b"\r\n", b"\n"), 400, SYNTAX),
    ("line ends of CR", TYPE, (PART + END).replace(b"\r\n", b"\r"), 400, SYNTAX),
    ("a boundary and more on its line", TYPE, PART + b"--bx\r\n" + END, 400, SYNTAX),
    ("one dash after a boundary", TYPE, PART + b"--b-\r\n" + END, 400, SYNTAX),
    ("words after the last boundary", TYPE, PART + b"--b--x\r\n", 400, SYNTAX),
    ("a boundary and endless blanks", TYPE, PART + b"--b" + b" " * 100_000, 400, SYNTAX),
    ("a last boundary and endless blanks", TYPE, PART + b"--b--" + b" " * 100_000, 400, SYNTAX),
    ("no boundary in the type", "multipart/form-data", PART + END, 400, SYNTAX),
    ("an empty boundary", 'multipart/form-data; boundary=""', PART + END, 400, SYNTAX),
    ("a boundary of 71", f"multipart/form-data; boundary={'b' * 71}", PART + END, 400, SYNTAX),
    ("a boundary that ends in a blank", 'multipart/form-data; boundary="b "', PART, 400, SYNTAX),
    ("a boundary of no such letters", 'multipart/form-data; boundary="b@<"', PART, 400, SYNTAX),
    ("a part without a disposition", TYPE, B + b"Content-Type: a/b\r\n\r\nx" + END, 400, NAME),
    ("a part without any field", TYPE, B + b"\r\nx" + END, 400, NAME),
    ("a part without a name", TYPE, B + b"Content-Disposition: form-data\r\n\r\n" + END, 400, NAME),
    ("an attachment", TYPE, B + NAMED.replace(b"form-data", b"attachment") + b"\r\n" + END,
     400, NAME),
    ("a name without its quote", TYPE, B + NAMED.replace(b'a"', b"a") + b"\r\nx" + END, 400, NAME),
    ("two dispositions", TYPE, B + NAMED + FILE + b"\r\nx" + END, 400, TWICE),
    ("two types", TYPE, B + FILE + b"Content-Type: a/b\r\n" * 2 + b"\r\nx" + END, 400, TWICE),
    ("base64", TYPE, B + FILE + b"Content-Transfer-Encoding: base64\r\n\r\neA==" + END,
     400, ENCODING),
    ("quoted-printable", TYPE,
     B + NAMED + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=78" + END, 400, ENCODING),
    ("a folded field", TYPE, B + b"Content-Disposition: form-data;\r\n name=a\r\n\r\nx" + END,
     400, FIELD_NAME),
    ("a field without a colon", TYPE, B + NAMED + b"nonsense\r\n\r\nx" + END, 400, FIELD_NAME),
    ("a blank before a colon", TYPE, B + NAMED.replace(b":", b" :") + b"\r\nx" + END,
     400, FIELD_NAME),
    ("a field without a name", TYPE, B + NAMED + b": a\r\n\r\nx" + END, 400, FIELD_NAME),
    ("a NUL in a name", TYPE, B + NAMED + b"X\0: y\r\n\r\nx" + END, 400, FIELD_NAME),
    ("a NUL in a value", TYPE, B + NAMED.replace(b'"a"', b'"a\0"') + b"\r\nx" + END,
     400, FIELD_VALUE),
    ("a bare CR in a value", TYPE, B + NAMED.replace(b'"a"', b'"a\rX-Y: z"') + b"\r\nx" + END,
     400, FIELD_VALUE),
    ("a bare LF in a value", TYPE, B + NAMED.replace(b'"a"', b'"a\nX-Y: z"') + b"\r\nx" + END,
     400, FIELD_VALUE),
    ("an escape in a file's name", TYPE, B + FILE.replace(b'"f"', b'"f\x1b[2J"') + b"\r\nx" + END,
     400, FIELD_VALUE),
    ("a part within a part", TYPE,
     B + NAMED + b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--",
     400, SYNTAX),
    ("an endless preamble", TYPE, b"x" * 5000 + b"\r\n" + PART + END, 413, "preamble"),
    ("an endless epilogue", TYPE, PART + b"--b--\r\n" + b"x" * 5000, 413, "epilogue"),
    ("too many parts", TYPE, PART * 129 + END, 413, "parts"),
    ("too many empty files", TYPE, (B + FILE + b"\r\n\r\n") * 129 + END, 413, "parts"),
    ("too many fields of a part", TYPE,
     B + NAMED + b"".join(b"X-%d: y\r\n" % n for n in range(8)) + b"\r\nx" + END,
     431, "part headers"),
    ("a field that does not end", TYPE, B + b"X: " + b"y" * 5000, 431, "part header"),
    ("a file's name that does not end", TYPE, B + FILE[:-4] + b"f" * 5000, 431, "part header"),
    ("a head that does not end", TYPE, B + b"X: y\r\n" * 100_000, 431, "part headers"),
    ("fields that are too much together", TYPE,
     (B + NAMED + b"\r\n" + b"x" * 900_000 + b"\r\n") * 3 + END, 413, "fields total"),
    ("more than may be sent at all", TYPE, B + FILE + b"\r\n" + b"x" * 4_000_000 + END,
     413, "body"),
]  # fmt: skip
IDS = [case[0] for case in CASES]


@pytest.fixture
def client() -> Iterator[Client]:
    app = App()

    @app.post("/form", cross_site=True, body=3_000_000)
    async def form(request: Request) -> str:
        return f"{len(request.form.pairs)} {len(request.files)}"

    @app.post("/parts", cross_site=True, body=3_000_000, streams=True)
    async def parts(request: Request) -> str:
        names = []
        async for part in request.parts():
            async for _ in part.pieces():
                pass
            names.append(part.name)
        return f"{len(names)} 0"

    @app.post("/threaded", cross_site=True, body=3_000_000, streams=True)
    def threaded(request: Request) -> str:
        return f"{sum(1 for part in request.parts() if list(part.pieces()))} 0"

    with Client(app=app, base_url="http://a.example") as opened:
        yield opened


def sent(client: Client, path: str, kind: str, content: bytes, size: int) -> Response:
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    return client.post(path, content=pieces, headers={"content-type": kind})


@pytest.mark.rfc("2046", "5.1.1")
@pytest.mark.rfc("7578", "4.2")
@pytest.mark.parametrize(("what", "kind", "content", "status", "rule"), CASES, ids=IDS)
@pytest.mark.parametrize("path", ["/form", "/parts", "/threaded"])
def test_a_hostile_form_is_refused_by_its_rule(
    client: Client, path: str, what: str, kind: str, content: bytes, status: int, rule: str
) -> None:
    sizes = (10**9, 1) if len(content) < 500 else (10**9, 1000)
    for size in sizes:
        answer = sent(client, path, kind, content, size)
        assert (answer.status_code, rule in answer.text) == (status, True), answer.text
        assert content[-20:].decode("latin-1") not in answer.text  # nothing of it is shown
    assert sent(client, path, TYPE, PART + b"--b--\r\n", 10**9).text == "1 0"


def test_there_are_forty() -> None:
    assert len({case[2] for case in CASES}) >= 40
