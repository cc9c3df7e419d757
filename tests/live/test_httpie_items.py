"""HTTPie's documented request items, through HTTPie itself and through crlf, to one peer.

Each line of EXAMPLES is a command line of HTTPie's documentation, or one that its words describe.
HTTPie 3.2.4 runs all of them in one process; crlf runs what five rules make of each (`as_ours`).
Both talk to a peer behind a Unix socket, whatever the host, so that names stay as documented.
What they send has to be the same; DIFFERENCES says where it is not, and why.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import pytest

from crlf.cli.environment import Environment
from crlf.cli.main import main

pytest.importorskip("httpie")

EXAMPLES = r"""
http PUT pie.dev/put X-API-Token:123 name=John
http -f POST pie.dev/post hello=World
http -v pie.dev/get
http localhost:8000 Host:example.com
http DELETE pie.dev/delete
http AHOY pie.dev/post
http POST pie.dev/post
http GET pie.dev/get hello=world
http GET pie.dev/get
http pie.dev/get
http POST pie.dev/post hello=world
http pie.dev/post hello=world
http example.org
http ://example.org
http http://example.org/a?b=c
http http://api.github.com/search/repositories q==httpie per_page==1
http pie.dev/get text==@files/text.txt
http :/foo
http :3000/bar
http :
http --path-as-is example.org/./../../etc/password
http PUT pie.dev/put X-Date:today token==secret name=John age:=29
http POST pie.dev/post X-Data:@files/text.txt token==@files/text.txt name=@files/text.txt bookmarks:=@files/data.json
http pie.dev/post 'foo\==bar'
http pie.dev/post foo='bar baz'
http pie.dev/post -- -name-starting-with-dash=foo -Unusual-Header:bar
http PUT pie.dev/put name=John email=john@example.org
http --json pie.dev/get
http PUT pie.dev/put name=John age:=29 married:=false 'hobbies:=["http", "pies"]' 'favorite:={"tool": "HTTPie"}' bookmarks:=@files/data.json description=@files/text.txt
http pie.dev/post 'meals:=["ham","spam"]' 'pies:=[1,2,3]'
http pie.dev/post 'platform[name]=HTTPie' 'platform[about][mission]=Make APIs simple and intuitive' 'platform[about][homepage]=httpie.io' 'platform[about][homepage]=httpie.io' 'platform[about][stars]:=54000' 'platform[apps][]=Terminal' 'platform[apps][]=Desktop' 'platform[apps][]=Web' 'platform[apps][]=Mobile'
http pie.dev/post category=tools search[type]=id search[id]:=1
http pie.dev/post category=tools search[type]=keyword search[keywords][]=APIs search[keywords][]=CLI
http pie.dev/post category=tools search[type]=keyword search[keywords][1]=APIs search[keywords][0]=CLI
http pie.dev/post category=tools search[type]=platforms search[platforms][]=Terminal search[platforms][1]=Desktop search[platforms][3]=Mobile
http pie.dev/post category=tools search[type]=platforms 'search[platforms]:=["Terminal", "Desktop"]' search[platforms][]=Web search[platforms][]=Mobile
http PUT pie.dev/put shallow=value object[key]=value array[]:=1 array[1]:=2 array[2]:=3 very[nested][json][3][httpie][power][]=Amaze
http pie.dev/post []:=1 []:=2 []:=3
http pie.dev/post [0][type]=platform [0][name]=terminal [1][type]=platform [1][name]=desktop
http pie.dev/post [][name]=first [][name]=second
http pie.dev/post 'foo\[bar\]:=1' 'baz[\[]:=2' 'baz[\]]:=3'
http pie.dev/post 'backslash[\\]:=1'
http pie.dev/post 'object[\1]=stringified' 'object[\100]=same' 'array[1]=indexified'
http pie.dev/post user[name]:=411 user[name]=string
http pie.dev/post x=1 x=2
http pie.dev/post 'x:={"a":1,"a":2}'
http --raw '{"hello": "world"}' POST pie.dev/post
http POST pie.dev/post < files/data.json
http --form POST pie.dev/post name='John Smith'
http --form POST pie.dev/post a=1 a=2 b=3
http --form POST pie.dev/post age:=29 size:=1.5 'name:="text"'
http --form POST pie.dev/post 'a[b][]=1' q==1
http -f POST pie.dev/post name='John Smith' cv@files/data.xml
http -f POST pie.dev/post name='John Smith' 'cv@files/data.bin;type=application/pdf'
http -f POST pie.dev/post first=1 cv@files/data.xml last=2
http --multipart example.org hello=world
http --form --multipart example.org hello=world Content-Type:multipart/letter
http --form --multipart --boundary=xoxo example.org hello=world
http pie.dev/headers User-Agent:Bacon/1.0 'Cookie:valued-visitor=yes;foo=bar' X-Foo:Bar Referer:https://httpie.org/
http pie.dev/headers X-Data:@files/text.txt
http pie.dev/headers Accept: User-Agent:
http pie.dev/headers 'Header;'
http example.org Cookie:one Cookie:two
http example.org Numbers:one,two
http POST server.chess/api/games API-Key:ZZZ w=magnus b=hikaru t=180 i=2
http MOVE server.chess/api/games/123 API-Key:ZZZ p=b a=R1a3 t=77
http pie.dev/cookies Cookie:sessionid=foo
http pie.dev/cookies 'Cookie:sessionid=foo;another-cookie=bar'
http -a username:password pie.dev/basic-auth/username/password
http -A bearer -a token pie.dev/bearer
http -a username: pie.dev/headers
http -A digest -a username:password pie.dev/digest-auth/httpie/username/password
http name:word@pie.dev/basic-auth/name/word
http PUT pie.dev/put X-API-Token:123 < files/data.json
http PATCH pie.dev/patch X-API-Token:123 < files/text.txt
http pie.dev/post Content-Type:text/plain < files/text.txt
http --raw 'Hello, world!' pie.dev/post
http --raw '{"name": "John"}' pie.dev/post
http PUT pie.dev/put @files/data.xml
http --chunked PUT pie.dev/put hello=world
http --chunked --multipart PUT pie.dev/put hello=world foo@files/data.xml
http --chunked pie.dev/post @files/data.xml
http --chunked pie.dev/post < files/data.xml
http --compress pie.dev/post @files/data.xml
http --compress pie.dev/post < files/data.xml
http -xx PUT pie.dev/put hello=world
http pie.dev/get 'a b==c&d' 'ü==é' 'x[]==1' x==1 x==2
http pie.dev/get?one=1 two==2
http -f POST pie.dev/post 'a b=c&d' 'ü=é=' 'e='
http pie.dev/post 'a\:b=1' 'c\@d=2' 'e=f\=g' 'h=\@i'
http pie.dev/post 'back\slash=1' 'url=http://a.example/?b=c'
"""  # noqa: E501
LINES = EXAMPLES.strip().splitlines()

# Fields that differ unless the user gives them, and why.
DIFFERENCES = {
    "user-agent": "each says its own name",
    "accept-encoding": "what each can decode: crlf zstd and br where they are installed",
    "connection": "HTTPie says keep-alive, which HTTP/1.1 is without a word (RFC 9112 9.3)",
    "content-encoding": "HTTPie compresses by deflate, crlf by gzip, which all can read",
    "content-length": "counted differently where the content is written differently",
    "transfer-encoding": "HTTPie reads all of stdin, and of what it compresses, to count it",
    "expect": "crlf asks before it sends what it cannot count (RFC 9110 10.1.1)",
}
# Types of content that say the same: HTTPie's, crlf's.
SAME_TYPES = {
    ("application/x-www-form-urlencoded; charset=utf-8", "application/x-www-form-urlencoded"):
        "the type has no parameters (WHATWG URL 5)",
    ("application/json", ""):
        "what HTTPie says with --json of content that there is not (RFC 9110 8.3)",
}  # fmt: skip

RUNNER = """
import json, os, socket, sys
from httpie.context import Environment
from httpie.core import main
import urllib3.util.connection as connection

