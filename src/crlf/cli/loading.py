"""An application by name: `module:app`, as `crlf serve` and `--app` take it."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from traceback import extract_tb

from crlf.cli.environment import Environment
from crlf.cli.exits import Failure
from crlf.client.options import Application


def load_application(name: str, environment: Environment) -> Application:
    """Import `module:app`, from the current folder first. Raises Failure.

    The app may be in something: `shop:site.app`.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise Failure(f"an application is written module:app, not {name!r}")
    folder = os.path.abspath(environment.folder or ".")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found: object = _import(module_name, environment)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise Failure(f"{module_name} has no {attribute}: {_alternatives(found)}")
        found = getattr(found, part)
    if not isinstance(found, type) and callable(getattr(found, "sender", None)):
        return found  # type: ignore[return-value]  # it has what an Application has
    raise Failure(f"{name} is no application but a {type(found).__name__}; crlf.App() makes one")


def _import(name: str, environment: Environment) -> object:
    try:
        return import_module(name)
    except ModuleNotFoundError as fault:
        missing = fault.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise Failure(f"there is no module {missing} here or among those installed") from None
        raise Failure(f"{name} needs the module {missing}, which is not there") from None
    except Exception as fault:
        if environment.variables.get("CRLF_DEBUG"):
            raise
        raise Failure(
            f"{name} cannot be imported: {type(fault).__name__}: {fault}{_place(fault)}"
        ) from None


def _place(fault: Exception) -> str:
    """Say in which file and line a module failed."""
    if isinstance(fault, SyntaxError):
        return ""  # it says so itself
    frames = extract_tb(fault.__traceback__)
    return f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})" if frames else ""


def _alternatives(module: object) -> str:
    """List the applications that there are."""
    names = [
        name
        for name, value in vars(module).items()
        if not isinstance(value, type) and callable(getattr(value, "sender", None))
    ] if hasattr(module, "__dict__") else []  # fmt: skip
    return f"it has {', '.join(names)}" if names else "nothing in it is an application"
