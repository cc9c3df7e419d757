"""How a message's end is found, in words: the eight rules of RFC 9112 section 6.3.

The engine has decided it (wire/h1/framing.py); this says which rule it was and why.
"""

from __future__ import annotations

from crlf.wire.explaining.spans import Framing, How
from crlf.wire.explaining.words import shown
from crlf.wire.parts import Head, RequestHead


def framing_of(head: Head, how: How, asked_method: str) -> Framing:
    """Say how the end of a message is found whose head the engine has read.

    asked_method: of the request that a response answers.
    """
    if how == "chunked":
        text = "it comes in chunks, each with its size, and ends with a chunk of size 0"
        return Framing(how, text, "RFC 9112 6.3 (4)")
    length = shown(head.headers.first("content-length") or "")
    says = f"Content-Length says {length} byte{'' if length == '1' else 's'}"
    if isinstance(head, RequestHead):
        if how == "length" or length:
            return Framing(how, says, "RFC 9112 6.3 (6)")
        text = "no content: a request without Content-Length and Transfer-Encoding has none"
        return Framing(how, text, "RFC 9112 6.3 (7)")
    if how == "tunnel":
        if head.status_code == 101:
            text = "no content: behind this head the other protocol begins"
            return Framing(how, text, "RFC 9110 15.2.2")
        text = "no content: a 2xx to CONNECT opens a tunnel behind its head"
        return Framing(how, text, "RFC 9112 6.3 (2)")
    code = head.status_code
    if asked_method == "HEAD" or code < 200 or code in (204, 304):
        why = "the answer to HEAD" if asked_method == "HEAD" and code >= 200 else f"a {code}"
        text = f"no content: {why} ends with its head, whatever its fields say"
        return Framing("none", text, "RFC 9112 6.3 (1)")
    if how == "close":
        if "transfer-encoding" in head.headers:
            text = "the last transfer coding is not chunked, so the connection's end is its end"
            return Framing(how, text, "RFC 9112 6.3 (4)")
        text = "nothing says how long it is, so the connection's end is its end"
        return Framing(how, text, "RFC 9112 6.3 (8)")
    return Framing(how, says, "RFC 9112 6.3 (6)")
