"""Who may send what to whom: relay control, unknown recipients, limits, and what the log says of it."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.talk import Talk

STRANGERS = "mynetworks = 192.0.2.0/24\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"
MESSAGE = b"Subject: x\r\n\r\nhello\r\n"
REJECT = "proto=ESMTP helo=<client.example>"


def test_strangers_may_not_relay_and_neighbours_may(instance) -> None:
    mail = instance(main_cf=STRANGERS)
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        client.ask("MAIL FROM:<a@example.com>")
        assert client.ask("RCPT TO:<b@example.org>") == (554, "5.7.1 <b@example.org>: Relay access denied")
        assert client.ask("RCPT TO:<b%example.org@demo.test>")[0] == 554
        assert client.ask("RCPT TO:<@demo.test:b@example.org>")[0] == 554
        assert client.ask("RCPT TO:<alice@demo.test>") == (250, "2.1.5 Ok")
    mail.wait_for(
        r"smtpd\[\d+\]: NOQUEUE: reject: RCPT from localhost\[127\.0\.0\.1\]: 554 5\.7\.1 <b@example\.org>: "
        rf"Relay access denied; from=<a@example\.com> to=<b@example\.org> {REJECT}\n"
    )
    mail.command("postconf", "-e", "mynetworks = 127.0.0.0/8", check=True)
    mail.reload()
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        client.ask("MAIL FROM:<a@example.com>")
        assert client.ask("RCPT TO:<b@example.org>") == (250, "2.1.5 Ok")


def test_unknown_recipients_are_refused_at_rcpt(instance) -> None:
    mail = instance()
    reply = (
        "5.1.1 <nobody@demo.test>: Recipient address rejected: User unknown in virtual mailbox table"
    )
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        client.ask("MAIL FROM:<a@example.com>")
        assert client.ask("RCPT TO:<nobody@demo.test>") == (550, reply)
        assert client.ask("RCPT TO:<ALICE@Demo.Test>") == (250, "2.1.5 Ok")
        assert client.ask("RCPT TO:<nobody2@demo.test>")[0] == 550
    mail.wait_for(rf"NOQUEUE: reject: RCPT from localhost\[127\.0\.0\.1\]: 550 {re.escape(reply)}; ")
    mail.wait_for(r"[0-9A-F]{6,}: reject: RCPT from .*nobody2@demo\.test")
    mail.wait_for(r": lost connection after RCPT from localhost\[127\.0\.0\.1\]\n")
    mail.wait_for(r"disconnect from localhost\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=1/3 commands=3/5\n")


def test_virtual_aliases_expand_recursively_and_once_each(instance) -> None:
    mail = instance(
        main_cf="virtual_alias_maps = inline:{{all@demo.test = alice@demo.test, team@demo.test}, "
        "{team@demo.test = bob@demo.test, alice@demo.test}}"
    )
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["all@demo.test"], MESSAGE)
    mail.wait_for(r": removed")
    assert (len(mail.maildir("alice@demo.test")), len(mail.maildir("bob@demo.test"))) == (1, 1)
    mail.wait_for(r"to=<bob@demo\.test>, orig_to=<all@demo\.test>, relay=virtual")


def test_canonical_maps_rewrite_envelope_and_headers(instance) -> None:
    mail = instance(
        main_cf="canonical_maps = inline:{old@example.com=new@example.org, alias@demo.test=alice@demo.test}"
    )
    message = b"From: Old <old@example.com>\r\nTo: alias@demo.test\r\nSubject: x\r\n\r\nhi old@example.com\r\n"
    with mail.smtp() as client:
        client.sendmail("old@example.com", ["alice@demo.test"], message)
    mail.wait_for(r": removed")
    (got,) = mail.maildir("alice@demo.test")
    assert got.startswith(b"Return-Path: <new@example.org>\n")
    assert b"\nFrom: Old <new@example.org>\nTo: alice@demo.test\n" in got
    assert got.endswith(b"\n\nhi old@example.com\n")


def test_messages_over_the_limit_are_refused_early_and_late(instance) -> None:
    mail = instance(main_cf="message_size_limit = 10000")
    with Talk(mail.port) as client:
        assert "SIZE 10000" in client.ask("EHLO client.example")[1]
        assert client.ask("MAIL FROM:<a@example.com> SIZE=20000") == (
            552,
            "5.3.4 Message size exceeds fixed limit",
        )
        big = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 2000
        reply = client.deliver(big, ["alice@demo.test"])
        assert reply == (552, "5.3.4 Error: message file too big")
        assert client.deliver(MESSAGE, ["alice@demo.test"])[0] == 250
    mail.wait_for(r": removed\n")
    mail.wait_until(lambda: not any(mail.queued(queue) for queue in ("incoming", "active", "deferred")))


def test_errors_slow_a_client_down_and_end_it(instance) -> None:
    mail = instance(main_cf="smtpd_error_sleep_time = 1s\nsmtpd_soft_error_limit = 3\nsmtpd_hard_error_limit = 5")
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        replies = [client.ask("FOO")[0] for _ in range(5)]
        assert replies == [500] * 5
        assert client.ask("NOOP") in {(421, "4.7.0 mail.demo.test Error: too many errors"), (0, "")}
    mail.wait_for(r"too many errors after \w+ from localhost\[127\.0\.0\.1\]")


def test_a_silent_client_is_told_and_hung_up(instance) -> None:
    mail = instance(main_cf="smtpd_timeout = 1s")
    with Talk(mail.port) as client:
        assert client.reply() == (421, "4.4.2 mail.demo.test Error: timeout exceeded")
        assert client.reply() == (0, "")
    mail.wait_for(r"NOQUEUE: timeout after CONNECT from localhost\[127\.0\.0\.1\]")


def test_smuggled_messages_stay_one_message(instance) -> None:
    """A bare LF around the dot does not end a message for us alone (CVE-2023-51764)."""
    mail = instance()
    inner = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@demo.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nhi\r\n.\r\n"
    for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n\0.\r\n"):
        with Talk(mail.port) as client:
            client.ask("EHLO client.example")
            client.ask("MAIL FROM:<a@example.com>")
            client.ask("RCPT TO:<alice@demo.test>")
            client.ask("DATA")
            client.send(b"Subject: outer\r\n\r\nhello" + end + inner)
            client.reply()
    time.sleep(0.2)
    assert mail.maildir("bob@demo.test") == []


def test_pipelining_before_the_greeting_or_out_of_turn_is_refused(instance) -> None:
    mail = instance()
    with Talk(mail.port) as client:
        client.send(b"EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<alice@demo.test>\r\n")
        assert client.reply() == (554, "5.5.0 Error: SMTP protocol synchronization")
        assert client.reply() == (0, "")
    mail.wait_for(r"improper command pipelining after EHLO from localhost\[127\.0\.0\.1\]: MAIL FROM:")


PFLOGSUMM = shutil.which("pflogsumm", path="/usr/sbin:/usr/bin")


@pytest.mark.skipif(not PFLOGSUMM, reason="pflogsumm is not installed")
def test_pflogsumm_counts_what_happened(instance) -> None:
    mail = instance(main_cf=STRANGERS)
    with mail.smtp() as client:
        for _ in range(7):
            client.sendmail("a@example.com", ["alice@demo.test", "bob@demo.test"], MESSAGE)
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        client.ask("MAIL FROM:<a@example.com>")
        for n in range(3):
            client.ask(f"RCPT TO:<u{n}@example.org>")
    mail.wait_for(lambda log: log.count(": removed") == 7 and "commands=2/5" in log)
    report = subprocess.run([PFLOGSUMM], input=mail.log(), capture_output=True, text=True, check=True).stdout
    for count, what in ((7, "received"), (14, "delivered"), (0, "deferred"), (0, "bounced"), (3, "rejected")):
        assert re.search(rf"^ +{count} +{what}", report, re.MULTILINE), report[:1500]
    assert re.search(r"^ +1 +senders$", report, re.MULTILINE)
    assert re.search(r"^ +2 +recipients$", report, re.MULTILINE)


FAIL2BAN = shutil.which("fail2ban-regex")


@pytest.mark.skipif(not FAIL2BAN, reason="fail2ban is not installed")
def test_fail2ban_finds_rejected_clients(instance, tmp_path: Path) -> None:
    mail = instance(main_cf=STRANGERS)
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        client.ask("MAIL FROM:<a@example.com>")
        for n in range(3):
            client.ask(f"RCPT TO:<u{n}@example.org>")
        client.ask("RCPT TO:<nobody@demo.test>")
    mail.wait_for(r"commands=2/6")
    file = tmp_path / "maillog"
    file.write_text(mail.log())
    done = subprocess.run(
        [FAIL2BAN, str(file), "postfix[mode=normal]"], capture_output=True, text=True, check=False, cwd="/etc/fail2ban"
    )
    assert "4 matched" in done.stdout, done.stdout + done.stderr
