"""setup - what main.cf says about messages, for the other modules of this room

Called before the jail: it opens the tables.
"""

from __future__ import annotations

import re

from pyfix.cleanup.map import SENDERS, AddressMapper, AddressRules, Masquerade, Table
from pyfix.cleanup.rules import HeaderRules, Rules
from pyfix.clients.rewrite import Rewriter
from pyfix.config.main_cf import MainCf
from pyfix.config.params.bounce import BounceParams
from pyfix.config.params.cleanup import CleanupParams
from pyfix.config.params.mail import MailParams
from pyfix.maps.addresses import extensions_of
from pyfix.maps.maps import Maps
from pyfix.maps.resolve_local import local_domains

SEPARATORS = re.compile(r"[,\s]+")
RECIPIENT_CLASSES = frozenset({"envelope_recipient", "header_recipient"})


def words(text: str) -> list[str]:
    """The words of a parameter's list."""
    return [word for word in SEPARATORS.split(text) if word]


def message_rules(main: MainCf) -> Rules:
    """All about messages but their addresses."""
    mail, cfg = MailParams(main), CleanupParams(main)
    return Rules(
        _header_rules(mail, cfg, BounceParams(main)),
        size_limit=mail.message_size_limit,
        replace_stray_cr_lf=cfg.cleanup_replace_stray_cr_lf,
        delay_warning=int(mail.delay_warning_time),
        attribute_limit=cfg.queue_file_attribute_count_limit,
        duplicate_limit=mail.duplicate_filter_limit,
        original_counts=mail.enable_original_recipient,
        empty_address=mail.empty_address_recipient,
        always_bcc=cfg.always_bcc,
        sender_bcc=_maps(main, cfg.sender_bcc_maps, "sender_bcc_maps"),
        recipient_bcc=_maps(main, cfg.recipient_bcc_maps, "recipient_bcc_maps"),
    )


def _header_rules(mail: MailParams, cfg: CleanupParams, bounce: BounceParams) -> HeaderRules:
    return HeaderRules(
        mail.myhostname,
        drop=frozenset(word.rstrip(":").lower().encode() for word in words(mail.message_drop_headers)),
        hopcount_limit=cfg.hopcount_limit,
        always_add_missing=cfg.always_add_missing_headers,
        undisclosed=cfg.undisclosed_recipients_header.encode("utf-8", "surrogateescape"),
        remote_domain=mail.remote_header_rewrite_domain,
        token_limit=mail.header_address_token_limit,
        line_limit=mail.line_length_limit,
        long_ids=mail.enable_long_queue_ids,
        standard_from=mail.header_from_format == "standard",
        charset=cfg.full_name_encoding_charset,
        tls_required=bounce.tls_required_enable,
        requiretls_header=bounce.requiretls_enable and mail.requiretls_esmtp_header,
        size_limit=mail.header_size_limit,
    )


def address_mapper(main: MainCf, rewriter: Rewriter) -> AddressMapper:
    """All about addresses."""
    mail, cfg = MailParams(main), CleanupParams(main)
    propagate = set(words(mail.propagate_unmatched_extensions))
    rules = AddressRules(
        canonical=_canonical(main, mail, cfg),
        virtual=_maps(main, mail.virtual_alias_maps, "virtual_alias_maps"),
        masquerade=Masquerade(
            tuple(words(cfg.masquerade_domains)),
            frozenset(word.lower() for word in words(cfg.masquerade_exceptions)),
            frozenset(words(cfg.masquerade_classes)),
        ),
        extensions=extensions_of(mail),
        keep_canonical_extension="canonical" in propagate,
        keep_virtual_extension="virtual" in propagate,
        expansion_limit=cfg.virtual_alias_expansion_limit,
        recursion_limit=cfg.virtual_alias_recursion_limit,
        length_limit=cfg.virtual_alias_address_length_limit,
    )
    return AddressMapper(rules, rewriter, local_domains(main), null=f"mailer-daemon@{mail.myorigin.lower()}")


def _canonical(main: MainCf, mail: MailParams, cfg: CleanupParams) -> tuple[Table, ...]:
    """The tables in their order: those of one side first."""
    rows = (
        (
            mail.sender_canonical_maps,
            "sender_canonical_maps",
            SENDERS.intersection(words(cfg.sender_canonical_classes)),
        ),
        (
            mail.recipient_canonical_maps,
            "recipient_canonical_maps",
            RECIPIENT_CLASSES.intersection(words(cfg.recipient_canonical_classes)),
        ),
        (mail.canonical_maps, "canonical_maps", frozenset(words(cfg.canonical_classes))),
    )
    tables = []
    for text, name, classes in rows:
        maps = _maps(main, text, name)
        if maps:
            tables.append(Table(maps, classes))
    return tuple(tables)


def _maps(main: MainCf, text: str, name: str) -> Maps | None:
    maps = Maps(text, name=name, config_dir=main.config_dir)
    return maps or None
