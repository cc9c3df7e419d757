"""The options of `crlf download` and `crlf upload`."""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option
from crlf.cli.asking.options import (
    ANSWER_OPTIONS,
    CONTENT_OPTIONS,
    EXCHANGE_OPTIONS,
    WAY_OPTIONS,
    WHO_OPTIONS,
)

FILES = "The files"
FILE = "The file"

# An application in memory has nothing that would be worth a bar.
_EXCHANGE = tuple(option for option in EXCHANGE_OPTIONS if option.key != "app")
_ASKING = (*CONTENT_OPTIONS[:1], *WHO_OPTIONS, *_EXCHANGE, *WAY_OPTIONS, HELP)
_SHOWN = ("pretty", "select", "ignore-status")

DOWNLOAD_OPTIONS: tuple[Option, ...] = (
    Option(
        "-i --input",
        "FILE",
        "save what is at the URLs in FILE, one a line, # comments left out; - is standard input. "
        "An indented line out=NAME under a URL says what its file is called",
        FILES,
    ),
    Option("-d --into", "FOLDER", "where files go, made if need be (default: here)", FILES),
    Option("-o --output", "NAME", "the file's name or path, of a single URL", FILES),
    Option("-j --jobs", "N", "how many files at a time (default: 4)", FILES),
    Option("--overwrite", "", "replace files that are there (default: they are failures)", FILES),
    Option("--numbered", "", "keep them, and take a free name, as in 'page (1).html'", FILES),
    Option("--skip-existing", "", "leave them, and call that well: for a list begun before", FILES),
    Option(
        "--no-resume",
        "",
        "ask for everything again (default: go on with NAME.part, if the server says that it "
        "still is the same)",
        FILES,
    ),
    Option(
        "--checksum",
        "SHA256",
        "what the file has to come to: sha256:... or sha512:... or their digits alone",
        FILES,
    ),
    Option(
        "--checksums",
        "FILE",
        "hold each file to its line in FILE, as sha256sum writes them; - is standard input",
        FILES,
    ),
    Option("--max-size", "SIZE", "refuse longer files: bytes, or 10M, 2G", FILES),
    Option(
        "-q --quiet", "", "show no progress, only what went wrong; -qq not even that", FILES
    ),
    *_ASKING,
)  # fmt: skip
UPLOAD_OPTIONS: tuple[Option, ...] = (
    Option("-X --method", "METHOD", "instead of PUT (default with --as-form: POST)", FILE),
    Option(
        "--as-form",
        "NAME",
        "send the file as the field NAME of a form, with name=value items beside it",
        FILE,
    ),
    Option("--type", "TYPE", "what it is, as in image/png (default: by its name)", FILE),
    Option("--no-overwrite", "", "only where there is nothing yet: If-None-Match: *", FILE),
    Option("-q --quiet", "", "show no progress and no answer; -qq no failure either", FILE),
    *(option for option in ANSWER_OPTIONS if option.key in _SHOWN),
    *_ASKING,
)
