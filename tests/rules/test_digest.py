"""Digest: the RFCs' own examples, nonces that come and go, and servers that lie."""

from __future__ import annotations

import hashlib
import io
import pickle
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed, RemoteError
from crlf.message.fields.challenges import build_challenge, parse_challenges
from crlf.message.percent import percent_decode
from crlf.message.request import Request
from crlf.message.response import Response
from crlf.rules import digest as digest_module
from crlf.rules.digest import Digest
from crlf.rules.digestproof import DigestChallenge, Proof, read_challenge, strongest
from crlf.rules.filters import FIRST_ORIGIN, Filter

URL = "http://a.example/private/page?x=1"


class Server:
    """A server that knows one password, and checks what it is sent with code of its own."""

    def __init__(self, user: str = "Mufasa", password: str = "Circle of Life", **params: str):
        self.user, self.password = user, password
        self.params = {"realm": "lions", "qop": "auth"} | params
        self.nonces = iter(f"nonce{n}" for n in range(1000))
        self.nonce = ""
        self.seen: list[Request] = []
        self.counts: list[str] = []
        self.info: dict[str, str] = {}
        self.stale = False

    def challenge(self) -> Response:
        self.nonce = next(self.nonces)
        params = self.params | {"nonce": self.nonce} | ({"stale": "TRUE"} if self.stale else {})
        params = {name: value for name, value in params.items() if value != "-"}
        return Response(401, {"www-authenticate": build_challenge("Digest", params)})

    def answer(self, request: Request) -> Response:
        self.seen.append(request)
        field = request.headers.first("authorization")
        given = {} if field is None else dict(parse_challenges([field])[0].params)
        if given.get("nonce") != self.nonce or self.proof(request, given) != given["response"]:
            response = self.challenge()
        else:
            self.counts.append(given.get("nc", ""))
            info = ", ".join(f'{name}="{value}"' for name, value in self.info.items())
            response = Response(200, {"authentication-info": info} if info else {})
        response.request = request
        return response

    def proof(self, request: Request, given: dict[str, str]) -> str:
        name = given.get("algorithm", "MD5")
        hash_name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
        kind = hash_name[name.removesuffix("-sess")]

        def hashed(*words: str) -> str:
            return hashlib.new(kind, ":".join(words).encode()).hexdigest()

        assert given["uri"] == request.target
        assert given["realm"] == self.params["realm"]
        secret = hashed(self.user, given["realm"], self.password)
        if name.endswith("-sess"):
            secret = hashed(secret, self.nonce, given["cnonce"])
        what = [request.method, given["uri"]]
        if given.get("qop") == "auth-int":
            what.append(hashlib.new(kind, self.content(request)).hexdigest())
        if "qop" not in given:
            return hashed(secret, given["nonce"], hashed(*what))
        return hashed(
            secret, given["nonce"], given["nc"], given["cnonce"], given["qop"], hashed(*what)
        )

    def content(self, request: Request) -> bytes:
        body = request.body
        return body if isinstance(body, bytes) else b"".join(body.chunks())


def fetch(rules: Filter, request: Request, server: Server) -> Response:
    """Send a request through a filter to a server."""
    steps = rules(request)
    wanted = next(steps)
    while True:
        assert isinstance(wanted, Request)
        try:
            wanted = steps.send(server.answer(wanted))
        except StopIteration as done:
            response: Response = done.value
            return response


def params_of(request: Request) -> dict[str, str]:
    return dict(parse_challenges([request.headers["authorization"]])[0].params)


# --- examples ------------------------------------------------------------------------------------


def proven(challenge: DigestChallenge, user: str, password: str, uri: str, cnonce: str) -> str:
    proof = Proof(challenge, user, password, (challenge.nonce, cnonce))
    return proof.authorization("GET", uri, b"", "00000001", cnonce)


