import re
import subprocess
import sys

import pytest

from pyfix.config import families, registry, restriction_names
from pyfix.config.catalog import Catalog
from pyfix.config.explain import explain
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import lines_of
from pyfix.config.master_entry import Entry
from pyfix.config.meanings import FAMILY, MEANINGS, PARTS, meaning

MAIN_CF = """\
mine = x
myorigin = $mine
stress =
smtpd_timeout =
    30s
"""
MAIN = MainCf.from_text(MAIN_CF, path="/c/main.cf")
CATALOG = Catalog(MAIN, [Entry(line) for line in lines_of("uu unix - n n - - pipe user=x argv=/y", "")])
# What has an underscore and is no parameter.
WORDS = {"daemon_name", "policy_context", "res_defnames", "res_dnsrch", "speed_adjust", "sqrt_concurrency"}


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
    assert lines("uu_time_limit")[3:] == [
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


def test_words_for_lmtp_and_tlsproxy_name_their_own_parameters() -> None:
    assert lines("lmtp_tls_key_file")[1] == "    The private key of lmtp_tls_cert_file."
    assert lines("tlsproxy_tls_key_file")[1] == "    The private key of tlsproxy_tls_cert_file."
    assert lines("tlsproxy_client_key_file")[1] == "    The private key of tlsproxy_client_cert_file."


@pytest.mark.parametrize("transport", ["nobody", "transport", "discard"])
def test_a_family_is_explained_for_a_service_that_does_not_have_it(transport: str) -> None:
    assert lines(f"{transport}_destination_rate_delay") == [
        f"{transport}_destination_rate_delay",
        "    The pause between two deliveries of this transport to one destination; a",
        "    destination then gets one at a time.",
        "    type     a time; a number without s, m, h, d or w is in seconds",
        "    default  $default_destination_rate_delay, here 0s",
        "    read by  qmgr",
        f"    note     master.cf has no service {transport} of this kind; those it has: uu",
    ]


def test_the_nearest_name_in_any_letter_case() -> None:
    assert lines("smtpd_tls_cafile") == ["smtpd_tls_cafile: nobody knows this name; did you mean smtpd_tls_CAfile?"]
    assert lines("uu_destinaton_rate_delay") == [
        "uu_destinaton_rate_delay: nobody knows this name; did you mean uu_destination_rate_delay?"
    ]


# Readers


@pytest.mark.parametrize(
    ("name", "programs"),
    [
        ("smtpd_banner", "postscreen, smtpd"),
        ("smtpd_tls_CAfile", "smtpd, tlsproxy"),
        ("smtpd_tls_loglevel", "smtpd, tlsmgr, tlsproxy"),
        ("lmtp_tls_session_cache_database", "tlsmgr"),
        ("lmtp_connect_timeout", "lmtp"),
        ("smtp_connect_timeout", "smtp"),
        ("best_mx_transport", "lmtp, smtp"),
        ("queue_directory", "every program"),
        ("hopcount_limit", "cleanup"),
        ("default_destination_rate_delay", "qmgr"),
    ],
)
def test_readers(name: str, programs: str) -> None:
    assert f"    read by  {programs}" in lines(name)


# Sentences


def test_every_parameter_has_one_sentence() -> None:
    everything = registry.everything()
    assert [name for name in everything if not meaning(name)] == []
    assert {*MEANINGS} <= {*everything}
    assert len(MEANINGS) == sum(len(part) for part in PARTS)
    assert {*FAMILY} == {*families.SUFFIXES}


def test_sentences_are_sentences() -> None:
    for name, text in {**{name: meaning(name) for name in registry.everything()}, **FAMILY}.items():
        assert re.fullmatch(r"[A-Z].*[\w>)}]\.", text), name
        assert "  " not in text, name
        assert not re.search(rf"\b{name}\b", text), name


def test_sentences_name_only_what_there_is() -> None:
    known = {*registry.everything(), *restriction_names.NAMES, *WORDS}
    for name in registry.everything():
        assert {*re.findall(r"[a-z0-9]+(?:_[A-Za-z0-9]+)+", meaning(name))} <= known, name


def test_sizes_have_a_unit() -> None:
    for name in registry.everything():
        if re.search("_(size|length)(_limit)?$|_size$|_bytes$|_data_rate$|minfree$", name):
            assert re.search(r"\bin bytes\b|\bbits\b", meaning(name)), name


def test_nobody_else_loads_the_sentences() -> None:
    script = (
        "import sys, pyfix.commands.postconf, pyfix.commands.postfix; print('pyfix.config.meanings' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
