"""Take the pictures of the command line that the documentation shows: docs/cli/img/*.png.

python scripts/terminal_shots.py [NAME]...

Each command runs in a real terminal (tmux, in a server of its own) against an application on this
machine; what stands on the screen then is made into a page, and Chromium takes its picture. Its
law: a picture shows what a user would see, and nothing that was written for the picture.
"""

from __future__ import annotations

import contextlib
import html
import math
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image  # pip install pillow

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "docs" / "cli" / "img"
PATIENCE = 30.0  # seconds for a command, or for a server to listen
ADVANCE, LINE, MARGIN, SCALE = 8.43, 19, 16, 1.5  # pixels of DejaVu Sans Mono at 14
COLOURS = 32  # of a picture: text, a ground, and what lies between them

APPLICATION = """
import time

from crlf import App, Response, json, redirect

app = App()
GEAR = {"number": 7, "name": "Gear", "price": 12.50, "in stock": True, "tags": ["steel", "new"],
        "maker": {"name": "Ritter & Söhne", "since": 1921, "url": None}}


@app.get("/parts/7")
def part(request):
    return json(GEAR, headers={"cache-control": "max-age=60"})


@app.post("/order")
def order(request):
    return {"part": request.form["part"], "amount": request.form["amount"]}


@app.get("/report")
def report(request):
    time.sleep(0.12)
    said = 'db;dur=80;desc="three queries", page;dur=31'
    return Response(200, {"server-timing": said}, b"done\\n")


@app.get("/old")
def old(request):
    time.sleep(0.04)
    return redirect("/report")


@app.get("/{name}")
def file(request, name):
    size = {"maps.zip": 48_000_000, "photos.zip": 120_000_000, "readme.txt": 900}[name]

    def pieces():
        for at in range(0, size, 1_000_000):
            yield bytes(min(size - at, 1_000_000))
            time.sleep(0.05)

    return Response(200, {"content-length": str(size), "content-type": "application/zip"}, pieces())
"""


class Shot(NamedTuple):
    """One picture.

    line: what is typed. until: what the screen has to show, where it goes on. written: the page
    that the command writes, to be seen instead of the screen, with its size in pixels.
    """

    name: str
    line: str
    columns: int = 80
    until: str = ""
    rows: int = 90
    written: tuple[str, int, int] | None = None


SHOTS = (
    Shot("answer", "crlf get :{port}/parts/7", 60),
    Shot("verbose", "crlf post :{port}/order part=7 amount=2 -v"),
    Shot("explain", "crlf explain :{port}/parts/7", 120),
    Shot(
        "broken",
        r"printf 'POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n"
        r"Content-Length: 60\r\n\r\n' | crlf explain -",
        108,
    ),
    Shot("waterfall", "crlf get :{port}/old --print=t"),
    Shot(
        "download",
        "crlf download {files}",
        until=r"maps\.zip.* [67]\d%",
    ),
    Shot("help", "crlf --help"),
    Shot(
        "page",
        "crlf explain :{port}/old --html page.html",
        written=("page.html", 900, 945),
    ),
)

# --- a terminal ----------------------------------------------------------------------------------


