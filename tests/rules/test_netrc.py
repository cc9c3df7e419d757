"""netrc: its words, whom a login is for, and the file it is in."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed, TooLarge
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL
from crlf.net import netrc as files
from crlf.net.netrc import Netrc, netrc_path
from crlf.rules.authentication import authenticating
from crlf.rules.credentials import basic
from crlf.rules.filters import FIRST_ORIGIN
from crlf.rules.netrc import MAX_NETRC, NetrcLogin, find_login, parse_netrc
from crlf.rules.redirects import redirecting

TEXT = """\
# a comment
machine a.example login anna password geheim
machine B.Example
\tuser "bob \\"b\\"" # who
\taccount x
\tpassword #1"2
macdef init
machine evil.example login x password y
cd /

machine c.example password p
default login anonymous password me@home
"""


def test_entries() -> None:
    assert parse_netrc(TEXT) == (
        NetrcLogin("a.example", "anna", "geheim"),
        NetrcLogin("b.example", 'bob "b"', '#1"2', "x"),
        NetrcLogin("c.example", "", "p"),
        NetrcLogin(None, "anonymous", "me@home"),
    )


def test_lines_may_end_as_on_windows() -> None:
    assert parse_netrc(TEXT.replace("\n", "\r\n")) == parse_netrc(TEXT)


def test_escapes_in_quotes() -> None:
    (entry,) = parse_netrc(r'machine a login "" password "a\\b\"c\nd\qe "')
    assert entry == NetrcLogin("a", "", 'a\\b"c\ndqe ')


@pytest.mark.parametrize("text", ["", "  \n\t", "# nothing", "macdef x\na\nb", "macdef x"])
def test_nothing_is_no_entry(text: str) -> None:
    assert parse_netrc(text) == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("machine", "line 1: a keyword without a value"),
        ("machine a\nlogin b\npassword", "line 3: a keyword"),
        ("machine a\n\nlogin b geheim", "line 3: a word that is no keyword"),
        ('machine a\nlogin "geheim', "line 2: a quoted word that is not closed"),
        ('machine a login "b"geheim', "line 1: a quoted word is followed"),
        ('machine a login "b\n"', "not closed"),
        ("login b password geheim", "before the first machine"),
        ("machine a\x0blogin geheim", "no keyword"),
    ],
)
def test_a_fault_names_its_line_and_no_secret(text: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as refused:
        parse_netrc(text)
    assert "geheim" not in str(refused.value)


def test_no_secret_is_shown() -> None:
    assert "geheim" not in repr(parse_netrc(TEXT))


@pytest.mark.parametrize(
    ("host", "login"),
    [
        ("a.example", "anna"),
        ("b.example", 'bob "b"'),
        ("x.a.example", "anonymous"),
        ("a.example.", "anonymous"),
        ("evil.example", "anonymous"),
        ("a.example:80", "anonymous"),
    ],
)
def test_a_login_is_found_by_the_whole_host(host: str, login: str) -> None:
    found = find_login(parse_netrc(TEXT), host)
    assert found is not None
    assert found.login == login


def test_the_first_entry_counts_and_empty_ones_do_not() -> None:
    entries = parse_netrc("machine a machine a login b machine a login c default machine d login e")
    assert find_login(entries, "a") == NetrcLogin("a", "b")
    assert find_login(entries, "z") is None
    assert find_login(entries, "d") == NetrcLogin("d", "e")


@given(st.text(st.sampled_from('machine login"\\\n\r #default macdef password x'), max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Malformed):
        assert all(isinstance(entry, NetrcLogin) for entry in parse_netrc(text))


@pytest.mark.parametrize(
    "text",
    [
        'machine "' + "\\" * (MAX_NETRC - 20),
        "#\n" * (MAX_NETRC // 2),
        "macdef a\n" * (MAX_NETRC // 9),
        "machine a " * (MAX_NETRC // 10),
        "machine a login " + '"' * 200_000,
    ],
)
def test_a_hostile_file_takes_no_time(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(Malformed):
        parse_netrc(text)
    assert time.process_time() - started < 2


def test_there_is_an_end_to_a_file() -> None:
    with pytest.raises(TooLarge):
        parse_netrc(" " * (MAX_NETRC + 1))


# --- the file ------------------------------------------------------------------------------------


def written(folder: Path, text: str = TEXT, mode: int = 0o600) -> Path:
    path = folder / "netrc"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def sent(netrc: Netrc, url: str) -> str | None:
    wanted = next(netrc(Request("GET", url)))
    assert isinstance(wanted, Request)
    return wanted.headers.first("authorization")


def test_a_login_goes_to_its_host(tmp_path: Path) -> None:
    netrc = Netrc(written(tmp_path, TEXT.partition("default")[0]))
    assert sent(netrc, "https://A.example:444/x") == basic("anna", "geheim")
    assert sent(netrc, "https://d.example/") is None
    assert sent(netrc, "https://x.a.example/") is None


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/a.example",
        "http://a.example:pass@evil.example/",
        "http://a.example@evil.example/",
        "http://evil.example:80/@a.example",
        "http://evil.example?a.example",
        "http://evil.example#@a.example:80",
    ],
)
def test_a_crafted_url_does_not_get_anothers_login(tmp_path: Path, url: str) -> None:
    """CVE-2024-47081: the host was cut out of the URL's text."""
    netrc = Netrc(written(tmp_path, "machine a.example login anna password geheim"))
    assert sent(netrc, url) is None


