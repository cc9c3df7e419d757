r"""A cookbook: what people write for curl, as they find it in the docs of APIs, and copy it.

Hosts are replaced by a peer on loopback before a line is run. `alike`: why the content is held
to what it means, not to its bytes. `told`: what `crlf from-curl` says on standard error.
"""

from __future__ import annotations

from typing import NamedTuple


class CurlLine(NamedTuple):
    """One command line. given: standard input. told: a part of each remark, in order.

    words: what curl is given where no bash can say it, because the line is for cmd.exe.
    """

    text: str
    told: tuple[str, ...] = ()
    alike: str = ""  # "form" or "json": how the content is compared, where not byte for byte
    given: bytes = b""
    words: tuple[str, ...] = ()


FILES: dict[str, bytes] = {
    "data.json": b'{\n  "name": "Ann",\n  "age": 42\n}\n',
    "plain.json": b'{"name":"Ann"}',
    "note.txt": b"first line\r\nsecond line\n",
    "bare.txt": b"no line end",
    "photo.jpg": b"\xff\xd8\xff\xe0 not really a picture",
    "report.pdf": b"%PDF-1.4 not really",
    "table.csv": b"a,b\n1,2\n",
    "backup.tar.gz": bytes(range(256)) * 8,
    "my file.txt": b"a blank in its name\n",
    "query.graphql": b"{ parts { name } }\n",
    "fields.txt": b"X-One: 1\nX-Two: two words\n",
    "cookies.txt": (
        b"# Netscape HTTP Cookie File\n"
        b"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tabc123\n"
        b"127.0.0.1\tFALSE\t/other\tFALSE\t0\tother\tno\n"
    ),
    "netrc": b"machine 127.0.0.1 login ann password secret\n",
}

