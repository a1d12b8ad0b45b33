"""When master is not to fork itself."""

import os
import sys

from pyfix.master.zygote import Code


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
