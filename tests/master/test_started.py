"""A started master, with toy services."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.instance import ROOT
from tests.master.client import Client

ECHO = "{port0} inet n - n - 10 toy:Echo"


def test_worker_is_started_when_a_connection_comes(toys, connect):
    mail = toys(ECHO)
    assert mail.pids_of("toy:Echo") == []
    pid = connect(mail.ports[0]).pid()
    mail.wait_until(lambda: pid in mail.pids_of("toy:Echo"))  # it may answer before it is master's child


def test_daemons_are_never_root(toys, connect):
    mail = toys(ECHO)
    assert f"uid={mail.owner.uid} " in connect(mail.ports[0]).ask("x")
    assert mail.owner.uid != 0


def test_one_worker_serves_several_connections(toys, connect):
    mail = toys(ECHO)
    clients = [connect(mail.ports[0]) for _ in range(3)]
    assert len({client.pid() for client in clients}) == 1


def test_connection_beyond_the_limit_waits(toys, connect):
    mail = toys("echo unix n - n - 1 toy:Echo")
    path = mail.queue / "public" / "echo"
    first = connect(path)
    assert first.pid()
    second = connect(path)
    second.sock.settimeout(0.3)
    second.sock.sendall(b"x\n")
    with pytest.raises(TimeoutError):
        second.sock.recv(99)
    first.sock.close()
    second.sock.settimeout(20)
    assert second.sock.recv(99)


def test_sockets_in_public_are_for_everybody_only_where_the_service_looks_who_asks(toys):
    mail = toys("one unix n - n - - toy:Echo\ntwo unix y - n - - toy:Echo\nshowq unix n - n - - toy:Echo")
    for name, mode in {"public/one": 0o660, "private/two": 0o666, "public/showq": 0o666}.items():
        path = mail.queue / name
        assert path.stat().st_mode & 0o777 == mode
        assert path.stat().st_uid == mail.owner.uid


def test_nothing_of_masters_reaches_a_worker(toys, connect, monkeypatch):
    monkeypatch.setenv("SECRET", "of root")
    mail = toys("{port0} inet n - n - 1 toy:Files")
    found = connect(mail.ports[0]).ask("x").splitlines()
    assert f"cwd={mail.queue}" in found
    assert "umask=77" in found
    assert not [line for line in found if "SECRET" in line or "master." in line or "main.cf" in line]
    assert f"MAIL_CONFIG={mail.config}" in found
    assert b"SECRET" not in Path(f"/proc/{mail.pid_of('toy:Files')}/environ").read_bytes()
    sockets = [line for line in found if line.startswith("socket:")]
    assert len(sockets) <= 7  # status, listener, session, log, the loop's own three


def test_the_interpreter_starts_anew_where_it_is_given_variables(toys, connect):
    mail = toys(ECHO, f"import_environment = PYTHONPATH={Path(__file__).parent} PYTHONHASHSEED=1")
    assert connect(mail.ports[0]).pid() in mail.pids_of("toy:Echo")
    command = Path(f"/proc/{mail.pid_of('zygote')}/cmdline").read_text()
    assert "pyfix.server.zygote" in command


@pytest.fixture
def source(monkeypatch, instance_directory):
    """What instances run from, to be changed."""
    copy = instance_directory / "source"
    for name in ("pyfix", "conf"):
        shutil.copytree(ROOT / name, copy / name)
    monkeypatch.setattr("tests.e2e.instance.ROOT", copy)
    monkeypatch.chdir(copy)  # which comes first
    return copy


def test_after_an_upgrade_a_reload_runs_the_new_code(toys, connect, source):
    mail = toys("echo unix n - n - 10 toy:Echo")
    path = mail.queue / "public" / "echo"
    assert "stress= " in connect(path).ask("x")
    with open(source / "pyfix" / "config" / "main_cf.py", "a") as file:
        file.write(UPGRADE)
    assert "stress= " in connect(path).ask("x")
    mail.reload()
    assert "stress=upgraded " in connect(path).ask("x")


UPGRADE = """
_raw = MainCf.raw
MainCf.raw = lambda self, name: "upgraded" if name == "stress" else _raw(self, name)
"""


VIRTUAL = "agent unix n n n - 1 virtual"
AGENT = "pyfix/delivery/virtual/daemon.py"


def test_after_an_upgrade_of_an_agent_that_keeps_root_a_reload_runs_the_new_one(toys, connect, source):
    mail = toys(VIRTUAL)
    path = mail.queue / "public" / "agent"
    client = connect(path)
    assert client.sock.recv(999)
    client.sock.close()
    with open(source / AGENT, "a") as file:
        file.write("raise RuntimeError('upgraded')\n")
    mail.reload()
    connect(path)
    mail.wait_for(r"virtual\[\d+\]: .*RuntimeError: upgraded")


BROKEN = {"raise RuntimeError('broken')": "RuntimeError: broken", "raise SystemExit('broken')": "SystemExit: broken"}


@pytest.mark.parametrize("code", [*BROKEN, "def"], ids=["error", "exit", "syntax"])
def test_an_agent_that_can_not_be_imported_fails_when_it_is_wanted(toys, connect, source, code):
    (source / AGENT).write_text(code)
    mail = toys(f"{VIRTUAL}\n{ECHO}")
    mail.wait_for(rf"warning: import of virtual .*{BROKEN.get(code, 'SyntaxError: ')}")
    connect(mail.queue / "public" / "agent")
    mail.wait_for(r"warning: /usr/libexec/postfix/virtual: bad command startup -- throttling")
    assert connect(mail.ports[0]).pid()


def test_a_reload_that_can_not_take_in_an_agent_leaves_master_alive(toys, connect, source):
    mail = toys(ECHO)
    master, zygote = mail.master_pid, mail.pid_of("zygote")
    file = source / "pyfix" / "unix" / "jail.py"  # what workers need and master does not
    good = file.read_text()
    file.write_text("def")
    mail.edit("master.cf", VIRTUAL)
    os.kill(master, signal.SIGHUP)
    mail.wait_until(lambda: zygote not in mail.pids_of("zygote"))
    file.write_text(good)
    os.kill(master, signal.SIGHUP)
    assert connect(mail.queue / "public" / "agent").sock.recv(999)


def test_a_zygote_that_can_not_be_made_says_why(toys, connect, source):
    mail = toys(ECHO, "service_throttle_time = 1s")
    assert connect(mail.ports[0]).pid()
    (source / "pyfix" / "server" / "worker.py").write_text("def")
    os.kill(mail.pid_of("zygote"), signal.SIGKILL)
    mail.wait_for(r"zygote\[\d+\]: error: start ended by a bug: .*SyntaxError: .*worker\.py")
    mail.wait_for(r"master\[\d+\]: warning: process /usr/libexec/postfix/zygote pid \d+ exit status 1\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's agents are not made by master itself")
@pytest.mark.parametrize("toys", ["root"], indirect=True)
def test_an_agent_that_ends_before_it_says_anything_is_told_of_and_left_alone_for_a_while(toys, connect, source):
    (source / AGENT).write_text(ENDS_EARLY)
    mail = toys(VIRTUAL)
    connect(mail.queue / "public" / "agent")
    mail.wait_for(r"warning: process /usr/libexec/postfix/virtual pid \d+ exit status 5\n")
    mail.wait_for(r"warning: /usr/libexec/postfix/virtual: bad command startup -- throttling")


ENDS_EARLY = """
import os
from pyfix.server import zygote

