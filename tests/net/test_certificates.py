"""A server's certificates: which one is shown to whom, and how they are renewed."""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from crlf.flow.clienthello import read_client_hello, say_https
from crlf.message.errors import ConnectTimeout, CrlfError, ReadTimeout, TlsFailed
from crlf.net import selfsigned, trust
from crlf.net.certificates import Certificates, find_by_name, split_pair
from crlf.net.memorystream import join
from crlf.net.selfsigned import make_self_signed
from crlf.net.tls import TlsStream, start_client_tls, start_server_tls
from crlf.net.x509 import read_certificate, subject_of
from crlf.ports import Stream, TlsSettings

Talk = Callable[[Stream], Coroutine[Any, Any, Any]]


class Office:
    """An authority, and a folder for what it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.ca = str(folder / "ca.pem")
        self.authority.cert_pem.write_to_path(self.ca)

    def write(self, name: str, *hosts: str, **more: Any) -> str:
        """Sign a certificate for hosts; return the path of its file, which has its key too."""
        path = self.folder / name
        issued = self.authority.issue_cert(*hosts, **more)
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        path.chmod(0o600)
        return str(path)

    def pair(self, name: str, *hosts: str) -> tuple[str, str]:
        """The same, as a file each for chain and key."""
        issued = self.authority.issue_cert(*hosts)
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        chain.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        return str(chain), str(key)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def meet(certificates: Certificates, talk: Talk) -> tuple[Any, Any]:
    """Let a client talk to a server that greets as ours does; return both ends, or their errors."""

    async def greet(stream: Stream) -> TlsStream:
        deadline = asyncio.get_running_loop().time() + 5
        looked = await read_client_hello(stream, certificates.protocols, deadline)
        if looked is None:
            await say_https(stream, deadline - 4.9, b"date: today\r\n")
            raise TlsFailed("plain")
        tls = await start_server_tls(looked, certificates.context(), deadline)
        await tls.write(b"hello", deadline)
        return tls

    async def main() -> tuple[Any, Any]:
        here, there = join(asyncio.get_running_loop())
        try:
            both = asyncio.gather(talk(here), greet(there), return_exceptions=True)
            return tuple(await both)  # type: ignore[return-value]  # two of them
        finally:
            here.close()
            there.close()

    return asyncio.run(main())


def asking(
    office: Office, name: str, certificate: str | None = None, alpn: tuple[str, ...] = ("http/1.1",)
) -> Talk:
    """Make a client of crlf's that asks for a name, and returns what it was shown."""

    async def talk(stream: Stream) -> Any:
        settings = TlsSettings(verify=office.ca, certificate=certificate, alpn=alpn)
        tls = await start_client_tls(stream, settings, name, None)
        assert await tls.read(None) == b"hello"
        shown = tls._tls.getpeercert() or {}
        return {kind_and_name[1] for kind_and_name in shown["subjectAltName"]}

    return talk


# --- which one is shown --------------------------------------------------------------------------


@pytest.mark.rfc("6066", "3")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.example", "a.example"),
        ("b.example", "b.example"),
        ("B.Example", "b.example"),
        ("www.b.example", "*.b.example"),
        ("deep.www.b.example", None),
        ("api.b.example", "api.b.example"),  # a whole name comes before a wildcard
        ("unknown.example", None),
        ("127.0.0.1", "127.0.0.1"),  # no name is asked for, so the first
    ],
)
def test_the_certificate_is_the_one_for_the_name(
    office: Office, name: str, shown: str | None
) -> None:
    certificates = Certificates(
        [
            office.write("a.pem", "a.example", "127.0.0.1"),
            office.write("b.pem", "b.example", "*.b.example"),
            office.write("api.pem", "api.b.example"),
        ]
    )
    seen, _ = meet(certificates, asking(office, name))
    if shown is None:
        assert "is not accepted" in str(seen)
        assert "a.example" in str(seen) or "mismatch" in str(seen)
    else:
        assert shown in seen


def test_a_common_name_does_not_count(office: Office) -> None:
    path = office.write("cn.pem", "a.example", common_name="b.example")
    assert Certificates([path]).facts[0].names == ("a.example",)


