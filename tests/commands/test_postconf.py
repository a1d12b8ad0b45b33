import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyfix.commands import postconf
from pyfix.config import registry
from pyfix.unix import msg
from tests.real_postfix import release

MAIN_CF = """\
# Comment
compatibility_level = 3.6
myorigin = $mydomain
myhostname = mail.example.com

bar = one,
  # within
    two
mydestination = $bar x   y z aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\tbbbbbbbbbbbbbbbbbbbbbbbbbbbb, cccccccccccccccccc
relay_domains =
baz = unused
smtpd_restriction_classes = cls
cls = permit
virtual_alias_maps = hash:/x
maximal_queue_lifetime = 3d
smtp_destination_rate_delay = 5s
inet_interfaces=127.0.0.1
"""
MASTER_CF = """\
25 inet n - n - - smtpd -o foo=$quux -o { bar = a b } -v
  -o x=y

# c
submission-of-mail inet n - y - 30 smtpd
smtp unix - - n - - smtp
sub unix - - y 5? 3 smtp
very-long-name-indeed unix-dgram y y y 1000? 1000 showq
"""
LONG_AGO = 1_000_000_000  # real postconf waits until a file is some seconds old


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    for name, text in (("main.cf", MAIN_CF), ("master.cf", MASTER_CF)):
        (tmp_path / name).write_text(text)
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    return tmp_path


class Result:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def run(instance: Path, capsys: pytest.CaptureFixture[str]):
    def run(*options: str) -> Result:
        before = msg.to()
        try:
            status = postconf.main(["postconf", "-c", str(instance), *options])
        except SystemExit as e:
            status = int(str(e.code))
        finally:
            msg.to(*before)
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err.replace(f"{instance}/", ""))

    return run


def test_a_name_is_shown_with_its_value(run) -> None:
    assert run("-q", "myorigin", "relay_domains", "max_use").lines() == [
        "myorigin = $mydomain",
        "relay_domains =",
        "max_use = 100",
    ]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["-h", "myorigin"], "$mydomain"),
        (["-H", "myorigin"], "myorigin"),
        (["-x", "myorigin"], "myorigin = example.com"),
        (["-hx", "bar"], "one, two"),
        (["-d", "myorigin"], "myorigin = $myhostname"),
        (["-o", "myorigin=other", "myorigin"], "myorigin = other"),
        (["mail_version"], "mail_version = 3.11.6"),
        (["-h", "config_directory"], "{}"),
        (["process_name"], "process_name = postconf"),
        (["sub_destination_rate_delay"], "sub_destination_rate_delay = $default_destination_rate_delay"),
    ],
)
def test_options_of_showing(run, instance: Path, monkeypatch, options: list[str], line: str) -> None:
    monkeypatch.setattr(sys, "argv", ["postconf"])
    assert run("-q", *options).lines() == [line.format(instance)]


def test_what_is_set_is_shown_in_order(run) -> None:
    names = [line.partition(" ")[0] for line in run("-n").lines()]
    assert names == sorted(names)
    assert {"bar", "cls", "myorigin", "config_directory", "smtp_destination_rate_delay"} < {*names}
    assert not {"baz", "max_use"} & {*names}


def test_every_declared_parameter_has_a_default(run) -> None:
    shown = {line.partition(" ")[0] for line in run("-d").lines()}
    assert shown >= {*registry.everything()}
    assert {"smtp_destination_rate_delay", "sub_transport_rate_delay"} < shown
    assert "bar" not in shown


def test_warnings_go_to_standard_error(run) -> None:
    result = run("nosuch", "myorigin")
    assert (result.status, result.out) == (0, "myorigin = $mydomain\n")
    assert result.err.splitlines() == [
        "postconf: warning: master.cf: undefined parameter: quux",
        "postconf: warning: nosuch: unknown parameter",
        "postconf: warning: main.cf: unused parameter: baz=unused",
        "postconf: warning: master.cf: unused parameter: foo=$quux",
        "postconf: warning: master.cf: unused parameter: x=y",
    ]
    assert "unused" not in run("-q", "myorigin").err


def test_names_used_in_main_cf_must_be_defined(run, instance: Path) -> None:
    (instance / "main.cf").write_text("myorigin = $nosuch${x?{$other}}\nx = 1\n")
    err = run("myorigin").err
    assert "warning: main.cf: undefined parameter: nosuch\n" in err
    assert "warning: main.cf: undefined parameter: other\n" in err
    assert "unused parameter: x" not in err


