"""The web mail's pages: who sees what, what a letter is shown as, and what a form does."""

from __future__ import annotations

import io
import re

import pytest
from examples.webmail.letters import read_letter
from examples.webmail.mbox import read_mbox
from tests.examples.webmailbox import Reader, Readers, ann, readers, webmail

__all__ = ["ann", "readers", "webmail"]

PAGES = ("/", "/mail/inbox", "/mail/starred", "/mail/search?q=gear", "/compose", "/account",
         "/export/inbox")  # fmt: skip


# --- signing in and out --------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_sees_nothing_and_comes_back_after_signing_in(
    readers: Readers, path: str
) -> None:
    stranger = readers("")
    page = stranger.get(path)
    assert page.url.path == "/sign-in"
    assert "Ann" not in page.text
    wanted = re.search(r'name="next" value="([^"]*)"', page.text)
    assert wanted is not None
    form = {"name": "ann", "password": "prairie-wind", "next": wanted[1].replace("&amp;", "&")}
    assert stranger.post("/sign-in", form).url.target == (path if path != "/" else "/mail/inbox")


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "", "\t//x"]
)
def test_signing_in_leads_nowhere_else(readers: Readers, wanted: str) -> None:
    stranger = readers("")
    form = {"name": "ann", "password": "prairie-wind", "next": wanted}
    assert stranger.post("/sign-in", form).url.target == "/mail/inbox"


def test_a_wrong_name_and_a_wrong_password_are_told_the_same(readers: Readers) -> None:
    stranger = readers("")
    pages = [stranger.sign_in("rosa", "wrong"), stranger.sign_in("nobody-here", "wrong")]
    assert [page.status_code for page in pages] == [400, 400]
    problems = [re.findall('role="alert">(.*?)<', page.text) for page in pages]
    assert problems[0] == problems[1] == ["This name and this password do not belong together."]
    assert "wrong" not in pages[0].text.replace("prairie", "")


def test_an_id_from_before_signing_in_is_nobodys(readers: Readers) -> None:
    stranger = readers("")
    stranger.get("/sign-in")
    before = stranger.client.cookies.get("session")
    stranger.sign_in("tim")
    after = stranger.client.cookies.get("session")
    assert before
    assert after
    assert before != after


def test_signing_out_ends_the_session_and_says_so(readers: Readers) -> None:
    tim = readers("tim")
    cookie = tim.client.cookies.get("session")
    page = tim.post("/sign-out")
    assert (page.url.path, tim.flash()) == ("/sign-in", "You are signed out.")
    old = tim.client.get("http://localhost/mail/inbox", headers={"cookie": f"session={cookie}"})
    assert old.url.path == "/sign-in"


def test_signing_out_everywhere_ends_the_other_sessions_too(readers: Readers) -> None:
    here, there, other = readers("rosa"), readers("rosa"), readers("tim")
    here.post("/sign-out-everywhere")
    assert there.get("/mail/inbox").url.path == "/sign-in"
    assert other.get("/mail/inbox").url.path == "/mail/inbox"


def test_what_a_page_of_another_site_sends_is_refused(ann: Reader) -> None:
    fields = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    for path in ("/sign-out", "/compose", "/mail/inbox", "/bin/empty", "/import", "/sign-in"):
        page = ann.post(path, {"to": "tim@prairie.example"}, headers=fields)
        assert page.status_code == 403, path
        assert "default-src 'none'" in page.headers["content-security-policy"]
    assert ann.get("/mail/inbox").status_code == 200


def test_a_token_that_is_wrong_is_refused(ann: Reader) -> None:
    for token in ("A" * 48, "", "x"):
        page = ann.post("/compose", {"csrf_token": token, "to": "tim@prairie.example"})
        assert page.status_code == 403
    page = ann.client.post("http://localhost/compose", data={"to": "tim@prairie.example"})
    assert page.status_code == 403


# --- looking -------------------------------------------------------------------------------------


def test_everything_says_what_a_browser_may_do_with_it(ann: Reader) -> None:
    id = ann.id_of("The ring gears")
    paths = ["/mail/inbox", f"/mail/inbox/{id}", f"/letter/{id}/original", "/nowhere", "/compose",
             f"/letter/{id}/file/1", "/export/inbox", "/static/webmail.css"]  # fmt: skip
    for path in paths:
        page = ann.get(path)
        policy = page.headers["content-security-policy"]
        assert "script-src" not in policy
        assert "default-src 'none'" in policy or policy == "sandbox", path
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        is_kept = path.startswith("/static") or page.headers["cache-control"] != "no-store"
        assert is_kept is (path in (f"/letter/{id}/file/1", "/export/inbox", paths[-1])), path


