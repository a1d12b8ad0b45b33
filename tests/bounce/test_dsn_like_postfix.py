"""What senders are told when they ask (NOTIFY, RET, ENVID, ORCPT; sendmail -N -R -V -bv -v), beside real Postfix.

The same mail to both, through smtpd and through sendmail; all reports are compared.
"""

import email
import smtplib
from pathlib import Path

from tests.bounce.beside import both, difference_of_texts, normal

MAIN_CF = """
myhostname = peer.example
myorigin = origin.example
mydestination = local.test
local_recipient_maps =
alias_maps = inline:{ {list=|true}, {two=ok@ok.test, a@s.test} }
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = s.test
virtual_mailbox_maps = inline:{ {a@s.test=a/}, {b@s.test=b/}, {pm@s.test=pm/} }
virtual_alias_maps = inline:{ {al@ok.test=ok@ok.test}, {many@ok.test=ok@ok.test,b@s.test,b@fail.test} }
transport_maps = inline:{ {fail.test=error:5.1.1 nobody}, {slow.test=retry:4.3.0 later}, {ok.test=discard:done} }
smtpd_reject_unlisted_recipient = no
authorized_submit_users = static:anyone
bounce_notice_recipient = pm@s.test
2bounce_notice_recipient = pm@s.test
delay_notice_recipient = pm@s.test
notify_classes = 2bounce, delay
smtputf8_enable = no
delay_warning_time = 1s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
"""
SENDER = "a@s.test"
DOUBLE = "double-bounce@peer.example"

# name: sender, MAIL options, recipients, RCPT options
MAIL: dict[str, tuple[str, str, list[str], str]] = {
    "sent, never": (SENDER, "", ["ok@ok.test"], " NOTIFY=NEVER"),
    "sent, failure": (SENDER, "", ["ok@ok.test"], " NOTIFY=FAILURE"),
    "sent, success": (SENDER, " RET=FULL", ["ok@ok.test"], " NOTIFY=SUCCESS"),
    "failed, delay": (SENDER, "", ["x@fail.test"], " NOTIFY=DELAY"),
    "failed, success": (SENDER, "", ["x@fail.test"], " NOTIFY=SUCCESS"),
    "failed, failure, headers": (SENDER, " RET=HDRS ENVID=a+2Bb+3D", ["x@fail.test"], " NOTIFY=FAILURE"),
    "failed, all": (SENDER, " RET=FULL", ["x@fail.test"], " NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=X400;foo+20bar"),
    "alias": (SENDER, "", ["al@ok.test"], " NOTIFY=SUCCESS ORCPT=rfc822;orig@x.test"),
    "many": (SENDER, "", ["many@ok.test"], " NOTIFY=SUCCESS,FAILURE"),
    "mailbox": (SENDER, "", ["b@s.test"], " NOTIFY=SUCCESS"),
    "local command": (SENDER, "", ["list@local.test"], " NOTIFY=SUCCESS"),
    "local alias": (SENDER, "", ["two@local.test"], " NOTIFY=SUCCESS"),
    "delayed": (SENDER, "", ["x@slow.test"], ""),
    "delayed, delay": (SENDER, " RET=FULL", ["x@slow.test"], " NOTIFY=DELAY"),
    "delayed, failure": (SENDER, "", ["x@slow.test"], " NOTIFY=FAILURE"),
    "null sender, success": ("", "", ["ok@ok.test"], " NOTIFY=SUCCESS"),
    "null sender, delayed": ("", "", ["x@slow.test"], ""),
    "double bounce, success": (DOUBLE, "", ["ok@ok.test"], " NOTIFY=SUCCESS"),
    "double bounce, delayed": (DOUBLE, "", ["x@slow.test"], ""),
    "double bounce, failed": (DOUBLE, "", ["x@fail.test"], ""),
}
SENDMAIL = {
    "-N success": ("-N", "success", "-V", "env 1", "ok@ok.test", "x@fail.test"),
    "-N never": ("-N", "never", "x@fail.test"),
    "-N failure -R hdrs": ("-N", "failure,delay", "-R", "hdrs", "x@fail.test"),
    "-R full": ("-R", "full", "x@fail.test"),
    "-v": ("-v", "ok@ok.test", "x@fail.test", "x@slow.test", "many@ok.test"),
    "-bv": ("-bv", "ok@ok.test", "x@fail.test", "x@slow.test", "list@local.test", "b@s.test", "nobody@s.test"),
}
COUNT = 23
TEXT = "From: a@s.test\nTo: b@fail.test\nSubject: {name}\nMessage-ID: <m1@s.test>\n\nbody\n"


def _send(port: int) -> None:
    for name, (sender, options, recipients, rcpt_options) in MAIL.items():
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.ehlo("client.example")
            assert client.docmd(f"MAIL FROM:<{sender}>{options}")[0] == 250
            for recipient in recipients:
                code, reply = client.docmd(f"RCPT TO:<{recipient}>{rcpt_options}")
                assert code == 250, reply
            code, reply = client.data(TEXT.format(name=name).replace("\n", "\r\n").encode())
            assert code == 250, reply


def _submit(command) -> None:
    for name, words in SENDMAIL.items():
        done = command("sendmail", "-f", SENDER, *words, stdin=TEXT.format(name=name).encode())
        assert done.returncode == 0, done.stderr


def _reports(boxes: Path) -> list[str]:
    """Normalised reports, their paragraphs sorted: agents work side by side."""
    found = []
    for path in boxes.rglob("new/*"):
        text = path.read_bytes()
        if email.message_from_bytes(text).get_content_type() == "multipart/report":
            found.append("\n\n".join(sorted(normal(text).decode().split("\n\n"))))
    return sorted(found)


def test_senders_are_told_what_postfix_tells_them(instance, real_postfix) -> None:
    ours, theirs = both(instance, real_postfix, MAIN_CF)
    for mail, boxes in ((ours, ours.directory / "mail"), (theirs, theirs.top / "mail")):
        _send(mail.port)
        _submit(mail.command)
        ours.wait_until(lambda boxes=boxes: len(_reports(boxes)) >= COUNT)
    found, expected = _reports(ours.directory / "mail"), _reports(theirs.top / "mail")
    assert not (difference := difference_of_texts(expected, found)), difference
