"""Our own load generator and sink talk to one another, and the table of results is right."""

import pytest

from bench import load, report, syscalls
from bench.instance import Missing
from bench.rounds import Result
from bench.source import text
from bench.table import WORKLOADS
from bench.workload import at_least, no_more


@pytest.fixture
def ours(monkeypatch):
    """As if smtp-source and smtp-sink were not installed."""
    monkeypatch.setattr(load, "PATH", "/nowhere")


@pytest.mark.parametrize(
    ("messages", "connections", "size", "recipients"),
    [(20, 3, 4096, 1), (2, 2, 3_000_000, 1), (3, 1, 10, 500)],
    ids=["several at once", "larger than the socket takes", "many recipients"],
)
def test_all_messages_arrive(ours, messages, connections, size, recipients) -> None:
    with load.sink() as sink:
        load.send(sink.port, load.Load(messages, connections, size, recipients=recipients, domains=7))
    assert sink.messages == messages


def test_a_refusal_is_told(ours) -> None:
    with load.sink() as sink:
        pass
    with pytest.raises(Missing, match="refused"):
        load.send(sink.port, load.Load(1))


def test_a_message_has_the_size_that_was_asked_for() -> None:
    for size in (1, 80, 81, 4096):
        body = text(size).partition(b"\r\n\r\n")[2]
        assert len(body.removesuffix(b".\r\n")) in {size, size + 1}
        assert body.endswith(b"\r\n.\r\n")


def test_calls_are_read_from_the_summary() -> None:
    summary = """\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000300           3       100         7 read
 40.00    0.000200           2        90           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.000500           2       190         7 total
"""
    assert syscalls.counts(summary) == {"read": 100, "write": 90}


def test_ratios_are_medians_of_pairs_and_targets_are_judged() -> None:
    ours = [{"msg/s": 200.0, "start s": 0.5}, {"msg/s": 100.0, "start s": 0.9}, {"msg/s": 300.0, "start s": 0.7}]
    theirs = [{"msg/s": 100.0, "start s": 1.0}, {"msg/s": 100.0, "start s": 1.0}, {"msg/s": 100.0, "start s": 1.0}]
    targets = (at_least("msg/s", 2.0), no_more("start s", 0.6))
    result = Result("w0", "case", targets, {"pyfix": ours, "postfix": theirs})
    assert list(report.lines(result)) == [
        "| w0 case | msg/s | 200 | 100 | 2.00x | at least 2x | reached |",
        "|  | start s | 0.70 | 1.00 | 0.70x | at most 0.6 | **missed** |",
    ]


def test_every_workload_is_there() -> None:
    assert {f"w{number}" for number in range(1, 13)} <= set(WORKLOADS)
