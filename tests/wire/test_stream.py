"""Frames come out as they went in, however the bytes are cut."""

import pytest

from pyfix.wire.stream import LIMIT, FrameReader, StreamError, encode_frame

FRAMES = [(1, b"a\0b\0\0", b""), (2, b"", b"body"), (4_000_000_000, b"x" * 300, b"y" * 1000), (0, b"", b"")]
BYTES = b"".join(encode_frame(*frame) for frame in FRAMES)


def test_all_at_once() -> None:
    assert FrameReader().receive(BYTES) == FRAMES


def test_one_byte_at_a_time() -> None:
    reader = FrameReader()
    got = [frame for at in range(len(BYTES)) for frame in reader.receive(BYTES[at : at + 1])]
    assert got == FRAMES


def test_every_split() -> None:
    for at in range(len(BYTES) + 1):
        reader = FrameReader()
        assert reader.receive(BYTES[:at]) + reader.receive(BYTES[at:]) == FRAMES


def test_a_frame_beyond_reason_is_refused() -> None:
    with pytest.raises(StreamError):
        FrameReader().receive(encode_frame(1, b"", b"")[:8] + (LIMIT + 1).to_bytes(4, "big"))
