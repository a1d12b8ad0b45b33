"""A real Postfix and ours tell the postmaster of the same sessions, with the same words."""

import contextlib
import re
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pyfix.queue import records as rec
from tests.ports import free_port
from tests.real_postfix import real_postfix, version

__all__ = ["real_postfix"]

SETTINGS = """
myhostname = mx.example.com
mydomain = example.com
mydestination = mx.example.com, example.com
local_recipient_maps = inline:{{joe=x},{ann=x},{postmaster=x}}
smtpd_peername_lookup = no
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 900
smtpd_hard_error_limit = 30
smtpd_junk_command_limit = 900
smtpd_recipient_limit = 3
smtpd_forbidden_commands = GET
smtpd_noop_commands = FOOP
smtpd_history_flush_threshold = 40
message_size_limit = 20000
error_notice_recipient = errors@notes.test
bounce_notice_recipient = bounces@notes.test
smtpd_recipient_restrictions = @recipients, permit_mynetworks, reject_unauth_destination
smtpd_sender_restrictions = check_sender_access inline:{{rej@x.test=reject},{warn@x.test=warned}}
smtpd_restriction_classes = warned
warned = warn_if_reject reject
smtpd_data_restrictions = check_sender_access inline:{{data@x.test=reject}}
smtpd_end_of_data_restrictions = check_sender_access inline:{{end@x.test=reject}}
""".replace(
    "@recipients",
    "check_recipient_access inline:{{rej@example.com=reject},{soft@example.com=450 4.7.1 later},"
    "{bad@example.com=nosuchword},{gone@example.com=discard},{held@example.com=hold},{w@example.com=warn}}",
)
CLASSES = ("bounce", "policy", "protocol", "software")
SERVICES = {
    **{name: [f"notify_classes = {name}"] for name in CLASSES},
    "two": ["notify_classes = protocol, software", "myorigin = origin.test"],
    "full": ["notify_classes = resource", "queue_minfree = 100000000000000"],
    "no vrfy": ["notify_classes = policy", "disable_vrfy_command = yes"],
    "lookup": ["notify_classes = data", "smtpd_recipient_restrictions = reject_unlisted_recipient, reject",
               "virtual_alias_maps = fail:trouble"],
    "impatient": ["notify_classes = protocol", "smtpd_timeout = 1s"],
    "footer": ["notify_classes = policy", "smtpd_reject_footer = \\c. Call us\\nor write"],
}  # fmt: skip
HELO, MAIL, RCPT, DATA, QUIT = (
    b"HELO %s\r\n", b"MAIL FROM:<a@x.test>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"DATA\r\n", b"QUIT\r\n"
)  # fmt: skip
TEXT = b"Subject: x\r\n\r\nhi\r\n.\r\n"
FOO, NOOP = b"FOO\r\n", b"NOOP\r\n"
WORDS = [b"FOO " + b"a" * n + b" " + b" ".join([b"bcd"] * 17) + b" efg\r\n" for n in range(8)]


def mail(sender: bytes) -> bytes:
    return b"MAIL FROM:<" + sender + b">\r\n"


def rcpt(recipient: bytes) -> bytes:
    return b"RCPT TO:<" + recipient + b">\r\n"


