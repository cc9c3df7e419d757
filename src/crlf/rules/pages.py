"""Error pages: one status and one sentence, as a page for browsers and as text for the rest.

What a program asked for without saying how is plain text; a page is for who prefers HTML. Its
law: nothing in it can act. Every word is escaped, no style or script comes from elsewhere, and
neither a path, nor a version, nor what the peer sent is shown, except as an error's own
sentence has it.
"""

from __future__ import annotations

from typing import Final

from crlf.message.fields.negotiation import best_media_type
from crlf.message.headers import EMPTY, Headers
from crlf.message.response import Response
from crlf.message.status import explain, reason_of

NOSNIFF: Final = ("x-content-type-options", "nosniff")  # the declared type is the type

_OFFERED: Final = ("text/plain", "text/html")  # of equals the first
_ANYTHING: Final = (None, "", "*/*")
_PLAIN: Final = Headers(
    [("content-type", "text/plain; charset=utf-8"), ("vary", "Accept"), NOSNIFF]
)
_HTML: Final = Headers(
    [
        ("content-type", "text/html; charset=utf-8"),
        ("vary", "Accept"),
        ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
        NOSNIFF,
    ]
)
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 18vh auto; max-width: 34rem;
  padding: 0 1rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.2; }}
small {{ opacity: .8; }}
pre {{ font-size: .8rem; overflow: auto; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{sentence}</p>
{more}</main>
</body>
</html>
"""


def error_response(
    status_code: int,
    sentence: str = "",
    rule: str = "",
    accept: str | None = None,
    *,
    headers: Headers = EMPTY,
    detail: str = "",
) -> Response:
    """Build the answer that says what went wrong.

    sentence: one for people; the status code's own when empty. rule: as in "RFC 9112 3.2".
    accept: the request's Accept field. headers: further fields, such as Allow. detail: lines
    for the program's author, never for strangers.
    """
    title = f"{status_code} {reason_of(status_code)}".rstrip(" ")
    if not sentence:
        sentence, _, meant = explain(status_code).rpartition(" [")
        rule = rule or meant.rstrip("]")
    wants_page = accept not in _ANYTHING and best_media_type(accept, _OFFERED) == "text/html"
    if wants_page:
        more = f"<p><small>{escape(rule)}</small></p>\n" if rule else ""
        more += f'<pre tabindex="0">{escape(detail)}</pre>\n' if detail else ""
        text = _PAGE.format(title=escape(title), sentence=escape(sentence), more=more)
        fields = _HTML
    else:
        text = f"{title}\n\n{_visible(sentence)}\n"
        text += f"[{_visible(rule)}]\n" if rule else ""
        text += f"\n{_visible(detail)}\n" if detail else ""
        fields = _PLAIN
    return Response.quick(status_code, fields.merged(headers), text.encode("utf-8", "replace"))


def escape(text: str) -> str:
    """Write text so that HTML only shows it, in an element or in an attribute's quotes."""
    text = _visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")


def _visible(text: str) -> str:
    """Replace control characters, which a terminal would obey and no page may have."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else "\ufffd"
        for character in text
    )
