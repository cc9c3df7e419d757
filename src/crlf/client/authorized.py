"""Which filters authenticate a request, beside the fields that it has from the beginning.

Its law: what is said for one request counts before what is said for the client, and that before
the netrc file; with a base URL, what is said for the client is for that origin alone.
"""

from __future__ import annotations

from crlf.client.options import Auth, ClientSettings
from crlf.message.url import URL, Origin
from crlf.net.netrc import Netrc
from crlf.rules.authentication import at_origin, authenticating, standing_value
from crlf.rules.filters import Filter


def auth_filters(
    auth: Auth | None, is_of_request: bool, settings: ClientSettings, logins: list[Filter]
) -> list[Filter]:
    """List them, the one that counts most outermost.

    is_of_request: the caller gave it for this request, so that nothing else counts, not even
    where it is None. logins: where the netrc file's filter is kept, which reads it once.
    """
    flows: list[Filter] = []
    if auth is not None and standing_value(auth) is None:
        flows = [authenticating(auth)]
    if is_of_request:
        return flows
    if settings.base_url is not None:
        origins = _origins(settings.base_url, settings)
        flows = [at_origin(origin, flow) for origin in origins for flow in flows]
    if settings.trust_env.netrc and settings.auth is None:
        # Beside a flow it would answer with a password in the clear what the flow wants to prove.
        if not logins:
            logins.append(Netrc())
        flows += logins
    return flows


def _origins(base: URL, settings: ClientSettings) -> list[Origin]:
    """List the origins that are meant by a base URL: with HSTS, http may have become https."""
    if settings.hsts is None or base.scheme != "http":
        return [base.origin]
    return [base.origin, Origin("https", base.host, 443 if base.port == 80 else base.port)]
