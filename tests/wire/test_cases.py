"""The wire, case by case: Markdown that is specification, documentation and test at once.

cases/README.md says how a case is written. Each is fed to an engine whole, cut in two at every
point, byte by byte, and with the bytes of something else behind it; the parts must be the same
each time. What a case calls a round trip the other role's engine must write back byte for byte.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from crlf.message.errors import LocalError, ProtocolError, TooLarge
from crlf.message.headers import Headers
from crlf.wire.h1.client import ClientEngine
from crlf.wire.h1.server import ServerEngine
from crlf.wire.parts import Closed, Data, End, Part, RequestHead, ResponseHead, Switched

FOLDER = Path(__file__).with_name("cases")
EVERY_SPLIT = 700  # bytes; a longer case is cut round its line ends and here and there
Engine = ServerEngine | ClientEngine
Fields = tuple[tuple[str, str], ...]


class Step(NamedTuple):
    """A line of a parts block: what must come, or with `sends` what we send at this point."""

    text: str
    fields: Fields | None
    sends: bool


class Case(NamedTuple):
    """A case as it stands in its file."""

    title: str
    place: str
    rules: tuple[tuple[str, str], ...]
    to: str | None  # what a client asked before; None: the bytes go to a server
    data: bytes
    ended: bool  # the peer closes after the data
    steps: tuple[Step, ...]
    out: bytes | None
    returns: bool


# --- reading the files


ESCAPE = re.compile(r'\\(?:x([0-9A-Fa-f]{2})|\(([^()]*)\*([0-9]+)\)|([\\rnt0"])|(.?))', re.DOTALL)
PLAIN = {"\\": "\\", "r": "\r", "n": "\n", "t": "\t", "0": "\0", '"': '"'}
RULE = re.compile(r"RFC ([0-9]+) ([0-9A-Z.]+)(?:, (?=RFC )|$)")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
KINDS = re.compile("RequestHead|ResponseHead|Data|End|Closed|Switched|RemoteError|TooLarge")
JOINED = re.compile(r"(?<!\\)(?:\\\\)*\\$")


def unescape(text: str) -> str:
    """Read the notation of cases/README.md; one character a byte."""

    def one(found: re.Match[str]) -> str:
        code, piece, times, plain, wrong = found.groups()
        if wrong is not None:
            raise ValueError(f"no such escape: {found[0]!r} in {text!r}")
        if code is not None:
            return chr(int(code, 16))
        return unescape(piece) * int(times) if piece is not None else PLAIN[plain]

    return ESCAPE.sub(one, text)


def quote(text: str) -> str:
    """Write a string so that two spellings of it come out the same."""
    return '"' + text.encode("unicode_escape").decode().replace('"', '\\"') + '"'


def bytes_of(lines: Iterable[str]) -> tuple[bytes, bool]:
    """Read an http block: its bytes, and whether the connection ends behind them."""
    text, ended = "", False
    for line in lines:
        if line == "\\end":
            ended = True
        elif JOINED.search(line):
            text += unescape(line[:-1])
        else:
            text += unescape(line) + "\r\n"
    return text.encode("latin-1"), ended


def steps_of(lines: Iterable[str]) -> Iterator[Step]:
    """Read a parts block: a step a line, its fields indented below it."""
    head, fields = "", None
    for line in [*lines, ""]:
        if line.startswith("    "):
            name, colon, value = line.strip(" ").partition(":")
            field = unescape(name), unescape(value.removeprefix(" "))
            fields = (*(fields or ()), field) if colon else ()
            continue
        if head:
            sends = head.startswith("> ")
            text = head if sends or '"' in head else unescape(head)
            text = QUOTED.sub(lambda found: quote(unescape(found[1])), text)
            yield Step(text.removeprefix("> "), fields, sends)
        head, fields = line, None


def cases_of(path: Path) -> Iterator[Case]:
    """Read the cases of a file, in order."""
    title, place = "", ""
    rules: list[tuple[str, str]] = []
    blocks: dict[str, tuple[str, list[str]]] = {}
    returns = False
    inside: list[str] | None = None
    for number, line in enumerate([*path.read_text("utf-8").split("\n"), "## "], 1):
        if inside is not None:
            if line == "```":
                inside = None
            else:
                inside.append(line)
        elif line.startswith("## "):
            if title:
                yield built(title, place, rules, blocks, returns)
            title, place = line[3:], f"{path.name}:{number}"
            rules, blocks, returns = [], {}, False
        elif line.startswith("```"):
            kind, _, rest = line[3:].partition(" ")
            inside = []
            blocks[kind] = rest, inside
        elif RULE.match(line):
            rules += RULE.findall(line)
        elif line == "Round trip.":
            returns = True


def built(
    title: str,
    place: str,
    rules: list[tuple[str, str]],
    blocks: dict[str, tuple[str, list[str]]],
    returns: bool,
) -> Case:
    """Make a case of its blocks. Raises ValueError when it lacks something."""
    if not rules or "parts" not in blocks or not blocks.keys() <= {"http", "parts", "out"}:
        raise ValueError(f"{place}: a case has a rule, a parts block, and only known blocks")
    info, lines = blocks.get("http", ("to nothing", []))
    if info and not info.startswith("to "):
        raise ValueError(f"{place}: ```http {info}")
    data, ended = bytes_of(lines)
    steps = tuple(steps_of(blocks["parts"][1]))
    out = bytes_of(blocks["out"][1])[0] if "out" in blocks else None
    to = info.removeprefix("to ") if info else None
    return Case(title, place, tuple(rules), to, data, ended, steps, out, returns)


ALL = [case for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"
       for case in cases_of(path)]  # fmt: skip


# --- playing them


def engine_for(case: Case) -> Engine:
    """Start the engine that the case's bytes go to."""
    if case.to is None:
        return ServerEngine()
    client = ClientEngine()
    method, *words = case.to.split(" ")
    fields = [("host", "a.example")]
    if "upgrade" in words:
        fields += [("connection", "upgrade"), ("upgrade", "websocket")]
    target = "a.example:443" if method == "CONNECT" else "/"
    if "unfinished" in words:
        client.send(RequestHead(method, target, Headers([*fields, ("content-length", "5")])))
    elif method != "nothing":
        client.send_whole(RequestHead(method, target, Headers(fields)), b"")
    client.outgoing()
    return client


