"""WWW-Authenticate and Proxy-Authenticate: what a server asks for before it answers.

Challenges and their parameters are separated by the same comma, so a list of them is read from
left to right and never split first (RFC 9110 11.6.1). Its law: one reading or none. A parameter
given twice, or one that belongs to no challenge, makes the field broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from crlf.message.errors import Malformed
from crlf.message.grammar import QUOTED, TOKEN, build_quoted, is_token, unquote
from crlf.patterns import pattern
from crlf.values import frozen

MAX_CHALLENGES: Final = 64  # in one response; servers send one to four
MAX_PARAMS: Final = 64  # of one challenge; Digest has ten
_MOST_EMPTY = 1000  # empty list members that are skipped, as in grammar.split_list

_TOKEN68 = pattern(r"[0-9A-Za-z\-._~+/]+=*+")  # RFC 9110 11.2
_AFTER_TOKEN68 = pattern(r"[ \t]*(?:,|\Z)")
_EQUALS = pattern(r"[ \t]*=[ \t]*")
_BLANKS = pattern(r"[ \t]*")
# RFC 7616 3.3: these must not be quoted; all others are, which every scheme allows.
_NEVER_QUOTED = frozenset({"algorithm", "stale", "userhash"})

Pairs = tuple[tuple[str, str], ...]


@frozen
class Challenge:
    """One challenge: its scheme in lower case, and a token68 or parameters (RFC 9110 11.3).

    params: names in lower case, values unquoted, in the order they came.
    """

    scheme: str
    token68: str | None = None
    params: Pairs = ()

    def param(self, name: str) -> str | None:
        """The value of a parameter, or None; name in lower case."""
        return next((value for key, value in self.params if key == name), None)

    @property
    def realm(self) -> str | None:
        """The name of the protection space (RFC 9110 11.5), or None."""
        return self.param("realm")


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Read the values of all fields of one name, as Headers.get_all gives them.

    Raises Malformed for what has no reading or two, and for over MAX_CHALLENGES challenges.
    """
    found: list[Challenge] = []
    for value in values:
        found += _Reader(value, MAX_CHALLENGES - len(found)).challenges()
    return tuple(found)


def parse_auth_params(value: str) -> Pairs:
    """Read a list of parameters alone, as Authentication-Info is (RFC 9110 11.6.3).

    Names come in lower case, values unquoted. Raises Malformed.
    """
    reader = _Reader(value, 0)
    params: dict[str, str] = {}
    while reader.skips_to_member():
        name = reader.token("a parameter's name")
        reader.add_param(name, params)
    return tuple(params.items())


def build_challenge(
    scheme: str, params: Mapping[str, str] | Pairs = (), *, token68: str | None = None
) -> str:
    """Write a challenge as a field value, its parameters quoted where they may be.

    Raises Malformed when the scheme or a name is no token, a name comes twice, a value has a
    control character or one beyond U+00FF, or token68 stands beside parameters.
    """
    if not is_token(scheme):
        raise Malformed(f"{scheme[:40]!a} is no scheme", "RFC 9110 11.1")
    pairs = tuple(params.items() if isinstance(params, Mapping) else params)
    if token68 is not None:
        if pairs or _TOKEN68.fullmatch(token68) is None:
            raise Malformed("a token68 is one word, and stands alone", "RFC 9110 11.2")
        return f"{scheme} {token68}"
    if len({name.lower() for name, _ in pairs}) < len(pairs):
        raise Malformed("a parameter given twice", "RFC 9110 11.2")
    written = ", ".join([build_auth_param(name, value) for name, value in pairs])
    return f"{scheme} {written}" if written else scheme


def build_auth_param(name: str, value: str) -> str:
    """Write one parameter of a challenge, quoted where it may be. Raises Malformed."""
    if not is_token(name):
        raise Malformed(f"{name[:40]!a} is no name of a parameter", "RFC 9110 11.2")
    if name.lower() not in _NEVER_QUOTED:
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            raise Malformed(f"a character beyond U+00FF in {name}", "RFC 9110 5.5") from None
        return f"{name}={build_quoted(value)}"
    if not is_token(value):
        raise Malformed(f"{name} has to be a token", "RFC 7616 3.3")
    return f"{name}={value}"


class _Reader:
    """Goes through one field value; each step reads on, so the whole takes linear time."""

    def __init__(self, text: str, most: int) -> None:
        self._text = text
        self._at = 0
        self._most = most
        self._empty = 0

    def challenges(self) -> list[Challenge]:
        found: list[Challenge] = []
        scheme: str | None = None
        token68: str | None = None
        params: dict[str, str] = {}
        while self.skips_to_member():
            word = self.token("a scheme")
            if _EQUALS.match(self._text, self._at) is not None:
                if scheme is None or token68 is not None:
                    raise self._fault("a parameter that belongs to no challenge")
                self.add_param(word, params)
                continue
            if scheme is not None:
                found.append(Challenge(scheme, token68, tuple(params.items())))
            if len(found) >= self._most:
                raise self._fault(f"over {MAX_CHALLENGES} challenges")
            scheme, params = word.lower(), {}
            token68 = self._after_scheme(params)
        if scheme is not None:
            found.append(Challenge(scheme, token68, tuple(params.items())))
        return found

    def _after_scheme(self, params: dict[str, str]) -> str | None:
        """Read what follows a scheme within its list member: a token68, a parameter, nothing."""
        text, after = self._text, self._at
        self._skip_blanks()
        if self._at == len(text) or text[self._at] == ",":
            return None
        if self._at == after:
            raise self._fault("a scheme is followed by a blank or a comma")
        word = _TOKEN68.match(text, self._at)
        if word is not None and _AFTER_TOKEN68.match(text, word.end()) is not None:
            self._at = word.end()
            return word[0]
        self.add_param(self.token("a parameter's name"), params)
        return None

    def skips_to_member(self) -> bool:
        """Go to the next list member that is not empty (RFC 9110 5.6.1.2); False at the end."""
        text, first = self._text, self._at == 0
        while True:
            self._skip_blanks()
            if self._at == len(text):
                return False
            if text[self._at] != ",":
                if not first:
                    raise self._fault("something between a value and the comma after it")
                return True
            first = True
            self._at += 1
            self._empty += 1
            if self._empty > _MOST_EMPTY:
                raise self._fault(f"a list of over {_MOST_EMPTY} members")

    def token(self, what: str) -> str:
        found = TOKEN.match(self._text, self._at)
        if found is None:
            raise self._fault(f"{what} has to be a token")
        self._at = found.end()
        return found[0]

    def add_param(self, name: str, params: dict[str, str]) -> None:
        """Read `BWS "=" BWS ( token / quoted-string )` after a name."""
        name = name.lower()
        equals = _EQUALS.match(self._text, self._at)
        if equals is None:
            raise self._fault("a parameter without a value")
        self._at = equals.end()
        if name in params:
            raise self._fault("a parameter given twice")
        if len(params) >= MAX_PARAMS:
            raise self._fault(f"over {MAX_PARAMS} parameters")
        if self._text[self._at : self._at + 1] != '"':
            params[name] = self.token("a value without quotes")
            return
        quoted = QUOTED.match(self._text, self._at)
        if quoted is None:
            raise self._fault("quoted string not closed")
        self._at = quoted.end()
        params[name] = unquote(quoted[0])

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        self._at = self._at if blanks is None else blanks.end()

    def _fault(self, reason: str) -> Malformed:
        return Malformed(reason, "RFC 9110 11.6.1", 400, self._at)
