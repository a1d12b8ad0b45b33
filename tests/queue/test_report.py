"""What a report does to the files that it reads: nothing."""

import os
import time

from pyfix.queue import report
from tests.queue.build import message, put, spool


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
