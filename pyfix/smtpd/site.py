"""site - what all sessions of one worker share

Made before the worker gives up its privileges: everything that comes from outside (tables,
lists, restriction lists) is opened here. The clients of other services connect when first
used.

Parameters: see pyfix.config.params.smtpd.
"""

from __future__ import annotations

from typing import Protocol

from pyfix.clients import post_mail
from pyfix.clients.cleanup import (
    FLAG_BCC_OK,
    FLAG_FILTER,
    FLAG_MAP_OK,
    FLAG_MASK_EXTERNAL,
    FLAG_MILTER,
    FLAG_SMTP_REPLY,
)
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.clients.rewrite import Completed, Resolved
from pyfix.clients.rewrite_client import RewriteClient
from pyfix.config.escapes import unescape
from pyfix.config.main_cf import MainCf
from pyfix.config.networks import own_addresses, proxy_addresses
from pyfix.config.param import BadConfig
from pyfix.config.params.flush import FlushParams
from pyfix.config.params.mail import MailParams
from pyfix.config.params.smtpd import SmtpdParams
from pyfix.maps.addresses import extensions_of
from pyfix.maps.debug_peer import DebugPeers
from pyfix.maps.maps import Maps
from pyfix.maps.match import AddressMatch, DomainMatch, StringMatch, parent_matches
from pyfix.smtpd.notice import Postmaster
from pyfix.smtpd.old_defaults import OldDefaults
from pyfix.smtpd.peer import LookUp, NameCache, look_up
from pyfix.smtpd.peer_dns import DnsNames
from pyfix.smtpd.space import needed
from pyfix.wire.smtp_command import Limits
from pyfix.wire.smtp_reply import Reply

FILES_AHEAD = 20  # queue files that are ready for the messages to come
BARE_NEWLINE = frozenset({"normalize", "reject", "note", "no"})
NO_UNKNOWN_RECIPIENT_CHECKS = "no_unknown_recipient_checks"
OVERRIDES = {  # receive_override_options -> what cleanup is not to do
    NO_UNKNOWN_RECIPIENT_CHECKS: 0,
    "no_address_mappings": FLAG_BCC_OK | FLAG_MAP_OK,
    "no_header_body_checks": FLAG_FILTER,
    "no_milters": FLAG_MILTER,
}


class Resolver(Protocol):
    """The rewrite service."""

    async def resolve(self, sender: str, address: str) -> Resolved:
        """Where an address goes."""

    def known(self, sender: str, address: str) -> Resolved | None:
        """The same, when nobody need be asked."""


class Cleanup(post_mail.Cleanup, Protocol):
    """The cleanup service."""

    def ready(self, flags: int) -> post_mail.Message | None:
        """A new message, if there is a file for it already."""


