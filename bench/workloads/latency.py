"""latency - w8: one message at a time on an idle system, from connect to the file in new/

See also: inotify(7), which says when the file is there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import statistics
import time
from collections.abc import Iterator
from functools import partial

from bench.instance import PATIENCE, Instance, Missing
from bench.load import Load, send
from bench.source import text
from bench.workload import Case, Figures, Workload, at_most

IN_CREATE, IN_MOVED_TO = 0x100, 0x80
PAUSE = 0.02
MESSAGE = text(4096)
DIALOG = (
    b"EHLO client.example\r\n",
    b"MAIL FROM:<sender@example.com>\r\n",
    b"RCPT TO:<user@bench.test>\r\n",
    b"DATA\r\n",
    MESSAGE,
)


def latency(mail: Instance, messages: int) -> Figures:
    """Medians of a transaction's parts."""
    send(mail.port, Load(20, to="user@bench.test"))
    mail.wait_sent(20)
    times = []
    with _new_files(str(mail.top / "mail/user/new")) as files, mail.section(messages):
        for _ in range(messages):
            time.sleep(PAUSE)
            times.append(_transaction(mail, files))
    greeting, dialog, file = (1000 * statistics.median(part) for part in zip(*times, strict=True))
    whole = 1000 * statistics.median(map(sum, times))
    return {"whole ms": whole, "to the greeting ms": greeting, "dialog ms": dialog, "to the file ms": file}


def _transaction(mail: Instance, files: int) -> tuple[float, float, float]:
    """Seconds to the greeting, from there to the last 250, from there to the file."""
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", mail.port), PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _reply(sock)
        greeted = time.perf_counter()
        for data in DIALOG:
            sock.sendall(data)
            _reply(sock)
        accepted = time.perf_counter()
        if not select.select([files], [], [], PATIENCE)[0]:
            raise Missing(f"{mail.kind.name}: no file came")
        filed = time.perf_counter()
        os.read(files, 4096)
        sock.sendall(b"QUIT\r\n")
        _reply(sock)
    return greeted - begin, accepted - greeted, filed - accepted


def _reply(sock: socket.socket) -> None:
    received = b""
    while not (received.endswith(b"\n") and received.splitlines()[-1][3:4] == b" "):
        data = sock.recv(4096)
        received += data
        if not data or received[:1] not in b"23":
            raise Missing(f"refused: {received.decode(errors='replace')}")


@contextlib.contextmanager
def _new_files(folder: str) -> Iterator[int]:
    """A descriptor that is readable when a file has come into the folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    try:
        if libc.inotify_add_watch(descriptor, os.fsencode(folder), IN_CREATE | IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), folder)
        yield descriptor
    finally:
        os.close(descriptor)


W8 = Workload("w8", "latency on an idle system", (
    Case("1 message at a time", partial(latency, messages=200), (at_most("whole ms", 1.0),)),
))
