"""The two request heads that servers are loaded with, byte for byte.

wrk writes its own head from Lua tables, in no fixed order; a script that replaces
wrk.format (called once) makes it send exactly these bytes and costs nothing a request.
"""

from pathlib import Path

# What Chromium sends when a page is opened by its address: 14 fields, 640 bytes in all.
AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
ACCEPT = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;"
    "q=0.8,application/signed-exchange;v=b3;q=0.7"
)
CHROMIUM = (
    ("Host", "{host}"),
    ("Connection", "keep-alive"),
    ("sec-ch-ua", '"Chromium";v="131", "Not_A Brand";v="24"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", AGENT),
    ("Accept", ACCEPT),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-User", "?1"),
    ("Sec-Fetch-Dest", "document"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en-US;q=0.9,en;q=0.8"),
)
HEADS = {"bare": CHROMIUM[:1], "browser": CHROMIUM}


def build_request(head: str, port: int, path: str) -> bytes:
    """Build a GET with one of the heads: "bare" or "browser"."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in HEADS[head])
    return f"GET {path} HTTP/1.1\r\n{fields}\r\n".replace("{host}", f"127.0.0.1:{port}").encode()


def write_script(request: bytes, file: Path) -> Path:
    """Write the Lua script that makes wrk send this request."""
    text = "".join(f"\\{byte:03d}" for byte in request)
    file.write_text(f'wrk.format = function() return "{text}" end\n')
    return file
