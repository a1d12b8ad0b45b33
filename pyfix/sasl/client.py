"""client - choose a mechanism, and answer what the server asks

    exchange = begin("PLAIN CRAM-MD5", login, properties("noplaintext"))
    exchange.mechanism                     # "CRAM-MD5"
    exchange.first                         # "": the server speaks first
    exchange.answer("PDEuMkBhLnRlc3Q+")    # what to send, in base64

This stands in for Cyrus SASL (smtp_sasl_type = cyrus) with the mechanisms below; the first one that the server has and
that is allowed is taken. NTLM and GSSAPI are not there.

Sources: SASL_README, RFC 4954; Cyrus SASL 2.1 for the order.
"""

import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable
from typing import NamedTuple

from pyfix.config.hosts import SEPARATORS
from pyfix.sasl.cram_md5 import cram_md5
from pyfix.sasl.digest_md5 import digest_md5
from pyfix.sasl.login import BAD_PROTOCOL, GENERIC, NO_MECHANISM, Dialog, Login, LoginError
from pyfix.sasl.scram import Scram
from pyfix.sasl.simple import anonymous, external, in_turns, oauth_bearer, plain, xoauth2

TYPES = ("cyrus",)
"""What smtp_sasl_type may be."""

PROPERTIES = frozenset({"noplaintext", "noactive", "nodictionary", "noanonymous", "forward_secrecy", "mutual_auth"})
"""What smtp_sasl_security_options may ask for."""


class Mechanism(NamedTuple):
    """properties: what it has of PROPERTIES."""

    start: Callable[[Login], Dialog]
    properties: frozenset[str]


PROVING = frozenset({"noplaintext", "noactive", "noanonymous", "mutual_auth"})
HASHING = frozenset({"noplaintext", "noanonymous"})
SHOWING = frozenset({"noanonymous"})

MECHANISMS = {
    **{
        name: Mechanism(Scram(name, hash_name), PROVING)
        for name, hash_name in [
            ("SCRAM-SHA-512", "sha512"),
            ("SCRAM-SHA-384", "sha384"),
            ("SCRAM-SHA-256", "sha256"),
            ("SCRAM-SHA-224", "sha224"),
            ("SCRAM-SHA-1", "sha1"),
        ]
    },
    "DIGEST-MD5": Mechanism(digest_md5, HASHING | {"mutual_auth"}),
    "EXTERNAL": Mechanism(external, HASHING | {"nodictionary"}),
    "CRAM-MD5": Mechanism(cram_md5, HASHING),
    "PLAIN": Mechanism(plain, SHOWING),
    "LOGIN": Mechanism(in_turns, SHOWING),
    "ANONYMOUS": Mechanism(anonymous, frozenset({"noplaintext"})),
    "OAUTHBEARER": Mechanism(oauth_bearer, SHOWING),
    "XOAUTH2": Mechanism(xoauth2, SHOWING),
}
"""In the order in which they are taken. The last two only where nothing else is left: the password is a token."""

NAMES = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
QUARTET = re.compile(r"[A-Za-z0-9+/]{2}(?:[A-Za-z0-9+/]{2}|[A-Za-z0-9+/]=|==)", re.ASCII)
FOUR = 4


def properties(text: str) -> frozenset[str]:
    """What smtp_sasl_security_options asks for. ValueError: the word that it does not have."""
    words = [word for word in SEPARATORS.split(text) if word]
    for word in words:
        if word not in PROPERTIES:
            raise ValueError(word)
    return frozenset(words)


class Exchange:
    """A dialog under way. mechanism: its name; first: what goes along with the name, in base64, or empty."""

    def __init__(self, mechanism: str, dialog: Dialog) -> None:
        self.mechanism = mechanism
        self._dialog = dialog
        self._over = False
        self.first = self._next(None)

    def answer(self, challenge: str) -> str:
        """What to say to a challenge, both in base64. LoginError."""
        data = decode(challenge)
        if self._over:
            error = LoginError(GENERIC)
            error.log = "SASL authentication problem: attempting client step after doneflag"
            raise error
        return self._next(data)

    def _next(self, challenge: bytes | None) -> str:
        try:
            response = next(self._dialog) if challenge is None else self._dialog.send(challenge)
        except StopIteration as end:
            self._over = True
            response = end.value
        return b64encode(response).decode()


def begin(offered: str, login: Login, wanted: frozenset[str]) -> Exchange:
    """The best mechanism of those that a server offers. LoginError: there is none, or it can't begin.

    wanted: what the mechanism must have of PROPERTIES.
    """
    names = frozenset([name.upper() for name in NAMES.findall(offered)])
    for name, mechanism in MECHANISMS.items():
        if name in names and mechanism.properties >= wanted:
            return Exchange(name, mechanism.start(login))
    raise LoginError(NO_MECHANISM, "" if _only_bound(names) else "No worthy mechs found")


def _only_bound(names: frozenset[str]) -> bool:
    """What is offered would have to be bound to a channel."""
    return all(name.removesuffix("-PLUS") in MECHANISMS and name.endswith("-PLUS") for name in names)


def decode(text: str) -> bytes:
    """Base64, with no other character around. LoginError."""
    whole, rest = len(text) // FOUR * FOUR, len(text) % FOUR
    for at in range(0, whole, FOUR):
        quartet = text[at : at + FOUR]
        if not QUARTET.fullmatch(quartet) or (quartet.endswith("=") and at + FOUR < len(text)):
            raise LoginError(BAD_PROTOCOL)
    if rest:
        raise LoginError("another step is needed in authentication")
    return a2b_base64(text.encode())
