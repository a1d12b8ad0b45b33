"""explain - what a parameter is, for people: postconf --explain

    smtpd_timeout
        How long a client may take over a command, and over reading a reply.
        type     a time; a number without s, m, h, d or w is in seconds
        default  ${stress?{10}:{300}}s, here 300s
        limits   at least 1 second
        read by  smtpd
        set      /etc/postfix/main.cf, line 12: 30s

Sources: postconf(5).
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from pyfix.config import deprecated, pending
from pyfix.config.catalog import Catalog
from pyfix.config.expand import references
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.meanings import MEANINGS
from pyfix.config.param import Bool, Int, Long, Parameter, Raw, Time
from pyfix.config.params import GROUPS
from pyfix.config.registry import group

UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}

# Who reads a group; a group that is not here is read by the program of its name.
READERS = {
    "mail": "every program",
    "tls": "every program that speaks TLS",
    "milter": "cleanup, smtpd",
    "postdrop": "postdrop, sendmail",
    "postfix": "postfix, and whoever installs it",
    "smtp": "smtp, and as an SMTP client also tlsproxy",
    "lmtp": "lmtp",
}

# Parameters of several programs that not every program reads.
OF_SEVERAL = {
    name: readers
    for readers, names in {
        "bounce, cleanup": "delay_warning_time",
        "bounce, cleanup, smtp, smtpd": "header_from_format",
        "bounce, qmgr": "maximal_queue_lifetime",
        "cleanup, local, showq": "duplicate_filter_limit",
        "cleanup, local, smtp": "propagate_unmatched_extensions",
        "cleanup, proxymap, smtpd": "canonical_maps recipient_canonical_maps sender_canonical_maps",
        "cleanup, proxymap, smtpd, trivial-rewrite": "virtual_alias_maps",
        "cleanup, showq, trivial-rewrite": "empty_address_recipient",
        "cleanup, smtpd": "requiretls_esmtp_header",
        "cleanup, trivial-rewrite": "remote_header_rewrite_domain",
        "local, pipe, spawn": "command_time_limit",
        "local, proxymap, smtpd": "alias_maps",
        "local, virtual": "mail_spool_directory strict_mailbox_ownership",
        "pickup, qmqpd, smtpd": "content_filter receive_override_options",
        "postdrop, sendmail": "authorized_submit_users",
        "postqueue": "authorized_flush_users authorized_mailq_users",
        "proxymap, smtpd": "local_recipient_maps relay_recipient_maps",
        "proxymap, smtpd, trivial-rewrite": "virtual_alias_domains virtual_mailbox_domains",
        "proxymap, smtpd, trivial-rewrite, virtual": "virtual_mailbox_maps",
        "proxymap, trivial-rewrite": "transport_maps",
        "qmgr": "bounce_queue_lifetime maximal_backoff_time",
        "qmgr, smtp": "minimal_backoff_time queue_run_delay",
        "smtp, smtpd": "cyrus_sasl_config_path error_notice_recipient",
        "smtpd, trivial-rewrite": "show_user_unknown_table_name",
    }.items()
    for name in names.split()
}

# What the text of a parameter is, by its name.
TEXTS = [
    (r".*_discard_[el]hlo_keywords", "a list of EHLO keywords"),
    (r".*_loglevel", "a level from 0 to 4, or words for what is to be logged"),
    (r".*_tls_(mandatory_)?protocols", "a range such as >=TLSv1.2, or a list where ! leaves a version out"),
    (r"(smtp|smtpd|tlsproxy_tls)_?(tls_)?(mandatory_)?ciphers", "high, medium, low, export or null"),
    (r".*sasl.*security_options",
     "a list of noplaintext noanonymous noactive nodictionary mutual_auth forward_secrecy"),
    (r"smtp_tls_security_level|tlsproxy_client_security_level",
     "empty, none, may, encrypt, dane, dane-only, halfdane, fingerprint, verify or secure"),
    (r".*_tls_security_level", "empty, none, may or encrypt"),
    (r"smtpd_.*_restrictions", "a list of restrictions, tried in order until one decides"),
    (r"postscreen_.*_action", "ignore, enforce or drop"),
    (r".*_tempfail_action", "defer or defer_if_permit"),
    (r".*mailbox(_delivery)?_lock", "a list of fcntl flock dotlock"),
    (r"allow_mail_to_.*", "a list of alias forward include"),
    (r"(masquerade|(sender_|recipient_)?canonical)_classes",
     "a list of envelope_sender envelope_recipient header_sender header_recipient"),
    (r"notify_classes", "a list of bounce 2bounce data delay policy protocol resource software"),
    (r"propagate_unmatched_extensions", "a list of canonical virtual alias forward include generic"),
    (r"receive_override_options",
     "a list of no_unknown_recipient_checks no_address_mappings no_header_body_checks no_milters"),
    (r"smtp_host_lookup", "a list of dns native"),
    (r"inet_protocols", "a list of ipv4 ipv6, or all"),
    (r"mynetworks_style", "host, subnet or class"),
    (r"milter_default_action", "accept, reject, tempfail, quarantine or shutdown"),
    (r"smtpd_forbid_bare_newline", "normalize, yes, note, reject or no"),
    (r"mynetworks|.*_networks|.*_clients|.*_hosts|debug_peer_list|.*_exclusions|.*_limit_exceptions",
     "a list of hosts, networks, patterns in files and tables; ! leaves some out"),
    (r"(mydestination|relay_domains|virtual_.*_domains|masquerade_.*|fast_flush_domains)",
     "a list of domains, files and tables; ! leaves some out"),
    (r".*_(maps|checks|map)|relay_clientcerts|.*_filter_maps", "a list of tables, asked in order until one knows"),
    (r".*_database", "a table"),
    (r".*_(directory|file|path|source|exchange_name)|.*CApath|.*CAfile", "the name of a file or directory"),
    (r".*_transport", "transport:nexthop"),
]  # fmt: skip


def explain(name: str, main: MainCf, catalog: Catalog) -> Iterator[str]:
    """The lines about one name."""
    if not catalog.knows(name):
        near = get_close_matches(name, catalog.names(), 1)
        yield f"{name}: nobody knows this name{f'; did you mean {near[0]}?' if near else ''}"
        return
    yield name
    facts = [*_about(name), *_facts(name, main, catalog), *_settings(name, main)]
    yield from (f"    {title:8} {text}" if title else f"    {text}" for title, text in facts)


def _about(name: str) -> Iterator[tuple[str, str]]:
    meaning = MEANINGS.get(name) or MEANINGS.get(pending.smtp_twin(name))
    if meaning:
        yield "", meaning


def _facts(name: str, main: MainCf, catalog: Catalog) -> Iterator[tuple[str, str]]:
    parameter = catalog.parameter(name)
    if name in deprecated.LEGACY:
        yield "type", f"an older name of {deprecated.LEGACY[name]}, which takes its value from here by default"
    elif parameter is None:
        yield "type", "a name of your own"
        yield "used in", ", ".join(sorted(_users(name, main))) or "master.cf"
    else:
        yield "type", kind(parameter)
        yield "default", _default(parameter, main)
        if limits := _limits(parameter):
            yield "limits", limits
        yield "read by", readers(name, catalog)
    if warning := deprecated.warning(name):
        yield "note", warning
    if why := pending.reason(name):
        yield "note", f"nothing reads it: {why}"


def _settings(name: str, main: MainCf) -> Iterator[tuple[str, str]]:
    setting = main.setting(name)
    if setting is not None:
        yield "set", f"{setting.where}: {setting.value}"


def kind(parameter: Parameter[object]) -> str:
    """The type of a parameter in words."""
    match parameter:
        case Time():
            return f"a time; a number without s, m, h, d or w is in {UNITS[parameter.unit]}s"
        case Bool():
            return "yes or no"
        case Long():
            return "a number of up to 64 bits"
        case Int():
            return "a number"
        case Raw():
            return "text, with $names that stand for something where it is used"
    name = parameter.name.replace("lmtp_", "smtp_", 1)
    found = next((words for pattern, words in TEXTS if re.fullmatch(pattern, name)), "")
    return f"text: {found}" if found else "text"


def readers(name: str, catalog: Catalog) -> str:
    """Who reads a parameter."""
    if name not in catalog.names(["builtin"]):
        return "pipe, spawn" if name.endswith("_time_limit") else "qmgr"
    if name in OF_SEVERAL:
        return OF_SEVERAL[name]
    owner = next(found for found in GROUPS if any(p.name == name for p in group(found).declared()))
    return READERS.get(owner, owner.replace("_", "-"))


def _default(parameter: Parameter[object], main: MainCf) -> str:
    text = parameter.default_text(main)
    if not text:
        return "empty"
    if "$" not in text or isinstance(parameter, Raw):
        return text
    try:
        return f"{text}, here {main.expand(text, parameter.name) or 'empty'}"
    except BadConfig as problem:
        return f"{text} ({problem})"


def _limits(parameter: Parameter[object]) -> str:
    unit = " second" if isinstance(parameter, Time) else ""
    if not isinstance(parameter, Int | Time):
        if parameter.min == parameter.max > 0:
            return f"exactly {_count(parameter.min, ' character')}"
        return "may not be empty" if parameter.min else ""
    least = f"at least {_count(parameter.min, unit)}" if parameter.min else ""
    most = f"at most {_count(parameter.max, unit)}" if parameter.max else ""
    return ", ".join(filter(None, [least, most]))


def _count(number: int, unit: str) -> str:
    return f"{number}{unit}{'s' if unit and number != 1 else ''}"


def _users(name: str, main: MainCf) -> set[str]:
    """The settings of main.cf that look at a name."""
    return {other for other in main.names() if name in references(main.raw(other) or "")}
