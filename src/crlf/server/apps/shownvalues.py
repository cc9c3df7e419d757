"""What the debug page shows of values: a little of each, and nothing of a secret.

A name says what is secret: that of a variable, a field, a key, a parameter. Its law: a value
whose repr is endless, or raises, costs no more than any other.
"""

from __future__ import annotations

from itertools import islice
from reprlib import Repr
from typing import Any, Final

from crlf.patterns import pattern

MAX_VALUE: Final = 200  # characters
HIDDEN: Final = "..."

# Words in a name after which nothing is shown.
_SECRETS: Final = (
    r"passw|passphrase|pwd|secret|token|credential|cookie|authori[sz]ation|signature|csrf"
    r"|api[_-]?key|private[_-]?key"
)
_SECRET_NAME: Final = pattern(rf"(?i){_SECRETS}|(?:^|[_-])keys?(?:$|[_-])")
_SECRET_PAIR: Final = pattern(
    rf"(?i)((?:{_SECRETS})[A-Za-z0-9_-]{{0,60}}(?:['\"]?[ ]?[=:]|['\"],)[ ]?)"
    r"('[^']*'?|\"[^\"]*\"?|b'[^']*'?|[^ ,;&)}\]'\"]+)"
)
# As in token = "...", {"token": "..."}, TOKENS = ["..."], token: str = "...", x["token"] = "...".
_SECRET_LITERAL: Final = pattern(
    rf"(?i)((?:{_SECRETS})[A-Za-z0-9_-]{{0,60}}['\"]?\]?(?::[A-Za-z_.| ]{{1,40}}(?==))?"
    r"[ ]?[=:]=?[ ]?[\[({]?)[a-z]{0,2}(?:'[^']+'?|\"[^\"]+\"?)"
)
_BEARER: Final = pattern(r"(?i)\b(bearer|basic|digest) [A-Za-z0-9+/=._~-]{6,}")


def is_secret(name: object) -> bool:
    """Tell whether a name is one under which secrets are kept."""
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


def shown(name: str, value: object) -> str:
    """Write a value for the page: at most MAX_VALUE characters, and none of a secret's."""
    if is_secret(name):
        return HIDDEN
    try:
        text = scrubbed(_SHORT.repr(value)[: 20 * MAX_VALUE])
    except Exception as fault:  # whatever a value's own repr may raise
        return f"<{type(value).__name__}, whose repr raises {type(fault).__name__}>"
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}{HIDDEN}"


def scrubbed(text: str) -> str:
    """Return a text without what follows a secret's name, as in `token=abc`."""
    return _BEARER.sub(rf"\1 {HIDDEN}", _SECRET_PAIR.sub(rf"\1{HIDDEN}", text))


def without_literals(text: str) -> str:
    """Return a line of source without a text that is given to a secret's name in it."""
    return _SECRET_LITERAL.sub(rf"\1{HIDDEN}", text)


class _Short(Repr):
    """Writes values without walking all of what is large, and hides secrets in mappings."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 20 * MAX_VALUE
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 20
        self.maxlevel = 4

    def repr1(self, x: Any, level: int) -> str:
        """Write a value; a kind of dict, such as a session, as a dict."""
        is_dict = isinstance(x, dict) and type(x).__repr__ is dict.__repr__
        return self.repr_dict(x, level) if is_dict else super().repr1(x, level)

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Write the first of a dict's pairs, without the values of secrets."""
        if level <= 0 or not x:
            return "{...}" if x else "{}"
        pairs = [
            f"{self.repr1(key, level - 1)}: "
            + (HIDDEN if is_secret(key) else self.repr1(value, level - 1))
            for key, value in islice(x.items(), self.maxdict)
        ]
        return f"{{{', '.join(pairs)}{', ...' if len(x) > self.maxdict else ''}}}"

    def repr_bytes(self, x: bytes, level: int) -> str:
        """Write the first bytes, and how many there are."""
        return repr(x[:MAX_VALUE]) + (f"... ({len(x):,} bytes)" if len(x) > MAX_VALUE else "")


_SHORT: Final = _Short()
