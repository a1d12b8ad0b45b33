"""instance - a mail system of the benchmark's own, pyfix or real Postfix, from one configuration

Each lives in a folder of its own with its own queue, listens on a loopback port, and is
stopped by its own `postfix stop`. Real Postfix needs root.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import measure

MASTER_CF = """\
{host}:{port} inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""

MAIN_CF = {
    "compatibility_level": "3.6",
    "queue_directory": "{top}/spool",
    "data_directory": "{top}/data",
    "mail_owner": "{owner}",
    "setgid_group": "{group}",
    "maillog_file": "{top}/log/maillog",
    "maillog_file_prefixes": "{top}",
    "myhostname": "bench.example",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "virtual_mailbox_domains": "bench.test",
    "virtual_mailbox_base": "{top}/mail",
    "virtual_mailbox_maps": "static:user/",
    "virtual_uid_maps": "static:{uid}",
    "virtual_gid_maps": "static:{gid}",
    "virtual_minimum_uid": "1",
    "smtpd_client_connection_count_limit": "0",
    "alias_maps": "",
    "local_recipient_maps": "",
}

GET_FLAGS, SET_FLAGS, TOP_DIRECTORY = 0x80086601, 0x40086602, 0x20000  # linux/fs.h

PATIENCE = 60.0
"""Seconds in which a running system must show some progress, or have started or stopped."""


class Missing(Exception):
    """Mail is missing, came twice, or a system did not start: the benchmark fails."""


@dataclass(frozen=True)
class Kind:
    """Which mail system: its name in reports, and where its commands are."""

    name: str
    commands: tuple[Path, ...]

    def command(self, name: str) -> str:
        """The path of one of its commands."""
        for folder in self.commands:
            if (folder / name).exists():
                return str(folder / name)
        raise Missing(f"{self.name} has no command {name}")


PYFIX = Kind("pyfix", (Path(sys.executable).parent,))


def real_postfix(named: str | None = None) -> Kind | None:
    """Debian's Postfix, or the one whose `postfix` is named; None if not installed, or not root."""
    found = named or shutil.which("postfix", path="/usr/sbin:/usr/local/sbin")
    if found is None or os.geteuid() != 0:
        return None
    top = Path(found).parent
    return Kind("postfix", (top, top.with_name("bin")))


@dataclass
class Section:
    """What was done between two moments: how many messages (or recipients), seconds, CPU seconds."""

    units: int
    seconds: float = 0.0
    cpu: float = 0.0


