"""mailbox - where a recipient's mail goes, and whose files they are

The tables are asked for the whole address in lower case, then without extension, then for
@domain. A path that ends in a slash is a maildir, any other a mbox; one with `../` in it is an error.

Without root nobody can become another user: then virtual_uid_maps and virtual_gid_maps are not
asked, and all mailboxes belong to the user who runs the daemon.

Parameters: virtual_mailbox_base, virtual_mailbox_maps, virtual_uid_maps, virtual_gid_maps,
            virtual_minimum_uid, recipient_delimiter
"""

from __future__ import annotations

import os
import re
from functools import lru_cache

from pyfix.delivery import log
from pyfix.delivery.agent import CONFIGURATION_ERROR
from pyfix.mail.address import NO_EXTENSIONS, Extensions
from pyfix.mail.error import Refused, Retry
from pyfix.maps.addresses import find_address
from pyfix.maps.maps import Maps
from pyfix.maps.table import TableError
from pyfix.unix import msg
from pyfix.unix.as_user import can_switch

_UP = re.compile(r"(?:^|/)\.\./")
HIGHEST = (1 << 32) - 2
"""uid or gid; one more stands for none."""
_NUMBER = re.compile(r"\s*\+?([0-9]{1,10})", re.ASCII)


class Mailbox:
    """path: of the file, or of the maildir with its slash; uid, gid: whose."""

    __slots__ = ("gid", "path", "uid")

    def __init__(self, path: str, uid: int, gid: int) -> None:
        self.path = path
        self.uid = uid
        self.gid = gid


class Mailboxes:
    """All of them. base: virtual_mailbox_base; minimum_uid: virtual_minimum_uid."""

    def __init__(
        self,
        mailboxes: Maps,
        uids: Maps,
        gids: Maps,
        *,
        base: str,
        minimum_uid: int = 100,
        extensions: Extensions = NO_EXTENSIONS,
    ) -> None:
        self._mailboxes = mailboxes
        self._uids = uids
        self._gids = gids
        self._base = base
        self._minimum_uid = minimum_uid
        self._extensions = extensions

    async def find(self, address: str) -> Mailbox:
        """The mailbox of a recipient. Refused: there is none; Retry: a table is in trouble or wrong."""
        user = address.lower()
        path = await self._find(self._mailboxes, user)
        if path is None:
            raise Refused(f'unknown user: "{user}"', status="5.1.1")
        if "../" in path and _UP.search(path):
            msg.warning(log.bad_path(user, path, self._mailboxes.name))
            raise Retry(CONFIGURATION_ERROR, status="4.3.5")
        if not can_switch():
            return Mailbox(f"{self._base}/{path}", os.getuid(), os.getgid())
        uid = self._id(await self._find(self._uids, user), self._uids, user, "uid", self._minimum_uid)
        gid = self._id(await self._find(self._gids, user), self._gids, user, "gid", 1)
        return Mailbox(f"{self._base}/{path}", uid, gid)

    async def _find(self, maps: Maps, user: str) -> str | None:
        try:
            found = await find_address(maps, user, extensions=self._extensions)
        except TableError as error:
            msg.warning(log.lookup_failed(maps.name, user, error.reason))
            raise Retry(CONFIGURATION_ERROR, status="4.3.5") from error
        return None if found is None else found[0]

    def _id(self, value: str | None, maps: Maps, user: str, kind: str, minimum: int) -> int:
        if value is None:
            msg.warning(log.not_found(user, maps.name))
            raise Retry(CONFIGURATION_ERROR, status="4.3.5")
        number = _number(value)
        if number < minimum:
            msg.warning(log.bad_id(user, kind, value, maps.name))
            raise Retry(CONFIGURATION_ERROR, status="4.3.5")
        return number


@lru_cache(100)
def _number(value: str) -> int:
    """The number that a value is; -1: it is none that a user or group can have."""
    found = _NUMBER.fullmatch(value)
    return -1 if found is None or int(found[1]) > HIGHEST else int(found[1])
