"""Sessions are kept in a signed cookie, opened when looked at, and never in the clear."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crlf.message.errors import LocalError, TooLarge
from crlf.message.fields.cookies import ParsedCookie, parse_set_cookie
from crlf.message.headers import Headers
from crlf.message.request import Received, Request
from crlf.message.response import Response
from crlf.rules.nearness import is_loopback
from crlf.rules.sessions import (
    DAY,
    HOST_PREFIX,
    NoSessions,
    Opener,
    Session,
    Sessions,
    SignedSessions,
    private_headers,
    signed_sessions,
)
from crlf.wire.signing import sign

KEY = b"k" * 32
OTHER = b"o" * 32
NOW = 1_800_000_000
SESSIONS = SignedSessions((KEY,))


PEER = ("192.0.2.7", 50000)


def request(cookie: str = "", host: str = "localhost", scheme: str = "http") -> Request:
    fields = [("host", host)] + ([("cookie", cookie)] if cookie else [])
    return Request.received(("GET", "/", Headers(fields), "1.1"), b"", Received(scheme, PEER))


def visit(
    change: Callable[[Session], object],
    cookie: str = "",
    *,
    sessions: SignedSessions = SESSIONS,
    now: float = NOW,
    host: str = "localhost",
    scheme: str = "http",
) -> Response:
    """One request in which a handler looks at the session and does something with it."""
    session = sessions.open(request(cookie, host, scheme), now)
    change(session)
    return sessions.close(session, Response(200, {"content-type": "text/plain"}), now)


def cookie_of(response: Response) -> ParsedCookie:
    (value,) = response.headers.get_all("set-cookie")
    parsed = parse_set_cookie(value, NOW)
    assert parsed is not None
    return parsed


def pair_of(response: Response) -> str:
    cookie = cookie_of(response)
    return f"{cookie.name}={cookie.value}"


def data_of(cookie: str, **how: object) -> dict[str, object]:
    seen: list[dict[str, object]] = []
    visit(lambda session: seen.append(dict(session)), cookie, **how)  # type: ignore[arg-type]
    return seen[0]


def put(session: Session) -> None:
    session["cart"] = [1, 2]


# --- kept from one request to the next -----------------------------------------------------------


def test_what_is_put_in_comes_back() -> None:
    data = {"cart": {"7": 2}, "name": "Jürgen \U0001f600", "rate": 0.1, "nothing": None}
    cookie = pair_of(visit(lambda session: session.update(data)))
    assert cookie.isascii()
    assert data_of(cookie) == data


def test_a_look_alone_sets_no_cookie() -> None:
    assert "set-cookie" not in visit(lambda session: session.get("x")).headers
    cookie = pair_of(visit(put))
    assert "set-cookie" not in visit(lambda session: session["cart"], cookie).headers


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.update(x=1),
        lambda session: session.__ior__({"x": 1}),
        lambda session: session.setdefault("x", 1),
        lambda session: session["cart"].append(3),
        lambda session: session.pop("name"),
        lambda session: session.popitem(),
        lambda session: session.__delitem__("name"),
        lambda session: session.rotate(),
    ],
)
def test_a_change_sets_the_cookie(change: Callable[[Session], object]) -> None:
    def fill(session: Session) -> None:
        put(session)
        session["name"] = "x"

    cookie = pair_of(visit(fill))
    response = visit(change, cookie)
    assert "set-cookie" in response.headers
    assert pair_of(response) != cookie or "rotate" in change.__code__.co_names


def test_a_change_that_was_taken_back_sets_nothing() -> None:
    def there_and_back(session: Session) -> None:
        session["x"] = 1
        del session["x"]

    assert "set-cookie" not in visit(there_and_back, pair_of(visit(put))).headers


def test_a_session_that_is_emptied_takes_its_cookie_along() -> None:
    response = visit(lambda session: session.clear(), pair_of(visit(put)))
    gone = cookie_of(response)
    assert (gone.value, gone.expires, gone.path) == ("", 0.0, "/")
    assert "set-cookie" not in visit(lambda session: session.clear()).headers


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda session: session.update(x={1, 2}), TypeError),
        (lambda session: session.update(x=b"bytes"), TypeError),
        (lambda session: session.update({7: "x"}), TypeError),
        (lambda session: session.update(x=float("nan")), ValueError),
        (lambda session: session.update(x="\ud800"), ValueError),
    ],
)
def test_what_is_not_json_is_an_error(
    change: Callable[[Session], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        visit(change)


@pytest.mark.rfc("6265", "6.1")
def test_what_no_browser_would_keep_is_an_error() -> None:
    assert "set-cookie" in visit(lambda session: session.update(x="a" * 2900)).headers
    for size in (3100, 10_000, 1_000_000):
        with pytest.raises(LocalError, match="keep what is large on the server"):
            visit(lambda session, size=size: session.update(x="a" * size))


def test_the_longest_session_that_fits_is_one_that_comes_back() -> None:
    fits = 0
    for size in range(2900, 3100):
        try:
            cookie = pair_of(visit(lambda session, size=size: session.update(x="a" * size)))
        except LocalError:
            break
        fits = size
        assert len(cookie) - 1 <= 4096
        assert data_of(cookie) == {"x": "a" * size}
    assert fits > 2950


def test_after_the_end_nothing_can_be_changed() -> None:
    session = SESSIONS.open(request(), NOW)
    session["x"] = 1
    SESSIONS.close(session, Response(), NOW)
    assert session["x"] == 1
    for change in (
        lambda: session.__setitem__("x", 2),
        lambda: session.__delitem__("x"),
        lambda: session.update(x=2),
        lambda: session.__ior__({"x": 2}),
        lambda: session.setdefault("y", 2),
        lambda: session.pop("x"),
        lambda: session.popitem(),
        lambda: session.clear(),
        lambda: session.rotate(),
    ):
        with pytest.raises(RuntimeError, match="after the head of the answer"):
            change()
    assert dict(session) == {"x": 1}


# --- whose cookie it is --------------------------------------------------------------------------


def test_what_is_not_ours_counts_as_nothing() -> None:
    cookie = pair_of(visit(put))
    name, _, value = cookie.partition("=")
    payload = value.split(".")[1]
    forged = [
        f"{name}=",
        f"{name}=x",
        f"{name}={value[:-1]}",
        f"{name}={value[:-1]}{'A' if value[-1] != 'A' else 'E'}",
        f"{name}={value.replace(payload, payload[::-1])}",
        f"{name}={value.upper()}",
        f"{name}={sign(b'1 1 {}', [OTHER], 'session session', NOW)}",
        f"{name}={sign(b'1 1 {}', [KEY], 'form', NOW)}",
        f"{name}=" + "a" * 5000,
    ]
    assert data_of(cookie) == {"cart": [1, 2]}
    for text in forged:
        assert data_of(text) == {}


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"1800000000 1800000000 ", b"1800000000 1800000000 []", b"x y {}",
     b"1800000000 -5 {}", b"1800000000 1800000000 {", b"1800000000 1800000000 {\"a\":\xff}",
     b"1800000000 1800000000 " + b"[" * 2000],
)  # fmt: skip
def test_a_payload_that_another_program_signed_counts_as_nothing(payload: bytes) -> None:
    text = sign(payload, [KEY], "session session", NOW)
    assert data_of(f"session={text}") == {}


def test_keys_are_rotated() -> None:
    old, new = SignedSessions((OTHER,)), SignedSessions((KEY, OTHER))
    cookie = pair_of(visit(put, sessions=old))
    assert data_of(cookie, sessions=new) == {"cart": [1, 2]}
    renewed = pair_of(visit(lambda session: session.update(x=1), cookie, sessions=new))
    assert data_of(renewed, sessions=SESSIONS) == {"cart": [1, 2], "x": 1}
    assert data_of(cookie, sessions=SESSIONS) == {}


# --- how long ------------------------------------------------------------------------------------


def test_a_session_that_nobody_uses_ends() -> None:
    cookie = pair_of(visit(put))
    assert data_of(cookie, now=NOW + 14 * DAY - 1) == {"cart": [1, 2]}
    assert data_of(cookie, now=NOW + 14 * DAY) == {}


def test_a_session_in_use_is_prolonged_but_not_at_every_look() -> None:
    cookie = pair_of(visit(put))
    assert "set-cookie" not in visit(len, cookie, now=NOW + DAY).headers
    renewed = visit(len, cookie, now=NOW + 2 * DAY)
    assert data_of(pair_of(renewed), now=NOW + 15 * DAY) == {"cart": [1, 2]}


def test_a_session_ends_however_often_it_is_used() -> None:
    cookie, at = pair_of(visit(put)), NOW
    while at < NOW + 90 * DAY - 5 * DAY:
        at += 5 * DAY
        response = visit(len, cookie, now=at)
        cookie = pair_of(response)
    age = response.headers["set-cookie"].partition("Max-Age=")[2].partition(";")[0]
    assert int(age) == NOW + 90 * DAY - at
    assert data_of(cookie, now=NOW + 90 * DAY - 1) == {"cart": [1, 2]}
    assert data_of(cookie, now=NOW + 90 * DAY) == {}


def test_rotating_begins_a_new_lifetime() -> None:
    sessions = SignedSessions((KEY,), idle=50, lifetime=100)
    cookie = pair_of(visit(put, sessions=sessions))
    kept = pair_of(visit(lambda s: s.update(x=1), cookie, sessions=sessions, now=NOW + 40))
    rotated = pair_of(visit(lambda s: s.rotate(), cookie, sessions=sessions, now=NOW + 40))
    for at in (80,):
        kept = pair_of(visit(len, kept, sessions=sessions, now=NOW + at))
        rotated = pair_of(visit(len, rotated, sessions=sessions, now=NOW + at))
    assert data_of(kept, sessions=sessions, now=NOW + 110) == {}
    assert data_of(rotated, sessions=sessions, now=NOW + 110) == {"cart": [1, 2]}


def test_a_session_from_the_future_counts_as_nothing() -> None:
    cookie = pair_of(visit(put, now=NOW + 3600))
    assert data_of(cookie, now=NOW) == {}
    assert data_of(pair_of(visit(put, now=NOW + 30)), now=NOW) == {"cart": [1, 2]}


# --- where ---------------------------------------------------------------------------------------


@pytest.mark.rfc("6265", "4.1.2.5")
def test_over_tls_the_cookie_is_for_tls_alone() -> None:
    response = visit(put, scheme="https", host="shop.example")
    value = response.headers["set-cookie"]
    assert value.startswith("__Host-session=")
    assert value.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
    assert "Domain" not in value


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:80", "127.0.0.1:8000", "127.9.9.9", "[::1]:80", "x.localhost"]
)
def test_on_loopback_plain_http_will_do(host: str) -> None:
    value = visit(put, host=host).headers["set-cookie"]
    assert value.startswith("session=")
    assert value.endswith("; Path=/; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize(
    "host", ["shop.example", "192.168.1.2", "127.evil.example", "localhost.evil.example", "[::2]"]
)
def test_over_plain_http_there_is_no_session(host: str) -> None:
    with pytest.raises(LocalError, match="serve HTTPS"):
        SESSIONS.open(request(host=host), NOW)


def test_in_memory_nobody_is_on_the_way() -> None:
    fields = [("host", "shop.example")]
    inside = Request.received(("GET", "/", Headers(fields), "1.1"), b"", Received())
    assert SESSIONS.open(inside, NOW) == {}


def test_plain_http_can_be_allowed_and_forbidden() -> None:
    risky = SignedSessions((KEY,), secure=False)
    assert visit(put, sessions=risky, host="shop.example").headers["set-cookie"].startswith("sess")
    over_tls = visit(put, sessions=risky, host="shop.example", scheme="https")
    assert over_tls.headers["set-cookie"].startswith("__Host-session=")
    behind = SignedSessions((KEY,), secure=True)
    for host in ("shop.example", "localhost"):
        value = visit(put, sessions=behind, host=host).headers["set-cookie"]
        assert value.startswith("__Host-session=")
        assert "Secure" in value


def test_a_cookie_of_plain_http_is_nothing_over_tls() -> None:
    plain = pair_of(visit(put))
    assert data_of(plain, scheme="https") == {}
    assert data_of(HOST_PREFIX + plain, scheme="https") == {}  # renamed by who caught it


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("a.b.localhost", True), ("localhost.", True), ("a.localhost.", True),
     ("127.0.0.1", True), ("127.255.255.254", True), ("::1", True), ("128.0.0.1", False),
     ("notlocalhost", False), ("localhost.example", False), ("127.0.0.1.example", False),
     ("", False), (".localhost", False), ("::127", False), ("0.0.0.0", False)],
)  # fmt: skip
def test_which_hosts_are_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


# --- what caches are told ------------------------------------------------------------------------


@pytest.mark.rfc("9111", "5.2.2")
@pytest.mark.parametrize("look", [len, bool, list, lambda s: "x" in s, lambda s: s.get("x"), id])
def test_a_look_makes_the_answer_private(look: Callable[[Session], object]) -> None:
    headers = visit(look).headers
    assert headers["vary"] == "Cookie"
    assert headers["cache-control"] == "private"


@pytest.mark.rfc("9111", "5.2.2.5")
def test_an_answer_that_sets_the_cookie_is_stored_nowhere() -> None:
    headers = visit(put).headers
    assert (headers["vary"], headers["cache-control"]) == ("Cookie", "no-store")
    gone = visit(lambda session: session.clear(), pair_of(visit(put))).headers
    assert gone["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"vary": "Cookie", "cache-control": "private"}),
        ({"Vary": "Accept"}, {"vary": "Accept, Cookie", "cache-control": "private"}),
        ({"Vary": "cookie"}, {"vary": "cookie", "cache-control": "private"}),
        ({"Vary": "*"}, {"vary": "*", "cache-control": "private"}),
        (
            {"Cache-Control": "public, max-age=60, s-maxage=600"},
            {"vary": "Cookie", "cache-control": "private, max-age=60"},
        ),
        ({"Cache-Control": "private"}, {"vary": "Cookie", "cache-control": "private"}),
        (
            {"Cache-Control": 'private="set-cookie", max-age=1'},
            {"vary": "Cookie", "cache-control": "private, max-age=1"},
        ),
        (
            {"Cache-Control": "no-store, public"},
            {"vary": "Cookie", "cache-control": "no-store, public"},
        ),
        ({"X": "1"}, {"x": "1", "vary": "Cookie", "cache-control": "private"}),
    ],
)
@pytest.mark.rfc("9111", "4.1")
def test_what_the_handler_said_is_kept_as_far_as_it_goes(
    before: dict[str, str], after: dict[str, str]
) -> None:
    assert dict(private_headers(Headers(before))) == after


def test_equal_heads_stay_one_object() -> None:
    """So that the engine's conclusions from it are drawn once."""
    fields = Headers({"content-type": "text/plain"})
    assert private_headers(fields) is private_headers(fields)


