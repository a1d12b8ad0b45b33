"""permit_mx_backup, defer_if_reject, and words about logins where nobody can log in: the same answers and log as
real Postfix."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dns.conftest import NameServer, Records
from tests.real_postfix import version
from tests.smtpd.beside_postfix import Beside, comparable, ours, running

US, SELF, PRIMARY, OTHER = "10 mx.example.com.", "10 self.test.", "5 prim.test.", "5 other.test."
RECORDS: Records = {
    ("prim.test", "A"): ["192.0.2.1"], ("other.test", "A"): ["192.0.2.9"], ("self.test", "A"): ["127.0.0.1"],
    ("fails.test", "MX"): "SERVFAIL", ("fails.test", "A"): "SERVFAIL", ("null.test", "MX"): ["0 ."],
    ("only.test", "MX"): [US], ("backup.test", "MX"): [PRIMARY, US], ("near.test", "MX"): [OTHER, SELF],
    ("stranger.test", "MX"): [OTHER], ("broken.test", "MX"): ["5 nohost.test.", US],
    ("broken2.test", "MX"): ["5 nohost.test.", SELF], ("alone.test", "MX"): ["10 nohost.test."],
    ("dest.test", "MX"): [PRIMARY, "10 example.com."], ("best.test", "MX"): ["5 mx.example.com.", "10 other.test."],
    ("equal.test", "MX"): ["5 self.test.", OTHER], ("failhost.test", "MX"): ["5 fails.test.", "10 other.test."],
    ("failhost2.test", "MX"): [PRIMARY, "10 fails.test."], ("two.test", "MX"): [PRIMARY, OTHER, SELF],
    ("three.test", "MX"): [PRIMARY, SELF, "20 nohost.test."],
    ("middle.test", "MX"): [PRIMARY, "7 fails.test.", SELF],
}  # fmt: skip
NAMES = (
    *(name for name in dict.fromkeys(name for name, kind in RECORDS if kind == "MX")),
    *("self.test", "none.test", "mx.example.com", "[127.0.0.1]", "[192.0.2.1]", "BACKUP.test"),
)
LOGINS = (
    "reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch",
    "reject_unauthenticated_sender_login_mismatch", "reject_known_sender_login_mismatch",
)  # fmt: skip
BACKUP = "smtpd_relay_restrictions = permit_mx_backup, reject_unauth_destination"
HELLO = [b"EHLO x\r\n", b"MAIL FROM:<>\r\n"]
CASES: dict[str, tuple[list[str], list[bytes]]] = {
    **{
        f"backup {networks}": (
            ["mynetworks = 10.0.0.0/8", f"permit_mx_backup_networks = {networks}", BACKUP,
             "smtpd_reject_unlisted_recipient = no", "smtpd_recipient_limit = 1000"],
            HELLO + [f"RCPT TO:<joe@{name}>\r\n".encode() for name in NAMES],
        )
        for networks in ("", "192.0.2.0/29", "192.0.2.0/24", "127.0.0.0/8")
    },
    "backup, and another list": (
        ["smtpd_relay_restrictions = permit_mx_backup", "smtpd_recipient_restrictions = permit_mynetworks, reject"],
        [*HELLO, b"RCPT TO:<joe@alone.test>\r\n"],
    ),
    "backup, and reject": (
        ["smtpd_relay_restrictions = permit_mx_backup", "smtpd_recipient_restrictions = reject"],
        [*HELLO, b"RCPT TO:<joe@alone.test>\r\n"],
    ),
    **{
        f"defer_if_reject, {first}, {second}": (
            [f"smtpd_{first}_restrictions = defer_if_reject", f"smtpd_{second}_restrictions = reject"],
            [*HELLO, b"RCPT TO:<joe@example.com>\r\n"],
        )
        for first, second in (
            ("client", "helo"), ("client", "sender"), ("sender", "relay"), ("relay", "recipient"),
            ("client", "recipient"),
        )
    },
    **{
        f"defer_if_reject, {name}, nobody": (
            [f"smtpd_{name}_restrictions = defer_if_reject"], [*HELLO, b"RCPT TO:<nobody@example.com>\r\n"],
        )
        for name in ("client", "sender", "recipient")
    },
    **{
        word: (
            [f"smtpd_sender_restrictions = {word}", "smtpd_sender_login_maps = inline:{{ann@example.com=ann}}"],
            [b"EHLO x\r\n", b"MAIL FROM:<ann@example.com>\r\n", b"RCPT TO:<joe@example.com>\r\n",
             b"RCPT TO:<ann@example.com>\r\n", b"RSET\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<joe@example.com>\r\n"],
        )
        for word in LOGINS
    },
}  # fmt: skip
NEW = ("support for restriction",)
"""In warnings that Postfix before 3.9 does not give."""


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
    old = version() < (3, 9)
    assert [line for line in comparable(log) if not (old and any(word in line for word in NEW))] == postfix.log(name)


def test_backup_is_to_be_removed(server: Callable[..., Any], log: list[str]) -> None:
    server(f"{BACKUP}\n").talk(b"EHLO x\r\n")
    warning = 'warning: support for restriction "permit_mx_backup" will be removed from Postfix; instead, specify '
    assert f'{warning}"relay_domains"' in log
