"""Field names: what each is for in one sentence, and the section that defines it.

The fields of IANA's registry that people meet, and those that nobody registered and everybody
sends, as one table to read. Its law: a sentence says who tells whom what, and nothing else.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class FieldLore(NamedTuple):
    """A field by its usual spelling, what it is for, and where that is written.

    rule: an RFC with its section, or the name of another standard, or of who sends it.
    """

    name: str
    purpose: str
    rule: str


# Name | where it is written | what it is for.
_TABLE: Final = """
A-IM | RFC 3229 10.5.3 | says in which ways the client takes differences from what it has
Accept | RFC 9110 12.5.1 | says which kinds of content the client likes, and how much
Accept-CH | RFC 8942 3.1 | asks the client to tell these things of itself in further requests
Accept-Charset | RFC 9110 12.5.2 | says which charsets the client likes; deprecated
Accept-Encoding | RFC 9110 12.5.3 | says which content codings the client can undo
Accept-Language | RFC 9110 12.5.4 | says which languages the reader likes, and how much
Accept-Patch | RFC 5789 3.1 | says which kinds of content a PATCH may have here
Accept-Post | LDP 7.1 | says which kinds of content a POST may have here
Accept-Query | RFC 10008 3 | says which kinds of content a QUERY may have here
Accept-Ranges | RFC 9110 14.3 | says whether parts of this may be asked for by Range
Accept-Signature | RFC 9421 5.1 | asks for messages that are signed in this way
Access-Control-Allow-Credentials | Fetch 3.3.3 | lets pages of the other origin read answers to \
requests with cookies
Access-Control-Allow-Headers | Fetch 3.3.3 | says which fields pages of another origin may send
Access-Control-Allow-Methods | Fetch 3.3.3 | says which methods pages of another origin may use
Access-Control-Allow-Origin | Fetch 3.3.3 | says pages of which origin may read this response
Access-Control-Expose-Headers | Fetch 3.3.3 | says which fields pages of another origin may read
Access-Control-Max-Age | Fetch 3.3.3 | says for how many seconds a preflight's answer holds
Access-Control-Request-Headers | Fetch 3.3.2 | asks whether these fields may come from elsewhere
Access-Control-Request-Method | Fetch 3.3.2 | asks whether this method may come from elsewhere
Age | RFC 9111 5.1 | says for how many seconds this has lain in caches
Allow | RFC 9110 10.2.1 | says which methods may be used here
ALPN | RFC 7639 2 | says what protocol is to be spoken inside of the tunnel
Alt-Svc | RFC 7838 3 | says where else, and by what protocol, this origin can be reached
Alt-Used | RFC 7838 5 | says which alternative of the origin the client has gone to
Authentication-Info | RFC 9110 11.6.3 | goes on with authentication after it succeeded
Authorization | RFC 9110 11.6.2 | proves to the server who is asking: a secret
Cache-Control | RFC 9111 5.2 | says whether and for how long caches may keep this
Cache-Status | RFC 9211 2 | says what each cache on the way made of the request
CDN-Cache-Control | RFC 9213 3.1 | says to the server's own caches how long they may keep this
CDN-Loop | RFC 8586 2 | names the delivery networks that a request has passed, to end circles
Clear-Site-Data | Clear Site Data 3 | asks the browser to forget what it keeps of this site
Client-Cert | RFC 9440 2.2 | hands on the certificate that the client showed to a proxy
Client-Cert-Chain | RFC 9440 2.3 | hands on the certificates behind the client's
Connection | RFC 9110 7.6.1 | says what holds for this connection only, such as close
Content-Digest | RFC 9530 2 | has a digest of the content as it is sent, to find damage
Content-Disposition | RFC 6266 4 | says whether to show or to save this, and under which name
Content-Encoding | RFC 9110 8.4 | says how the content was coded, and has to be decoded
Content-Language | RFC 9110 8.5 | says for readers of which language the content is
Content-Length | RFC 9110 8.6 | says how many bytes of content there are
Content-Location | RFC 9110 8.7 | says at which URL this very content is to be had
Content-Range | RFC 9110 14.4 | says which part of the whole this is
Content-Security-Policy | CSP3 3.1 | says from where the page may load what, against foreign scripts
Content-Security-Policy-Report-Only | CSP3 3.2 | has a policy that is only reported on, not enforced
Content-Type | RFC 9110 8.3 | says what kind of content this is
Cookie | RFC 6265bis 4.2 | gives the server back what it has set by Set-Cookie
Critical-CH | Client Hints Reliability 3 | asks again when one of these hints was missing
Cross-Origin-Embedder-Policy | HTML 7.1.4 | lets the page embed only what has agreed to it
Cross-Origin-Opener-Policy | HTML 7.1.3 | separates the page from windows of other origins
Cross-Origin-Resource-Policy | Fetch 3.7 | says which origins may embed this
DASL | RFC 5323 3.2 | says which search grammars the server has
Date | RFC 9110 6.6.1 | says when the message was made
DAV | RFC 4918 10.1 | says which parts of WebDAV the server has
Deprecation | RFC 9745 2 | says since when this resource is deprecated
Depth | RFC 4918 10.2 | says how deep into folders a WebDAV request goes
Destination | RFC 4918 10.3 | says where to copy or move to
DNT | Tracking Preference 5.2 | asks not to be tracked; given up for Sec-GPC
Early-Data | RFC 8470 5.1 | says that the request came in early data, and may be a repetition
ETag | RFC 9110 8.8.3 | names this state of the content, to ask by If-None-Match whether it changed
Expect | RFC 9110 10.1.1 | asks for a 100 (Continue) before the content is sent
Expect-CT | RFC 9163 2.1 | asked for certificates that are logged; obsolete, for all are
Expires | RFC 9111 5.3 | says until when this is fresh; max-age goes before it
Forwarded | RFC 7239 4 | says for whom, by whom and how a proxy handed this on
From | RFC 9110 10.1.2 | has a mail address of whoever runs this robot
Host | RFC 9110 7.2 | says which site is meant, for a server may have many
HTTP2-Settings | RFC 7540 3.2.1 | offered HTTP/2 on a plain connection; obsolete
Idempotency-Key | IETF draft | names this request, so that sent twice it counts once
If | RFC 4918 10.4 | makes a WebDAV request depend on locks and states
If-Match | RFC 9110 13.1.1 | lets the request happen only if this is still the state
If-Modified-Since | RFC 9110 13.1.3 | asks for content only if it changed since then
If-None-Match | RFC 9110 13.1.2 | asks for content only if it is in none of these states
If-Range | RFC 9110 13.1.5 | asks for a part if nothing changed, and for all of it otherwise
If-Unmodified-Since | RFC 9110 13.1.4 | lets the request happen only if nothing changed since then
Keep-Alive | RFC 9112 C.2.2 | says how long an idle connection is kept; from HTTP/1.0
Last-Event-ID | HTML 9.2.4 | says after which event to go on
Last-Modified | RFC 9110 8.8.2 | says when the content was changed for the last time
Link | RFC 8288 3 | points to what is related: the next page, a style sheet, a licence
Location | RFC 9110 10.2.2 | says where to go on, or where the new thing is
Lock-Token | RFC 4918 10.5 | names a lock of WebDAV
Max-Forwards | RFC 9110 7.6.2 | says how many proxies a TRACE or OPTIONS may still pass
Memento-Datetime | RFC 7089 2.1.1 | says of which moment this archived state is
NEL | Network Error Logging 4 | asks the browser to report when the network fails
OData-Version | OData 8.1.5 | says which version of OData is spoken
Origin | RFC 6454 7 | says a page of which origin makes this request
Origin-Agent-Cluster | HTML 7.1.2 | asks for a process of its own for this origin
Overwrite | RFC 4918 10.6 | says whether COPY or MOVE may replace what is there
Permissions-Policy | Permissions Policy 6.1 | says which abilities of the browser the page may use
Ping-From | HTML 4.6.6 | says from which page a link was followed
Ping-To | HTML 4.6.6 | says to which page a link was followed
Pragma | RFC 9111 5.4 | said no-cache before there was Cache-Control; deprecated
Prefer | RFC 7240 2 | says how the client would like to be answered
Preference-Applied | RFC 7240 3 | says which wishes of Prefer were granted
Priority | RFC 9218 5 | says how urgent this is, and whether parts of it are of use
Proxy-Authenticate | RFC 9110 11.7.1 | says how to authenticate to the proxy
Proxy-Authentication-Info | RFC 9110 11.7.3 | goes on with authentication to a proxy
Proxy-Authorization | RFC 9110 11.7.2 | proves to a proxy who is asking: a secret
Proxy-Status | RFC 9209 2 | says what a proxy on the way made of the request
Range | RFC 9110 14.2 | asks for a part of the content
RateLimit | IETF draft | says how much may still be asked, and for how long
RateLimit-Policy | IETF draft | says how much may be asked in which time
Referer | RFC 9110 10.1.3 | says from which page a link led here (so misspelt since RFC 1945)
Referrer-Policy | Referrer Policy 4.1 | says how much of its URL a page tells where its links lead
Refresh | HTML 4.2.5.3 | asks the browser to load this or another page in some seconds
Replay-Nonce | RFC 8555 6.5.1 | has the number that the next request of ACME must use
Reporting-Endpoints | Reporting 3.2 | says where the browser sends its reports
Repr-Digest | RFC 9530 3 | has a digest of the whole representation, to check a download
Retry-After | RFC 9110 10.2.3 | says when to try again
Sec-CH-UA | User-Agent Client Hints 3.1 | names the browser by brand and version
Sec-CH-UA-Mobile | User-Agent Client Hints 3.3 | says whether the browser is on a phone
Sec-CH-UA-Platform | User-Agent Client Hints 3.7 | says on which system the browser runs
Sec-Fetch-Dest | Fetch Metadata 2.1 | says what the browser wants: a page, an image, a script
Sec-Fetch-Mode | Fetch Metadata 2.2 | says how the browser asks: by a link, or from a script
Sec-Fetch-Site | Fetch Metadata 2.3 | says whether a page of this or of another site asks
Sec-Fetch-User | Fetch Metadata 2.4 | says that a person clicked
Sec-GPC | Global Privacy Control 3 | asks not to sell or share what is learned of the reader
Sec-Purpose | Fetch 3.8 | says that this is loaded in advance
Sec-WebSocket-Accept | RFC 6455 11.3.3 | proves that the server understood the WebSocket handshake
Sec-WebSocket-Extensions | RFC 6455 11.3.2 | agrees on extensions of WebSocket
Sec-WebSocket-Key | RFC 6455 11.3.1 | has the number that the WebSocket handshake answers
Sec-WebSocket-Protocol | RFC 6455 11.3.4 | agrees on what is spoken inside of WebSocket
Sec-WebSocket-Version | RFC 6455 11.3.5 | says which version of WebSocket is spoken
Server | RFC 9110 10.2.4 | says which program answers
Server-Timing | Server Timing 3 | says how long the server took for what
Service-Worker-Allowed | Service Workers 3.4 | widens what a service worker may control
Set-Cookie | RFC 6265bis 4.1 | asks the client to keep this and to send it along next time
Signature | RFC 9421 4.2 | has signatures over parts of this message
Signature-Input | RFC 9421 4.1 | says what of this message is signed, and how
SLUG | RFC 5023 9.7 | proposes a name for what is posted
SOAPAction | SOAP 1.1 6.1.1 | says what a SOAP message is for
SourceMap | ECMA-426 | says where the source is that a script was made from
Status-URI | RFC 2518 9.7 | told the status of parts of a request; obsolete
Strict-Transport-Security | RFC 6797 6.1 | asks to come by https alone from now on
Sunset | RFC 8594 3 | says from when on this will be gone
Surrogate-Capability | Edge Architecture 1.0 | says what a cache in front of the server can do
Surrogate-Control | Edge Architecture 1.0 | says to caches before the server how long to keep this
TE | RFC 9110 10.1.4 | says that trailers are welcome, and which transfer codings
Timeout | RFC 4918 10.7 | says how long a lock is wanted for
Timing-Allow-Origin | Resource Timing 3.5.2 | lets pages of another origin see exact timings of this
Topic | RFC 8030 5.4 | names a push message, so that a newer one replaces it
Traceparent | Trace Context 3.2 | names the trace that this request is part of
Tracestate | Trace Context 3.3 | has what tracing systems add to the trace
Trailer | RFC 9110 6.6.2 | says which fields come after the content
Transfer-Encoding | RFC 9112 6.1 | says how the message is coded for this connection: chunked
TTL | RFC 8030 5.2 | says for how many seconds a push message may wait
Upgrade | RFC 9110 7.8 | offers to speak another protocol on this connection
Upgrade-Insecure-Requests | Upgrade Insecure Requests 3.2 | says that the reader likes https better
Urgency | RFC 8030 5.3 | says how urgent a push message is
User-Agent | RFC 9110 10.1.5 | says which program asks
Vary | RFC 9110 12.5.5 | says which fields of the request this answer depends on
Via | RFC 9110 7.6.3 | names the proxies that a message has passed
Want-Content-Digest | RFC 9530 4 | asks for a digest of the content as it is sent
Want-Repr-Digest | RFC 9530 4 | asks for a digest of the whole representation
Warning | RFC 9111 5.5 | warned of what a cache did; obsolete
WWW-Authenticate | RFC 9110 11.6.1 | says how to authenticate to the server
X-Accel-Buffering | nginx | tells nginx whether to hold the answer back until it is whole
X-Accel-Redirect | nginx | tells nginx to send this file in the place of the answer
X-Amz-Cf-Id | Amazon CloudFront | names the request to Amazon's delivery network
X-Amzn-Trace-Id | Amazon | names the request in Amazon's traces
X-Api-Key | nobody | has a key of the program that asks: a secret
X-Cache | caches | says whether a cache had this: HIT or MISS
X-Client-IP | proxies | says for which address a proxy asks; anybody can write it
X-Content-Type-Options | Fetch 3.6 | nosniff: believe Content-Type, do not guess
X-Correlation-ID | nobody | names the request through several services
X-CSRF-Token | frameworks | proves that a form came from the site itself
X-DNS-Prefetch-Control | browsers | says whether names in the page are looked up in advance
X-Download-Options | Internet Explorer 8 | noopen: save, do not open; of no use any more
X-Forwarded-For | proxies | says for which address a proxy asks; Forwarded is the standard
X-Forwarded-Host | proxies | says which Host the proxy was asked for
X-Forwarded-Port | proxies | says on which port the proxy was asked
X-Forwarded-Prefix | proxies | says which beginning of the path the proxy took off
X-Forwarded-Proto | proxies | says whether the proxy was asked by http or https
X-Frame-Options | HTML 7.5 | says whether pages may show this in a frame; frame-ancestors is newer
X-GitHub-Request-Id | GitHub | names the request to GitHub
X-HTTP-Method-Override | frameworks | says which method a POST really means
X-Original-URL | proxies | says what the URL was before a proxy rewrote it
X-Permitted-Cross-Domain-Policies | Adobe | said what Flash might load; of no use any more
X-Powered-By | frameworks | says what the server is built with, which only attackers need
X-RateLimit-Limit | APIs | says how many requests are allowed in a period
X-RateLimit-Remaining | APIs | says how many requests are left in this period
X-RateLimit-Reset | APIs | says when the next period begins
X-Real-IP | nginx | says for which address a proxy asks; Forwarded is the standard
X-Request-ID | frameworks | names the request, to find it in logs
X-Requested-With | scripts | says that a script asks, not a form; a foreign page cannot send it
X-Robots-Tag | search engines | says whether search engines may list this
X-Runtime | frameworks | says how many seconds the server took
X-Served-By | Fastly | names the cache that answered
X-UA-Compatible | Internet Explorer | said as which old browser to behave; of no use any more
X-XSS-Protection | browsers | switched a filter of old browsers on or off; of no use any more
"""

# What begins like this is known by who sends it.
_FAMILIES: Final = (
    ("Access-Control-", "Fetch 3.3", "is part of what lets pages of other origins ask"),
    ("CF-", "Cloudflare", "is said by Cloudflare's proxies"),
    ("Fly-", "Fly.io", "is said by Fly.io's proxies"),
    ("Sec-CH-", "RFC 8942 3", "tells a thing of the client that the server asked for"),
    ("Sec-Fetch-", "Fetch Metadata 2", "tells why the browser asks; no script can write it"),
    ("Sec-", "Fetch 2.2.2", "is said by the browser itself; no script can write it"),
    ("X-Amz-", "Amazon", "is said by or to Amazon's services"),
    ("X-Azure-", "Microsoft Azure", "is said by Microsoft's proxies"),
    ("X-Forwarded-", "proxies", "tells what a proxy was asked; anybody can write it"),
    ("X-GitHub-", "GitHub", "is said by or to GitHub"),
    ("X-Goog-", "Google", "is said by or to Google's services"),
    ("X-MS-", "Microsoft", "is said by or to Microsoft's services"),
    ("X-RateLimit-", "APIs", "tells how much may be asked"),
    ("X-Vercel-", "Vercel", "is said by Vercel's proxies"),
    ("X-", "RFC 6648 1", "is a field of somebody's own; names have no need of X- since 2012"),
)  # fmt: skip

_known: dict[str, FieldLore] = {}  # by lower-case name; filled when first asked


def lore_of(name: str) -> FieldLore | None:
    """Return what is known of a field name, in any case; None for one that nobody knows.

    A name of a known family (X-Amz-..., Sec-Fetch-...) that has no line of its own is described
    by the family.
    """
    if not _known:
        for lore in known_fields():
            _known[lore.name.lower()] = lore
    key = name.lower()
    found = _known.get(key)
    if found is not None:
        return found
    for prefix, rule, purpose in _FAMILIES:
        if key.startswith(prefix.lower()) and len(key) > len(prefix):
            return FieldLore(name, purpose, rule)
    return None


def known_fields() -> tuple[FieldLore, ...]:
    """Return the table, in alphabetical order."""
    rows = [line.split(" | ") for line in _TABLE.split("\n") if line]
    return tuple(FieldLore(name, purpose, rule) for name, rule, purpose in rows)
