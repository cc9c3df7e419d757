"""Files of variables: lines of KEY=VALUE, as `docker run --env-file` and systemd read them.

Nothing is expanded and no shell is asked. Blank lines and lines that begin with # say nothing;
`export` before a name is passed over; a value may stand in quotes, which then are taken off.
"""

from __future__ import annotations

from crlf.patterns import pattern

MOST = 256 * 1024  # bytes; an environment is rarely more than a page or two
_LINE = pattern(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)")


def read_env_file(path: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a file, and what is wrong with it, a line each."""
    try:
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
    except OSError as fault:
        return {}, [f"{path} cannot be read: {fault.strerror}"]
    if len(data) > MOST:
        return {}, [f"{path} is longer than {MOST:,} bytes"]
    try:
        return parse_env(data.decode("utf-8-sig"), path)
    except UnicodeDecodeError as fault:
        return {}, [f"{path} is no UTF-8, at byte {fault.start}"]


def parse_env(text: str, name: str) -> tuple[dict[str, str], list[str]]:
    """Read the lines of a file of variables. A line that is none is a fault, and not shown:
    it may be a secret.
    """
    entries: dict[str, str] = {}
    faults = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip(" \t\r")
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        value = None if found is None else _unquoted(found[2])
        if found is None or value is None or "\x00" in value:
            faults.append(f"{name}, line {number} is no KEY=VALUE")
        else:
            entries[found[1]] = value
    return entries, faults


def _unquoted(text: str) -> str | None:
    """Take the quotes off; None when they are not closed."""
    quote = text[:1]
    if quote not in ("'", '"'):
        value, _, _ = text.partition(" #")
        return value.rstrip(" \t")
    if len(text) < 2 or text[-1] != quote:
        return None
    inner = text[1:-1]
    return inner if quote == "'" else inner.replace('\\"', '"').replace("\\\\", "\\")
