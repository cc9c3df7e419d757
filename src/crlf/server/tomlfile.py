"""Settings in a file: crlf.toml, or the table [tool.crlf] of a pyproject.toml.

A table in it is a part of its keys' names: `[limit] body = "1M"` is `limit-body = "1M"`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from crlf.server.kinds import OFF
from crlf.values import frozen

MOST = 1024 * 1024  # bytes; larger is no file of settings
OWN, SHARED = "crlf.toml", "pyproject.toml"


@frozen
class FileTold:
    """What a file says: its name for people, where it is, its keys with their values."""

    name: str = ""
    folder: str = ""
    values: tuple[tuple[str, object], ...] = ()
    faults: tuple[str, ...] = ()


NOTHING = FileTold()


def read_file(named: str | None, folder: str) -> FileTold:
    """Read the file that was named, or the one that the folder has.

    named: a path, OFF for no file at all, None to look for one. crlf.toml, where there is one,
    is the only one that counts.
    """
    if named == OFF:
        return NOTHING
    if named:
        path = os.path.join(folder, os.path.expanduser(named))
        return _read(path, named, is_shared=os.path.basename(path) == SHARED, must=True)
    for name in (OWN, SHARED):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            found = _read(path, name, is_shared=name == SHARED, must=False)
            if found is not NOTHING:
                return found
    return NOTHING


def _read(path: str, name: str, *, is_shared: bool, must: bool) -> FileTold:
    """Read one file. A pyproject.toml that has nothing for us says nothing, unless it must."""
    import tomllib  # 5 ms, for who has such a file

    try:
        with open(path, "rb") as file:
            data = file.read(MOST + 1)
        if len(data) > MOST:
            return FileTold(name, faults=(f"{name} is longer than {MOST:,} bytes",))
        tables = tomllib.loads(data.decode())
    except OSError as fault:
        return FileTold(name, faults=(f"{name} cannot be read: {fault.strerror}",))
    except UnicodeDecodeError as fault:
        return FileTold(name, faults=(f"{name} is no UTF-8, at byte {fault.start}",))
    except (ValueError, RecursionError) as fault:  # the first also of numbers without end
        return FileTold(name, faults=(f"{name} is no TOML: {fault}",))
    if is_shared:
        tool = tables.get("tool")
        own = tool.get("crlf") if isinstance(tool, dict) else None
        if not isinstance(own, dict):
            missing = (f"{name} has no table [tool.crlf]",) if must else ()
            return FileTold(name, faults=missing) if must else NOTHING
        tables = own
    return FileTold(name, os.path.dirname(path), tuple(_flat(tables)))


def _flat(table: dict[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """List the keys of a table, those of tables in it with their names before them."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}-")
        else:
            yield f"{before}{key}", value
