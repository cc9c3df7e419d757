"""`crlf upload`: one file to a URL, by PUT or in a form, with progress, and the answer shown.

The kernel sends the file where it can: nothing here looks at its bytes. Its law: what is sent is
exactly the file, as long as it was when it was opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

from crlf.cli.arguments import Arguments
from crlf.cli.asking.inputs import open_input
from crlf.cli.asking.request import STANDING, Asked, read_request, read_url
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exchanging.fetch import in_session
from crlf.cli.exits import Failure
from crlf.cli.showing.output import count
from crlf.cli.showing.printing import Printer
from crlf.cli.terminated import in_order
from crlf.cli.transferring.crew import carry_out
from crlf.cli.transferring.painting import painter_for
from crlf.cli.transferring.saving import status_line
from crlf.cli.transferring.transfers import Transfer
from crlf.client.options import ClientOptions
from crlf.client.plain import PlainClient
from crlf.client.streamed import StreamedResponse
from crlf.message.fields.media import media_type_of, parse_media_type
from crlf.message.grammar import is_token
from crlf.message.percent import percent_encode
from crlf.net.stoppable import StoppableNetwork


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Send the file; return the exit code. Raises Failure, CrlfError, OSError."""
    environment.is_silent = len(arguments.every("quiet")) > 1
    path, target, *items = arguments.words
    if any(item.startswith((":", "http://", "https://")) for item in items):
        raise Failure(
            "one file is sent: crlf upload FILE URL; several: crlf post URL a@FILE b@FILE"
        )
    form = arguments.last("as-form")
    method = _method(arguments, command.method, form)
    name = "" if path == "-" else os.path.basename(os.path.abspath(environment.path(path)))
    url = target if form is not None else _with_name(target, name)
    asked = read_request(command, arguments.with_words([url, *items]), environment)
    try:
        with in_session(asked, arguments, environment) as asked:
            return _Upload(asked, method, path, name, arguments, environment).run()
    finally:
        asked.close()


def _method(arguments: Arguments, usual: str, form: str | None) -> str:
    said = arguments.last("method")
    if said is None:
        return usual if form is None else "POST"
    if not is_token(said):
        raise Failure(f"{said!r} is no method")
    return said


def _with_name(target: str, name: str) -> str:
    """Add the file's name to a URL that ends in a slash. Raises Failure."""
    url = read_url(target)
    if not url.path.endswith("/"):
        return target
    if not name:
        raise Failure(f"standard input has no name: say where it goes, as in {target}NAME")
    try:
        written = percent_encode(name)
    except UnicodeEncodeError:
        raise Failure(f"{name!a} is no name for a URL: say where it goes") from None
    start, mark, rest = str(url).partition("#")[0].partition("?")
    return f"{start}{'' if start.endswith('/') else '/'}{written}{mark}{rest}"


class _Upload:
    """One upload: its request, and what is said of it."""

    def __init__(
        self,
        asked: Asked,
        method: str,
        path: str,
        name: str,
        arguments: Arguments,
        environment: Environment,
    ) -> None:
        self._asked = asked
        self._method = method
        self._arguments = arguments
        self._environment = environment
        self._is_quiet = arguments.has("quiet")
        self._printer = Printer("b", arguments, environment)
        self._name = name or "standard input"
        self._transfer = Transfer(asked.url, self._name)
        self._response: StreamedResponse | None = None
        self._add_file(path, name)

    def _add_file(self, path: str, name: str) -> None:
        """Put the file, and what is said of it, into the request. Raises Failure."""
        asked, arguments = self._asked, self._arguments
        options, form = asked.options, arguments.last("as-form")
        for kind in ("json", "content", "files", "data"):
            if kind in options and (form is None or kind != "data"):
                raise Failure(
                    "the file is all that is sent; --as-form NAME sends it in a form, with "
                    "name=value beside it"
                )
        file = self._opened(path)
        kind_of_file = arguments.last("type")
        if kind_of_file is not None and parse_media_type(kind_of_file) is None:
            raise Failure(f"{kind_of_file!r} is no media type; they are like image/png")
        usual = media_type_of(name) if name else "application/octet-stream"
        fields = list(_pairs(options.get("headers")))
        if form is not None:
            options["files"] = [(form, (name or "-", file, kind_of_file or usual))]
        else:
            options["content"] = file
            if "content-type" not in asked.added:
                fields.append(("content-type", kind_of_file or usual))
        if arguments.has("no-overwrite"):
            fields.append(("if-none-match", "*"))
        options["headers"] = fields
        options["progress"] = self._transfer.tell

    def _opened(self, path: str) -> BinaryIO:
        if path == "-":
            return self._environment.stdin
        file = open_input(path, self._environment)
        self._asked.opened.append(file)
        return file

    def run(self) -> int:
        """Send it and show the answer; return the exit code."""
        network, transfer = StoppableNetwork(), self._transfer
        options: ClientOptions = {
            "headers": STANDING, **self._asked.client, "network": network,
        }  # fmt: skip
        painter = painter_for(self._environment, [transfer], is_quiet=self._is_quiet)
        with in_order(), PlainClient(**options) as client:
            try:
                carry_out([transfer], self._send(client), _raise, painter, network, 1)
            except KeyboardInterrupt as fault:
                if transfer.is_moving:
                    fault.add_note(f"{count(transfer.size)} of {self._name} had been sent")
                raise
            finally:
                painter.close()
            if self._response is None:
                raise RuntimeError("an upload ended without an answer")
            with self._response as response:
                return self._show(response)

    def _send(self, client: PlainClient) -> Callable[[Transfer], None]:
        def send(transfer: Transfer) -> None:
            asked = self._asked
            self._response = client.stream(self._method, asked.url, **asked.options)

        return send

    def _show(self, response: StreamedResponse) -> int:
        """Show an answer, as get does; return the exit code."""
        environment, transfer = self._environment, self._transfer
        text, code = status_line(response)
        where = response.headers.get("location", "") if code == 0 else ""
        # Of a file that was refused some had gone out or not, as it happened.
        sent = "" if code else f"{count(transfer.size)} in {transfer.seconds:.2f} s; "
        line = f"{self._name}: {sent}{text}"
        if where:
            line += f", at {where}"
        elif response.status_code == 412 and self._arguments.has("no-overwrite"):
            line += ": there is something at this URL already"
        output = None if self._is_quiet else self._printer.output(response)
        for piece in response.iter_bytes():
            if output is not None:
                output.write(piece)
        if output is not None:
            output.finish()
        if code or not self._is_quiet:
            environment.complain(line)
        return 0 if self._arguments.has("ignore-status") else code


def _raise(transfer: Transfer) -> None:
    """Raise what an upload failed of: one of one has no other to go on with."""
    if transfer.fault is not None:
        raise transfer.fault


def _pairs(headers: object) -> list[tuple[str, str | None]]:
    """List what read_request has collected."""
    if isinstance(headers, list):
        return headers
    return []
