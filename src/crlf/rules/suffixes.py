"""Domains and what is above them: public suffixes, and the site that a host belongs to.

Below a public suffix ("com", "github.io") everybody can have a host, so nothing may be shared
there. The list is that of publicsuffix.org, as the package publicsuffixlist has it; it is read
when the first question needs it. Hosts and domains are in lower case and A-labels, as URL has them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from crlf.message.grammar import DIGITS


@cache
def _suffix_list() -> Callable[[str], bool]:
    from publicsuffixlist import PublicSuffixList  # reads 10,000 lines: 15 ms, once

    # The names as they are in the list. Their A-labels would take four times as long.
    return PublicSuffixList(accept_encoded_idn=False).is_public


def is_public_suffix(domain: str) -> bool:
    """Tell whether everybody can have a host below this domain.

    Of a domain that the list does not know, the last label is one.
    """
    last = domain.rpartition(".")[2]
    if last == domain:
        return ":" not in domain  # without asking the list, which most jars never need
    if DIGITS.fullmatch(last) is not None:
        return False  # an IPv4 address
    if "xn--" in domain:
        domain = ".".join([_decode_label(label) for label in domain.split(".")])
    return _suffix_list()(domain)


def _decode_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except ValueError:
        return label  # no name at all, and so none of the list


@lru_cache(maxsize=512)
def parents_of(host: str) -> tuple[str, ...]:
    """List the domains above a host, nearest first; an address has none."""
    if ":" in host or DIGITS.fullmatch(host.rpartition(".")[2]) is not None:
        return ()
    parents, at = [], host.find(".")
    while 0 <= at < len(host) - 1:
        parents.append(host[at + 1 :])
        at = host.find(".", at + 1)
    return tuple(parents)


def site_of(host: str, public_suffix: Callable[[str], bool]) -> str:
    """Return the registrable domain of a host, or the host itself where it has none."""
    below = host
    for parent in parents_of(host):
        if public_suffix(parent):
            return below
        below = parent
    return host


def is_same_site(one: str, other: str, public_suffix: Callable[[str], bool] | None) -> bool:
    """Tell whether two hosts are of one site; without a list, only a host and itself are."""
    if one == other or public_suffix is None:
        return one == other
    return site_of(one, public_suffix) == site_of(other, public_suffix)