def test_names_are_found_label_by_label() -> None:
    first, wild, exact = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(3))
    known = {"*.a.example": wild, "x.a.example": exact}
    assert find_by_name(known, "x.a.example.", first) is exact
    assert find_by_name(known, "y.a.example", first) is wild
    for name in (None, "", ".", "a.example", "z.y.a.example", "example", "*", "*.*"):
        assert find_by_name(known, name, first) is first


def test_a_chain_and_its_key_may_be_two_files(office: Office) -> None:
    chain, key = office.pair("a", "a.example")
    seen, _ = meet(Certificates([f"{chain}:{key}"]), asking(office, "a.example"))
    assert seen == {"a.example"}
    odd = office.folder / "c:d.pem"
    odd.write_text("")
    assert split_pair(str(odd)) == (str(odd), None)
    assert split_pair(f"{odd}:{key}") == (str(odd), key)
    assert split_pair("no.pem:such.key") == ("no.pem", "such.key")
    assert split_pair("no.pem") == ("no.pem", None)


# --- what is spoken ------------------------------------------------------------------------------


@pytest.mark.rfc("9325", "4.2")
def test_what_is_agreed_on_is_of_today(office: Office) -> None:
    certificates = Certificates([office.write("a.pem", "a.example")])
    context = certificates.context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    for cipher in context.get_ciphers():
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE-")
        assert cipher["aead"]
    _, server = meet(certificates, asking(office, "a.example"))
    assert server.facts.tls.version == "TLSv1.3"
    assert server.facts.tls.alpn == "http/1.1"
    assert server.facts.tls.subject is None


@pytest.mark.rfc("7301", "3.2")
@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (("h2", "http/1.1"), "http/1.1"),
        (("http/1.0",), "http/1.0"),
        ((), None),
        (("h2",), TlsFailed),
        (("h2", "h3"), TlsFailed),
    ],
)
def test_a_client_without_a_protocol_of_ours_is_refused(
    office: Office, offered: tuple[str, ...], agreed: Any
) -> None:
    certificates = Certificates([office.write("a.pem", "a.example")])
    client, server = meet(certificates, asking(office, "a.example", alpn=offered))
    if agreed is TlsFailed:
        assert isinstance(server, TlsFailed)
        assert "speaks only" in str(server)
        assert "no application protocol" in str(client)
    else:
        assert server.facts.tls.alpn == agreed


def saying(*words: bytes) -> Talk:
    """Make a client that sends bytes and returns all that it is answered."""

    async def talk(stream: Stream) -> bytes:
        for word in words:
            await stream.write(word, None)
        answer = b""
        while data := await stream.read(asyncio.get_running_loop().time() + 5):
            answer += data
        return answer

    return talk


@pytest.mark.rfc("9110", "4.2.2")
def test_plain_http_is_told_what_this_port_speaks(office: Office) -> None:
    certificates = Certificates([office.write("a.pem", "a.example")])
    page, refused = meet(certificates, saying(b"GET / HT", b"TP/1.1\r\nHost: a\r\n\r\n"))
    assert page.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"speaks HTTPS" in page
    head, _, content = page.partition(b"\r\n\r\n")
    assert f"content-length: {len(content)}".encode() in head
    assert b"\r\ndate: today" in head
    assert str(refused) == "plain"


def test_garbage_and_odd_names_are_answered_by_an_alert(
    office: Office, capfd: pytest.CaptureFixture[str]
) -> None:
    certificates = Certificates([office.write("a.pem", "a.example"), office.write("b.pem", "b")])
    assert meet(certificates, saying(b"\0\1\2\3\4\5"))[0] == bytes((21, 3, 3, 0, 2, 2, 50))
    assert meet(certificates, saying(HELLO.replace(b"odd.example", b"\xff\xfe.bcdefghi")))[0] == (
        bytes((21, 3, 3, 0, 2, 2, 112))
    )
    # What OpenSSL does not like, it says itself.
    alert, refused = meet(certificates, saying(HELLO.replace(b"odd.example", b"od\0.example")))
    assert alert[:1] == b"\x15"
    assert isinstance(refused, TlsFailed)
    assert capfd.readouterr().err == ""  # no traceback of a callback's


def hello_for(name: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    said = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname=name).do_handshake()
    return said.read()


HELLO = hello_for("odd.example")


