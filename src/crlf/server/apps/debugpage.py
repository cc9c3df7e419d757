"""The debug page: an error, where it came from, with which values, and the request as it came.

For the author alone, on the machine where the program runs (errorpages.py decides that). Errors
stand newest first, then what led to them; so do their frames, those of the program open and
those of libraries closed. Its law: nothing in it can act, it is bounded whatever the values are,
and what is named like a secret is not shown.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Sequence
from linecache import getlines
from pathlib import Path
from sysconfig import get_paths
from types import CodeType, FrameType, TracebackType
from typing import Final, NamedTuple

from crlf.message.headers import Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.status import reason_of
from crlf.message.version import __version__
from crlf.rules.pages import NOSNIFF, build_page, build_policy, error_response, escape
from crlf.rules.problems import form_for
from crlf.server.apps.handlers import Endpoint, name_of
from crlf.server.apps.shownvalues import (
    HIDDEN,
    MAX_VALUE,
    is_secret,
    scrubbed,
    shown,
    without_literals,
)

MAX_ERRORS: Final = 8  # of a chain, or a group, and what led to them
MAX_FRAMES: Final = 24  # of each: the innermost, beside the first
MAX_VALUES: Final = 32  # of each frame
MAX_MESSAGE: Final = 2_000  # characters
MAX_FIELD: Final = 1_000  # characters
MAX_PAGE: Final = 512 * 1024  # characters, about: frames beyond are left out
LINES_BEFORE, LINES_AFTER = 4, 3
_OWN: Final = str(Path(__file__).parents[2])  # where crlf lives
_LIBRARIES: Final = tuple({_OWN, *(get_paths()[name] for name in ("stdlib", "purelib", "platlib"))})

_STYLE: Final = """\
:root { --hit: #fde8e6; }
@media (prefers-color-scheme: dark) { :root { --hit: #4b2325; } }
code, pre, dt, dd { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
header { border-left: .35rem solid var(--bad); margin-bottom: 2rem; padding-left: 1rem; }
header p { margin: .25rem 0; }
h1 { color: var(--bad); margin: 0; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 2rem 0 .75rem; overflow-wrap: anywhere; }
.message { font-size: 1.15rem; overflow-wrap: anywhere; white-space: pre-wrap; }
.soft, summary span { color: var(--soft); }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; padding: .5rem .75rem; }
summary b { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--tint); font-size: .85rem; line-height: 1.6; margin: 0; }
pre i { color: var(--soft); display: inline-block; font-style: normal; margin-right: 1rem;
  min-width: 3rem; text-align: right; }
.source { padding: .5rem 0; }
.source span { display: block; min-width: max-content; padding-right: 1rem; }
.source .hit { background: var(--hit); box-shadow: inset .25rem 0 var(--bad); font-weight: 600; }
dl { display: grid; font-size: .85rem; gap: .25rem 1rem; margin: 0; padding: .75rem;
  grid-template-columns: minmax(5rem, max-content) minmax(0, 1fr); }
dt { color: var(--soft); max-width: 12rem; overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; }
.wire { border: 1px solid var(--line); border-radius: .5rem; overflow-wrap: anywhere;
  padding: .75rem; white-space: pre-wrap; }
.text { padding: .75rem; }
footer { border-top: 1px solid var(--line); color: var(--soft); margin-top: 3rem; }
@media (max-width: 34rem) { dl { gap: 0; grid-template-columns: 1fr; }
  dd { margin-bottom: .5rem; } pre i { margin-right: .5rem; min-width: 2rem; } }
"""


def debug_response(request: Request, error: BaseException) -> Response:
    """Answer 500 with all there is to know: as a page for browsers, else as error_response."""
    accept = request.headers.get("accept")
    if form_for(accept) != "page":
        detail = as_text(error)
        return error_response(500, accept=accept, detail=detail)
    page = build_page(escape(_title(error)), _body(request, error), _STYLE)
    fields = Headers(
        [
            ("content-type", "text/html; charset=utf-8"),
            ("vary", "Accept"),
            ("cache-control", "no-store"),
            ("content-security-policy", build_policy(_STYLE, more="form-action 'none'")),
            ("referrer-policy", "no-referrer"),
            NOSNIFF,
        ]
    )
    return Response.quick(500, fields, page.encode("utf-8", "replace"))


def as_text(error: BaseException) -> str:
    """Write the traceback as Python does, bounded."""
    try:
        text = "".join(traceback.format_exception(error, limit=-MAX_FRAMES))
    except Exception:  # an error's own methods may raise anything
        return f"{type(error).__name__}, which cannot be shown"
    return text if len(text) <= MAX_PAGE // 4 else f"{text[: MAX_PAGE // 4]}\n{HIDDEN}"


# -- which errors there are


class _Told(NamedTuple):
    """An error, and what it has to do with the one before."""

    error: BaseException
    how: str


def _errors(error: BaseException) -> Iterator[_Told]:
    """Give an error, what it was raised because of, and those that are in it."""
    waiting, seen = [_Told(error, "")], set[int]()
    while waiting and len(seen) < MAX_ERRORS:
        told = waiting.pop()
        one = told.error
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield told
        if one.__cause__ is not None:
            waiting.append(_Told(one.__cause__, "Because of"))
        elif one.__context__ is not None and not one.__suppress_context__:
            waiting.append(_Told(one.__context__, "While this was being dealt with"))
        if isinstance(one, BaseExceptionGroup):
            most = len(one.exceptions)
            waiting += [
                _Told(inner, f"In it, {number} of {most}")
                for number, inner in reversed([*enumerate(one.exceptions, 1)][:MAX_ERRORS])
            ]


def _frames(error: BaseException) -> tuple[list[tuple[FrameType, int]], int]:
    """Give the frames that an error passed, innermost first, and how many are left out."""
    frames: list[tuple[FrameType, int]] = []
    where: TracebackType | None = error.__traceback__
    while where is not None:
        frames.append((where.tb_frame, where.tb_lineno))
        where = where.tb_next
    # The first frames are ours, which called the handler.
    begin = 0
    while begin < len(frames) - 1 and frames[begin][0].f_code.co_filename.startswith(_OWN):
        begin += 1
    frames = frames[begin:][::-1]
    left_out = len(frames) - MAX_FRAMES
    return (frames if left_out <= 0 else frames[:MAX_FRAMES]), max(0, left_out)


# -- the page


def _body(request: Request, error: BaseException) -> str:
    asked = f"{request.method[:20]} {request.target.partition('?')[0][:MAX_VALUE]}"
    version = sys.version.partition(" ")[0]
    return f"""\
<main>
<header>
<p class="soft">500 {reason_of(500)} &middot; {escape(asked)}</p>
<h1>{escape(_kind(error))}</h1>
<p class="message">{escape(_message(error))}</p>
</header>
{"".join(_tracebacks(error))}\
<h2>The request, as it came</h2>
{_request(request)}\
<h2>The same as text</h2>
<details>
<summary>Traceback, to copy</summary>
<pre class="text" tabindex="0">{escape(as_text(error))}</pre>
</details>
<footer>
<p><small>crlf {escape(__version__)}, Python {escape(version)}. Shown on this machine alone, because
the application was made with debug=True. What is named like a secret is left out.</small></p>
</footer>
</main>
"""


def _tracebacks(error: BaseException) -> Iterator[str]:
    size = 0
    for told in _errors(error):
        heading = f"{told.how}: {_title(told.error)}" if told.how else "Traceback, newest first"
        yield f"<h2>{escape(heading)}</h2>\n"
        frames, left_out = _frames(told.error)
        if not frames:
            yield '<p class="soft">It was not raised.</p>\n'
        for number, (frame, line) in enumerate(frames):
            if size > MAX_PAGE:
                yield '<p class="soft">The rest is more than fits here.</p>\n'
                return
            piece = _frame(frame, line, is_open=number == 0 or _is_own(frame.f_code))
            size += len(piece)
            yield piece
        if left_out:
            yield f'<p class="soft">{left_out:,} more frames, further out.</p>\n'


def _frame(frame: FrameType, line: int, *, is_open: bool) -> str:
    code = frame.f_code
    shown = " open" if is_open else ""
    return (
        f"<details{shown}>\n<summary><b>{escape(code.co_qualname)}</b> "
        f"<span>{escape(_short(code.co_filename))}, line {line}</span></summary>\n"
        f"{_source(frame, line)}{_values(frame)}</details>\n"
    )


def _source(frame: FrameType, line: int) -> str:
    code = frame.f_code
    lines = [text.rstrip().expandtabs() for text in getlines(code.co_filename, frame.f_globals)]
    first = max(1, line - LINES_BEFORE, code.co_firstlineno)
    near = lines[first - 1 : line + LINES_AFTER]
    if not near:
        return ""
    if 1 < code.co_firstlineno <= line:  # a function: what comes after it is of no interest
        outside = _indent(lines[code.co_firstlineno - 1])
        inside = line - first + 1
        while inside < len(near) and (not near[inside] or _indent(near[inside]) > outside):
            inside += 1
        near = near[:inside]
    while not near[-1] and len(near) > line - first + 1:
        near.pop()
    indent = min((_indent(text) for text in near if text), default=0)
    written = [
        f'<span class="{"hit" if number == line else "near"}"><i>{number}</i>'
        f"{escape(without_literals(text[indent : indent + MAX_VALUE])) or ' '}</span>"
        for number, text in enumerate(near, first)
    ]
    return f'<pre class="source" tabindex="0">{"".join(written)}</pre>\n'


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _values(frame: FrameType) -> str:
    names = [name for name in frame.f_locals if not name.startswith("__")]
    rows = [
        f"<dt>{escape(name)}</dt><dd>{escape(shown(name, frame.f_locals[name]))}</dd>\n"
        for name in names[:MAX_VALUES]
    ]
    if len(names) > MAX_VALUES:
        rows.append(f"<dt>{HIDDEN}</dt><dd>{len(names) - MAX_VALUES} more</dd>\n")
    return f"<dl>\n{''.join(rows)}</dl>\n" if rows else ""


def _request(request: Request) -> str:
    """Write a request as it stood on the wire: its line and its fields in their order."""
    target = scrubbed(request.target[:MAX_FIELD])
    lines = [f"<b>{escape(f'{request.method} {target} HTTP/{request.version}')}</b>"]
    for name, value in request.headers.fields:
        text = HIDDEN if is_secret(name) else scrubbed(value[:MAX_FIELD])
        lines.append(f"<b>{escape(name)}:</b> {escape(text)}")
    rows = [("Content", _content(request))]
    if fields := _form_names(request):
        rows.append(("Fields", fields))
    endpoint = request.endpoint
    if isinstance(endpoint, Endpoint):
        rows.append(("Route", f"{endpoint.name}, answered by {_place(endpoint.handler)}"))
    if request.peer is not None:
        rows.append(("From", f"{request.peer[0]}, port {request.peer[1]}"))
    listed = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>\n" for name, text in rows)
    wire = "\n".join(lines)
    return f'<pre class="wire" tabindex="0">{wire}</pre>\n<dl>\n{listed}</dl>\n'


def _content(request: Request) -> str:
    body = request.body
    if isinstance(body, bytes):
        return f"{len(body):,} bytes" if body else "none, or read already"
    return "a stream"


def _form_names(request: Request) -> str:
    """List the names of a form's fields and files, without their values."""
    try:
        names = [*dict.fromkeys(name for name, _ in request.form.pairs), *request.files]
    except Exception:  # a form that cannot be read may be what went wrong
        return ""
    return ", ".join(ascii(name)[1:-1][:100] for name in names[:MAX_VALUES])


# -- words


def _kind(error: BaseException) -> str:
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _message(error: BaseException) -> str:
    try:
        notes: Sequence[object] = getattr(error, "__notes__", ())
        text = "\n".join([str(error), *(str(note) for note in notes)])
    except Exception:  # its own methods may raise anything
        return "It has a message that cannot be shown."
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}{HIDDEN}"


def _title(error: BaseException) -> str:
    return f"{_kind(error)}: {_message(error)[:MAX_VALUE]}".rstrip(": ")


def _is_own(code: CodeType) -> bool:
    """Tell whether code is the program's, not of a library."""
    return not code.co_filename.startswith((*_LIBRARIES, "<"))


def _short(path: str) -> str:
    """Write a file's path as from the folder that the program runs in, where it is below."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path


def _place(handler: object) -> str:
    name = name_of(handler)  # type: ignore[arg-type]  # whatever it is, it was registered
    code = getattr(handler, "__code__", None)
    if not isinstance(code, CodeType):
        return f"{name}()"
    return f"{name}(), {_short(code.co_filename)}, line {code.co_firstlineno}"
