"""The certificates of a server: chosen by the name that a client asks for, renewed while it runs.

Each file is an OpenSSL context of its own; the first greets everybody, and hands over to the one
whose names fit (SNI, RFC 6066 3). To load them anew makes new contexts and swaps them at once, so
that a connection has the old ones or the new ones and never some of both. Its law: what cannot be
loaded changes nothing, and says which file it was.
"""

from __future__ import annotations

import os
import ssl
import stat
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from crlf.message.errors import TlsFailed
from crlf.net.trust import demand_of, server_context
from crlf.net.x509 import CertificateFacts, read_certificate

# RFC 7301 6: both are registered, and curl --http1.0 offers the second alone.
PROTOCOLS: Final = ("http/1.1", "http/1.0")
_SOON: Final = 14 * 86_400  # seconds; Let's Encrypt renews 30 days before the end
_MOST_FILE: Final = 1024 * 1024  # bytes of a PEM file that are looked at for names

# What of a file tells that it was written anew: time, size, and which file it is.
_Trace = tuple[tuple[int, int, int] | None, ...]


class _Loaded(NamedTuple):
    """What one loading made. trace: of the files, as they were just before."""

    context: ssl.SSLContext
    facts: tuple[CertificateFacts, ...]
    trace: _Trace


class Certificates:
    """What a server shows its clients, and whom of them it asks to show something.

    files: PEM files, each a chain with its key, or "chain.pem:key.pem". Of several the one that is
    for the name asked for counts, a whole name before a wildcard, else the first. client_ca: PEM
    file of the authorities whose client certificates are asked for; client_certificate:
    "required" or "optional".

    Reads the files. Raises TlsFailed, naming one that is not as it should be; ValueError.
    """

    def __init__(
        self,
        files: Sequence[str],
        client_ca: str | None = None,
        client_certificate: str = "required",
        alpn: tuple[str, ...] = PROTOCOLS,
    ) -> None:
        if not files:
            raise ValueError("no certificate for TLS")
        demand_of(client_certificate)
        self.protocols = alpn
        self._pairs = tuple(map(split_pair, files))
        self._client_ca = client_ca
        self._client_certificate = client_certificate
        self._failed: _Trace | None = None  # of files that could not be loaded
        self._loaded = self._load()  # replaced as a whole, so threads see the old or the new

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection; it chooses the certificate by itself."""
        return self._loaded.context

    @property
    def facts(self) -> tuple[CertificateFacts, ...]:
        """What each certificate says of itself, in the order of the files."""
        return self._loaded.facts

    def reload(self) -> None:
        """Load every file anew, for the connections from now on. Raises TlsFailed."""
        self._loaded = self._load()
        self._failed = None

    def refresh(self) -> bool:
        """Load anew if a file has changed; tell whether it was so. Looks at the disk.

        Raises TlsFailed when it cannot be loaded, once for each state of the files: a chain may
        be there a moment before its key.
        """
        trace = self._trace()
        if trace in (self._loaded.trace, self._failed):
            return False
        self._failed = trace
        self.reload()
        return True

    def notes(self) -> list[str]:
        """List what somebody should see to: keys that everybody can read, ends that are near."""
        notes = []
        now = time.time()
        for (chain, key), facts in zip(self._pairs, self._loaded.facts, strict=True):
            if facts.until is not None and facts.until <= now:
                notes.append(f"{chain}: the certificate has expired")
            elif facts.until is not None and facts.until <= now + _SOON:
                days = int((facts.until - now) // 86_400)
                when = "today" if days < 1 else "tomorrow" if days < 2 else f"in {days} days"
                notes.append(f"{chain}: the certificate expires {when}")
            path = key or chain
            if is_for_everybody(path):
                notes.append(f"{path}: everybody on this machine can read the key; chmod 600 it")
        return notes

    def _load(self) -> _Loaded:
        trace = self._trace()
        contexts = []
        facts = []
        for chain, key in self._pairs:
            contexts.append(
                server_context(
                    chain, key, self.protocols, self._client_ca, self._client_certificate
                )
            )
            facts.append(read_certificate(_read(chain)))
        first = contexts[0]
        by_name: dict[str, ssl.SSLContext] = {}
        for context, known in zip(contexts, facts, strict=True):
            for name in known.names:
                by_name.setdefault(name, context)

        def choose(
            handshake: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
        ) -> None:
            handshake.context = find_by_name(by_name, name, first)

        if len(contexts) > 1:
            first.sni_callback = choose
        return _Loaded(first, tuple(facts), trace)

    def _trace(self) -> _Trace:
        paths = [path for pair in self._pairs for path in pair if path is not None]
        if self._client_ca is not None:
            paths.append(self._client_ca)
        return tuple(map(_trace_of, paths))


def find_by_name(
    by_name: dict[str, ssl.SSLContext], name: str | None, otherwise: ssl.SSLContext
) -> ssl.SSLContext:
    """Choose by the name that was asked for (RFC 9525 6.3): as a whole, or by its first label.

    A client that asks for nobody we know is shown the first certificate, and may judge itself.
    """
    if name is None:
        return otherwise
    name = name.lower().removesuffix(".")
    found = by_name.get(name)
    if found is None:
        found = by_name.get(f"*.{name.partition('.')[2]}")
    return otherwise if found is None else found


def split_pair(text: str) -> tuple[str, str | None]:
    """Read "chain.pem" or "chain.pem:key.pem"; a colon of a path's own is left where it is."""
    if ":" not in text or os.path.isfile(text):
        return text, None
    at = [place for place, character in enumerate(text) if character == ":"]
    for place in at:
        if os.path.isfile(text[:place]):
            return text[:place], text[place + 1 :]
    return text[: at[-1]], text[at[-1] + 1 :]


def is_for_everybody(path: str) -> bool:
    """Tell whether any user of this machine may read a file; never on Windows, which has lists."""
    try:
        return os.name != "nt" and bool(os.stat(path).st_mode & stat.S_IROTH)
    except OSError:
        return False


def _read(path: str) -> str:
    try:
        with open(path, encoding="latin-1") as file:
            return file.read(_MOST_FILE)
    except OSError as fault:
        raise TlsFailed(
            f"bad TLS settings: cannot read {path}: {fault.strerror}", phase="tls"
        ) from fault


def _trace_of(path: str) -> tuple[int, int, int] | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
