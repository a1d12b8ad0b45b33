"""With an old compatibility_level, decisions that it makes are logged as real Postfix logs them."""

import re
import smtplib

import pytest

from tests.e2e.instance import instance, instance_directory

__all__ = ["instance", "instance_directory"]

MAIN_CF = """\
mydestination = peer.example
myhostname = mx.peer.example
mydomain = peer.example
myorigin = peer.example
local_recipient_maps =
local_transport = discard
virtual_mailbox_domains =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
parent_domain_matches_subdomains = relay_domains
relayhost = [127.0.0.1]:1
"""
NEVER_SET = (
    "append_dot_mydomain", "compatibility_level", "mynetworks", "mynetworks_style", "relay_domains", "smtputf8_enable",
    "smtpd_recipient_restrictions", "smtpd_relay_restrictions", "smtpd_relay_before_recipient_restrictions",
)  # fmt: skip
CASES = {
    "networks": "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n",
    "refused": "smtpd_recipient_restrictions = check_client_access cidr:{{127.0.0.5 OK}}, reject\n",
    "relayed": "mynetworks = 10.0.0.0/8\n"
    "smtpd_recipient_restrictions = check_client_access cidr:{{127.0.0.5 OK}}, reject\n",
    "outside": "mynetworks = 10.0.0.0/8\nsmtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n",
    "set": "mynetworks_style = subnet\nrelay_domains = $mydestination\nsmtputf8_enable = no\n"
    "smtpd_relay_before_recipient_restrictions = no\nsmtpd_relay_restrictions =\n"
    "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination\n",
}
MAIL = [
    ("127.0.0.1", "x@y.z", "a@far.test"), ("127.0.0.5", "x@y.z", "a@far.test"),
    ("127.0.0.5", "x@y.z", "a@peer.example"), ("127.0.0.1", "ü@y.z", "ä@far.test"),
    ("127.0.0.5", "x@y.z", "a@sub.peer.example"),
]  # fmt: skip


def talk(port: int) -> None:
    for source, sender, recipient in MAIL:
        with smtplib.SMTP("127.0.0.1", port, source_address=(source, 0), timeout=20) as client:
            client.ehlo("me.test")
            for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>"):
                client.sock.sendall(f"{line}\r\n".encode())
                client.getreply()


def lines(log: str) -> list[str]:
    """What smtpd says of old defaults."""
    log = "".join(char if char.isascii() else "?" * len(char.encode()) for char in log)
    return re.findall(r"/smtpd\[\d+\]: (using backwards.*)", log)


@pytest.mark.parametrize(
    ("case", "level"),
    [
        ("networks", "0"), ("refused", "2"), ("relayed", "0"), ("outside", "1"), ("set", "0"),
    ],
)  # fmt: skip
def test_lines_are_those_of_postfix(instance, real_postfix, case, level):
    main_cf = f"compatibility_level = {level}\n{MAIN_CF}{CASES[case]}"
    sides = real_postfix(main_cf=main_cf, start=False), instance(main_cf=main_cf, start=False)
    told = []
    for side in sides:
        path = side.config / "main.cf"
        text = [line for line in path.read_text().splitlines() if line.partition("=")[0].strip() not in NEVER_SET]
        path.write_text("\n".join(text) + f"\n{main_cf}")
        side.start()
        talk(side.port)
        sides[1].wait_until(lambda log=side.log: log().count(" quit=1 ") >= len(MAIL))
        told.append(lines(side.log()))
    assert told[1] == told[0]