def test_every_letter_of_the_sample_mailbox_has_a_page(ann: Reader) -> None:
    for folder in ("inbox", "sent", "archive", "bin"):
        ids = [id for number in (1, 2) for id in ann.ids(f"/mail/{folder}?page={number}")]
        for id in dict.fromkeys(ids):
            page = ann.get(f"/mail/{folder}/{id}")
            assert page.status_code == 200
            assert "<script" not in page.text
            assert ann.get(f"/letter/{id}/headers").status_code == 200
            assert ann.get(f"/letter/{id}/original").headers["content-type"].startswith("text/pl")


def test_reading_a_letter_makes_it_read_and_asking_for_its_head_does_not(ann: Reader) -> None:
    id = ann.id_of("bearing at 61")
    unread = f'<li id="row-{id}" class="row unread'
    ann.post("/mail/inbox", {"letter": id, "do": "unread"})
    ann.client.head(f"http://localhost/mail/inbox/{id}")
    assert unread in ann.get("/mail/inbox").text
    ann.get(f"/mail/inbox/{id}")
    assert unread not in ann.get("/mail/inbox").text
    ann.post("/mail/inbox", {"letter": id, "do": "unread"})
    assert unread in ann.get("/mail/inbox").text


def test_nobody_reads_letters_of_others(ann: Reader, readers: Readers) -> None:
    id = ann.id_of("The ring gears")
    tim = readers("tim")
    for path in (f"/mail/inbox/{id}", f"/letter/{id}/original", f"/letter/{id}/headers",
                 f"/letter/{id}/file/1", f"/letter/{id}/formatted", f"/compose?reply={id}",
                 f"/compose?forward={id}", f"/compose?draft={id}"):  # fmt: skip
        assert tim.get(path).status_code == 404, path
    tim.post("/mail/inbox", {"letter": id, "do": "delete"})
    form = {"do": "save", "source": id, "keep": "1", "to": "x"}
    assert tim.post("/compose", form).status_code == 404
    tim.post("/compose", {"do": "discard", "draft": id})
    assert ann.get(f"/mail/inbox/{id}").status_code == 200


def test_a_formatted_letter_is_framed_in_a_sandbox(ann: Reader) -> None:
    id = ann.id_of("The club&#39;s week 47")
    page = ann.get(f"/mail/inbox/{id}")
    frame = re.search(r"<iframe [^>]*>", page.text)
    assert frame is not None
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame[0]
    assert "A picture was not loaded" in page.text
    inner = ann.get(f"/letter/{id}/formatted")
    policy = inner.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "img-src data:" in policy
    assert "default-src 'none'" in policy
    assert "cycling.example/seen" not in inner.text
    assert "<iframe" not in ann.get(f"/mail/inbox/{id}?show=text").text


def test_a_letter_with_scripts_is_a_letter_without_scripts(ann: Reader) -> None:
    id = ann.id_of("Important notice about your account")
    inner = ann.get(f"/letter/{id}/formatted").text
    assert "Dear customer" in inner
    assert "owned" not in inner
    assert "evil.example" not in inner
    assert "<script" not in ann.get(f"/mail/inbox/{id}").text


def test_ten_thousand_recipients_do_not_fill_the_page(ann: Reader) -> None:
    id = ann.id_of("ten thousand of my closest")
    assert len(ann.get(f"/mail/inbox/{id}").content) < 60_000
    assert len(ann.get(f"/compose?reply={id}&all=yes").content) < 80_000


@pytest.mark.parametrize(
    ("path", "status"),
    [("/mail/nowhere", 404), ("/mail/inbox/0000000000000000", 404), ("/mail/inbox?page=x", 400),
     ("/mail/inbox?page=9999999999999999", 200), ("/mail/inbox/..%2f..%2fetc", 404),
     ("/letter/x/file/1", 404), ("/export/starred", 404), ("/export/..", 404),
     ("/mail/search?q=%00%ff%22", 200), ("/compose?reply=zzz", 404)],
)  # fmt: skip
def test_an_address_that_is_wrong_is_told_so(ann: Reader, path: str, status: int) -> None:
    assert ann.get(path).status_code == status


# --- attachments ---------------------------------------------------------------------------------


