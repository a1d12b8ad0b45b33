"""upgrade - add to an older master.cf the services that the suite needs

Each that is missing is added as it is shipped; lines that are there stay as they are.

Sources: postfix(1) upgrade-configuration.
"""

from collections.abc import Iterator

from pyfix.commands import instance
from pyfix.config import edit
from pyfix.config.master_cf import Line, read_lines

OPTIONAL = frozenset({"smtp/inet", "lmtp/unix", "showq/unix", "error/unix", "local/unix", "virtual/unix"})
"""Services that an administrator may have taken out."""


def add_missing_services(config_dir: str) -> Iterator[str]:
    """Add them; says what it does, line by line. BadConfig: the file can't be read or written."""
    path = f"{config_dir}/master.cf"
    there = {_key(line) for line in read_lines(path)}
    added = ""
    for line in read_lines(str(instance.shipped() / "master.cf")):
        key = _key(line)
        if key not in there and key not in OPTIONAL:
            datagram = " unix-domain datagram" if key.endswith("/unix-dgram") else ""
            yield f"Editing {path}, adding missing entry for {line.field(0)}{datagram} service"
            added += f"{line.text}\n"
    if added:
        edit.rewrite(path, lambda text: _ended(text) + added)


def _key(line: Line) -> str:
    """service/type. A fifo of an older release stands where the socket would."""
    return f"{line.field(0)}/{line.field(1).replace('fifo', 'unix')}"


def _ended(text: str) -> str:
    """The text with an end to its last line."""
    return text if text.endswith("\n") else f"{text}\n"
