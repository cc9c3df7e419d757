"""crlf: both ends of HTTP for Python, on one strict engine.

A client: `crlf.get(url)`, `Client`, `AsyncClient`. A server: `App`, `serve`. Between them the
same `Request`, `Response`, `Headers` and `URL`. Importing crlf loads nothing of it.
"""

from crlf.lazy import exporting

HOMES = {
    "crlf.client.aio": ("AsyncClient",),
    "crlf.client.blocking": ("Client",),
    "crlf.client.once": (
        "delete", "get", "head", "options", "patch", "post", "put", "request", "stream",
    ),
    "crlf.message.errors": (
        "BadParameter", "BadSignature", "BadUrl", "BlockedAddress", "ConnectFailed",
        "ConnectTimeout", "CrlfError", "DecodingError", "DigestMismatch", "LocalError", "Malformed",
        "PoolTimeout", "ProtocolError", "ProxyFailed", "ReadFailed", "ReadTimeout", "RemoteError",
        "StatusError", "TimedOut", "TlsFailed", "TooLarge", "TooManyRedirects", "TotalTimeout",
        "TransportError", "WriteFailed", "WriteTimeout",
    ),
    "crlf.message.headers": ("Headers",),
    "crlf.message.request": ("Request",),
    "crlf.message.response": ("Response",),
    "crlf.message.url": ("URL",),
    "crlf.message.version": ("__version__",),
    "crlf.rules.deadlines": ("Patience", "Timeout"),
    "crlf.rules.ledger": ("PoolLimits",),
    "crlf.server.answers": ("Refused", "file", "html", "json", "redirect", "text"),
    "crlf.server.app": ("App",),
    "crlf.server.supervisor": ("Server", "running", "serve"),
    "crlf.wire.limits": ("Limits",),
}  # fmt: skip

__all__, __getattr__, __dir__ = exporting(__name__, HOMES)
