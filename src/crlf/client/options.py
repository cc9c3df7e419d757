"""What a client is told: once when it is made, and again with each request.

Explicit beats client beats environment beats default, always. None is a value like any other;
"not given" is its own thing, so that a timeout can be switched off for one request.

The annotations here are not put off as elsewhere: a TypedDict compiles each that is a text.
"""

from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager
from os import PathLike
from typing import BinaryIO, Protocol, TypedDict

from crlf.flow.dial import Resolver
from crlf.message.body import Progress
from crlf.message.headers import EMPTY, Headers
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.message.url import URL, Pairs
from crlf.ports import DEFAULT_TLS, InThread, Network, Policy, SocketSettings, TlsSettings, Via
from crlf.rules.cookiejar import CookieJar
from crlf.rules.deadlines import DEFAULT_TIMEOUT, Timeout
from crlf.rules.filters import Filter
from crlf.rules.ledger import PoolLimits
from crlf.rules.redirects import MAX_REDIRECTS
from crlf.rules.retries import Retry
from crlf.rules.tracing import Step, Trace
from crlf.values import frozen
from crlf.wire.limits import CLIENT_LIMITS, Limits

HeaderInput = Headers | Mapping[str, str] | Iterable[tuple[str, str]]
# Of one request; None takes away what the client would send.
AddedHeaders = Headers | Mapping[str, str | None] | Iterable[tuple[str, str | None]]
Content = bytes | str | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]
FileInput = (
    str | bytes | PathLike[str] | BinaryIO | tuple[str | None, bytes | BinaryIO]
    | tuple[str | None, bytes | BinaryIO, str]
)  # fmt: skip
Files = Mapping[str, FileInput] | Iterable[tuple[str, FileInput]]
# (user, password) for Basic; Basic, Bearer, Digest of crlf.auth; or a flow of one's own.
Auth = tuple[str, str] | Filter
ProxyInput = str | URL | Via | Mapping[str, "str | URL | Via | None"]

EXPECT_FROM = 1024 * 1024  # bytes of content that are worth a question first; curl 1 MiB


class ClientPolicy(Policy, Protocol):
    """A policy for a whole client: where it may go, and how much it takes of what it gets there."""

    @property
    def timeout(self) -> Timeout: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def redirects(self) -> int: ...


class HostStore(Protocol):
    """What knows the hosts that are asked over https alone: crlf.Hsts."""

    guard: AbstractContextManager[object]

    def upgraded(self, url: URL, now: float) -> URL: ...
    def upgrading(self, now: Callable[[], float]) -> Filter: ...
    def keeping(self, now: Callable[[], float], *, learns: bool = True) -> Filter: ...


class Recording(Protocol):
    """What keeps the exchanges of a client: a Recorder, a HarFile."""

    def watch(self, network: Network) -> Network: ...
    def step(self, step: Step) -> object: ...


class Application(Protocol):
    """What can be talked to in memory: an App, or whatever gives a Send in the same way."""

    def sender(
        self, in_thread: InThread, now: Callable[[], float]
    ) -> Callable[[Request], Awaitable[Response]]: ...


@frozen
class TrustEnv:
    """What of its environment a client believes; what it is told itself always comes first.

    proxy: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY. netrc: passwords in ~/.netrc or $NETRC.
    ca: SSL_CERT_FILE and SSL_CERT_DIR.
    """

    proxy: bool = True
    netrc: bool = False
    ca: bool = True


class RequestOptions(TypedDict, total=False):
    """What every verb takes beside the URL.

    params: appended to the URL's query. data: a form, sent urlencoded, or multipart when there
    are files. files: name to path, open file, bytes, or (filename, content[, type]); (None, bytes)
    is a field among them, where their order matters.
    json: anything json.dumps takes. content: the body as it is. headers, cookies: added to the
    client's own; a header of None takes one away. auth: (user, password) for Basic, or Basic,
    Bearer, Digest, or a filter; None for no authentication. timeout: a Timeout, seconds in all,
    or None for no end. follow_redirects: True for all methods, False for none; GET and HEAD
    otherwise. retry: a Retry, or None for none. trace: told of every step. progress: called with
    (bytes sent, bytes in all or None) while content goes out.
    """

    params: Pairs | None
    data: Pairs | None
    files: Files | None
    json: object
    content: Content | None
    headers: AddedHeaders | None
    cookies: Mapping[str, str] | None
    auth: Auth | None
    timeout: Timeout | float | None
    follow_redirects: bool | None
    retry: Retry | None
    trace: Trace | None
    progress: Progress | None


