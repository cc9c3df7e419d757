"""The part of a folder's page that takes files: a form, and a script that makes it pleasant.

Without the script it is a form like any other. With it, files may be dropped anywhere on the
page, each shows how far it is, and one that fails says why beside the others. Its law: all that
is shown of a file or an answer is text, never HTML.
"""

from __future__ import annotations

from typing import Final

from crlf.server.files.listingpage import Panel
from crlf.server.kinds import NO_LIMIT

SIGN_IN: Final = "sign-in"  # the query of a folder's URL that asks for credentials
_DIRECTIVES: Final = "connect-src 'self'; form-action 'self'; frame-ancestors 'none'"

_STYLE: Final = """\
.upload { border: 2px dashed var(--line); border-radius: .6rem; margin: 0 0 1rem; padding: 1rem; }
.upload.over { background: var(--tint); border-color: var(--link); }
.upload h2 { font-size: 1rem; margin: 0 0 .5rem; }
.upload p { color: var(--soft); font-size: .9rem; margin: .5rem 0 0; }
.upload p:only-child { margin: 0; }
.upload form { align-items: center; display: flex; flex-wrap: wrap; gap: .75rem; }
.upload input { color: inherit; font: inherit; max-width: 100%; min-height: 2.75rem;
  padding: .4rem 0; }
.upload ::file-selector-button { background: var(--tint); border: 1px solid var(--line);
  border-radius: .4rem; color: inherit; cursor: pointer; font: inherit; margin-right: .75rem;
  min-height: 2.25rem; padding: .3rem .9rem; }
.upload button { background: var(--link); border: 0; border-radius: .4rem; color: var(--paper);
  cursor: pointer; font: inherit; font-weight: 600; min-height: 2.75rem; padding: .4rem 1.2rem; }
.upload ul { list-style: none; margin: 0; padding: 0; }
.upload li { display: grid; gap: 0 .75rem; grid-template-columns: 1fr auto; padding: .6rem 0 0; }
.upload li bdi { overflow-wrap: anywhere; }
.upload progress { accent-color: var(--link); grid-column: 1 / -1; width: 100%; }
@media (hover: none) { .upload .drop { display: none; } }
.upload .done { color: var(--good); font-weight: 600; }
.upload .failed { color: var(--bad); grid-column: 1 / -1; }
"""

_SCRIPT: Final = """
"use strict";
const box = document.querySelector(".upload"), form = box.querySelector("form");
const input = form.elements.file, list = box.querySelector("ul");
const limit = Number(box.dataset.limit), queue = [], saved = [];
let busy = false, failed = false;
box.querySelector(".drop").hidden = false;

const element = (name, text, kind) => {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
};

const add = files => {
  for (const file of files) {
    const item = element("li", ""), bar = element("progress", ""), state = element("span", "waits");
    const name = element("bdi", file.name);
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    item.append(name, state, bar);
    list.append(item);
    queue.push({ file, bar, state });
  }
  if (!busy) next();
};

const fail = (row, reason) => {
  failed = true;
  row.bar.remove();
  row.state.className = "failed";
  row.state.textContent = reason;
  next();
};

const reason = request => {
  try {
    return JSON.parse(request.responseText).detail; // RFC 9457
  } catch {
    return `The server answered ${request.status}.`;
  }
};

const next = () => {
  const row = queue.shift();
  busy = Boolean(row);
  if (!row) return failed ? undefined : finish();
  if (row.file.size > limit) return fail(row, "Larger than may be sent.");
  const request = new XMLHttpRequest(), content = new FormData();
  content.append("file", row.file);
  request.upload.onprogress = event => {
    if (!event.lengthComputable) return;
    row.bar.value = event.loaded / event.total;
    row.state.textContent = `${Math.floor(100 * event.loaded / event.total)} %`;
  };
  request.onload = () => {
    if (request.status !== 201) return fail(row, reason(request));
    const names = JSON.parse(request.responseText).saved.map(file => file.name);
    saved.push(...names);
    row.bar.value = 1;
    row.state.className = "done";
    row.state.textContent = names[0] === row.file.name ? "done" : `done: ${names[0]}`;
    next();
  };
  request.onerror = () => fail(row, "The connection broke, or the file cannot be read.");
  request.open("POST", "./");
  request.setRequestHeader("Accept", "application/json, text/plain;q=0.5");
  request.send(content);
};

const finish = () => {
  const marks = new URLSearchParams(saved.slice(0, 20).map(name => ["new", name]));
  location.assign(`./?${marks}`);
};

form.addEventListener("submit", event => {
  event.preventDefault();
  add(input.files);
  form.reset();
});
const isFiles = event => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
addEventListener("dragover", event => {
  if (!isFiles(event)) return;
  event.preventDefault();
  box.classList.add("over");
});
addEventListener("dragleave", event => {
  if (!event.relatedTarget) box.classList.remove("over");
});
addEventListener("drop", event => {
  if (!isFiles(event)) return;
  event.preventDefault();
  box.classList.remove("over");
  add(event.dataTransfer.files);
});
addEventListener("beforeunload", event => {
  if (busy) event.preventDefault();
});
"""


def upload_panel(limit: int) -> Panel:
    """Build what takes files of up to so many bytes in all."""
    html = (
        f'<section class="upload" data-limit="{limit}" aria-labelledby="upload">\n'
        '<h2 id="upload">Add files</h2>\n'
        '<form method="post" action="./" enctype="multipart/form-data">\n'
        '<input type="file" name="file" multiple required aria-labelledby="upload">\n'
        '<button type="submit">Upload</button>\n</form>\n'
        f"<p>{_up_to(limit)} A name that is taken gets a number."
        '<span class="drop" hidden> Or drop files anywhere on this page.</span></p>\n'
        '<ul aria-live="polite"></ul>\n</section>\n'
    )
    return Panel(html, _STYLE, _SCRIPT, _DIRECTIVES)


def _up_to(limit: int) -> str:
    """Say a limit in the units that limits are written in."""
    if limit >= NO_LIMIT:
        return ""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if limit % 2**power == 0:
            return f"Up to {limit // 2**power:,} {unit} at once."
    return f"Up to {limit:,} bytes at once."


SIGN_IN_PANEL: Final = Panel(
    '<section class="upload">\n'
    f'<p><a href="./?{SIGN_IN}">Sign in</a> to add files.</p>\n</section>\n',
    _STYLE,
    "",
    "form-action 'none'; frame-ancestors 'none'",
)
