"""scram - show that we know the password, with a salted and slow hash; the server shows that it does too

Without channel binding: there are no -PLUS mechanisms.

Sources: RFC 5802, RFC 7677.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64encode
from binascii import Error, a2b_base64
from typing import NamedTuple

from pyfix.sasl.login import BAD_PROTOCOL, Dialog, Login, LoginError

MOST_ITERATIONS = 65536
FIRST = re.compile(rb"r=(?P<nonce>[^,]*),s=(?P<salt>[^,]*),i=(?P<count>[^,]*)(?:,.*)?", re.DOTALL)


class Server(NamedTuple):
    """What the server has said. text: all of it."""

    text: bytes
    nonce: bytes
    salt: bytes
    iterations: int


class Scram:
    """One of the mechanisms. name: with its hash, such as SCRAM-SHA-256; hash_name: as hashlib has it."""

    def __init__(self, name: str, hash_name: str) -> None:
        self._name = name
        self._hash = hash_name

    def __call__(self, login: Login) -> Dialog:
        """The dialog of the mechanism."""
        return self.dialog(login, b64encode(secrets.token_bytes(24)))

    def dialog(self, login: Login, nonce: bytes) -> Dialog:
        """nonce: ours, that nobody can foresee."""
        name = login.name.replace(b"=", b"=3D").replace(b",", b"=2C")
        begin = b"n,a=%s," % name if login.as_self else b"n,,"
        bare = b"n=%s,r=%s" % (name, nonce)
        server = self._read((yield begin + bare), nonce)
        answer = b"c=%s,r=%s" % (b64encode(begin), server.nonce)
        salted = hashlib.pbkdf2_hmac(self._hash, login.password, server.salt, server.iterations)
        signed = b",".join([bare, server.text, answer])
        final = yield b"%s,p=%s" % (answer, b64encode(self._proof(salted, signed)))
        self._check(final, self._hmac(self._hmac(salted, b"Server Key"), signed))
        return b""

    def _proof(self, salted: bytes, signed: bytes) -> bytes:
        key = self._hmac(salted, b"Client Key")
        signature = self._hmac(hashlib.new(self._hash, key).digest(), signed)
        return bytes([one ^ other for one, other in zip(key, signature, strict=True)])

    def _hmac(self, key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, self._hash)

    def _read(self, text: bytes, nonce: bytes) -> Server:
        match = FIRST.fullmatch(text)
        if match is None:
            raise LoginError(BAD_PROTOCOL, self._complaint(text))
        if not match["nonce"].startswith(nonce) or match["nonce"] == nonce:
            strange = "The nonce received from the server doesn't start from the nonce sent by the client"
            raise LoginError(BAD_PROTOCOL, strange)
        salt = _decode(match["salt"])
        if salt is None:
            raise LoginError(BAD_PROTOCOL, "Invalid base64 encoding of the salt")
        if not salt:
            raise LoginError(BAD_PROTOCOL, "The salt can't be empty")
        return Server(text, match["nonce"], salt, self._count(match["count"]))

    def _complaint(self, text: bytes) -> str:
        """What is wrong with the server's first words."""
        parts = [part[:2] for part in text.split(b",")]
        if text[1:2] != b"=":
            return f"Invalid {self._name} input" if text else f"{self._name} input expected"
        if parts[0] == b"m=":
            return f"Unsupported mandatory extension to {self._name}"
        if parts[0] != b"r=":
            return f"Nonce (r=) expected in {self._name} input"
        if parts[1:2] != [b"s="]:
            return f"Salt expected after the nonce in {self._name} input"
        return f"iteration-count expected after the salt in {self._name} input"

    def _count(self, text: bytes) -> int:
        if not text.isdigit():
            raise LoginError(BAD_PROTOCOL, f"Invalid iteration-count in {self._name} input")
        if len(text) > len(str(MOST_ITERATIONS)) or int(text) > MOST_ITERATIONS:
            raise LoginError(BAD_PROTOCOL, "iteration-count is too big, refusing to compute")
        return max(int(text), 1)

    def _check(self, text: bytes, signature: bytes) -> None:
        """The server's last words. LoginError: it does not know the password."""
        if len(text) < 3:
            raise LoginError(BAD_PROTOCOL, f"Invalid {self._name} input expected")
        if not text.startswith(b"v="):
            raise LoginError(BAD_PROTOCOL, f"ServerSignature expected in {self._name} input")
        found = _decode(text[2:])
        if found is None:
            raise LoginError(BAD_PROTOCOL, f"Invalid base64 encoding of the server proof in {self._name} input")
        if len(found) != len(signature):
            raise LoginError(BAD_PROTOCOL, f"Invalid server proof (truncated) in {self._name} input")
        if not hmac.compare_digest(found, signature):
            raise LoginError(BAD_PROTOCOL, f"Invalid server proof in {self._name} input")


def _decode(text: bytes) -> bytes | None:
    try:
        return a2b_base64(text, strict_mode=True)
    except Error:
        return None
