"""proxy - lookup table in another process's care

proxy:type:name asks proxymap(8), which keeps a few connections to a database for all daemons,
and reads tables that are outside of a daemon's jail. It answers for tables that proxy_read_maps
lists, and for no others. Where the service is missing nothing is found out, as with one that is down.

One exchange is one frame of pyfix.wire.stream there and one back. Requests:

    lookup    table instance_flags flags key          status flags value
    update    table instance_flags flags key value    status flags
    delete    table instance_flags flags key          status flags
    sequence  table instance_flags flags function     status flags key value

Parameters: proxymap_service_name, queue_directory. Sources: proxymap(8).
"""

import os
import socket
from typing import ClassVar

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import OpenError, Options, Source, TableError
from pyfix.maps.watch import Watch
from pyfix.wire.attr import AttrError, decode_pairs, encode_pairs
from pyfix.wire.stream import CONNECTION, FrameReader, encode_frame

PROTOCOL = "proxymap_protocol"
OK, NOKEY, RETRY, BAD, DENY, CONFIG = range(6)
FIRST, NEXT = range(2)
FOLD, UTF8 = 1, 2
"""Bits of instance_flags."""

TIMEOUT = 100  # seconds, longer than a database is waited for
PATTERNS = frozenset({"cidr", "fail", "pcre", "pipemap", "randmap", "regexp", "socketmap", "tcp", "unionmap"})
"""Types that get whole keys only."""


class Proxymap:
    """A connection to the service."""

    def __init__(self, path: str) -> None:
        """OSError, AttrError: there is no such service."""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._reader = FrameReader()
        self._request = 0
        try:
            self._sock.settimeout(TIMEOUT)
            self._sock.connect(path)
            found = self._receive(CONNECTION).get("protocol")
            if found != PROTOCOL:
                raise AttrError(f"{path} speaks {found}, not {PROTOCOL}")
        except BaseException:
            self.close()
            raise

    def ask(self, **request: str) -> dict[str, str]:
        """The answer to one request. OSError, AttrError, StreamError."""
        self._request += 1
        self._sock.sendall(encode_frame(self._request, encode_pairs(request.items())))
        return self._receive(self._request)

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def _receive(self, stream: int) -> dict[str, str]:
        while True:
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionResetError(0, "lost connection")
            for found, attrs, _ in self._reader.receive(data):
                if found == stream:
                    return decode_pairs(attrs)


class ProxyTable:
    """proxy:name."""

    waits: ClassVar[bool] = True
    watch: Watch | None = None

    def __init__(self, options: Options, name: str, path: str) -> None:
        """path: of the service's socket."""
        self._table = options.spec(name)
        self._name = name
        self._flags = str((FOLD if options.fold else 0) | (UTF8 if options.utf8 else 0))
        self.fixed = name.partition(":")[0] not in PATTERNS
        self.substitutes = "regexp:" in name or "pcre:" in name  # they may, for all that is known here
        self._servers = Servers("proxymap", [path], Proxymap, retry_interval=0, idle_interval=1000)

    def lookup(self, key: str) -> str | None:
        """What the table has there; TableError when it can't answer, or may not be asked."""
        answer = self._servers.ask(
            lambda server: _checked(
                self._name,
                server.ask(
                    request="lookup", table=self._name, instance_flags=self._flags, flags="0", key=key
                ),
            ),
            table=self._table,
        )
        status = answer.get("status")
        if status == str(NOKEY):
            return None
        if status != str(OK):
            raise TableError(self._table, "")
        return answer.get("value", "")


def _checked(table: str, answer: dict[str, str]) -> dict[str, str]:
    if answer.get("status") == str(DENY):
        raise WrongQuestionError(f'proxymap service is not configured for table "{table}"')
    return answer


def open_proxy(options: Options, name: str) -> Source:
    """A table that asks the service. OpenError."""
    if ":" not in name:
        raise OpenError(f'open dictionary: expecting "type:name" form instead of "{name}"')
    return ProxyTable(options, name, _socket(options.config_dir))


def _socket(config_dir: str) -> str:
    """Where the service listens, as a daemon sees it or from anywhere. OpenError."""
    try:
        cfg = MailParams(MainCf.load(config_dir or os.environ.get("MAIL_CONFIG") or "/etc/postfix"))
        name, queue_directory = f"private/{cfg.proxymap_service_name}", cfg.queue_directory
    except BadConfig as error:
        raise OpenError(str(error)) from None
    return name if os.path.exists(os.path.dirname(name)) else f"{queue_directory}/{name}"
