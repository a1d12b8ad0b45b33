"""Debian's Postfix and pyfix send mail to one another; each way the same happens and the same is said.

Every test runs twice. Sender and receiver are two systems with the same main.cf, whichever program is which.
"""

import email
import re
import shutil
import smtplib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMON = """
mydestination =
alias_maps =
virtual_mailbox_domains = inline:{{$myhostname = x}}
virtual_mailbox_base = {box}
virtual_mailbox_maps = inline:{{alice@sender.test = alice/}, {box@receiver.test = box/}, {bob@receiver.test = bob/}}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_transport = virtual
hopcount_limit = 12
smtp_tls_security_level = none
"""
SENDER = "myhostname = sender.test\nrelayhost = [127.0.0.1]:{peer}\n"
RECEIVER = """
myhostname = receiver.test
transport_maps = texthash:{box}/routes
relay_domains = round.test, later.test
relay_recipient_maps = inline:{{x@round.test = x}}, fail:now
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
message_size_limit = 20000
"""
ROUTES = "sender.test smtp:[127.0.0.1]:{sender}\nround.test smtp:[127.0.0.1]:{sender}\n"
BODY = (
    b"Subject: t\r\nMessage-Id: <1@a.test>\r\nDate: now\r\n\r\n.one\r\n..two\r\n\r\nl\xc3\xb6ng " + b"x" * 990 + b"\r\n"
)
ALICE = "alice@sender.test"


@dataclass
class Pair:
    """Two running systems and the directories of their mailboxes."""

    sender: object
    receiver: object
    boxes: Path

    def send(self, *recipients: str, text: bytes = BODY, mail_options=("BODY=8BITMIME",), rcpt_options=()) -> None:
        with smtplib.SMTP("127.0.0.1", self.sender.port, timeout=20, local_hostname="client.test") as client:
            client.ehlo()
            assert client.mail(ALICE, mail_options)[0] == 250
            for recipient in recipients:
                assert client.rcpt(recipient, rcpt_options)[0] == 250
            assert client.data(text)[0] == 250

    def box(self, name: str, count: int = 1) -> list[bytes]:
        """Messages of a mailbox, when there are so many."""
        new = self.boxes / name / "new"
        self.until(lambda: new.is_dir() and len(list(new.iterdir())) >= count)
        return [path.read_bytes() for path in new.iterdir()]

    def report(self, recipient: str) -> email.message.Message:
        """What the report to Alice says of a recipient."""
        found: list[email.message.Message] = []

        def look() -> bool:
            reports = [email.message_from_bytes(text) for text in self.box("alice")]
            parts = [part for report in reports for part in report.get_payload()[1].get_payload()]
            found[:] = [part for part in parts if part["Final-Recipient"] == f"rfc822; {recipient}"]
            return bool(found)

        self.until(look)
        return found[0]

    def outcome(self, recipient: str) -> str:
        """What the sender has logged of a recipient, from dsn= on."""
        line = re.compile(rf"smtp\[\d+\]: \w+: to=<{recipient}>, .*?(dsn=.*)$", re.MULTILINE)
        self.until(lambda: line.search(self.sender.log()))
        return line.search(self.sender.log())[1]

    def until(self, condition) -> None:
        end = time.monotonic() + 20
        while not condition():
            if time.monotonic() > end:
                pytest.fail(self.sender.log() + self.receiver.log())
            time.sleep(0.02)

    def heard(self, text: str) -> None:
        """Wait for a regular expression in the receiver's log."""
        self.until(lambda: re.search(text, self.receiver.log()))


@pytest.fixture(params=["postfix to pyfix", "pyfix to postfix"])
def pair(request, instance, real_postfix):
    made = []

    def make(receiver_cf: str = "") -> Pair:
        boxes = Path(tempfile.mkdtemp(prefix="boxes-", dir="/tmp"))
        made.append(boxes)
        shutil.chown(boxes, "postfix", "postfix")
        boxes.chmod(0o755)
        (boxes / "routes").touch()
        first, second = (instance, real_postfix)[:: 1 if request.param == "postfix to pyfix" else -1]
        receiver = first((COMMON + RECEIVER + receiver_cf).replace("{box}", str(boxes)))
        sender = second((COMMON + SENDER).replace("{box}", str(boxes)).replace("{peer}", str(receiver.port)))
        (boxes / "routes").write_text(ROUTES.replace("{sender}", str(sender.port)))
        return Pair(sender, receiver, boxes)

    yield make
    for boxes in made:
        shutil.rmtree(boxes)


