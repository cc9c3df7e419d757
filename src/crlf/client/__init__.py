"""Floor 5: the client's face, in both colours."""

from crlf.lazy import exporting

HOMES = {
    "crlf.client.aio": ("AsyncClient",),
    "crlf.client.blocking": ("Client",),
    "crlf.client.options": ("RequestOptions",),
    "crlf.client.streamed": ("AsyncStreamedResponse", "StreamedResponse"),
}

__all__, __getattr__, __dir__ = exporting(__name__, HOMES)