_ = CurlLine
LINES: tuple[CurlLine, ...] = (
    # --- fetching
    _("curl https://example.com/"),
    _("curl https://example.com"),
    _("curl localhost:8000/part"),
    _("curl 'https://example.com/search?q=gear&page=2'"),
    _("curl -s https://example.com/robots.txt"),
    _("curl -sS --fail https://example.com/health"),
    _("curl -fsSL https://example.com/install.sh"),
    _("curl -I https://example.com/"),
    _("curl --head --location https://example.com/old"),
    _("curl -i https://example.com/"),
    _("curl -v https://example.com/"),
    _("curl -o page.html https://example.com/"),
    _("curl -O https://example.com/files/part-7.zip"),
    _("curl -sSLo out.json https://example.com/api"),
    _("curl -L https://example.com/old"),
    _("curl -L --max-redirs 3 https://example.com/old"),
    _("curl https://example.com/old"),
    _("curl --compressed https://example.com/"),
    _("curl -s -o /dev/null -w '%{http_code}\\n' https://example.com/"),
    _("curl -D - -o /dev/null https://example.com/"),
    _("curl -m 10 --connect-timeout 2.5 https://example.com/"),
    _("curl --retry 3 --retry-delay 1 https://example.com/", ("--retry-delay",)),
    _("curl --http1.1 https://example.com/"),
    _("curl --http2 https://example.com/", ("HTTP/1.1",)),
    _("curl -4 https://example.com/", ("-4",)),
    _("curl --url https://example.com/by-option"),
    _("curl -k https://example.com/"),
    _("curl --limit-rate 200k https://example.com/big", ("--limit-rate",)),
    _("curl -N https://example.com/events"),
    _("curl -r 0-99 https://example.com/big"),
    _("curl -C 500 https://example.com/big"),
    _("curl -z 20261120 https://example.com/page"),
    _("curl -z 'Sun, 06 Nov 1994 08:49:37 GMT' https://example.com/page"),
    _("curl https://example.com/a/../b/./c"),
    _("curl --path-as-is https://example.com/a/../b"),
    _("curl 'https://example.com/part-[1-3].txt'"),
    _("curl 'https://example.com/{one,two}/[a-c:2]' -o '#1_#2.txt'"),
    _("curl -g 'https://example.com/?ids[]=1&ids[]=2'"),
    _("curl 'https://example.com/?tags[]=a'"),
    _("curl https://example.com/one https://example.com/two"),
    _("curl https://example.com/a -o a https://example.com/b -o b"),
    _("curl 'https://example.com/?q=a%20b+c%2Fd'"),
    _("curl 'https://example.com/~ann/(1)/x;y=1,2?a=b:c@d'"),
    _("curl 'https://example.com/page#part'"),
    # --- header fields
    _("curl -H 'Accept: application/json' https://api.example.com/parts"),
    _("curl -H 'Accept: application/json' -H 'X-Api-Key: k7' https://api.example.com/parts"),
    _("curl -A 'Mozilla/5.0 (X11; Linux x86_64)' https://example.com/"),
    _("curl -e https://search.example.org/ https://example.com/"),
    _("curl -H 'User-Agent:' -H 'Accept:' https://example.com/"),
    _("curl -H 'X-Empty;' https://example.com/"),
    _("curl -H 'Host: shop.example' https://example.com/"),
    _("curl -H 'X-Twice: 1' -H 'X-Twice: 2' https://example.com/"),
    _("curl -H 'If-None-Match: \"v7\"' https://example.com/page"),
    _("curl -H 'Cache-Control: no-cache' -H 'Pragma: no-cache' https://example.com/"),
    _("curl -H 'X-Odd: @home; a=b\\c' https://example.com/"),
    _("curl -H @fields.txt https://example.com/"),
    _("curl -H 'X-Name: Jörg' https://example.com/"),
    _('curl -H "Authorization: Bearer $TOKEN" https://api.example.com/user'),
    _("""curl -H "Authorization: Bearer ${TOKEN}" "https://api.example.com/$USERNAME/repos" """),
    _("curl -L -H 'Accept: application/vnd.github+json' -H 'Authorization: Bearer ghp_x' \\\n"
      "  -H 'X-GitHub-Api-Version: 2022-11-28' https://api.github.com/repos/o/r/issues"),
    # --- forms
    _("curl -d name=Ann https://example.com/form"),
    _("curl -d name=Ann -d age=42 https://example.com/form"),
    _("curl -d 'name=Ann&age=42' -X POST https://example.com/form"),
    _("curl --data 'comment=hello world' https://example.com/form"),
    _("curl --data-urlencode 'comment=hello & goodbye' https://example.com/form", alike="form"),
    _("curl --data-urlencode 'a=ü/?' -d b=2 https://example.com/form", alike="form"),
    _("curl --data-urlencode note@note.txt https://example.com/form", alike="form"),
    _("curl --data-urlencode 'only & content' https://example.com/form"),
    _("curl --data-raw '@not-a-file' https://example.com/form"),
    _("curl -d '' https://example.com/empty"),
    _("curl -X POST https://example.com/empty"),
    _("curl -d @bare.txt https://example.com/form"),
    _("curl -d @note.txt https://example.com/form"),
    _("curl --data-binary @note.txt https://example.com/form"),
    _("curl -d a=1 -d @note.txt https://example.com/form"),
    _("curl -d @- https://example.com/form", given=b"a=1\nb=2\n"),
    _(r"printf 'a=1\nb=2' | curl -d @- https://example.com/form"),
    _("curl -s -d @- -H 'Content-Type: application/json' https://api.example.com/ <<'END' | wc -c\n"
      "{\"name\": \"Ann\"}\nEND", ("line ends",), alike="json"),
    _("curl --data-binary @- https://example.com/form < note.txt > out.txt 2>/dev/null"),
    _("curl --data-binary @- https://example.com/form", given=b"a=1\nb=2\n"),
    _("curl -d 'a=1' -H 'Content-Type:' https://example.com/form"),
    _("curl -d 'a=1' -H 'Content-Type: application/x-www-form-urlencoded; charset=utf-8' "
      "https://example.com/form"),
    _("curl -G -d q=gear -d page=2 https://example.com/search"),
    _("curl -G --data-urlencode 'q=a b&c' https://example.com/search", alike="form"),
    _("curl --url-query 'q=gear' https://example.com/search?page=2"),
    _("curl -I -G -d q=gear https://example.com/search"),
    _("curl -X PUT -d state=closed https://example.com/issues/7"),
    _("curl -d 'grant_type=client_credentials' -u id:secret https://auth.example.com/token"),
    _("curl https://api.stripe.com/v1/charges -u sk_test_4eC39: -d amount=2000 -d currency=usd "
      "-d source=tok_visa -d 'metadata[order_id]=6735'"),
    _("curl -X POST https://api.twilio.com/Messages.json --data-urlencode 'Body=Hi there' "
      "--data-urlencode 'From=+15017122661' -u AC123:token", alike="form"),
    # --- JSON
    _("curl -X POST -H 'Content-Type: application/json' -d '{\"name\":\"Ann\",\"age\":42}' "
      "https://api.example.com/users"),
    _("curl -X POST -H 'Content-Type: application/json' -d '{\"name\": \"Ann\"}' "
      "https://api.example.com/users"),
    _("curl --json '{\"tool\": \"curl\"}' https://api.example.com/"),
    _("curl --json '{\"a\":[1,2],\"b\":null}' https://api.example.com/"),
    _("curl --json @plain.json https://api.example.com/"),
    _("curl --json @data.json https://api.example.com/"),
    _("curl --json '{\"a\":' --json '1}' https://api.example.com/"),
    _("curl -H 'Content-Type: application/json' -d @data.json https://api.example.com/",
      ("line ends",), alike="json"),
    _("curl -H 'Content-Type: application/json' --data-binary @data.json https://api.example.com/"),
    _("curl -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{\"state\":\"closed\"}' "
      "https://api.example.com/issues/7"),
    _("curl -X DELETE https://api.example.com/issues/7"),
    _("curl -X DELETE -H 'Content-Type: application/json' -d '{\"ids\":[1,2]}' "
      "https://api.example.com/issues"),
    _("curl -XGET 'localhost:8000/parts/_search?pretty' -H 'Content-Type: application/json' "
      "-d '{\"query\":{\"match_all\":{}}}'"),
    _("curl -X OPTIONS https://example.com/ -H 'Origin: https://a.example' "
      "-H 'Access-Control-Request-Method: POST'"),
    _("curl -X PURGE https://example.com/cached"),
    _("curl https://api.openai.com/v1/chat/completions -H 'Content-Type: application/json' "
      "-H \"Authorization: Bearer $TOKEN\" -d '{\n  \"model\": \"m\",\n  \"messages\": "
      "[{\"role\": \"user\", \"content\": \"It\\u0027s \\\"late\\\"\"}]\n}'"),
    _("curl -X POST https://hooks.slack.com/services/T0/B0/x -H 'Content-type: application/json' "
      "--data '{\"text\":\"Hello, World!\"}'"),
    _("curl -H \"Content-Type: application/json\" -d \"{\\\"user\\\":\\\"$USERNAME\\\"}\" "
      "https://api.example.com/"),
    _("curl -X POST -H 'Content-Type: text/xml; charset=utf-8' -H 'SOAPAction: \"run\"' "
      "-d '<a>&lt;</a>' https://example.com/soap"),
    # --- uploads
    _("curl -F 'photo=@photo.jpg' https://example.com/photos"),
    _("curl -F title=Gear -F 'photo=@photo.jpg;type=image/jpeg' https://example.com/photos"),
    _("curl -F name=Ann -F age=42 https://example.com/form"),
    _("curl -F 'note=<note.txt' https://example.com/form"),
    _("curl --form-string 'text=@not;a=file' https://example.com/form"),
    _("curl -F 'file=@my file.txt' https://example.com/files"),
    _("curl -F 'text=\"a;b\"' https://example.com/form"),
    _("curl -H 'Content-Type: multipart/form-data' -F 'file=@table.csv' https://example.com/files"),
    _("curl -X PUT -F 'file=@report.pdf;type=application/pdf' https://example.com/files/7"),
    _("curl -F 'photo=@photo.jpg;filename=me.png;type=image/png' https://example.com/photos"),
    _("""curl -F 'meta={"a": [1, 2]};type=application/json' -F photo=@photo.jpg https://example.com/x"""),
    _("curl -T backup.tar.gz https://example.com/backups/"),
    _("curl -T backup.tar.gz https://example.com/backups/latest -H 'Content-Type: "
      "application/gzip'"),
    _("curl -T - https://example.com/notes/1", given=b"from a pipe"),
    _("curl -X POST --data-binary @backup.tar.gz -H 'Content-Type: application/octet-stream' "
      "https://example.com/upload"),
    _("curl -X POST -T photo.jpg https://example.com/photos/one"),
    _("curl -H 'Transfer-Encoding: chunked' -d @bare.txt https://example.com/upload"),
    _("curl -H 'Expect:' -d a=1 https://example.com/upload"),
    # --- who asks
    _("curl -u ann:secret https://example.com/private"),
    _("curl --user \"ann:it's: secret\" https://example.com/private"),
    _("curl --basic -u ann: https://example.com/private"),
    _("curl --digest -u ann:secret https://example.com/digest"),
    _("curl --oauth2-bearer tok123 https://example.com/private"),
    _("curl https://ann:secret@example.com/private"),
    _("curl --netrc-file netrc https://example.com/private"),
    _("curl -u \"$USERNAME:$TOKEN\" https://api.example.com/user"),
    _("curl -b 'a=1; b=2' https://example.com/"),
    _("curl -b a=1 -b b=2 https://example.com/"),
    _("curl -H 'Cookie: a=1' https://example.com/"),
    _("curl -b cookies.txt https://example.com/page", ("written out",)),
    _("curl -c jar.txt -d user=ann https://example.com/login", ("session",)),
    # --- the way there
    _("curl -x http://localhost:8000 http://shop.invalid/part?a=1"),
    _("curl -x localhost:8000 -U 'me:p@ss' http://shop.invalid/"),
    _("curl --noproxy '*' -x http://nowhere.invalid:1 https://example.com/"),
    _("curl --resolve shop.invalid:PORT:127.0.0.1 http://shop.invalid:PORT/part"),
    _("curl --connect-to shop.invalid:80:127.0.0.1:PORT http://shop.invalid/part"),
    _("curl --unix-socket peer.sock http://docker/v1.43/containers/json"),
    _("curl --interface 127.0.0.1 https://example.com/"),
    # --- several at once
    _("curl https://example.com/one --next -d a=1 https://example.com/two"),
    _("curl -H 'X-A: 1' https://example.com/one\ncurl -H 'X-A: 2' https://example.com/two"),
    # --- copied from browsers
    _(r"""curl 'https://example.com/api/parts?page=1' \
  -H 'accept: application/json, text/plain, */*' \
  -H 'accept-language: en-US,en;q=0.9' \
  -H 'cache-control: no-cache' \
  -b 'sid=abc; theme=dark' \
  -H 'priority: u=1, i' \
  -H 'referer: https://example.com/parts' \
  -H 'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"' \
  -H 'sec-ch-ua-mobile: ?0' \
  -H 'user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' \
  --compressed"""),
    _(r"""curl 'https://example.com/api/parts' \
  -H 'content-type: application/json' \
  -H 'origin: https://example.com' \
  --data-raw $'{"text":"it\'s new\u0021","line":"a\\nb"}'"""),
    _(r"""curl 'https://example.com/form' -X POST """
      r"""-H 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140' """
      r"""-H 'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' """
      r"""-H 'Accept-Language: en-US,en;q=0.5' -H 'Accept-Encoding: gzip, deflate, br, zstd' """
      r"""-H 'Content-Type: application/x-www-form-urlencoded' -H 'Connection: keep-alive' """
      r"""-H 'Upgrade-Insecure-Requests: 1' --data-raw 'name=Ann&text=a+b%21'"""),
    _(r"""curl 'https://example.com/upload' \
  -H 'content-type: multipart/form-data; boundary=----WebKitFormBoundaryX7' \
  --data-raw $'------WebKitFormBoundaryX7\r\nContent-Disposition: form-data; name="a"\r\n"""
      r"""\r\n1\r\n------WebKitFormBoundaryX7--\r\n'"""),
    # --- copied for cmd.exe
    _("curl ^\"https://example.com/api?a=1^&b=2^\" ^\n  -H ^\"accept: */*^\" ^\n"
      "  -H ^\"content-type: application/json^\" ^\n"
      "  --data-raw ^\"^{^\\^\"rate^\\^\":^\\^\"5^%^\\^\"^}^\"",
      words=("https://example.com/api?a=1&b=2", "-H", "accept: */*",
             "-H", "content-type: application/json", "--data-raw", '{"rate":"5%"}')),
)  # fmt: skip
