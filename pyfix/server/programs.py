"""programs - what runs under each program name of master.cf, and how

A program is a class. Its constructor takes a Context and opens everything that it needs
from outside (root is still root, nothing is in a jail); then privileges go, then it serves:

    event-loop programs   async start(), serve(sock), retire(); many sessions in a process
    SERIAL programs       serve(sock), blocking; one session in a process at a time; max_idle, which the frame sets:
                          seconds without a request after which a session raises UnwantedError (None: never)
    unix-dgram services   async start(), serve_datagrams(sock), retire()
    optional              stress(on): the service is out of sessions, or no longer
                          holds(): whether there is something to stay for though nobody wants anything
"""

import os
from importlib import import_module
from typing import Any

PROGRAMS = {
    "bounce": "pyfix.bounce.daemon:Bounce",
    "cleanup": "pyfix.cleanup.daemon:Cleanup",
    "discard": "pyfix.delivery.discard:Discard",
    "error": "pyfix.delivery.error:Error",
    "flush": "pyfix.services.flush:Flush",
    "lmtp": "pyfix.delivery.smtp.daemon:Smtp",
    "local": "pyfix.delivery.local.daemon:Local",
    "nbdb_reindexd": "pyfix.services.nbdb_reindexd:NbdbReindexd",
    "pickup": "pyfix.services.pickup:Pickup",
    "pipe": "pyfix.delivery.pipe:Pipe",
    "postdropd": "pyfix.services.postdropd:Postdropd",
    "postlogd": "pyfix.services.postlogd:Postlogd",
    "proxymap": "pyfix.services.proxymap:Proxymap",
    "qmgr": "pyfix.qmgr.daemon:Qmgr",
    "showq": "pyfix.services.showq:Showq",
    "smtp": "pyfix.delivery.smtp.daemon:Smtp",
    "smtpd": "pyfix.smtpd.daemon:Smtpd",
    "trivial-rewrite": "pyfix.trivial_rewrite.daemon:TrivialRewrite",
    "virtual": "pyfix.delivery.virtual.daemon:Virtual",
}

SERIAL = frozenset({"local", "nbdb_reindexd", "pipe", "virtual"})
"""Programs that become other users: one session at a time, in as many processes as maxproc says."""

SINGLE = frozenset({"pickup", "postlogd", "qmgr"})
"""Programs of which a service has one process, whatever maxproc says."""

KEPT = frozenset({"bounce", "cleanup", "proxymap", "trivial-rewrite"})
"""Programs to which others keep connections: maxproc says how many processes a service has, not how many peers."""

NO_MAX_USE = frozenset({"postlogd", "qmgr"})
"""Programs that don't leave because they have served many sessions."""

NO_MAX_IDLE = frozenset({"qmgr"})
"""Programs that don't leave because nobody wants them."""

NO_LINGER = frozenset({"anvil", "postlogd", "postscreen", "proxymap", "qmgr", "scache", "tlsmgr", "verify"})
"""Programs that don't leave before max_idle: what they have in memory, or their connections, is what they are for."""

TABLE_TYPES = "pyfix.maps.open:import_types"
"""Imports the types of tables that main.cf names."""


def locate(program: str, programs: dict[str, str] = PROGRAMS) -> tuple[str, str] | None:
    """Module and class of a program; `module:Class` names itself. None: there is no such program."""
    where = programs.get(program, program if ":" in program else "")
    module, _, name = where.partition(":")
    return (module, name) if name else None


def load(program: str) -> Any:
    """The class of a program. LookupError: there is none; whatever its import raises."""
    found = locate(program)
    if found is None:
        raise LookupError(f"no such program: {program}")
    return named(":".join(found))


def named(where: str) -> Any:
    """What `module:name` names."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def processes(program: str, maxproc: int) -> int:
    """How many processes may serve a service whose sessions are limited to maxproc (0: not limited)."""
    if program in SINGLE:
        return 1
    if program in SERIAL:
        return maxproc or 100
    cpus = len(os.sched_getaffinity(0))
    return min(maxproc, cpus) if maxproc else cpus


def share(program: str, maxproc: int) -> int:
    """How many sessions each process serves at once; 0: as many as come."""
    if program in SERIAL:
        return 1
    if program in SINGLE | KEPT:
        return 0  # others keep connections to it; none of them may keep the rest out
    return -(-maxproc // processes(program, maxproc))
