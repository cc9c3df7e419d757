"""Everything that a server can be told, once, as a table.

Options, environment variables, keys of files, what --print-config shows and the pages of the
documentation are made from it. Its law: one name everywhere. `--limit-body`, CRLF_LIMIT_BODY
and `limit-body` are the same setting, and each field of ServerSettings is one.
"""

from __future__ import annotations

from crlf.server.kinds import (
    COUNT,
    FLAG,
    MAYBE_PATH,
    MAYBE_SIZE,
    OPTIONAL,
    PATH,
    PATHS,
    RULES,
    SECONDS,
    SECRET,
    SIZE,
    SPAN,
    TEXT,
    WORDS,
    Kind,
    choice,
    whole,
)
from crlf.server.settings import DEFAULT_SETTINGS
from crlf.values import frozen

WHAT = "What is served"
WHERE = "Where"
WORK = "Processes and threads"
TLS = "TLS"
TRUST = "Who is believed"
SAYS = "What it says"
FOLDERS = "Folders"
UPLOADS = "Uploads"
LIMITS = "Limits: what a client may send (the default; off is none)"
TIMES = "Timeouts: seconds that a client may take (the default; off is no end)"


@frozen
class Setting:
    """One thing that can be told.

    name: of its option, and of its key in a file. kind: of its value. meaning: for people.
    metavar: what its value is called; "" for a switch. place: where it is in ServerSettings, as
    in "limits.body"; "" for what others are made of. default: where it has no place. letter:
    short option. aliases: other programs' names for it; variables: those of others that mean it.
    """

    name: str
    kind: Kind
    meaning: str
    group: str
    metavar: str = ""
    place: str = ""
    default: object = None
    letter: str = ""
    aliases: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "CRLF_" + self.name.replace("-", "_").upper()

    @property
    def initial(self) -> object:
        """The value when nobody says anything."""
        value: object = DEFAULT_SETTINGS if self.place else self.default
        for name in self.place.split(".") if self.place else ():
            value = getattr(value, name)
        return value


def _limit(name: str, kind: Kind, metavar: str, meaning: str, place: str = "") -> Setting:
    return Setting(
        f"limit-{name}", kind, meaning, LIMITS, metavar,
        place=place or f"limits.{name.replace('-', '_')}",
    )  # fmt: skip


def _timeout(name: str, meaning: str, kind: Kind = SECONDS, *aliases: str) -> Setting:
    return Setting(
        f"timeout-{name}", kind, meaning, TIMES, "S",
        place=f"patience.{name.replace('-', '_')}", aliases=aliases,
    )  # fmt: skip


def _folder(
    name: str, kind: Kind, meaning: str, metavar: str = "", group: str = FOLDERS
) -> Setting:
    place = f"folder.{name.replace('-', '_')}"
    return Setting(name, kind, meaning, group, metavar, place=place)


def _upload(name: str, kind: Kind, metavar: str, meaning: str) -> Setting:
    return _folder(f"upload-{name}", kind, meaning, metavar, UPLOADS)


