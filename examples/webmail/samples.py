"""A sample mailbox: what Ann of Prairie Parts has in her letters, the same every time.

Ordinary letters stand here; those that mean harm in oddities.py. Its law: nothing depends on a
clock or on chance, so that a test can count and a screenshot stays what it was.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from math import sin
from textwrap import fill
from typing import Final, NamedTuple

from examples.webmail.oddities import oddities
from examples.webmail.users import DOMAIN

NEWEST: Final = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
ANN: Final = f"Ann Whitfield <ann@{DOMAIN}>"
TIM: Final = f"Tim Lindqvist <tim@{DOMAIN}>"
ROSA: Final = f"Rosa Delgado <rosa@{DOMAIN}>"
USERS: Final = (  # name, password, name for people
    ("ann", "prairie-wind", "Ann Whitfield"),
    ("tim", "prairie-rain", "Tim Lindqvist"),
    ("rosa", "prairie-snow", "Rosa Delgado"),
)
MIRA: Final = "Mira Okonkwo <mira@gearworks.example>"
JONAS: Final = "Jonas Weiß <jonas@fahrrad.example>"
YUKI: Final = "佐藤 ゆき <yuki@hakata.example>"
CLUB: Final = "Salina Cycling Club <news@cycling.example>"


class Sample(NamedTuple):
    """A letter, where it lies and what is known of it."""

    folder: str
    flags: str
    content: bytes


class Told(NamedTuple):
    """An ordinary letter. ago: hours before the newest one."""

    ago: float
    folder: str
    flags: str
    sender: str
    subject: str
    text: str
    to: str = ANN


TOLD: Final = (
    Told(0.2, "inbox", "", MIRA, "The ring gears are through the furnace",
         "Hello Ann,\n\nall forty came out at 58 HRC, two harder than you asked for. I have put "
         "one aside\nthat rang like a bell when it fell off the bench; it is still round.\n\nThe "
         "parcel leaves on Monday. The drawing is attached, as is a picture of the first\n"
         "one, because I am proud of it.\n\nMira"),
    Told(2.4, "inbox", "F", TIM, "Re: Ranges and resumed downloads",
         "Yes, that is it: the server says \"Accept-Ranges: bytes\", the client asks for what is "
         "missing\nand names the ETag that it has half of. If that has changed, it gets the whole "
         "file.\n\nOn Thu, Ann Whitfield wrote:\n> So when I pull the plug in the middle of a "
         "download, the next request\n> can begin where the last one stopped?\n>\n>> Try it with "
         "the big catalogue.\n\nTry it with an attachment in this mailbox, too.\n\nTim"),
    Told(5, "inbox", "", "Night Watch <watch@prairie.example>", "Sensor 4: bearing at 61 °C",
         "Lathe 2, headstock, sensor 4\n  now      61 °C\n  limit    60 °C\n  since    11:32\n\n"
         "The limit is yours; nothing has been switched off."),
    Told(7.5, "inbox", "SR", JONAS, "Größe der Kettenblätter?",
         "Hallo Ann,\n\npassen eure 36er Ringe auch auf eine alte Nabe mit 110 mm Lochkreis? Auf "
         "dem Foto sieht\nes so aus, aber Fotos lügen ja gern.\n\nSchöne Grüße aus Köln, Jonas"),
    Told(22, "inbox", "S", ROSA, "Lunch on Friday?",
         "The place with the green door has pozole on Fridays. Twelve thirty?\n\nR."),
    Told(26, "inbox", "SF", "Dr. Imogen Hale <hale@college.example>",
         "Guest lecture: a protocol that keeps no state",
         "Dear Ms. Whitfield,\n\nour course on data communications comes to HTTP in the second "
         "week of December. Would\nyou tell forty students how a shop remembers a cart when the "
         "protocol remembers nothing?\nAn hour, with questions; there will be coffee.\n\nYou might "
         "begin with this:\n\n    GET /part?number=7 HTTP/1.1\n    Host: store.example\n\n"
         "With kind regards\n\nImogen Hale"),
    Told(128, "inbox", "S", YUKI, "歯車の見本について",
         "アン様\n\n見本の歯車を受け取りました。とても静かに回ります。\n来週、二十個を注文したいと思います。\n\n"
         "佐藤 ゆき"),
    Told(47, "inbox", "S", MIRA, "Furnace slot on Thursday",
         "I can have the furnace on Thursday from six. If the blanks are here on Wednesday night "
         "they\ngo in first.\n\nMira"),
    Told(50, "inbox", "S", TIM, "Ranges and resumed downloads",
         "Ann, a student asked what happens when a download stops half way. I said that it "
         "depends\non whether the server knows about ranges. Ours does. Shall we show it?\n\nTim"),
    Told(71, "inbox", "S", "Walter Kim <walter@tornado.example>", "Roof of hall B",
         "The wind on Tuesday took eleven sheets off the north side of hall B. Nothing got wet but "
         "a pallet\nof flat washers, which did not mind.\n\nI need your yes for the crane:\n\n"
         "  - crane, half a day     $640\n  - sheets, eleven        $517\n  - two roofers, "
         "a day    $880\n\nWalter"),
    Told(75, "inbox", "S", ROSA, "Inventory, second pass",
         "Bins 30 to 58 are counted. We have 4,112 cotter pins more than the database thinks and "
         "no wing\nnuts at all. Somebody has been putting the one into the other's bin since "
         "March.\n\nRosa"),
    Told(98, "inbox", "S", JONAS, "Re: Sample parcel",
         "Angekommen, danke! Das Lager läuft wie Butter. Ich melde mich wegen der Ringe.\n\nJonas"),
    Told(122, "inbox", "S", "Library <desk@library.example>", "A book that you asked for is here",
         "\"Gears and the people who cut them\" is at the desk for you until the 28th.\n\nBring it "
         "back when you have read it; there is no queue."),
    Told(146, "inbox", "SF", "Dr. Imogen Hale <hale@college.example>", "Visit of the class",
         "The bus will be with you at ten. Thirty-one students, all in closed shoes, as you "
         "asked.\n\nImogen Hale"),
    Told(170, "inbox", "S", YUKI, "Sample parcel arrived",
         "Dear Ann,\n\nthe parcel came this morning, dry and complete. The note in it made us "
         "smile.\n\nYuki"),
    Told(194, "inbox", "SR", TIM, "Which port was it?",
         "8000 or 8080? I have two of them open and both say hello.\n\nTim"),
    Told(218, "archive", "S", MIRA, "Quotation 2211",
         "Forty ring gears, hardened and ground: $31.20 each. The price holds until the end of "
         "the year.\n\nMira"),
    Told(260, "archive", "S", "Power & Light <bills@power.example>", "Your bill for October",
         "October: 8,214 kWh, $903.54. It will be taken from your account on the 3rd.\n\nYou used "
         "4 % less than a year ago. It was a warm October."),
    Told(310, "archive", "S", ROSA, "Photos of the open day",
         "The best twelve. The one with the dog in the packing bench is going on the wall."),
    Told(380, "archive", "SF", "Patent Desk <desk@patents.example>", "Receipt of application",
         "We have received your application \"Self-locking cotter pin\". It is in the queue, "
         "which is long."),
    Told(420, "archive", "S", TIM, "Cookies, the readable kind",
         "A cookie is a note that the browser carries for us. Ours has sixteen random bytes on it "
         "and\nnothing else; the note's meaning stays here.\n\nTim"),
    Told(1.1, "sent", "S", ANN, "Re: The ring gears are through the furnace",
         "Mira, keep the one that rings. I would like it on my desk.\n\nAnn", MIRA),
    Told(8, "sent", "S", ANN, "Re: Größe der Kettenblätter?",
         "Hallo Jonas,\n\n110 mm passt, aber nur mit den langen Bolzen (Teil 1, M6 × 40). Ich lege "
         "dir acht dazu.\n\nAnn\n\nAm Fr schrieb Jonas Weiß:\n> passen eure 36er Ringe auch auf "
         "eine alte Nabe mit 110 mm Lochkreis?", JONAS),
    Told(27, "sent", "S", ANN, "Re: Which port was it?", "8000. The other is the printer.", TIM),
    Told(60, "sent", "S", ANN, "Roof of hall B: yes",
         "Yes to all three, Walter. Please send the crane on a day without wind.\n\nAnn",
         "Walter Kim <walter@tornado.example>"),
    Told(240, "sent", "S", ANN, "Forty ring gears",
         "Mira, what would forty cost, hardened and ground, by the end of November?\n\nAnn", MIRA),
    Told(3, "drafts", "SD", ANN, "Guest lecture",
         "Dear Professor Hale,\n\nwith pleasure. I would bring three things: a shop, a browser and "
         "a wire between them that\nwe can look at. The students ", "hale@college.example"),
    Told(200, "bin", "S", "Toner Direct <offer@toner.example>", "Toner! Toner! Toner!",
         "Buy two, get a third one that fits a printer you do not have."),
    Told(330, "bin", "S", ROSA, "Never mind", "Found the keys. They were in the door.\n\nR."),
)  # fmt: skip

WEATHER: Final = ("wind, and then more of it", "frost in the low fields", "a dry week",
                  "thunder on Thursday", "fog until ten", "the last warm days")  # fmt: skip


def samples(newest: datetime = NEWEST) -> Iterator[Sample]:
    """Write Ann's letters, the oldest last in no folder's order. newest: when the last came."""
    for number, told in enumerate(TOLD):
        message = letter(newest - timedelta(hours=told.ago), told.sender, told.to, told.subject)
        message.set_content(wrapped(told.text))
        if number == 0:
            attach(message, "ring-gear-36.pdf", "application/pdf", drawing_pdf())
            attach(message, "first one.png", "image/png", picture(360, 240))
        yield Sample(told.folder, told.flags, message.as_bytes(policy=SMTP))
    for week, weather in enumerate(WEATHER):
        yield Sample("inbox" if week < 3 else "archive", "S" if week else "", newsletter(
            newest - timedelta(hours=12, days=7 * week), 47 - week, weather))  # fmt: skip
    for order in range(9):
        content = receipt(newest - timedelta(hours=33 + 41 * order), 2101 - 7 * order)
        yield Sample("inbox" if order < 4 else "archive", "S" if order != 1 else "", content)
    for flags, content in oddities(newest - timedelta(days=3), ANN):
        yield Sample("inbox", flags, content)


def letter(date: datetime, sender: str, to: str, subject: str) -> EmailMessage:
    """Begin a letter whose Message-ID follows from what stands in it."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"] = format_datetime(date)
    check = zlib.crc32(f"{date}{sender}{subject}".encode())
    message["Message-ID"] = f"<{check:08x}.{int(date.timestamp())}@{DOMAIN}>"
    return message


