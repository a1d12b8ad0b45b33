"""What -v and debug_peer_list add to the log: what is said with clients and servers, how decisions come about."""

import re
import smtplib

MESSAGE = b"From: a@example.com\r\nSubject: x\r\n\r\nhello\r\n"
SAID = re.compile(r"/smtpd\[\d+\]: ((?:[<>] |>>> (?:START|END|CHECKING)|generic_checks).*)")
DEBUGGED = """\
virtual_mailbox_domains = peer.test
virtual_mailbox_maps =
virtual_transport = discard
local_recipient_maps =
debug_peer_list = 127.0.0.0/8
smtpd_restriction_classes = trusting
trusting = permit
smtpd_helo_restrictions = reject_invalid_helo_hostname
smtpd_sender_restrictions = warn_if_reject reject_non_fqdn_sender, check_sender_access inline:{a@example.com=trusting}
smtpd_recipient_restrictions = reject_non_fqdn_recipient, permit
smtpd_relay_restrictions = permit_mynetworks, reject
"""
TO_DISCARD = "virtual_mailbox_domains = peer.test\nvirtual_mailbox_maps =\nvirtual_transport = discard\n"


def talk(port: int) -> None:
    """A message to one good and one bad recipient, and a word that is no command."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="me.test", timeout=20) as client:
        client.helo()
        client.sendmail("a@example.com", ["x@peer.test", "bad"], MESSAGE)
        client.docmd("frobnicate now")


def said(log: str, hostname: str) -> list[str]:
    """Lines that only a debugged session has, without what differs."""
    lines = [found[1] for found in map(SAID.search, log.splitlines()) if found is not None]
    lines = [re.sub(r"queued as \w+|size=\d+", "X", line.replace(hostname, "HOST")) for line in lines]
    begin = max(at for at, line in enumerate(lines) if " 220 " in line)  # a connection to see who listens was before
    return lines[begin:]


def test_session_of_a_debugged_peer_reads_as_in_postfix(instance, real_postfix):
    peer = real_postfix(main_cf=DEBUGGED)
    mail = instance(main_cf=DEBUGGED + "smtpd_banner = $myhostname ESMTP Postfix\n")
    sides = []
    for side, hostname in ((peer, "peer.example"), (mail, mail.command("postconf", "-h", "myhostname").stdout.strip())):
        talk(side.port)
        mail.wait_until(lambda log=side.log: re.search(r"disconnect from .* quit=1 ", log()))
        sides.append(said(side.log(), hostname))
    assert sides[1] == sides[0]
    assert "generic_checks: name=trusting status=1" in sides[1]


def test_verbose_programs_say_what_they_hear_find_and_ask(instance, real_postfix):
    peer = real_postfix(main_cf="virtual_mailbox_domains = peer.test\nvirtual_transport = discard\n")
    aliases = "virtual_alias_maps = inline:{ { a@b.test = x@peer.test } }\n"
    mail = instance(
        main_cf=f"relayhost = [127.0.0.1]:{peer.port}\n{aliases}",
        master_cf="smtp unix - - n - - smtp -v\ncleanup unix n - n - 0 cleanup -v\n",
    )
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["a@b.test"], MESSAGE)
    server = rf"127\.0\.0\.1\[127\.0\.0\.1\]:{peer.port}"
    for line in (
        rf"smtp\[\d+\]: < {server}: 220 peer\.example ESMTP",
        rf"smtp\[\d+\]: > {server}: MAIL FROM:<a@example\.com>",
        rf"smtp\[\d+\]: < {server}: 250 2\.0\.0 Ok: queued as",
        r"cleanup\[\d+\]: maps_find: virtual_alias_maps: inline:.*: a@b\.test = x@peer\.test",
    ):
        mail.wait_for(line)
    assert "smtpd[" in mail.log()
    assert not SAID.search(mail.log())


def test_each_daemon_warns_of_settings_that_it_passes_over(instance):
    mail = instance(main_cf=f"known_tcp_ports = smtp=25, bad, lmtp=xx\n{TO_DISCARD}")
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["x@peer.test"], MESSAGE)
    for program in ("master", "smtpd", "cleanup", "qmgr", "discard"):
        for what in ('in " bad" is not in "name = value" form', 'in " lmtp=xx": non-numerical service port'):
            mail.wait_for(rf'postfix/{program}\[\d+\]: warning: known_tcp_ports: {what}')


def test_verbose_commands_say_what_they_open_and_whom_they_ask(instance):
    mail = instance(main_cf="virtual_alias_maps = inline:{a=b}\n")
    patterns, networks, aliases = (mail.directory / name for name in ("patterns", "networks", "aliases"))
    patterns.write_text("/^x/ y\n")
    networks.write_text("10.0.0.0/8 y\n")
    aliases.write_text("a: b\n")
    for command, line in {
        ("postqueue", "-v", "-p"): "postqueue: connect to subsystem .*public/showq",
        ("postqueue", "-v", "-f"): "postqueue: connect to subsystem public/qmgr",
        ("postmap", "-v", "-q", "a", "inline:{a=b}"): r"postmap: dict_open: inline:\{a=b\}",
        ("postmap", "-v", "-q", "xx", f"regexp:{patterns}"): f"postmap: dict_regexp_lookup: {patterns}: xx",
        ("postmap", "-v", "-q", "10.1.1.1", f"cidr:{networks}"): f"postmap: dict_cidr_lookup: {networks}: 10.1.1.1",
        ("postalias", "-v", f"lmdb:{aliases}"): f"postalias: open lmdb {aliases}",
        ("postsuper", "-v", "-d", "ALL"): "postsuper: queue: defer\npostsuper: queue: bounce\n",
        ("mailq", "-v"): "postqueue: connect to subsystem .*public/showq",
    }.items():
        done = mail.command(*command, check=True)
        assert re.search(line, done.stderr), (command, done.stderr)
        quiet = [word for word in command if word != "-v"]
        assert mail.command(*quiet, check=True).stderr == ("postsuper: Deleted: 0 messages\n" if "ALL" in quiet else "")
