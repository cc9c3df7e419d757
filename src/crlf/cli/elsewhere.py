"""What options of HTTPie, curl, wget and aria2 are here, for who writes one out of habit.

docs/cli/coming-from.md has all of them; these are the ones that fingers remember. Its law: what
a hint names is there, and no option of ours is among them.
"""

from __future__ import annotations

_ASKING = (
    ("-X --request --method", "the command is the method, as in crlf put URL"),
    (
        "-d --data --data-raw --data-binary --data-ascii --data-urlencode --post-data --body-data",
        "content is name=value, @FILE or --raw TEXT, as in crlf post URL a=1",
    ),
    ("-F --form-string", "name@FILE uploads, as in crlf post URL photo@a.png; --follow redirects"),
    ("-G --get --url-query", "name==value goes into the query"),
    ("-L --location", "GET and HEAD are redirected anyway, --follow is for every method"),
    ("-I --head --spider", "crlf head URL asks for the head alone"),
    ("-i --include --show-headers", "--print=hb shows head and content"),
    ("-O -J -C -c --remote-name --remote-header-name --continue-at --continue --download",
     "crlf download URL saves what is there, and goes on where it stopped"),
    ("-T --upload-file", "crlf upload FILE URL sends a file"),
    ("-s -S --silent --show-error", "-q shows nothing but errors"),
    ("-u --user", "-a USER[:PASSWORD] says who asks"),
    ("--digest", "here it is -A digest -a USER"),
    ("--oauth2-bearer", "here it is -A bearer -a TOKEN"),
    ("-e --referer --user-agent", "-H 'NAME: VALUE' sends any field"),
    ("--cookie --cookie-jar --load-cookies --save-cookies",
     "--session NAME keeps cookies; Cookie:a=1 sends one"),
    ("-m --max-time", "--timeout SECONDS is for all of it"),
    ("--max-redirs --max-redirect", "here it is --max-redirects N"),
    ("-E", "here it is --cert FILE"),
    ("--key", "here it is --cert-key FILE"),
    ("--cacert --capath --ca-certificate", "here it is --ca FILE"),
    ("--verify --no-check-certificate", "--insecure believes any certificate, --ca FILE those"),
    ("--ssl --tlsv1.2 --tlsv1.3", "here it is --tls-minimum 1.3"),
    ("--noproxy", "--no-proxy goes through none"),
    ("--fail --fail-with-body --check-status",
     "4xx and 5xx are exit codes anyway, and --ignore-status makes them 0"),
    ("--compressed", "content is asked for compressed anyway"),
    ("--all", "-v shows every exchange"),
    ("--meta", "here it is --print=m"),
    ("--stream --no-buffer -N", "what comes is shown as it comes anyway"),
    ("--ignore-stdin", "standard input is read for @- alone"),
    ("--http1.1 --http2 --http3", "HTTP/1.1 is what is spoken"),
)  # fmt: skip
_DOWNLOAD = (
    ("-O -J --remote-name --remote-header-name --content-disposition",
     "the server or the URL says the name, and -o NAME another"),
    ("-c -C --continue --continue-at", "it goes on where it stopped anyway"),
    ("-P -d --dir --directory-prefix --output-dir", "here it is --into FOLDER"),
    ("-n -nc --no-clobber", "--skip-existing leaves what is there"),
    ("--tries", "here it is --retry N"),
    ("-Z --parallel --parallel-max --max-concurrent-downloads", "--jobs N says how many at a time"),
    ("--max-filesize", "here it is --max-size SIZE"),
    ("--input-file", "here it is -i FILE"),
)  # fmt: skip
_SERVE = (
    ("--cert --certfile", "here it is --tls-certificate FILE"),
    ("--key --keyfile", "here it is --tls-key FILE"),
    ("--tls --https", "here it is --tls-self-signed, or --tls-certificate FILE"),
    ("-d --directory", "the folder is a word: crlf serve FOLDER"),
)  # fmt: skip
_TABLES = {
    "fetch": (_ASKING,),
    "explain": (_ASKING,),
    "upload": (_ASKING,),
    "download": (_DOWNLOAD, _ASKING),
    "serve": (_SERVE,),
}


def hint_for(name: str, module: str) -> str | None:
    """Return what to write for an option of another tool, None where that is not known.

    module: what runs the command; see main.py.
    """
    for table in _TABLES.get(module, ()):
        for names, hint in table:
            if name in names.split(" "):
                return hint
    return None
