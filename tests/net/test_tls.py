"""TLS: who is trusted, what is said of those who are not, and what is an end (RFC 9112 9.8)."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from crlf.client.blocking import Client
from crlf.flow.run import run_sync
from crlf.message.errors import ConnectTimeout, ReadFailed, TlsFailed, WriteFailed
from crlf.net import trust
from crlf.net.aio import AioNetwork
from crlf.net.blocking import BlockingNetwork, BlockingStream
from crlf.net.scripted import END, RESET, ScriptedStream
from crlf.net.tls import TlsStream, server_context, start_client_tls, start_server_tls
from crlf.ports import DEFAULT_TLS, TlsSettings
from crlf.values import replace

Story = Callable[[BlockingStream], Awaitable[object]]


def soon() -> float:
    return time.monotonic() + 5.0


def talk(story: Story, script: Callable[[socket.socket], object]) -> list[BaseException]:
    """Play a story at one end of a connection and a script, in a thread, at the other.

    Returns what went wrong in the script.
    """
    ours, theirs = socket.socketpair()
    theirs.settimeout(5.0)
    faults: list[BaseException] = []

    def play() -> None:
        try:
            with theirs:
                script(theirs)
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=play)
    thread.start()
    stream = BlockingStream(ours)
    try:
        run_sync(story(stream))
    finally:
        stream.close()
        thread.join()
    return faults


def python_server(
    context: ssl.SSLContext, then: Callable[[ssl.SSLSocket], object] | None = None
) -> Callable[[socket.socket], None]:
    """Make a script that is a TLS server of Python's own, strict about the end."""

    def script(plain: socket.socket) -> None:
        tls = context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
        with tls:
            if then is not None:
                then(tls)
            else:
                tls.recv(1)

    return script


def handshake(settings: TlsSettings, hostname: str) -> Callable[[BlockingStream], Awaitable[None]]:
    """Make a story that begins TLS, ends it and goes."""

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, settings, hostname, soon())
        await tls.end(soon())

    return story


# --- who is trusted ------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "4.3.4")
@pytest.mark.parametrize(
    ("certificate", "hostname", "why"),
    [
        ("elsewhere", "localhost", "hostname mismatch"),
        ("certificate", "127.0.0.2", "ip address mismatch"),
        ("certificate", "elsewhere.example", "'elsewhere.example'"),
        ("expired", "localhost", "it has expired"),
    ],
)
def test_a_certificate_that_is_not_in_order_is_refused(papers, certificate, hostname, why) -> None:
    context = server_context(getattr(papers, certificate))
    with pytest.raises(TlsFailed, match=why) as refused:
        talk(handshake(papers.trusted, hostname), python_server(context))
    assert f"the certificate of {hostname} is not accepted" in str(refused.value)
    assert refused.value.is_untrusted
    assert refused.value.phase == "tls"


def test_an_authority_that_nobody_knows_is_refused_and_the_server_is_told(papers) -> None:
    faults: list[BaseException] = []
    with pytest.raises(TlsFailed, match="an authority that is not trusted here"):
        faults = talk(handshake(DEFAULT_TLS, "localhost"), note(faults, papers))
    assert "UNKNOWN_CA" in str(faults[0])


def note(faults: list[BaseException], papers) -> Callable[[socket.socket], None]:
    """Make a server that notes how its handshake failed."""

    def script(plain: socket.socket) -> None:
        try:
            python_server(server_context(papers.certificate))(plain)
        except ssl.SSLError as fault:
            faults.append(fault)

    return script


@pytest.mark.needs("openssl")
def test_a_self_signed_certificate_is_refused_and_may_be_trusted_by_itself(tmp_path) -> None:
    path = str(tmp_path / "self.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", path + ".key", "-out", path, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        capture_output=True, check=True,
    )  # fmt: skip
    context = server_context(path, path + ".key")
    with pytest.raises(TlsFailed, match="it is self-signed"):
        talk(handshake(DEFAULT_TLS, "localhost"), python_server(context))
    assert talk(handshake(TlsSettings(verify=path), "localhost"), python_server(context)) == []


