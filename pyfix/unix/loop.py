"""loop - the event loop of workers: asyncio's, whose selector serves connections itself

asyncio turns for each event: a handle, a context, a look at all timers. What is watched through Poller.add is called
from within the selector instead, and the loop turns only when there is something for it to do. That costs a
connection one system call to watch and none to leave.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from time import monotonic
from typing import Any, TypeVarTuple, Unpack, cast

Call = Callable[[], None]
Args = TypeVarTuple("Args")

_AT_ONCE = 256
"""Events taken in one look."""
_LONGEST = 86400.0
"""Seconds waited at most, for what does not fit into a wait."""
BUG = (Exception, asyncio.CancelledError)
"""What a call may raise by mistake: it is told, and the loop goes on, as with asyncio's own callbacks."""
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


class Poller(selectors.BaseSelector):
    """A selector with descriptors of two kinds: those of asyncio, and those of add(), whose calls are made here."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._readers: dict[int, Call] = {}
        self._writers: dict[int, Call] = {}
        self._halves: dict[int, Call] = {}  # readers of descriptors that are in _writers
        self._after: list[Call] = []
        self.wanted = False
        """The loop has something to do, and is to turn."""
        self.until = 0.0
        """When the present wait ends, by time.monotonic."""
        self.failed: Callable[[BaseException], None]
        """Hears of a call's bug."""

    # Descriptors whose calls are made here. One that is closed has left by itself, after forget().

    def add(self, fd: int, read: Call) -> None:
        """Call when there is something to read. OSError: there is no memory to watch one more."""
        if fd in self._writers:
            self._epoll.modify(fd, _IN | _OUT)
            self._halves[fd] = read
        else:
            self._epoll.register(fd, _IN)
            self._readers[fd] = read

    def remove(self, fd: int) -> None:
        """Call no more when there is something to read; nothing where that was not asked for."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)
        elif self._halves.pop(fd, None) is not None:
            self._epoll.modify(fd, _OUT)

    def add_writer(self, fd: int, write: Call) -> None:
        """Call when there is room to write. OSError: as add()."""
        if fd in self._readers:
            self._epoll.modify(fd, _IN | _OUT)
            self._halves[fd] = self._readers.pop(fd)
        else:
            self._epoll.register(fd, _OUT)
        self._writers[fd] = write

    def remove_writer(self, fd: int) -> None:
        """Call no more when there is room."""
        del self._writers[fd]
        read = self._halves.pop(fd, None)
        if read is None:
            self._epoll.unregister(fd)
        else:
            self._epoll.modify(fd, _IN)
            self._readers[fd] = read

    def forget(self, fd: int) -> None:
        """One that is only read from is about to be closed."""
        del self._readers[fd]

    def after(self, call: Call) -> None:
        """Call once what has come at the same time is served, before anything is waited for."""
        self._after.append(call)

    # What asyncio asks of a selector

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch for asyncio."""
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, fd, events, data)
        self._epoll.register(fd, _mask(events))
        self._keys[fd] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch no more."""
        key = self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())
        with suppress(OSError):  # closed
            self._epoll.unregister(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch for something else."""
        old = self.get_key(fileobj)
        if events != old.events:
            self._epoll.modify(old.fd, _mask(events))
        self._keys[old.fd] = key = selectors.SelectorKey(fileobj, old.fd, events, data)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """What is known of a descriptor. KeyError."""
        return self._keys[fileobj if isinstance(fileobj, int) else fileobj.fileno()]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """All of asyncio's, by descriptor."""
        return self._keys

    def close(self) -> None:
        """Watch nothing more."""
        self._epoll.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait, at most timeout seconds, for events of asyncio's, which are returned; serve the others meanwhile."""
        self.wanted = False
        self.until = monotonic() + (_LONGEST if timeout is None else timeout)
        if self._after:
            self._finish()
        poll, readers = self._epoll.poll, self._readers
        ready: list[tuple[selectors.SelectorKey, int]] = []
        left = 0.0 if self.wanted else max(0.0, self.until - monotonic())
        while True:
            events = poll(left, _AT_ONCE)
            for fd, mask in events:
                read = readers.get(fd)
                if read is None:
                    self._others(fd, mask, ready)
                    continue
                try:
                    read()
                except BUG as error:
                    self.failed(error)
            if self._after:
                self._finish()
            if ready or self.wanted or not events:
                return ready
            left = self.until - monotonic()
            if left <= 0:
                return ready

    def _finish(self) -> None:
        """Make the calls of after()."""
        while self._after:
            calls, self._after = self._after, []
            for call in calls:
                try:
                    call()
                except BUG as error:
                    self.failed(error)

    def _others(self, fd: int, mask: int, ready: list[tuple[selectors.SelectorKey, int]]) -> None:
        """An event of asyncio's, or of a connection that waits to write, or of one that is gone."""
        key = self._keys.get(fd)
        if key is not None:
            ready.append((key, _events(mask) & key.events))
            return
        for calls, not_for in ((self._halves, _OUT), (self._writers, _IN)):
            call = calls.get(fd) if mask & ~not_for else None
            if call is not None:
                try:
                    call()
                except BUG as error:
                    self.failed(error)


def _mask(events: int) -> int:
    return (_IN if events & _READ else 0) | (_OUT if events & _WRITE else 0)


def _events(mask: int) -> int:
    """An error is for both sides."""
    return (_READ if mask & ~_OUT else 0) | (_WRITE if mask & ~_IN else 0)


class Loop(asyncio.SelectorEventLoop):
    """The loop. poller: through which connections are watched."""

    def __init__(self) -> None:
        self.poller = Poller()
        super().__init__(self.poller)
        self.poller.failed = self._failed

    def _failed(self, error: BaseException) -> None:
        self.call_exception_handler({"message": "a connection's call failed", "exception": error})

    def call_soon(
        self, callback: Callable[[Unpack[Args]], object], *args: *Args, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio has it."""
        self.poller.wanted = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Args]], object],
        *args: *Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio has it."""
        poller = self.poller
        if when < poller.until:
            poller.until = when
        return super().call_at(when, callback, *args, context=context)

    def stop(self) -> None:
        """As asyncio has it."""
        self.poller.wanted = True
        super().stop()


def running() -> Loop:
    """The running loop."""
    return cast(Loop, asyncio.get_running_loop())
