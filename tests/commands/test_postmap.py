import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pyfix.commands import postalias, postmap
from pyfix.unix import msg

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """run(main, arguments, stdin=...) gives (status, standard output, messages)."""
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("etc").mkdir()
    tmp_path.joinpath("etc/main.cf").write_text("compatibility_level = 3.6\ndefault_database_type = lmdb\n")
    before = msg.to()

    def call(
        *args: str, stdin: bytes = b"", main: Callable[[list[str]], int] = postmap.main
    ) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = main(["cmd", "-c", "etc", *args])
        except msg.Fatal:
            status = 1
        sys.stdout.flush()
        out, err = capsysbinary.readouterr()
        return int(status), out.decode(errors="surrogateescape"), err.decode()

    yield call  # type: ignore[misc]
    msg.to(*before)


TEXT = """# a map
Key  value  with  space
  continued
"quoted key" v2
k: v
novalue
dup a
dup b
"""


def test_a_source_file_becomes_an_index(run: Run) -> None:
    Path("t").write_text(TEXT)
    assert run("t") == (
        0,
        "",
        ('cmd: warning: t, line 5: record is in "key: value" format; is this an alias file?\n'
        "cmd: warning: t, line 6: expected format: key whitespace value\n"
        'cmd: warning: lmdb:t: duplicate entry: "dup"\n'),
    )
    dump = '"quoted key"\tv2\ndup\ta\nk:\tv\nkey\tvalue  with  space  continued\n'
    assert run("-s", "hash:t") == (0, dump, "")


@pytest.mark.parametrize(("option", "value"), [("-w", "a"), ("-r", "b")])
def test_duplicates_may_be_ignored_or_replace(run: Run, option: str, value: str) -> None:
    Path("t").write_text("dup a\ndup b\n")
    assert run(option, "t") == (0, "", "")
    assert run("-q", "dup", "t") == (0, f"{value}\n", "")


def test_queries_print_the_first_value_found(run: Run) -> None:
    assert run("-q", "a", "inline:{b=1}", "inline:{A=2}", "static:x") == (0, "2\n", "")
    assert run("-q", "a", "inline:{b=1}") == (1, "", "")


def test_queries_from_standard_input_print_keys_and_values(run: Run) -> None:
    assert run("-q", "-", "inline:{a=1,b=2}", stdin=b"A\nx\nb\n") == (0, "A\t1\nb\t2\n", "")
    assert run("-q", "-", "inline:{a=1,b=2}", stdin=b"x\n") == (1, "", "")


def test_answers_may_be_json(run: Run) -> None:
    Path("t").write_text('a "x\\y"\nb \u00e9\n')
    run("t")
    assert run("-jq", "A", "t") == (0, '{"A": "\\"x\\\\y\\""}\n', "")
    assert run("-jq", "-", "t", stdin=b"a\nnone\nb\n") == (
        0,
        '{"a": "\\"x\\\\y\\""}\n{"b": "\u00e9"}\n',
        "",
    )
    assert run("-js", "t") == (0, '{"a": "\\"x\\\\y\\""}\n{"b": "\u00e9"}\n', "")
    assert run("-j", "t")[2].endswith('fatal: option -j requires -q or -s\n')


def test_a_table_without_a_name_is_none(run: Run) -> None:
    for words in (("-d", "a"), ("-q", "a"), ("-s",)):
        status, _, err = run(*words, "lmdb:")
        assert (status, 'expecting "type:name" form instead of "lmdb:"' in err) == (1, True), words
    assert not Path(".lmdb").exists()


def test_a_constant_database_is_built_and_not_changed(run: Run) -> None:
    Path("t").write_text("a 1\n")
    assert run("cdb:t") == (0, "", "")
    assert run("-q", "A", "cdb:t") == (0, "1\n", "")
    for change in (("-d", "a"), ("-i",)):
        assert run(*change, "cdb:t") == (1, "", "cmd: fatal: unsupported non-bulk change request\n")


def test_a_type_that_can_not_be_read_says_what_to_do(run: Run) -> None:
    for args in (("-q", "a"), ()):
        status, _, err = run(*args, "sdbm:etc/main.cf")
        assert status == 1
        assert "fatal: unsupported dictionary type: sdbm (its files can't be read here; make an index" in err


def test_without_folding_case_counts(run: Run) -> None:
    Path("t").write_text("Key v\n")
    assert run("-f", "t")[0] == 0
    assert run("-f", "-q", "Key", "t") == (0, "v\n", "")
    assert run("-f", "-q", "key", "t") == (1, "", "")


