"""The hosts that a server answers for; a request for any other is not for it.

Whoever believes the Host field puts a stranger's host into links, cookies and caches, and a page
of a stranger's whose name leads here (DNS rebinding) reads what only this machine should. Its
law: what is compared is the host of the request's URL, the one that an application sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crlf.message.authority import fault_of_host, is_address, parse_authority
from crlf.message.errors import BadUrl, Malformed
from crlf.message.fields.forwarded import canonical_address
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules.gates import Gate
from crlf.rules.pages import error_response

_MOST_REMEMBERED: Final = 256  # Host fields of which it is known that they are allowed
# RFC 9110 15.5.20: an origin server sends 421 to reject a target URI that does not match an
# origin for which the server has been configured. (400 is for a Host that is none, RFC 9112 3.2.)
_STATUS: Final = 421
_RULE: Final = "RFC 9110 7.4"


class Hosts:
    """The names and addresses that are allowed; ports do not count, nor does case.

    entries: "example.com", "*.example.com" for all that is below and not for itself, "127.0.0.1",
    "::1" with brackets or without. Raises ValueError for what can be no host.
    """

    __slots__ = ("_below", "_exact")

    def __init__(self, entries: Iterable[str]) -> None:
        exact, below = set(), []
        for entry in entries:
            if entry.startswith("*."):
                below.append("." + _host_of_entry(entry[2:], entry))
            else:
                exact.add(_host_of_entry(entry, entry))
        self._exact = frozenset(exact)
        self._below = tuple(below)

    def allow(self, host: str) -> bool:
        """Tell whether a host is allowed. host: in lower case, IPv6 without brackets."""
        host = canonical_address(host).removesuffix(".")
        return host in self._exact or (bool(self._below) and host.endswith(self._below))


def _host_of_entry(text: str, entry: str) -> str:
    plain = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    if ":" in plain and is_address(plain) and "%" not in plain:
        return canonical_address(plain)
    fault = fault_of_host(plain)
    if fault is not None or plain != text:
        raise ValueError(
            f"no host to allow: {entry!r}; write it as example.com, *.example.com or [::1],"
            " without a port"
        )
    return plain.lower().removesuffix(".")


def hosts_gate(allowed: Iterable[str]) -> Gate:
    """Make the gate that answers 421 to whoever asks for another host than these.

    It stands after the gate that believes proxies. Raises ValueError.
    """
    hosts = Hosts(allowed)
    known: set[str] = set()  # Host fields that passed; those that did not are a stranger's to make

    def ask(request: Request) -> Request | Response:
        authority = request.received_how.authority or request.headers.first("host") or ""
        # RFC 9112 3.2.2: an absolute form's host comes before the Host field's.
        is_plain = authority != "" and request.target[:1] == "/"
        if is_plain and authority in known:
            return request
        try:
            host = parse_authority(authority)[0] if is_plain else request.url.host
        except (Malformed, BadUrl):
            host = ""
        if not hosts.allow(host):
            sentence = "This server does not answer for the host that was asked for."
            return error_response(_STATUS, sentence, _RULE, request.headers.get("accept"))
        if is_plain and len(known) < _MOST_REMEMBERED:
            known.add(authority)
        return request

    return ask
