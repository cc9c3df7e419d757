# Made by scripts/stubs.py from the table beside it.
from crlf.rules.conditional import evaluate as evaluate
from crlf.rules.cookiejar import CookieJar as CookieJar
from crlf.rules.cookiejar import keeping_cookies as keeping_cookies
from crlf.rules.credentials import authorizing as authorizing
from crlf.rules.credentials import basic as basic
from crlf.rules.credentials import bearer as bearer
from crlf.rules.deadlines import Patience as Patience
from crlf.rules.deadlines import Timeout as Timeout
from crlf.rules.filters import Filter as Filter
from crlf.rules.ledger import Ledger as Ledger
from crlf.rules.ledger import PoolLimits as PoolLimits
from crlf.rules.pages import error_response as error_response
from crlf.rules.redirects import redirecting as redirecting
from crlf.rules.routes import Pattern as Pattern
from crlf.rules.routes import Routes as Routes
from crlf.rules.sessions import SignedSessions as SignedSessions
from crlf.rules.sessionstore import Record as Record
from crlf.rules.sessionstore import SessionStore as SessionStore
from crlf.rules.storedsessions import StoredSessions as StoredSessions

__all__ = [
    "CookieJar",
    "Filter",
    "Ledger",
    "Patience",
    "Pattern",
    "PoolLimits",
    "Record",
    "Routes",
    "SessionStore",
    "SignedSessions",
    "StoredSessions",
    "Timeout",
    "authorizing",
    "basic",
    "bearer",
    "error_response",
    "evaluate",
    "keeping_cookies",
    "redirecting",
]
