"""The command line among enemies: broken servers, codes for terminals, eyes that look for secrets.

Every command is run without a process against a peer that misbehaves in each way there is. It has
to end with the exit code that is documented, in one line, with no text that a terminal obeys.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.live.faultypeer import ANSWERS, EVIL, EVIL_PATHS, FaultyPeer

from crlf.cli.environment import Environment
from crlf.cli.exits import MEANINGS
from crlf.cli.main import main

# What may stand in text for a terminal: our own colours, and what moves a cursor of progress bars.
OURS = re.compile(r"\x1b\[(?:0|[0-9]{1,2}(?:;[0-9]{1,2})*)m")
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)


class Done(NamedTuple):
    code: int
    out: bytes
    err: bytes

    @property
    def lines(self) -> list[str]:
        return self.err.decode().splitlines()


class Person:
    """Types command lines in a folder. is_terminal: whether the answer is read on a screen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_terminal = False
        self.stdin = b""
        self.variables = {"CRLF_CLIENT_CONFIG": "off", "HOME": str(folder), "COLUMNS": "80"}
        self.password = "from-prompt"

    def __call__(self, *words: str) -> Done:
        out, err = io.BytesIO(), io.BytesIO()
        environment = Environment(
            io.BytesIO(self.stdin),
            out,
            err,
            stdout_is_terminal=self.is_terminal,
            stderr_is_terminal=self.is_terminal,
            variables=self.variables,
            folder=str(self.folder),
            ask=lambda prompt: self.password,
        )
        return Done(main(words, environment), out.getvalue(), err.getvalue())


