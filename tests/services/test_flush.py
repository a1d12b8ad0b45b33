"""The flush service, over a socket pair."""

import asyncio
import os
import socket
import stat

import pytest

from pyfix.clients import flush as client
from pyfix.config.main_cf import MainCf
from pyfix.queue.directory import QueueDirectory
from pyfix.server.context import Context
from pyfix.services.flush import Flush, log_name

ID = "4D2F21A2B3C"


@pytest.fixture
def queue(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("flush", "incoming", "deferred", "public"):
        (tmp_path / name).mkdir()
    return QueueDirectory(".", frozenset({"deferred"}))


def put(queue, name, queue_id=ID, mtime=4000000000):
    path = queue.path(name, queue_id)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass
    os.chmod(path, 0o700)
    os.utime(path, (mtime, mtime))


def service():
    main = MainCf.from_text("fast_flush_domains = site.test, [192.0.2.1]\ncompatibility_level = 3.6\n")
    return Flush(Context("flush", "flush", main))


def say(data: bytes) -> bytes:
    """All that the service answers to these bytes."""

    async def session():
        program = service()
        await program.start()
        triggered = []
        program._qmgr.send = triggered.append
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        await program.serve(theirs)
        with ours:
            return ours.recv(4096), b"".join(triggered)

    return asyncio.run(session())


def ask(**request):
    answer, triggered = say(client.encode(**request))
    assert answer.startswith(client.GREETING)
    attributes, rest = client.decode(answer[len(client.GREETING) :])
    assert rest == b""
    return int(attributes["status"]), triggered


@pytest.mark.parametrize(
    ("site", "name"),
    [("Example.COM", "example_com"), ("[192.0.2.1]", "_192_0_2_1_"), ("b\u00fccher.test", "xn__bcher_kva_test")],
)
def test_name_of_a_log(site, name):
    assert log_name(site) == name


def test_added_message_is_tried_when_its_site_is_flushed(queue):
    put(queue, "deferred")
    assert ask(request="add", site="Site.test", queue_id=ID) == (client.OK, b"")
    assert ask(request="add", site="site.test", queue_id=ID) == (client.OK, b"")
    with open("flush/site_test") as file:
        assert file.read() == f"{ID}\n{ID}\n"
    assert ask(request="send_site", site="site.test") == (client.OK, b"I")
    status = os.stat(f"incoming/{ID}")
    assert stat.S_IMODE(status.st_mode) == 0o740
    assert status.st_mtime < 4000000000
    assert os.path.getsize("flush/site_test") == 0


def test_site_without_a_log_is_nothing_to_do(queue):
    assert ask(request="send_site", site="site.test") == (client.OK, b"")


@pytest.mark.parametrize("request_", ["add", "send_site"])
def test_other_sites_are_denied(queue, request_):
    assert ask(request=request_, site="other.test", queue_id=ID) == (client.DENY, b"")


def test_any_deferred_message_can_be_tried(queue):
    put(queue, "deferred")
    assert ask(request="send_file", queue_id=ID) == (client.OK, b"I")
    assert os.path.exists(f"incoming/{ID}")
    assert ask(request="send_file", queue_id=ID) == (client.OK, b"")


@pytest.mark.parametrize(
    "request_",
    [
        {"request": "send_file", "queue_id": "../x"},
        {"request": "add", "site": "site.test", "queue_id": "a/b"},
        {"request": "x"},
    ],
    ids=["file", "add", "unknown"],
)
def test_bad_requests(queue, request_):
    assert ask(**request_) == (client.BAD, b"")


def test_bad_ids_in_a_log_are_passed_over(queue):
    put(queue, "deferred")
    with open("flush/site_test", "w") as file:
        file.write(f"../../etc/passwd\n{ID}\n")
    assert ask(request="send_site", site="site.test") == (client.OK, b"I")
    assert os.path.exists(f"incoming/{ID}")


def test_purge_tries_all_logs_and_refresh_only_old_ones(queue):
    for name in ("a", "b"):
        with open(f"flush/{name}", "w") as file:
            file.write(ID + "\n")
    os.utime("flush/a", (1, 1))
    assert ask(request="rfrsh") == (client.OK, b"I")
    assert [os.path.getsize(f"flush/{name}") for name in "ab"] == [0, len(ID) + 1]
    assert ask(request="purge") == (client.OK, b"I")
    assert os.path.getsize("flush/b") == 0


def test_empty_old_log_is_removed(queue):
    with open("flush/a", "w"):
        pass
    os.utime("flush/a", (1, 1))
    ask(request="rfrsh")
    assert os.listdir("flush") == []


@pytest.mark.parametrize("wake_up", [b"W", b"W\0"])
def test_wake_up_refreshes(queue, wake_up):
    with open("flush/a", "w") as file:
        file.write(ID + "\n")
    os.utime("flush/a", (1, 1))
    assert say(wake_up) == (client.GREETING, b"I")


@pytest.mark.parametrize("at", range(1, 40))
def test_answer_is_read_at_every_split(at):
    whole = client.encode(status=3)
    assert client.decode(whole) == ({"status": "3"}, b"")
    if at < len(whole):
        assert client.decode(whole[:at]) is None