def test_keys_are_deleted(run: Run) -> None:
    Path("t").write_text("a 1\nb 2\nc 3\n")
    run("t")
    assert run("-d", "A", "t") == (0, "", "")
    assert run("-d", "a", "t") == (1, "", "")
    assert run("-d", "-", "t", stdin=b"b\nx\n") == (0, "", "")
    assert run("-s", "t") == (0, "c\t3\n", "")


@pytest.mark.skipif(shutil.which("postmap") is None, reason="real Postfix is not installed")
@pytest.mark.parametrize("key", ["\udce9", "-"])
@pytest.mark.parametrize("option", ["-d", "-q", "-ud", "-uq"])
def test_keys_that_are_not_utf8_are_refused_as_by_real_postmap(run: Run, option: str, key: str) -> None:
    os.utime("etc/main.cf", (1000, 1000))
    keys = b"\xe9\nb\n"
    for name in ("theirs", "ours"):
        Path(name).write_text("a 1\nb 2\n")
        os.utime(name, (1000, 1000))
    real = partial(subprocess.run, input=keys, capture_output=True, check=False)
    real(["postmap", "-c", "etc", "hash:theirs"])
    done = real(["postmap", "-c", "etc", option, key, "hash:theirs"])
    run("hash:ours")
    status, out, err = run(option, key, "hash:ours", stdin=keys)
    expected = done.stderr.decode().replace("postmap: ", "cmd: ").replace("theirs.db", "ours")
    assert (status, out, err) == (done.returncode, done.stdout.decode(), expected)


def test_a_table_that_a_key_is_to_be_deleted_from_is_made(run: Run) -> None:
    assert run("-d", "a", "lmdb:new") == (1, "", "")
    assert run("-s", "lmdb:new") == (0, "", "")


def test_entries_are_added_from_standard_input(run: Run) -> None:
    assert run("-i", "new", stdin=b"n 1\nbad\n") == (
        0,
        "",
        "cmd: warning: stdin, line 2: expected format: key whitespace value\n",
    )
    assert run("-i", "new", stdin=b"n 2\nm 3\n") == (0, "", 'cmd: warning: lmdb:new: duplicate entry: "n"\n')
    assert run("-ir", "new", stdin=b"m 4\n") == (0, "", "")
    assert run("-s", "new") == (0, "m\t4\nn\t1\n", "")


USAGE = "usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file..."


@pytest.mark.parametrize(
    ("args", "fatal"),
    [
        ([], USAGE),
        (["-q", "a"], USAGE),
        (["-q", "a", "-d", "a", "t"], "specify only one of -d -i -q or -s"),
        (["-q", "a", "-s", "t"], "specify only one of -d -i -q or -s"),
        (["-i", "-q", "a", "t"], "specify only one of -d -i -q or -s"),
        (["-h", "-q", "a", "t"], 'specify -b -h or -m only with "-q -"'),
        (["-b", "-s", "t"], 'specify -b -h or -m only with "-q -"'),
        (["nofile"], "open nofile: No such file or directory"),
        (["cidr:etc/main.cf"], "no 'map create' support for this type: cidr"),
        (["nosuch:etc/main.cf"], "unsupported map type: nosuch"),
        (["fail:etc/main.cf"], "table fail:etc/main.cf: write error: Application error"),
        (["fail:nofile"], "open nofile: No such file or directory"),
        (["proxy:lmdb:nofile"], "can't create maps via the proxy service"),
        (["-i", "cidr:x"], "cidr:x map requires O_RDONLY access mode"),
        (["-q", "a", "lmdb:nofile"], "open database nofile.lmdb: No such file or directory"),
        (["-q", "a", "debug:x"], 'open dictionary: expecting "type:name" form instead of "x"'),
        (["-q", "a", "debug:"], 'open dictionary: expecting "type:name" form instead of "debug:"'),
        (["-q", "a", "fail:x"], "table fail:x: query error: Application error"),
        (["-q", "a", "static:\udcff"], "table static:?: query error"),
        (["-d", "a", "fail:x"], "table fail:x: delete error: Application error"),
        (["-d", "a", "unix:passwd.byname"], "unix:passwd.byname map requires O_RDONLY access mode"),
        (["-d", "a", "sqlite:x"], "sqlite:x map requires O_RDONLY access mode"),
        (["-i", "socketmap:inet:h:1:x"], "socketmap:inet:h:1:x map requires O_RDONLY access mode"),
        (["-i", "unionmap:{static:x}"], "unionmap:{static:x} map requires O_RDONLY access mode"),
        (["-i", "static:x"], "table static:x: update operation is not supported"),
        (["-i", "debug:inline:{a=b}"], "inline:{a=b} map requires O_RDONLY access mode"),
        (["-d", "a", "debug:debug:inline:{a=b}"], "inline:{a=b} map requires O_RDONLY access mode"),
        (["-q", "a", "debug:fail:x"], "table debug:fail:x: query error: Application error"),
        (["-i", "fail:x"], "table fail:x: write error: Application error"),
        (["-i", "nosuch:x"], "unsupported map type: nosuch"),
        (["-d", "a", "hash:nofile"], "open database nofile.lmdb: No such file or directory"),
        (["-d", "a", "static:x"], "table static:x: delete operation is not supported"),
        (["-d", "a", "regexp:x"], "regexp:x map requires O_RDONLY access mode"),
        (["-s", "static:x"], "table static:x: sequence operation is not supported"),
        (["-s", "fail:x"], "table fail:x: sequence error: Application error"),
        (["-c", "/no/such", "-q", "a", "static:x"], "open /no/such/main.cf: No such file or directory"),
    ],
)
def test_what_can_not_be_done_ends_in_one_fatal_line(run: Run, args: list[str], fatal: str) -> None:
    status, out, err = run(*args)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == f"cmd: fatal: {fatal}"


