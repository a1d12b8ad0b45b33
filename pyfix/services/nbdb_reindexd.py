"""nbdb_reindexd - make the index of a hash: or btree: table in the type that stands for its own

Service:    nbdb_reindex unix  y       n       n       -       1       nbdb_reindexd
Privileges: root, to become the owner of a table; mail_owner in between; no chroot, no network. Started by an ordinary
            user: makes indexes of that user's tables
Parameters: non_bdb_migration_level, non_bdb_migration_allow_root_prefixes, non_bdb_migration_allow_user_prefixes,
            non_bdb_custom_mapping, export_environment
Sources:    nbdb_reindexd(8); pyfix.maps.nbdb_clnt says what is said on a connection

Meant to run for some days only, while an administrator leaves Berkeley DB behind (`postfix non-bdb`). Whoever can
write to private/ may ask for any name, so that what is asked for is looked at in this order:

| what                                    | must be                                                                |
|-----------------------------------------|------------------------------------------------------------------------|
| the new index                           | missing; else nothing is done, which is a success                      |
| NAME.db                                 | there: its owner is who runs the command, and who is trusted below     |
| NAME                                    | there                                                                  |
| NAME                                    | below one of the prefixes for root, or for other users                 |
| NAME                                    | of that owner or root, and written by nobody else                      |
| its directory and all those above       | the same                                                               |
| NAME                                    | readable for that owner, who tells by it: postmap or postalias         |

What a command that fails leaves behind is removed.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pyfix
from pyfix.config.environment import exported
from pyfix.config.nbdb_util import Level, level
from pyfix.config.params.mail import MailParams
from pyfix.config.params.nbdb_reindexd import NbdbReindexdParams
from pyfix.maps.lines import stream
from pyfix.maps.nbdb_clnt import GREETING, PROTOCOL, REPLY, REQUEST, receive
from pyfix.maps.nbdb_redirect import SUFFIXES, MappingError, mapped_type
from pyfix.maps.source import is_alias_source
from pyfix.server.context import Context
from pyfix.server.privileges import owner_of
from pyfix.unix import msg
from pyfix.unix.as_user import as_root, as_user, become, can_switch
from pyfix.wire.attr import AttrError

PATH = "/usr/bin:/bin"
WRITABLE = stat.S_IWGRP | stat.S_IWOTH

ROOT_PREFIXES = "non_bdb_migration_allow_root_prefixes"
USER_PREFIXES = "non_bdb_migration_allow_user_prefixes"


class RefusedError(Exception):
    """No index is made; str() says why."""


class Prefixes:
    """Directories below which names are trusted."""

    def __init__(self, parameter: str, text: str) -> None:
        """Warns of what can't be one."""
        self.parameter = parameter
        self.text = text
        self._prefixes = [word.rstrip("/") for word in text.replace(",", " ").split() if _is_plain(word)]

    def match(self, path: str) -> bool:
        """Whether the path is below one of them. Warns of one that leads out again."""
        return _is_plain(path) and any(path.startswith(f"{prefix}/") for prefix in self._prefixes)


def _is_plain(path: str) -> bool:
    if not path.startswith("/"):
        problem = "relative pathname"
    elif "/../" in path:
        problem = "'/../'"
    else:
        return True
    msg.warning(f"request to allowlist prefix with {problem}: '{path}'")
    return False


