"""What a process was started with: the variables that may say which proxies to go through.

The one place of a client that looks at them. What they mean is decided in rules/.
"""

from __future__ import annotations

import os
from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """Return the environment's variables as they are now."""
    return os.environ
