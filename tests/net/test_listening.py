"""Binds: how they are written, what is opened for them, what is refused and why."""

from __future__ import annotations

import errno
import os
import resource
import socket
import stat
from collections.abc import Iterator

import pytest

from crlf.net.listening import (
    Bind,
    Doors,
    allow_descriptors,
    inherited_descriptors,
    is_public,
    open_doors,
    parse_bind,
    take_descriptor,
    url_of,
)


@pytest.fixture
def doors() -> Iterator[Doors]:
    made = Doors()
    yield made
    made.close()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:8000", Bind("127.0.0.1", 8000)),
        ("localhost:0", Bind("localhost", 0)),
        ("[::1]:8000", Bind("::1", 8000)),
        ("[::]:65535", Bind("::", 65535)),
        (":80", Bind("", 80)),
        ("*:80", Bind("", 80)),
        ("8000", Bind("127.0.0.1", 8000)),
        ("unix:/run/x.sock", Bind(path="/run/x.sock")),
        ("unix:x?mode=666", Bind(path="x", mode=0o666)),
        ("unix:a?b", Bind(path="a?b")),
        ("fd://3", Bind(descriptor=3)),
    ],
)
def test_a_bind_is_read(text: str, bind: Bind) -> None:
    assert parse_bind(text) == bind


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("localhost", "has no port: write localhost:8000"),
        ("", "has no port"),
        ("a:65536", "'65536' is no number from 0 to 65535"),
        ("65536", "no number from 0 to 65535"),
        ("a:", "'' is no number"),
        ("a:-1", "'-1' is no number"),
        ("a:٣", "is no number"),
        ("a:8 0", "is no number"),
        ("::1:8000", r"write an IPv6 address in brackets, \[::1\]:8000"),
        ("[localhost]:80", "brackets are for IPv6 addresses"),
        ("http://a:80", "in brackets"),
        ("a/b:80", "is no host and port"),
        ("unix:", "names no path"),
        ("unix:x?mode=999", "a mode is three digits from 0 to 7"),
        ("fd://x", "'x' is no number"),
        ("fd://", "'' is no number"),
    ],
)
def test_what_is_no_bind_is_explained(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_bind(text)


def test_a_bind_is_shown_as_it_is_written() -> None:
    for text in ("127.0.0.1:80", "[::1]:80", "unix:/x", "fd://3", ":80"):
        assert str(parse_bind(text)) == text


def test_a_port_is_opened_and_named() -> None:
    doors = open_doors(["127.0.0.1:0"])
    [opened] = doors.sockets
    port = opened.getsockname()[1]
    assert url_of(opened) == f"http://127.0.0.1:{port}/"
    assert url_of(opened, "https") == f"https://127.0.0.1:{port}/"
    assert not opened.getblocking()
    assert not opened.get_inheritable()
    assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
    assert not is_public(opened)
    with socket.create_connection(("127.0.0.1", port)):
        pass
    doors.close()


def test_several_are_opened_or_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: it is in use") as e:
            open_doors(["127.0.0.1:0", f"127.0.0.1:{port}"])
        assert e.value.errno == errno.EADDRINUSE


@needs_ipv6
def test_every_address_has_the_same_port_in_both_families(doors: Doors) -> None:
    doors.open(parse_bind(":0"))
    four, six = doors.sockets
    assert (four.family, six.family) == (socket.AF_INET, socket.AF_INET6)
    assert four.getsockname()[1] == six.getsockname()[1]
    assert is_public(four)
    assert is_public(six)
    port = four.getsockname()[1]
    assert [url_of(one) for one in (four, six)] == [
        f"http://127.0.0.1:{port}/",
        f"http://[::1]:{port}/",
    ]


@needs_ipv6
def test_an_ipv6_socket_is_for_ipv6_alone(doors: Doors) -> None:
    doors.open(parse_bind("[::]:0"))
    [six] = doors.sockets
    assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", six.getsockname()[1]), timeout=2)


def test_an_unknown_host_is_explained(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OSError, match=r"cannot listen on nowhere.invalid:80: no address is known"):
        doors.open(parse_bind("nowhere.invalid:80"))


def test_an_address_of_another_machine_is_explained(doors: Doors) -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192.0.2.1:0: Cannot assign"):
        doors.open(parse_bind("192.0.2.1:0"))


# -- socket files


def test_a_socket_file_is_made_and_removed(tmp_path) -> None:
    path = tmp_path / "x.sock"
    doors = open_doors([f"unix:{path}"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert url_of(doors.sockets[0]) == f"http+unix://{str(path).replace('/', '%2F')}/"
    assert not is_public(doors.sockets[0])
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(path))
    doors.close()
    assert not path.exists()


def test_the_mode_of_a_socket_file_may_be_set(tmp_path, doors: Doors) -> None:
    path = tmp_path / "x.sock"
    doors.open(parse_bind(f"unix:{path}?mode=600"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_stale_socket_file_is_replaced(tmp_path, doors: Doors) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()
    doors.open(parse_bind(f"unix:{path}"))
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(path))


def test_a_socket_file_in_use_is_left_alone(tmp_path, doors: Doors) -> None:
    path = tmp_path / "x.sock"
    doors.open(parse_bind(f"unix:{path}"))
    with pytest.raises(OSError, match="another server listens there") as e:
        Doors().open(parse_bind(f"unix:{path}"))
    assert e.value.errno == errno.EADDRINUSE
    assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path) -> None:
    path = tmp_path / "letter"
    path.write_text("dear")
    with pytest.raises(OSError, match="no socket"):
        Doors().open(parse_bind(f"unix:{path}"))
    assert path.read_text() == "dear"


def test_a_socket_file_of_somebody_else_is_not_removed(tmp_path) -> None:
    path = tmp_path / "x.sock"
    doors = open_doors([f"unix:{path}"])
    path.unlink()
    path.write_text("mine")
    doors.close()
    assert path.read_text() == "mine"


def test_a_socket_file_without_its_folder_is_explained(tmp_path) -> None:
    with pytest.raises(OSError, match="its folder does not exist"):
        Doors().open(parse_bind(f"unix:{tmp_path}/no/x.sock"))


# -- descriptors


def test_a_socket_that_listens_is_taken_over(doors: Doors) -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        descriptor = os.dup(given.fileno())
        os.set_inheritable(descriptor, True)
        doors.open(parse_bind(f"fd://{descriptor}"))
        assert doors.sockets[0].getsockname() == given.getsockname()
        assert not doors.sockets[0].get_inheritable()


@pytest.mark.parametrize("kind", ["file", "datagrams", "not listening", "closed"])
def test_a_descriptor_that_is_none_is_refused_and_left_open(tmp_path, kind: str) -> None:
    made = {
        "file": lambda: open(os.devnull),  # noqa: SIM115  # closed below
        "datagrams": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "not listening": socket.socket,
        "closed": socket.socket,
    }[kind]()
    why = {
        "file": "is no socket",
        "datagrams": "is no stream",
        "not listening": "does not listen",
        "closed": "is not open",
    }[kind]
    descriptor = made.fileno()
    if kind == "closed":
        made.close()
    with pytest.raises(OSError, match=why):
        take_descriptor(descriptor)
    if kind != "closed":
        os.fstat(descriptor)
    made.close()


def test_what_systemd_opened_is_ours_alone() -> None:
    environ = {"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "PATH": "/bin"}
    assert inherited_descriptors(environ, 42) == [3, 4]
    assert environ == {"PATH": "/bin"}


def test_what_systemd_opened_for_another_is_not_believed() -> None:
    environ = {"LISTEN_PID": "41", "LISTEN_FDS": "2"}
    assert inherited_descriptors(environ, 42) == []
    assert inherited_descriptors({}, 42) == []
    with pytest.raises(ValueError, match="LISTEN_FDS=many"):
        inherited_descriptors({"LISTEN_PID": "42", "LISTEN_FDS": "many"}, 42)


def test_as_many_descriptors_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        most = min(before[1], 512) if before[1] != resource.RLIM_INFINITY else 512
        assert allow_descriptors(512) == most
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, before[1])
        assert allow_descriptors(300) == most, "never less than there were"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
