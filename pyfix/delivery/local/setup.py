"""setup - main.cf as local needs it, tables opened, users looked up

Parameters: alias_maps, allow_mail_to_*, command_*, default_privs, duplicate_filter_limit, fallback_transport*,
            forward_*, home_mailbox, local_command_shell, luser_relay, mail_spool_directory, mailbox_*,
            owner_request_special, prepend_delivered_header, propagate_unmatched_extensions, ...
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

from pyfix.clients.rewrite import Rewriter
from pyfix.clients.serial import SerialChannel
from pyfix.clients.serial_cleanup import channel
from pyfix.clients.serial_rewrite import SerialRewriteClient
from pyfix.config.params.local import LocalParams
from pyfix.config.params.mail import MailParams
from pyfix.delivery.maildir import Maildir
from pyfix.delivery.mbox import DOTLOCK, FILE_LOCKS, Locking, Mbox
from pyfix.maps.addresses import extensions_of
from pyfix.maps.maps import Maps
from pyfix.maps.table import Care
from pyfix.server.context import Context
from pyfix.server.privileges import owner_of
from pyfix.unix import msg
from pyfix.unix.as_user import can_switch

CONTEXTS = {  # parameter: what it may name
    "allow_mail_to_commands": ("alias", "forward", "include"),
    "allow_mail_to_files": ("alias", "forward", "include"),
    "prepend_delivered_header": ("command", "file", "forward"),
    "propagate_unmatched_extensions": ("canonical", "virtual", "alias", "forward", "include", "generic"),
    "mailbox_delivery_lock": (*FILE_LOCKS, DOTLOCK),
}


class Setup:
    """Everything that does not change from one message to the next."""

    def __init__(self, context: Context) -> None:
        main = context.main
        self.mail, self.cfg = MailParams(main), LocalParams(main)
        mail, cfg = self.mail, self.cfg
        self.extensions = extensions_of(mail)
        if 0 < cfg.mailbox_size_limit < mail.message_size_limit:
            msg.fatal("main.cf configuration error: mailbox_size_limit is smaller than message_size_limit")
        self.service = context.service
        self.owner = owner_of(mail.mail_owner)
        self.default_privs = default_rights(mail.default_privs)
        self.duplicate_filter_limit = mail.duplicate_filter_limit
        self.to_commands = _words("allow_mail_to_commands", cfg.allow_mail_to_commands)
        self.to_files = _words("allow_mail_to_files", cfg.allow_mail_to_files)
        self.prepend = _words("prepend_delivered_header", cfg.prepend_delivered_header)
        self.propagate = _words("propagate_unmatched_extensions", mail.propagate_unmatched_extensions)
        self._open_tables(self._maps_of(main.config_dir))
        styles = tuple(cfg.mailbox_delivery_lock.replace(",", " ").split())
        _words("mailbox_delivery_lock", cfg.mailbox_delivery_lock)
        locking = Locking(styles, mail.deliver_lock_attempts, mail.deliver_lock_delay, mail.stale_lock_time)
        self.mbox = Mbox(locking, cfg.mailbox_size_limit, strict=mail.strict_mailbox_ownership, default="5.2.0")
        self.maildir = Maildir(cfg.mailbox_size_limit, default="5.2.0")
        self.rewriter: Rewriter = SerialRewriteClient(
            mail.rewrite_service_name, timeout=mail.ipc_timeout, wake=context.wake
        )
        self.cleanup: SerialChannel = channel(mail.cleanup_service_name, mail.ipc_timeout)

    def _maps_of(self, config_dir: str) -> Callable[[str, str, Care], Maps]:
        return lambda name, text, care: Maps(text, name=name, config_dir=config_dir, care=care)

    def _open_tables(self, maps: Callable[[str, str, Care], Maps]) -> None:
        cfg, paranoid, whole = self.cfg, Care.PARANOID, Care.NO_SUBSTITUTION
        self.alias_maps = maps("alias_maps", self.mail.alias_maps, paranoid)
        self.mailbox_transport_maps = maps("mailbox_transport_maps", cfg.mailbox_transport_maps, whole)
        self.mailbox_command_maps = maps("mailbox_command_maps", cfg.mailbox_command_maps, paranoid)
        self.fallback_transport_maps = maps("fallback_transport_maps", cfg.fallback_transport_maps, whole)


def _words(name: str, text: str) -> frozenset[str]:
    """The words of a list, in lower case. Ends the program for one that it does not know."""
    words = frozenset(text.lower().replace(",", " ").split())
    for word in words.difference(CONTEXTS[name]):
        msg.fatal(f'unknown {name} value "{word}" in "{text}"')
    return words


def default_rights(default_privs: str) -> tuple[int, int]:
    """uid and gid of `user` or `user:group`; for an ordinary user his own. Ends the program if there are none."""
    if not can_switch():
        return os.getuid(), os.getgid()
    name, _, group = default_privs.partition(":")
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        msg.fatal(f"file main.cf: parameter default_privs: unknown user name value: {name}")
    try:
        gid = grp.getgrnam(group).gr_gid if group else user.pw_gid
    except KeyError:
        msg.fatal(f"file main.cf: parameter default_privs: unknown group name value: {group}")
    for kind, number in (("user", user.pw_uid), ("group", gid)):
        if not number:
            msg.fatal(f"file main.cf: parameter default_privs: privileged {kind} value: {number}")
    return user.pw_uid, gid
