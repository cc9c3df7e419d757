"""What a server is told: where it listens, how it is guarded, what it says of itself.

One frozen value, made from options, environment, files and defaults (configuration.py), handed
whole to the processes that serve. Its law: everything is safe as it stands, and what opens a
door wider has to be written by whoever wants it.
"""

from __future__ import annotations

from crlf.rules.deadlines import DEFAULT_PATIENCE, Patience
from crlf.rules.forwarded import PROXY_FIELDS
from crlf.server.kinds import NO_LIMIT
from crlf.values import as_dict, frozen
from crlf.wire.limits import SERVER_LIMITS, Limits


@frozen
class FolderSettings:
    """How a folder is served, where it is the target itself.

    index: the file that stands for a folder; None for none. listing: show a folder without one.
    spa: a file of the folder that answers for every path that names nothing; clean_urls: /about
    is about.html. cache: rules "PATTERN=VALUE" for Cache-Control, the first that fits; hashed:
    names with a digest of their content in them never change. error_pages: "404=404.html", a
    file of the folder for a status. compress: gzip, br and zstd for types that gain by it.
    hidden: names that begin with a dot too. follow_symlinks: let links lead wherever they lead,
    also out of the folder.
    upload: take files from visitors (server/files/uploading.py): from those who know
    upload_token, or upload_user, "NAME:PASSWORD"; without either from this machine alone.
    upload_limit: bytes of one request. upload_quota, upload_files: bytes and files that the
    folder may have in all.
    """

    index: str | None = "index.html"
    listing: bool = True
    spa: str | None = None
    clean_urls: bool = False
    cache: tuple[str, ...] = ()
    hashed: bool = False
    error_pages: tuple[str, ...] = ()
    compress: bool = True
    hidden: bool = False
    follow_symlinks: bool = False
    upload: bool = False
    upload_token: str | None = None
    upload_user: str | None = None
    upload_limit: int = 1024 * 1024 * 1024  # PHP 2 MiB, nginx 1 MiB, Nextcloud 512 MiB
    upload_quota: int = NO_LIMIT
    upload_files: int = NO_LIMIT

    def __repr__(self) -> str:
        secrets = ("upload_token", "upload_user")
        shown = {
            name: "***" if value and name in secrets else value
            for name, value in as_dict(self).items()
        }
        return f"FolderSettings({', '.join(f'{name}={shown[name]!r}' for name in shown)})"


DEFAULT_FOLDER = FolderSettings()


@frozen
class ServerSettings:
    """Everything that a server can be told beside its application.

    interface: "crlf", "asgi" or "wsgi"; "auto" looks at the application. factory: the target
    is a function that makes it. lifespan: of ASGI, "auto", "on" or "off". env_file: of lines
    KEY=VALUE, for the application.
    bind: where to listen: "host:port", "[::1]:port", "unix:PATH", "fd://N"; port 0 is any free
    one. workers: processes; 0 serves in this one.
    reload: begin anew when a source file changes, for development.
    certificates: PEM files, chain and key together or "chain.pem:key.pem"; of several the one
    that fits the name asked for (SNI), else the first. client_ca: PEM file of the authorities
    whose client certificates are asked for; client_certificate: "optional" or "required".
    trusted_proxies: addresses and networks whose Forwarded, X-Forwarded-* and PROXY lines are
    believed. proxy_fields: the fields that these proxies write, "forwarded" alone or any of
    "x-forwarded-for", "-proto", "-host" and "-port"; no other is looked at. proxy_protocol: each
    connection begins with a PROXY line. allowed_hosts: host names, "*.example.com" for those
    below; () for any.
    access_log: "off", "short" (for a terminal), "combined" or "json". access_log_file: a path,
    "-" for standard output. log_query: with queries, in which secrets travel. request_ids: say a
    request's id in its answer (X-Request-ID).
    metrics: "/path" on the server itself, or "host:port" of its own; None for none. health:
    answer /healthz and /readyz. server_timing: say in each answer how long it took.
    name: the Server field; None leaves it out. threads: for `def` handlers and WSGI.
    folder: for a target that is a folder or a file.
    """

    interface: str = "auto"
    factory: bool = False
    lifespan: str = "auto"
    env_file: str | None = None
    bind: tuple[str, ...] = ("127.0.0.1:8000",)
    workers: int = 0
    reload: bool = False
    backlog: int = 2048  # nginx 511, uvicorn 2048
    certificates: tuple[str, ...] = ()
    client_ca: str | None = None
    client_certificate: str = "required"
    self_signed: bool = False
    trusted_proxies: tuple[str, ...] = ()
    proxy_fields: tuple[str, ...] = PROXY_FIELDS
    proxy_protocol: bool = False
    allowed_hosts: tuple[str, ...] = ()
    root_path: str = ""
    access_log: str = "off"
    access_log_file: str = "-"
    log_query: bool = False
    request_ids: bool = False
    metrics: str | None = None
    health: bool = False
    server_timing: bool = False
    name: str | None = "crlf"
    threads: int = 32
    folder: FolderSettings = DEFAULT_FOLDER
    limits: Limits = SERVER_LIMITS
    patience: Patience = DEFAULT_PATIENCE


DEFAULT_SETTINGS = ServerSettings()
