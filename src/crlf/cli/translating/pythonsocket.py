"""A request as a program with a bare socket (the course's other form): connect, send, receive.

The program is short and whole, for reading as much as for running. What it sends is what
--offline writes, byte for byte.
"""

from __future__ import annotations

from crlf.cli.translating.errand import Errand
from crlf.cli.translating.quoting import python_bytes

WAIT = 10  # seconds


def python_socket(errand: Errand) -> str:
    """Write the program. Raises Failure for more than can be written down."""
    data, path = errand.wire()
    way = errand.way
    modules = ["socket", *(["ssl"] if way.name else []), "sys"]
    lines = [f"import {module}" for module in modules]
    lines += ["", *_assigned(python_bytes(data)), "", *_connected(errand)]
    lines.append("s.sendall(request)")
    if path is not None:
        lines += [f'with open({path!r}, "rb") as content:', "    s.sendfile(content)"]
    receiving = [
        "while True:",
        "    data = s.recv(65536)",
        "    if not data:",
        "        break",
        "    sys.stdout.buffer.write(data)",
    ]
    if not errand.is_closing:
        receiving = [
            "try:",
            *[f"    {line}" for line in receiving],
            "except TimeoutError:",
            "    pass  # the server keeps the connection open, for more requests",
        ]
    lines += [*receiving, "s.close()"]
    return "\n".join(lines) + "\n"


def _assigned(literals: list[str]) -> list[str]:
    if len(literals) == 1:
        return [f"request = {literals[0]}"]
    return ["request = (", *[f"    {literal}" for literal in literals], ")"]


def _connected(errand: Errand) -> list[str]:
    """Write how the socket comes about."""
    way = errand.way
    if way.socket:
        lines = [
            "s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
            f"s.settimeout({WAIT})",
            f"s.connect({way.socket!r})",
        ]
    else:
        lines = [f"s = socket.create_connection(({way.host!r}, {way.port}), timeout={WAIT})"]
    if not way.name:
        return lines
    trust = errand.asked.client.get("verify", True)
    source = "" if isinstance(trust, bool) else f"cafile={str(trust)!r}"
    lines.append(f"context = ssl.create_default_context({source})")
    if trust is False:
        lines += ["context.check_hostname = False", "context.verify_mode = ssl.CERT_NONE"]
    lines.append(f"s = context.wrap_socket(s, server_hostname={way.name!r})")
    return lines