@pytest.fixture
def crlf(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture(scope="module")
def shared_peer() -> Iterator[FaultyPeer]:
    peer = FaultyPeer()
    yield peer
    peer.close()


@pytest.fixture(autouse=True)
def _started_before(shared_peer: FaultyPeer) -> None:
    """Let the peer's own thread be there before anybody counts them."""


# --- broken answers ------------------------------------------------------------------------------

FAULTS = {
    "/nothing": 8, "/ends-in-head": 8, "/ends-in-body": 8, "/ends-in-chunk": 8, "/garbage": 8,
    "/no-http": 8, "/large-head": 63, "/many-fields": 63, "/bad-chunk": 8, "/two-lengths": 8,
    "/bad-gzip": 61, "/short-gzip": 61, "/bomb": 61, "/not-found": 4, "/broken": 5, "/reset": 56,
    "/bad-location": 3, "/odd-location": 3, "/ok": 0,
}  # fmt: skip
WAYS = {
    "get": ("get", "URL"),
    "get in colours": ("get", "URL", "--pretty", "all", "--print", "HBhbmt"),
    "get, selected": ("get", "URL", "--select", "..a", "--ignore-status"),
    "get into a file": ("get", "URL", "-o", "kept"),
    "get -w": ("get", "URL", "-w", "%{json}"),
    "get --har": ("get", "URL", "--har", "all.har"),
    "download": ("download", "URL", "--retry", "0", "-o", "kept"),
    "upload": ("upload", "sent.txt", "URL"),
    "explain": ("explain", "URL", "--save", "kept.capture", "--har", "all.har"),
    "explain --timing": ("explain", "URL", "--timing"),
    "explain as JSON": ("explain", "URL", "--format", "json"),
}


SELDOM = ("get -w", "explain --timing", "get in colours", "get --har")


@pytest.mark.parametrize(
    "way",
    [pytest.param(way, marks=[pytest.mark.long] if way in SELDOM else []) for way in WAYS],
)
def test_a_broken_answer_is_one_line_and_the_documented_code(
    crlf: Person, shared_peer: FaultyPeer, way: str
) -> None:
    """Each fault of a server, met by each command: what is expected is in two tables."""
    (crlf.folder / "sent.txt").write_text("to be sent")
    wrong = []
    for path, code in FAULTS.items():
        words = [shared_peer.url + path if word == "URL" else word for word in WAYS[way]]
        if way == "download" and code == 0:
            words.append("--overwrite")
        done = crlf(*words)
        expected = {code, *((1, 0) if way == "get, selected" else ())}
        lines = 0 if code == 0 and way not in ("download", "upload") else 1
        if way == "explain --timing" and code in (3, 4, 5):
            lines = 0
        if way.startswith("explain") and code in (3, 4, 5):
            lines = 0
        if way == "get, selected" and code in (0, 3, 4, 5):
            lines = 1  # there is nothing to select
        told = done.lines
        is_one = len(told) == lines and all(line.startswith("crlf: ") for line in told)
        if done.code not in expected or not is_one or b"Traceback" in done.err:
            wrong.append((path, done.code, told))
        assert done.code in MEANINGS
    assert wrong == []


def test_what_had_arrived_is_kept_and_named(crlf: Person, shared_peer: FaultyPeer) -> None:
    for words in (("get", "-o", "kept"), ("download", "--retry", "0", "-o", "kept")):
        for path in ("/ends-in-body", "/ends-in-chunk"):
            done = crlf(words[0], shared_peer.url + path, *words[1:])
            assert done.code == 8
            assert "9 bytes" in done.err.decode()
            assert "kept.part" in done.err.decode()
            assert not (crlf.folder / "kept").exists()
            part = crlf.folder / "kept.part"
            assert part.read_bytes() == b"only this"
            part.unlink()


def test_an_error_leaves_what_was_there(crlf: Person, shared_peer: FaultyPeer) -> None:
    kept = crlf.folder / "kept"
    kept.write_text("mine")
    for path, code in FAULTS.items():
        if path == "/ok":
            continue
        done = crlf("get", shared_peer.url + path, "-o", "kept")
        assert done.code == code
        if code != 3:  # a redirect that was not followed is an answer like any other
            assert kept.read_text() == "mine", path
        done = crlf("download", shared_peer.url + path, "-o", "kept", "--overwrite", "--retry", "0")
        assert done.code == code
        if code != 3:
            assert kept.read_text() == "mine", path
        kept.write_text("mine")


# --- what a terminal obeys -----------------------------------------------------------------------

SHOWING = (
    ("get", "URL"),
    ("get", "URL", "-v"),
    ("get", "URL", "-vv"),
    ("get", "URL", "--print", "HBhbmt"),
    ("get", "URL", "--pretty", "none"),
    ("get", "URL", "--pretty", "format"),
    ("get", "URL", "--select", "."),
    ("get", "URL", "--no-follow"),
    ("get", "URL", "--headers"),
    ("get", "URL", "-w", "%{json} %header{x-any} %{http_version} %{content_type} %{errormsg}"),
    ("get", "URL", "-w", "%{redirect_url} %{url_effective} %{filename_effective} %{header_json}"),
    ("get", "URL", "--har", "-"),
    ("head", "URL"),
    ("download", "URL", "--retry", "0", "--numbered"),
    ("upload", "sent.txt", "URL"),
    ("explain", "URL"),
    ("explain", "URL", "--all"),
    ("explain", "URL", "--timing"),
    ("explain", "URL", "--format", "json"),
)  # fmt: skip


def obeyed(done: Done) -> list[str]:
    """List what a terminal would obey in what was written, each with a bit of what is around it."""
    found = []
    for data in (done.out, done.err):
        text = OURS.sub("", data.decode("utf-8", "surrogateescape"))
        spans = [(max(0, match.start() - 30), match.end() + 10) for match in OBEYED.finditer(text)]
        found += [text[start:end] for start, end in spans]
        found += [f"no UTF-8 {char!a}" for char in text if "\udc80" <= char <= "\udcff"]
    return found


@pytest.mark.parametrize("words", SHOWING, ids=" ".join)
@pytest.mark.parametrize("colour", ["", "1"])
def test_nothing_that_a_server_says_is_obeyed(
    crlf: Person, shared_peer: FaultyPeer, words: tuple[str, ...], colour: str
) -> None:
    (crlf.folder / "sent.txt").write_text("to be sent")
    crlf.is_terminal = True
    crlf.variables["NO_COLOR"] = colour
    wrong = {}
    for path in EVIL_PATHS:
        done = crlf(*[shared_peer.url + path if word == "URL" else word for word in words])
        if found := obeyed(done):
            wrong[path] = found[:3]
        assert done.code in MEANINGS
        assert b"a mistake in crlf" not in done.err
        if colour:
            assert b"\x1b" not in done.out + done.err
    assert wrong == {}


def test_no_file_has_a_name_that_a_terminal_obeys(crlf: Person, shared_peer: FaultyPeer) -> None:
    for path in EVIL_PATHS:
        crlf("download", shared_peer.url + path, "--retry", "0", "--into", "all", "--numbered")
    names = os.listdir(crlf.folder / "all")
    assert len(names) > 3
    assert [name for name in names if OBEYED.search(name)] == []


EVIL_TEXT = EVIL.decode("latin-1").replace("\0", "")
SAID = (
    ("get", "http://127.0.0.1:1/" + EVIL_TEXT),
    ("get", "http://" + EVIL_TEXT + "/"),
    ("get", "http://127.0.0.1:1/", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "X:" + EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", EVIL_TEXT + "==" + EVIL_TEXT),
    ("get", "http://127.0.0.1:1/?" + "\u202e\u009b31m"),
    ("post", "http://127.0.0.1:1/", "@" + EVIL_TEXT),
    ("post", "http://127.0.0.1:1/", EVIL_TEXT + "@" + EVIL_TEXT),
    ("post", "http://127.0.0.1:1/", "--json", EVIL_TEXT + "[=" + EVIL_TEXT),
    ("post", "http://127.0.0.1:1/", "a:=" + EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--" + EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--timeout", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--print", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--select", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--session", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--proxy", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--proxy", "http://" + EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--resolve", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--unix-socket", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--ca", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--cert", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "--app", EVIL_TEXT + ":" + EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "-o", EVIL_TEXT + "/x"),
    ("get", "http://127.0.0.1:1/", "--har", EVIL_TEXT + "/x"),
    ("get", "http://127.0.0.1:1/", "-a", EVIL_TEXT + ":x"),
    ("get", "http://127.0.0.1:1/", "-H", EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "-H", "x: " + EVIL_TEXT),
    ("download", "http://127.0.0.1:1/" + EVIL_TEXT),
    ("download", "http://127.0.0.1:1/", "-i", EVIL_TEXT),
    ("download", "http://127.0.0.1:1/", "--checksum", EVIL_TEXT),
    ("download", "http://127.0.0.1:1/x", "-o", EVIL_TEXT),
    ("upload", EVIL_TEXT, "http://127.0.0.1:1/"),
    ("upload", "sent.txt", "http://127.0.0.1:1/", "--type", EVIL_TEXT),
    ("upload", "sent.txt", "http://127.0.0.1:1/", "-X", EVIL_TEXT),
    ("explain", EVIL_TEXT),
    ("explain", "./" + EVIL_TEXT),
    ("get", "http://127.0.0.1:1/", "a==" + EVIL_TEXT, "--as", "curl"),
    ("get", "http://127.0.0.1:1/", "a==" + EVIL_TEXT, "--offline"),
    ("post", "http://127.0.0.1:1/", "a=" + EVIL_TEXT, "--offline"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "--offline"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "--as", "curl"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "--as", "python"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "--as", "printf-nc"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "--as", "python-socket"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "--as", "httpie"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "--as", "fetch"),
    ("post", "http://127.0.0.1:1/", "--raw", EVIL_TEXT, "-v"),
    ("post", "http://127.0.0.1:1/", "-j", "a=" + EVIL_TEXT, "--as", "httpie"),
    ("post", "http://127.0.0.1:1/", "-j", "a=" + EVIL_TEXT, "--as", "curl"),
    ("from-curl", EVIL_TEXT),
    ("from-curl", "curl", EVIL_TEXT),
    ("from-curl", "curl", "-d", EVIL_TEXT, "http://127.0.0.1:1/"),
    ("from-curl", "curl -H 'X: " + EVIL_TEXT + "' http://127.0.0.1:1/"),
    ("completion", EVIL_TEXT),
    ("serve", EVIL_TEXT),
    ("serve", EVIL_TEXT + ":app"),
    ("serve", "--bind", EVIL_TEXT),
    ("serve", "--config", EVIL_TEXT),
    (EVIL_TEXT,),
    ("request", EVIL_TEXT, "http://127.0.0.1:1/"),
    ("help", EVIL_TEXT),
)


@pytest.mark.parametrize("number", range(len(SAID)), ids=[words[0][:9] for words in SAID])
def test_nothing_that_is_typed_is_obeyed(crlf: Person, number: int) -> None:
    """Who pastes what a page has put on the clipboard reads it back in an error line."""
    (crlf.folder / "sent.txt").write_text("to be sent")
    crlf.is_terminal = True
    done = crlf(*SAID[number])
    assert obeyed(done) == []
    assert b"a mistake in crlf" not in done.err
    assert b"Traceback" not in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "evil"),
        ("explain", "evil", "--all"),
        ("explain", "evil", "--format", "json"),
        ("explain", "evil", "--timing"),
        ("explain", "-"),
        ("from-curl", "-"),
        ("download", "-i", "evil"),
        ("download", "http://127.0.0.1:1/a", "--checksums", "evil"),
        ("get", "http://127.0.0.1:1/", "--session", "./evil"),
        pytest.param(("get", "https://127.0.0.1:1/", "--ca", "evil"), marks=pytest.mark.long),
        ("post", "http://127.0.0.1:1/", "a=@evil"),
        ("post", "http://127.0.0.1:1/", "a:=@evil"),
        ("get", "http://127.0.0.1:1/"),  # with the file as settings
        ("serve", "--config", "evil"),
    ],
    ids=lambda words: " ".join(words),
)
def test_nothing_in_a_file_is_obeyed(crlf: Person, words: tuple[str, ...]) -> None:
    crlf.is_terminal = True
    entry = {
        "startedDateTime": EVIL_TEXT, "time": 5, "timings": {"wait": EVIL_TEXT},
        "request": {"method": EVIL_TEXT, "url": "http://a/" + EVIL_TEXT, "httpVersion": EVIL_TEXT,
                    "headers": [{"name": EVIL_TEXT, "value": EVIL_TEXT}]},
        "response": {"status": 200, "statusText": EVIL_TEXT, "httpVersion": "HTTP/1.1",
                     "headers": [{"name": "x", "value": EVIL_TEXT}],
                     "content": {"text": EVIL_TEXT, "mimeType": EVIL_TEXT}},
    }  # fmt: skip
    good = json.loads(json.dumps(entry))
    good.update(startedDateTime="2026-01-01T00:00:00Z", timings={"wait": 5})
    good["request"].update(method="GET", httpVersion="HTTP/1.1", url="http://a.example/")
    good["request"]["headers"] = [{"name": "X", "value": EVIL_TEXT}]
    contents: list[bytes] = [
        EVIL,
        b"GET /" + EVIL + b" HTTP/1.1\r\nHost: " + EVIL + b"\r\n\r\n",
        b"HTTP/1.1 200 " + EVIL + b"\r\n" + EVIL + b": x\r\nContent-Length: 30\r\n\r\n" + EVIL,
        json.dumps({"log": {"entries": [entry]}}).encode(),
        json.dumps({"log": {"entries": [good]}}).encode(),
        json.dumps({EVIL_TEXT: EVIL_TEXT}).encode(),
        json.dumps({"headers": {"x": EVIL_TEXT}, "cookies": [{"name": EVIL_TEXT}]}).encode(),
        b'{"crlf captures": "' + EVIL + b'"',
        b"curl http://a/ -H 'x: " + EVIL + b"' --" + EVIL,
        b"curl http://a/ -d '" + EVIL + b"'",
        b"http://127.0.0.1:1/" + EVIL + b"\n  out=" + EVIL,
        b"00 " + EVIL,
        b'timeout = "' + EVIL_FIELD_TOML + b'"\n',
        EVIL_FIELD_TOML + b" = 1\n",
        b"%{" + EVIL + b"}",
    ]
    for content in contents:
        (crlf.folder / "evil").write_bytes(content)
        crlf.stdin = content
        if len(words) == 2 and words[0] == "get":
            crlf.variables["CRLF_CLIENT_CONFIG"] = str(crlf.folder / "evil")
        done = crlf(*words)
        assert obeyed(done) == [], content
        assert b"a mistake in crlf" not in done.err, content
        assert b"Traceback" not in done.err


