"""postlock - run a command while a mailbox is locked as the mail system locks it

    postlock [-v] [-c DIR] [-l STYLES] FOLDER COMMAND [ARGUMENT ...]

STYLES: of flock, fcntl and dotlock, instead of mailbox_delivery_lock. The folder is made when it is missing.

Exit status: the command's; 1 when it can't be run or dies by a signal; 75 when the folder can't be locked.
Parameters: mailbox_delivery_lock, deliver_lock_attempts, deliver_lock_delay, stale_lock_time.
Sources: postlock(1).
"""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from pyfix.commands import mail_conf
from pyfix.config.params.mail import MailParams
from pyfix.unix import locks, msg

USAGE = "usage: postlock [-c config_dir] [-l lock_style] [-v] folder command..."
EX_TEMPFAIL = 75
STYLES = ("fcntl", "flock", "dotlock")  # in the order in which they are taken
FILE_LOCKS = {"fcntl": locks.fcntl_exclusive, "flock": locks.flock_exclusive}
LETTERS = "c:l:v"


def main(argv: list[str] | None = None) -> int:
    """Lock, run, unlock."""
    try:
        found, command = mail_conf.begin(argv, "postlock", LETTERS, USAGE, pause=False)
        if len(command) < 2:
            msg.fatal(USAGE)
        values = dict(found)
        main_cf = mail_conf.load(values.get("c"))
        text = values.get("l") or main_cf.value("mailbox_delivery_lock") or "fcntl, dotlock"
        held = _locked(command[0], _styles(text), MailParams(main_cf))
        with held:
            return _run(command[1:])
    except msg.Fatal:
        return EX_TEMPFAIL


def _styles(text: str) -> list[str]:
    names = text.replace(",", " ").split()
    for name in names:
        if name not in STYLES:
            msg.fatal(f'unknown mailbox_delivery_lock value "{name}" in "{text}"')
    return [style for style in STYLES if style in names]


@contextmanager
def _locked(folder: str, styles: list[str], cfg: MailParams) -> Iterator[None]:
    """Hold all locks of the folder; those of the open file end with it."""
    with ExitStack() as stack:
        if "dotlock" in styles:
            stale = cfg.stale_lock_time
            place = f"unable to create lock file {folder}.lock"
            _take(lambda: locks.dotlock(folder, stale=stale), folder, (place, errno.EEXIST), cfg)
            stack.callback(locks.dotlock_release, folder)
        fd = _open(folder)
        stack.callback(os.close, fd)
        for style in styles:
            if style in FILE_LOCKS:
                lock = partial(FILE_LOCKS[style], fd)
                _take(lock, folder, ("unable to lock for exclusive access", errno.EAGAIN), cfg)
        yield


def _open(folder: str) -> int:
    try:
        return os.open(folder, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        verb = "create file exclusively" if error.errno == errno.ENOENT else "open file"
        msg.fatal(f"open file {folder}: cannot {verb}: {error.strerror}")


def _take(take: Callable[[], bool], folder: str, failure: tuple[str, int], cfg: MailParams) -> None:
    """Try for deliver_lock_attempts times. failure: in words, and the error when another has it."""
    what, busy = failure
    for attempt in range(cfg.deliver_lock_attempts):
        if attempt:
            time.sleep(cfg.deliver_lock_delay)
        try:
            if take():
                return
        except OSError as error:
            msg.fatal(f"open file {folder}: {what}: {error.strerror}")
    msg.fatal(f"open file {folder}: {what}: {os.strerror(busy)}")


def _run(command: list[str]) -> int:
    """The command's exit status."""
    try:
        pid = os.posix_spawnp(command[0], command, os.environ)
    except OSError as error:
        with suppress(msg.Fatal):
            msg.fatal(f"execvp {command[0]}: {error.strerror}")
        return 1
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1


if __name__ == "__main__":
    sys.exit(main())
