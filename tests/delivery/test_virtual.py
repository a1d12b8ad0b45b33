"""Mailboxes of virtual domains: where mail goes, what is written, what may go wrong."""

import errno
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from pyfix.clients.deliver import decode_answer
from pyfix.config.main_cf import MainCf
from pyfix.delivery import agent as frame
from pyfix.delivery import batch, maildir
from pyfix.delivery.virtual import daemon, mailbox
from pyfix.delivery.virtual.daemon import Virtual
from pyfix.server.context import Context
from pyfix.server.privileges import owner_of
from pyfix.unix import msg
from pyfix.unix.fsync import Sync, sync_all
from pyfix.unix.maillog_client import Frame, Postlog
from pyfix.wire.stream import FrameReader, encode_frame
from tests.delivery.steps import settled

ROOT = os.getuid() == 0
GROUPS = os.getgroups()
UID = 5000 if ROOT else os.getuid()
MAIN_CF = """
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = inline:{{u@d.test=u/, m@d.test=m, lost@d.test=lost/, low@d.test=low/,
    none@d.test=none/, high@d.test=high/}}
virtual_uid_maps = inline:{{u@d.test=5000, m@d.test=5000, low@d.test=50,
    none@d.test=4294967295, high@d.test=4294967296}}
virtual_gid_maps = static:5000
recipient_delimiter = +
deliver_lock_attempts = 1
"""


@pytest.fixture
def mail(store) -> Path:
    path = store.root / "mail"
    path.mkdir()
    for directory in (path, *path.parents):
        if ROOT and directory.is_relative_to("/tmp"):
            os.chmod(directory, directory.stat().st_mode | 0o055)
    os.chown(path, UID, -1)
    return path


def be_root_again() -> None:
    """An agent that root started is mail_owner after a delivery."""
    if ROOT:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(GROUPS)


def agent(store, more: str = "") -> Virtual:
    text = MAIN_CF.format(root=store.root) + more
    return Virtual(Context("virtual", "virtual", MainCf.from_text(text)))


def deliver(store, virtual: Virtual, *recipients: str, **message: object) -> list[tuple[str, str]]:
    queue_id = store.put(*recipients, **message)
    fd = store.queue.open("active", queue_id, os.O_RDWR)
    try:
        outcomes = settled(virtual.deliver, store.request(queue_id), fd)
    finally:
        os.close(fd)
        be_root_again()
    return [(outcome.dsn.status, outcome.dsn.reason) for outcome in outcomes]


def test_a_maildir_is_made_and_gets_a_file(store, mail: Path) -> None:
    answer = deliver(store, agent(store), "U+x@D.test", sender="", original="alias@d.test", end=b"no newline")
    assert answer == [("2.0.0", "delivered to maildir")]
    (path,) = (mail / "u/new").iterdir()
    assert path.read_bytes() == (
        b"Return-Path: <>\nX-Original-To: alias@d.test\nDelivered-To: U+x@D.test\n"
        b"Subject: test\n\nhello\nno newline\n"
    )
    status = path.stat()
    host = re.escape(os.uname().nodename)
    name = rf"[0-9]+\.V{status.st_dev:x}I{status.st_ino:x}M[0-9]+\.{host}"
    assert re.fullmatch(name, path.name)
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (UID, 0o600)
    assert sorted(entry.name for entry in (mail / "u").iterdir()) == ["cur", "new", "tmp"]
    assert list((mail / "u/tmp").iterdir()) == []
    assert stat.S_IMODE((mail / "u/new").stat().st_mode) == 0o700


def test_the_original_recipient_is_not_shown_where_it_is_not_wanted(store, mail: Path) -> None:
    deliver(store, agent(store, "enable_original_recipient = no\n"), "u@d.test", "m@d.test", original="alias@d.test")
    (path,) = (mail / "u/new").iterdir()
    for text in (path.read_bytes(), (mail / "m").read_bytes()):
        assert b"Delivered-To: " in text
        assert b"X-Original-To: " not in text


