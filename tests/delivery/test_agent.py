"""The frame around every agent: log, message logs, marks, answers."""

import errno
import fcntl
import os
import re
import socket
from collections.abc import Iterator

import pytest

from pyfix.clients.deliver import Answer, Flags, decode_answer
from pyfix.config.main_cf import MainCf
from pyfix.delivery import agent
from pyfix.delivery.agent import Delivery, Frame, SerialAgent
from pyfix.delivery.outcome import Outcome
from pyfix.mail.error import Retry
from pyfix.maps.maps import Maps
from pyfix.maps.run_now import run_now
from pyfix.queue.file import CorruptQueueFile
from pyfix.server.context import Context
from pyfix.wire.stream import encode_frame


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.time, "time", lambda: 1000000001.0)


def run(
    store, logs, deliver, queue_id: str, *, soft_bounce: bool = False, status_filter=None, **more: object
) -> Answer:
    frame = Frame(store.queue, logs, deliver, relay="virtual", soft_bounce=soft_bounce, status_filter=status_filter)
    return decode_answer(run_now(frame.handle(*store.request(queue_id, **more).encode(), staying)))


def staying() -> bool:
    return False


def by_name(delivery: Delivery) -> Iterator[Outcome]:
    """The local part says what becomes of a recipient."""
    texts = {"ok": ("2.0.0", "delivered to maildir"), "wait": ("4.2.0", "busy"), "no": ("5.1.1", "unknown")}
    for recipient in delivery.request.recipients:
        yield Outcome(recipient, *texts[recipient.address.split("@")[0]])


def test_each_outcome_is_logged_entered_and_marked(store, logs) -> None:
    queue_id = store.put("ok@d.test", "wait@d.test", "no@d.test", original="all@d.test")
    answer = run(store, logs, by_name, queue_id)
    tail = "orig_to=<all@d.test>, relay=virtual, delay=0.75, delays=0/0.75/0/0"
    assert store.lines == [
        f"{queue_id}: to=<ok@d.test>, {tail}, dsn=2.0.0, status=sent (delivered to maildir)",
        f"{queue_id}: to=<wait@d.test>, {tail}, dsn=4.2.0, status=deferred (busy)",
        f"{queue_id}: to=<no@d.test>, {tail}, dsn=5.1.1, status=bounced (unknown)",
    ]
    assert logs.entries == [
        ("defer", "wait@d.test", "4.2.0 delayed busy"),
        ("bounce", "no@d.test", "5.1.1 failed unknown"),
    ]
    assert store.todo(queue_id) == ["wait@d.test"]
    assert (answer.status, answer.bounced, answer.site.status) == (-1, 1, "")


def test_all_sent_is_a_plain_answer(store, logs) -> None:
    answer = run(store, logs, by_name, store.put("ok@d.test"))
    assert (answer.status, answer.bounced) == (0, 0)


def test_soft_bounce_keeps_the_recipient(store, logs) -> None:
    queue_id = store.put("no@d.test")
    answer = run(store, logs, by_name, queue_id, soft_bounce=True)
    assert store.lines[0].endswith("dsn=4.1.1, status=SOFTBOUNCE (unknown)")
    assert logs.entries == [("defer", "no@d.test", "4.1.1 delayed unknown")]
    assert store.todo(queue_id) == ["no@d.test"]
    assert answer.status == -1


def test_a_bounce_that_nobody_wrote_down_is_deferred(store, logs) -> None:
    logs.take = False
    queue_id = store.put("no@d.test")
    assert run(store, logs, by_name, queue_id).status == -1
    assert f"{queue_id}: status=deferred (bounce failed)" in store.lines
    assert store.todo(queue_id) == ["no@d.test"]


def test_a_probe_is_never_deferred(store, logs) -> None:
    queue_id = store.put("wait@d.test")
    answer = run(store, logs, by_name, queue_id, flags=3 | Flags.USR_VRFY)
    assert store.lines[0].endswith("dsn=4.2.0, status=undeliverable (busy)")
    assert logs.entries == [("trace", "wait@d.test", "4.2.0 undeliverable delivery via virtual: busy")]
    assert answer.status == 0