@pytest.mark.parametrize("table", ["internal:x", "environ:x"])
def test_what_is_added_to_a_table_of_the_process_goes_with_it(run: Run, table: str) -> None:
    assert run("-i", table, stdin=b"a 1\n") == (0, "", "")
    assert run("-q", "a", table) == (1, "", "")


def test_nothing_is_in_a_new_table_to_be_deleted(run: Run) -> None:
    assert run("-d", "a", "internal:x") == (1, "", "")


def test_empty_keys_and_lines_are_looked_up_too(run: Run) -> None:
    assert run("-q", "-", "static:x", stdin=b"\na\n") == (0, "\tx\na\tx\n", "")
    assert run("-q", "", "static:x") == (0, "x\n", "")
    assert run("-q", "", "inline:{a=b}") == (1, "", "")


def test_mime_without_headers_or_body_is_told_to_be_ignored(run: Run) -> None:
    status, out, err = run("-m", "-q", "-", "static:x", stdin=b"a\n")
    assert (status, out, err) == (0, "a\tx\n", "cmd: warning: ignoring -m option without -b or -h\n")


def test_an_unknown_option_is_named(run: Run) -> None:
    assert run("-z") == (1, "", f"cmd: invalid option -- 'z'\ncmd: fatal: {USAGE}\n")


def test_the_index_has_the_permissions_of_its_source(run: Run) -> None:
    Path("t").write_text("a 1\n")
    Path("t").chmod(0o640)
    run("t")
    assert Path("t.lmdb").stat().st_mode & 0o777 == 0o640
    Path("t.lmdb").unlink()
    run("-p", "t")
    assert Path("t.lmdb").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become the owner of a file")
def test_root_builds_as_the_owner_of_the_source(run: Run, tmp_path: Path) -> None:
    for directory in [tmp_path, *tmp_path.parents][:3]:
        directory.chmod(directory.stat().st_mode | 0o055)
    tmp_path.chmod(0o777)
    Path("t").write_text("a 1\n")
    os.chown("t", 65534, 1)
    run("t")
    status = Path("t.lmdb").stat()
    assert (status.st_uid, status.st_gid) == (65534, 1)
    assert os.geteuid() == 0
    Path("t.lmdb").unlink()
    run("-o", "t")
    assert Path("t.lmdb").stat().st_uid == 0


def test_files_are_stored_in_base64(run: Run) -> None:
    Path("one").write_bytes(b"eins\n")
    Path("two").write_bytes(b"\xff\x00")
    Path("t").write_text("k one, two\nz nofile\n")
    assert run("-F", "t") == (
        0,
        "",
        "cmd: warning: t, line 2: open nofile: No such file or directory: skipping this entry\n",
    )
    assert run("-s", "t") == (0, "k\tZWlucwoK/wA=\n", "")
    assert run("-F", "-q", "k", "t") == (0, "eins\n\n\udcff\0\n", "")
    assert run("-F", "-q", "k", "static:x") == (
        1,
        "",
        ("cmd: warning: table static:x: key k: malformed BASE64 value: x\n"
        "cmd: fatal: table static:x: query error\n"),
    )