def test_a_mbox_grows_with_from_lines_quoted(store, mail: Path) -> None:
    virtual = agent(store)
    content = [b"Subject: test", b"", b"From here", b" From there", b">From"]
    for _ in range(2):
        assert deliver(store, virtual, "m@d.test", content=content) == [("2.0.0", "delivered to mailbox")]
    once = (
        rb"From s@a\.test  \w{3} \w{3} [ 0-9]\d \d\d:\d\d:\d\d \d{4}\n"
        rb"Return-Path: <s@a\.test>\nDelivered-To: m@d\.test\n"
        rb"Subject: test\n\n>From here\n From there\n>From\n\n"
    )
    assert re.fullmatch(once + once, (mail / "m").read_bytes())
    assert (mail / "m").stat().st_uid == UID
    assert not (mail / "m.lock").exists()


def test_who_was_reached_by_two_addresses_gets_two_copies(store, mail: Path) -> None:
    answers = deliver(store, agent(store), "u@d.test", "u@d.test")
    assert answers == [("2.0.0", "delivered to maildir")] * 2
    assert len([*(mail / "u/new").iterdir()]) == 2


def test_large_content_is_copied_in_pieces(store, mail: Path) -> None:
    lines = [b"Subject: test", b"", *[b"From %d " % n + b"x" * 900 for n in range(3000)]]
    deliver(store, agent(store), "u@d.test", "m@d.test", content=lines)
    body = b"\n".join(lines) + b"\n"
    (path,) = (mail / "u/new").iterdir()
    assert path.read_bytes().endswith(b"Delivered-To: u@d.test\n" + body)
    escaped = body.replace(b"\nFrom ", b"\n>From ")
    assert (mail / "m").read_bytes().endswith(b"Delivered-To: m@d.test\n" + escaped + b"\n")


def test_unknown_users_bounce(store, mail: Path) -> None:
    assert deliver(store, agent(store), "Nope@D.test") == [("5.1.1", 'unknown user: "nope@d.test"')]


def test_a_table_in_trouble_defers(store, mail: Path) -> None:
    virtual = agent(store, "virtual_mailbox_maps = texthash:/nonexistent/boxes\n")
    assert deliver(store, virtual, "u@d.test") == [("4.3.5", "mail system configuration error")]
    assert store.lines[-1].startswith("warning: table virtual_mailbox_maps: lookup u@d.test: ")


@pytest.mark.parametrize(
    ("recipient", "line"),
    [
        ("lost@d.test", "warning: recipient lost@d.test: not found in virtual_uid_maps"),
        ("low@d.test", "warning: recipient low@d.test: bad uid 50 in virtual_uid_maps"),
        ("none@d.test", "warning: recipient none@d.test: bad uid 4294967295 in virtual_uid_maps"),
        ("high@d.test", "warning: recipient high@d.test: bad uid 4294967296 in virtual_uid_maps"),
    ],
)
def test_uid_trouble_defers(store, mail: Path, monkeypatch, recipient: str, line: str) -> None:
    monkeypatch.setattr(mailbox, "can_switch", lambda: True)
    virtual = agent(store)
    assert deliver(store, virtual, recipient) == [("4.3.5", "mail system configuration error")]
    assert store.lines == [line]


def test_mailboxes_are_looked_up_as_3_11_does(store, mail: Path, monkeypatch) -> None:
    monkeypatch.setattr(mailbox, "can_switch", lambda: True)
    tables = "virtual_mailbox_maps = debug:inline:{u@d.test=u/}\nvirtual_uid_maps = debug:inline:{x=1}\n"
    assert deliver(store, agent(store, tables), "U+h@D.test") == [("4.3.5", "mail system configuration error")]
    assert [line for line in store.lines if " lookup: " in line] == [
        'inline:{u@d.test=u/} lookup: "u+h@d.test" = "not_found"',
        'inline:{u@d.test=u/} lookup: "u@d.test" = "u/"',
        'inline:{x=1} lookup: "u+h@d.test" = "not_found"',
        'inline:{x=1} lookup: "u@d.test" = "not_found"',
        'inline:{x=1} lookup: "@d.test" = "not_found"',
    ]


