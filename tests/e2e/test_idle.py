"""What runs while nobody wants anything, and that it is back when somebody does."""

import re
from pathlib import Path

WORKERS = ("smtpd", "cleanup", "trivial-rewrite", "virtual", "pickup")


def test_workers_leave_though_others_keep_connections_to_them_and_come_back(instance) -> None:
    mail = instance(main_cf="max_idle = 1s")
    for count in (1, 2):
        with mail.smtp() as client:
            client.sendmail("a@example.com", ["alice@demo.test"], b"Subject: x\r\n\r\nx\r\n")
        mail.wait_until(lambda count=count: mail.log().count("status=sent") == count)
        mail.wait_until(lambda: len(mail.pids_of("zygote")) == 1)
        mail.wait_until(lambda: not any(mail.pids_of(program) for program in WORKERS))
        assert len(mail.pids_of("qmgr")) == len(mail.pids_of("postlogd")) == len(mail.pids_of("zygote")) == 1
    assert "warning" not in mail.log()


def test_what_is_root_has_no_network_code(instance) -> None:
    mail = instance()
    with mail.smtp() as client:
        client.sendmail("a@example.com", ["alice@demo.test"], b"Subject: x\r\n\r\nx\r\n")
    mail.wait_for("status=sent")
    for program in ("master", "virtual"):
        assert not re.findall(r"_asyncio|uvloop|_ssl", maps(mail.pid_of(program)))
    assert re.search("_asyncio", maps(mail.pid_of("smtpd")))


def maps(pid: int) -> str:
    """The files that a process has in memory."""
    return Path(f"/proc/{pid}/maps").read_text()
