"""How a broken message is mended, and what comes of it as it is: advice by what is wrong.

One table, tried from above. Its law: advice is an order that can be carried out, and names what
to write; no advice repairs what could have been meant in two ways without saying so.
"""

from __future__ import annotations

from typing import Final

from crlf.message.errors import ProtocolError, TooLarge
from crlf.message.status import reason_of
from crlf.patterns import pattern
from crlf.wire.explaining.spans import Kind

# What the engine's reason begins with (after "^") or has in it | what to do then.
_TABLE: Final = """
bare LF in a head | end each line with CR LF (\\r\\n); here is LF alone
bare CR in a head | take the CR out, or put an LF behind it if the line is to end here
NUL in a head | take the NUL byte out; a value of bytes is sent encoded, as in base64
control character in a chunk | write the chunk's size in hexadecimal and CR LF behind it, \
nothing else
^control character | take the control character out; only a tab may stand in a value
bare CR or LF before a request | begin with the method; only CR LF may stand before it
too many empty lines | begin with the request line, without empty lines before it
blank before the first field | begin each field line with its name, without a blank
folded field line | write the value in one line: a line that begins with a blank goes on with \
the one before, which nobody may send any more
request line is not | write METHOD, one space, the target, one space, HTTP/1.1, and nothing \
else, as in `GET / HTTP/1.1`; a space in the target is %20
method is not a token | write the method with letters, as in GET
not an HTTP version | write HTTP/1.1, in capitals, with one digit on each side of the dot
HTTP of another major version | write HTTP/1.1; HTTP/2 and HTTP/3 have no lines like these and \
begin in another way
status code is not three digits | write three digits from 100 to 599 and a space, as in \
`HTTP/1.1 200 OK`
empty request target | write a target; the one of the whole site is `/`
* is a target for OPTIONS only | write a path that begins with `/`, or ask by OPTIONS
host:port is a target for CONNECT | write a path that begins with `/`, and the host in Host
CONNECT wants host:port, and has no | write the port too, as in `CONNECT a.example:443`
CONNECT wants host:port | write host and port, as in `CONNECT a.example:443 HTTP/1.1`
user name in the target | take user name and password out of the target; they belong into \
Authorization
fragment in the target | take `#` and what follows out: a fragment stays with the client
percent sign without two | write %25 where a percent sign is meant
scheme of the target is not | write a path, or a URL of http or https
target is neither a path | write a path that begins with `/`
character 0x | percent-encode the character: UTF-8, each byte as % and two digits
request without a Host | add a line `Host: name`, as in `Host: a.example`
more than one Host | write `Host: name` once: this request has it twice
no host | write the site's name behind `Host:`
port is no number | write a port from 0 to 65535, or leave it out with its colon
bracket | write an IPv6 address in brackets, as in `[::1]:8000`
no IPv6 address in the brackets | write an IPv6 address in the brackets, as in `[::1]`
an IPv4 address is four numbers | write the address as four numbers, as in 127.0.0.1
in the host | write a host and, if need be, a colon and a port: no list, user, path or blank
host of over | write a shorter name; no name is that long
blank between field name and colon | take the blank before the colon out: who passes over it and \
who does not take this for two different fields
field name is not a token | write a name of letters, digits and `-` before the colon
without a colon | write `Name: value`, or end the head with an empty line before this
more than one content-length | send Content-Length once
more than one Transfer-Encoding | send Transfer-Encoding once
^more than one | send {name} once: a reader might take either of them
quoted string not closed | close the quotes, or leave them out
a list of over | send fewer members
an expectation other than | write `Expect: 100-continue`, or leave Expect out
both Content-Length and Transfer | take one of the two out, Content-Length if the content is \
chunked: read by the one and by the other, the message ends in two places, which is how requests \
are smuggled
Content-Length is not | write the number of bytes in plain digits, as in `Content-Length: 5`
Transfer-Encoding in HTTP/1.0 | say Content-Length: HTTP/1.0 has no chunks
last transfer coding is not chunked | write `Transfer-Encoding: chunked`; gzip belongs into \
Content-Encoding
transfer coding not implemented | write `Transfer-Encoding: chunked` alone; gzip belongs into \
Content-Encoding
chunked applied twice | write chunked once
broken Transfer-Encoding | write `Transfer-Encoding: chunked`, without quotes, parameters and \
empty members
chunk data not followed by CRLF | make the chunk's size the number of its bytes in hexadecimal, \
and put CR LF behind them
chunk size is not | write the size in hexadecimal digits, without sign, blank or 0x, and at most \
16 of them
broken chunk extension | write only the size, or behind it `;name=value`
in a trailer | send {name} in the head: a trailer comes too late for it
closed inside a head | end the head with an empty line: CR LF twice
closed before the last chunk | end the content with a chunk of size 0: `0`, CR LF, CR LF
bytes before the end | send as many bytes as Content-Length says, or say how many there are
closed without a response | answer before the connection is closed
bytes that no request asked for | send one response to one request, and as much content as its \
head says
interim responses | send the final response after a few interim ones
101 that no request asked for | answer 101 only to a request with Upgrade and Connection: \
Upgrade, and say both in it
2xx to CONNECT | answer CONNECT when all of it is there
^line over | make the URL shorter; what is long goes into the content of a POST
^field over | make the value shorter; cookies are what makes it long most often
^fields over | send fewer fields
^head over | send fewer or shorter fields; what is long goes into the content
^chunk line over | write no extension, or a short one
^chunk extensions over | write chunks without extensions
^trailer | send fewer or shorter trailers
"""
# What input begins with that is no HTTP/1.1 at all, and what to do then. These bytes are known by
# what their own specifications begin with; an engine sees only the first byte that cannot be.
_STRANGERS: Final[dict[bytes, str]] = {
    b"\x16\x03": "speak plain HTTP here, or TLS to the port that has TLS: this is the beginning of "
    "a TLS handshake",
    b"\x15\x03": "speak TLS here, as by https: this is how TLS refuses what it cannot read",
    b"PRI * HTTP/2": "ask by HTTP/1.1: this is how HTTP/2 begins where nobody has agreed on it",
    b"PROXY ": "have the server expect this line (crlf serve --proxy-protocol), or the proxy not "
    "send it: it says for whom a proxy connects",
    b"\r\n\r\n\0\r\nQUIT\n": "have the server expect this (crlf serve --proxy-protocol), or the "
    "proxy not send it: it is version 2 of the PROXY protocol",
    b"SSH-": "use the port that has HTTP, and for SSH its own: this is how SSH begins",
    b"EHLO ": "speak HTTP here: this is how mail is handed over (SMTP)",
    b"HELO ": "speak HTTP here: this is how mail is handed over (SMTP)",
    b"220 ": "ask a web server: this is how servers of mail and files greet (SMTP, FTP)",
    b"\x1f\x8b": "send a head, and what is compressed behind it: this begins with gzip",
    b"\xff\xfe": "write it as ASCII or UTF-8: this is text in UTF-16",
    b"\xfe\xff": "write it as ASCII or UTF-8: this is text in UTF-16",
    b"\xef\xbb\xbf": "take the first three bytes out: they are the byte order mark of UTF-8, which "
    "editors put before a text",
    b"HTTP/": "send a request here: this is a response",
}
_SETTINGS = pattern(rb"\x00\x00[\x00-\xff]\x04\x00{5}")  # RFC 9113 3.4: the first frame of a server
_UTF_16 = pattern(rb"(?:\x00[!-~]|[!-~]\x00){3}")
_NAME = pattern(r"(?:more than one )?([A-Za-z0-9\-]+)(?: field| in a trailer)")


