"""Lists of local users."""

import pytest

from pyfix.maps.run_now import run_now
from pyfix.maps.user_acl import UserAcl

NOBODYS_UID = 999999999


@pytest.mark.parametrize(
    ("text", "uid", "refused"),
    [
        ("static:anyone", 0, ""),
        ("static:anyone", NOBODYS_UID, ""),
        ("root", 0, ""),
        ("!root, static:anyone", 0, "root"),
        ("", 0, "root"),
        ("root", NOBODYS_UID, "unknown"),
        ("!unknown, static:anyone", NOBODYS_UID, "unknown"),
        ("inline:{root=yes}", 0, ""),
        ("hash:/nonexistent/table", 0, "root"),
    ],
)
def test_who_may(text, uid, refused):
    assert run_now(UserAcl(text, "authorized_submit_users").refused(uid)) == refused
