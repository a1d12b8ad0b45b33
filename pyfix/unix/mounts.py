"""mounts - what kind of file system a directory is on

From /proc/self/mountinfo; where there is none, nothing is known (and directories get an fsync).
"""

import posix as os  # os itself would be a tenth of what sendmail takes

# An fsync of a new file makes its name durable too (or nothing there is durable anyway).
_NAMES_FOLLOW_FILES = {"ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "tmpfs", "ramfs"}

_known: dict[int, bool] = {}


def keeps_new_names(path: str) -> bool:
    """Whether the file system of this directory makes a new file's name durable by fsync of the file.

    What was found out about a device is known to processes that are forked afterwards.
    """
    try:
        device = os.stat(path).st_dev
    except OSError:
        return False
    if device not in _known:
        _known[device] = file_system(_real(path)) in _NAMES_FOLLOW_FILES
    return _known[device]


def _real(path: str) -> str:
    """The path of a directory without symbolic links; empty when that is unknown."""
    try:
        fd = os.open(path, getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
    finally:
        os.close(fd)


def file_system(path: str, mounts: str = "/proc/self/mountinfo") -> str:
    """The kind of file system that a path without symbolic links is on; empty: unknown. mounts: see proc(5)."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
            points = [_mount(line) for line in lines]
    except (OSError, ValueError):
        return ""
    real = f"{path}/"
    best = ("", "")
    for point, kind in points:
        if real.startswith(point.rstrip("/") + "/") and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _mount(line: str) -> tuple[str, str]:
    """(mount point, kind) of a line of mountinfo. ValueError."""
    left, right = line.split(" - ", 1)
    point = left.split(" ")[4]
    if "\\" in point:
        point = point.encode("latin-1", "surrogateescape").decode("unicode_escape")
    return point, right.split(" ", 1)[0]
