"""postconf -b and -t: the words of bounces, and that real postconf reads what ours writes."""

import shutil
import subprocess
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
