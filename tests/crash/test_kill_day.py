"""kill -9 of every daemon and agent in an office's day: nothing acknowledged is lost, nothing comes that should not.

The day is that of tests/e2e/test_day.py, with mail to a command, by LMTP and to nowhere too. All its messages are
accounted for, from mailboxes and from the log. A copy in a mailbox says in its Received headers in which queue file
it came in, and in which it went out. A second copy from one queue file is right only where somebody died between a
delivery and its mark: the agent that says in the log that it delivered the first one, or one that did not live to
say it.
"""

import contextlib
import itertools
import os
import random
import re
import signal
import smtplib
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyfix.unix import users
from tests.crash.test_kill import lives
from tests.e2e import test_day as day
from tests.e2e.instance import instance, instance_directory
from tests.e2e.smart_host import BUSY, WELL, LostConnectionError, Session, SmartHost
from tests.e2e.test_submit import become, run

__all__ = ["instance", "instance_directory"]

pytestmark = pytest.mark.timeout(300)

SENDERS = 6
PAUSE = 0.5  # seconds between kills
VICTIMS = (
    *("smtpd", "cleanup", "qmgr", "trivial-rewrite", "bounce", "pickup", "postdropd", "virtual", "local"),
    *("smtp", "lmtp", "pipe", "error", "discard", "proxymap", "postlogd", "showq", "flush", "zygote", "master"),
)
RARELY = {"zygote": 3, "master": 2}  # there is more to do to get up again: not in each round
AGENTS = {"virtual", "lmtp", "pipe"}
MORE_MAIN_CF = """
virtual_alias_maps = proxy:texthash:{directory}/etc/virtual
transport_maps = inline:{ { archive.test = archive: }, { store.test = lmtp:[127.0.0.1]:%d }, { void.test = discard: } }
archive_destination_recipient_limit = 1
service_throttle_time = 1s
lmtp_log_tls_feature_status = no
"""
MASTER_CF = """
archive unix - n n - 10 pipe user=nobody argv={directory}/archive {directory}/archived
"""
ARCHIVE = """\
#!/bin/sh
file=$(mktemp "$1/part.XXXXXXXX") && cat >"$file" && mv "$file" "$1/whole.${file##*.}"
"""


class Store(SmartHost):
    """An LMTP server that is always well. taken: as a smart host's."""

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, LostConnectionError), sock, sock.makefile("rb") as stream:
            Lmtp(self, sock, stream).talk()


class Lmtp(Session):
    def talk(self) -> None:
        self.sock.sendall(b"220 store.test LMTP\r\n")
        while line := self.stream.readline().decode():
            verb = line[:4].upper()
            if verb == "LHLO":
                self.sock.sendall(b"250-store.test\r\n250 ENHANCEDSTATUSCODES\r\n")
            elif verb == "RCPT":
                self.rcpt(line.partition("<")[2].partition(">")[0])
            elif verb == "DATA":
                self.data()
            else:
                self.other(verb)

    def end(self, text: bytes) -> None:
        for address in self.recipients:
            self.host.taken.append((address, text))
            self.sock.sendall(b"250 2.0.0 Ok\r\n")
        self.recipients.clear()


PLACES = (("archived", "all@archive.test"), ("stored", "one@store.test"), ("discarded", "none@void.test"))


def whole_day() -> list[day.Message]:
    rng = random.Random(20261125)
    messages = day.the_day()
    for message in messages[::12]:
        what, address = rng.choice(PLACES)
        message.text = message.text.removeprefix(b"X-Refuse: yes\r\n")
        message.text += b"the end\r\n"  # without it a command got it from an agent that died
        message.recipients, message.places, message.lines = [address], [(what, address)], [(address, "sent")]
    return messages


class Sender:
    """Sends each message until all its recipients are acknowledged or refused for good."""

    def __init__(self, mail) -> None:
        self.mail = mail
        self.refused: list[tuple[int, str, str]] = []
        self.done = 0
        self.end = time.monotonic() + 2 * day.PATIENCE

    def by_smtp(self, messages: list[day.Message]) -> None:
        todo = [(message, list(message.recipients)) for message in messages]
        while todo:
            try:
                with smtplib.SMTP("127.0.0.1", self.mail.port, "client.test", timeout=20) as client:
                    while todo:
                        message, recipients = todo[0]
                        recipients[:] = self._transaction(client, message, recipients)
                        if not recipients:
                            todo.pop(0)
                            self.done += 1
            except (smtplib.SMTPException, OSError):
                assert time.monotonic() < self.end, "the system does not get up again"
                time.sleep(0.05)

    def _transaction(self, client: smtplib.SMTP, message: day.Message, recipients: list[str]) -> list[str]:
        """Those that it must be tried for again."""
        code, text = client.mail(message.sender)
        if code != 250:
            raise smtplib.SMTPSenderRefused(code, text, message.sender)
        answers = {address: client.rcpt(address)[0] for address in recipients}
        taken = [address for address, code in answers.items() if code == 250]
        again = [address for address, code in answers.items() if 400 <= code < 500]
        refused = [(message.number, "no", address) for address, code in answers.items() if code >= 500]
        if taken:
            code, text = client.data(message.text)
            if code != 250:
                assert code < 500, text
                again += taken
        else:
            client.rset()
        self.refused += refused
        if again:
            time.sleep(0.05)
        return again

    def by_sendmail(self, messages: list[day.Message]) -> None:
        stranger = become(users.user("nobody")) if os.geteuid() == 0 else []
        for message, prefix in zip(messages, itertools.cycle(([], stranger))):
            text = message.text.replace(b"\r\n", b"\n")
            line = ["-i", "-f", message.sender, "--", *message.recipients]
            while (done := run(self.mail, "sendmail", *line, stdin=text, prefix=prefix)).returncode != 0:
                assert done.returncode == os.EX_TEMPFAIL, done.stderr
                assert time.monotonic() < self.end, "the system does not get up again"
                time.sleep(0.05)
            self.done += 1


