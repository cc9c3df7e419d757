"""The options of every command that sends a request, as a table: said once, in the order of help.

What a user can say is here before it is anywhere else; asking/ and showing/ read it by its keys.
"""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option

CONTENT = "What is sent"
WHO = "Who asks"
ANSWER = "What becomes of the answer"
EXCHANGE = "The exchange"
WAY = "The way there"
INSTEAD = "Instead of asking"

CONTENT_OPTIONS = (
    Option("-H --header", "'NAME: VALUE'", "send a header field; may be repeated", CONTENT),
    Option("-f --form", "", "send name=value as a form (this is the default)", CONTENT),
    Option(
        "-j --json",
        "",
        "send name=value as a JSON object; a[b][]=1 leads into it. Asks for JSON too",
        CONTENT,
    ),
    Option("--multipart", "", "send a form as multipart/form-data, even without a file", CONTENT),
    Option("--raw", "TEXT", "send TEXT as the whole content", CONTENT),
    Option("--chunked", "", "send the content in chunks, without saying its length", CONTENT),
    Option(
        "-x --compress",
        "",
        "send the content compressed by gzip, where that makes it shorter; -xx always",
        CONTENT,
    ),
)
WHO_OPTIONS = (
    Option(
        "-a --auth",
        "USER[:PASSWORD]",
        "credentials; asks for a missing password. With --auth-type bearer: the token",
        WHO,
    ),
    Option("-A --auth-type", "basic|digest|bearer", "how they are said (default: basic)", WHO),
    Option("--netrc", "", "take credentials from ~/.netrc or $NETRC", WHO),
    Option(
        "--session",
        "NAME",
        "keep header fields, cookies and credentials under NAME for this host, and send them "
        "from then on; a path with a / in it is a file of your own",
        WHO,
    ),
    Option("--session-read-only", "NAME", "the same, without keeping what comes", WHO),
    Option("--cert", "FILE", "show a client certificate (PEM, with its key or --cert-key)", WHO),
    Option("--cert-key", "FILE", "the private key of --cert", WHO),
)
ANSWER_OPTIONS = (
    Option(
        "-o --output",
        "FILE",
        "save the content: to FILE.part, renamed once it is whole; - is standard output",
        ANSWER,
    ),
    Option(
        "-v --verbose",
        "",
        "show the exchange on standard error, as it went over the wire; -vv explains it",
        ANSWER,
    ),
    Option(
        "-p --print",
        "WHAT",
        "show any of: H request head, B request content, h head, b content, m what else is "
        "known, t the time it took (default: hb on a terminal, b elsewhere)",
        ANSWER,
    ),
    Option(
        "--headers",
        "",
        "show the answer's head alone: --print=h",
        ANSWER,
        key="print",
        constant="h",
    ),
    Option(
        "-b --body",
        "",
        "show the answer's content alone: --print=b",
        ANSWER,
        key="print",
        constant="b",
    ),
    Option(
        "--pretty",
        "all|format|colors|none",
        "format and colour what is shown (default: all on a terminal, none elsewhere)",
        ANSWER,
    ),
    Option("--select", "PATH", "show a part of a JSON answer: a.b[0], items[].name", ANSWER),
    Option(
        "-w --write-out",
        "FORMAT",
        "write this when it is done: %{http_code}, %{time_total} and so on, as in curl; "
        "%{json} is all of them",
        ANSWER,
    ),
    Option(
        "--har",
        "FILE",
        "keep all exchanges in FILE, as HAR 1.2, with stars for credentials and cookies",
        ANSWER,
    ),
    Option("--secrets", "", "keep them in --har as they were sent, without stars", ANSWER),
    Option("-q --quiet", "", "show nothing but errors; -qq not even those", ANSWER),
    Option("--ignore-status", "", "end with 0 whatever the answer's status is", ANSWER),
)
EXCHANGE_OPTIONS = (
    Option(
        "--follow",
        "",
        "follow redirects whatever the method (default: only GET and HEAD)",
        EXCHANGE,
        key="follow",
        constant="yes",
    ),
    Option("--no-follow", "", "follow no redirect", EXCHANGE, key="follow", constant="no"),
    Option("--max-redirects", "N", "how many redirects are followed (default: 10)", EXCHANGE),
    Option(
        "-t --timeout",
        "SECONDS",
        "the longest it may all take (default: 10 to connect, 30 for each wait, no end in all)",
        EXCHANGE,
    ),
    Option("--connect-timeout", "SECONDS", "the longest connecting may take", EXCHANGE),
    Option(
        "--retry",
        "N",
        "try again up to N times, where the request cannot have been carried out or may be "
        "repeated: no connection, a broken one, 429, 502, 503, 504 (default: 1, for no "
        "connection alone)",
        EXCHANGE,
    ),
    Option("--app", "MODULE:APP", "talk to an application in memory, without a server", EXCHANGE),
)
WAY_OPTIONS = (
    Option("-k --insecure", "", "accept any certificate: no protection against anybody", WAY),
    Option("--ca", "FILE", "trust the authorities of this file or folder, no others", WAY),
    Option("--tls-minimum", "1.2|1.3", "the oldest TLS that is spoken (default: 1.2)", WAY),
    Option("--proxy", "URL", "go through a proxy: http://, https://, socks5://, socks5h://", WAY),
    Option("--no-proxy", "", "go through none, whatever the environment says", WAY),
    Option(
        "--resolve",
        "HOST:ADDRESS",
        "where a host is; may be repeated. HOST:PORT:ADDRESS as in curl",
        WAY,
    ),
    Option("--unix-socket", "FILE", "connect to a Unix socket, whatever the host", WAY),
    Option("--interface", "ADDRESS", "our own address to connect from", WAY),
    Option(
        "--untrusted",
        "",
        "the URL is a stranger's: only public addresses, after each look-up and redirect, and "
        "bounds on size and time",
        WAY,
    ),
)
INSTEAD_OPTIONS = (
    Option("--offline", "", "send nothing; write exactly the bytes that would go out", INSTEAD),
    Option(
        "--as",
        "curl|printf-nc|python-socket|python|httpie|fetch",
        "send nothing; write the request for another tool; printf-nc and python-socket send the "
        "bytes of --offline",
        INSTEAD,
    ),
)

REQUEST_OPTIONS = (
    *CONTENT_OPTIONS, *WHO_OPTIONS, *ANSWER_OPTIONS, *EXCHANGE_OPTIONS, *WAY_OPTIONS,
    *INSTEAD_OPTIONS, HELP,
)  # fmt: skip
