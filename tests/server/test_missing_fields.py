"""What a handler asks for by its bare name, and nobody sent, is the visitor's fault: 400."""

from __future__ import annotations

import pytest

from crlf import App, Client, MissingParameter, Request
from crlf.message.params import Params
from crlf.message.uploads import Files

pytestmark = pytest.mark.rfc("9110", "15.5.1")


@pytest.mark.parametrize("where", ["query", "form", "cookies", "files"])
def test_it_is_400_and_named(where: str) -> None:
    app = App(sessions=False)

    @app.post("/")
    def ask(request: Request) -> str:
        return str(getattr(request, where)["colour"])

    with Client(app=app, base_url="http://localhost") as client:
        answer = client.post("/", data={"size": "7"})
    assert answer.status_code == 400
    assert "'colour' is missing" in answer.text


def test_it_is_a_key_error_all_the_same() -> None:
    for mapping in (Params([("a", "1")]), Files()):
        assert mapping.get("b") is None
        assert "b" not in mapping
        with pytest.raises(KeyError) as caught:
            mapping["b"]
        assert isinstance(caught.value, MissingParameter)
        assert caught.value.name == "b"
    assert Params([("a", "")])["a"] == ""