path = sys.argv[1]

def connect(*_, **__):
    one = socket.socket(socket.AF_UNIX)
    one.connect(path)
    one.settimeout(10)
    return one

connection.create_connection = connect
for words, stdin in json.load(sys.stdin):
    with open(os.devnull, "w+") as out:
        main(words, Environment(
            stdin=open(stdin, "rb") if stdin else None, stdin_isatty=not stdin,
            stdout=out, stdout_isatty=False, stderr=sys.stderr, stderr_isatty=False,
        ))
    with connect() as mark:
        mark.sendall(b"MARK / HTTP/1.1\\r\\n\\r\\n")
        while mark.recv(100):
            pass
"""


@dataclass
class Sent:
    """One request as the peer has seen it; content without its transfer coding."""

    method: str
    target: str
    fields: dict[str, list[str]]
    content: bytes

    def value(self, name: str) -> str:
        return ", ".join(self.fields.get(name, []))


@dataclass
class Peer:
    """Takes whatever comes, says 200, and closes."""

    path: str
    sent: list[Sent] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # of accept, when the listener is shut down
            while True:
                accepted, _ = listener.accept()
                accepted.settimeout(10)
                with accepted, contextlib.suppress(OSError), accepted.makefile("rwb") as stream:
                    self.sent.append(take(stream))
                    stream.write(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )


def take(stream: io.BufferedRWPair) -> Sent:
    """Read a request, as the course would: line by line."""
    method, target, _ = stream.readline().decode("latin-1").split(" ")
    fields: dict[str, list[str]] = {}
    while line := stream.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        fields.setdefault(name.lower(), []).append(value.strip())
    sent = Sent(method, target, fields, b"")
    if "expect" in fields:
        stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        stream.flush()
    if sent.value("transfer-encoding") == "chunked":
        while size := int(stream.readline(), 16):
            sent.content += stream.read(size)
            stream.readline()
        stream.readline()
    else:
        sent.content = stream.read(int(sent.value("content-length") or 0))
    return sent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("pie")
    files = here / "files"
    files.mkdir()
    (here / "config").mkdir()
    # Else it would ask its makers for a newer version.
    (here / "config" / "config.json").write_text('{"disable_update_warnings": true}')
    (files / "text.txt").write_text("a text of one line\n", encoding="utf-8")
    (files / "data.json").write_text('{"HTTPie": "https://httpie.org", "n": [1, 2.5]}\n')
    (files / "data.xml").write_text("<pie>" + "<slice/>" * 40 + "</pie>\n")
    (files / "data.bin").write_bytes(bytes(range(256)))
    return here


@pytest.fixture(scope="module")
def peer(folder: Path) -> Iterator[Peer]:
    peer = Peer(str(folder / "peer"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(peer.path)
        listener.listen()
        thread = threading.Thread(target=peer.serve, args=(listener,))
        thread.start()
        yield peer
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def theirs(folder: Path, peer: Peer) -> list[Sent]:
    """What HTTPie sends for each line, all of it by one process."""
    cases = [words_of(line) for line in LINES]
    variables = {
        name: value for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and name != "NETRC"
    }  # fmt: skip
    variables |= {"HOME": str(folder), "HTTPIE_CONFIG_DIR": str(folder / "config")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUNNER, peer.path],
        input=json.dumps(cases), cwd=folder, env=variables, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, seen = [], []
    for sent in peer.sent:
        if sent.method != "MARK":
            seen.append(sent)
        else:
            found.append(seen)
            seen = []
    assert [LINES[at] for at, each in enumerate(found) if len(each) != 1] == [], done.stderr
    return [sent for (sent,) in found]


def words_of(line: str) -> tuple[list[str], str]:
    """Split a line as a shell does; give its words, and what it reads from."""
    words = shlex.split(line)
    return (words[:-2], words[-1]) if words[-2] == "<" else (words, "")


def as_ours(line: str) -> list[str]:
    """Make a command line of crlf of HTTPie's.

    1. The method is always said: POST where there is content, else GET; `request GET` for a GET
    with content. 2. Content is JSON only with --json. 3. Standard input is @-. 4. A path goes out
    as it is, so --path-as-is has no meaning. 5. A boundary is said in the Content-Type.
    """
    words, stdin = words_of(line)
    options: list[str] = []
    rest: list[str] = []
    words = iter(words[1:])
    for word in words:
        if word == "--":
            rest += ["--", *words]
        elif word.startswith("-"):
            options.append(word)
            if word in ("-a", "-A", "--raw"):
                options.append(next(words))
        else:
            rest.append(word)
    for word in options:
        if word.startswith("--boundary="):
            rest.append(f"Content-Type:multipart/form-data; boundary={word.partition('=')[2]}")
    options = [
        word for word in options if word not in ("--path-as-is", "-v") and "boundary" not in word
    ]
    items = [word for word in rest[1:] if carries(word)] + ["@-"] * bool(stdin)
    has_content = bool(items) or "--raw" in options
    method = rest.pop(0) if rest[0].isalpha() else "POST" if has_content else "GET"
    is_form = {"-f", "--form", "--multipart"} & set(options)
    if has_content and not is_form:
        options.append("--json")
    command = ["request", method] if has_content and method == "GET" else [method]
    return [*command, *options, *rest, *(["@-"] if stdin else [])]


def carries(word: str) -> bool:
    """Whether an item is content: its first separator is =, := or @, and it is no query's."""
    plain = word.replace("\\\\", "").replace("\\=", "").replace("\\:", "").replace("\\@", "")
    at = min((plain.find(sign) for sign in ":=@;" if sign in plain), default=-1)
    return plain[at : at + 2] != "==" and (plain[at] in "=@" or plain[at : at + 2] == ":=")


