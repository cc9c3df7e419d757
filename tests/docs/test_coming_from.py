"""The table for who comes from elsewhere names nothing that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import crlf
from crlf.client import streamed
from crlf.client.download import DownloadOptions
from crlf.client.options import ClientOptions, RequestOptions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client" / "coming-from.md"
CODE = re.compile(r"`([^`]+)`")
OPTION = re.compile(r"([A-Za-z.]+)\(([a-z_]+)=\)")
TAKES = {
    "Client": ClientOptions.__annotations__,
    "download": DownloadOptions.__annotations__,
    "get": RequestOptions.__annotations__,
}


def rows(page: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables whose second column is crlf's."""
    ours = False
    for line in page.splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if set(line) <= set("| -"):
            continue
        if "crlf" in cells:
            ours = cells[1] == "crlf"
        elif ours:
            yield cells


def names_in(page: str) -> list[str]:
    return [name for cells in rows(page) for name in CODE.findall(cells[1])]


def find(name: str) -> object:
    """Find what a name of the table stands for. Raises LookupError, AttributeError."""
    option = OPTION.fullmatch(name)
    if option is not None:
        taken = TAKES.get(option[1])
        return (find(option[1]).__annotations__ if taken is None else taken)[option[2]]
    words = name.split(".")
    if words[0] not in crlf.__all__ and not words[0].endswith("StreamedResponse"):
        raise LookupError(name)
    found: object = streamed if words[0].endswith("StreamedResponse") else crlf
    for word in words:
        found = getattr(found, word)
    return found


@pytest.mark.parametrize("name", sorted(set(names_in(PAGE.read_text(encoding="utf-8")))))
def test_every_name_of_ours_exists(name: str) -> None:
    assert find(name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "Session", "Client(hooks=)", "Response.ok", "Timeout(pause=)", "Retry(total=)",
        "StreamedResponse.iter_content", "get(stream=)",
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_is_seen(name: str) -> None:
    with pytest.raises((LookupError, AttributeError)):
        find(name)


def test_no_error_of_a_client_is_left_out() -> None:
    """Who catches errors elsewhere finds each of ours, or the one that it is a kind of."""
    page = PAGE.read_text(encoding="utf-8")
    servers = {"BadParameter", "BadSignature", "MissingParameter", "StoreUnavailable"}
    ours = {"BlockedAddress", "DigestMismatch", "TooLarge"}  # nobody else has them
    same = {"ConnectTimeout", "PoolTimeout", "ReadTimeout", "TooManyRedirects", "WriteTimeout"}
    errors = {
        name
        for name in crlf.__all__
        if isinstance(found := getattr(crlf, name), type) and issubclass(found, crlf.CrlfError)
    }
    shown = {name for cells in rows(page) for cell in cells[1:] for name in CODE.findall(cell)}
    assert errors - shown - servers - ours - same <= {"ProtocolError"}


@pytest.mark.parametrize("library", ["requests", "httpx"])
def test_every_name_of_theirs_exists(library: str) -> None:
    theirs = pytest.importorskip(library)
    page = PAGE.read_text(encoding="utf-8")
    dotted = [
        name.removeprefix(f"{library}.")
        for cells in rows(page)
        for name in CODE.findall(cells[0])
        if re.fullmatch(rf"{library}\.[A-Za-z.]+", name)
    ]
    assert len(dotted) > 3
    for name in dotted:
        found = theirs
        for word in name.split("."):
            found = getattr(found, word)
