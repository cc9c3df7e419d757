"""A request as a line of the shell: printf writes its bytes, nc carries them (the course's form).

What printf writes is what --offline writes, byte for byte. Nothing is added for nc's sake: where
the server is not asked to close, nc is told how long to wait.
"""

from __future__ import annotations

from crlf.cli.translating.errand import Errand
from crlf.cli.translating.quoting import printf, sh
from crlf.message.authority import in_brackets, is_address

WAIT = 10  # seconds without a byte after which nc goes
_LONGEST = 120  # characters of a command that is written on one line


def printf_nc(errand: Errand) -> str:
    """Write the command. Raises Failure for more than can be written down."""
    data, path = errand.wire()
    carried = _carrier(errand)
    words = printf(data)
    whole = "'" + "".join(word[1:-1] for word in words) + "'"
    written = f"printf {whole}"
    if len(written) + len(carried) > _LONGEST:
        written = "printf " + "\\\n".join(words)
    if path is not None:
        written = f"{{ {written}; cat {sh(_plain(path))}; }}"
    remark = ""
    if errand.way.name:
        checks = "" if _is_open(errand) else ", and looks at the certificate"
        remark = f"# nc speaks no TLS, so openssl does{checks}.\n"
    return f"{remark}{written} | {carried}\n"


def _carrier(errand: Errand) -> str:
    """Write the command that carries bytes to where they go, and what comes back to stdout."""
    way = errand.way
    if not way.name:
        wait = [] if errand.is_closing else ["-w", str(WAIT)]
        place = ["-U", _plain(way.socket)] if way.socket else [way.host, str(way.port)]
        return " ".join(["nc", *wait, *map(sh, place)])
    words = ["openssl", "s_client", "-quiet"]
    if way.socket:
        words += ["-unix", _plain(way.socket)]
    else:
        words += ["-connect", f"{in_brackets(way.host)}:{way.port}"]
    if way.via is not None and not way.forwards and not way.via.is_socks:
        words += ["-proxy", f"{in_brackets(way.via.host)}:{way.via.port}"]
    if not is_address(way.name):
        words += ["-servername", way.name]
    if not _is_open(errand):
        kind = "-verify_ip" if is_address(way.name) else "-verify_hostname"
        words += [kind, way.name, "-verify_return_error"]
        trust = errand.asked.client.get("verify", True)
        if not isinstance(trust, bool):
            words += ["-CAfile", str(trust)]
    return " ".join(map(sh, words))


def _is_open(errand: Errand) -> bool:
    """Whether any certificate will do."""
    return errand.asked.client.get("verify", True) is False


def _plain(path: str) -> str:
    """Write a path so that no command takes it for an option."""
    return f"./{path}" if path.startswith("-") else path
