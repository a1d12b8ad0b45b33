"""submit - hand a message to the mail system: into maildrop, or to the postdrop service

| the caller may write maildrop (root, mail_owner, setgid_group) | a durable file there; then pickup is woken  |
| he may not                                                     | a connection to public/postdrop            |

No program is set-gid: a script can't be. While the mail system is down, public/postdrop-standby is tried, which systemd
holds where postfix-postdrop.socket is enabled. Where nothing is possible the caller hears UnavailableError, and may try
again.

Imports nothing that takes time: sendmail is called in loops.

Parameters: queue_directory, pickup_service_name. See also: queue-file sheet section 6.
"""

import _socket
import posix as os  # os itself would be a tenth of what sendmail takes
import time

from pyfix.clients.compose import TIME, record
from pyfix.clients.kick import UnreachableError, kick
from pyfix.unix.mounts import keeps_new_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Submission(Protocol):
        """A message on its way."""

        queue_id: str

        def write(self, records: bytes) -> None:
            """Add records, whole or not. OSError."""

        def finish(self) -> str:
            """It is complete, and durable on return; returns why nobody could be told, or "". OSError, RefusedError."""

        def cancel(self) -> None:
            """Nothing of it stays."""


STANDBY = "postdrop-standby"
"""Socket of conf/postfix-postdrop.socket."""


class UnavailableError(Exception):
    """There is no way into the mail system now; str() says why."""


class RefusedError(Exception):
    """The mail system does not take it. status: bits of the cleanup service; str(): why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def begin(queue_directory: str, *, long_ids: bool = False) -> "Submission":
    """A message on its way. UnavailableError."""
    try:
        return MaildropFile(queue_directory, long_ids=long_ids)
    except PermissionError:
        return _hand_over(queue_directory)
    except OSError as error:
        raise UnavailableError(f"create file in {queue_directory}/maildrop: {error.strerror}") from None


def _hand_over(queue_directory: str) -> "Handed":
    """To the service of the running suite, else to the one that systemd starts when it does not run."""
    try:
        return Handed(f"{queue_directory}/public/postdrop")
    except UnavailableError as error:
        try:
            return Handed(f"{queue_directory}/public/{STANDBY}")
        except UnavailableError:
            raise error from None


class MaildropFile:
    """A file in maildrop. Its time record is written here."""

    READY = 0o744  # so that pickup, another user, may read it

    def __init__(self, queue_directory: str, *, long_ids: bool = False) -> None:
        self._directory = f"{queue_directory}/maildrop"
        self._queue_directory = queue_directory
        seconds, micro = divmod(time.time_ns() // 1000, 1000000)
        temporary, fd = _create(self._directory)
        self._fd = fd
        self._path = temporary
        self._time = record(TIME, b"%d %d" % (seconds, micro))
        try:
            inode = os.fstat(fd).st_ino
            self.queue_id = _long_id(seconds, micro, inode) if long_ids else f"{micro:05X}{inode:X}"
            path = f"{self._directory}/{self.queue_id}"
            os.link(temporary, path)  # never takes another file's name
            self._path = path
            os.unlink(temporary)
        except BaseException:
            self.cancel()
            raise

    def write(self, records: bytes) -> None:
        """Add records. OSError."""
        records, self._time = self._time + records, b""
        while records:
            records = records[os.write(self._fd, records) :]

    def finish(self) -> str:
        """Make it durable, then let pickup know. OSError."""
        os.fchmod(self._fd, self.READY)
        os.fsync(self._fd)
        _sync_name(self._directory)
        os.close(self._fd)
        self._fd = -1
        try:
            kick(self._queue_directory, "public/pickup", b"W", 1.0)
        except UnreachableError as error:
            return str(error)
        return ""

    def cancel(self) -> None:
        """Take the file away."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        try:  # noqa: SIM105 - contextlib would have to be imported
            os.unlink(self._path)
        except OSError:
            pass


def _create(directory: str) -> tuple[str, int]:
    """A new file under a name that is no queue id. OSError."""
    while True:
        path = f"{directory}/{time.time_ns() // 1000 % 1000000}.{os.getpid()}"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        os.fchmod(fd, 0o644)
        return path, fd


def _sync_name(directory: str) -> None:
    """Make the file's name durable, where its own fsync has not done that already. OSError.

    Whoever may not read the directory trusts the file system's journal. An fsync that is not needed would wait for
    the disk once more: pickup takes names away all the time.
    """
    if keeps_new_names(directory):
        return
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _long_id(seconds: int, micro: int, inode: int) -> str:
    from pyfix.queue.names import long_id

    return long_id(seconds, micro, inode)


class Handed:
    """A message on a connection to the postdrop service."""

    def __init__(self, path: str) -> None:
        self._sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._rest = b""
        try:
            self._sock.connect(path)
            greeting = self._receive()
        except OSError as error:
            self._sock.close()
            raise UnavailableError(f"connect to {path}: {error.strerror or error}") from None
        if greeting.get("protocol") != "postdrop_protocol":
            raise RefusedError(int(greeting.get("status", "2")), greeting.get("reason", ""))
        self.queue_id = greeting["queue_id"]

    def write(self, records: bytes) -> None:
        """Send records. OSError."""
        try:
            self._sock.sendall(records)
        except BrokenPipeError:  # it may have said why
            self.finish()
            raise

    def finish(self) -> str:
        """Wait for the verdict. OSError, RefusedError."""
        answer = self._receive()
        if answer.get("status") != "0":
            raise RefusedError(int(answer.get("status", "2")), answer.get("reason", ""))
        self._sock.close()
        return ""

    def cancel(self) -> None:
        """Hang up before the end."""
        self._sock.close()

    def _receive(self) -> dict[str, str]:
        """One attribute list. ConnectionResetError: the server has gone."""
        while b"\0\0" not in self._rest:
            data = self._sock.recv(4096)
            if not data:
                raise ConnectionResetError("lost connection with the postdrop service")
            self._rest += data
        # the last value may be empty: then its own end, and the list's, and no more
        words = self._rest.decode("utf-8", "surrogateescape").split("\0")
        self._rest = b""
        return dict(zip(words[0::2], words[1::2], strict=False))
