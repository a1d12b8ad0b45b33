"""cdb: written and read, alone and beside real Postfix."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps import cdb
from pyfix.maps.index import Duplicates, Style
from pyfix.maps.open import open_or_fail
from pyfix.maps.table import OpenError, TableError

Run = Callable[..., "CompletedProcess[bytes]"]

PAIRS = {f"user{number}@example.com": f"value {number}" for number in range(2000)} | {"\u00e9": "\u20ac"}


def build(pairs: dict[str, str], style: Style) -> None:
    def fill(table: cdb.Filling) -> None:
        for key, value in pairs.items():
            table.put(key, value)

    cdb.rebuild("t", fill, style)


@pytest.mark.parametrize("nul", [True, False])
def test_what_was_built_is_found(here: Path, nul: bool) -> None:
    build(PAIRS, Style("cdb:t", nul=nul, mode=0o640))
    table = open_or_fail("cdb:t")
    assert {key: table.lookup_now(key) for key in PAIRS} == PAIRS
    assert [table.lookup_now(key) for key in ("x", "", "USER1@example.com")] == [None, None, "value 1"]
    assert dict(table.source.items()) == PAIRS
    assert [path.name for path in here.iterdir()] == ["t.cdb"]
    assert (here / "t.cdb").stat().st_mode & 0o777 == 0o640


def test_a_new_file_is_seen_by_the_next_lookup(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyfix.maps.watch.NEXT", 0)
    build({"a": "1"}, Style("cdb:t"))
    table = open_or_fail("cdb:t")
    build({"a": "2"}, Style("cdb:t"))
    assert table.lookup_now("a") == "2"


@pytest.mark.parametrize(("duplicates", "value"), [(Duplicates.WARN, "1"), (Duplicates.REPLACE, "2")])
def test_one_of_two_values_stays(here: Path, log: list[str], duplicates: Duplicates, value: str) -> None:
    def fill(table: cdb.Filling) -> None:
        table.put("a", "1")
        table.put("a", "2")

    cdb.rebuild("t", fill, Style("cdb:t", duplicates=duplicates))
    assert open_or_fail("cdb:t").lookup_now("a") == value
    assert log == (['warning: t: duplicate entry: "a"'] if value == "1" else [])


def test_a_broken_file_answers_with_an_error(here: Path) -> None:
    build({"a": "1"}, Style("cdb:t"))
    data = bytearray((here / "t.cdb").read_bytes())
    (here / "t.cdb").write_bytes(data[:2056])
    with pytest.raises(TableError):
        open_or_fail("cdb:t").lookup_now("a")
    (here / "t.cdb").write_bytes(b"short")
    with pytest.raises(OpenError, match=r"open database t\.cdb: short file"):
        open_or_fail("cdb:t")


def test_real_postfix_makes_the_same_file(here: Path, postfix: Run) -> None:
    if not Path("/usr/lib/postfix/postfix-cdb.so").exists():
        pytest.skip("real Postfix's cdb plug-in is not installed")
    (here / "r").write_text("".join(f"{key} {value}\n" for key, value in PAIRS.items()))
    assert postfix("postmap", "cdb:r").returncode == 0
    build(PAIRS, Style("cdb:t", nul=False))
    assert (here / "t.cdb").read_bytes() == (here / "r.cdb").read_bytes()
    assert postfix("postmap", "-q", "user7@example.com", "cdb:t").stdout == b"value 7\n"
