import asyncio
import socket

import pytest

from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.server import log
from pyfix.server.context import Context
from pyfix.services.postlogd import Postlogd
from pyfix.unix import msg


@pytest.fixture
def log_file(tmp_path):
    before = msg.to()
    yield tmp_path / "maillog"
    msg.to(*before)


@pytest.fixture
def postlogd(log_file):
    main = MainCf.from_text(f"maillog_file = {log_file}\nmaillog_file_prefixes = {log_file.parent}\n")
    made = Postlogd(Context(service="postlog", program="postlogd", main=main))
    yield made
    import os

    os.close(made._fd)


def send(postlogd, *datagrams):
    async def scenario(ours, theirs):
        task = asyncio.create_task(postlogd.serve_datagrams(theirs))
        for datagram in datagrams:
            ours.send(datagram)
        await postlogd.retire()
        await task

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.setblocking(False)
    with ours, theirs:
        asyncio.run(scenario(ours, theirs))


def test_each_datagram_is_a_line(postlogd, log_file):
    send(postlogd, b"Nov 21 05:00:00 mx postfix/smtpd[1]: one", b"Nov 21 05:00:00 mx postfix/smtpd[1]: two")
    assert log_file.read_bytes() == (
        b"Nov 21 05:00:00 mx postfix/smtpd[1]: one\nNov 21 05:00:00 mx postfix/smtpd[1]: two\n"
    )


def test_a_datagram_may_hold_several_lines(postlogd, log_file):
    send(postlogd, b"a\nb\nc")
    assert log_file.read_bytes() == b"a\nb\nc\n"


def test_nul_does_not_reach_the_file(postlogd, log_file):
    send(postlogd, b"a\0b")
    assert log_file.read_bytes() == b"a?b\n"


def test_file_is_for_its_owner_only(postlogd, log_file):
    assert log_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/etc/passwd", "/variable/log"])
def test_log_file_outside_the_prefixes_is_refused_with_its_line(path):
    cfg = MailParams(MainCf.from_text(f"maillog_file = {path}\n"))
    with pytest.raises(BadConfig, match=r"main\.cf, line 1: maillog_file '.*' does not match"):
        log.check_file(cfg)
