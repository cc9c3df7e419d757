"""Content-Disposition: the name a file is sent under, and the name it may be kept under.

The field has two dialects: downloads speak RFC 6266 with its quoted strings, forms speak
what browsers write (WHATWG HTML 4.10.21.8), where a backslash is a backslash. A name that
came in is data, and never a path: before it touches a disk it goes through `safe_name`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from crlf.message.fields.media import parse_parameters
from crlf.message.grammar import BLANK, TOKEN
from crlf.message.percent import BAD_ESCAPE, percent_decode, percent_encode
from crlf.patterns import pattern
from crlf.values import frozen

MAX_NAME: Final = 200  # bytes of a file's name; ext4, APFS and NTFS end at 255, backups add to it
NAMELESS: Final = "unnamed"

_ATTR_KEEP = "!#$&+-.^_`|~"  # RFC 8187 3.2.1, attr-char beside letters and digits
_NOT_PLAIN = pattern(r"[^\x20-\x7e]|[\"\\%/]")  # what a filename= in ASCII cannot say safely
_QUOTE = pattern(r'"[ \t]*(;|\Z)?')  # a quote, and whether it ends its value
# What nearly every form field looks like. A path for speed: it gives what the long one gives.
_PLAIN_FORM = pattern(r'form-data; name="([^"\\%\r\n]*)"(?:; filename="([^"\\%\r\n]*)")?')
_FORM_ESCAPE = pattern("%(?:22|0[DdAa])")
_FORM_ESCAPES: Final = {"%22": '"', "%0D": "\r", "%0A": "\n"}

_DROPPED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, lone surrogates, line ends
# Marks that turn the direction of writing: they make "exe.gpj" look like "jpg.exe" and back.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORBIDDEN = pattern(r'[:<>"|?*]')  # on Windows; a colon also opens a second stream (ADS)
_DEVICE = pattern(
    r"(?:CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\xb9\xb2\xb3]) *\Z",
    re.IGNORECASE | re.ASCII,
)


@frozen
class Disposition:
    """What a Content-Disposition says. kind is in lower case: attachment, inline, form-data.

    filename is what the sender wrote, decoded and nothing else: not safe to open or to show.
    """

    kind: str
    name: str | None = None
    filename: str | None = None


def parse_disposition(text: str) -> Disposition | None:
    """Read a Content-Disposition value, one character a byte; None when it is broken.

    Names in UTF-8 are decoded, others are taken as ISO 8859-1. Of `filename` and `filename*`
    the latter counts in a download (RFC 6266 4.3), and the former in a form, where the latter
    should not be (RFC 7578 4.2). A parameter that says two things is broken (RFC 6266 4.1).
    """
    if (plain := _PLAIN_FORM.fullmatch(text)) is not None:
        name, filename = plain.groups()
        return Disposition(
            "form-data", _from_utf8(name), None if filename is None else _from_utf8(filename)
        )
    text = text.strip(BLANK)
    kind = TOKEN.match(text)
    if kind is None:
        return None
    is_form = kind[0].lower() == "form-data"
    read = _parse_form_parameters if is_form else parse_parameters
    parameters = read(text, kind.end())
    if parameters is None:
        return None
    name = parameters.get("name")
    filename = parameters.get("filename")
    extended = parse_extended(parameters.get("filename*", ""))
    if filename is not None:
        filename = _from_utf8(filename)
    if extended is not None and (filename is None or not is_form):
        filename = extended
    return Disposition(kind[0].lower(), None if name is None else _from_utf8(name), filename)


def _parse_form_parameters(text: str, at: int) -> dict[str, str] | None:
    """Read `; name="value"` as browsers write it, from `at` to the end.

    A quote ends its value where a semicolon or the end follows. Any other quote belongs to the
    value if a backslash stands before it (older clients), and makes the text broken if not.
    """
    parameters: dict[str, str] = {}
    text = text[at:].lstrip(BLANK)
    at = 0
    while at < len(text):
        if text[at] != ";":
            return None
        equals = text.find("=", at)
        if equals < 0:
            return None if text[at:].strip(BLANK + ";") else parameters
        name = text[at + 1 : equals].strip(BLANK)
        at = equals + 1
        if TOKEN.fullmatch(name) is None or name.lower() in parameters:
            return None
        value: str | None
        if text[at : at + 1] == '"':
            value, at = _form_value(text, at + 1)
        else:
            end = text.find(";", at)
            end = len(text) if end < 0 else end
            value, at = text[at:end].rstrip(BLANK), end
            if TOKEN.fullmatch(value) is None:
                return None
        if value is None:
            return None
        parameters[name.lower()] = value
    return parameters


def _form_value(text: str, start: int) -> tuple[str | None, int]:
    """Read from after an opening quote; the value, or None, and where the parameter ends."""
    at = start
    while (quote := _QUOTE.search(text, at)) is not None:
        if quote[1] is not None:
            value = text[start : quote.start()].replace('\\"', '"')
            value = _FORM_ESCAPE.sub(lambda found: _FORM_ESCAPES[found[0].upper()], value)
            return value, quote.start(1)
        if text[quote.start() - 1] != "\\":
            return None, at
        at = quote.start() + 1
    return None, at


def parse_extended(text: str) -> str | None:
    """Read `UTF-8''na%C3%AFve` (RFC 8187 3.2); None when it is broken or another charset."""
    charset, _, rest = text.partition("'")
    _, quote, value = rest.partition("'")
    if not quote or charset.lower() not in ("utf-8", "iso-8859-1") or not value.isascii():
        return None
    if BAD_ESCAPE.search(value) is not None:
        return None
    try:
        return percent_decode(value).decode(charset.lower())
    except UnicodeDecodeError:
        return None


def _from_utf8(text: str) -> str:
    """Decode text that has one character a byte, if it is UTF-8; leave it alone if not."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def build_attachment(filename: str, *, inline: bool = False) -> str:
    """Write the Content-Disposition of a download (RFC 6266 4.3, appendix D).

    A name in plain ASCII stands alone; any other goes out as `filename*` in UTF-8 beside an
    ASCII `filename` for whoever does not know better. Controls are left out and separators
    become "_": no recipient has to be careful.
    """
    kind = "inline" if inline else "attachment"
    kept = "".join([letter for letter in filename if not _is_dropped(letter)])
    kept = kept.replace("/", "_").replace("\\", "_")
    if not kept:
        return kind
    if _NOT_PLAIN.search(kept) is None:
        return f'{kind}; filename="{kept}"'
    plain = unicodedata.normalize("NFKD", kept)
    plain = "".join([letter for letter in plain if not unicodedata.combining(letter)])
    plain = _NOT_PLAIN.sub("_", plain)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{percent_encode(kept, _ATTR_KEEP)}"


