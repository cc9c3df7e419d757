"""socketify over uWebSockets, in C++: a plain function is its native (and fastest) handler."""

import sys

from socketify import App, AppListenOptions


def hello(res, req):
    res.write_header("Content-Type", "text/plain").end("Hello, world!\n")


app = App()
app.get("/", hello)
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
app.run()