USUAL = {
    "all is well": [MAIL, RCPT, DATA, TEXT, QUIT],
    "unknown command": [FOO, QUIT],
    "another protocol": [b"GET / HTTP/1.0\r\n"],
    "a header": [b"Received: x\r\n"],
    "nothing": [b"FOOP\r\n", QUIT],
    "HELO": [b"HELO\r\n", QUIT],
    "MAIL": [b"MAIL FOO\r\n", QUIT],
    "nested MAIL": [MAIL, MAIL, QUIT],
    "MAIL, address": [b"MAIL FROM:<a@b@c d>\r\n", QUIT],
    "MAIL, option": [b"MAIL FROM:<a@x.test> FOO=BAR\r\n", QUIT],
    "MAIL, size": [b"MAIL FROM:<a@x.test> SIZE=99999\r\n", QUIT],
    "RCPT without MAIL": [RCPT, QUIT],
    "RCPT": [MAIL, b"RCPT joe\r\n", QUIT],
    "RCPT, nobody": [MAIL, rcpt(b"nobody@example.com"), QUIT],
    "RCPT, refused": [MAIL, rcpt(b"rej@example.com"), QUIT],
    "RCPT, later": [MAIL, rcpt(b"soft@example.com"), QUIT],
    "RCPT, configuration": [MAIL, rcpt(b"bad@example.com"), QUIT],
    "RCPT, actions": [MAIL, rcpt(b"gone@example.com"), rcpt(b"held@example.com"), rcpt(b"w@example.com"), QUIT],
    "RCPT, too many": [MAIL, RCPT, RCPT, RCPT, RCPT, QUIT],
    "sender, refused": [mail(b"rej@x.test"), RCPT, QUIT],
    "sender, warning": [mail(b"warn@x.test"), RCPT, QUIT],
    "DATA, refused": [mail(b"data@x.test"), RCPT, DATA, QUIT],
    "end of DATA, refused": [mail(b"end@x.test"), RCPT, DATA, TEXT, QUIT],
    "DATA without RCPT": [MAIL, DATA, QUIT],
    "DATA": [MAIL, RCPT, b"DATA x\r\n", QUIT],
    "too big": [MAIL, RCPT, DATA, (b"x" * 70 + b"\r\n") * 400 + b".\r\n", QUIT],
    "trouble made up for": [FOO, MAIL, RCPT, DATA, TEXT, QUIT],
    "trouble after it": [FOO, MAIL, RCPT, DATA, TEXT, MAIL, FOO, QUIT],
    "RSET": [FOO, b"RSET\r\n", QUIT],
    "lost": [MAIL, RCPT],
    "lost after trouble": [FOO, MAIL, RCPT],
    "VRFY": [b"VRFY nobody@example.com\r\n", QUIT],
    "VRFY, syntax": [b"VRFY\r\n", QUIT],
    "ETRN": [b"ETRN foo.test\r\n", QUIT],
    "ETRN, syntax": [b"ETRN\r\n", QUIT],
    "AUTH": [b"AUTH PLAIN\r\n", QUIT],
    "STARTTLS": [b"STARTTLS\r\n", QUIT],
    "XCLIENT": [b"XCLIENT NAME=x\r\n", QUIT],
    "BDAT": [MAIL, RCPT, b"BDAT x\r\n"],
    "BDAT without RCPT": [b"BDAT 0 LAST\r\n", QUIT],
    "too many errors": [FOO] * 40,
    "NUL and others": [b"NO\0OP\r\n", b"FOO \x01\t(x) %d\\\r\n", "FOO b\u00e4r\r\n".encode(), QUIT],
    "bad UTF-8": [b"FOO \xe4\r\n", QUIT],
    "RSET when it is long": [FOO, *[NOOP] * 20, b"RSET\r\n", NOOP, QUIT],
    "HELO when it is long": [FOO, *[NOOP] * 20, b"HELO again\r\n", NOOP, QUIT],
    "EHLO when it is long": [FOO, *[NOOP] * 20, b"EHLO again\r\n"],
    "RSET when it is nearly long": [FOO, *[NOOP] * 17, b"RSET\r\n", NOOP, QUIT],
    "refused end when it is long": [FOO, *[NOOP] * 20, mail(b"end@x.test"), RCPT, DATA, TEXT, NOOP, QUIT],
    "made up for when it is long": [FOO, *[NOOP] * 20, MAIL, RCPT, DATA, TEXT, HELO, FOO, QUIT],
    "several": [FOO, MAIL, rcpt(b"rej@example.com"), rcpt(b"bad@example.com"), rcpt(b"nobody@example.com"), QUIT],
    "long lines": [*WORDS, b"FOO " + b"x" * 200 + b"\r\n", b"FOO " + b"x" * 70 + b" y\r\n", QUIT],
}  # fmt: skip
MORE = {
    ("two", "several"): [FOO, MAIL, rcpt(b"rej@example.com"), rcpt(b"bad@example.com"), QUIT],
    ("two", "only another"): [MAIL, rcpt(b"rej@example.com"), QUIT],
    ("full", "MAIL"): [MAIL, QUIT],
    ("no vrfy", "VRFY"): [b"VRFY joe\r\n", QUIT],
    ("lookup", "RCPT"): [MAIL, RCPT, QUIT],
    ("impatient", "nothing wrong"): [MAIL],
    ("impatient", "something wrong"): [FOO, MAIL],
    ("footer", "RCPT, refused"): [MAIL, rcpt(b"rej@example.com"), QUIT],
}
if version() < (3, 11):  # it forgets a long session at HELO, RSET and the end of a message only: see test_since_3_8
    USUAL = {name: chunks for name, chunks in USUAL.items() if not name.endswith("long") and name != "too many errors"}
DIALOGS = {(service, name): chunks for name, chunks in USUAL.items() for service in CLASSES} | MORE
NUMBERS = {key: number for number, key in enumerate(DIALOGS)}
ANSWER = re.compile(rb"(?s)(.*\n)?\d{3} [^\n]*\n\Z")


