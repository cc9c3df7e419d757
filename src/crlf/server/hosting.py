"""From what a user names to what a server serves: a folder, a file, or an application.

An application is told by itself: what has a `sender` or a `talker` is ours, what is called with
(scope, receive, send) is ASGI 3, what is called with (environ, start_response) is WSGI. Its law:
what cannot be served is explained to whoever wrote it, with their own lines and none of ours.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from traceback import FrameSummary, extract_tb, format_list

from crlf.server.application import Application
from crlf.server.configuration import meant
from crlf.server.files.foldersite import FolderSite
from crlf.server.settings import DEFAULT_SETTINGS, FolderSettings, ServerSettings

_MOST_NAMED = 8  # names in one sentence


class CannotHost(Exception):
    """There is nothing to serve at a target.

    reason: one line for people. trace: where in the user's files it went wrong, as Python
    writes it, or "". The exception that was raised there is its __cause__.
    """

    def __init__(self, reason: str, trace: str = "") -> None:
        super().__init__(reason, trace)
        self.reason = reason
        self.trace = trace

    def __str__(self) -> str:
        return self.reason


def load_application(
    target: str, settings: ServerSettings = DEFAULT_SETTINGS, folder: str = ""
) -> Application:
    """Return what serves a target: a folder, a file, or an application named module:app.

    folder: what relative paths start from, and where modules are looked for first. What exists
    as a path is one. Raises CannotHost.
    """
    path = os.path.join(folder, os.path.expanduser(target))
    if os.path.exists(path):
        return _site(path, target, settings.folder)
    if ":" not in target:
        hint = ""
        if os.path.exists(os.path.join(folder, *target.split(".")) + ".py"):
            hint = f"; {target}.py is there: {target}:app?"
        raise CannotHost(
            f"there is no folder or file {target}; an application is written module:app{hint}"
        )
    return hosted(import_application(target, folder), target, settings)


def _site(path: str, target: str, settings: FolderSettings) -> Application:
    """Return what serves a folder or a file. Raises CannotHost."""
    if not os.path.isdir(path):
        if not os.path.isfile(path):
            raise CannotHost(f"{target} is neither a folder nor a file")
        if path.endswith((".py", ".pyw")):
            name = os.path.basename(path).removesuffix(".pyw").removesuffix(".py")
            raise CannotHost(f"{target} is a program; what serves its application is {name}:app")
    try:
        return FolderSite(path, settings)
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise CannotHost(f"{target} cannot be served: {reason}") from fault


# --- by name -------------------------------------------------------------------------------------


def import_application(target: str, folder: str = "") -> object:
    """Import `module:app` and return what is named, whatever it is. Raises CannotHost.

    The app may be in something: `shop:site.app`.
    """
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise CannotHost(f"an application is written module:app, not {target!r}")
    place = os.path.abspath(folder or ".")
    if place not in sys.path:
        sys.path.insert(0, place)
    found: object = _import(module_name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise CannotHost(f"{module_name} has no {attribute}{_alternatives(found, part)}")
        found = getattr(found, part)
    return found


def _import(name: str) -> object:
    try:
        return import_module(name)
    except ModuleNotFoundError as fault:
        missing = fault.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise CannotHost(
                f"there is no module {missing} here or among those installed"
            ) from None
        raise CannotHost(
            f"{name} needs the module {missing}, which is not there", _own_lines(fault)
        ) from fault
    except (Exception, SystemExit) as fault:
        raise CannotHost(
            f"{name} cannot be imported: {_named(fault)}", _own_lines(fault)
        ) from fault


def _named(fault: BaseException) -> str:
    text = str(fault)
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


def _own_lines(fault: BaseException) -> str:
    """Write where in the user's files it went wrong: no line of Python's or of ours."""
    if isinstance(fault, SyntaxError):
        return ""  # it says so itself
    own = _without_machinery(extract_tb(fault.__traceback__))
    return "".join(format_list(own))


def _without_machinery(frames: Iterable[FrameSummary]) -> list[FrameSummary]:
    """Drop what imported, and what is installed, unless nothing else is left."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    kept = [
        frame
        for frame in frames
        if not frame.filename.startswith("<frozen ")
        and os.path.dirname(os.path.dirname(frame.filename)) != ours
        and os.path.basename(os.path.dirname(frame.filename)) != "importlib"
    ]
    written = [frame for frame in kept if not _is_installed(frame.filename)]
    return written or kept