# --- opened when looked at -----------------------------------------------------------------------


class Site:
    """What opens a session when a request is asked for it."""

    def __init__(self, opener: Opener) -> None:
        self.opener = opener

    def open_session(self, request: Request) -> Session:
        return self.opener.session or self.opener.open()


def opened(asked: Request, sessions: Sessions = SESSIONS) -> Opener:
    opener = Opener(sessions, asked, lambda: NOW)
    asked.site = Site(opener)
    return opener


def test_nobody_looks_and_nothing_is_said() -> None:
    response = Response(200, {"cache-control": "public"})
    assert opened(request()).keep(response) is response


def test_what_was_opened_ahead_and_not_looked_at_counts_for_nothing() -> None:
    opener = opened(request(pair_of(visit(put))))
    opener.open()
    response = Response(200, {"cache-control": "public"})
    assert opener.keep(response) is response
    assert opener.drop(response) is response
    assert not opener.saves


def test_a_session_is_opened_once_and_is_a_dict() -> None:
    asked = request(pair_of(visit(put)))
    opener = opened(asked)
    assert asked.session == {"cart": [1, 2]}
    assert asked.session is asked.session
    asked.session["x"] = 1
    assert "set-cookie" in opener.keep(Response()).headers


def test_off_an_application_a_look_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="that an application is answering"):
        request().session.get("x")


