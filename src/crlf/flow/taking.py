"""Taking in the content of a request as its application has said: whole, as a form, or later.

What is refused is refused before a client that waits for a 100 is told to send it (RFC 9110
10.1.1); who gets its content as it comes lets it be sent by asking for the first piece.
"""

from __future__ import annotations

from crlf.flow.bodies import PartSource, read_whole
from crlf.flow.forms import is_form_data, read_form
from crlf.flow.intake import AS_SET, WHOLE
from crlf.flow.line import Line
from crlf.flow.streamed import StreamedContent
from crlf.flow.telling import Telling, Told
from crlf.flow.turn import Turn
from crlf.message.errors import TooLarge
from crlf.message.request import Request
from crlf.wire.parts import CONTINUE


async def take_in(line: Line, request: Request) -> Request:
    """Return a request with its content, which is due on its connection.

    What has to be closed after the answer is the line's. Raises TooLarge (413, 431, 507),
    RemoteError, ReadTimeout, ReadFailed, and what the program raises that is told of it.
    """
    terms, engine = line.terms, line.engine
    intake = WHOLE if terms.intake is None else terms.intake(request)
    if intake.way == "none":
        return request
    limit = terms.limits.body if intake.limit == AS_SET else intake.limit
    left = engine.body_left
    if limit is not None and left is not None and left > limit:
        fault = TooLarge("body", limit, 413, "RFC 9110 15.5.14")
        if intake.leaves(request, fault):
            return request
        raise fault
    telling = None if intake.progress is None else Telling(intake.progress, request, left)
    if telling is not None:
        telling.begin()
    if intake.way == "streamed":
        return _as_it_comes(line, request, limit, telling)
    if engine.expects_continue:
        engine.send(CONTINUE)
        await line.connection.flush(line.write_deadline())
    if telling is None:
        return await _here(line, request, limit, line.connection)
    try:
        request = await _here(line, request, limit, Told(line.connection, telling))
    except BaseException:
        telling.finish(failed=True)
        raise
    telling.finish()
    return request


def _as_it_comes(
    line: Line, request: Request, limit: int | None, telling: Telling | None
) -> Request:
    """Return a request whose content its handler reads."""
    terms, turn = line.terms, Turn(line, request)
    turn.take_up_to(limit)
    content = line.files = StreamedContent(
        turn.next_piece, request.headers, terms.form_limits, terms.in_thread,
        None if terms.from_threads is None else terms.from_threads(), terms.saving, telling,
        terms.spawn,
    )  # fmt: skip
    return request.with_body(content)


async def _here(line: Line, request: Request, limit: int | None, source: PartSource) -> Request:
    """Return a request whose content, or form, is here."""
    terms, connection = line.terms, line.connection
    now, patience = terms.now, terms.patience
    began, before = now(), connection.received

    def deadline() -> float:
        return patience.body_deadline(began, connection.received - before, now())

    if is_form_data(request.headers):
        form, files = await read_form(
            source, request.headers, limit, terms.spool, deadline, terms.in_thread,
            terms.form_limits, terms.spawn,
        )  # fmt: skip
        line.files = files
        return request.with_form(form, files)
    content, _ = await read_whole(source, limit, deadline)
    return request.with_content(content)
