"""What a request and a response have in common: fields, and content that can be read as text.

Both are values: nothing of a message changes, the with_... methods return copies. The content
is bytes when it is here whole, and a Body while it is still under way.
"""

from __future__ import annotations

from typing import Any, Self

from crlf.message.body import Body
from crlf.message.content import decode_text, encoding_of, parse_json
from crlf.message.headers import Headers


class Message:
    """An HTTP message (RFC 9110 section 6)."""

    __slots__ = ("_body", "_extras", "headers", "version")

    headers: Headers
    version: str  # "1.1" or "1.0"
    _body: bytes | Body
    _extras: dict[str, object] | None

    @property
    def body(self) -> bytes | Body:
        """The content: bytes when it is here whole, otherwise a Body."""
        return self._body

    @property
    def content(self) -> bytes:
        """The content as bytes. Raises RuntimeError when it is a stream."""
        if isinstance(self._body, bytes):
            return self._body
        raise RuntimeError("the content of this message is a stream; read it from .body")

    @property
    def encoding(self) -> str:
        """The character encoding that `text` uses."""
        return encoding_of(self.headers, self.content)

    @property
    def text(self) -> str:
        """The content as text; see crlf.message.content for how the encoding is found."""
        return decode_text(self.headers, self.content)

    def json(self) -> Any:
        """Parse the content as JSON. Raises Malformed (a ValueError, 400) when it is not."""
        return parse_json(self.content)

    @property
    def extras(self) -> dict[str, object]:
        """Room for what filters, servers and connections know of this message: "session", ..."""
        if self._extras is None:
            self._extras = {}
        return self._extras

    def _copy(self) -> Self:
        copy = type(self).__new__(type(self))
        for kind in (Message, type(self)):
            for slot in kind.__slots__:
                setattr(copy, slot, getattr(self, slot))
        return copy

    def with_headers(self, headers: Headers) -> Self:
        """Return a copy with these fields and no others."""
        copy = self._copy()
        copy.headers = headers
        return copy

    def with_field(self, name: str, value: str) -> Self:
        """Return a copy in which a field has this one value."""
        return self.with_headers(self.headers.with_field(name, value))

    def adding_field(self, name: str, value: str) -> Self:
        """Return a copy with one more field, as Set-Cookie needs."""
        return self.with_headers(self.headers.adding(name, value))

    def without_fields(self, *names: str) -> Self:
        """Return a copy without the fields of these names."""
        return self.with_headers(self.headers.without(*names))
