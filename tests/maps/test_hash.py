"""hash: and btree: over the indexes and the text that are there; the reader of Berkeley DB files."""

import fcntl
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pyfix.maps import hash as hash_table
from pyfix.maps import index
from pyfix.maps.db import BrokenError, Database
from pyfix.maps.open import open_or_fail
from pyfix.maps.table import OpenError

Run = Callable[..., "CompletedProcess[bytes]"]

PAIRS = {
    **{f"user{number}@example.com": f"value {number}" for number in range(3000)},
    "long": "x" * 20000,
    "k" * 500: "long key",
    "\u00e9": "\u20ac",
}


@pytest.fixture(params=["hash", "btree"])
def berkeley(request: pytest.FixtureRequest, here: Path, postfix: Run) -> tuple[str, Path]:
    """A table that real Postfix has made."""
    (here / "t").write_text("".join(f"{key} {value}\n" for key, value in PAIRS.items()))
    done = postfix("postmap", f"{request.param}:t")
    if not (here / "t.db").exists():
        pytest.skip(f"this Postfix makes no Berkeley DB files: {done.stderr.decode()}")
    return request.param, here / "t.db"


def test_a_berkeley_file_is_read(berkeley: tuple[str, Path]) -> None:
    table = open_or_fail(f"{berkeley[0]}:t")
    assert {key: table.lookup_now(key) for key in PAIRS} == PAIRS
    assert [table.lookup_now(key) for key in ["", "a", "user1@example.co", "zz", "\uffff"]] == [None] * 5
    assert dict(table.source.items()) == PAIRS


def test_an_update_of_a_berkeley_file_is_seen(berkeley: tuple[str, Path], postfix: Run) -> None:
    table = open_or_fail(f"{berkeley[0]}:t")
    assert table.lookup_now("new") is None
    postfix("postmap", "-i", f"{berkeley[0]}:t", stdin=b"new 1\n")
    assert table.lookup_now("new") == "1"
    postfix("postmap", "-d", "user7@example.com", f"{berkeley[0]}:t")
    assert table.lookup_now("user7@example.com") is None
    assert table.lookup_now("user8@example.com") == "value 8"


