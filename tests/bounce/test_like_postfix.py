"""Reports beside those of real Postfix: the same mail to both, all reports compared.

The words of the notification are our own: both read them from the same bounce_template_file. What
differs by nature is replaced on both sides: queue ids, times, host names, ports.

Known differences of 3.11: an ORCPT that smtpd makes of a UTF-8 address has the type utf-8;
TLS-Required: and REQUIRETLS, which do not show in these messages.
"""

import email
import re
import smtplib
from pathlib import Path

import pytest

from pyfix.config.bounce_template import DEFAULTS, dump_templates, parse_templates
from tests.bounce.beside import both, normal

MAIN_CF = """
myhostname = peer.example
myorigin = origin.example
mydestination =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = s.test
virtual_mailbox_maps = inline:{{a@s.test=a/}, {pm@s.test=pm/}}
virtual_alias_maps = inline:{{al@fail.test=long.long.name@fail.test}}
transport_maps = inline:{{fail.test=error:5.1.1 nosuch user (here) in a@b.example:  and the reason is long so that this line must be wrapped somewhere}, {slow.test=retry:4.3.0 later}, {ok.test=discard:done}}
smtpd_reject_unlisted_recipient = no
bounce_notice_recipient = pm@s.test
2bounce_notice_recipient = pm@s.test
delay_notice_recipient = pm@s.test
delay_warning_time = 3601
"""  # noqa: E501
TEXT = (
    b"From: a@s.test\r\nTo: b@fail.test\r\nSubject: hi\r\nMessage-ID: <m1@s.test>\r\n"
    b"References: <r1@x.test>\r\n\r\nbody one\r\n\r\n.dot\r\n"
)
LARGE = TEXT.replace(b"body one", b"\r\n".join([b"x" * 70] * 1000))
EIGHT_BIT = (
    b"From: a@s.test\r\nTo: b@fail.test\r\nSubject: hi\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nbody \xc3\xa4\r\n"
)
SENDER = "a@s.test"

# name: sender, MAIL options, recipients, RCPT options, text
MAIL: dict[str, tuple[str, str, list[str], str, bytes]] = {
    "several recipients": (SENDER, "", ["b@fail.test", "al@fail.test", '"q q"@fail.test'], "", TEXT),
    "one word too long": (SENDER, "", [f"{'w' * 90}@fail.test".replace("w" * 30, "w" * 20)], "", TEXT),
    "8 bits": (SENDER, " BODY=8BITMIME", ["b@fail.test"], "", EIGHT_BIT),
    "headers only": (SENDER, " RET=HDRS ENVID=Q+2B314", ["b@fail.test"], " ORCPT=rfc822;o+2Bo@x.test", TEXT),
    "large": (SENDER, "", ["b@fail.test"], "", LARGE),
    "null sender": ("", "", ["b@fail.test"], "", TEXT),
    "nobody asked": (SENDER, "", ["b@fail.test"], " NOTIFY=NEVER", TEXT),
    "success": (SENDER, " ENVID=E1", ["ok@ok.test"], " NOTIFY=SUCCESS,FAILURE", TEXT),
    "mixed": (SENDER, "", ["ok@ok.test", "b@fail.test", "c@slow.test"], "", TEXT),
    "SMTPUTF8": (SENDER, " SMTPUTF8 BODY=8BITMIME", ["\xfcser@fail.test"], "", EIGHT_BIT),
}
WRAPPED = {
    f"line of {80 + n}": (SENDER, "", [f"{'w' * (n + 2)}@fail.test"], "", TEXT) for n in range(8)
}


def _send(port: int, mail: dict[str, tuple[str, str, list[str], str, bytes]]) -> dict[str, str]:
    """The names by queue id."""
    ids: dict[str, str] = {}
    for name, (sender, options, recipients, rcpt_options, text) in mail.items():
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.command_encoding = "utf-8"
            client.ehlo("client.example")
            assert client.docmd(f"MAIL FROM:<{sender}>{options}")[0] == 250
            for recipient in recipients:
                code, reply = client.docmd(f"RCPT TO:<{recipient}>{rcpt_options}")
                assert code == 250, reply
            code, reply = client.data(text)
            assert code == 250, reply
            ids[reply.decode().rpartition(" ")[2]] = name
    return ids


def _reports(boxes: Path, ids: dict[str, str]) -> dict[tuple[str, str, str], bytes]:
    """Normalised reports, by the name of the message, recipient and subject."""
    found: dict[tuple[str, str, str], bytes] = {}
    for path in boxes.rglob("new/*"):
        text = path.read_bytes()
        message = email.message_from_bytes(text)
        queue_id = re.search(rb"X-Postfix-Queue-ID: (\w+)", text)
        name = ids.get(queue_id[1].decode() if queue_id else "")
        if name is not None:
            found[name, message["To"], message["Subject"]] = normal(text)
    return found


def _lines(text: bytes) -> list[str]:
    return text.decode().splitlines()


@pytest.mark.parametrize(
    ("main_cf", "mail", "count"),
    [
        ("notify_classes = bounce, 2bounce, delay\nenable_threaded_bounces = yes", MAIL, 17),
        ("smtputf8_enable = no", {name: MAIL[name] for name in ("several recipients", "8 bits")}, 2),
        ("", WRAPPED, 8),
    ],
    ids=["all reports", "7 bits", "wrapping"],
)
def test_reports_are_those_of_postfix(instance, real_postfix, main_cf, mail, count) -> None:
    ours, theirs = both(instance, real_postfix, MAIN_CF + main_cf + "\n")
    our_ids, their_ids = _send(ours.port, mail), _send(theirs.port, mail)
    ours.wait_until(lambda: len(_reports(theirs.top / "mail", their_ids)) == count)
    ours.wait_until(lambda: len(_reports(ours.directory / "mail", our_ids)) == count)
    expected = _reports(theirs.top / "mail", their_ids)
    found = _reports(ours.directory / "mail", our_ids)
    assert sorted(found) == sorted(expected)
    for key, text in expected.items():
        assert _lines(found[key]) == _lines(text), key


def test_the_template_file_that_we_write_is_one_that_we_read() -> None:
    read = parse_templates(dump_templates(DEFAULTS.values()), "[built-in]")
    assert read == DEFAULTS

