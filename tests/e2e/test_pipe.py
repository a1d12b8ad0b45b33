"""Commands in master.cf: the same for real Postfix's pipe(8) and ours.

Each service is a transport; both systems get the same mail for each. What they log of each recipient
and what the commands got must be equal.
"""

import os
import re
import shutil
import smtplib
import tempfile
import time
from pathlib import Path

import pytest

SERVICES = {
    "p1": "flags=DRXhuO user=games argv=/bin/sh -c {cat >@/p1; printf '[%s]' \"$$@\" >>@/p1} sh -f ${sender} "
    "$recipient ${user} ${extension} ${domain} ${mailbox} $(nexthop) ${original_recipient} $$x ${client_address} "
    "${client_helo} ${client_hostname} ${client_protocol} ${sasl_username} x",
    "p2": "flags=FBq.> user=games:mail eol=\\r\\n argv=/bin/sh -c {cat >@/p2; printf '[%s]' \"$$@\" >>@/p2; id >>@/p2} "
    "sh -f ${sender} $recipient -x",
    "p3": "user=games argv=/bin/sh -c {echo hello; exit 0}",
    "p4": "user=games argv=/bin/sh -c {echo 4.1.1 hello; exit 3}",
    "p5": "user=games argv=/bin/sh -c {sleep 50}",
    "p6": "user=games argv=/nonexistent/foo bar",
    "p7": "user=games size=10 argv=/bin/true",
    "p8": "user=games directory=/nonexistent argv=/bin/true",
    "p9": "user=games chroot=/nonexistent argv=/bin/true",
    "p10": "user=games argv=/bin/echo ${bogus}",
    "p11": "user=games flags=D argv=/bin/true",
    "p12": "user=games directory=@ null_sender= argv=/bin/sh -c {printf '[%s]' \"$$@\" >p12;cat >>p12} "
    "x -f $sender y${user}z",
    "p13": "user=games argv=/bin/sh -c {exit 67}",
    "p14": "user=games argv=/bin/sh -c {kill -9 $$$$}",
    "p15": "user=games argv=/bin/sh -c {exit 99}",
    "p16": "user=games argv=/bin/sh -c {echo 5.7.7 no way; exit 75}",
    "p17": "user=games flags=D argv=/bin/true",
}
SINGLE = ("p1", "p17")
MAIN_CF = """
mydomain = example.com
recipient_delimiter = +
transport_maps = inline:{TRANSPORTS}
p5_time_limit = 1s
p17_destination_recipient_limit = 1
p1_destination_recipient_limit = 1
soft_bounce = yes
virtual_mailbox_domains =
""".replace("TRANSPORTS", ", ".join(f"{name}.test={name}:Next.Hop" for name in SERVICES))
LINE = re.compile(r"pipe\[\d+\]: \w+: (to=<.*?)delay=.*?(dsn=.*)$", re.MULTILINE)
BODY = b"Subject: t\r\nMessage-Id: <1@a.test>\r\nDate: now\r\nFrom: <s@a.test>\r\nTo: x@y.test\r\n\r\nFrom me\r\n.x\r\n"
LOOP = b"Delivered-To: USER+ext@P17.test\r\n" + BODY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become each user")


@pytest.fixture
def outs():
    made = [Path(tempfile.mkdtemp(prefix="pipe-", dir="/tmp")) for _ in range(2)]
    for out in made:
        out.chmod(0o777)
    yield made
    for out in made:
        shutil.rmtree(out)


def master_cf(out: Path) -> str:
    lines = [f"{name} unix - n n - - pipe {words}" for name, words in SERVICES.items()]
    return "\n".join(lines).replace("@/", f"{out}/").replace("directory=@ ", f"directory={out} ") + "\n"


def send(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20, local_hostname="client.test") as client:
        for name in SERVICES:
            others = [] if name in SINGLE else [f'"x y"@{name}.test']
            sender = "" if name == "p12" else '"a b"@a.test'
            client.sendmail(sender, [f"User+Ext@{name}.test", *others], LOOP if name == "p17" else BODY)


def outcomes(log) -> list[str]:
    """What is said of every recipient."""
    wanted = 2 * len(SERVICES) - len(SINGLE)
    for _ in range(200):
        found = LINE.findall(log())
        if len(found) >= wanted:
            break
        time.sleep(0.1)
    return sorted(to + rest for to, rest in found)


def files(out: Path) -> dict[str, str]:
    texts = {path.name: path.read_text() for path in out.iterdir()}
    return {
        name: re.sub(r"\b[0-9A-F]{8,}\b", "QID", re.sub(r"[A-Z][a-z]{2},? .*\d\d:\d\d:\d\d.*", "DATE", text))
        for name, text in texts.items()
    }


def test_does_and_says_what_postfix_does_and_says(instance, real_postfix, outs) -> None:
    theirs, ours = outs
    peer = real_postfix(MAIN_CF, master_cf(theirs))
    mail = instance(MAIN_CF + "myhostname = peer.example\n", master_cf(ours))
    for port in (peer.port, mail.port):
        send(port)
    assert outcomes(mail.log) == outcomes(peer.log)
    assert files(ours) == files(theirs)
    assert set(files(ours)) == {"p1", "p2", "p12"}


UNFIT = {
    "owner": "user=postfix argv=/bin/true",
    "flag": "user=games flags=Z argv=/bin/true",
    "size": "user=games size=x argv=/bin/true",
}
UNFIT_CF = """
transport_maps = inline:{TRANSPORTS}
virtual_mailbox_domains =
""".replace("TRANSPORTS", ", ".join(f"{name}.test={name}:" for name in UNFIT))


def test_mail_for_a_service_that_can_not_be_is_deferred_at_once(instance, real_postfix) -> None:
    services = "".join(f"{name} unix - n n - - pipe {words}\n" for name, words in UNFIT.items())
    peer, mail = real_postfix(UNFIT_CF, services), instance(UNFIT_CF, services)
    owner = mail.owner.name
    for system in (peer, mail):
        with smtplib.SMTP("127.0.0.1", system.port, timeout=20) as client:
            for name in UNFIT:
                client.sendmail("a@a.test", [f"x@{name}.test"], BODY)
    for system in (peer, mail):
        mail.wait_until(lambda system=system: len(_deferred(system.queue)) == len(UNFIT))
    said = [
        sorted(re.findall(r"pipe\[\d+\]: (fatal: .*)", log().replace(f"owner {owner}", "owner postfix")))
        for log in (mail.log, peer.log)
    ]
    assert said[0] == said[1]
    assert len(said[0]) == len(UNFIT)
    assert "error: " not in mail.log()


def _deferred(queue: Path) -> list[Path]:
    return [path for path in (queue / "deferred").rglob("*") if path.is_file()]
