"""A certificate that we sign ourselves, so that HTTPS can be tried without an authority.

Its law: it is for this machine and for a short time, its key is in a file that nobody else can
read, and a browser warns of it, as it should: only its fingerprint says that it is ours.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final, NamedTuple

from crlf.message.authority import is_address
from crlf.message.errors import TlsFailed
from crlf.net.x509 import fingerprint_of

HERE: Final = ("localhost", "127.0.0.1", "::1")
_DAYS: Final = 30  # browsers refuse more than 397 of an authority; mkcert gives 825
_EVERYWHERE: Final = ("", "0.0.0.0", "::", "*")  # hosts to listen on that are no names


class SelfSigned(NamedTuple):
    """A certificate and its key in one PEM file. fingerprint: SHA-256, as browsers show it."""

    path: str
    fingerprint: str

    def remove(self) -> None:
        """Delete the file, if it is still there; what has read it goes on with it."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)


def make_self_signed(hosts: Iterable[str] = ()) -> SelfSigned:
    """Make a certificate for this machine, and for the hosts that are listened on.

    The file is temporary and of mode 0600: see `remove`. Raises TlsFailed where the package
    cryptography, of the extra `selfsigned`, is not installed.
    """
    names = tuple(dict.fromkeys([*HERE, *(host for host in hosts if host not in _EVERYWHERE)]))
    pem, der = _sign(names)
    descriptor, path = tempfile.mkstemp(".pem", "crlf-self-signed-")  # mode 0600
    with open(descriptor, "wb") as file:
        file.write(pem)
    return SelfSigned(path, fingerprint_of(der))


def _sign(names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """Make a key and a certificate; return both as PEM, and the certificate as DER."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise TlsFailed(
            "a self-signed certificate needs the package cryptography:"
            " pip install 'crlf[selfsigned]'",
            phase="tls",
        ) from None

    key = ec.generate_private_key(ec.SECP256R1())
    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crlf, for development")])
    alternatives: list[x509.GeneralName] = []
    for name in names:
        plain = name.partition("%")[0]
        if is_address(plain):
            alternatives.append(x509.IPAddress(ip_address(plain)))
        else:
            alternatives.append(x509.DNSName(name))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(whose)
        .issuer_name(whose)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return secret + pem, certificate.public_bytes(serialization.Encoding.DER)