EVIL_FIELD_TOML = "\u009b31m\u202e".encode()


# --- secrets -------------------------------------------------------------------------------------

SECRET = "s3cr3t-word"
SECRET_WAYS = {
    "auth": ("-a", f"ann:{SECRET}"),
    "bearer": ("-A", "bearer", "-a", SECRET),
    "field": ("-H", f"Authorization: Bearer {SECRET}"),
    "proxy field": ("-H", f"Proxy-Authorization: Basic {SECRET}"),
    "item": (f"Authorization:Token {SECRET}",),
    "digest": ("-A", "digest", "-a", f"ann:{SECRET}"),
}


def encoded_secrets() -> list[bytes]:
    from base64 import b64encode

    return [SECRET.encode(), b64encode(f"ann:{SECRET}".encode())]


@pytest.mark.parametrize("secret", SECRET_WAYS)
@pytest.mark.parametrize(
    "more",
    [
        (), ("-v",), ("-vv",), ("-w", "%{json}"), ("--har", "kept"), ("--har", "-"),
        ("--print", "hmt"), ("--print", "HBhbmt"),
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("path", ["/ok", "/circle", "/not-found", "/nothing"])
def test_credentials_are_not_shown(
    crlf: Person, shared_peer: FaultyPeer, secret: str, more: tuple[str, ...], path: str
) -> None:
    done = crlf("get", shared_peer.url + path, *SECRET_WAYS[secret], *more)
    kept = crlf.folder / "kept"
    written = done.out + done.err + (kept.read_bytes() if kept.exists() else b"")
    assert [one for one in encoded_secrets() if one in written] == []


@pytest.mark.parametrize("secret", SECRET_WAYS)
def test_explain_keeps_credentials_to_itself(
    crlf: Person, shared_peer: FaultyPeer, secret: str
) -> None:
    for form in ("text", "json"):
        done = crlf(
            "explain", shared_peer.url + "/ok", *SECRET_WAYS[secret], "--format", form,
            "--save", "a", "--har", "b", "--html", "c",
        )  # fmt: skip
        written = done.out + done.err
        written += b"".join([(crlf.folder / name).read_bytes() for name in "abc"])
        assert [one for one in encoded_secrets() if one in written] == []


@pytest.mark.parametrize(
    "path", ["/ok", "/nothing", "/not-found", "/reset", "/circle", "/ends-in-body"]
)
@pytest.mark.parametrize(
    "words",
    [
        ("get", "URL"), ("get", "URL", "-v"), ("get", "URL", "--har", "kept"),
        ("get", "URL", "-w", "%{json}"), ("get", "URL", "--print", "hmt"), ("explain", "URL"),
        ("explain", "URL", "--timing"),
        ("download", "URL", "--retry", "0", "-o", "x", "--overwrite"),
        ("upload", "sent.txt", "URL"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_password_in_a_url_is_not_repeated(
    crlf: Person, shared_peer: FaultyPeer, words: tuple[str, ...], path: str
) -> None:
    (crlf.folder / "sent.txt").write_text("to be sent")
    url = shared_peer.url.replace("//", f"//ann:{SECRET}@") + path
    done = crlf(*[url if word == "URL" else word for word in words])
    kept = crlf.folder / "kept"
    written = done.out + done.err + (kept.read_bytes() if kept.exists() else b"")
    for file in crlf.folder.iterdir():
        written += file.read_bytes() + os.fsencode(file.name)
    assert [one for one in encoded_secrets() if one in written] == []


@pytest.mark.parametrize(
    "url",
    [
        f"http://ann:{SECRET}@127.0.0.1:1/", f"http://ann:{SECRET}@no such host/",
        f"http://ann:{SECRET}@127.0.0.1:99999/", f"ftp://ann:{SECRET}@a/",
        f"http://ann:{SECRET}@[::1/", f"http://ann:{SECRET}@/", f"ann:{SECRET}@127.0.0.1:1",
        f"http://ann:{SECRET}@a/\x1b", f"http://ann:{SECRET}@a@b/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["get", "download", "explain", "upload"])
def test_an_error_line_has_no_password_of_a_url(crlf: Person, command: str, url: str) -> None:
    (crlf.folder / "sent.txt").write_text("to be sent")
    done = crlf(command, *(["sent.txt"] if command == "upload" else []), url)
    assert done.code in (2, 7)
    assert SECRET.encode() not in done.out + done.err
    done = crlf("get", "http://127.0.0.1:1/", "--proxy", url)
    assert SECRET.encode() not in done.out + done.err


def test_files_that_may_hold_secrets_are_for_their_owner_alone(
    crlf: Person, shared_peer: FaultyPeer
) -> None:
    before = os.umask(0)
    try:
        url = shared_peer.url + "/ok"
        crlf("get", url, "--har", "a.har", "--session", "./mine.json", "X-Key:1")
        crlf("explain", url, "--save", "a.capture", "--har", "b.har", "--html", "a.html")
        crlf("get", url, "--session", "named", "X-Key:1")
    finally:
        os.umask(before)
    found = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in crlf.folder.rglob("*")
        if path.is_file()
    }
    assert {"a.har", "b.har", "a.capture", "a.html", "mine.json"} <= found.keys()
    assert set(found.values()) == {0o600}, found


@pytest.mark.parametrize("option", ["--har", "-o"])
def test_a_link_in_a_shared_folder_leads_nowhere(
    crlf: Person, shared_peer: FaultyPeer, option: str
) -> None:
    """A link with the name of the unfinished file, put there by somebody else."""
    victim = crlf.folder / "victim"
    victim.write_text("mine")
    shared = crlf.folder / "shared"
    shared.mkdir()
    (shared / "out.part").symlink_to(victim)
    crlf("get", shared_peer.url + "/ok", option, "shared/out")
    assert victim.read_text() == "mine"


def test_a_download_writes_through_no_link(crlf: Person, shared_peer: FaultyPeer) -> None:
    victim = crlf.folder / "victim"
    victim.write_text("mine")
    for name in ("out.part", "out.part.json", "out"):
        link = crlf.folder / name
        link.symlink_to(victim)
        for more in ((), ("--overwrite",), ("--numbered",)):
            crlf("download", shared_peer.url + "/ok", "-o", "out", "--retry", "0", *more)
            assert victim.read_text() == "mine", (name, more)
        for left in crlf.folder.glob("out*"):
            left.unlink()


# --- what there is too much of -------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_deep_json_is_shown_all_the_same(crlf: Person, shared_peer: FaultyPeer) -> None:
    """A million brackets inside each other: no recursion, no traceback."""
    crlf.is_terminal = True
    done = crlf("get", shared_peer.url + "/deep.json")
    assert done.code == 0
    assert len(done.out) >= 2_000_000
    done = crlf("get", shared_peer.url + "/deep.json", "--select", "a")
    assert done.code in (1, 63)
    assert len(done.lines) == 1
    assert b"a mistake" not in done.err


def test_every_answer_of_the_peer_is_asked_for() -> None:
    """A new fault that nobody asks for would hold nothing."""
    usual = {"/json", "/many", "/unknown-coding", "/circle"}
    assert set(ANSWERS) == {*FAULTS, *EVIL_PATHS, *usual} - {"/reset"}
