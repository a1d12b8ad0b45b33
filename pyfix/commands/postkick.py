"""postkick - send a request to a service, for scripts

    postkick [-v] [-c DIR] CLASS SERVICE REQUEST

CLASS: public or private. The service gets the letters of REQUEST, as from any trigger client.

Exit status: 0; 1 when the service can't be reached.
Parameters: queue_directory. Sources: postkick(1).
"""

import os
import socket
import sys

from pyfix.commands import mail_conf
from pyfix.config.params.mail import MailParams
from pyfix.unix import msg

USAGE = "usage: postkick [-c config_dir] [-v] class service request"
CLASSES = frozenset({"public", "private"})


def main(argv: list[str] | None = None) -> int:
    """Send it."""
    found, operands = mail_conf.begin(argv, "postkick", "c:v", USAGE)
    if len(operands) != 3:
        msg.fatal(USAGE)
    kind, service, request = operands
    cfg = MailParams(mail_conf.load(dict(found).get("c")))
    if kind not in CLASSES:
        msg.fatal(f"unknown class: {kind}")
    try:
        _kick(os.path.join(cfg.queue_directory, kind, service), request, cfg.trigger_timeout)
    except OSError as error:
        why = "unable to look up" if isinstance(error, FileNotFoundError) else "connect to"
        msg.warning(f"{why} {kind}/{service}: {error.strerror}")
        msg.warning(f"Cannot contact class {kind} service {service} - perhaps the mail system is down")
        return 1
    return 0


def _kick(path: str, request: str, timeout: float) -> None:
    """OSError: the service is not there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        sock.sendall(request.encode("utf-8", "surrogateescape") + b"\0")


if __name__ == "__main__":
    sys.exit(main())
