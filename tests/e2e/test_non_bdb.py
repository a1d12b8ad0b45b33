"""hash: and btree: tables of a running system at each level of the move away from Berkeley DB.

Words and answers are those seen of Postfix 3.11.7, which is asked too where it is installed.
"""

import re
import socket
import time

import pytest

from tests.e2e.instance import instance, instance_directory
from tests.real_postfix import release
from tests.services.test_nbdb_reindexd import source, trusted

__all__ = ["instance", "instance_directory", "trusted"]

MAIN_CF = """\
default_database_type = lmdb
default_cache_db_type = cdb
non_bdb_migration_allow_root_prefixes = {top}
smtpd_delay_reject = no
smtpd_client_restrictions =
smtpd_helo_restrictions = check_helo_access hash:{top}/t/helo
smtpd_sender_restrictions = check_sender_access btree:{top}/t/sender, check_sender_access hash:{top}/t/source-only
"""
REINDEX = "nbdb_reindex unix y n n - 1 nbdb_reindexd\n"
NO_INDEX = "error: open database {}: No such file or directory"


@pytest.fixture
def sides(instance, real_postfix, trusted):
    """Systems with the tables that main.cf names, running at a level: ours, and a real one of 3.11."""

    def make(level: str, more: str = "", master_cf: str = "", *, start: bool = True):
        made = []
        for name in ["ours", *["real"] * (release() >= (3, 11))]:
            top = trusted / name
            (top / "t").mkdir(parents=True)
            source(top / "t/helo", "bad.test REJECT helo\n")
            source(top / "t/sender", "bad@x.test REJECT sender\n")
            source(top / "t/source-only", "u@x.test OK\n", legacy=False)
            text = MAIN_CF.format(top=top) + f"non_bdb_migration_level = {level}\n" + more.replace("{top}", str(top))
            side = (instance if name == "ours" else real_postfix)(main_cf=text, master_cf=master_cf, start=start)
            made.append((side, top / "t"))
        return made

    return make


def say(side, *lines: str) -> list[str]:
    """The replies to lines of a client of its own."""
    with socket.create_connection(("127.0.0.1", side.port), timeout=20) as sock, sock.makefile("rb") as file:
        file.readline()
        replies = []
        for line in lines:
            sock.sendall(f"{line}\r\n".encode())
            replies.append(file.readline().decode().rstrip())
        sock.sendall(b"QUIT\r\n")
        file.readline()
    return replies


def wait_for(side, *words: str) -> None:
    for text in words:
        end = time.monotonic() + 20
        while text not in side.log():
            assert time.monotonic() < end, f"{text}\n\n{side.log()}"
            time.sleep(0.02)


def run(side, name: str, *words: str, stdin: str = "") -> tuple[int, str, list[str]]:
    """Exit status, standard output, and what a command says."""
    done = side.command(name, *words, stdin=stdin.encode())
    out, err = (text if isinstance(text, str) else text.decode() for text in (done.stdout, done.stderr))
    return done.returncode, out, err.splitlines()


def test_redirected_tables_are_opened_in_their_new_type_and_their_indexes_left_to_the_administrator(sides):
    for side, t in sides("enable-redirect"):
        assert say(side, "HELO bad.test") == [
            "451 4.3.5 <bad.test>: Helo command rejected: Server configuration error",
        ]
        wait_for(
            side,
            f"]: redirecting hash:{t}/helo to lmdb:{t}/helo\n",
            f"]: {NO_INDEX.format(f'{t}/helo.lmdb')}\n",
            f"]: redirecting btree:{t}/sender to cdb:{t}/sender\n",
            f"]: {NO_INDEX.format(f'{t}/sender.cdb')}\n",
            f"]: warning: lmdb:{t}/helo is unavailable. open database {t}/helo.lmdb: No such file or directory\n",
            f']: warning: lmdb:{t}/helo lookup error for "bad.test"\n',
        )
        assert sorted(path.name for path in t.glob("*db")) == ["helo.db", "sender.db"]
        for spec in (f"hash:{t}/helo", f"btree:{t}/sender", f"hash:{t}/source-only"):
            assert run(side, "postmap", spec)[:2] == (0, "")
        side.command("postfix", "reload")
        end = time.monotonic() + 20
        while say(side, "HELO bad.test") != ["554 5.7.1 <bad.test>: Helo command rejected: helo"]:
            assert time.monotonic() < end, side.log()
        assert say(side, "HELO x", "MAIL FROM:<bad@x.test>")[1] == (
            "554 5.7.1 <bad@x.test>: Sender address rejected: sender"
        )


