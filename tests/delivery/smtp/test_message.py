"""The text of a message as it goes over the wire."""

import os

import pytest

from pyfix.delivery.smtp.message import Text
from pyfix.queue import records as rec


@pytest.mark.parametrize("length", [996, 997, 998, 999, 1000, 2000])
@pytest.mark.parametrize("around", [0, 1, 40])
@pytest.mark.parametrize("at_end", [False, True])
def test_only_lines_over_the_limit_are_broken(tmp_path, length, around, at_end):
    lines = [*[b"x" * 70] * around, b"y" * length, *([] if at_end else [b"z" * 998, b".dot"] * around)]
    path = tmp_path / "message"
    path.write_bytes(rec.encode_text(lines) + rec.encode(rec.XTRA))
    told = []
    fd = os.open(path, os.O_RDONLY)
    try:
        wire = b"".join(Text(fd, 0, line_limit=998, broken=lambda: told.append(1)).wire())
    finally:
        os.close(fd)
    assert bool(told) == (length > 998)
    assert wire.replace(b"\r\n ", b"").replace(b"\n..", b"\n.") == b"\r\n".join(lines) + b"\r\n"
    assert max(map(len, wire.split(b"\r\n"))) <= 998