class NbdbReindexd:
    """The nbdb_reindex service."""

    def __init__(self, context: Context) -> None:
        main = self._main = context.main
        self._service = context.service
        self._active = level(main) is Level.REINDEX
        self._owner = owner_of(MailParams(main).mail_owner)
        cfg = NbdbReindexdParams(main)
        self._root = Prefixes(ROOT_PREFIXES, cfg.non_bdb_migration_allow_root_prefixes)
        self._user = Prefixes(USER_PREFIXES, cfg.non_bdb_migration_allow_user_prefixes)
        become(self._owner.uid, self._owner.gid)

    def serve(self, sock: socket.socket) -> None:
        """One request."""
        sock.settimeout(MailParams(self._main).ipc_timeout)
        sock.sendall(GREETING.encode(PROTOCOL))
        try:
            table_type, path = receive(sock, REQUEST)
        except (AttrError, TimeoutError) as error:
            msg.warning(f"broken request to the {self._service} service: {error}")
            return
        try:
            self._reindex(table_type, path)
        except RefusedError as error:
            msg.warning(f"request to index {table_type}:{path} failed: {error}")
            sock.sendall(REPLY.encode(1, str(error)))
        else:
            sock.sendall(REPLY.encode(0, ""))

    def request(self, words: list[str]) -> int:
        """One request from the command line, type:/path; the exit status."""
        if len(words) != 1:
            msg.fatal("stand-alone mode requires one type:/path argument")
        legacy, _, path = words[0].partition(":")
        if not path.startswith("/"):
            msg.fatal(f"stand-alone mode called with bad argument: '{words[0]}'")
        try:
            self._reindex(legacy, path)
        except RefusedError as error:
            msg.warning(f"stand-alone request to re-index '{words[0]}' failed: {error}")
            return 1
        return 0

    def _reindex(self, legacy: str, path: str) -> None:
        """See to it that the index is there. RefusedError."""
        if not self._active:
            raise RefusedError(f"the {self._service} service is disabled")
        table_type = self._type(legacy, path)
        index = path + SUFFIXES[table_type]
        with as_root():
            if os.path.exists(index):
                msg.info(f"target file '{index}' already exists, skipping this request")
                return
            uid, gid = self._trusted(path)
        with self._acting_as(path, uid, gid):
            aliases = _holds_aliases(path, uid, gid)
        self._run("postalias" if aliases else "postmap", f"{table_type}:{path}", index, uid, gid)

    def _type(self, legacy: str, path: str) -> str:
        """The type that stands for the legacy one."""
        try:
            found = mapped_type(self._main, legacy, path)
        except MappingError as error:
            raise RefusedError(str(error)) from None
        if found not in SUFFIXES:
            raise RefusedError(f"non-Berkeley-DB type '{found}' has no known suffix")
        return found

    def _trusted(self, path: str) -> tuple[int, int]:
        """Who owns the legacy index, if nobody else has a hand in the table."""
        legacy = f"{path}.db"
        owner = _status("legacy indexed file", legacy)
        source = _status("source file", path)
        uid = owner.st_uid
        allowed, who = (self._user, "non-root") if uid else (self._root, "root")
        if not allowed.match(path):
            raise RefusedError(
                f"table {path} has an unexpected pathname; to allow automatic indexing as {who}, append its parent"
                f" directory to the '{allowed.parameter}' setting (current setting is: \"{allowed.text}\")"
            )
        if not _is_safe(source, uid):
            raise RefusedError(_fault(legacy, uid, f"source file '{path}'"))
        parent = os.path.dirname(path)
        if not all(_is_safe(_status("directory", directory), uid) for directory in _upwards(parent)):
            raise RefusedError(_fault(legacy, uid, f"parent directory '{parent}'"))
        return uid, owner.st_gid

    @contextmanager
    def _acting_as(self, path: str, uid: int, gid: int) -> Iterator[None]:
        """With that user's rights. RefusedError: that can't be."""
        if not can_switch() and uid != os.geteuid():
            raise RefusedError(f"open lookup table source file {path} as uid={uid} gid={gid}: Operation not permitted")
        with as_user(uid, gid, self._owner):
            yield

    def _run(self, command: str, spec: str, index: str, uid: int, gid: int) -> None:
        """Have the index made. RefusedError."""
        limit = MailParams(self._main).ipc_timeout
        reason = _failure(self._command(command, spec), self._environment(), uid, gid, limit)
        if reason is None:
            msg.info(f"successfully executed '{command} {spec}' as uid {uid}")
            return
        with as_root(), suppress(OSError):
            os.unlink(index)
        if not reason:
            reason = f"({command} failure reason unavailable); alternatively, execute the failed command by hand"
        raise RefusedError(f"could not execute command '{command} {spec}': {reason}")

    def _command(self, command: str, spec: str) -> Sequence[str]:
        module = f"pyfix.commands.{command}"
        return sys.executable, "-P", "-s", "-X", "utf8", "-m", module, "-c", self._main.config_dir, "--", spec

    def _environment(self) -> dict[str, str]:
        source = os.path.dirname(os.path.dirname(pyfix.__file__))
        wanted = exported(MailParams(self._main).export_environment)
        return {"PATH": PATH, **wanted, "MAIL_CONFIG": self._main.config_dir, "PYTHONPATH": source}


def _status(what: str, path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise RefusedError(f"look up status for {what} '{path}': {error.strerror}") from None


def _is_safe(status: os.stat_result, uid: int) -> bool:
    """Whether nobody else but root has a hand in a file."""
    return status.st_uid in {0, uid} and not status.st_mode & WRITABLE


def _fault(legacy: str, uid: int, what: str) -> str:
    return (
        f"legacy indexed file '{legacy}' is owned by uid '{uid}', but {what} is owned or writable by other user;"
        " to allow automatic indexing, correct the ownership or permissions"
    )


def _upwards(directory: str) -> Iterator[str]:
    """This directory and all those above it."""
    yield directory
    while directory != (above := os.path.dirname(directory)):
        yield above
        directory = above


def _holds_aliases(path: str, uid: int, gid: int) -> bool:
    try:
        with open(path, "rb") as file:
            return is_alias_source(stream(file), path)
    except OSError as error:
        raise RefusedError(f"open lookup table source file {path} as uid={uid} gid={gid}: {error.strerror}") from None


def _failure(command: Sequence[str], environment: dict[str, str], uid: int, gid: int, limit: int) -> str | None:
    """Run a command for at most so many seconds. None: it did what it should; else its first line, "" for none."""
    switch = can_switch()
    with as_root():
        try:
            done = subprocess.run(  # noqa: S603 - a command of ours
                command,
                check=False,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                user=uid if switch else None,
                group=gid if switch else None,
                extra_groups=[gid] if switch else None,
                umask=0o077,
                timeout=limit,
                start_new_session=True,
            )
        except OSError as error:
            return str(error.strerror)
        except subprocess.TimeoutExpired as error:
            return f"no end within {error.timeout:.0f} seconds"
    if done.returncode == 0:
        return None
    return done.stdout.split(b"\n")[0].decode("utf-8", "surrogateescape")
