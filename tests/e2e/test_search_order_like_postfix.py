"""The keys that tables are asked for, in their order: real Postfix's and ours.

Each parameter has a memcache: table of its own, and one server in this process that knows what to answer and
writes down what it is asked. A key that is asked for again is left out: what a process remembers, and which
process asks first, is each program's own matter. Not compared: parents of address literals (`.0.0.1]`), which we
leave out.
"""

import re
import smtplib
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.asked import Asked, asked
from tests.delivery.smtp.broken import Broken
from tests.real_postfix import real_postfix

__all__ = ["real_postfix"]

PATIENCE = 20.0


TABLES = [
    "canonical_maps", "sender_canonical_maps", "recipient_canonical_maps", "virtual_alias_maps",
    "transport_maps", "relocated_maps", "smtp_generic_maps", "sender_bcc_maps", "recipient_bcc_maps",
    "local_recipient_maps", "relay_recipient_maps", "virtual_mailbox_maps", "smtp_tls_policy_maps",
    "sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps", "mydestination",
    "relay_domains", "virtual_alias_domains", "virtual_mailbox_domains", "mynetworks",
    "smtpd_discard_ehlo_keyword_address_maps", "smtp_discard_ehlo_keyword_address_maps", "fast_flush_domains",
    "smtp_pix_workaround_maps", "smtp_sasl_password_maps",
]  # fmt: skip
ACCESS = ["client", "reverse_client_hostname", "helo", "sender", "recipient", "etrn"]
MAIN_CF = """
recipient_delimiter = +
myorigin = origin.test
myhostname = mail.local.test
inet_protocols = ipv4
smtp_host_lookup = native
append_dot_mydomain = no
canonical_classes = envelope_sender, envelope_recipient
local_transport = discard:
virtual_transport = discard:
alias_maps =
smtp_tls_security_level = may
smtp_sasl_auth_enable = yes
smtp_sender_dependent_authentication = yes
smtpd_client_restrictions = check_client_access {access_client},
    check_reverse_client_hostname_access {access_reverse_client_hostname}
smtpd_helo_restrictions = check_helo_access {access_helo}
smtpd_sender_restrictions = check_sender_access {access_sender}
smtpd_recipient_restrictions = check_recipient_access {access_recipient}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_etrn_restrictions = check_etrn_access {access_etrn}
"""


def settings(top: Path, server: Asked) -> str:
    """main.cf with a table for each parameter, whose files are below top."""
    tables = {name: server.memcache(top, name) for name in (*TABLES, *[f"access_{kind}" for kind in ACCESS])}
    top.chmod(0o755)
    return MAIN_CF.format_map(tables) + "".join([f"{name} = {tables[name]}\n" for name in TABLES])