@pytest.mark.parametrize("said", [b"", HELLO[:50], HELLO])
def test_a_client_that_dawdles_is_not_waited_for(office: Office, said: bytes) -> None:
    certificates = Certificates([office.write("a.pem", "a.example")])

    async def main() -> None:
        here, there = join(asyncio.get_running_loop())
        if said:
            await here.write(said, None)
        deadline = asyncio.get_running_loop().time() + 0.05

        async def greet() -> None:
            looked = await read_client_hello(there, certificates.protocols, deadline)
            assert looked is not None
            await start_server_tls(looked, certificates.context(), deadline)

        with pytest.raises((ReadTimeout, ConnectTimeout)):
            await greet()
        here.close()
        there.close()

    asyncio.run(main())


# --- client certificates -------------------------------------------------------------------------


def test_a_client_certificate_is_asked_for_and_told_of(office: Office) -> None:
    mine = office.write("me.pem", "me@a.example", common_name="me, myself", organization_name="Us")
    here = office.write("a.pem", "a.example")
    certificates = Certificates([here, office.write("b.pem", "b.example")], client_ca=office.ca)
    for name in ("a.example", "b.example"):  # whichever context it ends in
        _, server = meet(certificates, asking(office, name, mine))
        assert server.facts.tls.subject.startswith(r"CN=me\, myself,")
        assert "O=Us" in server.facts.tls.subject
        der = server.facts.tls.certificate
        assert ssl.DER_cert_to_PEM_cert(der).replace("\n", "") in Path(mine).read_text().replace(
            "\n", ""
        )
        _, refused = meet(certificates, asking(office, name))
        assert isinstance(refused, TlsFailed)


def test_an_optional_one_may_be_missing_but_not_anybodys(office: Office, tmp_path: Path) -> None:
    certificates = Certificates(
        [office.write("a.pem", "a.example")], office.ca, client_certificate="optional"
    )
    _, server = meet(certificates, asking(office, "a.example"))
    assert server.facts.tls.subject is None
    (tmp_path / "else").mkdir()
    strange = Office(tmp_path / "else").write("me.pem", "me@evil.example")
    _, refused = meet(certificates, asking(office, "a.example", strange))
    assert "the certificate of the client is not accepted" in str(refused)


def test_a_demand_is_one_of_two(office: Office) -> None:
    path = office.write("a.pem", "a.example")
    with pytest.raises(ValueError, match="optional or required"):
        Certificates([path], office.ca, client_certificate="maybe")
    with pytest.raises(ValueError, match="no certificate"):
        Certificates([])


@pytest.mark.rfc("4514", "2.4")
def test_a_subject_is_written_so_that_it_can_be_read() -> None:
    names = ((("countryName", "DE"),), (("commonName", "#a,b"), ("userId", " x ")), (("x", "\n"),))
    assert subject_of({"subject": names}) == r"x=\0a,CN=\#a\,b+UID=\ x\ ,C=DE"
    assert subject_of({}) == ""


# --- renewal -------------------------------------------------------------------------------------


def fingerprint(certificates: Certificates) -> str:
    return certificates.facts[0].fingerprint


def test_new_files_are_shown_without_a_restart_and_old_connections_live(office: Office) -> None:
    path = office.write("a.pem", "a.example")
    certificates = Certificates([path])

    async def story() -> None:
        loop = asyncio.get_running_loop()

        async def connect() -> tuple[TlsStream, TlsStream]:
            here, there = join(loop)
            settings = TlsSettings(verify=office.ca)
            client, server = await asyncio.gather(
                start_client_tls(here, settings, "a.example", None),
                start_server_tls(there, certificates.context(), None),
            )
            return client, server

        old_client, old_server = await connect()
        old = certificates.context()
        office.write("a.pem", "a.example")
        assert certificates.refresh() is True
        assert certificates.refresh() is False
        assert certificates.context() is not old
        new_client, new_server = await connect()
        assert old_client._tls.getpeercert(True) != new_client._tls.getpeercert(True)
        for client, server in ((old_client, old_server), (new_client, new_server)):
            await server.write(b"still here", None)
            assert await client.read(None) == b"still here"
            client.close()
            server.close()

    asyncio.run(story())


