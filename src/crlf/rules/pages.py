"""Error pages: one status and one sentence, as a page for browsers, as JSON for who asks for it.

What a program asked for without saying how is plain text; a page is for who prefers HTML, and a
problem (problems.py) for who prefers JSON. Its law: nothing in it can act. Every word is escaped,
no style or script comes from elsewhere, and neither a path, nor a version, nor what the peer sent
is shown, except as an error's own sentence has it. The pages of folders (server/files) are made
of the same.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from functools import cache
from typing import Final

from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.status import explain, reason_of
from crlf.rules.problems import NO_MEMBERS, PROBLEM, build_problem, form_for
from crlf.rules.routes import METHODS

NOSNIFF: Final = ("x-content-type-options", "nosniff")  # the declared type is the type

_PLAIN: Final = Headers(
    [("content-type", "text/plain; charset=utf-8"), ("vary", "Accept"), NOSNIFF]
)
_PROBLEM: Final = Headers([("content-type", PROBLEM), ("vary", "Accept"), NOSNIFF])
# One for all pages that we make. Text on each of its colours has a contrast of 4.5 to 1 (WCAG 2.2).
STYLE: Final = """\
:root { color-scheme: light dark; --ink: #1c2430; --soft: #566072; --paper: #fff; --line: #d9dee6;
  --link: #0a58b5; --tint: #f2f5f9; --good: #17683a; --bad: #a3242b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #a5aebd; --paper: #14171c;
  --line: #343b47; --link: #8fbcff; --tint: #1f242d; --good: #83d6a4; --bad: #ff9d97; } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif;
  margin: 0; padding: 1.5rem 1rem 3rem; }
main { margin: 0 auto; max-width: 60rem; }
main.notice { font-size: 1.1rem; margin-top: 16vh; max-width: 34rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; overflow-wrap: anywhere; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
small { color: var(--soft); }
pre { font-size: .8rem; overflow: auto; }
"""


def error_response(
    status_code: int,
    sentence: str = "",
    rule: str = "",
    accept: str | None = None,
    *,
    headers: Headers = EMPTY,
    detail: str = "",
    members: Mapping[str, object] = NO_MEMBERS,
) -> Response:
    """Build the answer that says what went wrong.

    sentence: one for people; the status code's own when empty. rule: as in "RFC 9112 3.2".
    accept: the request's Accept field. headers: further fields, such as Allow. detail: lines
    for the program's author, never for strangers. members: more for who reads it as JSON.
    """
    title = f"{status_code} {reason_of(status_code)}".rstrip(" ")
    if not sentence:
        sentence, _, meant = explain(status_code).rpartition(" [")
        rule = rule or meant.rstrip("]")
    sentence = sentence.removesuffix(f" [{rule}]")  # as an error's own ends; it is said below
    form = form_for(accept)
    if form == "problem":
        more = {**members, "traceback": detail.split("\n")} if detail else members
        problem = build_problem(status_code, reason_of(status_code), sentence, rule, more)
        return Response.quick(status_code, _PROBLEM.merged(headers), problem)
    if form == "page":
        below = f"<p><small>{escape(rule)}</small></p>\n" if rule else ""
        below += f'<pre tabindex="0">{escape(detail)}</pre>\n' if detail else ""
        shown = escape(title)
        main = f"<h1>{shown}</h1>\n<p>{escape(sentence)}</p>\n{below}"
        text = build_page(shown, f'<main class="notice">\n{main}</main>\n')
        fields = _html_fields()
    else:
        text = f"{title}\n\n{_visible(sentence)}\n"
        text += f"[{_visible(rule)}]\n" if rule else ""
        text += f"\n{_visible(detail)}\n" if detail else ""
        fields = _PLAIN
    return Response.quick(status_code, fields.merged(headers), text.encode("utf-8", "replace"))


def refuse_method(request: Request, allowed: Headers) -> Response:
    """Answer a method that is not taken here: OPTIONS with what is, the rest with 405 or 501.

    allowed: fields, with Allow among them (RFC 9110 15.5.6; 9.3.7).
    """
    if request.method == "OPTIONS":
        return Response.quick(204, allowed, b"")
    accept = request.headers.get("accept")
    if request.method not in METHODS:  # RFC 9110 9.1
        return error_response(501, accept=accept)
    return error_response(405, accept=accept, headers=allowed)


def build_page(title: str, body: str, style: str = "") -> str:
    """Write a page that needs nothing but itself. All of it has to be HTML already.

    style: what it adds to the one that all pages share.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def build_policy(style: str = "", script: str = "", more: str = "") -> str:
    """Write the Content-Security-Policy of such a page: its style, its script, and no other.

    more: directives, as in "form-action 'self'".
    """
    policy = f"default-src 'none'; style-src {source_of(f'{chr(10)}{STYLE}{style}')}"
    if script:
        policy += f"; script-src {source_of(script)}"
    return f"{policy}; base-uri 'none'; {more}".rstrip("; ")


@cache
def source_of(text: str) -> str:
    """Name an inline style or script by its digest, as a policy does (CSP 3, 2.3.1).

    text: a constant of the program; all that it was asked for stays in memory.
    """
    from hashlib import sha256

    digest = sha256(text.encode()).digest()
    return f"'sha256-{b2a_base64(digest, newline=False).decode()}'"


@cache
def _html_fields() -> Headers:
    return Headers(
        [
            ("content-type", "text/html; charset=utf-8"),
            ("vary", "Accept"),
            ("content-security-policy", build_policy(more="form-action 'none'")),
            NOSNIFF,
        ]
    )


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
