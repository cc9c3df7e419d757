"""WSGI applications of others, for test_wsgi_peers.py: made where they are served.

Each function makes one, for `--factory`; nothing is imported before.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("SHOP_FOLDER", "."))


def made_with_flask() -> Any:
    """Forms, uploads, streams, files, cookies, errors."""
    import flask

    app = flask.Flask("shop", static_folder=str(FOLDER), static_url_path="/static")
    app.secret_key = "a secret of the tests"
    events: list[str] = []

    @app.get("/hello/<name>")
    def hello(name: str) -> str:
        return f"Hello, {name}!"

    @app.post("/form")
    def form() -> Any:
        file = flask.request.files["file"]
        size = len(file.read())
        return {"note": flask.request.form["note"], "name": file.filename, "size": size}

    @app.post("/echo")
    def echo() -> Any:
        size, last = 0, b""
        while piece := flask.request.stream.read(10_000):
            size += len(piece)
            last = piece
        return {"size": size, "last": last[-5:].decode(), "length": flask.request.content_length}

    @app.get("/stream")
    def stream() -> Any:
        def pieces() -> Iterator[str]:
            try:
                for number in range(5):
                    yield f"{number}\n"
                    time.sleep(0.01)
            finally:
                events.append("stream ended")

        return flask.Response(pieces(), mimetype="text/plain")

    @app.get("/endless")
    def endless() -> Any:
        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 10_000
            finally:
                events.append("endless ended")

        return flask.Response(pieces())

    @app.get("/seen")
    def seen() -> Any:
        return list(events)

    @app.get("/file")
    def file() -> Any:
        return flask.send_file(FOLDER / "large.bin")

    @app.get("/visit")
    def visit() -> Any:
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        return {"visits": flask.session["visits"]}

    @app.get("/where")
    def where() -> Any:
        return {
            "url": flask.request.url,
            "root": flask.request.script_root,
            "to": flask.url_for("hello", name="é x"),
            "threads": flask.request.environ["wsgi.multithread"],
        }

    @app.get("/broken")
    def broken() -> Any:
        return {}["nothing"]  # type: ignore[misc]  # it is to fail

    @app.delete("/thing")
    def forget() -> Any:
        return "", 204

    return app


def made_with_django() -> Any:
    """The same, as far as one would write it in Django."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import (
        FileResponse,
        HttpResponse,
        HttpResponseNotModified,
        JsonResponse,
        StreamingHttpResponse,
    )
    from django.urls import path

    def hello(request: Any, name: str) -> Any:
        return HttpResponse(f"Hello, {name}!")

    def form(request: Any) -> Any:
        file = request.FILES["file"]
        return JsonResponse({"note": request.POST["note"], "name": file.name, "size": file.size})

    def echo(request: Any) -> Any:
        return JsonResponse({"size": len(request.body), "last": request.body[-5:].decode()})

    def stream(request: Any) -> Any:
        return StreamingHttpResponse(f"{number}\n" for number in range(5))

    def file(request: Any) -> Any:
        return FileResponse((FOLDER / "large.bin").open("rb"))

    def visit(request: Any) -> Any:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return JsonResponse({"visits": request.session["visits"]})

    def where(request: Any) -> Any:
        return JsonResponse(
            {"url": request.build_absolute_uri(), "root": request.META["SCRIPT_NAME"]}
        )

    def empty(request: Any) -> Any:
        return HttpResponse(status=204) if request.method == "DELETE" else HttpResponseNotModified()

    def broken(request: Any) -> Any:
        raise KeyError("nothing")

    settings.configure(
        SECRET_KEY="a secret of the tests",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="shop_urls",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.gzip.GZipMiddleware",
        ],
        DATA_UPLOAD_MAX_MEMORY_SIZE=None,
        LOGGING_CONFIG=None,
    )
    urls = type(sys)("shop_urls")
    urls.urlpatterns = [  # type: ignore[attr-defined]  # a module made here
        path("hello/<name>", hello), path("form", form), path("echo", echo),
        path("stream", stream), path("file", file), path("visit", visit), path("where", where),
        path("thing", empty), path("broken", broken),
    ]  # fmt: skip
    sys.modules["shop_urls"] = urls
    django.setup()
    return get_wsgi_application()


def made_of_httpbin() -> Any:
    """What says what it saw."""
    from httpbin import app

    return app


def made_to_be_judged() -> Any:
    """An application behind the validator of the standard library, which raises at a fault."""
    from wsgiref.validate import validator

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [content or b"nothing\n"]

    return validator(app)
