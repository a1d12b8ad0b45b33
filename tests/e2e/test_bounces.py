"""What can't be delivered comes back: reports in the sender's Maildir."""

import email
import re

import pytest

MAIN_CF = """
transport_maps = inline:{{fail.test = error:5.1.1 no such user}, {slow.test = retry:4.3.0 come back later}}
smtpd_reject_unlisted_recipient = no
"""
MESSAGE = b"From: alice@demo.test\r\nTo: x@fail.test\r\nSubject: will it\r\n\r\nthe text\r\n"
ALICE = "alice@demo.test"


def _send(mail, *recipients: str, sender: str = ALICE, mail_options=(), rcpt_options=()) -> str:
    """The queue id."""
    with mail.smtp() as client:
        client.ehlo()
        assert client.mail(sender, mail_options)[0] == 250
        for recipient in recipients:
            assert client.rcpt(recipient, rcpt_options)[0] == 250
        code, text = client.data(MESSAGE)
        assert code == 250, text
    return text.decode().rpartition(" ")[2]


def _report(mail, address: str = ALICE, count: int = 1) -> list[email.message.Message]:
    mail.wait_until(lambda: len(mail.maildir(address)) == count)
    return [email.message_from_bytes(text) for text in mail.maildir(address)]


def test_a_bounce_arrives_in_the_senders_maildir(instance) -> None:
    mail = instance(main_cf=MAIN_CF)
    queue_id = _send(mail, "x@fail.test", mail_options=["ENVID=some+2Bthing"])
    (report,) = _report(mail)
    assert report["Return-Path"] == "<>"
    assert report["From"] == "Mail Delivery System <MAILER-DAEMON@demo.test>"  # completed with myorigin
    assert report["Subject"] == "Undelivered Mail Returned to Sender"
    assert report["To"] == ALICE
    assert report["Message-Id"].endswith("@mail.demo.test>")
    notification, status, returned = report.get_payload()
    assert "\n<x@fail.test>: no such user\n" in notification.get_payload()
    assert status.get_content_type() == "message/delivery-status"
    about, recipient = status.get_payload()
    assert (about["X-Postfix-Queue-ID"], about["X-Postfix-Sender"]) == (queue_id, f"rfc822; {ALICE}")
    assert about["Original-Envelope-Id"] == "some+thing"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert returned.get_payload()[0].get_payload() == "the text\n"
    new_id = mail.wait_for(rf"{queue_id}: sender non-delivery notification: (\w+)\n")[1]
    mail.wait_for(rf"qmgr\[\d+\]: {new_id}: from=<>, size=\d+, nrcpt=1 \(queue active\)")
    mail.wait_for(rf"qmgr\[\d+\]: {queue_id}: removed")
    mail.wait_for(rf"qmgr\[\d+\]: {new_id}: removed")
    assert not any(mail.queued(queue) for queue in ("active", "deferred", "bounce", "defer", "trace", "hold"))


def test_nobody_is_told_who_does_not_want_it(instance) -> None:
    mail = instance(main_cf=MAIN_CF)
    queue_id = _send(mail, "x@fail.test", rcpt_options=["NOTIFY=NEVER"])
    mail.wait_for(rf"qmgr\[\d+\]: {queue_id}: removed")
    assert "notification" not in mail.log()
    assert mail.queued("bounce") == []


def test_a_delay_is_reported_and_the_message_stays(instance) -> None:
    mail = instance(main_cf=MAIN_CF + "delay_warning_time = 1s\n")
    queue_id = _send(mail, "x@slow.test")
    (report,) = _report(mail)
    assert report["Subject"] == "Delayed Mail (still being retried)"
    assert report.get_payload()[1].get_payload()[1]["Will-Retry-Until"]
    assert report.get_payload()[2].get_content_type() == "text/rfc822-headers"
    mail.wait_for(rf"{queue_id}: sender delay notification: \w+")
    assert mail.queued("deferred") == [queue_id]
    assert mail.queued("defer") == [queue_id]


def test_what_expires_is_returned(instance) -> None:
    mail = instance(main_cf=MAIN_CF + "maximal_queue_lifetime = 0\n")
    queue_id = _send(mail, "x@slow.test")
    (report,) = _report(mail)
    assert report["Subject"] == "Undelivered Mail Returned to Sender"
    recipient = report.get_payload()[1].get_payload()[1]
    assert (recipient["Action"], recipient["Status"]) == ("failed", "4.3.0")
    mail.wait_for(rf"{queue_id}: from=<alice@demo\.test>, status=expired, returned to sender\n")
    mail.wait_for(rf"{queue_id}: removed")
    assert mail.queued("defer") == []