def wrapped(text: str) -> str:
    """Break the lines of paragraphs as mail programs do; what is quoted or set stays."""

    def one(paragraph: str) -> str:
        is_set = any(line.startswith((" ", ">")) or "  " in line for line in paragraph.split("\n"))
        return paragraph if is_set else fill(paragraph.replace("\n", " "), 64)

    return "\n\n".join(map(one, text.split("\n\n")))


def attach(message: EmailMessage, filename: str, content_type: str, content: bytes) -> None:
    maintype, _, subtype = content_type.partition("/")
    message.add_attachment(content, maintype=maintype, subtype=subtype, filename=filename)


def newsletter(date: datetime, number: int, weather: str) -> bytes:
    """A letter in HTML, with a picture that it brings and one that it would fetch."""
    message = letter(date, CLUB, ANN, f"The club's week {number}: {weather}")
    message.set_content(
        f"Week {number}: {weather}.\n\nSaturday   Smoky Hill loop, 64 km, 8:00\nSunday     To the "
        "lake and back, 38 km, 9:30\nTuesday    Intervals, for those who like them\n\nThe club"
    )
    rows = "".join(
        f'<tr><td style="padding:10px 14px;border-bottom:1px solid #d8e2dc"><b>{day}</b></td>'
        f'<td style="padding:10px 14px;border-bottom:1px solid #d8e2dc">{ride}</td>'
        f'<td style="padding:10px 14px;border-bottom:1px solid #d8e2dc;text-align:right">{far}</td>'
        "</tr>"
        for day, ride, far in (
            ("Saturday, 8:00", "Smoky Hill loop", "64 km"),
            ("Sunday, 9:30", "To the lake and back", "38 km"),
            ("Tuesday, 18:00", "Intervals, for those who like them", "1 hour"),
        )
    )
    message.add_alternative(
        '<html><body style="background-color:#eef4f0"><center><table width="560" cellspacing="0" '
        'style="background-color:#ffffff;border-radius:8px;max-width:560px;color:#1d3b2f">'
        '<tr><td colspan="3"><img src="cid:banner" alt="Salina Cycling Club" width="560" '
        f'height="120"></td></tr><tr><td colspan="3" style="padding:18px 14px"><h2>Week {number}: '
        f"{weather}</h2><p>Three rides this week. Lights after five, helmets always, and the slow "
        f'ones choose the café.</p></td></tr>{rows}<tr><td colspan="3" style="padding:18px 14px">'
        '<a href="https://cycling.example/rides" style="color:#0b6e4f">All rides</a></td></tr>'
        '</table></center><img src="https://cycling.example/seen.gif?who=ann" width="1" height="1">'
        "</body></html>",
        subtype="html",
    )
    _, page = message.iter_parts()
    if not isinstance(page, EmailMessage):  # it was made so a moment ago
        raise TypeError("a letter's page is a message")
    page.add_related(picture(560, 120), "image", "png", cid="<banner>")
    return message.as_bytes(policy=SMTP)


