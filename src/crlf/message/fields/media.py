"""Media types: the Content-Type field, and the type of a file by its name.

A Content-Type that does not fit the grammar is no media type at all: guessing what was
meant, or sniffing the bytes, is how an upload becomes a script. The table of file types is
pinned here, because the ones of operating systems differ and change under a running server.
"""

from __future__ import annotations

from typing import Final

from crlf.message.errors import Malformed
from crlf.message.grammar import BLANK, QUOTED, TOKEN, build_quoted, is_token, unquote
from crlf.patterns import pattern
from crlf.values import frozen

OCTETS: Final = "application/octet-stream"  # RFC 9110 8.3: what a body of unknown type is
_PARAMETER = pattern(rf"({TOKEN.pattern})=({TOKEN.pattern}|{QUOTED.pattern})")
_GAP = pattern(r"[ \t]*;[ \t]*")


@frozen
class MediaType:
    """A media type with its parameters, whose names are in lower case (RFC 9110 8.3.1)."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def essence(self) -> str:
        """The type without its parameters, as in "text/html"."""
        return f"{self.type}/{self.subtype}"

    @property
    def charset(self) -> str | None:
        """The charset parameter in lower case, or None."""
        value = self.parameter("charset")
        return None if value is None else value.lower()

    def parameter(self, name: str) -> str | None:
        """The value of a parameter, unquoted, or None; name in lower case."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None

    def build(self) -> str:
        """Write the type as a field value. Raises Malformed when it does not fit the grammar."""
        if not (is_token(self.type) and is_token(self.subtype)):
            raise Malformed("type and subtype have to be tokens", "RFC 9110 8.3.1")
        text = self.essence
        for name, value in self.parameters:
            if not is_token(name):
                raise Malformed("a parameter's name has to be a token", "RFC 9110 5.6.6")
            text += f"; {name}={value if is_token(value) else build_quoted(value)}"
        return text


def parse_media_type(text: str) -> MediaType | None:
    """Read a Content-Type value; None when it is broken (RFC 9110 8.3.1).

    A parameter given twice with two values is broken: a filter in front may read the other.
    """
    text = text.strip(BLANK)
    main, slash, rest = text.partition("/")
    subtype = TOKEN.match(rest)
    if not slash or subtype is None or not is_token(main):
        return None
    parameters = parse_parameters(rest, subtype.end())
    if parameters is None:
        return None
    return MediaType(main.lower(), subtype[0].lower(), tuple(parameters.items()))


def parse_parameters(text: str, at: int) -> dict[str, str] | None:
    """Read `*( OWS ";" OWS [ parameter ] )` from `at` to the end (RFC 9110 5.6.6).

    Names come in lower case, values unquoted. None when the text is broken, or names one
    parameter twice with different values.
    """
    parameters: dict[str, str] = {}
    while at < len(text):
        gap = _GAP.match(text, at)
        if gap is None:
            return None
        at = gap.end()
        found = _PARAMETER.match(text, at)
        if found is None:
            if at < len(text) and text[at] != ";":
                return None
            continue  # an empty parameter: two semicolons, or one at the end
        name, value = found[1].lower(), found[2]
        value = unquote(value) if value[0] == '"' else value
        if parameters.setdefault(name, value) != value:
            return None
        at = found.end()
    return parameters


def media_type_of(filename: str) -> str:
    """Name the media type of a file by its suffix; text comes with charset=utf-8.

    Only the last suffix counts, and what is unknown is application/octet-stream: a file must
    never turn into a page because its type was guessed.
    """
    stem, dot, suffix = filename.rpartition(".")
    if not dot or not suffix.isascii() or stem[-1:] in ("", "/", "\\"):
        return OCTETS
    found = TYPES.get(suffix.lower(), OCTETS)
    return f"{found}; charset=utf-8" if found.startswith("text/") else found


