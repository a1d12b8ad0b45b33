"""pipe - deliver to a command that master.cf names

    dovecot unix - n n - - pipe
        flags=DRhu user=vmail:vmail argv=/usr/lib/dovecot/deliver -f ${sender} -d ${recipient}

Service:    any
Privileges: root, to become the user of `user=`; mail_owner in between; no chroot, no network. Started by an
            ordinary user: runs commands as that user
Parameters: SERVICE_time_limit, export_environment, see agent
Sources:    pipe(8)

The command runs as it is, without a shell. A word with a macro that is about a recipient ($recipient,
$user, $extension, $mailbox, $domain, $original_recipient) stands once for each recipient. All recipients
share the command's fate.

A service that can't be what master.cf says ends when it has taken a connection: qmgr hears that at once and defers
the mail, where it would wait as long as nobody took it.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from enum import Flag, auto
from typing import NamedTuple

from pyfix.clients.deliver import Request
from pyfix.config.environment import exported
from pyfix.config.escapes import unescape
from pyfix.config.families import member
from pyfix.config.params.mail import MailParams
from pyfix.config.params.pipe import PipeParams
from pyfix.delivery.agent import CONFIGURATION_ERROR, PROBE, Delivery, SerialAgent
from pyfix.delivery.command import Command, Verdict, judge, run
from pyfix.delivery.delivered import delivered_to
from pyfix.delivery.mail_copy import Copy, Letter
from pyfix.delivery.outcome import Outcome
from pyfix.mail.address import Extensions, quote
from pyfix.maps.addresses import extensions_of
from pyfix.queue.file import Recipient
from pyfix.server.context import Context
from pyfix.server.privileges import owner_of
from pyfix.unix import msg, users
from pyfix.unix.as_user import become, can_switch

DEFAULT_NULL_SENDER = "MAILER-DAEMON"

COPY = {  # flags= that change the message
    "B": Copy.BLANK,
    "D": Copy.DELIVERED,
    "F": Copy.FROM,
    "O": Copy.ORIGINAL,
    "R": Copy.RETURN_PATH,
    ".": Copy.DOT,
    ">": Copy.QUOTE,
}


class Words(Flag):
    """flags= that change the words of the command, and what is said of it."""

    NOTHING = 0
    FOLD_USER = auto()
    FOLD_HOST = auto()
    QUOTE = auto()
    FINAL = auto()


WORDS = {"u": Words.FOLD_USER, "h": Words.FOLD_HOST, "q": Words.QUOTE, "X": Words.FINAL}

SAID_LIMIT = 100
"""Characters of a successful command's output that are told."""
_MACRO = re.compile(r"\$(?:\$|(\w+)|\{((?:[^{}]|\{[^{}]*\})*)\}|\(([^()]*)\)|(?=([{(])))?", re.ASCII)
"""Whole, or with its bracket only, or with nothing that could be its name."""


class UnknownMacro(Exception):
    """The text names it."""


class BrokenMacro(Exception):
    """It has no name or no end; the text is the log's."""


class Attributes(NamedTuple):
    """What stands behind `pipe` in master.cf. size: bytes, 0: no limit."""

    argv: tuple[str, ...]
    uid: int
    gid: int
    copy: int = Copy.NOTHING
    words: Words = Words.NOTHING
    eol: bytes = b"\n"
    size: int = 0
    directory: str = ""
    chroot: str = ""
    null_sender: str = DEFAULT_NULL_SENDER


