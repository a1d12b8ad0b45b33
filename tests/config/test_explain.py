from pyfix.config import registry
from pyfix.config.catalog import Catalog
from pyfix.config.explain import OF_SEVERAL, explain, kind, readers
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import lines_of
from pyfix.config.master_entry import Entry
from pyfix.config.meanings import MEANINGS

MAIN_CF = """\
mine = x
myorigin = $mine
stress =
smtpd_timeout =
    30s
"""
MAIN = MainCf.from_text(MAIN_CF, path="/c/main.cf")
CATALOG = Catalog(MAIN, [Entry(line) for line in lines_of("uu unix - n n - - pipe user=x argv=/y", "")])


def lines(name: str) -> list[str]:
    return list(explain(name, MAIN, CATALOG))


def test_a_parameter_is_explained() -> None:
    assert lines("smtpd_timeout") == [
        "smtpd_timeout",
        "    How long a client may take over a command, and over reading a reply.",
        "    type     a time; a number without s, m, h, d or w is in seconds",
        "    default  ${stress?{10}:{300}}s, here 300s",
        "    limits   at least 1 second",
        "    read by  smtpd",
        "    set      /c/main.cf, line 4: 30s",
    ]


def test_a_name_of_the_users_own() -> None:
    assert lines("mine") == [
        "mine",
        "    type     a name of your own",
        "    used in  myorigin",
        "    set      /c/main.cf, line 1: x",
    ]


def test_a_name_that_a_service_brings() -> None:
    assert lines("uu_time_limit")[2:] == [
        "    default  $command_time_limit, here 1000s",
        "    limits   at least 1 second",
        "    read by  pipe, spawn",
    ]
    assert lines("uu_destination_rate_delay")[-1] == "    read by  qmgr"


def test_an_older_name() -> None:
    type_, note = lines("virtual_maps")[1:]
    assert type_ == "    type     an older name of virtual_alias_maps, which takes its value from here by default"
    assert note.endswith('will be removed; instead, specify "virtual_alias_maps"')


def test_an_unknown_name_and_the_nearest() -> None:
    assert lines("smtpd_baner") == ["smtpd_baner: nobody knows this name; did you mean smtpd_banner?"]
    assert lines("zzzzz") == ["zzzzz: nobody knows this name"]


def test_an_lmtp_name_has_the_words_of_its_twin() -> None:
    assert lines("lmtp_lhlo_timeout")[1] == lines("smtp_helo_timeout")[1]
    assert lines("lmtp_sasl_password_maps")[1] == lines("smtp_sasl_password_maps")[1]
    assert lines("lmtp_sasl_password_maps")[2] == "    type     text: a list of tables, asked in order until one knows"


def test_every_parameter_has_a_type_and_a_reader() -> None:
    for name, parameter in registry.everything().items():
        assert kind(parameter)
        assert readers(name, CATALOG)
    assert {*MEANINGS, *OF_SEVERAL} <= {*registry.everything()}