def test_what_is_dropped_is_private_all_the_same() -> None:
    asked = request()
    opener = opened(asked)
    assert opener.drop(response := Response()) is response
    asked.session["x"] = 1
    headers = opener.drop(Response()).headers
    assert headers["cache-control"] == "private"
    assert "set-cookie" not in headers


def test_what_could_not_be_kept_is_not_tried_again() -> None:
    asked = request()
    opener = opened(asked)
    asked.session["x"] = {1, 2}
    with pytest.raises(TypeError):
        opener.keep(Response())
    assert not opener.saves
    assert "set-cookie" not in opener.keep(Response()).headers


def test_no_sessions_say_so() -> None:
    none = NoSessions()
    assert not none.is_known(request("session=x"))
    for look in (
        lambda: none.open(request(), NOW),
        lambda: none.revoke_all("ann"),
        lambda: none.close(Session("session", {}, 0, 0), Response(), NOW),
    ):
        with pytest.raises(RuntimeError, match="sessions=False"):
            look()


# --- who it is -----------------------------------------------------------------------------------


def user_of(cookie: str, **how: object) -> str | None:
    seen: list[str | None] = []
    visit(lambda session: seen.append(session.user), cookie, **how)  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize("user", ["ann", "7", "Jürgen Ä", "a b%20+&{}", "-", "\U0001f600"])