def test_what_cannot_be_loaded_changes_nothing_and_is_said_once(office: Office) -> None:
    one, other = office.write("a.pem", "a.example"), office.write("b.pem", "b.example")
    certificates = Certificates([one, other])
    context = certificates.context()
    Path(other).write_text("nothing of use")
    with pytest.raises(TlsFailed, match=r"b\.pem"):
        certificates.refresh()
    assert certificates.refresh() is False  # said already
    with pytest.raises(TlsFailed, match=r"b\.pem"):
        certificates.reload()  # asked for, so said again
    os.unlink(other)
    with pytest.raises(TlsFailed, match=r"cannot read .*b\.pem"):
        certificates.refresh()
    assert certificates.context() is context
    office.write("b.pem", "c.example")
    assert certificates.refresh() is True
    assert certificates.facts[1].names == ("c.example",)


def test_a_chain_that_comes_before_its_key_is_waited_for(office: Office) -> None:
    chain, key = office.pair("a", "a.example")
    certificates = Certificates([f"{chain}:{key}"])
    before = fingerprint(certificates)
    old_key = Path(key).read_bytes()
    office.pair("a", "a.example")
    new_key = Path(key).read_bytes()
    Path(key).write_bytes(old_key)
    with pytest.raises(TlsFailed, match="key values mismatch"):
        certificates.refresh()
    assert fingerprint(certificates) == before
    Path(key).write_bytes(new_key)
    os.utime(key, ns=(1, 1))
    assert certificates.refresh() is True
    assert fingerprint(certificates) != before


def test_an_encrypted_key_is_refused_and_asks_nobody(office: Office) -> None:
    issued = office.authority.issue_cert("a.example")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path = office.folder / "locked.pem"
    path.write_bytes(secret + issued.cert_chain_pems[0].bytes())
    with pytest.raises(TlsFailed, match=r"locked\.pem: the private key is encrypted"):
        Certificates([str(path)])


def test_what_somebody_should_see_to_is_noted(office: Office) -> None:
    now = datetime.datetime.now(datetime.UTC)
    good = office.write("good.pem", "a.example")
    soon = office.write("soon.pem", "a.example", not_after=now + datetime.timedelta(3, 60))
    past = office.write("past.pem", "a.example", not_after=now - datetime.timedelta(1))
    Path(past).chmod(0o644)
    assert Certificates([good]).notes() == []
    notes = Certificates([good, soon, past]).notes()
    assert notes[0].endswith("soon.pem: the certificate expires in 3 days")
    assert notes[1].endswith("past.pem: the certificate has expired")
    assert "everybody on this machine can read the key" in notes[2]
    for hours, when in [(1, "today"), (25, "tomorrow"), (50, "in 2 days")]:
        end = now + datetime.timedelta(0, 60, hours=hours)
        (note,) = Certificates([office.write("end.pem", "a.example", not_after=end)]).notes()
        assert note.endswith(f"end.pem: the certificate expires {when}")


def test_a_file_without_a_certificate_has_no_names() -> None:
    for pem in ("", "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----",
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"):  # fmt: skip
        assert read_certificate(pem).names == ()


# --- one that we sign ourselves ------------------------------------------------------------------


def test_a_certificate_of_our_own_is_for_this_machine(office: Office) -> None:
    made = make_self_signed(["dev.example", "192.0.2.1", "0.0.0.0", "localhost"])
    try:
        assert os.stat(made.path).st_mode & 0o777 == 0o600
        certificates = Certificates([made.path])
        assert certificates.notes() == []
        assert certificates.facts[0].fingerprint == made.fingerprint
        office.ca = made.path
        for name in ("localhost", "127.0.0.1", "::1", "dev.example", "192.0.2.1"):
            seen, _ = meet(certificates, asking(office, name))
            assert "dev.example" in seen
        refused, _ = meet(certificates, asking(office, "0.0.0.0"))
        assert isinstance(refused, TlsFailed)
    finally:
        made.remove()
    made.remove()
    assert not os.path.exists(made.path)


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography", None)
    with pytest.raises(CrlfError, match=r"pip install 'crlf\[selfsigned\]'"):
        selfsigned.make_self_signed()


def test_keys_are_logged_when_the_environment_asks(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = office.folder / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    monkeypatch.setattr(trust, "_contexts", {})  # a client's keeps the file open
    caplog.set_level(logging.DEBUG)
    meet(Certificates([office.write("a.pem", "a.example")]), asking(office, "a.example"))
    assert "SERVER_HANDSHAKE_TRAFFIC_SECRET" in log.read_text()
    assert caplog.text == "" or "SECRET" not in caplog.text