class Killer(threading.Thread):
    """Kills one after the other, so that there is time to get up again.

    kills: (program, pid); followers: (program, pid) of what went down with its master.
    """

    def __init__(self, mail, going_on) -> None:
        super().__init__(daemon=True)
        self.mail, self.going_on = mail, going_on
        self.kills: list[tuple[str, int]] = []
        self.followers: list[tuple[str, int]] = []

    def run(self) -> None:
        chance = random.Random(1)
        for number, program in enumerate(itertools.cycle(VICTIMS)):
            if not self.going_on():
                return
            if number // len(VICTIMS) % RARELY.get(program, 1):
                continue
            # what master has just forked is called master too
            if pids := [self.mail.master_pid] if program == "master" else self.mail.pids_of(program):
                self.kill(program, chance.choice(pids))
            time.sleep(PAUSE)

    def kill(self, program: str, pid: int) -> None:
        followers: list[tuple[str, int]] = []
        with contextlib.suppress(ProcessLookupError):
            if program == "master":
                os.kill(pid, signal.SIGSTOP)  # it starts nobody between the look and its end
                followers = [(name, pid) for name in VICTIMS for pid in self.mail.pids_of(name)]
            os.kill(pid, signal.SIGKILL)
            self.kills.append((program, pid))
        if program == "postlogd":  # or lines that wait for the next one go to syslog when master is killed
            self.mail.wait_until(lambda: set(self.mail.pids_of("postlogd")) - {pid} or not self.going_on())
        if followers:
            self.mail.wait_until(lambda: not any(lives(pid) for _, pid in followers))
            self.followers += followers
            self.mail.start()


RECEIVED = re.compile(rb"^Received: .*?\bid (\w{10,})\b", re.MULTILINE | re.DOTALL)


def hops(text: bytes) -> tuple[str, str]:
    """The queue files that a message of the day came in and went out by."""
    head = text[: day.DAY.search(text).start()].replace(b"\r\n", b"\n")
    ids = RECEIVED.findall(head)
    return ids[-1].decode(), ids[0].decode()


NOTICE = re.compile(rb"\A(?:.+\n)*Subject: Postfix SMTP server: errors from ")
"""The postmaster is told of what went wrong when cleanup died."""


def arrived(mail, host: SmartHost, store: Store) -> Counter:
    """(number, what, address, queue file it came in by, that it went out by) of all copies."""
    archive = [path.read_bytes() for path in (mail.directory / "archived").glob("whole.*")]
    texts = [("in", box, text) for box in day.BOXES for text in mail.maildir(box) if not NOTICE.search(text)]
    texts += [("out", address, text) for address, text in host.taken]
    texts += [("stored", address, text) for address, text in store.taken]
    texts += [("archived", "all@archive.test", text) for text in archive if text.endswith(b"\nthe end\n")]
    found: Counter = Counter()
    for what, address, text in texts:
        for number, place, whom in day.found_in(text, what, address):
            found[number, place, whom, *(hops(text) if place == what else ("", ""))] += 1
    log = (mail.directory / "vacation.log").read_text()
    found.update((int(number), "command", "away@office.test", "", "") for number in log.split())
    return found


def wait_until_settled(mail) -> None:
    """Nothing waits any more. What is not complete was never acknowledged.

    What an agent of a dead qmgr still had in its hands waits in incoming until somebody has qmgr look there: new mail,
    master after five minutes, or we.
    """
    end = time.monotonic() + day.PATIENCE
    while left := waiting(mail):
        if time.monotonic() > end:
            ids = {path.name for path in left}
            lines = [line for line in mail.log().splitlines() if any(f" {name}: " in line for name in ids)]
            pytest.fail("\n".join([*map(str, left), *lines]), pytrace=False)
        mail.command("postqueue", "-f")
        time.sleep(0.5)


