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

import asyncio
import os
import socket
from collections.abc import Iterable
from typing import ClassVar, cast

from pyfix.config import in_force
from pyfix.config.main_cf import BadConfig
from pyfix.config.params.mail import MailParams
from pyfix.maps.compound import first_type
from pyfix.maps.servers import Servers, WrongQuestionError
from pyfix.maps.table import Care, NotNowError, OpenError, Options, Source, TableError
from pyfix.maps.watch import Watch
from pyfix.unix import msg
from pyfix.unix.loop import running
from pyfix.unix.moment import Moment
from pyfix.unix.transport import StreamTransport, connect_unix
from pyfix.unix.turn import TurnWriter
from pyfix.wire.attr import AttrError, decode_pairs, encode_pairs
from pyfix.wire.stream import CONNECTION, FrameReader, StreamError, encode_frame

PROTOCOL = "proxymap_protocol"
OK, NOKEY, RETRY, BAD, DENY, CONFIG = range(6)
FIRST, NEXT = range(2)
FOLD, UTF8, NO_SUBSTITUTION = 1, 2, 4
"""Bits of instance_flags."""

TIMEOUT = 100  # seconds, longer than a database is waited for
PATTERNS = frozenset({"cidr", "fail", "pcre", "randmap", "regexp", "socketmap", "tcp"})
"""Types that get whole keys only."""
AS_WRITTEN = frozenset({"mongodb"})
"""Types that get keys as they were asked for, though they are of fixed strings."""


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
        flags = str(
            (FOLD if options.fold else 0)
            | (UTF8 if options.utf8 else 0)
            | (NO_SUBSTITUTION if Care.NO_SUBSTITUTION in options.care else 0)
        )
        self._request = (("request", "lookup"), ("table", name), ("instance_flags", flags), ("flags", "0"))
        self._path = path
        self._link: Link | None = None
        self.fixed = first_type(name) not in PATTERNS
        self.folds_itself = first_type(name) in AS_WRITTEN
        self._servers = Servers("proxymap", [path], Proxymap, retry_interval=0, idle_interval=1000)

    def lookup(self, key: str) -> str | None:
        """What the table has there; TableError when it can't answer, or may not be asked."""
        answer = self._servers.ask(
            lambda server: _checked(
                self._name,
                server.ask(**dict(self._request), key=key),
            ),
            table=self._table,
        )
        return self._value(answer)

    async def lookup_kept(self, key: str) -> str | None:
        """The same on an event loop. NotNowError."""
        link = self._link
        if link is None or not link.usable or link.loop is not asyncio.get_running_loop():
            link = self._link = await connect(self._path)
        answer = await link.ask((*self._request, ("key", key)))
        try:
            return self._value(_checked(self._name, answer))
        except WrongQuestionError as error:
            msg.warning(f"{self._table}: proxymap server {self._path}: {error}")
            raise TableError(self._table, str(error)) from None

    def __del__(self) -> None:
        link = self.__dict__.get("_link")
        if link is not None and not link.loop.is_closed():
            link.close()

    def _value(self, answer: dict[str, str]) -> str | None:
        status = answer.get("status")
        if status == str(NOKEY):
            return None
        if status != str(OK):
            raise TableError(self._table, "")
        return answer.get("value", "")