class Pipe(SerialAgent):
    """The service."""

    def __init__(self, context: Context) -> None:
        self._mail = MailParams(context.main)
        self._service = context.service
        self._master_cf = f"{context.main.config_dir}/master.cf"
        self._owner = owner_of(self._mail.mail_owner)
        self._unfit: msg.Fatal | None = None
        try:
            self._attributes = parse(context.args, self._owner)
        except msg.Fatal as fatal:
            self._unfit = fatal
        self._limit: int = member(context.service, "time_limit").read(context.main)
        super().__init__(
            context,
            self.deliver,
            relay=context.service,
            concurrency=1,
            status_filter=PipeParams(context.main).pipe_delivery_status_filter,
        )

    def serve(self, sock: socket.socket) -> None:
        """One connection of qmgr's, as mail_owner. Fatal: the service can't be what master.cf says."""
        if self._unfit is not None:
            raise self._unfit
        os.umask(0o077)
        if can_switch():
            become(self._owner.uid, self._owner.gid)
        super().serve(sock)

    def deliver(self, delivery: Delivery) -> Iterator[Outcome]:
        """All recipients by one command."""
        recipients = delivery.request.recipients
        verdict = self._refusal(delivery) or self._run(delivery)
        status, reason = verdict.status, verdict.reason
        action = "relayed" if status[0] == "2" and Words.FINAL not in self._attributes.words else ""
        kind = "x-unix" if verdict.text else ""
        for recipient in recipients:
            yield Outcome(recipient, status, reason, action=action, diag_type=kind, diag_text=verdict.text)

    def _refusal(self, delivery: Delivery) -> Verdict | None:
        """Why the command is not run, or None."""
        request, attributes = delivery.request, self._attributes
        single = attributes.copy & (Copy.DELIVERED | Copy.ORIGINAL)
        if single and len(request.recipients) > 1:
            letter = "D" if attributes.copy & Copy.DELIVERED else "O"
            msg.warning(single_recipient(letter, self._service))
            return Verdict("4.3.5", CONFIGURATION_ERROR)
        if attributes.size and request.size > attributes.size:
            return Verdict("5.2.3", "message too large")
        address = request.recipients[0].address
        if attributes.copy & Copy.DELIVERED and address.lower() in delivered_to(delivery):
            return Verdict("5.4.6", f"mail forwarding loop for {address}")
        if request.flags & PROBE:
            return Verdict("2.0.0", f"delivers to command: {attributes.argv[0]}")
        return None

    def _run(self, delivery: Delivery) -> Verdict:
        request, attributes = delivery.request, self._attributes
        sender = request.sender or attributes.null_sender
        try:
            argv = expand(attributes, request, self._mail)
        except UnknownMacro as error:
            msg.warning(unknown_macro(self._master_cf, self._service, str(error)))
            return Verdict("4.3.5", CONFIGURATION_ERROR)
        except BrokenMacro as error:
            msg.warning(str(error))
            return Verdict("4.3.5", CONFIGURATION_ERROR)
        command = Command(
            argv[0],
            attributes.uid,
            attributes.gid,
            exported(self._mail.export_environment),
            argv=tuple(argv),
            directory=attributes.directory,
            chroot=attributes.chroot,
            limit=self._limit,
            program="pipe",
        )
        recipient, original = request.recipients[0], self._mail.enable_original_recipient
        letter = Letter(delivery.fd, request.offset, request.size, sender, recipient, original=original)
        verdict = judge(run(command, letter.chunks(attributes.copy, time.time(), attributes.eol)), argv[0])
        if verdict.status[0] != "2":
            return verdict
        output = f" ({verdict.reason[:SAID_LIMIT].rstrip()})" if verdict.reason.strip() else ""
        return Verdict("2.0.0", f"delivered via {self._service} service{output}")


# master.cf


def parse(args: tuple[str, ...], owner: users.User) -> Attributes:
    """The attributes of a service. Fatal, logged, for what can't be."""
    words = [_unbraced(word) for word in args]
    at = next((at for at, word in enumerate(words) if word.startswith("argv=")), None)
    if at is None:
        msg.fatal("missing argv= command-line attribute")
    values: dict[str, str] = {}
    for word in words[:at]:
        name, equals, value = word.partition("=")
        if not equals or name not in _ATTRIBUTES:
            msg.fatal(f"unknown attribute name: {word}")
        values[name] = value
    first = words[at].removeprefix("argv=")
    argv = (first, *words[at + 1 :]) if first else tuple(words[at + 1 :])
    if not argv:
        msg.fatal("missing argv= command-line attribute")
    if "user" not in values:
        msg.fatal("missing user= command-line attribute")
    uid, gid = _user(values.pop("user"), owner)
    copy, flags = _flags(values.pop("flags", ""))
    more = {name: _ATTRIBUTES[name](value) for name, value in values.items()}
    return Attributes(argv, uid, gid, copy, flags, **more)  # type: ignore[arg-type]  # values were parsed by kind


def _unbraced(word: str) -> str:
    if word.startswith("{") and word.endswith("}"):
        return word[1:-1].strip()
    return word


def _user(text: str, owner: users.User) -> tuple[int, int]:
    """uid and gid of user or user:group; for an ordinary user his own."""
    name, _, group = text.partition(":")
    user = users.find_user(name)
    if user is None:
        msg.fatal(f"get_service_attr: unknown username: {name}")
    try:
        gid = users.group(group) if group else user.gid
    except users.UnknownUserError:
        msg.fatal(f"get_service_attr: unknown group: {group}")
    if not can_switch():
        return os.getuid(), os.getgid()
    if user.uid == 0:
        msg.fatal("user= command-line attribute specifies root privileges")
    if user.uid == owner.uid:
        msg.fatal(f"user= command-line attribute specifies mail system owner {owner.name}")
    if gid == 0:
        msg.fatal("user= command-line attribute specifies privileged group id 0")
    if gid == owner.gid:
        msg.fatal(f"user= command-line attribute specifies mail system owner {owner.name} group id {gid}")
    return user.uid, gid


