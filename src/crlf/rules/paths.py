"""Names in paths: which piece of a decoded path may name a file, on this system or any other.

A name is judged alone, before it meets a folder: no name may be a path itself, name a device,
or be another name's second spelling. Its law: what would be dangerous on one system is refused
on all, unless it is an everyday name elsewhere.
"""

from __future__ import annotations

from typing import Final

from crlf.message.fields.disposition import safe_name
from crlf.patterns import pattern

_UNUSABLE: Final = pattern(r"[\x00-\x1f\x7f/\\]|\A[A-Za-z]:")
# On Windows: other streams of a file, wildcards, ends that are stripped, short (8.3) names.
_WINDOWS_ALIAS: Final = pattern(r'[:*?"<>|]|[. ]\Z|~[0-9]')
# HFS+ leaves these out when it compares names, so that they hide a dot (Git, CVE-2014-9390).
_INVISIBLE: Final = (
    "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"
)


def may_be_named(name: str, *, hidden: bool = False, windows: bool = False) -> bool:
    """Tell whether one decoded segment of a path may name a file or a folder.

    hidden: whether names that begin with a dot may. windows: whether the files are on Windows,
    where more names are aliases.
    """
    if name in ("", ".", "..") or _UNUSABLE.search(name) is not None:
        return False
    if not hidden and name.lstrip(_INVISIBLE).startswith("."):
        return False
    if windows and _WINDOWS_ALIAS.search(name) is not None:
        return False
    return not _is_device(name)


def _is_device(name: str) -> bool:
    """Tell whether Windows takes name for a device, as in CON or NUL.txt."""
    stem = name.partition(".")[0].rstrip(" ")
    return len(stem) <= 7 and safe_name(stem) == "_" + stem  # which is how it marks one
