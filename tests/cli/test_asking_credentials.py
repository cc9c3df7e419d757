"""Credentials: where they come from, which of them count, and that nothing shows them."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterator

import pytest
from tests.cli.conftest import CommandLine

from crlf import App, Request, Response, running
from crlf import json as answer
from crlf.cli import main as front
from crlf.cli.exits import NO_INPUT, USAGE, Failure


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that says with which credentials it was asked."""
    app = App()
    realm = 'Digest realm="parts", nonce="abc", qop="auth", algorithm=SHA-256'

    @app.get("/who")
    def who(request: Request) -> Response:
        return answer({"said": request.headers.get("authorization")})

    @app.get("/digest")
    def digest(request: Request) -> Response:
        said = request.headers.get("authorization")
        if said is None:
            return Response(401, {"www-authenticate": realm})
        return answer({"said": said})

    with running(app) as running_server:
        yield running_server.url.removeprefix("http://").rstrip("/")


def said(crlf: CommandLine, *words: str) -> str | None:
    done = crlf("get", *words)
    assert (done.code, done.err) == (0, ""), done.err
    found: str | None = json.loads(done.out)["said"]
    return found


@pytest.mark.rfc("7617", "2")
def test_basic_is_what_is_meant(crlf: CommandLine, server: str) -> None:
    url = f"http://{server}/who"
    assert said(crlf, url) is None
    assert said(crlf, url, "-a", "ann:word") == basic("ann:word")
    assert said(crlf, url, "-a", "ann:") == basic("ann:")
    assert said(crlf, url, "-a", "ann:a:b", "-A", "basic") == basic("ann:a:b")
    assert said(crlf, f"http://ann:word@{server}/who") == basic("ann:word")
    assert said(crlf, f"ann:word@{server}/who") == basic("ann:word")
    assert said(crlf, f"http://ann:w%20d@{server}/who", "-A", "basic") == basic("ann:w d")


def test_what_is_said_closer_counts_more(crlf: CommandLine, server: str) -> None:
    url = f"http://url:word@{server}/who"
    (crlf.folder / "netrc").write_text("default login net password rc\n")
    os.chmod(crlf.folder / "netrc", 0o600)
    crlf.variables["NETRC"] = str(crlf.folder / "netrc")
    assert said(crlf, url, "--netrc", "-a", "ann:word") == basic("ann:word")
    assert said(crlf, url, "--netrc") == basic("url:word")
    assert said(crlf, f"http://{server}/who", "--netrc") == basic("net:rc")
    assert said(crlf, f"http://{server}/who") is None
    assert said(crlf, url, "-a", "ann:word", "Authorization:Own x") == "Own x"


@pytest.mark.rfc("6750", "2.1")
def test_a_token_is_borne(crlf: CommandLine, server: str) -> None:
    url = f"http://{server}/who"
    assert said(crlf, url, "-A", "bearer", "-a", "abc:def") == "Bearer abc:def"
    crlf.password = "typed"
    assert said(crlf, url, "-A", "bearer") == "Bearer typed"
    assert crlf.prompts == ["Token: "]


@pytest.mark.rfc("7616", "3.4")
def test_a_digest_proves_the_password(crlf: CommandLine, server: str) -> None:
    url = f"http://{server}/digest"
    (crlf.folder / "netrc").write_text("machine 127.0.0.1 login ann password word\n")
    os.chmod(crlf.folder / "netrc", 0o600)
    crlf.variables["NETRC"] = str(crlf.folder / "netrc")
    for words in (
        [url, "-A", "digest", "-a", "ann:word"],
        [f"http://ann:word@{server}/digest", "-A", "digest"],
        [url, "-A", "digest", "--netrc"],
    ):
        proof = said(crlf, *words)
        assert proof is not None
        assert proof.startswith('Digest username="ann"')
        assert "word" not in proof


def test_a_missing_password_is_asked_for_last(crlf: CommandLine, server: str) -> None:
    url = f"http://{server}/who"
    crlf.password = "typed"
    assert said(crlf, url, "-a", "ann") == basic("ann:typed")
    assert crlf.prompts == ["Password of ann: "]
    crlf("get", url, "-a", "ann", "nonsense")
    crlf("get", url, "-a", "ann", "A:@none")
    crlf("get", url, "-a", "ann", "--interface", "nowhere")
    assert crlf.prompts == ["Password of ann: "]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["U", "-a", "SECRET"], "--auth has no password, and there is nobody to ask"),
        (["U", "-A", "bearer"], "--auth-type bearer has no token, and there is nobody to ask"),
        (["U", "-A", "digest"], "--auth-type says how, and nothing says who"),
        (["U", "-A", "bearer", "-a", "SEC RET"], "a token is visible ASCII"),
        (["U", "-a", "SECRET:\x01SECRET"], "a control character in the user name or password"),
        (["http://ann:SECRET@a b/"], "'http://***@a b/' is no URL to ask for"),
        (["ann:SECRET@:99999"], "is no URL to ask for"),
        (["http://SECRET@a:b:c/?q=@"], "'http://***@a:b:c/?q=@' is no URL"),
        (["ftp://ann:SECRET@a/"], "cannot request ftp: URLs"),
        (["U", "--proxy", "http://ann:SECRET@p:0"], "the port of a proxy"),
        (["U", "--proxy", "http://ann:SECRET@p q"], "--proxy takes a URL"),
    ],
)
def test_no_error_shows_what_was_given(words: list[str], says: str, crlf: CommandLine) -> None:
    done = crlf("get", *["http://127.0.0.1:9/" if word == "U" else word for word in words])
    assert done.code == USAGE
    assert says in done.err
    assert "SECRET" not in done.err
    assert done.err.count("\n") == 1


def test_nothing_shows_a_password_when_nobody_answers(crlf: CommandLine) -> None:
    done = crlf("get", "http://ann:SECRET@127.0.0.1:1/", "--retry", "0")
    assert done.code == 7
    assert "SECRET" not in done.err


def test_a_netrc_file_is_private_and_right(crlf: CommandLine, server: str) -> None:
    path = crlf.folder / "netrc"
    crlf.variables["NETRC"] = str(path)
    assert said(crlf, f"http://{server}/who", "--netrc") is None
    path.write_text("default login net password SECRET\n")
    os.chmod(path, 0o644)
    done = crlf("get", f"http://{server}/who", "--netrc")
    assert done.code == 0
    assert "is open to other users: chmod 600" in done.err
    for content in (b"machine\xff", b'machine a login "SECRET'):
        path.write_bytes(content)
        os.chmod(path, 0o600)
        done = crlf("get", f"http://{server}/who", "--netrc")
        assert (done.code, "SECRET" in done.err) == (NO_INPUT, False), done.err
        assert done.err.count("\n") == 1
    path.unlink()
    path.mkdir()
    assert crlf("get", f"http://{server}/who", "--netrc").code == NO_INPUT


def test_only_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "_has_terminal", lambda: False)
    with pytest.raises(Failure, match="there is no terminal to ask on"):
        front._ask("Password of SECRET: ")


def test_who_types_nothing_is_told(crlf: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(CommandLine, "ask", lambda self, prompt: ended(prompt))
    crlf.password = ""
    done = crlf("get", "http://127.0.0.1:9/", "-a", "ann")
    assert (done.code, "none was typed" in done.err) == (USAGE, True)
