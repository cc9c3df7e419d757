"""The vocabulary of the wire: what a byte of a message can be, and which section says so.

One table for all that shows messages; docs/cli/wire-elements.md is made from it. Its law: every
byte of any input belongs to exactly one element of ELEMENTS, and a byte inside of a value may
besides be a detail, of DETAILS.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Element(NamedTuple):
    """A kind of bytes: the section that defines it, and what it is in a sentence."""

    rule: str
    meaning: str


ELEMENTS: Final[dict[str, Element]] = {
    "empty line": Element("RFC 9112 2.2", "an empty line before a request, skipped"),
    "method": Element("RFC 9110 9", "what is to be done"),
    "space": Element("RFC 9112 3", "one space between the words of a start line"),
    "target scheme": Element("RFC 9112 3.2.2", "the scheme of a target that is a whole URL"),
    "target authority": Element("RFC 9112 3.2.3", "the host and port that the target names"),
    "target path": Element("RFC 9112 3.2.1", "the path of what is asked for"),
    "target query": Element("RFC 3986 3.4", "the query of what is asked for"),
    "version": Element("RFC 9112 2.3", "the version of HTTP that the sender speaks"),
    "status code": Element("RFC 9110 15", "what came of the request"),
    "reason": Element("RFC 9112 4", "the status in words, which nobody reads by machine"),
    "line end": Element("RFC 9112 2.2", "CR LF, the end of a line"),
    "head end": Element("RFC 9112 2.1", "an empty line, which ends the head"),
    "field name": Element("RFC 9110 5.1", "what the field is about, in any case"),
    "colon": Element("RFC 9112 5", "ends the name"),
    "whitespace": Element("RFC 9110 5.6.3", "blanks round a value, which are no part of it"),
    "field value": Element("RFC 9110 5.5", "what the field says"),
    "fold": Element("RFC 9112 5.2", "goes on with the value of the line before; read as a space"),
    "content": Element("RFC 9112 6", "content, as it was sent"),
    "chunk size": Element("RFC 9112 7.1", "how many bytes of content follow, in hexadecimal"),
    "chunk extension": Element("RFC 9112 7.1.1", "said of this chunk only, and ignored"),
    "chunk data": Element("RFC 9112 7.1", "content of one chunk"),
    "chunk end": Element("RFC 9112 7.1", "CR LF behind a chunk's content, not counted in its size"),
    "last chunk": Element("RFC 9112 7.1", "a chunk of size 0: no content follows"),
    "trailer name": Element("RFC 9112 7.1.2", "the name of a field that comes after the content"),
    "trailer value": Element("RFC 9112 7.1.2", "what a field after the content says"),
    "body end": Element("RFC 9112 7.1", "an empty line, which ends the chunked body"),
    "other protocol": Element("RFC 9110 7.8", "not HTTP/1.1 any more"),
    "left over": Element("RFC 9112 9.6", "came after the last message, and is never read"),
    "not read": Element("RFC 9112 2.2", "not read: what came before it is broken"),
    "broken": Element("RFC 9112 2.2", "may not stand here"),
}

DETAILS: Final[dict[str, Element]] = {
    "host": Element("RFC 9110 4.2", "a host"),
    "port": Element("RFC 9110 4.2", "a port"),
    "member": Element("RFC 9110 5.6.1", "one member of a list"),
    "weight": Element("RFC 9110 12.4.2", "how much it is liked, from 0 to 1"),
    "media type": Element("RFC 9110 8.3.1", "a kind of content"),
    "parameter": Element("RFC 9110 5.6.6", "a parameter"),
    "directive": Element("RFC 9111 5.2", "a directive"),
    "cookie": Element("RFC 6265bis 4.2", "a cookie: name and value"),
    "attribute": Element("RFC 6265bis 4.1", "an attribute of a cookie"),
    "validator": Element("RFC 9110 8.8.3", "an entity tag: the name of one state of the content"),
    "range": Element("RFC 9110 14.1.2", "a range of bytes"),
    "coding": Element("RFC 9110 8.4.1", "a coding"),
    "option": Element("RFC 9110 7.6.1", "an option of this connection"),
    "auth scheme": Element("RFC 9110 11.1", "a way to authenticate"),
    "credentials": Element("RFC 9110 11.4", "what proves who asks: a secret"),
    "link target": Element("RFC 8288 3.1", "where a link leads"),
    "product": Element("RFC 9110 10.1.5", "a program and its version"),
    "comment": Element("RFC 9110 5.6.5", "a comment, which nobody reads by machine"),
    "query parameter": Element("WHATWG URL 5.1", "a name and value of the query"),
}
