"""Mail out of the instance: to real Postfix, by MX records of the test's own name server, over kept connections."""

import contextlib
import io
import os
import re
import signal
import smtplib
import socket
import time

import pytest

from tests.delivery.smtp.broken import Broken
from tests.dns.conftest import name_server

__all__ = ["name_server"]

MESSAGE = b"From: a@example.com\r\nSubject: out\r\n\r\n.hello\r\n..there\r\n"


def test_mail_goes_to_a_real_postfix_and_arrives_as_it_was(instance, real_postfix) -> None:
    peer = real_postfix(
        main_cf="virtual_mailbox_domains = peer.test\nvirtual_mailbox_base = {top}/mail\n"
        "virtual_mailbox_maps = static:box/\nvirtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{gid}\n"
    )
    mail = instance(main_cf=f"relayhost = [127.0.0.1]:{peer.port}\n")
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["x@peer.test", "y@peer.test"], MESSAGE)
    mail.wait_for(r": removed")
    relay = rf"relay=127\.0\.0\.1\[127\.0\.0\.1\]:{peer.port}, delay=[\d.]+, delays=[\d./]+, tls=may:none"
    sent = r"dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as "
    for name in "xy":
        mail.wait_for(rf"smtp\[\d+\]: \w+: to=<{name}@peer\.test>, {relay}, {sent}")
    boxes = peer.top / "mail/box/new"
    mail.wait_until(lambda: boxes.is_dir() and len(list(boxes.iterdir())) == 2)
    for path in boxes.iterdir():
        text = path.read_bytes()
        assert b"\n\n.hello\n..there\n" in text


PEER = "virtual_mailbox_domains = peer.test\nvirtual_transport = discard\n"
TWO_HOSTS = {
    ("peer.test", "MX"): ["10 mx1.peer.test.", "20 mx2.peer.test."],
    ("mx1.peer.test", "A"): ["127.0.0.77"],
    ("mx2.peer.test", "A"): ["127.0.0.1"],
}
"""Of which the second one answers."""


def asking(names, peer) -> str:
    """main.cf of an instance that asks that name server, and finds each host's port at the peer's."""
    return f"pyfix_dns_nameservers = 127.0.0.1:{names.port}\nsmtp_tcp_port = {peer.port}\ninet_protocols = ipv4\n"


def test_mx_records_say_where_mail_goes(instance, real_postfix, name_server) -> None:
    peer = real_postfix(main_cf=PEER)
    names = name_server({**TWO_HOSTS, ("null.test", "MX"): ["0 ."], ("broken.test", "MX"): "SERVFAIL"})
    mail = instance(asking(names, peer))
    with mail.smtp() as client:
        for domain in ("peer.test", "null.test", "broken.test", "nowhere.test"):
            client.sendmail("a@example.com", [f"x@{domain}"], MESSAGE)
    mail.wait_for(rf"connect to mx1\.peer\.test\[127\.0\.0\.77\]:{peer.port}: Connection refused\n")
    mail.wait_for(rf"to=<x@peer\.test>, relay=mx2\.peer\.test\[127\.0\.0\.1\]:{peer.port}, .*status=sent")
    name_error = r"Host or domain name not found. Name service error for name"
    mail.wait_for(r"null\.test>, relay=none, .*dsn=5\.1\.0, status=bounced \(Domain null\.test does not accept mail")
    mail.wait_for(
        rf"broken\.test>, relay=none, .*dsn=4\.4\.3, status=deferred \({name_error}=broken\.test type=MX: "
        r"Host not found, try again\)"
    )
    mail.wait_for(
        rf"nowhere\.test>, relay=none, .*dsn=5\.4\.4, status=bounced \({name_error}=nowhere\.test type=A: "
        r"Host not found\)"
    )
    assert "tls=" not in re.search(r".*null\.test>, relay=none.*", mail.log())[0]


def test_what_the_reply_filter_ignores_is_not_there(instance, real_postfix, name_server) -> None:
    peer = real_postfix(main_cf=PEER)
    names = name_server(TWO_HOSTS)
    mail = instance(asking(names, peer) + "smtp_dns_reply_filter = regexp:{{/ MX 10 / IGNORE}}\n")
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["x@peer.test"], MESSAGE)
    mail.wait_for(rf"to=<x@peer\.test>, relay=mx2\.peer\.test\[127\.0\.0\.1\]:{peer.port}, .*status=sent")
    assert "connect to mx1" not in mail.log()
    mail.wait_for(r"smtp\[\d+\]: ignoring DNS RR: peer\.test\. \d+ IN MX 10 mx1\.peer\.test\.\n")