def test_an_intermediate_authority_may_be_all_that_is_trusted(tmp_path) -> None:
    parent = trustme.CA()
    child = parent.create_child_ca()
    child.cert_pem.write_to_path(tmp_path / "child.pem")
    issued = child.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "here.pem")
    context = server_context(str(tmp_path / "here.pem"))
    trusting = TlsSettings(verify=str(tmp_path / "child.pem"))
    assert talk(handshake(trusting, "localhost"), python_server(context)) == []


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("by_environment", [False, True])
def test_authorities_may_be_a_folder(papers, tmp_path, monkeypatch, by_environment) -> None:
    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", papers.authority],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    os.symlink(papers.authority, tmp_path / f"{hashed.stdout[:8]}.0")
    trusting = TlsSettings(verify=str(tmp_path))
    if by_environment:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        monkeypatch.setattr(trust, "_contexts", {})
        trusting = DEFAULT_TLS
        assert trust.hashed_folder() == str(tmp_path)
    context = server_context(papers.certificate)
    assert talk(handshake(trusting, "localhost"), python_server(context)) == []


def test_the_bundle_is_looked_for_where_openssl_has_none(papers, monkeypatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(trust, "hashed_folder", lambda *_: None)
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", lambda _: None, raising=False)
    monkeypatch.setattr(trust, "_BUNDLES", ("/nowhere.pem", papers.authority))
    assert len(trust.system_context().get_ca_certs()) == 1


def test_a_bundle_that_was_named_and_is_missing_means_that_nobody_is_trusted(monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert trust.system_context().get_ca_certs() == []


def test_without_verification_anybody_is_accepted(papers) -> None:
    context = server_context(papers.expired)
    unsafe = TlsSettings(verify=False)
    assert talk(handshake(unsafe, "other.example"), python_server(context)) == []


def test_the_default_verifies_against_the_system() -> None:
    context = trust.client_context(DEFAULT_TLS)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_the_systems_authorities_are_found_in_folder_or_bundle(monkeypatch, papers) -> None:
    """SSL_CERT_FILE names a bundle, which then is all that counts."""
    monkeypatch.setenv("SSL_CERT_FILE", papers.authority)
    assert trust.hashed_folder() is None
    context = server_context(papers.certificate)
    monkeypatch.setattr(trust, "_contexts", {})
    assert talk(handshake(DEFAULT_TLS, "localhost"), python_server(context)) == []


def test_a_context_is_made_once_for_equal_settings(papers, monkeypatch) -> None:
    built: list[TlsSettings] = []
    build = trust.build_client_context

    def slowly(settings: TlsSettings) -> ssl.SSLContext:
        built.append(settings)
        time.sleep(0.02)
        return build(settings)

    monkeypatch.setattr(trust, "build_client_context", slowly)
    monkeypatch.setattr(trust, "_contexts", {})
    threads = [
        threading.Thread(target=trust.client_context, args=(TlsSettings(verify=papers.authority),))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert trust.client_context(papers.trusted) is trust.client_context(papers.trusted)
    other = replace(papers.trusted, alpn=())
    assert trust.client_context(other) is not trust.client_context(papers.trusted)


def test_contexts_do_not_pile_up(papers, monkeypatch) -> None:
    monkeypatch.setattr(trust, "_contexts", {})
    for number in range(trust._MOST_CONTEXTS + 3):
        trust.client_context(TlsSettings(verify=papers.authority, alpn=(f"x{number}",)))
    assert len(trust._contexts) == trust._MOST_CONTEXTS


@pytest.mark.parametrize("text", [None, "no certificate in here"])
def test_files_that_cannot_be_read_are_named(tmp_path, text) -> None:
    path = tmp_path / "missing.pem"
    if text is not None:
        path.write_text(text)
    for settings in (TlsSettings(verify=str(path)), TlsSettings(certificate=str(path))):
        with pytest.raises(TlsFailed, match=r"missing\.pem"):
            trust.client_context(settings)
    with pytest.raises(TlsFailed, match=r"missing\.pem"):
        server_context(str(path))


def test_nobody_is_asked_for_a_password(tmp_path, papers) -> None:
    key = serialization.load_pem_private_key(Path(papers.certificate).read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "locked.key").write_bytes(locked)
    with pytest.raises(TlsFailed, match="is encrypted"):
        server_context(papers.certificate, str(tmp_path / "locked.key"))


# --- what settings say ---------------------------------------------------------------------------


@pytest.fixture
def no_contexts(monkeypatch) -> None:
    """Forget the contexts that other tests have made."""
    monkeypatch.setattr(trust, "_contexts", {})


@pytest.mark.rfc("8996", "1")
@pytest.mark.parametrize("spoken", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("minimum", ["1.2", "1.3"])
def test_the_oldest_version_is_what_was_asked_for(papers, spoken, minimum) -> None:
    context = server_context(papers.certificate)
    context.maximum_version = spoken
    settings = replace(papers.trusted, minimum=minimum)
    if minimum == "1.2" or spoken is ssl.TLSVersion.TLSv1_3:
        assert talk(handshake(settings, "localhost"), python_server(context)) == []
        return
    with pytest.raises(TlsFailed, match="refuses the versions of TLS that are allowed here"):
        talk(handshake(settings, "localhost"), python_server(context))


@pytest.mark.parametrize("minimum", ["1.1", "1.0", "", "TLSv1_2", "2"])
def test_an_older_version_cannot_be_asked_for(minimum) -> None:
    with pytest.raises(TlsFailed, match=r"may be 1\.2 or 1\.3"):
        trust.client_context(TlsSettings(minimum=minimum))


@pytest.mark.usefixtures("no_contexts")
def test_the_environment_names_no_authorities_where_it_is_not_trusted(papers, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", papers.authority)
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    context = server_context(papers.certificate)
    assert talk(handshake(DEFAULT_TLS, "localhost"), python_server(context)) == []
    with pytest.raises(TlsFailed, match="an authority that is not trusted here"):
        talk(handshake(TlsSettings(trust_env=False), "localhost"), note([], papers))


@pytest.mark.usefixtures("no_contexts")
@pytest.mark.parametrize("by_folder", [True, False])
def test_without_the_environment_it_is_the_systems_authorities(monkeypatch, by_folder) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert trust.system_context(trust_env=True).get_ca_certs() == []
    folder = trust.hashed_folder(trust_env=False)
    if by_folder:
        assert folder == ssl.get_default_verify_paths().openssl_capath or folder is None
        return
    monkeypatch.setattr(trust, "hashed_folder", lambda *_: None)
    bundles = [ssl.get_default_verify_paths().openssl_cafile, *trust._BUNDLES]
    if not any(map(os.path.isfile, bundles)):
        pytest.skip("no authorities here")
    assert len(trust.system_context(trust_env=False).get_ca_certs()) > 10


@pytest.mark.usefixtures("no_contexts")
def test_the_environment_logs_no_keys_where_it_is_not_trusted(
    papers, tmp_path, monkeypatch
) -> None:
    log = tmp_path / "keys"
    context = server_context(papers.certificate)
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    settings = replace(papers.trusted, trust_env=False)
    talk(handshake(settings, "localhost"), python_server(context))
    assert not log.exists()


def test_no_verification_is_for_those_settings_alone(papers) -> None:
    """verify=False has a context of its own, and one that verifies is not touched by it."""
    unsafe = trust.client_context(TlsSettings(verify=False))
    safe = trust.client_context(papers.trusted)
    assert (unsafe.verify_mode, unsafe.check_hostname) == (ssl.CERT_NONE, False)
    assert (safe.verify_mode, safe.check_hostname) == (ssl.CERT_REQUIRED, True)
    talk(
        handshake(TlsSettings(verify=False), "x.example"),
        python_server(server_context(papers.expired)),
    )
    with pytest.raises(TlsFailed, match="it has expired"):
        talk(handshake(papers.trusted, "localhost"), python_server(server_context(papers.expired)))


def test_an_encrypted_key_of_a_clients_is_named(tmp_path, papers) -> None:
    key = serialization.load_pem_private_key(Path(papers.client).read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "locked.key").write_bytes(locked)
    settings = TlsSettings(certificate=papers.client, key=str(tmp_path / "locked.key"))
    with pytest.raises(TlsFailed, match=r"locked\.key: the private key is encrypted"):
        trust.client_context(settings)


# --- odd hosts -----------------------------------------------------------------------------------


@pytest.mark.rfc("9525", "6")
@pytest.mark.parametrize(
    ("issued_for", "hostname", "is_accepted"),
    [
        ("::1", "::1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("fe80::1", "fe80::1%eth0", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", False),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", True),
        ("a.example", "A.EXAMPLE", True),
        ("a.example", "a.example.", True),
        ("*.a.example", "b.a.example", True),
        ("*.a.example", "a.example", False),
        ("*.a.example", "c.b.a.example", False),
        ("*.a.example", "xn--bcher-kva.a.example", True),
        ("a.example", "a.example.evil.example", False),
    ],
)
def test_a_certificate_is_for_the_host_that_it_names(
    tmp_path, issued_for, hostname, is_accepted
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert(issued_for)
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "here.pem")
    context = server_context(str(tmp_path / "here.pem"))
    settings = TlsSettings(verify=str(tmp_path / "ca.pem"))
    if is_accepted:
        assert talk(handshake(settings, hostname), python_server(context)) == []
        return
    with pytest.raises(TlsFailed, match="is not accepted"):
        talk(handshake(settings, hostname), python_server(context))


@pytest.mark.rfc("9525", "2")
def test_a_common_name_is_not_whom_a_certificate_is_for(tmp_path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("me@a.example", common_name="a.example")  # no name of a host
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "here.pem")
    context = server_context(str(tmp_path / "here.pem"))
    with pytest.raises(TlsFailed, match="is not accepted"):
        talk(
            handshake(TlsSettings(verify=str(tmp_path / "ca.pem")), "a.example"),
            python_server(context),
        )


# --- when files are read -------------------------------------------------------------------------


@pytest.mark.usefixtures("no_contexts")
def test_making_a_client_reads_nothing(monkeypatch) -> None:
    monkeypatch.setattr(trust, "build_client_context", lambda _: pytest.fail("read"))
    began = time.process_time()
    for _ in range(20):
        with Client(verify="/nowhere.pem", cert="/nowhere.key", tls_minimum="1.3"):
            pass
    assert time.process_time() - began < 0.1


@pytest.mark.usefixtures("no_contexts")
@pytest.mark.parametrize("is_known", [False, True])
def test_files_are_read_off_the_loop(papers, monkeypatch, is_known) -> None:
    """35 ms for a bundle of authorities, in which every other connection would stand still."""
    threads: list[threading.Thread] = []
    build = trust.build_client_context

    def noting(settings: TlsSettings) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return build(settings)

    if is_known:
        trust.client_context(papers.trusted)
    monkeypatch.setattr(trust, "build_client_context", noting)

    async def main() -> None:
        network = AioNetwork()
        for _ in range(2):
            with pytest.raises(TlsFailed, match="it hung up"):
                await network.start_tls(
                    ScriptedStream([END]), papers.trusted, "localhost", network.now() + 5.0
                )

    asyncio.run(main())
    assert len(threads) == (0 if is_known else 1)
    assert threading.main_thread() not in threads


def test_files_that_cannot_be_read_leave_no_connection_open() -> None:
    async def main() -> ScriptedStream:
        network, stream = AioNetwork(), ScriptedStream()
        with pytest.raises(TlsFailed, match=r"nowhere\.pem"):
            await network.start_tls(stream, TlsSettings(verify="/nowhere.pem"), "a.example", None)
        return stream

    assert asyncio.run(main()).is_closed


# --- what the two ends agree on ------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_carry_bytes_both_ways(papers, version) -> None:
    context = server_context(papers.certificate)
    context.maximum_version = version

    def echo(tls: ssl.SSLSocket) -> None:
        while data := tls.recv(65536):
            tls.sendall(data)
        tls.unwrap()

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, papers.trusted, "localhost", soon())
        facts = tls.facts.tls
        assert facts is not None
        assert facts.version == version.name.replace("v1_", "v1.")
        for size in (1, 100, 16_384, 100_000):
            await tls.write(b"x" * size, soon())
            got = 0
            while got < size:
                got += len(await tls.read(soon()))
            assert got == size
        await tls.end(soon())
        assert await tls.read(soon()) == b""

    assert talk(story, python_server(context, echo)) == []


def test_an_older_version_is_refused_in_words() -> None:
    """The first bytes of a server that answers in TLS 1.1."""
    hello = bytes.fromhex("16030200310200002d0302") + bytes(32) + bytes.fromhex("00c0140000")
    hello += bytes.fromhex("05ff01000100")

    async def story(stream: BlockingStream) -> None:
        await start_client_tls(stream, DEFAULT_TLS, "localhost", soon())

    with pytest.raises(TlsFailed, match="no version of TLS that is allowed here"):
        talk(story, lambda plain: (plain.recv(65536), plain.sendall(hello), plain.recv(1)))


@pytest.mark.parametrize(
    ("hostname", "seen"),
    [("localhost", "localhost"), ("localhost.", "localhost"), ("127.0.0.1", None)],
)
def test_a_name_is_told_to_the_server_and_an_address_is_not(papers, hostname, seen) -> None:
    names: list[str | None] = []
    context = server_context(papers.certificate)
    context.sni_callback = lambda tls, name, context: names.append(name)
    assert talk(handshake(papers.trusted, hostname), python_server(context)) == []
    assert names == [seen]


@pytest.mark.parametrize("hostname", ["", ".a.example", "caf\u00e9.example"])
def test_what_is_no_name_is_refused(papers, hostname) -> None:
    async def story(stream: BlockingStream) -> None:
        await start_client_tls(stream, papers.trusted, hostname, soon())

    with pytest.raises(TlsFailed):
        talk(story, lambda plain: plain.recv(1))


@pytest.mark.parametrize(
    ("offered", "spoken", "agreed"),
    [(("h2", "http/1.1"), ("http/1.1",), "http/1.1"), ((), ("http/1.1",), None)],
)
def test_the_protocol_is_agreed_on(papers, offered, spoken, agreed) -> None:
    context = server_context(papers.certificate, alpn=spoken)

    async def story(stream: BlockingStream) -> None:
        settings = replace(papers.trusted, alpn=offered)
        tls = await start_client_tls(stream, settings, "localhost", soon())
        facts = tls.facts.tls
        assert facts is not None
        assert facts.alpn == agreed
        await tls.end(soon())

    assert talk(story, python_server(context)) == []


@pytest.mark.parametrize("shown", [True, False])
def test_a_client_shows_its_certificate_when_it_has_one(papers, shown) -> None:
    context = server_context(papers.certificate)
    context.load_verify_locations(papers.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    settings = replace(papers.trusted, certificate=papers.client if shown else None)

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, settings, "localhost", soon())
        assert await tls.read(soon()) == b"welcome"
        await tls.end(soon())

    def welcome(tls: ssl.SSLSocket) -> None:
        tls.sendall(b"welcome")
        tls.recv(1)

    if shown:
        assert talk(story, python_server(context, welcome)) == []
    else:  # in TLS 1.3 the client learns of it after its handshake
        with pytest.raises(ReadFailed, match="it asks for a client certificate"):
            talk(story, python_server(context, welcome))


def test_the_keys_are_logged_for_who_asks(papers, tmp_path, monkeypatch) -> None:
    log = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    monkeypatch.setattr(trust, "_contexts", {})
    talk(handshake(papers.trusted, "localhost"), python_server(server_context(papers.certificate)))
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


# --- handshakes that come to nothing -------------------------------------------------------------


def test_a_server_that_speaks_no_tls_is_recognised(papers) -> None:
    async def story(stream: BlockingStream) -> None:
        await start_client_tls(stream, papers.trusted, "localhost", soon())

    with pytest.raises(TlsFailed, match="no TLS with localhost: what it answers is not TLS"):
        talk(story, lambda plain: (plain.recv(1), plain.sendall(b"HTTP/1.1 400 Bad Request\r\n")))


def test_a_client_that_speaks_no_tls_is_recognised(papers) -> None:
    async def story(stream: BlockingStream) -> None:
        await start_server_tls(stream, server_context(papers.certificate), soon())

    with pytest.raises(TlsFailed, match="no TLS with the client: it sent a plain HTTP request"):
        talk(story, lambda plain: (plain.sendall(b"GET / HTTP/1.1\r\n\r\n"), plain.recv(100)))


@pytest.mark.parametrize("at_server", [False, True])
def test_a_silent_peer_is_waited_for_no_longer_than_allowed(papers, at_server) -> None:
    async def story(stream: BlockingStream) -> None:
        deadline = time.monotonic() + 0.05
        if at_server:
            await start_server_tls(stream, server_context(papers.certificate), deadline)
        else:
            await start_client_tls(stream, papers.trusted, "localhost", deadline)

    with pytest.raises(ConnectTimeout, match=r"within 0\.") as late:
        talk(story, lambda plain: plain.recv(100_000) and plain.recv(1))
    assert late.value.phase == "tls"


def test_a_peer_that_hangs_up_is_no_secret(papers) -> None:
    async def story(stream: BlockingStream) -> None:
        await start_client_tls(stream, papers.trusted, "localhost", soon())

    with pytest.raises(TlsFailed, match="it hung up"):
        talk(story, lambda plain: plain.recv(100_000))


def test_a_connection_that_breaks_in_the_handshake_is_a_failure_of_tls(papers) -> None:
    stream = ScriptedStream([RESET])
    with pytest.raises(TlsFailed, match="Connection reset"):
        run_sync(start_client_tls(stream, papers.trusted, "localhost", None))
    assert stream.is_closed


# --- what is an end ------------------------------------------------------------------------------


@pytest.mark.rfc("9112", "9.8")
@pytest.mark.rfc("9112", "8")
def test_an_end_without_close_notify_is_a_failure(papers) -> None:
    def cut(tls: ssl.SSLSocket) -> None:
        tls.sendall(b"half of it")
        tls.detach_plain = socket.socket(fileno=tls.detach())  # type: ignore[attr-defined]
        tls.detach_plain.close()  # type: ignore[attr-defined]

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, papers.trusted, "localhost", soon())
        assert await tls.read(soon()) == b"half of it"
        for _ in range(2):
            with pytest.raises(ReadFailed, match=r"RFC 9112 9\.8"):
                await tls.read(soon())

    talk(story, python_server(server_context(papers.certificate), cut))


@pytest.mark.rfc("9112", "9.8")
def test_our_end_is_said_before_the_connection_is_closed(papers) -> None:
    ends: list[bytes] = []

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, papers.trusted, "localhost", soon())
        await tls.write(b"x", soon())
        await tls.end(soon())
        tls.close()

    def script(tls: ssl.SSLSocket) -> None:
        ends.extend((tls.recv(10), tls.recv(10)))

    assert talk(story, python_server(server_context(papers.certificate), script)) == []
    assert ends == [b"x", b""]


def test_a_close_without_an_end_is_seen_as_a_cut(papers) -> None:
    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, papers.trusted, "localhost", soon())
        await tls.write(b"half of it", soon())
        tls.close()

    def script(tls: ssl.SSLSocket) -> None:
        assert tls.recv(100) == b"half of it"
        tls.recv(100)

    (fault,) = talk(story, python_server(server_context(papers.certificate), script))
    # A reset, when the session tickets were still unread: a cut as well.
    assert isinstance(fault, ssl.SSLEOFError | ConnectionResetError)


def test_bytes_that_were_changed_on_their_way_are_refused(papers) -> None:
    def script(plain: socket.socket) -> None:
        context = server_context(papers.certificate)
        tls = context.wrap_socket(plain, server_side=True)
        tls.sendall(b"genuine")
        with socket.socket(fileno=tls.detach()) as bare:
            bare.sendall(b"\x17\x03\x03\x00\x20" + b"forged!!" * 4)
            bare.settimeout(5.0)
            bare.recv(100)

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, papers.trusted, "localhost", soon())
        assert await tls.read(soon()) == b"genuine"
        for _ in range(2):
            with pytest.raises(ReadFailed, match="what arrived was changed on its way"):
                await tls.read(soon())

    talk(story, script)