def test_services_in_columns(run) -> None:
    assert run("-M").lines() == [
        "25         inet  n       -       n       -       -       smtpd -o foo=$quux -o {bar=a b} -v -o x=y",
        "submission-of-mail inet n -      y       -       30      smtpd",
        "smtp       unix  -       -       n       -       -       smtp",
        "sub        unix  -       -       y       5?      3       smtp",
        "very-long-name-indeed unix-dgram y y y   1000?   1000    showq",
    ]


def test_services_are_chosen_by_name_and_type(run) -> None:
    assert len(run("-M", "sub/unix", "25").lines()) == 2
    result = run("-M", "sub/inet")
    assert result.out == ""
    assert 'postconf: warning: unmatched request: "sub/inet"\n' in result.err


def test_fields_and_settings_of_services(run) -> None:
    assert run("-F", "sub/unix").lines() == [
        "sub/unix/service = sub",
        "sub/unix/type = unix",
        "sub/unix/private = -",
        "sub/unix/unprivileged = -",
        "sub/unix/chroot = y",
        "sub/unix/wakeup = 5?",
        "sub/unix/process_limit = 3",
        "sub/unix/command = smtp",
    ]
    assert run("-Fh", "25/inet/command").out == "smtpd -o foo=$quux -o {bar=a b} -v -o x=y\n"
    assert run("-P").lines() == ["25/inet/bar = a b", "25/inet/foo = $quux", "25/inet/x = y"]
    assert run("-Px", "25/*/bar", "25/inet/foo").lines() == ["25/inet/bar = a b", "25/inet/foo ="]
    assert run("-PH", "*/*/x").lines() == ["25/inet/x"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["-j", "myorigin"], '{"myorigin": "$mydomain"}'),
        (["-jx", "bar"], '{"bar": "one,    two"}'),
        (["-jd", "relay_domains"], '{"relay_domains": "${{$compatibility_level} <level {2} ? {$mydestination} : {}}"}'),
        (["-jn", "relay_domains"], '{"relay_domains": ""}'),
        (["-jM", "smtp/unix"], '{"smtp/unix": "smtp unix - - n - - smtp"}'),
        (["-jF", "25/inet/command"], '{"25/inet/command": "smtpd -o foo=$quux -o {bar=a b} -v -o x=y"}'),
        (["-jP", "25/inet/bar"], '{"25/inet/bar": "a b"}'),
    ],
)
def test_an_object_of_json_for_each(run, options: list[str], line: str) -> None:
    assert run("-q", *options).lines() == [line]


def test_q_leaves_out_the_names_that_nothing_looks_at_and_no_others(run) -> None:
    undefined = "postconf: warning: master.cf: undefined parameter: quux\n"
    assert run("-q", "nosuch").err == f"{undefined}postconf: warning: nosuch: unknown parameter\n"
    assert run("-qM").err == run("-qP").err == run("-qn").err == undefined
    assert "unused" in run("-M").err


def test_services_are_edited(run, instance: Path) -> None:
    assert run("-Fe", "smtp/unix/chroot=y").status == run("-Pe", "smtp/unix/smtp_helo_timeout=5").status == 0
    assert run("-MX", "25/inet", "very-long-name-indeed/*").status == run("-M#", "sub/unix").status == 0
    assert run("-Me", "new/inet=new inet n - n - - smtpd").status == 0
    assert run("-qM").lines() == [
        "submission-of-mail inet n -      y       -       30      smtpd",
        "smtp       unix  -       -       y       -       -       smtp -o smtp_helo_timeout=5",
        "new        inet  n       -       n       -       -       smtpd",
    ]
    assert "#sub unix - - y 5? 3 smtp\n" in (instance / "master.cf").read_text()


def test_a_parameter_is_explained(run) -> None:
    assert run("--explain", "max_use").lines()[:2] == [
        "max_use",
        "    How many sessions a process serves before it ends.",
    ]
    result = run("--explain")
    assert (result.status, result.err) == (1, "postconf: fatal: --explain requires name argument\n")
    assert "specify one of --explain, -M" in run("-M", "--explain", "x").err


def test_what_the_tls_library_is(run) -> None:
    assert "SSL" in run("-T", "run-version").out
    assert run("-T", "public-key-algorithms").lines() == ["dsa", "ecdsa", "rsa"]


