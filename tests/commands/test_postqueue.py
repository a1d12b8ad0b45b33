"""postqueue and mailq: lists for people and programs, flushing."""

import json
import os
import socket
import threading
import time
from contextlib import suppress

import pytest

from pyfix.clients import showq
from pyfix.clients.showq import QueuedMessage, QueuedRecipient
from pyfix.commands import mailq, postqueue
from pyfix.commands.postqueue import Layout, json_listing, listing
from pyfix.queue.logs import LogEntry, Recipient, append_log
from tests.queue.build import message, put, spool


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def entry(queue, queue_id, sender, *recipients, expire=False):
    return QueuedMessage(queue, queue_id, 1795214011, 1021, expire, sender, list(recipients))


MESSAGES = [
    entry("active", "6457F20C0F4", "s" * 40, QueuedRecipient("a@x"), QueuedRecipient("k" * 40)),
    entry("hold", "6434120C0D6", "MAILER-DAEMON", QueuedRecipient("a@x"), expire=True),
    entry(
        "deferred",
        "6383420C05E",
        '"s p"@x',
        QueuedRecipient("c@x", "", "defer", "reason c"),
        QueuedRecipient("b@x", "", "defer", "reason c"),
        QueuedRecipient("d@x", "o@x", "bounce", 'long \u00e4 "q" \\ ' + "long " * 15 + "end"),
        QueuedRecipient("e@x", "", "defer", "reason c"),
        QueuedRecipient("f@x"),
    ),
]
SHORT = """\
-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------
6457F20C0F4*    1021 Fri Nov 20 22:33:31  ssssssssssssssssssssssssssssssssssssssss
                                         a@x
                                         kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk

6434120C0D6!#    1021 Fri Nov 20 22:33:31  MAILER-DAEMON
                                         a@x

6383420C05E    1021 Fri Nov 20 22:33:31  "s p"@x
                                                                    (reason c)
                                         c@x
                                         b@x
(long \u00e4 "q" \\ long long long long long long long long long long long long long long long end)
                                         d@x
                                                                    (reason c)
                                         e@x
                                                          (reason unavailable)
                                         f@x

-- 2 Kbytes in 3 Requests.
"""
LONG = """\
----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------
6434120C0D6!#         1021 Fri Nov 20 22:33:31 MAILER-DAEMON
                                               a@x

-- 0 Kbytes in 1 Request.
"""


def test_the_list_for_people_is_that_of_postfix():
    assert "".join(listing(MESSAGES, Layout(long_ids=False))) == SHORT
    assert "".join(listing(MESSAGES[1:2], Layout(long_ids=True))) == LONG
    assert "".join(listing([], Layout(long_ids=True))) == "Mail queue is empty\n"


def test_the_list_for_programs_is_a_line_of_json_for_each_message():
    lines = "".join(json_listing(MESSAGES)).splitlines()
    assert lines[1] == (
        '{"queue_name": "hold", "queue_id": "6434120C0D6", "arrival_time": 1795214011, "message_size": 1021, '
        '"forced_expire": true, "sender": "MAILER-DAEMON", "recipients": [{"orig_address": "", "address": "a@x"}]}'
    )
    recipients = json.loads(lines[2])["recipients"]
    assert recipients[0] == {"orig_address": "", "address": "c@x", "delay_reason": "reason c"}
    assert recipients[2]["bounce_reason"].startswith('long \u00e4 "q" \\ long')
    assert recipients[4] == {"orig_address": "", "address": "f@x"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [('a"b\\c', '"a\\"b\\\\c"'), ("\x01\n\x7f", '"\\u0001\\n\\u007F"'), ("\udcff", '"\ufffd"')],
)
def test_json_strings_are_escaped(text, shown):
    (line,) = json_listing([entry("hold", "ABCDEF", text)])
    assert f'"sender": {shown}, ' in line
    json.loads(line)


@pytest.fixture
def instance(tmp_path):
    """A queue and its main.cf, nothing running."""
    queue = spool(tmp_path)
    (tmp_path / "public").mkdir()
    (tmp_path / "main.cf").write_text(f"queue_directory = {tmp_path}\n")
    return queue


