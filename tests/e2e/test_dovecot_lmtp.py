"""Mail into dovecot by LMTP, over TCP and a Unix socket, with a status of its own for each recipient."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DOVECOT = "/usr/sbin/dovecot"
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
}}
"""


class Dovecot:
    def __init__(self, top: Path, socket: Path) -> None:
        self.top = top
        user = pwd.getpwnam("postfix")
        (top / "mail").mkdir()
        os.chown(top / "mail", user.pw_uid, user.pw_gid)
        (top / "run").mkdir()
        (top / "users").write_text(f"alice:{{PLAIN}}x:{user.pw_uid}:{user.pw_gid}::{top}/mail/alice\n")
        config = CONFIG.format(top=top, socket=socket, user="postfix", group="postfix")
        (top / "dovecot.conf").write_text(config)
        self.process = subprocess.Popen([DOVECOT, "-F", "-c", str(top / "dovecot.conf")])
        end = time.monotonic() + 15
        while not socket.exists() and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.02)
        assert socket.exists(), self.log()

    def log(self) -> str:
        path = self.top / "log"
        return path.read_text() if path.exists() else ""

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


def test_each_recipient_has_a_status_of_its_own(instance, dovecot) -> None:
    mail = instance(
        main_cf="virtual_mailbox_domains = box.test\nvirtual_mailbox_maps = static:any\n"
        "virtual_transport = lmtp:unix:private/dovecot-lmtp\n"
    )
    box = dovecot(mail.queue / "private/dovecot-lmtp")
    with mail.smtp() as client:
        text = b"Subject: lmtp\r\n\r\n.dot\r\n"
        client.sendmail("a@example.com", ["alice@box.test", "nobody@box.test"], text)
    relay = r"relay=mail\.demo\.test\[private/dovecot-lmtp\]"
    sent = r"tls=none, dsn=2\.0\.0, status=sent \(250 2\.0\.0 "
    mail.wait_for(rf"lmtp\[\d+\]: \w+: to=<alice@box\.test>, {relay}, .*{sent}")
    mail.wait_for(rf"to=<nobody@box\.test>, {relay}, .*dsn=5\.1\.1, status=bounced \(host .* said: 550 5\.1\.1 ")
    (path,) = (box.top / "mail/alice/new").iterdir()
    assert b"\n\n.dot\n" in path.read_bytes()
