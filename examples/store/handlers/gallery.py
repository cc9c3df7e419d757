"""The gallery: what members made of the parts. A photo comes as an upload."""

from __future__ import annotations

from crlf import Refused, Request, file, redirect
from crlf.message.uploads import Upload
from examples.store.data.members import Member
from examples.store.data.photos import MOST, NoPicture
from examples.store.data.projects import Project
from examples.store.shop import Words, app, member_of, page, photos, projects, typed


@app.get("/projects")
def gallery(request: Request) -> object:
    return showing_all(request, Words(), Words())


@app.post("/projects", body=MOST + 64 * 1024)  # and what is said of it
def add_project(request: Request) -> object:
    member, upload = member_of(request), request.files.get("photo")
    values = Words(caption=typed(request.form, "caption"))
    problems = Words()
    if not 0 < len(values["caption"]) <= 120:
        problems["caption"] = "A few words are needed, up to 120 characters."
    if not isinstance(upload, Upload):
        problems["photo"] = "No photo came along: choose a file first."
    elif not problems:
        try:
            return redirect(app.url("project", photo=keep(upload, values["caption"], member)))
        except NoPicture as fault:
            problems["photo"] = str(fault)
    return showing_all(request, values, problems, 400)


def keep(upload: Upload, caption: str, member: Member) -> str:
    """Keep a photo and what is said of it. Raises NoPicture."""
    photo = photos.keep(upload)
    name = upload.safe_name()
    made_by = Project(photo, caption, member.name, member.id, name, upload.size, upload.sha256)
    for old in projects.add(made_by):
        photos.drop(old)
    return photo


def showing_all(request: Request, values: Words, problems: Words, status_code: int = 200) -> object:
    return page(
        request, "projects.html", status_code, projects=projects.newest(), values=values,
        problems=problems,
    )  # fmt: skip


@app.get("/projects/{photo:slug}")
def project(request: Request, photo: str) -> object:
    found = projects.find(photo)
    if found is None:
        raise Refused(404, "There is no such project, or it had to make room for a newer one.")
    is_own = request.session.user == str(found.member)
    return page(request, "project.html", project=found, is_own=is_own)


@app.post("/projects/{photo:slug}/remove")
def remove_project(request: Request, photo: str) -> object:
    if not projects.remove(photo, member_of(request).id):
        raise Refused(404, "There is no such project of yours.")
    photos.drop(photo)
    request.session.flash("It is taken down.")
    return redirect(app.url("gallery"))


@app.get("/photo/{name:slug}")
def photo(request: Request, name: str) -> object:
    """A photo as it came: a download in a sandbox, which a page can show all the same."""
    path = photos.find(name)
    if path is None:
        raise Refused(404, "There is no such photo.")
    return file(path, download_name=f"project{path.suffix}")
