"""postqueue - list the queue, or have it tried now

    postqueue [-v] [-c DIR] -p | -j | -f | -i QUEUE_ID | -s SITE

-p        list, for people
-j        list, an object of JSON for each message
-f        try all mail now
-i -s     try one message, or the mail for one site, now (by the flush service)

While the mail system is down, root and the owner of the queue get their list from the files. Whatever
goes wrong, the exit status is 69, as Postfix's.

The servers know by the kernel who asks: authorized_mailq_users, authorized_flush_users; root and mail_owner always may.

Parameters: queue_directory, enable_long_queue_ids, mail_owner, *_service_name
See also: postqueue(1).
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pyfix.clients import flush
from pyfix.clients.kick import UnreachableError, kick
from pyfix.clients.showq import QUEUES, MalformedReport, QueuedMessage, QueuedRecipient, ask
from pyfix.commands import mail_conf
from pyfix.commands.json_text import json_text
from pyfix.unix import msg, stdio, users

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf
    from pyfix.config.params.mail import MailParams

USAGE = (
    "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"
)
EX_UNAVAILABLE = 69
_MARKS = {"active": "*", "hold": "!"}
_LETTERS = "c:fi:jps:v"
TOGETHER = 200  # messages that are written at once


class Layout:
    """The columns of a list for people. long_ids: wide enough for long queue ids."""

    def __init__(self, long_ids: bool) -> None:
        self.head = _LONG_HEAD if long_ids else _SHORT_HEAD
        self._line = "%-17s %8d %19.19s %s\n" if long_ids else "%-11s %7d %20.20s %s\n"
        self._indent = " " * (47 if long_ids else 41)

    def message(self, message: QueuedMessage) -> str:
        """A message with its recipients, and an empty line."""
        mark = _MARKS.get(message.queue_name, "")
        if message.forced_expire:
            mark += "#"
        arrival = time.ctime(message.time)
        lines = [self._line % (message.queue_id + mark, message.size, arrival, message.sender)]
        said = ""
        for recipient in message.recipients:
            if recipient.reason != said:
                said = recipient.reason
                lines.append(_at_right(f"({said or 'reason unavailable'})\n"))
            lines.append(f"{self._indent}{recipient.address}\n")
        return "".join(lines) + "\n"


def _at_right(line: str) -> str:
    """Moved to the right edge; Postfix counts bytes."""
    return " " * (79 - len(line.encode("utf-8", "surrogateescape"))) + line


_SHORT_HEAD = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
_LONG_HEAD = "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"


def listing(messages: Iterable[QueuedMessage], layout: Layout) -> Iterator[str]:
    """The list for people, piece by piece."""
    count = size = 0
    for message in messages:
        if count == 0:
            yield layout.head
        count += 1
        size += message.size
        yield layout.message(message)
    if count == 0:
        yield "Mail queue is empty\n"
    else:
        yield f"-- {size // 1024} Kbytes in {count} Request{'' if count == 1 else 's'}.\n"


def json_listing(messages: Iterable[QueuedMessage]) -> Iterator[str]:
    """A line of JSON for each message."""
    for m in messages:
        yield (
            f'{{"queue_name": {json_text(m.queue_name)}, "queue_id": {json_text(m.queue_id)}, '
            f'"arrival_time": {m.time}, "message_size": {m.size}, '
            f'"forced_expire": {"true" if m.forced_expire else "false"}, "sender": {json_text(m.sender)}, '
            f'"recipients": [{", ".join(map(_json_recipient, m.recipients))}]}}\n'
        )


def _json_recipient(recipient: QueuedRecipient) -> str:
    text = f'{{"orig_address": {json_text(recipient.original)}, "address": {json_text(recipient.address)}'
    if recipient.log_class and recipient.reason:
        name = "bounce_reason" if recipient.log_class == "bounce" else "delay_reason"
        text += f', "{name}": {json_text(recipient.reason)}'
    return text + "}"


def _show(pieces: Iterable[str]) -> None:
    """Write what there is whenever some of it has come together."""
    waiting: list[str] = []
    for piece in pieces:
        waiting.append(piece)
        if len(waiting) == TOGETHER:
            _write(waiting)
            waiting.clear()
    _write(waiting)


def _write(pieces: list[str]) -> None:
    sys.stdout.buffer.write("".join(pieces).encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _messages(main_cf: "MainCf", cfg: "MailParams") -> Iterator[QueuedMessage]:
    """From the showq service, else from the files."""
    try:
        yield from ask(cfg.queue_directory, cfg.showq_service_name)
    except OSError as error:
        reason = f"Connect to the {cfg.mail_name} {cfg.showq_service_name} service: {error.strerror}"
        if not _may_read_queue(cfg):
            msg.fatal(f"Queue report unavailable - mail system is down ({reason})")
        msg.warning(f"Mail system is down -- accessing queue directly ({reason})")
        yield from _stored(main_cf, cfg)
    except MalformedReport as error:
        msg.fatal(str(error))


def _may_read_queue(cfg: "MailParams") -> bool:
    return os.access(f"{cfg.queue_directory}/deferred", os.R_OK | os.X_OK)


def _stored(main_cf: "MainCf", cfg: "MailParams") -> Iterator[QueuedMessage]:
    from pyfix.queue.directory import QueueDirectory
    from pyfix.queue.report import list_message

    queue = QueueDirectory.from_config(main_cf, cfg.queue_directory)
    null = cfg.empty_address_recipient
    for name in QUEUES:
        for queue_id in queue.scan(name):
            listed = list_message(queue, name, queue_id)
            if listed is not None:
                recipients = [QueuedRecipient(a or null, o, log, why) for o, a, log, why in listed.recipients]
                told = (queue_id, listed.time, listed.size, listed.forced_expire, listed.sender or null)
                yield QueuedMessage(name, *told, recipients)


def _flush_all(cfg: "MailParams") -> None:
    """Have every message tried, and maildrop read."""
    try:
        place = f"public/{cfg.queue_service_name}"
        msg.debug(f"connect to subsystem {place}")
        kick(cfg.queue_directory, place, b"FADI")
    except UnreachableError as error:
        msg.warning(str(error))
        msg.fatal("Cannot flush mail queue - mail system is down")
    try:
        kick(cfg.queue_directory, f"public/{cfg.pickup_service_name}", b"W")
    except UnreachableError as error:
        msg.warning(str(error))


def _flush_one(queue_id: str, cfg: "MailParams") -> None:
    from pyfix.queue.names import is_valid

    if not is_valid(queue_id):
        msg.fatal(f'Cannot flush queue ID - invalid name: "{queue_id[:100]}"')
    status = _ask_flush(cfg, request="send_file", queue_id=queue_id)
    if status == flush.BAD:
        msg.fatal(f'Invalid request: "{queue_id}"')
    elif status:
        msg.fatal(f'Cannot flush queue ID "{queue_id}" - status {status}')


def _is_site(site: str) -> bool:
    """A host name, or an address in brackets."""
    from pyfix.config.hosts import name_problem
    from pyfix.maps.network import parse_address

    if site[:1] != "[":
        return name_problem(site) is None
    address = parse_address(site[1:-1].removeprefix("IPv6:")) if site[-1] == "]" else None
    return address is not None and (address.version == 6) is site.startswith("[IPv6:")


def _flush_site(site: str, cfg: "MailParams") -> None:
    if not _is_site(site):
        msg.fatal(f'Cannot flush mail queue - invalid destination: "{site[:100]}"')
    status = _ask_flush(cfg, request="send_site", site=site) if _has_log(cfg, site) else flush.DENY
    if status == flush.DENY:
        msg.fatal(f'Flush service is not configured for destination "{site}"')
    elif status == flush.BAD:
        msg.fatal(f'Invalid request: "{site}"')
    elif status:
        msg.fatal(f'Cannot flush mail for "{site}" - status {status}')


def _has_log(cfg: "MailParams", site: str) -> bool:
    """Whether the site is one of fast_flush_domains; where that can't be told the service will tell."""
    from pyfix.config.params.flush import FlushParams
    from pyfix.maps.match import DomainMatch, parent_matches
    from pyfix.maps.run_now import run_now
    from pyfix.maps.table import TableError

    name = "fast_flush_domains"
    parent = parent_matches(cfg.parent_domain_matches_subdomains, name)
    domains = DomainMatch(FlushParams(cfg.main).fast_flush_domains, name=name, parent=parent)
    try:
        return run_now(domains.matches(site.lower()))
    except TableError:
        return True


