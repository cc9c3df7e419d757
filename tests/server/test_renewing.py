"""Certificates are renewed while a server runs: when it is told to, and when their files change."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from crlf import App, Server
from crlf.server import renewing
from crlf.server.settings import ServerSettings

AUTHORITY = trustme.CA()
TOLD = "the certificates cannot be loaded anew"
SEEN = "the certificates have changed and"


def write(path: Path) -> None:
    """Put another certificate, with its key, in the place of what is there."""
    fresh = path.with_suffix(".new")
    AUTHORITY.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(fresh)
    fresh.chmod(0o600)
    fresh.replace(path)


async def number_of(port: int) -> str:
    """Return the number of the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    _, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    shown = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    await writer.wait_closed()
    return str(shown["serialNumber"])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await holds():
            await asyncio.sleep(0.02)


def play(path: Path, story: Callable[[Server, str], Awaitable[None]]) -> None:
    """Tell a story to a server whose certificate is that file. It is given the first number."""
    write(path)

    async def told() -> None:
        settings = ServerSettings(bind=("127.0.0.1:0",), certificates=(str(path),))
        server = Server(App(sessions=False), settings=settings)
        await server.start()
        try:
            await story(server, await number_of(server.port))
        finally:
            await server.stop()

    asyncio.run(told())


def test_a_server_that_is_told_loads_them_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "_LOOK", 3600.0)  # it does not look by itself
    path = tmp_path / "here.pem"

    async def story(server: Server, first: str) -> None:
        write(path)
        assert await number_of(server.port) == first
        server.renew()

        async def is_another() -> bool:
            return await number_of(server.port) != first

        await until(is_another)
        second = await number_of(server.port)
        path.write_text("no certificate", encoding="utf-8")
        server.renew()

        async def is_told() -> bool:
            return TOLD in caplog.text

        await until(is_told)
        assert await number_of(server.port) == second, "the old ones are used on"

    play(path, story)
    assert caplog.text.count(TOLD) == 1


def test_a_server_sees_by_itself_that_files_have_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "_LOOK", 0.0)  # with each second
    path = tmp_path / "here.pem"

    async def story(server: Server, first: str) -> None:
        async def is_told(words: str) -> bool:
            return words in caplog.text

        write(path)
        await until(lambda: is_told(f"{SEEN} were loaded anew"))
        second = await number_of(server.port)
        assert second != first
        path.write_text("no certificate", encoding="utf-8")
        await until(lambda: is_told(f"{SEEN} cannot be loaded"))
        assert await number_of(server.port) == second

    play(path, story)
