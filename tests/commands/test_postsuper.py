"""postsuper: what it does to files, and what it says."""

import io
import os
import pwd
import shutil
import sys
import time

import pytest

from pyfix.commands import postsuper
from pyfix.config import check
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.logs import LogEntry, Recipient, append_log, read_log
from pyfix.unix import msg
from pyfix.unix.maillog_client import Postlog
from tests.queue.build import message, put, spool


@pytest.fixture
def queue(tmp_path, monkeypatch):
    owner = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(check, "at_start", lambda _: None)  # it wants another owner than root
    main_cf = f"queue_directory = {tmp_path}\nmail_owner = {owner}\nmaillog_file = {tmp_path}/maillog\n"
    main_cf += f"maillog_file_prefixes = {tmp_path}\n"
    (tmp_path / "main.cf").write_text(main_cf)
    before, sinks = os.getcwd(), msg.active()
    made = spool(tmp_path)
    for name in postsuper.SCANNED:
        (tmp_path / name).mkdir(exist_ok=True)
    yield made
    os.chdir(before)
    msg.to(*sinks)


@pytest.fixture
def run(queue, tmp_path, capsys):
    """(status, lines on standard error without the command's name) of a command line."""

    def call(*words):
        try:
            status = postsuper.main(["postsuper", "-c", str(tmp_path), *words])
        except SystemExit as end:
            status = end.code
        finally:
            for sink in msg.to():
                if isinstance(sink, Postlog):
                    sink._sock.close()
        return status, [line.removeprefix("postsuper: ") for line in capsys.readouterr().err.splitlines()]

    return call


def where(queue, queue_id):
    """The queues that have this id."""
    return [name for name in postsuper.QUEUES if queue_id in queue.scan(name)]


@pytest.mark.parametrize(
    ("option", "start", "end", "lines"),
    [
        ("-d", "deferred", [], ["ID: removed", "Deleted: 1 message"]),
        ("-h", "deferred", ["hold"], ["ID: placed on hold", "Placed on hold: 1 message"]),
        ("-h", "hold", ["hold"], ["Placed on hold: 0 messages"]),
        ("-H", "hold", ["deferred"], ["ID: released from hold", "Released from hold: 1 message"]),
        ("-H", "deferred", ["deferred"], ["Released from hold: 0 messages"]),
        ("-r", "hold", ["maildrop"], ["ID: requeued", "Requeued: 1 message"]),
        ("-d", "maildrop", [], ["ID: removed", "Deleted: 1 message"]),
        ("-h", "maildrop", ["maildrop"], ["Placed on hold: 0 messages"]),
        ("-e", "hold", ["hold"], ["ID: expired", "Force-expired: 1 message"]),
    ],
)
def test_a_message_is_moved_and_told_of(queue, run, option, start, end, lines):
    queue_id = put(queue, start, message())
    other = put(queue, start, message())
    assert run(option, queue_id) == (0, [line.replace("ID", queue_id) for line in lines])
    assert where(queue, queue_id) == end
    assert where(queue, other) == [start]


def test_all_messages_are_told_of_in_one_line(queue, run):
    for name in ("hold", "incoming", "active", "deferred", "maildrop"):
        put(queue, name, message())
    assert run("-d", "ALL", "deferred") == (0, ["Deleted: 1 message"])
    assert run("-h", "ALL") == (0, ["Placed on hold: 2 messages"])
    assert run("-d", "all") == (0, ["Deleted: 0 messages"])
    assert run("-d", "ALL") == (0, ["Deleted: 4 messages"])
    assert [list(queue.scan(name)) for name in postsuper.QUEUES] == [[]] * 5


def test_a_deleted_message_takes_its_logs_along_and_a_requeued_one_keeps_them(queue, run):
    first, second = (put(queue, "deferred", message()) for _ in range(2))
    for queue_id in (first, second):
        for log in postsuper.LOGS:
            append_log(queue, log, queue_id, LogEntry(Recipient(1, "a@x"), "4.0.0", "delayed", "x"))
    run("-d", first, "-r", second)
    assert [len(read_log(queue, log, first)) for log in postsuper.LOGS] == [0, 0, 0]
    assert [len(read_log(queue, log, second)) for log in postsuper.LOGS] == [1, 1, 1]


def test_a_requeued_message_is_tried_now(queue, run):
    queue_id = put(queue, "deferred", message())
    queue.set_time("deferred", queue_id, time.time() + 4000)
    run("-r", queue_id)
    status = queue.status("maildrop", queue_id)
    assert status is not None
    assert status.st_mtime <= time.time() + 1


def test_an_expired_message_says_so_in_its_mode_and_leaves_hold_with_f(queue, run):
    queue_id = put(queue, "hold", message())
    status, lines = run("-f", queue_id)
    assert (status, lines[0]) == (0, f"{queue_id}: expired")
    assert where(queue, queue_id) == ["deferred"]
    assert os.stat(queue.path("deferred", queue_id)).st_mode & 0o777 == 0o710


