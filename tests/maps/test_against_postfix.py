"""Our tables beside real Postfix's `postmap -q`: the same answers, the same warnings.

It may be 3.7 or 3.11, as installed. What 3.11's Debian package adds to a message is passed over. 3.11's texthash
keeps lines that are not UTF-8, whose values fail the lookup, and does not fold letters that are not ASCII, so that
such keys are never found; we do as 3.7.
"""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyfix.maps.open import open_or_fail
from pyfix.maps.table import OpenError, TableError
from pyfix.unix import msg
from tests.real_postfix import real_version

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

PATTERNS = {
    "re": (
        (b"/(a/ x\n/a/q x\nendif\nif /z/\n/b/\n!/c/ $1\n/d(e)/ $3\nfoo bar\n/e(f)?g/ [$1] ${1} $(1) $$\n"
        b"/h/ $x\n/i\nif /y/ text\n/k/ $\n/l(m)/ $1x\n# c\n  /cont/ a\n/o(p)/ a${1\n/Q/i upper\n"
        b"/^lit$/m ml\n/x\\/y/ slash\nif !/q/\n/t\n"),
        ["efg", "zefg", "zyefg", "ZQ", "zx/y", "z\nlit\n", "zb", ""],
    ),
    "re2": (
        (b"if\nif foo\nif !\nif /x/q\nendif junk\n/e/ii ee\nIF /f/\n/f1/ f1\nENDIF\n"
        b"/g/ a$$b\n/g/ a$b c\n/gg/ $10\n"
        b"/((h)|(k))(l)/ [$1][$2][${3}][$4]\n! /sp2/ v\n"),
        ["eE", "f1", "g", "hl", "kl", "sp2", "other"],
    ),
    "re3": (
        (b"/alt|altern|alternative/ $$\n/^(.*)-(.*)@(.*)$/ ${2}+$1 at $3\n/[[:digit:]]{3}/ three digits\n"
        b"/a\\.b/x lit+\n/\xc3\xa9/ e\n/^.{3}$/ bytes\n"),
        ["alternative", "a-b-c@d", "x123", "a.b+", "\u00e9", "\u00c9", "\u20ac"],
    ),
}

CIDR = (
    b"1.2.3.4/33 x\n1.2.3 x\n1.2.3.4\n192.168.2.5/24 y\n10.0.0.0/8 ten\n!11.0.0.0/8 notel\n"
    b"[2001:db8::]/32 six\n"
    b"if 1.2.3.0/24\n1.2.3.4 inif\nendif\nif 1.1.1.1\n010.0.0.1 oct\nendif x\n[1.2.3.4]/8\nfoo\nif foo\n"
    b"::ffff:1.2.3.4 v\n1.2.3.4/x b\n1.2.3.4/ b\nif\nif !\n!\n[1.2.3.4 x\n[1.2.3.4]x b\n"
    b"[] x\n2001:db8::/129 x\n"
)


def ours(spec: str, key: str) -> tuple[str | None, list[str]]:
    """Our value and our log, as postmap prints them."""
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    try:
        value = open_or_fail(spec).lookup_now(key)
    except OpenError as error:
        return None, [*lines, f"fatal: {error}"]
    except TableError as error:
        detail = f": {error.reason}" if error.reason else ""
        return None, [*lines, f"fatal: table {error.table}: query error{detail}"]
    finally:
        msg.to(*before)
    return value, lines


def theirs(postfix: Run, *questions: tuple[str, str]) -> list[tuple[str | None, list[str]]]:
    """The same of real postmap, for all (spec, key) at once: it waits a second when it fails."""
    with ThreadPoolExecutor(len(questions)) as pool:
        return list(pool.map(lambda question: _ask(postfix, *question), questions))


PASSED_OVER = ("empty string result", "NO RESULT", "package installed?")
"""In lines that only some have."""


def _ask(postfix: Run, spec: str, key: str) -> tuple[str | None, list[str]]:
    done = postfix("postmap", "-q", key, spec)
    value = done.stdout.decode(errors="surrogateescape").removesuffix("\n") if done.returncode == 0 else None
    lines = [line.removeprefix("postmap: ") for line in done.stderr.decode().splitlines()]
    return value, [line for line in lines if not any(word in line for word in PASSED_OVER)]


def compare(postfix: Run, *questions: tuple[str, str]) -> None:
    """Ask both."""
    for question, answer in zip(questions, theirs(postfix, *questions), strict=True):
        assert ours(*question) == answer, question


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("table_type", ["regexp", "pcre"])
def test_pattern_tables(postfix: Run, here: Path, table_type: str, name: str) -> None:
    if table_type == "pcre":
        pytest.importorskip("pcre2", reason="the extra pcre is not installed")
    text, keys = PATTERNS[name]
    (here / name).write_bytes(text)
    compare(postfix, *[(f"{table_type}:{name}", key) for key in keys])


def test_networks(postfix: Run, here: Path) -> None:
    (here / "ci").write_bytes(CIDR)
    keys = ["10.1.1.1", "11.1.1.1", "1.2.3.4", "1.2.3.5", "2001:DB8::1", "::1", "[10.1.1.1]", "foo", ""]
    compare(postfix, *[("cidr:ci", key) for key in keys])


