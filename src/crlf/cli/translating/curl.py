"""A request as a line for curl, which a POSIX shell runs.

Its law: curl, given this line, sends the same request; what it would add by itself is taken
away, and what no line can say is a Failure.
"""

from __future__ import annotations

from crlf.cli.translating.errand import (
    Errand,
    File,
    Multipart,
    Stdin,
    Text,
    Upload,
    text_of,
)
from crlf.cli.translating.quoting import is_word, printf, sh
from crlf.message.authority import in_brackets
from crlf.message.request import FORM_TYPE

_LONGEST = 100  # characters of a command that is written on one line
_GLOBBED = frozenset("[]{}")


def curl(errand: Errand) -> str:
    """Write the command. Raises Failure for more than can be written down."""
    before, content = _content(errand)
    own_type = "content-type" in errand.request.headers
    groups = [["curl"], *_method(errand, bool(content))]
    names = ["content-type"] if _writes_type(errand, content) else []
    for name, value in errand.other_fields(*names):
        text = text_of(value)
        groups.append(["-H", f"{name}: {text}" if text else f"{name};"])
    own = ("accept", "user-agent")  # which curl sends too
    groups += [["-H", f"{name}:"] for name in own if name in errand.missing]
    if errand.is_chunked:
        groups.append(["-H", "transfer-encoding: chunked"])
    if content and not own_type:
        groups.append(["-H", "content-type:"])
    groups += [*_login(errand), *content, *_exchange(errand), *_url(errand)]
    words = [" ".join(map(sh, group)) for group in groups]
    line = " ".join(words)
    if len(line) > _LONGEST:
        line = " \\\n  ".join([" ".join(words[:2]), *words[2:]])
    return f"{before}{line}\n"


def _method(errand: Errand, has_content: bool) -> list[list[str]]:
    """Say the method where curl would choose another one."""
    method = errand.method
    if method == "HEAD" and not has_content:
        return [["--head"]]
    return [] if method == ("POST" if has_content else "GET") else [["-X", method]]


def _writes_type(errand: Errand, content: list[list[str]]) -> bool:
    """Whether curl says by itself what the content's type is, and says the same."""
    option = content[0][0] if content else ""
    if option in ("-F", "--form-string"):
        return True
    return option.startswith(("--data", "--url")) and errand.type == FORM_TYPE


def _content(errand: Errand) -> tuple[str, list[list[str]]]:
    """Return what is to stand before the command, and the options that make its content."""
    content = errand.content
    if isinstance(content, File):
        return "", [["--data-binary", f"@{content.path}"]]
    if isinstance(content, Stdin):
        return "", [["--data-binary", "@-"]]
    if isinstance(content, Multipart) and _is_form(content):
        return "", [_part(part) for part in content.parts]
    data = errand.raw()
    if not data:
        # A POST says that there is none (RFC 9110 8.6); of other methods curl says so too.
        is_said = errand.method in ("POST", "PUT", "PATCH", "QUERY")
        return "", [["--data-raw", ""]] if is_said else []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if is_word(text):
        return "", [["--data-raw", text]]
    words = printf(data)
    return "printf " + "\\\n".join(words) + " | ", [["--data-binary", "@-"]]


def _is_form(form: Multipart) -> bool:
    """Whether a form can be said in curl's words, none of which has an escape for them all."""
    # Without any part it would be no multipart form at all.
    return bool(form.parts) and all(
        "=" not in part.name and is_word("".join(part)) for part in form.parts
    )


def _part(part: Text | Upload) -> list[str]:
    if isinstance(part, Text):
        return ["--form-string", f"{part.name}={part.value}"]
    path, name = _quoted(part.path), _quoted(part.filename)
    return ["-F", f"{part.name}=@{path};type={part.kind};filename={name}"]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _login(errand: Errand) -> list[list[str]]:
    login = errand.login
    if login is None:
        return []
    kind, user, password = login
    if kind == "bearer":
        return [["-H", f"authorization: Bearer {user}"]]
    return [["--digest", "-u", user]] if kind == "digest" else [["-u", f"{user}:{password}"]]


def _exchange(errand: Errand) -> list[list[str]]:
    """Say how the exchange differs from curl's own way."""
    client, options = errand.asked.client, errand.asked.options
    groups: list[list[str]] = []
    if options.get("follow_redirects"):
        groups.append(["--location"])
    if errand.seconds is not None:
        groups.append(["--max-time", f"{errand.seconds:g}"])
    verify = client.get("verify", True)
    if verify is not True:
        groups.append(["--insecure"] if verify is False else ["--cacert", str(verify)])
    if client.get("tls_minimum") == "1.3":
        groups.append(["--tlsv1.3"])
    cert = client.get("cert")
    if cert is not None:
        groups.append(["--cert", cert] if isinstance(cert, str) else ["--cert", cert[0]])
        groups += [] if isinstance(cert, str) else [["--key", cert[1]]]
    if client.get("proxy", "") is None:
        groups.append(["--noproxy", "*"])
    proxy = errand.proxy
    groups += [["--proxy", proxy]] if proxy else []
    if errand.way.socket:
        groups.append(["--unix-socket", errand.way.socket])
    way, url = errand.way, errand.request.url
    if not way.socket and way.via is None and way.host != url.host:
        pair = f"{in_brackets(url.host)}:{url.port}:{in_brackets(way.host)}:{way.port}"
        groups.append(["--connect-to", pair])
    local = client.get("local_address")
    return [*groups, *([["--interface", local]] if local else [])]


def _url(errand: Errand) -> list[list[str]]:
    """Write the URL, and what keeps curl from reading more into it."""
    url = errand.url
    path = errand.request.target.partition("?")[0]
    groups = []
    if "/." in path:
        groups.append(["--path-as-is"])
    if _GLOBBED & set(errand.request.target):
        groups.append(["--globoff"])
    return [*groups, [url]]
