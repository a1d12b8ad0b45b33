"""nbdb_reindexd of a running system: what it makes, as whom, and what it refuses, in the words of 3.11's own.

Where Postfix 3.11 is installed, it is asked too.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.services.nbdb_reindexd import NbdbReindexd, RefusedError
from tests.e2e.instance import instance, instance_directory, other_user
from tests.real_postfix import release

__all__ = ["instance", "instance_directory", "other_user"]

MAIN_CF = """\
default_database_type = lmdb
default_cache_db_type = lmdb
non_bdb_migration_level = enable-reindex
non_bdb_migration_allow_root_prefixes = /etc {top}/t rel,{top}/slash/ {top}//e {top}/exact
non_bdb_migration_allow_user_prefixes = {top}/u
non_bdb_custom_mapping = inline:{{ {{hash:{top}/t/cdb=cdb}}, {{hash:{top}/t/legacy=btree}}, {{hash:{top}/t/foo=foo}},
  {{hash:{top}/t/colon=cdb:/x}}, {{hash:{top}/t/text=texthash}} }}
"""
MASTER_CF = "nbdb_reindex unix y n n - 1 nbdb_reindexd\n"
OWNED = "legacy indexed file '{}.db' is owned by uid '{}', but "
BY_OTHERS = " is owned or writable by other user; to allow automatic indexing, correct the ownership or"
ROOT = "non_bdb_migration_allow_root_prefixes"


@pytest.fixture
def trusted():
    """A directory below which only root writes, all the way up."""
    if os.geteuid() != 0:
        pytest.skip("needs root: tables are made as their owners")
    path = Path(tempfile.mkdtemp(prefix="pyfix-nbdb-", dir="/var/lib"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def sides(instance, real_postfix, trusted):
    """Running systems, each with a directory of its own for tables."""

    def make(main_cf: str = "", master_cf: str = MASTER_CF):
        made = []
        for name in ["ours", *["real"] * (release() >= (3, 11))]:
            top = trusted / name
            (top / "t").mkdir(parents=True)
            (top / "u").mkdir()
            os.chown(top / "u", *nobody())
            text = MAIN_CF.format(top=top) + main_cf.replace("{top}", str(top))
            side = (instance if name == "ours" else real_postfix)(main_cf=text, master_cf=master_cf)
            made.append((side, top))
        return made

    return make


def nobody() -> tuple[int, int]:
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def source(path: Path, text: str = "a b\n", *, owner=(0, 0), legacy: bool = True) -> Path:
    """A table's text, and something in place of what Berkeley DB made of it."""
    path.parent.mkdir(exist_ok=True)
    for file, content in [(path, text), *[(Path(f"{path}.db"), "x")] * legacy]:
        file.write_text(content)
        os.chown(file, *owner)
        file.chmod(0o644)
    return path