def test_nothing_follows_a_record_that_was_cut(papers) -> None:
    """A record after half a record would be taken for the rest of it."""

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, papers.trusted, "localhost", soon())
        dead = ScriptedStream(write_fault=RESET, write_after=10)
        tls._inner, live = dead, tls._inner
        with pytest.raises(WriteFailed, match="Broken pipe"):
            await tls.write(b"x" * 100, soon())
        tls._inner = live
        with pytest.raises(WriteFailed, match="cut short"):
            await tls.write(b"x", soon())
        await tls.end(soon())
        tls.close()

    (fault,) = talk(story, python_server(server_context(papers.certificate)))
    # A reset, when the session tickets were still unread: a cut as well.
    assert isinstance(fault, ssl.SSLEOFError | ConnectionResetError)


# --- what is no data -----------------------------------------------------------------------------


def test_tickets_for_later_sessions_are_no_data(papers) -> None:
    """A TLS 1.3 server sends them after the handshake; an idle connection stays fit for use."""

    async def story(stream: BlockingStream) -> None:
        tls = await start_client_tls(stream, papers.trusted, "localhost", soon())
        give_up = time.monotonic() + 2.0
        while not stream.has_arrived() and time.monotonic() < give_up:
            time.sleep(0.001)  # noqa: ASYNC251
        assert stream.has_arrived()  # the tickets
        assert not tls.has_arrived()
        assert not stream.has_arrived()
        await tls.write(b"x", soon())
        assert await tls.read(soon()) == b"y"
        await tls.end(soon())

    def script(tls: ssl.SSLSocket) -> None:
        tls.recv(1)
        tls.sendall(b"y")
        tls.recv(1)

    assert talk(story, python_server(server_context(papers.certificate), script)) == []


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    ("version", "command"), [("-tls1_3", b"K\n"), ("-tls1_3", b"k\n"), ("-tls1_2", b"r\n")]
)
def test_new_keys_and_renegotiation_do_not_disturb_data(papers, version, command) -> None:
    """A TLS 1.3 server changes its keys, with and without asking for ours; a 1.2 one renegotiates.

    The last is refused by us with a warning, after which OpenSSL's server gives up.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", version, "-naccept", "1",
         "-cert", papers.certificate, "-key", papers.certificate],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

    async def story() -> None:
        network = BlockingNetwork()
        while True:
            try:
                plain = await network.connect("127.0.0.1", port, soon())
                break
            except OSError:
                time.sleep(0.01)  # noqa: ASYNC251
        tls = await start_client_tls(plain, papers.trusted, "localhost", soon())
        try:
            await exchange(tls)
        finally:
            tls.close()

    async def exchange(tls: TlsStream) -> None:
        say(b"before\n")
        assert await tls.read(soon()) == b"before\n"
        await tls.write(b"from us\n", soon())
        say(command)
        if version == "-tls1_2":
            with pytest.raises(ReadFailed):
                await tls.read(soon())
            return
        say(b"after\n")
        assert await tls.read(soon()) == b"after\n"
        await tls.write(b"from us again\n", soon())
        await tls.end(soon())
        with suppress(ReadFailed):  # until s_server has gone, or it might lose the line
            await tls.read(soon())

    def say(line: bytes) -> None:
        assert server.stdin is not None
        time.sleep(0.05)  # s_server takes a command only at the start of what it reads
        server.stdin.write(line)
        server.stdin.flush()

    try:
        run_sync(story())
        heard = server.communicate(timeout=5.0)[0]
    finally:
        server.kill()
        server.communicate()
    assert b"from us\n" in heard
    assert (b"from us again\n" in heard) == (version == "-tls1_3")
