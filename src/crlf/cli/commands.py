"""What can be said on the command line: every command and option, once, as a table.

Parsing (arguments.py), help (help.py) and the page in the documentation (scripts/cli_page.py)
are made from it. Its law: nothing is parsed that is not here, and nothing here is unexplained.
"""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option
from crlf.cli.asking.options import REQUEST_OPTIONS


class Command:
    """One command.

    words: what it takes beside options, as a reader sees it. least, most: how many of these;
    most is None for any number. options: None for those that are loaded when somebody asks for
    them. module: what runs it; see main.py. method: its HTTP method. is_raw: its words are
    another tool's, options and all.
    """

    __slots__ = (
        "_options", "examples", "is_raw", "least", "meaning", "method", "module", "most", "name",
        "words",
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
        is_raw: bool = False,
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
        self.is_raw = is_raw

    @property
    def options(self) -> tuple[Option, ...]:
        """Every option that the command takes."""
        if self._options is None:
            self._options = _options_of(self.name)
        return self._options


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
    ("crlf get :8000/ --offline", "see what would, byte for byte, and send nothing"),
)
_POST = (
    ("crlf post :8000/order part=7 amount=2", "send a form"),
    ("crlf post :8000/photos title=Gear photo@gear.jpg", "upload a file, with a form"),
    ("crlf post :8000/api name=Ann age:=42 tags:='[\"a\"]'", "send a JSON object"),
    ("crlf post :8000/notes @note.txt", "send a file as it is; @- is standard input"),
)
_EXPLAIN = (
    ("crlf explain https://example.com/", "ask, and explain each byte of both messages"),
    ("crlf explain post :8000/order part=7", "the same for any method"),
    ("nc -l 8000 | crlf explain -", "explain what somebody else sends"),
    ("crlf explain exchange.har", "explain what was kept with --har"),
)
_DOWNLOAD = (
    ("crlf download https://example.com/a.zip", "save it as a.zip, resumed if it was begun"),
    ("crlf download -i urls.txt --into files", "save all of a list, some at a time"),
)


def _method(
    name: str, meaning: str, examples: tuple[tuple[str, str], ...] = (), verb: str = ""
) -> Command:
    return Command(
        name, "URL [ITEM]...", meaning, REQUEST_OPTIONS, module="fetch", least=1,
        method=verb or name.upper(), examples=examples,
    )  # fmt: skip


def _options_of(name: str) -> tuple[Option, ...]:
    """Load the options of a command that few use."""
    if name == "serve":
        from crlf.cli.serving.options import SERVE_OPTIONS

        return SERVE_OPTIONS
    if name in ("download", "upload"):
        from crlf.cli.transferring.options import DOWNLOAD_OPTIONS, UPLOAD_OPTIONS

        return DOWNLOAD_OPTIONS if name == "download" else UPLOAD_OPTIONS
    from crlf.cli.explaining.options import EXPLAIN_OPTIONS

    return EXPLAIN_OPTIONS


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
        _method("query", "ask with content, safely: like GET, but for long questions"),
        Command(
            "request", "METHOD URL [ITEM]...", "send any method, with content wherever you want it",
            REQUEST_OPTIONS, module="fetch", least=2,
            examples=(("crlf request PURGE :8000/part/7", "a method of somebody's own"),),
        ),
        Command(
            "explain", "[METHOD] URL [ITEM]... | FILE | -",
            "ask, and explain every byte that went over the wire; or explain what was kept of it",
            None, module="explain", least=1, examples=_EXPLAIN,
        ),
        Command(
            "download", "URL...", "save what is at URLs: resumed, checked, whole or not at all",
            None, module="download", method="GET", examples=_DOWNLOAD,
        ),
        Command(
            "upload", "FILE URL [ITEM]...", "send a file, by PUT, and show how far it is",
            None, module="upload", least=2, method="PUT",
            examples=(("crlf upload photo.jpg :8000/photos/", "PUT to :8000/photos/photo.jpg"),),
        ),
        Command(
            "from-curl", "'CURL-COMMAND' | CURL-COMMAND | -",
            "say a command line of curl as one of crlf", (HELP,), module="from-curl", least=1,
            is_raw=True, examples=(
                ("crlf from-curl 'curl -d a=1 http://localhost/'", "write crlf's words"),
                ("crlf from-curl curl -d a=1 http://localhost/", "the same, as the shell reads it"),
                ("xclip -o | crlf from-curl -", "what a browser has copied as cURL"),
            ),
        ),
        Command(
            "completion", "bash | zsh | fish", "write what makes a shell complete crlf's words",
            (HELP,), module="completion", least=1, most=1,
            examples=(("crlf completion bash > ~/.local/share/bash-completion/completions/crlf",
                       "for bash, from the next shell on"),),
        ),
        Command(
            "man", "", "write the man page: crlf man | man -l -", (HELP,), module="completion",
            most=0,
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
    (
        "name@file",
        "an upload; name@file;type=image/png;filename=a.png says what it is, and its name",
    ),
    ("@file", "the file as the whole content; @- is standard input"),
    ("Name:value", "a header field; Name: leaves it out, Name; sends it empty"),
    ("name=@file", "the value from a file; ==@ :=@ and :@ likewise"),
)