def commands(port: int, lines: list[str]) -> None:
    """One SMTP session."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        for line in lines:
            client.docmd(line)


FROM = "MAIL FROM:<User{n}+Ext@Sub.S{n}.Test>"
RCPT = "RCPT TO:<rcpt{n}@r{n}.test>"
DIALOGS = {
    "relayed": [FROM, "RCPT TO:<Rcpt{n}+Ext@r{n}.Test>"],
    "relayed below": [FROM, "RCPT TO:<rcpt{n}+ext@a.b.r{n}.test>"],
    "local": [FROM, "RCPT TO:<Known{n}+Ext@l{n}.test>"],
    "local unknown": [FROM, "RCPT TO:<nobody{n}+ext@l{n}.test>"],
    "origin": [FROM, "RCPT TO:<known{n}+ext@origin.test>"],
    "no domain": [FROM, "RCPT TO:<known{n}+ext>"],
    "postmaster": [FROM, "RCPT TO:<postmaster>"],
    "quoted": [FROM, 'RCPT TO:<"quo..{n}ted+e"@l{n}.test>'],
    "quoted relay": [FROM, 'RCPT TO:<"quo..{n}ted+e"@r{n}.test>'],
    "quoted sender": ['MAIL FROM:<"quo..{n}ted+e"@s{n}.test>', RCPT],
    "mailbox": [FROM, "RCPT TO:<box{n}+ext@b{n}.test>"],
    "mailbox unknown": [FROM, "RCPT TO:<nobox{n}+ext@b{n}.test>"],
    "alias unknown": [FROM, "RCPT TO:<a{n}+x@a{n}.test>"],
    "elsewhere": [FROM, "RCPT TO:<u{n}+x@c.b.a.e{n}.test>"],
    "source route": [FROM, "RCPT TO:<@hop.test:u{n}+x@e{n}.test>"],
    "percent": [FROM, "RCPT TO:<u{n}%e{n}.test@l{n}.test>"],
    "bang": [FROM, "RCPT TO:<e{n}.test!u{n}>"],
    "literal": [FROM, "RCPT TO:<known{n}+x@[127.0.0.1]>"],
    "other literal": [FROM, "RCPT TO:<u{n}+x@[127.0.0.9]>"],
    "null sender": ["MAIL FROM:<>", RCPT],
    "sender without domain": ["MAIL FROM:<known{n}+x>", RCPT],
    "sender of a local domain": ["MAIL FROM:<known{n}+x@l{n}.test>", RCPT],
    "sender of the origin": ["MAIL FROM:<known{n}+x@origin.test>", RCPT],
    "double extension": ["MAIL FROM:<a{n}+b+c@s{n}.test>", "RCPT TO:<d{n}+e+f@r{n}.test>"],
    "only an extension": ["MAIL FROM:<+b{n}@s{n}.test>", "RCPT TO:<+f{n}@r{n}.test>"],
    "owner": ["MAIL FROM:<owner-l{n}+x@s{n}.test>", "RCPT TO:<l{n}-request+x@r{n}.test>"],
    "owner with another delimiter": ["MAIL FROM:<owner-l{n}-x@s{n}.test>", "RCPT TO:<l{n}-request@r{n}.test>"],
    "names of the system": ["MAIL FROM:<mailer-daemon@s{n}.test>", "RCPT TO:<Mailer-Daemon@r{n}.test>"],
    "double bounce": ["MAIL FROM:<db-b@s{n}.test>", "RCPT TO:<DB-B@r{n}.test>"],
    "default double bounce": ["MAIL FROM:<double-bounce@s{n}.test>", "RCPT TO:<double-bounce@r{n}.test>"],
    "one label": ["MAIL FROM:<u{n}@s{n}>", "RCPT TO:<u{n}@e{n}>"],
    "dot at the end": ["MAIL FROM:<u{n}@s{n}.test.>", "RCPT TO:<u{n}@r{n}.test.>"],
    "etrn": ["ETRN sub.r{n}.test"],
    "etrn elsewhere": ["ETRN b.e{n}.test"],
    "helo": ["HELO a.B.h{n}.Test", FROM, RCPT],
    "helo literal": ["EHLO [IPv6:::{n}]", FROM, RCPT],
    "helo dot": ["EHLO .h{n}.test", FROM, RCPT],
    "helo number": ["HELO 1.2.{n}.3", FROM, RCPT],
    "helo one label": ["HELO h{n}", FROM, RCPT],
}
ANY = "User{n}+Ext@Sub.S{n}.Test"
MESSAGES = {
    "message": (ANY, "rcpt{n}+ext@r{n}.test"),
    "message to a local user": (ANY, "known{n}+ext@l{n}.test"),
    "message to a user of the origin": (ANY, "known{n}+ext@origin.test"),
    "message to a mailbox": (ANY, "box{n}+ext@b{n}.test"),
    "message to an alias": (ANY, "alias{n}+x@a{n}.test"),
    "message to elsewhere": (ANY, "u{n}+x@b.e{n}.test"),
    "message to who has moved": (ANY, "moved{n}+x@e{n}.test"),
    "message to who has another name": (ANY, "canon{n}+x@e{n}.test"),
    "message in quotes": (ANY, '"quo..{n}ted+e"@r{n}.test'),
    "message in quotes to a local user": (ANY, '"quo..{n}ted+e"@l{n}.test'),
    "message to an alias domain": (ANY, "only{n}+x@alldomain{n}.test"),
    "message to a literal": (ANY, "known{n}+ext@[127.0.0.1]"),
    "message with an at in quotes": ('"quo@{n}ted+e"@l{n}.test', '"quo@{n}ted+e"@r{n}.test'),
    "message to an owner": (ANY, "owner-l{n}-x@e{n}.test"),
    "message to a request address": (ANY, "l{n}-request@r{n}.test"),
    "message to a double bounce": (ANY, "db-b@r{n}.test"),
    "message of a local user": ("known{n}+ext@l{n}.test", "rcpt{n}+ext@r{n}.test"),
}


def answers(sink: int) -> dict[str, str]:
    here = f"smtp:[127.0.0.1]:{sink}"
    return {
        r"mynetworks\|127\.0\.0\.1": "x",
        r"mydestination\|(l\d+|origin)\.test": "x",
        r"relay_domains\|r\d*\.test": "x",
        r"virtual_alias_domains\|(a|alldomain)\d+\.test": "x",
        r"virtual_mailbox_domains\|b\d+\.test": "x",
        r"local_recipient_maps\|known\d+": "x",
        r"relay_recipient_maps\|rcpt.*": "x",
        r"(relay|local)_recipient_maps\|.?quo.*": "x",
        r"virtual_mailbox_maps\|box\d+@.*": "box/",
        r"virtual_alias_maps\|alias(\d+)@.*": r"first\1+y@r\1.test",
        r"virtual_alias_maps\|@alldomain(\d+)@.*": r"@r\1.test",
        r"transport_maps\|\.?[re]\d*\.test": here,
        r"transport_maps\|\.s\d+\.test": "discard:",
        r"relocated_maps\|moved\d+@.*": "nowhere",
        r"canonical_maps\|canon(\d+)@.*": r"new\1@r\1.test",
        r"recipient_canonical_maps\|canon(\d+)@.*": r"newer\1@r\1.test",
    }


WAITING = ("maildrop", "incoming", "active")


def talk(mail, names: dict[int, str]) -> None:
    """All dialogs and messages, each with a number of its own, by which its keys are known."""
    for number, (name, lines) in enumerate(DIALOGS.items(), 501):
        names[number] = name
        first = [] if name.startswith("helo") else ["EHLO Client.Test"]
        commands(mail.port, [line.format(n=number) for line in [*first, *lines]])
    for number, (name, (sender, recipient)) in enumerate(MESSAGES.items(), 551):
        names[number] = name
        with smtplib.SMTP("127.0.0.1", mail.port, timeout=PATIENCE) as client, suppress(smtplib.SMTPDataError):
            client.ehlo()
            client.docmd(f"MAIL FROM:<{sender.format(n=number)}>")
            client.docmd(f"RCPT TO:<{recipient.format(n=number)}>")
            client.data(b"Subject: x\r\n\r\nx\r\n")
    end = time.monotonic() + PATIENCE
    while any(path.is_file() for name in WAITING for path in (mail.queue / name).rglob("*")):
        assert time.monotonic() < end, mail.log()
        time.sleep(0.02)


def sorted_out(keys: list[str], names: dict[int, str]) -> dict[tuple[str, str], list[str]]:
    """The keys of each dialog and table, each once."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for line in keys:
        table, _, key = re.sub(r"\]:\d+", "]:PORT", line).partition("|")
        number = re.search(r"(?<!\d)5\d\d(?!\d)", key)
        name = names.get(int(number[0])) if number else None
        if name is not None and is_compared(name, table, key):
            found.setdefault((name, table), {})[key.replace(number[0], "N")] = None
    return {at: list(each) for at, each in found.items()}


