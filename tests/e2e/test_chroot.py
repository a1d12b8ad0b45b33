"""Daemons in a jail need nothing copied into it."""

import os

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MASTER_CF = """\
127.0.0.1:{port} inet n - y - - smtpd
pickup unix n - y 60 1 pickup
cleanup unix n - y - 0 cleanup
qmgr unix n - y 300 1 qmgr
rewrite unix - - y - - trivial-rewrite
bounce unix - - y - 0 bounce
showq unix n - y - - showq
discard unix - - y - - discard
"""


def test_mail_flows_through_chrooted_daemons(instance):
    mail = instance("virtual_transport = discard", MASTER_CF)
    with mail.smtp() as client:
        client.sendmail("bob@demo.test", ["alice@demo.test"], b"Subject: jail\r\n\r\nx\r\n")
    mail.wait_for(r"status=sent")
    for program in ("smtpd", "cleanup", "qmgr", "trivial-rewrite"):
        assert os.readlink(f"/proc/{mail.pid_of(program)}/root") == str(mail.queue)
    assert "fatal" not in mail.log()
    assert "ended by a bug" not in mail.log()


def test_clients_have_names_in_a_jail(instance):
    mail = instance("smtpd_client_restrictions = reject_unknown_client_hostname", MASTER_CF)
    with mail.smtp() as client:
        client.ehlo()
        client.mail("a@example.com")
        assert client.rcpt("alice@demo.test")[0] == 250
    mail.wait_for(r"connect from localhost\[127\.0\.0\.1\]")


def test_users_and_their_absence_are_known_in_a_jail(instance):
    mail = instance("mydestination = home.test\nlocal_recipient_maps = proxy:unix:passwd.byname\n", MASTER_CF)
    with mail.smtp() as client:
        client.ehlo()
        client.mail("a@example.com")
        assert client.rcpt("games@home.test")[0] == 250
        assert client.rcpt("nosuchuser@home.test") == (
            550, b"5.1.1 <nosuchuser@home.test>: Recipient address rejected: User unknown in local recipient table",
        )  # fmt: skip
    assert "warning" not in mail.log()


def test_a_table_that_must_not_be_asked_for_is_trouble_and_no_refusal(instance):
    mail = instance(
        "mydestination = home.test\nlocal_recipient_maps = proxy:unix:passwd.byname\nproxy_read_maps =\n", MASTER_CF
    )
    with mail.smtp() as client:
        client.ehlo()
        client.mail("a@example.com")
        assert client.rcpt("games@home.test") == (451, b"4.3.0 <games@home.test>: Temporary lookup failure")
    mail.wait_for(r'proxymap\[\d+\]: warning: request for unapproved table: "unix:passwd\.byname"\n')
