"""What Digest authentication computes: the challenge read, and the hashes that answer it.

RFC 7616, and what it kept of RFC 2617 and 2069. Text has one character a byte here, as fields
have; names and passwords are UTF-8. Its law: what was quoted stays one quoted string, and what
must not be quoted is a token.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crlf.message.errors import Malformed
from crlf.message.fields.challenges import Challenge, parse_challenges
from crlf.message.grammar import BLANK, build_quoted
from crlf.message.percent import percent_encode
from crlf.values import frozen

MAX_PARAM: Final = 4096  # characters of a value that we send back; nonces have 20 to 100
_ATTR_KEEP = "!#$&+-.^_`|~"  # RFC 8187 3.2.1, attr-char beside letters and digits

# Name in a challenge -> name in hashlib, and strength. MD5 is broken as a hash of documents, not
# for this; it is the last choice all the same, and the only one that many servers have.
_HASHES: Final = {"md5": ("md5", 0), "sha-256": ("sha256", 1), "sha-512-256": ("sha512_256", 2)}


@frozen
class DigestChallenge:
    """What a Digest challenge asks (RFC 7616 3.3). Text has one character a byte.

    algorithm: as the server wrote it; None for MD5 unsaid. qop: the one we chose; None where the
    server offers none (RFC 2069). domain: where the nonce is valid; empty for the whole origin.
    """

    realm: str
    nonce: str
    opaque: str | None = None
    algorithm: str | None = None
    qop: str | None = None
    stale: bool = False
    userhash: bool = False
    domain: tuple[str, ...] = ()

    @property
    def is_session(self) -> bool:
        """Whether the password is hashed together with the first nonce (-sess)."""
        return (self.algorithm or "").lower().endswith("-sess")

    @property
    def strength(self) -> int:
        """The higher, the better the hash."""
        return _HASHES[(self.algorithm or "md5").lower().removesuffix("-sess")][1]

    def digest(self, data: bytes) -> str:
        """Hash with the algorithm that is asked for; hexadecimal, in lower case."""
        return self.digest_of((data,))

    def digest_of(self, pieces: Iterable[bytes]) -> str:
        """Hash piece by piece what is one after the other."""
        import hashlib  # it loads OpenSSL, and few servers challenge

        name = _HASHES[(self.algorithm or "md5").lower().removesuffix("-sess")][0]
        hashing = hashlib.new(name, usedforsecurity=False)
        for piece in pieces:
            hashing.update(piece)
        return hashing.hexdigest()


def read_challenge(challenge: Challenge) -> DigestChallenge | str:
    """Read a challenge of the scheme Digest, or say in a sentence why it cannot be answered."""
    params = dict(challenge.params)
    realm, nonce = params.get("realm"), params.get("nonce")
    if realm is None or nonce is None:
        return "a Digest challenge without realm or nonce"
    if any(len(value) > MAX_PARAM for value in params.values()):
        return f"a Digest challenge with a value of over {MAX_PARAM:,} characters"
    algorithm = params.get("algorithm") or None
    if not _is_known((algorithm or "md5").lower().removesuffix("-sess")):
        return f"a Digest challenge with an algorithm that is not known: {algorithm!a:.40}"
    offered = [word.strip(BLANK).lower() for word in params.get("qop", "").split(",")]
    offered = [word for word in offered if word]
    qop = next((word for word in ("auth", "auth-int") if word in offered), None)
    if offered and qop is None:
        return "a Digest challenge that offers neither auth nor auth-int"
    return DigestChallenge(
        realm,
        nonce,
        params.get("opaque"),
        algorithm,
        qop,
        params.get("stale", "").lower() == "true",
        params.get("userhash", "").lower() == "true",
        tuple(word for word in params.get("domain", "").split(" ") if word),
    )


def _is_known(algorithm: str) -> bool:
    import hashlib

    return algorithm in _HASHES and _HASHES[algorithm][0] in hashlib.algorithms_available


def strongest(values: Iterable[str]) -> DigestChallenge | str:
    """Choose among the WWW-Authenticate fields of a response, or say why none can be answered.

    The strongest hash counts, and of equals the first. A broken field does not spoil the others.
    """
    found: list[DigestChallenge] = []
    why = "no Digest challenge"
    for value in values:
        try:
            challenges = parse_challenges([value])
        except Malformed as fault:
            why = f"broken challenge: {fault}"
            continue
        for challenge in challenges:
            if challenge.scheme == "digest":
                read = read_challenge(challenge)
                if isinstance(read, str):
                    why = read
                else:
                    found.append(read)
    return max(found, key=lambda each: each.strength) if found else why


class Proof:
    """What one nonce, one user and one password come to: the values of Authorization fields.

    session: (nonce, cnonce) of the first request, which the -sess algorithms hash for good.
    """

    __slots__ = ("_secret", "challenge", "session", "user")

    def __init__(
        self,
        challenge: DigestChallenge,
        user: str,
        password: str,
        session: tuple[str, str],
    ) -> None:
        self.challenge = challenge
        self.user = user
        self.session = session
        realm = challenge.realm.encode("latin-1")
        secret = challenge.digest(b"%b:%b:%b" % (user.encode(), realm, password.encode()))
        if challenge.is_session:  # RFC 7616 3.4.2
            secret = challenge.digest(f"{secret}:{session[0]}:{session[1]}".encode("latin-1"))
        self._secret = secret

    def response(self, method: str, uri: str, content: bytes | str, nc: str, cnonce: str) -> str:
        """Compute `response` (RFC 7616 3.4.1), or with an empty method `rspauth` (3.5).

        content: counts for auth-int alone; bytes, or their hash as text.
        """
        challenge = self.challenge
        what = f"{method}:{uri}"
        if challenge.qop == "auth-int":
            hashed = challenge.digest(content) if isinstance(content, bytes) else content
            what = f"{what}:{hashed}"
        extent = "" if challenge.qop is None else f"{nc}:{cnonce}:{challenge.qop}:"
        hashed = challenge.digest(what.encode("latin-1"))
        text = f"{self._secret}:{challenge.nonce}:{extent}{hashed}"
        return challenge.digest(text.encode("latin-1"))

    def authorization(
        self, method: str, uri: str, content: bytes | str, nc: str, cnonce: str
    ) -> str:
        """Write the value of an Authorization field (RFC 7616 3.4). Arguments: see response."""
        challenge, proof = self.challenge, self.response(method, uri, content, nc, cnonce)
        written = [
            f"Digest {self._username()}",
            f"realm={build_quoted(challenge.realm)}",
            f"nonce={build_quoted(challenge.nonce)}",
            f"uri={build_quoted(uri)}",
            f'response="{proof}"',
        ]
        if challenge.algorithm is not None:
            written.append(f"algorithm={challenge.algorithm}")
        if challenge.opaque is not None:
            written.append(f"opaque={build_quoted(challenge.opaque)}")
        if challenge.qop is not None:
            written.append(f"qop={challenge.qop}, nc={nc}")
        if challenge.qop is not None or challenge.is_session:
            written.append(f"cnonce={build_quoted(cnonce)}")
        if challenge.userhash:
            written.append("userhash=true")
        return ", ".join(written)

    def _username(self) -> str:
        challenge, user = self.challenge, self.user
        if challenge.userhash:  # RFC 7616 3.4.4
            realm = challenge.realm.encode("latin-1")
            return f'username="{challenge.digest(b"%b:%b" % (user.encode(), realm))}"'
        if user.isascii():
            return f"username={build_quoted(user)}"
        return f"username*=UTF-8''{percent_encode(user, _ATTR_KEEP)}"  # RFC 7616 3.4
