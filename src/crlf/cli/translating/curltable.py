"""curl's options, all of them, as a table.

Every option has a sort: what is said in crlf's words (fromcurl.py), what has no bearing on a
request, what is lost without changing the request ("remark"), and what would change it or the
protection around it ("differs"). Its law: an option that is not here is an error, never skipped,
because whether it takes the next word is not known.
"""

from __future__ import annotations

from typing import NamedTuple

# A row: the name, its letter or -, what its value is or nothing for a switch.
_SAID = """
url - URL
output o FILE
remote-name O
remote-name-all -
output-dir - DIR
remote-header-name J
continue-at C OFFSET
request X METHOD
header H LINE
data d DATA
data-ascii - DATA
data-raw - DATA
data-binary - DATA
data-urlencode - DATA
json - DATA
form F FORM
form-string - FORM
get G
url-query - DATA
head I
upload-file T FILE
user u USER
basic -
digest -
anyauth -
oauth2-bearer - TOKEN
netrc n
netrc-optional -
netrc-file - FILE
cookie b COOKIES
cookie-jar c FILE
user-agent A NAME
referer e URL
location L
location-trusted -
max-redirs - NUMBER
post301 -
post302 -
post303 -
insecure k
cacert - FILE
capath - DIR
cert E FILE
cert-type - TYPE
key - FILE
key-type - TYPE
tlsv1.2 -
tlsv1.3 -
proxy x URL
proxy-user U USER
socks5 - HOST
socks5-hostname - HOST
noproxy - LIST
resolve - WHERE
connect-to - WHERE
unix-socket - FILE
interface - NAME
max-time m SECONDS
connect-timeout - SECONDS
retry - NUMBER
verbose v
include i
dump-header D FILE
write-out w FORMAT
range r RANGE
time-cond z TIME
path-as-is -
globoff g
proto-default - SCHEME
next :
"""
# Nothing to say: it is so in crlf, it is only about what curl shows, or it has no bearing on HTTP.
_QUIET = """
silent s
show-error S
progress-bar #
progress-meter -
buffer N
compressed -
styled-output -
styled-redirect -
disable q
fail f
fail-with-body -
fail-early -
create-dirs -
create-file-mode - MODE
remove-on-error -
clobber -
skip-existing -
http1.1 -
http0.9 -
tcp-nodelay -
tcp-fastopen -
mptcp -
keepalive -
keepalive-time - SECONDS
keepalive-cnt - NUMBER
sessionid -
alpn -
npn -
parallel Z
parallel-immediate -
parallel-max - NUMBER
parallel-max-host - NUMBER
rate - RATE
happy-eyeballs-timeout-ms - MS
proxy-basic -
socks5-basic -
suppress-connect-headers -
ca-native -
proxy-ca-native -
tlsv1 1
tlsv1.0 -
tlsv1.1 -
ssl-allow-beast -
ssl-no-revoke -
ssl-revoke-best-effort -
ssl-auto-client-cert -
proxy-ssl-allow-beast -
proxy-ssl-auto-client-cert -
form-escape -
junk-session-cookies j
list-only l
append a
crlf -
use-ascii B
xattr -
random-file - FILE
egd-file - FILE
trace-time -
trace-ids -
trace-config - WHAT
disable-eprt -
disable-epsv -
ftp-account - DATA
ftp-alternative-to-user - COMMAND
ftp-create-dirs -
ftp-method - METHOD
ftp-pasv -
ftp-port P ADDRESS
ftp-pret -
ftp-skip-pasv-ip -
ftp-ssl -
ftp-ssl-ccc -
ftp-ssl-ccc-mode - MODE
ftp-ssl-control -
ftp-ssl-reqd -
ssl -
ssl-reqd -
compressed-ssh -
hostpubmd5 - DIGEST
hostpubsha256 - DIGEST
pubkey - FILE
knownhosts - FILE
krb - LEVEL
login-options - OPTIONS
mail-auth - ADDRESS
mail-from - ADDRESS
mail-rcpt - ADDRESS
mail-rcpt-allowfails -
metalink -
quote Q COMMAND
sasl-authzid - IDENTITY
sasl-ir -
telnet-option t OPTION
tftp-blksize - SIZE
tftp-no-options -
upload-flags - FLAGS
ipfs-gateway - URL
"""
# The request is the same without it; the words say what is lost.
_REMARKED = """
http2 - : crlf speaks HTTP/1.1
http2-prior-knowledge - : crlf speaks HTTP/1.1
http3 - : crlf speaks HTTP/1.1
http3-only - : crlf speaks HTTP/1.1
ipv4 4 : crlf takes the address that answers first
ipv6 6 : crlf takes the address that answers first
limit-rate - SPEED
speed-limit Y SPEED
speed-time y SECONDS
max-filesize - BYTES
retry-delay - SECONDS : crlf waits as the server says, or ever longer
retry-max-time - SECONDS : -t bounds it all
retry-all-errors -
retry-connrefused - : crlf does so
remote-time R
raw -
ignore-content-length -
local-port - RANGE
dns-interface - NAME
dns-ipv4-addr - ADDRESS
dns-ipv6-addr - ADDRESS
dns-servers - ADDRESSES
doh-url - URL
doh-insecure -
doh-cert-status -
expect100-timeout - SECONDS
false-start -
alt-svc - FILE
hsts - FILE : --session NAME keeps what servers say of it
etag-save - FILE
proto - PROTOCOLS : crlf speaks nothing but HTTP
proto-redir - PROTOCOLS : crlf speaks nothing but HTTP
disallow-username-in-url -
ciphers - LIST
tls13-ciphers - LIST
proxy-ciphers - LIST
proxy-tls13-ciphers - LIST
curves - LIST
sigalgs - LIST
signature-algorithms - LIST
tls-max - VERSION
tls-earlydata -
ech - CONFIG
dump-ca-embed -
libcurl - FILE : crlf --as python writes a program
stderr - FILE : 2>FILE does so
trace - FILE : --har FILE keeps all of it
trace-ascii - FILE : --har FILE keeps all of it
delegation - LEVEL
service-name - NAME
proxy-service-name - NAME
out-null - : -o /dev/null
ip-tos - VALUE
vlan-priority - NUMBER
"""
# Without it another request would go out, another way, or with other protection.
_DIFFERING = """
http1.0 0
request-target - PATH
negotiate -
ntlm -
ntlm-wb -
aws-sigv4 - PROVIDER
proxy-anyauth -
proxy-digest -
proxy-negotiate -
proxy-ntlm -
proxy-header - LINE
proxytunnel p
proxy1.0 - HOST
preproxy - URL
socks4 - HOST
socks4a - HOST
socks5-gssapi -
socks5-gssapi-nec -
socks5-gssapi-service - NAME
proxy-insecure -
proxy-cacert - FILE
proxy-capath - DIR
proxy-cert - FILE
proxy-cert-type - TYPE
proxy-crlfile - FILE
proxy-key - FILE
proxy-key-type - TYPE
proxy-pass - PHRASE
proxy-pinnedpubkey - HASHES
proxy-tlsauthtype - TYPE
proxy-tlspassword - TEXT
proxy-tlsuser - NAME
proxy-tlsv1 -
abstract-unix-socket - PATH
haproxy-protocol -
haproxy-clientip - ADDRESS
tr-encoding -
crlfile - FILE
cert-status -
pinnedpubkey - HASHES
pass - PHRASE
engine - NAME
tlsauthtype - TYPE
tlspassword - TEXT
tlsuser - NAME
sslv2 2
sslv3 3
etag-compare - FILE
follow -
"""
_REFUSED = """
config K FILE : write its options onto the command line
variable - NAME : let the shell fill it in
help h
version V
manual M
"""


class Known(NamedTuple):
    """An option of curl's. sort: said, quiet, remark, differs or refused. note: what is said."""

    name: str
    takes: str
    sort: str
    note: str


def _table() -> tuple[dict[str, Known], dict[str, Known]]:
    """Read the rows: options by their names and by their letters."""
    names: dict[str, Known] = {}
    letters: dict[str, Known] = {}
    rows = (("said", _SAID), ("quiet", _QUIET), ("remark", _REMARKED), ("differs", _DIFFERING),
            ("refused", _REFUSED))  # fmt: skip
    for sort, text in rows:
        for row in text.strip("\n").split("\n"):
            words, _, note = row.partition(" : ")
            name, letter, *takes = words.rstrip(" ").split(" ")
            names[name] = known = Known(name, takes[0] if takes else "", sort, note)
            if letter != "-":
                letters[letter] = known
    return names, letters


NAMES, LETTERS = _table()
