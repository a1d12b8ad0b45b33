"""Environment, time and descriptors, systemd, disabled services."""

import os
import signal
import socket

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.config.master_cf import lines_of, parse_service
from pyfix.config.params.mail import MailParams
from pyfix.master import notify
from pyfix.master.environment import for_daemons
from pyfix.master.loop import Loop
from pyfix.master.settings import Disabled, load
from pyfix.server import privileges
from pyfix.unix import users


def test_daemons_are_told_where_they_are():
    main = MainCf.from_text("maillog_file = /var/log/x\nqueue_directory = /q\nmyhostname = a.b\n", config_dir="/c")
    found = for_daemons(MailParams(main), {"SECRET": "x"}, 1)
    assert found["MAIL_CONFIG"] == "/c"
    assert found["MAIL_LOGTAG"] == "postfix"
    assert found["POSTLOG_SERVICE"] == "/q/public/postlog"
    assert found["POSTLOG_HOSTNAME"] == "a.b"
    assert "MAIL_VERBOSE" in found
    assert "SECRET" not in found


@pytest.mark.parametrize(
    ("patterns", "line", "disabled"),
    [
        ("", "smtp inet n - n - - smtpd", False),
        ("inet", "smtp inet n - n - - smtpd", True),
        ("smtp/inet", "smtp inet n - n - - smtpd", True),
        ("smtp/inet", "smtp unix - - n - - smtp", False),
        ("!smtp/inet, inet", "smtp inet n - n - - smtpd", False),
        ("!smtp/inet, inet", "2525 inet n - n - - smtpd", True),
        ("all", "smtp inet n - n - - smtpd", False),
    ],
)
def test_master_service_disable(patterns, line, disabled):
    assert Disabled(patterns)(parse_service(next(lines_of(line, "master.cf")))) is disabled


@pytest.mark.parametrize(
    ("main_cf", "master_cf", "maxproc"),
    [
        ("", "", 0),
        ("", "postdrop unix n - n - 3 postdropd\n", 3),
        ("", "postdrop unix y - n - 3 postdropd\n", 0),
        ("master_service_disable = postdrop/unix", "", None),
        ("master_service_disable = inet", "", 0),
    ],
    ids=["missing", "there", "another of that name", "not wanted", "others not wanted"],
)
def test_the_postdrop_service_needs_no_line(tmp_path, monkeypatch, main_cf, master_cf, maxproc):
    monkeypatch.setattr(privileges, "owner_of", lambda _: users.user_of(os.getuid()))
    (tmp_path / "main.cf").write_text(main_cf + "\n")
    (tmp_path / "master.cf").write_text("qmgr unix n - n 300 1 qmgr\n" + master_cf)
    entry = load(str(tmp_path)).entries.get("public/postdrop")
    assert (entry and entry.maxproc) == maxproc


def test_timers_fire_in_order_and_can_be_cancelled():
    loop, fired = Loop(), []
    loop.call_later(0.002, lambda: fired.append("second"))
    loop.call_later(0.001, lambda: fired.append("first"))
    loop.call_later(0.001, lambda: fired.append("never")).cancel()
    loop.call_later(0.003, loop.stop)
    loop.run()
    assert fired == ["first", "second"]


def test_forgotten_descriptor_is_not_called_even_in_the_same_round():
    loop, called = Loop(), []
    pairs = [socket.socketpair() for _ in range(2)]

    def first(me, other):
        called.append(me)
        loop.forget(other)
        loop.stop()

    fds = [ours.fileno() for ours, _ in pairs]
    loop.watch(fds[0], lambda: first(0, fds[1]))
    loop.watch(fds[1], lambda: first(1, fds[0]))
    for _, theirs in pairs:
        theirs.send(b"x")
    loop.run()
    assert len(called) == 1
    for pair in pairs:
        for sock in pair:
            sock.close()


def test_signals_reach_the_loop():
    loop, heard = Loop(), []
    before = signal.getsignal(signal.SIGUSR2)
    loop.on_signals([signal.SIGUSR2], lambda number: (heard.append(number), loop.stop()))
    signal.raise_signal(signal.SIGUSR2)
    loop.run()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGUSR2, before)
    assert heard == [signal.SIGUSR2]


@pytest.mark.parametrize(
    ("tell", "expected"),
    [
        (notify.ready, b"READY=1\n"),
        (notify.reloading, b"RELOADING=1\nMONOTONIC_USEC="),
        (notify.stopping, b"STOPPING=1"),
    ],
)
def test_systemd_is_told(tmp_path, monkeypatch, tell, expected):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        tell()
        assert sock.recv(999).startswith(expected)


def test_without_systemd_nothing_happens(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready()
