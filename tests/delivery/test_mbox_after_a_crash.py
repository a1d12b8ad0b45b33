"""What a crash left of a message in a mbox."""

import pytest

from pyfix.delivery.mbox import Locking, Mbox

NEXT = b"From y@x  Wed Nov 25 20:00:00 2026\n\nhello\n\n"


@pytest.mark.parametrize(("left", "between"), [(b"", b""), (b"From x@x\n\nh\n\n", b""), (b"From x@x\n\nh", b"\n\n")])
def test_the_next_message_does_not_go_into_its_last_line(tmp_path, left, between):
    path = tmp_path / "box"
    path.write_bytes(left)
    mbox = Mbox(Locking(("fcntl",)), 0)
    with mbox.opened(str(path)) as fd:
        mbox.append(fd, iter([NEXT]))
    assert path.read_bytes() == left + between + NEXT