def waiting(mail) -> list[Path]:
    files = [mail.queue / queue for queue in day.QUEUES]
    paths = [path for directory in files for path in directory.rglob("*") if "." not in path.name]
    return [path for path in paths if _is_complete(path)]


def _is_complete(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        is_log = path.parts[-2] in {"bounce", "defer"}
        return path.is_file() and (is_log or path.stat().st_mode & 0o700 == 0o700)
    return False


def test_every_daemon_may_die_on_any_day(instance) -> None:
    messages = whole_day()
    with SmartHost() as host, Store() as store:
        store.mood = WELL
        mail = day.open_office(instance, host.port, MORE_MAIN_CF % store.port, MASTER_CF).mail
        (mail.directory / "archive").write_text(ARCHIVE)
        (mail.directory / "archive").chmod(0o755)
        (mail.directory / "archived").mkdir()
        (mail.directory / "archived").chmod(0o777)
        sender = Sender(mail)
        by_smtp = [message for message in messages if not message.by_sendmail]
        with ThreadPoolExecutor(SENDERS + 1) as pool:
            jobs = [pool.submit(sender.by_sendmail, [message for message in messages if message.by_sendmail])]
            jobs += [pool.submit(sender.by_smtp, by_smtp[at::SENDERS]) for at in range(SENDERS)]
            killer = Killer(mail, lambda: not all(job.done() for job in jobs))
            killer.start()
            mail.wait_until(lambda: sender.done > len(messages) // 3, day.PATIENCE)
            host.mood = BUSY
            mail.wait_until(lambda: host.failed >= 20, day.PATIENCE)
            host.mood = WELL
            for job in jobs:
                job.result()
        killer.join()
        wait_until_settled(mail)
        mail.stop()  # and with it, each daemon's last lines are written
        check(messages, sender, arrived(mail, host, store), mail.log(), killer)
        assert not mail.queued("corrupt")


SENT = re.compile(r"\[(\d+)\]: (\w+): to=<(\S+?)>, .*status=sent \((\w+)", re.MULTILINE)
NOT_FORWARDED = re.compile(r"\[(\d+)\]: (\w+): to=<(\S+?)>, .*status=deferred \(unable to forward", re.MULTILINE)


def check(messages, sender, found: Counter, log: str, killer: Killer) -> None:
    assert set(VICTIMS) - {"showq", "flush"} <= {program for program, _ in killer.kills}
    check_places(messages, {item[:3] for item in found} | set(sender.refused))
    check_copies(log, found, killer, check_log(messages, log))


def check_places(messages, got: set[tuple[int, str, str]]) -> None:
    """All that was acknowledged is where it belongs, and nothing else is there."""
    wanted = {(message.number, *place) for message in messages for place in message.places if place[0] != "discarded"}
    assert sorted(wanted - got) == []
    assert sorted(got - wanted) == []


def check_log(messages, log: str) -> int:
    """Nothing but what should become of recipients; how many lines the dead, postlogd too, have taken with them."""
    wanted = {(message.number, *line) for message in messages for line in message.lines}
    numbers = dict(day.MESSAGE_ID.findall(log))
    lines = [(queue_id, to.lower(), status) for queue_id, to, status, _ in day.STATUS.findall(log)]
    got = {(int(numbers[i]), to, status) for i, to, status in lines if i in numbers and status != "deferred"}
    assert sorted(got - wanted) == []
    # a postlogd takes what came in 20 ms; who ends after the postlogd of a dead master says the rest to syslog
    assert len(wanted - got) < len(wanted) // 20
    return len(wanted - got)


def check_copies(log: str, found: Counter, killer: Killer, lost: int) -> None:
    """An agent that said `sent` and lives has marked the recipient: nobody delivers after it.

    Unless that was for a part of an alias, and another part has to wait (cleanup was dead when local wanted to
    forward): then all of it comes again, as local(8) has it.
    """
    dead = killer.kills + killer.followers
    killed = {pid for _, pid in dead}
    not_forwarded = {(int(pid), queue_id, address) for pid, queue_id, address in NOT_FORWARDED.findall(log)}
    sent: dict[tuple[str, str, str], list[int]] = {}
    for pid, queue_id, address, how in SENT.findall(log):
        sent.setdefault((queue_id, address.lower(), how), []).append(int(pid))
    marked = {key: [pid for pid in pids[:-1] if (pid, *key[:2]) not in not_forwarded] for key, pids in sent.items()}
    assert [key for key, pids in marked.items() if not killed.issuperset(pids)] == []
    heard = Counter({key[:2]: len(pids) for key, pids in sent.items()})
    silent = sum(
        count - heard[went_out, address]
        for (_, place, address, _, went_out), count in found.items()
        if place in {"in", "stored", "archived"}
    )
    assert silent <= len([program for program, _ in dead if program in AGENTS]) + lost
    assert sum(count - 1 for count in found.values()) < len(found) // 10
