"""Access tables: the same answers and the same log lines as real Postfix, configuration by configuration."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.smtpd.beside_postfix import Beside, comparable, ours, running

HELLO, MAIL, RCPT, DATA = (
    b"EHLO client.test\r\n", b"MAIL FROM:<s@ok.test>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"DATA\r\n",
)  # fmt: skip
TEXT = b"Subject: x\r\n\r\nx\r\n.\r\n"
MESSAGE = [HELLO, MAIL, RCPT, DATA, TEXT]
REFUSED = [HELLO, MAIL, RCPT]
UNKNOWN = b"RCPT TO:<no@example.com>\r\n"
REFUSALS_OF_ALL_KINDS = [
    b"FOO\r\n", b"EHLO a b<c\r\n", b"FOO\r\n", b"MAIL FROM:<>\r\n", UNKNOWN, b"RSET\r\n",
    b"MAIL FROM:<\"a $b\"@\xc3\xa4.test> SMTPUTF8\r\n", UNKNOWN, RCPT, UNKNOWN, b"RCPT TO:<ann@example.com>\r\n",
    b"DATA x\r\n", b"RSET\r\n", b"MAIL FROM:<a>\r\n", UNKNOWN,
]  # fmt: skip
TWO = [HELLO, MAIL, RCPT, b"RCPT TO:<ann@example.com>\r\n", DATA, TEXT]


def by_sender(value: str) -> list[str]:
    return [f"smtpd_sender_restrictions = check_sender_access static:{{{value}}}"]


VALUES = (
    *("OK", "relay", "123", "DUNNO", "HOLD", "HOLD text", "DISCARD", "DISCARD text", "BCC", "BCC b@c.d"),
    *("REDIRECT x", "REDIRECT a@b.c", "PREPEND", "PREPEND foo", "PREPEND X-A: b", "FILTER", "FILTER x"),
    *("FILTER smtp:", "INFO hi", "INFO", "WARN hi", "warn  two  words ", "DEFER_IF_REJECT", "554"),
    *("permit, reject", "reject_unauth_destination", "reject_non_fqdn_sender permit"),
)
REFUSALS = (
    *("REJECT", "reject no way", "REJECT 5.1.9 no way", "DEFER", "DEFER 4.2.2 text", "DEFER_IF_PERMIT"),
    *("DEFER_IF_PERMIT 5.6.7 text", "554 5.7.1", "550 text", "451 5.1.1 x", "421 bye", "521 bye", "foo"),
    *("reject", "hash:x", "554x y", "45 a", "700 a", "check_client_access", "554 9.9.9 text"),
    *("REJECT 5.1.1", "reject_non_fqdn_sender reject", "defer", "550 5.1.8 x"),
)
CASES: dict[str, tuple[list[str], list[bytes]]] = {
    **{f"value {value}": (by_sender(value), MESSAGE) for value in VALUES},
    **{f"refusal {value}": (by_sender(value), REFUSED) for value in REFUSALS},
    "table of the list": (["smtpd_recipient_restrictions = static:{REJECT}"], REFUSED),
    "table without a word in a data list": (["smtpd_data_restrictions = static:OK"], [*REFUSED, DATA]),
    "no table": (["smtpd_recipient_restrictions = check_client_access, reject"], REFUSED),
    "nothing": (["smtpd_recipient_restrictions = check_client_access"], REFUSED),
    "reverse name": (
        ["smtpd_client_restrictions = check_reverse_client_hostname_access static:{REJECT c}"],
        REFUSED,
    ),
    "helo": (["smtpd_helo_restrictions = check_helo_access inline:{{test=REJECT h}}"], REFUSED),
    "client": (["smtpd_client_restrictions = check_client_access inline:{{127.0=REJECT}}"], REFUSED),
    "recipient": (["smtpd_recipient_restrictions = check_recipient_access inline:{{joe@=REJECT}}"], REFUSED),
    "other about than the list": (
        ["smtpd_recipient_restrictions = check_client_access static:REJECT"],
        REFUSED,
    ),
    "etrn": (["smtpd_etrn_restrictions = check_etrn_access static:{REJECT}"], [HELLO, b"ETRN a.b\r\n"]),
    "etrn hold": (["smtpd_etrn_restrictions = static:{HOLD}"], [HELLO, b"ETRN a.b\r\n"]),
    "etrn prepend": (
        ["smtpd_client_restrictions = static:{PREPEND X-A: b}"], [HELLO, b"ETRN a.b\r\n"],
    ),
    "null sender": (
        ["smtpd_sender_restrictions = check_sender_access inline:{{<>=REJECT}}"],
        [HELLO, b"MAIL FROM:<>\r\n", RCPT],
    ),
    "null sender key": (
        ["smtpd_null_access_lookup_key = nobody", "smtpd_sender_restrictions = static:OK, inline:{{x=y}}"],
        [HELLO, b"MAIL FROM:<>\r\n", RCPT],
    ),
    "quoted sender": (
        ['smtpd_sender_restrictions = check_sender_access regexp:{{/^"a b"@/ REJECT quoted}}'],
        [HELLO, b'MAIL FROM:<"a b"@c.d>\r\n', RCPT],
    ),
    "unquoted sender": (
        ["smtpd_sender_restrictions = check_sender_access regexp:{{/^a b@/ REJECT unquoted}}"],
        [HELLO, b'MAIL FROM:<"a b"@c.d>\r\n', RCPT],
    ),
    "no delay, client and helo": (
        [
            "smtpd_delay_reject = no", "smtpd_client_restrictions = static:{HOLD}",
            "smtpd_helo_restrictions = check_helo_access static:{PREPEND X-A: b}",
        ],
        MESSAGE,
    ),
    "no delay, client rejected": (
        ["smtpd_delay_reject = no", "smtpd_client_restrictions = static:{REJECT}"], [HELLO, MAIL],
    ),
    "no delay, client 521": (["smtpd_delay_reject = no", "smtpd_client_restrictions = static:{521 x}"], []),
    "no delay, helo rejected": (
        ["smtpd_delay_reject = no", "smtpd_helo_restrictions = static:{REJECT}"], [HELLO, MAIL],
    ),
    "no delay, sender": (
        ["smtpd_delay_reject = no", "smtpd_sender_restrictions = static:{HOLD}"], MESSAGE,
    ),
    "no delay, deferred client": (
        [
            "smtpd_delay_reject = no", "smtpd_client_restrictions = defer_if_permit",
            "smtpd_sender_restrictions = permit",
        ],
        REFUSED,
    ),
    "no delay, deferral of rejects ends with its list": (
        [
            "smtpd_delay_reject = no", "smtpd_client_restrictions = defer_if_reject",
            "smtpd_sender_restrictions = reject",
        ],
        [HELLO, MAIL],
    ),
    "deferred client, rejected sender": (
        ["smtpd_client_restrictions = defer_if_permit", "smtpd_sender_restrictions = reject"], REFUSED,
    ),
    "deferral of rejects ends with its list": (
        ["smtpd_client_restrictions = defer_if_reject", "smtpd_sender_restrictions = reject"], REFUSED,
    ),
    "both deferrals": (
        ["smtpd_sender_restrictions = defer_if_permit, defer_if_reject, reject"], REFUSED,
    ),
    "deferral of rejects": (["smtpd_sender_restrictions = defer_if_reject, reject"], REFUSED),
    "end of data": (
        ["smtpd_end_of_data_restrictions = check_client_access static:{HOLD}"], MESSAGE,
    ),
    "end of data, prepend": (
        ["smtpd_end_of_data_restrictions = check_client_access static:{PREPEND X-A: b}"], MESSAGE,
    ),
    "end of data, reject": (
        ["smtpd_end_of_data_restrictions = check_recipient_access static:{REJECT}"], MESSAGE,
    ),
    "end of data, two recipients": (
        ["smtpd_end_of_data_restrictions = check_recipient_access static:{REJECT}"], TWO,
    ),
    "data, discard": (["smtpd_data_restrictions = check_client_access static:DISCARD, reject"], MESSAGE),
    "data, deferred": (["smtpd_data_restrictions = defer_if_permit"], [*REFUSED, DATA]),
    "failing table": (["smtpd_client_restrictions = check_client_access fail:x"], REFUSED),
    "missing table": (["smtpd_client_restrictions = check_client_access texthash:/nonexistent"], REFUSED),
    "unknown type": (["smtpd_client_restrictions = check_client_access nosuch:/x"], REFUSED),
    "empty value": (["smtpd_client_restrictions = check_client_access regexp:{{/./}}"], REFUSED),
    "warned of a failing table": (
        ["smtpd_client_restrictions = warn_if_reject, check_client_access fail:x"], MESSAGE,
    ),
    "warned of an unknown word": (["smtpd_client_restrictions = warn_if_reject foo"], REFUSED),
    "warned of a deferral": (["smtpd_client_restrictions = warn_if_reject defer_if_permit"], MESSAGE),
    "warned of a class": (
        [
            "smtpd_restriction_classes = mine",
            "mine = check_client_access static:{REJECT a}, check_sender_access static:{REJECT b}",
            "smtpd_client_restrictions = warn_if_reject mine, check_client_access static:{REJECT c}",
        ],
        REFUSED,
    ),
    "class in a table": (
        [
            "smtpd_restriction_classes = mine", "mine = check_client_access static:{REJECT a}",
            "smtpd_recipient_restrictions = check_recipient_access static:{mine}",
        ],
        REFUSED,
    ),
    "class around itself": (
        [
            "smtpd_restriction_classes = mine", "mine = check_client_access static:mine",
            "smtpd_recipient_restrictions = mine",
        ],
        REFUSED,
    ),
    "table in a class": (
        [
            "smtpd_restriction_classes = mine", "mine = inline:{{ok.test=REJECT by sender}}",
            "smtpd_sender_restrictions = mine",
        ],
        REFUSED,
    ),
    "code that is none": (
        ["access_map_reject_code = 250", "smtpd_client_restrictions = static:{REJECT c}"], REFUSED,
    ),
    "codes": (
        [
            "access_map_reject_code = 571", "access_map_defer_code = 471",
            "smtpd_client_restrictions = static:{DEFER_IF_PERMIT c}",
            "smtpd_sender_restrictions = warn_if_reject static:{REJECT 4.1.1 c}",
        ],
        REFUSED,
    ),
    "soft bounce": (["soft_bounce = yes", "smtpd_client_restrictions = static:{REJECT c}"], REFUSED),
    "permits logged": (
        [
            "smtpd_log_access_permit_actions = static:all",
            "smtpd_client_restrictions = check_client_access static:{OK}",
            "smtpd_helo_restrictions = permit",
            "smtpd_sender_restrictions = check_sender_access static:{DUNNO}, permit_mynetworks",
            "smtpd_recipient_restrictions = check_recipient_access static:{123}, permit_auth_destination",
            "smtpd_data_restrictions = permit_inet_interfaces",
            "smtpd_end_of_data_restrictions = permit_auth_destination",
        ],
        MESSAGE,
    ),
    "some permits logged": (
        [
            "smtpd_log_access_permit_actions = ok permit_auth_destination",
            "smtpd_client_restrictions = check_client_access static:{OK}",
            "smtpd_recipient_restrictions = permit_auth_destination",
        ],
        MESSAGE,
    ),
    "each recipient": (
        [
            ("smtpd_sender_restrictions = static:{HOLD}, static:{PREPEND X-A: b}, check_recipient_access inline:"
             "{{joe@example.com=REJECT},{ann@example.com=FILTER smtp:x}}"),
        ],
        TWO,
    ),
    "discard ends all": (
        ["smtpd_client_restrictions = static:DISCARD", "smtpd_recipient_restrictions = reject"], MESSAGE,
    ),
    "ok does not relay": (
        [
            "mynetworks = 10.0.0.0/8", "smtpd_recipient_restrictions = check_recipient_access static:OK",
            "smtpd_client_restrictions = static:OK", "smtpd_sender_restrictions = static:OK",
        ],
        [HELLO, MAIL, b"RCPT TO:<x@other.test>\r\n", b"RCPT TO:<x%other.test@example.com>\r\n"],
    ),
    "ok relays where a relay list says so, but no route": (
        ["mynetworks = 10.0.0.0/8", "smtpd_relay_restrictions = check_recipient_access static:OK, reject"],
        [
            HELLO, MAIL, b"RCPT TO:<x@other.test>\r\n", b"RCPT TO:<x%other.test@example.com>\r\n",
            b"RCPT TO:<x%y@other.test>\r\n", b"RCPT TO:<y!x@other.test>\r\n",
        ],
    ),
    "vrfy": (["smtpd_sender_restrictions = static:{REJECT}"], [HELLO, b"VRFY joe\r\n"]),
    "vrfy recipient": (
        ["smtpd_recipient_restrictions = static:{REJECT}"], [HELLO, b"VRFY joe@example.com\r\n"],
    ),
    "vrfy hold": (["smtpd_recipient_restrictions = static:{HOLD}"], [HELLO, b"VRFY joe@example.com\r\n"]),
    "no helo": (
        ["smtpd_helo_restrictions = reject", "smtpd_sender_restrictions = check_helo_access static:REJECT"],
        [MAIL, RCPT],
    ),
    **{
        f"bad value of {key}": (
            [f"smtpd_{kind}_restrictions = check_{kind}_access inline:{{{{{key}={action} x}}}}"], REFUSED,
        )
        for kind, keys, action in (
            ("sender", ("s@ok.test", "ok.test", "test", "s@"), "REDIRECT"), ("recipient", ("joe@", "com"), "BCC"),
            ("client", ("127", "unknown"), "FILTER"), ("helo", ("test", "client.test"), "PREPEND"),
        )
        for key in keys
    },
    **{
        f"reverse name {value}": (
            [f"smtpd_client_restrictions = warn_if_reject check_reverse_client_hostname_access static:{value}"],
            REFUSED,
        )
        for value in ("OK", "permit", "123", "permit_mynetworks", "DUNNO", "DISCARD")
    },
    "only warned in spite of a deferral of rejects": (
        ["smtpd_client_restrictions = static:{DEFER_IF_REJECT x}, warn_if_reject reject, reject"], REFUSED,
    ),
    "only warned, soft bounce": (
        ["soft_bounce = yes", "smtpd_client_restrictions = warn_if_reject static:{521 b}"], REFUSED,
    ),
    **{
        f"not encrypted, {stage}": ([f"smtpd_{stage}_restrictions = warn_if_reject reject_plaintext_session"], REFUSED)
        for stage in ("client", "recipient")
    },
    **{
        f"deferred {stage}, unknown recipient": (
            [f"smtpd_{stage}_restrictions = static:{{DEFER_IF_PERMIT x}}"], [HELLO, MAIL, UNKNOWN],
        )
        for stage in ("client", "recipient")
    },
    "deferral of rejects, unknown recipient": (
        ["smtpd_recipient_restrictions = static:{DEFER_IF_REJECT x}"], [HELLO, MAIL, UNKNOWN],
    ),
    "failing rewrite context": (["local_header_rewrite_clients = check_address_map fail:x"], [HELLO, MAIL]),
    "bad word in rewrite context": (
        ["local_header_rewrite_clients = foo permit_mynetworks"], [HELLO, MAIL],
    ),
    "failing rewrite context, mynetworks": (
        [
            "mynetworks = fail:x", "local_header_rewrite_clients = permit_mynetworks",
        ],
        [HELLO, MAIL],
    ),
    "failing mynetworks": (
        ["mynetworks = 127.0.0.0/8, fail:x, !10.0.0.1/8", "smtpd_sender_restrictions = permit_mynetworks"], REFUSED,
    ),
    **{
        f"footer {footer}": ([f"smtpd_reject_footer = {footer}"], REFUSALS_OF_ALL_KINDS)
        for footer in (
            "$client, ${client_address}, $client_name, $reverse_client_name, $server_name", "a$ b", "\\c$helo_name",
            "$sender, $sender_name, $sender_domain", "$recipient, $recipient_name, $recipient_domain\\nb",
            "$mydomain$$$nosuch", "a${sender?b}c${recipient:d}e${helo_name?{f}:{g}}",
        )
    },
    "filtered footer": (
        ["smtpd_reject_footer = $sender|$helo_name", "smtpd_expansion_filter = abc"], REFUSALS_OF_ALL_KINDS,
    ),
    "footer of a greeting": (
        ["smtpd_reject_footer = bye", "smtpd_delay_reject = no", "smtpd_client_restrictions = reject"], [HELLO],
    ),
    "footer of no SMTP": (["smtpd_reject_footer = bye"], [b"GET / HTTP/1.0\r\n"]),
    "no delay, odd names": (
        [
            "smtpd_delay_reject = no",
            "smtpd_helo_restrictions = static:{DUNNO}, reject_invalid_helo_hostname, static:{REJECT}",
        ],
        [b"EHLO a\x01b\r\n", b"EHLO a<b>;c  d\r\n", b"EHLO a<b\r\n", b"HELO \xc3\xa4\r\n", b"EHLO a\r\n"],
    ),
    "commands of Postfix that do nothing": (
        ["smtpd_noop_commands = vrfy, ETRN inline:{{mail=x}} ehlo foo data quit"],
        [
            HELLO, b"VRFY\r\n", b"etrn a b\r\n", b"foo\r\n", b"BAR\r\n", MAIL, RCPT, b"mail <x\r\n", DATA, b"QUIT\r\n",
            b"NOOP\r\n",
        ],
    ),
    "commands that do nothing, by a table that fails": (
        ["smtpd_noop_commands = fail:x foo"], [HELLO, b"foo\r\n", b"BAR\r\n", b"NOOP\r\n"],
    ),
    **{
        f"commands of no UTF-8, smtputf8_enable = {word}": (
            [f"smtputf8_enable = {word}", "smtpd_forbidden_commands = regexp:{{/^[^A-Za-z]/ Bogus}}"],
            [HELLO, b"foo\xff x\r\n", b"NOOP \xff\r\n", b"\xff\xfe\r\n"],
        )
        for word in ("yes", "no")
    },
    **{
        f"commands of no UTF-8 that do nothing, smtputf8_enable = {word}": (
            [f"smtputf8_enable = {word}", "smtpd_noop_commands = regexp:{{/^f/ ok}}"],
            [HELLO, b"foo\xff x\r\n", b"foo\r\n", b"NOOP\r\n"],
        )
        for word in ("yes", "no")
    },
    "commands before HELO": (["smtpd_helo_required = yes"], [b"AUTH\r\n", b"ETRN a\r\n", HELLO, b"AUTH x\r\n"]),
    "BDAT without sense": ([], [HELLO, b"bdat  0x1 <\r\n"]),
    "smtp": (["smtpd_client_restrictions = static:REJECT"], [b"HELO x\r\n", MAIL, RCPT]),
}  # fmt: skip


@pytest.fixture(scope="module")
def postfix() -> Iterator[Beside]:
    """A running Postfix with a service for each of CASES."""
    with running({name: lines for name, (lines, _) in CASES.items()}) as beside:
        yield beside


@pytest.mark.parametrize("name", CASES)
def test_answers_and_log_are_those_of_postfix(
    server: Callable[..., Any], log: list[str], postfix: Beside, name: str
) -> None:
    lines, chunks = CASES[name]
    assert ours(server, lines, chunks) == postfix.talk(name, chunks)
    assert comparable(log) == postfix.log(name)
