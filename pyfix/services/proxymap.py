"""proxymap - asks tables for daemons that can't, or should not, do it themselves

Service:    proxymap     unix  -       -       n       -       -       proxymap
Service:    proxywrite   unix  -       -       n       -       1       proxymap
Privileges: mail_owner; network for tables that ask servers
Parameters: proxy_read_maps, proxy_write_maps, proxywrite_service_name
Sources:    proxymap(8); pyfix.maps.proxy says what is said on a connection

Only tables that proxy_read_maps lists as proxy:type:name are opened, once for all who ask. The
service proxywrite serves those of proxy_write_maps, and changes them: index files that have one
writer. Tables that ask servers do so in threads, the others answer at once.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import TypeVar

from pyfix.config.params.mail import MailParams
from pyfix.config.params.proxymap import ProxymapParams
from pyfix.maps import index
from pyfix.maps.braces import BraceError, content, split
from pyfix.maps.lmdb import index_path
from pyfix.maps.open import in_place_of, open_table
from pyfix.maps.proxy import BAD, DENY, FIRST, FOLD, NO_SUBSTITUTION, NOKEY, OK, PROTOCOL, RETRY, UTF8
from pyfix.maps.table import Care, LocalTable, OpenError, Options, TableError, fold_key
from pyfix.server import eager
from pyfix.server.context import Context
from pyfix.server.stream import Link, StreamServer
from pyfix.unix import msg
from pyfix.wire.attr import AttrError, decode_pairs, encode_pairs

WRITABLE = frozenset({"hash", "btree", "lmdb"})
PREFIX = "proxy:"

Pairs = list[tuple[str, str]]
Request = dict[str, str]
T = TypeVar("T")


def approved_tables(text: str) -> Iterator[str]:
    """The tables that a list names with proxy: in front, those within braces too."""
    for item in split(text):
        spec = item.lstrip("!")
        if spec.startswith(PREFIX):
            yield spec.removeprefix(PREFIX)
        elif "{" in spec:
            try:
                yield from approved_tables(content(spec[spec.index("{") :]))
            except BraceError:
                continue


class Proxymap:
    """The proxymap and proxywrite services."""

    def __init__(self, context: Context) -> None:
        mail, cfg = MailParams(context.main), ProxymapParams(context.main)
        self._writes = context.service == mail.proxywrite_service_name
        self._access, self._list = (
            ("read-write", "proxy_write_maps") if self._writes else ("read-only", "proxy_read_maps")
        )
        self._approved = frozenset(approved_tables(cfg.proxy_write_maps if self._writes else cfg.proxy_read_maps))
        self._config_dir = context.main.config_dir
        self._map_size = mail.lmdb_map_size
        self._tables: dict[tuple[str, int], LocalTable] = {}
        self._dumps: dict[tuple[Link, str], Iterator[tuple[str, str]]] = {}
        self._busy: dict[Link, int] = {}
        self._waiting: dict[tuple[Link, int], eager.Driven] = {}
        self._retiring = False
        self._changing = asyncio.Lock()
        self._server = StreamServer(PROTOCOL, self)
        self._requests: dict[str, Callable[[Link, Request], Awaitable[Pairs]]] = {
            "lookup": self._lookup,
            "update": self._update,
            "delete": self._delete,
            "sequence": self._sequence,
        }

    async def start(self) -> None:
        """Nothing to do: tables are opened when they are asked for."""

    async def serve(self, sock: socket.socket) -> None:
        """Answer one peer until it goes."""
        await self._server.serve(sock)

    async def retire(self) -> None:
        """Hang up on peers that wait for nothing, on others after their answers; they come back to another process."""
        self._retiring = True
        for link in list(self._server.links):
            if link not in self._busy:
                link.close()

    def quiet_since(self) -> float:
        """When the last request came."""
        return self._server.heard

    def holds(self) -> bool:
        """Whether one is under way."""
        return bool(self._busy)

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:  # noqa: ARG002 - the interface's
        """One request."""
        self._busy[link] = self._busy.get(link, 0) + 1
        waiting = eager.drive(self._answer(link, stream, attrs), partial(self._waited, link, stream))
        if waiting is not None:
            self._waiting[link, stream] = waiting

    def closed(self, link: Link) -> None:
        """A peer has gone."""
        self._busy.pop(link, None)
        for key in [key for key in self._dumps if key[0] is link]:
            del self._dumps[key]

    def _waited(self, link: Link, stream: int, error: BaseException | None) -> None:
        self._waiting.pop((link, stream), None)
        if error is not None:
            about = {"message": "a request", "exception": error}
            asyncio.get_running_loop().call_exception_handler(about)

    async def _answer(self, link: Link, stream: int, attrs: bytes) -> None:
        try:
            request = decode_pairs(attrs)
            pairs = await self._handled(link, request)
        except (AttrError, KeyError, ValueError) as error:
            msg.warning(f"broken request to the proxymap service: {error!r}")
            link.close()
            return
        link.send(stream, encode_pairs(pairs))
        self._done(link)

    def _done(self, link: Link) -> None:
        left = self._busy.get(link, 1) - 1
        if left > 0:
            self._busy[link] = left
            return
        self._busy.pop(link, None)
        if self._retiring:
            link.close()

    async def _handled(self, link: Link, request: Request) -> Pairs:
        name = request["table"]
        handler = self._requests.get(request["request"])
        if handler is None:
            msg.warning(f'unrecognized request: "{request["request"]}", ignored')
            return _status(BAD)
        if name not in self._approved:
            msg.warning(f'request for unapproved table: "{name}"')
            msg.warning(
                f"to approve this table for {self._access} access, list {PREFIX}{name} in main.cf:{self._list}"
            )
            return _status(DENY)
        try:
            return await handler(link, request)
        except (TableError, OpenError, index.UpdateError):
            return _status(RETRY)

    def _table(self, request: Request) -> LocalTable:
        name, flags = request["table"], int(request["instance_flags"])
        table = self._tables.get((name, flags))
        if table is None:
            if self._writable(name):
                self._make(name)
            table = open_table(
                name,
                config_dir=self._config_dir,
                fold=bool(flags & FOLD),
                utf8=bool(flags & UTF8),
                care=Care.NO_SUBSTITUTION if flags & NO_SUBSTITUTION else Care.NONE,
            )
            self._tables[name, flags] = table
        return table

    def _make(self, table: str) -> None:
        """An empty index file, where there is none. OpenError."""
        name = table.partition(":")[2]
        if not os.path.exists(index_path(name)):
            index.add(name, lambda _: None, self._style(table))

    def _writable(self, table: str) -> bool:
        """Whether this service changes such tables. OpenError."""
        table_type, _, name = table.partition(":")
        return self._writes and in_place_of(Options(table_type, config_dir=self._config_dir), name).type in WRITABLE

    def _style(self, table: str) -> index.Style:
        return index.Style(table, map_size=self._map_size, duplicates=index.Duplicates.REPLACE)

    async def _lookup(self, _: Link, request: Request) -> Pairs:
        async with self._changing if self._writes else nullcontext():
            value = await self._table(request).lookup(request["key"])
        return [*_status(NOKEY if value is None else OK), ("value", value or "")]

    async def _update(self, _: Link, request: Request) -> Pairs:
        key, value = _folded(request), request["value"]
        style = self._style(request["table"])
        await self._changed(request, lambda name: index.add(name, lambda file: file.put(key, value), style))
        return _status(OK)

    async def _delete(self, _: Link, request: Request) -> Pairs:
        keys = [_folded(request)]
        found = await self._changed(request, lambda name: index.delete(name, keys, map_size=self._map_size))
        return _status(OK if found else NOKEY)

    async def _changed(self, request: Request, change: Callable[[str], T]) -> T:
        """Change an index file, in a thread; nobody looks something up meanwhile."""
        if not self._writable(request["table"]):
            msg.warning(f'refused to change table "{request["table"]}"')
            raise OpenError("not writable")
        async with self._changing:
            return await asyncio.to_thread(change, request["table"].partition(":")[2])

    async def _sequence(self, link: Link, request: Request) -> Pairs:
        key = link, request["table"]
        if int(request["function"]) == FIRST:
            items = getattr(self._table(request).source, "items", None)
            if items is None:
                raise OpenError("no sequence")
            self._dumps[key] = iter(list(items()))
        found = next(self._dumps.get(key, iter(())), None)
        if found is None:
            self._dumps.pop(key, None)
            return [*_status(NOKEY), ("key", ""), ("value", "")]
        return [*_status(OK), ("key", found[0]), ("value", found[1])]


def _status(status: int) -> Pairs:
    return [("status", str(status)), ("flags", "0")]


def _folded(request: Request) -> str:
    flags = int(request["instance_flags"])
    return fold_key(request["key"], utf8=bool(flags & UTF8)) if flags & FOLD else request["key"]
