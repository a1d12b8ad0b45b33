"""What the tests of configuration share: collected messages, and real postconf where it is installed."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyfix.unix import msg

LONG_AGO = 1_000_000_000  # real postconf waits until a file is some seconds old


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Every message, with its severity."""
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


@pytest.fixture
def real_postconf(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Postfix's postconf on the text of a main.cf."""
    program = shutil.which("postconf", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("real postconf is not installed")

    def run(main_cf: str, *options: str, master_cf: str = "") -> subprocess.CompletedProcess[str]:
        for name, text in (("main.cf", main_cf), ("master.cf", master_cf)):
            path = tmp_path / name
            path.write_text(text)
            os.utime(path, (LONG_AGO, LONG_AGO))
        command = [program, "-c", str(tmp_path), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    return run
