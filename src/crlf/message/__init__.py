"""Floor 1: what HTTP says. Values and grammar; no state, no waiting, no I/O."""

from crlf.lazy import exporting

HOMES = {
    "crlf.message.authority": ("parse_authority",),
    "crlf.message.body": ("AsyncIterableBody", "Body", "FileBody", "IterableBody", "JoinedBody"),
    "crlf.message.dates": ("build_date", "parse_cookie_date", "parse_date"),
    "crlf.message.formparts": ("AsyncFormPart", "FormPart"),
    "crlf.message.headers": ("Headers",),
    "crlf.message.params": ("Params",),
    "crlf.message.percent": ("percent_decode", "percent_encode"),
    "crlf.message.progress": ("UploadProgress",),
    "crlf.message.request": ("Request",),
    "crlf.message.response": ("Response",),
    "crlf.message.session": ("Session",),
    "crlf.message.status": ("Status", "explain", "reason_of"),
    "crlf.message.target": ("Target", "parse_target"),
    "crlf.message.uploads": ("Files", "Upload"),
    "crlf.message.url": ("URL", "Origin"),
    "crlf.message.fields.cookies": ("SetCookie", "parse_cookies", "parse_set_cookie"),
    "crlf.message.fields.disposition": ("parse_disposition", "safe_name"),
    "crlf.message.fields.etags": ("ETag", "parse_etag", "parse_etag_list"),
    "crlf.message.fields.media": ("MediaType", "media_type_of", "parse_media_type"),
    "crlf.message.fields.negotiation": ("best_coding", "best_language", "best_media_type"),
}

__all__, __getattr__, __dir__ = exporting(__name__, HOMES)
