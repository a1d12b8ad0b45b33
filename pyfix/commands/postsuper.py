"""postsuper - delete, hold, release, requeue or expire messages; put the queue in order

    postsuper [-psSv] [-c DIR] [-d ID] [-e ID] [-f ID] [-h ID] [-H ID] [-r ID] [QUEUE ...]

-d        delete                           -H    release from hold, to deferred
-e        expire at the next try           -r    requeue, by way of maildrop
-f        expire, and release from hold    -p    remove what crashes left behind
-h        put on hold                      -s -S put files where they belong

ID is a queue id, ALL, or - for ids on standard input (where ALL is no more than an id), and may be given several
times. ALL finds messages also where hash_queue_names or hash_queue_depth no longer want them, and those that are
being written; -d ALL leaves no file, and no log of a message that is not there. QUEUE limits where messages are
looked for; in maildrop they can only be deleted. Without an option it does -s -p.

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
from pyfix.queue.repair import UNFINISHED, files, purge, repair, well_named
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
RENAMED = "QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS"


def _delete(queue: QueueDirectory, path: str) -> bool:
    queue_id = os.path.basename(path)
    return _delete_with(path, [queue.path(log, queue_id) for log in LOGS])


def _delete_with(path: str, logs: Iterable[str]) -> bool:
    """The logs first: without their message they would wait for another of that id. False: it was no message yet."""
    status = os.lstat(path)
    _delete_files(logs)
    os.unlink(path)
    return is_ready(status)


def _delete_files(paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _all_logs(queue: QueueDirectory) -> dict[str, list[str]]:
    """The logs of each id, wherever they are."""
    logs: dict[str, list[str]] = {}
    for log in LOGS:
        for path in files(queue, log):
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


Asked = tuple[str, str | None]
"""An action's letter, and the id of the message; None: all messages."""

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

    def act(self, letter: str, queue_id: str | None) -> None:
        """Do an action to a message; None: to all."""
        action = ACTIONS[letter]
        if queue_id is None:
            self._totals[letter] += self._delete_all() if action.do is _delete else self._all(action)
        elif not is_valid(queue_id):
            msg.warning(f"invalid mail queue id: {queue_id}")
        elif self._found(action, queue_id):
            self._totals[letter] += 1
            msg.info(f"{queue_id}: {action.done}")

    def _found(self, action: Action, queue_id: str) -> bool:
        """Do it to one message. Each queue is looked at twice: it may move to one where it was not before."""
        queues = [name for name in self._names or QUEUES if name in action.queues]
        return any(
            self._queue.status(name, queue_id) is not None and self._one(action.do, self._queue.path(name, queue_id))
            for name in queues * 2
        )

    def _all(self, action: Action) -> int:
        """Do it to all messages, wherever in their queues they are; how many times it was done."""
        done = 0
        for name in self._names or SCANNED:
            paths = well_named(self._queue, name)
            if name in action.queues:
                done += sum(self._one(action.do, path) for path in paths)
        return done

    def _delete_all(self) -> int:
        """Every file of the queues, with the logs of messages; how many messages it was."""
        logs = _all_logs(self._queue)

        def delete(_: QueueDirectory, path: str) -> bool:
            return _delete_with(path, logs.get(os.path.basename(path), ()))

        done = 0
        gone: set[str] = set()
        for name in self._names or (*QUEUES, "flush"):
            paths = list(files(self._queue, name))
            if name in QUEUES:
                done += sum(self._one(delete, path) for path in paths)
                gone.update(map(os.path.basename, paths))
            else:
                _delete_files(paths)
        for queue_id, left in _all_logs(self._queue).items():
            if queue_id in gone or not (self._names or self._is_queued(queue_id)):
                _delete_files(left)
        return done

    def _is_queued(self, queue_id: str) -> bool:
        """Whether there is a message of this id. It may move meanwhile, so each queue is looked at twice."""
        return any(os.path.lexists(self._queue.path(name, queue_id)) for name in MESSAGES * 2)

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
    directory = dict(found).get("c")
    if directory is not None and directory[:1] != "/":
        msg.fatal("-c requires absolute pathname")
    main_cf = mail_conf.load(directory)
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
    queue: QueueDirectory, letters: set[str], asked: list[Asked], names: tuple[str, ...]
) -> None:
    """First the structure, then the messages."""
    if not letters & {"p", "s", "S", *_ASKING}:
        letters |= {"p", "s"}
    if letters & {"p", "s", "S"} or any(queue_id is None for _, queue_id in asked):
        _require(names or SCANNED)
    renamed = _put_in_order(queue, letters, names or SCANNED)
    if renamed and any(queue_id is not None for _, queue_id in asked):
        msg.error(RENAMED)
        _incomplete("CHECK YOUR QUEUE IDS AND RE-ISSUE THE COMMAND")
    work = Work(queue, names, letters)
    for letter, queue_id in asked:
        work.act(letter, queue_id)
    work.tell()
    if renamed:
        msg.info(total("Renamed to match inode number", renamed))
        msg.warning(RENAMED)


def _require(directories: Iterable[str]) -> None:
    """All that are looked through, be there anything to do in them or not."""
    for name in directories:
        if not os.path.isdir(name):
            msg.fatal(f"scan_dir_push: open directory {name}: No such file or directory")
        msg.debug(f"queue: {name}")


def _expanded(found: Iterable[tuple[str, str]]) -> Iterator[Asked]:
    """The actions one by one: - is what standard input says, -f is -e and -H."""
    for letter, value in found:
        if letter not in _ASKING:
            continue
        values = sys.stdin.read().splitlines() if value == "-" else [value]
        for queue_id in values:
            for each in "eH" if letter == "f" else letter:
                yield each, None if value == "ALL" else queue_id


def _put_in_order(queue: QueueDirectory, letters: set[str], names: Iterable[str]) -> int:
    """Options -p and -s; how many messages got other ids."""
    message_queues = [name for name in names if name in QUEUES]
    if "p" in letters:
        for name in message_queues:
            purge(queue, name, before=time.time() - UNFINISHED)
    if letters & {"p", "s", "S"}:
        for name in names:
            well_named(queue, name)
    return repair(queue, message_queues, long_too="S" in letters, failed=_incomplete) if letters & {"s", "S"} else 0


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
