"""Streams as a caller may leave them."""

import os

from pyfix.unix import stdio


def test_a_pipe_that_does_not_wait_is_waited_for(monkeypatch):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    real, waited, read = stdio._wait_for_room, [], []

    def wait(fd):
        waited.append(fd)
        read.append(os.read(reader, 1 << 20))
        real(fd)

    monkeypatch.setattr(stdio, "_wait_for_room", wait)
    data = os.urandom(1 << 18)
    with stdio._Output(writer, "w") as output:
        assert output.write(data) == len(data)
    with open(reader, "rb") as rest:
        assert b"".join(read) + rest.read() == data
    assert waited
