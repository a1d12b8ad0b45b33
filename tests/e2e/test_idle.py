"""What runs while nobody wants anything, and that it is back when somebody does."""

import re
import time
from pathlib import Path

WORKERS = ("smtpd", "cleanup", "trivial-rewrite", "virtual", "pickup")


def deliver(mail, count: int) -> None:
    """Send one more message, the so-manieth, and see that it arrives."""
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["alice@demo.test"], b"Subject: x\r\n\r\nx\r\n")
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == count)


def nobody(mail) -> bool:
    """Whether all workers have left."""
    return not any(mail.pids_of(program) for program in WORKERS)


def test_workers_leave_though_others_keep_connections_to_them_and_come_back(instance) -> None:
    mail = instance(main_cf="max_idle = 1s")
    for count in (1, 2):
        deliver(mail, count)
        mail.wait_until(lambda: len(mail.pids_of("zygote")) == 1)
        mail.wait_until(lambda: nobody(mail))
        assert len(mail.pids_of("qmgr")) == len(mail.pids_of("postlogd")) == len(mail.pids_of("zygote")) == 1
    assert "warning" not in mail.log()


def test_workers_leave_early_where_nobody_has_said_when(instance) -> None:
    mail = instance()
    for count in (1, 2):
        deliver(mail, count)
        mail.wait_until(lambda: nobody(mail))
    assert len(mail.pids_of("qmgr")) == len(mail.pids_of("postlogd")) == 1
    assert not re.findall("warning|deferred", mail.log())


def test_who_keeps_connections_for_others_stays(instance) -> None:
    """proxymap's, to its databases, are what it is for."""
    mail = instance(main_cf="virtual_alias_maps = proxy:inline:{x@demo.test=alice@demo.test}")
    deliver(mail, 1)
    pid = mail.pid_of("proxymap")
    mail.wait_until(lambda: nobody(mail))
    deliver(mail, 2)
    mail.wait_until(lambda: nobody(mail))
    assert mail.pids_of("proxymap") == [pid]


def test_workers_stay_as_long_as_main_cf_says(instance) -> None:
    mail = instance(main_cf="max_idle = 100s")
    deliver(mail, 1)
    workers = {program: mail.pid_of(program) for program in WORKERS}
    with mail.connect() as client:
        assert client.recv(999)
        time.sleep(3)
        client.sendall(b"QUIT\r\n")
    assert {program: mail.pid_of(program) for program in WORKERS} == workers


def test_a_client_that_says_nothing_keeps_its_smtpd(instance) -> None:
    mail = instance(main_cf="max_idle = 1s")
    with mail.smtp() as client:
        pid = mail.pid_of("smtpd")
        mail.wait_until(lambda: not mail.pids_of("pickup"))
        time.sleep(1.5)
        assert mail.pids_of("smtpd") == [pid]
        client.noop()
    mail.wait_until(lambda: not mail.pids_of("smtpd"))


def test_nothing_is_lost_when_workers_leave_as_they_are_wanted(instance) -> None:
    mail = instance(main_cf="max_idle = 1s")
    pauses = [0.9, 0.95, 0.98, 1.0, 1.0, 1.02, 1.05, 1.1]
    for count, pause in enumerate(pauses, 1):
        deliver(mail, count)
        time.sleep(pause)
    mail.wait_for(lambda log: log.count("status=sent") == len(pauses))
    assert not re.findall("warning|error|fatal|deferred", mail.log())


def test_what_is_root_has_no_network_code(instance) -> None:
    mail = instance()
    deliver(mail, 1)
    for program in ("master", "virtual"):
        assert not re.findall(r"_asyncio|uvloop|_ssl", maps(mail.pid_of(program)))
    assert re.search("_asyncio", maps(mail.pid_of("qmgr")))


def maps(pid: int) -> str:
    """The files that a process has in memory."""
    return Path(f"/proc/{pid}/maps").read_text()
