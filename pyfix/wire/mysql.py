"""mysql - the answer of a MySQL or MariaDB server to one query

    sock.sendall(query(b"SELECT ..."))
    answer = Answer()
    while not answer.receive(sock.recv(65536)): ...
    answer.rows

Of several results, as a stored procedure gives, the first one's rows are kept; `many` says that another one had
rows, too. Values are the server's
text for them. The connection has been made and has neither compression nor CLIENT_DEPRECATE_EOF.

Sources: the text protocol of COM_QUERY in the documentation of MySQL and MariaDB.
"""

from __future__ import annotations

LONGEST = 0xFFFFFF  # bytes: a packet of that size goes on in the next one
COM_QUERY = b"\x03"
OK, NULL, END, ERROR = 0x00, 0xFB, 0xFE, 0xFF
"""First bytes of packets, and of a value that is not there."""
END_SIZE = 9  # bytes: an END that is not shorter is a row with a very long value
MORE_RESULTS = 0x08  # bit of a server's status
SIZES = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""Bytes of a number, by the byte before it."""

Row = list[bytes | None]


class MysqlError(ValueError):
    """Bytes that can't be an answer."""


class MysqlRefusal(Exception):
    """The server can't answer this. packet: its words for it, as it sent them."""

    def __init__(self, packet: bytes) -> None:
        super().__init__(packet[1:].decode(errors="replace"))
        self.packet = packet


def query(sql: bytes) -> bytes:
    """The packet that asks. MysqlError: it is too long."""
    if len(sql) + 1 >= LONGEST:
        raise MysqlError(f"query of {len(sql)} bytes")
    return (len(sql) + 1).to_bytes(3, "little") + b"\0" + COM_QUERY + sql


class Answer:
    """Bytes in, rows out. rows: None when the query had no result that could have rows."""

    __slots__ = ("_data", "_left", "_next", "_number", "_result", "many", "rows")

    def __init__(self) -> None:
        self.rows: list[Row] | None = None
        self.many = False
        self._data = b""
        self._number = 1
        self._next = self._begin
        self._left = 0  # columns to be described
        self._result = 0  # which one it is

    def receive(self, data: bytes) -> bool:
        """Whether the answer is complete with these. MysqlError, MysqlRefusal."""
        if self._data:
            data = self._data + data
        at, over = 0, False
        while len(data) - at >= 4:
            size = int.from_bytes(data[at : at + 3], "little")
            end = at + 4 + size
            if size == LONGEST or data[at + 3] != self._number or over:
                raise MysqlError("packets that belong to no answer")
            if end > len(data):
                break
            if not size:
                raise MysqlError("empty packet")
            self._number = (self._number + 1) & 0xFF
            over = self._next(data[at + 4 : end])
            at = end
        self._data = data[at:]
        if over and self._data:
            raise MysqlError("more than the answer")
        return over

    def _begin(self, packet: bytes) -> bool:
        kind = packet[0]
        if kind == OK:
            _, at = _number(packet, 1)
            _, at = _number(packet, at)
            return self._end_of_result(packet[at : at + 2])
        if kind == ERROR:
            raise MysqlRefusal(packet)
        self._left, at = _number(packet, 0)
        if kind == NULL or at != len(packet):
            raise MysqlError("bad number of columns")
        if not self._result:
            self.rows = []
        elif self.rows is not None:
            self.many = True
        self._next = self._column
        return False

    def _column(self, packet: bytes) -> bool:
        if self._left:
            self._left -= 1
        elif packet[0] == END and len(packet) < END_SIZE:
            self._next = self._row
        else:
            raise MysqlError("no end of columns")
        return False

    def _row(self, packet: bytes) -> bool:
        kind = packet[0]
        if kind == END and len(packet) < END_SIZE:
            return self._end_of_result(packet[3:5])
        if kind == ERROR:
            raise MysqlRefusal(packet)
        if not self._result:
            assert self.rows is not None
            self.rows.append(_values(packet))
        return False

    def _end_of_result(self, status: bytes) -> bool:
        if len(status) != 2:
            raise MysqlError("no status")
        self._result += 1
        self._next = self._begin
        return not status[0] & MORE_RESULTS


def _values(packet: bytes) -> Row:
    at, size = 0, len(packet)
    values: Row = []
    while at < size:
        if packet[at] == NULL:
            values.append(None)
            at += 1
            continue
        length, at = _number(packet, at)
        if at + length > size:
            raise MysqlError("value without an end")
        values.append(packet[at : at + length])
        at += length
    return values


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    if at >= len(packet):
        raise MysqlError("number missing")
    first = packet[at]
    if first < NULL:
        return first, at + 1
    end = at + 1 + SIZES.get(first, len(packet))
    if end > len(packet):
        raise MysqlError("bad number")
    return int.from_bytes(packet[at + 1 : end], "little"), end
