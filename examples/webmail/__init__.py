"""Prairie Mail, the web mail of the course: what people copy from when they build an application.

`crlf serve examples.webmail.app:app` serves it, `make demo APP=webmail` walks through it.
"""