class Link(asyncio.Protocol):
    """A connection to the service on an event loop. Requests of one turn of the loop leave in one write."""

    def __init__(self) -> None:
        self.loop = running()
        self.greeted: asyncio.Future[bool] = self.loop.create_future()
        self.usable = True
        self._lost = False
        self._reader = FrameReader()
        self._asked: dict[int, tuple[Moment, float]] = {}  # who waits, and since when
        self._answers: dict[int, bytes] = {}
        self._request = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: StreamTransport
        self._out: TurnWriter

    async def ask(self, request: Iterable[tuple[str, str]]) -> dict[str, str]:
        """The answer to one request. NotNowError: it does not come."""
        if self._lost:
            raise NotNowError
        if self._timer is None:
            self._timer = self.loop.call_later(TIMEOUT, self._look_at_clock)
        self._request += 1
        number = self._request
        self._out.write(encode_frame(number, encode_pairs(request)))
        moment = Moment(loop=self.loop)
        self._asked[number] = moment, self.loop.time()
        try:
            await moment
        finally:
            self._asked.pop(number, None)
        answer = self._answers.pop(number, None)
        if answer is None:
            raise NotNowError
        try:
            return decode_pairs(answer)
        except AttrError:
            self.close()
            raise NotNowError from None

    def close(self) -> None:
        """Hang up; who waits for an answer hears NotNowError."""
        self.usable = False
        self._transport.abort()

    def _look_at_clock(self) -> None:
        """A service that does not answer is given up."""
        self._timer = None
        if not self._asked:
            return
        late = next(iter(self._asked.values()))[1] + TIMEOUT
        if self.loop.time() < late:
            self._timer = self.loop.call_at(late, self._look_at_clock)
        else:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(StreamTransport, transport)
        self._out = TurnWriter(self._transport, self.loop)

    def data_received(self, data: bytes) -> None:
        self._out.hold()
        try:
            for number, attrs, _ in self._reader.receive(data):
                if number == CONNECTION:
                    self._about_connection(decode_pairs(attrs))
                elif number in self._asked:
                    self._answers[number] = attrs
                    self._asked[number][0].come()
        except (AttrError, StreamError):
            self.close()
        finally:
            self._out.release()

    def _about_connection(self, attrs: dict[str, str]) -> None:
        if not self.greeted.done():
            self.greeted.set_result(attrs.get("protocol") == PROTOCOL)
        else:
            self.usable = False

    def connection_lost(self, error: Exception | None) -> None:
        del error  # any end is the same
        self.usable = False
        self._lost = True
        if self._timer is not None:
            self._timer.cancel()
        if not self.greeted.done():
            self.greeted.set_result(False)
        for moment, _ in list(self._asked.values()):
            moment.come()


class ProxyWriter:
    """A table that proxywrite changes for others. name: without `proxy:`; path: of the service's socket.

    Each request raises TableError when there is no answer.
    """

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path
        self._link: Link | None = None

    async def lookup(self, key: str) -> str | None:
        """The value of exactly this key."""
        answer = await self._ask("lookup", ("key", key))
        return answer.get("value", "") if answer["status"] == str(OK) else None

    async def put(self, key: str, value: str) -> None:
        """Set the value of a key."""
        await self._ask("update", ("key", key), ("value", value))

    async def delete(self, key: str) -> bool:
        """Remove a key; whether it was there."""
        return (await self._ask("delete", ("key", key)))["status"] == str(OK)

    async def _ask(self, request: str, *more: tuple[str, str]) -> dict[str, str]:
        table = f"proxy:{self._name}"
        about = (("request", request), ("table", self._name), ("instance_flags", str(UTF8)), ("flags", "0"))
        try:
            if self._link is None or not self._link.usable:
                self._link = await connect(self._path)
            answer = _checked(self._name, await self._link.ask((*about, *more)), "proxywrite")
        except NotNowError:
            raise TableError(table, f"no answer from {self._path}") from None
        except WrongQuestionError as error:
            msg.warning(f"{table}: proxymap server {self._path}: {error}")
            raise TableError(table, str(error)) from None
        if answer.get("status") not in {str(OK), str(NOKEY)}:
            raise TableError(table, "")
        return answer


async def connect(path: str) -> Link:
    """NotNowError: there is no such service, or no loop."""
    try:
        link = Link()
        await connect_unix(path, link)
    except (OSError, RuntimeError):
        raise NotNowError from None
    if not await link.greeted:
        link.close()
        raise NotNowError
    return link


def _checked(table: str, answer: dict[str, str], service: str = "proxymap") -> dict[str, str]:
    if answer.get("status") == str(DENY):
        raise WrongQuestionError(f'{service} service is not configured for table "{table}"')
    return answer


def open_proxy(options: Options, name: str) -> Source:
    """A table that asks the service. OpenError."""
    if ":" not in name:
        raise OpenError(f'open dictionary: expecting "type:name" form instead of "{name}"')
    return ProxyTable(options, name, _socket(options.config_dir))


def _socket(config_dir: str) -> str:
    """Where the service listens, as a daemon sees it or from anywhere. OpenError."""
    try:
        cfg = MailParams(in_force.main_cf(config_dir))
        name, queue_directory = f"private/{cfg.proxymap_service_name}", cfg.queue_directory
    except BadConfig as error:
        raise OpenError(str(error)) from None
    return name if os.path.exists(os.path.dirname(name)) else f"{queue_directory}/{name}"
