"""The states of a service, driven without processes."""

import socket

import pytest

from pyfix.config.master_cf import Service as Entry
from pyfix.master.child import NEXT, Child, ChildState
from pyfix.master.listen import Endpoint
from pyfix.master.loop import Timer
from pyfix.master.service import Service, State
from pyfix.server import control
from pyfix.unix import msg

PUBLIC = Endpoint("inet", socket.AF_INET, "192.0.2.1", 25)
LOCAL = Endpoint("unix", socket.AF_UNIX, "private/x")


class Suite:
    """A master that only notes what it is asked for."""

    def __init__(self):
        self.watched = {}
        self.timers = []
        self.can_start = True
        self.ends = []

    def watch(self, endpoint, callback):
        self.watched[endpoint] = callback

    def forget(self, endpoint):
        self.watched.pop(endpoint, None)

    def call_later(self, delay, callback):
        timer = Timer(delay, len(self.timers), callback)
        self.timers.append(timer)
        return timer

    def start_worker(self, service):
        if not self.can_start:
            return None
        ours, theirs = control.pair()
        self.ends.append(theirs)
        return Child(service, ours)

    def connection(self):
        next(iter(self.watched.values()))()

    def fire(self, delay):
        for timer in [t for t in self.timers if t.when == delay and t.callback]:
            callback, timer.callback = timer.callback, None
            callback()


@pytest.fixture
def suite():
    made = Suite()
    yield made
    for end in made.ends:
        end.close()


@pytest.fixture
def lines():
    collected = []
    before = msg.to(lambda _, text: collected.append(text))
    yield collected
    msg.to(*before)


@pytest.fixture
def service(suite):
    made = []

    def make(program="toy:Echo", endpoint=LOCAL, maxproc=1, wakeup=0):
        entry = Entry("x", endpoint.kind, True, True, False, wakeup, False, maxproc, program, (), (), 0, 1)
        made.append(Service(suite, entry, [endpoint], maxproc=maxproc, throttle_time=60))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        for child in one.children:
            child.close()


def says(suite, service, *words):
    child = next(iter(service.children))
    for word in words:
        control.say(suite.ends[-1], word)
    child.hear()
    service.update()
    return child


def test_master_listens_until_a_connection_comes(suite, service):
    one = service()
    assert one.state is State.WAITING
    suite.connection()
    assert one.state is State.SERVED
    assert suite.watched == {}


def test_service_without_sessions_left_is_full_until_one_is_free(suite, service):
    one = service()
    suite.connection()
    says(suite, one, control.AVAILABLE, control.BUSY)
    assert one.state is State.FULL
    says(suite, one, control.AVAILABLE)
    assert one.state is State.SERVED


def test_worker_that_left_makes_room(suite, service):
    one = service()
    suite.connection()
    child = says(suite, one, control.LEAVING)
    assert one.state is State.FULL  # it is the only one allowed
    one.lost(child)
    child.close()
    assert one.state is State.WAITING


def test_retired_worker_of_a_shared_service_does_not_count(suite, service):
    one = service(maxproc=10)
    suite.connection()
    one.retire()
    one.update()
    assert one.state is State.WAITING


def test_throttled_service_rests(suite, service, lines):
    one = service()
    one.throttle("/d/x")
    assert one.state is State.THROTTLED
    assert suite.watched == {}
    assert lines == ["warning: /d/x: bad command startup -- throttling"]
    suite.fire(60)
    assert one.state is State.WAITING


def test_start_that_can_not_be_is_tried_again_soon(suite, service):
    one = service()
    suite.can_start = False
    suite.connection()
    assert one.state is State.THROTTLED
    suite.fire(1)
    assert one.state is State.WAITING


def test_stopped_service_stays_stopped(suite, service):
    one = service()
    one.stop()
    one.update()
    one.pause(1)
    assert one.state is State.STOPPED
    assert suite.watched == {}