def test_a_bad_master_cf_is_fatal_and_located(run, instance: Path) -> None:
    (instance / "master.cf").write_text("a unix - - n - - showq\nb unix - - q - - showq\n")
    for options in (["-M"], ["-n"]):
        result = run(*options)
        assert result.status == 1
        assert result.err.endswith('postconf: fatal: master.cf: line 2: field "chroot": bad value: "q"\n')


def test_a_bad_main_cf_is_fatal_and_located(run, instance: Path) -> None:
    (instance / "main.cf").write_text("a = 1\nfoo\n")
    result = run("-n")
    assert (result.status, result.out) == (1, "")
    assert result.err == """postconf: fatal: main.cf, line 2: missing '=' after attribute name: "foo"\n"""


def test_a_value_that_can_not_be_expanded_is_fatal(run, instance: Path) -> None:
    (instance / "main.cf").write_text("\nmyorigin = ${x\n")
    result = run("-d", "myorigin")
    assert (result.status, result.out) == (0, "myorigin = $myhostname\n")
    result = run("myorigin")
    assert (result.status, result.out) == (1, "")
    assert result.err.splitlines()[-2:] == [
        'postconf: warning: truncated macro reference: "${x"',
        "postconf: fatal: macro processing error",
    ]


@pytest.mark.parametrize("options", [["-e", "myorigin=new", "x = $y"], ["myorigin = new", "x=$y"]])
def test_values_are_edited_in_place_or_added(run, instance: Path, options: list[str]) -> None:
    assert run(*options).status == 0
    assert (instance / "main.cf").read_text() == MAIN_CF.replace("$mydomain", "new") + "x = $y\n"


def test_settings_are_removed_and_commented_out(run, instance: Path) -> None:
    assert run("-X", "baz", "cls").status == 0
    assert run("-#", "myorigin").status == 0
    expected = MAIN_CF.replace("baz = unused\n", "").replace("cls = permit\n", "")
    assert (instance / "main.cf").read_text() == expected.replace("myorigin =", "#myorigin =")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-nd"], "specify one of -d, -n"),
        (["-e", "-x", "a=b"], "specify one of -e, -x"),
        (["-hH"], "specify one of -h, -H"),
        (["-e"], "-e requires name=value argument"),
        (["-e", "foo"], "missing '=' after attribute name: \"foo\""),
        (["a=b", "c"], "missing '=' after attribute name: \"c\""),
        (["-o", "foo", "x"], "invalid parameter override: foo: missing '=' after attribute name"),
        (["-C", "nosuch"], 'unknown -C option value "nosuch" in "nosuch"'),
        (["-Z"], "usage: postconf [-a (server SASL types)]"),
    ],
)
def test_a_wrong_command_line_changes_nothing(run, instance: Path, options: list[str], words: str) -> None:
    result = run(*options)
    assert result.status == 1
    assert f"postconf: fatal: {words}" in result.err
    assert (instance / "main.cf").read_text() == MAIN_CF


def test_ways_to_lock(run) -> None:
    assert run("-l").lines() == ["flock", "fcntl", "dotlock"]


def test_a_type_of_sasl_that_is_not_there_is_not_named(run) -> None:
    result = run("-a")
    assert (result.status, result.out, result.err) == (0, "", "")


def test_table_types_come_from_the_tables(run) -> None:
    assert {"hash", "lmdb", "cidr", "regexp"} < {*run("-m").lines()}


