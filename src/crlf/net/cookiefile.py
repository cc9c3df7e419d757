"""Cookies that outlive a program: a jar written to a file, and read again.

JSON keeps all of a cookie; Netscape's format is what curl, wget and browser extensions read.
Its law: whoever else is on the machine cannot read the file (0600), and one that is there is
whole: it is replaced, never changed.
"""

from __future__ import annotations

import os
import time
from typing import Final, Literal

from crlf.message.errors import TooLarge
from crlf.net.privatefile import write_private
from crlf.rules.cookiefiles import build_netscape, parse_json_cookies, parse_netscape
from crlf.rules.cookiejar import CookieJar

MAX_COOKIE_FILE: Final = 64 * 1024 * 1024  # bytes; 3,000 cookies of 4 KiB are 12 MiB

CookieFormat = Literal["json", "netscape"]


def save_cookies(
    jar: CookieJar,
    path: str | os.PathLike[str],
    *,
    format: CookieFormat = "json",
    session: bool = True,
) -> None:
    """Write a jar to a file, whole or not at all; an existing one is replaced.

    session: cookies without an expiry too, which a browser would forget. Netscape's format has
    no SameSite and no creation time; whether a cookie is for one host alone it keeps. Raises
    OSError.
    """
    if format == "json":
        data = jar.as_json(session=session).encode()
    elif format == "netscape":
        cookies = [one for one in jar if session or one.expires is not None]
        data = build_netscape(cookies).encode("latin-1")
    else:
        raise ValueError(f"a cookie file is 'json' or 'netscape', not {format!r}")
    write_private(path, data)


def load_cookies(path: str | os.PathLike[str], jar: CookieJar | None = None) -> CookieJar:
    """Read a cookie file of either format, and return a jar with what has not expired.

    jar: one to add to; None makes a new one. Raises Malformed for what is no cookie file,
    TooLarge, OSError.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_COOKIE_FILE + 1)
    if len(data) > MAX_COOKIE_FILE:
        raise TooLarge("cookie_file", MAX_COOKIE_FILE, 400)
    if data.lstrip(b" \t\r\n")[:1] in (b"[", b"{"):
        cookies = parse_json_cookies(data.decode("utf-8", "replace"))
    else:
        cookies = parse_netscape(data.decode("latin-1"))
    filled = CookieJar() if jar is None else jar
    filled.load(cookies, time.time())
    return filled
