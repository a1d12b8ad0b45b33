"""What the tests of tables share: the log as a list, and real postmap as the oracle."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyfix.unix import msg

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Lines that are logged, severity included."""
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def postfix(here: Path) -> Run:
    """postfix("postmap", "-q", ...) runs a command of real Postfix on a configuration of its own."""
    if shutil.which("postmap") is None or not os.path.exists("/usr/lib/postfix/postfix-lmdb.so"):
        pytest.skip("real Postfix with its lmdb plug-in is not installed")
    (here / "etc").mkdir(exist_ok=True)
    (here / "etc/main.cf").write_text("compatibility_level = 3.6\n")
    os.utime(here / "etc/main.cf", (1000, 1000))  # a fresh one makes Postfix wait

    def run(name: str, *args: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run([name, "-c", "etc", *args], input=stdin, capture_output=True, check=False)

    return run