def chunks_of(key: tuple[str, str]) -> list[bytes]:
    """It begins with a name by which its notices are known."""
    name = b"d%d.test" % NUMBERS[key]
    return [chunk % name if chunk is HELO else chunk for chunk in (HELO, *DIALOGS[key])]


def number_of(text: str) -> int:
    found = re.search(r"^ In:  HELO d(\d+)\.test$", text, re.MULTILINE)
    return int(found[1]) if found else -1


def comparable(text: str) -> str:
    """What the two may differ in: other keywords are offered, other queue ids given."""
    keywords = "PIPELINING|SIZE.*|VRFY|ETRN|8BITMIME|ENHANCEDSTATUSCODES|DSN|SMTPUTF8|CHUNKING"
    text = re.sub(rf"(?m)^ Out: 250[- ]({keywords})\n", "", text)
    return re.sub(r"queued as \w+", "queued as ID", text)


@pytest.fixture(scope="module")
def theirs() -> Iterator[dict[int, list[str]]]:
    """Number of dialog -> the notices that real Postfix sends of it."""
    for make in real_postfix.__wrapped__():
        yield _notices_of_real(make)


def _notices_of_real(make: Callable[..., Any]) -> dict[int, list[str]]:
    ports = {name: free_port() for name in SERVICES}
    more = """
virtual_mailbox_domains = notes.test
virtual_mailbox_base = {top}/mail
virtual_mailbox_maps = inline:{ {errors@notes.test=errors/}, {bounces@notes.test=bounces/} }
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_mailbox_limit = 0
local_transport = discard:
default_transport = discard:
"""
    lines = [
        f"127.0.0.1:{ports[name]} inet n - n - - smtpd " + " ".join(f"-o {{{setting}}}" for setting in settings)
        for name, settings in SERVICES.items()
    ]
    peer = make(SETTINGS + more, "\n".join(lines) + "\n")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: _talk(ports[key[0]], chunks_of(key), wait=key[0] == "impatient"), DIALOGS))
    _wait_until_settled(peer)
    found = defaultdict(list)
    for path in (peer.top / "mail").glob("*/new/*"):
        text = path.read_text(errors="surrogateescape")
        found[number_of(text)].append(_comparable_mail(text))
    return found


def _wait_until_settled(peer) -> None:
    """Until each notice that was begun is in its mailbox."""
    end = time.monotonic() + 30
    quiet = 0
    while quiet < 10:
        assert time.monotonic() < end, peer.log()
        queued = [path for queue in ("incoming", "active", "deferred") for path in (peer.queue / queue).rglob("*")]
        quiet = 0 if any(path.is_file() for path in queued) else quiet + 1
        time.sleep(0.05)


def _talk(port: int, chunks: list[bytes], *, wait: bool) -> None:
    with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        for chunk in (b"", *chunks):
            if chunk:
                sock.sendall(chunk)
            heard = b""
            while not ANSWER.fullmatch(heard):
                data = sock.recv(65536)
                if not data:
                    return
                heard += data
        while wait and sock.recv(65536):
            pass


def _comparable_mail(text: str) -> str:
    head, _, body = text.partition("\n\n")
    fields = sorted(re.findall(r"(?m)^(?:From|To|Subject|Delivered-To): .*$", head))
    return comparable("\n".join([*fields, "", body.rstrip("\n")]))


def _notices_of_ours(server, key: tuple[str, str]) -> list[str]:
    settings = "".join(f"{line}\n" for line in (*SETTINGS.strip().split("\n"), *SERVICES[key[0]]))
    ours = server(settings)
    ours.talk(*chunks_of(key), patient=True, end="keep" if key[0] == "impatient" else "close")
    notices = []  # without those that do not say whose they are
    for message in ours.cleanup.messages:
        records = message.records
        if (rec.FROM, b"double-bounce@mx.example.com") in records:
            text = b"\n".join(data for kind, data in records if kind == rec.NORM).decode()
            recipient = next(data for kind, data in records if kind == rec.RCPT).decode()
            if number_of(text) == NUMBERS[key]:
                notices.append(_comparable_mail(f"Delivered-To: {recipient}\n{text}"))
    return notices


def _as_lines(notices: list[str]) -> list[str]:
    return "\n=====\n".join(sorted(notices)).split("\n")


@pytest.mark.parametrize("key", DIALOGS, ids="/".join)
def test_the_postmaster_is_told_what_postfix_tells(server, theirs, key) -> None:
    assert _as_lines(_notices_of_ours(server, key)) == _as_lines(theirs[NUMBERS[key]])


def test_postfix_tells_of_each_class(theirs) -> None:
    told = {service for (service, _), number in NUMBERS.items() if theirs[number]}
    assert told == set(SERVICES)