def advice_on_beginning(data: bytes, kind: Kind) -> str:
    """Say what to do about input that is another protocol's, or no text; "" where it is not."""
    for beginning, advice in _STRANGERS.items():
        if data.startswith(beginning) and not (kind == "response" and beginning == b"HTTP/"):
            return advice
    if _SETTINGS.match(data) is not None:
        return "ask a server that speaks HTTP/1.1 here: this is how HTTP/2 begins"
    if _UTF_16.match(data) is not None:
        return "write it as ASCII or UTF-8: this is text in UTF-16"
    return ""


def advice_for(reason: str, kind: Kind) -> str:
    """Say how to mend what an engine has named."""
    for line in _TABLE.split("\n")[1:-1]:
        words, _, advice = line.partition(" | ")
        if reason.startswith(words[1:]) if words[0] == "^" else words in reason:
            if "{name}" not in advice:
                return advice
            found = _NAME.fullmatch(reason)
            return advice.replace("{name}", "it" if found is None else _title(found[1]))
    return f"read {kind}s by the rule that is named, and change what is marked"


def _title(name: str) -> str:
    return "-".join(word[:1].upper() + word[1:] for word in name.split("-"))


def answer_for(fault: ProtocolError | TooLarge, kind: Kind) -> str:
    """Say what crlf's server answers to a broken request, or its client does with a response."""
    if kind == "response":
        if fault.rule == "RFC 9112 9.2":
            return "the response before it counts; the client closes the connection"
        return "the client raises an error, gives up the response and closes the connection"
    code = fault.status_code
    return f"{code} {reason_of(code)}, and close"
