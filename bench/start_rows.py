"""Before the first request: what it takes to import a client, and to make one without TLS."""

import json
from functools import partial
from statistics import median

from ground import BENCH, OWN, PEERS, Options, need_import, output_of
from turns import Bound, Column, Figures, in_turns, table

RUNS = 5  # processes of each, each turn; the first fills the system's cache
# The row's name, the name in the script, what must import.
ROWS = (
    ("http.client.HTTPConnection", "http_client", "http"),
    ("urllib3.PoolManager", "urllib3", "urllib3"),
    ("requests.Session", "requests", "requests"),
    ("httpx2.Client", "httpx2", "httpx2"),
    ("pyreqwest", "pyreqwest", "pyreqwest"),
    ("aiohttp.ClientSession", "aiohttp", "aiohttp"),
    ("crlf.Client", "crlf_client", "crlf.Client"),
    ("crlf.AsyncClient", "crlf_async_client", "crlf.AsyncClient"),
)
COLUMNS = [
    Column("import", "import, ms", ",.1f"),
    Column("first", "the first, µs", ",.0f"),
    Column("each", "each, µs", ",.1f"),
]
MOST = 100  # µs


def measured(name: str, needs: str) -> Figures:
    python = (OWN if needs.startswith("crlf") else PEERS) / "python"
    need_import(python, needs)
    command = [python, BENCH / "clients" / "start.py", name]
    seen = [json.loads(output_of(command, 1, 30)) for _ in range(RUNS)][1:]
    return {figure: median(one[figure] for one in seen) for figure in ("import", "first", "each")}


def report(options: Options) -> list[str]:
    subjects = {
        row: partial(measured, name, needs) for row, name, needs in ROWS if options.wants(row)
    }
    outcomes = in_turns(subjects, options.turns)
    ours = [row for row in outcomes if row.startswith("crlf")]
    return [
        "## Clients before their first request",
        "",
        *table(outcomes, COLUMNS),
        "",
        *(Bound(row, "each", MOST, "µs").line(outcomes) for row in ours),
    ]
