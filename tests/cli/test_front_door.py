"""What `import crlf` gives: one request without a client, and every name where it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import crlf as package

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "options"])
def test_every_verb_is_a_function(verb: str, site: str) -> None:
    response = getattr(package, verb)(f"{site}/echo", params={"a": 1}, headers={"X-A": "b"})
    assert isinstance(response, package.Response)
    answer = response.json()
    assert (answer["method"], answer["target"]) == (verb.upper(), "/echo?a=1")
    assert ["x-a", "b"] in answer["headers"]


def test_head_and_any_method(site: str) -> None:
    assert package.head(f"{site}/page").content == b""
    assert package.request("PURGE", f"{site}/echo").json()["method"] == "PURGE"


def test_a_stream_is_read_as_it_comes(site: str) -> None:
    with package.stream("GET", f"{site}/pieces") as response:
        assert (response.status_code, response.version) == (200, "1.1")
        assert list(response.iter_lines()) == ["one", "two"]


def test_a_field_of_none_is_taken_away_whatever_it_stands_in(site: str) -> None:
    for headers in ({"user-agent": None}, [("user-agent", None), ("x-a", "1"), ("x-a", "2")]):
        answer = package.get(f"{site}/echo", headers=headers).json()
        assert "user-agent" not in dict(answer["headers"])


def test_a_stream_may_have_a_time_limit_for_all_of_it(site: str) -> None:
    with (
        pytest.raises(package.TotalTimeout),
        package.stream("GET", f"{site}/pieces", timeout=0.05) as response,
    ):
        response.read()


def test_all_names_can_be_imported_at_once() -> None:
    script = "from crlf import *; import crlf, json; print(json.dumps(sorted(crlf.__all__)))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT / "src",
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing  # type: ignore[attr-defined]