def test_the_directory_may_come_from_the_environment(
    instance: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAIL_CONFIG", str(instance))
    before = msg.to()
    postconf.main(["postconf", "-qh", "myorigin"])
    msg.to(*before)
    assert capsys.readouterr().out == "$mydomain\n"


def test_odd_bytes_come_out_as_they_are(instance: Path) -> None:
    (instance / "main.cf").write_bytes(b"mail_name = \xff\xc3\xa9\n")
    command = [sys.executable, "-m", "pyfix.commands.postconf", "-c", str(instance), "-qh", "mail_name"]
    assert subprocess.run(command, capture_output=True, check=True, timeout=30).stdout == b"\xff\xc3\xa9\n"


SAME = [
    ["-n"],
    ["-nx"],
    ["-nf"],
    ["-nh"],
    ["-h", "myorigin", "relay_domains"],
    ["-H", "myorigin", "bar"],
    ["-d", "myorigin", "mydestination", "mydomain", "max_use"],
    ["-dx", "mydestination"],
    ["-dh", "myorigin"],
    ["nosuch", "myorigin", "baz"],
    ["-f", "mydestination"],
    ["-M"],
    ["-Mf"],
    ["-M", "smtp/unix"],
    ["-M", "25"],
    ["-M", "nosuch"],
    ["-C", "user"],
    ["-C", "user", "-n"],
    ["-o", "myorigin=zz", "myorigin"],
    ["-x", "smtp_destination_rate_delay", "sub_transport_rate_delay"],
    ["-l"],
]
SAME_ERRORS = [["-e", "=x"]]  # a second each


@pytest.fixture
def real(instance: Path):
    program = shutil.which("postconf", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("real postconf is not installed")

    def run(*options: str) -> Result:
        command = [program, "-c", str(instance), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        errors = done.stderr.replace(f"{program}: ", "postconf: ").replace(f"{instance}/", "")
        return Result(done.returncode, done.stdout, errors)

    return run


@pytest.mark.parametrize("options", [*SAME, *SAME_ERRORS], ids=" ".join)
def test_real_postconf_says_the_same(run, real, options: list[str]) -> None:
    ours, theirs = run(*options), real(*options)
    assert (ours.status, ours.out) == (theirs.status, theirs.out)
    assert {*ours.err.splitlines()} == {*theirs.err.splitlines()}  # it has them in no order, and twice


@pytest.mark.parametrize(
    "options",
    [
        ["-e", "bar=x", "new = $bar", "relay_domains=y"],
        ["-X", "bar", "nosuch"],
        ["-#", "bar", "myorigin"],
        ["myorigin = a"],
    ],
    ids=" ".join,
)
def test_real_postconf_edits_the_same(run, real, instance: Path, options: list[str]) -> None:
    assert real(*options).status == 0
    theirs = (instance / "main.cf").read_text()
    (instance / "main.cf").write_text(MAIN_CF)
    assert run(*options).status == 0
    assert (instance / "main.cf").read_text() == theirs


SHEET = Path(os.environ.get("PYFIX_REFERENCE", Path(__file__).parents[3] / "shared/reference")) / "parameters.tsv"
OF_THE_PROGRAM = {"process_id", "process_name", "service_name"}  # differ between any two programs
OF_THE_BUILD = {
    "alias_maps", "daemon_directory", "default_cache_db_type", "default_database_type", "html_directory",
    "mail_release_date", "mail_version", "manpage_directory", "meta_directory", "readme_directory", "shlib_directory",
    "tls_eecdh_auto_curves", "tls_ffdhe_auto_groups",
}  # fmt: skip
"""What Debian chooses otherwise, or what depends on the TLS library that is built with."""


def _same_in_3_7() -> set[str]:
    """Parameters whose default has not changed between Debian's 3.7 and 3.11, by the reference sheet."""
    lines = [line for line in SHEET.read_text().splitlines() if not line.startswith("#")]
    head = lines[0].split("\t")
    rows = [dict(zip(head, line.split("\t"), strict=False)) for line in lines[1:]]
    return {row["name"] for row in rows if row["debian_3.7.11_default"] == "same"} - OF_THE_PROGRAM


@pytest.mark.skipif(not SHEET.exists(), reason="no parameters.tsv: set PYFIX_REFERENCE")
def test_defaults_are_those_of_real_postconf(run, real) -> None:
    names = {*registry.everything()}
    if release() < (3, 11):
        names &= _same_in_3_7()
    else:
        names -= OF_THE_BUILD | OF_THE_PROGRAM | {name for name in names if name.startswith("pyfix_")}
    names = sorted(names)
    assert len(names) > 150
    assert run("-d", *names).lines() == real("-d", *names).lines()


def test_only_a_first_name_with_a_value_asks_for_an_edit(tmp_path, capsys):
    (tmp_path / "main.cf").write_text("u1 = x\n")
    (tmp_path / "master.cf").touch()
    assert postconf.main(["postconf", "-c", str(tmp_path), "myhostname", "u1=z"]) == 0
    assert "warning: u1=z: unknown parameter" in capsys.readouterr().err
    assert (tmp_path / "main.cf").read_text() == "u1 = x\n"