SPECS = [
    "static:a",
    "static:{a b}",
    "static:{a b",
    "static:",
    "inline:{k=1,{b=2 3}}",
    "inline:{k}",
    "inline:{=v}",
    "inline:{}",
    "inline:{{a=1}x}",
    "inline:k=1",
    "inline:{ k = v }",
    "inline:{{k = v w}, {z=y}}",
    "inline:{k=v=w}",
    "inline:{{two words=x}}",
    "inline:{k=v,{ two words = x }}",
    'inline:{{"two words"@d = x},k=v}',
    'inline:{{"k=v}}',
    'inline:{"two words"=x}',
    "inline:{{k}}",
    "inline:{k=v,k=w}",
    "inline:{K=v}",
    "fail:x",
    "texthash:nofile",
    "lmdb:nofile",
    "regexp:nofile",
    "cidr:nofile",
    "nosuch:x",
    "unix:foo",
    "environ:x",
    "internal:x",
    "unionmap:{static:a,inline:{k=b}}",
    "unionmap:{static:a",
    "unionmap:{}",
    "unionmap:{static:y,foo}",
    "unionmap:{static:a,fail:x}",
    "pipemap:{inline:{k=2},inline:{2=3}}",
    "pipemap:{fail:x,static:a}",
    "pipemap:{}",
    "randmap:{ a }",
    "randmap:{}",
    "regexp:{{/k/ b}, {/c(d)/ $1}}",
    "regexp:{/a/ b}",
    "regexp:{{/a/ b}x}",
    "regexp:{ {/x/ y} {",
    "cidr:{{1.2.3.4 b},{x}}",
]


def test_other_types(postfix: Run) -> None:
    compare(postfix, *[(spec, "k") for spec in SPECS])


def test_a_compound_table_folds_keys_if_its_first_does(postfix: Run) -> None:
    fixed, pattern = "inline:{key=KEY}", "regexp:{{/KEY/i up},{/key/i low}}"
    tables = [f"unionmap:{{{fixed},{pattern}}}", f"unionmap:{{{pattern},{fixed}}}", f"pipemap:{{{fixed},{pattern}}}"]
    compare(postfix, *[(spec, "KEY") for spec in [*tables, f"unionmap:{{{tables[0]},{pattern}}}"]])


TEXT = (
    b'# c\nKey  value  with  space  \n continued\n"quoted key" v2\nk: v\nnovalue\ndup a\ndup b\n'
    b'a"b c"d v\n"x y v\nb\\ c v w\n"q\\" r" v\n\n#\nz v\\"\n'
)
WIDE = b"\xc3\x89 e\n\xff\xfe bad\nlong v\xff\n"


def test_text_tables(postfix: Run, here: Path) -> None:
    text, keys = TEXT, ["key", "KEY", '"quoted key"', "k:", "dup", 'a"b c"d', "z", '"q\\" r"', "\udcff"]
    if real_version() < (3, 11):
        text, keys = TEXT + WIDE, [*keys, "\u00e9", "\u00c9"]
    (here / "t").write_bytes(text)
    os.utime(here / "t", (1000, 1000))
    compare(postfix, *[("texthash:t", key) for key in keys])


def test_real_postmap_reads_what_we_build(postfix: Run, here: Path) -> None:
    from pyfix.maps import index

    def fill(table: index.Filling) -> None:
        for number in range(2000):
            table.put(f"user{number}@example.com", f"value {number}")

    for nul in (True, False):
        index.rebuild("t", fill, index.Style("lmdb:t", nul=nul))
        dump = postfix("postmap", "-s", "lmdb:t").stdout
        assert dump.splitlines() == [
            f"{key}\t{value}".encode() for key, value in open_or_fail("lmdb:t").source.items()
        ]
        assert postfix("postmap", "-q", "User7@example.com", "lmdb:t").stdout == b"value 7\n"


@pytest.mark.parametrize("nul", ["-N", "-n"])
def test_we_read_what_real_postmap_builds(postfix: Run, here: Path, nul: str) -> None:
    (here / "t").write_text("".join(f"user{number}@example.com value {number}\n" for number in range(2000)))
    assert postfix("postmap", nul, "lmdb:t").returncode == 0
    table = open_or_fail("hash:t")
    assert table.lookup_now("USER1999@example.com") == "value 1999"
    assert postfix("postmap", "-r", "-i", "lmdb:t", stdin=b"user7@example.com new\n").returncode == 0
    assert table.lookup_now("user7@example.com") in {"new", "value 7"}
    assert postfix("postmap", "-d", "user8@example.com", "lmdb:t").returncode == 0
    assert table.lookup_now("user8@example.com") is None


def test_a_reader_finds_every_key_while_real_postmap_rebuilds(postfix: Run, here: Path) -> None:
    (here / "t").write_text("".join(f"user{number}@example.com value\n" for number in range(20000)))
    assert postfix("postmap", "lmdb:t").returncode == 0
    table = open_or_fail("lmdb:t")
    with ThreadPoolExecutor(1) as pool:
        rebuilt = pool.submit(lambda: [postfix("postmap", "lmdb:t").returncode for _ in range(3)])
        asked = 0
        while not rebuilt.done() or not asked:
            asked += 1
            assert table.lookup_now(f"user{asked * 7919 % 20000}@example.com") == "value"
    assert rebuilt.result() == [0, 0, 0]


def test_both_change_one_file(postfix: Run, here: Path) -> None:
    from pyfix.maps import index

    (here / "t").write_text("a 1\nb 2\n")
    postfix("postmap", "lmdb:t")
    index.add("t", lambda table: table.put("c", "3"), index.Style("lmdb:t"))
    assert index.delete("t", ["a"], map_size=1 << 24) == 1
    assert postfix("postmap", "-i", "lmdb:t", stdin=b"d 4\n").returncode == 0
    assert postfix("postmap", "-s", "lmdb:t").stdout == b"b\t2\nc\t3\nd\t4\n"
