"""The same message in a mailbox, written by real Postfix's virtual(8) and by ours."""

import os
import shutil
import smtplib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.delivery.virtual.daemon import Virtual
from pyfix.server.context import Context
from tests.delivery.steps import settled
from tests.ports import free_port

DAEMONS = Path("/usr/lib/postfix/sbin")
pytestmark = [
    pytest.mark.skipif(os.getuid() != 0, reason="needs root: a real Postfix"),
    pytest.mark.skipif(not (DAEMONS / "virtual").exists(), reason="needs Debian's postfix"),
]
GROUPS = os.getgroups()
MAIN_CF = """
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
daemon_directory = /usr/lib/postfix/sbin
myhostname = mx.example.com
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {root}/log
maillog_file_prefixes = /tmp
virtual_mailbox_domains = d.test
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{u@d.test=u/, m@d.test=m}}
virtual_alias_maps = inline:{{alias@d.test=u@d.test}}
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
"""
SERVICES = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
BODY = b"Subject: t\r\nTo: x@y.test\r\n\r\nFrom here\r\n..dot\r\n caf\xc3\xa9\r\n"


@pytest.fixture
def real() -> Iterator[tuple[Path, int]]:
    with tempfile.TemporaryDirectory(prefix="pf-", dir="/tmp") as name:
        root = Path(name)
        root.chmod(0o755)
        for directory in ("etc", "spool", "data", "mail"):
            (root / directory).mkdir()
        shutil.chown(root / "data", "postfix")
        os.chown(root / "mail", 5000, 5000)
        port = free_port()
        (root / "etc/main.cf").write_text(MAIN_CF.format(root=root))
        (root / "etc/master.cf").write_text(SERVICES.format(port=port))
        past = time.time() - 60
        os.utime(root / "etc/main.cf", (past, past))
        postfix = ["postfix", "-c", root / "etc"]
        subprocess.run([*postfix, "start"], check=True, capture_output=True)
        try:
            yield root, port
        finally:
            subprocess.run([*postfix, "abort"], check=False, capture_output=True)


def wait_for(path: Path) -> bytes:
    for _ in range(500):
        if path.is_dir() and (found := list(path.iterdir())):
            return found[0].read_bytes()
        if path.is_file() and (data := path.read_bytes()):
            return data
        time.sleep(0.02)
    raise AssertionError(f"nothing in {path}")


@pytest.mark.parametrize(
    ("recipient", "original", "box", "sender"),
    [("u@d.test", "alias@d.test", "u/new", "s@a.test"), ("m@d.test", "M@d.test", "m", '"q s"@a.test')],
)
def test_byte_for_byte(store, real: tuple[Path, int], recipient, original, box, sender) -> None:
    root, port = real
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail(sender, [original], BODY)
    theirs = wait_for(root / "mail" / box)
    head = theirs.index(b"Received: ")
    content = theirs[head:].replace(b"\n>From ", b"\nFrom ").removesuffix(b"\n").split(b"\n")
    if box == "m":
        content.pop()
        recipient = original  # no alias: the address stays as the client wrote it
    assert b"\nX-Original-To: " in theirs[:head]

    text = MAIN_CF.format(root=store.root)
    (store.root / "mail").mkdir()
    os.chown(store.root / "mail", 5000, 5000)
    for directory in (store.root, *store.root.parents):
        if directory.is_relative_to("/tmp"):
            os.chmod(directory, directory.stat().st_mode | 0o055)
    virtual = Virtual(Context("virtual", "virtual", MainCf.from_text(text)))
    queue_id = store.put(recipient, sender=sender.replace('"', ""), content=content, original=original)
    fd = store.queue.open("active", queue_id, os.O_RDWR)
    try:
        outcomes = settled(virtual.deliver, store.request(queue_id), fd)
        assert [outcome.dsn.status for outcome in outcomes] == ["2.0.0"]
    finally:
        os.close(fd)
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(GROUPS)
    ours = wait_for(store.root / "mail" / box)
    if box == "m":  # the From_ line has the time
        assert ours.split(b"  ")[0] == theirs.split(b"  ")[0]
        ours, theirs = ours.partition(b"\n")[2], theirs.partition(b"\n")[2]
    assert ours == theirs