def test_without_root_all_mailboxes_are_ours(store, mail: Path, monkeypatch) -> None:
    for module in (mailbox, daemon):
        monkeypatch.setattr(module, "can_switch", lambda: False)
    monkeypatch.setattr("pyfix.unix.as_user.can_switch", lambda: False)
    assert deliver(store, agent(store), "lost@d.test") == [("2.0.0", "delivered to maildir")]
    (path,) = (mail / "lost/new").iterdir()
    assert path.stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        ("u@d.test", "maildir delivery failed: error writing message: File too large"),
        ("m@d.test", "delivery failed to mailbox {root}/mail/m: error writing message: File too large"),
    ],
)
def test_over_the_limit_bounces_and_leaves_no_trace(store, mail: Path, recipient: str, reason: str) -> None:
    virtual = agent(store, "virtual_mailbox_limit = 100\nmessage_size_limit = 100\n")
    content = [b"Subject: test", b"", b"x" * 200]
    queue_id = store.put(recipient, content=content)
    fd = store.queue.open("active", queue_id, os.O_RDWR)
    try:
        (outcome,) = settled(virtual.deliver, store.request(queue_id), fd)
    finally:
        os.close(fd)
        be_root_again()
    dsn = outcome.dsn
    assert (dsn.status, dsn.reason) == ("5.2.2", reason.format(root=store.root))
    assert (dsn.diag_type, dsn.diag_text) == ("x-unix", "input/output error")
    left = [path for path in mail.rglob("*") if path.is_file()]
    assert [path.stat().st_size for path in left] in ([], [0])


def test_a_locked_mbox_defers(store, mail: Path) -> None:
    (mail / "m.lock").touch()
    reason = f"unable to create lock file {mail}/m.lock: File exists"
    expected = [("4.2.0", f"delivery failed to mailbox {mail}/m: {reason}")]
    assert deliver(store, agent(store), "m@d.test") == expected


def test_a_locked_mbox_is_waited_for_once(store, mail: Path, monkeypatch) -> None:
    """Else the mail of all others waits too, 20 seconds for each message for this one."""
    slept: list[float] = []
    monkeypatch.setattr("pyfix.delivery.mbox.time.sleep", slept.append)
    virtual = agent(store, "deliver_lock_attempts = 20\n")
    (mail / "m.lock").touch()
    for _ in range(3):
        assert deliver(store, virtual, "m@d.test")[0][0] == "4.2.0"
    assert slept == [1] * 19
    (mail / "m.lock").unlink()
    assert deliver(store, virtual, "m@d.test")[0][0] == "2.0.0"
    (mail / "m.lock").touch()
    assert deliver(store, virtual, "m@d.test")[0][0] == "4.2.0"
    assert slept == [1] * 38


def test_a_mbox_that_is_a_directory_defers(store, mail: Path) -> None:
    (mail / "m").mkdir()
    expected = [("4.2.0", f"delivery failed to mailbox {mail}/m: cannot open file: Is a directory")]
    assert deliver(store, agent(store), "m@d.test") == expected


@pytest.mark.skipif(not ROOT, reason="needs root: files of two users")
def test_a_folder_that_may_be_written_but_not_read_takes_new_maildirs(store, mail: Path) -> None:
    os.chown(mail, 0, 0)
    os.chmod(mail, 0o733)
    assert deliver(store, agent(store), "u@d.test") == [("2.0.0", "delivered to maildir")]


@pytest.mark.skipif(not ROOT, reason="needs root: files of two users")
def test_rights_are_the_recipient_s(store, mail: Path) -> None:
    virtual = agent(store)
    (mail / "m").touch(mode=0o666)
    os.chmod(mail / "m", 0o666)
    (status, reason), = deliver(store, virtual, "m@d.test")
    assert (status, reason) == (
        "4.2.0",
        f"delivery failed to mailbox {mail}/m: destination {mail}/m is not owned by recipient",
    )
    assert store.lines == [
        'warning: specify "strict_mailbox_ownership = no" to ignore mailbox ownership mismatch'
    ]
    store.lines.clear()
    os.chown(mail, 0, 0)
    (status, reason), = deliver(store, virtual, "u@d.test")
    assert status == "4.2.0"
    pattern = rf"maildir delivery failed: create maildir file {mail}/u/tmp/\d+\.P\d+\.\S+: Permission denied"
    assert re.fullmatch(pattern, reason)
    assert store.lines[0].startswith("warning: maildir access problem for UID/GID=5000/5000: create maildir")
    assert store.lines[1] == "warning: perhaps you need to create the maildirs in advance"


def test_a_mailbox_limit_below_the_message_limit_is_refused(store, mail: Path) -> None:
    with pytest.raises(SystemExit):
        agent(store, "virtual_mailbox_limit = 100\n")
    assert store.lines == [
        "fatal: main.cf configuration error: virtual_mailbox_limit is smaller than message_size_limit"
    ]


