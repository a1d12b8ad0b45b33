"""postfix_non_bdb - `postfix non-bdb`: what becomes of hash: and btree: tables, without Berkeley DB

    postfix non-bdb status|disable|enable-redirect

Tables of these types need no migration here: they are always redirected to LMDB when they are made, and read from
NAME.db until then. The level in main.cf is therefore kept for an administrator's scripts and for a Postfix that uses
the same files; nothing depends on it. enable-reindex is refused: there is no nbdb_reindexd(8) to make indexes.

Exit status: 0; 1 for an error.
Sources: postfix-non-bdb(1).
"""

from collections.abc import Callable, Mapping

from pyfix.commands.system import System
from pyfix.config import edit, master_edit
from pyfix.config.master_cf import read_lines
from pyfix.unix import msg

LEVEL = "non_bdb_migration_level"
SERVICE = "non_bdb_migration_service_name"


def main(system: System, arguments: list[str]) -> int:
    """The subcommand that the arguments name; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        msg.fatal("usage: postfix non-bdb status (or enable-redirect, or enable-reindex, or disable)")
    return COMMANDS[arguments[0]](system)


def status(system: System) -> int:
    """Say what main.cf asks for."""
    print(system.main.value(LEVEL))
    return 0


def disable(system: System) -> int:
    """Set the level back."""
    return _set(system, "disable")


def enable_redirect(system: System) -> int:
    """Ask for what is done anyway."""
    return _set(system, "enable-redirect")


def enable_reindex(_: System) -> int:
    """Refused."""
    msg.fatal("non-bdb enable-reindex: there is no nbdb_reindexd; run postmap or postalias on each table instead")


def _set(system: System, level: str) -> int:
    """Change main.cf, if it says something else; in master.cf, the service that makes indexes goes."""
    if system.main.value(LEVEL) != level:
        edit.edit_file(f"{system.main.config_dir}/main.cf", {LEVEL: level})
    path, service = f"{system.main.config_dir}/master.cf", system.main.value(SERVICE)
    if any((line.field(0), line.field(1)) == (service, "unix") for line in read_lines(path)):
        pattern = f"{service}/unix"
        edit.rewrite(path, lambda text: master_edit.drop_entries(text, [pattern], edit.Action.REMOVE, path))
    return 0


COMMANDS: Mapping[str, Callable[[System], int]] = {
    "status": status,
    "disable": disable,
    "enable-redirect": enable_redirect,
    "enable-reindex": enable_reindex,
}
