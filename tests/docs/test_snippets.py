"""What the documentation shows works: its blocks of code are run, page by page, as a reader would.

What follows a block's opening fence says what is done with it:

    python                  run by itself, in an interpreter of its own; must exit with 0
    python title="shop.py"  saved under that name, for the blocks after it; must compile
    toml title="crlf.toml"  saved likewise; must be TOML
    python no-run           only compiled
    sh run                  run by the shell, after what the page has saved; must exit with 0
    sh serve                started, and ended with the page; waited for until it listens
    text printed            each of its lines ends one that was printed before it; ... is anything

A page has a folder of its own and a port of its own: 8000 in its blocks becomes a free one.
Blocks of any other kind are text.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)(```+|~~~+)([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
PORT = re.compile(r"\b8000\b")
PATIENCE = 20.0  # seconds for one block, or for a server to listen


@dataclass(frozen=True)
class Block:
    """One fenced block. words: what its opening fence says, as in ["python", "no-run"]."""

    page: str
    line: int
    words: list[str]
    text: str

    @property
    def title(self) -> str | None:
        """The file that the block is, from title="shop.py"."""
        named = (word.removeprefix("title=") for word in self.words if word.startswith("title="))
        return next(named, None)

    @property
    def kind(self) -> str:
        """Sort it: "run", "save", "compile", "shell", "serve", "printed"; "text" is not tried."""
        match self.words:
            case ["python", *rest] if "no-run" in rest:
                return "compile"
            case ["python" | "toml", *_] if self.title:
                return "save"
            case ["python"]:
                return "run"
            case ["python", *_]:
                return "unknown"
            case ["sh" | "console" | "bash", "run"]:
                return "shell"
            case ["sh" | "console" | "bash", "serve"]:
                return "serve"
            case ["text", "printed"]:
                return "printed"
        return "text"

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(text: str, page: str) -> list[Block]:
    """Find the fenced blocks of a page, indented ones (in a list, in a tab) too."""
    found = []
    for match in FENCE.finditer(text):
        indent, _, info, body = match.groups()
        lines = [line.removeprefix(indent) for line in body.splitlines(keepends=True)]
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, shlex.split(info), "".join(lines)))
    return found


def pages() -> list[Path]:
    """List the pages that are read: README.md, CONTRIBUTING.md and docs/."""
    top = [path for name in ("README.md", "CONTRIBUTING.md") if (path := ROOT / name).is_file()]
    return top + sorted((ROOT / "docs").rglob("*.md"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Reader:
    """Someone who tries what a page says, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.printed = ""  # by the last block that was run
        path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        source = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        self.environment = os.environ | {
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": os.pathsep.join(filter(None, source)),
            "NO_COLOR": "1",
            "CRLF_CLIENT_CONFIG": "",
            "XDG_CONFIG_HOME": str(folder / ".config"),  # settings and sessions of the page's own
        }

    def follow(self, page: list[Block]) -> int:
        """Try the blocks in their order; return how many were run."""
        with contextlib.ExitStack() as running:
            return sum(self.attempt(block, running) for block in page)

    def attempt(self, block: Block, running: contextlib.ExitStack) -> bool:
        """Do with one block what its fence says; tell whether it was run."""
        text = PORT.sub(str(self.port), block.text)
        match block.kind:
            case "run":
                self.run([sys.executable, "-W", "error", "-c", text], block)
            case "shell":
                self.run(["sh", "-eu", "-c", without_prompts(text)], block)
            case "serve":
                running.enter_context(self.serving(without_prompts(text), block))
            case "save":
                if block.words[0] == "toml":
                    tomllib.loads(text)
                else:
                    compile(text, str(block), "exec")
                (self.folder / str(block.title)).write_text(text, encoding="utf-8")
                return False
            case "compile":
                compile(text, str(block), "exec")
                return False
            case "printed":
                self.compare(text, block)
                return False
            case "unknown":
                pytest.fail(f"{block}: do not know what to do with {block.words}", pytrace=False)
            case _:
                return False
        return True

    def run(self, command: list[str], block: Block) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            text=True,
        )
        if done.returncode:
            pytest.fail(f"{block}: exit code {done.returncode}\n{done.stdout}", pytrace=False)
        self.printed = done.stdout

    def compare(self, text: str, block: Block) -> None:
        """Fail unless each line that is shown was printed, maybe after one without an end."""
        lines = [line.rstrip() for line in self.printed.splitlines()]
        for shown in filter(None, map(str.rstrip, text.splitlines())):
            wanted = re.compile(re.escape(shown).replace(r"\.\.\.", ".*") + "$")
            if not any(wanted.search(line) for line in lines):
                pytest.fail(f"{block}: {shown!r} is not in\n{self.printed}", pytrace=False)

    @contextlib.contextmanager
    def serving(self, text: str, block: Block) -> Iterator[None]:
        with (self.folder / ".output").open("w+") as output:
            server = subprocess.Popen(
                ["sh", "-eu", "-c", text],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                give_up = time.monotonic() + PATIENCE
                while not listens(self.port):
                    if server.poll() is not None or time.monotonic() > give_up:
                        output.seek(0)
                        pytest.fail(f"{block}: does not listen\n{output.read()}", pytrace=False)
                    time.sleep(0.02)
                yield
            finally:
                end(server, self.port)


def end(server: subprocess.Popen[bytes], port: int) -> None:
    """End a server and what it started: asked at first, then forced."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        give_up = time.monotonic() + 5
        while time.monotonic() < give_up:
            if server.poll() is not None and not listens(port):
                return
            time.sleep(0.01)


def without_prompts(text: str) -> str:
    """Take the "$ " from the lines of a block that has them; what has none was printed."""
    lines = text.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return text
    return "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))


@pytest.mark.timeout(150)  # the cookbook starts 70 processes
@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_keeps_its_word(path: Path, tmp_path: Path) -> None:
    Reader(tmp_path).follow(blocks(path.read_text(encoding="utf-8"), path.name))


def test_the_readme_shows_something_that_runs() -> None:
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("no README.md yet")
    kinds = [block.kind for block in blocks(readme.read_text(encoding="utf-8"), readme.name)]
    assert {"run", "shell"} & set(kinds)


PAGE = """
```python title="answer.py"
ANSWER = 42
```

- in a list
  ```python
  import answer
  assert answer.ANSWER == 42
  ```

```sh serve
python -m http.server -b 127.0.0.1 8000
```
```console run
$ python -c 'from urllib.request import urlopen; urlopen("http://127.0.0.1:8000/").close()'
$ echo whatever it prints
whatever it prints
```
```python no-run
undefined()
```
```text printed
what... it prints
```
```toml title="crlf.toml"
workers = 4
```
```sh run
grep workers crlf.toml
```
```http
GET / HTTP/1.1
```
"""


def test_a_page_is_followed(tmp_path: Path) -> None:
    page = blocks(PAGE, "page.md")
    assert [block.kind for block in page] == [
        "save", "run", "serve", "shell", "compile", "printed", "save", "shell", "text"
    ]  # fmt: skip
    reader = Reader(tmp_path)
    assert reader.follow(page) == 4
    assert not listens(reader.port)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nraise SystemExit(3)\n```\n",
        "```python no-run\ndef\n```\n",
        "```toml title=a.toml\na =\n```\n",
        "```python norun\n1\n```\n",
        "```sh run\nfalse\ntrue\n```\n",
        "```sh serve\nexit 0\n```\n",
        "```sh run\necho one\n```\n```text printed\ntwo\n```\n",
    ],
)
def test_a_block_that_fails_is_seen(text: str, tmp_path: Path) -> None:
    with pytest.raises((pytest.fail.Exception, SyntaxError, ValueError)):
        Reader(tmp_path).follow(blocks(text, "page.md"))