def _is_dropped(letter: str) -> bool:
    return unicodedata.category(letter) in _DROPPED or letter in _TURNING


def safe_name(filename: str) -> str:
    """Make a name that can be kept in a folder on any system; "unnamed" when nothing is left.

    The part after the last / or \\ in NFC, without controls, lone surrogates and marks that
    turn the writing direction; no dots or blanks at its start or end; what Windows forbids is
    "_", its device names (CON, NUL.txt) get one in front; at most MAX_NAME bytes of UTF-8,
    the suffix kept. It says where nothing is; whether it exists already is not its business.
    """
    name = re.split(r"[/\\]", filename)[-1]
    name = "".join([letter for letter in name if not _is_dropped(letter)])
    name = unicodedata.normalize("NFC", name)
    name = _FORBIDDEN.sub("_", name).lstrip(". ").rstrip(". ")
    if _DEVICE.match(name.partition(".")[0]) is not None:
        name = "_" + name
    if len(name.encode()) > MAX_NAME:
        stem, dot, suffix = name.rpartition(".")
        ending = dot + suffix if stem and len(suffix.encode()) <= 20 else ""
        stem = name.removesuffix(ending)
        room = MAX_NAME - len(ending.encode())
        # Half a letter at the cut is dropped with the rest.
        name = stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + ending
    return name or NAMELESS
