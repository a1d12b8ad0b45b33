"""static, inline, texthash, fail, environ, internal, unix, unionmap, pipemap, randmap, debug, proxy."""

import os
from pathlib import Path

import pytest

from pyfix.maps.open import open_or_fail
from pyfix.maps.run_now import run_now
from pyfix.maps.table import OpenError, TableError


@pytest.mark.parametrize(
    ("spec", "key", "value"),
    [
        ("static:x", "any", "x"),
        ("static:{a b}", "any", "a b"),
        ("inline:{a=1, {b=2 3}}", "b", "2 3"),
        ("inline:{{a = x = y}}", "a", "x = y"),
        ("inline:{a=1}", "A", "1"),
        ("inline:{A=1}", "a", "1"),
        ("inline:{a=1}", "b", None),
        ("inline:{k=v,k=w}", "k", "w"),
        ("internal:x", "a", None),
        ("unix:passwd.byname", "root", "root:x:0:0:root:/root:/bin/bash"),
        ("unix:passwd.byname", "no such user", None),
        ("unix:group.byname", "no such group", None),
        ("unionmap:{static:a,inline:{k=b}}", "k", "a,b"),
        ("unionmap:{inline:{k=a},inline:{k=b}}", "x", None),
        ("pipemap:{inline:{k=b},inline:{b=c}}", "k", "c"),
        ("pipemap:{inline:{k=b},inline:{x=c}}", "k", None),
        ("randmap:{v}", "k", "v"),
    ],
)
def test_it_answers(spec: str, key: str, value: str | None) -> None:
    found = open_or_fail(spec).lookup_now(key)
    if spec.startswith("unix") and value is not None:
        assert found is not None
        found, value = found[:5], value[:5]
    assert found == value


NEED = 'need "inline:{name=value...}"'


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("static:{a b", """bad static:name syntax: missing '}' in "{a b\""""),
        ("static:", 'open dictionary: expecting "type:name" form instead of "static:"'),
        ("inline:a=1", f'bad syntax: "inline:a=1"; {NEED}'),
        ("inline:{}", f'bad syntax: "inline:{{}}"; {NEED}'),
        ("inline:{a}", f"missing '=' after attribute name: \"inline:{{a}}\"; {NEED}"),
        ("inline:{{a=1}x}", f'syntax error after \'}}\' in "{{a=1}}x": "inline:{{{{a=1}}x}}"; {NEED}'),
        ("unix:foo", "unknown table: unix:foo"),
        ("nosuch:x", "unsupported dictionary type: nosuch"),
        ("unionmap:{}", 'bad syntax: "unionmap:{}"; need "unionmap:{type:name...}"'),
        ("unionmap:{static:y,foo}", 'bad syntax: "unionmap:{static:y,foo}"; need "unionmap:{type:name...}"'),
        ("pipemap:{static:a,nosuch:x}", "unsupported dictionary type: nosuch"),
        ("randmap:x", 'bad syntax: "randmap:x"; need "randmap:{value...}"'),
        ("texthash:/no/such", "open database /no/such: No such file or directory"),
        ("hash:/no/such", "open database /no/such.lmdb: No such file or directory"),
    ],
)
def test_a_table_that_can_not_open_says_why(spec: str, reason: str) -> None:
    with pytest.raises(OpenError) as caught:
        open_or_fail(spec)
    assert str(caught.value) == reason


@pytest.mark.parametrize("spec", ["fail:x", "unionmap:{static:a,fail:x}", "pipemap:{fail:x,static:a}"])
def test_a_failing_table_fails_under_the_name_it_was_given(spec: str) -> None:
    with pytest.raises(TableError) as caught:
        open_or_fail(spec).lookup_now("k")
    assert (caught.value.table, caught.value.reason) == (spec, "Application error")
    assert (caught.value.code, caught.value.status) == (451, "4.3.0")


def test_the_environment_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("abc", "1")
    assert open_or_fail("environ:x").lookup_now("ABC") == "1"


def test_randmap_picks_one_of_its_values() -> None:
    table = open_or_fail("randmap:{a,{b c}}")
    assert {table.lookup_now("k") for _ in range(100)} == {"a", "{b c}"}


def test_debug_logs_what_is_asked(log: list[str]) -> None:
    table = open_or_fail("debug:inline:{k=v}")
    table.lookup_now("k")
    table.lookup_now("x")
    assert log == ['inline:{k=v} lookup: "k" = "v"', 'inline:{k=v} lookup: "x" = "not_found"']


def test_debug_logs_a_key_as_it_was_asked_for(log: list[str]) -> None:
    assert open_or_fail("debug:debug:inline:{k=v}").lookup_now("K") == "v"
    assert open_or_fail("debug:inline:{k=v}", fold=False).lookup_now("K") is None
    assert open_or_fail("debug:pcre:{{/k/i v}}").lookup_now("K") is None
    assert log == [
        'inline:{k=v} lookup: "K" = "v"',
        'debug:inline:{k=v} lookup: "K" = "v"',
        'inline:{k=v} lookup: "K" = "not_found"',
        'pcre:{{/k/i v}} lookup: "K" = "not_found"',
    ]


def test_texthash_reports_bad_lines_and_keeps_the_first_of_two(here: Path, log: list[str]) -> None:
    (here / "t").write_bytes(b"Key  a  b\nbad\nkey c\nx\xff y\n\xc3\x89 e\n")
    table = open_or_fail("texthash:t")
    assert [table.lookup_now(key) for key in ["KEY", "é", "bad"]] == ["a  b", "e", None]
    assert log == [
        "warning: t, line 2: expected format: key whitespace value -- ignoring this line",
        'warning: t, line 3: duplicate entry: "key"',
        'warning: t, line 4: non-UTF-8 input "x? y" -- ignoring this line',
    ]


def test_a_changed_text_file_is_read_again_once_it_is_quiet(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyfix.maps.watch.NEXT", 0)
    file = here / "t"
    file.write_text("a 1\n")
    os.utime(file, (1000, 1000))
    table = open_or_fail("texthash:t")
    file.write_text("a 22\n")
    assert table.lookup_now("a") == "1", "half-written, for all we know"
    os.utime(file, (2000, 2000))
    assert table.lookup_now("a") == "22"
    assert table.changed()


def test_a_replaced_text_file_is_read(here: Path) -> None:
    (here / "t").write_text("/a/ 1\n")
    os.utime(here / "t", (1000, 1000))
    table = open_or_fail("regexp:t")
    (here / "new").write_text("/a/ 2\n")
    os.rename(here / "new", here / "t")
    assert table.lookup_now("a") == "2"


def test_a_removed_text_file_leaves_the_table_as_it_was(here: Path) -> None:
    (here / "t").write_text("/a/ 1\n")
    table = open_or_fail("regexp:t")
    (here / "t").unlink()
    assert table.lookup_now("a") == "1"
    assert table.changed()


def test_where_the_system_knows_nobody_no_user_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr("pyfix.unix.passwd.PASSWD", str(tmp_path / "passwd"))
    table = open_or_fail("unix:passwd.byname")
    with pytest.raises(TableError, match="No such file or directory"):
        run_now(table.lookup("no such user"))
    (tmp_path / "passwd").touch()
    assert run_now(table.lookup("no such user")) is None