# Suffix -> media type, from the IANA registry where it has one (x- and vendor names are what
# browsers send and take). Pinned: a change here is a change of behaviour, and is noted as one.
TYPES: Final[dict[str, str]] = {
    # pages and what they are made of
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "application/xhtml+xml",
    "xht": "application/xhtml+xml",
    "css": "text/css",
    "js": "text/javascript",  # RFC 9239
    "mjs": "text/javascript",
    "cjs": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "jsonld": "application/ld+json",
    "geojson": "application/geo+json",
    "ndjson": "application/x-ndjson",
    "jsonl": "application/jsonl",
    "webmanifest": "application/manifest+json",
    "wasm": "application/wasm",
    "xml": "application/xml",
    "xsl": "application/xslt+xml",
    "xslt": "application/xslt+xml",
    "dtd": "application/xml-dtd",
    "rss": "application/rss+xml",
    "atom": "application/atom+xml",
    "kml": "application/vnd.google-earth.kml+xml",
    "kmz": "application/vnd.google-earth.kmz",
    "gpx": "application/gpx+xml",
    "yaml": "application/yaml",  # RFC 9512
    "yml": "application/yaml",
    "toml": "application/toml",
    "sql": "application/sql",
    # text
    "txt": "text/plain",
    "text": "text/plain",
    "log": "text/plain",
    "asc": "text/plain",
    "cfg": "text/plain",
    "conf": "text/plain",
    "ini": "text/plain",
    "c": "text/plain",
    "h": "text/plain",
    "cpp": "text/plain",
    "rs": "text/plain",
    "go": "text/plain",
    "java": "text/plain",
    "py": "text/x-python",
    "diff": "text/x-diff",
    "patch": "text/x-diff",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "rst": "text/x-rst",
    "tex": "text/x-tex",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "ics": "text/calendar",
    "vcf": "text/vcard",
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
    "eml": "message/rfc822",
    # pictures
    "png": "image/png",
    "apng": "image/apng",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "jfif": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jxl": "image/jxl",
    "svg": "image/svg+xml",
    "ico": "image/vnd.microsoft.icon",
    "cur": "image/vnd.microsoft.icon",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "psd": "image/vnd.adobe.photoshop",
    # sound and film
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "m4b": "audio/mp4",
    "aac": "audio/aac",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "weba": "audio/webm",
    "mid": "audio/midi",
    "midi": "audio/midi",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "webm": "video/webm",
    "ogv": "video/ogg",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "mov": "video/quicktime",
    "3gp": "video/3gpp",
    "avi": "video/x-msvideo",
    "mkv": "video/matroska",  # RFC 9559
    "ts": "video/mp2t",
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    # fonts and models
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "ttc": "font/collection",
    "eot": "application/vnd.ms-fontobject",
    "gltf": "model/gltf+json",
    "glb": "model/gltf-binary",
    "stl": "model/stl",
    "obj": "model/obj",
    # documents
    "pdf": "application/pdf",
    "ps": "application/postscript",
    "rtf": "application/rtf",
    "epub": "application/epub+zip",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.ms-powerpoint",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    # archives and programs
    "zip": "application/zip",
    "gz": "application/gzip",
    "tgz": "application/gzip",
    "bz2": "application/x-bzip2",
    "xz": "application/x-xz",
    "zst": "application/zstd",
    "br": OCTETS,  # RFC 7932 registers a coding and no type
    "lz": "application/lzip",
    "cab": "application/vnd.ms-cab-compressed",
    "7z": "application/x-7z-compressed",
    "rar": "application/vnd.rar",
    "tar": "application/x-tar",
    "jar": "application/java-archive",
    "apk": "application/vnd.android.package-archive",
    "deb": "application/vnd.debian.binary-package",
    "whl": "application/zip",
    "sh": "application/x-sh",
    "exe": "application/vnd.microsoft.portable-executable",
    "dll": "application/vnd.microsoft.portable-executable",
    "msi": "application/x-msi",
    "sqlite": "application/vnd.sqlite3",
    "bin": OCTETS,
    "iso": OCTETS,
    "dmg": OCTETS,
}
