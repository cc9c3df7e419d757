"""The way there, and how long it may take: from options to what a client is made with.

Its law: what contradicts itself is said in one line, before a name is looked up; and where a
file is named, it is there.
"""

from __future__ import annotations

import os

from crlf.cli.arguments import Arguments
from crlf.cli.asking.inputs import open_input
from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.client.options import ClientOptions, RequestOptions
from crlf.message.authority import is_address, parse_port
from crlf.message.errors import BadUrl, CrlfError
from crlf.message.grammar import parse_digits
from crlf.message.url import URL
from crlf.rules.deadlines import LONGEST, Timeout
from crlf.rules.retries import Retry
from crlf.values import replace

RETRIED = frozenset({429, 502, 503, 504})
MOST_RETRIES = 1000
MOST_REDIRECTS = 1000

# Each line: an option, those it leaves no place for, and why.
_CONTRADICTIONS = (
    ("proxy", ("no-proxy", "unix-socket", "untrusted", "app"), "a proxy is another way"),
    ("unix-socket", ("resolve", "interface", "untrusted", "app"), "a Unix socket is the whole way"),
    ("app", ("resolve", "interface", "untrusted", "no-proxy"), "an application in memory has none"),
    ("insecure", ("ca",), "one believes anybody, the other only those in the file"),
)
_PROXIED = ("http", "https", "all")


def add_way(
    client: ClientOptions,
    options: RequestOptions,
    arguments: Arguments,
    environment: Environment,
) -> None:
    """Put what the options say of the way into what the client is made with. Raises Failure."""
    for option, others, why in _CONTRADICTIONS:
        other = next((each for each in others if arguments.has(each)), None)
        if arguments.has(option) and other is not None:
            raise Failure(f"--{option} and --{other} exclude each other: {why}")
    _add_times(client, options, arguments)
    _add_tls(client, arguments, environment)
    proxies = arguments.every("proxy")
    if proxies:
        client["proxy"] = _read_proxies(proxies)
    if arguments.has("no-proxy"):
        client["proxy"] = None
    if arguments.has("resolve"):
        client["resolve"] = read_resolve(arguments.every("resolve"))
    socket = arguments.last("unix-socket")
    if socket is not None:
        client["unix_socket"] = environment.path(socket)
    address = arguments.last("interface")
    if address is not None:
        if not is_address(address):
            raise Failure(f"--interface takes one of our addresses, as 192.0.2.7, not {address!r}")
        client["local_address"] = address


# --- how long, how often -------------------------------------------------------------------------


def _add_times(client: ClientOptions, options: RequestOptions, arguments: Arguments) -> None:
    whole, connect = arguments.last("timeout"), arguments.last("connect-timeout")
    if arguments.has("untrusted"):
        from crlf.rules.addresses import public_only  # few ask for a stranger

        client["policy"] = public_only
    if whole is not None:
        timeout = Timeout.of(read_seconds("--timeout", whole))
        if connect is not None:
            timeout = replace(timeout, connect=read_seconds("--connect-timeout", connect))
        options["timeout"] = timeout
    elif connect is not None:
        policy = client.get("policy")
        usual = Timeout() if policy is None else policy.timeout
        client["timeout"] = replace(usual, connect=read_seconds("--connect-timeout", connect))
    retries = arguments.last("retry")
    if retries is not None:
        count = _read_count("--retry", retries, MOST_RETRIES)
        client["retry"] = Retry(
            attempts=count + 1, statuses=RETRIED, unanswered=True, share=None
        ) if count else None  # fmt: skip
    redirects = arguments.last("max-redirects")
    if redirects is not None:
        if arguments.last("follow") == "no":
            raise Failure("--max-redirects and --no-follow exclude each other: none is followed")
        client["max_redirects"] = _read_count("--max-redirects", redirects, MOST_REDIRECTS)


def read_seconds(option: str, text: str) -> float:
    """Read seconds that an option is given. Raises Failure."""
    try:
        seconds = float(text) if text.isascii() else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= LONGEST:
        raise Failure(f"{option} takes seconds, as in 2.5, not {text!r}")
    return seconds