def receipt(date: datetime, number: int) -> bytes:
    """A letter with a table of numbers as an attachment."""
    subject = f"Order {number} has been packed"
    message = letter(date, f"Prairie Parts <orders@{DOMAIN}>", ANN, subject)
    lines = [(7, 1 + number % 3, 1250), (15, 4, 320), (22, 1 + number % 2, 2690)]
    total = sum(quantity * price for _, quantity, price in lines)
    message.set_content(
        f"Order {number} is packed and waits for the van: {len(lines)} lines, "
        f"${total / 100:.2f}.\n\nThe packing list is attached.\n"
    )
    listed = "part,quantity,price\n" + "".join(f"{a},{b},{c / 100:.2f}\n" for a, b, c in lines)
    attach(message, f"packing list {number}.csv", "text/csv", listed.encode())
    return message.as_bytes(policy=SMTP)


@cache
def picture(width: int, height: int) -> bytes:
    """Draw hills under a sky, as a PNG."""
    rows = []
    for y in range(height):
        row = bytearray(b"\0")
        for x in range(width):
            far = height * (0.52 - 0.10 * sin(x / 53) - 0.06 * sin(x / 21 + 1))
            near = height * (0.78 - 0.09 * sin(x / 71 + 2) - 0.03 * sin(x / 17))
            colour = (247, 211, 148) if y < far else (110, 160, 130) if y < near else (38, 92, 72)
            fade = y / height
            row += bytes(int(part * (1 - 0.18 * fade)) for part in colour)
        rows.append(bytes(row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(rows), 9)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, part) for kind, part in chunks)


def drawing_pdf() -> bytes:
    """Write a page with a ring on it, as a PDF."""
    ring = (
        b"1 w 300 500 m 360 500 l 360 440 l 300 440 l h S BT /F 14 Tf 300 410 Td (36 teeth) Tj ET"
    )
    font = b"<< /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources %s >>"
        % font,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(ring), ring),
    )
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(written)
    return written + b"xref\n0 5\n0000000000 65535 f \n" + table + trailer