def main(names: list[str]) -> None:
    """Take the pictures of these names, or all."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "shop.py").write_text(APPLICATION, encoding="utf-8")
        port = free_port()
        with serving(folder, port):
            for shot in SHOTS:
                if names and shot.name not in names:
                    continue
                screen = run(shot, folder, port)
                target = PLACE / f"{shot.name}.png"
                if shot.written:
                    name, width, height = shot.written
                    source = folder / shot.name / name
                else:
                    source = folder / "screen.html"
                    source.write_text(page(screen, shot.columns), encoding="utf-8")
                    width = math.ceil(shot.columns * ADVANCE) + 2 * MARGIN
                    height = (screen.count("\n") + 1) * LINE + 2 * MARGIN
                take(source, width, height, target, folder)
                print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


def free_port() -> int:
    """Return 8000 where it is free, so that pictures are the same each time."""
    for number in (8000, 0):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", number))
            return int(listener.getsockname()[1])
    raise SystemExit("no port is free")


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """Serve the application until the pictures are taken."""
    command = [sys.executable, "-m", "crlf", "serve", "shop:app", "--port", str(port), "--quiet"]
    server = subprocess.Popen(command, cwd=folder, env=environment(folder))
    try:
        wait_until(lambda: listens(port), "the server listens")
        yield
    finally:
        server.kill()
        server.wait()


def listens(port: int) -> bool:
    """Tell whether somebody listens at a port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def environment(folder: Path) -> dict[str, str]:
    """Give a command nothing of who runs this but the way to programs."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        "PATH": path,
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT / "src"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "CRLF_CLIENT_CONFIG": "off",
    }


def run(shot: Shot, folder: Path, port: int) -> str:
    """Type a line into a terminal; return the screen, with its colours as SGR sequences."""
    files = " ".join(f":{port}/{name}" for name in ("maps.zip", "photos.zip", "readme.txt"))
    line = shot.line.replace("{port}", str(port)).replace("{files}", files)
    prompt = f"printf '\\033[1;32m$\\033[0m %s\\n' {shlex.quote(line)}"
    place = folder / shot.name
    place.mkdir()
    tmux = ["tmux", "-u", "-f", "/dev/null", "-S", str(folder / "tmux")]
    script = f"cd {shlex.quote(str(place))}; {prompt}; {line}; touch ended; sleep 60"
    size = ["-x", str(shot.columns), "-y", str(shot.rows)]
    ours = environment(folder)
    subprocess.run([*tmux, "new-session", "-d", *size, "sh", "-c", script], env=ours, check=True)

    def screen(*flags: str) -> str:
        command = [*tmux, "capture-pane", "-p", *flags]
        return subprocess.run(command, env=ours, capture_output=True, check=True).stdout.decode()

    try:
        if shot.until:
            wait_until(lambda: re.search(shot.until, screen()) is not None, shot.until)
        else:
            wait_until((place / "ended").exists, f"{line} has ended")
            time.sleep(0.2)  # what was written last has to get to the screen
        return screen("-e").rstrip()
    except SystemExit:
        print(screen())
        raise
    finally:
        subprocess.run([*tmux, "kill-server"], env=ours, check=True)


def wait_until(question: Callable[[], bool], what: str) -> None:
    """Wait until a question is answered with yes, or say what did not happen."""
    give_up = time.monotonic() + PATIENCE
    while not question():
        if time.monotonic() > give_up:
            raise SystemExit(f"not in {PATIENCE} s: {what}")
        time.sleep(0.02)


# --- a page --------------------------------------------------------------------------------------

SIXTEEN = (
    "#3b4252 #f0716b #8fd07f #ebcb6f #7fb2f5 #d59cf0 #6fd3d6 #d8dee9 "
    "#7b8494 #ff8a85 #a8e79a #ffe08f #9cc6ff #e6b8ff #8ce9ec #ffffff"
).split(" ")
GROUND, TEXT = "#171a21", "#dfe3ea"
SGR = re.compile(r"\x1b\[([0-9;]*)m|\x1b[^m]*?[A-Za-z]|[\x0e\x0f]")


def colour(number: int) -> str:
    """Return one of the 256 colours of a terminal."""
    if number < 16:
        return SIXTEEN[number]
    if number > 231:
        return "#{0:02x}{0:02x}{0:02x}".format(8 + 10 * (number - 232))
    steps = [0, 95, 135, 175, 215, 255]
    number -= 16
    return "#{:02x}{:02x}{:02x}".format(*(steps[number // by % 6] for by in (36, 6, 1)))


class Pen:
    """How the next characters are drawn."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Draw as at first."""
        self.front, self.back = "", ""
        self.marks: set[str] = set()

    def obey(self, codes: str) -> None:
        """Change as an SGR sequence says (ECMA-48 8.3.117)."""
        numbers = [int(code or 0) for code in codes.split(";")]
        while numbers:
            number = numbers.pop(0)
            if number == 0:
                self.reset()
            elif number in (38, 48):
                kind = numbers.pop(0)
                value = (
                    colour(numbers.pop(0)) if kind == 5
                    else "#{:02x}{:02x}{:02x}".format(*(numbers.pop(0) for _ in range(3)))
                )  # fmt: skip
                self.front, self.back = (value, self.back) if number == 38 else (self.front, value)
            elif number in MARKS:
                self.marks.add(MARKS[number])
            elif number in UNMARKED:
                self.marks -= UNMARKED[number]
            elif 30 <= number < 40 or 90 <= number < 98:
                at = number - 30 if number < 40 else number - 82
                self.front = "" if number == 39 else SIXTEEN[at]
            elif 40 <= number < 50 or 100 <= number < 108:
                at = number - 40 if number < 50 else number - 92
                self.back = "" if number == 49 else SIXTEEN[at]

    def style(self) -> str:
        """Return what CSS says for it."""
        front, back = self.front, self.back
        if "reverse" in self.marks:
            front, back = back or GROUND, front or TEXT
        rules = [f"color:{front}" if front else "", f"background:{back}" if back else ""]
        rules += [CSS[mark] for mark in sorted(self.marks & CSS.keys())]
        return ";".join(filter(None, rules))


