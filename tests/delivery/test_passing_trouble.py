"""Trouble of the machine that may pass defers, whoever delivers: mail must not bounce for a disk or a full table."""

import errno
import os
from pathlib import Path

import pytest

from pyfix.clients.deliver import decode_answer
from pyfix.delivery.agent import Frame
from pyfix.delivery.mail_copy import Letter, mailbox_error
from pyfix.delivery.maildir import Maildir
from pyfix.delivery.mbox import Locking, Mbox
from pyfix.maps.run_now import run_now
from pyfix.queue import file as queue_file

PASSING = ("EIO", "EINTR", "EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ENOLCK", "EROFS", "ENOSPC", "ESTALE", "EAGAIN")


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("default", ["4.2.0", "5.2.0", "5.3.0"])
def test_what_may_pass_is_temporary_whatever_the_default(name: str, default: str) -> None:
    number = getattr(errno, name)
    assert mailbox_error(OSError(number, os.strerror(number)), "doing", default).status[0] == "4"


@pytest.mark.parametrize(("name", "status"), [("EDQUOT", "5.2.2"), ("EFBIG", "5.2.2"), ("EACCES", "5.2.0")])
def test_what_is_the_mailbox_s_own_is_as_with_postfix(name: str, status: str) -> None:
    number = getattr(errno, name)
    assert mailbox_error(OSError(number, os.strerror(number)), "doing", "5.2.0").status == status


def _no_bytes(_fd: int, size: int, _offset: int) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("kind", ["maildir", "mbox"])
def test_a_queue_file_that_can_not_be_read_is_not_the_mailbox_s_trouble(
    store, logs, monkeypatch, tmp_path: Path, kind: str
) -> None:
    def deliver(delivery):
        recipient, request = delivery.request.recipients[0], delivery.request
        letter = Letter(delivery.fd, request.offset, request.size, request.sender, recipient)
        with monkeypatch.context() as patch:
            patch.setattr(queue_file.os, "pread", _no_bytes)
            if kind == "maildir":
                Maildir(0).deliver(f"{tmp_path}/box/", letter)
            else:
                Mbox(Locking(("flock",)), 0).deliver(f"{tmp_path}/box", letter, os.geteuid())
        yield from ()

    queue_id = store.put("u@d.test")
    frame = Frame(store.queue, logs, deliver, relay=kind)
    assert decode_answer(run_now(frame.handle(*store.request(queue_id).encode(), lambda: False))).status == -1
    assert logs.entries == [("defer", "u@d.test", "4.3.0 delayed error reading message: Input/output error")]
    assert store.todo(queue_id) == ["u@d.test"]
    left = [path for path in (tmp_path / "box").rglob("*") if path.is_file()] if kind == "maildir" else []
    assert left == []
    assert kind == "maildir" or (tmp_path / "box").read_bytes() == b""
