"""kill -9 of master in a stream of mail: nothing that was acknowledged is lost (of the others: test_kill_day).

Duplicates are possible only where a delivery and its mark in the queue file were apart, so there are few.
"""

import os
import re
import signal
import smtplib
import threading
import time

import pytest

from tests.e2e.instance import instance, instance_directory

__all__ = ["instance", "instance_directory"]

pytestmark = pytest.mark.timeout(300)

SENDERS = 4
MAIN_CF = """\
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
service_throttle_time = 1s
notify_classes =
virtual_mailbox_maps = static:all/
virtual_mailbox_base = {directory}/mail
"""
VICTIMS = ("smtpd", "cleanup", "qmgr", "trivial-rewrite", "virtual", "postlogd", "zygote")


class Sender(threading.Thread):
    """Sends numbered messages until told to stop; knows which ones were acknowledged."""

    def __init__(self, mail, number: int, count: int) -> None:
        super().__init__()
        self.mail = mail
        self.names = [f"{number}-{n}" for n in range(count)]
        self.acknowledged: list[str] = []

    def run(self) -> None:
        for name in self.names:
            for _ in range(100):
                if self._send(name):
                    break
                time.sleep(0.05)

    def _send(self, name: str) -> bool:
        message = f"Subject: crash\r\nX-Crash: {name}\r\n\r\n{'x' * 2000}\r\n"
        try:
            with smtplib.SMTP("127.0.0.1", self.mail.port, timeout=20) as client:
                client.sendmail("a@example.com", [f"{name}@demo.test"], message)
                self.acknowledged.append(name)
        except (smtplib.SMTPException, OSError):
            return name in self.acknowledged
        return True


def _settle(mail) -> None:
    """Wait until the queue is empty."""

    def empty() -> bool:
        mail.command("postqueue", "-f")
        time.sleep(0.3)
        return not any(mail.queued(queue) for queue in ("maildrop", "active", "deferred")) and not [
            name for name in mail.queued("incoming") if _is_complete(mail, name)
        ]

    mail.wait_until(empty, 120)


def _is_complete(mail, name: str) -> bool:
    """A file in incoming with mode 0600 was being written when cleanup died: nobody was told that it is safe."""
    try:
        return (mail.queue / "incoming" / name).stat().st_mode & 0o700 == 0o700
    except FileNotFoundError:
        return False


def _arrived(mail) -> list[str]:
    new = mail.directory / "mail/all/new"
    return [re.search(r"^X-Crash: (\S+)$", path.read_text(), re.MULTILINE)[1] for path in new.iterdir()]


def _stream(mail, count: int, during) -> None:
    """Send while `during` does its worst, then compare what was acknowledged with what arrived."""
    senders = [Sender(mail, number, count // SENDERS) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    during(lambda: any(sender.is_alive() for sender in senders))
    for sender in senders:
        sender.join()
    acknowledged = {name for sender in senders for name in sender.acknowledged}
    assert len(acknowledged) == count, "mail could not be sent at all"
    _settle(mail)
    arrived = _arrived(mail)
    assert acknowledged <= set(arrived), sorted(acknowledged - set(arrived))[:10]
    assert not mail.queued("corrupt")
    # What a client sent again because it heard no answer is a second message, not a second delivery.
    assert len(arrived) - len(set(arrived)) <= count // 10


def test_master_may_die_and_workers_leave_with_it(instance) -> None:
    mail = instance(main_cf=MAIN_CF)
    kills = []

    def kill(going_on) -> None:
        while going_on() and len(kills) < 4:
            time.sleep(0.8)
            master = mail.master_pid
            children = [pid for program in VICTIMS for pid in mail.pids_of(program)]
            os.kill(master, signal.SIGKILL)
            kills.append(master)
            mail.wait_until(lambda pids=(master, *children): not any(map(lives, pids)))
            mail.start()

    _stream(mail, 2000, kill)
    assert len(kills) >= 2


def lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("agent", ["virtual", "discard"])
def test_what_a_dead_qmgr_has_asked_for_is_left_to_the_next_one(instance, agent) -> None:
    """The agent finds both questions when it goes on, and delivers once."""
    main_cf = MAIN_CF + f"max_idle = 100s\nvirtual_transport = {agent}\n"
    mail = instance(main_cf=main_cf, master_cf=f"{agent} unix - n n - 1 {agent}\n")
    assert Sender(mail, 0, 1)._send("warm")
    mail.wait_until(lambda: f"/{agent}[" in mail.log())
    pid, qmgr = mail.pid_of(agent), mail.pid_of("qmgr")
    os.kill(pid, signal.SIGSTOP)
    names = [f"m{number}" for number in range(3)]
    try:
        for name in names:
            assert Sender(mail, 0, 1)._send(name)
        mail.wait_until(lambda: mail.log().count("(queue active)") == 1 + 3)
        os.kill(qmgr, signal.SIGKILL)
        mail.wait_until(lambda: not lives(qmgr))
        mail.command("postqueue", "-f")
        mail.wait_until(lambda: mail.log().count("(queue active)") == 1 + 3 + 3)
    finally:
        os.kill(pid, signal.SIGCONT)
    _settle(mail)
    sent = re.findall(rf"/{agent}\[(\d+)\]: \w+: to=<(m\d)@demo.test>.* status=sent", mail.log())
    assert sorted(sent) == [(str(pid), name) for name in names]
    assert "open active" not in mail.log()