def test_many_messages_share_connections(instance, real_postfix) -> None:
    peer = real_postfix(main_cf="virtual_mailbox_domains = peer.test\nvirtual_transport = discard\n")
    mail = instance(
        main_cf=f"relayhost = [127.0.0.1]:{peer.port}\nsmtp_destination_concurrency_limit = 2\n"
        "initial_destination_concurrency = 1"
    )
    with mail.smtp() as client:
        for _ in range(30):
            client.sendmail("a@example.com", ["x@peer.test"], MESSAGE)
    mail.wait_for(lambda log: log.count("status=sent (250") == 30)
    assert re.search(r"conn_use=\d+, delay=", mail.log())


def test_a_destination_that_does_not_answer_is_left_alone_for_a_while(instance) -> None:
    mail = instance(main_cf="relayhost = [127.0.0.1]:9\ninitial_destination_concurrency = 1")
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["x@peer.test"], MESSAGE)
        refused = r"connect to 127\.0\.0\.1\[127\.0\.0\.1\]:9: Connection refused"
        mail.wait_for(rf"relay=none, delay=.*, tls=may\?, dsn=4\.4\.1, status=deferred \({refused}\)")
        client.sendmail("a@example.com", ["y@peer.test"], MESSAGE)
    mail.wait_for(rf"y@peer\.test>, relay=none, .*status=deferred \(delivery temporarily suspended: {refused}\)")


def test_it_works_in_a_jail(instance, real_postfix, name_server) -> None:
    peer = real_postfix(main_cf="virtual_mailbox_domains = peer.test\nvirtual_transport = discard\n")
    names = name_server({("peer.test", "MX"): ["10 mx.peer.test."], ("mx.peer.test", "A"): ["127.0.0.1"]})
    mail = instance(
        main_cf=f"pyfix_dns_nameservers = 127.0.0.1:{names.port}\nsmtp_tcp_port = {peer.port}\n",
        master_cf="smtp unix - - y - - smtp",
    )
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["x@peer.test", "x@gone.test"], MESSAGE)
    mail.wait_for(rf"to=<x@peer\.test>, relay=mx\.peer\.test\[127\.0\.0\.1\]:{peer.port}, .*status=sent")
    mail.wait_for(r"gone\.test>, relay=none, .*dsn=5\.4\.4, status=bounced")
    assert "panic" not in mail.log()


def test_mail_for_a_domain_that_we_are_the_best_exchanger_of_goes_to_best_mx_transport(instance, name_server) -> None:
    names = name_server({("d.test", "MX"): ["10 me.test."], ("me.test", "A"): ["127.0.0.1"]})
    mail = instance(
        main_cf=f"pyfix_dns_nameservers = 127.0.0.1:{names.port}\ninet_protocols = ipv4\n"
        "best_mx_transport = here\ndefault_transport = smtp\ninet_interfaces = 127.0.0.1\n",
        master_cf="here unix - - n - - discard\n",
    )
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["x@d.test", "y@d.test"], MESSAGE)
    queue_id = mail.wait_for(r"(\w+): passing <x@d\.test> to transport=here\n")[1]
    for name in "xy":
        mail.wait_for(rf"discard\[\d+\]: {queue_id}: to=<{name}@d\.test>, relay=none, .*status=sent \(d\.test\)")
    mail.wait_for(rf"{queue_id}: removed")
    assert mail.log().count(f"{queue_id}: to=<") == 2


def test_the_administrator_sees_what_was_said_when_a_server_breaks_the_protocol(instance) -> None:
    answers = {"EHLO": "250-broken.test\r\n250 PIPELINING", "DATA": "250 what" + " is-this" * 10}
    with Broken(answers) as server:
        mail = instance(
            main_cf=f"relayhost = [127.0.0.1]:{server.port}\nnotify_classes = protocol\n"
            "error_notice_recipient = alice@demo.test\n"
        )
        with mail.smtp() as client:
            client.sendmail("bob@demo.test", ["x@d.test"], MESSAGE)
        (text,) = mail.wait_until(lambda: mail.maildir("alice@demo.test"))
    assert f"Subject: Postfix SMTP client: errors from 127.0.0.1[127.0.0.1]:{server.port}\n".encode() in text
    assert b"\nTo: Postmaster <alice@demo.test>\n" in text
    assert b"Return-Path: <double-bounce@" in text
    said = text.decode().partition("Transcript of session follows.\n\n")[2].partition("\n\n")[0].split("\n")
    assert said[:14] == [
        " In:  220 broken.test ESMTP",
        said[1],
        " In:  250-broken.test",
        " In:  250 PIPELINING",
        " Out: MAIL FROM:<bob@demo.test>",
        " Out: RCPT TO:<x@d.test>",
        " Out: DATA",
        " In:  250 2.1.0 Ok",
        " In:  250 2.1.5 Ok",
        " In:  250 what" + " is-this" * 8,
        "     is-this is-this",
        " Out: RSET",
        " Out: QUIT",
        " In:  250 2.0.0 Ok",
    ]
    assert said[1].startswith(" Out: EHLO ")


