# Made by scripts/stubs.py from the table beside it.
from crlf.message.authority import parse_authority as parse_authority
from crlf.message.body import AsyncIterableBody as AsyncIterableBody
from crlf.message.body import Body as Body
from crlf.message.body import FileBody as FileBody
from crlf.message.body import IterableBody as IterableBody
from crlf.message.body import JoinedBody as JoinedBody
from crlf.message.dates import build_date as build_date
from crlf.message.dates import parse_cookie_date as parse_cookie_date
from crlf.message.dates import parse_date as parse_date
from crlf.message.fields.cookies import SetCookie as SetCookie
from crlf.message.fields.cookies import parse_cookies as parse_cookies
from crlf.message.fields.cookies import parse_set_cookie as parse_set_cookie
from crlf.message.fields.disposition import parse_disposition as parse_disposition
from crlf.message.fields.disposition import safe_name as safe_name
from crlf.message.fields.etags import ETag as ETag
from crlf.message.fields.etags import parse_etag as parse_etag
from crlf.message.fields.etags import parse_etag_list as parse_etag_list
from crlf.message.fields.media import MediaType as MediaType
from crlf.message.fields.media import media_type_of as media_type_of
from crlf.message.fields.media import parse_media_type as parse_media_type
from crlf.message.fields.negotiation import best_coding as best_coding
from crlf.message.fields.negotiation import best_language as best_language
from crlf.message.fields.negotiation import best_media_type as best_media_type
from crlf.message.formparts import AsyncFormPart as AsyncFormPart
from crlf.message.formparts import FormPart as FormPart
from crlf.message.headers import Headers as Headers
from crlf.message.params import Params as Params
from crlf.message.percent import percent_decode as percent_decode
from crlf.message.percent import percent_encode as percent_encode
from crlf.message.progress import UploadProgress as UploadProgress
from crlf.message.request import Request as Request
from crlf.message.response import Response as Response
from crlf.message.session import Session as Session
from crlf.message.status import Status as Status
from crlf.message.status import explain as explain
from crlf.message.status import reason_of as reason_of
from crlf.message.target import Target as Target
from crlf.message.target import parse_target as parse_target
from crlf.message.uploads import Files as Files
from crlf.message.uploads import Upload as Upload
from crlf.message.url import URL as URL
from crlf.message.url import Origin as Origin

__all__ = [
    "URL",
    "AsyncFormPart",
    "AsyncIterableBody",
    "Body",
    "ETag",
    "FileBody",
    "Files",
    "FormPart",
    "Headers",
    "IterableBody",
    "JoinedBody",
    "MediaType",
    "Origin",
    "Params",
    "Request",
    "Response",
    "Session",
    "SetCookie",
    "Status",
    "Target",
    "Upload",
    "UploadProgress",
    "best_coding",
    "best_language",
    "best_media_type",
    "build_date",
    "explain",
    "media_type_of",
    "parse_authority",
    "parse_cookie_date",
    "parse_cookies",
    "parse_date",
    "parse_disposition",
    "parse_etag",
    "parse_etag_list",
    "parse_media_type",
    "parse_set_cookie",
    "parse_target",
    "percent_decode",
    "percent_encode",
    "reason_of",
    "safe_name",
]
