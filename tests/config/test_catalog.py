from importlib import import_module
from pathlib import Path

import pytest

from pyfix.config import dbms, deprecated, registry
from pyfix.config.catalog import Catalog
from pyfix.config.expand import ExpandError, references
from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import lines_of
from pyfix.config.master_entry import Entry
from pyfix.config.param import Parameter, Params, Raw


def catalog(main_cf: str, master_cf: str = "") -> Catalog:
    entries = [Entry(line) for line in lines_of(master_cf, "/c/master.cf")]
    return Catalog(MainCf.from_text(main_cf, config_dir="/c", path="/c/main.cf"), entries)


def complaints(main_cf: str, master_cf: str = "") -> list[str]:
    found = catalog(main_cf, master_cf)
    return [*found.undefined(), *found.unused()]


@pytest.mark.parametrize(
    ("main_cf", "master_cf"),
    [
        ("myorigin = $mine\nmine = x\n", ""),
        ("smtpd_restriction_classes = $more, strict\nmore = mild\nstrict = reject\nmild = permit\n", ""),
        ("virtual_alias_maps = proxy:ldap:staff\nstaff_search_base = x\n", ""),
        ("smtpd_client_restrictions = check_client_access { mysql:db }\ndb_hosts = x\n", ""),
        ("mytable = pgsql:db\ntransport_maps = $mytable\ndb_query = x\n", ""),
        ("uucp_time_limit = 5\n", "uucp unix - n n - - pipe user=x argv=/y"),
        ("mine = x\n", "a unix - - n - - smtp -o myorigin=$mine"),
        ("myorigin = $mine\n", "a unix - - n - - smtp -o mine=x"),
        ("", "a unix - - n - - smtp -o mine=x -o myorigin=$mine"),
        ("", "a unix - - n - - smtp -o smtpd_restriction_classes=mine -o mine=permit"),
        ("smtpd_timeout = ${stress?{10}:{$slow}}\nslow = 300\n", ""),
        ("forward_path = $home/.forward\nsmtpd_reject_footer = call $nobody\n", ""),
        ("smtp_requiretls_policy = ${domain_to_ascii{$mydomain}}\n", ""),
    ],
)
def test_nothing_is_wrong_with_names_that_stand_for_something(main_cf: str, master_cf: str) -> None:
    assert complaints(main_cf, master_cf) == []


@pytest.mark.parametrize(
    ("main_cf", "master_cf", "words"),
    [
        ("mine = x", "", "main.cf: unused parameter: mine=x"),
        ("myorigin = $mine", "", "main.cf: undefined parameter: mine"),
        ("smtpd_restriction_classes = mine", "", "main.cf: undefined parameter: mine"),
        ("uucp_time_limit = 5", "uucp unix - n n - - discard", "main.cf: unused parameter: uucp_time_limit=5"),
        ("virtual_alias_maps = ldap:/x\nx_bind = y", "", "main.cf: unused parameter: x_bind=y"),
        ("", "a unix - - n - - smtp -o mine=x", "master.cf: unused parameter: mine=x"),
        ("", "a unix - - n - - smtp -o myorigin=$mine", "master.cf: undefined parameter: mine"),
        ("", "a unix - - n - - smtp -o myorigin=$m -o m=\nb unix - - n - - smtp -o m=x",
         "master.cf: unused parameter: m=x"),
    ],
)  # fmt: skip
def test_a_name_that_stands_for_nothing_is_told(main_cf: str, master_cf: str, words: str) -> None:
    assert complaints(main_cf, master_cf)[-1:] == [f"/c/{words}"]


def test_a_setting_that_a_tables_own_file_may_not_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "ldap.cf").write_text("server_host = x\nhosts = y\n nothing\nno setting\n")
    path = f"{tmp_path}/ldap.cf"
    assert complaints(f"virtual_alias_maps = ldap:{path}, ldap:/nosuch/file\n") == [
        'open "ldap" configuration "/nosuch/file": No such file or directory',
        f"ldap:{path}: unused parameter: hosts=y nothing",
    ]


def test_names_that_will_go_are_told_with_what_to_write_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(deprecated.HINTS, "biff", "do not specify")
    assert complaints("virtual_maps = x\n", "a unix - - n - - smtp -o biff=yes -o biff=no") == [
        '/c/main.cf: support for parameter "virtual_maps" will be removed; instead, specify "virtual_alias_maps"',
        '/c/master.cf: support for parameter "biff" will be removed; instead, do not specify',
        "See https://www.postfix.org/DEPRECATION_README.html for details",
    ]