def test_without_utf_8_any_bytes_are_stored(run: Run) -> None:
    Path("t").write_bytes(b"\xff bad\n")
    assert run("t") == (0, "", 'cmd: warning: t, line 1: non-UTF-8 input "? bad" -- ignoring this line\n')
    assert run("-u", "t") == (0, "", "")
    assert run("-u", "-s", "t") == (0, "\udcff\tbad\n", "")


MESSAGE = b"A: b\n c\nX-Y : z\n\nbody\n\nB: 2\n"


@pytest.mark.parametrize(
    ("option", "out"),
    [
        ("-h", "A: b\n c\tf\nX-Y: z\tf\n"),
        ("-b", "\tempty\nbody\tf\n\tempty\nB: 2\tf\n"),
        ("-hb", "A: b\n c\tf\nX-Y: z\tf\n\tempty\nbody\tf\n\tempty\nB: 2\tf\n"),
    ],
)
def test_a_message_is_looked_up_line_by_line(run: Run, option: str, out: str) -> None:
    rules = "regexp:{{/./ f} {/^$/ empty}}"
    assert run(option, "-q", "-", rules, stdin=MESSAGE) == (0, out, "")


PARTS = b"""\
From: a
Content-Type: multipart/mixed; boundary="B"

preamble
--B
Content-Type: text/plain;
 name=x
X-Part: 1

body one
--B
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/alternative; boundary=C

--C

plain
--C--
epi C
--C
--B
no header
--B--
epilogue
Key: v
"""


@pytest.mark.skipif(shutil.which("postmap") is None, reason="real Postfix is not installed")
@pytest.mark.parametrize(
    "message", [MESSAGE, PARTS, b"", b"\n", b"A: b", b"text\n", b" x\n", b"A: b\n\n", b"A: b\ntext\n"]
)
@pytest.mark.parametrize("option", ["-h", "-hm", "-b", "-bm", "-hb", "-hbm"])
def test_messages_are_taken_apart_as_real_postmap_does(run: Run, option: str, message: bytes) -> None:
    rules = "regexp:{{/./ f} {/^$/ empty}}"
    os.utime("etc/main.cf", (1000, 1000))
    command = ["postmap", "-c", "etc", option, "-q", "-", rules]
    done = subprocess.run(command, input=message, capture_output=True, check=False)
    assert run(option, "-q", "-", rules, stdin=message) == (done.returncode, done.stdout.decode(), "")


def test_an_empty_value_is_printed_with_a_warning(run: Run) -> None:
    status, out, err = run("-q", "k", "inline:{k=}")
    assert (status, out) == (0, "\n")
    assert err == (
        "cmd: warning: table inline:{k=}: key k: empty string result is not allowed\n"
        "cmd: warning: table inline:{k=} should return NO RESULT in case of NOT FOUND\n"
    )


def test_postalias_reads_aliases(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1234567890.5)
    with Path("etc/main.cf").open("a") as file:
        file.write("myhostname = foo.bar\n")
    Path("al").write_text('Root: a,b\n"quoted name": :include:/x\nbad\na@b: c\nroot: d\n')
    assert run("al", main=postalias.main) == (
        0,
        "",
        ("cmd: warning: al, line 3: need name:value pair\n"
        "cmd: warning: al, line 4: name must be local\n"
        'cmd: warning: lmdb:al: duplicate entry: "root"\n'),
    )
    dump = "@:\t@\nYP_LAST_MODIFIED:\t1234567890\nYP_MASTER_NAME:\tfoo.bar\nquoted name:\t:include:/x\nroot:\ta, b\n"
    assert run("-s", "al", main=postalias.main) == (0, dump, "")
    assert run("-q", "Quoted Name", "al", main=postalias.main) == (0, ":include:/x\n", "")
    assert run("-q", "-", "al", main=postalias.main, stdin=b"root\nx\n") == (0, "root:\ta, b\n", "")
    assert run("-i", "al", main=postalias.main, stdin=b"z: y\n") == (0, "", "")
    assert run("-d", "root", "al", main=postalias.main) == (0, "", "")


def test_a_debug_table_logs_what_is_dumped(run: Run) -> None:
    assert run("-s", "debug:inline:{a=1,b=2}") == (
        0,
        "a\t1\nb\t2\n",
        ('cmd: inline:{a=1,b=2} sequence: "a" = "1"\n'
        'cmd: inline:{a=1,b=2} sequence: "b" = "2"\n'
        "cmd: inline:{a=1,b=2} sequence: found EOF\n"),
    )


def test_postalias_has_no_message_modes(run: Run) -> None:
    status, _, err = run("-b", "x", main=postalias.main)
    assert status == 1
    assert "usage: postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file..." in err
