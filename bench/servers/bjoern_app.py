"""bjoern, which is WSGI in C: a plain function is its native handler."""

import sys

import bjoern


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "14")])
    return [b"Hello, world!\n"]


bjoern.run(hello, "127.0.0.1", int(sys.argv[1]))
