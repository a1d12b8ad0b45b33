"""upgrade - bring an older master.cf to what the suite needs

A service that is missing is added as it is shipped. Lines that are there stay as they are, but for
the few that no longer work.

Sources: postfix(1) upgrade-configuration.
"""

import re
from collections.abc import Iterator

from pyfix.commands import instance
from pyfix.config import edit
from pyfix.config.master_cf import Line, read_lines

OPTIONAL = frozenset({"smtp/inet", "lmtp/unix", "showq/unix", "error/unix", "local/unix", "virtual/unix"})
"""Services that an administrator may have taken out."""

PRIVATE = re.compile(r"(?m)^(cleanup|flush)([ \t]+unix[ \t]+)[-y](?=[ \t])")
"""Services of other daemons only, before sendmail and postqueue asked them."""
TLSMGR_FIFO = re.compile(r"(?m)^(tlsmgr[ \t]+)fifo((?:[ \t]+\S+){3}[ \t]+\d+)(?=[ \t])")


def upgrade(config_dir: str) -> Iterator[str]:
    """Do it; says what it does, line by line. BadConfig: the file can't be read or written."""
    path = f"{config_dir}/master.cf"
    yield from _add_missing_services(path)
    yield from _change_old_services(path)


def _change_old_services(path: str) -> Iterator[str]:
    done: list[str] = []

    def public(found: re.Match[str]) -> str:
        done.append(f"making the {found[1]} service public")
        return f"{found[1]}{found[2]}n"

    def socket(found: re.Match[str]) -> str:
        done.append("updating the tlsmgr from fifo to unix service")
        return f"{found[1]}unix{found[2]}?"

    def change(text: str) -> str:
        return TLSMGR_FIFO.sub(socket, PRIVATE.sub(public, text))

    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        change(file.read())
    if done:
        done.clear()
        edit.rewrite(path, change)
    for text in done:
        yield f"Editing {path}, {text}"


def _add_missing_services(path: str) -> Iterator[str]:
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
