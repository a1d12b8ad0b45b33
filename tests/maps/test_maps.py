from pathlib import Path

import pytest

from pyfix.maps.maps import Maps
from pyfix.maps.open import open_or_fail
from pyfix.maps.proxy import ProxyTable
from pyfix.maps.run_now import run_now
from pyfix.maps.table import Options, TableError


def test_the_first_table_with_an_answer_wins() -> None:
    maps = Maps("inline:{a=1}, inline:{a=2,b=3}\n static:{x y}", name="m")
    assert [run_now(maps.find(key)) for key in ["A", "b", "c"]] == ["1", "3", "x y"]


def test_partial_keys_go_to_tables_of_fixed_strings_only() -> None:
    maps = Maps("regexp:{{/./ pattern}} inline:{@d=fixed}", name="m")
    assert run_now(maps.find("@d")) == "pattern"
    assert run_now(maps.find("@d", partial=True)) == "fixed"


@pytest.mark.parametrize("table_type", ["unionmap", "pipemap"])
def test_a_compound_table_is_of_what_its_first_is_of(table_type: str) -> None:
    fixed, pattern, last = "inline:{@d=x}", "regexp:{{/^@D/i x}}", "inline:{x=y}"
    for first, found in ((fixed, True), (pattern, False), (f"unionmap:{{{fixed}}}", True)):
        maps = Maps(f"{table_type}:{{{first}, {last if table_type == 'pipemap' else pattern}}}", name="m")
        assert (run_now(maps.find("@d", partial=True)) is not None) is found
        proxied = ProxyTable(Options("proxy"), f"{table_type}:{{{first}, {pattern}}}", "/none")
        assert proxied.fixed is found


def test_no_tables_have_no_answer() -> None:
    maps = Maps("", name="m")
    assert not maps
    assert run_now(maps.find("a")) is None


def test_an_empty_key_is_not_looked_up() -> None:
    assert run_now(Maps("static:x", name="m").find("")) is None


def test_a_failing_table_ends_the_search_and_is_logged(log: list[str]) -> None:
    maps = Maps("inline:{a=1} fail:x static:y", name="m")
    assert run_now(maps.find("a")) == "1"
    with pytest.raises(TableError) as caught:
        run_now(maps.find("b"))
    assert log == ['warning: fail:x lookup error for "b"']
    assert caught.value.table == "fail:x"


def test_a_table_that_can_not_open_fails_each_lookup(log: list[str]) -> None:
    maps = Maps("hash:/no/such", name="m")
    reason = "open database /no/such.lmdb: No such file or directory"
    for _ in range(2):
        with pytest.raises(TableError):
            run_now(maps.find("a"))
    assert log == [f"error: {reason}"] + 2 * [
        f"warning: hash:/no/such is unavailable. {reason}",
        'warning: hash:/no/such lookup error for "a"',
    ]


def test_an_empty_value_is_an_error(log: list[str]) -> None:
    with pytest.raises(TableError):
        run_now(Maps("inline:{a=}", name="alias_maps").find("a"))
    assert log == [
        "warning: alias_maps lookup of a returns an empty string result",
        "warning: alias_maps should return NO RESULT in case of NOT FOUND",
    ]


def test_keys_that_are_not_utf_8_are_not_found(log: list[str]) -> None:
    assert run_now(Maps("static:x", name="m").find("a\udcff")) is None
    assert log == ['warning: static:x: non-UTF-8 key "a?": malformed UTF-8 or invalid codepoint']


def test_without_smtputf8_any_bytes_may_be_looked_up() -> None:
    assert run_now(Maps("static:x", name="m", utf8=False).find("a\udcff")) == "x"
    assert run_now(Maps("inline:{É=1}", name="m", utf8=False).find("é")) is None


def test_values_that_are_not_utf_8_are_an_error(log: list[str]) -> None:
    with pytest.raises(TableError):
        run_now(Maps("static:\udcff", name="m").find("k"))
    assert log[0] == (
        'warning: static:?: key "k": non-UTF-8 value "?": malformed UTF-8 or invalid codepoint'
    )


def test_a_changed_file_is_noticed(here: Path) -> None:
    (here / "t").write_text("a b\n")
    maps = Maps("unionmap:{static:x,texthash:t} static:y", name="m")
    before = maps.stamp()
    assert not maps.changed()
    (here / "t").write_text("a bc\n")
    assert maps.changed()
    assert maps.stamp() != before


def test_tables_may_be_given_open() -> None:
    maps = Maps.of([open_or_fail("inline:{a=b}"), open_or_fail("static:c")], name="m")
    assert [run_now(maps.find(key)) for key in ["a", "x"]] == ["b", "c"]
