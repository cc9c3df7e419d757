"""The small words of HTTP's grammar: tokens, digits, quoted strings.

Every parser of crlf reads numbers and names through these functions, because Python's own
(`int`, `isdigit`, `strip`, `\\w`) accept far more than HTTP does: signs, underscores,
blanks, Unicode digits. Text here is str holding only characters below 256 (one a byte).
"""

from __future__ import annotations

from crlf.message.errors import Malformed
from crlf.patterns import pattern

TOKEN = pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
DIGITS = pattern(r"[0-9]+")
HEX_DIGITS = pattern(r"[0-9A-Fa-f]+")
# RFC 9110 5.6.4: qdtext and quoted-pair; one character class a step, so it cannot backtrack.
QUOTED = pattern(r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"')
QUOTED_PAIR = pattern(r"\\(.)")
BLANK = " \t"  # OWS, RFC 9110 5.6.3


def is_token(text: str) -> bool:
    """Tell whether text is a token: at least one tchar and nothing else (RFC 9110 5.6.2)."""
    return TOKEN.fullmatch(text) is not None


def parse_digits(text: str, most: int = 19) -> int | None:
    """Read 1*DIGIT as a number; None when it is anything else, or over `most` digits long."""
    if len(text) > most or DIGITS.fullmatch(text) is None:
        return None
    return int(text)


def parse_hex(text: str, most: int = 16) -> int | None:
    """Read 1*HEXDIG as a number; None when it is anything else, or over `most` digits long."""
    if len(text) > most or HEX_DIGITS.fullmatch(text) is None:
        return None
    return int(text, 16)


def unquote(text: str) -> str:
    """Take the quotes and backslashes from a quoted-string that QUOTED has matched."""
    inner = text[1:-1]
    return QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner


def build_quoted(text: str) -> str:
    """Write text as a quoted-string. Raises Malformed on a control character."""
    if any((character < " " and character != "\t") or character == "\x7f" for character in text):
        raise Malformed("control character in a quoted string", "RFC 9110 5.6.4")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_list(text: str, most: int = 1000) -> list[str]:
    """Split a list field's value at its commas, quoted strings kept whole, empty members dropped.

    RFC 9110 5.6.1.2: a reader must skip a reasonable number of empty members. Raises Malformed
    when a quoted string is not closed or there are more than `most` members, empty ones counted.
    """
    if '"' not in text:
        if text.count(",") >= most:
            raise Malformed(f"a list of over {most} members", "RFC 9110 5.6.1.2")
        return [member for piece in text.split(",") if (member := piece.strip(BLANK))]
    members: list[str] = []
    start = at = seen = 0
    while at <= len(text):
        if at == len(text) or text[at] == ",":
            seen += 1
            if seen > most:
                raise Malformed(f"a list of over {most} members", "RFC 9110 5.6.1.2")
            if member := text[start:at].strip(BLANK):
                members.append(member)
            start = at = at + 1
        elif text[at] == '"':
            quoted = QUOTED.match(text, at)
            if quoted is None:
                raise Malformed("quoted string not closed", "RFC 9110 5.6.4", offset=at)
            at = quoted.end()
        else:
            at += 1
    return members
