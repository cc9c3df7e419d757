"""The options of `crlf download` and `crlf upload`."""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option
from crlf.cli.asking.options import CONTENT_OPTIONS, EXCHANGE_OPTIONS, WAY_OPTIONS, WHO_OPTIONS

FILES = "The files"

_ASKING = (*CONTENT_OPTIONS[:1], *WHO_OPTIONS, *EXCHANGE_OPTIONS, *WAY_OPTIONS, HELP)
DOWNLOAD_OPTIONS: tuple[Option, ...] = _ASKING
UPLOAD_OPTIONS: tuple[Option, ...] = _ASKING
