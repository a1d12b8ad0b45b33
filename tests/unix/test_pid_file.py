import os

import pytest

from pyfix.unix import msg, pid_file


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "master.pid")


def test_pid_stands_in_33_bytes_as_postfix_has_it(path):
    fd = pid_file.hold(path)
    with open(path, "rb") as file:
        assert file.read() == b"%32d\n" % os.getpid()
    assert pid_file.holder(path) == os.getpid()
    os.close(fd)


def test_lock_says_whether_a_master_runs(path):
    assert not pid_file.is_held(path)
    fd = pid_file.hold(path)
    assert pid_file.is_held(path)
    os.close(fd)
    assert not pid_file.is_held(path)
    assert pid_file.holder(path) == os.getpid()


def test_second_master_is_refused(path):
    fd = pid_file.hold(path)
    before = msg.to(lambda *_: None)
    with pytest.raises(msg.Fatal) as caught:
        pid_file.hold(path)
    msg.to(*before)
    os.close(fd)
    assert "unable to set exclusive lock: Resource temporarily unavailable" in caught.value.text
