"""Floor 3: decisions without I/O, for both ends. Filters are generators, tables are data."""

from crlf.lazy import exporting

HOMES = {
    "crlf.rules.conditional": ("evaluate",),
    "crlf.rules.cookiejar": ("CookieJar", "keeping_cookies"),
    "crlf.rules.credentials": ("authorizing", "basic", "bearer"),
    "crlf.rules.deadlines": ("Patience", "Timeout"),
    "crlf.rules.filters": ("Filter",),
    "crlf.rules.ledger": ("Ledger", "PoolLimits"),
    "crlf.rules.pages": ("error_response",),
    "crlf.rules.redirects": ("redirecting",),
    "crlf.rules.routes": ("Pattern", "Routes"),
    "crlf.rules.sessions": ("SignedSessions",),
    "crlf.rules.sessionstore": ("Record", "SessionStore"),
    "crlf.rules.storedsessions": ("StoredSessions",),
}

__all__, __getattr__, __dir__ = exporting(__name__, HOMES)
