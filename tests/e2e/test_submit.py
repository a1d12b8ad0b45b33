"""Local programs hand in mail: as root, as another user, while the system runs and while it does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyfix.unix import users

ROOT = Path(__file__).parent.parent.parent
MESSAGE = b"From: Me <me@demo.test>\nTo: Alice <alice@demo.test>\nSubject: hello\n\nline one\n..\n.\n"


DIALOG = (
    b"EHLO x\r\nMAIL FROM:<me@demo.test>\r\nRCPT TO:<alice@demo.test>\r\n"
    b"DATA\r\nSubject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"
)
CONNECT = """\
import socket, sys
for path in sys.argv[1:]:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError as error:
        print(error.strerror)
    else:
        print("open")
"""


def stranger():
    """An ordinary user who is nobody to the mail system."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return users.user("games")


def become(user):
    return ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]


def run(mail, name, *words, stdin=b"", prefix=(), **more):
    environment = {**os.environ, "MAIL_CONFIG": str(mail.config), "PYTHONPATH": str(ROOT), **more}
    line = [*prefix, sys.executable, "-m", f"pyfix.commands.{name}", *words]
    return subprocess.run(line, env=environment, input=stdin, capture_output=True, check=False, timeout=50)


def delivered(mail, count=1):
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) >= count)
    return mail.maildir("alice@demo.test")


def test_root_writes_maildrop_and_pickup_takes_it(instance):
    mail = instance()
    done = run(mail, "sendmail", "-t", "-i", stdin=MESSAGE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (message,) = delivered(mail)
    assert b"from userid %d)" % os.getuid() in message
    assert message.endswith(b"line one\n..\n.\n")
    mail.wait_for(rf"pickup\[\d+\]: [0-9A-F]+: uid={os.getuid()} from=<\w+>")


def test_stranger_goes_through_the_postdrop_service_and_stays_himself(instance):
    mail, user = instance(), stranger()
    done = run(mail, "sendmail", "-f", "me@demo.test", "alice@demo.test", stdin=MESSAGE, prefix=become(user))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (message,) = delivered(mail)
    assert b"from userid %d)" % user.uid in message
    assert message.endswith(b"line one\n..\n")
    mail.wait_for(rf"pickup\[\d+\]: [0-9A-F]+: uid={user.uid} from=<me@demo.test>")
    assert mail.queued("maildrop") == []


def test_stranger_gets_75_while_the_system_is_down(instance):
    mail, user = instance(start=False), stranger()
    done = run(mail, "sendmail", "alice@demo.test", stdin=MESSAGE, prefix=become(user))
    assert done.returncode == 75
    assert b"sendmail: fatal: games(%d): mail system is down: connect to " % user.uid in done.stderr


@pytest.mark.parametrize("who", ["root", "stranger"])
def test_smtp_on_standard_input(instance, who):
    mail = instance()
    user = users.user_of(os.getuid()) if who == "root" else stranger()
    done = run(mail, "sendmail", "-bs", stdin=DIALOG, prefix=become(user) if who == "stranger" else ())
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"250 2.0.0 Ok: queued as " in done.stdout
    assert done.stdout.endswith(b"221 2.0.0 Bye\r\n")
    (message,) = delivered(mail)
    assert b"from userid %d)" % user.uid in message
    assert message.endswith(b"\n\nhi\n")


def test_smtp_on_standard_input_ends_when_nobody_hears_the_answers(instance):
    mail = instance(start=False)
    environment = {**os.environ, "MAIL_CONFIG": str(mail.config), "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "pyfix.commands.sendmail", "-bs"]
    with subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as done:
        assert done.stdout.readline().startswith(b"220 ")
        done.stdout.close()
        done.stdin.write(b"NOOP\r\n")
        done.stdin.flush()
        assert done.wait(20) == 0  # standard input is still open


def test_root_may_submit_while_the_system_is_down(instance):
    mail = instance(start=False)
    assert run(mail, "sendmail", "alice@demo.test", stdin=MESSAGE).returncode == 0
    assert len(mail.queued("maildrop")) == 1
    mail.start()
    delivered(mail)


def test_daemon_mode_starts_the_system_and_never_mind_if_it_runs(instance):
    mail = instance(start=False)
    for _ in range(2):
        done = run(mail, "sendmail", "-bd")
        assert (done.returncode, done.stdout) == (0, b"")
        mail.wait_for("daemon started")
    assert mail.log().count("daemon started") == 1


def test_user_that_is_not_authorized_is_told_so(instance):
    mail, user = instance(main_cf="authorized_submit_users = !games, static:anyone"), stranger()
    done = run(mail, "sendmail", "alice@demo.test", stdin=MESSAGE, prefix=become(user))
    assert (done.returncode, done.stderr) == (
        75,
        b"sendmail: fatal: User games(%d) is not allowed to submit mail\n" % user.uid,
    )


def test_service_itself_refuses_a_user_whose_command_does_not(instance):
    mail, user = instance(main_cf="authorized_submit_users = !games, static:anyone"), stranger()
    copy = mail.directory / "copy"
    copy.mkdir()
    (copy / "main.cf").write_text(f"queue_directory = {mail.queue}\n")
    done = run(mail, "sendmail", "-C", str(copy), "alice@demo.test", stdin=MESSAGE, prefix=become(user))
    assert done.returncode == 75
    assert b"User games(%d) is not allowed to submit mail" % user.uid in done.stderr
    mail.wait_for(rf"postdropd\[\d+\]: warning: uid={user.uid}: User games\({user.uid}\) is not allowed")


def test_stranger_can_not_speak_to_the_other_services(instance):
    mail, user = instance(), stranger()
    paths = [str(mail.queue / name) for name in ("public/cleanup", "private/rewrite", "public/showq", "public/qmgr")]
    line = [*become(user), sys.executable, "-c", CONNECT, *paths]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["Permission denied", "Permission denied", "open", "open"]


ACTIVATE = """\
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
sock.listen(10)
os.dup2(sock.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, "-m", "pyfix.server.standalone", "-c", sys.argv[2], "postdropd", "systemd"])
"""


def test_stranger_may_submit_while_the_system_is_down_where_systemd_holds_a_socket(instance):
    mail, user = instance(start=False), stranger()
    path = mail.queue / "public" / "postdrop-standby"
    line = [*become(mail.owner), sys.executable, "-c", ACTIVATE, str(path), str(mail.config)]
    with subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL) as service:
        try:
            mail.wait_until(path.exists)
            mail.wait_until(lambda: path.stat().st_mode & 0o777 == 0o666)
            done = run(mail, "sendmail", "-t", stdin=MESSAGE, prefix=become(user))
            assert (done.returncode, done.stderr) == (0, b"")
        finally:
            service.terminate()
    assert len(mail.queued("maildrop")) == 1
    mail.start()
    (message,) = delivered(mail)
    assert b"from userid %d)" % user.uid in message
