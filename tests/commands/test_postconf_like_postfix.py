"""postconf says and writes what Debian's does, over many configurations and all combinations of options."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from pyfix.commands import postconf
from pyfix.unix import msg
from tests.commands.random_configurations import main_cf, master_cf
from tests.real_postfix import release

REAL = shutil.which("postconf", path="/usr/sbin:/usr/bin")
LONG_AGO = 1_000_000_000  # real postconf waits until a file is some seconds old
FILES = ("main.cf", "master.cf")

SHOW = [
    "-n", "-nx", "-nf", "-nh", "-nH", "-xfn", "-C user", "-C service", "-n -C user", "-d -C service", "-A",
    "-M", "-Mf", "-Mx", "-F", "-Ff", "-Fx", "-FH", "-P", "-Pf", "-Px", "-Ph", "-PH",
    "-x u1 smtpd_timeout nosuch myhostname", "-d u1 foo_destination_rate_delay", "-o u1=$u2 -n",
    "-M foo smtp/unix", "-F foo/unix/command */inet/type", "-P */*/u1 smtp",
]  # fmt: skip
EDIT = [
    ["-e", "u1=x"], ["-e", "mydestination=$u2 y"], ["-X", "u1", "myhostname", "nosuch"], ["-#", "u2", "c1"],
    ["-Me", "foo/unix=foo unix - n n - - pipe  user=x  argv=/y -o z"],
    ["-Me", "smtp/*=smtp inet n - n - - smtpd -o a=b -v -o { c = d e }"],
    ["-MX", "*/unix"], ["-MX", "foo/unix", "pi/*"], ["-M#", "*/inet", "local/unix"],
    ["-Fe", "*/unix/chroot=y"], ["-Fe", "*/*/process_limit=7", "smtp/inet/command=smtpd -o x=y z"],
    ["-Pe", "*/unix/u1=new", "smtp/inet/u2="], ["-PX", "*/*/u1", "foo/unix/u2"],
]  # fmt: skip


class Result(NamedTuple):
    status: int
    out: str
    err: set[str]  # it has them in no order, and some twice
    files: list[str]


Run = Callable[[Path, list[str]], Result]


@pytest.fixture
def ours(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(folder: Path, options: list[str]) -> Result:
        before = msg.to()
        try:
            status = postconf.main(["postconf", "-c", str(folder), *options])
        except SystemExit as e:
            status = int(str(e.code))
        finally:
            msg.to(*before)
        found = capsys.readouterr()
        said = {*filter(told_by_all, found.err.splitlines())}
        return Result(status, found.out, said, [(folder / name).read_text() for name in FILES])

    return run


def theirs(folder: Path, options: list[str]) -> Result:
    if REAL is None:
        pytest.skip("real postconf is not installed")
    done = subprocess.run([REAL, "-c", str(folder), *options], capture_output=True, text=True, check=False, timeout=30)
    errors = {*filter(told_by_all, done.stderr.replace(f"{REAL}: ", "postconf: ").splitlines())}
    return Result(done.returncode, done.stdout, errors, [(folder / name).read_text() for name in FILES])


NEWER = re.compile(r"#comment after|missing '}' in|syntax error after|will be removed|DEPRECATION_README")
OLD = release() < (3, 11)


def told_by_all(line: str) -> bool:
    """Whether every release says so. An older one sees a table in what a comment hides, and does not look at words."""
    return not (OLD and NEWER.search(line))


def write(folder: Path, *texts: str) -> None:
    for name, text in zip(FILES, texts, strict=True):
        (folder / name).write_text(text)
        os.utime(folder / name, (LONG_AGO, LONG_AGO))


def compare(folder: Path, texts: tuple[str, str], options: list[str], ours: Run) -> None:
    write(folder, *texts)
    expected = theirs(folder, options)
    if expected.status < 0:
        return  # it crashed
    write(folder, *texts)
    assert ours(folder, options) == expected, options


@pytest.mark.parametrize("options", SHOW)
def test_it_shows_the_same(tmp_path: Path, ours: Run, options: str) -> None:
    random = Random(options)
    for _ in range(6):
        compare(tmp_path, (main_cf(random), master_cf(random)), options.split(), ours)


@pytest.mark.parametrize("options", EDIT, ids=" ".join)
def test_it_edits_the_same(tmp_path: Path, ours: Run, options: list[str]) -> None:
    random = Random(" ".join(options))
    for _ in range(8):
        compare(tmp_path, (main_cf(random), master_cf(random)), options, ours)


# What each pair of options is answered with, as Debian's postconf was seen to.
EDITORS, MODES, LISTS = "eX#", "bFlmMpPtT", "aAblmtT"
LETTERS = "aAbdeFfhHlmMnopPtTxX#"


def answer(one: str, other: str) -> str:
    """The fatal message for two options without operands, "" for none."""
    pair = {one, other}
    first, second = sorted(pair, key="aAbdefFhHlmMnopPtTxX#".index)
    if pair == {"b", "t"}:
        return "specify one of -b and -t"
    exclusive = ("aAblFmMpPtT", "den#X", "fe#X", "xe#X", "he#X", "He#X", "oe#X", "hH", "do")
    if any(pair <= {*group} for group in exclusive):
        return f"specify one of -{first}, -{second}"
    refused = dict.fromkeys(LISTS, "defhHnoxX#") | {"M": "dhHn", "F": "dnX#", "P": "dn#"}
    for mode, modifier in ((one, other), (other, one)):
        if modifier in refused.get(mode, ""):
            return f"with option -{mode}, do not specify -{modifier}"
    if "e" in pair:
        return "-e requires name=value argument"
    return "missing service argument" if pair & {*EDITORS} else ""


PAIRS = [(one, other) for at, one in enumerate(LETTERS) for other in LETTERS[at + 1 :]]
ARGUMENTS = {"o": ["x=y"], "T": ["run-version"]}


@pytest.mark.parametrize(("one", "other"), PAIRS, ids="".join)
def test_options_that_contradict_one_another_are_refused(tmp_path: Path, ours: Run, one: str, other: str) -> None:
    write(tmp_path, "compatibility_level = 3.6\n", "smtp inet n - n - - smtpd\n")
    options = [word for letter in (one, other) for word in [f"-{letter}", *ARGUMENTS.get(letter, [])]]
    result = ours(tmp_path, options)
    wanted = answer(one, other)
    fatal = {line.partition("fatal: ")[2] for line in result.err if "fatal: " in line}
    assert (result.status, fatal) == ((1, {wanted}) if wanted else (0, set()))


# Observed of Debian's postconf, which sleeps a second each time.
WRONG = [
    (["-M", "s*/inet"], 1, "fatal: -M option requires service_name[/type]"),
    (["-M", "a/b/c"], 1, "fatal: -M option requires service_name[/type]"),
    (["-M", ""], 1, "fatal: -M option requires service_name[/type]"),
    (["-F", "/inet"], 1, "fatal: -F option requires service_name[/type[/field]]"),
    (["-F", "smtp/inet/nosuch"], 1, 'fatal: invalid service attribute name: "nosuch"'),
    (["-F", "smtp/inet/type/x"], 1, "fatal: -F option requires service_name[/type[/field]]"),
    (["-P", "a/b/c/d"], 1, "fatal: -P option requires service_name[/type[/parameter]]"),
    (["-P", "a/inet/m*"], 1, "fatal: -P option requires service_name[/type[/parameter]]"),
    (["-Me", "a=b"], 1, "fatal: -Me, -MX or -M# requires service_name/type"),
    (["-Me", "a/inet=b"], 1, 'fatal: bad field count: "a/inet=b"'),
    (["-Me", "a/inet"], 1, "fatal: missing '=' after attribute name: \"a/inet\""),
    (["-MX", "a"], 1, "fatal: -Me, -MX or -M# requires service_name/type"),
    (["-MX", "a/inet=b"], 1, "fatal: specify one of -e, -X"),
    (["-Fe", "a=b"], 1, "fatal: -Fe or -FX requires service_name/type/field_name"),
    (["-Fe", "smtp/inet/chroot=q"], 1, 'fatal: invalid chroot field "q" in "q"'),
    (["-Fe", "smtp/inet/type=foo"], 1, 'fatal: invalid type field "foo" in "foo"'),
    (["-Fe", "smtp/inet/wakeup=-1"], 1, 'fatal: invalid wakeup field "-1" in "-1"'),
    (["-Fe", "smtp/inet/type=a b"], 1, "fatal: -Fe does not accept whitespace in non-command field"),
    (["-Fe", "smtp/inet/nosuch=y"], 1, 'fatal: invalid service attribute name: "nosuch"'),
    (["-Pe", "smtp/inet/x"], 1, "fatal: missing '=' after attribute name: \"smtp/inet/x\""),
    (["-Pe", "smtp/inet/x=a b"], 1, "fatal: -Pe does not accept whitespace in parameter value"),
    (["-PX", "smtp/inet/*"], 1, "fatal: -Pe does not accept wild-card parameter name"),
    (["-PX", "smtp/inet"], 1, "fatal: -Pe or -PX requires service_name/type/parameter"),
    (["-X", ""], 1, "fatal: -X or -# requires non-blank parameter names"),
    (["-X", "x=y"], 1, "fatal: specify one of -e, -X"),
    (["-e", ""], 1, 'fatal: missing attribute name: ""'),
    (["-e", "a\nb=c"], 1, "fatal: -e, -X, or -# accepts no multi-line input"),
    (["-e", "#a=b"], 1, "fatal: -e, -X, or -# accepts no comment input"),
    *(
        (options, 1, f"fatal: -Me, -Fe, -Pe, -X, or -# accept no {what} input")
        for options, what in [
            (["-Me", "smtp/inet=a\nb"], "multi-line"), (["-Fe", "smtp/inet/chroot=n\n"], "multi-line"),
            (["-MX", " #smtp/inet"], "comment"), (["-PX", "smtp/inet/x\ny"], "multi-line"),
        ]
    ),
    (["-C", "user,bogus"], 1, 'fatal: unknown -C option value "bogus" in "user,bogus"'),
    (["-T", "bogus"], 1, "warning: unknown 'postconf -T' mode: bogus"),
    (["-Fe", "no/inet/chroot=y"], 0, 'warning: unmatched service_name/type: "no/inet/chroot=y"'),
    (["-Pe", "no/inet/x=y"], 0, 'warning: unmatched service_name/type: "no/inet/x=y"'),
]


@pytest.mark.parametrize(("options", "status", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_operands_are_refused(tmp_path: Path, ours: Run, options: list[str], status: int, words: str) -> None:
    write(tmp_path, "compatibility_level = 3.6\n", "smtp inet n - n - - smtpd\n")
    result = ours(tmp_path, options)
    assert (result.status, result.err) == (status, {f"postconf: {words}"})
    assert result.files == ["compatibility_level = 3.6\n", "smtp inet n - n - - smtpd\n"]


WRONG = ["bad line", "foo unix - - x - - smtpd", "foo bar - - n - - smtpd", "foo unix - - n - 1?? smtpd", "foo unix -"]
MENDED = [
    ["-MX", "foo/unix"], ["-M#", "foo/*"], ["-MX", "bad/line"], ["-Me", "foo/unix=foo unix - - n - - smtpd"],
    ["-Fe", "smtp/unix/chroot=y"], ["-Pe", "*/inet/a=b"], ["-PX", "smtp/unix/a"],
]  # fmt: skip


@pytest.mark.parametrize("options", MENDED, ids=" ".join)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_line_of_master_cf_can_be_mended_and_is_in_nobodys_way(
    tmp_path: Path, ours: Run, options: list[str], wrong: str
) -> None:
    right = "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp -o a=c\n"
    compare(tmp_path, ("compatibility_level = 3.6\n", f"{right}{wrong}\n# end\n"), options, ours)
