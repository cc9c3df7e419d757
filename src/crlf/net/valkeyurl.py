"""Where a store of sessions is: valkey://USER:PASSWORD@HOST:PORT/DATABASE?prefix=TEXT.

The schemes are those that clients of Valkey and Redis share. Its law: what is wrong with a URL
is said without showing any of it that could belong to a password.
"""

from __future__ import annotations

import socket
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PREFIX: Final = "crlf:session:"

_KINDS: Final = {"valkey": "tcp", "redis": "tcp", "valkeys": "tls", "rediss": "tls", "unix": "unix"}
_ALLOWED: Final = {"tcp": ("prefix",), "tls": ("prefix", "ca"), "unix": ("prefix", "db")}
_PORT: Final = 6379
_MAX_PREFIX: Final = 100  # characters
# A store that has vanished from the network is noticed after a minute, not after two hours.
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
_KEPT_ALIVE: Final = {
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): value for name, value in _KEEPALIVE if hasattr(socket, name)
    },
}


class Place(NamedTuple):
    """Where a store is. name: the URL without its secrets. options: for valkey's connections."""

    kind: str  # "tcp", "tls" or "unix"
    name: str
    prefix: str
    options: dict[str, Any]

    def __repr__(self) -> str:
        return f"Place({self.name!r})"


def parse_place(url: str) -> Place:
    """Read a store's URL: valkey://USER:PASSWORD@HOST:PORT/DATABASE?prefix=TEXT.

    redis:// says the same; valkeys:// and rediss:// are TLS, with ?ca=FILE for an authority of
    one's own; unix:///PATH?db=DATABASE is a socket file. prefix: what our keys begin with.
    Raises ValueError.
    """
    scheme = url.partition("://")[0].lower()
    kind = _KINDS.get(scheme) if "://" in url else None
    if kind is None:
        schemes = ", ".join(f"{one}://" for one in _KINDS)
        raise ValueError(f"a store's URL begins with one of {schemes}")
    try:
        split = urlsplit(url)
        host, port = split.hostname or "localhost", split.port or _PORT
        strict = bool(split.query)  # nothing at all is an error to older Pythons
        query = dict(parse_qsl(split.query, keep_blank_values=True, strict_parsing=strict))
    except ValueError:
        raise ValueError(
            f"the store's {scheme}:// URL cannot be read: is everything in its password that is"
            " no letter and no digit percent-encoded?"
        ) from None
    if split.fragment or not set(query) <= set(_ALLOWED[kind]):
        names = " and ".join(f"{name}=" for name in _ALLOWED[kind])
        raise ValueError(f"a store's {scheme}:// URL takes {names} after a question mark")
    prefix = query.get("prefix", DEFAULT_PREFIX)
    if not 0 < len(prefix) <= _MAX_PREFIX:
        raise ValueError(f"the prefix= of a store's URL has 1 to {_MAX_PREFIX} characters")
    number = query.get("db") if kind == "unix" else split.path.removeprefix("/")
    options = _credentials(split.username, split.password)
    options["db"] = _database(number or "0", scheme)
    if kind == "unix":
        options["path"] = path = unquote(split.path)
        if split.hostname or len(path) < 2:
            raise ValueError("a store's socket file is named as in unix:///run/valkey.sock")
        return Place(kind, f"{scheme}://{path}?db={options['db']}", prefix, options)
    options |= {"host": host, "port": port, **_KEPT_ALIVE}
    if kind == "tls":
        # Valkey's own default takes any name that a known authority has certified.
        options |= {"ssl_check_hostname": True, "ssl_ca_certs": query.get("ca")}
    shown = f"[{host}]" if ":" in host else host
    return Place(kind, f"{scheme}://{shown}:{port}/{options['db']}", prefix, options)


def _credentials(name: str | None, password: str | None) -> dict[str, Any]:
    return {
        "username": unquote(name) if name else None,
        "password": unquote(password) if password else None,
    }


def _database(number: str, scheme: str) -> int:
    if not (number.isascii() and number.isdecimal() and len(number) <= 5):
        raise ValueError(f"the database in a store's {scheme}:// URL is a number")
    return int(number)