@pytest.mark.rfc("2617", "3.5")
def test_the_example_of_rfc_2617() -> None:
    challenge = DigestChallenge(
        "testrealm@host.com",
        "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "5ccc069c403ebaf9f0171e9517f40e41",
        None,
        "auth",
    )
    value = proven(challenge, "Mufasa", "Circle Of Life", "/dir/index.html", "0a4f113b")
    assert value == (
        'Digest username="Mufasa", realm="testrealm@host.com",'
        ' nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html",'
        ' response="6629fae49393a05397450978507c4ef1",'
        ' opaque="5ccc069c403ebaf9f0171e9517f40e41", qop=auth, nc=00000001, cnonce="0a4f113b"'
    )


@pytest.mark.rfc("7616", "3.9.1")
@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_first_example_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = DigestChallenge(
        "http-auth@example.org",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
        algorithm,
        "auth",
    )
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    value = proven(challenge, "Mufasa", "Circle of Life", "/dir/index.html", cnonce)
    assert f'response="{response}"' in value
    assert f"algorithm={algorithm}, " in value


@pytest.mark.rfc("7616", "3.9.2")
def test_the_second_example_of_rfc_7616() -> None:
    """With the figures of erratum 4897: the RFC's own are those of SHA-512, cut off."""
    field = (
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256,'
        ' nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",'
        ' opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )
    challenge = strongest([field])
    assert isinstance(challenge, DigestChallenge)
    cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"
    value = proven(challenge, "J\u00e4s\u00f8n Doe", "Secret, or not?", "/doe.json", cnonce)
    assert 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"' in value
    assert 'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"' in value
    assert value.endswith("userhash=true")


@pytest.mark.rfc("2617", "3.2.2.1")
def test_without_qop_it_is_answered_as_of_old() -> None:
    challenge = strongest(['Digest realm="r", nonce="n"'])
    assert isinstance(challenge, DigestChallenge)
    value = proven(challenge, "u", "p", "/", "c")
    assert "qop" not in value
    assert "nc=" not in value
    assert "cnonce" not in value
    assert (
        fetch(Digest("Mufasa", "Circle of Life"), Request("GET", URL), Server(qop="-")).status_code
        == 200
    )


# --- quoting -------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=20)


@pytest.mark.rfc("7616", "3.4")
@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_whatever_is_quoted_stays_one_string(
    user: str, realm: str, nonce: str, opaque: str
) -> None:
    challenge = DigestChallenge(realm, nonce, opaque, "MD5-sess", "auth")
    value = proven(challenge, user, "p", "/", "c")
    (read,) = parse_challenges([value])
    given_back = dict(read.params)
    name = given_back.get("username")
    if name is None:
        coded = given_back["username*"].removeprefix("UTF-8''")
        name = percent_decode(coded).decode()
    assert (name, read.realm) == (user, realm)
    assert (given_back["nonce"], given_back["opaque"]) == (nonce, opaque)
    assert value.isprintable() or not (realm + nonce + opaque).isprintable()


@pytest.mark.rfc("7616", "3.3")
def test_backslashes_in_a_realm_are_undone_and_done_again() -> None:
    server = Server('a"b\\', realm='say "\\hello\\"')
    assert fetch(Digest('a"b\\', "Circle of Life"), Request("GET", URL), server).status_code == 200
    value = server.seen[1].headers["authorization"]
    assert r'username="a\"b\\"' in value
    assert r'realm="say \"\\hello\\\""' in value


@pytest.mark.rfc("7616", "3.4")
@pytest.mark.parametrize("name", ["qop=auth", "nc=00000001", "algorithm=SHA-256"])
def test_what_must_not_be_quoted(name: str) -> None:
    server = Server(algorithm="SHA-256")
    fetch(Digest("Mufasa", "Circle of Life"), Request("GET", URL), server)
    assert f"{name}," in server.seen[1].headers["authorization"]


@pytest.mark.rfc("7616", "3.4")
def test_a_name_beyond_ascii_goes_in_utf_8() -> None:
    server = Server("J\u00e4s\u00f8n \u0141", "\u00fc")
    assert (
        fetch(Digest("Ja\u0308s\u00f8n \u0141", "u\u0308"), Request("GET", URL), server).status_code
        == 200
    )
    assert "username*=UTF-8''J%C3%A4s%C3%B8n%20%C5%81," in server.seen[1].headers["authorization"]
    assert "username=" not in server.seen[1].headers["authorization"]


@pytest.mark.parametrize(("user", "password"), [("a\n", "b"), ("a", "\x00"), ("\ud800", "b")])
def test_what_cannot_be_sent_is_refused_and_not_shown(user: str, password: str) -> None:
    with pytest.raises(Malformed) as refused:
        Digest(user, password)
    assert password not in str(refused.value)


def test_nobody_sees_the_password() -> None:
    rules = Digest("u", "geheim")
    assert repr(rules) == "Digest('u', ***)"
    again = pickle.loads(pickle.dumps(rules))
    server = Server("u", "geheim")
    assert fetch(again, Request("GET", URL), server).status_code == 200
    assert "geheim" not in server.seen[1].headers["authorization"]


# --- a conversation ------------------------------------------------------------------------------


@pytest.mark.rfc("7616", "3.2")
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "-"])
@pytest.mark.parametrize("session", ["", "-sess"])
@pytest.mark.parametrize("qop", ["auth", "auth,auth-int", "auth-int", "-"])
def test_every_kind_is_answered(algorithm: str, session: str, qop: str) -> None:
    if algorithm == "-" and session:
        return
    server, rules = (
        Server(algorithm=algorithm + session, qop=qop),
        Digest("Mufasa", "Circle of Life"),
    )
    for method, content in (("GET", b""), ("POST", b"abc"), ("POST", [b"ab", b"c"])):
        assert fetch(rules, Request(method, URL, content=content), server).status_code == 200
    assert len(server.seen) == 4
    if qop != "-":
        assert server.counts == ["00000001", "00000002", "00000003"]
        wanted = "auth-int" if qop == "auth-int" else "auth"
        assert params_of(server.seen[-1])["qop"] == wanted


