"""What may follow what in HTTP/1.1: one table for either side of either role.

Each end of a connection keeps two of these states, one for what it sends and one for what
it receives. A step that the table does not have is a fault of whoever took it. The table
knows no roles: a server's receiving half and a client's sending half walk the same rows.
The drawing in the docs is made of it.
"""

from __future__ import annotations

from typing import Final

# States. Plain numbers, because a table of tuples is read on every part of every message.
IDLE: Final = 0  # between messages
BODY: Final = 1  # the head has passed, the end has not
DONE: Final = 2  # the message is complete; the other half may not be
CLOSED: Final = 3  # no further message in this direction
SWITCHED: Final = 4  # another protocol has taken over
FAILED: Final = 5  # a rule was broken: nothing in this direction can be believed

# Steps.
INTERIM: Final = 0  # a 1xx head
HEAD: Final = 1  # a head whose body follows
DATA: Final = 2
STOP: Final = 3  # the End of a message
WHOLE: Final = 4  # head, body and End at once
NEXT: Final = 5  # both halves are DONE and the connection persists
CLOSE: Final = 6
SWITCH: Final = 7
FAIL: Final = 8

STATE_NAMES: Final = ("IDLE", "BODY", "DONE", "CLOSED", "SWITCHED", "FAILED")
STEP_NAMES: Final = (
    "interim head", "head", "data", "end", "whole message", "next", "close", "switch", "fail",
)  # fmt: skip
NO: Final = -1  # the table has no such step

TABLE: Final = (
    #  INTERIM  HEAD  DATA  STOP  WHOLE NEXT  CLOSE   SWITCH    FAIL
    (  IDLE,    BODY, NO,   NO,   DONE, NO,   CLOSED, SWITCHED, FAILED),  # IDLE
    (  NO,      NO,   BODY, DONE, NO,   NO,   NO,     NO,       FAILED),  # BODY
    (  NO,      NO,   NO,   NO,   NO,   IDLE, CLOSED, SWITCHED, FAILED),  # DONE
    (  NO,      NO,   NO,   NO,   NO,   NO,   CLOSED, NO,       FAILED),  # CLOSED
    (  NO,      NO,   NO,   NO,   NO,   NO,   CLOSED, SWITCHED, FAILED),  # SWITCHED
    (  NO,      NO,   NO,   NO,   NO,   NO,   FAILED, NO,       FAILED),  # FAILED
)  # fmt: skip
