"""upgrade - add to an older master.cf the services that the suite needs

Each that is missing is added as it is shipped; lines that are there stay as they are.

Sources: postfix(1) upgrade-configuration.
"""

import os
import stat
from collections.abc import Iterator

from pyfix.commands import instance
from pyfix.config.master_cf import Line, read_lines
from pyfix.config.syntax import BadConfig
from pyfix.unix.files import write_durably

OPTIONAL = frozenset({"smtp/inet", "lmtp/unix", "showq/unix", "error/unix", "local/unix", "virtual/unix"})
"""Services that an administrator may have taken out."""


def add_missing_services(config_dir: str) -> Iterator[str]:
    """Add them; says what it does, line by line. BadConfig: the file can't be read or written."""
    path = f"{config_dir}/master.cf"
    there = {_key(line) for line in read_lines(path)}
    added: list[str] = []
    for line in read_lines(str(instance.shipped() / "master.cf")):
        key = _key(line)
        if key not in there and key not in OPTIONAL:
            datagram = " unix-domain datagram" if key.endswith("/unix-dgram") else ""
            yield f"Editing {path}, adding missing entry for {line.field(0)}{datagram} service"
            added.append(line.text + "\n")
    if added:
        _append(path, "".join(added))


def _key(line: Line) -> str:
    return f"{line.field(0)}/{line.field(1)}"


def _append(path: str, text: str) -> None:
    try:
        with open(path, "rb") as file:
            before, found = file.read(), os.fstat(file.fileno())
        end = b"" if before.endswith(b"\n") else b"\n"
        write_durably(path, before + end + text.encode(), stat.S_IMODE(found.st_mode))
        os.chown(path, found.st_uid, found.st_gid)
    except OSError as error:
        raise BadConfig(f"open {path} for writing: {error.strerror}") from error
