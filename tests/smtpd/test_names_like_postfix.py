"""Restrictions on names, domains and DNS lists: the same answers and log lines as real Postfix, with a DNS of ours."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dns.conftest import NameServer, Records
from tests.smtpd.beside_postfix import Beside, comparable, ours, running

RECORDS: Records = {
    ("mx.test", "MX"): ["10 a.mx.test."], ("a.mx.test", "A"): ["192.0.2.9"], ("mx.test", "NS"): ["ns.mx.test."],
    ("ns.mx.test", "A"): ["192.0.2.53"], ("a.test", "A"): ["192.0.2.10"], ("null.test", "MX"): ["0 ."],
    ("servfail.test", "MX"): "SERVFAIL", ("servfail.test", "A"): "SERVFAIL", ("servfail.test", "NS"): "SERVFAIL",
    ("servfail.test", "AAAA"): "SERVFAIL", ("half.test", "MX"): "SERVFAIL", ("half.test", "A"): ["192.0.2.11"],
    ("six.test", "AAAA"): ["2001:db8::1"], ("txt.test", "TXT"): ['"x"'], ("numbers.test", "MX"): ["10 1.2.3.4."],
    ("deadmx.test", "MX"): ["10 nowhere.test."], ("failmx.test", "MX"): ["10 servfail.test."],
    ("1.0.0.127.rbl.test", "A"): ["127.0.0.2", "127.0.0.10"],
    ("1.0.0.127.rbl.test", "TXT"): ['"listed because of that"'], ("1.0.0.127.rbl3.test", "A"): ["127.0.0.3"],
    ("1.0.0.127.rblf.test", "A"): "SERVFAIL", ("1.0.0.127.rblt.test", "A"): ["127.0.0.3"],
    ("1.0.0.127.rblt.test", "TXT"): "SERVFAIL", ("bad.test.rhs.test", "A"): ["127.0.0.2"],
    ("bad.test.rhs.test", "TXT"): ['"no $sender $ {x} 8\\195\\188"'], ("servfail.test.rhs.test", "A"): "SERVFAIL",
}  # fmt: skip
FILTER = (
    r"smtpd_dns_reply_filter = regexp:{{/ IN MX 10 a\.mx\.test\.$$/ IGNORE}, {/192\.0\.2\.10$$/ IGNORE}, "
    r"{/127\.0\.0\.(10|3)$$/ ignore}, {/^six/ FOO}}"
)
STRANGER = "mynetworks = 10.0.0.0/8"


def dialog(sender: str = "s@ok.test", recipient: str = "joe@example.com", helo: str = "client.test") -> list[bytes]:
    return [f"EHLO {helo}\r\n".encode(), f"MAIL FROM:<{sender}>\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode()]


def client(*words: str) -> tuple[list[str], list[bytes]]:
    return [f"smtpd_client_restrictions = {', '.join(words)}"], dialog()


def helo(word: str, name: str, *more: str) -> tuple[list[str], list[bytes]]:
    return [f"smtpd_helo_restrictions = {word}", *more], dialog(helo=name)


def sender(word: str, address: str, *more: str) -> tuple[list[str], list[bytes]]:
    return [f"smtpd_sender_restrictions = {word}", *more], dialog(sender=address)


def recipient(word: str, address: str) -> tuple[list[str], list[bytes]]:
    lines = [f"smtpd_recipient_restrictions = {word}", "smtpd_relay_restrictions = permit_mynetworks, reject"]
    return lines, dialog(recipient=address)


NAMES = (
    *("a.b", "a", "a.b.", "a..", ".", "[1.2.3.4]", "[1.2.3.4", "[]", "[x]", "[IPv6:2001:db8::1]", "[2001:db8::1]"),
    *("[IPv6:1.2.3.4]", "1.2.3.4", "1.2.3", "300.1.1.1", "-a.b", "a-.b", "a_b.c", "a%b.c", "2001:db8::1", "1"),
    *("1.2.3.4.", "x" * 64 + ".y", "[127.0.0.1]x", "a.1", "[IPv6:::1]", "[ipv6:::1]"),
)
DOMAINS = (
    *("mx.test", "a.test", "none.test", "servfail.test", "half.test", "null.test", "six.test", "txt.test"),
    *("[127.0.0.1]", "x", "numbers.test", "deadmx.test"),
)
BOUNCE = [b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"RCPT TO:<ann@example.com>\r\n"]
ALL_NAMES = (
    "$rbl_code 5.7.9 no $rbl_domain / $rbl_what / $rbl_class / $rbl_reason / $client $client_address $client_name "
    "$reverse_client_name $helo_name $sender $sender_domain $sender_name $recipient $recipient_domain "
    "$recipient_name $rbl_txt ${rbl_reason?yes} $$ x"
)
LISTS = (
    *("rbl.test", "rbl.test=127.0.0.10", "rbl.test=127.0.0.3", "rbl.test=127.0.0.[2..4]", "rbl.test=127.0.0.[5;10]"),
    *("rbl3.test", "rblf.test", "rblt.test", "none.rbl.test"),
)
SERVERS = ("mx.test", "a.test", "none.test", "servfail.test", "null.test", "deadmx.test", "failmx.test", "x.mx.test",
           "[127.0.0.1]", "txt.test", "half.test", "numbers.test", "x")  # fmt: skip
CASES: dict[str, tuple[list[str], list[bytes]]] = {
    "client": client("reject_unknown_client_hostname"),
    "client, old name": client("warn_if_reject reject_unknown_client", "reject"),
    "client code": (["unknown_client_reject_code = 550", *client("reject_unknown_client_hostname")[0]], dialog()),
    "reverse client": client("reject_unknown_reverse_client_hostname"),
    "unknown word": client("reject_unknown_forward_client_hostname_x"),
    **{f"invalid {name}": helo("reject_invalid_helo_hostname", name) for name in NAMES},
    **{f"non fqdn {name}": helo("reject_non_fqdn_helo_hostname", name) for name in NAMES},
    **{f"helo {name}": helo("reject_unknown_helo_hostname", name) for name in (*DOMAINS, "[bad]", "1.2.3.4")},
    "helo, at once": helo(
        "reject_unknown_helo_hostname", "servfail.test", "unknown_helo_hostname_tempfail_action = defer",
        "smtpd_sender_restrictions = reject",
    ),
    "helo, later": helo("reject_unknown_helo_hostname", "servfail.test", "smtpd_sender_restrictions = reject"),
    "helo, old name": helo("reject_unknown_hostname", "none.test"),
    **{f"sender {name}": sender("reject_unknown_sender_domain", f"u@{name}") for name in DOMAINS},
    **{f"recipient {name}": recipient("reject_unknown_recipient_domain", f"u@{name}") for name in DOMAINS},
    "sender, at once": sender(
        "reject_unknown_sender_domain, reject", "u@servfail.test", "reject_tempfail_action = defer"
    ),
    "sender, later": sender("reject_unknown_sender_domain, reject", "u@servfail.test"),
    "sender, old name": sender("reject_unknown_address", "u@none.test"),
    "null sender": sender("reject_unknown_sender_domain", ""),
    "our sender": sender("reject_unknown_sender_domain", "u"),
    "sender code": sender("reject_unknown_sender_domain", "u@none.test", "unknown_address_reject_code = 550"),
    **{
        f"fqdn {name}": sender("reject_non_fqdn_sender", name)
        for name in ("u", "u@x", "u@x.y", "", "u@[1.2.3.4]", "u@x.")
    },
    "bounce to two, DATA": (["smtpd_data_restrictions = reject_multi_recipient_bounce"], [*BOUNCE, b"DATA\r\n"]),
    "bounce to two, RCPT": (["smtpd_recipient_restrictions = reject_multi_recipient_bounce"], [*BOUNCE, b"DATA\r\n"]),
    "sleep": client("sleep 0", "reject"),
    "sleep how long": client("sleep x"),
    "sleep nothing": client("sleep"),
    **{f"list {name}": client(f"reject_rbl_client {name}") for name in LISTS},
    "two lists": client("reject_rbl_client rblf.test", "reject_rbl_client rbl3.test"),
    "list, all names": (["maps_rbl_reject_code = 550", f"default_rbl_reply = {ALL_NAMES}",
                         *client("reject_rbl_client rbl.test=127.0.0.2")[0]], dialog()),
    "list, null sender": ([f"default_rbl_reply = {ALL_NAMES}", *client("reject_rbl_client rbl.test")[0]], dialog("")),
    "list, filtered": (["default_rbl_reply = $rbl_code 5.7.1 $client / $rbl_reason $$ x",
                        "smtpd_expansion_filter = 5\\64\\40abcdefghi[",
                        *client("reject_rbl_client rbl.test")[0]], dialog()),
    "list, no status": (["default_rbl_reply = $rbl_code no", *client("reject_rbl_client rbl.test")[0]], dialog()),
    "list, bad code": (["default_rbl_reply = 250 no", *client("reject_rbl_client rbl.test")[0]], dialog()),
    "list, no code": (["default_rbl_reply = no", *client("reject_rbl_client rbl.test")[0]], dialog()),
    "list, its reply": (["rbl_reply_maps = inline:{{rbl.test=521 4.7.1 mine}}",
                         *client("reject_rbl_client rbl.test")[0]], dialog()),
    "list, reply of another": (["rbl_reply_maps = inline:{{rbl3.test=521 4.7.1 mine}}",
                                *client("reject_rbl_client rbl.test=127.0.0.2")[0]], dialog()),
    "list, no reply now": (["rbl_reply_maps = fail:x", *client("reject_rbl_client rbl.test")[0]], dialog()),
    "list status for a sender": sender(
        "reject_rhsbl_sender rhs.test", "u@bad.test", "default_rbl_reply = $rbl_code 4.1.1 hi"
    ),
    "rhsbl sender": sender("reject_rhsbl_sender rhs.test", "u@bad.test"),
    "rhsbl null sender": sender("reject_rhsbl_sender rhs.test", ""),
    "rhsbl subdomain": sender("reject_rhsbl_sender rhs.test", "u@x.bad.test"),
    "rhsbl literal": sender("reject_rhsbl_sender rhs.test", "u@[127.0.0.1]"),
    "rhsbl bare": sender("reject_rhsbl_sender rhs.test", "u"),
    "rhsbl other answer": sender("reject_rhsbl_sender rhs.test=127.0.0.3", "u@bad.test"),
    "rhsbl trouble": sender("reject_rhsbl_sender rhs.test", "u@servfail.test"),
    "rhsbl recipient": recipient("reject_rhsbl_recipient rhs.test", "u@bad.test"),
    "rhsbl helo": helo("reject_rhsbl_helo rhs.test", "bad.test"),
    "rhsbl client": client("reject_rhsbl_client rhs.test", "reject_rhsbl_reverse_client rhs.test"),
    "dnswl": ([STRANGER, *client("permit_dnswl_client rbl.test", "reject")[0]], dialog()),
    "dnswl, logged": (["smtpd_log_access_permit_actions = static:all",
                       *client("permit_dnswl_client rbl.test", "reject")[0]], dialog()),
    "dnswl does not relay": ([STRANGER, "smtpd_relay_restrictions = permit_dnswl_client rbl.test, reject"],
                             dialog(recipient="u@other.test")),
    "dnswl, not there": ([STRANGER, *client("permit_dnswl_client none.test", "reject")[0]], dialog()),
    "dnswl, not now": ([STRANGER, *client("permit_dnswl_client rblf.test", "reject")[0]], dialog()),
    "dnswl, no delay": ([STRANGER, "smtpd_delay_reject = no", *client("permit_dnswl_client rbl.test", "reject")[0]],
                        dialog()),
    **{
        f"servers {kind} {domain} {table}": sender(f"check_sender_{kind}_access {table}", f"u@{domain}")
        for kind in ("mx", "ns", "a")
        for domain in SERVERS
        for table in ("static:{REJECT hit}", "inline:{{q=w}}")
    },
    **{
        f"servers {kind} by {key}": sender(f"check_sender_{kind}_access inline:{{{{{key} = REJECT}}}}", f"u@{domain}")
        for kind, domain, keys in (
            ("mx", "mx.test", ("a.mx.test", "mx.test", "test", "192.0.2.9", "192.0.2")),
            ("ns", "mx.test", ("ns.mx.test", "mx.test", "192.0.2.53", "192")),
            ("a", "a.test", ("a.test", "192.0.2.10", "192.0")),
        )
        for key in keys
    },
    **{
        f"servers {kind}, {value}": sender(f"check_sender_{kind}_access static:{{{value}}}", "u@mx.test")
        for kind in ("mx", "ns")
        for value in ("OK", "DUNNO", "HOLD", "permit", "relay")
    },
    **{
        f"servers {kind}, null sender": sender(f"check_sender_{kind}_access static:REJECT", "") for kind in ("mx", "a")
    },
    "MX dropped": sender("reject_unknown_sender_domain", "u@mx.test", FILTER),
    "address dropped": sender("reject_unknown_sender_domain", "u@a.test", FILTER),
    "name dropped": helo("reject_unknown_helo_hostname", "a.test", FILTER),
    "filter not understood": sender("reject_unknown_sender_domain", "u@six.test", FILTER),
    "listing dropped": ([FILTER, *client("reject_rbl_client rbl.test=127.0.0.10")[0]], dialog()),
    "another listing dropped": ([FILTER, *client("reject_rbl_client rbl.test")[0]], dialog()),
    "whole listing dropped": ([FILTER, *client("reject_rbl_client rbl3.test")[0]], dialog()),
    "servers, dropped": sender("check_sender_mx_access static:{REJECT hit}", "u@mx.test", FILTER),
    "servers, helo": helo("check_helo_mx_access static:{REJECT hit}", "mx.test"),
    "servers, helo not found": helo("check_helo_ns_access static:{REJECT hit}", "none.test"),
    "servers, recipient": recipient("check_recipient_mx_access static:{REJECT hit}", "u@mx.test"),
    "servers, client": client("check_client_mx_access static:{REJECT hit}"),
    "servers, reverse client": client("check_reverse_client_hostname_ns_access static:{REJECT hit}"),
    "servers, no table": sender("check_sender_mx_access", "u@mx.test"),
    "servers, failing table": sender("check_sender_mx_access fail:x", "u@mx.test"),
    "rhswl": ([STRANGER, *client("permit_rhswl_client rhs.test", "reject")[0]], dialog()),
}  # fmt: skip


@pytest.fixture(scope="module")
def postfix() -> Iterator[Beside]:
    """A running Postfix with a service for each of CASES."""
    with running({name: lines for name, (lines, _) in CASES.items()}, RECORDS) as beside:
        yield beside


@pytest.fixture(scope="module")
def dns() -> Iterator[NameServer]:
    """The same records for ours."""
    with contextlib.closing(NameServer(RECORDS)) as server:
        yield server


@pytest.mark.parametrize("name", CASES)
def test_answers_and_log_are_those_of_postfix(
    server: Callable[..., Any], log: list[str], postfix: Beside, dns: NameServer, name: str
) -> None:
    lines, chunks = CASES[name]
    lines = [*lines, f"pyfix_dns_nameservers = 127.0.0.1:{dns.port}"]
    assert ours(server, lines, chunks, patient=True) == postfix.talk(name, chunks)
    assert comparable(log) == postfix.log(name)
