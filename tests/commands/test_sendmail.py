"""sendmail beside Debian's: the same exit status, words and maildrop records for the same command line and input."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyfix.commands.sendmail_options import Options, parse
from pyfix.queue import records as rec
from tests.real_postfix import release

ROOT = Path(__file__).parent.parent.parent
M = b'Subject: x\nTo: To <t@o.x>, b\nCc: c@d\nBcc: (x) "q q"@z\n\nbody\n.\nafter\n'
LONG = b"x" * 2048

ACCEPTED: list[tuple[list[str], bytes]] = [
    (["a@b.c"], M),
    (["-i", "a"], b"x\n.\ny"),
    (["-oi", "a"], b".\n"),
    (["a"], b""),
    (["a"], b"."),
    (["a"], b"x\n."),
    (["a"], b"..\n.x\n.\r\nq\n"),
    (["a"], b"x\0y\r\n" + LONG + b"\n" + LONG + b"z\n"),
    (["a"], LONG + b".\nq\n"),
    (["a"], LONG + b"\r\nq\r"),
    (["a"], LONG[1:] + b"\r\nq\r"),
    (["a"], b"From x\n>From y\n>>From z\nTo: a\nFrom w\n"),
    (["a"], b"From x"),
    (["a"], b"\nFrom x\n"),
    (["-t"], M),
    (["-t", "extra@x"], M),
    (["-t"], b"Resent-To: r@r\n" + M),
    (["-t"], b"Resent-From: r\nTo: a\n\n"),
    (["-t"], b"Resent-Bcc: r\nTo: a\n\n"),
    (["-t"], b"To: a\nno header\nmore\n"),
    (["-t"], b"To: a\nb"),
    (["-t"], b"To: a"),
    (["-t"], b"To: a\n b"),
    (["-t"], b"To: a\n\nb\nc"),
    (["-t"], b"From x\n>From y\nTo : a,\n b\r\n\r\nb\r\r\n"),
    (["-t"], b'To: "A, B" <a@b>, c (x), <d@e>; f\nCc: g: h, i;\n\n'),
    (["-t"], b"To:a b\nTO: c\n\n"),
    (["-t"], b"To: a\n.\nx\n"),
    (["-t"], b"To: \n a\n\n"),
    (["-t"], b"To: a\n \n b\n\n"),
    (["-t"], b"Bcc: a\nBcc: b\n\n"),
    (["-t"], b"To: a\0b\nTo\0: c\n\n"),
    (["-t"], b"To: a\nX: y\0z\n b\0\n\n\0"),
    (["-t"], b"To: a\nX\0Y: z\nTo: c\n\n"),
    *((["-t", "-f", route], b"To: " + route.encode() + b"\n\n") for route in ("<@r1 , @r2 : u@d>", "<a b>", "<a,b>")),
    (["a,,b"], b"x\n"),
    (["-Ndelay", "(c)", "a", "<>", ","], b"x\n"),
    (["-Ndelay", "-t"], b"To: <>, a, g:;\n\n"),
    (["-t"], b"To: a@b,\n\tc@d\n e@f\n\nx"),
    (["-t"], b"To: a@b,,c\n\nx"),
    (["-t"], b"To: a.b@c.d.\nCc: .x@y, x.@y, a..b@c, a@[1.2.3.4], a%b@c, a!b, x@y@z\n\n"),
    (["-t"], b"To: =?utf-8?q?x?= <a@b>\n\n"),
    (["-t"], b"To: a\nX: " + LONG + b"\n\nb\n"),
    (["-t"], b"To: " + b"abc@def, " * 300 + b"\n\n" + LONG + b"xx\n"),
    (["-t", "-f", '"a" b@c', "-F", "N, x"], b"To: \xff@\xfe, q\n\n\xff\n"),
    (["-N", "delay", "-t"], b"To: a\n\n"),
    (["-bv", "a", "b"], M),
    (["-bv", "-fx@y", "a"], b""),
    (["-v", "a"], M),
    (["-F", "Full", "-fs@x", "-N", "success,delay", "-R", "hdrs", "-V", "envid+1", "-XV+=", "-B", "8BITMIME", "a"], M),
    (["-XV+-", "-N", "never", "-R", "FULL", "-V", "xyz", "-G", "--", "a"], b"x\n"),
    (["-F", "", "a"], b""),
    *((["-f", sender, "x"], b"y\n") for sender in ("<>", "", "Name <a@b>", "a b", "a, c", '"q q"@x', "<a", "@", "(c)")),
    (["-ffoo", "-rbar", "a"], b""),
    (["-NFOO", "x"], b""),
    (["-Nnever,success", "x"], b""),
    (["-Rfoo", "x"], b""),
    (["-V=", "x"], b""),
    (["-V++", "x"], b""),
    (["-XV", "x"], b""),
    (["-t", "-q5m"], b"To: x\n\n"),
    (["-bh", "-bv", "x"], b""),
    (["-bv", "-bh", "x"], b""),
    (["-bh", "-bm", "x"], b""),
    (["-bh", "x"], b""),
    *((["-V", size * "x", "y"], b"") for size in (100, 101)),
    *(([*words, "x"], b"") for words in (["-V\u00e9"], ["-V", "\u00e9"], ["-V", "\u20ac"], ["-V", 51 * "\u00e9"])),
    *(([*words, "x"], b"") for words in (["-Va\tb"], ["-V", "a b"], ["-Va\x7f"], ["-V", "~"])),
    *(([*words, "x"], b"") for words in (["-V", "e1"], ["-V", "-f", "s@x"], ["-f", "s@x", "-V", "+="], ["-V", "e12"])),
    *(([*words, "x"], b"") for words in (["-V", ""], ["-iV", "+="])),
    *(([option, "x"], b"z\n") for option in ("-oX", "-Ofoo", "-ep", "-Ltag", "-pSMTP", "-U", "-x", "-m", "-c", "-h9")),
    *(([option, "x"], b"z\n") for option in ("-Ac", "-Am", "-bm", "-q5m", "-bh", "-om", "-oem", "-odi")),
    (["a", "-i", "b"], b".\nx\n"),
    *((["-v", option, "a"], b"") for option in ("-oT", "-oe", "-om", "-oA/x", "-m", "-h5", "-Lx", "-Ac", "-bm", "-U")),
    (["-oT", "-v", "-Rx", "-oT", "a"], b""),
    (["-V", "xx", "-Z", "a"], b""),
    (["-V", "-C", "/nonexistent", "a"], b""),
    *(([*words, "-q5m"], b"") for words in (["-bp", "x"], ["-qIabc", "x"], ["-bs"])),
    (["-"], b""),
    *((["--", word], b"y\n") for word in ("a b", "<a>", "a,b", "Name <a@b>", "", "(c)", '"q q"', "a@", "@b", "g: a;")),
    *((["--", word], b"y\n") for word in ("<>", "a\\ b", "|cmd", "/file", ":include:/x", "-a")),
]

REFUSED: list[tuple[list[str], bytes]] = [
    ([], b""),
    (["-t"], b""),
    (["-t"], b"Subject: x\n\nb"),
    (["-t"], b" lead\nTo: a\n\nb\n"),
    (["-t"], b"Apparently-To: ap@x\nErrors-To: e@e\n\nx\n"),
    (["-t"], b"To:\n\n"),
    (["-t"], b".\nTo: a\n"),
    (["a"], b"x\n" * 20000),
    (["-t"], b"To: a\n\n" + b"x\n" * 20000),
    (["-XV", "-f", "", "a"], b""),
    (["-bv"], b""),
    (["-bv", "-v", "a"], b""),
    (["-t", "-bv", "x"], b"To: a\n\nb"),
    (["-f"], b""),
    *(([option, "x"], b"") for option in ("-Z", "-B9", "-B7bit", "-Vab", "-XVab", "-XX", "-bx", "-b", "-o", "-d")),
    *(([option, "x"], b"") for option in ("-bd", "-e", "-L", "-s", "-n", "-bl5", "-A", "-qIbad!", "-qx", "-qfoo")),
    *(([option, "x"], b"") for option in ("-bp", "-q", "-qIABCDEF", "-qRx.y", "-bs", "-bi", "-I", "-qS", "-O")),
    (["-qI"], b""),
    (["-qR"], b""),
    (["-oA", "x"], b""),
    (["-oA", "-I"], b""),
    (["-t", "-q", "x"], b""),
    (["-t", "-bi"], b"To: x\n\n"),
    (["-bh", "-t"], b"To: x\n\n"),
    (["-tbH"], b"To: x\n\n"),
    (["-bh", "-bm", "-t"], b""),
    *((["-bv", *words], b"") for words in (["-t", "-bp"], ["-v", "-bp"], ["-v", "-bh"], ["-t", "-q5"], ["-t", "-qIx"])),
    *((["-bv", *words, "x"], b"") for words in (["-Nnever", "-Rfull"], ["-Rfull", "-v"], ["-tNdelay"])),
    *((["-qIabc", *words], b"") for words in (["-t", "x"], ["-bp", "x"], ["-bh"], ["-q5m", "-bh"], ["-qRx", "x"])),
    *((["-qRx.y", *words], b"") for words in (["-t", "x"], ["-bp"], ["-q"], ["-I", "x"])),
    *(([*words, "x"], b"") for words in (["-Z", "-Ela"], ["-Z", "-n", "-f"], ["-n", "-Z"], ["-V+=", "-Z"], ["-Ta"])),
    *(([*words, "-C", "/nonexistent"], b"") for words in (["-Z"], ["-q5m"], ["-qx"], ["-V", "id"], ["-V+="], ["-q"])),
    (["-t"], b"To: \0a\n\n"),
]


def shown(case):
    words, stdin = case
    return f"{' '.join(words)[:30]}-{stdin[:20]!r}"


class Side:
    """One of the two sendmails, on a queue that nobody empties."""

    def __init__(self, command: list[str], config: Path, queue: Path) -> None:
        self.command, self.config, self.queue = command, config, queue

    def call(self, words: list[str], stdin: bytes) -> tuple[int, bytes, list[str]]:
        """Exit status, standard output, and standard error without what only Postfix's two processes need to say."""
        environment = {"MAIL_CONFIG": str(self.config), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        done = subprocess.run([*self.command, *words], input=stdin, capture_output=True, env=environment, check=False)
        lines = done.stderr.decode().splitlines()
        lines = [line for line in lines if not line.startswith("postdrop: ") and "mail_stream_cleanup" not in line]
        if release() < (3, 11):  # from when on the value is shown
            lines = [re.sub(r"(bad -N option value): '.*'", r"\1", line) for line in lines]
        return done.returncode, done.stdout, list(dict.fromkeys(lines))

    def submit(self, words: list[str], stdin: bytes) -> object:
        """The same, and the records of the file but for its time."""
        said = self.call(words, stdin)
        found = []
        for path in (self.queue / "maildrop").iterdir():
            assert path.stat().st_mode & 0o777 == 0o744
            found += [record for record in rec.iterate(path.read_bytes()) if record[1] != rec.TIME]
            path.unlink()
        return said, [(kind, data) for _, kind, data in found]


@pytest.fixture
def sides(real_postfix):
    peer = real_postfix(main_cf="message_size_limit = 20000\n", start=False)
    assert peer.command("postfix", "check").returncode == 0
    ours = [sys.executable, "-m", "pyfix.commands.sendmail"]
    return Side(["/usr/sbin/sendmail"], peer.config, peer.queue), Side(ours, peer.config, peer.queue)


def test_what_debians_takes_is_taken_alike(sides):
    real, ours = sides
    for case in ACCEPTED:
        assert ours.submit(*case) == real.submit(*case), shown(case)


def test_what_debians_refuses_is_refused_in_the_same_words(sides):
    real, ours = sides
    with ThreadPoolExecutor(16) as pool:  # a fatal error of Postfix's sleeps a second
        wanted = list(pool.map(lambda case: real.call(*case), REFUSED))
    for case, expected in zip(REFUSED, wanted, strict=True):
        assert ours.call(*case) == expected, shown(case)
        assert expected[0] == 75
    assert list((ours.queue / "maildrop").iterdir()) == []


@pytest.mark.parametrize("value", ["TZ {a", "{a}b", "MAIL_CONFIG {a=b} { c = d e }"])
def test_braces_in_export_environment_must_be_right(sides, value):
    with (sides[0].config / "main.cf").open("a") as file:
        file.write(f"export_environment = {value}\n")
    real, ours = [side.call(["a"], b"x\n") for side in sides]
    assert ours == real


@pytest.fixture
def alone(tmp_path):
    """Ours, on a queue of its own; add() adds settings."""
    queue = tmp_path / "queue"
    for name in ("maildrop", "public"):
        (queue / name).mkdir(parents=True)
    (tmp_path / "main.cf").write_text(f"queue_directory = {queue}\n")
    return Side([sys.executable, "-m", "pyfix.commands.sendmail"], tmp_path, queue)


def add(side, text):
    with (side.config / "main.cf").open("a") as file:
        file.write(text)


def kinds(result):
    return b"".join(kind for kind, _ in result[1])


def test_options_of_newer_postfix_become_a_size_record(alone):
    _, records = alone.submit(["-O", "smtputf8=yes", "-O", "requiretls=yes", "a"], b"x\n")
    assert records[0] == (rec.SIZE, b"%15d %15d %15d %15d %15d %15d" % (-1, -1, -1, -1, -1, 33))


@pytest.mark.parametrize("word", ["yes", "no"])
def test_requiretls_can_be_disabled(alone, word):
    add(alone, "requiretls_enable = no\n")
    (_, _, said), records = alone.submit(["-O", f"requiretls={word}", "a"], b"x\n")
    why = "because the configuration is 'requiretls_enable = no'"
    assert f"sendmail: warning: Ignoring option '-O requiretls={word}, {why}" in said
    assert rec.SIZE not in kinds((None, records))


@pytest.mark.parametrize("option", ["smtputf8", "smtputf8=foo", "requiretls="])
def test_options_of_newer_postfix_that_say_neither_yes_nor_no_are_ignored(alone, option):
    (_, _, said), records = alone.submit(["-O", option, "a"], b"x\n")
    assert f"sendmail: warning: bad -O option: '{option}' -- ignored" in said
    assert rec.SIZE not in kinds((None, records))


@pytest.mark.parametrize(
    ("fix", "stdin", "lines"),
    [
        ("always", b"a\r\nb\nc\r\n", [b"a", b"b", b"c"]),
        ("never", b"a\r\nb\n", [b"a\r", b"b"]),
        ("strict", b"a\nb\r\n", [b"a", b"b\r"]),
        ("strict", b"a\r\nb\r\n", [b"a", b"b"]),
    ],
)
def test_line_endings_are_fixed_as_main_cf_says(alone, fix, stdin, lines):
    add(alone, f"sendmail_fix_line_endings = {fix}\n")
    _, records = alone.submit(["a"], stdin)
    assert [data for kind, data in records if kind == rec.NORM] == lines


def test_value_with_a_reference_is_expanded(alone):
    add(alone, "message_size_limit = $my_limit\nmy_limit =\n 3\n 0\n".replace("3\n 0", "30"))
    assert alone.call(["a"], b"x" * 100)[0] == 75


@pytest.mark.parametrize("words", [("a@b.test",), ("-bp",), ("-q",)], ids=" ".join)
def test_malformed_main_cf_is_told(tmp_path, words):
    (tmp_path / "main.cf").write_text("myhostname = a.test\nno equals sign\n")
    side = Side([sys.executable, "-m", "pyfix.commands.sendmail"], tmp_path, tmp_path)
    problem = f'{tmp_path}/main.cf, line 2: missing \'=\' after attribute name: "no equals sign"'
    assert side.call([*words], b"x\n") == (75, b"", [f"sendmail: fatal: {problem}"])


def test_missing_main_cf_is_told(tmp_path):
    side = Side([sys.executable, "-m", "pyfix.commands.sendmail"], tmp_path, tmp_path)
    assert side.call(["a"], b"") == (
        75, b"", [f"sendmail: fatal: open {tmp_path}/main.cf: No such file or directory"],
    )  # fmt: skip


def test_long_queue_ids(alone):
    add(alone, "enable_long_queue_ids = yes\n")
    alone.call(["a"], b"")
    (path,) = (alone.queue / "maildrop").iterdir()
    assert "z" in path.name


def test_big_message_is_written_piece_by_piece(alone):
    text = b"0123456789" * 7 + b"\n"
    _, records = alone.submit(["a"], text * 60000)
    assert sum(kind == rec.NORM for kind, _ in records) == 60000


def test_start_imports_nothing_heavy(alone):
    script = (
        "import sys; from pyfix.commands.sendmail import main; main(['sendmail', '-i', '-t']);"
        "print([name for name in ('asyncio', 're', 'enum', 'typing', 'socket', 'argparse', 'logging', 'collections')"
        " if name in sys.modules])"
    )
    alone.command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {script}"]
    assert alone.call([], b"To: Some One <a@b.c>, d@e\n\nx\n") == (0, b"[]\n", [])


# Observed of Postfix 3.11.7.
@pytest.mark.parametrize("value", ["never,failure", ""])
def test_a_bad_value_of_n_is_shown(value):
    options = Options()
    assert parse(["-N", value, "a"], options) == ["a"]
    assert options.said == [f"warning: bad -N option value: '{value}' -- ignored"]
