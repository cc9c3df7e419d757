"""What a certificate says of itself: the names it is for, until when, and whose it is (RFC 5280).

A server needs the names to choose among its certificates, before any client has come; Python's
ssl tells them of a peer's only. So the one path through the DER that leads to them is walked
here. Its law: these are our own files, which OpenSSL has taken already; what is not where the
RFC has it is no name, and never an error.
"""

from __future__ import annotations

import binascii
import calendar
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_ALTERNATIVE_NAMES: Final = bytes.fromhex("551d11")  # 2.5.29.17, RFC 5280 4.2.1.6
_SEQUENCE, _OBJECT, _OCTETS, _UTC_TIME, _TIME = 0x30, 0x06, 0x04, 0x17, 0x18
_EXTENSIONS, _DNS_NAME = 0xA3, 0x82

# RFC 4514 3: what attributes of a name are called in short; the others keep OpenSSL's words.
_SHORT: Final = {
    "commonName": "CN", "localityName": "L", "stateOrProvinceName": "ST",
    "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C",
    "streetAddress": "STREET", "domainComponent": "DC", "userId": "UID",
}  # fmt: skip
_ESCAPED: Final = ',+"\\<>;'


class CertificateFacts(NamedTuple):
    """What is known of a certificate.

    names: the DNS names of its alternative names, in lower case; a common name does not count
    (RFC 9525 2). until: POSIX seconds, or None. fingerprint: SHA-256, as browsers show it.
    """

    names: tuple[str, ...]
    until: int | None
    fingerprint: str


def read_certificate(pem: str) -> CertificateFacts:
    """Look at the first certificate of a PEM file, the one that is the server's own."""
    _, begin, rest = pem.partition(_BEGIN)
    text, end, _ = rest.partition(_END)
    try:
        der = binascii.a2b_base64(text) if begin and end else b""
        names, until = _walk(der)
    except (ValueError, IndexError, KeyError):
        der, names, until = b"", (), None
    return CertificateFacts(names, until, fingerprint_of(der) if der else "")


def fingerprint_of(der: bytes) -> str:
    """Write the SHA-256 of a certificate as browsers show it."""
    return hashlib.sha256(der).digest().hex(":").upper()


def _walk(der: bytes) -> tuple[tuple[str, ...], int | None]:
    """Find names and end: Certificate, then TBSCertificate, then its parts (RFC 5280 4.1)."""
    parts = list(_elements(_first(_first(der))))
    sequences = [value for kind, value in parts if kind == _SEQUENCE]
    validity = list(_elements(sequences[2]))  # after algorithm and issuer
    names: list[str] = []
    for kind, value in parts:
        if kind == _EXTENSIONS:
            for _, extension in _elements(_first(value)):
                names += _names_of(dict(_elements(extension)))
    return tuple(names), _moment(*validity[1])


def _names_of(extension: dict[int, bytes]) -> Iterator[str]:
    if extension.get(_OBJECT) == _ALTERNATIVE_NAMES:
        for kind, name in _elements(_first(extension[_OCTETS])):
            if kind == _DNS_NAME and name.isascii():
                yield name.decode().lower()


def _first(der: bytes) -> bytes:
    """Return the value of the first element."""
    for _, value in _elements(der):
        return value
    raise ValueError("no element")


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the value of each element, one after the other (X.690 8.1)."""
    at = 0
    while at < len(der):
        kind, length = der[at], der[at + 1]
        at += 2
        if length > 0x80:
            digits = length & 0x7F
            length = int.from_bytes(der[at : at + digits], "big")
            at += digits
        yield kind, der[at : at + length]
        at += length


def _moment(kind: int, value: bytes) -> int | None:
    """Read YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ (RFC 5280 4.1.2.5)."""
    text = value.decode("ascii").removesuffix("Z")
    if kind == _UTC_TIME:  # RFC 5280 4.1.2.5.1: the years from 50 are of the last century
        text = ("19" if text[:2] >= "50" else "20") + text
    elif kind != _TIME:
        return None
    year, rest = int(text[:4]), text[4:]
    month, day, hour, minute, second = (int(rest[at : at + 2]) for at in range(0, 10, 2))
    return calendar.timegm((year, month, day, hour, minute, second))


def subject_of(certificate: Mapping[str, Any]) -> str:
    """Write whose a certificate is (RFC 4514). certificate: as SSLObject.getpeercert gives it."""
    names = []
    for relative in reversed(certificate.get("subject", ())):
        pairs = [f"{_SHORT.get(kind, kind)}={_escaped(value)}" for kind, value in relative]
        names.append("+".join(pairs))
    return ",".join(names)


def _escaped(value: str) -> str:
    """Escape what would end a value (RFC 4514 2.4), and what a log must not have."""
    text = "".join(
        f"\\{character}" if character in _ESCAPED
        else character if character.isprintable()
        else "".join(f"\\{byte:02x}" for byte in character.encode("utf-8", "replace"))
        for character in value
    )  # fmt: skip
    if text[:1] in ("#", " "):
        text = "\\" + text
    if text[-1:] == " " and text != "\\ ":
        text = text[:-1] + "\\ "
    return text
