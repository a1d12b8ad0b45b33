"""What every program reads at its start, and the short way to see that nothing is wrong with it."""

import pytest

from pyfix.config import check, registry
from pyfix.config.at_start import FLAGS, NUMBERS, READ, TEXTS, TIMES, USUAL, WORDS, plain
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.param import Bool, Int, Raw, Str, Time

KINDS = [(FLAGS, Bool), (NUMBERS, Int), (TIMES, Time), (WORDS, Str), (TEXTS, Str)]

MOVING = "non_bdb_migration_level = enable-redirect"
# Observed of Postfix 3.11.7: the text that follows "fatal: " there.
BAD = [
    ("message_size_limit = abc", "bad numerical configuration: message_size_limit = abc"),
    ("message_size_limit = 1k", "bad numerical configuration: message_size_limit = 1k"),
    ("lmdb_map_size = 99999999999999999999", "bad numerical configuration: lmdb_map_size = 99999999999999999999"),
    ("header_size_limit = 0", "invalid header_size_limit parameter value 0 < 1"),
    ("line_length_limit = 0", "invalid line_length_limit parameter value 0 < 512"),
    ("hash_queue_depth = 0", "invalid hash_queue_depth parameter value 0 < 1"),
    ("delay_logging_resolution_limit = 7", "invalid delay_logging_resolution_limit parameter value 7 > 6"),
    ("ipc_timeout = 0", "invalid ipc_timeout: 0 (min 1)"),
    ("ipc_timeout = 5x", "parameter ipc_timeout: bad time value or unit: 5x"),
    ("ipc_timeout = -5", "parameter ipc_timeout: bad time value or unit: -5"),
    ("in_flow_delay = 11", "invalid in_flow_delay: 11 (max 10)"),
    ("smtputf8_enable = maybe", "bad boolean configuration: smtputf8_enable = maybe"),
    ("respectful_logging = maybe", "bad boolean configuration: respectful_logging = maybe"),
    ("mail_name =", "bad string length 0 < 1: mail_name = "),
    ("command_directory =", "bad string length 0 < 1: command_directory = "),
    ("default_verp_delimiters = +", "bad string length 1 < 2: default_verp_delimiters = +"),
    ("compatibility_level = zz", 'malformed compatibility level syntax: "zz"'),
    ("myhostname = a b", "parameter myhostname: bad parameter value: a b"),
    ("myhostname = -x", "parameter myhostname: bad parameter value: -x"),
    ("myhostname = 1.2.3.4", "parameter myhostname: bad parameter value: 1.2.3.4"),
    ("mydomain = a..b", "parameter mydomain: bad parameter value: a..b"),
    ("myorigin = a b", "myorigin parameter setting must not contain multiple values: a b"),
    ("import_environment = TZ {a", "import_environment: missing '}' in \"{a\""),
    ("import_environment = {a}b", "import_environment: syntax error after '}' in \"{a}b\""),
    ("import_environment = { =x }", "import_environment: missing attribute name in: =x"),
    ("syslog_facility = foo", "parameter syslog_facility: unrecognized value: foo"),
    ("inet_protocols = foo", 'unknown inet_protocols value "foo" in "foo"'),
    ("mynetworks_style = foo", 'unknown mynetworks mask style value "foo" in "foo"'),
    ("inet_interfaces = 192.0.2.77", "parameter inet_interfaces: no local interface found for 192.0.2.77"),
    ("maillog_file = /etc/x", "maillog_file value '/etc/x' does not match any prefix in maillog_file_prefixes"),
    ("maillog_file = x", "maillog_file value 'x' does not match any prefix in maillog_file_prefixes"),
    (f"non_bdb_custom_mapping = foo\n{MOVING}", 'open dictionary: expecting "type:name" form instead of "foo"'),
    (f"non_bdb_custom_mapping = hash:x\n{MOVING}", "non_bdb_custom_mapping must not use legacy type: 'hash'"),
    ("mydestination = ${x", 'parameter mydestination: truncated macro reference: "${x"'),
]  # fmt: skip
GOOD = [
    "message_size_limit = 20480000", "max_idle = 100s", "soft_bounce = No", "mail_name = x", "myhostname = a-1.example",
    "compatibility_level = 3.11", "maillog_file = /var/log/mail", "mydestination =", "inet_interfaces = all",
    "myorigin = /etc/mailname", "myorigin = $mydomain", "relay_domains = $myhostname, ${x", "nobody_knows = $it",
]  # fmt: skip


@pytest.fixture(autouse=True)
def caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)


