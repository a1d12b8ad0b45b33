"""postfix non-bdb: what it changes, says and refuses. Where Postfix 3.11 is installed, its own is run too."""

import os
import re

import pytest

from tests.e2e.instance import instance, instance_directory
from tests.real_postfix import release
from tests.services.test_nbdb_reindexd import source, trusted

__all__ = ["instance", "instance_directory", "trusted"]

TYPES = "default_database_type = lmdb\ndefault_cache_db_type = lmdb\n"
LONG_AGO = 1_000_000_000  # a main.cf that was just written makes real commands wait
USAGE = "fatal: usage: postfix non-bdb status (or enable-redirect, or enable-reindex, or disable)"


@pytest.fixture
def sides(instance, real_postfix):
    """Systems that do not run."""

    def make(main_cf: str = TYPES, master_cf: str = ""):
        makers = [instance, *[real_postfix] * (release() >= (3, 11))]
        return [maker(main_cf=main_cf, master_cf=master_cf, start=False) for maker in makers]

    return make


def non_bdb(side, *words: str) -> tuple[int, str]:
    """Exit status, and what it says."""
    os.utime(side.config / "main.cf", (LONG_AGO, LONG_AGO))
    done = side.command("postfix", "non-bdb", *words)
    texts = [text if isinstance(text, str) else text.decode() for text in (done.stdout, done.stderr)]
    return done.returncode, re.sub("postfix: .*\n", "", "".join(texts))  # of compatibility_level


def state(side) -> tuple[str, list[str]]:
    """The level in main.cf, and the fields of the service in master.cf."""
    main_cf, master_cf = [(side.config / name).read_text() for name in ("main.cf", "master.cf")]
    levels = re.findall(r"^non_bdb_migration_level = (.*)$", main_cf, re.MULTILINE)
    return ",".join(levels), [" ".join(line.split()) for line in master_cf.splitlines() if "nbdb" in line]


REINDEX = ["nbdb_reindex unix y n n - 1 nbdb_reindexd"]


def test_each_level_changes_main_cf_and_master_cf(sides):
    for side in sides():
        assert non_bdb(side, "status") == (0, "disable\n")
        steps = [
            ("enable-reindex", REINDEX), ("enable-redirect", []), ("enable-reindex", REINDEX),
            ("enable-reindex", REINDEX), ("disable", []), ("disable", []), ("enable-redirect", []), ("disable", []),
        ]  # fmt: skip
        for level, service in steps:
            assert non_bdb(side, level) == (0, "")
            assert state(side) == ("" if level == "disable" else level, service)
            assert non_bdb(side, "status") == (0, f"{level}\n")


def test_another_line_of_the_service_is_replaced(sides):
    for side in sides(master_cf="nbdb_reindex unix - n n - 5 nbdb_reindexd -v\n"):
        assert non_bdb(side, "enable-reindex") == (0, "")
        assert state(side) == ("enable-reindex", REINDEX)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("default_database_type = hash", "parameter default_database_type specifies a Berkeley DB type: 'hash'"),
        ("default_cache_db_type = btree", "parameter default_cache_db_type specifies a Berkeley DB type: 'btree'"),
    ],
)
def test_the_types_to_go_to_must_not_be_those_to_leave(sides, setting, problem):
    name = setting.partition(" ")[0]
    for side in sides(re.sub(f"{name} = .*", setting, TYPES)):
        for level in ("enable-redirect", "enable-reindex"):
            assert non_bdb(side, level) == (1, f"postfix/postlog: fatal: {problem}\n")
        assert state(side) == ("", [])
        assert non_bdb(side, "disable") == (0, "")


def test_wrong_words_are_fatal(sides):
    for side in sides():
        for words in ([], ["frobnicate"], ["status", "x"], ["enable"]):
            assert non_bdb(side, *words) == (1, f"postfix/postlog: {USAGE}\n")


def test_indexes_that_commands_need_are_made_at_once(instance, trusted):
    table = source(trusted / "users", "alice yes\n", legacy=False)
    mail = instance(f"{TYPES}authorized_flush_users = hash:{table}, static:all\n", start=False)
    status, said = non_bdb(mail, "enable-reindex")
    assert (status, said.splitlines()[0]) == (0, f"postfix/postlog: Proactively reindexing hash:{table}")
    assert mail.command("postmap", "-q", "alice", f"lmdb:{table}").stdout == "yes\n"


def test_a_table_of_commands_that_is_not_there_stops_it(sides, trusted):
    table = trusted / "missing"
    for side in sides(f"{TYPES}authorized_mailq_users = hash:{table}\n"):
        status, said = non_bdb(side, "enable-reindex")
        assert status == 1
        assert f"postmap: fatal: open {table}: No such file or directory\n" in said
        assert state(side) == ("", [])
