"""postsuper - delete, hold, release, requeue or expire messages; put the queue in order

    postsuper [-psSv] [-c DIR] [-d ID] [-e ID] [-f ID] [-h ID] [-H ID] [-r ID] [QUEUE ...]

-d        delete                           -H    release from hold, to deferred
-e        expire at the next try           -r    requeue, by way of maildrop
-f        expire, and release from hold    -p    remove what crashes left behind
-h        put on hold                      -s -S put files where they belong

ID is a queue id, ALL, or - for ids on standard input, and may be given several times. ALL finds messages also
where hash_queue_names or hash_queue_depth no longer want them. QUEUE limits where messages are looked for; in
maildrop they can only be deleted. Without an option it does -s -p.

Privileges: root, who becomes mail_owner, or mail_owner. What is done is told on standard error and logged.
Parameters: queue_directory, mail_owner, hash_queue_names, hash_queue_depth
See also: postsuper(1).
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pyfix.commands import mail_conf
from pyfix.queue.directory import QueueDirectory, is_ready
from pyfix.queue.names import is_valid
from pyfix.queue.repair import purge, repair
from pyfix.queue.report import FORCE_EXPIRE
from pyfix.unix import msg

if TYPE_CHECKING:
    from pyfix.config.main_cf import MainCf
    from pyfix.config.params.mail import MailParams
    from pyfix.unix.users import User

USAGE = (
    "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)]"
    " [-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)]"
    " [-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)]"
    " [-S (redundant structure fix)][-v (verbose)] [queue...]"
)
MESSAGES = ("hold", "incoming", "active", "deferred")
LOGS = ("bounce", "defer", "trace")
QUEUES = ("maildrop", *MESSAGES)
SCANNED = ("defer", "bounce", "maildrop", "incoming", "active", "deferred", "hold", "flush")
_DIRECTORIES = frozenset({*SCANNED, "trace"})
_LETTERS = "c:d:e:f:h:H:pr:sSv"
_ASKING = frozenset("defhHr")


def _delete(queue: QueueDirectory, path: str) -> bool:
    queue_id = os.path.basename(path)
    return _delete_with(path, [queue.path(log, queue_id) for log in LOGS])


def _delete_with(path: str, logs: Iterable[str]) -> bool:
    """The logs first: without their message they would wait for another of that id."""
    if not os.path.lexists(path):
        return False
    _delete_files(logs)
    os.unlink(path)
    return True


def _delete_files(paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _delete_each(queue: QueueDirectory) -> "Do":
    """_delete() for many: asks only for logs that are there, wherever that is."""
    logs = _all_logs(queue)

    def delete(_: QueueDirectory, path: str) -> bool:
        return _delete_with(path, logs.get(os.path.basename(path), ()))

    return delete


def _delete_late_logs(queue: QueueDirectory, deleted: Iterable[str]) -> None:
    """Those that were begun since _delete_each() looked."""
    logs = _all_logs(queue)
    for queue_id in logs.keys() & set(deleted):
        _delete_files(logs[queue_id])


def _all_logs(queue: QueueDirectory) -> dict[str, list[str]]:
    """The logs of each id."""
    logs: dict[str, list[str]] = {}
    for log in LOGS:
        with suppress(FileNotFoundError):
            for path in queue.scan_paths(log):
                logs.setdefault(os.path.basename(path), []).append(path)
    return logs


def _hold(queue: QueueDirectory, path: str) -> bool:
    queue.move(path, "hold")
    return True


def _release(queue: QueueDirectory, path: str) -> bool:
    queue.move(path, "deferred")
    return True


def _requeue(queue: QueueDirectory, path: str) -> bool:
    queue.move(path, "maildrop")
    queue.set_time("maildrop", os.path.basename(path), time.time())
    return True


def _expire(_: QueueDirectory, path: str) -> bool:
    status = os.lstat(path)
    if not is_ready(status) or status.st_mode & FORCE_EXPIRE:
        return False
    os.chmod(path, status.st_mode & 0o777 | FORCE_EXPIRE)
    return True


Do = Callable[[QueueDirectory, str], bool]
"""Does something to the message in the file of this path; False: there was nothing to do."""


class Action(NamedTuple):
    """What is done to a message, how one and how all are told of, and to which queues' messages it may be done."""

    do: Do
    done: str
    total: str
    queues: tuple[str, ...]


ACTIONS = {  # in the order in which totals are told
    "r": Action(_requeue, "requeued", "Requeued", MESSAGES),
    "d": Action(_delete, "removed", "Deleted", QUEUES),
    "e": Action(_expire, "expired", "Force-expired", MESSAGES),
    "h": Action(_hold, "placed on hold", "Placed on hold", ("incoming", "active", "deferred")),
    "H": Action(_release, "released from hold", "Released from hold", ("hold",)),
}