@pytest.mark.rfc("7616", "3.4")
def test_a_cnonce_is_used_once_and_that_of_a_session_stays() -> None:
    for algorithm, kinds in (("MD5", 3), ("MD5-sess", 1)):
        server, rules = Server(algorithm=algorithm), Digest("Mufasa", "Circle of Life")
        for _ in range(3):
            fetch(rules, Request("GET", URL), server)
        cnonces = {params_of(each)["cnonce"] for each in server.seen[1:]}
        assert len(cnonces) == kinds
        assert all(len(each) == 32 for each in cnonces)


@pytest.mark.rfc("7616", "3.3")
def test_a_wrong_password_is_tried_once() -> None:
    server, rules = Server(), Digest("Mufasa", "wrong")
    response = fetch(rules, Request("GET", URL), server)
    assert response.status_code == 401
    assert "does not accept" in str(response.extras["auth_refused"])
    assert len(server.seen) == 2
    fetch(rules, Request("GET", URL), server)
    assert "authorization" not in server.seen[2].headers, "nothing was learned from that"


@pytest.mark.rfc("7616", "3.3")
def test_a_stale_nonce_gives_one_new_try() -> None:
    server, rules = Server(), Digest("Mufasa", "Circle of Life")
    fetch(rules, Request("GET", URL), server)
    server.nonce, server.stale = "another", True
    assert fetch(rules, Request("GET", URL), server).status_code == 200
    assert len(server.seen) == 4
    assert server.counts == ["00000001", "00000001"]


@pytest.mark.rfc("7616", "3.3")
def test_a_server_that_finds_everything_stale_is_left_soon() -> None:
    server, rules = Server(), Digest("Mufasa", "wrong")
    server.stale = True
    assert fetch(rules, Request("GET", URL), server).status_code == 401
    assert len(server.seen) == 3


