"""The way there, as curl is told it: times, TLS, proxies, addresses.

Its law: what protects is never left out in silence.
"""

from __future__ import annotations

from typing import Protocol

from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.cli.translating.crlfline import CrlfLine
from crlf.cli.translating.curlwords import Given
from crlf.message.authority import is_address
from crlf.message.errors import BadUrl
from crlf.message.grammar import parse_digits
from crlf.message.percent import percent_encode
from crlf.message.url import URL
from crlf.patterns import pattern

_SECONDS = pattern("[0-9]{1,9}(?:[.][0-9]{0,9})?|[.][0-9]{1,9}")
_AUTHORITY = pattern("(https?)://([^/?#]*)", 2)  # IGNORECASE
_SCHEME = pattern("([A-Za-z][A-Za-z0-9+.-]*)://(.*)", 16)  # DOTALL
# Where to go instead: host, port, host, port; IPv6 in brackets.
_CONNECT_TO = pattern(
    r"(?P<host>\[[^\]]*\]|[^:\[\]]*):(?P<port>[0-9]*):"
    r"(?P<other>\[[^\]]*\]|[^:\[\]]*):(?P<at>[0-9]*)"
)
_PROXIES = ("http", "https", "socks5", "socks5h")


class Translating(Protocol):
    """What of a translation is needed here."""

    given: Given
    environment: Environment
    expansions: dict[str, str]

    def remark(self, text: str, *, differs: bool = False) -> None: ...


def add_way(translation: Translating, line: CrlfLine) -> None:
    """Add all options that are about the way there. Raises Failure."""
    _add_times(translation, line)
    _add_tls(translation, line)
    url = _known_url(line.url, translation.expansions)
    socket = translation.given.last("unix-socket")
    if socket is not None:
        line.options += ["--unix-socket", socket]
        return
    _add_proxy(translation, line, url)
    _add_addresses(translation, line, url)


def _known_url(text: str, expansions: dict[str, str]) -> URL | None:
    """Return a URL; None where only the shell knows its host."""
    found = _AUTHORITY.match(text)
    if found is None or any(sign in expansions for sign in found[2]):
        return None
    try:
        return URL(found[0])
    except BadUrl:
        return None


def _add_times(translation: Translating, line: CrlfLine) -> None:
    given = translation.given
    for name, option in (("max-time", "-t"), ("connect-timeout", "--connect-timeout")):
        text = given.last(name)
        if text is None:
            continue
        if _SECONDS.fullmatch(text) is None and text[:1] not in translation.expansions:
            raise Failure(f"--{name} takes seconds, not {text[:40]!r}")
        if text.strip("0."):  # 0 is no limit
            line.options += [option, text]
    retries = given.last("retry")
    if retries is not None and parse_digits(retries) is None:
        raise Failure(f"--retry takes a number, not {retries[:40]!r}")
    if retries is not None:
        line.options += ["--retry", str(min(1000, parse_digits(retries) or 0))]


# --- TLS -----------------------------------------------------------------------------------------


def _add_tls(translation: Translating, line: CrlfLine) -> None:
    given = translation.given
    authorities = given.last("cacert") or given.last("capath")
    if given.has("insecure"):
        line.options.append("-k")
    elif authorities is not None:
        line.options += ["--ca", authorities]
    if given.has("tlsv1.3"):
        line.options += ["--tls-minimum", "1.3"]
    certificate = given.last("cert")
    if certificate is not None:
        path, colon, _ = certificate.partition(":")
        if colon:
            translation.remark("-E: crlf takes no password of a key", differs=True)
        line.options += ["--cert", path]
        if key := given.last("key"):
            line.options += ["--cert-key", key]
    for name in ("cert-type", "key-type"):
        kind = given.last(name)
        if kind is not None and kind.upper() != "PEM":
            translation.remark(f"--{name} {kind}: crlf reads PEM", differs=True)


# --- proxies -------------------------------------------------------------------------------------


