"""kick - tell a service once that there is work, for commands

See trigger for the letters, and for daemons, which keep a connection.

Imports nothing that takes time.
"""

import _socket
import _stat as stat
import posix as os  # os itself would be a tenth of what sendmail takes


class UnreachableError(Exception):
    """The service is not there; str() says so in Postfix's words."""


def kick(queue_directory: str, place: str, letters: bytes, timeout: float = 10.0) -> None:
    """Send letters to the service at `place`, such as public/qmgr. timeout: seconds. UnreachableError."""
    path = f"{queue_directory}/{place}"
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise UnreachableError(f"unable to look up {place}: {error.strerror}") from None
    try:
        if stat.S_ISFIFO(mode):
            from pyfix.unix import fifo  # of an older release

            fifo.write(path, letters)
        else:
            _send(path, letters + b"\0", timeout)
    except OSError as error:
        raise UnreachableError(f"connect to {place}: {error.strerror or error}") from None


def _send(path: str, data: bytes, timeout: float) -> None:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(path)
        sock.send(data)
    finally:
        sock.close()