def line_of(item: Part | Exception | None) -> str:
    """Say what came as a line of a parts block."""
    if isinstance(item, RequestHead):
        return f"RequestHead {item.method} {item.target}" + version_of(item.version)
    if isinstance(item, ResponseHead):
        return f"ResponseHead {item.status_code} {quote(item.reason)}" + version_of(item.version)
    if isinstance(item, Data):
        return f"Data {quote(item.data.decode('latin-1'))}"
    if isinstance(item, Switched):
        return f"Switched {quote(item.leftover.decode('latin-1'))}"
    if isinstance(item, LocalError):
        return f"LocalError {quote(item.reason)} {item.rule}"
    if isinstance(item, ProtocolError):
        return f"RemoteError {item.status_code} {quote(item.reason)} {item.rule} at {item.offset}"
    if isinstance(item, TooLarge):
        return f"TooLarge {item.status_code} {quote(item.what)} {item.rule}"
    return "nothing" if item is None else type(item).__name__


def version_of(version: str) -> str:
    return "" if version == "1.1" else f" HTTP/{version}"


def fields_of(item: object) -> Fields:
    if isinstance(item, RequestHead | ResponseHead):
        return item.headers.fields
    return item.trailers.fields if isinstance(item, End) else ()


def is_met(step: Step, item: Part | Exception | None) -> bool:
    """Tell whether what came is what a step wants; an offset counts where the case names one."""
    line = line_of(item)
    if " at " not in step.text.rpartition('"')[2]:
        line = re.sub(r" at (?:[0-9]+|None)$", "", line)
    wanted = () if step.fields is None and isinstance(item, End) else step.fields
    return line == step.text and (wanted is None or wanted == fields_of(item))


