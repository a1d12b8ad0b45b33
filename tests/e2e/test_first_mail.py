"""One message: SMTP in, through the queue, into a Maildir, with the log lines that it leaves."""

import re
from pathlib import Path

MESSAGE = b"From: a@example.com\r\nTo: alice@demo.test\r\nSubject: first\r\n\r\n.hello\r\n"
DELIVERED = r"delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent \(delivered to maildir\)"
COUNTS = "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"


def test_a_message_lands_in_the_maildir_and_leaves_postfix_log_lines(instance) -> None:
    mail = instance()
    with mail.smtp(local_hostname="client.example") as client:
        assert client.sendmail("a@example.com", ["alice@demo.test"], MESSAGE) == {}
    log = mail.wait_for(r"qmgr\[\d+\]: (\w+): removed").string
    (message,) = mail.maildir("alice@demo.test")
    head, _, body = message.partition(b"\n\n")
    assert body == b".hello\n"
    queue_id = re.search(r"smtpd\[\d+\]: ([0-9A-F]{6,}): client=localhost\[127\.0\.0\.1\]\n", log)[1]
    pattern = (
        rb"Return-Path: <a@example\.com>\n"
        rb"X-Original-To: alice@demo\.test\n"
        rb"Delivered-To: alice@demo\.test\n"
        rb"Received: from client\.example \(localhost \[127\.0\.0\.1\]\)\n"
        rb"\tby mail\.demo\.test \(Postfix\) with ESMTP id " + queue_id.encode() + rb"\n"
        rb"\tfor <alice@demo\.test>; \w{3}, +\d+ \w{3} \d{4} [\d:]{8} [+-]\d{4} \(\w+\)\n"
        rb"From: a@example\.com\nTo: alice@demo\.test\nSubject: first\n"
        rb"Message-Id: <\d{14}\." + queue_id.encode() + rb"@mail\.demo\.test>\nDate: .*"
    )
    assert re.fullmatch(pattern, head), head
    size = sum(len(line) + 2 for line in message.splitlines()[3:])  # as records of the queue file
    lines = [
        r"smtpd\[\d+\]: connect from localhost\[127\.0\.0\.1\]",
        rf"smtpd\[\d+\]: {queue_id}: client=localhost\[127\.0\.0\.1\]",
        rf"cleanup\[\d+\]: {queue_id}: message-id=<\d+\.{queue_id}@mail\.demo\.test>",
        rf"qmgr\[\d+\]: {queue_id}: from=<a@example\.com>, size={size}, nrcpt=1 \(queue active\)",
        rf"virtual\[\d+\]: {queue_id}: to=<alice@demo\.test>, relay=virtual, {DELIVERED}",
        rf"qmgr\[\d+\]: {queue_id}: removed",
        rf"smtpd\[\d+\]: disconnect from localhost\[127\.0\.0\.1\] {COUNTS}",
    ]
    for line in lines:
        mail.wait_for(rf"\w{{3}} [ \d]\d [\d:]{{8}} mail postfix/{line}\n")
    assert not any(mail.queued(queue) for queue in ("incoming", "active", "deferred", "hold", "corrupt"))


def test_it_also_runs_as_an_ordinary_user(instance, other_user) -> None:
    mail = instance(user=other_user)
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["bob@demo.test"], MESSAGE)
    mail.wait_for(r": removed")
    assert len(mail.maildir("bob@demo.test")) == 1


def test_daemons_that_face_the_network_are_not_root(instance) -> None:
    mail = instance()
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["alice@demo.test"], MESSAGE)
        mail.wait_for(r": removed")
        for program in ("smtpd", "cleanup", "qmgr", "trivial-rewrite", "postlogd"):
            status = Path(f"/proc/{mail.pid_of(program)}/status").read_text()
            uids = re.search(r"^Uid:\t(.*)$", status, re.MULTILINE)[1].split()
            assert set(uids) == {str(mail.owner.uid)}, program


def test_many_recipients_share_one_file_and_each_gets_a_copy(instance) -> None:
    mail = instance(
        main_cf="virtual_mailbox_maps = static:all/\nvirtual_mailbox_base = {directory}/mail\n"
        "smtpd_recipient_limit = 1000"
    )
    recipients = [f"user{n}@demo.test" for n in range(1000)]
    with mail.smtp() as client:
        assert client.sendmail("a@example.com", recipients, MESSAGE) == {}
    mail.wait_for(r"nrcpt=1000 \(queue active\)")
    mail.wait_for(r": removed", timeout=50)
    new = mail.directory / "mail/all/new"
    assert len(list(new.iterdir())) == 1000
    mail.wait_until(lambda: mail.log().count("status=sent") == 1000)


def test_one_recipient_too_many_is_told_and_the_others_get_theirs(instance) -> None:
    mail = instance(main_cf="smtpd_recipient_limit = 1")
    with mail.smtp() as client:
        refused = client.sendmail("a@example.com", ["alice@demo.test", "bob@demo.test"], MESSAGE)
    assert refused == {"bob@demo.test": (452, b"4.5.3 Error: too many recipients")}
    mail.wait_for(r": removed")
    assert len(mail.maildir("alice@demo.test")) == 1
