"""The store, put together.

    crlf serve examples.store.app:app --port 8000

Which address shows which page is in handlers/, what is sold and remembered in data/, what a page
looks like in templates/ and static/. Handlers that look things up are plain functions, which the
server runs in threads. What is wrong with an input is said beside it, with status 400 and never
with a traceback.
"""

from __future__ import annotations

from examples.store.handlers import around, buying, gallery, looking, membership, trouble
from examples.store.shop import app

__all__ = ["app", "around", "buying", "gallery", "looking", "membership", "trouble"]
