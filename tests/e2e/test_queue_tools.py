"""The queue as administrators see and handle it, with our commands and with real Postfix's."""

import json
import os
import re
import shutil
import smtplib
import subprocess
import time

import pytest

WAITING = "defer_transports = virtual"
MESSAGE = "From: a@example.com\nSubject: waiting\n\nhello\n"
REAL_POSTQUEUE = shutil.which("postqueue", path="/usr/sbin")


def _send(mail, count: int = 1, sender: str = "a@example.com") -> list[str]:
    """Queue ids of `count` messages that wait in deferred."""
    already = set(mail.queued("deferred"))
    with mail.smtp() as client:
        for _ in range(count):
            client.sendmail(sender, ["alice@demo.test"], MESSAGE)
    mail.wait_until(lambda: len(mail.queued("deferred")) == len(already) + count)
    return sorted(set(mail.queued("deferred")) - already)


def test_deferred_mail_is_listed_with_its_reason(instance) -> None:
    mail = instance(main_cf=WAITING)
    (queue_id,) = _send(mail)
    mail.wait_for(
        rf"error\[\d+\]: {queue_id}: to=<alice@demo\.test>, relay=none, delay=[\d.]+, delays=[\d./]+, "
        r"dsn=4\.3\.2, status=deferred \(deferred transport\)"
    )
    listing = mail.command("postqueue", "-p").stdout
    assert re.fullmatch(
        r"-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
        rf"{queue_id} +\d+ \w{{3}} \w{{3}} +\d+ [\d:]{{8}}  a@example\.com\n"
        r" +\(deferred transport\)\n {41}alice@demo\.test\n\n-- 0 Kbytes in 1 Request\.\n",
        listing,
    ), listing
    (row,) = [json.loads(line) for line in mail.command("postqueue", "-j").stdout.splitlines()]
    assert (row["queue_name"], row["queue_id"], row["sender"]) == ("deferred", queue_id, "a@example.com")
    (recipient,) = row["recipients"]
    assert (recipient["address"], recipient["delay_reason"]) == ("alice@demo.test", "deferred transport")


@pytest.mark.skipif(not REAL_POSTQUEUE, reason="postqueue (Postfix) is not installed")
def test_real_postfix_reads_our_queue(instance, real_postfix) -> None:
    mail = instance(main_cf=WAITING)
    queue_ids = _send(mail, 3)
    peer = real_postfix(start=False)
    mail.stop()
    peer.start()
    peer.stop()
    for queue_id in queue_ids:
        ours = mail.queue / "deferred" / queue_id[0] / queue_id
        shown = subprocess.run(["/usr/sbin/postcat", ours], capture_output=True, text=True, check=True).stdout
        assert shown == mail.command("postcat", str(ours)).stdout
        assert "Subject: waiting" in shown
    shutil.copytree(mail.queue / "deferred", peer.queue / "deferred", dirs_exist_ok=True)
    for path in (peer.queue / "deferred").rglob("*"):
        os.chown(path, mail.owner.uid, mail.owner.gid)
    listing = peer.command("postqueue", "-p").stdout.decode()
    assert all(queue_id in listing for queue_id in queue_ids)
    assert listing.endswith("-- 0 Kbytes in 3 Requests.\n")


def test_a_stopped_real_postfix_queue_is_taken_over_in_place(instance, real_postfix) -> None:
    peer = real_postfix("virtual_mailbox_domains = demo.test\nvirtual_mailbox_maps = static:x\n" + WAITING)
    with smtplib.SMTP("127.0.0.1", peer.port) as client:
        for _ in range(5):
            client.sendmail("a@example.com", ["alice@demo.test"], MESSAGE)
    deferred = peer.queue / "deferred"
    mail = instance(start=False)
    mail.wait_until(lambda: len([p for p in deferred.rglob("*") if p.is_file()]) == 5)
    peer.stop()
    shutil.rmtree(mail.queue)
    shutil.move(peer.queue, mail.queue)
    mail.start()
    assert mail.command("postqueue", "-f").returncode == 0
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 5)
    mail.wait_until(lambda: not mail.queued("deferred") and not mail.queued("active"))