@pytest.mark.rfc("9110", "15.4")
def test_not_after_a_redirect_to_another_host(tmp_path: Path) -> None:
    netrc = Netrc(written(tmp_path))
    request = Request("GET", "https://b.example/")
    request.extras[FIRST_ORIGIN] = URL("https://a.example/").origin
    for auth in (netrc, authenticating(netrc)):
        assert "authorization" not in next(auth(request)).headers
    outer = redirecting()(Request("GET", "https://a.example/"))
    first = next(outer)
    assert "authorization" in next(authenticating(netrc)(first)).headers
    follow = outer.send(Response(302, {"location": "https://b.example/"}))
    assert "authorization" not in next(authenticating(netrc)(follow)).headers


def test_what_the_request_says_itself_counts_more(tmp_path: Path) -> None:
    request = Request("GET", "https://a.example/", {"authorization": "own"})
    wanted = next(authenticating(Netrc(written(tmp_path)))(request))
    assert wanted.headers["authorization"] == "own"


def test_the_response_comes_back_itself(tmp_path: Path) -> None:
    for url in ("https://a.example/", "https://d.example/"):
        steps = Netrc(written(tmp_path, TEXT.partition("default")[0]))(Request("GET", url))
        next(steps)
        response = Response(401)
        with pytest.raises(StopIteration) as done:
            steps.send(response)
        assert done.value.value is response


def test_the_file_is_read_once_and_not_before_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = files._read
    monkeypatch.setattr(files, "_read", lambda path: reads.append(path) or read(path))
    netrc = Netrc(written(tmp_path))
    authenticating(netrc)
    next(netrc(Request("GET", "https://a.example/", {"authorization": "own"})))
    assert reads == []
    for host in ("a", "b", "c", "a"):
        sent(netrc, f"https://{host}.example/")
    assert len(reads) == 1


def test_no_file_no_logins(tmp_path: Path) -> None:
    assert sent(Netrc(tmp_path / "none"), "https://a.example/") is None
    assert sent(Netrc(written(tmp_path) / "none"), "https://a.example/") is None


def test_a_broken_file_is_told_of(tmp_path: Path) -> None:
    path = written(tmp_path, "machine a.example login")
    with pytest.raises(Malformed):
        sent(Netrc(path), "https://a.example/")
    path.write_bytes(b"machine a.example login \xff")
    with pytest.raises(Malformed, match="UTF-8"):
        sent(Netrc(path), "https://a.example/")
    path.write_bytes(b" " * (MAX_NETRC + 1))
    with pytest.raises(TooLarge):
        sent(Netrc(path), "https://a.example/")


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660])
def test_a_file_that_others_can_read_is_told_of_once(tmp_path: Path, mode: int) -> None:
    netrc = Netrc(written(tmp_path, mode=mode))
    with pytest.warns(RuntimeWarning, match="chmod 600"):
        assert sent(netrc, "https://a.example/") == basic("anna", "geheim")
    sent(netrc, "https://b.example/")  # a second warning would be an error here


def test_a_file_of_ones_own_is_no_matter(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent(Netrc(written(tmp_path)), "https://a.example/")


def test_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    assert netrc_path() == str(tmp_path / ".netrc")
    monkeypatch.setenv("NETRC", str(path))
    assert netrc_path() == str(path)
    assert sent(Netrc(), "https://a.example/") == basic("anna", "geheim")


def test_what_is_remembered_has_an_end(tmp_path: Path) -> None:
    netrc = Netrc(written(tmp_path))
    for number in range(200):
        assert sent(netrc, f"https://h{number}.example/") == basic("anonymous", "me@home")
    assert len(netrc._senders) <= 64
