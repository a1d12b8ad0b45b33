import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyfix.maps import index
from pyfix.maps.open import open_or_fail, open_table
from pyfix.maps.table import OpenError, TableError

SIZE = 1 << 24


def build(name: str, pairs: dict[str, str], *, nul: bool = True, map_size: int = SIZE) -> None:
    def fill(table: index.Filling) -> None:
        for key, value in pairs.items():
            table.put(key, value)

    index.rebuild(name, fill, index.Style(f"lmdb:{name}", map_size=map_size, nul=nul))


def rebuild_elsewhere(name: str, key: str, value: str, times: int = 1) -> None:
    """As another process does it."""
    code = (
        "import sys; from pyfix.maps import index; name, key, value, times = sys.argv[1:]; "
        "index.rebuild(name, lambda table: table.put(key, value * int(times)), index.Style('x'))"
    )
    root = str(Path(index.__file__).parents[2])
    subprocess.run(
        [sys.executable, "-c", code, name, key, value, str(times)],
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )


@pytest.mark.parametrize("nul", [True, False])
@pytest.mark.parametrize("table_type", ["hash", "btree", "lmdb"])
def test_what_was_built_is_found(here: Path, table_type: str, nul: bool) -> None:
    build("t", {"a": "1", "é": "zwei", "b c": "3"}, nul=nul)
    table = open_or_fail(f"{table_type}:t")
    assert [table.lookup_now(key) for key in ["A", "É", "b c", "d", "", "k" * 600]] == [
        "1",
        "zwei",
        "3",
        None,
        None,
        None,
    ]
    assert table.fixed
    assert list(table.source.items()) == [("a", "1"), ("b c", "3"), ("é", "zwei")]


def test_two_tables_share_a_file(here: Path) -> None:
    build("t", {"a": "1"})
    tables = [open_or_fail("hash:t"), open_or_fail("lmdb:t")]
    assert [table.lookup_now("a") for table in tables] == ["1", "1"]


def test_an_update_in_place_is_seen_by_the_next_lookup(here: Path) -> None:
    build("t", {"a": "1"})
    table = open_or_fail("hash:t")
    assert not table.changed()
    rebuild_elsewhere("t", "a", "2")
    assert table.lookup_now("a") == "2"
    assert table.changed()


def test_a_file_that_has_grown_is_read(here: Path) -> None:
    build("t", {"a": "1"})
    table = open_or_fail("hash:t")
    rebuild_elsewhere("t", "big", "x", 3 << 20)
    assert len(table.lookup_now("big") or "") == 3 << 20


def test_a_replaced_file_is_opened_again(here: Path) -> None:
    build("t", {"a": "1"})
    build("new", {"a": "2"})
    table = open_or_fail("hash:t")
    (here / "new.lmdb").rename("t.lmdb")
    assert table.lookup_now("a") == "2"


def test_a_removed_file_serves_until_there_is_a_new_one(here: Path) -> None:
    build("t", {"a": "1"})
    table = open_or_fail("hash:t")
    (here / "t.lmdb").unlink()
    assert table.lookup_now("a") == "1"
    rebuild_elsewhere("t", "a", "2")
    assert table.lookup_now("a") == "2"