def _read_count(option: str, text: str, most: int) -> int:
    number = parse_digits(text)
    if number is None or number > most:
        raise Failure(f"{option} takes a number from 0 to {most}, not {text!r}")
    return number


# --- TLS -----------------------------------------------------------------------------------------


def _add_tls(client: ClientOptions, arguments: Arguments, environment: Environment) -> None:
    if arguments.has("insecure"):
        client["verify"] = False
    authorities = arguments.last("ca")
    if authorities is not None:
        client["verify"] = _existing(authorities, environment, may_be_folder=True)
    minimum = arguments.last("tls-minimum")
    if minimum is not None:
        client["tls_minimum"] = minimum
    certificate, key = arguments.last("cert"), arguments.last("cert-key")
    if certificate is None:
        if key is not None:
            raise Failure("--cert-key is the key of a certificate: name that with --cert")
        return
    path = _existing(certificate, environment)
    client["cert"] = path if key is None else (path, _existing(key, environment))


def _existing(name: str, environment: Environment, *, may_be_folder: bool = False) -> str:
    """Return the path of a file that is there and can be read. Raises Failure."""
    path = environment.path(name)
    if may_be_folder and os.path.isdir(path):
        return path
    open_input(name, environment).close()
    return path


# --- proxies and names ---------------------------------------------------------------------------


def _read_proxies(texts: list[str]) -> dict[str, str] | str:
    """Read proxies; `http:http://host` is one for URLs of that scheme alone, as in HTTPie."""
    named: dict[str, str] = {}
    for text in texts:
        scheme, colon, rest = text.partition(":")
        if colon and scheme in _PROXIED and "://" in rest and not rest.startswith("//"):
            named[scheme] = rest
        else:
            named["all"] = text
    from crlf.rules.proxies import Proxy  # few go through one

    try:
        for text in named.values():
            Proxy.parse(text)
    except (CrlfError, ValueError) as fault:
        line = fault.brief if isinstance(fault, CrlfError) else str(fault)
        raise Failure(f"--proxy takes a URL, as http://proxy.example:3128: {line}") from None
    return named["all"] if named.keys() == {"all"} else named


def read_resolve(texts: list[str]) -> dict[str, list[str]]:
    """Read `HOST:ADDRESS` and `HOST:PORT:ADDRESS`, of which the last for a name counts.

    Several addresses are parted by commas. IPv6 may be in brackets, and has to where its first
    group could be a port. Raises Failure.
    """
    return dict([_read_place(text) for text in texts])


def _read_place(text: str) -> tuple[str, list[str]]:
    host, colon, rest = text.partition(":")
    if not colon or not host or not rest:
        raise _no_place(text)
    try:
        name = URL(f"http://{host}/").host
    except BadUrl as fault:
        raise Failure(f"--resolve {text!r}: {fault.brief}") from None
    addresses = _addresses(rest)
    port, colon, last = rest.partition(":")
    number = parse_port(port) if colon else None
    behind = None if number is None else _addresses(last)
    if addresses and behind:
        raise Failure(
            f"--resolve {text!r} can be read in two ways: put the address in brackets, "
            f"{host}:[{rest}] or {host}:{port}:[{last}]"
        )
    if addresses:
        return name, addresses
    if behind:
        return f"{name}:{number}", behind
    raise _no_place(text)


def _addresses(text: str) -> list[str] | None:
    found = []
    for each in text.split(","):
        is_bracketed = each[:1] == "[" and each[-1:] == "]"
        address = each[1:-1] if is_bracketed else each
        if not is_address(address) or (is_bracketed and ":" not in address):
            return None
        found.append(address)
    return found


def _no_place(text: str) -> Failure:
    return Failure(
        f"--resolve takes HOST:ADDRESS or HOST:PORT:ADDRESS, as a.example:127.0.0.1, not {text!r}"
    )
