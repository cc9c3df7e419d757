# Made by scripts/stubs.py from the table beside it.
from crlf.wire.engine import Engine as Engine
from crlf.wire.explain import Explained as Explained
from crlf.wire.explain import Fault as Fault
from crlf.wire.explain import Message as Message
from crlf.wire.explain import Span as Span
from crlf.wire.explain import explain_bytes as explain_bytes
from crlf.wire.explain import explain_request as explain_request
from crlf.wire.explain import explain_response as explain_response
from crlf.wire.forms import build_form as build_form
from crlf.wire.forms import parse_form as parse_form
from crlf.wire.h1.client import ClientEngine as ClientEngine
from crlf.wire.h1.server import ServerEngine as ServerEngine
from crlf.wire.limits import CLIENT_LIMITS as CLIENT_LIMITS
from crlf.wire.limits import SERVER_LIMITS as SERVER_LIMITS
from crlf.wire.limits import Limits as Limits
from crlf.wire.multipart import MultipartLimits as MultipartLimits
from crlf.wire.multipart import MultipartParser as MultipartParser
from crlf.wire.parts import Closed as Closed
from crlf.wire.parts import Data as Data
from crlf.wire.parts import End as End
from crlf.wire.parts import Part as Part
from crlf.wire.parts import RequestHead as RequestHead
from crlf.wire.parts import ResponseHead as ResponseHead
from crlf.wire.parts import Switched as Switched
from crlf.wire.signing import sign as sign
from crlf.wire.signing import unsign as unsign

__all__ = [
    "CLIENT_LIMITS",
    "SERVER_LIMITS",
    "ClientEngine",
    "Closed",
    "Data",
    "End",
    "Engine",
    "Explained",
    "Fault",
    "Limits",
    "Message",
    "MultipartLimits",
    "MultipartParser",
    "Part",
    "RequestHead",
    "ResponseHead",
    "ServerEngine",
    "Span",
    "Switched",
    "build_form",
    "explain_bytes",
    "explain_request",
    "explain_response",
    "parse_form",
    "sign",
    "unsign",
]
