"""A day of an office: two domains of mailboxes, aliases, a list, an absent person, a smart host with a bad morning.

5,000 messages, and each is accounted for three times: what is in mailboxes and at the smart host, what the
log says of each recipient, and what pflogsumm makes of the log.
"""

import os
import random
import re
import shutil
import smtplib
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.e2e.instance import ROOT
from tests.e2e.smart_host import BUSY, WELL, SmartHost

MESSAGES = 5000
BY_SENDMAIL = 40
PER_CONNECTION = 25
THREADS = 6
PATIENCE = 120.0

MAIN_CF = """
myorigin = office.test
mydestination = office.test
virtual_mailbox_domains = sales.test, lab.test
virtual_alias_maps = texthash:{directory}/etc/virtual
alias_maps = texthash:{directory}/etc/aliases
default_privs = nobody
relayhost = [127.0.0.1]:{smart_host}
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
smtp_log_tls_feature_status = no
enable_long_queue_ids = yes
"""
"""pflogsumm does not know lines with tls=, new in Postfix 3.11: it would leave them out. Of 5,000 short ids two
are the same on one day in ten.
"""
VIRTUAL = """\
team@sales.test u1@sales.test, u2@sales.test, u3@lab.test
info@lab.test staff@office.test
press@sales.test agency@partner.test
"""
ALIASES = """\
staff :include:{directory}/etc/staff
owner-staff u0@sales.test
away u4@sales.test, "|{directory}/vacation"
postmaster u0@sales.test
"""
LIST = """\
# who works here
u1@sales.test, u2@sales.test
U3@lab.test
friend@partner.test
gone-friend@partner.test
"""
VACATION = """\
#!/bin/sh
day=$(sed -n '/^$/,$d; s/^X-Day: //p')
test -n "$day" || exit 75  # the input of an agent that was killed ends early
echo "$day" >>{directory}/vacation.log
test -n "$SENDER" || exit 0
MAIL_CONFIG={directory}/etc exec {directory}/sendmail -i -f '<>' -- "$SENDER" <<END
From: away@office.test
To: $SENDER
Subject: Away
Auto-Submitted: auto-replied
X-Away: $day

Back soon.
END
"""
SENDMAIL = """\
#!{python} -I
import sys
sys.path.insert(0, {root!r})
from pyfix.commands.sendmail import main
sys.exit(main())
"""
BOXES = [f"u{n}@{domain}" for domain in ("sales.test", "lab.test") for n in range(20)]
PEOPLE = [box for box in BOXES if not box.startswith(("u0@", "u1@", "u2@", "u3@", "u4@"))]
TEAM = ("u1@sales.test", "u2@sales.test", "u3@lab.test")
MEMBERS = (*TEAM, "friend@partner.test")
WANTED, BOUNCED = "delivered", "bounced"

ROOTS_ONLY = {"away"}
KINDS = {
    "people": 60, "customer": 25, "gone": 3, "unknown": 2, "refused": 2, "team": 3, "press": 3, "staff": 1, "info": 0.5,
    "away": 0.5, "mixed": 3,
}  # fmt: skip
"""How many percent of the day's mail are what."""


@dataclass
class Message:
    """One of the day: its text, and where it must get to.

    places: (what, address), such as ("in", mailbox), ("report", who is told of whose address).
    lines: (recipient, status) of the log, without deferrals.
    """

    number: int
    sender: str
    text: bytes
    recipients: list[str]
    by_sendmail: bool
    places: list[tuple[str, str]] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)

    def arrives(self, address: str) -> None:
        self.places.append(("in" if address in BOXES else "out", address))
        self.lines.append((address, "sent"))

    def bounces(self, address: str, teller: str = "") -> None:
        teller = teller or self.sender
        self.lines.append((address, "bounced"))
        if teller:
            self.places.append(("report", f"{teller} of {address}"))


def people(message: Message, rng: random.Random) -> list[str]:
    chosen = rng.sample(PEOPLE, rng.choice((1, 1, 1, 2, 4)))
    for address in chosen:
        message.arrives(address)
    return chosen


