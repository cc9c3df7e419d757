"""One large file from disk to a server that drops it: as it is, and in a multipart form.

The server (servers/sink.py) says how many bytes it has read, and each row is held to that.
"""

from collections.abc import Callable
from pathlib import Path

from command_rows import crlf_command
from ground import BENCH, OWN, Failed, Options, free_port, need_program, serving
from nginx import write_files
from transfers import lines_of, passed, script
from turns import Figures, in_turns

Build = Callable[[str, Path], list[str | Path]]
CURL_SAYS = '{"seconds":%{time_total},"bytes":%{size_upload}}'
AS_IT_IS, IN_A_FORM = "curl -T", "curl -F"

UPLOADS: dict[str, Build] = {
    AS_IT_IS: lambda url, file: [need_program("curl"), "-s", "-w", CURL_SAYS, "-T", file, url],
    "urllib3": script("upload.py", "urllib3", "urllib3"),
    "httpx2": script("upload.py", "httpx2", "httpx2"),
    "aiohttp": script("upload.py", "aiohttp_waiting", "aiohttp"),
    "crlf.Client": script("upload.py", "crlf", "crlf.Client"),
    "crlf.AsyncClient": script("upload.py", "crlf_waiting", "crlf.AsyncClient"),
    "crlf upload": lambda url, file: [crlf_command(), "upload", file, url, "--method", "POST"],
}
FORMS: dict[str, Build] = {
    IN_A_FORM: lambda url, file: [
        need_program("curl"), "-s", "-w", CURL_SAYS, "-F", f"file=@{file}", url,
    ],
    "httpx2, files=": script("upload.py", "httpx2_form", "httpx2"),
    "aiohttp, data=": script("upload.py", "aiohttp_form_waiting", "aiohttp"),
    "crlf.Client, files=": script("upload.py", "crlf_form", "crlf.Client"),
    "crlf.AsyncClient, files=": script("upload.py", "crlf_form_waiting", "crlf.AsyncClient"),
}  # fmt: skip
HEADS = 4096  # bytes that a form may add


def measured(build: Build, url: str, file: Path, added: int, options: Options) -> Figures:
    size = options.megabytes
    seen = passed(build(url, file))
    read = int(seen.printed[0]) if seen.printed and seen.printed[0].isdecimal() else -1
    if not 0 <= read - (size << 20) <= added:
        raise Failed(f"the server has read {read} bytes")
    return {"rate": size / seen.seconds, "whole": size / seen.whole, "peak": seen.peak}


def report(options: Options) -> list[str]:
    file = write_files(options.scratch, options.megabytes) / "large.bin"
    with file.open("rb") as opened:  # so that no row pays for bringing it from the disk
        while opened.read(1 << 20):
            pass
    lines = []
    for title, rows, against, added in (
        ("as it is", UPLOADS, AS_IT_IS, 0),
        ("in a multipart form", FORMS, IN_A_FORM, HEADS),
    ):
        port = free_port()
        with serving([OWN / "python", BENCH / "servers" / "sink.py", str(port)], port):
            url = f"http://127.0.0.1:{port}/upload"
            subjects = {
                name: (
                    lambda build=build, url=url, added=added: measured(
                        build, url, file, added, options
                    )
                )
                for name, build in rows.items()
                if options.wants(name)
            }
            outcomes = in_turns(subjects, options.turns)
        lines += [f"## Upload of {options.megabytes} MiB from disk, {title}", ""]
        lines += lines_of(outcomes, against, with_aims=options.wants("crlf"))
    return lines