@pytest.mark.rfc("6266", "4.3")
def test_an_attachment_is_saved_and_never_shown(ann: Reader) -> None:
    id = ann.id_of("Five files with names")
    page = ann.get(f"/mail/inbox/{id}")
    numbers = re.findall(rf'href="/letter/{id}/file/([0-9]+)"', page.text)
    names = []
    for number in numbers:
        file = ann.get(f"/letter/{id}/file/{number}")
        assert file.status_code == 200
        assert file.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in file.headers["content-security-policy"]
        assert file.headers["x-content-type-options"] == "nosniff"
        names.append(file.headers["content-disposition"])
    assert len(names) == 5
    assert not any(".." in name or "/" in name or "\u202e" in name for name in names)
    assert not any('="CON"' in name for name in names)


@pytest.mark.rfc("9110", "14.2")
def test_a_download_goes_on_where_it_broke_off(ann: Reader) -> None:
    id = ann.id_of("The ring gears")
    whole = ann.get(f"/letter/{id}/file/2")
    assert whole.content.startswith(b"\x89PNG")
    fields = {"range": "bytes=100-", "if-range": whole.headers["etag"]}
    rest = ann.get(f"/letter/{id}/file/2", headers=fields)
    assert rest.status_code == 206
    assert rest.content == whole.content[100:]


# --- writing -------------------------------------------------------------------------------------


def test_a_letter_arrives_with_what_was_attached(readers: Readers) -> None:
    ann, tim = readers("ann"), readers("tim")
    form = {
        "to": "Tim <tim@prairie.example>",
        "cc": "",
        "subject": "Grüße & <b>",
        "text": "Hä?\r\n",
    }
    files = [("files", ("../größe \"1\".txt", b"one", "text/plain")),
             ("files", ("two.bin", bytes(range(256)) * 40, "application/x-thing"))]  # fmt: skip
    page = ann.post("/compose", form, files=files)
    assert (page.url.path, ann.flash()) == ("/mail/inbox", "Sent.")
    assert [response.status_code for response in page.history] == [303]
    id = tim.id_of("Grüße &amp; &lt;b&gt;")
    shown = tim.get(f"/mail/inbox/{id}").text
    assert "Hä?" in shown
    assert "größe _1_.txt" in shown
    numbers = re.findall(rf"/letter/{id}/file/([0-9]+)", shown)
    contents = {tim.get(f"/letter/{id}/file/{number}").content for number in numbers}
    assert contents == {b"one", bytes(range(256)) * 40}
    assert ann.id_of("Grüße &amp; &lt;b&gt;", "sent")


def test_a_letter_for_elsewhere_is_kept_and_said_so(ann: Reader) -> None:
    form = {"to": "mira@gearworks.example, tim@prairie.example", "subject": "two ways", "text": "x"}
    ann.post("/compose", form)
    assert "mira@gearworks.example will not get it" in ann.flash()
    assert ann.id_of("two ways", "sent")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": ""}, "to"),
        ({"to": "nobody"}, "to"),
        ({"to": "a@b, c d@e"}, "to"),
        ({"to": "a@b.example\r\nBcc: everybody@crowd.example"}, "to"),
        ({"to": "a@b.example\nBcc: x@y.example"}, "to"),
        ({"cc": "x@y.example\u2028Bcc: z@y.example"}, "cc"),
        ({"subject": "hello\r\nBcc: everybody@crowd.example"}, "subject"),
        ({"subject": "hello\rX-Spam: no"}, "subject"),
        ({"subject": "=?utf-8?q?hello=0D=0ABcc:_x=40y.example?="}, "subject"),
        ({"to": "=?utf-8?q?a=0D=0ABcc:_x=40y?= <a@b.example>"}, "to"),
        ({"subject": "x" * 600}, "subject"),
        ({"text": "x" * 200_001}, "text"),
        ({"to": ", ".join(f"a{n}@b.example" for n in range(60))}, "to"),
        ({"to": "(" * 5000}, "to"),
        ({"to": "<@@>"}, "to"),
        ({"cc": "tim@prairie.example <"}, None),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_sent(
    ann: Reader, readers: Readers, change: dict[str, str], field: str | None
) -> None:
    form = {"to": "rosa@prairie.example", "cc": "", "subject": "never", "text": "x"} | change
    page = ann.post("/compose", form)
    assert page.status_code in (400, 200)
    if field is not None:
        assert page.status_code == 400
        assert f'id="{field}-problem"' in page.text
    if page.status_code == 400:
        rosa = readers("rosa").get("/mail/inbox").text
        assert "never" not in rosa
        draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text)
        assert draft is not None
        original = ann.get(f"/letter/{draft[1]}/original").text
        assert "\nBcc:" not in original
        assert "\nX-Spam" not in original


