"""socketmap - lookup table behind Sendmail's socketmap protocol

socketmap:inet:host:port:name, socketmap:unix:path:name. The question is a netstring `name key`,
the answer one of `OK value`, `NOTFOUND `, `TEMP reason`, `TIMEOUT reason`, `PERM reason`.

Parameters: socketmap_max_reply_size. Sources: socketmap_table(5).
"""

from typing import ClassVar

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.maps.auto_clnt import Stream, connect, remember
from pyfix.maps.lines import decode, encode
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import OpenError, Options
from pyfix.wire import netstring

TIMEOUT = 100  # seconds
RETRY = 1  # seconds that the server is left alone when it fails
TROUBLE = (b"TEMP", b"TIMEOUT", b"PERM")


class SocketMapTable:
    """socketmap:name."""

    fixed = False  # as in Postfix: the server sees whole keys only
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, table: str, where: str, name: str, limit: int) -> None:
        """limit: bytes of an answer."""
        self._table = table
        self._limit = limit
        self._name = encode(name)
        remember(where)
        self._servers = Servers(
            "socketmap", [where], lambda name: connect(name, timeout=TIMEOUT), retry_interval=RETRY
        )

    def lookup(self, key: str) -> str | None:
        """What the server says; TableError when it says nothing, or that it can't."""
        question = netstring.encode(self._name + b" " + encode(key))
        answer = self._servers.ask(lambda server: _ask(server, question, self._limit), table=self._table)
        return None if answer is None else decode(answer)


def open_socketmap(options: Options, name: str) -> SocketMapTable:
    """A table that connects when it is asked. OpenError: not a server and a name."""
    where, colon, table = name.rpartition(":")
    if not colon or not table or not where.startswith(("inet:", "unix:")):
        raise OpenError(f"{options.spec(name)}: need socketmap:inet:host:port:name or socketmap:unix:path:name")
    return SocketMapTable(options.spec(name), where, table, _limit(options.config_dir))


def _limit(config_dir: str) -> int:
    try:
        return MailParams(MainCf.load(config_dir or "/etc/postfix")).socketmap_max_reply_size
    except BadConfig:
        return 100_000


def _ask(server: Stream, question: bytes, limit: int) -> bytes | None:
    server.send(question)
    data = b""
    while (found := netstring.decode(data, limit)) is None:
        data += server.some()
    word, _, text = found[0].partition(b" ")
    if word == b"OK":
        return text
    if word == b"NOTFOUND":
        return None
    if word in TROUBLE:
        raise WrongQuestionError(f"{decode(word)} error: {decode(text)}")
    raise OSError(0, f"malformed reply: {decode(found[0])[:100]!r}")
