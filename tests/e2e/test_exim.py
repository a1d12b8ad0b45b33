"""Debian's exim4 as the other side: its mail comes in, ours goes out to it; refusals and delays are told apart."""

import email
import re
import smtplib

import pytest

ALICE, BOB = "alice@demo.test", "bob@demo.test"
MAIN_CF = "transport_maps = inline:{{exim.test = smtp:[127.0.0.1]:{peer}}}\n"
BODY = b"Subject: t\r\nMessage-Id: <1@a.test>\r\n\r\n.one\r\n..two\r\n\r\nl\xc3\xb6ng " + b"x" * 900 + b"\r\n.\r\n"
LARGE = BODY + b"seventy characters and some more, so that there is enough to be said..\r\n" * 4000


def deliver(port, sender, recipients, text=BODY, mail_options=("BODY=8BITMIME",), rcpt_options=()) -> str:
    """Hand mail to an smtpd; what it says at the end."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20, local_hostname="client.test") as client:
        client.ehlo()
        assert client.mail(sender, mail_options)[0] == 250
        for recipient in recipients:
            assert client.rcpt(recipient, rcpt_options)[0] == 250
        code, said = client.data(text)
        assert code == 250, said
    return said.decode()


def submit(peer, *recipients, text=BODY) -> None:
    """Hand mail from s@exim.test to exim, as a local user does."""
    done = peer.command("-f", "s@exim.test", "-i", *recipients, stdin=text.replace(b"\r\n", b"\n"))
    assert done.returncode == 0, done.stderr.decode() + peer.log()


def body(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").partition(b"\n\n")[2]


# exim to pyfix


@pytest.mark.parametrize("chunking", ["*", "!*"], ids=["chunking", "data"])
def test_its_mail_comes_in_as_it_was(instance, exim, chunking) -> None:
    mail = instance()
    peer = exim(mail.port, chunking)
    submit(peer, ALICE, BOB, text=LARGE)
    mail.wait_for(": removed")
    for address in (ALICE, BOB):
        (text,) = mail.maildir(address)
        assert email.message_from_bytes(text)["Return-Path"] == "<s@exim.test>"
        assert body(text) == body(LARGE)
    queue_id = mail.wait_for(r"smtpd\[\d+\]: (\w+): client=localhost\[127\.0\.0\.1\]\n")[1]
    mail.wait_for(rf"qmgr\[\d+\]: {queue_id}: from=<s@exim\.test>, size=\d+, nrcpt=2 ")
    how, command = ("L K", r"bdat=\d+") if chunking == "*" else ("L", "data=1")
    mail.wait_for(rf"disconnect from localhost\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=2 {command} quit=1 commands=\d+\n")
    mail.wait_until(lambda: "Completed" in peer.log())
    for arrow, user in (("=>", "alice"), ("->", "bob")):
        to = rf"{arrow} {user}@demo\.test R=out T=out H=127\.0\.0\.1 \[127\.0\.0\.1\]"
        assert re.search(rf'{to} {how} C="250 2\.0\.0 Ok: .*queued as {queue_id}"', peer.log()), peer.log()


def test_its_wishes_for_reports_come_along(instance, exim) -> None:
    mail = instance()
    peer = exim(mail.port)
    wishes = ["NOTIFY=SUCCESS", "ORCPT=rfc822;first+2Bone@there.test"]
    deliver(peer.port, ALICE, [BOB], mail_options=["RET=HDRS", "ENVID=an+2Bid"], rcpt_options=wishes)
    mail.wait_until(lambda: mail.maildir(ALICE))
    (report,) = [email.message_from_bytes(text) for text in mail.maildir(ALICE)]
    about, recipient = report.get_payload()[1].get_payload()
    assert about["Original-Envelope-Id"] == "an+id"
    assert recipient["Original-Recipient"] == "rfc822;first+one@there.test"
    assert recipient["Action"] == "delivered"
    assert report.get_payload()[2].get_content_type() == "text/rfc822-headers"


def test_it_is_told_which_recipients_we_refuse_and_reports_them(instance, exim) -> None:
    mail = instance()
    peer = exim(mail.port)
    submit(peer, "unknown@demo.test", ALICE)
    mail.wait_until(lambda: mail.maildir(ALICE))
    mail.wait_for(
        r"NOQUEUE: reject: RCPT from localhost\[127\.0\.0\.1\]: 550 5\.1\.1 <unknown@demo\.test>: Recipient address "
        r"rejected: User unknown in virtual mailbox table; from=<s@exim\.test> to=<unknown@demo\.test> proto=ESMTP "
        r"helo=<exim\.test>\n"
    )
    mail.wait_until(peer.mailbox)
    (report,) = [email.message_from_bytes(text) for text in peer.mailbox()]
    assert report["X-Failed-Recipients"] == "unknown@demo.test"
    assert "550 5.1.1 <unknown@demo.test>: Recipient address rejected" in report.as_string()


def test_it_is_told_that_a_message_is_too_large(instance, exim) -> None:
    mail = instance("message_size_limit = 100000")
    peer = exim(mail.port)
    submit(peer, ALICE, text=LARGE)
    mail.wait_until(peer.mailbox)
    assert b"552 5.3.4 Message size exceeds fixed limit" in peer.mailbox()[0]
    mail.wait_for(r"NOQUEUE: reject: MAIL from localhost\[127\.0\.0\.1\]: 552 5\.3\.4 Message size exceeds fixed limit")


def test_it_comes_again_when_we_ask_it_to(instance, exim) -> None:
    mail = instance("smtpd_recipient_restrictions = defer")
    peer = exim(mail.port)
    submit(peer, ALICE)
    mail.wait_until(lambda: "== alice@demo.test" in peer.log())
    assert ": 450 4.3.2 <alice@demo.test>: Recipient address rejected: Try again later" in peer.log()
    assert ALICE.encode() in peer.command("-bp").stdout
    mail.edit("main.cf", "smtpd_recipient_restrictions =\n")
    mail.reload()
    # its queue runner passes over a message that the first attempt still holds
    mail.wait_until(lambda: peer.command("-qff") and mail.maildir(ALICE))
    assert body(mail.maildir(ALICE)[0]) == body(BODY)


def test_it_asks_us_for_each_recipient_before_it_takes_mail(instance, exim) -> None:
    mail = instance()
    peer = exim(mail.port)
    with smtplib.SMTP("127.0.0.1", peer.port, timeout=20) as client:
        client.ehlo("client.test")
        client.mail("s@there.test")
        assert client.rcpt(ALICE)[0] == 250
        code, said = client.rcpt("unknown@demo.test")
        assert code == 550
        refused = b"550 5.1.1 <unknown@demo.test>: Recipient address rejected: User unknown in virtual mailbox table"
        assert refused in b" ".join(said.split())
        mail.stop()
        assert client.rcpt(BOB)[0] == 451
    mail.wait_for(r"reject: RCPT from .*; from=<> to=<unknown@demo\.test> proto=ESMTP helo=<exim\.test>\n")
    assert mail.maildir(ALICE) == []


# pyfix to exim


def test_our_mail_arrives_there_as_it_was(instance, exim) -> None:
    peer = exim()
    mail = instance(MAIN_CF.replace("{peer}", str(peer.port)))
    deliver(mail.port, ALICE, ["x@exim.test", "y@exim.test"], LARGE)
    said = r"status=sent \(250 OK id=[\w-]+\)\n"
    for user in "xy":
        mail.wait_for(
            rf"smtp\[\d+\]: \w+: to=<{user}@exim\.test>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:{peer.port}, "
            rf"delay=[\d.]+, delays=[\d./]+, tls=may:none, dsn=2\.0\.0, {said}"
        )
    mail.wait_until(lambda: len(peer.mailbox()) == 2)
    messages = [email.message_from_bytes(text) for text in peer.mailbox()]
    assert {message["Envelope-to"] for message in messages} == {"x@exim.test", "y@exim.test"}
    assert {message["Return-path"] for message in messages} == {f"<{ALICE}>"}
    assert {body(text) for text in peer.mailbox()} == {body(LARGE)}
    assert re.search(rf"<= {ALICE} H=\(mail\.demo\.test\) \[127\.0\.0\.1\] P=esmtp L\. ", peer.log())  # pipelined


def test_it_reports_success_where_we_pass_that_wish_on(instance, exim) -> None:
    mail = instance(start=False)
    peer = exim(mail.port)
    mail.edit("main.cf", MAIN_CF.replace("{peer}", str(peer.port)))
    mail.start()
    wishes = ["NOTIFY=SUCCESS", "ORCPT=rfc822;first@there.test"]
    deliver(mail.port, ALICE, ["x@exim.test"], mail_options=["ENVID=mine"], rcpt_options=wishes)
    mail.wait_until(lambda: mail.maildir(ALICE))
    (report,) = mail.maildir(ALICE)
    assert b"\nOriginal-Envelope-ID: mine\n" in report
    assert b"\nOriginal-Recipient: rfc822;first@there.test\n" in report
    assert b"\nReporting-MTA: dns; exim.test\n" in report


CASES = {
    "refused at RCPT": (ALICE, ["refused@exim.test", "x@exim.test"], BODY),
    "later at RCPT": (ALICE, ["busy@exim.test", "x@exim.test"], BODY),
    "refused at MAIL": (BOB, ["x@exim.test"], BODY),
    "refused at the end": (ALICE, ["x@exim.test", "y@exim.test"], b"X-Refuse: data\r\n" + BODY),
    "later at the end": (ALICE, ["x@exim.test"], b"X-Refuse: later\r\n" + BODY),
}
TROUBLES = (  # (user, DSN status, outcome, what exim says, in reply to what)
    ("refused", "5.0.0", "bounced", "550 no such person", "RCPT TO command"),
    ("busy", "4.0.0", "deferred", "451 come back later", "RCPT TO command"),
    ("x", "5.0.0", "bounced", "550 no mail from you", "MAIL FROM command"),
    ("x", "5.0.0", "bounced", "550 no such content", "end of DATA command"),
    ("y", "5.0.0", "bounced", "550 no such content", "end of DATA command"),
    ("x", "4.0.0", "deferred", "451 not now", "end of DATA command"),
)
HOST = "127.0.0.1[127.0.0.1]"
RELAY = f"relay={HOST}:PORT, dsn="
OUTCOMES = sorted(
    [f"to=<x@exim.test>, {RELAY}2.0.0, status=sent (250 OK id=ID)"] * 2
    + [
        f"to=<{to}@exim.test>, {RELAY}{dsn}, status={status} (host {HOST} said: {said} (in reply to {what}))"
        for to, dsn, status, said, what in TROUBLES
    ]
)
LINE = re.compile(r"smtp\[\d+\]: \w+: (to=<.*?)(?:conn_use=\d+, )?delay=.*?(dsn=.*)$", re.MULTILINE)


def outcomes(mail, port: int) -> list[str]:
    found = (to + rest for to, rest in LINE.findall(mail.log()))
    return sorted(re.sub(r"id=[\w-]+", "id=ID", line.replace(f":{port}", ":PORT")) for line in found)


def test_what_it_refuses_and_puts_off_is_told_as_postfix_tells_it(instance, real_postfix, exim) -> None:
    peer = exim()
    main_cf = MAIN_CF.replace("{peer}", str(peer.port))
    theirs = real_postfix(main_cf + "virtual_mailbox_domains = demo.test\nvirtual_transport = discard\n")
    ours = instance(main_cf)
    for system in (theirs, ours):
        for sender, recipients, text in CASES.values():
            deliver(system.port, sender, recipients, text)
        ours.wait_until(lambda system=system: len(outcomes(system, peer.port)) >= len(OUTCOMES))
    assert outcomes(ours, peer.port) == OUTCOMES
    assert outcomes(theirs, peer.port) == OUTCOMES
    ours.wait_until(lambda: len(ours.queued("deferred")) == 2 and not ours.queued("active") + ours.queued("incoming"))
    reports = [email.message_from_bytes(text) for text in ours.maildir(ALICE)]
    assert len(reports) == 2
    failed = [[part["Final-Recipient"] for part in r.get_payload()[1].get_payload()[1:]] for r in reports]
    assert sorted(failed) == [["rfc822; refused@exim.test"], ["rfc822; x@exim.test", "rfc822; y@exim.test"]]
    (report,) = ours.maildir(BOB)
    said = b"<x@exim.test>: host 127.0.0.1[127.0.0.1] said: 550 no mail from you (in reply to MAIL FROM command)"
    assert said in b" ".join(report.split())
    assert b"\nRemote-MTA: dns; 127.0.0.1\nDiagnostic-Code: smtp; 550 no mail from you\n" in report


def test_mail_waits_until_it_is_back(instance, exim) -> None:
    peer = exim()
    mail = instance(MAIN_CF.replace("{peer}", str(peer.port)))
    peer.stop()
    deliver(mail.port, ALICE, ["x@exim.test"])
    mail.wait_for(
        rf"to=<x@exim\.test>, relay=none, .*dsn=4\.4\.1, status=deferred \(connect to 127\.0\.0\.1\[127\.0\.0\.1\]:"
        rf"{peer.port}: Connection refused\)\n"
    )
    mail.wait_until(lambda: mail.queued("deferred"))
    peer.start()
    mail.command("postqueue", "-f", check=True)
    mail.wait_until(peer.mailbox)
    mail.wait_for(r": removed\n")
