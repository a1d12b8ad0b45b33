"""batch - queue files made durable a batch at a time

| step                    | on disk if the machine stops after it |
|-------------------------|---------------------------------------|
| data written            | nothing sure |
| write-out started (all) | nothing sure: a hint to the disk, so that the next step finds the work under way |
| write-out waited for    | the data, but not that they are this file's |
| mode set to 0700        | nothing sure, but never this mode without all data; the queue manager may see it |
| fsync of the files      | each file and, on most file systems, its name |
| fsync of directories    | the names, on the others |

Only then may the sender be told. Each file has a result of its own: one that fails (full disk, bad
block) gets mode 0600 back and does the others no harm. A lone message is a batch of one.

The call blocks for as long as one or two fsyncs take, since the kernel does those of a batch side by side
(unix/fsync). Threads that share them cost more than they save: bench/NOTES.md.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from pyfix.queue.directory import NewFile
from pyfix.queue.system import start_writing, write_data
from pyfix.unix.fsync import fsync_all


def make_durable(files: Sequence[NewFile], meanwhile: Callable[[], None] | None = None) -> list[OSError | None]:
    """Finish files whose data are written. One result for each file: None, or why it is not safe on disk.

    meanwhile: is done while the disk writes; it must not raise.
    """
    if len(files) > 1 or meanwhile is not None:
        for file in files:
            start_writing(file.fd)
    if meanwhile is not None:
        meanwhile()
    results = [_set_mode(file) for file in files]
    ready = [number for number, result in enumerate(results) if result is None]
    for number, result in zip(ready, fsync_all([files[number].fd for number in ready]), strict=True):
        results[number] = result
    _sync_directories(files, results)
    for file, result in zip(files, results, strict=True):
        if result is not None:
            _take_back(file)
    return results


def _set_mode(file: NewFile) -> OSError | None:
    """Say that the file is complete, once its data are on disk: where names need a sync, order does too."""
    try:
        (write_data if file.directory is None else os.fsync)(file.fd)
        os.fchmod(file.fd, file.mode)
    except OSError as error:
        return error
    return None


def _sync_directories(files: Sequence[NewFile], results: list[OSError | None]) -> None:
    """fsync each directory once; its error becomes the result of all files in it."""
    done: dict[str, OSError | None] = {}
    for number, file in enumerate(files):
        if file.directory is not None and results[number] is None:
            if file.directory not in done:
                done[file.directory] = _sync_directory(file.directory)
            results[number] = done[file.directory]


def _sync_directory(path: str) -> OSError | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        return error
    try:
        return fsync_all([fd])[0]
    finally:
        os.close(fd)


def _take_back(file: NewFile) -> None:
    """Nobody shall take a file for complete that may be lost."""
    with suppress(OSError):
        os.fchmod(file.fd, 0o600)
