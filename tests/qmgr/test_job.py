"""Which entry leaves next."""

from pyfix.qmgr.entry import Entry
from pyfix.qmgr.feedback import Rules
from pyfix.qmgr.job import JobList
from pyfix.qmgr.queue import Queue


class Desk:
    """A JobList with destinations; `picked` names what left, as destination and message."""

    def __init__(self, window: int = 100) -> None:
        self.jobs = JobList()
        self.queues: dict[str, Queue] = {}
        self.rules = Rules(initial=window)

    def add(self, message: str, *destinations: str) -> None:
        job = self.jobs.job(message)  # type: ignore[arg-type]
        for name in destinations:
            queue = self.queues.setdefault(name, Queue(name, name, self.rules))
            queue.todo.append(Entry(job, queue, []))
            self.jobs.offer(queue)

    def finish(self, name: str) -> None:
        self.queues[name].busy -= 1
        self.jobs.offer(self.queues[name])

    def pick(self) -> str | None:
        entry = self.jobs.next()
        return None if entry is None else f"{entry.queue.name}{entry.job.message}"

    def picked(self) -> list[str]:
        out = []
        while (entry := self.pick()) is not None:
            out.append(entry)
        return out


def test_older_jobs_go_first_and_their_destinations_take_turns() -> None:
    desk = Desk()
    desk.add("1", "a", "a", "b", "a", "b")
    desk.add("2", "c", "a")
    assert desk.picked() == ["a1", "b1", "a1", "b1", "a1", "c2", "a2"]


def test_a_full_destination_lets_younger_jobs_pass() -> None:
    desk = Desk(window=1)
    desk.add("1", "a", "a")
    desk.add("2", "a", "b")
    assert desk.picked() == ["a1", "b2"]
    assert not desk.jobs.waiting()
    desk.finish("a")
    assert desk.picked() == ["a1"]
    desk.finish("a")
    assert desk.picked() == ["a2"]


def test_an_old_job_comes_first_again_when_its_destination_has_room() -> None:
    desk = Desk(window=1)
    desk.add("1", "a", "a")
    desk.add("2", "b", "c")
    assert desk.pick() == "a1"
    desk.finish("a")
    assert desk.picked() == ["a1", "b2", "c2"]


def test_suspended_destinations_wait() -> None:
    desk = Desk()
    desk.add("1", "a")
    desk.queues["a"].suspended = True
    assert desk.picked() == []
    desk.queues["a"].suspended = False
    desk.jobs.offer(desk.queues["a"])
    assert desk.picked() == ["a1"]
