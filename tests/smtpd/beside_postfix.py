"""Settings of one smtpd, given to a real Postfix and to ours, and what both say and log."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.dns.conftest import OWN_ADDRESS, NameServer, Records
from tests.ports import free_port
from tests.real_postfix import version

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = mx.example.com
mydomain = example.com
mydestination = mx.example.com, example.com
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps = inline:{{{{joe=x}},{{ann=x}},{{postmaster=x}}}}
alias_maps =
alias_database =
default_transport = discard:test
local_transport = discard:test
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_soft_error_limit = 900
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_forbid_bare_newline_exclusions =
smtpd_forbid_unauth_pipelining = yes
smtpd_forbidden_commands = CONNECT GET POST regexp:{{{{/^[^A-Z]/ Bogus}}}}
"""
SERVICES = """
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
qmgr unix n - n 300 1 qmgr
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
OTHERWISE = "(dis)?connect from |lost connection " if version() < (3, 10) else "^connect from "
NOT_COMPARED = re.compile(rf"{OTHERWISE}|package installed\?$")  # Debian's hint on tables of packages
QUEUE_ID = re.compile(r"\b(4TEST\d{3}|[0-9A-F]{8,16})\b")
ANSWER = re.compile(rb"(?s)(.*\n)?(?!.21 )\d{3} [^\n]*\n\Z")  # 221, 421, 521: the end follows
PATIENCE = 10.0  # seconds


class Beside:
    """A running Postfix with an smtpd for each name of `settings`: name -> lines of main.cf.

    records: what its DNS knows; None: it has none. main_cf: lines for all its programs. ports: where the smtpd of each
    name listens. directory: holds queue, log and all.
    """

    def __init__(self, settings: Mapping[str, list[str]], records: Records | None = None, main_cf: str = "") -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="beside-", dir="/tmp"))
        self.directory.chmod(0o755)
        for name in ("etc", "queue", "data"):
            (self.directory / name).mkdir()
        shutil.chown(self.directory / "data", "postfix")
        self.ports = {name: free_port() for name in settings}
        self._start = 0
        """Where the log of the last conversation begins."""
        services = [self._service(name, lines) for name, lines in settings.items()]
        (self.directory / "etc/main.cf").write_text(MAIN_CF.format(dir=self.directory) + main_cf)
        (self.directory / "etc/master.cf").write_text("\n".join(services) + SERVICES)
        self.name_server: NameServer | None = None
        if records is None:
            self._postfix("start")
        else:
            self.name_server = NameServer(records, OWN_ADDRESS, 53)
            self._start_with_dns(self.name_server.address[0])

    def _start_with_dns(self, address: str) -> None:
        """Start it where /etc/resolv.conf is another."""
        resolv = self.directory / "resolv.conf"
        resolv.write_text(f"nameserver {address}\noptions timeout:1 attempts:1\n")
        start = f"mount --bind {resolv} /etc/resolv.conf && exec postfix -c {self.directory / 'etc'} start"
        subprocess.run(["unshare", "-m", "sh", "-c", start], check=True, capture_output=True, timeout=60)

    def _service(self, name: str, lines: list[str]) -> str:
        options = "".join(f" -o {{{line}}}" for line in [f"syslog_name = {_tag(name)}", *lines])
        return f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd{options}"

    def _postfix(self, command: str) -> None:
        line = ["postfix", "-c", str(self.directory / "etc"), command]
        subprocess.run(line, check=True, capture_output=True, timeout=60)

    def stop(self) -> None:
        """Stop it and remove its files."""
        self._postfix("stop")
        if self.name_server is not None:
            self.name_server.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def talk(self, name: str, chunks: list[bytes], *, xclient: str = "") -> list[bytes]:
        """The greeting and the answers. xclient: attributes by which the client is another one."""
        log = self.directory / "log"
        self._start = log.stat().st_size if log.exists() else 0
        with socket.create_connection(("127.0.0.1", self.ports[name]), timeout=PATIENCE) as sock:
            answers = [_hear(sock)]
            if xclient:
                sock.sendall(f"XCLIENT {xclient}\r\n".encode())
                answers = [_hear(sock)]
            for chunk in chunks:
                if answers[-1].endswith(b"<EOF>"):
                    break
                sock.sendall(chunk)
                answers.append(_hear(sock))
        return answers

    def log(self, name: str) -> list[str]:
        """What its smtpd has logged of the last conversation, when it has said that the client is gone."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            text = (self.directory / "log").read_bytes()[self._start :].decode(errors="replace")
            lines = re.findall(rf"(?m) {_tag(name)}/smtpd\[\d+\]: (.*)$", text)
            if any(line.startswith("disconnect from ") for line in lines):
                break
            time.sleep(0.02)
        return comparable(lines)


@contextlib.contextmanager
def running(settings: Mapping[str, list[str]], records: Records | None = None, main_cf: str = "") -> Iterator[Beside]:
    """A running Postfix; what would compare with it is skipped where there is none. As Beside."""
    if why_not():
        pytest.skip(why_not())
    beside = Beside(settings, records, main_cf)
    try:
        yield beside
    finally:
        beside.stop()


def ours(server: Callable[..., Any], lines: list[str], chunks: list[bytes], *, patient: bool = False) -> list[bytes]:
    """What our smtpd with these lines of main.cf answers, as Postfix would say it. patient: it asks others first."""
    made = server("".join(f"{line}\n" for line in lines))
    return [like(answer) for answer in made.talk(*chunks, patient=patient)]


def _tag(name: str) -> str:
    return "smtpd-" + re.sub(r"\W", "-", name)


def comparable(lines: list[str]) -> list[str]:
    """Log lines without queue ids, and without those that Postfix before 3.10 words otherwise."""
    return [QUEUE_ID.sub("QUEUEID", line) for line in lines if not NOT_COMPARED.search(line)]


def like(data: bytes) -> bytes:
    """An answer without queue ids, and without the keywords of EHLO: other versions have others."""
    if data.startswith(b"250-"):
        return b"KEYWORDS"
    return re.sub(rb"queued as \w+", b"queued as ID", data)


def _hear(sock: socket.socket) -> bytes:
    heard = b""
    try:
        while not ANSWER.fullmatch(heard):
            data = sock.recv(65536)
            if not data:
                return like(heard) + b"<EOF>"
            heard += data
    except ConnectionError:
        return like(heard) + b"<EOF>"
    return like(heard)


def why_not() -> str:
    """Why there is no real Postfix to compare with; empty: there is."""
    return "" if os.geteuid() == 0 and shutil.which("postfix") else "needs Debian's postfix, and root to start it"