class Instance:
    """A mail system below `top`; smtpd listens on `port`. A context, at whose end it is stopped and removed.

    observer: entered around each measured section, with this instance and the number of messages.
    """

    def __init__(self, kind: Kind, settings: dict[str, str], services: str = "") -> None:
        self.kind = kind
        self._folder = Path(tempfile.mkdtemp(prefix=f"bench-{kind.name}-"))
        self._folder.chmod(0o755)
        _spread(self._folder)
        self.top = self._folder / self._folder.name
        self.port = free_port()
        self.start_seconds = 0.0
        self.observer: Callable[[Instance, int], contextlib.AbstractContextManager[object]] | None = None
        self._group = measure.Group(f"bench-{kind.name}")
        self._log_at = 0
        self._sent = 0
        self._write(settings, services)

    @property
    def conf(self) -> Path:
        """Its configuration directory."""
        return self.top / "conf"

    @property
    def queue(self) -> Path:
        """Its queue directory."""
        return self.top / "spool"

    def _write(self, settings: dict[str, str], services: str) -> None:
        owner = pwd.getpwnam("postfix") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        group = "postdrop" if os.geteuid() == 0 else str(owner.pw_name)
        for name in ("", "conf", "spool", "data", "log", "mail"):
            (self.top / name).mkdir()
            (self.top / name).chmod(0o755)
        for name in ("data", "mail"):
            os.chown(self.top / name, owner.pw_uid, owner.pw_gid)
        names = {"top": self.top, "owner": owner.pw_name, "group": group, "uid": owner.pw_uid, "gid": owner.pw_gid}
        lines = [f"{key} = {value}".format(**names) for key, value in {**MAIN_CF, **settings}.items()]
        (self.conf / "main.cf").write_text("\n".join(lines) + "\n")
        (self.conf / "master.cf").write_text(_merged(MASTER_CF, services).format(host="127.0.0.1", port=self.port))

    def environment(self) -> dict[str, str]:
        """What its commands run with; nothing that changes how Python runs."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**plain, "MAIL_CONFIG": str(self.conf)}

    def command(self, name: str, *words: str, stdin: bytes = b"") -> bytes:
        """Run one of its commands; its output."""
        return self.run(name, *words, stdin=stdin).stdout

    def run(self, name: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run one of its commands. Missing, with what it said, if it fails."""
        line = [self.kind.command(name), *words]
        environment = self.environment()
        join = self._group.join if name == "postfix" else None
        wait = 10 * PATIENCE
        done = subprocess.run(
            line, check=False, env=environment, input=stdin, capture_output=True, timeout=wait, preexec_fn=join
        )
        if done.returncode:
            raise Missing(f"{self.kind.name}: {name} {' '.join(words)} failed: {done.stderr.decode()[-500:]}")
        return done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if (self.queue / "pid/master.pid").exists():
                self.stop()
        finally:
            self._group.remove()
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it; start_seconds is the time until its greeting."""
        begin = time.monotonic()
        self.command("postfix", "start")
        wait_for(self._answers, PATIENCE, f"{self.kind.name} does not answer on port {self.port}")
        self.start_seconds = time.monotonic() - begin

    def stop(self) -> None:
        """Stop it, by its own command; by its master's pid if that hangs or fails."""
        try:
            self.run("postfix", "stop")
        except (Missing, subprocess.TimeoutExpired):
            with contextlib.suppress(OSError, ValueError):
                os.kill(self.master_pid, signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
                return sock.recv(100).startswith(b"220")
        except OSError:
            return False

    @property
    def master_pid(self) -> int:
        """The process whose descendants are this mail system."""
        return int((self.queue / "pid/master.pid").read_text())

    def cpu_seconds(self) -> float:
        """CPU that the system has used until now."""
        used = self._group.cpu_seconds()
        return measure.cpu_seconds(self.master_pid) if used is None else used

    def pss_mb(self) -> float:
        """Its proportional memory now, in MB."""
        return measure.pss_mb(self.master_pid)

    @contextlib.contextmanager
    def section(self, units: int) -> Iterator[Section]:
        """Measure what is done in it."""
        section = Section(units)
        with self.observer(self, units) if self.observer else contextlib.nullcontext():
            cpu, begin = self.cpu_seconds(), time.monotonic()
            yield section
            section.seconds = time.monotonic() - begin
            section.cpu = self.cpu_seconds() - cpu

    def sent(self) -> int:
        """How many recipients the log has as status=sent."""
        with open(self.top / "log/maillog", "rb") as log:
            log.seek(self._log_at)
            new = log.read()
        complete = new.rfind(b"\n") + 1
        self._log_at += complete
        self._sent += new.count(b" status=sent ", 0, complete)
        return self._sent

    def wait_sent(self, wanted: int, patience: float = PATIENCE) -> None:
        """Wait until exactly so many recipients have their mail; Missing when nothing moves any more."""
        wait_for_count(self.sent, wanted, patience, f"{self.kind.name}: deliveries")

    def delivered(self) -> int:
        """How many messages are in the Maildir."""
        new = self.top / "mail/user/new"
        return len(os.listdir(new)) if new.is_dir() else 0

    def queued(self, *names: str) -> int:
        """How many messages are in these queues."""
        return sum(len(files) for name in names for _, _, files in os.walk(self.queue / name))

    def wait_empty(self) -> None:
        """Wait until no message is in the queue."""
        names = ("maildrop", "incoming", "active", "deferred", "corrupt")
        wait_for_count(lambda: self.queued(*names), 0, PATIENCE / 4, f"{self.kind.name}: messages that stay queued")


def _spread(folder: Path) -> None:
    """Have ext4 put each directory below `folder` far from everything else (chattr +T).

    Without a journal, a new file passes over every inode of its neighbourhood that was deleted before:
    after a round with thousands of messages that costs the next round a millisecond for each. Where a
    directory comes to lie its name decides: no two may be called the same.
    """
    fd = os.open(folder, os.O_RDONLY)
    try:
        flags = int.from_bytes(fcntl.ioctl(fd, GET_FLAGS, bytes(8)), sys.byteorder)
        fcntl.ioctl(fd, SET_FLAGS, (flags | TOP_DIRECTORY).to_bytes(8, sys.byteorder))
    except OSError:
        pass  # another file system
    finally:
        os.close(fd)


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _merged(services: str, more: str) -> str:
    """master.cf lines; one of `more` replaces that of the same name and type."""
    lines = {tuple(line.split()[:2]): line for line in (services + more).splitlines() if line.strip()}
    return "\n".join(lines.values()) + "\n"


def wait_for(condition: Callable[[], bool], seconds: float, complaint: str) -> None:
    """Wait until condition() holds; Missing when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Missing(complaint)
        time.sleep(0.005)


def wait_for_count(count: Callable[[], int], wanted: int, patience: float, what: str) -> None:
    """Wait until count() is `wanted`; Missing when it is over that, or does not change for `patience` seconds."""
    seen, since = count(), time.monotonic()
    while seen != wanted:
        time.sleep(0.005)
        if (now := count()) != seen:
            seen, since = now, time.monotonic()
        if 0 < wanted < seen or time.monotonic() - since > patience:
            raise Missing(f"{what}: {seen} instead of {wanted}")
