"""When master is not to fork itself."""

import os
import signal
import sys

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.master.zygote import Code, fork_worker
from pyfix.server.control import Start


def test_code_is_current_until_a_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "held_by_master.py"
    file.write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("held_by_master")
    try:
        code = Code()
        assert code.is_current()
        new = tmp_path / "new.py"
        new.write_text("changed = True")
        os.replace(new, file)
        assert not code.is_current()
        file.unlink()
        assert not code.is_current()
    finally:
        del sys.modules["held_by_master"]


def test_signals_come_again_after_a_fork_that_failed(monkeypatch):
    def fork():
        raise BlockingIOError

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(BlockingIOError):
        fork_worker(Start("agent", "unix", "virtual"), MainCf("", "", {}, {}), {}, [])
    assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == before