def customer(message: Message, rng: random.Random) -> list[str]:
    chosen = [f"c{n}@partner.test" for n in rng.sample(range(500), rng.choice((1, 1, 1, 2, 3)))]
    for address in chosen:
        message.arrives(address)
    return chosen


def gone(message: Message, rng: random.Random) -> list[str]:
    address = f"gone{message.number}@partner.test"
    message.bounces(address)
    return [address]


def unknown(message: Message, rng: random.Random) -> list[str]:
    address = f"unknown{message.number}@sales.test"
    if message.by_sendmail:
        message.bounces(address)
    else:
        message.places.append(("no", address))
    return [address]


def refused(message: Message, rng: random.Random) -> list[str]:
    message.text = b"X-Refuse: yes\r\n" + message.text
    chosen = [f"c{n}@partner.test" for n in rng.sample(range(500), 2)]
    for address in chosen:
        message.bounces(address)
    return chosen


def team(message: Message, rng: random.Random) -> list[str]:
    for address in TEAM:
        message.arrives(address)
    return ["team@sales.test"]


def press(message: Message, rng: random.Random) -> list[str]:
    message.arrives("agency@partner.test")
    return ["press@sales.test"]


def staff(message: Message, rng: random.Random) -> list[str]:
    message.lines.append(("staff@office.test", "sent"))
    for address in MEMBERS:
        message.arrives(address)
    message.bounces("gone-friend@partner.test", "u0@sales.test")
    return ["staff@office.test"]


def info(message: Message, rng: random.Random) -> list[str]:
    staff(message, rng)
    return ["info@lab.test"]


def away(message: Message, rng: random.Random) -> list[str]:
    message.lines += [("away@office.test", "sent")] * 2
    message.places.append(("command", "away@office.test"))
    message.arrives("u4@sales.test")
    if message.sender:
        message.places.append(("reply", message.sender))
    return ["away@office.test"]


def mixed(message: Message, rng: random.Random) -> list[str]:
    return [address for kind in (people, customer, gone, unknown, team) for address in kind(message, rng)]