class Site:
    """Configuration, tables and services of one worker."""

    cleanup: Cleanup
    rewrite: Resolver

    def __init__(self, main: MainCf, service: str = "smtp", *, jailed: bool = False) -> None:
        self.main = main
        self.service = service
        self.mail = MailParams(main)
        self.extensions = extensions_of(self.mail)
        self.configure(main)
        self.cleanup = CleanupClient(
            f"public/{self.mail.cleanup_service_name}", ahead=FILES_AHEAD, timeout=self.mail.ipc_timeout
        )
        self.postmaster: Postmaster | None = Postmaster(main)
        self.rewrite = Completed(
            RewriteClient(f"private/{self.mail.rewrite_service_name}", timeout=self.mail.ipc_timeout)
        )
        self.hello = Reply(250, "", self.mail.myhostname)
        self.names = NameCache(_look_up(main, jailed=jailed) if self.cfg.smtpd_peername_lookup else None)
        self.overrides = _overrides(self.mail.receive_override_options)
        self.cleanup_flags = FLAG_MASK_EXTERNAL | FLAG_SMTP_REPLY
        for option in self.overrides:
            self.cleanup_flags &= ~OVERRIDES[option]
        self.own = frozenset(own_addresses(main) + proxy_addresses(main))
        self.old_defaults = OldDefaults(main)
        self.debug_peers = DebugPeers(self.mail)
        self._open_lists(main)
        self._open_maps()

    def _open_lists(self, main: MainCf) -> None:
        parents = self.mail.parent_domain_matches_subdomains
        self.mynetworks = AddressMatch(
            self.mail.mynetworks,
            name="mynetworks",
            parent=parent_matches(parents, "mynetworks"),
            utf8=self.utf8,
        )
        self.bare_newline_exclusions = AddressMatch(
            self.cfg.smtpd_forbid_bare_newline_exclusions,
            name="smtpd_forbid_bare_newline_exclusions",
            utf8=self.utf8,
        )
        self.noop_commands = StringMatch(self.cfg.smtpd_noop_commands, name="smtpd_noop_commands", utf8=self.utf8)
        self.forbidden_commands = StringMatch(
            self.cfg.smtpd_forbidden_commands, name="smtpd_forbidden_commands", utf8=self.utf8
        )
        self.fast_flush_domains = DomainMatch(
            FlushParams(main).fast_flush_domains,
            name="fast_flush_domains",
            parent=parent_matches(parents, "fast_flush_domains"),
            utf8=self.utf8,
        )
        self.permit_actions = StringMatch(
            self.cfg.smtpd_log_access_permit_actions, name="smtpd_log_access_permit_actions"
        )
        self.logs_permits = bool(self.permit_actions)
        self.mydestination = DomainMatch(self.mail.mydestination, name="mydestination", utf8=self.utf8)

    def _open_maps(self) -> None:
        self.canonical_maps = self._maps("canonical_maps")
        self.sender_canonical_maps = self._maps("sender_canonical_maps")
        self.recipient_canonical_maps = self._maps("recipient_canonical_maps")
        self.virtual_alias_maps = self._maps("virtual_alias_maps")
        rewriting = (self.canonical_maps, self.virtual_alias_maps)
        self.sender_rewriting = [maps for maps in (self.sender_canonical_maps, *rewriting) if maps]
        self.recipient_rewriting = [maps for maps in (self.recipient_canonical_maps, *rewriting) if maps]
        self.local_recipient_maps = self._maps("local_recipient_maps")
        self.relay_recipient_maps = self._maps("relay_recipient_maps")
        self.virtual_mailbox_maps = self._maps("virtual_mailbox_maps")
        self.discard_keywords = self._maps("smtpd_discard_ehlo_keyword_address_maps")

    def configure(self, main: MainCf) -> None:
        """Take smtpd's parameters from this configuration from now on; `stress` changes them."""
        self.cfg = SmtpdParams(main)
        self.utf8 = self.mail.smtputf8_enable
        self.greeting = Reply(220, "", self.cfg.smtpd_banner)
        self.size_limit = self.mail.message_size_limit
        self.insertable = frozenset(unescape(self.cfg.smtpd_expansion_filter))
        """Characters that clients may bring into texts for them."""
        self.opens_early = not self.cfg.smtpd_delay_open_until_valid_rcpt
        self.enough_said = self.cfg.smtpd_history_flush_threshold // 10
        """Items of a transcript that may be too many lines: no reply has more than ten."""
        self.space_needed = needed(self.cfg.queue_minfree, self.mail.message_size_limit)
        self.keywords: frozenset[str] | None = None
        """What EHLO announces to all clients, once that is known; it may hang on the client."""
        self._limits: dict[tuple[str, frozenset[str]], Limits] = {}
        self.first_limits = self.limits("no", frozenset())
        mode = self.cfg.smtpd_forbid_bare_newline.lower()
        self.bare_newline = mode if mode in BARE_NEWLINE else "normalize"

    def limits(self, bare_newline: str, keywords: frozenset[str]) -> Limits:
        """What a session of this kind allows; bare_newline: as smtpd_forbid_bare_newline has it."""
        limits = self._limits.get((bare_newline, keywords))
        if limits is None:
            cfg = self.cfg
            limits = self._limits[bare_newline, keywords] = Limits(
                line_length=self.mail.line_length_limit,
                exact_line_ends=bare_newline != "no",
                tell_bare_lines=bare_newline == "reject",
                utf8=self.utf8,
                strict_paths=cfg.strict_rfc821_envelopes,
                hello_required=cfg.smtpd_helo_required,
                patience=self.size_limit + self.size_limit // 2 if self.size_limit else None,
                offered=keywords,
            )
        return limits

    def _maps(self, name: str) -> Maps:
        return Maps(self.main.value(name), name=name, config_dir=self.main.config_dir, utf8=self.utf8)


def _look_up(main: MainCf, *, jailed: bool) -> LookUp:
    return DnsNames.from_config(main).look_up if jailed else look_up


def _overrides(text: str) -> list[str]:
    words = text.lower().replace(",", " ").split()
    for word in words:
        if word not in OVERRIDES:
            raise BadConfig(f"bad parameter value: receive_override_options = {text}")
    return words
