"""A request as a line for HTTPie, in its items, which a POSIX shell runs.

Its law: HTTPie, given this line, sends the same request; what it would add by itself is taken
away, and what it has no words for is a Failure.
"""

from __future__ import annotations

import os
from urllib.parse import urlencode

from crlf.cli.asking.content import JSON_ACCEPTED, JSON_TYPE
from crlf.cli.exits import Failure
from crlf.cli.translating.errand import (
    Errand,
    File,
    Form,
    Json,
    Multipart,
    Stdin,
    Text,
    text_of,
)
from crlf.cli.translating.quoting import is_word, printf, sh
from crlf.message.request import FORM_TYPE
from crlf.wire.forms import build_form

_LONGEST = 100  # characters of a command that is written on one line
_SPECIAL = frozenset(":=@;")


def httpie(errand: Errand) -> str:
    """Write the command. Raises Failure for what HTTPie has no words for."""
    before, options, items, redirected = _content(errand)
    is_piped = bool(before or redirected) or isinstance(errand.content, Stdin)
    is_given = is_piped or bool(items) or "--raw" in options  # so that it has a type
    fields = []
    for name, value in errand.other_fields(*(_own(errand, options) if is_given else ())):
        text = text_of(value)
        fields.append(_item(name, ":" if text else ";", text))
    own = ("accept", "user-agent", "accept-encoding", *(["content-type"] if is_given else []))
    fields += [f"{name}:" for name in own if name in errand.missing]
    words = [*options, *_login(errand), *_exchange(errand)]
    if not is_piped:
        words.insert(0, "--ignore-stdin")
    target = [errand.method, errand.url]
    rest = [*fields, *items]
    if any(word.startswith("-") for word in [*target, *rest]):
        target.insert(0, "--")
    written = [sh(word) for word in ["http", *words, *target, *rest]]
    line = " ".join(written)
    if len(line) > _LONGEST:
        start = 1 + len(words) + len(target)
        line = " \\\n  ".join([" ".join(written[:start]), *written[start:]])
    return f"{before}{line}{redirected}\n"


def _own(errand: Errand, options: list[str]) -> list[str]:
    """Name the fields that HTTPie writes by itself, and says the same as we do."""
    if "--multipart" in options:
        return ["content-type"]
    if "--form" in options:
        return ["content-type"] if errand.type == FORM_TYPE else []
    names = ["content-type"] if errand.type == JSON_TYPE else []
    accepts = errand.request.headers.first("accept") == JSON_ACCEPTED
    return [*names, "accept"] if accepts else names


def _content(errand: Errand) -> tuple[str, list[str], list[str], str]:
    """Return what stands before the command, options, items, and what stands after it."""
    content = errand.content
    options = ["--chunked"] if errand.is_chunked else []
    if isinstance(content, Json):
        items = _json_items(content.value)
        if items is not None:
            return "", options, items, ""
    if isinstance(content, Form) and _is_same(content.pairs):
        items = _text_items(content.pairs)
        if items is not None:
            return "", [*options, "--form"], items, ""
    if isinstance(content, Multipart):
        items = _upload_items(content)
        if items is not None:
            return "", [*options, "--multipart"], items, ""
    if isinstance(content, File):
        return "", options, [], f" < {sh(content.path)}"
    if isinstance(content, Stdin):
        return "", options, [], ""
    data = errand.raw()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if not data:
        return "", options, [], ""
    if is_word(text):
        return "", [*options, "--raw", text], [], ""
    return "printf " + "\\\n".join(printf(data)) + " | ", options, [], ""


def _is_same(pairs: list[tuple[str, str]]) -> bool:
    """Whether HTTPie, by Python's own means, writes a form as we do."""
    return urlencode(pairs).encode() == build_form(pairs)


def _text_items(pairs: list[tuple[str, str]]) -> list[str] | None:
    items = []
    for name, value in pairs:
        if not name or not _can_say(name, value):
            return None
        items.append(f"{_escaped(name)}={value}")
    return items


def _upload_items(form: Multipart) -> list[str] | None:
    items = []
    for one in form.parts:
        if not one.name or not _can_say(one.name, one[1]):
            return None
        if isinstance(one, Text):
            items.append(f"{_escaped(one.name)}={one.value}")
        elif one.filename != os.path.basename(one.path):
            return None
        else:
            items.append(f"{_escaped(one.name)}@{one.path};type={one.kind}")
    return items


def _json_items(value: object) -> list[str] | None:
    """Write an object's members as items; None where that cannot be done."""
    from json import dumps

    if not isinstance(value, dict) or not value:
        return None
    items = []
    for name, member in value.items():
        if not name or not _can_say(name, "") or set("[]") & set(name):
            return None
        if isinstance(member, str):
            if not _can_say(name, member):
                return None
            items.append(f"{_escaped(name)}={member}")
        else:
            text = dumps(member, ensure_ascii=False)
            if not _can_say(name, text):
                return None
            items.append(f"{_escaped(name)}:={text}")
    return items


def _can_say(name: str, value: str) -> bool:
    r"""Whether an item can be written: no backslash may stand before what it would escape.

    HTTPie reads `\=` as `=`, and has no way to say the two.
    """
    whole = f"{name} {value}"
    escapes = any(f"\\{sign}" in whole for sign in _SPECIAL)
    # What begins a value right after the separator would be a longer one.
    longer = value[:1] in _SPECIAL or name.endswith("\\")
    return is_word(whole) and not escapes and not longer


def _escaped(name: str) -> str:
    return "".join([f"\\{sign}" if sign in _SPECIAL else sign for sign in name])


def _item(name: str, separator: str, value: str) -> str:
    """Write a field as an item. Raises Failure for a value that HTTPie cannot be told."""
    if separator == ":" and not _can_say(name, value):
        raise Failure(f"HTTPie has no way to write the value of {name}; try --as curl")
    return f"{name}{separator}{value}"


def _login(errand: Errand) -> list[str]:
    if errand.login is None:
        return []
    kind, user, password = errand.login
    if kind == "bearer":
        return ["-A", "bearer", "-a", user]
    return ["-A", "digest", "-a", user] if kind == "digest" else ["-a", f"{user}:{password}"]


def _exchange(errand: Errand) -> list[str]:
    """Say how the exchange differs from HTTPie's own way."""
    client, options = errand.asked.client, errand.asked.options
    words: list[str] = []
    if "/." in errand.request.target.partition("?")[0]:
        words.append("--path-as-is")
    if options.get("follow_redirects"):
        words.append("--follow")
    if errand.seconds is not None:
        words += ["--timeout", f"{errand.seconds:g}"]
    verify = client.get("verify", True)
    if verify is not True:
        words.append("--verify=no" if verify is False else f"--verify={verify}")
    cert = client.get("cert")
    if cert is not None:
        words.append(f"--cert={cert}" if isinstance(cert, str) else f"--cert={cert[0]}")
        words += [] if isinstance(cert, str) else [f"--cert-key={cert[1]}"]
    if errand.proxy:
        words.append(f"--proxy={errand.request.url.scheme}:{errand.proxy}")
    return words
