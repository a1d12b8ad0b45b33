"""An exporter of queue metrics reads public/showq by itself, as it does with real Postfix's.

Such programs connect, send nothing, and read NUL-separated names and values up to the end. Of these they use
queue_name, size and time; an empty name ends a message. Old ones look at the first bytes to tell this from
the text that Postfix before 3.0 sent.
"""

import contextlib
import socket
import time
from pathlib import Path

import pytest

MAIN_CF = """
relay_domains = stuck.test
transport_maps = inline:{{stuck.test = smtp:[127.0.0.1]:PORT}, {away.test = retry:4.3.0 away}}
smtpd_reject_unlisted_recipient = no
qmgr_message_active_limit = 2
initial_destination_concurrency = 1
smtp_destination_concurrency_limit = 1
"""
SHOWQ_ONLY = "master_service_disable = inet, !showq/unix, unix\n"
COUNTS = {"active": 2, "incoming": 3, "deferred": 2, "hold": 1}
NOT_IN_3_7 = (b"original_recipient", b"log_class")


def connected(queue: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(queue / "public/showq"))
    return sock


def read_all(queue: Path) -> bytes:
    """The report, read until the other end closes."""
    with connected(queue) as sock:
        return b"".join(iter(lambda: sock.recv(4096), b""))


def metrics(queue: Path) -> dict[str, list[tuple[int, float]]]:
    """What an exporter makes of a report: size and age of each message, by queue."""
    found: dict[str, list[tuple[int, float]]] = {}
    with connected(queue) as sock, sock.makefile("rb") as stream:
        assert b"\0" in stream.peek(128)[:128]
        words = iter(terminated(stream))
        queue_name, size = "unknown", 0
        for name in words:
            if not name:
                queue_name = "unknown"
                continue
            value = next(words)
            if name == b"queue_name":
                queue_name = value.decode()
            elif name == b"time":
                found.setdefault(queue_name, []).append((0, time.time() - float(value)))
            elif name == b"size":
                size = int(value)
                found[queue_name][-1] = (size, found[queue_name][-1][1])
    return found


def terminated(stream):
    """Words, each with a NUL after it; anything else is an error."""
    rest = b""
    while data := stream.read1(4096):
        *words, rest = (rest + data).split(b"\0")
        yield from words
    assert not rest


def messages(report: bytes) -> list[list[bytes]]:
    """Names and values of each message, in no order."""
    words = iter(report.split(b"\0"))
    found: list[list[bytes]] = [[]]
    for name in words:
        if not name:
            found.append([])
        elif name not in NOT_IN_3_7:
            found[-1] += [name, next(words)]
        else:
            next(words)
    return sorted(found)


@pytest.fixture
def stalled():
    """The port of a server that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(10)
        yield listener.getsockname()[1]


def send(mail, address: str, count: int) -> None:
    with mail.smtp() as client:
        for number in range(count):
            client.sendmail("a@example.com", [address], b"Subject: x\r\n\r\n" + b"x" * number + b"\r\n")


def fill(mail) -> None:
    """Mail in every queue."""
    send(mail, "x@away.test", 3)
    mail.wait_until(lambda: len(mail.queued("deferred")) == 3)
    mail.command("postsuper", "-h", mail.queued("deferred")[0], check=True)
    send(mail, "x@stuck.test", 5)
    mail.wait_until(lambda: len(mail.queued("active")) == 2)


def test_an_exporter_counts_every_queue(instance, stalled) -> None:
    mail = instance(MAIN_CF.replace("PORT", str(stalled)))
    assert metrics(mail.queue) == {}
    fill(mail)
    found = metrics(mail.queue)
    assert {name: len(rows) for name, rows in found.items()} == COUNTS
    for rows in found.values():
        assert all(size > 0 and -1 < age < 60 for size, age in rows)
    sizes = sorted(size for name in ("active", "incoming") for size, _ in found[name])
    assert [size - sizes[0] for size in sizes] == [0, 1, 2, 3, 4]


def test_real_postfix_says_the_same_of_the_same_queue(instance, real_postfix, stalled) -> None:
    mail = instance(MAIN_CF.replace("PORT", str(stalled)))
    fill(mail)
    mail.stop()
    mail.edit("main.cf", SHOWQ_ONLY)
    mail.start()
    counted, ours = metrics(mail.queue), read_all(mail.queue)
    mail.stop()
    peer = real_postfix(f"queue_directory = {mail.queue}\n" + SHOWQ_ONLY, start=False)
    assert peer.command("postfix", "start").returncode == 0
    try:
        mail.wait_until(lambda: peer.log().count("daemon started"))
        theirs = read_all(mail.queue)
    finally:
        peer.stop()
    assert messages(ours) == messages(theirs)
    assert {name: len(rows) for name, rows in counted.items()} == COUNTS


def test_a_report_that_nobody_reads_to_the_end_is_no_trouble(instance) -> None:
    mail = instance("defer_transports = virtual\n")
    send(mail, "alice@demo.test", 3)
    for _ in range(5):
        with contextlib.suppress(OSError), connected(mail.queue) as sock:
            sock.recv(10)
    mail.wait_until(lambda: sum(map(len, metrics(mail.queue).values())) == 3)
    assert "showq" not in mail.log()
