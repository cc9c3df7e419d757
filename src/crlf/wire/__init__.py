"""Floor 2: bytes to parts and back. Pure objects; the clock is an argument."""

from crlf.lazy import exporting

HOMES = {
    "crlf.wire.engine": ("Engine",),
    "crlf.wire.explain": (
        "Explained", "Fault", "Message", "Span", "explain_bytes", "explain_request",
        "explain_response",
    ),
    "crlf.wire.forms": ("build_form", "parse_form"),
    "crlf.wire.h1.client": ("ClientEngine",),
    "crlf.wire.h1.server": ("ServerEngine",),
    "crlf.wire.limits": ("CLIENT_LIMITS", "Limits", "SERVER_LIMITS"),
    "crlf.wire.multipart": ("MultipartLimits", "MultipartParser"),
    "crlf.wire.parts": (
        "Closed", "Data", "End", "Part", "RequestHead", "ResponseHead", "Switched",
    ),
    "crlf.wire.signing": ("sign", "unsign"),
}  # fmt: skip

__all__, __getattr__, __dir__ = exporting(__name__, HOMES)
