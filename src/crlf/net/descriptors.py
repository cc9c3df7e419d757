"""How many connections fit into the descriptors that this process may have.

A connection is one, the file that it is sent another, and while it waits for the client a third
stands for it in the loop. Its law: who is let in can be served. Those for whom there is no
descriptor wait outside, in the kernel's queue.
"""

from __future__ import annotations

import sys

if sys.platform != "win32":  # where sockets are no descriptors
    import resource

_OWN = 32  # the loop's, the log's, the listening ones, those of an application's own
_EACH = 3  # of a connection that is sent a file


def connections_that_fit(wanted: int) -> int:
    """Return how many connections there can be at once, at most as many as wanted, at least one."""
    if sys.platform == "win32":
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - _OWN) // _EACH))
