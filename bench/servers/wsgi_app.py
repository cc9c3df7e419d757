"""A bare WSGI callable."""

FIELDS = [("Content-Type", "text/plain"), ("Content-Length", "14")]


def app(environ, start_response):
    start_response("200 OK", FIELDS)
    return [b"Hello, world!\n"]
