"""batch - queue files made durable a batch at a time

| step                    | on disk if the machine stops after it |
|-------------------------|---------------------------------------|
| data written            | nothing sure |
| mode set to 0700        | nothing sure; the queue manager may see the file, as it may in Postfix |
| write-out started (all) | nothing sure: a hint to the disk, so that the next step finds the work under way |
| fsync of each file      | the file and, on most file systems, its name |
| fsync of directories    | the names, on the others |

Only then may the sender be told. Each file has a result of its own: one that fails (full disk, bad
block) gets mode 0600 back and does the others no harm. A lone message is a batch of one.

The call blocks. For slow disks a few threads could share the fsyncs behind the same call.
"""

import os
from collections.abc import Sequence
from contextlib import suppress

from pyfix.queue.directory import NewFile
from pyfix.queue.system import start_writing


def make_durable(files: Sequence[NewFile]) -> list[OSError | None]:
    """Finish files whose data are written. One result for each file: None, or why it is not safe on disk."""
    results = [_set_mode(file) for file in files]
    good = [number for number, result in enumerate(results) if result is None]
    if len(good) > 1:
        for number in good:
            start_writing(files[number].fd)
    for number in good:
        results[number] = _sync(files[number].fd)
    _sync_directories(files, results)
    for file, result in zip(files, results, strict=True):
        if result is not None:
            _take_back(file)
    return results


def _set_mode(file: NewFile) -> OSError | None:
    try:
        os.fchmod(file.fd, file.mode)
    except OSError as error:
        return error
    return None


def _sync(fd: int) -> OSError | None:
    try:
        os.fsync(fd)
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
        return _sync(fd)
    finally:
        os.close(fd)


def _take_back(file: NewFile) -> None:
    """Nobody shall take a file for complete that may be lost."""
    with suppress(OSError):
        os.fchmod(file.fd, 0o600)