SETTINGS: tuple[Setting, ...] = (
    Setting("target", TEXT, "a folder, a file or module:app", WHAT, "TARGET", default="."),
    Setting("interface", choice("auto", "crlf", "asgi", "wsgi"),
            "how to talk to the application: auto, crlf, asgi or wsgi", WHAT, "NAME",
            place="interface"),
    Setting("factory", FLAG, "the application is made by calling what is named", WHAT,
            place="factory"),
    Setting("lifespan", choice("auto", "on", "off"),
            "of ASGI: on insists, off does not ask, auto does without", WHAT, "WORD",
            place="lifespan"),
    Setting("env-file", MAYBE_PATH, "set variables from lines of KEY=VALUE at first", WHAT,
            "FILE", place="env_file"),
    Setting("root-path", TEXT, "the path that a proxy in front has taken off", WHAT, "PATH",
            place="root_path"),
    Setting("bind", WORDS, "listen on HOST:PORT, [::1]:PORT, unix:PATH or fd://N; may be repeated",
            WHERE, "ADDRESS", place="bind", letter="b"),
    Setting("host", TEXT, "the address alone; 127.0.0.1 is this machine only", WHERE, "ADDRESS",
            default="127.0.0.1"),
    Setting("port", whole(0, 65535), "the port alone; 0 takes a free one", WHERE, "NUMBER",
            default=8000, letter="p", variables=("PORT",)),
    Setting("backlog", whole(1, 2**16), "connections that may wait to be accepted", WHERE, "NUMBER",
            place="backlog"),
    Setting("workers", whole(0, 1024), "processes; 0 serves in this one", WORK, "NUMBER",
            place="workers", letter="w", variables=("WEB_CONCURRENCY",)),
    Setting("threads", whole(1, 4096), "threads for `def` handlers and WSGI, of each process", WORK,
            "NUMBER", place="threads"),
    Setting("reload", FLAG, "begin anew when a source file changes, for development", WORK,
            place="reload"),
    Setting("tls-certificate", PATHS,
            "PEM file: chain and key, or CHAIN:KEY; repeated, one for each name (SNI)", TLS,
            "FILE", place="certificates", aliases=("certificate", "ssl-certfile")),
    Setting("tls-key", MAYBE_PATH, "PEM file with the key, where there is one certificate", TLS,
            "FILE", aliases=("ssl-keyfile",)),
    Setting("tls-client-ca", MAYBE_PATH, "ask clients for certificates of these authorities", TLS,
            "FILE", place="client_ca"),
    Setting("tls-client-certificate", choice("optional", "required"),
            "whether they must have one: optional or required", TLS, "WORD",
            place="client_certificate"),
    Setting("tls-self-signed", FLAG, "make a certificate up, for development", TLS,
            place="self_signed"),
    Setting("trusted-proxies", WORDS,
            "addresses and networks whose word on clients is believed; unix for a socket", TRUST,
            "NETWORKS", place="trusted_proxies", aliases=("forwarded-allow-ips",)),
    Setting("proxy-fields", WORDS,
            "what they write: forwarded alone, or any of x-forwarded-for, -proto, -host, -port",
            TRUST, "FIELDS", place="proxy_fields"),
    Setting("proxy-protocol", FLAG, "every connection begins with a PROXY line (v1 or v2)", TRUST,
            place="proxy_protocol"),
    Setting("allowed-hosts", WORDS, "answer for these names only; *.example.com for all below",
            TRUST, "HOSTS", place="allowed_hosts"),
    Setting("access-log", choice("auto", "off", "short", "combined", "json"),
            "a line for each request: short, combined, json or off; auto is short on a terminal",
            SAYS, "FORMAT", default="auto"),
    Setting("log-file", PATH, "where those lines go (default: -, standard output)", SAYS, "FILE",
            place="access_log_file"),
    Setting("log-query", FLAG, "write queries into the log too; secrets travel in them", SAYS,
            place="log_query"),
    Setting("request-ids", FLAG, "say in each answer what the log calls its request", SAYS,
            place="request_ids"),
    Setting("metrics", OPTIONAL, "Prometheus: a /path here, or a HOST:PORT of its own", SAYS,
            "PLACE", place="metrics"),
    Setting("health", FLAG, "answer /healthz and /readyz", SAYS, place="health"),
    Setting("server-timing", FLAG, "say in each answer how long it took", SAYS,
            place="server_timing"),
    Setting("name", OPTIONAL, "the Server field of answers", SAYS, "TEXT", place="name"),
    Setting("quiet", FLAG, "show nothing but what goes wrong", SAYS, default=False, letter="q"),
    _folder("index", OPTIONAL, "the file that stands for its folder", "FILE"),
    _folder("listing", FLAG, "list what is in a folder without an index"),
    _folder("spa", OPTIONAL, "answer with this file where there is none: one page, many paths",
            "FILE"),
    _folder("clean-urls", FLAG, "/about is about.html"),
    _folder("cache", RULES,
            "Cache-Control for paths that fit, as in '/assets/*=immutable'; may be repeated",
            "PATTERN=VALUE"),
    _folder("hashed", FLAG, "names with a digest in them, as app.3f2a9b1c.js, never change"),
    _folder("error-pages", WORDS, "files of the folder for a status, as in 404=404.html",
            "CODE=FILE"),
    _folder("compress", FLAG, "send text in gzip, br or zstd to who takes them"),
    _folder("hidden", FLAG, "serve names that begin with a dot"),
    _folder("follow-symlinks", FLAG, "follow links, wherever they lead"),
    _folder("upload", FLAG, "take files from visitors, by PUT and by a page", group=UPLOADS),
    _upload("token", SECRET, "TOKEN", "from those who know it; better said as CRLF_UPLOAD_TOKEN"),
    _upload("user", SECRET, "NAME:PASSWORD", "from who signs in as this user"),
    _upload("limit", SIZE, "N", "bytes of one request: 413"),
    _upload("quota", SIZE, "N", "bytes of all that is in the folder: 507"),
    _upload("files", COUNT, "N", "files in the folder: 507"),
    _limit("connections", COUNT, "N", "open at once, of each process; more wait"),
    _limit("requests", COUNT, "N", "on one connection", "patience.requests"),
    _limit("line", SIZE, "N", "the request line: 414"),
    _limit("field", SIZE, "N", "one field: 431"),
    _limit("fields", COUNT, "N", "of one request: 431"),
    _limit("head", SIZE, "N", "line and fields: 431"),
    _limit("blank-lines", COUNT, "N", "before the request line: 400"),
    _limit("body", MAYBE_SIZE, "N", "content, decoded, files included: 413"),
    _limit("body-rate", whole(1, 10**9 - 1), "N", "the least a second, after the grace: 408",
           "patience.body_rate"),
    _limit("chunk-line", SIZE, "N", "of a chunk, extensions included: 400"),
    _limit("chunk-extensions", SIZE, "N", "of one request: 400"),
    _limit("trailers", COUNT, "N", "fields after the content: 431"),
    _limit("trailer-block", SIZE, "N", "all of these: 431"),
    _limit("query-fields", COUNT, "N", "of the query: 414"),
    _limit("form-fields", COUNT, "N", "of an urlencoded form: 413"),
    _limit("cookies", COUNT, "N", "of one request: 431"),
    _limit("parts", COUNT, "N", "of a multipart form: 413"),
    _limit("part-headers", COUNT, "N", "of one part: 431"),
    _limit("part-header", SIZE, "N", "one of these: 431"),
    _limit("fields-total", SIZE, "N", "all parts that are no files: 413"),
    _limit("field-in-memory", SIZE, "N", "of one file; more goes to the disk"),
    _limit("spool", MAYBE_SIZE, "N", "on the disk at once, of all requests of a process: 507"),
    _timeout("handshake", "for TLS, in all"),
    _timeout("head", "for line and fields, in all: 408"),
    _timeout("idle", "between requests", SECONDS, "timeout-keep-alive"),
    _timeout("jitter", "taken off that by chance", SPAN),
    _timeout("body-grace", "before content has to come at --limit-body-rate", SPAN),
    _timeout("body-stall", "between two pieces of content: 408"),
    _timeout("write", "for the client to take a piece of the answer"),
    _timeout("linger", "for it to read a last word", SPAN),
    _timeout("drain", "for answers under way when the server stops", SPAN,
             "timeout-graceful-shutdown"),
    _timeout("age", "of a connection"),
)  # fmt: skip

BY_NAME = {setting.name: setting for setting in SETTINGS}
