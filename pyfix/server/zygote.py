"""zygote - the preloaded parent that workers are forked from

It has no threads and no loop, imports the rooms of its programs once, and waits for
master's orders. For each it forks twice, so that the worker becomes a child of master
(the subreaper), not its own. It never opens mail or a table. When master closes the
control socket it ends; its workers go on.

It is a fork of master's (see master/zygote.py) or, on descriptors of control.py's:

    python -m pyfix.server.zygote PROGRAM ...

Privileges: those of master, since workers give up their own.
"""

import encodings.idna
import encodings.unicode_escape
import gc
import importlib
import os
import socket
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NoReturn

from pyfix.config import networks, registry
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.server import bug, control, daemon, log, privileges, programs
from pyfix.unix import mounts, msg, pages, prctl

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
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            raise OSError(code, os.strerror(code))
        return
    try:
        channel.close()
        _fork_worker(order, config, fds)
    finally:
        os._exit(1)


def _fork_worker(order: control.Start, config: MainCf, fds: list[int]) -> NoReturn:
    """Its pid is said for it, before master can reap it. The exit code is what errno was."""
    try:
        pid = os.fork()
    except OSError as error:
        os._exit(error.errno or 1)
    if pid == 0:
        work(order, config, fds)
    with socket.socket(fileno=fds[0]) as status:
        control.say(status, control.pid_word(pid))
    os._exit(0)


def work(order: control.Start, config: MainCf, fds: list[int]) -> NoReturn:
    """Be that worker, in a process that has just been forked. fds: as control.receive_start tells them."""
    gc.enable()
    if "random" in sys.modules:
        sys.modules["random"].seed()
    daemon.run(order, config, fds[0], fds[1:])


def _look_once(config: MainCf) -> None:
    """What each worker would look up for itself. Where it fails, a worker will say so."""
    networks.keep(config)
    mounts.keeps_new_names(".")
    if privileges.is_root():
        privileges.identity.cache_clear()  # it may be of the configuration before, or from before a change of groups
        privileges.identity(MailParams(config).mail_owner)


def _no_hooks(**_: object) -> None:
    """In place of os.register_at_fork: locks that no other thread can hold need not be made anew in each worker."""


def preload(names: Iterable[str]) -> None:
    """Import the rooms of these programs. One that fails is left to fail in its worker."""
    for name in names:
        found = programs.locate(name)
        if found is None:
            continue
        try:
            importlib.import_module(found[0])
        except (Exception, SystemExit) as error:
            msg.warning(bug.line(error, f"import of {name}"))


def take_in(config: MainCf, names: Collection[str]) -> None:
    """Have in memory what workers of these programs will use, and leave it in peace: the collector is off then."""
    gc.disable()  # imports leave little; workers enable it
    os.register_at_fork = _no_hooks
    registry.load()
    daemon.warm_up(names)
    preload(names)
    if not programs.SERIAL.issuperset(names):  # what keeps root takes in no more than it uses
        programs.named(programs.TABLE_TYPES)(config)
    with suppress(BadConfig, msg.Fatal):
        _look_once(config)
    gc.collect()
    gc.freeze()
    pages.give_back_files()


def run(config: MainCf, channel: socket.socket, names: Collection[str]) -> NoReturn:
    """Be the zygote of these programs until master goes."""
    prctl.set_name("zygote")
    msg.verbose = 0
    msg.to(log.sink(config, "zygote", stamps=True))
    try:
        take_in(config, names)
    except (Exception, SystemExit) as error:
        msg.error(bug.line(error, "start"))
        log.leave(1)
    sys._clear_type_cache()  # noqa: SLF001 - it counts references to names all over the memory that workers share
    serve(config, channel)
    log.leave(0)


def main() -> NoReturn:
    """The zygote of a new interpreter."""
    config = control.restore(control.MAIN_CF_FD)
    with socket.socket(fileno=control.CONTROL_FD) as channel:
        channel.set_inheritable(False)
        run(config, channel, sys.argv[1:])


if __name__ == "__main__":
    main()
