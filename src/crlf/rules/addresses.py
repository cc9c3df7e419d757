"""Where a client may go when somebody else says where: the policy for URLs of strangers."""

from __future__ import annotations

from crlf.message.url import URL
from crlf.values import frozen


@frozen
class Policy:
    """Which addresses may be talked to."""

    ports: frozenset[int] | None = frozenset({80, 443})

    def check_url(self, url: URL) -> None:
        """Raise BlockedAddress when a URL may not be asked, whatever its host resolves to."""
        raise NotImplementedError

    def check_address(self, host: str, address: str) -> None:
        """Raise BlockedAddress when a host's address may not be talked to."""
        raise NotImplementedError
