"""What a session remembers, and the JSON in which it is written down.

Header fields and credentials are kept by origin: they go to the one that they were given for, and
to no other. Cookies and hosts that want https have rules of their own for where they belong. Its
law: what was written by anybody else is checked like what came from a server, or refused.
"""

from __future__ import annotations

import json

from crlf.message.errors import Malformed
from crlf.message.headers import check_field
from crlf.message.url import URL
from crlf.rules.cookiefiles import SESSION_FORMAT, parse_json_cookies
from crlf.rules.cookiejar import CookieJar
from crlf.rules.credentials import Basic, Bearer
from crlf.rules.digest import Digest
from crlf.rules.filters import Filter
from crlf.rules.hsts import Hsts, read_hosts
from crlf.values import as_dict, record

# ("basic", user, password), ("digest", user, password), ("bearer", token), or () for none.
Login = tuple[str, ...]

_MOST_FIELDS = 100  # of an origin
_SECRETS = {"basic": ("user", "password"), "digest": ("user", "password"), "bearer": ("token",)}


@record
class Place:
    """What goes to one origin: header fields, one character a byte, and a login."""

    fields: tuple[tuple[str, str], ...] = ()
    login: Login = ()

    def __repr__(self) -> str:
        names = ", ".join(name for name, _ in self.fields)
        return f"<Place with {names or 'no fields'}, {self.login[0] if self.login else 'no login'}>"


class Kept:
    """All of a session: places by origin, as https://a.example; cookies; hosts that want https."""

    __slots__ = ("hsts", "jar", "places")

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.jar = CookieJar()
        self.hsts = Hsts()

    def place(self, origin: str) -> Place:
        """Return what goes to an origin, which may be nothing."""
        return self.places.get(origin) or Place()


def auth_of(login: Login) -> Filter:
    """Make what `auth=` takes of a login. Raises Malformed for what cannot be sent."""
    match login:
        case ("basic", user, password):
            return Basic(user, password)
        case ("digest", user, password):
            return Digest(user, password)
        case ("bearer", token):
            return Bearer(token)
    raise Malformed("no kind of login that is known")


def login_of(auth: object) -> Login:
    """Return the login that an `auth=` of the command line is; () for none that can be kept."""
    match auth:
        case (str(user), str(password)):
            return ("basic", user, password)
        case Basic(user, password):
            return ("basic", user, password)
        case Bearer(token):
            return ("bearer", token)
        case Digest():
            return ("digest", auth.user, auth._password)  # the one place where it is written down
    return ()


def build_session(kept: Kept) -> str:
    """Write a session as JSON, all that is known, in ASCII."""
    origins = {
        origin: {
            "headers": [list(field) for field in place.fields],
            "auth": _build_login(place.login),
        }
        for origin, place in sorted(kept.places.items())
        if place.fields or place.login
    }
    whole = {
        "format": SESSION_FORMAT,
        "origins": origins,
        "cookies": [as_dict(cookie) for cookie in kept.jar],
        "hsts": [as_dict(host) for host in kept.hsts],
    }
    return json.dumps(whole, indent=1) + "\n"


def parse_session(text: str, now: float) -> Kept:
    """Read what build_session wrote. now: seconds since 1970. Raises Malformed."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("it is no JSON") from None
    if not isinstance(found, dict) or found.get("format") != SESSION_FORMAT:
        raise Malformed(f'it is not of the format "{SESSION_FORMAT}"')
    kept = Kept()
    origins = found.get("origins")
    if not isinstance(origins, dict):
        raise Malformed("it has no origins")
    for origin, entry in origins.items():
        if str(URL(origin).origin) != origin:
            raise Malformed(f"{origin[:80]!a} is no origin, as https://a.example is")
        kept.places[origin] = _read_place(entry, origin)
    parse_json_cookies(text)  # each is checked; how they are put together, from_json knows
    kept.jar = CookieJar.from_json(text)
    kept.jar.expire(now)
    kept.hsts.load(read_hosts(found.get("hsts")), now)
    return kept


def _read_place(entry: object, origin: str) -> Place:
    match entry:
        case {"headers": list(headers), "auth": dict() | None as login}:
            pass
        case _:
            raise Malformed(f"{origin}: no headers and auth")
    if len(headers) > _MOST_FIELDS:
        raise Malformed(f"{origin}: over {_MOST_FIELDS} headers")
    fields = []
    for header in headers:
        match header:
            case [str(name), str(value)]:
                check_field(name, value)
                fields.append((name, value))
            case _:
                raise Malformed(f"{origin}: a header is a name and a value")
    return Place(tuple(fields), _read_login(login, origin))


def _build_login(login: Login) -> dict[str, str] | None:
    if not login:
        return None
    return {"type": login[0], **dict(zip(_SECRETS[login[0]], login[1:], strict=True))}


def _read_login(entry: dict[str, object] | None, origin: str) -> Login:
    if entry is None:
        return ()
    kind = entry.get("type")
    names = _SECRETS.get(kind) if isinstance(kind, str) else None
    if names is None:
        raise Malformed(f"{origin}: auth is of no type that is known")
    secrets = [entry.get(name) for name in names]
    login = (str(kind), *[secret for secret in secrets if isinstance(secret, str)])
    if len(login) != len(names) + 1:
        raise Malformed(f"{origin}: auth has no {' and '.join(names)}")
    auth_of(login)
    return login
