"""Bad configuration, bad queue files, full disks: told clearly, and nobody else's mail is harmed."""

import os
import re
import subprocess
import time

import pytest

from pyfix.queue import records as rec

MESSAGE = b"Subject: x\r\n\r\nhello\r\n"


def _deliver(mail, user: str = "alice") -> None:
    with mail.smtp() as client:
        client.sendmail("a@example.com", [f"{user}@demo.test"], MESSAGE)


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        pytest.param("main.cf", "foo bar", "missing '=' after attribute name: \"foo bar\"", id="main.cf syntax"),
        pytest.param("main.cf", "queue_directory", "missing '='", id="main.cf name only"),
        pytest.param("master.cf", "smtp inet n - n", 'missing "wakeup_time" field', id="master.cf fields"),
        pytest.param("master.cf", "x nosuch n - n - - smtpd", "nosuch", id="master.cf type"),
        pytest.param("master.cf", "x unix maybe - n - - smtpd", "maybe", id="master.cf private"),
        pytest.param("master.cf", "x unix n - n - many smtpd", "many", id="master.cf maxproc"),
    ],
)
def test_a_bad_file_is_named_with_its_line_and_nothing_starts(
    instance, file: str, line: str, complaint: str
) -> None:
    mail = instance(start=False)
    path = mail.config / file
    text = path.read_text()
    path.write_text(text + line + "\n")
    number = text.count("\n") + 1
    for command in ("check", "start"):
        done = mail.command("postfix", command)
        said = done.stderr + mail.log()
        assert done.returncode == 1, said
        assert str(path) in said, said
        assert f"line {number}" in said, said
        assert complaint in said, said
    assert mail.command("postfix", "status").returncode == 1


def test_a_bad_value_is_told_at_start(instance) -> None:
    mail = instance(main_cf="message_size_limit = large", start=False)
    done = mail.command("postfix", "check")
    assert done.returncode == 1
    assert "bad numerical configuration: message_size_limit = large" in done.stderr + mail.log()


def test_a_bad_new_master_cf_is_told_and_the_old_one_stays(instance) -> None:
    mail = instance()
    master_cf = mail.config / "master.cf"
    good = master_cf.read_text()
    master_cf.write_text(good + "broken line\n")
    mail.command("postfix", "reload")
    mail.wait_for(rf"{master_cf}.*line {good.count(chr(10)) + 1}")
    _deliver(mail)
    mail.wait_for(": removed")
    master_cf.write_text(good)
    mail.reload()
    _deliver(mail)
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 2)


def test_a_table_that_is_missing_fails_softly_and_comes_back(instance) -> None:
    mail = instance(main_cf="virtual_alias_maps = texthash:{directory}/etc/valias\n")
    with mail.smtp() as client:
        client.mail("a@example.com")
        code, text = client.rcpt("alice@demo.test")
    assert (code, text[:5]) == (451, b"4.3.0"), text
    mail.wait_for(r"open .*valias: No such file or directory")
    (mail.config / "valias").write_text("sales@demo.test alice@demo.test\n")
    mail.reload()
    _deliver(mail, "sales")
    mail.wait_for(r"to=<alice@demo\.test>, orig_to=<sales@demo\.test>")


def test_a_corrupt_queue_file_is_set_aside_and_the_rest_flows(instance) -> None:
    mail = instance()
    _deliver(mail)
    mail.wait_for(": removed")
    bad = {"ABCDE1111": b"garbage", "ABCDE2222": b"", "ABCDE3333": b"C\x5f" + b" " * 95 + b"T\x01"}
    for name, content in bad.items():
        path = mail.queue / "incoming" / name
        path.write_bytes(content)
        os.chown(path, mail.owner.uid, mail.owner.gid)
        path.chmod(0o700)
    mail.command("postqueue", "-f")
    _deliver(mail)
    mail.wait_until(lambda: sorted(mail.queued("corrupt")) == sorted(bad))
    mail.wait_for(r'saving corrupt file "ABCDE1111" from queue "active" to queue "corrupt"')
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 2)