def test_a_double_bounce_goes_to_the_postmaster(instance) -> None:
    mail = instance(
        main_cf=MAIN_CF + "notify_classes = 2bounce\n2bounce_notice_recipient = bob@demo.test\n"
    )
    queue_id = _send(mail, "x@fail.test", sender="nobody@fail.test")
    (report,) = _report(mail, "bob@demo.test")
    assert report["Return-Path"] == "<double-bounce@mail.demo.test>"
    assert report["Subject"] == "Postmaster Copy: Undelivered Mail"
    assert report["Auto-Submitted"] == "auto-generated"
    bounce_id = mail.wait_for(rf"{queue_id}: sender non-delivery notification: (\w+)")[1]
    mail.wait_for(rf"{bounce_id}: postmaster non-delivery notification: \w+")


def test_success_is_reported_where_it_is_asked_for(instance) -> None:
    mail = instance(main_cf=MAIN_CF)
    queue_id = _send(mail, "bob@demo.test", rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;robert@x.test"])
    (report,) = _report(mail)
    assert report["Subject"] == "Successful Mail Delivery Report"
    recipient = report.get_payload()[1].get_payload()[1]
    assert (recipient["Action"], recipient["Original-Recipient"]) == ("delivered", "rfc822;robert@x.test")
    mail.wait_for(rf"{queue_id}: sender delivery status notification: \w+")
    mail.wait_for(rf"{queue_id}: removed")
    assert mail.queued("trace") == []


def test_without_bounce_services_nothing_is_lost(instance) -> None:
    mail = instance(main_cf=MAIN_CF, master_cf="bounce unix - - n - 0 nosuch")
    queue_id = _send(mail, "x@fail.test")
    mail.wait_for(rf"{queue_id}: status=deferred \(bounce failed\)")
    mail.wait_until(lambda: mail.queued("deferred") == [queue_id])


@pytest.mark.parametrize(
    ("hops", "lines", "why"),
    [
        (8, 10, "dsn=5.4.0, status=bounced (too many hops)"),
        (0, 9000, "dsn=5.3.4, status=bounced (message file too big)"),
    ],
    ids=["loop", "size"],
)
def test_a_submission_that_cleanup_refuses_comes_back(instance, hops: int, lines: int, why: str) -> None:
    mail = instance(
        main_cf="hopcount_limit = 5", master_cf="cleanup unix n - n - 0 cleanup -o message_size_limit=60000"
    )
    text = "Received: from there\n" * hops + "Subject: loop\nTo: bob@demo.test\n\n" + "the text\n" * lines
    done = mail.command("sendmail", "-i", "-f", ALICE, "bob@demo.test", stdin=text)
    assert done.returncode == 0, done.stderr
    log = mail.wait_for(rf"cleanup\[\d+\]: (\w+): to=<bob@demo\.test>, relay=none, .*{re.escape(why)}\n")
    (report,) = _report(mail)
    assert report["Subject"] == "Undelivered Mail Returned to Sender"
    returned = report.get_payload()[2]
    if hops:
        assert returned.get_payload()[0].get_payload() == "the text\n" * lines
    else:
        assert returned.get_content_type() == "text/rfc822-headers"
    mail.wait_for(rf"{log[1]}: sender non-delivery notification: \w+")
    mail.wait_until(lambda: not mail.queued("maildrop") and not mail.queued("bounce"))
    assert mail.queued("incoming") == []


def test_the_postmaster_hears_of_a_session_with_trouble(instance):
    mail = instance(main_cf="notify_classes = bounce\nbounce_notice_recipient = alice@demo.test\n")
    with mail.smtp() as client:
        client.helo("client.test")
        client.mail("bob@demo.test")
        assert client.rcpt("nobody@demo.test")[0] == 550
    (text,) = mail.wait_until(lambda: mail.maildir("alice@demo.test"))
    assert b"\nReturn-Path: <double-bounce@" in b"\n" + text
    assert b"\nTo: Postmaster <postmaster@" in text
    assert b"\nTranscript of session follows.\n" in text
    assert b"\n In:  rcpt TO:<nobody@demo.test>\n Out: 550 5.1.1 " in text