def test_a_server_that_forgot_its_nonces_without_saying_stale_is_answered() -> None:
    server, rules = Server(), Digest("Mufasa", "Circle of Life")
    fetch(rules, Request("GET", URL), server)
    server.nonce = "another"
    assert fetch(rules, Request("GET", URL), server).status_code == 200
    server.password = "changed"
    assert fetch(rules, Request("GET", URL), server).status_code == 401
    assert len(server.seen) == 6


def test_the_same_nonce_again_means_no() -> None:
    server, rules = Server(), Digest("Mufasa", "wrong")
    server.nonces = iter(["same"] * 9)
    server.stale = True
    assert fetch(rules, Request("GET", URL), server).status_code == 401
    assert len(server.seen) == 2


@pytest.mark.rfc("7616", "3.5")
def test_the_next_nonce_is_used_next() -> None:
    for algorithm in ("MD5", "SHA-256-sess"):
        server, rules = Server(algorithm=algorithm), Digest("Mufasa", "Circle of Life")
        server.info = {"nextnonce": 'new"nonce'.replace('"', "")}
        fetch(rules, Request("GET", URL), server)
        if algorithm == "MD5":
            server.nonce = "newnonce"
            assert fetch(rules, Request("GET", URL), server).status_code == 200
        else:
            fetch(rules, Request("GET", URL), server)
        assert params_of(server.seen[2])["nonce"] == "newnonce"
        assert params_of(server.seen[2])["nc"] == "00000001"


