"""The virtual environment of the peers: made once, from peers.txt, apart from the project's.

A package that cannot be installed is left out, and its rows say "absent"; what pip said is in
.venv-peers/NAME.log. Remove .venv-peers to have it made again, with the newest versions.
"""

import json
import subprocess
import sys

from ground import BENCH, PEERS, environment

LIST = BENCH / "peers.txt"
MADE = PEERS.parent / "made.json"  # what was asked for, by which Python: the environment is whole


def wanted() -> list[str]:
    lines = (line.partition("#")[0].strip(" ") for line in LIST.read_text().split("\n"))
    return [line for line in lines if line]


def prepare() -> None:
    """Make the environment unless it stands already."""
    stamp = json.dumps([sys.version, wanted()])
    if MADE.exists() and MADE.read_text() == stamp:
        return
    print(f"making {PEERS.parent} ...", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", PEERS.parent], check=True, timeout=120)
    for package in wanted():
        command = [str(PEERS / "python"), "-m", "pip", "install", "--upgrade", package]
        said = subprocess.run(
            command, capture_output=True, text=True, env=environment(), timeout=600
        )
        (PEERS.parent / f"{package}.log").write_text(said.stdout + said.stderr)
        print(f"  {package}: {'absent' if said.returncode else 'ready'}", file=sys.stderr)
    MADE.write_text(stamp)


def versions() -> str:
    """Name what is installed of the list, with versions, in one line."""
    code = (
        "import sys, importlib.metadata as m\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: print(name, 'absent')\n"
    )
    command = [str(PEERS / "python"), "-c", code, *wanted()]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ", ".join(said.stdout.strip("\n").split("\n"))
