"""postconf -b and -t: the words of bounces, and that real postconf reads what ours writes."""

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyfix.commands import postconf

REAL = shutil.which("postconf", path="/usr/sbin")
TEMPLATE = "failure_template = <<EOF\nSubject: No\n\nsays $myhostname\nEOF\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "main.cf").write_text(
        f"myhostname = mx.a.test\ncompatibility_level = 3.6\nbounce_template_file = {tmp_path}/templates\n"
    )
    (tmp_path / "master.cf").touch()
    (tmp_path / "templates").write_text(TEMPLATE)
    return tmp_path


def test_the_texts_are_shown_expanded(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert postconf.main(["postconf", "-c", str(directory), "-b"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("expanded_failure_text = <<EOF\nsays mx.a.test\nEOF\n\nexpanded_delay_text = <<EOF\n")
    assert out.count("EOF\n") == 8


def test_the_templates_are_shown_as_written(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert postconf.main(["postconf", "-c", str(directory), "-t"]) == 0
    out = capsys.readouterr().out
    assert "Subject: No\nPostmaster-Subject: Postmaster Copy: Undelivered Mail\n\nsays $myhostname\nEOF\n" in out


def test_a_template_file_that_is_not_there(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        postconf.main(["postconf", "-c", str(directory), "-t", "/nowhere"])
    assert "fatal: open /nowhere: No such file or directory" in capsys.readouterr().err


@pytest.mark.skipif(not REAL, reason="postconf (Postfix) is not installed")
@pytest.mark.parametrize("option", ["-b", "-t"])
def test_real_postconf_reads_what_ours_writes(directory: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    postconf.main(["postconf", "-c", str(directory), "-t"])
    written = directory / "written"
    written.write_text(capsys.readouterr().out)
    line = [str(REAL), "-c", str(directory), option, str(written)]
    expected = subprocess.run(line, capture_output=True, text=True, check=True, timeout=20).stdout
    postconf.main(["postconf", "-c", str(directory), option, str(written)])
    assert capsys.readouterr().out == expected


def here(text: str, end: str = "EOF") -> str:
    return f"failure_template = <<{end}\n{text}{end}\n"


FILES = {
    "usual": here("Subject: x\nCharset: utf-8\n\nbody\n"),
    "no headers": here("body\nSubject: x\n"),
    "empty lines": here("\n\nSubject: x\n\n  \nbody\n\n"),
    "no empty line": here("Subject: x\nbody\n"),
    "indented": here(" Subject: x\nbody\n"),
    "space around": here("SUBJECT : \tx  \n\nbody\n"),
    "twice": here("Subject: x\n\nbody\n") + here("Subject: y\n\nother body\n"),
    "one line": "failure_template = body\n",
    "indented start": "  failure_template =<< 1F\nbody\n1F\n",
    "nothing": here(""),
    "no value": "failure_template =\n",
    "no body": here("Subject: x\n"),
    "empty body": here("Subject: x\n\n"),
    "unknown header": here("Note: body\n"),
    "unknown header, not first": here("Subject: x\nX-Note: y\n\nbody\n"),
    "empty header": here("Subject:\n\nbody\n"),
    "UTF-8 in a header": here("Subject: \u00f6\nCharset: utf-8\n\nbody\n"),
    "UTF-8 in the body": here("Charset: utf-8\n\nbody \u00f6\n"),
    "no postmaster's copy": "success_template = <<EOF\nPostmaster-Subject: x\n\nbody\nEOF\n",
    "unknown template": "other_template = <<EOF\nbody\nEOF\n",
    "no template": "failure = <<EOF\nbody\nEOF\n",
    "no end": "failure_template = <<EOF\nbody\n",
    "more in the end": here("body\nEOF\n", "EOF foo"),
    "no marker": here("body\n", ""),
    "bad marker": here("body\n", "_F"),
    "bad line": "failure_template\n",
    "bad name": "failure template = <<EOF\nbody\nEOF\n",
}


def said(done: tuple[int, str, str]) -> tuple[int, list[str], list[str]]:
    """(exit status, the templates that a file changes, what is said, without who says it and the line)."""
    status, out, err = done
    changed = [part for part in out.split("_template = <<EOF\n") if "body" in part]
    words = [re.sub(r", line \d+", "", line.partition(": ")[2]) for line in err.splitlines()]
    return status, changed, list(dict.fromkeys(words))


@pytest.mark.skipif(not REAL, reason="postconf (Postfix) is not installed")
def test_what_debians_takes_from_a_file_is_taken(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = {name: directory / name for name in FILES}
    for name, path in paths.items():
        path.write_text(FILES[name])

    def theirs(path: Path) -> tuple[int, str, str]:
        line = [str(REAL), "-c", str(directory), "-t", str(path)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, done.stdout, done.stderr

    def ours(path: Path) -> tuple[int, str, str]:
        try:
            status = postconf.main(["postconf", "-c", str(directory), "-t", str(path)])
        except SystemExit as end:
            status = int(str(end.code))
        return status, *capsys.readouterr()

    with ThreadPoolExecutor(8) as pool:  # a fatal error sleeps a second
        expected = dict(zip(paths, map(said, pool.map(theirs, paths.values())), strict=True))
    assert {name: said(ours(path)) for name, path in paths.items()} == expected


def test_8_bit_text_needs_its_charset(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "templates").write_text(here("Charset: US-ASCII\n\nbody \u00f6\n"))
    assert postconf.main(["postconf", "-c", str(directory), "-b"]) == 0
    out, err = capsys.readouterr()
    assert "body" not in out
    assert "8-bit message text in failure template needs another charset than us-ascii -- ignoring" in err


# The first as observed of Postfix 3.11.7, which shows the line in the second, too.
WRONG = [
    ("first $myhostname\nsays $nosuch and", "undefined $name in failure template: says $nosuch and"),
    (
        "first $myhostname\nsays ${nosuch and",
        'bad $name syntax in failure template: truncated macro reference: "says ${nosuch and"',
    ),
]


@pytest.mark.parametrize(("body", "words"), WRONG)
def test_a_name_in_a_text_that_can_not_be_is_fatal(
    directory: Path, capsys: pytest.CaptureFixture[str], body: str, words: str
) -> None:
    path = directory / "templates"
    path.write_text(f"failure_template = <<EOF\nSubject: No $nosuch\n\n{body}\nthird\nEOF\n")
    with pytest.raises(SystemExit) as end:
        postconf.main(["postconf", "-c", str(directory), "-b"])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (1, "")
    assert err.endswith(f"fatal: {path}: {words}\n")
