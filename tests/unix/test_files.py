import os

import pytest

from pyfix.unix import files


def test_safe_open_opens_a_plain_file(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    fd = files.safe_open(str(tmp_path / "f"), os.O_RDONLY, owner=os.getuid())
    assert os.read(fd, 9) == b"x"
    os.close(fd)


def make_symlink(path):
    (path / "real").write_bytes(b"")
    (path / "f").symlink_to(path / "real")


def make_hard_link(path):
    (path / "f").write_bytes(b"")
    os.link(path / "f", path / "g")


def make_fifo(path):
    os.mkfifo(path / "f")


@pytest.mark.parametrize("make", [make_symlink, make_hard_link, make_fifo])
def test_safe_open_refuses_what_is_not_plain(tmp_path, make):
    make(tmp_path)
    with pytest.raises(OSError):
        files.safe_open(str(tmp_path / "f"), os.O_RDONLY)


def test_safe_open_refuses_anothers_file(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(files.UnsafeFileError, match="is owned by"):
        files.safe_open(str(tmp_path / "f"), os.O_RDONLY, owner=os.getuid() + 1)


def test_write_durably_replaces_the_whole_file(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a long old content")
    files.write_durably(str(path), b"new", 0o640)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["f"]


def test_failed_write_leaves_nothing_behind(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError):
        files.write_durably(str(tmp_path / "f"), b"new")
    assert os.listdir(tmp_path) == ["f"]

