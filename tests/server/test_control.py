import os

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.server import control, programs


def test_order_arrives_as_it_was_sent_with_its_descriptors(channel):
    ours, theirs = channel
    order = control.Start("smtp", "inet", "smtpd", ("a b",), (("stress", ""),), limit=50, chroot=True)
    read, write = os.pipe()
    control.send_start(ours, order, [read, write])
    received, fds = control.receive_start(theirs)
    assert received == order
    os.write(fds[1], b"x")
    assert os.read(fds[0], 9) == b"x"
    for fd in (read, write, *fds):
        os.close(fd)


def test_main_cf_arrives_as_master_read_it():
    main = MainCf.from_text("a = $b \udcff\nb = 1\n", config_dir="/etc/x", path="/etc/x/main.cf")
    copy = control.restore(control.snapshot(main))
    assert copy.value("a") == "1 \udcff"
    assert copy.config_dir == "/etc/x"
    assert copy.setting("b") == ("1", "/etc/x/main.cf, line 2")


def test_zygote_sees_that_master_has_gone(channel):
    ours, theirs = channel
    ours.close()
    assert control.receive_start(theirs) is None


def test_word_to_a_peer_that_has_gone_is_no_error(channel):
    ours, theirs = channel
    theirs.close()
    control.say(ours, control.RETIRE)


@pytest.mark.parametrize(("word", "pid"), [(b"pid 77", 77), (b"busy", None), (b"pid x", None)])
def test_first_word_is_a_pid(word, pid):
    assert control.parse_pid(word) == pid


CPUS = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("program", "maxproc", "processes", "share"),
    [
        ("smtpd", 100, min(100, CPUS), -(-100 // min(100, CPUS))),
        ("smtpd", 1, 1, 1),
        ("cleanup", 0, CPUS, 0),
        ("qmgr", 1, 1, 0),
        ("pickup", 50, 1, 0),
        ("virtual", 20, 20, 1),
        ("virtual", 0, 100, 1),
    ],
)
def test_sessions_are_shared_among_processes(program, maxproc, processes, share):
    assert programs.processes(program, maxproc) == processes
    assert programs.share(program, maxproc) == share


def test_program_may_name_its_class():
    assert programs.locate("my.module:Class") == ("my.module", "Class")
    assert programs.locate("nosuch") is None
