"""The web mail as an application, put together.

    crlf serve examples.webmail.app:app --port 8000

Each of the files imported here adds its routes to the application in site.py.
"""

from __future__ import annotations

from examples.webmail import composing, keeping, looking, signing
from examples.webmail.site import app, mailbox_of, users

__all__ = ["app", "composing", "keeping", "looking", "mailbox_of", "signing", "users"]
