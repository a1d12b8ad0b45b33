"""Programs that people use hand in mail, as an ordinary user: by sendmail and the postdrop service, or by SMTP."""

import os
import shutil
import subprocess
import sys
from email import message_from_bytes
from pathlib import Path

import pytest

from pyfix.unix import users

ROOT = Path(__file__).parent.parent.parent
WRAPPER = """\
#!{python} -I
import sys
sys.path.insert(0, {root!r})
from pyfix.commands.sendmail import main
sys.exit(main())
"""


@pytest.fixture
def mail(instance):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return instance()


@pytest.fixture
def sendmail(mail):
    path = mail.directory / "sendmail"
    path.write_text(WRAPPER.format(python=sys.executable, root=str(ROOT)))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def run(mail):
    """Run as games, in a directory of his own, with MAIL_CONFIG as a login might set it."""
    user = users.user("games")
    home = mail.directory / "home"
    home.mkdir()
    os.chown(home, user.uid, user.gid)

    def command(*line, stdin=""):
        prefix = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "MAIL_CONFIG": str(mail.config), "USER": "games"}
        done = subprocess.run(
            [*prefix, *line],
            input=stdin, env=environment, cwd=home, capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + mail.log()
        return done

    command.user = f"from userid {user.uid})"
    return command


def arrived(mail, way):
    """The one message that Alice has, which came that way: from a user id, or by a protocol."""
    mail.wait_until(lambda: mail.maildir("alice@demo.test"))
    (message,) = mail.maildir("alice@demo.test")
    assert way.encode() in message
    return message_from_bytes(message)


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


@needs("s-nail")
def test_mail(mail, run, sendmail):
    run(
        "s-nail", "-n", "-Snosave", f"-Smta={sendmail}", "-s", "from the shell", "-a", "/etc/hostname",
        "alice@demo.test",
        stdin="hello\n.\nworld\n",
    )  # fmt: skip
    message = arrived(mail, run.user)
    assert message["Subject"] == "from the shell"
    assert message.is_multipart()


@needs("s-nail")
def test_mail_by_smtp(mail, run):
    run(
        "s-nail", "-n", "-Snosave", "-Sv15-compat", f"-Smta=smtp://127.0.0.1:{mail.port}", "-Ssmtp-auth=none",
        "-Ssmtp-hostname=demo.test", "-Sfrom=games@demo.test", "-s", "from the shell", "alice@demo.test",
        stdin="hello\n.\nworld\n",
    )  # fmt: skip
    message = arrived(mail, "with SMTP id")  # it says HELO, where it has no password
    assert message["Return-Path"] == "<games@demo.test>"
    assert message.get_payload() == "hello\n.\nworld\n"


@needs("git")
@pytest.mark.parametrize("by", ["sendmail", "smtp"])
def test_git_send_email(mail, run, sendmail, by):
    if not Path("/usr/lib/git-core/git-send-email").exists():
        pytest.skip("git-email is not installed")
    how = {
        "sendmail": [f"--sendmail-cmd={sendmail} -i"],
        "smtp": ["--smtp-server=127.0.0.1", f"--smtp-server-port={mail.port}", "--smtp-domain=client.test"],
    }
    patch = mail.directory / "home" / "0001-x.patch"
    patch.write_text(
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: Games <games@demo.test>\n"
        "Date: Fri, 20 Nov 2026 10:00:00 +0000\nSubject: [PATCH] Change a line\n\n---\n-old\n+.\n.\n--\n2.39\n"
    )
    run(
        "git", "-c", "user.name=Games", "-c", "user.email=games@demo.test", "send-email", "--confirm=never",
        "--suppress-cc=all", *how[by],
        "--from=games@demo.test", "--to=alice@demo.test", str(patch),
    )  # fmt: skip
    message = arrived(mail, run.user if by == "sendmail" else "with ESMTP id")
    assert message["Subject"] == "[PATCH] Change a line"
    assert message["Return-Path"] == "<games@demo.test>"
    assert "\n.\n" in message.get_payload()


def test_cron(mail, run, sendmail):
    text = "From: root (Cron Daemon)\nTo: alice@demo.test\nSubject: Cron <root@host> job\n\nout\n"
    run(sendmail, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-t", "-odi", "-oi", stdin=text)
    message = arrived(mail, run.user)
    assert message["From"] is not None
    assert message.get_payload() == "out\n"


def test_php(mail, run, sendmail):
    text = "To: alice@demo.test\r\nSubject: form\r\nFrom: www@demo.test\r\nX-Mailer: PHP\r\n\r\nline\r\n.\r\nlast\r\n"
    run("/bin/sh", "-c", f"{sendmail} -t -i -f www@demo.test", stdin=text)
    message = arrived(mail, run.user)
    assert message["Return-Path"] == "<www@demo.test>"
    assert message.get_payload() == "line\n.\nlast\n"


def test_python_subprocess(mail, run, sendmail):
    script = (
        "import subprocess, email.message\n"
        "m = email.message.EmailMessage()\n"
        "m['To'] = 'Alice <alice@demo.test>'\nm['Bcc'] = 'bob@demo.test'\nm['Subject'] = 'caf\u00e9'\n"
        "m.set_content('gr\u00fc\u00dfe')\n"
        f"subprocess.run([{sendmail!r}, '-t', '-oi'], input=m.as_bytes(), check=True)\n"
    )
    run(sys.executable, "-c", script)
    message = arrived(mail, run.user)
    assert message["Bcc"] is None
    mail.wait_until(lambda: mail.maildir("bob@demo.test"))


def test_python_smtplib(mail, run):
    script = (
        "import smtplib, email.message\n"
        "m = email.message.EmailMessage()\n"
        "m['From'] = 'games@demo.test'\nm['To'] = 'Alice <alice@demo.test>'\nm['Bcc'] = 'bob@demo.test'\n"
        "m['Subject'] = 'caf\u00e9'\nm.set_content('.gr\u00fc\u00dfe\\n.\\n', cte='8bit')\n"
        f"with smtplib.SMTP('127.0.0.1', {mail.port}) as client:\n"
        "    assert client.send_message(m) == {}\n"
        "    refused = client.send_message(m, to_addrs=['nobody@demo.test', 'bob@demo.test'])\n"
        "assert refused['nobody@demo.test'][0] == 550, refused\n"
    )
    run(sys.executable, "-c", script)
    message = arrived(mail, "with ESMTP id")
    assert message["Bcc"] is None
    assert message.get_payload(decode=True).decode() == ".gr\u00fc\u00dfe\n.\n"
    mail.wait_until(lambda: len(mail.maildir("bob@demo.test")) == 2)


def test_many_at_once(mail, run, sendmail):
    script = (
        "import subprocess\n"
        f"line = [{sendmail!r}, 'alice@demo.test']\n"
        "all = [subprocess.Popen(line, stdin=subprocess.PIPE) for _ in range(40)]\n"
        "for p in all: p.communicate(b'x\\n')\n"
        "assert not any(p.returncode for p in all)\n"
    )
    run(sys.executable, "-c", script)
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 40)


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def test_etrn_and_postqueue_try_mail_of_a_site(instance):
    mail = instance(
        main_cf="relay_domains = away.test\ntransport_maps = inline:{{away.test=nosuch:}}\n"
        "fast_flush_domains = away.test\n"
    )
    log = mail.queue / "flush" / "away_test"
    with mail.smtp() as client:
        client.sendmail("a@demo.test", ["b@away.test"], b"Subject: x\n\nx\n")
        mail.wait_for("status=deferred")
        mail.wait_until(lambda: size_of(log))
        assert client.docmd("ETRN away.test") == (250, b"Queuing started")
        mail.wait_until(lambda: mail.log().count("status=deferred") == 2)
        assert client.docmd("ETRN other.test")[0] == 459
    mail.wait_until(lambda: size_of(log))
    assert mail.command("postqueue", "-s", "away.test").returncode == 0
    mail.wait_until(lambda: mail.log().count("status=deferred") == 3)
    mail.wait_until(lambda: mail.queued("deferred"))
    (queue_id,) = mail.queued("deferred")
    assert mail.command("postqueue", "-i", queue_id).returncode == 0
    mail.wait_until(lambda: mail.log().count("status=deferred") == 4)
    done = mail.command("postqueue", "-s", "other.test")
    assert done.returncode == 69
    assert 'Flush service is not configured for destination "other.test"' in done.stderr


def test_lists_and_flushes_are_for_authorized_users(instance):
    mail = instance(main_cf="authorized_mailq_users = root\nauthorized_flush_users = root\n")
    user = users.user("games")
    mail.prefix = ["setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups"]
    done = mail.command("postqueue", "-p")
    assert (done.returncode, done.stderr.partition(": ")[2]) == (
        69, f"fatal: User games({user.uid}) is not allowed to view the mail queue\n",
    )  # fmt: skip
    copy = mail.directory / "copy"  # a configuration in which the command sees no reason to refuse
    copy.mkdir()
    (copy / "main.cf").write_text(f"queue_directory = {mail.queue}\n")
    assert mail.command("postqueue", "-c", str(copy), "-p").returncode == 69
    mail.command("postqueue", "-c", str(copy), "-f")
    mail.prefix = []
    mail.wait_for(rf"showq\[\d+\]: warning: User games\({user.uid}\) is not allowed to view the mail queue")
    mail.wait_for(rf"qmgr\[\d+\]: warning: User games\({user.uid}\) is not allowed to flush the mail queue")
    assert mail.command("postqueue", "-p").stdout == "Mail queue is empty\n"