@pytest.mark.rfc("7616", "3.4.2")
def test_a_session_keeps_its_first_nonce_in_its_key() -> None:
    challenge = DigestChallenge("r", "second", None, "MD5-sess", "auth")
    proof = Proof(challenge, "u", "p", ("first", "c"))

    def hashed(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    key = hashed(f"{hashed('u:r:p')}:first:c")
    wanted = hashed(f"{key}:second:00000001:c:auth:{hashed('GET:/')}")
    assert proof.response("GET", "/", b"", "00000001", "c") == wanted


@pytest.mark.rfc("7616", "3.5")
def test_a_server_that_does_not_know_the_password_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(digest_module, "_new_cnonce", lambda: "c")
    server, rules = Server(), Digest("Mufasa", "Circle of Life")
    challenge = DigestChallenge("lions", "nonce0", None, None, "auth")
    proof = Proof(challenge, "Mufasa", "Circle of Life", ("", ""))
    target = "/private/page?x=1"
    server.info = {"rspauth": proof.response("", target, b"", "00000001", "c"), "cnonce": "c"}
    assert fetch(rules, Request("GET", URL), server).status_code == 200
    for info in ({"rspauth": "0" * 32}, {"rspauth": server.info["rspauth"], "cnonce": "d"}):
        server.info = info
        with pytest.raises(RemoteError) as fault:
            fetch(rules, Request("GET", URL), server)
        assert fault.value.rule == "RFC 7616 3.5"
    server.info = {"rspauth": "x", "qop": "auth-int"}
    assert fetch(rules, Request("GET", URL), server).status_code == 200, "cannot be checked here"


def test_a_broken_authentication_info_says_nothing() -> None:
    server, rules = Server(), Digest("Mufasa", "Circle of Life")
    steps = rules(Request("GET", URL))
    next(steps)
    steps.send(server.challenge())
    with pytest.raises(StopIteration) as done:
        steps.send(Response(200, {"authentication-info": 'nextnonce="a'}))
    assert done.value.value.status_code == 200
    assert next(rules(Request("GET", URL))).headers["authorization"].find("nonce0") > 0


@pytest.mark.rfc("7616", "3.3")
@pytest.mark.parametrize(
    ("domain", "path", "in_advance"),
    [
        ("-", "/anywhere", True),
        ("/private", "/private/other", True),
        ("/private", "/private", True),
        ("/private/", "/private/other", True),
        ("/private", "/private-not", False),
        ("/private", "/", False),
        ("/x /private http://[bad", "/private", True),
        ("http://a.example/private", "/private/other", True),
        ("http://b.example/", "/private/page", False),
        ("//b.example/ https://a.example/", "/private/page", False),
        (" ".join(f"/{n}" for n in range(800)), "/700", False),
    ],
)
def test_a_nonce_is_good_for_its_domain(domain: str, path: str, in_advance: bool) -> None:
    server, rules = Server(domain=domain), Digest("Mufasa", "Circle of Life")
    fetch(rules, Request("GET", URL), server)
    wanted = next(rules(Request("GET", f"http://a.example{path}")))
    assert ("authorization" in wanted.headers) == in_advance


@pytest.mark.rfc("7616", "3.3")
def test_a_nonce_is_good_for_its_origin_alone() -> None:
    server, rules = Server(domain="/ http://b.example/"), Digest("Mufasa", "Circle of Life")
    fetch(rules, Request("GET", URL), server)
    for url in ("http://b.example/", "https://a.example/", "http://a.example:81/"):
        assert "authorization" not in next(rules(Request("GET", url))).headers


def test_realms_of_one_origin_live_side_by_side() -> None:
    lions, rules = Server(domain="/lions/"), Digest("Mufasa", "Circle of Life")
    zebras = Server(domain="/zebras/", realm="zebras")
    for server, path in ((lions, "/lions/1"), (zebras, "/zebras/1")) * 2:
        fetch(rules, Request("GET", f"http://a.example{path}"), server)
    assert (len(lions.seen), len(zebras.seen)) == (3, 3)


def test_what_is_remembered_has_an_end() -> None:
    rules = Digest("Mufasa", "Circle of Life")
    for number in range(80):
        fetch(rules, Request("GET", f"http://a{number}.example/"), Server())
        server = Server(realm=f"r{number}")
        server.nonces = iter([f"n{number}"])
        fetch(rules, Request("GET", "http://one.example/"), server)
    assert len(rules._spaces) == 64
    assert max(map(len, rules._spaces.values())) <= 8


def test_threads_share_a_nonce_and_no_count() -> None:
    server, rules = Server(), Digest("Mufasa", "Circle of Life")
    fetch(rules, Request("GET", URL), server)
    counts: list[str] = []

    def ask() -> None:
        for _ in range(100):
            wanted = next(rules(Request("GET", URL)))
            counts.append(params_of(wanted)["nc"])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [f"{number:08x}" for number in range(2, 402)]


# --- whom it answers, and what -------------------------------------------------------------------


@pytest.mark.rfc("7616", "3.7")
def test_the_strongest_hash_counts_and_of_equals_the_first() -> None:
    def choice(*fields: str) -> str | None:
        found = strongest(fields)
        return found if isinstance(found, str) else f"{found.algorithm} {found.realm}"

    md5, sha = 'Digest realm="a", nonce=n', 'Digest realm="b", nonce=n, algorithm=SHA-256'
    assert choice(md5, sha) == choice(f"{md5}, Basic, {sha}") == "SHA-256 b"
    assert choice(md5, 'Digest realm="c", nonce=n') == "None a"
    assert choice(md5, 'Digest realm="x", nonce=n, algorithm=SHA-9') == "None a"
    assert choice(md5, 'Digest realm="x', sha) == "SHA-256 b"
    assert (
        choice(sha, 'Digest realm=x, nonce=n, algorithm="sha-512-256-SESS"') == "sha-512-256-SESS x"
    )


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([], "no Digest challenge"),
        (['Basic realm="a"'], "no Digest challenge"),
        (['Digest realm="a'], "not closed"),
        (['Digest realm="a"'], "without realm or nonce"),
        (["Digest"], "without realm or nonce"),
        (["Digest abc="], "without realm or nonce"),
        (['Digest realm="a", nonce="b", qop="auth-conf"'], "neither auth nor auth-int"),
        (['Digest realm="a", nonce="b", algorithm=SHA-1'], "not known"),
        (['Digest realm="a", nonce="b", algorithm="SHA-256-sess-sess"'], "not known"),
        ([f'Digest realm="a", nonce="{"b" * 8192}"'], "over 4,096"),
        ([f'Digest realm="a", nonce="b", x="{"b" * 8192}"'], "over 4,096"),
        (["Digest realm=a, nonce=b, " * 1000], "over 64 challenges"),
        (["Digest realm=a, nonce=b, nonce=c"], "given twice"),
        ([", ".join(["Digest realm=a"] * 1000)], "over 64 challenges"),
        (['Digest realm="a\x01", nonce="b"'], "not closed"),
    ],
)
def test_what_is_not_answered_comes_back_with_the_reason(fields: list[str], why: str) -> None:
    assert why in str(strongest(fields))
    steps = Digest("u", "p")(Request("GET", URL))
    next(steps)
    if "\x01" in "".join(fields):
        return  # no Headers has it
    with pytest.raises(StopIteration) as done:
        steps.send(Response(401, [("www-authenticate", field) for field in fields]))
    assert why in done.value.value.extras["auth_refused"]


