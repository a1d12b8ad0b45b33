"""Whatever arrives is what was sent, by whoever sent it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.corpus import Message, corpus, large, simple
from tests.e2e.talk import Talk

pytestmark = pytest.mark.timeout(240)
# The corpus has addresses and all headers it needs; nothing is to be completed.
AS_IS = "local_header_rewrite_clients =\nmessage_size_limit = 50000000\nvirtual_mailbox_limit = 0\n"


def _arrived(mail) -> dict[str, bytes]:
    """Name of a message: its bytes from the first corpus header on."""
    found = {}
    for message in mail.maildir("alice@demo.test"):
        at = message.index(b"X-Corpus: ")
        found[message[at + 10 : message.index(b"\n", at)].decode()] = message[at:]
    return found


def _compare(mail, messages: list[Message]) -> None:
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) >= len(messages), 60)
    arrived = _arrived(mail)
    wrong = [m.name for m in messages if arrived.get(m.name) != m.arrives]
    assert wrong == []


def _text(message: Message) -> bytes:
    """As a file for clients that end the last line themselves."""
    return message.data.replace(b"\r\n", b"\n").removesuffix(b"\n")


def test_the_corpus_and_a_large_message_arrive_byte_by_byte(instance) -> None:
    mail = instance(main_cf=AS_IS)
    messages = [*corpus(), large()]
    assert len(messages) > 500
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        for message in messages:
            options = " BODY=8BITMIME" + (" SMTPUTF8" if message.smtputf8 else "")
            code, text = client.deliver(message.data, ["alice@demo.test"], options=options)
            assert code == 250, (message.name, text)
    _compare(mail, messages)


def test_python_smtplib_sends(instance) -> None:
    mail = instance(main_cf=AS_IS)
    messages = simple()
    with mail.smtp() as client:
        for message in messages:
            client.sendmail("sender@example.com", ["alice@demo.test"], message.data)
    _compare(mail, messages)


def test_chunks_carry_what_data_carries(instance) -> None:
    mail = instance(main_cf=AS_IS)
    messages = [m for m in corpus() if not m.name.startswith("bare_")]
    with Talk(mail.port) as client:
        client.ask("EHLO client.example")
        for number, message in enumerate(messages):
            client.ask("MAIL FROM:<sender@example.com> SMTPUTF8")
            client.ask("RCPT TO:<alice@demo.test>")
            cut = number * 37 % len(message.data) + 1
            client.send(b"BDAT %d\r\n" % cut + message.data[:cut])
            assert client.reply() == (250, f"2.0.0 Ok: {cut} bytes")
            rest = message.data[cut:]
            client.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
            code, text = client.reply()
            assert re.fullmatch(r"2\.0\.0 Ok: \d+ bytes queued as \w+", text), (code, text)
    _compare(mail, messages)


@pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed")
def test_swaks_sends(instance) -> None:
    mail = instance(main_cf=AS_IS)
    messages = simple()[:12]
    for message in messages:
        server = f"127.0.0.1:{mail.port} --from sender@example.com --to alice@demo.test"
        subprocess.run(
            ["swaks", *f"--data - --silent 2 --helo client.example --server {server}".split()],
            input=_text(message),
            check=True,
            timeout=20,
        )
    _compare(mail, messages)


SMTP_SOURCE = shutil.which("smtp-source", path="/usr/sbin:/usr/bin")


@pytest.mark.skipif(not SMTP_SOURCE, reason="smtp-source (Postfix) is not installed")
def test_smtp_source_sends_many_at_once(instance, tmp_path: Path) -> None:
    mail = instance(main_cf=AS_IS)
    file = tmp_path / "message"
    message = simple()[0]
    file.write_bytes(_text(message))
    envelope = "-f sender@example.com -t alice@demo.test"
    words = f"-s 20 -m 400 {envelope} -F {file} 127.0.0.1:{mail.port}".split()
    subprocess.run([SMTP_SOURCE, *words], check=True, timeout=60)
    mail.wait_until(lambda: len(mail.maildir("alice@demo.test")) == 400, 60)
    assert all(got.rstrip().endswith(message.arrives.rstrip()) for got in mail.maildir("alice@demo.test"))


def test_a_relaying_real_postfix_sends(instance, real_postfix) -> None:
    mail = instance(main_cf=AS_IS)
    peer = real_postfix(
        f"relayhost = [127.0.0.1]:{mail.port}\nlocal_header_rewrite_clients =\n"
        "disable_mime_output_conversion = yes\nmessage_size_limit = 50000000\n"
        "smtp_line_length_limit = 0\nsmtputf8_enable = yes\nsmtp_tls_security_level = none\n"
    )
    messages = corpus()
    with Talk(peer.port) as client:
        client.ask("EHLO client.example")
        for message in messages:
            options = " BODY=8BITMIME" + (" SMTPUTF8" if message.smtputf8 else "")
            assert client.deliver(message.data, ["alice@demo.test"], options=options)[0] == 250
    _compare(mail, messages)