def test_a_text_cannot_end_its_part(ann: Reader, readers: Readers) -> None:
    text = "\r\n\r\n.\r\nBcc: everybody@crowd.example\r\n\r\n--===\r\nContent-Type: text/html"
    form = {"to": "rosa@prairie.example", "subject": "ends", "text": text}
    files = {"files": ("a.txt", b"--===\r\nContent-Type: text/html\r\n\r\nx", "text/plain")}
    assert ann.post("/compose", form, files=files).status_code == 200
    rosa = readers("rosa")
    letter = read_letter(rosa.get(f"/letter/{rosa.id_of('ends')}/original").content)
    assert letter.html == ""
    assert letter.text.strip() == text.strip().replace("\r\n", "\n")
    assert [each.content for each in letter.attachments] == [files["files"][1]]


def test_what_was_refused_comes_back_as_it_was_typed(ann: Reader) -> None:
    typed = "=?utf-8?q?x?= 50 % \u00fc\nBcc: a@b.example"
    page = ann.post("/compose", {"to": "x", "subject": typed, "text": "x"})
    draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text)
    assert draft is not None
    again = ann.get(f"/compose?draft={draft[1]}").text
    assert f'name="subject" value="{typed}"'.replace("\n", " ") in again  # an input has one line
    ann.post("/compose", {"do": "discard", "draft": draft[1]})


def test_an_answer_is_addressed_quoted_and_threaded(ann: Reader) -> None:
    id = ann.id_of("Guest lecture: a protocol")
    page = ann.get(f"/compose?reply={id}").text
    assert 'value="Dr. Imogen Hale &lt;hale@college.example&gt;"' in page
    assert 'value="Re: Guest lecture: a protocol that keeps no state"' in page
    assert "&gt; our course on data communications" in page
    form = {"to": "tim@prairie.example", "subject": "Re: Quite", "text": "Yes.", "reply": id}
    ann.post("/compose", form)
    sent = ann.get(f"/letter/{ann.id_of('Re: Quite', 'sent')}/original").text
    asked = ann.get(f"/letter/{id}/original").text
    message_id = re.search(r"Message-ID: (<.*?>)", asked)
    assert message_id is not None
    assert f"In-Reply-To: {message_id[1]}" in sent
    assert "Answered: " in ann.get("/mail/inbox").text


def test_a_forwarded_letter_takes_along_what_is_ticked(ann: Reader, readers: Readers) -> None:
    id = ann.id_of("The ring gears")
    page = ann.get(f"/compose?forward={id}").text
    assert page.count('name="keep"') == 2
    assert "Fwd: The ring gears" in page
    form = {"to": "rosa@prairie.example", "subject": "Fwd: rings", "text": "See.", "forward": id,
            "source": id, "keep": "2"}  # fmt: skip
    ann.post("/compose", form)
    rosa = readers("rosa")
    arrived = rosa.get(f"/mail/inbox/{rosa.id_of('Fwd: rings')}").text
    assert "first one.png" in arrived
    assert "ring-gear-36.pdf" not in arrived


def test_a_draft_waits_with_its_files_and_is_gone_when_sent(ann: Reader, readers: Readers) -> None:
    before = len(ann.ids("/mail/drafts"))
    form = {"do": "save", "to": "half an addr", "cc": "", "subject": "Later", "text": "Begun"}
    page = ann.post("/compose", form, files={"files": ("a.txt", b"aaa", "text/plain")})
    assert ann.flash() == "The draft is kept."
    draft = page.url.target.partition("draft=")[2]
    assert 'value="half an addr"' in page.text
    assert "a.txt" in page.text
    assert len(ann.ids("/mail/drafts")) == before + 1
    again = form | {"draft": draft, "source": draft, "keep": "1", "text": "Begun again"}
    page = ann.post("/compose", again)
    draft = page.url.target.partition("draft=")[2]
    assert len(ann.ids("/mail/drafts")) == before + 1
    send = again | {"do": "send", "draft": draft, "source": draft, "to": "tim@prairie.example"}
    ann.post("/compose", send)
    assert len(ann.ids("/mail/drafts")) == before
    tim = readers("tim")
    assert "a.txt" in tim.get(f"/mail/inbox/{tim.id_of('Later')}").text


def test_what_was_attached_survives_a_form_that_is_refused(ann: Reader) -> None:
    form = {"to": "not an address", "subject": "kept", "text": "x"}
    page = ann.post("/compose", form, files={"files": ("kept.bin", b"123456", "a/b")})
    assert page.status_code == 400
    assert "kept.bin" in page.text
    draft = re.search(r'name="draft" value="([0-9a-f]+)"', page.text)
    assert draft is not None
    assert 'name="keep" value="1" checked' in page.text
    ann.post("/compose", {"do": "discard", "draft": draft[1]})
    assert ann.get(f"/compose?draft={draft[1]}").status_code == 404