def _add_proxy(translation: Translating, line: CrlfLine, url: URL | None) -> None:
    given = translation.given
    without = given.last("noproxy")
    if without is not None and url is not None and _is_excepted(url.host, without):
        line.options.append("--no-proxy")
        return
    proxy = given.last("proxy")
    for name, scheme in (("socks5", "socks5"), ("socks5-hostname", "socks5h")):
        if given.last(name) is not None:
            proxy = f"{scheme}://{given.last(name)}"
    if proxy is None:
        return
    if not proxy:
        line.options.append("--no-proxy")
        return
    found = _SCHEME.fullmatch(proxy)
    if found is None and proxy[0] not in translation.expansions:
        proxy = f"http://{proxy}"
        found = _SCHEME.fullmatch(proxy)
    if found is not None and found[1].lower() not in _PROXIES:
        translation.remark(f"crlf speaks to no {found[1]} proxy", differs=True)
        return
    user = given.last("proxy-user")
    if user is not None and found is not None:
        proxy = f"{found[1]}://{_userinfo(user, translation)}@{found[2].rpartition('@')[2]}"
    line.options += ["--proxy", proxy]


def _userinfo(text: str, translation: Translating) -> str:
    """Write a user and a password into a URL."""
    user, colon, password = text.partition(":")
    if not colon:
        translation.remark("-U without a password: curl asks for it, crlf does not", differs=True)
    encoded = [
        "".join([sign if sign in translation.expansions else percent_encode(sign) for sign in each])
        for each in (user, password)
    ]
    return ":".join(encoded) if colon else encoded[0]


def _is_excepted(host: str, names: str) -> bool:
    """Tell whether a host is among those of --noproxy."""
    for name in names.replace(",", " ").split(" "):
        bare = name.strip(".").lower()
        if name == "*" or (bare and (host == bare or host.endswith(f".{bare}"))):
            return True
    return False


# --- addresses -----------------------------------------------------------------------------------


def _add_addresses(translation: Translating, line: CrlfLine, url: URL | None) -> None:
    given = translation.given
    for text in given.every("resolve"):
        if text.startswith("-"):
            continue  # takes one out of curl's memory
        host, _, rest = text.removeprefix("+").partition(":")
        if host == "*":
            host = url.host if url is not None else host
        line.options += ["--resolve", f"{host}:{rest}"]
    for text in given.every("connect-to"):
        if _connect_to(text, translation, line, url):
            break
    address = given.last("interface")
    if address is not None:
        name = address.removeprefix("host!")
        if is_address(name):
            line.options += ["--interface", name]
        else:
            translation.remark(f"--interface {address}: crlf takes an address of this machine")


def _connect_to(text: str, translation: Translating, line: CrlfLine, url: URL | None) -> bool:
    """Say one --connect-to; return whether it is about this URL."""
    found = _CONNECT_TO.fullmatch(text)
    if found is None or url is None:
        translation.remark(f"--connect-to {text[:60]} has no counterpart", differs=True)
        return found is None
    host = found["host"].strip("[]").lower()
    if (host and host != url.host) or (found["port"] and int(found["port"]) != url.port):
        return False
    other = found["other"].strip("[]") or url.host
    port = int(found["at"] or url.port)
    if port == url.port and is_address(other):
        shown = f"[{other}]" if ":" in other else other
        line.options += ["--resolve", f"{url.host}:{port}:{shown}"]
    elif url.scheme == "http":
        # Nothing but Host says where this is meant to go.
        if all(name.lower() != "host" for name, _ in line.fields):
            line.fields.append(("Host", url.authority))
        shown = f"[{other}]" if ":" in other else other
        authority = _AUTHORITY.match(line.url)
        userinfo, at, _ = authority[2].rpartition("@") if authority else ("", "", "")
        rest = line.url[authority.end() :] if authority else ""
        line.url = f"http://{userinfo}{at}{shown}:{port}{rest}"
    else:
        translation.remark(
            f"--connect-to {text[:60]}: crlf goes to another address, not to another port or name",
            differs=True,
        )
    return True
