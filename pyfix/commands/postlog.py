"""postlog - puts lines of scripts into the mail log

    postlog [-iv] [-c config_dir] [-p priority] [-t tag] [text ...]

The words are one line; without words each line of standard input is one. Standard error shows the lines too: a
terminal under the tag, anything else under the command's own.
Priorities: info (the default), warn, error, fatal, panic. After fatal and panic it waits a second.

While the mail system is down it writes maillog_file itself.

Exit status: 0; 1 when it can't log as asked, or may not write that file.
Parameters: maillog_file, syslog_name, syslog_facility, postlog_service_name. Sources: postlog(1).
"""

import sys
from collections.abc import Iterator
from contextlib import suppress

from pyfix.commands import mail_conf
from pyfix.config.params.mail import MailParams
from pyfix.server import log
from pyfix.unix import msg
from pyfix.unix.maillog_client import Syslog

USAGE = "usage: postlog [-c config_dir] [-i] [-p priority] [-t tag] [-v] [text]"
PRIORITIES = {
    "info": msg.info,
    "warn": msg.warning,
    "warning": msg.warning,
    "error": msg.error,
    "err": msg.error,
    "fatal": msg.fatal,
    "crit": msg.fatal,
    "panic": msg.panic,
}


def main(argv: list[str] | None = None) -> int:
    """Log the words, or the lines of standard input."""
    msg.to(Syslog("postfix/postlog"), msg.stderr_sink("postfix/postlog"))
    found, words = mail_conf.begin(argv, "postlog", "c:ip:t:v", USAGE, stderr=False)
    options = dict(found)
    main_cf = mail_conf.load(options.get("c"))
    tag = options.get("t") or log.tag(main_cf, "postlog")
    own = log.tag(main_cf, "postlog")
    msg.to(Syslog(own, MailParams(main_cf).syslog_facility), msg.stderr_sink(own))
    say = PRIORITIES.get(options.get("p", "info").lower())
    if say is None:
        msg.fatal(f'bad severity: "{options["p"]}"')
    msg.to(msg.stderr_sink(tag if msg.on_terminal() else own), log.administrators(main_cf, tag))
    for text in [" ".join(words)] if words else _input():
        with suppress(msg.Fatal):
            say(text)
    log.close()
    return 0


def _input() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.rstrip(b"\n").decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    sys.exit(main())
