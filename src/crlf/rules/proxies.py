"""Which proxy a URL is asked through: the one that was given, or the environment's.

A proxy sees where everything goes, and its credentials are for it alone.
"""

from __future__ import annotations

from crlf.message.authority import in_brackets
from crlf.message.url import URL
from crlf.values import frozen


@frozen
class Proxy:
    """A proxy. scheme: http, https, socks4, socks4a, socks5 or socks5h."""

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS, and not HTTP."""
        return self.scheme.startswith("socks")

    @property
    def resolves_names(self) -> bool:
        """Whether it is given names, and looks them up itself; socks4 and socks5 want addresses."""
        return self.scheme not in ("socks4", "socks5")

    def __str__(self) -> str:
        """Write it as a URL, without user name and password."""
        return f"{self.scheme}://{in_brackets(self.host)}:{self.port}"

    def __repr__(self) -> str:
        return f"<Proxy {self}>"


class Proxies:
    """The proxies of one client."""

    def for_url(self, url: URL) -> Proxy | None:
        """Choose the proxy for a URL; None: go straight."""
        raise NotImplementedError
