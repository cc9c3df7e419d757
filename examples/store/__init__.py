"""Prairie Parts, the store front of the course: small, but a real application.

`crlf serve examples.store.app:app` serves it, `make demo` walks through it.
"""