work = zygote.work

def end_early(order, *rest):
    if order.program == "virtual":
        os._exit(5)
    work(order, *rest)

zygote.work = end_early
"""


@pytest.mark.parametrize(
    ("how", "told"),
    [("exit 5", "exit status 5"), ("kill 9", "killed by signal 9"), ("raise 0", "exit status 1")],
)
def test_a_worker_that_ends_before_it_says_anything_is_told_of_and_its_service_left_alone(toys, connect, how, told):
    mail = toys(f"{{port0}} inet n - n - 10 toy_ends_early:Toy {how}\n{{port1}} inet n - n - 10 toy:Echo")
    connect(mail.ports[0])
    mail.wait_for(rf"warning: process /usr/libexec/postfix/toy_ends_early:Toy pid \d+ {told}\n")
    mail.wait_for(r"warning: /usr/libexec/postfix/toy_ends_early:Toy: bad command startup -- throttling")
    assert connect(mail.ports[1]).pid()


def test_a_worker_that_could_not_be_forked_is_told_of(toys, connect):
    mail = toys("{port0} inet n - n - 10 toy_no_room:Toy")
    mail.wait_for("daemon started")
    connect(mail.ports[0])
    mail.wait_for(r"zygote\[\d+\]: warning: fork: Resource temporarily unavailable\n")


def test_nothing_of_masters_reaches_an_agent_that_keeps_root(toys, connect, monkeypatch):
    monkeypatch.setenv("SECRET", "of root")
    mail = toys(f"{VIRTUAL}\n{ECHO}")
    connect(mail.ports[0]).pid()
    assert connect(mail.queue / "public" / "agent").sock.recv(999)
    pid = mail.pid_of("virtual")
    assert b"SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
    found = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert len([name for name in found if name.startswith("socket:")]) <= 4  # status, listener, session, log
    assert not [name for name in found if "master." in name or "main.cf" in name or "epoll" in name]


def test_an_agent_that_keeps_root_ends_at_a_signal(toys, connect):
    """Master has a handler for it."""
    mail = toys(VIRTUAL)
    assert connect(mail.queue / "public" / "agent").sock.recv(999)
    pid = mail.pid_of("virtual")
    os.kill(pid, signal.SIGTERM)
    mail.wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


def test_an_agent_that_keeps_root_comes_with_a_reload_and_ends_with_master(toys, connect):
    mail = toys(ECHO)
    mail.edit("master.cf", VIRTUAL)
    mail.reload()
    client = connect(mail.queue / "public" / "agent")
    assert client.sock.recv(999)
    mail.wait_until(lambda: len(mail.pids_of("zygote")) == 1)
    pid = mail.pid_of("virtual")
    client.sock.close()
    os.kill(mail.master_pid, signal.SIGKILL)
    mail.wait_until(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid))


def test_postlogd_ends_after_those_that_must_be_made_to(toys, connect):
    mail = toys(ECHO)
    mail.wait_for("daemon started")
    client = connect(mail.ports[0])
    worker, master, postlogd = client.pid(), mail.master_pid, mail.pid_of("postlogd")
    os.kill(postlogd, signal.SIGSTOP)  # it has something to do
    os.kill(master, signal.SIGTERM)
    try:
        mail.wait_until(lambda: not os.path.exists(f"/proc/{worker}"))
    finally:
        os.kill(postlogd, signal.SIGCONT)
    mail.wait_until(lambda: not os.path.exists(f"/proc/{master}") or _is_zombie(master))
    assert f"master[{master}]: terminating on signal 15" in mail.log()


def test_service_whose_workers_fail_is_left_alone_for_a_while(toys, connect):
    mail = toys("bad unix n - n - - toy:Broken")
    connect(mail.queue / "public" / "bad")
    mail.wait_for(r"warning: /usr/libexec/postfix/toy:Broken: bad command startup -- throttling")
    assert mail.log().count("broken toy") == 1
    assert "RuntimeError: broken toy" in mail.log()


def test_throttled_service_is_tried_again(toys, connect):
    mail = toys("bad unix n - n - - toy:Broken", "service_throttle_time = 1s")
    connect(mail.queue / "public" / "bad")
    mail.wait_for(lambda log: log.count("broken toy") >= 2)


def test_reload_keeps_an_open_session(toys, connect):
    mail = toys(ECHO)
    old = connect(mail.ports[0])
    pid = old.pid()
    mail.reload()
    assert old.pid() == pid
    assert connect(mail.ports[0]).pid() != pid
    old.sock.close()
    mail.wait_until(lambda: pid not in mail.pids_of("toy:Echo"))


def test_reload_refuses_no_connection(toys, connect):
    mail = toys(ECHO)
    failures, answers, stop = [], [], threading.Event()
    address = ("127.0.0.1", mail.ports[0])

    def stream():
        while not stop.is_set():
            try:
                with Client(address) as client:
                    answers.append(client.pid())
            except (OSError, ValueError, IndexError) as error:
                failures.append(error)

    thread = threading.Thread(target=stream)
    thread.start()
    for _ in range(3):
        mail.reload()
        seen = len(set(answers))
        mail.wait_until(lambda seen=seen: len(set(answers)) > seen)
    stop.set()
    thread.join()
    assert failures == []


def test_bad_master_cf_is_reported_and_the_old_one_stays(toys, connect):
    mail = toys(ECHO)
    mail.edit("master.cf", "echo unix n - n - - toy:Echo\nnonsense\n")
    os.kill(mail.master_pid, signal.SIGHUP)
    mail.wait_for(r"master\.cf: line \d+: ")
    assert connect(mail.ports[0]).pid()
    assert not (mail.queue / "public" / "echo").exists()


def test_bad_main_cf_is_reported_and_the_old_one_stays(toys, connect):
    mail = toys(ECHO)
    path = mail.config / "main.cf"
    before = path.read_text()
    path.write_text(f"{before}default_process_limit = many\n")
    os.kill(mail.master_pid, signal.SIGHUP)
    mail.wait_for(r"the old configuration stays in force: .*main\.cf, line \d+: .*default_process_limit")
    assert connect(mail.ports[0]).pid()
    path.write_text(before)  # else nothing reads it, `postfix stop` neither


def test_reload_adds_and_removes_services(toys, connect):
    mail = toys("old unix n - n - - toy:Echo")
    path = mail.config / "master.cf"
    path.write_text(path.read_text().replace("old unix", "new unix"))
    mail.reload()
    assert connect(mail.queue / "public" / "new").pid()
    assert not (mail.queue / "public" / "old").exists()


def test_a_service_whose_socket_was_removed_by_hand_can_be_removed(toys, connect):
    mail = toys(f"old unix n - n - - toy:Echo\n{ECHO}")
    path = mail.config / "master.cf"
    path.write_text(path.read_text().replace("old unix", "new unix"))
    (mail.queue / "public" / "old").unlink()
    mail.reload()
    assert connect(mail.ports[0]).pid()
    assert connect(mail.queue / "public" / "new").pid()


def test_reload_says_what_waits_for_the_next_start(toys):
    mail = toys(ECHO, main_cf="inet_interfaces = 127.0.0.1\ninet_protocols = ipv4")
    mail.edit("main.cf", "inet_interfaces = all\ninet_protocols = all")
    mail.reload()
    lines = re.findall(r"master\[\d+\]: warning: (.*)", mail.log())
    assert lines == [
        "ignoring inet_protocols parameter value change",
        'old value: "ipv4", new value: "all"',
        "to change inet_protocols, stop and start Postfix",
        f"service {mail.ports[0]}: ignoring inet_interfaces change",
        "to change inet_interfaces, stop and start Postfix",
    ]
    mail.edit("main.cf", "inet_interfaces = 127.0.0.1\ninet_protocols = ipv4")
    mail.reload()
    assert re.findall(r"master\[\d+\]: warning: (.*)", mail.log()) == lines


def test_killed_worker_is_replaced(toys, connect):
    mail = toys(ECHO)
    client = connect(mail.ports[0])
    pid = client.pid()
    os.kill(pid, signal.SIGKILL)
    assert connect(mail.ports[0]).pid() != pid
    mail.wait_for(rf"warning: process /usr/libexec/postfix/toy:Echo pid {pid} killed by signal 9")


def test_killed_zygote_is_replaced_while_workers_serve_on(toys, connect):
    mail = toys(ECHO + "\n{port1} inet n - n - 10 toy:Echo", "service_throttle_time = 1s")
    old = connect(mail.ports[0])
    pid = old.pid()
    zygote = mail.pid_of("zygote")
    os.kill(zygote, signal.SIGKILL)
    assert old.pid() == pid
    assert connect(mail.ports[1]).pid() not in (0, pid)
    assert zygote not in mail.pids_of("zygote")


@pytest.mark.parametrize("killed", [slice(0, 1), slice(1, 2), slice(2)], ids=["first", "second", "both"])
def test_either_zygote_may_be_killed(toys, connect, killed):
    services = ECHO + "\n{port1} inet n n n - 10 toy:Echo\n{port2} inet n n n - 10 toy:Echo"
    mail = toys(services, "service_throttle_time = 1s")
    root = os.stat(f"/proc/{mail.master_pid}").st_uid == 0
    assert len({connect(port).pid() for port in mail.ports}) == 3
    zygotes = sorted(mail.pids_of("zygote"))
    assert len(zygotes) == (2 if root else 1)
    for pid in zygotes[killed]:
        os.kill(pid, signal.SIGKILL)
        mail.wait_for(rf"warning: process /usr/libexec/postfix/zygote pid {pid} killed by signal 9")
    for pid in mail.pids_of("toy:Echo"):
        os.kill(pid, signal.SIGKILL)
    assert f"uid={mail.owner.uid} " in connect(mail.ports[0]).ask("x")
    assert f"uid={0 if root else mail.owner.uid} " in connect(mail.ports[1]).ask("x")
    assert not {*zygotes[killed]} & {*mail.pids_of("zygote")}


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has one zygote for all")
@pytest.mark.parametrize("toys", ["root"], indirect=True)
def test_a_program_that_takes_the_first_zygote_along_leaves_the_others_alone(toys, connect):
    services = "{port0} inet n n n - 10 toy_exits:Echo\n{port1} inet n - n - 10 toy:Echo"
    mail = toys(services, "service_throttle_time = 1s")
    pid = connect(mail.ports[1]).pid()
    mail.wait_until(lambda: pid in mail.pids_of("toy:Echo"))


def test_bug_in_a_session_costs_that_session_only(toys, connect):
    mail = toys(ECHO)
    other = connect(mail.ports[0])
    pid = other.pid()
    assert connect(mail.ports[0]).ask("bug") == ""
    mail.wait_for(rf"toy:Echo\[{pid}\]: error: session ended by a bug: .*ValueError: a bug")
    assert other.pid() == pid
    assert connect(mail.ports[0]).pid() != pid


@contextmanager
def limited(mail, pid: int, what: str):
    """A process that may have no more of these (nofile, nproc), as when the system has none left."""

    def prlimit(*words: str) -> str:
        line = [*mail.prefix, "prlimit", "--pid", str(pid), *words]
        return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()

    before = prlimit(f"--{what}", "--output=SOFT", "--noheadings")
    prlimit(f"--{what}=0:")
    yield
    prlimit(f"--{what}={before}:")


def test_master_lives_on_when_it_can_not_start_a_worker(toys, connect):
    mail = toys(ECHO)
    master = mail.master_pid
    with limited(mail, master, "nofile"):
        client = connect(mail.ports[0])
        mail.wait_for(r"master\[\d+\]: warning: can't start \S+/toy:Echo: Too many open files")
    assert client.ask("x")
    assert mail.master_pid == master


def test_master_lives_on_when_it_can_not_start_a_zygote(toys, connect):
    mail = toys(ECHO, "service_throttle_time = 1s")
    mail.wait_for("daemon started")  # the log is open
    master = mail.master_pid
    with limited(mail, master, "nofile"):
        os.kill(mail.pid_of("zygote"), signal.SIGKILL)
        mail.wait_for(r"master\[\d+\]: warning: can't start \S+/zygote: Too many open files")
    assert connect(mail.ports[0]).ask("x")
    assert mail.master_pid == master


@pytest.mark.parametrize("toys", ["ordinary"], indirect=True)  # root may have any number of processes
def test_master_hears_signals_though_it_could_not_fork(toys, connect):
    mail = toys(ECHO, "service_throttle_time = 1s")
    mail.wait_for("daemon started")
    zygote = mail.pid_of("zygote")
    with limited(mail, mail.master_pid, "nproc"):
        os.kill(zygote, signal.SIGKILL)
        mail.wait_for(r"master\[\d+\]: warning: can't start \S+/zygote: Resource temporarily unavailable")
    client = connect(mail.ports[0])
    assert client.ask("x")
    zygote = mail.pid_of("zygote")
    os.kill(zygote, signal.SIGKILL)
    mail.wait_for(rf"warning: process \S+/zygote pid {zygote} killed by signal 9")


def test_two_masters_exclude_each_other(toys):
    mail = toys(ECHO)
    pid = mail.master_pid
    done = mail.command("postfix", "start")
    assert done.returncode == 1
    assert "fatal: the Postfix mail system is already running" in done.stderr
    assert mail.master_pid == pid


def test_workers_end_when_master_is_killed(toys, connect):
    mail = toys(ECHO)
    pid = connect(mail.ports[0]).pid()
    os.kill(mail.master_pid, signal.SIGKILL)
    mail.wait_until(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_stop_ends_everything(toys, connect):
    mail = toys(ECHO)
    client = connect(mail.ports[0])
    pids = [client.pid(), *mail.pids_of("zygote"), mail.master_pid]
    client.sock.close()
    done = mail.command("postfix", "stop")
    assert done.returncode == 0
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}") and not _is_zombie(pid)]
    assert "postfix/master[" in mail.log()
    assert ": terminating on signal 15\n" in mail.log()
    assert list((mail.queue / "public").iterdir()) == []
    assert (mail.queue / "pid" / "master.pid").stat().st_size == 33


def test_stop_does_not_wait_for_ever(toys, connect):
    mail = toys(ECHO)
    client = connect(mail.ports[0])
    pid = client.pid()
    assert mail.command("postfix", "stop").returncode == 0
    assert not os.path.exists(f"/proc/{pid}") or _is_zombie(pid)


def test_status_tells_whether_it_runs(toys):
    mail = toys(ECHO)
    assert mail.command("postfix", "status").returncode == 0
    mail.stop()
    assert mail.command("postfix", "status").returncode == 1


def test_unknown_program_has_no_socket_and_is_named(toys):
    mail = toys("nosuch unix - n n - - nosuch\n" + ECHO)
    assert not (mail.queue / "private" / "nosuch").exists()
    mail.wait_for(r"master\.cf, line 2: service nosuch is not available: no such program: nosuch")


def test_line_with_a_wake_up_starts_its_service(toys):
    mail = toys("echo unix n - n 1 1 toy:Echo")
    mail.pid_of("toy:Echo")


def test_question_mark_waits_for_the_first_use(toys, connect):
    mail = toys("echo unix n - n 1? 1 toy:Echo\n" + ECHO)
    assert connect(mail.ports[0]).pid()
    mail.wait_until(lambda: len(mail.pids_of("toy:Echo")) == 1)


MUTE = """\
import time
from pyfix.master import __main__ as master
from pyfix.unix import msg
msg.to_stderr("postfix/master")
master.READY_TIMEOUT = 0.1
master._parent_waits()
time.sleep(60)
"""


def test_a_start_that_takes_for_ever_is_given_up():
    words = [sys.executable, "-c", MUTE]
    done = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True, timeout=50)
    told = "postfix/master: fatal: Connection timed out while waiting for daemon initialization\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_fifo_wakes_its_service(toys):
    mail = toys("echo fifo n - n - 1 toy:Echo")
    with open(mail.queue / "public" / "echo", "wb", buffering=0) as fifo:
        fifo.write(b"W")
    mail.pid_of("toy:Echo")


def test_another_process_is_started_only_when_the_first_is_full(toys, connect):
    mail = toys("{port0} inet n - n - 2 toy:Echo")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    first, second = connect(mail.ports[0]), connect(mail.ports[0])
    assert first.pid() != second.pid()
    third = connect(mail.ports[0])
    third.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        third.pid()


def test_new_work_after_a_reload_has_the_new_configuration(toys, connect):
    mail = toys("echo unix n - n - 1 toy:Echo")
    path = mail.queue / "public" / "echo"
    client = connect(path)
    assert "stress= " in client.ask("x")
    client.sock.close()
    mail.edit("main.cf", "stress = reloaded\n")
    mail.reload()
    assert "stress=reloaded " in connect(path).ask("x")


WITHOUT_SUBREAPER = """
import sys
from pyfix.unix import prctl
prctl.become_subreaper = lambda: False
sys.argv[1:] = ["-c", sys.argv[1], "-d"]
from pyfix.master.__main__ import main
main()
"""


def test_workers_are_started_by_exec_where_orphans_can_not_be_adopted(toys, connect):
    mail = toys(ECHO)
    mail.stop()
    command = [*mail.prefix, sys.executable, "-c", WITHOUT_SUBREAPER, str(mail.config)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as master:
        mail.wait_for(lambda log: log.count("daemon started") == 2)
        pid = connect(mail.ports[0]).pid()
        mail.wait_until(lambda: pid in mail.pids_of("toy:Echo"))
        assert mail.pids_of("zygote") == []
        mail.stop()
        assert master.wait(20) == 0


def test_taken_port_stops_the_start(toys, instance, connect):
    mail = toys(ECHO)
    other = instance(start=False)
    (other.config / "master.cf").write_text(f"127.0.0.1:{mail.ports[0]} inet n - n - - smtpd\n")
    done = other.command("postfix", "start")
    assert done.returncode == 1
    taken = f"fatal: bind 127.0.0.1 port {mail.ports[0]}: Address already in use"
    failed = "fatal: mail system startup failed"
    assert taken in done.stderr
    assert [line.partition("]: ")[2] for line in other.log().splitlines()[-2:]] == [taken, failed]
    assert other.command("postfix", "status").returncode == 1