def test_missing_indexes_are_made_when_a_daemon_opens_the_table(sides):
    for side, t in sides("enable-reindex", master_cf=REINDEX):
        assert say(side, "HELO bad.test") == ["554 5.7.1 <bad.test>: Helo command rejected: helo"]
        assert say(side, "HELO x", "MAIL FROM:<bad@x.test>")[1] == (
            "554 5.7.1 <bad@x.test>: Sender address rejected: sender"
        )
        reason = f"look up status for legacy indexed file '{t}/source-only.db': No such file or directory"
        assert say(side, "HELO x", "MAIL FROM:<u@x.test>")[1] == (
            "451 4.3.5 <u@x.test>: Sender address rejected: Server configuration error"
        )
        wait_for(
            side,
            f"]: redirecting hash:{t}/helo to lmdb:{t}/helo\n",
            f"]: successfully executed 'postmap lmdb:{t}/helo' as uid 0\n",
            f"]: successfully executed 'postmap cdb:{t}/sender' as uid 0\n",
            f"]: warning: request to index hash:{t}/source-only failed: {reason}\n",
            f"]: warning: Non-Berkeley-DB migration error: {reason}\n",
            f"]: error: Non-Berkeley-DB migration error: {reason}\n",
            f"]: warning: hash:{t}/source-only is unavailable. Non-Berkeley-DB migration error: {reason}\n",
        )
        assert sorted(path.name for path in t.glob("*db")) == ["helo.db", "helo.lmdb", "sender.cdb", "sender.db"]


def test_a_table_without_index_works_once_the_administrator_has_made_it(sides):
    ours, t = sides("enable-reindex", master_cf=REINDEX)[0]
    assert say(ours, "HELO x", "MAIL FROM:<u@x.test>")[1].startswith("451 4.3.5 ")
    assert run(ours, "postmap", f"lmdb:{t}/source-only")[0] == 0
    end = time.monotonic() + 20
    while not say(ours, "HELO x", "MAIL FROM:<u@x.test>")[1].startswith("250 "):
        assert time.monotonic() < end, ours.log()
        time.sleep(0.1)
    ours.stop()  # and with it, each daemon's last lines are written
    asked = re.findall(r"smtpd\[(\d+)\]: warning: Non-Berkeley-DB migration error: ", ours.log())
    assert asked
    assert ours.log().count("request to index hash:") == len({*asked})  # each process asks once


def test_where_nobody_makes_indexes_this_is_the_reason(sides):
    for side, t in sides("enable-reindex"):
        assert say(side, "HELO bad.test")[0].startswith("451 4.3.5 ")
        reason = f"connection to {side.queue}/private/nbdb_reindex service: No such file or directory"
        wait_for(side, f"]: warning: Non-Berkeley-DB migration error: {reason}\n")
        assert run(side, "postmap", "-q", "bad.test", f"hash:{t}/helo") == (
            1, "", [
                f"postmap: redirecting hash:{t}/helo to lmdb:{t}/helo",
                f"postmap: warning: Non-Berkeley-DB migration error: {reason}",
                f"postmap: fatal: Non-Berkeley-DB migration error: {reason}",
            ],
        )  # fmt: skip


def test_commands_have_indexes_made_when_they_read(sides):
    for side, t in sides("enable-reindex", master_cf=REINDEX):
        source(t / "aliases", "root: bob\n")
        told = [f"postalias: redirecting hash:{t}/aliases to lmdb:{t}/aliases"]
        assert run(side, "postalias", "-q", "root", f"hash:{t}/aliases") == (0, "bob\n", told)
        wait_for(side, f"]: successfully executed 'postalias lmdb:{t}/aliases' as uid 0\n", told[0][len("postalias"):])


def test_commands_make_and_change_tables_in_the_new_type(sides):
    for side, t in sides("enable-redirect", start=False):
        table, told = source(t / "map"), f"redirecting hash:{t}/map to lmdb:{t}/map"
        old, other = f"hash:{table}", f"postmap: redirecting btree:{table} to cdb:{table}"
        missing = f"postmap: fatal: open database {t}/map.lmdb: No such file or directory"
        assert run(side, "postmap", "-q", "a", old) == (1, "", [f"postmap: {told}", missing])
        assert run(side, "postmap", old) == (0, "", [f"postmap: {told}"])
        assert run(side, "postmap", "-q", "a", old) == (0, "b\n", [f"postmap: {told}"])
        assert run(side, "postmap", "-i", old, stdin="x y\n") == (0, "", [f"postmap: {told}"])
        assert run(side, "postmap", "-d", "a", old) == (0, "", [f"postmap: {told}"])
        assert run(side, "postmap", "-s", old) == (0, "x\ty\n", [f"postmap: {told}"])
        assert run(side, "postmap", f"btree:{table}") == (0, "", [other])
        cant = "postmap: fatal: unsupported non-bulk change request"
        assert run(side, "postmap", "-i", f"btree:{table}", stdin="x y\n") == (1, "", [other, cant])
        assert run(side, "postmap", "-d", "a", f"btree:{table}") == (1, "", [other, cant])
        both = f"unionmap:{{{old},btree:{table}}}"
        assert run(side, "postmap", "-q", "x", both) == (0, "y\n", [f"postmap: {told}", other])
        assert sorted(path.name for path in t.glob("map.*")) == ["map.cdb", "map.db", "map.lmdb"]
        side.command("postconf", "non_bdb_migration_log_redirect=no")
        assert run(side, "postmap", "-q", "a", f"btree:{table}") == (0, "b\n", [])


