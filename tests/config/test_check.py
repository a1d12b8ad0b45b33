import pytest

from pyfix.config import check as checks
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.unix import users

USERS = {
    "postfix": users.User("postfix", 105, 110, "/"),
    "nobody": users.User("nobody", 65534, 65534, "/"),
    "root": users.User("root", 0, 0, "/root"),
    "wheel": users.User("wheel", 7, 0, "/"),
    "dropper": users.User("dropper", 106, 111, "/"),
}
GROUPS = {"postdrop": 111, "root": 0, "other": 110}


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    def group(name: str) -> int:
        if name not in GROUPS:
            raise users.UnknownUserError(name)
        return GROUPS[name]

    monkeypatch.setattr(users, "find_user", USERS.get)
    monkeypatch.setattr(users, "group", group)
    monkeypatch.setattr("os.geteuid", lambda: 0)


def test_the_defaults_pass() -> None:
    checks.check(MainCf.from_text("myhostname = a.example\n"))


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("mail_owner = nosuch", "parameter mail_owner: unknown user name value: nosuch"),
        ("mail_owner = root", "parameter mail_owner: user root has privileged user ID"),
        ("mail_owner = wheel", "parameter mail_owner: user wheel has privileged group ID"),
        ("setgid_group = nosuch", "parameter setgid_group: unknown group name: nosuch"),
        ("setgid_group = root", "parameter setgid_group: group root has privileged group ID"),
        ("default_privs = nosuch", "parameter default_privs: unknown user name value: nosuch"),
        ("default_privs = root", "parameter default_privs: user root has privileged user ID"),
        ("default_privs = postfix", "parameters default_privs and mail_owner specify the same user postfix"),
        (
            "mail_owner = dropper",
            ("parameters mail_owner and setgid_group: "
            "user dropper and group postdrop have the same group ID: 111"),
        ),
        ("syslog_facility = x", "parameter syslog_facility: unrecognized value: x"),
        ("inet_protocols = ipv5", 'unknown inet_protocols value "ipv5" in "ipv5"'),
        ("max_use = 0", "invalid max_use parameter value 0 < 1"),
    ],
)
def test_a_bad_setting_is_located(setting: str, problem: str) -> None:
    with pytest.raises(BadConfig) as error:
        checks.check(MainCf.from_text(f"myhostname = a.example\n{setting}\n"))
    assert str(error.value) == f"main.cf, line 2: {problem}"


def test_an_ordinary_user_needs_no_other_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    checks.check(MainCf.from_text("myhostname = a.example\nmail_owner = nosuch\nsetgid_group = nosuch\n"))
