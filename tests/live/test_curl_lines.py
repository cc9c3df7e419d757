"""Everyday command lines of curl's, run by curl and, as `crlf from-curl` says them, by crlf.

Both ask one peer that keeps what it is sent. They have to send the same: method, target, content,
and every field but those that each tool sends by itself.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from tests.live.curl_lines import FILES, LINES, CurlLine

from crlf.cli.environment import Environment
from crlf.cli.main import main

pytestmark = [pytest.mark.live, pytest.mark.needs("curl", "bash"), pytest.mark.timeout(60)]

VARIABLES = {"TOKEN": "tok-7 x", "USERNAME": "ann"}
HOSTS = re.compile(
    r"https?://((?:[^/@\s'\"]*@)?)(?:[a-z0-9-]+\.)*"
    r"(?:example|github|stripe|twilio|openai|slack)\.com"
)
# What a tool says of itself, or of how it sends.
OWN = frozenset(
    {
        "content-length", "transfer-encoding", "expect", "connection", "proxy-connection",
        "upgrade", "http2-settings",
    }
)  # fmt: skip
# Prints what crlf is given, and leaves standard input to whoever asked.
SHELL = 'crlf() { { printf "%s\\0" "${NETRC-}" "$@"; } > words; cat > input; }\n'
# How a line says what would be a tool's own word otherwise.
SAID = {"user-agent": ("-a ",), "accept": ("--json",)}


@dataclass(frozen=True)
class Sent:
    """One request, as the peer got it. fields: names in lower case."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    content: bytes

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