def test_a_probe_delivers_nothing(store, mail: Path) -> None:
    queue_id = store.put("u@d.test")
    outcomes = settled(agent(store).deliver, store.request(queue_id, flags=3 | 512), -1)
    assert [o.dsn.reason for o in outcomes] == ["delivers to maildir"]
    assert list(mail.iterdir()) == []


def serve(store, *queue_ids: str) -> list[int]:
    """Ask a new agent for all of these messages at once; the status of each answer."""
    virtual = agent(store)
    owner = owner_of("postfix") if ROOT else None
    if owner is not None:
        for path in (store.root / "active", *(store.root / "active").iterdir()):
            os.chown(path, owner.uid, owner.gid)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for number, queue_id in enumerate(queue_ids, 1):
            ours.sendall(encode_frame(number, *store.request(queue_id).encode()))
        ours.shutdown(socket.SHUT_WR)
        try:
            virtual.serve(theirs)
            left = os.geteuid()
        finally:
            be_root_again()
        answers = {stream: attrs for stream, attrs, _ in FrameReader().receive(ours.recv(65536)) if stream}
    assert owner is None or left == owner.uid
    return [decode_answer(answers[number]).status for number in range(1, len(queue_ids) + 1)]


def test_lines_of_what_comes_together_leave_together(store, mail: Path) -> None:
    queue_ids = [store.put("u@d.test") for _ in range(3)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as postlogd:
        postlogd.bind(str(store.root / "log"))
        postlogd.setblocking(False)
        os.chmod(store.root / "log", 0o777)
        tag = Frame("postfix/virtual", "mx.example.com")
        before = msg.to(Postlog(str(store.root / "log"), tag, lambda: lambda *_: pytest.fail("a line is left")))
        try:
            assert serve(store, *queue_ids) == [0, 0, 0]
        finally:
            msg.to(*before)
        assert postlogd.recv(9999).count(b"status=sent") == 3
        with pytest.raises(BlockingIOError):
            postlogd.recv(9999)


def test_what_comes_together_is_written_then_named_then_made_durable_then_marked(
    store, mail: Path, monkeypatch
) -> None:
    queue_ids = [store.put("u@d.test") for _ in range(3)]
    assert serve(store, store.put("u@d.test")) == [0]  # makes the folders
    steps: list[str] = []

    def note(owner: object, name: str) -> None:
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args: steps.append(name) or real(*args))

    def synced(files: list[Sync]) -> None:
        steps.append(f"sync {len(files)}")
        sync_all(files)

    monkeypatch.setattr(batch, "sync_all", synced)
    note(os, "rename")
    note(maildir, "start_writing")
    note(frame, "mark_done")
    assert serve(store, *queue_ids) == [0, 0, 0]
    assert steps == ["start_writing"] * 3 + ["rename"] * 3 + ["sync 3"] + ["mark_done"] * 3
    assert len(list((mail / "u/new").iterdir())) == 4
    assert list((mail / "u/tmp").iterdir()) == []
    assert [store.todo(queue_id) for queue_id in queue_ids] == [[], [], []]


def test_one_that_can_not_be_made_durable_is_taken_back_and_does_the_others_no_harm(
    store, mail: Path, monkeypatch
) -> None:
    queue_ids = [store.put("u@d.test") for _ in range(3)]

    def synced(files: list[Sync]) -> None:
        sync_all(files)
        files[1].error = OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(batch, "sync_all", synced)
    assert serve(store, *queue_ids) == [0, -1, 0]
    assert len(list((mail / "u/new").iterdir())) == 2
    assert [store.todo(queue_id) for queue_id in queue_ids] == [[], ["u@d.test"], []]


def test_one_that_can_not_be_read_does_the_others_no_harm(store, mail: Path) -> None:
    torn = store.put("u@d.test")
    path = store.root / "active" / torn
    path.write_bytes(path.read_bytes().replace(b"hello", b"hel"))
    good = [store.put("u@d.test"), store.put("m@d.test"), store.put("u@d.test", "m@d.test")]
    assert serve(store, good[0], torn, *good[1:]) == [0, -1, 0, 0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert [store.todo(queue_id) for queue_id in (*good, torn)] == [[], [], [], ["u@d.test"]]
    assert len(list((mail / "u/new").iterdir())) == 2
    assert list((mail / "u/tmp").iterdir()) == []
    assert (mail / "m").read_bytes().count(b"\nhello\n") == 2
