"""tcp - lookup table behind a simple protocol of lines

tcp:host:port. `get KEY` is answered with `200 VALUE`, `500 text` (not found) or `400 text`
(trouble). Keys and values are written with %XX for everything that is not printable ASCII.

Sources: tcp_table(5).
"""

import re
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from pyfix.maps.auto_clnt import Stream, connect, remember
from pyfix.maps.lines import decode, encode
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import Options

TIMEOUT = 100  # seconds
LIMIT = 4096  # bytes of an answer
RETRY = 1  # seconds that the server is left alone when it fails

_REPLY = re.compile(rb"([0-9]{3})\s(.*)", re.DOTALL)
"""Only the first digit counts."""
_BAD_CODE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PLAIN = re.compile(rb"[^!-$&-~]")


class TcpTable:
    """tcp:name."""

    fixed = False  # as in Postfix: the server sees whole keys only
    waits: ClassVar[bool] = True
    watch = None

    def __init__(self, table: str, where: str) -> None:
        self._table = table
        remember(where)
        self._servers = Servers(
            "TCP map", [where], lambda name: connect(f"inet:{name}", timeout=TIMEOUT), retry_interval=RETRY
        )

    def lookup(self, key: str) -> str | None:
        """What the server says; TableError when it says nothing, or that it can't."""
        question = b"get " + _PLAIN.sub(lambda match: b"%%%02X" % match[0][0], encode(key)) + b"\n"
        answer = self._servers.ask(lambda server: _ask(server, question), table=self._table)
        return None if answer is None else decode(answer)


def open_tcp(options: Options, name: str) -> TcpTable:
    """A table that connects when it is asked."""
    return TcpTable(options.spec(name), name)


def _ask(server: Stream, question: bytes) -> bytes | None:
    server.send(question)
    line = server.line(LIMIT)
    reply = _REPLY.fullmatch(line)
    if reply is None or _BAD_CODE.search(reply[2]):
        raise OSError(0, f"malformed reply: {decode(line)[:100]}")
    kind, text = reply[1][:1], unquote_to_bytes(reply[2])
    if kind == b"5":
        return None
    if kind == b"4":
        raise WrongQuestionError(decode(text))
    if kind != b"2":
        raise OSError(0, f"bad status code: {decode(line)[:100]}")
    return text