def fill(suite, one):
    while one.state is State.WAITING:
        suite.connection()
        for end in suite.ends:
            control.say(end, control.BUSY)
        for child in one.children:
            child.hear()
        one.update()


def test_public_service_without_sessions_left_is_stressed(suite, service, lines):
    one = service(endpoint=PUBLIC, maxproc=2)
    fill(suite, one)
    assert one.state is State.FULL
    assert one.stressed
    assert lines[0] == (
        'warning: service "x" (192.0.2.1:25) has reached its process limit "2": '
        "new clients may experience noticeable delays"
    )
    assert len(lines) == 3
    assert [end.recv(99) for end in suite.ends] == [control.STRESS] * len(suite.ends)
    suite.fire(1000)
    assert not one.stressed
    assert suite.ends[0].recv(99) == control.CALM


@pytest.mark.parametrize(
    "endpoint", [LOCAL, Endpoint("inet", socket.AF_INET, "127.0.0.1", 25)], ids=["unix", "loopback"]
)
def test_only_strangers_cause_stress(suite, service, lines, endpoint):
    one = service(endpoint=endpoint, maxproc=2)
    fill(suite, one)
    assert not one.stressed
    assert lines == []


def test_nobody_leaves_leaving():
    assert not [1 for state, _ in NEXT if state is ChildState.LEAVING]


@pytest.mark.parametrize(
    ("words", "code", "failed"),
    [
        ([], 1, True),
        ([], -9, True),
        ([control.AVAILABLE], 1, True),
        ([control.AVAILABLE], -9, False),
        ([control.AVAILABLE, control.SERVED], 1, False),
    ],
    ids=["never began", "killed before it began", "first session", "killed from outside", "worked before"],
)
def test_what_counts_as_a_failed_start(suite, service, words, code, failed):
    one = service(maxproc=10)
    suite.connection()
    assert says(suite, one, *words).failed_to_start(code) is failed


@pytest.fixture
def clock(monkeypatch):
    """The time that services see; add to it."""
    now = [1000.0]
    monkeypatch.setattr("pyfix.master.service.time.monotonic", lambda: now[0])
    return now


def missed(suite, service, clock, after, word=control.IDLE):
    """The worker leaves, and some seconds later another is wanted: how long that one is to stay."""
    child = says(suite, service, word)
    service.lost(child)
    child.close()
    clock[0] += after
    suite.connection()
    return service.linger


@pytest.mark.parametrize(
    ("pauses", "lingers"),
    [
        ([3600, 31], [1, 1]),
        ([29, 1, 20], [2, 4, 8]),
        ([1] * 8, [2, 4, 8, 16, 32, 64, 100, 100]),
        ([1, 1, 3600, 3600, 3600], [2, 4, 2, 1, 1]),
        ([1, 31, 1], [2, 1, 2]),
    ],
    ids=["seldom", "often", "most", "less and less", "both"],
)
def test_workers_that_are_missed_soon_stay_longer(suite, service, clock, pauses, lingers):
    one = service()
    suite.connection()
    assert one.linger == 1
    assert [missed(suite, one, clock, pause) for pause in pauses] == lingers


def test_only_a_worker_that_was_idle_can_be_missed(suite, service, clock):
    one = service()
    suite.connection()
    assert missed(suite, one, clock, 1, control.LEAVING) == 1
    assert missed(suite, one, clock, 1) == 2
    assert missed(suite, one, clock, 3600, control.LEAVING) == 2


def test_one_of_several_workers_can_be_missed(suite, service, clock):
    one = service(maxproc=2)
    one.processes = 2  # on one CPU too
    suite.connection()
    says(suite, one, control.AVAILABLE, control.BUSY)
    suite.connection()
    idle = suite.ends[-1]
    (second,) = [child for child in one.children if child.state is ChildState.STARTING]
    control.say(idle, control.IDLE)
    second.hear()
    one.update()
    suite.connection()
    assert one.linger == 2
