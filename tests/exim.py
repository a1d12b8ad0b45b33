"""exim - Debian's exim4 as a mail system of the test's own, to talk to in both directions

    def test_something(exim):
        peer = exim(smart_host_port)      # mail for other domains goes there
        peer.port, peer.mailbox(), peer.log(), peer.command("-bp")

`make peers` unpacks it. It runs as Debian-exim from the start, so that it needs no set-uid program.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

PROGRAM = Path(__file__).parent.parent / ".peers/exim4/usr/sbin/exim4"
USER = "Debian-exim"

CONFIG = """\
exim_path = {top}/exim4
spool_directory = {top}/spool
log_file_path = {top}/log/%slog
log_selector = +smtp_confirmation +received_recipients +pipelining +pid
primary_hostname = exim.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
deliver_drop_privilege
rfc1413_hosts =
host_lookup =
tls_advertise_hosts =
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
keep_environment =
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data

begin acl
mail:
  deny  senders = bob@*
        message = no mail from you
  accept
rcpt:
  deny  local_parts = refused
        message = no such person
  defer local_parts = busy
        message = come back later
  require verify = recipient/callout=20s
  accept
data:
  deny  condition = ${if eq{$h_x-refuse:}{data}}
        message = no such content
  defer condition = ${if eq{$h_x-refuse:}{later}}
        message = not now
  accept

begin routers
here:
  driver = accept
  domains = exim.test
  transport = mailbox
out:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = out

begin transports
mailbox:
  driver = appendfile
  directory = {top}/mail
  maildir_format
  envelope_to_add
  return_path_add
out:
  driver = smtp
  port = {smart_host}
  hosts_try_chunking = {chunking}
  hosts_try_fastopen = !*

begin retry
* * F,2h,1m
"""


class Exim:
    """One system below a directory, user Debian-exim's; it listens on port of 127.0.0.1."""

    def __init__(self, top: Path, smart_host: int, chunking: str) -> None:
        self.top = top
        self.port = free_port()
        shutil.copy(PROGRAM, top / "exim4")
        config = CONFIG
        for name, value in {"top": top, "port": self.port, "smart_host": smart_host, "chunking": chunking}.items():
            config = config.replace("{" + name + "}", str(value))
        (top / "config").write_text(config)
        self._daemon: subprocess.Popen[bytes] | None = None

    def _line(self, *words: str) -> list[str]:
        user = pwd.getpwnam(USER)
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        return [*become, str(self.top / "exim4"), "-C", str(self.top / "config"), *words]

    def command(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run exim on it: -bp, -qff, -i address, ..."""
        return subprocess.run(self._line(*words), check=False, input=stdin, capture_output=True, timeout=30)

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._daemon = subprocess.Popen(self._line("-bdf", "-q1h"), stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while time.monotonic() < end and self._daemon.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        pytest.fail("exim does not listen: " + self.log())

    def stop(self) -> None:
        """Stop the daemon."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(10)

    def log(self, name: str = "main") -> str:
        """Its log so far: main, reject or panic."""
        path = self.top / f"log/{name}log"
        return path.read_text(errors="replace") if path.exists() else ""

    def mailbox(self) -> list[bytes]:
        """All messages for users of exim.test; Envelope-to says for whom each is."""
        new = self.top / "mail/new"
        return [path.read_bytes() for path in new.iterdir()] if new.is_dir() else []


Make = Callable[..., Exim]


@pytest.fixture
def exim() -> Iterator[Make]:
    """Makes and starts them; stops and removes them at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: to become Debian-exim")
    if not PROGRAM.exists():
        pytest.skip("exim4 is not unpacked (make peers)")
    made: list[Exim] = []

    def make(smart_host: int = 9, chunking: str = "*") -> Exim:
        top = Path(tempfile.mkdtemp(prefix="exim-", dir="/tmp"))
        shutil.chown(top, USER, USER)
        top.chmod(0o755)
        made.append(Exim(top, smart_host, chunking))
        made[-1].start()
        return made[-1]

    yield make
    for peer in made:
        peer.stop()
        shutil.rmtree(peer.top, ignore_errors=True)
