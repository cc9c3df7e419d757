"""The server's face: applications, what their handlers return and raise, and what serves them.

An App has routes, error handlers, folders and sessions. Its handlers return what html, json,
text, redirect, file and stream make, or raise Refused. A FolderSite is a folder alone, Asgi- and
WsgiApplication host those of others. `serve` serves any of them until a signal, `Server` on a
loop that runs, `running` in a thread.
"""

from __future__ import annotations

from crlf.lazy import exporting

HOMES = {
    "crlf.server.apps.answers": (
        "FileAnswer", "Refused", "file", "html", "is_local", "json", "redirect", "stream", "text",
    ),
    "crlf.server.apps.app": ("App",),
    "crlf.server.apps.csrftokens": ("csrf_field", "csrf_token"),
    "crlf.server.apps.events": ("EventsAnswer", "events"),
    "crlf.server.apps.templates": ("Templates", "render", "template"),
    "crlf.server.gateways.asgi": ("AsgiApplication",),
    "crlf.server.files.folder": ("Folder",),
    "crlf.server.files.foldersite": ("FolderSite",),
    "crlf.server.apps.handlers": ("Handler", "Send"),
    "crlf.server.application": ("Application",),
    "crlf.server.serving": ("Server",),
    "crlf.server.settings": ("FolderSettings", "ServerSettings"),
    "crlf.server.starting": ("running", "serve"),
    "crlf.server.gateways.wsgi": ("WsgiApplication",),
}  # fmt: skip

__all__, __getattr__, __dir__ = exporting(__name__, HOMES)