def test_a_reader_waits_for_who_rewrites_a_berkeley_file(berkeley: tuple[str, Path]) -> None:
    table = open_or_fail(f"{berkeley[0]}:t")
    with open(berkeley[1], "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        with open(berkeley[1], "rb") as reader, pytest.raises(BlockingIOError):
            fcntl.flock(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert table.lookup_now("long") == PAIRS["long"]


def test_the_newer_index_counts(berkeley: tuple[str, Path], here: Path) -> None:
    index.rebuild("t", lambda table: table.put("new", "1"), index.Style("hash:t"))
    assert open_or_fail("hash:t").lookup_now("new") == "1"
    os.utime("t.lmdb", (2000, 2000))
    assert open_or_fail("hash:t").lookup_now("new") is None
    assert open_or_fail("lmdb:t").lookup_now("new") == "1"


def test_a_change_takes_over_what_the_berkeley_file_has(berkeley: tuple[str, Path], here: Path) -> None:
    hash_table.convert("t", index.Style("hash:t"))
    (here / "t.db").unlink()
    assert dict(open_or_fail("hash:t").source.items()) == PAIRS


def test_a_broken_berkeley_file_is_told_or_answers_but_never_stops(berkeley: tuple[str, Path]) -> None:
    data = berkeley[1].read_bytes()
    chance = random.Random(1)
    seen = set()
    for _ in range(150):
        broken = bytearray(data[: chance.choice([len(data), chance.randrange(len(data))])])
        for _ in range(chance.randrange(200) if broken else 0):
            broken[chance.choice([chance.randrange(len(broken)), chance.randrange(min(512, len(broken)))])] = (
                chance.randrange(256)
            )
        berkeley[1].write_bytes(broken)
        with open(berkeley[1], "rb") as file:
            try:
                database = Database(file.fileno())
                seen.update(type(database.get(f"user{number}@example.com\0".encode())) for number in range(20))
                seen.update(type(pair) for pair in database.items())
            except BrokenError as error:
                seen.add(type(error))
    assert seen == {bytes, type(None), tuple, BrokenError}


@pytest.fixture
def old_index(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index in which `a` is 1, older than its text."""
    index.rebuild("t", lambda table: table.put("a", "1"), index.Style("hash:t"))
    os.utime("t.lmdb", (1000, 1000))
    monkeypatch.setattr(hash_table, "_texts", set())
    monkeypatch.setattr("pyfix.maps.watch.NEXT", 0)
    return here / "t"


def test_a_text_that_is_newer_than_the_index_is_used_and_told_once(old_index: Path, log: list[str]) -> None:
    old_index.write_text("A 2\n")
    os.utime(old_index, (2000, 2000))
    assert [open_or_fail(f"{kind}:t").lookup_now("a") for kind in ("hash", "btree", "lmdb")] == ["2", "2", "1"]
    assert log == ["warning: database t.lmdb is older than source file t: using the source file"]


def test_a_text_in_use_is_read_again_when_it_changes(old_index: Path, log: list[str]) -> None:
    old_index.write_text("a 2\n")
    os.utime(old_index, (2000, 2000))
    table = open_or_fail("hash:t")
    assert table.lookup_now("a") == "2"
    old_index.write_text("a 3\n")
    os.utime(old_index, (moment := time.time() - 2, moment))
    assert table.lookup_now("a") == "3"
    assert len(log) == 1


def test_a_text_that_is_being_edited_is_not_used_yet(old_index: Path, log: list[str]) -> None:
    old_index.write_text("a 2\n")
    assert open_or_fail("hash:t").lookup_now("a") == "1"
    assert log == []


def test_a_newer_text_of_aliases_is_read_as_such(old_index: Path) -> None:
    old_index.write_text('# local\nPostmaster: root\nroot: "|cmd x", me@example.com\n')
    os.utime(old_index, (2000, 2000))
    table = open_or_fail("hash:t")
    assert [table.lookup_now(key) for key in ("postmaster", "root", "postmaster:")] == [
        "root",
        '"|cmd x", me@example.com',
        None,
    ]


def test_what_is_no_berkeley_file_says_so(here: Path) -> None:
    (here / "t.db").write_bytes(b"x" * 9000)
    with pytest.raises(OpenError, match=r"open database t\.db: not a hash or btree file of Berkeley DB"):
        open_or_fail("hash:t")


@pytest.mark.skipif(shutil.which("db5.3_load") is None, reason="db5.3-util is not installed")
@pytest.mark.parametrize("order", ["1234", "4321"])
@pytest.mark.parametrize("kind", ["hash", "btree"])
def test_files_of_either_byte_order_and_many_pages_are_read(here: Path, kind: str, order: str) -> None:
    import subprocess

    pairs = {f"key{number}": "v" * (number % 700) + "." for number in range(2000)}
    text = "".join(f"{key}\n{value}\n" for key, value in pairs.items())
    command = ["db5.3_load", "-T", "-t", kind, "-c", f"db_lorder={order}", "-c", "db_pagesize=512", "t.db"]
    subprocess.run(command, input=text, text=True, check=True)
    with open("t.db", "rb") as file:
        database = Database(file.fileno())
        assert {key: (database.get(key.encode()) or b"").decode() for key in pairs} == pairs
        assert dict(database.items()) == {key.encode(): value.encode() for key, value in pairs.items()}


LONG = "very-" * 200 + "long@example.com"


@pytest.mark.parametrize("table_type", ["hash", "btree"])
def test_keys_longer_than_lmdb_knows_are_kept(here: Path, postfix: Run, table_type: str) -> None:
    pairs = {"a": "1", LONG: "2", f"{LONG}x": "3", "k" * 511: "4", "k" * 510: "5"}
    style = index.Style(f"{table_type}:t", duplicates=index.Duplicates.IGNORE)

    def fill(table: index.Filling) -> None:
        for key, value in [*pairs.items(), (LONG, "again")]:
            table.put(key, value)

    index.rebuild("t", fill, style)
    table = open_or_fail(f"{table_type}:t")
    assert {key: table.lookup_now(key) for key in pairs} == pairs
    assert table.lookup_now(LONG + "y") is None
    assert dict(table.source.items()) == pairs  # type: ignore[attr-defined]  # not every type can tell all
    assert index.delete("t", [LONG, LONG + "y"], map_size=1 << 24) == 1
    assert table.lookup_now(LONG) is None
    assert postfix("postmap", "-q", "a", "lmdb:t").stdout == b"1\n"
    assert postfix("postmap", "-q", LONG + "x", "lmdb:t").returncode == 1


def test_lmdb_refuses_them_in_the_words_of_postfix(here: Path, postfix: Run) -> None:
    (here / "t").write_text(f"{LONG} 1\n")
    theirs = postfix("postmap", "lmdb:t").stderr.decode().strip()
    with pytest.raises(index.UpdateError) as caught:
        index.rebuild("u", lambda table: table.put(LONG, "1"), index.Style("lmdb:t"))
    assert theirs == f"postmap: fatal: {caught.value}"