def is_compared(name: str, table: str, key: str) -> bool:
    """Not what a dialog leaves to the time when the message is there; nor addresses as if they sent to themselves."""
    if table.startswith("sender_dependent"):
        return name in MESSAGES and ("sub.s" in key or MESSAGES[name][0] != ANY)
    return name in MESSAGES or not table.endswith(("canonical_maps", "bcc_maps", "virtual_alias_maps"))


SPECIAL = "recipient_delimiter = -+\ndouble_bounce_sender = db-b\n"


@pytest.mark.parametrize(
    "more",
    ["", "parent_domain_matches_subdomains =\n", SPECIAL, SPECIAL + "owner_request_special = no\n"],
    ids=["parents", "dotted parents", "minus", "owners are not special"],
)
def test_tables_are_asked_for_the_same_keys_in_the_same_order(
    instance, real_postfix, instance_directory: Path, more: str
) -> None:
    results = []
    for make in (real_postfix, instance):
        top = instance_directory / f"tables{len(results)}"
        top.mkdir()
        names: dict[int, str] = {}
        with Broken({"EHLO": "250-sink.test\r\n250 AUTH PLAIN"}) as sink, asked(answers(sink.port)) as server:
            mail = make(settings(top, server) + more)
            talk(mail, names)
            mail.stop()
            results.append(sorted_out(server.keys, names))
    real, ours = results
    assert len(real) > 300
    assert {at: (real.get(at), ours.get(at)) for at in {*real, *ours} if real.get(at) != ours.get(at)} == {}
