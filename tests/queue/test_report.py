"""What a report takes from files, and what it does to them: nothing."""

import os
import time

import pytest

from pyfix.queue import records as rec
from pyfix.queue import report
from pyfix.queue.logs import LogEntry, Recipient, append_log
from tests.queue.build import TIME, file_bytes, message, put, spool


def test_a_report_leaves_no_trace_on_a_file_that_is_due_later(tmp_path):
    queue = spool(tmp_path)
    queue_id = put(queue, "deferred", message())
    path = queue.path("deferred", queue_id)
    later = time.time_ns() + 3600 * 10**9
    os.utime(path, ns=(1, later))
    assert report.list_message(queue, "deferred", queue_id) is not None
    assert os.stat(path).st_atime_ns == 1


def test_who_is_not_the_owner_reads_it_all_the_same(tmp_path):
    queue = spool(tmp_path)
    queue_id = put(queue, "deferred", message())

    class Others:
        def open(self, name, queue_id, flags=os.O_RDONLY):
            if flags & report._NO_TRACE:
                raise PermissionError
            return queue.open(name, queue_id, flags)

    assert report.list_message(Others(), "deferred", queue_id) is not None


@pytest.mark.parametrize(
    ("sender", "shown"), [("a\x9bb@x", "a?b@x"), ("a\x85b@x", "a?b@x"), ("a\u2028\xa0b@x", "a\u2028\xa0b@x")]
)
def test_no_address_steers_a_terminal(tmp_path, sender, shown):
    """With C1 controls either, which Postfix shows as they are."""
    queue = spool(tmp_path)
    found = report.list_message(queue, "deferred", put(queue, "deferred", message(sender.encode())))
    assert found is not None
    assert found.sender == shown


SENDER, NULL = rec.encode(rec.FROM, b"s@x"), rec.encode(rec.FROM, b"")
ONE, TWO = [rec.encode(rec.RCPT, address) for address in (b"a@x", b"b c@x")]
BEFORE = rec.encode(rec.ORCP, b"alias@x")
ATTRIBUTE, LONG = rec.encode(rec.ATTR, b"helo_name=x"), rec.encode(rec.ATTR, b"helo_name=" + b"x" * 300)
NEXT = rec.encode(rec.PTR, b"%15d" % 0)
FILES = {
    "plain": (True, message(b"s@x", b"a@x", b"b c@x")),
    "null sender": (True, message(b"")),
    "attributes": (True, file_bytes(TIME, ATTRIBUTE, SENDER, ATTRIBUTE, ATTRIBUTE, BEFORE, ONE, TWO)),
    "of an alias": (True, file_bytes(TIME, SENDER, BEFORE, ONE, BEFORE, rec.encode(rec.DONE, b"d@x"), TWO)),
    "extracted": (True, file_bytes(TIME, SENDER, ONE, extracted=ATTRIBUTE + BEFORE + TWO)),
    "no size": (True, file_bytes(TIME, SENDER, ONE, size=False)),
    "no time": (True, file_bytes(SENDER, ONE)),
    "large": (True, file_bytes(TIME, SENDER, ONE, text=b"N\x01x" * 50000, extracted=TWO)),
    "long attribute": (False, file_bytes(TIME, LONG, SENDER, ONE)),
    "pointer": (False, file_bytes(TIME, SENDER, ONE, NEXT, TWO)),
    "odd time": (False, file_bytes(rec.encode(rec.TIME, b"17x"), SENDER, ONE)),
    "no sender": (False, file_bytes(TIME, ONE)),
    "two senders": (False, file_bytes(TIME, SENDER, ONE, NULL)),
    "no record": (False, message()[:-10]),
    "no size to speak of": (False, rec.size_record(0, 0, 1, 0) + message(size=False)),
}


@pytest.mark.parametrize(("plain", "data"), FILES.values(), ids=FILES)
def test_a_plain_file_says_the_same_either_way(tmp_path, monkeypatch, plain, data):
    queue = spool(tmp_path)
    queue_id = put(queue, "deferred", data)
    append_log(queue, "defer", queue_id, LogEntry(Recipient(1, "a@x"), "4.0.0", "delayed", "later"))
    taken = []

    def listed():
        found = report.list_message(queue, "deferred", queue_id)
        return found and [getattr(found, name) for name in report.Listed.__slots__]

    def watched(*args):
        taken.append(quick(*args))
        return taken[-1]

    quick = report._plain
    monkeypatch.setattr(report, "_plain", watched)
    found = listed()
    assert taken == [plain]
    monkeypatch.setattr(report, "_plain", lambda *_: False)
    assert found == listed()
