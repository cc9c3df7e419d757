"""Regular expressions that are compiled when they are first used.

The grammars of HTTP are some fifty expressions, of which one exchange needs five; to compile
them all is a sixth of the time in which a command line should have answered.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Pattern:
    """A regular expression that is compiled when its first method is asked for."""

    __slots__ = ("__dict__", "_flags", "_source")

    def __init__(self, source: str | bytes, flags: int) -> None:
        self._source = source
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._source, self._flags)
        asked = getattr(compiled, name)
        self.__dict__[name] = asked  # from now on found without coming here
        return asked


def pattern(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return what re.compile returns, compiled when its first method is asked for."""
    return cast("re.Pattern[AnyStr]", _Pattern(source, flags))