def run_ours(line: str, folder: Path, peer: Peer) -> Sent:
    _, stdin = words_of(line)
    out, err = io.BytesIO(), io.BytesIO()
    content = (folder / stdin).read_bytes() if stdin else b""
    environment = Environment(io.BytesIO(content), out, err, folder=str(folder))
    before = len(peer.sent)
    words = as_ours(line)
    at = words.index("--") if "--" in words else len(words)
    code = main([*words[:at], "--unix-socket", peer.path, *words[at:]], environment)
    assert (code, out.getvalue()) == (0, b""), (words, err.getvalue())
    (sent,) = peer.sent[before:]
    return sent


def meaning(sent: Sent) -> object:
    """Return what content says, however it is coded, spaced and bounded."""
    content = sent.content
    coding = sent.value("content-encoding")
    if coding:
        content = gzip.decompress(content) if coding == "gzip" else zlib.decompress(content)
    kind = sent.value("content-type")
    if kind.startswith("application/json") and content[:1] in (b"{", b"["):
        return json.loads(content, object_pairs_hook=list)
    if not kind.startswith("multipart/"):
        return content
    boundary = kind.partition("boundary=")[2].strip('"').encode()
    assert content.endswith(b"\r\n--" + boundary + b"--\r\n")
    parts = (b"\r\n" + content).split(b"\r\n--" + boundary)[1:-1]
    return [part_of(part) for part in parts]