def run(capfd, tmp_path, *words):
    status = postqueue.main(["postqueue", "-c", str(tmp_path), *words])
    out, err = capfd.readouterr()
    return status, out, err


def test_while_the_system_is_down_the_owner_reads_the_files(instance, capfd, tmp_path):
    queue_id = put(instance, "deferred", message(b"s@x", b"a@x"))
    append_log(instance, "defer", queue_id, LogEntry(Recipient(1, "a@x"), "4.0.0", "delayed", "try later"))
    status, out, err = run(capfd, tmp_path, "-p")
    assert status == 0
    assert out.splitlines()[2:4] == [" " * 67 + "(try later)", " " * 41 + "a@x"]
    assert err == (
        "postqueue: warning: Mail system is down -- accessing queue directly"
        " (Connect to the Postfix showq service: No such file or directory)\n"
    )


def test_while_the_system_is_down_others_are_told_so(instance, capfd, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    text = (
        "postqueue: fatal: Queue report unavailable - mail system is down"
        " (Connect to the Postfix showq service: No such file or directory)\n"
    )
    assert run(capfd, tmp_path, "-j") == (69, "", text)


def answer(path, data):
    """A service that says one thing to one client; (thread, what the client said)."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    heard = []

    def serve():
        with sock, sock.accept()[0] as client:
            client.settimeout(10)
            with suppress(OSError):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            heard.append(client.recv(100))

    thread = threading.Thread(target=serve)
    thread.start()
    return thread, heard


def test_a_running_system_is_asked(instance, capfd, tmp_path):
    told = [
        showq.encode(
            *(m.queue_name, m.queue_id, m.time, m.size, m.forced_expire, m.sender),
            [(r.original, r.address, r.log_class, r.reason) for r in m.recipients],
        )
        for m in MESSAGES
    ]
    report = showq.GREETING + b"".join(told) + showq.END
    thread, _ = answer(tmp_path / "public/showq", report)
    assert run(capfd, tmp_path, "-p") == (0, SHORT, "")
    thread.join()


def test_mailq_is_postqueue_p(instance, capfd, tmp_path):
    thread, _ = answer(tmp_path / "public/showq", showq.GREETING + showq.END)
    assert mailq.main(["mailq", "-x", "-C", str(tmp_path), "-Ac"]) == 0
    assert capfd.readouterr() == ("Mail queue is empty\n", "")
    thread.join()


def test_a_service_that_talks_nonsense_is_fatal(instance, capfd, tmp_path):
    thread, _ = answer(tmp_path / "public/showq", b"hello")
    assert run(capfd, tmp_path, "-p") == (69, "", "postqueue: fatal: malformed showq server response\n")
    thread.join()


def test_flushing_wakes_qmgr_and_pickup(instance, capfd, tmp_path):
    qmgr, to_qmgr = answer(tmp_path / "public/qmgr", b"")
    pickup, to_pickup = answer(tmp_path / "public/pickup", b"")
    assert run(capfd, tmp_path, "-f") == (0, "", "")
    qmgr.join()
    pickup.join()
    assert (to_qmgr, to_pickup) == ([b"FADI\0"], [b"W\0"])


USAGE = "fatal: usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-f"], "fatal: Cannot flush mail queue - mail system is down"),
        (["-i", "ABCDEF"], "fatal: Cannot flush mail queue - mail system is down"),
        (["-i", "a.b"], 'fatal: Cannot flush queue ID - invalid name: "a.b"'),
        (["-s", "[1.2"], 'fatal: Cannot flush mail queue - invalid destination: "[1.2"'),
        ([], USAGE),
        (["-p", "-f"], USAGE),
        (["-p", "x"], USAGE),
        (["-Z"], USAGE),
    ],
)
def test_whatever_goes_wrong_the_status_is_69(instance, capfd, tmp_path, words, text):
    status, out, err = run(capfd, tmp_path, *words)
    assert (status, out, err.splitlines()[-1]) == (69, "", f"postqueue: {text}")
