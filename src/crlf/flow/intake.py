"""Intake: how the content of a request is taken in, which its application says beforehand.

A server reads content whole, or as a form, before it asks the application; one that says so
gets it as it comes, and what will be refused anyway is not read at all. Its law: nobody takes
more than somebody has said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from crlf.message.errors import TooLarge
from crlf.message.request import Request

AS_SET: Final = -1  # stands for the limit of the server
_TOO_LONG: Final = "too_long"  # of extras: the TooLarge that is left to the application


class Intake(NamedTuple):
    """How to take in the content of one request.

    way: "whole" for content or a form that is here before the application is asked; "streamed"
    for content that the application reads as it comes; "none" for what nobody will read. limit:
    bytes, None for any number, AS_SET for the server's limit. progress: called on the loop with
    the request and a Progress (crlf.message.progress) while content comes. catcher: finds what
    the program says itself to an error with a status; None where it says nothing of its own.
    """

    way: Literal["whole", "streamed", "none"] = "whole"
    limit: int | None = AS_SET
    progress: Callable[..., object] | None = None
    catcher: Callable[[Exception, int], object] | None = None

    def leaves(self, request: Request, fault: TooLarge) -> bool:
        """Leave it to the application to refuse content that says itself that it is too long.

        The request comes to it without its content; see `raise_left`.
        """
        if self.catcher is None or self.catcher(fault, fault.status_code) is None:
            return False
        request.extras[_TOO_LONG] = fault
        return True


WHOLE: Final = Intake()
NOTHING: Final = Intake("none")
AskIntake = Callable[[Request], Intake]


def raise_left(request: Request) -> None:
    """Raise the TooLarge that was left to the application with a request, if there is one."""
    fault = request.extras.pop(_TOO_LONG, None)
    if isinstance(fault, TooLarge):
        raise fault
