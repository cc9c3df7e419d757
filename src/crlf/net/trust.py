"""Whom we trust in TLS, and how we say that we do not.

Contexts are made once for each TlsSettings and kept, since reading a system's authorities
takes 20 ms. Its law: verification is on unless the settings say False; TLS 1.2 is the oldest
version; and a refusal says in plain words what is wrong with the certificate.
"""

from __future__ import annotations

import os
import ssl
import sys
import threading

from crlf.message.errors import TlsFailed
from crlf.ports import TlsSettings

_MOST_CONTEXTS = 64  # settings remembered; a program has one or two
# What a context is made of: the settings, and what the environment says where they believe it.
_Key = tuple[TlsSettings, str | None, str | None, str | None]
_contexts: dict[_Key, ssl.SSLContext] = {}  # guarded by _guard; oldest first
_guard = threading.Lock()

# Where the bundle is when OpenSSL was built to look elsewhere (a Python brought along).
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, the BSDs
)

# RFC 9325 4.2: of TLS 1.2 only what keeps the past secret and is authenticated as it is encrypted;
# Mozilla's "intermediate" has DHE beside it, for clients of before 2014. TLS 1.3 has its own.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_DEMANDS = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# X509_V_ERR_* of OpenSSL, in words for who reads the error.
_REFUSALS = {
    2: "it was issued by an authority that is not trusted here",
    9: "it is not valid yet: see whether the clock here is right",
    10: "it has expired",
    18: "it is self-signed, and not trusted here",
    19: "it was issued by an authority that is not trusted here",
    20: "it was issued by an authority that is not trusted here",
    21: "it was issued by an authority that is not trusted here",
    23: "it was revoked",
    26: "it was not issued for servers",
}
_REASONS = {
    "WRONG_VERSION_NUMBER": "what it answers is not TLS",
    "HTTP_REQUEST": "it sent a plain HTTP request",
    "HTTPS_PROXY_REQUEST": "it sent a plain CONNECT request",
    "UNSUPPORTED_PROTOCOL": "it has no version of TLS that is allowed here",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it refuses the versions of TLS that are allowed here",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it found nothing in common with us",
    "NO_SHARED_CIPHER": "no cipher in common",
    "TLSV1_UNRECOGNIZED_NAME": "it does not know that name",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the certificate that it was shown",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept the certificate that it was shown",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "the certificate that it was shown has expired",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "what arrived was changed on its way",
}


def has_context(settings: TlsSettings) -> bool:
    """Tell whether the context for these settings is made already, so that nothing is read."""
    return _key_of(settings) in _contexts


def _key_of(settings: TlsSettings) -> _Key:
    look = os.environ.get if settings.trust_env else _nothing
    return settings, look("SSL_CERT_FILE"), look("SSL_CERT_DIR"), look("SSLKEYLOGFILE")


def _nothing(name: str) -> None:
    return None


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context for these settings, made on its first use.

    Reads files: 20 ms for a system's authorities. Raises TlsFailed when one cannot be read.
    """
    key = _key_of(settings)
    context = _contexts.get(key)
    if context is not None:
        return context  # without the guard, under which somebody may be reading files
    with _guard:
        context = _contexts.get(key)
        if context is None:
            try:
                context = build_client_context(settings)
            except (OSError, ValueError) as fault:
                raise TlsFailed(f"bad TLS settings: {fault}", phase="tls") from fault
            if len(_contexts) >= _MOST_CONTEXTS:
                del _contexts[next(iter(_contexts))]
            _contexts[key] = context
    return context


def build_client_context(settings: TlsSettings) -> ssl.SSLContext:
    """Make a context for clients.

    Raises OSError when a file cannot be read, ValueError for settings that make no sense.
    """
    if settings.verify is True:
        context = system_context(settings.trust_env)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if settings.verify is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif os.path.isdir(settings.verify):
            context.load_verify_locations(capath=settings.verify)
        else:
            load_authorities(context, settings.verify)
    # An intermediate authority, or the very certificate of a server, may be what is trusted.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # RFC 9525 2: a common name is for people; only the alternative names say for whom it is.
    context.hostname_checks_common_name = False
    restrict(context, settings.alpn, settings.minimum, settings.trust_env)
    if settings.certificate is not None:
        load_own_certificate(context, settings.certificate, settings.key)
    return context


def server_context(
    certificate: str,
    key: str | None = None,
    alpn: tuple[str, ...] = ("http/1.1",),
    client_ca: str | None = None,
    client_certificate: str = "required",
) -> ssl.SSLContext:
    """Make a context for a server from PEM files: its certificate chain, and its private key.

    key: None when it is in the same file. client_ca: the authorities whose certificates clients
    are asked for; client_certificate: "required", or "optional" for whom has none.
    Raises TlsFailed when they cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        restrict(context, alpn)
        context.set_ciphers(_CIPHERS)
        load_own_certificate(context, certificate, key)
        if client_ca is not None:
            load_authorities(context, client_ca)
            context.verify_mode = demand_of(client_certificate)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as in build_client_context
    except (OSError, ValueError) as fault:
        raise TlsFailed(f"bad TLS settings: {fault}", phase="tls") from fault
    return context


