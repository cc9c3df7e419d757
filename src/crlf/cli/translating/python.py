"""A request as a program with crlf itself: the line to begin with when a script is to ask.

Its law: the program runs as it stands, says what differs from the defaults and nothing else,
and sends the same request.
"""

from __future__ import annotations

import os

from crlf.cli.translating.errand import (
    Errand,
    File,
    Form,
    Json,
    Multipart,
    Stdin,
    Text,
    Upload,
    text_of,
)
from crlf.message.fields.media import media_type_of
from crlf.message.request import FORM_TYPE

_VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_WIDTH = 76  # characters of a call on one line
# Of the client: what a program says in the same words.
_SAID = (
    "verify", "cert", "tls_minimum", "proxy", "trust_env", "resolve", "unix_socket",
    "local_address", "max_redirects",
)  # fmt: skip


def python(errand: Errand) -> str:
    """Write the program. Raises Failure for more than can be written down."""
    modules = {"crlf"}
    arguments = [repr(errand.url)]
    if errand.method not in _VERBS:
        arguments.insert(0, repr(errand.method))
    kind, content = _content(errand, modules)
    arguments += content
    arguments += _fields(errand, kind)
    arguments += _login(errand)
    options = errand.asked.options
    follow = options.get("follow_redirects")
    if errand.seconds is not None:
        arguments.append(f"timeout={errand.seconds:g}")
    if follow is not None:
        arguments.append(f"follow_redirects={follow}")
    verb = errand.method.lower() if errand.method in _VERBS else "request"
    client = [
        f"{name}={value!r}"
        for name, value in errand.asked.client.items()
        if name in _SAID and isinstance(value, (bool, str, int, tuple, dict, type(None)))
    ]
    if "policy" in errand.asked.client:
        client.append("policy=crlf.public_only")
    lines = [f"import {name}" for name in sorted(modules)]
    lines += _froms(errand)
    lines.append("")
    if client:
        lines.append(f"with crlf.Client({', '.join(client)}) as client:")
        lines += [f"    {line}" for line in _call(f"response = client.{verb}", arguments)]
    else:
        lines += _call(f"response = crlf.{verb}", arguments)
    lines += ["print(response.status_code)", "print(response.text)"]
    return "\n".join(lines) + "\n"


def _froms(errand: Errand) -> list[str]:
    is_asked = errand.login is not None and errand.login[0] == "digest"
    return ["from getpass import getpass"] if is_asked else []


def _call(what: str, arguments: list[str]) -> list[str]:
    """Write a call, on one line where it fits."""
    line = f"{what}({', '.join(arguments)})"
    if len(line) <= _WIDTH:
        return [line]
    return [f"{what}(", *[f"    {argument}," for argument in arguments], ")"]


def _content(errand: Errand, modules: set[str]) -> tuple[str | None, list[str]]:
    """Return the type that the content has by itself, and the arguments that make it."""
    content = errand.content
    if isinstance(content, Json):
        return "application/json", [f"json={content.value!r}"]
    if isinstance(content, Form):
        return FORM_TYPE, [f"data={_pairs(content.pairs)}"]
    if isinstance(content, Multipart):
        return errand.type, _parts(content.parts)
    if isinstance(content, File):
        return None, [f'content=open({content.path!r}, "rb")']
    if isinstance(content, Stdin):
        modules.add("sys")
        return None, ["content=sys.stdin.buffer"]
    raw = errand.raw()
    if errand.is_chunked:
        return None, [f"content=[{raw!r}]"]  # whose length nobody knows before
    return None, [f"content={raw!r}"] if raw else []


def _pairs(pairs: list[tuple[str, str]]) -> str:
    """Write pairs as a dict where that keeps them all."""
    named = dict(pairs)
    return repr(named) if len(named) == len(pairs) else repr(pairs)


def _parts(parts: list[Text | Upload]) -> list[str]:
    """Write the arguments of a form: texts are data= where all of them come first."""
    texts = [(part.name, part.value) for part in parts if isinstance(part, Text)]
    if any(isinstance(part, Text) for part in parts[len(texts) :]):
        return [f"files={_files(parts)}"]
    data = [f"data={_pairs(texts)}"] if texts else []
    return [*data, f"files={_files(parts[len(texts) :])}"]


def _files(parts: list[Text | Upload]) -> str:
    if len({part.name for part in parts}) == len(parts):
        return "{" + ", ".join([f"{part.name!r}: {_file(part)}" for part in parts]) + "}"
    return "[" + ", ".join([f"({part.name!r}, {_file(part)})" for part in parts]) + "]"


def _file(upload: Text | Upload) -> str:
    if isinstance(upload, Text):
        return f"(None, {upload.value.encode()!r})"
    name = os.path.basename(upload.path)
    if upload.filename == name and upload.kind == media_type_of(name):
        return repr(upload.path)
    return f'({upload.filename!r}, open({upload.path!r}, "rb"), {upload.kind!r})'


def _fields(errand: Errand, kind: str | None) -> list[str]:
    """Write headers=. A value beyond ASCII stands there as text, and is sent as UTF-8."""
    fields: list[tuple[str, str]] = [
        (name, _value(value))
        for name, value in errand.fields
        if name.lower() != "content-type" or value != kind
    ]
    is_untyped = kind is None
    fields += [
        (name, "None") for name in errand.missing if name != "content-type" or not is_untyped
    ]
    if not fields:
        return []
    if len({name.lower() for name, _ in fields}) == len(fields):
        return ["headers={" + ", ".join([f"{name!r}: {value}" for name, value in fields]) + "}"]
    return ["headers=[" + ", ".join([f"({name!r}, {value})" for name, value in fields]) + "]"]


def _value(value: str) -> str:
    text = text_of(value)
    if text.isascii():
        return repr(text)
    if text.isprintable():
        return f'{text!r}.encode().decode("latin-1")'
    return repr(value)


def _login(errand: Errand) -> list[str]:
    if errand.login is None:
        return []
    kind, user, password = errand.login
    if kind == "bearer":
        return [f"auth=crlf.Bearer({user!r})"]
    if kind == "digest":
        return [f"auth=crlf.Digest({user!r}, getpass())"]
    return [f"auth=({user!r}, {password!r})"]
