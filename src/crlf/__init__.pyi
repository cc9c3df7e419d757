# Made by scripts/stubs.py from the table beside it.
from crlf.client.aio import AsyncClient as AsyncClient
from crlf.client.blocking import Client as Client
from crlf.client.download import DownloadOptions as DownloadOptions
from crlf.client.once import delete as delete
from crlf.client.once import get as get
from crlf.client.once import head as head
from crlf.client.once import options as options
from crlf.client.once import patch as patch
from crlf.client.once import post as post
from crlf.client.once import put as put
from crlf.client.once import query as query
from crlf.client.once import request as request
from crlf.client.once import stream as stream
from crlf.client.options import ClientOptions as ClientOptions
from crlf.client.options import RequestOptions as RequestOptions
from crlf.client.options import TrustEnv as TrustEnv
from crlf.client.recording import HarFile as HarFile
from crlf.client.recording import Recorder as Recorder
from crlf.message.body import Progress as Progress
from crlf.message.errors import BadParameter as BadParameter
from crlf.message.errors import BadSignature as BadSignature
from crlf.message.errors import BadUrl as BadUrl
from crlf.message.errors import BlockedAddress as BlockedAddress
from crlf.message.errors import ConnectFailed as ConnectFailed
from crlf.message.errors import ConnectTimeout as ConnectTimeout
from crlf.message.errors import CrlfError as CrlfError
from crlf.message.errors import DecodingError as DecodingError
from crlf.message.errors import DigestMismatch as DigestMismatch
from crlf.message.errors import LocalError as LocalError
from crlf.message.errors import Malformed as Malformed
from crlf.message.errors import MissingParameter as MissingParameter
from crlf.message.errors import PoolTimeout as PoolTimeout
from crlf.message.errors import ProtocolError as ProtocolError
from crlf.message.errors import ProxyFailed as ProxyFailed
from crlf.message.errors import ReadFailed as ReadFailed
from crlf.message.errors import ReadTimeout as ReadTimeout
from crlf.message.errors import RemoteError as RemoteError
from crlf.message.errors import StatusError as StatusError
from crlf.message.errors import StoreUnavailable as StoreUnavailable
from crlf.message.errors import TimedOut as TimedOut
from crlf.message.errors import TlsFailed as TlsFailed
from crlf.message.errors import TooLarge as TooLarge
from crlf.message.errors import TooManyRedirects as TooManyRedirects
from crlf.message.errors import TotalTimeout as TotalTimeout
from crlf.message.errors import TransportError as TransportError
from crlf.message.errors import WriteFailed as WriteFailed
from crlf.message.errors import WriteTimeout as WriteTimeout
from crlf.message.headers import Headers as Headers
from crlf.message.link import Link as Link
from crlf.message.progress import Download as Download
from crlf.message.request import Request as Request
from crlf.message.response import Response as Response
from crlf.message.url import URL as URL
from crlf.message.version import __version__ as __version__
from crlf.net.cookiefile import load_cookies as load_cookies
from crlf.net.cookiefile import save_cookies as save_cookies
from crlf.net.netrc import Netrc as Netrc
from crlf.rules.addresses import Policy as Policy
from crlf.rules.addresses import public_only as public_only
from crlf.rules.cookiejar import CookieJar as CookieJar
from crlf.rules.credentials import Basic as Basic
from crlf.rules.credentials import Bearer as Bearer
from crlf.rules.deadlines import Patience as Patience
from crlf.rules.deadlines import Timeout as Timeout
from crlf.rules.digest import Digest as Digest
from crlf.rules.filters import After as After
from crlf.rules.filters import Filter as Filter
from crlf.rules.filters import answering as answering
from crlf.rules.hsts import Hsts as Hsts
from crlf.rules.ledger import PoolLimits as PoolLimits
from crlf.rules.proxies import Proxy as Proxy
from crlf.rules.retries import Retry as Retry
from crlf.rules.tracing import Step as Step
from crlf.server.apps.answers import Refused as Refused
from crlf.server.apps.answers import file as file
from crlf.server.apps.answers import html as html
from crlf.server.apps.answers import json as json
from crlf.server.apps.answers import redirect as redirect
from crlf.server.apps.answers import text as text
from crlf.server.apps.app import App as App
from crlf.server.apps.events import events as events
from crlf.server.apps.templates import Templates as Templates
from crlf.server.apps.templates import render as render
from crlf.server.apps.templates import template as template
from crlf.server.serving import Server as Server
from crlf.server.starting import running as running
from crlf.server.starting import serve as serve
from crlf.wire.limits import Limits as Limits
from crlf.wire.sse import ServerSentEvent as ServerSentEvent
from crlf.wire.sse import build_event as build_event

__all__ = [
    "URL",
    "After",
    "App",
    "AsyncClient",
    "BadParameter",
    "BadSignature",
    "BadUrl",
    "Basic",
    "Bearer",
    "BlockedAddress",
    "Client",
    "ClientOptions",
    "ConnectFailed",
    "ConnectTimeout",
    "CookieJar",
    "CrlfError",
    "DecodingError",
    "Digest",
    "DigestMismatch",
    "Download",
    "DownloadOptions",
    "Filter",
    "HarFile",
    "Headers",
    "Hsts",
    "Limits",
    "Link",
    "LocalError",
    "Malformed",
    "MissingParameter",
    "Netrc",
    "Patience",
    "Policy",
    "PoolLimits",
    "PoolTimeout",
    "Progress",
    "ProtocolError",
    "Proxy",
    "ProxyFailed",
    "ReadFailed",
    "ReadTimeout",
    "Recorder",
    "Refused",
    "RemoteError",
    "Request",
    "RequestOptions",
    "Response",
    "Retry",
    "Server",
    "ServerSentEvent",
    "StatusError",
    "Step",
    "StoreUnavailable",
    "Templates",
    "TimedOut",
    "Timeout",
    "TlsFailed",
    "TooLarge",
    "TooManyRedirects",
    "TotalTimeout",
    "TransportError",
    "TrustEnv",
    "WriteFailed",
    "WriteTimeout",
    "__version__",
    "answering",
    "build_event",
    "delete",
    "events",
    "file",
    "get",
    "head",
    "html",
    "json",
    "load_cookies",
    "options",
    "patch",
    "post",
    "public_only",
    "put",
    "query",
    "redirect",
    "render",
    "request",
    "running",
    "save_cookies",
    "serve",
    "stream",
    "template",
    "text",
]