def test_postsuper_holds_releases_requeues_and_deletes(instance) -> None:
    mail = instance(main_cf=WAITING)
    first, second, third = _send(mail, 3)
    done = mail.command("postsuper", "-h", first)
    assert done.stderr.endswith("postsuper: Placed on hold: 1 message\n"), done.stderr
    assert mail.queued("hold") == [first]
    assert f"{first}!" in mail.command("mailq").stdout
    mail.wait_for(rf"postsuper\[\d+\]: {first}: placed on hold")
    assert mail.command("postsuper", "-H", "ALL").stderr.endswith("Released from hold: 1 message\n")
    assert mail.queued("hold") == []
    assert mail.command("postsuper", "-d", second).stderr.endswith("Deleted: 1 message\n")
    mail.wait_for(rf"postsuper\[\d+\]: {second}: removed")
    assert second not in mail.command("mailq").stdout
    mail.command("postconf", "-e", "defer_transports =", check=True)
    mail.reload()
    assert mail.command("postsuper", "-r", "ALL").stderr.endswith("Requeued: 2 messages\n")
    assert mail.command("postqueue", "-f").returncode == 0  # pickup looks by itself only every minute
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 2)
    mail.wait_for(rf"pickup\[\d+\]: \w+: uid=\d+ from=<a@example\.com> orig_id={third}")
    mail.wait_until(lambda: mail.command("mailq").stdout == "Mail queue is empty\n")


def test_postcat_shows_a_queued_message(instance) -> None:
    mail = instance(main_cf=WAITING)
    (queue_id,) = _send(mail)
    shown = mail.command("postcat", "-q", queue_id).stdout
    assert f"*** ENVELOPE RECORDS deferred/{queue_id[0]}/{queue_id} ***" in shown
    assert "recipient: alice@demo.test" in shown
    assert "\nSubject: waiting\n" in shown
    missing = mail.command("postcat", "-q", "ABCDEF123456")
    assert missing.returncode == 1
    assert "fatal: open queue file ABCDEF123456: No such file or directory" in missing.stderr


def test_long_queue_ids(instance) -> None:
    mail = instance(main_cf=WAITING + "\nenable_long_queue_ids = yes")
    (queue_id,) = _send(mail)
    assert re.fullmatch(r"[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,}z\w+", queue_id)
    assert mail.command("postqueue", "-p").stdout.startswith("----Queue ID----- --Size-- ---Arrival Time----")


def test_mail_for_a_transport_that_does_not_exist_waits(instance) -> None:
    mail = instance(main_cf="transport_maps = inline:{demo.test=nosuch:}")
    (queue_id,) = _send(mail)
    mail.wait_for(rf"{queue_id}: to=<alice@demo\.test>, .*, dsn=4\.3\.0, status=deferred \(mail transport un")


def test_what_fails_is_refused_at_rcpt_or_returned(instance) -> None:
    mail = instance(main_cf="transport_maps = inline:{{demo.test = error:5.1.2 no such place}}")
    with mail.smtp() as client:
        client.mail("a@example.com")
        assert client.rcpt("alice@demo.test") == (
            550,
            b"5.1.2 <alice@demo.test>: Recipient address rejected: no such place",
        )
    mail.command("postconf", "-e", "smtpd_reject_unlisted_recipient = no", check=True)
    mail.reload()
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["alice@demo.test"], MESSAGE)
    log = mail.wait_for(r"bounce\[\d+\]: (\w+): sender non-delivery notification: \w+\n")
    mail.wait_for(rf"{log[1]}: to=<alice@demo\.test>, .*, dsn=5\.1\.2, status=bounced \(no such place\)")
    mail.wait_for(rf"qmgr\[\d+\]: {log[1]}: removed")
    assert mail.queued("hold") == []


def test_retries_wait_longer_each_time(instance) -> None:
    mail = instance(main_cf=WAITING + "\nminimal_backoff_time = 100s\nmaximal_backoff_time = 200s")
    (queue_id,) = _send(mail)
    path = mail.queue / "deferred" / queue_id[0] / queue_id
    wait = path.stat().st_mtime - time.time()
    assert 90 < wait <= 101
