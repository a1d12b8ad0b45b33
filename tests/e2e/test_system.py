"""As root with /etc/postfix/main.cf: Postfix's usual paths, port 25, the users postfix and postdrop, syslog.

It happens in namespaces of the test's own, in which those paths are the test's directories.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PLACES = ("/etc/postfix", "/var/spool/postfix", "/var/lib/postfix", "/var/log", "/var/mail")

INSIDE = """
import fcntl, json, os, smtplib, socket, struct, subprocess, sys, time
with socket.socket() as sock:  # loopback is down in a new network namespace
    fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", 1 | 64))
words = [sys.executable, "-m", "pyfix.commands.postfix"]
lines = []
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log"); os.chmod("/dev/log", 0o666)
def drain(wanted):
    end = time.monotonic() + 20
    while not any(wanted in line for line in lines):
        log.settimeout(max(0.01, end - time.monotonic()))
        lines.append(log.recv(8192).decode())
started = subprocess.run([*words, "start"], capture_output=True, text=True)
result = {"start": [started.returncode, started.stderr]}
try:
    with smtplib.SMTP("localhost", 25, timeout=20) as client:
        client.sendmail("a@example.com", ["alice@demo.test"], "Subject: x\\n\\nhello\\n")
    drain(": removed")
    status = subprocess.run([*words, "status"], capture_output=True, text=True)
    result["status"] = [status.returncode, status.stderr]
finally:
    result["stop"] = subprocess.run([*words, "stop"], capture_output=True).returncode
try:
    drain("terminating")
finally:
    result["log"] = lines
    print(json.dumps(result))
"""

MAIN_CF = """
myhostname = mail.demo.test
mydestination =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = demo.test
virtual_mailbox_base = /var/mail
virtual_mailbox_maps = static:alice/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
@pytest.mark.skipif(not Path("/etc/postfix").is_dir(), reason="needs Postfix's directories and users (make peers)")
def test_the_systems_own_mta() -> None:
    top = Path(tempfile.mkdtemp(prefix="pyfix-system-", dir="/tmp"))
    top.chmod(0o755)
    try:
        binds = []
        for place in PLACES:
            ours = top / place[1:]
            ours.mkdir(parents=True, mode=0o755)
            binds.append(f"mount --bind {ours} {place}")
        for name in ("main.cf", "master.cf"):
            shutil.copy(ROOT / "conf" / name, top / "etc/postfix")
        shutil.chown(top / "var/lib/postfix", "postfix", "postfix")
        shutil.chown(top / "var/mail", "mail", "mail")
        with (top / "etc/postfix/main.cf").open("a") as file:
            file.write(MAIN_CF.format(uid=8, gid=8))  # mail
        script = (
            "set -e; " + "; ".join(binds) + "; mount -t tmpfs none /dev/shm;"
            "mkdir /dev/shm/dev; for d in null zero random urandom full tty; do touch /dev/shm/dev/$d;"
            "mount --bind /dev/$d /dev/shm/dev/$d; done; mount --rbind /dev/shm/dev /dev;"
            f"exec {sys.executable} -c '{INSIDE}'"
        )
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        assert done.stdout, done.stderr
        result = json.loads(done.stdout)
        log = "\n".join(result["log"])
        assert result["start"][0] == 0, result["start"][1]
        assert result["status"][0] == 0
        assert result["stop"] == 0
        assert "postfix/smtpd[" in log
        assert "status=sent (delivered to maildir)" in log
        (message,) = (top / "var/mail/alice/new").iterdir()
        assert (message.stat().st_uid, message.stat().st_gid) == (8, 8)
        modes = {p.name: oct(p.stat().st_mode & 0o777) for p in (top / "var/spool/postfix").iterdir()}
        assert modes["maildrop"] == "0o730"
        assert modes["public"] == "0o711"
        assert modes["private"] == "0o700"
        assert modes["pid"] == "0o755"
        assert (top / "var/spool/postfix/maildrop").group() == "postdrop"
        assert (top / "var/spool/postfix/incoming").owner() == "postfix"
    finally:
        shutil.rmtree(top, ignore_errors=True)