def test_trouble_that_nobody_foresaw_defers_who_is_left(store, logs) -> None:
    def deliver(delivery: Delivery) -> Iterator[Outcome]:
        yield Outcome(delivery.request.recipients[0], "2.0.0", "ok")
        raise ZeroDivisionError("oops")

    queue_id = store.put("one@d.test", "two@d.test")
    assert run(store, logs, deliver, queue_id).status == -1
    assert store.todo(queue_id) == ["two@d.test"]
    assert re.search(r"error: \w+: delivery ended by a bug: .*: ZeroDivisionError: oops", store.lines[1])
    assert store.lines[2].endswith("dsn=4.3.0, status=deferred (unknown mail transport error)")


def test_an_error_of_the_system_is_not_called_a_bug(store, logs, monkeypatch) -> None:
    def no_room(_fd: int, _offset: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    queue_id = store.put("ok@d.test")
    monkeypatch.setattr(agent, "mark_done", no_room)
    assert run(store, logs, by_name, queue_id).status == -1
    line = rf"error: {queue_id}: delivery ended by a system error: \S+\.py:\d+: No space left on device"
    assert re.fullmatch(line, store.lines[-1])
    assert store.todo(queue_id) == ["ok@d.test"]


def test_a_file_system_that_can_not_lock_defers_one_message(store, logs, monkeypatch) -> None:
    def no_locks(_: int) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    queue_id = store.put("ok@d.test")
    monkeypatch.setattr(agent, "flock_shared", no_locks)
    assert run(store, logs, by_name, queue_id).status == -1
    assert store.lines == [f"warning: shared lock active/{queue_id}: No locks available"]
    assert store.todo(queue_id) == ["ok@d.test"]


def test_classified_trouble_defers_with_its_own_words(store, logs) -> None:
    def deliver(_: Delivery) -> Iterator[Outcome]:
        raise Retry("table is away", status="4.3.5")

    queue_id = store.put("one@d.test")
    run(store, logs, deliver, queue_id)
    assert len(store.lines) == 1
    assert store.lines[0].endswith("dsn=4.3.5, status=deferred (table is away)")


def test_who_got_no_outcome_stays(store, logs) -> None:
    queue_id = store.put("one@d.test")
    assert run(store, logs, lambda _: iter(()), queue_id).status == -1
    assert store.todo(queue_id) == ["one@d.test"]


@pytest.mark.parametrize(("left", "mode"), [(False, 0o400), (True, 0o700)], ids=["qmgr there", "qmgr gone"])
def test_a_corrupt_file_is_marked_for_qmgr(store, logs, left, mode) -> None:
    """The next qmgr would not know the mark, for it has the file in incoming; its agent finds the same."""
    gone = []

    def deliver(_: Delivery) -> Iterator[Outcome]:
        gone.append(left)
        raise CorruptQueueFile("bad record")

    queue_id = store.put("one@d.test")
    os.chmod(f"active/{queue_id}", 0o700)
    frame = Frame(store.queue, logs, deliver)
    answer = run_now(frame.handle(*store.request(queue_id).encode(), lambda: any(gone)))
    assert decode_answer(answer).status == -1
    assert store.lines == [f"warning: corrupted queue file: active/{queue_id}: bad record"]
    assert os.stat(f"active/{queue_id}").st_mode & 0o777 == mode


def test_a_file_that_is_gone_or_locked_is_deferred(store, logs) -> None:
    queue_id = store.put("ok@d.test")
    request = store.request(queue_id).encode()
    frame = Frame(store.queue, logs, by_name)
    with open(f"active/{queue_id}", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert decode_answer(run_now(frame.handle(*request, staying))).status == -1
    os.unlink(f"active/{queue_id}")
    assert decode_answer(run_now(frame.handle(*request, staying))).status == -1
    assert store.lines == [
        f"warning: shared lock active/{queue_id}: Resource temporarily unavailable",
        f"warning: open active {queue_id}: No such file or directory",
    ]
    assert decode_answer(run_now(frame.handle(b"nonsense", b"", staying))).status == -1


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_begun_for_a_qmgr_that_has_left_since_the_next_one_saw_no_lock(store, logs, there) -> None:
    queue_id = store.put("ok@d.test")
    request = store.request(queue_id).encode()
    at_the_question = []

    def gone() -> bool:
        with open(f"active/{queue_id}", "rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        at_the_question.append("locked")
        return True

    if not there:  # the new qmgr has it elsewhere
        os.rename(f"active/{queue_id}", queue_id)
    answer = run_now(Frame(store.queue, logs, by_name).handle(*request, gone if there else lambda: True))
    assert decode_answer(answer).status == -1
    assert store.lines == logs.entries == []
    if there:
        assert at_the_question == ["locked"]
        assert store.todo(queue_id) == ["ok@d.test"]
        with open(f"active/{queue_id}", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("dies", [True, False])
def test_a_serial_agent_begins_nothing_more_when_qmgr_has_left(store, dies) -> None:
    def deliver(delivery: Delivery) -> Iterator[Outcome]:
        if dies:
            theirs.close()
        yield from by_name(delivery)

    first, second = store.put("ok@d.test"), store.put("ok@d.test")
    main = MainCf.from_text("queue_directory = .")
    agent = SerialAgent(Context("virtual", "virtual", main), deliver, relay="virtual")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for number, queue_id in enumerate((first, second)):
            theirs.send(encode_frame(number + 1, *store.request(queue_id).encode()))
        theirs.shutdown(socket.SHUT_WR)  # there still, with nothing more to ask
        agent.serve(ours)
    assert (store.todo(first), store.todo(second)) == ([], ["ok@d.test"] if dies else [])
    assert not [line for line in store.lines if "warning" in line]  # Postfix's agents say nothing of it


def test_an_agent_holds_a_shared_lock(store, logs) -> None:
    def deliver(delivery: Delivery) -> Iterator[Outcome]:
        with open(f"active/{delivery.request.queue_id}", "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Outcome(delivery.request.recipients[0], "2.0.0", "ok")

    assert run(store, logs, deliver, store.put("ok@d.test")).status == 0


def test_the_site_s_trouble_is_in_the_answer(store, logs) -> None:
    def deliver(delivery: Delivery) -> Iterator[Outcome]:
        who = delivery.request.recipients[0]
        more = {"mta_type": "dns", "mta_mname": "x"}
        yield Outcome(who, "4.4.1", "connect to x: refused", relay="none", site=True, **more)

    answer = run(store, logs, deliver, store.put("ok@d.test"))
    assert answer.site.fields() == ("4.4.1", "", "", "dns", "x", "delayed", "connect to x: refused")
    assert "relay=none" in store.lines[0]


@pytest.mark.parametrize(
    ("table", "line", "entry", "answer"),
    [
        (
            "{/^5.1.1 unknown$/ 4.1.9 not yet}",
            "dsn=4.1.9, status=deferred (not yet)",
            ("defer", "4.1.9 delayed not yet"),
            -1,
        ),
        (
            "{/^5.1.1 unknown$/ 5.7.7 closed}",
            "dsn=5.7.7, status=bounced (closed)",
            ("bounce", "5.7.7 failed closed"),
            0,
        ),
    ],
    ids=["bounced to deferred", "other words"],
)
def test_a_status_filter_decides(store, logs, table: str, line: str, entry: tuple[str, str], answer: int) -> None:
    queue_id = store.put("no@d.test")
    maps = Maps(f"regexp:{{ {table} }}", name="virtual_delivery_status_filter")
    assert run(store, logs, by_name, queue_id, status_filter=maps).status == answer
    assert store.lines[0].endswith(line)
    assert logs.entries == [(entry[0], "no@d.test", entry[1])]


def test_a_status_filter_never_takes_success_for_failure(store, logs) -> None:
    queue_id = store.put("ok@d.test")
    maps = Maps("regexp:{ {/^2.0.0 delivered/ 5.7.7 no} }", name="virtual_delivery_status_filter")
    assert run(store, logs, by_name, queue_id, status_filter=maps).status == 0
    assert store.lines[0] == "warning: virtual_delivery_status_filter: bad status code: 5.7.7 no"
    assert store.lines[1].endswith("dsn=2.0.0, status=sent (delivered to maildir)")


def test_somebody_else_is_told_of_a_bounce_at_once(store, logs) -> None:
    def deliver(delivery: Delivery) -> Iterator[Outcome]:
        yield Outcome(delivery.request.recipients[0], "5.2.0", "no such file", blamed="owner-list@d.test")

    queue_id = store.put("list@d.test")
    answer = run(store, logs, deliver, queue_id)
    assert logs.entries == [("one to owner-list@d.test", "list@d.test", "5.2.0 failed no such file")]
    assert (answer.status, answer.bounced) == (0, 0)
    assert store.todo(queue_id) == []
