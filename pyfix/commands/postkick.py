"""postkick - send a request to a service, for scripts

    postkick [-v] [-c DIR] CLASS SERVICE REQUEST

CLASS: public or private. The service gets the letters of REQUEST, as from any trigger client.

Exit status: 0; 1 when the service can't be reached.
Parameters: queue_directory, trigger_timeout. Sources: postkick(1).
"""

import sys

from pyfix.clients.kick import UnreachableError, kick
from pyfix.commands import mail_conf
from pyfix.config.params.mail import MailParams
from pyfix.unix import msg

USAGE = "usage: postkick [-c config_dir] [-v] class service request"


def main(argv: list[str] | None = None) -> int:
    """Send it."""
    found, operands = mail_conf.begin(argv, "postkick", "c:v", USAGE)
    if len(operands) != 3:
        msg.fatal(USAGE)
    kind, service, request = operands
    cfg = MailParams(mail_conf.load(dict(found).get("c")))
    letters = request.encode("utf-8", "surrogateescape")
    try:
        msg.debug(f"connect to subsystem {kind}/{service}")
        kick(cfg.queue_directory, f"{kind}/{service}", letters, cfg.trigger_timeout)
    except UnreachableError as error:
        msg.warning(str(error))
        msg.warning(f"Cannot contact class {kind} service {service} - perhaps the mail system is down")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
