"""postlog: what Postfix 3.11.7 was seen to say; lines go to standard error too, be that a terminal or not."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("main_cf", "words", "shown"),
    [
        ("", ["hello"], "postfix/postlog: hello\n"),
        ("", ["-t", "mytag", "-p", "warn", "a", "b"], "postfix/postlog: warning: a b\n"),
        ("syslog_name = foo\n", ["-t", "mytag", "hello"], "foo/postlog: hello\n"),
    ],
)
def test_standard_error_has_the_lines_under_the_commands_own_name(
    tmp_path: Path, main_cf: str, words: list[str], shown: str
) -> None:
    log = f"maillog_file = {tmp_path}/log\nmaillog_file_prefixes = {tmp_path}\nqueue_directory = {tmp_path}\n"
    (tmp_path / "main.cf").write_text(log + main_cf)
    command = [sys.executable, "-m", "pyfix.commands.postlog", "-c", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", shown)
    tag = words[1] if words[0] == "-t" else "postfix/postlog"
    assert f" {tag}[" in (tmp_path / "log").read_text()
