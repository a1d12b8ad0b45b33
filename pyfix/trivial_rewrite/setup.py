"""setup - the resolver and the rewriting rules that main.cf describes

Called before the jail: it opens the tables.
"""

from __future__ import annotations

from typing import NamedTuple

from pyfix.clients.rewrite import (
    CLASS_ALIAS,
    CLASS_DEFAULT,
    CLASS_LOCAL,
    CLASS_RELAY,
    CLASS_VIRTUAL,
    RULE_LOCAL,
    RULE_REMOTE,
)
from pyfix.config.compatibility import keeps_old_default, using
from pyfix.config.main_cf import MainCf
from pyfix.config.networks import own_addresses, proxy_addresses
from pyfix.config.params.mail import MailParams
from pyfix.config.params.trivial_rewrite import TrivialRewriteParams
from pyfix.maps.addresses import extensions_of
from pyfix.maps.maps import Maps
from pyfix.maps.match import DomainMatch, StringMatch, parent_matches
from pyfix.maps.table import Care
from pyfix.trivial_rewrite.classes import Classes, DomainList
from pyfix.trivial_rewrite.resolve import BySender, Resolver, Routes, Syntax
from pyfix.trivial_rewrite.rewrite import Context
from pyfix.trivial_rewrite.transport import TransportTable
from pyfix.unix import msg

TRANSPORTS = {  # class: its parameter
    CLASS_LOCAL: "local_transport",
    CLASS_VIRTUAL: "virtual_transport",
    CLASS_RELAY: "relay_transport",
    CLASS_DEFAULT: "default_transport",
}


class Setup(NamedTuple):
    """What the daemon works with. maps: all tables, to see whether they have changed."""

    rules: dict[str, Context]
    resolver: Resolver
    probe_resolver: Resolver
    maps: list[Maps]


def set_up(main: MainCf) -> Setup:
    """Open everything that main.cf names."""
    mail, cfg = MailParams(main), TrivialRewriteParams(main)
    rules = _rules(mail, cfg)
    classes = _classes(main, mail)
    relocated = _maps(main, cfg.relocated_maps, "relocated_maps")
    syntax = Syntax(
        mail.myhostname,
        mail.myorigin.lower(),
        mail.empty_address_recipient,
        cfg.resolve_dequoted_address,
        cfg.resolve_null_domain,
        cfg.resolve_numeric_domain,
        cfg.allow_min_user,
        mail.smtputf8_enable,
    )
    sets = [_routes(main, mail, cfg, relocated, prefix) for prefix in ("", "address_verify_")]
    plain, probe = (Resolver(syntax, rules[RULE_LOCAL], classes, routes) for routes in sets)
    return Setup(rules, plain, probe, [maps for routes in sets for maps in _all_maps(routes)])


def _tell_completed(before: str, after: str) -> None:
    msg.info(using("append_dot_mydomain=yes", f'rewrite "{before}" to "{after}"'))


def _rules(mail: MailParams, cfg: TrivialRewriteParams) -> dict[str, Context]:
    switches = (
        cfg.append_at_myorigin,
        cfg.append_dot_mydomain,
        cfg.swap_bangpath,
        cfg.allow_percent_hack,
    )
    remote = mail.remote_header_rewrite_domain
    told = _tell_completed if keeps_old_default(mail.main, "append_dot_mydomain") else None
    return {
        RULE_LOCAL: Context(mail.myorigin, mail.mydomain, *switches, told),
        RULE_REMOTE: Context(remote, remote, *switches, told),
    }


def _classes(main: MainCf, mail: MailParams) -> Classes:
    addresses = frozenset(own_addresses(main) + proxy_addresses(main))
    parent = parent_matches(mail.parent_domain_matches_subdomains, "relay_domains")
    lists: list[tuple[int, DomainList]] = [
        (CLASS_ALIAS, StringMatch(mail.virtual_alias_domains, name="virtual_alias_domains")),
        (CLASS_VIRTUAL, StringMatch(mail.virtual_mailbox_domains, name="virtual_mailbox_domains")),
        (CLASS_RELAY, DomainMatch(mail.relay_domains, name="relay_domains", parent=parent)),
    ]
    here = StringMatch(mail.mydestination, name="mydestination")
    return Classes(here, addresses, lists, nag=mail.helpful_warnings)


def _routes(
    main: MainCf, mail: MailParams, cfg: TrivialRewriteParams, relocated: Maps, prefix: str
) -> Routes:
    """prefix: of the parameters' names."""
    extensions = extensions_of(mail)
    table = "in virtual alias table" if mail.show_user_unknown_table_name else ""
    parent = parent_matches(mail.parent_domain_matches_subdomains, "transport_maps")
    return Routes(
        transports={bit: main.value(prefix + name) for bit, name in TRANSPORTS.items()},
        names={bit: f"file {main.config_dir}/main.cf: parameter {prefix}{name}" for bit, name in TRANSPORTS.items()},
        relayhost=main.value(prefix + "relayhost").strip(),
        relayhost_by_sender=BySender(
            _named_maps(main, prefix + "sender_dependent_relayhost_maps"),
            cfg.empty_address_relayhost_maps_lookup_key,
            extensions,
        ),
        default_by_sender=BySender(
            _named_maps(main, prefix + "sender_dependent_default_transport_maps"),
            cfg.empty_address_default_transport_maps_lookup_key,
            extensions,
        ),
        table=TransportTable(
            _named_maps(main, prefix + "transport_maps"), extensions=extensions, parent_style=parent
        ),
        relocated=relocated,
        relocated_prefix="5.1.6 User has moved to " if cfg.relocated_prefix_enable else "",
        extensions=extensions,
        unknown_alias=f"5.1.1 User unknown {table}".rstrip(),
    )


def _named_maps(main: MainCf, name: str) -> Maps:
    return _maps(main, main.value(name), name, Care.NO_SUBSTITUTION)


def _maps(main: MainCf, text: str, name: str, care: Care = Care.NONE) -> Maps:
    return Maps(text, name=name, config_dir=main.config_dir, care=care)


def _all_maps(routes: Routes) -> list[Maps]:
    tables = (
        routes.relayhost_by_sender.maps,
        routes.default_by_sender.maps,
        routes.table.maps,
        routes.relocated,
    )
    return [maps for maps in tables if maps]
