"""Status codes: their names, their standard phrases, and what they mean in one sentence.

The registry of IANA as one table, from which everything here is read. Its law: a code that is
not in it is still a status code, and counts as the x00 of its class (RFC 9110 15).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Status(IntEnum):
    """The registered codes by name: Status.NOT_FOUND == 404."""

    CONTINUE = 100
    SWITCHING_PROTOCOLS = 101
    PROCESSING = 102
    EARLY_HINTS = 103

    OK = 200
    CREATED = 201
    ACCEPTED = 202
    NON_AUTHORITATIVE_INFORMATION = 203
    NO_CONTENT = 204
    RESET_CONTENT = 205
    PARTIAL_CONTENT = 206
    MULTI_STATUS = 207
    ALREADY_REPORTED = 208
    IM_USED = 226

    MULTIPLE_CHOICES = 300
    MOVED_PERMANENTLY = 301
    FOUND = 302
    SEE_OTHER = 303
    NOT_MODIFIED = 304
    USE_PROXY = 305
    TEMPORARY_REDIRECT = 307
    PERMANENT_REDIRECT = 308

    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    PAYMENT_REQUIRED = 402
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    NOT_ACCEPTABLE = 406
    PROXY_AUTHENTICATION_REQUIRED = 407
    REQUEST_TIMEOUT = 408
    CONFLICT = 409
    GONE = 410
    LENGTH_REQUIRED = 411
    PRECONDITION_FAILED = 412
    CONTENT_TOO_LARGE = 413
    URI_TOO_LONG = 414
    UNSUPPORTED_MEDIA_TYPE = 415
    RANGE_NOT_SATISFIABLE = 416
    EXPECTATION_FAILED = 417
    MISDIRECTED_REQUEST = 421
    UNPROCESSABLE_CONTENT = 422
    LOCKED = 423
    FAILED_DEPENDENCY = 424
    TOO_EARLY = 425
    UPGRADE_REQUIRED = 426
    PRECONDITION_REQUIRED = 428
    TOO_MANY_REQUESTS = 429
    REQUEST_HEADER_FIELDS_TOO_LARGE = 431
    UNAVAILABLE_FOR_LEGAL_REASONS = 451

    INTERNAL_SERVER_ERROR = 500
    NOT_IMPLEMENTED = 501
    BAD_GATEWAY = 502
    SERVICE_UNAVAILABLE = 503
    GATEWAY_TIMEOUT = 504
    HTTP_VERSION_NOT_SUPPORTED = 505
    VARIANT_ALSO_NEGOTIATES = 506
    INSUFFICIENT_STORAGE = 507
    LOOP_DETECTED = 508
    NOT_EXTENDED = 510
    NETWORK_AUTHENTICATION_REQUIRED = 511


class Meaning(NamedTuple):
    """A code's standard phrase, the section that defines it, and one sentence for people."""

    reason: str
    rule: str
    sentence: str


