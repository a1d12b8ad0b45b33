"""user_acl - which local users may submit, list or flush mail

A list of user names (or tables of them), as other lists; a user without a name is called `unknown`. Nobody is exempt
here: callers let root and mail_owner pass where Postfix does.

Parameters: authorized_submit_users, authorized_mailq_users, authorized_flush_users. See also: postconf(5).
"""

from pyfix.maps.match import StringMatch
from pyfix.maps.table import TableError
from pyfix.unix import users

ANYONE = "static:anyone"


class UserAcl:
    """One list. text: its value; name: the parameter's, for messages."""

    def __init__(self, text: str, name: str) -> None:
        self._list = None if text.strip() == ANYONE else StringMatch(text, name=name)

    async def refused(self, uid: int) -> str:
        """The name of a user who may not; "" when he may. A list that can't answer lets nobody pass."""
        if self._list is None:
            return ""
        user = users.user_of(uid)
        name = "unknown" if user is None else user.name
        try:
            return "" if await self._list.matches(name) else name
        except TableError:
            return name