def test_the_old_names_are_those_that_defaults_still_look_at() -> None:
    known = registry.everything()
    defaults = (p.default for p in known.values() if isinstance(p.default, str) and not isinstance(p, Raw))
    assert {name for text in defaults for name in references(text)} - {*known} == {*deprecated.LEGACY}
    assert {*deprecated.REPLACED} <= {*known}
    assert {*deprecated.LEGACY.values(), *deprecated.REPLACED.values()} <= {*known}


def test_classes_of_names() -> None:
    found = catalog("mine = x\nmyorigin = $mine\n", "local unix - n n - - local\nsp unix - n n - - spawn\n")
    assert found.classes_of("myorigin") == {"builtin"}
    assert found.classes_of("local_destination_recipient_limit") == {"builtin", "service"}
    assert found.classes_of("sp_time_limit") == {"service"}
    assert found.classes_of("mine") == {"user"}
    assert found.classes_of("virtual_maps") == found.classes_of("nosuch") == set()
    assert (found.default("virtual_maps"), found.default("mine")) == ("", None)
    assert found.default("sp_time_limit") == "$command_time_limit"


def test_tables_are_found_at_any_depth() -> None:
    text = (
        "hash:/x, ldap:a mysql:b !mysql:x proxy:proxy:pgsql:c pipemap:{ldap:d,sqlite:e} { check_x memcache:/f } "
        "xldap:g ldap:"
    )
    names = {found.name for found in dbms.scan(text) if isinstance(found, dbms.Table)}
    assert names == {"a", "b", "c", "d", "e", "/f"}


@pytest.mark.parametrize("kind", sorted(dbms.SUFFIXES))
def test_what_a_table_reads_is_no_unused_parameter(kind: str) -> None:
    module = import_module(f"pyfix.maps.{kind}")
    groups = [found for found in vars(module).values() if isinstance(found, type) and issubclass(found, Params)]
    read = {
        parameter.name
        for found in groups
        for base in found.__mro__
        for parameter in vars(base).values()
        if isinstance(parameter, Parameter)
    }
    assert len(read) > 4
    shared = {"expansion_limit", "result_format"} if kind == "memcache" else set()  # which Postfix's does not have
    assert read - shared <= dbms.SUFFIXES[kind]


# Observed of Postfix 3.11.7.
WORDS = {
    "#foo": ["#comment after other text is not allowed: #foo ..."],
    "a # b # c": ["#comment after other text is not allowed: # b # c..."],
    "a, #0123 56789 012345678901234567890": [
        "#comment after other text is not allowed: #0123 56789 01234567890123..."
    ],
    "{x #a y {#b}} #z": [
        "#comment after other text is not allowed: #a y {#b}...",
        "#comment after other text is not allowed: #z ...",
    ],
    "inline:{ {a = #b} }": ["#comment after other text is not allowed: #b ..."],
    "a {x {b #x}": [
        "missing '}' in \"{x {b #x}\"",
        "#comment after other text is not allowed: #x ...",
    ],
    "inline:{a}b": ["syntax error after '}' in \"{a}b\""],
    "a#b hash{#a} [#a] proxy:{ #x } {} a}b": [],
    "#a ldap:/none": ["#comment after other text is not allowed: #a ldap:/none..."],
}


@pytest.mark.parametrize(("value", "words"), WORDS.items())
def test_words_that_can_not_be_are_told(value: str, words: list[str]) -> None:
    assert complaints(f"mydestination = {value}\n") == [f"/c/main.cf: {text}" for text in words]


def test_in_master_cf_the_service_is_named_where_postfix_does() -> None:
    assert complaints("", "a unix - - n - - smtp -o { myorigin = #x {b} }") == [
        "/c/master.cf: #comment after other text is not allowed: #x {b}..."
    ]
    assert complaints("", "a unix - - n - - smtp -o myorigin={}x") == [
        "/c/master.cf:a/unix: syntax error after '}' in \"{}x\""
    ]


def test_no_comment_is_looked_for_in_names_of_the_user_or_what_is_expanded_elsewhere() -> None:
    assert complaints("myorigin = $mine\nmine = a\nforward_path = a #b\n", "") == []
    assert complaints("mine = a #b\n") == ["/c/main.cf: unused parameter: mine=a #b"]


def test_only_strict_ones_learn_of_values_that_can_not_be_expanded() -> None:
    found = catalog("mydestination = $a\na = $b\nb = $a\n")
    assert list(found.undefined()) == []
    with pytest.raises(ExpandError, match='unreasonable macro call nesting: "b"'):
        list(found.undefined(strict=True))


def test_what_follows_a_broken_reference_refers_to_nothing() -> None:
    assert references("$a ${b") == {"a"}
