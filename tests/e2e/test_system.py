"""As root with /etc/postfix/main.cf: Postfix's usual paths, port 25, the users postfix and postdrop, syslog.

It happens in namespaces of the test's own, in which those paths are the test's directories.
"""

import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEBIAN = Path("/usr/share/postfix")
PLACES = ("/etc/postfix", "/var/spool/postfix", "/var/lib/postfix", "/var/log", "/var/mail")

INSIDE = """
import fcntl, json, os, smtplib, socket, struct, subprocess, sys, threading, time
with socket.socket() as sock:  # loopback is down in a new network namespace
    fcntl.ioctl(sock, 0x8914, struct.pack("16sh22x", b"lo", 1 | 64))
words = [sys.executable, "-m", "pyfix.commands.postfix"]
def submit(user):
    line = [sys.executable, "-m", "pyfix.commands.sendmail", "-i", sys.argv[1]]
    done = subprocess.run(line, user=user, group="nogroup", extra_groups=[], input="Subject: " + user + "\\n\\nhi\\n",
                          capture_output=True, text=True)
    return [done.returncode, done.stderr]
lines = []
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log"); os.chmod("/dev/log", 0o666)
def read():  # all the time: a dozen lines that nobody reads fill the socket, and who logs waits
    while True:
        lines.append(log.recv(8192).decode())
threading.Thread(target=read, daemon=True).start()
def wait(wanted, count=1):
    end = time.monotonic() + 20
    while sum(wanted in line for line in lines) < count:
        if time.monotonic() > end:
            raise TimeoutError(wanted, lines)
        time.sleep(0.02)
subprocess.run([sys.executable, "-m", "pyfix.commands.newaliases"], check=True)
started = subprocess.run([*words, "start"], capture_output=True, text=True)
result = {"start": [started.returncode, started.stderr]}
try:
    with smtplib.SMTP("localhost", 25, timeout=20) as client:
        client.sendmail("a@example.com", sys.argv[1:2], "Subject: x\\n\\nhello\\n")
        client.mail("a@example.com")
        result["users"] = [client.rcpt(name + "@demo.test")[0] for name in ("games", "nosuchuser")]
    wait(": removed")
    result["submit"] = submit("nobody")
    wait("status=sent", 2)
    status = subprocess.run([*words, "status"], capture_output=True, text=True)
    result["status"] = [status.returncode, status.stderr]
finally:
    result["stop"] = subprocess.run([*words, "stop"], capture_output=True).returncode
try:
    wait("terminating")
    result["down"] = [submit("nobody"), submit("root")]
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


INTERNET_SITE = """
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = mail.demo.test
alias_maps = hash:/etc/postfix/aliases
alias_database = hash:/etc/postfix/aliases
myorigin = /etc/postfix/mailname
mydestination = $myhostname, demo.test, localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
"""
"""What Debian's installation writes for its answer "Internet Site", with files of /etc in another place."""

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare"),
    pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Postfix's directories, files and users (make peers)"),
]


@pytest.fixture
def top() -> Iterator[Path]:
    """What stands in for the machine's places."""
    path = Path(tempfile.mkdtemp(prefix="pyfix-system-", dir="/tmp"))
    path.chmod(0o755)
    for place in PLACES:
        (path / place[1:]).mkdir(parents=True, mode=0o755)
    shutil.chown(path / "var/lib/postfix", "postfix", "postfix")
    shutil.chown(path / "var/mail", "mail", "mail")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def configure(top: Path, main_cf: str, master_cf: Path) -> None:
    (top / "etc/postfix/main.cf").write_text(main_cf)
    shutil.copy(master_cf, top / "etc/postfix/master.cf")


def spool_as_installed(spool: Path) -> None:
    """The directories of Debian's queue, with their owners and modes, and nothing in them."""
    for theirs in Path("/var/spool/postfix").iterdir():
        if theirs.is_dir():
            status, ours = theirs.stat(), spool / theirs.name
            ours.mkdir()
            os.chown(ours, status.st_uid, status.st_gid)
            ours.chmod(stat.S_IMODE(status.st_mode))


def live(top: Path, recipient: str) -> dict:
    """What INSIDE has seen of two messages to a recipient."""
    binds = "; ".join(f"mount --bind {top / place[1:]} {place}" for place in PLACES)
    script = (
        f"set -e; {binds}; mount -t tmpfs none /dev/shm;"
        "mkdir /dev/shm/dev; for d in null zero random urandom full tty; do touch /dev/shm/dev/$d;"
        "mount --bind /dev/$d /dev/shm/dev/$d; done; mount --rbind /dev/shm/dev /dev;"
        f"exec {sys.executable} -c '{INSIDE}' {recipient}"
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
    assert result["start"][0] == 0, result["start"][1]
    assert result["status"][0] == 0
    assert result["stop"] == 0
    return {**result, "log": "\n".join(result["log"])}


def test_the_systems_own_mta(top) -> None:
    main_cf = (ROOT / "conf/main.cf").read_text() + MAIN_CF.format(uid=8, gid=8)  # mail
    configure(top, main_cf, ROOT / "conf/master.cf")
    result = live(top, "alice@demo.test")
    assert "postfix/smtpd[" in result["log"]
    assert "status=sent (delivered to maildir)" in result["log"]
    for message in (top / "var/mail/alice/new").iterdir():
        assert (message.stat().st_uid, message.stat().st_gid) == (8, 8)
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in (top / "var/spool/postfix").iterdir()}
    assert modes["maildrop"] == "0o730"
    assert modes["public"] == "0o711"
    assert modes["private"] == "0o700"
    assert modes["pid"] == "0o755"
    assert (top / "var/spool/postfix/maildrop").group() == "postdrop"
    assert (top / "var/spool/postfix/incoming").owner() == "postfix"


def test_debians_configuration_and_queue_serve_as_they_are(top) -> None:
    main_cf = [(DEBIAN / name).read_text() for name in ("main.cf.debian", "main.cf.tls")]
    configure(top, "\n".join([*main_cf, INTERNET_SITE]), DEBIAN / "master.cf.dist")
    (top / "etc/postfix/mailname").write_text("demo.test\n")
    (top / "etc/postfix/aliases").write_text("postmaster: root\nroot: games\n")
    spool_as_installed(top / "var/spool/postfix")
    shutil.chown(top / "var/mail", "root", "mail")
    (top / "var/mail").chmod(0o2775)
    result = live(top, "postmaster@demo.test")
    assert result["users"] == [250, 550]
    assert result["submit"] == [0, ""]
    box = top / "var/mail/games"
    assert (box.owner(), box.group()) == ("games", "mail")
    text = box.read_text()
    assert text.count("\nX-Original-To: postmaster@demo.test\n") == 2, result["log"]
    assert text.count(f"from userid {pwd.getpwnam('nobody').pw_uid})") == 1
    assert "\nReturn-Path: <nobody@demo.test>\n" in text
    (status, said), roots = result["down"]
    assert status == 75
    assert re.fullmatch(r"sendmail: fatal: nobody\(\d+\): mail system is down: connect to .*\n", said)
    assert roots == [0, "postdrop: warning: unable to look up public/pickup: No such file or directory\n"]
    assert len(list((top / "var/spool/postfix/maildrop").iterdir())) == 1