def test_who_is_signed_in_travels_along(user: str) -> None:
    cookie = pair_of(visit(lambda session: session.sign_in(user)))
    assert user_of(cookie) == user
    assert data_of(cookie) == {}
    with_data = pair_of(visit(put, cookie))
    assert (user_of(with_data), data_of(with_data)) == (user, {"cart": [1, 2]})


def test_signing_out_takes_the_cookie_along() -> None:
    cookie = pair_of(visit(lambda session: session.sign_in("ann"), pair_of(visit(put))))
    assert data_of(cookie) == {"cart": [1, 2]}
    gone = cookie_of(visit(lambda session: session.sign_out(), cookie))
    assert (gone.value, gone.expires) == ("", 0.0)


def test_another_user_gets_nothing_of_the_first_ones() -> None:
    cookie = pair_of(visit(put, pair_of(visit(lambda session: session.sign_in("ann")))))
    again = pair_of(visit(lambda session: session.sign_in("ann"), cookie))
    assert data_of(again) == {"cart": [1, 2]}
    other = pair_of(visit(lambda session: session.sign_in("bob"), cookie))
    assert (user_of(other), data_of(other)) == ("bob", {})


@pytest.mark.parametrize(
    ("user", "error"),
    [("", ValueError), ("a" * 257, ValueError), ("\ud800", ValueError), (7, TypeError),
     (None, TypeError)],
)  # fmt: skip
def test_what_is_no_user(user: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        visit(lambda session: session.sign_in(user))  # type: ignore[arg-type]


def test_a_cookie_of_before_there_were_users_is_read() -> None:
    text = sign(f'{NOW} {NOW} {{"cart":[1]}}'.encode(), [KEY], "session session", NOW)
    assert data_of(f"session={text}") == {"cart": [1]}
    assert user_of(f"session={text}") is None
    assert "set-cookie" not in visit(len, f"session={text}").headers


def test_what_visitors_carry_cannot_be_revoked() -> None:
    for sessions in (SESSIONS.revoke_all, lambda user: visit(lambda s: s.revoke_all(user))):
        with pytest.raises(LocalError, match="cannot be revoked"):
            sessions("ann")
    cookie = pair_of(visit(put))
    with pytest.raises(LocalError, match="cannot be revoked"):
        visit(lambda session: session.revoke_all("ann"), cookie)


def test_too_many_cookies_are_not_read() -> None:
    with pytest.raises(TooLarge):
        SESSIONS.open(request("; ".join(f"c{i}=x" for i in range(300))), NOW)


# --- settings ------------------------------------------------------------------------------------


def test_secrets_are_text_bytes_or_a_list() -> None:
    for secret in ("s" * 16, b"s" * 16, ["s" * 16], (b"s" * 16, "t" * 20)):
        assert signed_sessions(secret, "session", 1, 1, None).keys[0] == b"s" * 16


@pytest.mark.parametrize("secret", ["", "short", b"short", [], ["s" * 16, "short"]])
def test_a_short_secret_is_refused(secret: str | bytes | list[str]) -> None:
    with pytest.raises(ValueError, match="at least"):
        signed_sessions(secret, "session", 1, 1, None)


def test_other_settings_are_checked_too() -> None:
    assert signed_sessions(KEY, "__Host-mine", 1, 1, None).cookie == "mine"
    for name, idle, lifetime in (("a b", 1, 1), ("", 1, 1), ("x", 0, 1), ("x", 1, 0)):
        with pytest.raises(ValueError, match=r"cookie|seconds"):
            signed_sessions(KEY, name, idle, lifetime, None)


@pytest.mark.parametrize(
    "where",
    [
        Received(is_unix=True),  # from a proxy, most likely; over what, it does not say
        Received(local=("192.0.2.1", 80)),  # a PROXY line that knows of no client
    ],
)
def test_a_session_by_a_unix_socket_is_not_taken_for_one_in_memory(where: Received) -> None:
    sessions = signed_sessions("s" * 32, "session", 60, 60, None)
    head = ("GET", "/", Headers([("host", "shop.example")]), "1.1")
    with pytest.raises(LocalError, match="plain HTTP"):
        sessions.open(Request.received(head, b"", where), 0.0)
    https = where._replace(scheme="https")
    assert sessions.open(Request.received(head, b"", https), 0.0) is not None
    assert sessions.open(Request.received(head, b"", Received()), 0.0) is not None
