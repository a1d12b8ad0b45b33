"""repair - put a queue in order that was restored, moved, or left by a crash

purge   removes files that were never completed.
repair  moves files where hash_queue_names and hash_queue_depth want them, and gives files whose short
        id does not hold their inode number (restored from a backup) a new id, their logs too. Where
        enable_long_queue_ids is off long ids become short, as an older Postfix needs them.

To be done while the mail system is down. Each step is one rename, so a run that is cut short is
finished by the next.

See also: queue-file sheet sections 1 and 2, postsuper(1).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from pyfix.queue import names
from pyfix.queue.directory import QueueDirectory, make_directories
from pyfix.queue.system import rename_noreplace
from pyfix.unix import msg

LOGS = ("bounce", "defer", "trace")
UNFINISHED = 7 * 86400.0
"""Seconds after which nobody can be at work on a file that was never completed, as for Postfix's postsuper."""


def purge(queue: QueueDirectory, name: str, before: float) -> int:
    """Remove incomplete files not changed since `before` (seconds since 1970); how many."""
    count = 0
    for entry in list(_entries(queue, name)):
        with suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            if status.st_mode & 0o700 != 0o700 and status.st_mtime < before:
                os.unlink(entry.path)
                count += 1
    return count


def repair(
    queue: QueueDirectory,
    queues: Iterable[str],
    *,
    long_too: bool = False,
    failed: Callable[[str], object] = msg.warning,
) -> int:
    """Put files in their places; how many messages got another id.

    long_too: check long ids as well; failed: told what could not be done.
    """
    renamed = 0
    for log in LOGS:
        _place(queue, log)
    for name in queues:
        entries = (e for e in _entries(queue, name) if names.is_valid(e.name))
        todo = [e.path for e in entries if not _in_place(queue, name, e, long_too)]
        while todo:
            left, changed = _pass(queue, name, todo, long_too, failed)
            renamed += changed
            if len(left) == len(todo):
                for path in left:
                    msg.warning(f"rename file {path}: File exists")
                break
            todo = left
        if name != "maildrop":
            _remove_empty(queue.root_of(name))
    return renamed


def files(queue: QueueDirectory, name: str) -> Iterator[str]:
    """The paths of all files in a queue, whatever their names; none when it is not there."""
    return (entry.path for entry in _entries(queue, name))


def well_named(queue: QueueDirectory, name: str) -> list[str]:
    """The paths of the files in a queue whose names are ids; of others it warns."""
    paths = list(files(queue, name))
    for path in paths:
        if not names.is_valid(os.path.basename(path)):
            msg.warning(f"bogus file name: {path}")
    return [path for path in paths if names.is_valid(os.path.basename(path))]


def _entries(queue: QueueDirectory, name: str) -> Iterator[os.DirEntry[str]]:
    """All files in a queue. Who may write to maildrop could lead elsewhere with directories of his own."""
    return _below(queue.root_of(name), recurse=name != "maildrop")


def _below(root: str, *, recurse: bool = True) -> Iterator[os.DirEntry[str]]:
    below: list[str] = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if not entry.is_dir():
                    yield entry
                elif recurse and len(entry.name) == 1 and not entry.is_symlink():
                    below.append(entry.path)
    except OSError:
        return  # as if it were not there
    for directory in below:
        yield from _below(directory)


def _in_place(queue: QueueDirectory, name: str, entry: os.DirEntry[str], long_too: bool) -> bool:
    """Whether the directory alone says that this file is where it should be, as it says of nearly all."""
    right = _right_id(queue, entry.name, entry.inode(), long_too)
    return right == entry.name and queue.path(name, right) == entry.path


def _pass(
    queue: QueueDirectory, name: str, paths: list[str], long_too: bool, failed: Callable[[str], object]
) -> tuple[list[str], int]:
    """Move each file; (those whose place is taken by another that may move yet, ids changed)."""
    left: list[str] = []
    changed = 0
    for path in paths:
        old = os.path.basename(path)
        new = _right_id(queue, old, os.lstat(path).st_ino, long_too)
        target = queue.path(name, new)
        if os.path.normpath(target) == os.path.normpath(path):
            continue
        try:
            make_directories(target)
            rename_noreplace(path, target)
        except FileExistsError:
            left.append(path)
            continue
        except OSError as error:
            failed(f"rename file {path} as {target}: {error.strerror}")
            continue
        if new != old:
            changed += 1
            _rename_logs(queue, old, new)
    return left, changed


def _right_id(queue: QueueDirectory, queue_id: str, inode: int, long_too: bool) -> str:
    """The id that the file with this inode number should have; a short one where no file gets a long one."""
    try:
        if names.is_long(queue_id) and queue.long_ids:
            if not long_too or names.inode(queue_id) == inode:
                return queue_id
            return names.long_id(names.seconds(queue_id), names.microseconds(queue_id), inode)
        return names.short_id(names.microseconds(queue_id), inode)
    except ValueError:
        return queue_id


def _rename_logs(queue: QueueDirectory, old: str, new: str) -> None:
    for log in LOGS:
        with suppress(OSError):
            make_directories(queue.path(log, new))
            rename_noreplace(queue.path(log, old), queue.path(log, new))


def _place(queue: QueueDirectory, log: str) -> None:
    """Move logs to their hash directories."""
    for path, target in [(e.path, queue.path(log, e.name)) for e in _entries(queue, log)]:
        if target != path and os.path.normpath(target) != os.path.normpath(path):
            with suppress(OSError):
                make_directories(target)
                rename_noreplace(path, target)
    _remove_empty(queue.root_of(log))


def _remove_empty(root: str) -> None:
    """Remove hash directories that nothing is in."""
    for directory, _, _ in os.walk(root, topdown=False):
        if directory != root and len(os.path.basename(directory)) == 1:
            with suppress(OSError):
                os.rmdir(directory)
