"""What users of other clients write by habit is refused in words that say what is meant here."""

from __future__ import annotations

from typing import Any

import pytest

from crlf import App, Client

HABITS = [
    ({"timeout": (3, 5)}, "Timeout\\(connect=3, read=5\\), not \\(3, 5\\)"),
    ({"timeout": "5"}, "a timeout is seconds .* not '5'"),
    ({"headers": {"x-count": 7}}, "the field x-count takes text, and not int"),
    ({"headers": {"authorization": b"x"}}, "field authorization takes text, and not bytes$"),
    ({"headers": [("x-count", 7)]}, "the field x-count takes text"),
    ({"data": "a=1"}, "use content="),
    ({"verify": False}, "a request takes no verify"),
    ({"allow_redirects": False}, "a request takes no allow_redirects"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), HABITS, ids=[str(one[0]) for one in HABITS])
def test_a_habit_is_answered_with_what_is_meant_here(options: dict[str, Any], said: str) -> None:
    with (
        Client(app=App(), base_url="http://localhost/") as client,
        pytest.raises(TypeError, match=said),
    ):
        client.post("", **options)
