"""instance - a mail system of the benchmark's own, pyfix or real Postfix, from one configuration

Each lives in a folder of its own with its own queue, listens on a loopback port, and is
stopped by its own `postfix stop`. Real Postfix needs root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MASTER_CF = """\
{host}:{port} inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       n       -       1       anvil
postlog   unix-dgram n  -       n       -       1       postlogd
"""

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {top}/spool
data_directory = {top}/data
mail_owner = {owner}
setgid_group = {group}
maillog_file = {top}/log/maillog
maillog_file_prefixes = {top}
myhostname = bench.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = bench.test
virtual_mailbox_base = {top}/mail
virtual_mailbox_maps = static:user/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_client_connection_count_limit = 0
alias_maps =
local_recipient_maps =
"""


def free_port() -> int:
    """A loopback port that nobody listens on right now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Kind:
    """Which mail system: its name in reports, and the words that start its commands."""

    name: str
    postfix: tuple[str, ...]
    extra: str = ""


PYFIX = Kind("pyfix", (sys.executable, "-m", "pyfix.commands.postfix"))


def real_postfix() -> Kind | None:
    """Debian's Postfix, when it is installed and may be started."""
    found = shutil.which("postfix", path="/usr/sbin:/usr/local/sbin")
    if found is None or os.geteuid() != 0:
        return None
    daemons = Path("/usr/lib/postfix/sbin")
    extra = f"daemon_directory = {daemons}\nshlib_directory = /usr/lib/postfix\n" if daemons.is_dir() else ""
    return Kind("postfix", (found,), extra)


class Instance:
    """A started mail system below `top`; port is where its smtpd listens."""

    def __init__(self, kind: Kind, top: Path) -> None:
        self.kind = kind
        self.top = top
        self.port = free_port()
        owner = pwd.getpwnam("postfix") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        for name in ("conf", "spool", "data", "log", "mail"):
            (top / name).mkdir(parents=True)
            (top / name).chmod(0o755)
        for name in ("data", "mail"):
            os.chown(top / name, owner.pw_uid, owner.pw_gid)
        group = "postdrop" if os.geteuid() == 0 else str(owner.pw_name)
        ids = {"owner": owner.pw_name, "group": group, "uid": owner.pw_uid, "gid": owner.pw_gid}
        main_cf = MAIN_CF.format(top=top, **ids)
        (top / "conf/main.cf").write_text(main_cf + kind.extra)
        (top / "conf/master.cf").write_text(MASTER_CF.format(host="127.0.0.1", port=self.port))

    def command(self, *words: str) -> None:
        """Run one postfix command of this system."""
        line = [*self.kind.postfix, "-c", str(self.top / "conf"), *words]
        subprocess.run(line, check=True, capture_output=True)

    def __enter__(self) -> Self:
        self.command("start")
        try:
            wait_for(self._answers, 20, f"{self.kind.name} does not answer on port {self.port}")
        except BaseException:
            self.command("stop")
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.command("stop")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
                return sock.recv(100).startswith(b"220")
        except OSError:
            return False

    @property
    def master_pid(self) -> int:
        """The process whose descendants are this mail system."""
        return int((self.top / "spool/pid/master.pid").read_text())

    def delivered(self) -> int:
        """How many messages are in the Maildir."""
        new = self.top / "mail/user/new"
        return len(os.listdir(new)) if new.is_dir() else 0


def wait_for(condition: object, seconds: float, complaint: str) -> None:
    """Wait until condition() holds; RuntimeError when it does not in time."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(complaint)
        time.sleep(0.02)