def ask(side, table_type: str, path) -> tuple[int, str]:
    """A request in the form that Postfix has; status and reason."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(side.queue / "private/nbdb_reindex"))
        assert sock.recv(100) == b"protocol\0nbdb_reindex\0\0"
        sock.sendall(b"nbdb_type\0%b\0nbdb_path\0%b\0\0" % (table_type.encode(), os.fsencode(path)))
        data = b"".join(iter(lambda: sock.recv(4096), b""))
    names = data.decode().split("\0")
    assert (names[0], names[2], names[4:]) == ("status", "reason", ["", ""])
    return int(names[1]), names[3]


def wait_for(side, words: str) -> None:
    end = time.monotonic() + 20
    while words not in side.log():
        assert time.monotonic() < end, side.log()
        time.sleep(0.02)


def test_indexes_are_made_as_the_owner_of_the_legacy_one(sides):
    for side, top in sides():
        assert ask(side, "hash", source(top / "t/map")) == (0, "")
        wait_for(side, f"]: successfully executed 'postmap lmdb:{top}/t/map' as uid 0")
        assert ask(side, "btree", source(top / "t/aliases", "# all\nroot: bob\n")) == (0, "")
        wait_for(side, f"]: successfully executed 'postalias lmdb:{top}/t/aliases' as uid 0")
        uid, gid = nobody()
        source(top / "u/map", owner=(uid, gid)).chmod(0o640)
        assert ask(side, "hash", top / "u/map") == (0, "")
        wait_for(side, f"]: successfully executed 'postmap lmdb:{top}/u/map' as uid {uid}")
        status = (top / "u/map.lmdb").stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (uid, gid, 0o640)
        os.chown(source(top / "u/of-root", owner=(uid, gid)), 0, 0)
        assert ask(side, "hash", top / "u/of-root") == (0, "")
        assert (top / "u/of-root.lmdb").stat().st_uid == uid
        assert ask(side, "hash", source(top / "t/cdb")) == (0, "")
        assert (top / "t/cdb.cdb").exists()
        for spec in (f"lmdb:{top}/t/map", f"cdb:{top}/t/cdb"):
            assert side.command("postmap", "-q", "a", spec).stdout in ("b\n", b"b\n")


def test_an_index_that_is_there_is_left_alone(sides):
    for side, top in sides():
        path = source(top / "t/map", legacy=False)
        (top / "t/map.lmdb").write_text("precious")
        assert ask(side, "hash", path) == (0, "")
        wait_for(side, f"]: target file '{path}.lmdb' already exists, skipping this request")
        assert (top / "t/map.lmdb").read_text() == "precious"


def test_what_postmap_warns_of_is_in_the_log(sides):
    for side, top in sides():
        assert ask(side, "hash", source(top / "t/map", "novalue\na b\na c\n")) == (0, "")
        wait_for(side, f"]: warning: {top}/t/map, line 1: expected format: key whitespace value")
        wait_for(side, f']: warning: lmdb:{top}/t/map: duplicate entry: "a"')


def spoil(top: Path) -> dict[str, str]:
    """Tables with something wrong, and the beginning of what is said of it."""
    t, u, theirs = top / "t", top / "u", nobody()
    source(t / "nodb", legacy=False)
    (t / "notext.db").write_text("x")
    source(t / "group").chmod(0o664)
    source(t / "theirs")
    os.chown(t / "theirs", *theirs)
    source(t / "of-user", owner=theirs)
    source(u / "of-root")
    source(top / "tt/beside")
    source(top / "e/slashes")
    for name in ("legacy", "foo", "colon", "text"):
        source(t / name)
    source(t / "open/map")
    (t / "open").chmod(0o777)
    source(t / "foreign/map")
    os.chown(t / "foreign", *theirs)
    source(u / "closed", owner=theirs).chmod(0)
    setting = f"/etc {top}/t rel,{top}/slash/ {top}//e {top}/exact"
    uid, gid = theirs
    unexpected = "table %s has an unexpected pathname; to allow automatic indexing as %s, append its parent directory"
    as_root = f"{unexpected} to the '{ROOT}' setting (current setting is: \"{setting}\")"
    as_user = f"{unexpected} to the '{ROOT.replace('root', 'user')}' setting (current setting is: \"{top}/u\")"
    return {
        f"hash:{t}/nodb": f"look up status for legacy indexed file '{t}/nodb.db': No such file or directory",
        f"hash:{t}/notext": f"look up status for source file '{t}/notext': No such file or directory",
        f"lmdb:{t}/nodb": "request to map from non-Berkeley-DB type: 'lmdb'",
        f"hash:{t}/group": OWNED.format(t / "group", 0) + f"source file '{t}/group'" + BY_OTHERS,
        f"hash:{t}/theirs": OWNED.format(t / "theirs", 0) + f"source file '{t}/theirs'" + BY_OTHERS,
        f"hash:{t}/of-user": as_user % (t / "of-user", "non-root"),
        f"hash:{u}/of-root": as_root % (u / "of-root", "root"),
        f"hash:{top}/tt/beside": as_root % (top / "tt/beside", "root"),
        f"hash:{top}/t/../tt/beside": as_root % (f"{top}/t/../tt/beside", "root"),
        f"hash:{top}/e/slashes": as_root % (top / "e/slashes", "root"),
        f"hash:{t}/legacy": "mapping from 'hash' to legacy type 'btree'",
        f"hash:{t}/foo": "mapping to unsupported database type: 'foo'",
        f"hash:{t}/colon": "bad non-legacy database type syntax: 'cdb:/x'",
        f"hash:{t}/text": "non-Berkeley-DB type 'texthash' has no known suffix",
        f"hash:{t}/open/map": OWNED.format(t / "open/map", 0) + f"parent directory '{t}/open'" + BY_OTHERS,
        f"hash:{t}/foreign/map": OWNED.format(t / "foreign/map", 0) + f"parent directory '{t}/foreign'" + BY_OTHERS,
        f"hash:{u}/closed": f"open lookup table source file {u}/closed as uid={uid} gid={gid}: Permission denied",
    }


def test_what_is_not_safe_is_refused_and_told(sides):
    for side, top in sides():
        for spec, reason in spoil(top).items():
            table_type, _, path = spec.partition(":")
            status, said = ask(side, table_type, path)
            assert (status, said.startswith(reason)) == (1, True), (spec, said)
            wait_for(side, f"]: warning: request to index {spec} failed: {reason}")
        assert [path.name for path in top.rglob("*.lmdb")] == []
        assert "]: warning: request to allowlist prefix with relative pathname: 'rel'\n" in side.log()
        assert f"]: warning: request to allowlist prefix with '/../': '{top}/t/../tt/beside'\n" in side.log()


def test_directories_that_others_write_to_are_refused_all_the_way_up(sides):
    for side, top in sides():
        source(top / "t/sub/map")
        (top / "t").chmod(0o1777)
        reason = OWNED.format(top / "t/sub/map", 0) + f"parent directory '{top}/t/sub'" + BY_OTHERS
        status, said = ask(side, "hash", top / "t/sub/map")
        assert (status, said.startswith(reason)) == (1, True), said


def test_prefixes_are_directories_with_or_without_a_slash_at_the_end(sides):
    for side, top in sides():
        assert ask(side, "hash", source(top / "slash/map")) == (0, "")
        status, said = ask(side, "hash", source(top / "exact"))
        assert (status, said.startswith(f"table {top}/exact has an unexpected pathname; ")) == (1, True)


def test_the_root_directory_trusts_every_name(sides):
    for side, top in sides("non_bdb_migration_allow_root_prefixes = /\n"):
        assert ask(side, "hash", source(top / "any/map")) == (0, "")


def test_a_command_that_fails_leaves_nothing(sides):
    for side, top in sides():
        path = source(top / "u/map", owner=nobody())
        os.chown(top / "u", 0, 0)
        reason = f"could not execute command 'postmap lmdb:{path}': postmap: fatal: open database {path}.lmdb: "
        assert ask(side, "hash", path) == (1, f"{reason}Permission denied")
        assert sorted(file.name for file in (top / "u").iterdir()) == ["map", "map.db"]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo x > {index}; echo why; echo more; exit 1", "why"),
        ("echo x > {index}; kill -9 $$", "(postmap failure reason unavailable); alternatively, execute the failed "),
    ],
)
def test_what_a_command_has_begun_goes_with_its_failure(tmp_path, script, reason):
    index, me = tmp_path / "map.lmdb", (os.geteuid(), os.getegid())
    service = SimpleNamespace(
        _main=MainCf.from_text("", config_dir=str(tmp_path)),
        _command=lambda *_: ("sh", "-c", script.format(index=index)),
        _environment=lambda: {"PATH": "/usr/bin:/bin"},
    )
    with pytest.raises(RefusedError, match=re.escape(f"could not execute command 'postmap lmdb:map': {reason}")):
        NbdbReindexd._run(service, "postmap", "lmdb:map", str(index), *me)
    assert not index.exists()


def test_it_does_nothing_at_another_level(sides):
    for side, top in sides("non_bdb_migration_level = enable-redirect\n"):
        assert ask(side, "hash", source(top / "t/map")) == (1, "the nbdb_reindex service is disabled")
        assert not (top / "t/map.lmdb").exists()


def alone(mail, *words: str) -> tuple[int, str]:
    """Exit status and words of the daemon with -S."""
    line = [sys.executable, "-m", "pyfix.server.standalone", "-c", str(mail.config), "-S", "nbdb_reindexd", *words]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stderr


def test_one_table_may_be_named_on_the_command_line(instance, trusted):
    setting = f"non_bdb_migration_level = enable-reindex\n{ROOT} = {trusted}\ndefault_database_type = lmdb\n"
    mail = instance(main_cf=setting, start=False)
    table = source(trusted / "t")
    status, said = alone(mail, f"hash:{table}")
    assert (status, said) == (0, f"postfix/nbdb_reindexd: successfully executed 'postmap lmdb:{table}' as uid 0\n")
    assert Path(f"{table}.lmdb").exists()
    wrong = "postfix/nbdb_reindexd: fatal: stand-alone mode "
    assert alone(mail) == (1, f"{wrong}requires one type:/path argument\n")
    assert alone(mail, "hash:x") == (1, f"{wrong}called with bad argument: 'hash:x'\n")
    why = "request to map from non-Berkeley-DB type: 'lmdb'"
    failed = f"postfix/nbdb_reindexd: warning: stand-alone request to re-index 'lmdb:{table}' failed: {why}\n"
    assert alone(mail, f"lmdb:{table}") == (1, failed)


def test_started_by_an_ordinary_user_it_makes_indexes_of_that_user(instance, trusted, other_user):
    (trusted / "u").mkdir()
    os.chown(trusted / "u", *nobody())
    mail = instance(main_cf=MAIN_CF.format(top=trusted), master_cf=MASTER_CF, user=other_user)
    assert ask(mail, "hash", source(trusted / "u/map", owner=nobody())) == (0, "")
    uid = pwd.getpwnam("daemon").pw_uid
    path = source(trusted / "u/other", owner=(uid, 0))
    reason = OWNED.format(path, uid) + f"parent directory '{trusted}/u'" + BY_OTHERS
    status, said = ask(mail, "hash", path)
    assert (status, said.startswith(reason)) == (1, True), said
    os.chown(trusted / "u", 0, 0)
    reason = f"open lookup table source file {path} as uid={uid} gid=0: Operation not permitted"
    assert ask(mail, "hash", path) == (1, reason)
