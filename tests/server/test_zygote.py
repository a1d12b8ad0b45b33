"""What is in memory before workers are forked."""

import gc

from pyfix.config.main_cf import MainCf
from pyfix.server import privileges, zygote
from pyfix.unix.users import User


def test_the_groups_of_mail_owner_are_looked_up_again_after_a_reload(monkeypatch):
    groups = [5]
    monkeypatch.setattr("pyfix.server.privileges.is_root", lambda: True)
    monkeypatch.setattr("pyfix.unix.users.find_user", lambda name: User(name, 5, 5, "/"))
    monkeypatch.setattr("pyfix.unix.users.groups_of", lambda *_: list(groups))
    monkeypatch.setattr("pyfix.config.networks.keep", lambda _: None)
    monkeypatch.setattr("os.register_at_fork", None)
    main = MainCf("", "", {}, {})
    try:
        zygote.take_in(main, ["virtual"])
        groups.append(6)
        zygote.take_in(main, ["virtual"])
        assert privileges.identity("postfix")[1] == (5, 6)
    finally:
        privileges.identity.cache_clear()
        gc.unfreeze()
        gc.enable()