def compose(number: int, kind: str, rng: random.Random) -> Message:
    """Message number of the day."""
    by_sendmail = number % (MESSAGES // BY_SENDMAIL) == 0
    senders = rng.choices(([f"ext{number % 50}@world.test"], PEOPLE, [""]), (50, 49, 0 if by_sendmail else 1))[0]
    sender = rng.choice(senders)
    size = rng.choices((3, 30, 300, 5000), (50, 40, 9.5, 0.5))[0]
    text = (
        f"X-Day: {number}\r\nMessage-Id: <{number}@day.test>\r\nFrom: <{sender or 'daemon@world.test'}>\r\n"
        f"Subject: number {number}\r\n\r\n" + ".A line of text of an ordinary length, as people write them.\r\n" * size
    )
    message = Message(number, sender, text.encode(), [], by_sendmail)
    message.recipients = globals()[kind](message, rng)
    return message


def the_day() -> list[Message]:
    rng = random.Random(20261121)
    kinds = {kind: share for kind, share in KINDS.items() if os.geteuid() == 0 or kind not in ROOTS_ONLY}
    chosen = rng.choices(list(kinds), list(kinds.values()), k=MESSAGES)
    return [compose(number, kind, rng) for number, kind in enumerate(chosen)]


class Office:
    """The instance and its senders."""

    def __init__(self, mail) -> None:
        self.mail = mail
        self.refused: list[tuple[int, str, str]] = []
        self.sent = 0
        self._lock = threading.Lock()

    def send(self, batch: list[Message]) -> None:
        """A kept connection's worth."""
        with self.mail.smtp(local_hostname="client.test") as client:
            for message in batch:
                self._note(message, self._smtp(client, message))

    def _smtp(self, client: smtplib.SMTP, message: Message) -> dict:
        try:
            return client.sendmail(message.sender, message.recipients, message.text)
        except smtplib.SMTPRecipientsRefused as refusal:
            return refusal.recipients

    def submit(self, messages: list[Message]) -> None:
        """By sendmail, one after the other."""
        for message in messages:
            text = message.text.replace(b"\r\n", b"\n")
            line = ["-i", "-f", message.sender, "--", *message.recipients]
            done = self.mail.command("sendmail", *line, stdin=text)
            assert done.returncode == 0, done.stderr
            self._note(message, {})

    def _note(self, message: Message, refused: dict) -> None:
        with self._lock:
            self.refused += [(message.number, "no", address) for address in refused]
            self.sent += 1


def open_office(instance, port: int, main_cf: str = "", master_cf: str = "") -> Office:
    mail = instance(MAIN_CF.replace("{smart_host}", str(port)) + main_cf, master_cf, start=False)
    names = {"directory": mail.directory, "python": sys.executable, "root": str(ROOT)}

    def write(name: str, text: str, mode: int = 0o644) -> None:
        path = mail.directory / name
        path.write_text(text.format(**names) if text is SENDMAIL else text.replace("{directory}", str(mail.directory)))
        path.chmod(mode)

    write("etc/virtual", VIRTUAL)
    write("etc/aliases", ALIASES)
    write("etc/staff", LIST)
    write("etc/vmailbox", "".join(f"{box} {box.partition('@')[2]}/{box.partition('@')[0]}/\n" for box in BOXES))
    write("vacation", VACATION, 0o755)
    write("sendmail", SENDMAIL, 0o755)
    write("vacation.log", "", 0o666)
    mail.start()
    return Office(mail)


def work(office: Office, host: SmartHost, day: list[Message]) -> None:
    """Send it all; the smart host comes back when a third has been sent, and has trouble for a while."""
    by_smtp = [message for message in day if not message.by_sendmail]
    batches = [by_smtp[at : at + PER_CONNECTION] for at in range(0, len(by_smtp), PER_CONNECTION)]
    with ThreadPoolExecutor(THREADS + 1) as pool:
        jobs = [pool.submit(office.submit, [message for message in day if message.by_sendmail])]
        jobs += [pool.submit(office.send, batch) for batch in batches]
        office.mail.wait_until(lambda: office.sent > MESSAGES // 3, PATIENCE)
        office.mail.wait_for("Connection refused")
        host.mood = BUSY
        office.mail.wait_until(lambda: host.failed >= 100, PATIENCE)
        host.mood = WELL
        for job in jobs:
            job.result()


QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt", "bounce", "defer", "trace")


def settled(mail) -> bool:
    return not any(mail.queued(queue) for queue in QUEUES)


DAY = re.compile(rb"^X-Day: (\d+)\r?$", re.MULTILINE)
AWAY = re.compile(rb"^X-Away: (\d+)\r?$", re.MULTILINE)
FAILED = re.compile(rb"^Final-Recipient: rfc822; (\S+)\r?$", re.MULTILINE)


def found_in(text: bytes, place: str, address: str):
    """What a message that arrived stands for: (number, what, address)."""
    head, _, body = text.replace(b"\r\n", b"\n").partition(b"\n\n")
    if day := DAY.search(head):
        yield int(day[1]), place, address
    elif reply := AWAY.search(head):
        yield int(reply[1]), "reply", address
    else:
        number = int(DAY.search(body)[1])
        yield from ((number, "report", f"{address} of {failed.decode()}") for failed in FAILED.findall(body))


def found(office: Office, host: SmartHost) -> Counter:
    """Where the day's mail is."""
    places: Counter = Counter(office.refused)
    for box in BOXES:
        for text in office.mail.maildir(box):
            places.update(found_in(text, "in", box))
    for address, text in host.taken:
        places.update(found_in(text, "out", address))
    log = (office.mail.directory / "vacation.log").read_text()
    places.update((int(number), "command", "away@office.test") for number in log.split())
    return places


MESSAGE_ID = re.compile(r"cleanup\[\d+\]: (\w+): message-id=<(\d+)@day\.test>$", re.MULTILINE)
STATUS = re.compile(r"\[\d+\]: (\w+): to=<(\S+?)>, .*?status=(sent|bounced|deferred|expired) \((.*)\)$", re.MULTILINE)
REMOVED = re.compile(r"qmgr\[\d+\]: (\w+): removed$", re.MULTILINE)


def logged(log: str) -> Counter:
    """(number, recipient, status) of the day's messages, in all the queue files that they went through."""
    numbers = dict(MESSAGE_ID.findall(log))
    assert len(numbers) == len(MESSAGE_ID.findall(log))
    lines = [(queue_id, to.lower(), status) for queue_id, to, status, _ in STATUS.findall(log)]
    return Counter((int(numbers[i]), to, status) for i, to, status in lines if i in numbers and status != "deferred")


def equal(wanted: Counter, got: Counter, log: str) -> None:
    """Fail with what is missing or too much, and the log of the first such messages."""
    missing, extra = sorted((wanted - got).elements()), sorted((got - wanted).elements())
    if missing or extra:
        numbers = {item[0] for item in missing[:2] + extra[:2]}
        ids = {queue_id for queue_id, number in MESSAGE_ID.findall(log) if int(number) in numbers}
        lines = [line for line in log.splitlines() if any(f" {queue_id}: " in line for queue_id in ids)]
        text = [f"missing {len(missing)}: {missing[:10]}", f"too much {len(extra)}: {extra[:10]}", *lines]
        pytest.fail("\n".join(text), pytrace=False)


def in_order(log: str) -> float:
    """The share of messages whose lines stand in the order in which their story goes, whoever wrote them.

    On a machine that becomes busy some come too late for that.
    """
    lines: dict[str, list[str]] = {}
    for line in log.splitlines():
        if found := OF_A_MESSAGE.search(line):
            lines.setdefault(found[1], []).append(found[2])
    stories = [[CHAPTERS.get(re.split(r"[=:]", text)[0], 2) for text in texts] for texts in lines.values()]
    return sum(story == sorted(story) for story in stories) / len(stories)


OF_A_MESSAGE = re.compile(r"\[\d+\]: (\w{10,}): (.*)")
CHAPTERS = {"client": 0, "uid": 0, "reject": 0, "message-id": 1, "removed": 3}
"""By the first word; what is not here is 2."""


def summary(log: str) -> dict[str, int]:
    """pflogsumm's grand totals."""
    done = subprocess.run(["pflogsumm"], input=log, capture_output=True, text=True, check=True, timeout=60)
    totals = done.stdout.partition("Per-")[0]
    return {name: int(count) for count, name in re.findall(r"^\s*(\d+)\s+(\w+)", totals, re.MULTILINE)}


def totals(log: str) -> dict[str, int]:
    """What those of final outcomes must be."""
    lines = STATUS.findall(log)
    forwarded = sum(text.startswith("forwarded as ") for *_, text in lines)
    return {
        "delivered": sum(status == "sent" for _, _, status, _ in lines) - forwarded,
        "forwarded": forwarded,
        "bounced": sum(status == "bounced" for _, _, status, _ in lines),
    }


@pytest.mark.timeout(240)
def test_every_message_of_a_day_is_accounted_for(instance) -> None:
    day = the_day()
    with SmartHost() as host:
        office = open_office(instance, host.port)
        mail = office.mail
        work(office, host, day)
        mail.wait_until(lambda: settled(mail), PATIENCE)
        mail.stop()  # and with it, each daemon's last lines are written
        log = mail.log()
        equal(Counter((m.number, *place) for m in day for place in m.places), found(office, host), log)
        equal(Counter((m.number, *line) for m in day for line in m.lines), logged(log), log)
        assert in_order(log) > 0.9
        assert not re.search(r"panic:|fatal:|Traceback|duplicate", log)
        assert Counter(REMOVED.findall(log)).most_common(1)[0][1] == 1
        assert set(REMOVED.findall(log)) == set(re.findall(r"cleanup\[\d+\]: (\w+): message-id=", log))
        if shutil.which("pflogsumm"):
            wanted = totals(log)
            assert {name: summary(log)[name] for name in wanted} == wanted