# fmt: off
MEANINGS: dict[int, Meaning] = {
    100: Meaning("Continue", "RFC 9110 15.2.1",
        "The server has read the head and waits for the body."),
    101: Meaning("Switching Protocols", "RFC 9110 15.2.2",
        "From here on the connection speaks the protocol that the client asked for."),
    102: Meaning("Processing", "RFC 2518 10.1",
        "The server is at work on a request that takes long."),
    103: Meaning("Early Hints", "RFC 8297 2",
        "Fields that the final answer will probably have, so that the client can start on them."),
    200: Meaning("OK", "RFC 9110 15.3.1",
        "The request succeeded."),
    201: Meaning("Created", "RFC 9110 15.3.2",
        "The request succeeded and made something new; Location says where it is."),
    202: Meaning("Accepted", "RFC 9110 15.3.3",
        "The request was taken in, but it is not done yet and may still fail."),
    203: Meaning("Non-Authoritative Information", "RFC 9110 15.3.4",
        "The request succeeded, and a proxy changed the content on its way."),
    204: Meaning("No Content", "RFC 9110 15.3.5",
        "The request succeeded and there is nothing to show for it."),
    205: Meaning("Reset Content", "RFC 9110 15.3.6",
        "The request succeeded; the form that it came from can be cleared."),
    206: Meaning("Partial Content", "RFC 9110 15.3.7",
        "Here is the part that was asked for; Content-Range says which it is."),
    207: Meaning("Multi-Status", "RFC 4918 11.1",
        "Several things were asked for; the content has a status for each."),
    208: Meaning("Already Reported", "RFC 5842 7.1",
        "This member of the collection is listed elsewhere in the same answer."),
    226: Meaning("IM Used", "RFC 3229 10.4.1",
        "The content is the difference from a version that the client has."),
    300: Meaning("Multiple Choices", "RFC 9110 15.4.1",
        "There are several forms of it, and the client may choose one."),
    301: Meaning("Moved Permanently", "RFC 9110 15.4.2",
        "It has a new address for good; Location says which."),
    302: Meaning("Found", "RFC 9110 15.4.3",
        "It is at another address for now; Location says where."),
    303: Meaning("See Other", "RFC 9110 15.4.4",
        "The answer is to be fetched with GET from the address in Location."),
    304: Meaning("Not Modified", "RFC 9110 15.4.5",
        "It has not changed since the client stored it; the stored copy is good."),
    305: Meaning("Use Proxy", "RFC 9110 15.4.6",
        "It wants to be asked through a proxy; no longer in use, for it could be abused."),
    307: Meaning("Temporary Redirect", "RFC 9110 15.4.8",
        "It is at another address for now, to be asked there with the same method and body."),
    308: Meaning("Permanent Redirect", "RFC 9110 15.4.9",
        "It has a new address for good, to be asked there with the same method and body."),
    400: Meaning("Bad Request", "RFC 9110 15.5.1",
        "The server could not make sense of the request."),
    401: Meaning("Unauthorized", "RFC 9110 15.5.2",
        "The server wants to know who is asking; WWW-Authenticate says how to tell."),
    402: Meaning("Payment Required", "RFC 9110 15.5.3",
        "Kept for a way of paying that HTTP does not have yet."),
    403: Meaning("Forbidden", "RFC 9110 15.5.4",
        "The server understood the request and refuses it."),
    404: Meaning("Not Found", "RFC 9110 15.5.5",
        "There is nothing at this address, or nothing that the server will admit to."),
    405: Meaning("Method Not Allowed", "RFC 9110 15.5.6",
        "The address is right but the method is not; Allow lists those that are."),
    406: Meaning("Not Acceptable", "RFC 9110 15.5.7",
        "The server has it in no form that the client accepts."),
    407: Meaning("Proxy Authentication Required", "RFC 9110 15.5.8",
        "The proxy wants to know who is asking; Proxy-Authenticate says how to tell."),
    408: Meaning("Request Timeout", "RFC 9110 15.5.9",
        "The request did not arrive whole in the time that the server waits."),
    409: Meaning("Conflict", "RFC 9110 15.5.10",
        "The request contradicts the state that the thing is in; resolve that and try again."),
    410: Meaning("Gone", "RFC 9110 15.5.11",
        "It was here once and will not come back."),
    411: Meaning("Length Required", "RFC 9110 15.5.12",
        "The server wants a Content-Length with the body."),
    412: Meaning("Precondition Failed", "RFC 9110 15.5.13",
        "A condition in the request's fields does not hold, so nothing was done."),
    413: Meaning("Content Too Large", "RFC 9110 15.5.14",
        "The body is larger than the server takes."),
    414: Meaning("URI Too Long", "RFC 9110 15.5.15",
        "The address is longer than the server reads."),
    415: Meaning("Unsupported Media Type", "RFC 9110 15.5.16",
        "The body is in a format or coding that the server does not take here."),
    416: Meaning("Range Not Satisfiable", "RFC 9110 15.5.17",
        "The part asked for lies outside of what there is; Content-Range says how much that is."),
    417: Meaning("Expectation Failed", "RFC 9110 15.5.18",
        "The server cannot do what the Expect field asks."),
    421: Meaning("Misdirected Request", "RFC 9110 15.5.20",
        "This server does not answer for that host; ask again on a connection of its own."),
    422: Meaning("Unprocessable Content", "RFC 9110 15.5.21",
        "The server can read the body, but cannot act on what it says."),
    423: Meaning("Locked", "RFC 4918 11.3",
        "Somebody holds a lock on it."),
    424: Meaning("Failed Dependency", "RFC 4918 11.4",
        "It was not done because something it depends on failed."),
    425: Meaning("Too Early", "RFC 8470 5.2",
        "The request came before the TLS handshake was over and could be a replay; send it again."),
    426: Meaning("Upgrade Required", "RFC 9110 15.5.22",
        "The server answers this over another protocol only; Upgrade says which."),
    428: Meaning("Precondition Required", "RFC 6585 3",
        "The server wants a condition such as If-Match, so that no one's change is lost."),
    429: Meaning("Too Many Requests", "RFC 6585 4",
        "Too many requests in too short a time; Retry-After may say how long to wait."),
    431: Meaning("Request Header Fields Too Large", "RFC 6585 5",
        "The request's fields are larger than the server takes, alone or together."),
    451: Meaning("Unavailable For Legal Reasons", "RFC 7725 3",
        "Somebody with the law behind them demanded that it not be shown."),
    500: Meaning("Internal Server Error", "RFC 9110 15.6.1",
        "Something broke inside the server, which is not the request's fault."),
    501: Meaning("Not Implemented", "RFC 9110 15.6.2",
        "The server does not know how to do this, for any address."),
    502: Meaning("Bad Gateway", "RFC 9110 15.6.3",
        "The server asked another one behind it, and got no valid answer."),
    503: Meaning("Service Unavailable", "RFC 9110 15.6.4",
        "The server is overloaded or under repair; Retry-After may say how long to wait."),
    504: Meaning("Gateway Timeout", "RFC 9110 15.6.5",
        "The server asked another one behind it, and got no answer in time."),
    505: Meaning("HTTP Version Not Supported", "RFC 9110 15.6.6",
        "The server does not speak this major version of HTTP."),
    506: Meaning("Variant Also Negotiates", "RFC 2295 8.1",
        "The server is set up so that its choice between forms leads back to itself."),
    507: Meaning("Insufficient Storage", "RFC 4918 11.5",
        "The server has no room left for what it should store."),
    508: Meaning("Loop Detected", "RFC 5842 7.2",
        "The server went round in a circle and gave up."),
    510: Meaning("Not Extended", "RFC 2774 7",
        "The request lacks an extension that the server insists on; no longer in use."),
    511: Meaning("Network Authentication Required", "RFC 6585 6",
        "The network itself wants a login first, as in a hotel."),
}
# fmt: on

REASONS: dict[int, str] = {code: meaning.reason for code, meaning in MEANINGS.items()}

_CLASSES = {
    1: "A sign on the way, of a kind that is not registered; the final answer follows.",
    2: "A success of a kind that is not registered; it counts as 200.",
    3: "A redirect of a kind that is not registered; it counts as 300.",
    4: "A refusal of a kind that is not registered; it counts as 400.",
    5: "A server's failure of a kind that is not registered; it counts as 500.",
}


def reason_of(code: int) -> str:
    """Give a code's standard phrase; "" for one that is not registered."""
    return REASONS.get(code, "")


def explain(code: int) -> str:
    """Say in one sentence what a code means, and where that is written."""
    known = MEANINGS.get(code)
    if known is not None:
        return f"{known.sentence} [{known.rule}]"
    return f"{_CLASSES.get(code // 100, 'No status code that HTTP has.')} [RFC 9110 15]"