def _ask_flush(cfg: "MailParams", **request: str) -> int:
    """The status of a request to the flush service."""
    try:
        return flush.ask(cfg.queue_directory, cfg.flush_service_name, **request)
    except flush.MalformedError as error:
        msg.fatal(str(error))
    except OSError as error:
        msg.warning(f"connect to public/{cfg.flush_service_name}: {error.strerror}")
        msg.fatal("Cannot flush mail queue - mail system is down")


def _check_user(cfg: "MailParams", mode: str) -> None:
    """The servers look themselves; here it is said in words."""
    name = "authorized_mailq_users" if mode in "jp" else "authorized_flush_users"
    listed = cfg.authorized_mailq_users if mode in "jp" else cfg.authorized_flush_users
    uid = os.getuid()
    if uid == 0 or listed == "static:anyone" or users.caller().name == cfg.mail_owner:
        return
    from pyfix.maps.run_now import run_now
    from pyfix.maps.user_acl import UserAcl

    if refused := run_now(UserAcl(listed, name).refused(uid)):
        what = "view" if mode in "jp" else "flush"
        msg.fatal(f"User {refused}({uid}) is not allowed to {what} the mail queue")


def main(argv: list[str] | None = None) -> int:
    """List the queue, or have it tried."""
    try:
        return _main(argv)
    except msg.Fatal:
        return EX_UNAVAILABLE


def _main(argv: list[str] | None) -> int:
    found, operands = mail_conf.begin(argv, "postqueue", _LETTERS, USAGE, pause=False)
    values = dict(found)
    modes = [letter for letter, _ in found if letter in "fijps"]
    from pyfix.config.params.mail import MailParams

    if operands:
        msg.fatal(USAGE)
    main_cf = mail_conf.load(values.get("c"))
    mail_conf.log_too(main_cf, "postqueue")
    if len(modes) != 1:
        msg.fatal(USAGE)
    cfg = MailParams(main_cf)
    stdio.end_well = True
    _check_user(cfg, modes[0])
    match modes[0]:
        case "p":
            _show(listing(_messages(main_cf, cfg), Layout(cfg.enable_long_queue_ids)))
            if stdio.error is not None:
                msg.fatal(f"output write error: {stdio.error.strerror}")
        case "j":
            _show(json_listing(_messages(main_cf, cfg)))
        case "f":
            _flush_all(cfg)
        case "i":
            _flush_one(values["i"], cfg)
        case _:
            _flush_site(values["s"], cfg)
    return 0


if __name__ == "__main__":
    sys.exit(main())
