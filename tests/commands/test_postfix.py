"""postfix, postlog and pyfix, as an administrator runs them."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pyfix.commands import instance as instances
from pyfix.config.master_cf import load_services
from pyfix.server.programs import PROGRAMS
from tests.e2e.instance import instance, instance_directory

__all__ = ["instance", "instance_directory"]

CONF = Path(__file__).parent.parent.parent / "conf"


def test_new_instance_is_complete_and_passes_check(instance):
    mail = instance(start=False)
    done = mail.command("postfix", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert stat_of(mail.queue / "maildrop") == 0o730
    assert stat_of(mail.queue / "public") == 0o711
    assert stat_of(mail.queue / "private") == 0o700
    assert (mail.queue / "incoming").stat().st_uid == mail.owner.uid != 0


def stat_of(path):
    return path.stat().st_mode & 0o7777


def test_instance_is_not_written_over_another(instance):
    mail = instance(start=False)
    done = mail.command("pyfix", "new", str(mail.directory))
    assert done.returncode == 1
    assert "exists already" in done.stderr


def test_check_makes_missing_directories(instance):
    mail = instance(start=False)
    (mail.queue / "hold").rmdir()
    mail.command("postfix", "check", check=True)
    assert stat_of(mail.queue / "hold") == 0o700
    assert (mail.queue / "hold").stat().st_uid == mail.owner.uid


def test_check_warns_of_what_others_could_change(instance):
    mail = instance(start=False)
    (mail.queue / "active").chmod(0o777)
    done = mail.command("postfix", "check")
    assert f"warning: group or other writable: {mail.queue}/active" in done.stderr
    mail.command("postfix", "set-permissions", check=True)
    assert stat_of(mail.queue / "active") == 0o700


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("main.cf", "message_size_limit = big", r"fatal: .*/main\.cf, line \d+: .*message_size_limit"),
        ("main.cf", "smtpd_timeout = 5x", r"fatal: .*/main\.cf, line \d+: .*smtpd_timeout"),
        ("main.cf", "no equals sign", r"fatal: .*/main\.cf, line \d+: "),
        ("master.cf", "nonsense", r"fatal: .*/master\.cf: line \d+: "),
        ("master.cf", "x unix - - n - - smtpd -o smtpd_timeout=5x", r"fatal: .*/master\.cf, line \d+: .*smtpd_timeout"),
        ("main.cf", "maillog_file = /etc/x", r"fatal: .*/main\.cf, line \d+: maillog_file value '/etc/x' does"),
    ],
)
def test_bad_configuration_stops_the_start_with_file_and_line(instance, name, line, problem):
    mail = instance(start=False)
    with (mail.config / name).open("a") as file:
        file.write(line + "\n")
    done = mail.command("postfix", "start")
    assert done.returncode == 1
    assert re.search(problem, done.stderr), done.stderr
    assert mail.command("postfix", "status").returncode == 1


@pytest.mark.parametrize(
    ("command", "status"), [("stop", 1), ("reload", 1), ("abort", 1), ("drain", 1), ("quick-stop", 0)]
)
def test_what_needs_a_running_system_says_so(instance, command, status):
    mail = instance(start=False)
    done = mail.command("postfix", command)
    assert done.returncode == status
    assert "fatal: the Postfix mail system is not running" in done.stderr
    assert "postfix/postfix-script[" in mail.log()


def test_a_start_removes_what_was_never_completed_for_a_week(instance):
    """As real postsuper does: others may be at work on what is younger."""
    mail = instance(start=False)
    mail.command("postfix", "check", check=True)
    for days in (6, 8):
        path = mail.queue / "deferred" / f"ABCDEF{days}"
        path.write_text("x")
        path.chmod(0o600)
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        os.utime(path, (time.time() - days * 86400,) * 2)
    mail.start()
    left = [path for queue in ("corrupt", "deferred") for path in (mail.queue / queue).rglob("*") if path.is_file()]
    assert len(left) == 1
    assert 5 < (time.time() - left[0].stat().st_mtime) / 86400 < 7


@pytest.mark.parametrize("reason", ["Too many levels of symbolic links", "Is a directory"])
def test_a_pid_file_that_can_not_be_opened_is_no_running_system(instance, reason):
    mail = instance(start=False)
    path = mail.queue / "pid" / "master.pid"
    path.symlink_to(path) if "links" in reason else path.mkdir(parents=True)
    done = mail.command("postfix", "status")
    assert (done.returncode, done.stderr) == (1, "postfix/postlog: the Postfix mail system is not running\n")
    done = mail.command("postfix", "start")
    assert done.returncode == 1
    held, failed = f"fatal: open lock file pid/master.pid: {reason}", "fatal: mail system startup failed"
    assert done.stderr.endswith(f"postfix/master: {held}\npostfix/postlog: {failed}\n")
    assert [line.partition("]: ")[2] for line in mail.log().splitlines()[-2:]] == [held, failed]


def test_old_defaults_are_told_of_as_by_the_command_itself(instance):
    mail = instance(start=False)
    mail.edit("main.cf", "compatibility_level = 2\n")
    assert mail.command("postfix", "status").returncode == 1
    assert re.search(r" postfix\[\d+\]: Postfix is using backwards-compatible default settings\n", mail.log())
    assert re.search(r" postfix/postfix-script\[\d+\]: the Postfix mail system is not running\n", mail.log())


def test_unknown_command_is_fatal(instance):
    done = instance(start=False).command("postfix", "frobnicate")
    assert done.returncode == 1
    assert done.stderr.startswith("postfix/postlog: fatal: unknown command: 'frobnicate'. Usage: ")
    assert done.stderr.endswith(", logrotate, tls, non-bdb)\n")


def test_flush_of_what_does_not_run_says_so_as_postqueue(instance):
    done = instance(start=False).command("postfix", "flush")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        69, "postqueue: fatal: Cannot flush mail queue - mail system is down",
    )  # fmt: skip


def test_check_tells_every_mistake_and_ends_with_1(instance):
    mail = instance(start=False)
    mail.edit("main.cf", "smtpd_timeout = 5x\nline_length_limit = -1\nmail_ownr = x\nsmtpd_helo_restrictions = rejct\n")
    done = mail.command("postfix", "check")
    assert done.returncode == 1
    for words in ("smtpd_timeout", "line_length_limit", "did you mean mail_owner?", "did you mean reject?"):
        assert re.search(rf"/main\.cf, line \d+: .*{re.escape(words)}", done.stderr), words


def test_check_finds_nothing_wrong_with_what_runs(instance):
    mail = instance()
    mail.wait_for("daemon started")
    done = mail.command("postfix", "check")
    assert (done.returncode, done.stderr) == (0, "")


def test_start_goes_on_after_what_only_looks_wrong(instance):
    mail = instance(start=False)
    mail.edit("main.cf", "mail_ownr = x\n")
    done = mail.command("postfix", "start")
    assert done.returncode == 0
    assert "did you mean mail_owner?" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_check_looks_at_owners_and_copies(instance):
    mail = instance(start=False)
    jail = mail.queue / "etc"
    jail.mkdir()
    (jail / "services").write_text("x\n")
    (jail / "hosts").write_bytes(Path("/etc/hosts").read_bytes())
    os.chown(jail / "hosts", mail.owner.uid, -1)
    (mail.queue / "public/x").touch()
    (mail.queue / "corrupt/ABCDEF").touch()
    (mail.config / "link").symlink_to("nowhere")
    (mail.config / "vmailbox").chmod(0o664)
    done = mail.command("postfix", "check")
    lines = [line.partition("warning: ")[2] for line in done.stderr.splitlines()]
    assert {
        f"{jail}/services and /etc/services differ",
        f"not owned by root: {jail}/hosts",
        f"not owned by {mail.owner.name}: {mail.queue}/public/x",
        f"damaged message: {mail.queue}/corrupt/ABCDEF",
        f"dangling symbolic link: {mail.config}/link",
        f"group or other writable: {mail.config}/vmailbox",
    } <= {*lines}


def test_start_puts_queue_files_in_their_places(instance):
    mail = instance("hash_queue_names = deferred", start=False)
    mail.command("sendmail", "-f", "a@demo.test", "alice@demo.test", stdin="x\n", check=True)
    (name,) = mail.queued("maildrop")
    os.rename(mail.queue / "maildrop" / name, mail.queue / "maildrop" / f"{name[:5]}1")
    mail.command("postfix", "check", check=True)
    assert mail.queued("maildrop") == [name]


def test_set_permissions_changes_main_cf_only_to_what_can_be(instance):
    mail = instance(start=False)
    before = (mail.config / "main.cf").read_text()
    if os.geteuid() == 0:
        done = mail.command("postfix", "set-permissions", "mail_owner=nosuchuser")
        assert (done.returncode, (mail.config / "main.cf").read_text()) == (1, before)
        assert "parameter mail_owner: unknown user name value: nosuchuser" in done.stderr
    mail.command("postfix", "set-permissions", "mail_name=Other", check=True)
    assert "mail_name = Other\n" in (mail.config / "main.cf").read_text()


def test_upgrade_adds_what_an_older_master_cf_lacks(instance):
    mail = instance(start=False)
    path = mail.config / "master.cf"
    text = "".join(line for line in path.read_text().splitlines(True) if not line.startswith(("retry", "postlog")))
    path.write_text(text.rstrip("\n"))
    done = mail.command("postfix", "upgrade-configuration", check=True)
    assert done.stdout.splitlines() == [
        f"Editing {path}, adding missing entry for retry service",
        f"Editing {path}, adding missing entry for postlog unix-domain datagram service",
    ]
    assert path.read_text().startswith(text)
    assert {"retry", "postlog"} <= {entry.name for entry in load_services(str(mail.config))}
    assert mail.command("postfix", "upgrade-configuration").stdout == ""


def test_upgrade_leaves_the_fifos_of_older_releases_alone(instance):
    mail = instance(start=False)
    path = mail.config / "master.cf"
    old = re.sub(r"(?m)^(pickup|qmgr)(\s+)unix", r"\1\2fifo", path.read_text())
    path.write_text(old)
    path.chmod(0o640)
    done = mail.command("postfix", "upgrade-configuration", check=True)
    assert (done.stdout, path.read_text(), path.stat().st_mode & 0o777) == ("", old, 0o640)
    mail.start()
    mail.command("sendmail", "-f", "a@demo.test", "alice@demo.test", stdin="Subject: x\n\ny\n", check=True)
    assert mail.wait_until(lambda: mail.maildir("alice@demo.test"))
    mail.command("postqueue", "-f", check=True)


def test_upgrade_changes_lines_that_no_longer_work(instance):
    mail = instance(start=False)
    path = mail.config / "master.cf"
    new = path.read_text()
    for name, private in (("cleanup", "-"), ("flush", "y")):
        new = re.sub(rf"(?m)^{name}(\s+unix\s+)\S", rf"{name}\1n", new)
        path.write_text(re.sub(rf"(?m)^{name}(\s+unix\s+)n", rf"{name}\g<1>{private}", path.read_text()))
    path.write_text(path.read_text() + "tlsmgr\tfifo  - - n 300 1 tlsmgr\n")
    done = mail.command("postfix", "upgrade-configuration", check=True)
    assert done.stdout.splitlines() == [
        f"Editing {path}, making the cleanup service public",
        f"Editing {path}, making the flush service public",
        f"Editing {path}, updating the tlsmgr from fifo to unix service",
    ]
    assert path.read_text() == new + "tlsmgr\tunix  - - n 300? 1 tlsmgr\n"
    assert mail.command("postfix", "upgrade-configuration", check=True).stdout == ""


def test_logrotate_needs_a_file(instance):
    mail = instance("maillog_file =", start=False)
    done = mail.command("postfix", "logrotate")
    assert done.returncode == 1
    assert "fatal: empty 'maillog_file' parameter value - logfile rotation failed" in done.stderr


def test_abort_ends_it_at_once(instance):
    mail = instance()
    assert mail.command("postfix", "abort").returncode == 0
    assert mail.command("postfix", "status").returncode == 1


def test_logrotate_sets_the_log_aside_and_goes_on(instance):
    mail = instance("maillog_file_compressor = true")
    mail.wait_for("daemon started")
    assert mail.command("postfix", "logrotate", check=True).stderr == ""  # it is cron that would tell
    mail.command("postlog", "and on", check=True)
    mail.wait_for("and on")
    (old,) = [path for path in (mail.directory / "log").iterdir() if path.name != "maillog"]
    assert "daemon started" in old.read_text()
    mail.wait_until(lambda: "reload" in old.read_text() + mail.log())  # in which of them depends on who reads it


def test_logrotate_leaves_the_log_where_no_new_one_would_be_begun(instance):
    mail = instance()
    mail.edit("main.cf", "smtpd_timeout = 5q")
    done = mail.command("postfix", "logrotate")
    assert (done.returncode, "parameter smtpd_timeout: bad time value or unit: 5q" in done.stderr) == (1, True)
    assert os.listdir(mail.directory / "log") == ["maillog"]


def test_reload_tells_of_names_that_nobody_knows(instance):
    mail = instance()
    mail.edit("main.cf", "smtpd_bannner = hello")
    done = mail.command("postfix", "reload", check=True)
    assert "unused parameter: smtpd_bannner=hello" in done.stderr


def test_postlog_puts_lines_into_the_log(instance):
    mail = instance()
    mail.command("postlog", "-p", "warn", "-t", "mytag", "some", "words", check=True)
    mail.wait_for(r" mail mytag\[\d+\]: warning: some words\n")
    mail.command("postlog", stdin="one\ntwo\n", check=True)
    mail.wait_for(r" mail postfix/postlog\[\d+\]: two\n")


def test_postlog_without_a_running_system_writes_the_file(instance):
    mail = instance(start=False)
    mail.command("postlog", "quiet", check=True)
    assert mail.log().endswith(": quiet\n")


def test_every_shipped_service_has_its_program(tmp_path):
    for name in ("main.cf", "master.cf"):
        shutil.copy(CONF / name, tmp_path)
    assert {entry.program for entry in load_services(str(tmp_path))} <= set(PROGRAMS)


def test_shipped_configuration_is_found():
    assert (instances.shipped() / "master.cf").is_file()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", ["postfix.service", "postfix@.service"])
def test_units_are_clean(unit, tmp_path):
    text = (CONF / unit).read_text().replace("/usr/sbin/postfix", "/bin/true")
    (tmp_path / unit).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit)], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if unit in line]
    assert complaints == []
    assert done.returncode == 0 or os.geteuid() != 0