class Work:
    """One run. names: queues from the command line, none: all; letters: of all options."""

    def __init__(self, queue: QueueDirectory, names: tuple[str, ...], letters: set[str]) -> None:
        self._queue = queue
        self._names = names
        asked = letters | ({"e", "H"} if "f" in letters else set())
        self._totals = dict.fromkeys(asked & ACTIONS.keys(), 0)

    def act(self, letter: str, queue_id: str) -> None:
        """Do an action to a message, or to all."""
        action = ACTIONS[letter]
        if queue_id == "ALL":
            self._totals[letter] += self._all(action)
        elif not is_valid(queue_id):
            msg.warning(f"invalid mail queue id: {queue_id}")
        elif any(self._one(action.do, self._queue.path(name, queue_id)) for name in self._queues(action)):
            self._totals[letter] += 1
            msg.info(f"{queue_id}: {action.done}")

    def _queues(self, action: Action) -> list[str]:
        """Where messages are to be looked for."""
        return [name for name in self._names or QUEUES if name in action.queues]

    def _all(self, action: Action) -> int:
        """Do it to all messages, wherever in their queues they are; how many times it was done."""
        deletes = action.do is _delete
        do = _delete_each(self._queue) if deletes else action.do
        done: list[str] = []
        for name in self._queues(action):
            paths = list(self._queue.scan_paths(name))
            done += [path for path in paths if self._one(do, path)]
        if deletes:
            _delete_late_logs(self._queue, map(os.path.basename, done))
            for name in {*self._names}.difference(QUEUES):
                _delete_files(self._queue.scan_paths(name))
        return len(done)

    def _one(self, do: Do, path: str) -> bool:
        try:
            return do(self._queue, path)
        except FileNotFoundError:
            return False
        except FileExistsError as error:
            msg.warning(f"rename file {error.filename}: {error.strerror}")
            return False
        except OSError as error:
            if not os.path.lexists(path):  # a file system that is read-only says that first
                return False
            if do is _expire:
                msg.warning(f"expire file {path}: cannot open file: {error.strerror}")
                return False
            if error.filename2:
                msg.fatal(f"rename file {path} as {error.filename2}: {error.strerror}")
            msg.fatal(f"remove file {error.filename or path}: {error.strerror}")

    def tell(self) -> None:
        """The totals."""
        for letter, action in ACTIONS.items():
            if letter in self._totals:
                msg.info(total(action.total, self._totals[letter]))


def total(what: str, count: int) -> str:
    """Log line: how many messages it was."""
    return f"{what}: {count} message{'' if count == 1 else 's'}"


def main(argv: list[str] | None = None) -> int:
    """Do what the options ask for."""
    found, names = mail_conf.begin(argv, "postsuper", _LETTERS, USAGE)
    letters = {letter for letter, _ in found}
    main_cf = mail_conf.load(dict(found).get("c"))
    from pyfix.server import log

    _enter(main_cf)
    try:
        for name in names:
            if name not in _DIRECTORIES:
                msg.fatal(f"invalid directory name: {name}")
        _run(QueueDirectory.from_config(main_cf), letters, list(_expanded(found)), tuple(names))
    finally:
        log.close()
    return 0


def _run(
    queue: QueueDirectory, letters: set[str], asked: list[tuple[str, str]], names: tuple[str, ...]
) -> None:
    """First the structure, then the messages."""
    if not letters & {"p", "s", "S", *_ASKING}:
        letters |= {"p", "s"}
    if letters & {"p", "s", "S"} or any(value == "ALL" for _, value in asked):
        _require(names or SCANNED)
    if _put_in_order(queue, letters, names or QUEUES) and asked:
        msg.fatal("CHECK YOUR QUEUE IDS AND RE-ISSUE THE COMMAND")
    work = Work(queue, names, letters)
    for letter, queue_id in asked:
        work.act(letter, queue_id)
    work.tell()


def _require(directories: Iterable[str]) -> None:
    """All that are looked through, be there anything to do in them or not."""
    for name in directories:
        if not os.path.isdir(name):
            msg.fatal(f"scan_dir_push: open directory {name}: No such file or directory")
        msg.debug(f"queue: {name}")


def _expanded(found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The actions one by one: - is what standard input says, -f is -e and -H."""
    for letter, value in found:
        if letter not in _ASKING:
            continue
        values = sys.stdin.read().splitlines() if value == "-" else [value]
        for queue_id in values:
            for each in "eH" if letter == "f" else letter:
                yield each, queue_id


def _put_in_order(queue: QueueDirectory, letters: set[str], names: Iterable[str]) -> bool:
    """Options -p and -s; True when messages got other ids."""
    message_queues = [name for name in names if name in QUEUES]
    if "p" in letters:
        for name in message_queues:
            purge(queue, name, before=time.time() - 86400)
    if not letters & {"s", "S"}:
        return False
    renamed = repair(queue, message_queues, long_too="S" in letters, failed=_incomplete)
    if renamed:
        msg.info(total("Renamed to match inode number", renamed))
        msg.warning("QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS")
    return renamed > 0


def _incomplete(trouble: str) -> NoReturn:
    try:
        msg.fatal(trouble)
    finally:
        msg.warning("OPERATION INCOMPLETE -- RERUN COMMAND TO FIX THE QUEUE FIRST")


def _enter(main_cf: "MainCf") -> None:
    """Go to the queue, as its owner; lines go to the log too."""
    from pyfix.config.params.mail import MailParams
    from pyfix.server import log

    cfg = MailParams(main_cf)
    try:
        os.chdir(cfg.queue_directory)
    except OSError as error:
        msg.fatal(f"chdir {cfg.queue_directory}: {error.strerror}")
    owner = _owner(cfg)
    msg.to(*msg.active(), log.administrators(main_cf, log.tag(main_cf, "postsuper"), ""))
    if os.geteuid() != owner.uid:
        with suppress(PermissionError):
            os.setgroups([])
        os.setegid(owner.gid)
        os.seteuid(owner.uid)


def _owner(cfg: "MailParams") -> "User":
    """Who the queue belongs to. Anybody else but root is sent away."""
    from pyfix.unix import users

    try:
        owner = users.user(cfg.mail_owner)
    except users.UnknownUserError as error:
        msg.fatal(str(error))
    if os.geteuid() not in (0, owner.uid):
        msg.fatal("use of this command is reserved for the superuser")
    return owner


if __name__ == "__main__":
    sys.exit(main())