def test_a_reader_does_not_wait_for_a_writer(here: Path) -> None:
    build("t", {"a": "1"})
    table = open_or_fail("hash:t")
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            ("import fcntl, lmdb, sys; f = open('t.lmdb', 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX);"
            "t = lmdb.open('t.lmdb', subdir=False, lock=False).begin(write=True); t.put(b'a\\0', b'2\\0');"
            "print(flush=True); sys.stdin.read(); t.commit()"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    assert table.lookup_now("a") == "1"
    writer.communicate(b"")
    assert table.lookup_now("a") == "2"


def test_a_reader_that_was_overtaken_asks_again_under_the_lock(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build("t", {"a": "1"})
    table = open_or_fail("hash:t")
    begin, begun = table.source._begin, 0

    def overtaken() -> lmdb.Transaction:
        nonlocal begun
        begun += 1
        if begun == 2:  # the look afterwards
            rebuild_elsewhere("t", "a", "2")
            rebuild_elsewhere("t", "a", "3")
        return begin()

    monkeypatch.setattr(table.source, "_begin", overtaken)
    assert table.lookup_now("a") == "3"


def test_a_new_index_is_there_whole_or_not_at_all(here: Path) -> None:
    with pytest.raises(index.UpdateError, match="error updating lmdb:t: MDB_BAD_VALSIZE"):
        build("t", {"k" * 600: "v"})
    assert list(here.iterdir()) == []


def test_a_failed_rebuild_leaves_the_old_content(here: Path) -> None:
    build("t", {"a": "1"})
    with pytest.raises(index.UpdateError):
        build("t", {"b": "2", "k" * 600: "v"})
    assert open_or_fail("hash:t").lookup_now("a") == "1"


def test_the_map_grows_as_needed(here: Path) -> None:
    build("t", {f"k{i}": "v" * 1000 for i in range(100)}, map_size=65536)
    assert open_or_fail("hash:t").lookup_now("k99") == "v" * 1000


def test_entries_are_added_and_deleted(here: Path, log: list[str]) -> None:
    build("t", {"a": "1"})
    for duplicates in index.Duplicates:
        both = ("a", duplicates.name), (duplicates.name, "x")
        style = index.Style("lmdb:t", duplicates=duplicates)
        index.add("t", lambda table, both=both: [table.put(*pair) for pair in both], style)  # type: ignore[misc]
    assert log == ['warning: lmdb:t: duplicate entry: "a"']
    assert index.delete("t", ["WARN", "none", ""], map_size=SIZE) == 1
    assert list(open_or_fail("lmdb:t").source.items()) == [
        ("IGNORE", "x"),
        ("REPLACE", "x"),
        ("a", "REPLACE"),
    ]


def test_what_is_no_database_says_so(here: Path) -> None:
    (here / "t.lmdb").write_bytes(b"x" * 8192)
    with pytest.raises(OpenError, match=r"open database t\.lmdb: MDB_INVALID: File is not an LMDB file"):
        open_or_fail("hash:t")


def test_reading_needs_no_right_to_write(here: Path) -> None:
    build("t", {"a": "1"})
    (here / "t.lmdb").chmod(0o444)
    here.chmod(0o555)
    assert open_or_fail("hash:t").lookup_now("a") == "1"
    here.chmod(0o755)
    assert sorted(file.name for file in here.iterdir()) == ["t.lmdb"]


def test_a_table_that_is_built_later_is_found(
    here: Path, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = open_table("hash:t")
    with pytest.raises(TableError):
        table.lookup_now("a")
    reason = "open database t.lmdb: No such file or directory"
    assert log == [f"error: {reason}", f"warning: hash:t is unavailable. {reason}"]
    build("t", {"a": "1"})
    with pytest.raises(TableError):
        table.lookup_now("a")
    monkeypatch.setattr("pyfix.maps.watch.monotonic", lambda: 1e12)
    assert table.lookup_now("a") == "1"


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(texts, texts, max_size=20))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, str]) -> None:
    name = str(tmp_path_factory.mktemp("t") / "t")
    build(name, pairs)
    table = open_or_fail(f"lmdb:{name}", fold=False)
    assert {key: table.lookup_now(key) for key in pairs} == pairs


def test_the_file_is_plain_lmdb_with_nul_at_the_ends(here: Path) -> None:
    build("t", {"b": "2", "a": "1"})
    environment = lmdb.open("t.lmdb", subdir=False, readonly=True, lock=False)
    with environment, environment.begin() as transaction:
        assert list(transaction.cursor()) == [(b"a\0", b"1\0"), (b"b\0", b"2\0")]


def test_the_process_that_reads_a_file_may_write_it(here: Path) -> None:
    build("t", {"a": "1"})
    one, other = open_or_fail("lmdb:t"), open_or_fail("hash:t")
    style = index.Style("lmdb:t", duplicates=index.Duplicates.REPLACE)
    for number in range(20):
        index.add("t", lambda table: table.put("a", "x" * 100_000 + str(number)), style)  # noqa: B023 - called at once
        assert one.lookup_now("a") == other.lookup_now("a") == "x" * 100_000 + str(number)
    index.delete("t", ["a"], map_size=SIZE)
    assert one.lookup_now("a") is None
    build("t", {"b": "2"})
    assert (one.lookup_now("b"), other.lookup_now("b")) == ("2", "2")


def test_a_writer_is_alone_when_its_map_has_to_grow(here: Path) -> None:
    build("t", {"a": "1"})
    others: list[int] = []

    def fill(table: index.Filling) -> None:
        code = (
            "import fcntl; file = open('t.lmdb', 'r+')\n"
            "try: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "except OSError: raise SystemExit(7)"
        )
        others.append(subprocess.run([sys.executable, "-c", code], check=False).returncode)
        table.put("b", "x" * 300_000)

    index.add("t", fill, index.Style("lmdb:t", map_size=1 << 16))
    assert others == [7] * len(others)
    assert len(others) > 1
