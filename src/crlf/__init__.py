"""crlf: both ends of HTTP for Python, on one strict engine.

A client: `crlf.get(url)`, `Client`, `AsyncClient`. A server: `App`, `serve`. Between them the
same `Request`, `Response`, `Headers` and `URL`. Importing crlf loads nothing of it.
"""

from crlf.lazy import exporting

HOMES = {
    "crlf.client.aio": ("AsyncClient",),
    "crlf.client.blocking": ("Client",),
    "crlf.client.recording": ("HarFile", "Recorder"),
    "crlf.client.once": (
        "delete", "get", "head", "options", "patch", "post", "put", "query", "request", "stream",
    ),
    "crlf.message.body": ("Progress",),
    "crlf.message.errors": (
        "BadParameter", "BadSignature", "BadUrl", "BlockedAddress", "ConnectFailed",
        "ConnectTimeout", "CrlfError", "DecodingError", "DigestMismatch", "LocalError", "Malformed",
        "MissingParameter", "PoolTimeout", "ProtocolError", "ProxyFailed", "ReadFailed",
        "ReadTimeout", "RemoteError", "StatusError", "StoreUnavailable", "TimedOut", "TlsFailed",
        "TooLarge", "TooManyRedirects", "TotalTimeout", "TransportError", "WriteFailed",
        "WriteTimeout",
    ),
    "crlf.message.headers": ("Headers",),
    "crlf.message.link": ("Link",),
    "crlf.message.progress": ("Download",),
    "crlf.message.request": ("Request",),
    "crlf.message.response": ("Response",),
    "crlf.message.url": ("URL",),
    "crlf.message.version": ("__version__",),
    "crlf.client.download": ("DownloadOptions",),
    "crlf.client.options": ("ClientOptions", "RequestOptions", "TrustEnv"),
    "crlf.net.cookiefile": ("load_cookies", "save_cookies"),
    "crlf.net.netrc": ("Netrc",),
    "crlf.rules.addresses": ("Policy", "public_only"),
    "crlf.rules.cookiejar": ("CookieJar",),
    "crlf.rules.credentials": ("Basic", "Bearer"),
    "crlf.rules.deadlines": ("Patience", "Timeout"),
    "crlf.rules.digest": ("Digest",),
    "crlf.rules.filters": ("After", "Filter", "answering"),
    "crlf.rules.hsts": ("Hsts",),
    "crlf.rules.ledger": ("PoolLimits",),
    "crlf.rules.proxies": ("Proxy",),
    "crlf.rules.retries": ("Retry",),
    "crlf.rules.tracing": ("Step",),
    "crlf.server.apps.answers": ("Refused", "file", "html", "json", "redirect", "text"),
    "crlf.server.apps.app": ("App",),
    "crlf.server.apps.events": ("events",),
    "crlf.server.apps.templates": ("Templates", "render", "template"),
    "crlf.server.serving": ("Server",),
    "crlf.server.starting": ("running", "serve"),
    "crlf.wire.limits": ("Limits",),
    "crlf.wire.sse": ("ServerSentEvent", "build_event"),
}  # fmt: skip

__all__, __getattr__, __dir__ = exporting(__name__, HOMES)
