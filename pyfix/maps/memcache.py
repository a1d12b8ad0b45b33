"""memcache - lookup table in memcached, perhaps in front of another table

memcache:/file/of/parameters. With `backup` a key that memcached does not have, or can't be
asked about, is looked up there, and what is found is stored in memcached for `ttl` seconds.
With `key_digest` memcached knows each key by its digest in hexadecimal, so that no key is too long for it.

Sources: memcache_table(5).
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

from pyfix.config.param import Int, Str
from pyfix.maps.auto_clnt import Stream, connect, remember
from pyfix.maps.cfg_parser import read_params
from pyfix.maps.db_common import DomainParams, Keys, Template
from pyfix.maps.lines import decode, encode
from pyfix.maps.open import open_or_fail
from pyfix.maps.servers import Servers
from pyfix.maps.table import LocalTable, OpenError, Options, TableError
from pyfix.unix import msg

PORT = 11211
LONGEST_KEY = 250  # bytes, says memcached


class MemcacheParams(DomainParams):
    """The parameters of a table."""

    memcache = Str("inet:localhost:11211")
    backup = Str("")
    key_format = Str("%s")
    key_digest = Str("")
    flags = Int("0")
    ttl = Int("3600")
    timeout = Int("2", min=1)
    max_try = Int("2", min=1)
    retry_pause = Int("1", min=1)
    line_size_limit = Int("1024", min=1)
    data_size_limit = Int("10240", min=1)


class MemcacheTable:
    """memcache:name."""

    fixed = True
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, cfg: MemcacheParams, name: str, backup: LocalTable | None) -> None:
        """OpenError: a bad template, an unknown digest."""
        if cfg.key_digest and not _known(cfg.key_digest):
            raise OpenError(f"open {name}: key digest {cfg.key_digest} is not available")
        self._cfg = cfg
        self._keys = Keys(cfg, "memcache", name)
        self._key = Template(cfg.key_format, name="key_format", table=self._keys.name)
        self._backup = backup
        where = cfg.memcache if cfg.memcache.startswith(("inet:", "unix:")) else f"inet:{cfg.memcache}"
        remember(where)
        self._servers = Servers(
            "memcache",
            [where],
            lambda name: connect(name, timeout=cfg.timeout, port=PORT),
            retry_interval=0,
            tries=cfg.max_try,
            pause=cfg.retry_pause,
        )

    def lookup(self, key: str) -> str | None:
        """What memcached has, else what the backup has; TableError when neither can say."""
        if not self._keys.wants(key):
            return None
        name = self._name(key)
        if not name or any(byte <= 32 or byte == 127 for byte in name):
            return None
        if len(name) > LONGEST_KEY:
            return None if self._backup is None else self._backup.lookup_now(key)
        try:
            value = self._ask(lambda server: self._get(server, name))
        except TableError:
            if self._backup is None:
                raise
            return self._backup.lookup_now(key)
        if value is None and self._backup is not None:
            return self._from_backup(self._backup, key, name)
        return None if value is None else decode(value)

    def _name(self, key: str) -> bytes:
        """The key as memcached knows it; empty when the key lacks what key_format asks for."""
        name = encode(self._key.expand(key) or "")
        if not name or not self._cfg.key_digest:
            return name
        try:
            return hashlib.new(self._cfg.key_digest, name, usedforsecurity=False).hexdigest().encode()
        except TypeError:  # a digest of any length
            msg.warning(f"{self._keys.name}: {self._cfg.key_digest} message digest failed")
            raise TableError(self._keys.name, "") from None

    def _from_backup(self, backup: LocalTable, key: str, name: bytes) -> str | None:
        value = backup.lookup_now(key)
        data = b"" if value is None else encode(value)
        if 0 < len(data) <= self._cfg.data_size_limit:
            with suppress(TableError):  # it was logged, and the answer is there
                self._ask(lambda server: self._set(server, name, data))
        return value

    def _ask(self, question: Callable[[Stream], bytes | None]) -> bytes | None:
        return self._servers.ask(question, table=self._keys.name)

    def _get(self, server: Stream, name: bytes) -> bytes | None:
        server.send(b"get %b\r\n" % name)
        value = None
        while (line := self._line(server)) != b"END":
            word, *fields = line.split(b" ")
            if word != b"VALUE" or len(fields) < 3 or fields[0] != name or not fields[2].isdigit():
                raise OSError(0, f"malformed reply: {decode(line)[:100]!r}")
            if int(fields[2]) > self._cfg.data_size_limit:
                raise OSError(0, f"value of {int(fields[2])} bytes is longer than data_size_limit")
            value = server.exactly(int(fields[2]))
            server.exactly(2)
        return value

    def _line(self, server: Stream) -> bytes:
        return server.line(self._cfg.line_size_limit).removesuffix(b"\r")

    def _set(self, server: Stream, name: bytes, value: bytes) -> None:
        cfg = self._cfg
        server.send(b"set %b %d %d %d\r\n%b\r\n" % (name, cfg.flags, cfg.ttl, len(value), value))
        line = self._line(server)
        if line != b"STORED":
            raise OSError(0, f"update failed: {decode(line)[:100]!r}")


def _known(digest: str) -> bool:
    try:
        hashlib.new(digest, usedforsecurity=False)
    except (ValueError, TypeError):  # the latter of text that is not UTF-8
        return False
    return True


def open_memcache(options: Options, name: str) -> MemcacheTable:
    """Read the table's parameters and open its backup. OpenError."""
    cfg = read_params(MemcacheParams, options, name)
    if not cfg.backup:
        return MemcacheTable(cfg, name, None)
    if cfg.backup.startswith("memcache:"):
        raise OpenError(f"{options.spec(name)}: the backup must not be a memcache table")
    try:
        backup = open_or_fail(
            cfg.backup, config_dir=options.config_dir, fold=options.fold, utf8=options.utf8, care=options.care
        )
    except OpenError as error:
        raise OpenError(f"{options.spec(name)}: backup: {error}") from None
    return MemcacheTable(cfg, name, backup)