def demand_of(client_certificate: str) -> ssl.VerifyMode:
    """Read "optional" or "required". Raises ValueError."""
    demand = _DEMANDS.get(client_certificate)
    if demand is None:
        raise ValueError(
            f"a client certificate is optional or required, not {client_certificate!r}"
        )
    return demand


def restrict(
    context: ssl.SSLContext, alpn: tuple[str, ...], minimum: str = "1.2", trust_env: bool = True
) -> None:
    """Set what both ends share: versions, protocols, no renegotiation, the log of keys.

    Raises ValueError for a version that is older than TLS 1.2 (RFC 8996), or none.
    """
    version = _VERSIONS.get(minimum)
    if version is None:
        raise ValueError(f"the oldest version of TLS may be 1.2 or 1.3, not {minimum!r}")
    context.minimum_version = version
    # RFC 9325 3.5: of no use to HTTP, and a peer could make every write wait for a read.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if alpn:
        context.set_alpn_protocols(list(alpn))
    log = os.environ.get("SSLKEYLOGFILE") if trust_env else None
    if log and not sys.flags.ignore_environment:
        context.keylog_filename = log


def load_authorities(context: ssl.SSLContext, path: str) -> None:
    """Trust the authorities in a PEM file. Raises OSError, naming the file."""
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise OSError(f"no certificate can be read from {path}") from None
    except OSError as fault:
        raise OSError(f"cannot read {path}: {fault.strerror}") from None


def load_own_certificate(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """Load what we show to the peer. Raises OSError, naming the file; asks for no password."""
    names = certificate if key is None else f"{certificate} and {key}"
    try:
        context.load_cert_chain(certificate, key, refuse_password)
    except ssl.SSLError as fault:
        why = fault.reason.lower().replace("_", " ") if fault.reason else "unreadable"
        raise OSError(f"no certificate with its key in {names}: {why}") from None
    except OSError as fault:
        raise OSError(f"cannot read {names}: {fault.strerror}") from None
    except ValueError as fault:
        raise ValueError(f"{key or certificate}: {fault}") from None


def refuse_password() -> str:
    """Raise, where OpenSSL would stop the program to ask for a password at the terminal."""
    raise ValueError("the private key is encrypted, and there is nobody to ask for its password")


# --- the system's authorities --------------------------------------------------------------------


def system_context(trust_env: bool = True) -> ssl.SSLContext:
    """Make a context that trusts whom the system trusts, or whom the environment names.

    On Windows and macOS the system is asked by truststore. Elsewhere its store is files of
    OpenSSL's, which truststore would read again for each connection (30 ms).
    trust_env: whether SSL_CERT_FILE and SSL_CERT_DIR count.
    """
    paths = ssl.get_default_verify_paths()
    named = (paths.openssl_cafile_env, paths.openssl_capath_env)
    is_named = trust_env and any(map(os.environ.get, named))
    if sys.platform in ("win32", "darwin") and not is_named:
        try:
            import truststore  # one dependency that a stripped installation may lack
        except ImportError:
            return ssl.create_default_context()
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    folder = hashed_folder(trust_env)
    if folder is not None:
        context.load_verify_locations(capath=folder)
        return context
    if trust_env:
        context.set_default_verify_paths()
    elif os.path.isfile(paths.openssl_cafile):  # by name, or OpenSSL looks at the environment
        context.load_verify_locations(cafile=paths.openssl_cafile)
    # Who names authorities, and be it a file that is not there, trusts no others.
    if not context.cert_store_stats()["x509_ca"] and not is_named:
        bundle = next((path for path in _BUNDLES if os.path.isfile(path)), None)
        if bundle is not None:
            context.load_verify_locations(cafile=bundle)
    return context


def hashed_folder(trust_env: bool = True) -> str | None:
    """Find the folder where OpenSSL looks an authority up by its hash, reading no other.

    None where there is none (Fedora), or where the user named a bundle: SSL_CERT_FILE.
    """
    paths = ssl.get_default_verify_paths()
    if trust_env and os.environ.get(paths.openssl_cafile_env):
        return None
    path = paths.capath if trust_env else paths.openssl_capath
    if not path:
        return None
    try:
        with os.scandir(path) as entries:
            hashed = any(len(entry.name) == 10 and entry.name.endswith(".0") for entry in entries)
    except OSError:
        return None
    return path if hashed else None


# --- in plain words ------------------------------------------------------------------------------


def refusal(fault: ssl.SSLError, hostname: str) -> str:
    """Say why a handshake failed. hostname: the peer's, or "" at a server."""
    peer = hostname or "the client"
    if isinstance(fault, ssl.SSLCertVerificationError):
        why = _REFUSALS.get(fault.verify_code)
        if why is None:
            why = fault.verify_message.rstrip(".").lower() or "it could not be verified"
        return f"the certificate of {peer} is not accepted: {why}"
    return f"no TLS with {peer}: {reason_of(fault)}"


def reason_of(fault: ssl.SSLError) -> str:
    """Say what OpenSSL's reason means, or at least what it is."""
    reason = fault.reason or ""
    return _REASONS.get(reason) or reason.lower().replace("_", " ") or str(fault)
