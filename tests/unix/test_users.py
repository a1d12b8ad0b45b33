import os

import pytest

from pyfix.unix import users


def test_root_is_known_by_name_and_number():
    assert users.user("root").uid == 0
    assert users.user("0").name == "root"
    assert users.group("root") == 0
    assert users.group_name(0) == "root"


def test_unknown_names_are_named():
    with pytest.raises(users.UnknownUserError, match="no such user: nosuch"):
        users.user("nosuch")
    with pytest.raises(users.UnknownUserError, match="no such group: nosuch"):
        users.group("nosuch")
    assert users.find_user("nosuch") is None


def test_caller_is_this_user():
    assert users.caller().uid == os.getuid()
