"""What of a local user's records gets into a maildrop file."""

import pytest

from pyfix.clients import compose
from pyfix.queue import records as rec
from pyfix.queue.submitted import Filter, MalformedError
from pyfix.unix import msg

GOOD = rec.encode_all(
    [(rec.FROM, b"s"), (rec.RCPT, b"r"), (rec.MESG, b""), (rec.NORM, b"text"), (rec.XTRA, b""), (rec.END, b"")]
)


@pytest.fixture
def log():
    lines = []
    before = msg.to(lambda _, text: lines.append(text))
    yield lines
    msg.to(*before)


@pytest.mark.parametrize("at", range(len(GOOD) + 1))
def test_submission_passes_whole_at_every_split(at):
    records = Filter(7)
    assert records.feed(GOOD[:at]) + records.feed(GOOD[at:]) == GOOD
    assert records.complete


def test_nothing_passes_after_the_end():
    records = Filter(7)
    assert records.feed(GOOD + GOOD) == GOOD


@pytest.mark.parametrize(
    ("attribute", "passes"),
    [
        ("encoding=8bit", True),
        ("encoding=", True),
        ("encoding=x", False),
        ("notify_flags=10", True),
        ("notify_flags=-1", False),
        ("rewrite_context=remote", True),
        ("rewrite_context=other", False),
        ("trace_flags=512", True),
        ("trace_flags=256", False),
        ("submitter_uid=0", False),
        ("client_name=mx", False),
        ("log_client_address=1.2.3.4", False),
        ("envelope_id", False),
    ],
)
def test_attributes(log, attribute, passes):
    data = rec.encode(rec.ATTR, attribute.encode())
    assert Filter(7).feed(data) == (data if passes else b"")
    assert log == ([] if passes else [f"warning: uid=7: ignoring attribute record: {attribute}"])


def test_time_is_the_servers_own():
    assert Filter(7).feed(rec.encode(rec.TIME, b"1 0")) == b""


@pytest.mark.parametrize("kind", [rec.DONE, rec.FILT, rec.RDR, rec.PTR, rec.ORCP, rec.KILL, rec.NORM, rec.XTRA, b"?"])
def test_other_records_end_it(kind):
    with pytest.raises(MalformedError, match=f"unexpected record type: {kind[0]}"):
        Filter(7).feed(rec.encode(kind, b""))


@pytest.mark.parametrize("kind", [rec.PTR, rec.FILT + b"", rec.RCPT])
def test_content_is_text(kind):
    start = GOOD[: GOOD.index(b"M\0") + 2]
    records = Filter(7)
    if kind == rec.CONT:  # the same letter
        assert records.feed(start + rec.encode(kind, b"x")).endswith(b"x")
    else:
        with pytest.raises(MalformedError):
            records.feed(start + rec.encode(kind, b"x"))


@pytest.mark.parametrize(("missing", "why"), [(b"S\1s", "no envelope sender"), (b"R\1r", "no recipients")])
def test_sender_and_recipient_are_needed(missing, why):
    with pytest.raises(MalformedError, match=why):
        Filter(7).feed(GOOD.replace(missing, b""))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 2048, 2049, 16383, 16384])
def test_quick_records_are_the_same(size):
    assert compose.record(rec.NORM, b"x" * size) == rec.encode(rec.NORM, b"x" * size)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_lines_are_cut_alike_however_they_come(step):
    text = b"a\n" + b"x" * 10 + b"\n" + b"y" * 25 + b"\n\nlast"
    at = iter(range(0, len(text) + 2 * step, step))
    pieces = list(compose.pieces(lambda: text[(start := next(at)) : start + step], 10))
    assert pieces == [
        (b"N", b"a"), (b"L", b"x" * 10), (b"N", b""), (b"L", b"y" * 10), (b"L", b"y" * 10), (b"N", b"y" * 5),
        (b"N", b""), (b"L", b"last"),
    ]  # fmt: skip
