# Made by scripts/stubs.py from the table beside it.
from crlf.server.answers import FileAnswer as FileAnswer
from crlf.server.answers import Refused as Refused
from crlf.server.answers import file as file
from crlf.server.answers import html as html
from crlf.server.answers import is_local as is_local
from crlf.server.answers import json as json
from crlf.server.answers import redirect as redirect
from crlf.server.answers import stream as stream
from crlf.server.answers import text as text
from crlf.server.app import App as App
from crlf.server.application import Application as Application
from crlf.server.asgi import AsgiApplication as AsgiApplication
from crlf.server.folder import Folder as Folder
from crlf.server.foldersite import FolderSite as FolderSite
from crlf.server.handlers import Handler as Handler
from crlf.server.handlers import Send as Send
from crlf.server.serving import Server as Server
from crlf.server.settings import FolderSettings as FolderSettings
from crlf.server.settings import ServerSettings as ServerSettings
from crlf.server.starting import running as running
from crlf.server.starting import serve as serve
from crlf.server.wsgi import WsgiApplication as WsgiApplication

__all__ = [
    "App",
    "Application",
    "AsgiApplication",
    "FileAnswer",
    "Folder",
    "FolderSettings",
    "FolderSite",
    "Handler",
    "Refused",
    "Send",
    "Server",
    "ServerSettings",
    "WsgiApplication",
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
