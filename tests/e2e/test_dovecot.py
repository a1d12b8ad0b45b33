"""Mail into dovecot, by LMTP over TCP and a Unix socket and by its LDA through pipe; doveadm reads it back."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

DOVECOT = "/usr/sbin/dovecot"
LDA = "/usr/lib/dovecot/deliver"
USER = "games"
"""Whose the mailboxes are; pipe takes no commands of mail_owner's."""
CONFIG = """\
base_dir = {top}/run
state_dir = {top}/run
log_path = {top}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:{top}/mail/%u
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
first_valid_uid = 1
mail_uid = {user}
mail_gid = {group}
postmaster_address = postmaster@box.test
auth_username_format = %Ln
passdb {{
  driver = passwd-file
  args = {top}/users
}}
userdb {{
  driver = passwd-file
  args = {top}/users
}}
service lmtp {{
  unix_listener {socket} {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service auth {{
  unix_listener auth-userdb {{
    mode = 0666
  }}
}}
"""


class Dovecot:
    """One instance below a directory, with a mailbox for alice; its LMTP is on port, too."""

    def __init__(self, top: Path, socket: Path) -> None:
        self.top = top
        self.port = free_port()
        self.config = top / "dovecot.conf"
        user = pwd.getpwnam(USER)
        (top / "mail").mkdir()
        os.chown(top / "mail", user.pw_uid, user.pw_gid)
        (top / "run").mkdir()
        (top / "log").touch()
        (top / "log").chmod(0o666)  # the LDA writes it as the user
        (top / "users").write_text(f"alice:{{PLAIN}}x:{user.pw_uid}:{user.pw_gid}::{top}/mail/alice\n")
        self.config.write_text(CONFIG.format(top=top, socket=socket, port=self.port, user=USER, group=USER))
        self.process = subprocess.Popen([DOVECOT, "-F", "-c", str(self.config)])
        end = time.monotonic() + 15
        while not socket.exists() and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.02)
        assert socket.exists(), self.log()

    def log(self) -> str:
        return (self.top / "log").read_text()

    def mailbox(self, user: str = "alice") -> list[str]:
        """The messages that doveadm finds in INBOX."""
        line = ["doveadm", "-c", str(self.config), "fetch", "-u", user, "text", "mailbox", "INBOX"]
        done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=20)
        return [text.removeprefix("text:\n") for text in done.stdout.split("\f\n") if text]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def dovecot() -> Iterator:
    if os.geteuid() != 0:
        pytest.skip("dovecot needs root")
    if not Path(DOVECOT).exists() or not Path("/usr/lib/dovecot/lmtp").exists():
        pytest.skip("dovecot-lmtpd is not installed")
    top = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))
    top.chmod(0o755)
    made: list[Dovecot] = []

    def make(socket: Path) -> Dovecot:
        made.append(Dovecot(top, socket))
        return made[-1]

    yield make
    for each in made:
        each.stop()
    shutil.rmtree(top, ignore_errors=True)


MAIN_CF = "virtual_mailbox_domains = box.test\nvirtual_mailbox_maps = static:any\nvirtual_transport = "
TEXT = b"Subject: to dovecot\r\n\r\n.dot\r\n"


def send(mail, *recipients: str) -> None:
    with mail.smtp() as client:
        client.sendmail("a@example.com", recipients, TEXT)


@pytest.mark.parametrize("way", ["unix", "inet"])
def test_each_recipient_has_a_status_of_its_own(instance, dovecot, way) -> None:
    mail = instance(start=False)
    box = dovecot(mail.queue / "private/dovecot-lmtp")
    nexthop, relay = {
        "unix": ("unix:private/dovecot-lmtp", r"mail\.demo\.test\[private/dovecot-lmtp\]"),
        "inet": (f"inet:127.0.0.1:{box.port}", rf"127\.0\.0\.1\[127\.0\.0\.1\]:{box.port}"),
    }[way]
    mail.edit("main.cf", f"{MAIN_CF}lmtp:{nexthop}\n")
    mail.start()
    send(mail, "alice@box.test", "nobody@box.test")
    sent = r"tls=(may:)?none, dsn=2\.0\.0, status=sent \(250 2\.0\.0 "
    mail.wait_for(rf"lmtp\[\d+\]: \w+: to=<alice@box\.test>, relay={relay}, .*{sent}")
    mail.wait_for(rf"to=<nobody@box\.test>, relay={relay}, .*dsn=5\.1\.1, status=bounced \(host .* said: 550 5\.1\.1 ")
    (text,) = box.mailbox()
    assert text.startswith("Return-Path: <a@example.com>\nDelivered-To: alice@box.test\n")
    assert text.endswith("\n\n.dot\n")


MASTER_CF = (
    "dovecot unix - n n - - pipe flags=DRhu user={user} argv={lda} -c {config} -f ${{sender}} -d ${{recipient}}\n"
)


def test_its_lda_delivers_through_pipe(instance, dovecot) -> None:
    mail = instance(f"{MAIN_CF}dovecot\ndovecot_destination_recipient_limit = 1\n", start=False)
    box = dovecot(mail.queue / "private/dovecot-lmtp")
    mail.edit("master.cf", MASTER_CF.format(user=USER, lda=LDA, config=box.config))
    mail.start()
    send(mail, "Alice@BOX.test", "nobody@box.test")
    said = r"dsn=2\.0\.0, status=sent \(delivered via dovecot service\)\n"
    mail.wait_for(rf"pipe\[\d+\]: \w+: to=<Alice@BOX\.test>, relay=dovecot, .*{said}")
    mail.wait_for(r"to=<nobody@box\.test>, relay=dovecot, .*dsn=5\.1\.1, status=bounced \(user unknown\)\n")
    (text,) = box.mailbox()
    assert text.startswith("Return-Path: <a@example.com>\nDelivered-To: Alice@BOX.test\nReceived: ")
    assert text.endswith("\n\n.dot\n")
    (path,) = (box.top / "mail/alice/new").iterdir()
    assert path.owner() == USER
    box.stop()
    send(mail, "alice@box.test")
    mail.wait_for(r"to=<alice@box\.test>, relay=dovecot, .*dsn=4\.3\.0, status=deferred \(temporary failure")
