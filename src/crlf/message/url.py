"""URLs: the text as it came, and what it says.

A valid URL goes out byte for byte as it came in, because somebody may have signed it: no
dot segment is removed, nothing is re-encoded, no case is changed. What RFC 3986 has no place
for is percent-encoded once, on the way in. Its law: `URL(str(url)) == url`, and `str(url)` is
ASCII that any reader takes apart in the same way; what could be read in two ways is a BadUrl.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, final

from crlf.message.authority import MAX_HOST, PLAIN_HOST, in_brackets
from crlf.message.errors import BadUrl
from crlf.message.params import Params
from crlf.message.percent import encode_plus, path_segments, percent_decode
from crlf.message.reference import (
    ESCAPE,
    PATH,
    QUERY,
    encode_path,
    encode_query,
    read_authority,
    read_port,
    remove_dot_segments,
    split_reference,
)
from crlf.message.target import Target
from crlf.patterns import pattern

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

# Names with values: text, numbers, truth values, None (left out), or lists of those.
Pairs = Mapping[str, object] | Iterable[tuple[str, object]]

# Almost every URL there is. Possessive throughout, so it reads the text once.
_PLAIN_URL = pattern(
    rf"([Hh][Tt][Tt][Pp][Ss]?)://({PLAIN_HOST})(?::([0-9]{{1,5}}))?"
    rf"((?:/[{PATH}]*+(?:{ESCAPE}[{PATH}]*+)*+)?)"
    rf"(?:\?([{QUERY}]*+(?:{ESCAPE}[{QUERY}]*+)*+))?"
    rf"(?:#([{QUERY}]*+(?:{ESCAPE}[{QUERY}]*+)*+))?"
)


class Origin(NamedTuple):
    """Who is spoken to; what credentials, cookies and connections are tied to (RFC 9110 4.3.1)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Write it as the Origin field has it (RFC 6454 6.2): without a default port."""
        default = self.port == DEFAULT_PORTS.get(self.scheme, 0)
        return f"{self.scheme}://{in_brackets(self.host)}{'' if default else f':{self.port}'}"


@final
class URL:
    """An absolute URL. Immutable, and equal to another when their texts are equal.

    http and https URLs are checked in full, so that one that exists can be asked for; of other
    schemes only the generic form of RFC 3986 is read, for links that lead elsewhere. Length has
    no limit here, and reading takes time in proportion to it: the limits of a message's head
    hold for what comes in and goes out.
    """

    __slots__ = (
        "_fragment",
        "_host",
        "_path",  # raw; may be empty
        "_path_at",  # where the path begins in the text
        "_port",  # None: not written
        "_query",
        "_scheme",
        "_text",
        "_userinfo",  # raw, without the @
    )

    _fragment: str | None
    _host: str
    _path: str
    _path_at: int
    _port: int | None
    _query: str | None
    _scheme: str
    _text: str
    _userinfo: str | None

    def __init__(self, text: str) -> None:
        """Read an absolute URL, percent-encoding as UTF-8 what has no place in one.

        Encoded are blanks, `"<>\\^`{|}`, percent signs that start no escape, and everything
        beyond ASCII; in the host, IDNA is used (UTS 46). Raises BadUrl: on control characters,
        blanks at the ends, no scheme, and on a host that is missing or not plainly one host.
        """
        plain = _PLAIN_URL.fullmatch(text)
        if plain is None:
            self._take_apart(text)
            return
        scheme, host, port, self._path, self._query, self._fragment = plain.groups()
        if len(host) > MAX_HOST:
            raise BadUrl(f"host of over {MAX_HOST} characters")
        self._port = None if port is None else read_port(port)
        self._text = text
        self._scheme = scheme.lower()
        self._host = host.lower()
        self._userinfo = None
        self._path_at = plain.start(4)

    def _take_apart(self, text: str) -> None:
        """Read what _PLAIN_URL does not match."""
        if not text:
            raise BadUrl("an empty URL")
        scheme, authority, path, query, self._fragment = split_reference(text)
        if scheme is None:
            raise BadUrl("no scheme: a URL starts with http:// or https://")
        self._scheme = scheme.lower()
        start = f"{scheme}:"
        if authority is not None:
            is_web = self._scheme in DEFAULT_PORTS
            self._userinfo, self._host, self._port, shown = read_authority(authority, is_web)
            start = f"{scheme}://{shown}"
        elif self._scheme in DEFAULT_PORTS:
            raise BadUrl(f"no host: {self._scheme}: goes on with //")
        else:
            self._userinfo, self._host, self._port = None, "", None
        self._path = encode_path(path)
        self._query = query
        self._path_at = len(start)
        self._text = f"{start}{self._path}"
        if query is not None:
            self._query = encode_query(query)
            self._text += f"?{self._query}"
        if self._fragment is not None:
            self._fragment = encode_query(self._fragment)
            self._text += f"#{self._fragment}"

    @classmethod
    def received(cls, scheme: str, authority: str, target: Target) -> URL:
        """Build the URL that a request was for (RFC 9110 7.1, RFC 9112 3.3).

        scheme: "https" where the connection is secured, else "http".
        authority: the Host field's value, or the server's own name where that is empty.

        An absolute form's own scheme and authority come before both. Characters that browsers
        send although a URL has no place for them are percent-encoded; the raw target is in the
        request's head. Raises BadUrl when there is no host at all.
        """
        if target.authority is not None:
            scheme, authority = target.scheme or scheme, target.authority
        path = "" if target.form == "asterisk" or target.path == "*" else target.path
        query = "" if target.query is None else f"?{target.query}"
        return cls(f"{scheme}://{authority}{path}{query}")

    @property
    def scheme(self) -> str:
        """The scheme, in lower case."""
        return self._scheme

    @property
    def username(self) -> str | None:
        """The user name, decoded; None when the URL has no userinfo."""
        if self._userinfo is None:
            return None
        return percent_decode(self._userinfo.partition(":")[0]).decode()

    @property
    def password(self) -> str | None:
        """The password, decoded; None when the URL has none."""
        if self._userinfo is None or ":" not in self._userinfo:
            return None
        return percent_decode(self._userinfo.partition(":")[2]).decode()

    @property
    def host(self) -> str:
        """The host, in lower case and ASCII (IDNA A-labels).

        IPv6 is without brackets, its zone after a plain percent sign, as getaddrinfo wants it.
        Empty only for schemes that need no host.
        """
        return self._host

    @property
    def explicit_port(self) -> int | None:
        """The port as written; None when it is not."""
        return self._port

    @property
    def port(self) -> int:
        """The port to connect to; 0 when none is written and the scheme has none."""
        return self._port if self._port is not None else DEFAULT_PORTS.get(self._scheme, 0)

    @property
    def path(self) -> str:
        """The path, raw; "/" when an http or https URL has none."""
        return self._path or ("/" if self._scheme in DEFAULT_PORTS else "")

    @property
    def query(self) -> str | None:
        """What stands after the question mark, raw; None when there is none."""
        return self._query

    @property
    def fragment(self) -> str | None:
        """What stands after #, raw; None when there is none. It is never sent."""
        return self._fragment

    @property
    def target(self) -> str:
        """What goes in the request line: path and query, raw (origin form, RFC 9112 3.2.1)."""
        return self.path if self._query is None else f"{self.path}?{self._query}"

    @property
    def authority(self) -> str:
        """What goes in the Host field (RFC 9112 3.2): host, and port unless it is the default.

        Never with userinfo (RFC 9110 4.2.4), never with an IPv6 zone.
        """
        host = in_brackets(self._host)
        if self._port is None or self._port == DEFAULT_PORTS.get(self._scheme):
            return host
        return f"{host}:{self._port}"

    @property
    def origin(self) -> Origin:
        """Scheme, host and effective port."""
        return Origin(self._scheme, self._host, self.port)

    @property
    def segments(self) -> list[str]:
        """The path's segments, each decoded by itself; see percent.path_segments."""
        return path_segments(self.path)

    @property
    def is_requestable(self) -> bool:
        """Whether HTTP can fetch it: the scheme is http or https."""
        return self._scheme in ("http", "https")

    @property
    def redacted(self) -> str:
        """The text with *** for the password: for logs, errors and people.

        A user name without a password is one, as often as not (`https://TOKEN@host/`).
        """
        if self._userinfo is None:
            return self._text
        user, _, password = self._userinfo.partition(":")
        return self._with_userinfo(f"{user}:***@" if password else "***@")

    def without_credentials(self) -> URL:
        """Give the same URL without user name and password."""
        return self if self._userinfo is None else URL(self._with_userinfo(""))

    def _with_userinfo(self, replacement: str) -> str:
        start = len(self._scheme) + 3
        end = start if self._userinfo is None else start + len(self._userinfo) + 1
        return f"{self._text[:start]}{replacement}{self._text[end:]}"

    def with_fragment(self, fragment: str | None) -> URL:
        """Give the same URL with another fragment, encoded where it must be; None removes it."""
        start = self._text.partition("#")[0]
        return URL(start if fragment is None else f"{start}#{fragment}")

    def with_params(self, params: Pairs) -> URL:
        """Add names and values to the end of the query, encoded as a form's are.

        None leaves a name out, a list or tuple repeats it, True and False are "true" and
        "false". What the query already has stays as it is. Raises TypeError on other values.
        """
        added = build_pairs(params)
        if not added:
            return self
        start, mark, fragment = self._text.partition("#")
        between = "?" if self._query is None else "&" if self._query else ""
        return URL(f"{start}{between}{added}{mark}{fragment}")

    def join(self, reference: str) -> URL:
        """Follow a reference found at this URL, strictly by RFC 3986 5.2.

        Nothing but what the RFC says is inherited; the fragment is not. Raises BadUrl when what
        comes out is no URL, as from "http:g".
        """
        if not reference:
            return self.with_fragment(None)
        scheme, authority, path, query, fragment = split_reference(reference)
        base, has_authority = self._text[: self._path_at], authority is not None
        if scheme is not None or has_authority:
            base = f"{base[: len(self._scheme)] if scheme is None else scheme}:"
            base += f"//{authority}" if has_authority else ""
            path = remove_dot_segments(path)
        else:
            has_authority = self._path_at > len(self._scheme) + 1
            if not path:
                path, query = self._path, self._query if query is None else query
            else:
                path = remove_dot_segments(path if path[0] == "/" else self._merge(path))
        if not has_authority and path.startswith("//"):
            path = f"/.{path}"  # RFC 3986 3.3: else its start would be read as an authority
        text = base + path
        text += "" if query is None else f"?{query}"
        return URL(text if fragment is None else f"{text}#{fragment}")

    def _merge(self, path: str) -> str:
        """Put a relative path in the place of the last segment (RFC 3986 5.2.3)."""
        if not self._path and self._path_at > len(self._scheme) + 1:
            return f"/{path}"
        return self._path[: self._path.rfind("/") + 1] + path

    def __str__(self) -> str:
        """The whole text, password included."""
        return self._text

    def __repr__(self) -> str:
        return f"URL({self.redacted!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, URL) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[type[URL], tuple[str]]:
        return URL, (self._text,)


def text_pairs(pairs: Pairs) -> Iterator[tuple[str, str]]:
    """Yield names and values as text, a name once for each value; see URL.with_params.

    Raises TypeError for a value that is no text, number or truth value.
    """
    if isinstance(pairs, Params):
        each: Iterable[tuple[str, object]] = pairs.pairs
    else:
        each = pairs.items() if isinstance(pairs, Mapping) else pairs
    for name, values in each:
        for value in values if isinstance(values, list | tuple) else (values,):
            if value is not None:
                yield name, _as_text(value)


def build_pairs(pairs: Pairs) -> str:
    """Write names and values as a form's are, joined by &; see URL.with_params."""
    return "&".join(
        [f"{encode_plus(name)}={encode_plus(value)}" for name, value in text_pairs(pairs)]
    )


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise TypeError(f"a parameter is text, a number or None, not {type(value).__name__}")
