"""From what a client was told to what it goes by: checked once, when it is made.

Reading is all that is done here: no file is opened, no name looked up, no certificate read, so
that making a client costs microseconds. Wrong use is a TypeError or ValueError that says so.
"""

from __future__ import annotations

from contextlib import nullcontext
from os import PathLike

from crlf.client.options import ClientOptions, ClientSettings, HostStore, TrustEnv
from crlf.flow.dial import Proxies
from crlf.message.authority import is_address
from crlf.message.headers import EMPTY, Headers
from crlf.message.url import URL, text_pairs
from crlf.net.blocking import BlockingBell
from crlf.net.surroundings import environment, names_proxies
from crlf.ports import DEFAULT_SOCKETS, DEFAULT_TLS, Network, SocketSettings, TlsSettings
from crlf.rules.cookiejar import CookieJar
from crlf.rules.credentials import Basic
from crlf.rules.deadlines import DEFAULT_TIMEOUT, Timeout
from crlf.rules.ledger import PoolLimits
from crlf.values import replace
from crlf.wire.limits import CLIENT_LIMITS, Limits

_KNOWN = frozenset(ClientOptions.__annotations__)
_EVERYTHING, _NOTHING, _USUAL = (
    TrustEnv(True, True, True),
    TrustEnv(False, False, False),
    TrustEnv(),
)


def settings_of(options: ClientOptions) -> ClientSettings:
    """Read what a client is made with. Raises TypeError, ValueError, BadUrl, Malformed."""
    if not options:
        return ClientSettings()
    if unknown := options.keys() - _KNOWN:
        raise TypeError(f"a client takes no {', '.join(sorted(unknown))}")
    trust_env = _trust_env(options.get("trust_env"))
    if options.get("proxy") is not None and options.get("unix_socket") is not None:
        raise ValueError("unix_socket= and proxy= exclude each other: each is another way")
    policy = options.get("policy")
    timeout, limits = options.get("timeout", DEFAULT_TIMEOUT), options.get("limits")
    redirects = options.get("max_redirects")
    if policy is not None:
        _check_policy(options)
        timeout = timeout if "timeout" in options else policy.timeout
        limits = limits or policy.limits
        redirects = policy.redirects if redirects is None else redirects
    if limits is not None and not isinstance(limits, Limits):
        raise TypeError("limits= is a Limits, of what a server may send; pool= takes PoolLimits")
    params = options.get("params")
    given = {
        name: options[name]
        for name in (
            "auth", "follow_redirects", "resolve", "retry", "expect_continue", "trace", "record",
        )
        if name in options
    }  # fmt: skip
    auth = given.get("auth")
    if isinstance(auth, tuple):
        given["auth"] = Basic(*auth)  # which shows no password
    settings = ClientSettings(
        base_url=_home_of(options),
        headers=Headers(options.get("headers")) if options.get("headers") else EMPTY,
        params=tuple(text_pairs(params)) if params else (),
        timeout=Timeout.of(timeout),
        redirect_headers=frozenset(options.get("redirect_headers", ())),
        redirect_downgrades=options.get("redirect_downgrades", False),
        filters=tuple(options.get("filters", ())),
        hsts=_hsts(options),
        tls=_tls(options, trust_env),
        trust_env=trust_env,
        sockets=_sockets(options),
        pool=options.get("pool") or PoolLimits(),
        limits=limits or CLIENT_LIMITS,
        policy=policy,
        **given,  # type: ignore[arg-type]  # typed where they were given
    )
    return settings if redirects is None else replace(settings, max_redirects=redirects)


def proxies_of(options: ClientOptions) -> Proxies | None:
    """Return the proxies that a client goes through: those it is given, or the environment's."""
    if options.get("policy") is not None or options.get("unix_socket") is not None:
        return None
    if "proxy" in options:
        if options["proxy"] is None:
            return None
        from crlf.rules.proxies import Proxies as Given  # few go through a proxy

        given = Given.of(options["proxy"])  # type: ignore[arg-type]  # it refuses what is none
        return None if given is None else given.for_url
    if not _trust_env(options.get("trust_env")).proxy or not names_proxies():
        return None
    from crlf.rules.proxies import environment_proxies  # the same

    named = environment_proxies(environment())
    return None if named is None else named.for_url


def _home_of(options: ClientOptions) -> URL | None:
    given = options.get("base_url")
    return given if given is None or isinstance(given, URL) else URL(given)


def jar_of(options: ClientOptions, network: Network) -> CookieJar:
    """Return the jar that a client is given to share, or a new one with the cookies it is given.

    Where it has a base URL they are that host's, and else whatever origin's it asks.
    Raises Malformed for a cookie that could not be sent.
    """
    cookies = options.get("cookies")
    if isinstance(cookies, CookieJar):
        if isinstance(cookies.guard, nullcontext):
            cookies.guard = BlockingBell()  # threads share a client, and so its jar
        return cookies
    jar = CookieJar(guard=network.new_bell())
    if cookies:
        home = _home_of(options)
        host = "" if home is None else home.host
        for name, value in cookies.items():
            jar.set(name, value, host, secure=home is not None and home.scheme == "https")
    return jar


def _hsts(options: ClientOptions) -> HostStore | None:
    """Return the store of hosts that a client is given, fit for threads."""
    store = options.get("hsts")
    if store is None:
        return None
    if not hasattr(store, "upgrading"):
        raise TypeError(f"hsts= is an Hsts, not {type(store).__name__}")
    if isinstance(store.guard, nullcontext):
        store.guard = BlockingBell()
    return store


def _trust_env(given: bool | TrustEnv | None) -> TrustEnv:
    if isinstance(given, TrustEnv):
        return given
    return _USUAL if given is None else _EVERYTHING if given else _NOTHING


def _check_policy(options: ClientOptions) -> None:
    """Refuse what would go around a policy."""
    for name in ("proxy", "unix_socket"):
        if options.get(name) is not None:
            raise ValueError(
                f"policy= and {name}= exclude each other: it would lead around the policy"
            )


def _tls(options: ClientOptions, trust_env: TrustEnv) -> TlsSettings:
    verify, cert = options.get("verify", True), options.get("cert")
    minimum = options.get("tls_minimum", "1.2")
    if not isinstance(verify, bool | str | PathLike):  # 0 and 1 would be files, the open ones
        raise TypeError("verify= is True, False or the path of a CA file; None could mean either")
    if minimum not in ("1.2", "1.3"):
        raise ValueError(f"tls_minimum= is '1.2' or '1.3', not {minimum!r}: RFC 8996 forbids older")
    if verify is True and cert is None and minimum == "1.2" and trust_env.ca:
        return DEFAULT_TLS
    certificate, key = cert if isinstance(cert, tuple) else (cert, None)
    return TlsSettings(verify, certificate, key, minimum=minimum, trust_env=trust_env.ca)


def _sockets(options: ClientOptions) -> SocketSettings | None:
    local, path = options.get("local_address"), options.get("unix_socket")
    if local is None and path is None:
        return None
    if local is not None and not is_address(local):
        raise ValueError(f"local_address= is an IP address, not {local!r}")
    return replace(DEFAULT_SOCKETS, local_address=local, unix_path=path)
