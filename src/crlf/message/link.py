"""A link from one resource to another, as the Link field and pages have them (RFC 8288)."""

from __future__ import annotations

from crlf.message.url import URL
from crlf.values import frozen


@frozen
class Link:
    """A link: where to, in which relations, and what else it says.

    rel: relation types in lower case, as ("next",). params: every other parameter in order, names
    in lower case, values unquoted and one character a byte; rel itself is not among them. anchor:
    what the link is about where that is not the response's own URL.
    """

    url: URL
    rel: tuple[str, ...]
    params: tuple[tuple[str, str], ...] = ()
    anchor: URL | None = None

    def param(self, name: str) -> str | None:
        """The first value of a parameter, name in lower case, or None."""
        return next((value for key, value in self.params if key == name), None)

    @property
    def title(self) -> str | None:
        """What to call it; title* where that can be read (RFC 8288 3.4.1)."""
        plain, extended = self.param("title"), self.param("title*")
        if extended is None:
            return plain
        from crlf.message.fields.disposition import parse_extended  # few titles are beyond ASCII

        read = parse_extended(extended)
        return plain if read is None else read

    @property
    def type(self) -> str | None:
        """A hint at the media type of what is there."""
        return self.param("type")

    @property
    def hreflang(self) -> tuple[str, ...]:
        """Hints at the languages of what is there."""
        return tuple([value for key, value in self.params if key == "hreflang"])
