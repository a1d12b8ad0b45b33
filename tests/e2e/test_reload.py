"""Reload drops no session and refuses no connection; PID 1 in a container works."""

import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from tests.e2e.talk import Talk

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def test_a_session_survives_reloads_in_its_middle(instance) -> None:
    mail = instance()
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        mail.reload()
        client.ask("MAIL FROM:<a@example.com>")
        mail.reload()
        assert client.ask("RCPT TO:<alice@demo.test>") == (250, "2.1.5 Ok")
        mail.reload()
        assert client.ask("DATA")[0] == 354
        client.send(MESSAGE)
        mail.reload()
        client.send(b".\r\n")
        code, text = client.reply()
        assert (code, text[:23]) == (250, "2.0.0 Ok: queued as " + text[20:23])
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 1)


def test_a_stream_of_mail_does_not_notice_reloads(instance) -> None:
    mail = instance()
    trouble: list[Exception] = []

    def sender() -> None:
        try:
            for _ in range(60):
                with mail.smtp() as client:
                    client.sendmail("a@example.com", ["alice@demo.test"], MESSAGE)
        except Exception as error:
            trouble.append(error)

    threads = [threading.Thread(target=sender) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        mail.reload()
    for thread in threads:
        thread.join()
    assert trouble == []
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 240)
    mail.wait_until(lambda: not any(mail.queued(queue) for queue in ("incoming", "active", "deferred")))


def test_a_delivery_that_takes_long_holds_up_no_other_mail_at_a_reload(instance) -> None:
    """And is not made twice: what the old agent has not begun is the new one's."""
    mail = instance(
        main_cf="transport_maps = inline:{ other.test=discard }\nvirtual_transport = slow\nmax_idle = 100s\n",
        master_cf="slow unix - n n - 1 virtual\n",
    )

    def send(to: str) -> None:
        with mail.smtp() as client:
            client.sendmail("a@demo.test", [to], MESSAGE)

    mail.edit("main.cf", "smtpd_relay_restrictions = permit_mynetworks, reject\n")
    send("alice@demo.test")
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 1)
    old = mail.pid_of("virtual")
    os.kill(old, signal.SIGSTOP)
    try:
        send("alice@demo.test")
        mail.wait_until(lambda: mail.log().count("(queue active)") == 2)
        mail.reload()
        send("bob@other.test")
        mail.wait_until(lambda: "to=<bob@other.test>" in mail.log())
    finally:
        os.kill(old, signal.SIGCONT)
    mail.wait_until(lambda: mail.log().count(": removed") == 3)
    assert len(mail.maildir("alice@demo.test")) == 2
    assert mail.log().count("to=<alice@demo.test>") == 2


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_pid_1_of_a_container_logs_to_stdout_and_stops_on_sigterm(instance) -> None:
    mail = instance(main_cf="maillog_file = /dev/stdout", start=False)
    output = mail.directory / "stdout"
    inner = [sys.executable, "-m", "pyfix.commands.postfix", "-c", str(mail.config), "start-fg"]
    with output.open("w") as out:
        process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *inner], stdout=out, stderr=out
        )
    try:
        mail.wait_until(lambda: "daemon started" in output.read_text())
        with mail.smtp() as client:
            client.sendmail("a@example.com", ["alice@demo.test"], MESSAGE)
        mail.wait_until(lambda: ": removed" in output.read_text())
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
        os.kill(int(children.stdout.split()[0]), signal.SIGTERM)
        assert process.wait(20) == 0
        assert "terminating on signal 15" in output.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_units_are_clean(tmp_path) -> None:
    from pathlib import Path

    conf = Path(__file__).parent.parent.parent / "conf"
    units = [*conf.glob("*.service"), *conf.glob("*.socket")]
    assert {unit.name for unit in units} == {
        "postfix.service", "postfix@.service", "postfix-postdrop.service", "postfix-postdrop.socket",
    }  # fmt: skip
    for unit in units:
        text = unit.read_text().replace("/usr/sbin/postfix", shutil.which("true"))
        name = unit.name.replace("@.", "@x.")
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line or "postfix" in line]
    assert (done.returncode, ours) == (0, [])