def _flags(text: str) -> tuple[int, Words]:
    copy, words = Copy.NOTHING, Words.NOTHING
    for letter in text:
        if letter not in COPY and letter not in WORDS:
            msg.fatal(f"unknown flag: {letter} (ignored)")
        copy |= COPY.get(letter, Copy.NOTHING)
        words |= WORDS.get(letter, Words.NOTHING)
    return copy, words


def _size(text: str) -> int:
    if not text.isdigit():
        msg.fatal(f"get_service_attr: bad size= value: {text}")
    return int(text)


def _bytes(text: str) -> bytes:
    return unescape(text).encode("latin-1", "replace")


_ATTRIBUTES: dict[str, Callable[[str], object]] = {
    "user": str,
    "flags": str,
    "eol": _bytes,
    "size": _size,
    "directory": str,
    "chroot": str,
    "null_sender": str,
}


# The words of the command


def expand(attributes: Attributes, request: Request, mail: MailParams) -> list[str]:
    """The command for these recipients. UnknownMacro, BrokenMacro."""
    about = _about_message(attributes, request)
    extensions = extensions_of(mail)
    each = [_about_recipient(attributes, recipient, extensions) for recipient in request.recipients]
    out: list[str] = []
    for word in attributes.argv:
        names = {next(filter(None, found), "") for found in _MACRO.findall(word)}
        if names & each[0].keys():
            out += [_replace(word, about | values) for values in each]
        else:
            out.append(_replace(word, about))
    return out


def _replace(word: str, values: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name = found[1] or found[2] or found[3]
        if not name:
            raise BrokenMacro(truncated_macro(word) if found[4] else nameless_macro(word))
        if name not in values:
            raise UnknownMacro(name)
        return values[name]

    return _MACRO.sub(value, word)


def _about_message(attributes: Attributes, request: Request) -> dict[str, str]:
    sender = request.sender or attributes.null_sender
    nexthop = request.nexthop
    return {
        "sender": quote(sender) if Words.QUOTE in attributes.words and sender else sender,
        "nexthop": nexthop.lower() if Words.FOLD_HOST in attributes.words else nexthop,
        "size": str(request.size),
        "queue_id": request.queue_id,
        "envid": request.envelope_id,
        "client_address": request.log_client_address,
        "client_helo": request.log_helo_name,
        "client_hostname": request.log_client_name,
        "client_port": request.log_client_port,
        "client_protocol": request.log_protocol_name,
        "sasl_method": request.sasl_method,
        "sasl_sender": request.sasl_sender,
        "sasl_username": request.sasl_username,
    }


def _about_recipient(attributes: Attributes, recipient: Recipient, extensions: Extensions) -> dict[str, str]:
    local, at, domain = recipient.address.rpartition("@")
    if not at:
        local, domain = domain, ""
        msg.warning(f"no @ in recipient address: {recipient.address}")
    if Words.FOLD_USER in attributes.words:
        local = local.lower()
    user, extension = extensions.split(local)
    return {
        "recipient": _address(attributes.words, recipient.address),
        "original_recipient": _address(attributes.words, recipient.original),
        "user": user,
        "extension": extension[1:],
        "mailbox": local,
        "domain": domain.lower() if Words.FOLD_HOST in attributes.words else domain,
    }


def _address(words: Words, address: str) -> str:
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = domain, ""
    if Words.FOLD_USER in words:
        local = local.lower()
    if Words.FOLD_HOST in words:
        domain = domain.lower()
    text = local + at + domain
    return quote(text) if Words.QUOTE in words and text else text


def single_recipient(letter: str, service: str) -> str:
    """Log line: a flag that makes sense for one recipient only."""
    return f"pipe flag `{letter}' requires {service}_destination_recipient_limit = 1"


def nameless_macro(word: str) -> str:
    """Log line: a dollar sign alone, which would have to be two."""
    return f'empty macro name: "{word}"'


def truncated_macro(word: str) -> str:
    """Log line: a name in brackets does not end."""
    return f'truncated macro reference: "{word}"'


def unknown_macro(master_cf: str, service: str, name: str) -> str:
    """Log line: the command can't be written."""
    return f'file {master_cf}: service {service}: unknown macro name: "{name}"'
