"""check_files - owners, permissions and copies of an instance's files, as `postfix check` sees them

Only for root's instances: who runs his own owns everything anyway. The queues themselves are not walked, they may be
large; see layout for their directories.

Sources: postfix(1) check.
"""

import filecmp
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pyfix.config.params.mail import MailParams
from pyfix.server import privileges

JAIL = ("etc", "lib", "usr", "bin", "dev")
"""What a chroot directory holds copies of, below queue_directory."""


def warnings(cfg: MailParams) -> Iterator[str]:
    """Everything that looks wrong."""
    if os.geteuid() != 0:
        return
    owner = privileges.owner_of(cfg.mail_owner)
    yield from _configuration(cfg.main.config_dir)
    yield from _owned(_files(cfg.queue_directory, ("private", "public")), owner.uid, owner.name)
    yield from _owned(_files(cfg.data_directory, ("",)), owner.uid, owner.name)
    jail = list(_files(cfg.queue_directory, ("pid", *JAIL)))
    yield from _owned(jail, 0, "root")
    yield from _different(cfg.queue_directory)
    for path in _files(cfg.queue_directory, ("corrupt",)):
        yield f"damaged message: {path}"


def _configuration(config_dir: str) -> Iterator[str]:
    """What others than root could change; links that lead nowhere."""
    for path in [config_dir, *_files(config_dir, ("",))]:
        with suppress(FileNotFoundError):
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                if not os.path.exists(path):
                    yield f"dangling symbolic link: {path}"
                continue
            if path in {config_dir, f"{config_dir}/main.cf", f"{config_dir}/master.cf"} and found.st_uid != 0:
                yield f"not owned by root: {path}"
            if found.st_mode & 0o022:
                yield f"group or other writable: {path}"


def secure(config_dir: str) -> None:
    """Let nobody but root change the configuration."""
    if os.geteuid() != 0:
        return
    for path in (config_dir, f"{config_dir}/main.cf", f"{config_dir}/master.cf"):
        os.chown(path, 0, -1)
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) & ~0o022)


def _files(top: str, names: Iterable[str]) -> Iterator[str]:
    """Every file in these directories below `top`."""
    for name in names:
        for directory, below, files in os.walk(os.path.join(top, name).rstrip("/")):
            below.sort()
            yield from (f"{directory}/{file}" for file in sorted(files))


def _owned(paths: Iterable[str], uid: int, owner: str) -> Iterator[str]:
    for path in paths:
        with suppress(FileNotFoundError):
            if os.lstat(path).st_uid != uid:
                yield f"not owned by {owner}: {path}"


def _different(queue_directory: str) -> Iterator[str]:
    """Copies in the jail that are not what they were copied from."""
    for path in _files(queue_directory, JAIL):
        original = path.removeprefix(queue_directory)
        if os.path.isfile(path) and os.path.isfile(original) and not filecmp.cmp(path, original, shallow=False):
            yield f"{path} and {original} differ"