MARKS = {1: "strong", 2: "faint", 3: "slanted", 4: "under", 7: "reverse"}
UNMARKED = {22: {"strong", "faint"}, 23: {"slanted"}, 24: {"under"}, 27: {"reverse"}}
CSS = {
    "strong": "font-weight:bold", "faint": "opacity:.68", "slanted": "font-style:italic",
    "under": "text-decoration:underline",
}  # fmt: skip


PICTURE = re.compile("[␊␍]")  # few fonts have them


def drawn(found: re.Match[str]) -> str:
    """Draw a picture of a control character as fonts do that have it: two small letters."""
    first, second = "LF" if found[0] == "␊" else "CR"
    return f"<u><i>{first}</i><i>{second}</i></u>"


def page(screen: str, columns: int) -> str:
    """Write a screen as a page of HTML."""
    pen, parts, at = Pen(), [], 0
    for found in [*SGR.finditer(screen), None]:
        text = screen[at : found.start() if found else len(screen)]
        if text:
            style = pen.style()
            shown = PICTURE.sub(drawn, html.escape(text))
            parts.append(f'<span style="{style}">{shown}</span>' if style else shown)
        if found:
            at = found.end()
            if found[1] is not None:
                pen.obey(found[1])
    return (
        f"<!doctype html><meta charset=utf-8><style>html{{background:{GROUND}}}"
        f"body{{margin:{MARGIN}px;width:{columns}ch;color:{TEXT};"
        f'font:14px/{LINE}px "DejaVu Sans Mono",monospace}}'
        "u{display:inline-block;position:relative;width:1ch;height:1em}"
        "i{position:absolute;font:8px/8px DejaVu Sans;left:.5px;top:1px}i+i{left:4px;top:7px}"
        f"pre{{margin:0;font:inherit}}</style><pre>{''.join(parts)}</pre>"
    )


def take(source: Path, width: int, height: int, target: Path, folder: Path) -> None:
    """Take the picture of the top of a page, so many pixels."""
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        raise SystemExit("needs chromium")
    command = [
        program, "--headless", "--disable-lcd-text", "--no-sandbox", "--disable-gpu",
        "--hide-scrollbars",
        "--disable-dev-shm-usage", "--force-color-profile=srgb",
        f"--user-data-dir={folder}/chromium",
        f"--force-device-scale-factor={SCALE}", f"--window-size={width},{height + 200}",
        f"--screenshot={target}", source.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with Image.open(target) as picture:
        whole = picture.convert("RGB").crop((0, 0, int(width * SCALE), int(height * SCALE)))
        small = whole.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        small.save(target, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
