"""The options of `crlf explain`."""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option
from crlf.cli.asking.options import CONTENT_OPTIONS, EXCHANGE_OPTIONS, WAY_OPTIONS, WHO_OPTIONS

EXPLAIN_OPTIONS: tuple[Option, ...] = (
    *CONTENT_OPTIONS, *WHO_OPTIONS, *EXCHANGE_OPTIONS, *WAY_OPTIONS, HELP,
)  # fmt: skip
