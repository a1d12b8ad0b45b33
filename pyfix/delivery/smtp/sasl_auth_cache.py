"""sasl_auth_cache - logins that failed, not to be tried again for some time

A table in proxywrite's care. An entry belongs to a server, a user and a password:

    host;user       time;hash of the password;status;answer

The hash is base64 of SHA-1. An entry for another password, or an old one, is removed when it is met.

Parameters: smtp_sasl_auth_cache_name, smtp_sasl_auth_cache_time.
"""

import re
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from typing import NamedTuple, Protocol

from pyfix.config.hosts import SEPARATORS
from pyfix.delivery.smtp import log
from pyfix.mail.error import MailError
from pyfix.unix import msg

ENTRY = re.compile(r"(?P<time>\d+);(?P<hash>[^;]+);(?P<status>[245]\.\d{1,3}\.\d{1,3});(?P<text>[^\n]+)", re.ASCII)
PREFIX = "proxy:"


class Cache(Protocol):
    """Where the entries are. Each raises MailError when it can't."""

    async def lookup(self, key: str) -> str | None:
        """The value, if there is one."""

    async def put(self, key: str, value: str) -> None:
        """Set the value."""

    async def delete(self, key: str) -> bool:
        """Remove the value; whether there was one."""


class Failure(NamedTuple):
    """What a server answered: enhanced status, text."""

    status: str
    text: str


class SaslAuthCache:
    """seconds: how long an entry counts; name: of the table, for the log; clock: seconds since 1970."""

    def __init__(self, cache: Cache, seconds: float, name: str, clock: Callable[[], float] = time.time) -> None:
        self._cache = cache
        self._seconds = seconds
        self._name = name
        self._clock = clock

    async def find(self, host: str, user: str, password: bytes) -> Failure | None:
        """What that server answered to the same login, if it is not too long ago."""
        key = f"{host};{user}"
        try:
            entry = await self._cache.lookup(key)
            if entry is None:
                return None
            failure = self._valid(entry, password)
            if failure is None and not await self._cache.delete(key):
                msg.warning(log.entry_not_deleted(self._name, key))
        except MailError:
            msg.warning(log.auth_cache_failed(self._name, key))
            return None
        return failure

    def _valid(self, entry: str, password: bytes) -> Failure | None:
        match = ENTRY.match(entry)
        if match is None:
            msg.warning(log.bad_auth_cache_entry(entry))
            return None
        if int(match["time"]) + self._seconds < self._clock() or match["hash"] != _hash(password):
            return None
        return Failure(match["status"], match["text"])

    async def store(self, host: str, user: str, password: bytes, failure: Failure) -> None:
        """Remember that a login was refused."""
        key = f"{host};{user}"
        value = f"{int(self._clock())};{_hash(password)};{failure.status};{failure.text}"
        try:
            await self._cache.put(key, value)
        except MailError:
            msg.warning(log.auth_cache_failed(self._name, key))


def table_name(text: str) -> str:
    """The table that smtp_sasl_auth_cache_name names, without proxy:. Ends the program where that can't be."""
    if len(SEPARATORS.split(text.strip())) > 1:
        msg.fatal(log.auth_cache_name(text, "contains multiple values"))
    if not text.startswith(PREFIX):
        msg.fatal(log.auth_cache_name(text, f'must start with "{PREFIX}'))
    return text.removeprefix(PREFIX)


def _hash(password: bytes) -> str:
    return b64encode(sha1(password, usedforsecurity=False).digest()).decode()