class ClientOptions(TypedDict, total=False):
    """What Client and AsyncClient take, each by its name and none of them needed."""

    # -- what every request has

    base_url: str | URL | None  # relative URLs are resolved against it (RFC 3986: end it with /)
    # These four are for base_url's origin alone where there is one; cookies for its host.
    headers: HeaderInput | None  # sent with every request; elsewhere what redirects may take along
    params: Pairs | None  # appended to every URL that is given as text
    cookies: Mapping[str, str] | CookieJar | None  # to begin with, or a jar to share
    auth: Auth | None  # as of a request
    expect_continue: int | None  # bytes of content from which the server is asked first; None never

    # -- how long, how often, how much

    timeout: Timeout | float | None  # a Timeout, seconds for a whole exchange, None for no end
    retry: Retry | None  # None for none
    pool: PoolLimits | None  # of connections
    limits: Limits | None  # on what a server may send
    policy: ClientPolicy | None  # where this client may go at all, as crlf.public_only

    # -- redirects, filters, steps

    follow_redirects: bool | None  # None for GET and HEAD, True for all, False for none
    max_redirects: int  # in a row
    redirect_headers: Collection[str]  # names of further fields that may go to another origin
    redirect_downgrades: bool  # also from https to http
    hsts: HostStore | None  # an Hsts: who once said so is asked over https alone
    filters: Sequence[Filter]  # run around every request, the first outermost
    trace: Trace | None  # told of every step
    record: Recording | None  # a HarFile or a Recorder: keeps every exchange, byte for byte

    # -- the way there

    verify: bool | str  # the system's trust store, the path of a CA file or folder, or no check
    cert: str | tuple[str, str] | None  # a PEM path, or (certificate, key)
    tls_minimum: str  # "1.2" or "1.3"
    proxy: ProxyInput | None  # a URL, or one for each scheme; None for none; else the environment's
    trust_env: bool | TrustEnv  # what of the environment counts
    resolve: Resolver | None  # {host: address} or a function, which no deadline cuts short
    unix_socket: str | None  # a path that stands for every host
    local_address: str | None  # ours to connect from
    app: Application | None  # to talk to in memory instead of the network
    network: Network | None  # another one than the machine's, as a test or a tap has it


@frozen
class ClientSettings:
    """What a client was made with, checked and in one form; see ClientOptions for the words."""

    base_url: URL | None = None
    headers: Headers = EMPTY
    params: tuple[tuple[str, str], ...] = ()
    auth: Auth | None = None
    timeout: Timeout = DEFAULT_TIMEOUT
    retry: Retry | None = Retry()
    follow_redirects: bool | None = None  # None: GET and HEAD
    max_redirects: int = MAX_REDIRECTS
    redirect_headers: frozenset[str] = frozenset()
    redirect_downgrades: bool = False
    hsts: HostStore | None = None
    filters: tuple[Filter, ...] = ()
    tls: TlsSettings = DEFAULT_TLS
    trust_env: TrustEnv = TrustEnv()
    sockets: SocketSettings | None = None
    resolve: Resolver | None = None
    pool: PoolLimits = PoolLimits()
    limits: Limits = CLIENT_LIMITS
    policy: Policy | None = None
    expect_continue: int | None = EXPECT_FROM
    trace: Trace | None = None
    record: Recording | None = None

    def __repr__(self) -> str:
        """Say whose settings these are; auth and headers have secrets in them."""
        place = "any origin" if self.base_url is None else self.base_url.redacted
        return f"<ClientSettings for {place}>"
