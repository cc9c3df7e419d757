"""Trouble: what could not be done, said on a page that looks like all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crlf import ProtocolError, Refused, Request
from examples.store.shop import SAFE, app, page

# What is said of each status; the sentence where the error itself has none for visitors.
TITLES: Final = {
    400: ("That was not understood", "Something in the request is not as it should be."),
    403: ("Not from there", "This may not be done from where you are."),
    404: ("Not in stock", "Nothing in this store has that address."),
    405: ("Not that way", "This address does other things than that."),
    413: ("Too much at once", "That is more than this store takes: a photo may have 8 MB."),
    429: ("Too often", "Please wait a little."),
}
OUR_FAULT: Final = "It is our fault, and it has been noted. Please try again."


def trouble_of(status: int, title: str, otherwise: str) -> Callable[[Request, Exception], object]:
    """Make what answers for a status."""

    def trouble(request: Request, error: Exception) -> object:
        said = otherwise
        if isinstance(error, Refused | ProtocolError) and error.reason:
            said = sentence(error)
        # With SAFE here too: what is refused before it is read does not come by the filter.
        return page(
            request, "trouble.html", status, SAFE, status=status, title=title, sentence=said
        )

    return trouble


for status, (title, otherwise) in TITLES.items():
    app.on_error(status)(trouble_of(status, title, otherwise))


@app.on_error(500)
def broken(request: Request, error: Exception) -> object:
    """What nobody foresaw: the log says what it was, and the page does not."""
    return page(
        request, "trouble.html", 500, status=500, title="Something broke", sentence=OUR_FAULT
    )


def sentence(error: ProtocolError | Refused) -> str:
    """Write the reason of an error as a sentence."""
    return f"{error.reason[:1].upper()}{error.reason[1:].removesuffix('.')}."
