"""What a peer may make us read: every limit by name, with the precedent for its number.

A limit holds before the terminator arrives: a line that is too long is refused when its
first byte too many comes in. None means no limit, and has to be written.
"""

from __future__ import annotations

from crlf.values import frozen


@frozen
class Limits:
    """Bounds on what a peer sends. Sizes are in bytes, counts are plain numbers.

    The first thirteen hold for every message, at both ends. The others are a server's: for what
    its programs read of a request, and for all its connections.
    """

    line: int = 8192  # request or status line; Apache and aiohttp 8190, nginx 8 KiB: 414
    field: int = 8192  # one field line; Apache and aiohttp 8190: 431
    head: int = 32 * 1024  # start line and fields; Caddy and Node 16 KiB, nginx 33 KiB: 431
    fields: int = 100  # field lines; Apache 100, Node 2000: 431
    blank_lines: int = 8  # empty lines before a request line; RFC 9112 2.2 asks for one: 400
    chunk_line: int = 256  # a chunk's size with its extensions; tornado 64, aiohttp 8190: 400
    chunk_extensions: int = 4096  # of one message, summed; Node 16 KiB: 400
    trailers: int = 32  # trailer fields; aiohttp as for header fields: 431
    trailer_block: int = 8192  # all of them; as above: 431
    interim: int = 10  # 1xx responses before the final one; Go 5: an error
    body: int | None = 16 * 1024 * 1024  # content, decoded; nginx 1 MiB, tornado 100 MiB: 413
    ratio: int | None = 200  # decoded to encoded, after the first MiB; nobody else has one
    codings: int = 2  # content codings on top of each other; curl and urllib3 5
    query_fields: int = 1000  # of one query; aiohttp and tornado 1000, ASP.NET 1024: 414
    form_fields: int = 1000  # of one urlencoded form; as above: 413
    cookies: int = 200  # of one request; Go 3000, Chromium keeps 180 a domain: 431
    parts: int = 128  # of one multipart form; tornado 100, Go and Starlette 1000: 413
    part_headers: int = 8  # fields of one part; python-multipart 8, RFC 7578 knows 3: 431
    part_header: int = 4096  # one line of them; python-multipart 4 KiB: 431
    fields_total: int = 2 * 1024 * 1024  # all parts that are no files; aiohttp 1 MiB: 413
    field_in_memory: int = 64 * 1024  # of one file, the rest to disk; tornado 512 KiB
    spool: int | None = None  # on the disk at once, of all requests; nobody has one: 507
    connections: int = 1000  # open at once, of one worker; gunicorn 1000, nginx 512: more wait


SERVER_LIMITS = Limits()
# curl: heads of 300 kB, 5,000 fields. A server is chosen, a client is not: more room.
CLIENT_LIMITS = Limits(
    line=8192, field=16 * 1024, head=64 * 1024, fields=256, body=100 * 1024 * 1024
)
