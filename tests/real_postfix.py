"""real_postfix - Debian's Postfix in an instance of the test's own, to compare with or to talk to

    def test_something(real_postfix):
        peer = real_postfix(main_cf="relayhost = [127.0.0.1]:2525")
        peer.port, peer.queue, peer.log(), peer.command("postqueue", "-p")
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.ports import free_port

SBIN = Path("/usr/sbin")


def release() -> tuple[int, ...]:
    """Of the Postfix that is installed, such as (3, 7) or (3, 11); () when there is none."""
    try:
        done = subprocess.run([SBIN / "postconf", "-dh", "mail_version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(int(part) for part in done.stdout.split(".")[:2])


MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {top}/queue
data_directory = {top}/data
maillog_file = {top}/log/maillog
maillog_file_prefixes = {top}
myhostname = peer.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
"""

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n  -  n  60  1  pickup
cleanup   unix  n  -  n  -   0  cleanup
qmgr      unix  n  -  n  300 1  qmgr
tlsmgr    unix  -  -  n  1000? 1 tlsmgr
rewrite   unix  -  -  n  -   -  trivial-rewrite
bounce    unix  -  -  n  -   0  bounce
defer     unix  -  -  n  -   0  bounce
trace     unix  -  -  n  -   0  bounce
verify    unix  -  -  n  -   1  verify
flush     unix  n  -  n  1000? 0 flush
proxymap  unix  -  -  n  -   -  proxymap
smtp      unix  -  -  n  -   -  smtp
relay     unix  -  -  n  -   -  smtp
showq     unix  n  -  n  -   -  showq
error     unix  -  -  n  -   -  error
retry     unix  -  -  n  -   -  error
discard   unix  -  -  n  -   -  discard
local     unix  -  n  n  -   -  local
virtual   unix  -  n  n  -   -  virtual
lmtp      unix  -  -  n  -   -  lmtp
anvil     unix  -  -  n  -   1  anvil
scache    unix  -  -  n  -   1  scache
postlog   unix-dgram n - n - 1  postlogd
"""


def version() -> tuple[int, int]:
    """Of the Postfix that is installed; (0, 0): there is none."""
    try:
        done = subprocess.run([SBIN / "postconf", "-dh", "mail_version"], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return 0, 0
    major, minor, *_ = re.split(r"\D+", done.stdout)
    return int(major), int(minor)


class RealPostfix:
    """One instance below a directory; smtpd listens on port of 127.0.0.1."""

    def __init__(self, top: Path, main_cf: str, master_cf: str) -> None:
        self.top = top
        self.config, self.queue = top / "etc", top / "queue"
        self.port = free_port()
        for name in ("etc", "queue", "data", "log", "mail"):
            (top / name).mkdir(mode=0o755)
            (top / name).chmod(0o755)
        owner = pwd.getpwnam("postfix")
        for name in ("data", "mail"):
            os.chown(top / name, owner.pw_uid, owner.pw_gid)
        names = {"top": top, "port": self.port, "uid": owner.pw_uid, "gid": owner.pw_gid}
        for file, text in (("main.cf", _merged(main_cf)), ("master.cf", MASTER_CF + master_cf)):
            for name, value in names.items():
                text = text.replace("{" + name + "}", str(value))
            (self.config / file).write_text(text)

    def command(self, name: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run one of its commands on this instance."""
        environment = {**os.environ, "MAIL_CONFIG": str(self.config)}
        line = [str(SBIN / name), *words]
        return subprocess.run(
            line, check=False, env=environment, input=stdin, capture_output=True, timeout=30
        )

    def start(self, resolv_conf: str = "") -> None:
        """Start it and wait until it listens. resolv_conf: a file that it sees as /etc/resolv.conf."""
        done = self._start_with(resolv_conf) if resolv_conf else self.command("postfix", "start")
        assert done.returncode == 0, done.stderr
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        pytest.fail("real Postfix does not listen: " + self.log())

    def _start_with(self, resolv_conf: str) -> subprocess.CompletedProcess[bytes]:
        """In a mount namespace of its own."""
        script = f"mount --bind {resolv_conf} /etc/resolv.conf && MAIL_CONFIG={self.config} {SBIN}/postfix start"
        line = ["unshare", "--mount", "sh", "-c", script]
        return subprocess.run(line, check=False, capture_output=True, timeout=30)

    def stop(self) -> None:
        """Stop it, if it runs; by its master's pid if it does not listen."""
        try:
            self.command("postfix", "stop")
        except subprocess.TimeoutExpired:
            os.kill(int((self.queue / "pid/master.pid").read_text()), signal.SIGKILL)

    def log(self) -> str:
        """Its log so far."""
        path = self.top / "log/maillog"
        return path.read_text(errors="replace") if path.exists() else ""


def _merged(more: str) -> str:
    """The test's settings instead of ours of the same name.

    Each program of Postfix warns of a name that is set twice; at its start that can fill the socket
    of postlogd, which master starts only afterwards: the system hangs.
    """
    settings: dict[str, str] = {}
    for line in re.split(r"\n(?=\S)", f"{MAIN_CF}{more}".strip()):
        settings[line.partition("=")[0].strip()] = line
    return "\n".join(settings.values()) + "\n"


Make = Callable[..., RealPostfix]


@cache
def real_version() -> tuple[int, ...]:
    """Of the installed one, such as (3, 7, 11)."""
    told = subprocess.run([SBIN / "postconf", "-d", "-h", "mail_version"], capture_output=True, text=True, check=True)
    return tuple(int(number) for number in re.findall(r"\d+", told.stdout))


@pytest.fixture
def real_postfix() -> Iterator[Make]:
    """Makes instances (start=False: only its files); stops and removes them at the end."""
    if os.geteuid() != 0:
        pytest.skip("real Postfix needs root")
    if not (SBIN / "postfix").exists():
        pytest.skip("postfix is not installed")
    made: list[RealPostfix] = []

    def make(main_cf: str = "", master_cf: str = "", *, start: bool = True) -> RealPostfix:
        top = Path(tempfile.mkdtemp(prefix="real-postfix-", dir="/tmp"))
        top.chmod(0o755)
        made.append(RealPostfix(top, main_cf, master_cf))
        if start:
            made[-1].start()
        return made[-1]

    yield make
    for peer in made:
        peer.stop()
        shutil.rmtree(peer.top, ignore_errors=True)
