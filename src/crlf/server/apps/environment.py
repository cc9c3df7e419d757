"""The Environment that an App makes of a folder: Jinja2's, strict, and quick with dicts.

Its law: a page is the same as from Jinja2's own Environment, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

MOST_KEPT: Final = 1000  # compiled templates of a folder; Jinja2 by itself 400
_MISSING: Final = object()


class PageEnvironment(Environment):
    """What pages are made in.

    folder: the templates' own. is_escaped: tells by a template's name whether what it shows is
    HTML. reloads: look whether a file has changed each time it is used.
    """

    def __init__(
        self, folder: Path, is_escaped: Callable[[str | None], bool], *, reloads: bool
    ) -> None:
        super().__init__(
            loader=FileSystemLoader(folder.resolve()),
            autoescape=is_escaped,
            undefined=StrictUndefined,
            auto_reload=reloads,
            cache_size=MOST_KEPT,
        )

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up `obj.attribute`: an attribute, else an item, as Jinja2 says.

        Where values are dicts most are items, and an AttributeError raised and caught for each
        costs more than all the rest of a page; asked so, none is made.
        """
        found = getattr(obj, attribute, _MISSING)
        if found is not _MISSING:
            return found
        try:
            return obj[attribute]
        except (TypeError, LookupError, AttributeError):
            return self.undefined(obj=obj, name=attribute)