class Play:
    """One run of a case: an engine, the pieces still to come, and what our side has sent."""

    def __init__(self, case: Case, pieces: Iterable[bytes]) -> None:
        self.engine = engine_for(case)
        self.pieces = deque(pieces)
        self.sent = b""
        self.refused: Exception | None = None
        self.back: Part | Exception | None = None

    def next(self) -> Part | Exception | None:
        """Return what comes next, feeding pieces as long as the engine wants more."""
        item, self.back = self.back, None
        if item is None:
            item, self.refused = self.refused, None
        while item is None:
            try:
                item = self.engine.next_part()
            except (ProtocolError, TooLarge) as fault:
                return fault
            if item is None:
                if not self.pieces:
                    return None
                self.engine.receive(self.pieces.popleft())
        return item

    def next_data(self, length: int) -> Part | Exception | None:
        """Return the next Data, joined from as many as make up the length."""
        data = b""
        while len(data) < length:
            item = self.next()
            if not isinstance(item, Data):
                self.back = item
                break
            data += item.data
        return Data(data) if data else self.next()

    def rest(self) -> bytes:
        """Feed what is left, and take it back as another protocol would."""
        while self.pieces:
            self.engine.receive(self.pieces.popleft())
        return self.engine.leftover()

    def send(self, step: Step) -> None:
        """Send what a step says; keep the error if it is refused."""
        kind, *words = map(unescape, QUOTED.sub("", step.text).split())
        found = QUOTED.search(step.text)
        quoted = unescape(found[1]) if found else ""
        headers = Headers(step.fields or ())
        head: RequestHead | ResponseHead | None = None
        if words and words[0].isdigit():
            head = ResponseHead(int(words[0]), headers, "" if kind == "Whole" else quoted)
        elif words:
            head = RequestHead(words[0], words[1], headers)
        try:
            if kind == "Whole":
                self.engine.send_whole(head, quoted.encode("latin-1"))  # type: ignore[arg-type]
            elif kind == "Data":
                self.engine.send(Data(quoted.encode("latin-1")))
            elif kind in ("End", "Closed"):
                self.engine.send(End(headers) if kind == "End" else Closed())
            elif head is not None:
                self.engine.send(head)
            else:
                raise ValueError(f"nothing to send: {step.text}")
        except ProtocolError as fault:
            self.refused = fault
        self.sent += self.engine.outgoing()

    def run(self, steps: Iterable[Step]) -> None:
        """Take the steps; fail at the first one that is not met."""
        for step in steps:
            if step.sends:
                assert self.refused is None, f"sending was refused: {line_of(self.refused)}"
                self.send(step)
            elif step.text in ("reusable", "not reusable"):
                while self.pieces:
                    self.engine.receive(self.pieces.popleft())
                assert self.engine.is_reusable is (step.text == "reusable"), step.text
            else:
                quoted = QUOTED.search(step.text)
                wants = len(unescape(quoted[1])) if quoted and step.text[:4] == "Data" else 0
                item = self.next_data(wants) if wants else self.next()
                if isinstance(item, Switched):
                    item = Switched(item.leftover + self.rest())
                assert is_met(step, item), f"{line_of(item)} {fields_of(item)}"

    def stays_so(self, steps: Iterable[Step]) -> None:
        """After the last step nothing more may come, and an end stays an end."""
        assert self.refused is None, line_of(self.refused)
        came = [step for step in steps if not step.sends and KINDS.match(step.text)]
        item = self.next()
        if came and came[-1].text.startswith(("RemoteError", "TooLarge", "Closed")):
            assert is_met(came[-1], item), f"not the same again: {line_of(item)}"
        elif came and came[-1].text.startswith("Switched"):
            assert item == Switched(), line_of(item)
        else:
            assert item is None, f"one more part: {line_of(item)}"


