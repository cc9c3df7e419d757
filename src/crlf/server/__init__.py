"""The server's face: applications, what their handlers return and raise, and what serves them.

An App has routes, error handlers, folders and sessions. Its handlers return what html, json,
text, redirect, file and stream make, or raise Refused. `serve` serves it until a signal,
`Server` on a loop that runs, `running` in a thread.
"""

from __future__ import annotations

from crlf.server.answers import (
    FileAnswer,
    Refused,
    file,
    html,
    is_local,
    json,
    redirect,
    stream,
    text,
)
from crlf.server.app import App
from crlf.server.files import Folder
from crlf.server.foldersite import FolderSite
from crlf.server.handlers import Handler, Send
from crlf.server.serving import Application, Server
from crlf.server.settings import FolderSettings, ServerSettings
from crlf.server.starting import running, serve

__all__ = [
    "App",
    "Application",
    "FileAnswer",
    "Folder",
    "FolderSettings",
    "FolderSite",
    "Handler",
    "Refused",
    "Send",
    "Server",
    "ServerSettings",
    "file",
    "html",
    "is_local",
    "json",
    "redirect",
    "running",
    "serve",
    "stream",
    "text",
]