def test_too_much_is_refused_before_it_is_read(ann: Reader) -> None:
    page = ann.post("/compose", {"to": "x"}, files={"files": ("big", bytes(26_000_000))})
    assert page.status_code == 413
    assert "<h1>That is too much</h1>" in page.text
    assert "what you wrote is still there" in page.text
    assert ann.get("/mail/inbox").status_code == 200
    page = ann.post("/compose", {"to": "x"}, files={"files": ("big", bytes(21_000_000))})
    assert page.status_code == 400
    assert "At most 20 MB in all" in page.text


def test_trouble_of_any_kind_is_a_page_of_the_web_mail(
    ann: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts(_: object) -> None:
        raise ValueError("secret")

    answer = ann.client.put("http://localhost/account", content=b"")
    assert (answer.status_code, "<h1>Not that way</h1>" in answer.text) == (405, True)
    monkeypatch.setattr("examples.webmail.mailboxes.Mailbox.counts", counts)
    page = ann.get("/mail/inbox")
    assert (page.status_code, "<h1>Something broke</h1>" in page.text) == (500, True)
    assert "secret" not in page.text


def test_who_sends_a_form_after_the_session_ended_is_told_so(ann: Reader) -> None:
    form = {"csrf_token": ann.token(), "to": "tim@prairie.example"}
    ann.client.cookies.clear()
    page = ann.client.post(
        "http://localhost/compose", data=form, headers={"sec-fetch-site": "same-origin"}
    )
    assert (page.status_code, "<h1>You are signed out</h1>" in page.text) == (403, True)


# --- letters by the dozen ------------------------------------------------------------------------


def test_ticked_letters_are_moved_and_come_back(ann: Reader) -> None:
    ids = ann.ids("/mail/archive")[:3]
    form = {"letter": ids, "do": "bin"}
    ann.post("/mail/archive", form)
    assert ann.flash() == "Moved to the bin: 3."
    assert set(ids) <= set(ann.ids("/mail/bin"))
    ann.post("/mail/bin", {"letter": ids, "do": "inbox"})
    ann.post("/mail/inbox", {"letter": ids, "do": "archive"})
    assert set(ids) <= set(ann.ids("/mail/archive"))


@pytest.mark.parametrize(
    ("form", "status"),
    [({}, 400), ({"do": "nothing", "letter": "x"}, 400), ({"do": "bin"}, 200),
     ({"do": "bin", "letter": "../../x"}, 200)],
)  # fmt: skip
def test_a_form_without_sense_does_nothing(ann: Reader, form: dict[str, str], status: int) -> None:
    before = ann.ids()
    assert ann.post("/mail/inbox", form).status_code == status
    assert ann.ids() == before


def test_an_mbox_goes_out_and_comes_in(readers: Readers) -> None:
    ann, tim = readers("ann"), readers("tim")
    out = ann.get("/export/sent")
    assert out.headers["content-disposition"] == 'attachment; filename="sent.mbox"'
    letters = list(read_mbox(io.BytesIO(out.content)))
    assert len(letters) >= 5
    tim.post("/import", files={"mbox": ("sent.mbox", out.content)})
    assert tim.flash() == f"Letters that are in the archive now: {len(letters)}."
    assert len(tim.ids("/mail/archive")) == len(letters)
    page = tim.post("/import", files={"mbox": ("x.mbox", b"no mbox")})
    assert page.status_code == 400
    assert "An mbox begins with" in page.text


def test_the_bin_is_emptied(readers: Readers) -> None:
    rosa = readers("rosa")
    rosa.post("/import", files={"mbox": ("a", b"From x\nSubject: bye\n\nx\n")})
    (id,) = rosa.ids("/mail/archive")
    rosa.post("/mail/archive", {"letter": id, "do": "bin"})
    rosa.post("/bin/empty")
    assert rosa.flash() == "The bin is empty: 1 deleted for ever."
    assert rosa.ids("/mail/bin") == []


def test_a_visit_is_many_requests(ann: Reader) -> None:
    def requests() -> int:
        found = re.search(r"<b>([0-9]+)</b> requests", ann.get("/account").text)
        assert found is not None
        return int(found[1])

    first = requests()
    ann.get("/mail/inbox")
    assert requests() == first + 2
