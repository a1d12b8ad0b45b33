"""demo - the first minute: a running instance, and one message on its way

What is there is used: an instance is made only where none is, started only if it does not run.
"""

import smtplib
import subprocess
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path

from pyfix.commands import instance
from pyfix.commands.system import System
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import load_services
from pyfix.server import privileges

PATIENCE = 30.0
"""Seconds that the message has to arrive."""


class DemoError(Exception):
    """Something did not come to pass; says what, and where to look."""


def show(directory: Path, *, smtp: str) -> Iterator[str]:
    """Run it; yields what to tell the user."""
    directory = place(directory)
    if not (directory / "etc" / "main.cf").exists():
        instance.write(directory, smtp=smtp, domain="demo.test")
        yield f"made an instance in {directory}"
    config = directory / "etc"
    system = System(str(config))
    if not system.runs:
        _postfix(config, "start")
    host, port = smtp_address(config)
    yield f"running: SMTP on {host}:{port}, configuration in {config}"
    yield from _one_message(directory, system.main, host, port)
    yield f"stop it with: make stop   (or: postfix -c {config} stop)"


def stop(directory: Path) -> int:
    """Stop it; returns postfix's exit status, 0 when it did not run."""
    config = place(directory) / "etc"
    if not (config / "main.cf").exists() or not System(str(config)).runs:
        return 0
    return _run(config, "stop")


def place(directory: Path) -> Path:
    """The directory, or another where the unprivileged user of root's daemons can't get there."""
    if privileges.is_root():
        user = instance.choose_owner().user
        if not instance.reachable(directory, user):
            return Path("/var/lib/pyfix-demo")
    return directory


def smtp_address(config: Path) -> tuple[str, int]:
    """Where the instance takes SMTP."""
    for entry in load_services(str(config)):
        if entry.program == "smtpd" and entry.type == "inet":
            host, _, port = entry.name.rpartition(":")
            return host.strip("[]") or "127.0.0.1", int(port) if port.isdecimal() else 25
    raise DemoError(f"{config}/master.cf has no smtpd service")


def _postfix(config: Path, command: str) -> None:
    if _run(config, command) != 0:
        raise DemoError(f"postfix {command} failed; see {config.parent}/log/maillog")


def _run(config: Path, command: str) -> int:
    words, environment = System(str(config)).ours("commands.postfix", command)
    return subprocess.run(words, env=environment, check=False).returncode  # noqa: S603  # ourselves


def _one_message(directory: Path, main: MainCf, host: str, port: int) -> Iterator[str]:
    domain = main.value("mydomain")
    recipient = f"{instance.DEMO_USERS[0]}@{domain}"
    message = EmailMessage()
    message["From"], message["To"] = f"{instance.DEMO_USERS[1]}@{domain}", recipient
    message["Subject"], message["Message-ID"] = "The first mail", make_msgid(domain=domain)
    message.set_content("It went through SMTP, the queue and the virtual delivery agent.\n")
    log = directory / "log" / "maillog"
    before = log.stat().st_size if log.exists() else 0
    with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
        client.send_message(message)
    maildir = directory / "mail" / domain / instance.DEMO_USERS[0] / "new"
    found = _wait_for(maildir, str(message["Message-ID"]), log)
    yield f"delivered to {recipient}: {found}"
    yield "what the log says:"
    yield from (f"    {line}" for line in log.read_bytes()[before:].decode(errors="replace").splitlines())


def _wait_for(maildir: Path, message_id: str, log: Path) -> Path:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for path in maildir.glob("*") if maildir.is_dir() else ():
            if message_id in path.read_text(errors="replace"):
                time.sleep(0.1)  # the last line of the log is on its way
                return path
        time.sleep(0.02)
    raise DemoError(f"no message in {maildir} after {PATIENCE:.0f} seconds; see {log}")
