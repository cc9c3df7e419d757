"""What `crlf serve --check-config` tries: everything that can be tried without serving.

Packages, certificates, logs and the application itself. Its law: all faults are told, a line
each, and no port is taken.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from crlf.cli.environment import Environment
from crlf.cli.exits import OK, OTHER, reason_of
from crlf.server.configuration import Configuration
from crlf.server.hosting import CannotHost, load_application
from crlf.server.settings import ServerSettings


def check(configuration: Configuration, environment: Environment) -> int:
    """Say all that is wrong, a line each, or that all is well; return the exit code."""
    faults = list(configuration.faults)
    if not faults:
        faults += package_faults(configuration.settings)
        faults += certificate_faults(configuration.settings)
        faults += log_faults(configuration.settings)
        try:
            load_application(configuration.target, configuration.settings, environment.folder)
        except CannotHost as fault:
            environment.tell(fault.trace)
            faults.append(fault.reason)
    for line in faults:
        environment.complain(line)
    if faults:
        return OTHER
    places = ", ".join(configuration.settings.bind)
    environment.show(f"All is well: {configuration.target} can be served at {places}\n")
    return OK


def package_faults(settings: ServerSettings) -> Iterator[str]:
    """See whether the packages are there that some settings need."""
    asked = {
        "metrics": (settings.metrics is not None, "prometheus_client", "prometheus-client"),
        "reload": (settings.reload, "watchfiles", "watchfiles"),
        "tls-self-signed": (settings.self_signed, "cryptography", "cryptography"),
    }
    for name, (is_asked, module, package) in asked.items():
        if is_asked and not _is_there(module):
            extra = name.removeprefix("tls-").replace("-", "")
            yield f"{name} needs the package {package}: pip install 'crlf[{extra}]'"


def _is_there(module: str) -> bool:
    from importlib.util import find_spec  # for who asks for one of these

    return find_spec(module) is not None


def certificate_faults(settings: ServerSettings) -> Iterator[str]:
    """Try to load every certificate with its key, and the authorities of clients."""
    import ssl  # 10 ms, for who has certificates

    for text in settings.certificates:
        chain, _, key = text.partition(":")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key or None)
        except ssl.SSLError as fault:
            yield f"{text} is no certificate with its key: {fault.reason or fault}"
        except OSError as fault:
            yield f"{text} cannot be read: {reason_of(fault)}"
    if settings.client_ca is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(settings.client_ca)
        except ssl.SSLError as fault:
            yield f"{settings.client_ca} has no certificates: {fault.reason or fault}"
        except OSError as fault:
            yield f"{settings.client_ca} cannot be read: {reason_of(fault)}"


def log_faults(settings: ServerSettings) -> Iterator[str]:
    """See whether the log can be written."""
    path = settings.access_log_file
    if path == "-":
        return
    place = path if os.path.exists(path) else os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.access(place, os.W_OK):
        yield f"{path} cannot be written"