@pytest.mark.parametrize(("names", "kind"), KINDS, ids=["flags", "numbers", "times", "words", "texts"])
def test_they_are_declared_as_what_they_are_taken_for(names: frozenset[str], kind: type) -> None:
    for name in names:
        parameter = registry.find(name)
        assert isinstance(parameter, kind), name
        assert not isinstance(parameter, Raw), name
        if kind is Str:
            assert bool(parameter.min) == (names is WORDS), name


def test_what_is_usual_is_right() -> None:
    for name, values in USUAL.items():
        for value in values:
            main = MainCf.from_text(f"{name} = {value}\n")
            check.at_start(main)


@pytest.mark.parametrize(("setting", "problem"), BAD, ids=lambda value: str(value)[:50])
def test_a_bad_value_is_fatal_to_all(setting: str, problem: str) -> None:
    with pytest.raises(BadConfig) as error:
        check.at_start(MainCf.from_text(f"\n{setting}\n"))
    assert str(error.value) == f"main.cf, line 2: {problem}"


@pytest.mark.parametrize("setting", [setting for setting, _ in BAD])
def test_a_bad_value_is_never_plain(setting: str) -> None:
    name, _, value = setting.partition("=")
    assert not plain(name.strip(), {name.strip(): value.strip()}, root=True)


@pytest.mark.parametrize("name", ["mail_owner", "setgid_group", "default_privs"])
def test_users_are_looked_up_for_root_only(name: str) -> None:
    assert plain(name, {name: "nosuch"}, root=False)
    assert not plain(name, {name: "nosuch"}, root=True)


@pytest.mark.parametrize("setting", GOOD)
def test_what_is_plainly_right(setting: str) -> None:
    name, _, value = setting.partition("=")
    assert plain(name.strip(), {name.strip(): value.strip()}, root=True) == ("${" not in value)


@pytest.mark.parametrize(
    ("setting", "others", "right"),
    [
        ("maillog_file = /srv/x/log", {"maillog_file_prefixes": "/var, /srv/x"}, True),
        ("maillog_file = /srv/xlog", {"maillog_file_prefixes": "/var, /srv/x"}, False),
        ("maillog_file = /dev/stdout", {}, True),
        ("maillog_file = /var/log/mail", {"maillog_file_prefixes": "/srv"}, False),
        ("inet_interfaces = 127.0.0.1", {}, True),
        ("inet_interfaces = 127.0.0.1", {"inet_protocols": "ipv6"}, False),
    ],
)
def test_what_is_right_beside_another_value(setting: str, others: dict[str, str], right: bool) -> None:
    name, _, value = setting.partition(" = ")
    settings = {name: value, **others}
    assert plain(name, settings, root=True) is right
    if right:
        check.at_start(MainCf.from_text("".join(f"{n} = {v}\n" for n, v in settings.items())))


def test_a_reference_to_a_value_with_references_is_not_plain() -> None:
    settings = {"relay_domains": "$mydestination", "mydestination": "$relay_domains", "mynetworks": "$a", "a": "x"}
    assert not plain("relay_domains", settings, root=True)
    assert plain("mynetworks", settings, root=True)


def test_a_bad_value_of_one_program_troubles_no_other() -> None:
    assert "queue_run_delay" not in READ
    check.at_start(MainCf.from_text("queue_run_delay = abc\nsmtpd_timeout = abc\n"))


def test_a_name_of_this_host_made_of_itself_ends() -> None:
    main = MainCf.from_text("myhostname = mail.$mydomain\n")
    assert (main.value("myhostname"), main.value("mydomain")) == ("mail.", "")
    with pytest.raises(BadConfig, match=r"misplaced|bad parameter value: mail\.|bad string length 0 < 1: mydomain"):
        check.at_start(main)


@pytest.mark.parametrize(
    ("setting", "warnings"),
    [
        ("known_tcp_ports = smtp=xx, lmtp", [
            'known_tcp_ports: in "smtp=xx": non-numerical service port',
            'known_tcp_ports: in " lmtp" is not in "name = value" form',
        ]),
        ("maillog_file_permissions = 0777", ["ignoring bad permissions: maillog_file_permissions = 0777"]),
        ("maillog_file_permissions = 64", ["ignoring bad permissions: maillog_file_permissions = 64"]),
        ("maillog_file_permissions = 640", []),
    ],
)  # fmt: skip
def test_all_warn_of_what_is_passed_over(setting: str, warnings: list[str], logged: list[str]) -> None:
    check.at_start(MainCf.from_text(f"myhostname = a.example\n{setting}\n"))
    assert logged == [f"warning: {text}" for text in warnings]