def test_an_empty_qop_is_none() -> None:
    (challenge,) = parse_challenges(['Digest realm=a, nonce=b, qop="", algorithm=""'])
    read = read_challenge(challenge)
    assert isinstance(read, DigestChallenge)
    assert (read.qop, read.algorithm) == (None, None)


def test_only_the_origin_that_was_asked_is_answered() -> None:
    server, rules = Server(), Digest("Mufasa", "Circle of Life")
    steps = rules(Request("GET", URL))
    next(steps)
    elsewhere = server.challenge()
    elsewhere.request = Request("GET", "http://b.example/")
    with pytest.raises(StopIteration) as done:
        steps.send(elsewhere)
    assert done.value.value is elsewhere


@pytest.mark.parametrize("status", [200, 302, 403, 407, 500])
def test_only_a_401_is_answered(status: int) -> None:
    steps = Digest("u", "p")(Request("GET", URL))
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(Response(status, {"www-authenticate": "Digest realm=a, nonce=b"}))


def test_after_a_redirect_to_another_origin_nothing_is_answered() -> None:
    request = Request("GET", URL)
    request.extras[FIRST_ORIGIN] = Request("GET", "https://first.example/").url.origin
    server = Server()
    assert fetch(Digest("Mufasa", "Circle of Life"), request, server).status_code == 401
    assert len(server.seen) == 1


def test_a_field_of_the_requests_own_and_trace_are_left_alone() -> None:
    for request in (Request("GET", URL, {"authorization": "x"}), Request("TRACE", URL)):
        server = Server()
        assert fetch(Digest("Mufasa", "Circle of Life"), request, server).status_code == 401
        assert len(server.seen) == 1


# --- content -------------------------------------------------------------------------------------


def pieces() -> Iterator[bytes]:
    yield b"abc"


def test_a_stream_that_cannot_be_sent_again_is_not() -> None:
    server, rules = Server(), Digest("Mufasa", "Circle of Life")
    response = fetch(rules, Request("POST", URL, content=pieces()), server)
    assert response.status_code == 401
    assert "cannot be sent a second time" in str(response.extras["auth_refused"])
    assert len(server.seen) == 1
    fetch(rules, Request("GET", URL), server)
    assert fetch(rules, Request("POST", URL, content=pieces()), server).status_code == 200


@pytest.mark.rfc("7616", "3.4.3")
def test_a_file_is_not_read_for_its_hash_in_a_filter() -> None:
    server, rules = Server(qop="auth-int"), Digest("Mufasa", "Circle of Life")
    response = fetch(rules, Request("POST", URL, content=io.BytesIO(b"abc")), server)
    assert "auth-int" in str(response.extras["auth_refused"])
    fetch(rules, Request("GET", URL), server)
    assert "authorization" not in next(rules(Request("POST", URL, content=io.BytesIO(b"")))).headers
    server = Server(qop="auth, auth-int")
    assert fetch(rules, Request("POST", URL, content=io.BytesIO(b"x")), server).status_code == 200
