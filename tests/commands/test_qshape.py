"""qshape: tables of ages by domain, beside Debian's."""

import shutil
import subprocess
import time

import pytest

from pyfix.commands import qshape
from pyfix.commands.qshape import Shape, domain_of, limits, table
from pyfix.queue import records as rec
from tests.queue.build import file_bytes, put, spool

REAL = shutil.which("qshape", path="/usr/sbin")
LONG = b"very.long.domain.name.that.goes.on.for.ever.and.ever.and.ever.example.com"


@pytest.fixture
def config(tmp_path):
    """Mail of all ages in a queue, no two domains with as many messages and as long a name."""
    queue = spool(tmp_path)
    (tmp_path / "main.cf").write_text(f"queue_directory = {tmp_path}\n")
    (tmp_path / "master.cf").write_text("")
    now = int(time.time())

    def add(name, minutes, sender, *recipients, done=b""):
        records = [rec.encode(rec.TIME, b"%d 1234" % (now - minutes * 60 - 30)), rec.encode(rec.FROM, sender)]
        records += [rec.encode(rec.RCPT, recipient) for recipient in recipients]
        records += [rec.encode(rec.DONE, done)] if done else []
        put(queue, name, file_bytes(*records))

    add("incoming", 1, b"s@a.com", b"u@b.com", b"v@b.com", b"w@B.Com")
    add("incoming", 6, b"", b"u@bbb.com", done=b"d@done.example")
    add("incoming", 30, b"x@" + LONG, b"u@" + LONG, b"nodomain")
    add("active", 3000, b"double@a.com", b'"x@y"@q.com', b"")
    for number in range(6):
        add("active", 100, b"s@%sa.sub.com" % (b"a" * number), b"r@%sr.parent.net" % (b"r" * number), b"q@parent.net")
    add("active", 2, b"s@a.com", *[b"many@many.com"] * 1234)
    add("deferred", 5, b"s@dd.com", b"u@dd.com")
    (tmp_path / "hold/garbage").write_bytes(b"hello")
    return tmp_path


def run(capsys, config, *words):
    assert qshape.main(["qshape", "-c", str(config), *words]) == 0
    return capsys.readouterr()


CASES = [
    [], ["-s"], ["-p"], ["-p", "-m", "1", "-s"], ["-b", "1"], ["-b", "0", "-l"], ["-t", "1", "-b", "12", "-n", "1"],
    ["-b", "20", "-w", "60"], ["-w", "120", "incoming", "deferred"], ["hold"],
]  # fmt: skip


@pytest.mark.skipif(REAL is None, reason="needs Debian's qshape")
@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_tables_are_those_of_debians(config, capsys, words):
    assert REAL is not None
    done = subprocess.run([REAL, "-c", str(config), *words], capture_output=True, text=True, check=True)
    head, *rows = done.stdout.splitlines()
    ours = run(capsys, config, *words).out.splitlines()
    assert ours[0] == head
    assert sorted(ours[1:]) == sorted(rows)
    assert [row.split()[1] for row in ours[1:]] == [row.split()[1] for row in rows]  # most first


def test_total_is_first_and_most_mail_next():
    shape = Shape([5])
    for domain, minutes in (("b.example", 1), ("a.example", 1), ("b.example", 9), ("c", 1)):
        shape.add(domain, minutes)
    assert list(table(shape, {}, 0)) == [
        " " * 71 + "  T  5 5+",
        " " * 66 + "TOTAL  4  3  1",
        " " * 62 + "b.example  2  1  1",
        " " * 70 + "c  1  1  0",
        " " * 62 + "a.example  1  1  0",
    ]


def test_ages_double_or_grow_by_the_same():
    assert limits(4, 5, linear=False) == [5, 10, 20]
    assert limits(4, 5, linear=True) == [5, 10, 15]


@pytest.mark.parametrize(
    ("address", "domain"),
    [(b"", "MAILER-DAEMON"), (b"a@B.c", "b.c"), (b'"x@y"@z', "z"), (b"Local", "local"), (b"a@\x1b[2J", "?[2j")],
)
def test_domain_of_an_address(address, domain):
    assert domain_of(address) == domain


def test_queue_that_is_not_there_is_told_and_the_rest_shown(config, capsys):
    said = run(capsys, config, "nosuch", "deferred")
    assert said.err == f"qshape: warning: Can't stat {config}/nosuch: No such file or directory\n"
    assert "dd.com  1  0  1" in said.out


def test_files_that_come_and_go_or_are_none_count_for_nothing(config, capsys):
    assert qshape.read(str(config / "hold/garbage")) is None
    assert qshape.read(str(config / "none")) is None


@pytest.mark.parametrize(("option", "first"), [("-h", []), ("-Z", ["qshape: Unknown option: Z"])])
def test_the_usage_is_told(option: str, first: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert qshape.main(["qshape", option]) == 255
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[: len(first)] == first
    assert lines[len(first) :][:4] == [
        "Usage: qshape [ -s ] [ -p ] [ -m <min_subdomains> ] [ -l ]",
        "\t[ -b <bucket_count> ] [ -t <bucket_time> ] [ -w <terminal_width> ]",
        "\t[ -N <batch_msg_count> ] [ -n <batch_top_domains> ]",
        "\t[ -c <config_directory> ] [ <queue_name> ... ]",
    ]
