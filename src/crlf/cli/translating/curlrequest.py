"""One operation of a curl command line as requests of crlf's: a line for each URL.

What curl is told is said again: method, URL, fields, content, and what becomes of the answer.
What curl does by itself is left to crlf, but for one thing: redirects are not followed unless
curl is told to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.cli.translating.crlfline import CrlfLine, Field, file_item
from crlf.cli.translating.curlcontent import FORM_TYPE, Texts, json_items, read_pieces
from crlf.cli.translating.curlfields import read_fields
from crlf.cli.translating.curlforms import FormPart, part_item, read_parts
from crlf.cli.translating.curlglobs import Globbed, expand_globs, fill_target
from crlf.cli.translating.curlurls import add_query, check_url, complete_url, last_segment
from crlf.cli.translating.curlway import add_way
from crlf.cli.translating.curlwords import Datum, Given
from crlf.cli.translating.shellquotes import quote
from crlf.message.grammar import is_token

_SAFE = ("GET", "HEAD")


class Translation:
    """What becomes of one operation. remarks: what is to be said, and whether it differs."""

    def __init__(
        self,
        given: Given,
        environment: Environment,
        expansions: dict[str, str],
        variables: list[tuple[str, str]],
    ) -> None:
        self.given = given
        self.environment = environment
        self.expansions = expansions
        self.variables = variables
        self.remarks: dict[str, bool] = dict(given.remarks)
        self.texts = Texts(environment, expansions)
        # What crlf download does: go on with a file, or call it as the server does.
        self.is_resumed = given.last("continue-at") == "-"
        self.is_download = bool(given.targets) and (
            self.is_resumed or (given.has("remote-header-name") and None in given.targets)
        )

    def remark(self, text: str, *, differs: bool = False) -> None:
        """Note what is to be said."""
        self.remarks[text] = differs or self.remarks.get(text, False)

    def lines(self) -> list[CrlfLine]:
        """Write a line for each URL. Raises Failure."""
        given = self.given
        if not given.urls:
            raise Failure("curl is given no URL")
        kinds = [
            name
            for name, is_said in (
                ("-I", given.has("head")),
                ("-F", bool(given.forms)),
                ("-T", bool(given.every("upload-file"))),
                ("-d", bool(given.data) and not given.has("get")),
            )
            if is_said
        ]
        if len(kinds) > 1:
            raise Failure(f"curl takes one of {' and '.join(kinds)}, not both")
        lines: list[CrlfLine] = []
        targets = iter(given.targets)
        for text in given.urls:
            target, has_target = _next_target(targets)
            has_target = has_target or given.has("remote-name-all")
            whole = [Globbed(text, ())] if given.has("globoff") else expand_globs(text)
            for one in whole:
                line = self._line(one.url)
                self._add_answer(line, has_target, target, one.choices)
                lines.append(line)
        if self.texts.is_unencoded:
            self.remark("what the shell fills in is sent as it is, not encoded", differs=True)
        return lines

    def _line(self, text: str) -> CrlfLine:
        given = self.given
        line = CrlfLine()
        line.variables += self.variables
        line.url = complete_url(text, self)
        line.fields = fields = read_fields(self, line.url, line)
        line.method = "HEAD" if given.has("head") else "GET"
        for datum in given.every("url-query"):
            self._add_query([_url_query(datum)], line)
        if given.has("get"):
            self._add_query(given.data, line)
        elif given.data:
            line.method = "POST"
            self._add_data(line, fields)
        elif given.forms:
            line.method = "POST"
            self._add_form(line, fields)
        elif given.every("upload-file"):
            line.method = "PUT"
            self._add_upload(line, fields)
        check_url(line.url, self)
        self._set_method(line)
        self._add_credentials(line)
        self._add_redirects(line)
        add_way(self, line)
        return line

    def _set_method(self, line: CrlfLine) -> None:
        method = self.given.last("request")
        if method is None:
            return
        if not is_token(method) and not any(sign in self.expansions for sign in method):
            raise Failure(f"-X {method[:40]!r} is no method")
        line.method = method

    # --- content ---------------------------------------------------------------------------------

    def _add_query(self, data: list[Datum], line: CrlfLine) -> None:
        """Put data where -G puts it: into the URL's query."""
        pieces = read_pieces(data)
        items = self.texts.items(pieces, "==") if pieces else []
        if items is None or "#" in line.url or self.is_download:
            line.url = add_query(line.url, self.texts.text(pieces))
        else:
            line.items += items

    def _add_data(self, line: CrlfLine, fields: list[Field]) -> None:
        """Say -d and its kin."""
        line.has_content = True
        pieces = read_pieces(self.given.data)
        is_curl_json = any(one.kind == "json" for one in self.given.data)
        names = [name.lower() for name, _ in fields]
        if is_curl_json:
            fields += [
                (name, "application/json")
                for name in ("Content-Type", "Accept")
                if name.lower() not in names
            ]
        kind = _value_of(fields, "content-type", FORM_TYPE)
        is_form = kind is not None and kind.strip(" ").lower() == FORM_TYPE
        is_json = kind is not None and _is_json(kind)
        if len(pieces) == 1 and pieces[0].path and pieces[0].pair is None:
            if "content-type" not in names and not is_curl_json:
                fields.append(("Content-Type", FORM_TYPE))
            self._add_file(pieces[0].path, pieces[0].is_stripped, is_json, line)
            return
        items = self.texts.items(pieces, "=") if is_form else None
        if items is not None:
            fields[:] = [field for field in fields if field[0].lower() != "content-type"]
            line.items += items
            return
        text = self.texts.text(pieces)
        items = json_items(text) if is_json else None
        if items is not None:
            line.items += items
            line.options += ["--json"] if not any(":=" in one for one in items) else []
            return
        if is_form and "content-type" not in names:
            line.options.append("--form")
        line.options += ["--raw", text]

    def _add_file(self, path: str, is_stripped: bool, is_json: bool, line: CrlfLine) -> None:
        """Say @file: as it is, or without its line ends, which -d leaves out."""
        shown = path
        if is_stripped and self.texts.has_line_ends(path):
            if is_json:
                self.remark("-d leaves line ends out; JSON means the same with them")
            else:
                source = "" if path == "-" else f" < {quote(path, self.expansions)}"
                line.filter = f"tr -d '\\0\\r\\n'{source} | "
                shown = "-"
        text = file_item("", shown) or file_item("", shown, "application/octet-stream")
        if text is None:
            raise Failure(f"{path!r} is a name of a file that crlf cannot be told: call it else")
        line.items.append(text)

    def _add_form(self, line: CrlfLine, fields: list[Field]) -> None:
        """Say -F."""
        line.has_content = True
        parts = read_parts(self.given.forms)
        if any(part.is_one_of_many for part in parts):
            self.remark("-F with several files: curl puts them into one part", differs=True)
        for part in parts:
            for lost in part.lost:
                self.remark(lost, differs=True)
            text = part_item(part)
            if text is None:
                self.remark(f"-F {part.name}: {_lost_of(part)} has no counterpart", differs=True)
                text = part_item(part._replace(kind=None, filename=None))
            if text is None:
                raise Failure(f"-F {part.name!r} cannot be said as an item")
            line.items.append(text)
        # curl adds the boundary to a type that somebody gives, and so does crlf.
        fields[:] = [
            field
            for field in fields
            if field[0].lower() != "content-type"
            or (field[1] or "").lower().strip(" ") != "multipart/form-data"
        ]
        if not any(part.is_upload for part in parts) or any(part.is_json for part in parts):
            line.options.append("--multipart")

    def _add_upload(self, line: CrlfLine, fields: list[Field]) -> None:
        """Say -T: PUT, without a type."""
        line.has_content = True
        path = self.given_upload()
        if path in ("-", "."):
            line.items.append("@-")
            if "--chunked" not in line.options:
                line.options.append("--chunked")
        else:
            if line.url.partition("?")[0].endswith("/"):
                head, mark, query = line.url.partition("?")
                line.url = head + last_segment(path) + mark + query
            self._add_file(path, False, False, line)
        if all(name.lower() != "content-type" for name, _ in fields):
            fields.append(("Content-Type", None))

    def given_upload(self) -> str:
        """Return the file of -T; of several, curl gives each URL its own."""
        paths = self.given.every("upload-file")
        if len(paths) > 1:
            raise Failure("-T several times: write a line for each")
        return paths[0]

    # --- who asks, and what becomes of the answer ------------------------------------------------

    def _add_credentials(self, line: CrlfLine) -> None:
        given = self.given
        user, token = given.last("user"), given.last("oauth2-bearer")
        if token is not None:
            line.options += ["-A", "bearer", "-a", token]
        elif user is not None:
            if given.has("digest"):
                line.options += ["-A", "digest"]
            elif given.has("anyauth"):
                line.options += ["-A", "digest"]
                self.remark("--anyauth: crlf is told what to answer; this is digest", differs=True)
            line.options += ["-a", user]
        if given.has("netrc") or given.has("netrc-optional") or given.last("netrc-file"):
            line.options.append("--netrc")
        if file := given.last("netrc-file"):
            line.variables.append(("NETRC", file))

    def _add_redirects(self, line: CrlfLine) -> None:
        given = self.given
        is_safe = line.method in _SAFE
        is_followed = given.has("location") or given.has("location-trusted")
        most = given.last("max-redirs")
        if not is_followed:
            line.options += ["--no-follow"] if is_safe else []
            return
        line.options += [] if is_safe else ["--follow"]
        if most is not None and most.startswith("-"):
            self.remark("--max-redirs -1: crlf follows 1000 at most")
            line.options += ["--max-redirects", "1000"]
        elif most is not None:
            line.options += ["--max-redirects", most]
        if given.has("location-trusted"):
            self.remark("--location-trusted: crlf gives credentials to no other host")
        if given.last("request") is not None and line.method not in _SAFE:
            self.remark(
                f"-X {line.method} with -L: curl says {line.method} again after each redirect, "
                "crlf says GET after 301, 302 and 303"
            )

    def _add_answer(
        self, line: CrlfLine, has_target: bool, target: str | None, choices: tuple[str, ...]
    ) -> None:
        """Say where the answer goes, and what is shown of it."""
        given = self.given
        folder = given.last("output-dir")
        if has_target and self.is_download:
            if line.method == "GET" and not line.has_content:
                self._add_download(line, target, folder)
                return
            self.remark("crlf resumes, and takes a name from the server, for GET alone")
        if has_target:
            name = last_segment(line.url, "curl_response") if target is None else target
            name = fill_target(name, choices)
            if folder is not None and name != "-":
                name = os.path.join(folder, name)
            line.options += ["-o", name]
        if given.has("verbose"):
            line.options.append("-v")
        dump = given.last("dump-header")
        if dump is not None and dump not in ("-", "/dev/stdout"):
            self.remark(f"-D {dump}: crlf writes a head to standard output alone, with --print=h")
        if given.has("head") and line.method != "HEAD":
            line.options.append("--headers")
        elif (given.has("include") or dump in ("-", "/dev/stdout")) and line.method != "HEAD":
            line.options.append("--print=hb")
        form = given.last("write-out")
        if form:
            if form.startswith("@"):
                self.remark("-w @FILE: crlf takes the format itself")
            else:
                line.options += ["-w", form]

    def _add_download(self, line: CrlfLine, target: str | None, folder: str | None) -> None:
        """Say it as crlf download, which resumes, and takes the name that the server says."""
        line.command = "download"
        if target is not None:
            line.options += ["-o", target]
        if folder is not None:
            line.options += ["--into", folder]
        if self.is_resumed:
            self.remark("-C -: crlf goes on with what lies in NAME.part")
        else:
            line.options.append("--no-resume")


def _next_target(targets: Iterator[str | None]) -> tuple[str | None, bool]:
    """Return what the next -o or -O says, and whether there is one."""
    for target in targets:
        return target, True
    return None, False


def _url_query(text: str) -> Datum:
    return Datum("raw", text[1:]) if text.startswith("+") else Datum("urlencode", text)


def _value_of(fields: list[Field], name: str, default: str | None) -> str | None:
    found = [value for key, value in fields if key.lower() == name]
    return found[-1] if found else default


def _is_json(kind: str) -> bool:
    essence = kind.partition(";")[0].strip(" \t").lower()
    return essence == "application/json" or essence.endswith("+json")


def _lost_of(part: FormPart) -> str:
    return "a type" if part.filename is None else "another name for its file"