def test_nobody_is_told_of_plain_refusals(instance) -> None:
    with Broken({"RCPT": "550 5.1.1 no"}) as server:
        mail = instance(
            main_cf=f"relayhost = [127.0.0.1]:{server.port}\nnotify_classes = protocol\n"
            "error_notice_recipient = alice@demo.test\n"
        )
        with mail.smtp() as client:
            client.sendmail("", ["x@d.test"], MESSAGE)
        mail.wait_for(r": removed")
    assert mail.maildir("alice@demo.test") == []


@pytest.mark.parametrize("where", ["unix:{top}/none", "unix:{top}/deaf", "inet:127.0.0.1:{port}"])
def test_a_server_that_can_not_be_reached_is_logged_as_postfix_does(instance, real_postfix, tmp_path, where) -> None:
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket() as closed:
        deaf.bind(str(tmp_path / "deaf"))
        tmp_path.chmod(0o755)
        (tmp_path / "deaf").chmod(0o777)
        closed.bind(("127.0.0.1", 0))
        settings = f"default_transport = lmtp:{where.format(top=tmp_path, port=closed.getsockname()[1])}\n"
        logged = []
        for mail in (real_postfix(settings), instance(settings)):  # tls= is new in 3.11
            with smtplib.SMTP("127.0.0.1", mail.port) as client:
                client.sendmail("a@example.com", ["x@peer.test"], MESSAGE)
            end = time.monotonic() + 20
            while "status=deferred" not in mail.log() and time.monotonic() < end:
                time.sleep(0.02)
            lines = re.findall(r"lmtp\[\d+\]: (.*)", mail.log())
            logged.append([re.sub(r"^\w+: |delays?=[\d./]+|to [\w.]+\[/| tls=none\?,", "", line) for line in lines])
    assert logged[0] == logged[1] != []


def up_to_the_text(lines: io.RawIOBase) -> None:
    """Be the server of a client that is about to send a message."""
    lines.write(b"220 slow.test\r\n")
    for answer in (b"250 slow.test\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
        lines.readline()
        lines.write(answer)


def test_what_a_server_did_not_take_in_time_is_not_sent_to_it_later(instance) -> None:
    """The connection ends, though there is something to send."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        mail = instance(f"relayhost = [127.0.0.1]:{listener.getsockname()[1]}\nsmtp_data_xfer_timeout = 1s\n")
        text = MESSAGE + (b"x" * 70 + b"\r\n") * 120_000
        with mail.smtp() as client:
            client.sendmail("a@example.com", ["x@peer.test"], text)
        server, _ = listener.accept()
    with server, server.makefile("rwb", buffering=0) as lines:
        up_to_the_text(lines)
        mail.wait_for("timed out while sending message body")
        server.settimeout(20)
        size = 0
        with contextlib.suppress(ConnectionError):
            while data := server.recv(1 << 20):
                size += len(data)
        assert size < len(text)


def test_a_delivery_goes_on_when_qmgr_has_gone_and_nobody_wants_anything(instance) -> None:
    """What the server took is known, and not sent again."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        mail = instance(f"relayhost = [127.0.0.1]:{listener.getsockname()[1]}\nmax_idle = 1s\n")
        with mail.smtp() as client:
            client.sendmail("a@example.com", ["x@peer.test"], MESSAGE)
        server, _ = listener.accept()
    with server, server.makefile("rwb", buffering=0) as lines:
        up_to_the_text(lines)
        while lines.readline() != b".\r\n":
            pass
        os.kill(mail.pid_of("qmgr"), signal.SIGKILL)
        mail.wait_until(lambda: not mail.pids_of("smtpd"))
        time.sleep(1.5)
        lines.write(b"250 taken\r\n")
        mail.wait_for(r"to=<x@peer\.test>, .*status=sent \(250 taken\)")
