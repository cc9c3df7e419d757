# Made by scripts/stubs.py from the table beside it.
from crlf.server.application import Application as Application
from crlf.server.apps.answers import FileAnswer as FileAnswer
from crlf.server.apps.answers import Refused as Refused
from crlf.server.apps.answers import file as file
from crlf.server.apps.answers import html as html
from crlf.server.apps.answers import is_local as is_local
from crlf.server.apps.answers import json as json
from crlf.server.apps.answers import redirect as redirect
from crlf.server.apps.answers import stream as stream
from crlf.server.apps.answers import text as text
from crlf.server.apps.app import App as App
from crlf.server.apps.csrftokens import csrf_field as csrf_field
from crlf.server.apps.csrftokens import csrf_token as csrf_token
from crlf.server.apps.events import EventsAnswer as EventsAnswer
from crlf.server.apps.events import events as events
from crlf.server.apps.handlers import Handler as Handler
from crlf.server.apps.handlers import Send as Send
from crlf.server.apps.templates import Templates as Templates
from crlf.server.apps.templates import render as render
from crlf.server.apps.templates import template as template
from crlf.server.files.folder import Folder as Folder
from crlf.server.files.foldersite import FolderSite as FolderSite
from crlf.server.gateways.asgi import AsgiApplication as AsgiApplication
from crlf.server.gateways.wsgi import WsgiApplication as WsgiApplication
from crlf.server.serving import Server as Server
from crlf.server.settings import FolderSettings as FolderSettings
from crlf.server.settings import ServerSettings as ServerSettings
from crlf.server.starting import running as running
from crlf.server.starting import serve as serve

__all__ = [
    "App",
    "Application",
    "AsgiApplication",
    "EventsAnswer",
    "FileAnswer",
    "Folder",
    "FolderSettings",
    "FolderSite",
    "Handler",
    "Refused",
    "Send",
    "Server",
    "ServerSettings",
    "Templates",
    "WsgiApplication",
    "csrf_field",
    "csrf_token",
    "events",
    "file",
    "html",
    "is_local",
    "json",
    "redirect",
    "render",
    "running",
    "serve",
    "stream",
    "template",
    "text",
]
