"""zygote - the preloaded parent that workers are forked from

It has no threads and no loop, imports the rooms of its programs once, and waits for
master's orders. For each it forks twice, so that the worker becomes a child of master
(the subreaper), not its own. It never opens mail or a table. When master closes the
control socket it ends; its workers go on.

    python -m pyfix.server.zygote PROGRAM ... [-- PROGRAM ...]     (descriptors: see control.py)

Programs after -- get a zygote of their own, forked from the first, so that what both have is in
memory once. Those that stay root come first: their workers have nothing of the others' code.

Privileges: those of master, since workers give up their own.
"""

import encodings.idna
import encodings.unicode_escape
import gc
import importlib
import os
import socket
import sys
from collections.abc import Iterable

from pyfix.config import registry
from pyfix.config.main_cf import MainCf
from pyfix.server import bug, control, daemon, log, programs
from pyfix.unix import msg, prctl, signals

assert encodings.idna  # sockets need it later, when nothing can be imported any more
assert encodings.unicode_escape  # every queue does, and what a worker imports it has for itself


def serve(config: MainCf, channel: socket.socket) -> None:
    """Fork a worker for each order until master goes."""
    while (received := control.receive_start(channel)) is not None:
        order, fds = received
        try:
            _fork_twice(order, config, fds, channel)
        except OSError as error:
            msg.warning(f"fork: {error.strerror}")  # master sees the status socket close
        for fd in fds:
            os.close(fd)


def _fork_twice(order: control.Start, config: MainCf, fds: list[int], channel: socket.socket) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        channel.close()
        if os.fork() == 0:
            gc.enable()
            daemon.run(order, config, fds[0], fds[1:])
    finally:
        os._exit(0)


def preload(names: Iterable[str]) -> None:
    """Import the rooms of these programs. One that fails is left to fail in its worker."""
    for name in names:
        found = programs.locate(name)
        if found is None:
            continue
        try:
            importlib.import_module(found[0])
        except Exception as error:
            msg.warning(bug.line(error, f"import of {name}"))


def _second() -> bool:
    """Fork the zygote that comes after this one, as a child of master's; True in it."""
    gc.freeze()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.close(control.SECOND_CONTROL_FD)
        return False
    if os.fork():
        os._exit(0)
    os.dup2(control.SECOND_CONTROL_FD, control.CONTROL_FD)
    os.close(control.SECOND_CONTROL_FD)
    return True


def main() -> None:
    """The zygote, on descriptor 3."""
    gc.disable()  # imports leave little; workers enable it
    signals.reset()
    config = control.restore(control.MAIN_CF_FD)
    prctl.set_name("zygote")
    msg.to(log.sink(config, "zygote", stamps=True))
    registry.load()
    daemon.warm_up()
    names = sys.argv[1:]
    first = names.index(control.NEXT) if control.NEXT in names else len(names)
    preload(names[:first])
    if names[first:] and _second():
        preload(names[first + 1 :])
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=control.CONTROL_FD) as channel:
        channel.set_inheritable(False)
        control.say(channel, control.pid_word(os.getpid()))
        serve(config, channel)
    log.leave(0)


if __name__ == "__main__":
    main()