@pytest.mark.parametrize(
    ("mapping", "reason"),
    [
        ("default_database_type = hash", "mapping from 'hash' to legacy type 'hash'"),
        ("non_bdb_custom_mapping = inline:{hash=btree}", "mapping from 'hash' to legacy type 'btree'"),
        ("non_bdb_custom_mapping = inline:{hash=}", "bad non-legacy database type syntax: ''"),
        ("non_bdb_custom_mapping = static:lmdb:", "bad non-legacy database type syntax: 'lmdb:'"),
        ("non_bdb_custom_mapping = inline:{{hash:{top}/t/map = no}}", "mapping to unsupported database type: 'no'"),
        ("non_bdb_custom_mapping = fail:x", "fail:x lookup error for 'hash:{t}/map'"),
    ],
)
def test_a_type_that_stands_for_nothing_is_fatal(sides, mapping, reason):
    for side, t in sides("enable-redirect", f"{mapping}\n", start=False):
        spec, why = f"hash:{source(t / 'map')}", reason.replace("{t}", str(t))
        status, out, said = run(side, "postmap", spec)
        assert (status, out, said[-1]) == (
            1, "", f"postmap: fatal: non_bdb migration mapping lookup error for 'hash': {why}",
        )  # fmt: skip
        status, out, said = run(side, "postmap", "-q", "a", spec)
        assert (status, out, said[-2:]) == (1, "", [
            f"postmap: warning: non-Berkeley-DB type mapping lookup error for '{spec}': {why}",
            f"postmap: fatal: Berkeley DB type mapping lookup error for '{spec}': {why}",
        ])  # fmt: skip


def test_types_without_index_files_can_be_read_only(sides):
    mapping = "non_bdb_custom_mapping = inline:{ {hash:{top}/t/map = texthash} }\n"
    for side, t in sides("enable-redirect", mapping, start=False):
        spec, told = f"hash:{source(t / 'map')}", f"postmap: redirecting hash:{t}/map to texthash:{t}/map"
        assert run(side, "postmap", "-q", "a", spec) == (0, "b\n", [told])
        no = "postmap: fatal: no 'map create' support for non_bdb mapped type: texthash"
        assert run(side, "postmap", spec) == (1, "", [told, no])
        side.command("postconf", "non_bdb_migration_level=enable-reindex")
        no = "non-Berkeley-DB mapped type 'texthash' has no known pathname suffix"
        assert run(side, "postmap", "-q", "a", spec) == (
            1, "", [told, f"postmap: warning: {no}", f"postmap: fatal: {no}"],
        )  # fmt: skip


def test_the_custom_mapping_goes_by_the_table_first_and_may_not_be_one_of_those(sides):
    mapping = "non_bdb_custom_mapping = inline:{ {hash:{top}/t/map = cdb}, {hash = lmdb} }\n"
    for side, t in sides("enable-redirect", mapping, start=False):
        for name, found in (("map", "cdb"), ("other", "lmdb")):
            told = [f"postmap: redirecting hash:{t}/{name} to {found}:{t}/{name}"]
            assert run(side, "postmap", f"hash:{source(t / name)}") == (0, "", told)
        side.command("postconf", f"non_bdb_custom_mapping=hash:{t}/map")
        for command in (["postmap", "-q", "a", "static:x"], ["postmap", "-s", f"hash:{t}/map"], ["postqueue", "-p"]):
            code, out, said = run(side, *command)
            assert (out, code != 0) == ("", True)
            legacy = r"fatal: (\S+ line \d+: )?non_bdb_custom_mapping must not use legacy type: 'hash'"
            assert re.search(legacy, said[-1]), said


def test_an_unknown_level_is_fatal_to_every_command(sides):
    for side, t in sides("Enable-Redirect", start=False):
        assert run(side, "postmap", f"hash:{source(t / 'map')}")[0] == 0
        side.command("postconf", "non_bdb_migration_level=some")
        for command in (["postmap", "-q", "a", "static:x"], ["postqueue", "-p"]):
            said = run(side, *command)[2]
            assert re.search(r"fatal: (\S+ line \d+: )?invalid non-Berkeley-DB migration level: 'some'", said[-1]), said
