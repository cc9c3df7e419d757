# Made by scripts/stubs.py from the table beside it.
from crlf.client.aio import AsyncClient as AsyncClient
from crlf.client.blocking import Client as Client
from crlf.client.options import RequestOptions as RequestOptions
from crlf.client.streamed import AsyncStreamedResponse as AsyncStreamedResponse
from crlf.client.streamed import StreamedResponse as StreamedResponse

__all__ = [
    "AsyncClient",
    "AsyncStreamedResponse",
    "Client",
    "RequestOptions",
    "StreamedResponse",
]
