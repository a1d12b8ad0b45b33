"""digest_md5 - show that we know the password, by a hash; the server shows that it does too

No layer of it protects what is said afterwards (qop "auth").

Source: RFC 2831.
"""

import hmac
import re
import secrets
from base64 import b64encode
from hashlib import md5
from typing import NamedTuple

from pyfix.sasl.login import FAILED, GENERIC, Dialog, Login, LoginError

SMALLEST_BUFFER = 17
DIRECTIVE = re.compile(
    rb"""[\s,]*(?P<name>[^\s=,"]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s,"]*))\s*(?=,|$)""", re.DOTALL
)


class Challenge(NamedTuple):
    """What the server has said. realm: None when it leaves the choice to us."""

    realm: bytes | None
    nonce: bytes
    utf8: bool


def digest_md5(login: Login) -> Dialog:
    """DIGEST-MD5."""
    challenge = read_challenge((yield b""))
    answer = Answer(login, challenge, b64encode(secrets.token_bytes(32)))
    final = yield answer.text
    if not final:
        raise LoginError(GENERIC)
    said = dict(_directives(final, "DIGEST-MD5 Received Garbage")).get(b"rspauth")
    if said is None:
        raise LoginError(FAILED, "DIGEST-MD5 Received Garbage")
    if not hmac.compare_digest(said, answer.proof(b"")):
        wrong = "DIGEST-MD5: This server wants us to believe that he knows shared secret"
        raise LoginError("server failed mutual authentication step", wrong)
    return b""


class Answer:
    """The answer to a challenge. own_nonce: ours, that nobody can foresee."""

    def __init__(self, login: Login, challenge: Challenge, own_nonce: bytes) -> None:
        self._challenge = challenge
        self._own_nonce = own_nonce
        self._uri = f"{login.service}/{login.host}".encode()
        realm = login.host.encode() if challenge.realm is None else challenge.realm
        parts = [login.name, realm, login.password]
        secret = md5(b":".join([_latin(part) if challenge.utf8 else part for part in parts]), usedforsecurity=False)
        self._secret = secret.digest()
        words = [
            b"username=" + _quote(login.name),
            b"realm=" + _quote(realm),
            b"nonce=" + _quote(challenge.nonce),
            b"cnonce=" + _quote(own_nonce),
            b"nc=00000001,qop=auth",
            b"digest-uri=" + _quote(self._uri),
            b"response=" + self.proof(b"AUTHENTICATE"),
        ]
        self.text = b",".join(words)

    def proof(self, verb: bytes) -> bytes:
        """Of the client (verb AUTHENTICATE), or of the server (empty)."""
        nonce, own = self._challenge.nonce, self._own_nonce
        session = _hash(b":".join([self._secret, nonce, own]))
        return _hash(b":".join([session, nonce, b"00000001", own, b"auth", _hash(verb + b":" + self._uri)]))


def read_challenge(text: bytes) -> Challenge:
    """LoginError: it is none that can be answered."""
    if not text:
        raise LoginError(GENERIC, "no server challenge")
    found = _directives(text)
    words = {name: value for name, value in found if name != b"realm"}
    realms = [value for name, value in found if name == b"realm"]
    algorithms = [value for name, value in found if name == b"algorithm"]
    if words.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise LoginError(FAILED, "Charset must be UTF-8")
    if b"maxbuf" in words:
        _check_buffer(words[b"maxbuf"])
    if b"nonce" not in words:
        raise LoginError(GENERIC, "Don't have nonce.")
    _check_algorithm(algorithms)
    if b"auth" not in [word.strip().lower() for word in words.get(b"qop", b"auth").split(b",")]:
        raise LoginError(GENERIC, "Server doesn't support \"no layer\"")
    return Challenge(realms[0] if len(realms) == 1 else None, words[b"nonce"], b"charset" in words)


def _check_algorithm(found: list[bytes]) -> None:
    if not found:
        raise LoginError(GENERIC, "Must see 'algorithm' once. Didn't see at all")
    if len(found) > 1:
        raise LoginError(GENERIC, "Must see 'algorithm' only once")
    if found[0].lower() != b"md5-sess":
        raise LoginError(GENERIC, "'algorithm' isn't 'md5-sess'")


def _check_buffer(text: bytes) -> None:
    if not text.isdigit() or int(text[:10]) < SMALLEST_BUFFER:
        size = text.decode("ascii", "replace")
        raise LoginError(FAILED, f"Invalid maxbuf parameter received from server (too small: {size})")


def _directives(text: bytes, complaint: str = "Parse error") -> list[tuple[bytes, bytes]]:
    """name=value, separated by commas. LoginError: it is something else; complaint: for the log."""
    found: list[tuple[bytes, bytes]] = []
    at, end = 0, len(text.rstrip(b", \t\r\n"))
    while at < end:
        match = DIRECTIVE.match(text, at, end)
        if match is None:
            raise LoginError(FAILED, complaint)
        value = match["token"] if match["quoted"] is None else re.sub(rb"\\(.)", rb"\1", match["quoted"])
        found.append((match["name"].lower(), value))
        at = match.end()
    return found


def _quote(text: bytes) -> bytes:
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text) + b'"'


def _latin(text: bytes) -> bytes:
    """UTF-8 as ISO 8859-1 where that has all of it."""
    try:
        return text.decode().encode("latin-1")
    except UnicodeError:
        return text


def _hash(text: bytes) -> bytes:
    return md5(text, usedforsecurity=False).hexdigest().encode()


