"""postfix_non_bdb - `postfix non-bdb`: what becomes of hash: and btree: tables on the way from Berkeley DB

    postfix non-bdb status|disable|enable-redirect|enable-reindex

| subcommand      | main.cf: non_bdb_migration_level | master.cf: nbdb_reindex/unix |
|-----------------|----------------------------------|------------------------------|
| status          | is printed                       |                              |
| disable         | goes                             | goes                         |
| enable-redirect | enable-redirect                  | goes                         |
| enable-reindex  | enable-reindex                   | nbdb_reindexd, maxproc 1     |

The last two change nothing while default_database_type or default_cache_db_type is hash or btree. enable-reindex makes
the indexes that commands without privileges need at once: these can't ask the service.

Exit status: 0; 1 for an error.
Parameters: non_bdb_migration_level, default_database_type, default_cache_db_type, authorized_flush_users,
authorized_mailq_users, authorized_submit_users, local_login_sender_maps. Sources: postfix-non-bdb(1).
"""

import subprocess
from collections.abc import Callable, Mapping

from pyfix.commands.system import System
from pyfix.config import edit, master_edit
from pyfix.config.nbdb_util import LEGACY, LEVEL, Level
from pyfix.maps.nbdb_redirect import MappingError, mapped_type
from pyfix.unix import msg

SERVICE = "nbdb_reindex"
PATTERN = f"{SERVICE}/unix"
LINE = f"{SERVICE} unix y n n - 1 nbdb_reindexd"
TARGETS = ("default_database_type", "default_cache_db_type")
OF_COMMANDS = (
    "authorized_flush_users", "authorized_mailq_users", "authorized_submit_users", "local_login_sender_maps",
)  # fmt: skip
"""Parameters whose tables are read by commands of ordinary users."""


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
    """Tables are what they are called, as before."""
    _edit_main(system, edit.Action.REMOVE)
    _edit_master(system, "")
    return 0


def enable_redirect(system: System) -> int:
    """Tables are of the types that stand for theirs; the administrator makes their indexes."""
    _refuse_legacy_targets(system)
    _edit_master(system, "")
    _edit_main(system, Level.REDIRECT.value)
    return 0


def enable_reindex(system: System) -> int:
    """The same, and indexes are made when they are wanted."""
    _refuse_legacy_targets(system)
    if status := _make_indexes_of_commands(system):
        return status
    _edit_master(system, LINE)
    _edit_main(system, Level.REINDEX.value)
    return 0


def _refuse_legacy_targets(system: System) -> None:
    for name in TARGETS:
        value = system.main.value(name)
        if value in LEGACY:
            msg.fatal(f"parameter {name} specifies a Berkeley DB type: '{value}'")


def _make_indexes_of_commands(system: System) -> int:
    """Returns the exit status of the first postmap that fails, else 0."""
    for parameter in OF_COMMANDS:
        for spec in system.main.value(parameter).replace(",", " ").split():
            table_type, _, name = spec.partition(":")
            if table_type not in LEGACY:
                continue
            msg.info(f"Proactively reindexing {spec}")
            try:
                meant = mapped_type(system.main, table_type, name)
            except MappingError as error:
                msg.fatal(str(error))
            command, environment = system.ours("commands.postmap", f"{meant}:{name}")
            if status := subprocess.run(command, check=False, env=environment).returncode:  # noqa: S603 - ours
                return status
    return 0


def _edit_main(system: System, change: str | edit.Action) -> None:
    if system.main.raw(LEVEL) != change:
        edit.edit_file(f"{system.main.config_dir}/main.cf", {LEVEL: change})


def _edit_master(system: System, line: str) -> None:
    """Have this line, or none, for the service that makes indexes."""
    path = f"{system.main.config_dir}/master.cf"
    if line:
        entries = {PATTERN: master_edit.parse_entry(line, line)}
        edit.rewrite(path, lambda text: master_edit.set_entries(text, entries, path))
    else:
        edit.rewrite(path, lambda text: master_edit.drop_entries(text, [PATTERN], edit.Action.REMOVE, path))


COMMANDS: Mapping[str, Callable[[System], int]] = {
    "status": status,
    "disable": disable,
    "enable-redirect": enable_redirect,
    "enable-reindex": enable_reindex,
}
