"""What can be said on the command line: every command and option, once, as a table.

Parsing (arguments.py), help (help.py) and the page in the documentation (scripts/cli_page.py)
are made from it. Its law: nothing is parsed that is not here, and nothing here is unexplained.
"""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option


class Command:
    """One command.

    words: what it takes beside options, as a reader sees it. least, most: how many of these;
    most is None for any number. options: None for those of `crlf serve`, which are loaded when
    somebody asks for them. module: what runs it, in crlf.cli. method: its HTTP method.
    """

    __slots__ = (
        "_options", "examples", "least", "meaning", "method", "module", "most", "name", "words",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        words: str,
        meaning: str,
        options: tuple[Option, ...] | None,
        *,
        module: str,
        least: int = 0,
        most: int | None = None,
        method: str = "",
        examples: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.name = name
        self.words = words
        self.meaning = meaning
        self._options = options
        self.module = module
        self.least = least
        self.most = most
        self.method = method
        self.examples = examples

    @property
    def options(self) -> tuple[Option, ...]:
        """Every option that the command takes."""
        if self._options is None:
            from crlf.cli.serving.options import SERVE_OPTIONS

            self._options = SERVE_OPTIONS
        return self._options


CONTENT = "What is sent"
ANSWER = "What becomes of the answer"
EXCHANGE = "The exchange"

REQUEST_OPTIONS = (
    Option("-H --header", "'NAME: VALUE'", "send a header field; may be repeated", CONTENT),
    Option("-f --form", "", "send name=value as a form (this is the default)", CONTENT),
    Option("-j --json", "", "send name=value as a JSON object", CONTENT),
    Option("-a --auth", "USER[:PASSWORD]", "Basic credentials; asks for a missing password",
           CONTENT),
    Option("-o --output", "FILE",
           "save the content: to FILE.part, renamed once it is whole; - is standard output",
           ANSWER),
    Option("-v --verbose", "", "show the exchange on standard error, as it went over the wire",
           ANSWER),
    Option("--follow", "", "follow redirects whatever the method (default: only GET and HEAD)",
           EXCHANGE, key="follow", constant="yes"),
    Option("--no-follow", "", "follow no redirect", EXCHANGE, key="follow", constant="no"),
    Option("-t --timeout", "SECONDS",
           "the longest it may all take (default: 10 to connect, 30 for each wait, no end in all)",
           EXCHANGE),
    Option("-k --insecure", "", "accept any certificate: no protection against anybody", EXCHANGE),
    Option("--app", "MODULE:APP", "talk to an application in memory, without a server", EXCHANGE),
    HELP,
)  # fmt: skip

MAIN_OPTIONS = (
    HELP,
    Option("-V --version", "", "show the version and stop", "Other"),
)

_GET = (
    ("crlf get https://example.com/", "show a page"),
    ("crlf example.com", "the same: get and http:// are what is meant when they are left out"),
    ("crlf get :8000/part number==7", "GET http://localhost:8000/part?number=7"),
    ("crlf get https://example.com/a.zip -o a.zip", "save it, whole or not at all"),
    ("crlf get :8000/ -v", "see what goes over the wire"),
)
_POST = (
    ("crlf post :8000/order part=7 amount=2", "send a form"),
    ("crlf post :8000/photos title=Gear photo@gear.jpg", "upload a file, with a form"),
    ("crlf post :8000/api name=Ann age:=42 tags:='[\"a\"]'", "send a JSON object"),
    ("crlf post :8000/notes @note.txt", "send a file as it is; @- is standard input"),
)


def _method(
    name: str, meaning: str, examples: tuple[tuple[str, str], ...] = (), verb: str = ""
) -> Command:
    words = "URL [ITEM]..." if name != "request" else "METHOD URL [ITEM]..."
    return Command(
        name, words, meaning, REQUEST_OPTIONS, module="fetch", least=words.count("URL") or 1,
        method=verb or name.upper(), examples=examples,
    )  # fmt: skip


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (
        _method("get", "fetch what is at a URL", _GET),
        _method("head", "ask for the head alone of what GET would answer"),
        _method("post", "hand content in: a form, JSON, files", _POST),
        _method("put", "put content in the place of what is at a URL"),
        _method("patch", "change a part of what is at a URL"),
        _method("delete", "take away what is at a URL"),
        _method("options", "ask what may be asked of a URL"),
        Command(
            "request", "METHOD URL [ITEM]...", "send any method, with content wherever you want it",
            REQUEST_OPTIONS, module="fetch", least=2,
            examples=(("crlf request PURGE :8000/part/7", "a method of somebody's own"),),
        ),
        Command(
            "serve", "[FOLDER | FILE | MODULE:APP]",
            "serve a folder, a file or an application: crlf's own, ASGI or WSGI",
            None, module="serve", most=1,
            examples=(
                ("crlf serve", "this folder, at http://127.0.0.1:8000/"),
                ("crlf serve site --port 0", "a folder, at any free port"),
                ("crlf serve shop:app --reload", "app in shop.py, begun anew when that changes"),
                ("crlf serve shop:app -b :443 --tls-certificate shop.pem --workers 4",
                 "for everybody, encrypted, in four processes"),
                ("crlf serve --print-config > crlf.toml", "all that can be set, to be changed"),
            ),
        ),
    )
}  # fmt: skip

# What stands between a name and its value makes an item what it is; see items.py.
ITEMS = (
    ("name==value", "a parameter, added to the URL's query"),
    ("name=value", "a field of a form, or a text in a JSON object"),
    ("name:=json", "any value in a JSON object: age:=42 done:=true tags:='[1,2]'"),
    ("name@file", "an upload; name@file;type=image/png says what it is"),
    ("@file", "the file as the whole content; @- is standard input"),
    ("Name:value", "a header field; Name: leaves it out, Name; sends it empty"),
    ("name=@file", "the value from a file; ==@ :=@ and :@ likewise"),
)
