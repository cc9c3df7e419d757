"""The bodies that other parsers are tested with: python-multipart's, werkzeug's, multipart's.

They are in foreign_forms.jsonl, with what is in them. What we read of each is what its own parser
reads, or it is refused, with the rule: where a body can be read in two ways (a boundary with
something behind it, folded or encoded parts, line ends that are none) ours takes neither. And
wherever the bytes are cut, nothing changes.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crlf.message.errors import Malformed, TooLarge
from crlf.wire.multipart import MultipartParser, PartData, PartHead

Parts = list[tuple[str, str | None, str | None, bytes]]
LINES = (Path(__file__).parent / "foreign_forms.jsonl").read_text("utf-8").splitlines()
CASES: list[dict[str, Any]] = [json.loads(line) for line in LINES[1:]]
SMALL = 1200  # bytes of which every cut in two is tried


def unpacked(packed: str) -> bytes:
    return zlib.decompress(b64decode(packed))


def parse(boundary: str, pieces: list[bytes]) -> tuple[Parts, str]:
    """Read a form; return its parts, and the rule or limit that ended it, "" for none."""
    found: list[tuple[PartHead, list[bytes]]] = []
    try:
        parser = MultipartParser(boundary)
        for piece in (*pieces, b""):
            parser.receive(piece)
            while (part := parser.next_part()) is not None:
                if type(part) is PartHead:
                    found.append((part, []))
                elif type(part) is PartData:
                    found[-1][1].append(part.data)
    except Malformed as fault:
        return [], fault.rule
    except TooLarge as fault:
        return [], fault.what
    return [(*head[:3], b"".join(content)) for head, content in found], ""


def cuts(body: bytes) -> Iterator[list[bytes]]:
    """The body in two at every offset, or at many; then in pieces of one size each."""
    step = 1 if len(body) <= SMALL else 37
    for at in range(1, len(body), step):
        yield [body[:at], body[at:]]
    for size in (1, 2, 3, 5, 64):
        yield [body[at : at + size] for at in range(0, len(body), size)]


@pytest.mark.rfc("7578", "4.1")
@pytest.mark.rfc("2046", "5.1.1")
@pytest.mark.parametrize("case", CASES, ids=[f"{case['from']}-{case['name']}" for case in CASES])
def test_a_body_of_others_is_read_the_same_wherever_it_is_cut(case: dict[str, Any]) -> None:
    body = unpacked(case["body"])
    expected = [(*facts, unpacked(content)) for *facts, content in case.get("parts", [])]
    whole = parse(case["boundary"], [body])
    assert whole == (expected, case.get("refused", ""))
    for pieces in cuts(body):
        assert parse(case["boundary"], pieces) == whole, [len(piece) for piece in pieces]


def test_there_are_many_of_each_and_few_are_read_otherwise_than_elsewhere() -> None:
    origins = Counter(case["from"] for case in CASES)
    assert origins["python-multipart"] >= 30
    assert origins["werkzeug"] >= 35
    assert origins["multipart"] >= 50
    refused_here = [case for case in CASES if case.get("elsewhere") == "taken"]
    assert len(refused_here) <= 18
    rules = {case["refused"] for case in refused_here}
    assert rules == {"RFC 2046 5.1.1", "RFC 7578 4.2", "RFC 7578 4.7", "RFC 9110 5.1"}
