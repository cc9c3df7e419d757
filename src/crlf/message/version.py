"""Which crlf this is. On the lowest floor, since both ends and the command line say it."""

from __future__ import annotations

__version__ = "0.1.0"  # that of pyproject.toml; a test compares them
