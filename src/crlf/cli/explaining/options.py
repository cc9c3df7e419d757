"""The options of `crlf explain`: those of a request, and what becomes of the explanation."""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option
from crlf.cli.asking.options import CONTENT_OPTIONS, EXCHANGE_OPTIONS, WAY_OPTIONS, WHO_OPTIONS

EXPLANATION = "What becomes of the explanation"

EXPLANATION_OPTIONS = (
    Option("--all", "", "show all of long content, chunk by chunk (default: the beginning)",
           EXPLANATION),
    Option("--timing", "", "show where the time went, instead of the bytes", EXPLANATION),
    Option("--format", "text|json", "how it is written (default: text)", EXPLANATION),
    Option("--html", "FILE", "write it as a page that shows all, bytes and times", EXPLANATION),
    Option("--save", "FILE", "keep what went over the wire, to be explained again; credentials "
           "and cookies are stars", EXPLANATION),
    Option("--har", "FILE", "keep it as HAR 1.2, for browsers; the same", EXPLANATION),
    Option("--secrets", "", "keep credentials and cookies as they were sent", EXPLANATION),
)  # fmt: skip
EXPLAIN_OPTIONS: tuple[Option, ...] = (
    *EXPLANATION_OPTIONS, *CONTENT_OPTIONS, *WHO_OPTIONS, *EXCHANGE_OPTIONS, *WAY_OPTIONS, HELP,
)  # fmt: skip
