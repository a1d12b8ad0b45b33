"""trigger - tell qmgr or pickup that there is work

Letters to a public socket, as Postfix has them: I scan incoming, D scan deferred, A without
regard to time stamps, F forget which destinations are dead, W wake up. Postfix's own clients end
with a NUL, after which the server hangs up; this one sends none and keeps its connection. A
trigger is a hint: the service also looks by itself at its start and from time to time, so that
nothing here fails or blocks the caller.

cleanup names to qmgr what is new in incoming, so that qmgr need not look for it: `<ID>` for each file, or
`<ID HEAD TAIL>` and so many bytes of it that stand before the content and behind it, so that qmgr need not read it
either. Names go only over a connection that has asked for a scan before, and whoever can't send one asks for a scan
again; qmgr scans when a connection ends that has named files. So a name that is lost, with either side, has a scan
behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from time import monotonic

from pyfix.unix import fifo

RETRY_DELAY = 1.0  # seconds until a service that can't be reached is tried again

SCAN_INCOMING = b"I"
NAME = re.compile(rb"<([A-Za-z0-9_]{1,255})(?: ([0-9]{1,4}) ([0-9]{1,4}))?>", re.ASCII)
LONGEST = 267  # bytes of a name
GATHER = 0.005  # seconds for which names of a batch wait for those of the next one
HANDED = 4096  # bytes of a file that go with its name, at most

File = tuple[str, bytes, bytes]
"""A file that is new: its id; what stands before the content and behind it, empty where that is too much."""


class Trigger:
    """One service, by the path of its socket ("public/qmgr"). Needs a running loop."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pending: dict[int, None] = {}  # letters, in the order they came, each once
        self._sock: socket.socket | None = None
        self._timer: asyncio.Handle | None = None
        self._held: list[File] = []
        self._gathering: asyncio.TimerHandle | None = None
        self._named = 0.0  # when names were sent over this connection

    def send(self, letters: bytes) -> None:
        """Send these letters at the end of this loop turn, each once however often it was asked for."""
        self._pending.update(dict.fromkeys(letters))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_soon(self._flush)

    def send_now(self, letters: bytes) -> None:
        """Send these letters, and what waits, without waiting for the end of the turn."""
        self._pending.update(dict.fromkeys(letters))
        if self._timer is not None:
            self._timer.cancel()
        self._flush()

    def name(self, files: list[File]) -> None:
        """Tell qmgr of files that are new and ready in incoming, by name where that is safe, else by a scan.

        At once, but for those of several clients that come less than GATHER after others: these leave together,
        so that qmgr and agents wake up once for more mail. They wait on a connection that has named files.
        """
        self._held += files
        if len(files) == 1 or monotonic() - self._named >= GATHER:
            self._name_held()
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER, self._name_held)

    def _name_held(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        files, self._held = self._held, []
        if self._sock is None or self._timer is not None:
            self.send_now(SCAN_INCOMING)
            return
        words = b"".join([_word(*file) for file in files])
        try:
            sent = self._sock.send(words)
        except OSError:
            sent = 0
        self._named = monotonic()
        if sent < len(words):
            self._hang_up()
            self.send_now(SCAN_INCOMING)

    def close(self) -> None:
        """Forget what was not sent and hang up."""
        self._pending.clear()
        self._held = []
        for timer in (self._timer, self._gathering):
            if timer is not None:
                timer.cancel()
        self._timer = self._gathering = None
        self._hang_up()

    def _flush(self) -> None:
        self._timer = None
        letters = bytes(self._pending)
        if letters and not self._send_now(letters):
            self._timer = asyncio.get_running_loop().call_later(RETRY_DELAY, self._flush)
        else:
            self._pending.clear()

    def _send_now(self, letters: bytes) -> bool:
        """False: the service can't be reached now. A kept connection may have died: then once more."""
        return (
            (self._sock is not None and self._write(letters))
            or (self._connect() and self._write(letters))
            or self._write_fifo(letters)
        )

    def _write(self, letters: bytes) -> bool:
        assert self._sock is not None
        try:
            self._sock.send(letters)
        except BlockingIOError:
            return True  # a buffer full of letters that nobody has read: one more says nothing new
        except OSError:
            self._hang_up()
            return False
        return True

    def _write_fifo(self, letters: bytes) -> bool:
        """The same where the service is a fifo in master.cf, which keeps no connection."""
        try:
            fifo.write(self._path, letters)
        except OSError:
            return False
        return True

    def _connect(self) -> bool:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        try:
            self._sock.connect(self._path)
        except OSError:
            self._hang_up()
            return False
        return True

    def _hang_up(self) -> None:
        self._named = 0.0
        if self._sock is not None:
            with contextlib.suppress(OSError):
                self._sock.close()
            self._sock = None


def _word(queue_id: str, head: bytes, tail: bytes) -> bytes:
    if not head or len(head) + len(tail) > HANDED:
        return b"<%b>" % queue_id.encode("ascii")
    return b"<%b %d %d>%b%b" % (queue_id.encode("ascii"), len(head), len(tail), head, tail)


class Words:
    """The hearing end of one connection. named: it has named files."""

    __slots__ = ("_rest", "named")

    def __init__(self) -> None:
        self._rest = b""
        self.named = False

    def receive(self, data: bytes) -> tuple[bytes, list[File]]:
        """Letters and files, from bytes that may end in the middle of one. What is no name counts as letters."""
        data = self._rest + data
        letters: list[bytes] = []
        files: list[File] = []
        at = 0
        while (begin := data.find(b"<", at)) >= 0:
            self.named = True
            letters.append(data[at:begin])
            found = NAME.match(data, begin)
            if found is None:
                if data.find(b">", begin) < 0 and len(data) - begin < LONGEST:
                    break
                letters.append(b"<")
                at = begin + 1
                continue
            queue_id, head, tail = found.groups(b"0")
            middle = found.end() + int(head)
            at = middle + int(tail)
            if at > len(data):
                break
            files.append((queue_id.decode("ascii"), data[found.end() : middle], data[middle:at]))
        else:
            begin = len(data)
            letters.append(data[at:])
        self._rest = data[begin:]
        return b"".join(letters), files
