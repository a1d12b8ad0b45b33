"""bounce - write down what became of each recipient

Service:    bounce, defer, trace; each keeps the logs in the directory of its name
Privileges: mail_owner, chroot, no network
Parameters: backwards_bounce_logfile_compatibility, bounce_service_name, defer_service_name,
            trace_service_name
Sources:    bounce(8), ipc sheet section 3

An entry is durable when the answer says 0, so that the recipient may be marked in the queue
file. Requests for a report are refused: qmgr keeps the message then.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from pyfix.clients.bounce import APPEND, DONE, FAILED, PROTOCOL, Command
from pyfix.clients.deliver import Dsn, recipient_from_fields
from pyfix.config.params.mail import MailParams
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.logs import LogEntry, append_log
from pyfix.server.context import Context
from pyfix.server.stream import Link, StreamServer
from pyfix.unix import msg
from pyfix.wire.attr import AttrError, decode_pairs


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

    async def start(self) -> None:
        """Nothing to begin with."""

    async def serve(self, sock: socket.socket) -> None:
        """One client's requests."""
        await self._server.serve(sock)

    async def retire(self) -> None:
        """Let clients go elsewhere."""
        await self._server.retire()

    def frame(self, link: Link, stream: int, attrs: bytes, body: bytes) -> None:  # noqa: ARG002 - no body here
        """One request."""
        try:
            command = int(decode_pairs(attrs).get("nrequest", ""))
            answer = COMMANDS.get(command, Bounce.refuse)(self, attrs)
        except (AttrError, ValueError) as error:
            msg.warning(malformed(str(error)))
            answer = FAILED
        link.send(stream, answer)

    def closed(self, link: Link) -> None:
        """A client has gone; nothing of its is kept."""

    def append(self, attrs: bytes) -> bytes:
        """Add an entry to a message's log."""
        _, _, queue_id, *fields = APPEND.decode(attrs)
        recipient, dsn = recipient_from_fields(fields[:5]), Dsn.from_fields(fields[5:])
        entry = LogEntry(
            recipient,
            dsn.status,
            dsn.action,
            dsn.reason,
            dsn.diag_type,
            dsn.diag_text,
            dsn.mta_type,
            dsn.mta_mname,
        )
        try:
            append_log(self._queue, self._log, queue_id, entry, compatible=self._compatible)
        except OSError as error:
            msg.warning(append_failed(self._log, queue_id, error.strerror or str(error)))
            return FAILED
        return DONE

    def refuse(self, _: bytes) -> bytes:
        """No reports yet."""
        return FAILED


COMMANDS: dict[int, Callable[[Bounce, bytes], bytes]] = {Command.APPEND: Bounce.append}


def malformed(reason: str) -> str:
    """Log line: a client sent what is no request."""
    return f"malformed request: {reason}"


def append_failed(log: str, queue_id: str, reason: str) -> str:
    """Log line: no space, no permission, no directory."""
    return f"append to {log}/{queue_id}: {reason}"