def _is_installed(path: str) -> bool:
    pieces = path.split(os.sep)
    return "site-packages" in pieces or "dist-packages" in pieces or (
        os.path.dirname(os.__file__) == os.path.commonpath([os.path.dirname(os.__file__), path])
        if os.path.isabs(path) else False
    )  # fmt: skip


def _alternatives(module: object, name: str) -> str:
    """List the applications that there are."""
    found = [
        each
        for each, value in getattr(module, "__dict__", {}).items()
        if not each.startswith("_") and not isinstance(value, type) and interface_of(value)
    ]
    if not found:
        return ": nothing in it is an application"
    hint = meant(name, found)
    return f": it has {', '.join(found[:_MOST_NAMED])}" if not hint or len(found) == 1 else hint


# --- what it is ----------------------------------------------------------------------------------


def interface_of(app: object) -> str:
    """Tell how an application is talked to: "crlf", "asgi" or "wsgi"; "" for none of these."""
    if isinstance(app, type) or inspect.ismodule(app):
        return ""
    if callable(getattr(app, "sender", None)) or callable(getattr(app, "talker", None)):
        return "crlf"
    names = _parameters(app)
    if _is_coroutine(app):
        return "asgi" if names is None or len(names) == 3 else ""
    if names is None:
        return ""
    if len(names) == 3 and names[0] == "scope":
        return "asgi"
    return "wsgi" if len(names) == 2 else ""


def _is_coroutine(app: object) -> bool:
    """Tell whether calling it gives a coroutine, as far as one can see."""
    while isinstance(app, partial):
        app = app.func
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(
        getattr(app, "__call__", None)  # noqa: B004  # its kind matters, not that it is there
    )


def _parameters(app: object) -> list[str] | None:
    """List the parameters that must be given by position; None when nobody knows."""
    if not callable(app):
        return None
    try:
        parameters = inspect.signature(app).parameters.values()
    except (ValueError, TypeError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    return [
        one.name
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty
    ]


def hosted(app: object, name: str, settings: ServerSettings = DEFAULT_SETTINGS) -> Application:
    """Return an application as this server takes it. Raises CannotHost.

    name: what to call it. settings: `interface` and `factory` say what it is, where it does not.
    """
    if settings.factory:
        app = _made(app, name)
    interface = settings.interface if settings.interface != "auto" else interface_of(app)
    if not interface:
        raise CannotHost(f"{name} is no application but {_what(app)}")
    if interface == "crlf":
        if not isinstance(app, type) and (hasattr(app, "sender") or hasattr(app, "talker")):
            return app  # type: ignore[return-value]  # it has what an Application has
        raise CannotHost(f"{name} is no crlf application but {_what(app)}")
    if not callable(app):
        raise CannotHost(f"{name} cannot be called, as {interface.upper()} would: {_what(app)}")
    if interface == "asgi":
        from crlf.server.gateways.asgi import AsgiApplication

        return AsgiApplication(app, root_path=settings.root_path, lifespan=settings.lifespan)
    from crlf.server.gateways.wsgi import WsgiApplication

    return WsgiApplication(app, threads=settings.threads, root_path=settings.root_path)


def _made(factory: object, name: str) -> object:
    if not callable(factory):
        raise CannotHost(f"{name} is no factory: {_kind(factory)} cannot be called")
    try:
        return factory()
    except Exception as fault:
        raise CannotHost(f"{name}() failed: {_named(fault)}", _own_lines(fault)) from fault


def _kind(thing: object) -> str:
    name = type(thing).__name__
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


def _what(app: object) -> str:
    """Say what something is that is no application, and what it would need."""
    kind = _kind(app)
    if isinstance(app, type):
        return f"{kind}; --factory makes one of it"
    names = _parameters(app)
    if names == [] and callable(app):
        return f"{kind} without parameters; --factory calls it"
    if names is not None and len(names) == 1 and callable(app):
        return f"{kind} of one parameter, as ASGI 2 had; asgiref makes ASGI 3 of it"
    if callable(app):
        return f"{kind}; --interface says how to talk to it"
    return f"{kind}; crlf.App() makes one"