def test_no_mail_is_taken_while_queue_minfree_is_not_met(instance) -> None:
    mail = instance(main_cf="queue_minfree = 1000000000000000")
    with mail.smtp() as client:
        client.ehlo()
        assert client.mail("a@example.com") == (452, b"4.3.1 Insufficient system storage")
    mail.command("postconf", "-e", "queue_minfree = 0", check=True)
    mail.reload()
    _deliver(mail)
    mail.wait_for(": removed")


def _fill(path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            return


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small file system")
def test_a_full_disk_is_told_and_recovers(instance) -> None:
    """The space check is passed (message_size_limit is small), then the disk fills up."""
    mail = instance(main_cf="message_size_limit = 600000\ndefer_transports = virtual\nnotify_classes =", start=False)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0755", "none", mail.queue], check=True)
    try:
        mail.start()
        (mail.queue / "filler").write_bytes(bytes(2_500_000))
        body = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 7000
        codes = []
        with mail.smtp() as client:
            for _ in range(10):
                client.ehlo_or_helo_if_needed()
                client.docmd("RSET")
                code = client.mail("a@example.com")[0]
                if code == 250:
                    client.rcpt("alice@demo.test")
                    code = client.data(body)[0]
                codes.append(code)
        assert codes[0] == 250
        assert codes[-1] == 452  # the space check at MAIL
        assert set(codes) == {250, 452}
        (mail.queue / "filler").unlink()
        with mail.smtp() as client:  # the disk fills up after MAIL was accepted
            client.ehlo()
            assert client.mail("a@example.com")[0] == 250
            assert client.rcpt("alice@demo.test")[0] == 250
            _fill(mail.queue / "filler")
            assert client.data(body) == (451, b"4.3.0 Error: queue file write error")
        (mail.queue / "filler").unlink()
        _deliver(mail)
        accepted = codes.count(250) + 1
        mail.wait_until(lambda: len(mail.queued("deferred")) == accepted)
        mail.stop()
    finally:
        mail.stop()
        for _ in range(20):
            if subprocess.run(["umount", mail.queue], check=False).returncode == 0:
                break
            time.sleep(0.2)


def test_a_nul_anywhere_in_the_envelope_harms_nobody_elses_mail(instance) -> None:
    """Each record of a real file in turn has a NUL in its data."""
    mail = instance(main_cf="defer_transports = virtual")
    _deliver(mail)
    mail.wait_until(lambda: mail.queued("deferred"))
    (path,) = [path for path in (mail.queue / "deferred").rglob("*") if path.is_file()]
    good = path.read_bytes()
    mail.command("postsuper", "-d", "ALL", check=True)
    mail.command("postconf", "-e", "defer_transports =", check=True)
    mail.reload()
    names = []
    for number, (begin, kind, data) in enumerate(rec.iterate(good)):
        if len(data) > 2 and kind not in {rec.SIZE, rec.NORM}:
            at = good.index(data, begin) + len(data) // 2
            new = mail.queue / "incoming" / f"{number:05X}ABCDE"
            new.write_bytes(good[:at] + b"\0" + good[at + 1 :])
            os.chown(new, mail.owner.uid, mail.owner.gid)
            new.chmod(0o700)
            names.append(new.name)
    assert len(names) > 10
    mail.command("postqueue", "-f")
    _deliver(mail)
    mail.wait_until(lambda: not mail.queued("incoming") and not mail.queued("active"))
    mail.stop()
    assert "error: " not in mail.log()
    for name in names:
        assert re.search(f"{name}: (removed|.*corrupt)|corrupt file \"{name}\"", mail.log()), (name, mail.log())


@pytest.mark.parametrize(("utf8", "logged"), [("yes", "ü"), ("no", "??")])
def test_the_log_is_ascii_without_smtputf8(instance, utf8: str, logged: str) -> None:
    mail = instance(main_cf=f"smtputf8_enable = {utf8}")
    with mail.smtp() as client:
        client.command_encoding = "utf-8"
        client.ehlo("client.test")
        client.docmd("MAIL", "FROM:<ü@example.com>")
        assert client.docmd("RCPT", "TO:<nobody@demo.test>")[0] == 550
    mail.command("postfix", "stop")
    assert f": User unknown in virtual mailbox table; from=<{logged}@example.com> to=<nobody@demo.test> " in mail.log()
