"""bounce - write down what became of each recipient, and tell the sender

Service:    bounce, defer, trace; each keeps the logs in the directory of its name
Privileges: mail_owner, chroot, no network
Parameters: params/bounce.py; backwards_bounce_logfile_compatibility, bounce_service_name,
            defer_service_name, trace_service_name
Sources:    bounce(8), ipc sheet section 3

An entry is durable when the answer says 0, so that the recipient may be marked in the queue
file. So is a report, before its log goes. Any failure is answered by -1: qmgr keeps the message.

Nothing is begun for somebody who has died: the next qmgr asks for a report again, the next agent tries the recipient
again. Of a report that is under way then, the next one hears how it ends.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

from pyfix.bounce.notify import Notifier
from pyfix.clients.bounce import (
    APPEND,
    DONE,
    FAILED,
    ONE,
    PROTOCOL,
    REPORT,
    VERP,
    Command,
    ReportRequest,
    report_from_fields,
)
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.clients.deliver import Dsn, recipient_from_fields
from pyfix.config.bounce_template import BadTemplate, load_templates
from pyfix.config.params.bounce import BounceParams
from pyfix.config.params.mail import MailParams
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import Recipient
from pyfix.queue.logs import Addition, LogEntry
from pyfix.server import bug, eager
from pyfix.server.context import Context
from pyfix.server.stream import Link, StreamServer
from pyfix.unix import msg
from pyfix.unix.fsync import ROOM, sync_all
from pyfix.wire.attr import AttrError, Form, decode_pairs


class Bounce:
    """One of the three services."""

    def __init__(self, context: Context) -> None:
        cfg = MailParams(context.main)
        logs = {
            cfg.bounce_service_name: "bounce",
            cfg.defer_service_name: "defer",
            cfg.trace_service_name: "trace",
        }
        if context.service not in logs:
            msg.fatal(f"unexpected service name: {context.service}")
        self._log = logs[context.service]
        self._compatible = cfg.backwards_bounce_logfile_compatibility
        self._queue = QueueDirectory.from_config(context.main)
        self._server = StreamServer(PROTOCOL, self)
        self._additions: dict[str, Addition] = {}
        self._waiting: list[tuple[Link, int, str]] = []
        self._reports: dict[bytes, list[tuple[Link, int]]] = {}
        """Those under way by what was asked: who waits for the end."""
        self.cleanup = CleanupClient(f"public/{cfg.cleanup_service_name}", timeout=cfg.ipc_timeout)
        try:
            templates = load_templates(BounceParams(context.main).bounce_template_file)
        except (BadTemplate, OSError) as error:
            msg.fatal(str(error))
        self._notifier = Notifier(context.main, self._queue, self.cleanup, templates)

    async def start(self) -> None:
        """Nothing to begin with."""

    async def serve(self, sock: socket.socket) -> None:
        """One client's requests."""
        await self._server.serve(sock)

    async def retire(self) -> None:
        """Let clients go elsewhere."""
        await self._server.retire()

    def quiet_since(self) -> float:
        """When the last request came; who waits for its end keeps his connection for that long."""
        return self._server.heard

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:  # noqa: ARG002 - no body here
        """One request."""
        if link.peer_gone():
            return
        try:
            command = int(decode_pairs(attrs).get("nrequest", ""))
            if command == Command.APPEND:
                self._append(link, stream, attrs)
                return
            self.caught_up()  # a report reads logs
            form, function = REPORTS[command]
            _, *fields = form.decode(attrs)
            report = report_from_fields(fields[:8])
        except (AttrError, ValueError, KeyError) as error:
            msg.warning(malformed(str(error)))
            link.send(stream, FAILED)
            return
        askers = self._reports.setdefault(attrs, [])
        askers.append((link, stream))
        if len(askers) == 1:
            eager.start(self._report(attrs, report, function(self, report, fields[8:])))

    async def _report(self, asked: bytes, report: ReportRequest, work: Awaitable[bool]) -> None:
        """Answer when the work is done, or can't be."""
        try:
            done = await work
        except OSError as error:
            msg.warning(report_failed(self._log, report.queue_id, error.strerror or str(error)))
            done = False
        except Exception as error:
            msg.error(bug.line(error, f"{report.queue_id}: report"))
            done = False
        for link, stream in self._reports.pop(asked):
            link.send(stream, DONE if done else FAILED)

    def closed(self, link: Link) -> None:
        """A client has gone; nothing of its is kept."""

    def _append(self, link: Link, stream: int, attrs: bytes) -> None:
        """Add an entry to a message's log; it is answered when it is durable."""
        _, _, queue_id, *fields = APPEND.decode(attrs)
        entry = _entry(recipient_from_fields(fields[:5]), Dsn.from_fields(fields[5:]))
        try:
            addition = self._additions.get(queue_id) or self._begin(queue_id)
            addition.add(entry)
        except OSError as error:
            self._tell_failed(queue_id, error)
            link.send(stream, FAILED)
        else:
            self._waiting.append((link, stream, queue_id))

    def _begin(self, queue_id: str) -> Addition:
        """Have one more log locked. OSError.

        Who waits for a lock has none: another process may have that one and want ours.
        """
        if len(self._additions) >= ROOM:
            self.caught_up()
        addition = Addition(self._queue, self._log, queue_id, compatible=self._compatible, before_wait=self.caught_up)
        self._additions[queue_id] = addition
        return addition

    def caught_up(self) -> None:
        """All that came together has been written: make it durable together, and answer."""
        additions, self._additions = self._additions, {}
        waiting, self._waiting = self._waiting, []
        sync_all(list(additions.values()))
        failed = set()
        for queue_id, addition in additions.items():
            try:
                addition.end()
            except OSError as error:
                self._tell_failed(queue_id, error)
                failed.add(queue_id)
        for link, stream, queue_id in waiting:
            link.send(stream, FAILED if queue_id in failed else DONE)

    def _tell_failed(self, queue_id: str, error: OSError) -> None:
        msg.warning(append_failed(self._log, queue_id, error.strerror or str(error)))

    def flush(self, report: ReportRequest, _: list[Any]) -> Awaitable[bool]:
        """Tell the sender what is in the log, and remove it."""
        return self._notifier.flush(self._log, report)

    def warn(self, report: ReportRequest, _: list[Any]) -> Awaitable[bool]:
        """Tell the sender of the delay."""
        return self._notifier.warn(self._log, report)

    def verp(self, report: ReportRequest, rest: list[Any]) -> Awaitable[bool]:
        """A report for each recipient in the log."""
        return self._notifier.verp(self._log, report, rest[0])

    def one(self, report: ReportRequest, rest: list[Any]) -> Awaitable[bool]:
        """One recipient, without a log."""
        entry = _entry(recipient_from_fields(rest[:5]), Dsn.from_fields(rest[5:]))
        return self._notifier.one(report, entry)

    def trace(self, report: ReportRequest, _: list[Any]) -> Awaitable[bool]:
        """Tell the sender what was asked for."""
        return self._notifier.trace(self._log, report)


Work = Callable[[Bounce, ReportRequest, list[Any]], Awaitable[bool]]
REPORTS: dict[int, tuple[Form, Work]] = {
    Command.FLUSH: (REPORT, Bounce.flush),
    Command.WARN: (REPORT, Bounce.warn),
    Command.VERP: (VERP, Bounce.verp),
    Command.ONE: (ONE, Bounce.one),
    Command.TRACE: (REPORT, Bounce.trace),
}


def _entry(recipient: Recipient, dsn: Dsn) -> LogEntry:
    return LogEntry(
        recipient,
        dsn.status,
        dsn.action,
        dsn.reason,
        dsn.diag_type,
        dsn.diag_text,
        dsn.mta_type,
        dsn.mta_mname,
    )


def malformed(reason: str) -> str:
    """Log line: a client sent what is no request."""
    return f"malformed request: {reason}"


def append_failed(log: str, queue_id: str, reason: str) -> str:
    """Log line: no space, no permission, no directory."""
    return f"append to {log}/{queue_id}: {reason}"


def report_failed(log: str, queue_id: str, reason: str) -> str:
    """Log line: a log can't be read or removed."""
    return f"{log}/{queue_id}: {reason}"