def splits_of(data: bytes) -> Iterator[int]:
    """The places to cut at: all of them, or in a long case those where something may happen."""
    if len(data) <= EVERY_SPLIT:
        yield from range(1, len(data))
        return
    near = {at + by for at, byte in enumerate(data) if byte in b"\r\n" for by in range(-2, 3)}
    near.update(range(len(data) // 17, len(data), len(data) // 17), range(1, 20))
    places = sorted(at for at in near if 0 < at < len(data))
    yield from places[:: len(places) // 100 + 1]


def feeds_of(case: Case) -> Iterator[tuple[str, list[bytes]]]:
    """The ways in which a case's bytes come: whole, in two pieces, byte by byte."""
    data, end = case.data, [b""] if case.ended else []
    yield "whole", [*([data] if data else []), *end]
    for at in splits_of(data):
        yield f"cut at {at}", [data[:at], data[at:], *end]
    yield "byte by byte", [*(data[at : at + 1] for at in range(len(data))), *end]


TRAILING = {
    True: (b"GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n", b"\x00\xff\r\n\r\n", b"\n" * 3),
    False: (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", b"\x00\xff\r\n\r\n", b"\n" * 3),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.title, marks=[pytest.mark.rfc(*rule) for rule in case.rules])
        for case in ALL
    ],
)
def test_the_wire(case: Case) -> None:
    for how, pieces in feeds_of(case):
        play = Play(case, pieces)
        try:
            play.run(case.steps)
            play.stays_so(case.steps)
        except AssertionError as wrong:
            pytest.fail(f"{case.place} ({how}): {wrong}", pytrace=False)
        if case.out is not None:
            assert play.sent == case.out, how
    if not case.ended and case.steps[-1].text.split(" ")[0] in ("End", "RemoteError", "TooLarge"):
        for trailing in TRAILING[case.to is None]:
            play = Play(case, [case.data + trailing])
            play.run(case.steps)
    if case.returns:
        assert written_back(case) == case.data


def written_back(case: Case) -> bytes:
    """Read a case, and let the other role's engine write what was read."""
    play = Play(case, [case.data])
    writer: Engine
    if case.to is None:
        writer = ClientEngine()
    else:
        writer = ServerEngine()
        method = case.to.split(" ")[0]
        target = "a.example:443" if method == "CONNECT" else "/"
        asking = "Connection: upgrade\r\nUpgrade: websocket\r\n" if "upgrade" in case.to else ""
        writer.receive(f"{method} {target} HTTP/1.1\r\nHost: a.example\r\n{asking}\r\n".encode())
        assert isinstance(writer.next_part(), RequestHead)
        assert isinstance(writer.next_part(), End)
    while (item := play.next()) is not None:
        if isinstance(item, Switched):
            break
        assert not isinstance(item, Exception), item
        writer.send(item)
    return writer.outgoing()


# --- what the cases are, taken together


def rows_of(case: Case) -> set[int]:
    """The rows of the table in cases/README.md that a heading names."""
    named = re.match(r"Rows? ([0-9, ]+)", case.title)
    return {int(row) for row in named[1].split(",") if row.strip(" ")} if named else set()


def test_every_row_has_a_case_in_each_role_that_it_binds() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| ([0-9]+) \| ([PSC, ]+) \|", readme, re.MULTILINE)
    assert [int(row) for row, _ in rows] == list(range(1, 49))
    wanted = {(int(row), role) for row, roles in rows for role in roles.replace("P", "S, C")
              if role in "SC"}  # fmt: skip
    there = {(row, "S" if case.to is None else "C") for case in ALL for row in rows_of(case)}
    assert not wanted - there


@pytest.mark.parametrize(("file", "to_server"), [("bad_requests", True), ("bad_responses", False)])
def test_each_of_at_least_forty_bad_messages_gets_an_error_that_names_its_rule(
    file: str, to_server: bool
) -> None:
    bad = list(cases_of(FOLDER / f"{file}.md"))
    assert len(bad) >= 40
    assert len({case.data for case in bad}) == len(bad)
    for case in bad:
        kind, status, *_ = case.steps[-1].text.split(" ")
        assert kind in ("RemoteError", "TooLarge"), case.title
        assert status[0] in ("45" if to_server else "5"), case.title
        assert re.search(r'" RFC [0-9]+ [0-9.]+', case.steps[-1].text), case.title
        assert (case.to is None) is to_server, case.title


def test_no_two_cases_have_one_name() -> None:
    assert len({case.title for case in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("text", "meant"),
    [(r"a\r\n\t\0\\\"", 'a\r\n\t\0\\"'), (r"\x00\xfF", "\0\xff"), (r"\(a\n*3)\(*9)", "a\na\na\n")],
)
def test_the_notation(text: str, meant: str) -> None:
    assert unescape(text) == meant


@pytest.mark.parametrize("text", [r"\q", r"\x0g", "\\"])
def test_a_slip_in_the_notation_is_no_case(text: str) -> None:
    with pytest.raises(ValueError, match="no such escape"):
        unescape(text)


def test_lines_are_joined_by_a_backslash() -> None:
    assert bytes_of(["a\\", "b", "c\\\\", "", "d\\", "\\end"]) == (b"ab\r\nc\\\r\n\r\nd", True)
