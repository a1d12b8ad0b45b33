"""instance - a really started mail system, with main.cf and master.cf inline in the test.

    def test_mail_arrives(instance):
        mail = instance(main_cf="message_size_limit = 1000", master_cf="")
        with mail.smtp() as client:
            client.sendmail("a@demo.test", ["alice@demo.test"], b"...")
        mail.wait_for(r"status=sent")
        assert len(mail.maildir("alice@demo.test")) == 1

It is what `pyfix new` writes, on a free port, with the test's lines after it (the last
setting of a name counts; a master.cf line replaces the one with its name and type).
"""

import os
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from pyfix.commands import instance as instances
from pyfix.unix import pid_file, users
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 20.0
RUN = "import sys; sys.argv[0] = {0!r}; from pyfix.commands.{0} import main; sys.exit(main())"
"""A command under the name that it has when it is installed."""


class Instance:
    """One mail system below a directory; it runs until stop()."""

    def __init__(self, directory: Path, port: int, user: users.User | None = None) -> None:
        self.directory = directory
        self.port = port
        self.prefix = _become(user) if user is not None else []
        self.config = directory / "etc"
        self.queue = directory / "queue"
        self.owner = user or instances.choose_owner().user

    def command(self, name: str, *arguments: str, stdin: bytes | str | None = None, check: bool = False):
        """Run a command of ours on this instance, by its Postfix name; a CompletedProcess with text."""
        environment = {**os.environ, "MAIL_CONFIG": str(self.config), "PYTHONPATH": str(ROOT)}
        if isinstance(stdin, bytes):
            stdin = stdin.decode("utf-8", "surrogateescape")
        return subprocess.run(
            [*self.prefix, sys.executable, "-c", RUN.format(name), *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=check,
            timeout=50,
        )

    def start(self) -> None:
        done = self.command("postfix", "start")
        assert done.returncode == 0, done.stderr + self.log()

    def reload(self) -> None:
        """Reload, and wait until it has been done."""
        before = self.log().count(": reload -- ")
        self.command("postfix", "reload", check=True)
        self.wait_until(lambda: self.log().count(": reload -- ") > before)

    def stop(self) -> None:
        """Stop, by the pid that its own master wrote."""
        path = str(self.queue / "pid" / "master.pid")
        if pid_file.is_held(path):
            self.command("postfix", "stop")
        assert not pid_file.is_held(path)

    def smtp(self, **options) -> smtplib.SMTP:
        """A connected client."""
        return smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE, **options)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def log(self) -> str:
        """What maillog says so far."""
        path = self.directory / "log" / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for(self, wanted, timeout: float = PATIENCE):
        """Wait until the log matches a regular expression, or a function of its text says something true."""
        search = wanted if callable(wanted) else re.compile(wanted).search
        return self.wait_until(lambda: search(self.log()), timeout)

    def wait_until(self, condition, timeout: float = PATIENCE):
        """Wait for a condition; returns its value."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        pytest.fail("it did not come to pass; the log says:\n" + self.log())

    def maildir(self, address: str) -> list[bytes]:
        """The messages in a demo user's Maildir, in no order."""
        user, _, domain = address.partition("@")
        new = self.directory / "mail" / domain / user / "new"
        return [path.read_bytes() for path in new.iterdir()] if new.is_dir() else []

    def queued(self, queue: str) -> list[str]:
        """The ids in a queue, hashed or not."""
        return [name for _, _, names in os.walk(self.queue / queue) for name in names]

    @property
    def master_pid(self) -> int:
        return pid_file.holder(str(self.queue / "pid" / "master.pid"))

    def pids_of(self, program: str) -> list[int]:
        """Processes of this instance: master, zygote, or a program's workers."""
        master = self.master_pid
        return [pid for pid, parent, name in _processes() if name == program and master in (pid, parent)]

    def pid_of(self, program: str) -> int:
        """The first of them, waited for."""
        return self.wait_until(lambda: self.pids_of(program))[0]

    def edit(self, name: str, text: str) -> None:
        """Add lines to main.cf or master.cf; a master.cf line replaces the one like it."""
        path = self.config / name
        path.write_text((_main_cf if name == "main.cf" else _master_cf)(path.read_text(), text))


def _become(user: users.User) -> list[str]:
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]


def _processes():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            name, _, rest = stat.partition("(")[2].rpartition(")")
            yield int(entry), int(rest.split()[1]), name


def _main_cf(text: str, more: str) -> str:
    names = set(re.findall(r"^(\w+)\s*=", more, re.MULTILINE))
    kept = re.sub(r"^(\w+)\s*=.*\n", lambda m: "" if m[1] in names else m[0], text, flags=re.MULTILINE)
    return kept + more.rstrip() + "\n"


def _master_cf(text: str, more: str) -> str:
    replaced = {tuple(line.split()[:2]) for line in more.splitlines() if line[:1].strip("# \t")}
    kept = [line for line in text.splitlines() if tuple(line.split()[:2]) not in replaced]
    return "\n".join(kept) + "\n" + more.rstrip() + "\n"


@pytest.fixture
def instance_directory():
    """A directory that mail_owner can get to: pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="pyfix-e2e-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def instance(instance_directory):
    """Makes and starts instances; stops them at the end.

    user: for root, whom to be instead (see other_user).
    """
    made: list[Instance] = []

    def make(
        main_cf: str = "",
        master_cf: str = "",
        *,
        start: bool = True,
        domain: str = "demo.test",
        user: users.User | None = None,
    ) -> Instance:
        directory, port = instance_directory / f"i{len(made)}", free_port()
        mail = Instance(directory, port, user)
        if user is not None:
            directory.mkdir(0o755)
            os.chown(directory, user.uid, user.gid)
        address = f"127.0.0.1:{port}"
        mail.command("pyfix", "new", str(directory), "--smtp", address, "--domain", domain, check=True)
        made.append(mail)
        _write(mail, main_cf, master_cf)
        if start:
            mail.start()
        return mail

    yield make
    for mail in made:
        mail.stop()


def _write(mail: Instance, main_cf: str, master_cf: str) -> None:
    """The test's lines; `demo` users alice and bob are there, others by vmailbox."""
    names = {"port": mail.port, "directory": mail.directory, "uid": mail.owner.uid, "gid": mail.owner.gid}
    for name, text in (("main.cf", main_cf), ("master.cf", master_cf)):
        for key, value in names.items():
            text = text.replace("{" + key + "}", str(value))
        if text.strip():
            mail.edit(name, text)


@pytest.fixture
def other_user() -> users.User:
    """For root: an ordinary user to run as."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return users.user("nobody")
