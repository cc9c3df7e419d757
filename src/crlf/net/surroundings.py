"""What a process was started with: the variables that may say which proxies to go through.

The one place of a client that looks at them. What they mean is decided in rules/.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_PROXY_NAMES = (
    "http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
)  # fmt: skip


def environment() -> Mapping[str, str]:
    """Return the environment's variables as they are now."""
    return os.environ


def names_proxies() -> bool:
    """Tell whether any variable could name a proxy; where none does, nothing is read further."""
    return any(name in os.environ for name in _PROXY_NAMES)