class Peer:
    """Keeps every request; answers 200, and a redirect, a challenge or a cookie where asked."""

    def __init__(self, folder: Path) -> None:
        self.kept: list[Sent] = []
        self._listeners = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self._listeners[1].bind(str(folder / "peer.sock"))
        self._listeners[1].listen()
        self.port = self._listeners[0].getsockname()[1]
        self._threads = [
            threading.Thread(target=self._listen, args=(one,)) for one in self._listeners
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join()

    def take(self) -> list[Sent]:
        """Return what came since the last time."""
        kept, self.kept = self.kept, []
        return kept

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(10)
                with connection, suppress(OSError), connection.makefile("rwb") as stream:
                    self._answer(stream)

    def _answer(self, stream: io.BufferedRWPair) -> None:
        method, target, _ = stream.readline().decode("latin-1").split(" ")
        fields = []
        while line := stream.readline().strip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            fields.append((name.lower(), value.strip(" ")))
        given = dict(fields)
        if "expect" in given:
            stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            stream.flush()
        content = b""
        if given.get("transfer-encoding") == "chunked":
            while size := int(stream.readline(), 16):
                content += stream.read(size)
                stream.readline()
            stream.readline()
        elif "content-length" in given:
            content = stream.read(int(given["content-length"]))
        # Before the answer: who gets that may look.
        self.kept.append(Sent(method, target, tuple(fields), content))
        status, more = "200 OK", ""
        if target == "/old":
            status, more = "302 Found", "Location: /new\r\n"
        elif target == "/digest" and "authorization" not in given:
            status = "401 Unauthorized"
            more = 'WWW-Authenticate: Digest realm="r", nonce="n0", qop="auth", algorithm=MD5\r\n'
        elif target == "/login":
            more = "Set-Cookie: sid=1\r\n"
        answer = f"HTTP/1.1 {status}\r\n{more}Content-Length: 2\r\nConnection: close\r\n\r\n"
        stream.write(answer.encode() + (b"" if method == "HEAD" else b"ok"))
        stream.flush()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with the files of the cookbook; its path is short, as that of a socket has to be."""
    with tempfile.TemporaryDirectory(prefix="crlf-curl-") as name:
        for file, content in FILES.items():
            Path(name, file).write_bytes(content)
            Path(name, file).chmod(0o600)
        yield Path(name)


@pytest.fixture(scope="module")
def peer(folder: Path) -> Iterator[Peer]:
    peer = Peer(folder)
    yield peer
    peer.close()


def here(text: str, port: int) -> str:
    """Put the peer in the place of every host."""
    text = HOSTS.sub(lambda found: f"http://{found[1]}127.0.0.1:{port}", text)
    return text.replace("localhost:8000", f"127.0.0.1:{port}").replace("PORT", str(port))


def run_curl(line: CurlLine, folder: Path, port: int) -> None:
    """Let bash run a line, or curl its words."""
    command = ["bash", "-c", here(line.text, port)]
    if line.words:
        command = ["curl", *[here(word, port) for word in line.words]]
    environment = {**VARIABLES, "PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    subprocess.run(
        command, cwd=folder, env=environment, input=line.given, capture_output=True, timeout=30
    )


def run_crlf(words: list[str], folder: Path, given: bytes = b"") -> tuple[int, str, str]:
    """Run a command line of crlf's without a process."""
    out, err = io.BytesIO(), io.BytesIO()
    variables = {"HOME": str(folder)}
    if words[0].startswith("NETRC="):
        variables["NETRC"] = words.pop(0).removeprefix("NETRC=")
    environment = Environment(io.BytesIO(given), out, err, variables=variables, folder=str(folder))
    code = main(words, environment)
    return code, out.getvalue().decode("utf-8", "surrogateescape"), err.getvalue().decode()


def run_written(line: str, folder: Path, given: bytes) -> None:
    """Run a line that from-curl wrote, as a shell reads it."""
    environment = {**VARIABLES, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(
        ["bash", "-c", SHELL + line], cwd=folder, env=environment, input=given,
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    netrc, *words = (folder / "words").read_bytes().decode("utf-8", "surrogateescape").split("\0")
    words = [f"NETRC={netrc}", *words[:-1]] if netrc else words[:-1]
    code, _, err = run_crlf(words, folder, (folder / "input").read_bytes())
    assert code in (0, 3), (line, err)


def written_lines(text: str) -> list[str]:
    """Take what from-curl wrote apart; what << takes in belongs to its line."""
    if "<<" in text:
        return [text]
    return text.removesuffix("\n").split("\n")


# --- comparing -----------------------------------------------------------------------------------


def parts_of(sent: Sent, has_types: bool) -> list[tuple[str, ...]] | None:
    """Take a multipart form apart, without its boundary; None for any other content."""
    kind = next(iter(sent.values("content-type")), "")
    found = re.search('boundary="?([^";]+)', kind)
    if found is None or not kind.startswith("multipart/form-data"):
        return None
    parts = []
    for part in sent.content.split(b"--" + found[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = sorted(line for line in head.decode().split("\r\n"))
        if not has_types:
            lines = [line for line in lines if not line.lower().startswith("content-type")]
        parts.append((*lines, content.decode("latin-1").removesuffix("\r\n")))
    return parts


def content_of(sent: Sent, line: CurlLine) -> object:
    parts = parts_of(sent, ";type=" in line.text)
    if parts is not None:
        return parts
    if line.alike == "json":
        return json.loads(sent.content)
    if line.alike == "form":
        return parse_qsl(sent.content.decode(), keep_blank_values=True)
    return sent.content


def target_of(sent: Sent, line: CurlLine) -> object:
    path, _, query = sent.target.partition("?")
    return (path, parse_qsl(query)) if line.alike == "form" else sent.target


def fields_of(sent: Sent, other: Sent, line: CurlLine) -> list[tuple[str, str]]:
    """List the fields that the user gave, sorted; a name's values stay in their order."""
    found = []
    for name, value in sent.fields:
        if name in OWN and (name != "connection" or "onnection:" not in line.text):
            continue
        is_own = name in ("accept", "user-agent", "accept-encoding") and not any(
            one in line.text.lower() for one in (f"{name}:", *SAID.get(name, ()))
        )
        if is_own and (other.values(name) or name == "accept-encoding"):
            continue
        if name == "content-type" and value.startswith("multipart/form-data"):
            value = "multipart/form-data" if "boundary" not in line.text else value
        if name == "authorization" and value.startswith("Digest"):
            value = " ".join(sorted(re.findall(r'\b(?:username|realm|uri|nonce)="[^"]*"', value)))
        if name == "cookie":
            value = value.replace("; ", ";")  # old curls leave the blank out
        found.append((name, value))
    return sorted(found, key=lambda pair: pair[0])


@pytest.mark.parametrize(
    "line", LINES, ids=[f"{at}-{line.text[5:45]!a}" for at, line in enumerate(LINES, 1)]
)
def test_crlf_sends_what_curl_sends(line: CurlLine, peer: Peer, folder: Path) -> None:
    code, written, err = run_crlf(["from-curl", here(line.text, peer.port)], folder)
    assert code == (1 if "differs" in err else 0), err
    told = err.removesuffix("\n").split("\n") if err else []
    assert len(told) == len(line.told), err
    assert all(part in said for part, said in zip(line.told, told, strict=True)), err
    run_curl(line, folder, peer.port)
    by_curl = peer.take()
    assert by_curl, "curl sent nothing"
    for each in written_lines(written):
        run_written(each, folder, line.given)
    by_crlf = peer.take()
    assert len(by_crlf) == len(by_curl), written
    for ours, theirs in zip(by_crlf, by_curl, strict=True):
        assert ours.method == theirs.method, written
        assert target_of(ours, line) == target_of(theirs, line), written
        assert content_of(ours, line) == content_of(theirs, line), written
        assert fields_of(ours, theirs, line) == fields_of(theirs, ours, line), written


def test_the_cookbook_has_a_hundred_lines_and_more() -> None:
    assert len({line.text for line in LINES}) >= 100
    assert shutil.which("curl")