def test_mail_arrives_as_it_was_and_what_is_refused_or_put_off_is_told(pair) -> None:
    both = pair()
    _arrives(both)
    _is_reported(both)
    _is_refused(both)
    _is_too_large(both, r"message size \d+ exceeds size limit 20000 of server 127\.0\.0\.1\[127\.0\.0\.1\]")
    _is_put_off(both)


def _arrives(both: Pair) -> None:
    both.send("box@receiver.test", "bob@receiver.test")
    for name in ("box", "bob"):
        (text,) = both.box(name)
        message = email.message_from_bytes(text)
        assert message["Return-Path"] == f"<{ALICE}>"
        assert message["Delivered-To"] == f"{name}@receiver.test"
        assert text.endswith(b"\n\n" + BODY.replace(b"\r\n", b"\n").partition(b"\n\n")[2])
        outcome = both.outcome(f"{name}@receiver.test")
        assert re.fullmatch(r"dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as \w+\)", outcome)
    queue_id = re.search(r"queued as (\w+)", outcome)[1]
    both.heard(rf"smtpd\[\d+\]: {queue_id}: client=localhost\[127\.0\.0\.1\]\n")
    both.heard(rf"qmgr\[\d+\]: {queue_id}: from=<{ALICE}>, size=\d+, nrcpt=2 \(queue active\)\n")
    both.heard(r"disconnect from localhost\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=2 data=1 quit=1 commands=6\n")
    both.heard(rf"qmgr\[\d+\]: {queue_id}: removed\n")


def _is_reported(both: Pair) -> None:
    """The wishes go to the receiver, and its report comes back."""
    wishes = ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;first+2Bone@there.test"]
    both.send("box@receiver.test", mail_options=["RET=HDRS", "ENVID=an+2Bid"], rcpt_options=wishes)
    told = both.report("box@receiver.test")
    assert (told["Original-Recipient"], told["Action"]) == ("rfc822;first+one@there.test", "delivered")
    assert b"\nOriginal-Envelope-Id: an+id\n" in both.box("alice")[0]
    both.heard(r"sender delivery status notification: \w+\n")


def _is_refused(both: Pair) -> None:
    both.send("bob@receiver.test", "unknown@receiver.test")
    both.box("bob", 2)
    refused = "550 5.1.1 <unknown@receiver.test>: Recipient address rejected: User unknown in virtual mailbox table"
    assert both.outcome("unknown@receiver.test") == (
        f"dsn=5.1.1, status=bounced (host 127.0.0.1[127.0.0.1] said: {refused} (in reply to RCPT TO command))"
    )
    both.heard(
        rf"smtpd\[\d+\]: \w+: reject: RCPT from localhost\[127\.0\.0\.1\]: {refused}; from=<{ALICE}> "
        r"to=<unknown@receiver\.test> proto=ESMTP helo=<sender\.test>\n"
    )
    both.heard(r"disconnect from localhost\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6\n")
    told = both.report("unknown@receiver.test")
    assert (told["Action"], told["Status"]) == ("failed", "5.1.1")
    assert told["Diagnostic-Code"].split() == ["smtp;", *refused.split()]


def _is_too_large(both: Pair, said: str) -> None:
    both.send("large@receiver.test", text=BODY * 30)
    assert re.fullmatch(rf"dsn=5\.3\.4, status=bounced \({said}\)", both.outcome("large@receiver.test"))
    assert both.report("large@receiver.test")["Status"] == "5.3.4"


def _is_put_off(both: Pair) -> None:
    both.send("box@later.test")
    assert both.outcome("box@later.test") == (
        "dsn=4.3.0, status=deferred (host 127.0.0.1[127.0.0.1] said: 451 4.3.0 <box@later.test>: Temporary lookup "
        "failure (in reply to RCPT TO command))"
    )
    both.until(lambda: any(path.is_file() for path in (both.sender.queue / "deferred").rglob("*")))
    both.sender.command("postqueue", "-f")
    both.until(lambda: both.sender.log().count("status=deferred") == 2)


def test_a_receiver_that_does_not_say_its_limit_is_asked_in_vain(pair) -> None:
    both = pair("smtpd_discard_ehlo_keywords = size\nvirtual_mailbox_maps = static:box/\n")
    said = "host 127.0.0.1[127.0.0.1] said: 552 5.3.4 Error: message file too big (in reply to end of DATA command)"
    _is_too_large(both, re.escape(said))


def test_mail_that_goes_round_and_round_comes_back(pair) -> None:
    both = pair()
    both.send("x@round.test")
    told = both.report("x@round.test")
    assert told["Status"] == "5.4.0"
    assert told["Diagnostic-Code"] == "smtp; 554 5.4.0 Error: too many hops"