def test_ids_may_come_on_standard_input(queue, run, monkeypatch):
    one, two = (put(queue, "hold", message()) for _ in range(2))
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{one}\n\n{two} \nABCDEF\n"))
    assert run("-d", "-") == (
        0,
        [
            f"{one}: removed",
            "warning: invalid mail queue id: ",
            f"warning: invalid mail queue id: {two} ",
            "Deleted: 1 message",
        ],
    )


def test_what_was_done_is_logged(queue, run, tmp_path):
    queue_id = put(queue, "deferred", message())
    run("-h", queue_id)
    lines = [line.split(": ", 1)[1] for line in (tmp_path / "maillog").read_text().splitlines()]
    assert lines == [f"{queue_id}: placed on hold", "Placed on hold: 1 message"]


def test_a_name_that_is_taken_is_no_loss(queue, run):
    queue_id = put(queue, "deferred", message())
    shutil.copy2(queue.path("deferred", queue_id), queue.path("hold", queue_id))
    status, lines = run("-h", queue_id)
    assert status == 0
    assert lines[-1] == "Placed on hold: 0 messages"
    assert where(queue, queue_id) == ["hold", "deferred"]


def test_two_names_of_one_file_that_a_crash_left_become_one(queue, run):
    queue_id = put(queue, "deferred", message())
    os.link(queue.path("deferred", queue_id), queue.path("hold", queue_id))
    status, lines = run("-h", queue_id)
    assert (status, lines[-1]) == (0, "Placed on hold: 1 message")
    assert where(queue, queue_id) == ["hold"]


def test_without_options_the_queue_is_put_in_order(queue, run):
    queue_id = put(queue, "hold", message())
    wrong = queue_id[:5] + "1"
    os.rename(queue.path("hold", queue_id), queue.path("hold", wrong))
    assert run() == (
        0,
        ["Renamed to match inode number: 1 message", "warning: QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS"],
    )
    assert where(queue, queue_id) == ["hold"]
    assert run() == (0, [])


def test_ids_that_were_just_changed_are_not_acted_on(queue, run):
    queue_id = put(queue, "hold", message())
    os.rename(queue.path("hold", queue_id), queue.path("hold", queue_id[:5] + "1"))
    assert run("-s", "-d", queue_id) == (
        1,
        [
            "error: QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS",
            "fatal: CHECK YOUR QUEUE IDS AND RE-ISSUE THE COMMAND",
            "warning: OPERATION INCOMPLETE -- RERUN COMMAND TO FIX THE QUEUE FIRST",
        ],
    )
    assert where(queue, queue_id) == ["hold"]


def test_a_queue_that_does_not_exist_is_fatal(run):
    assert run("-d", "ALL", "nosuch") == (1, ["fatal: invalid directory name: nosuch"])


def test_it_is_for_root_and_the_owner_of_the_queue(run, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert run("-d", "ALL") == (1, ["fatal: use of this command is reserved for the superuser"])


def test_a_log_that_is_begun_while_all_messages_are_deleted_goes_too(queue, run, monkeypatch):
    queue_id = put(queue, "deferred", message())
    look = postsuper._all_logs

    def late(queue):
        logs = look(queue)
        if where(queue, queue_id):
            append_log(queue, "defer", queue_id, LogEntry(Recipient(1, "a@x"), "4.0.0", "delayed", "x"))
        return logs

    monkeypatch.setattr(postsuper, "_all_logs", late)
    assert run("-d", "ALL") == (0, ["Deleted: 1 message"])
    assert read_log(queue, "defer", queue_id) == []


@pytest.mark.parametrize("option", ["-d", "-h", "-r", "-e"])
def test_a_message_that_moves_while_it_is_looked_for_is_found(queue, run, monkeypatch, option):
    queue_id = put(queue, "deferred", message())
    look = QueueDirectory.status

    def moving(self, name, queue_id):
        if name == "deferred" and where(queue, queue_id) == ["deferred"]:
            queue.rename(queue_id, "deferred", "active")
        return look(self, name, queue_id)

    monkeypatch.setattr(QueueDirectory, "status", moving)
    assert run(option, queue_id)[1][-1].endswith(": 1 message")


def test_a_log_stays_with_a_message_that_came_while_all_were_deleted(queue, run, monkeypatch):
    came = []
    look = postsuper._all_logs

    def late(queue):
        if not came:
            came.append("")
        elif came == [""]:
            came[0] = put(queue, "active", message())
            append_log(queue, "bounce", came[0], LogEntry(Recipient(1, "a@x"), "5.0.0", "failed", "x"))
        return look(queue)

    monkeypatch.setattr(postsuper, "_all_logs", late)
    assert run("-d", "ALL") == (0, ["Deleted: 0 messages"])
    assert len(read_log(queue, "bounce", came[0])) == 1