def part_of(part: bytes) -> tuple[object, ...]:
    head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    fields = Message()
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(":")
        fields[name] = value.strip()
    kind = fields.get_content_type() if "content-type" in fields else ""
    names = dict(fields.get_params([], "content-disposition")[1:])
    return names["name"], names.get("filename"), kind, content


def type_of(sent: Sent) -> str:
    kind, boundary, _ = sent.value("content-type").partition("; boundary=")
    return f"{kind}{boundary}"


def given(line: str) -> set[str]:
    """Name the fields that a line gives."""
    names = {word.partition(":")[0].lower() for word in words_of(line)[0]}
    return names & DIFFERENCES.keys()


@pytest.mark.parametrize("number", range(len(LINES)), ids=LINES)
def test_the_request_is_the_same(number: int, theirs: list[Sent], folder: Path, peer: Peer) -> None:
    line = LINES[number]
    one, other = theirs[number], run_ours(line, folder, peer)
    assert (other.method, other.target) == (one.method, one.target)
    assert meaning(other) == meaning(one)
    types = type_of(one), type_of(other)
    assert types[0] == types[1] or types in SAME_TYPES
    assert types[1] or not other.content
    ignored = DIFFERENCES.keys() - given(line) | {"content-type"}
    fields = [
        {name: values for name, values in sent.fields.items() if name not in ignored}
        for sent in (one, other)
    ]
    assert fields[1] == fields[0]


def test_there_are_enough() -> None:
    assert len(set(LINES)) >= 60
    assert len({line.split(" ")[1] for line in LINES}) > 5


def test_a_difference_would_be_seen(folder: Path, peer: Peer) -> None:
    one = run_ours("http pie.dev/post a=1", folder, peer)
    for line in ("http pie.dev/post a=2", "http -f POST pie.dev/post a=1"):
        other = run_ours(line, folder, peer)
        assert meaning(one) != meaning(other)
