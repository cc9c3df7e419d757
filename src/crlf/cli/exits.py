"""Exit codes: what became of a command, as a number that a script can rely on.

They never change their meaning. Where curl has a number for the same thing, it is curl's, and
aria2's for a digest that is not right; a final status of 3xx, 4xx or 5xx is its first digit, as
in HTTPie and xh. Failure carries one, with the line that says why.
"""

from __future__ import annotations

OK = 0
OTHER = 1
USAGE = 2
REDIRECTED, REFUSED, BROKE = 3, 4, 5
NO_NAME = 6
NO_CONNECTION = 7
NOT_HTTP = 8
NO_OUTPUT = 23
NO_INPUT = 26
TOO_LATE = 28
NOT_AS_SAID = 32
NO_TLS = 35
REDIRECTS = 47
LOST = 56
NO_TRUST = 60
NOT_DECODED = 61
TOO_LARGE = 63
INTERRUPTED = 130
PIPE_CLOSED = 141

MEANINGS: dict[int, str] = {
    OK: "the answer is 2xx, in the end",
    OTHER: "something else went wrong",
    USAGE: "the command line, the URL or an item is wrong; nothing was sent",
    REDIRECTED: "the answer is 3xx, and was not followed",
    REFUSED: "the answer is 4xx",
    BROKE: "the answer is 5xx",
    NO_NAME: "no connection: the name is unknown",
    NO_CONNECTION: "no connection: nobody answers there",
    NOT_HTTP: "the answer breaks a rule of HTTP, or ends too early",
    NO_OUTPUT: "the output cannot be written",
    NO_INPUT: "a file that is needed cannot be read",
    TOO_LATE: "a time limit passed",
    NOT_AS_SAID: "what arrived is not what its digest says",
    NO_TLS: "no TLS: the handshake failed",
    REDIRECTS: "too many redirects, or a circle of them",
    LOST: "the connection broke",
    NO_TRUST: "no TLS: the certificate is not accepted",
    NOT_DECODED: "the content cannot be decoded",
    TOO_LARGE: "something is over its limit",
    INTERRUPTED: "interrupted by Ctrl-C",
    PIPE_CLOSED: "who read the output stopped reading, as in `| head -1`",
}


class Failure(Exception):
    """A command cannot go on: one line for people, and the exit code.

    below: lines that are shown under it, as they are: what was typed, and a caret.
    """

    def __init__(self, line: str, code: int = USAGE, below: tuple[str, ...] = ()) -> None:
        super().__init__(line, code)
        self.line = line
        self.code = code
        self.below = below


def reason_of(fault: OSError) -> str:
    """Say what the operating system said."""
    return fault.strerror or str(fault) or type(fault).__name__
