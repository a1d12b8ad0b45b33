"""Mail that comes back, for every kind of reason, beside real Postfix: whole reports, with the original in them."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.bounce.beside import both, difference, difference_of_texts, normal
from tests.real_postfix import release

MAIN_CF = """
myhostname = peer.example
myorigin = origin.example
mydestination = local.test
local_recipient_maps =
alias_maps = inline:{ {looping=a@s.test} }
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = s.test
virtual_mailbox_maps = inline:{ {a@s.test=a/}, {pm@s.test=pm/} }
transport_maps = inline:{ {fail.test=error:5.1.1 nobody}, {next.test=smtp:[127.0.0.1]:%d} }
default_transport = error:5.1.2 no such domain
smtpd_reject_unlisted_recipient = no
authorized_submit_users = static:anyone
bounce_notice_recipient = pm@s.test
2bounce_notice_recipient = pm@s.test
error_notice_recipient = pm@s.test
notify_classes = bounce, 2bounce, delay, policy, protocol, resource, software, data
hopcount_limit = 5
bounce_size_limit = 3000
"""
SENDER = "a@s.test"
HEAD = "From: a@s.test\nTo: b@fail.test\nSubject: {name}\nMessage-ID: <m1@s.test>\n"
TEXT = HEAD + "\nbody\n"
HOPS = "Received: from a by b\n\tfor c; some day\n" * 5
LONG = "X-Long: " + ("x" * 69 + "\n ") * 60 + "y\n"
EIGHT_BIT = HEAD + (
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nbody \u00e4\n"
)
MULTIPART = HEAD + (
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=xx\n\npreamble\n--xx\nContent-Type: text/plain; "
    "charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nbody \u00e4\n--xx\nContent-Type: message/rfc822\n\n"
    "Subject: inner\n\ninner\n--xx--\nepilogue\n"
)
BAD_EIGHT_BIT = HEAD.replace("{name}", "{name} \u00e4") + "\nbody \u00e4\n"


def _of_size(length: int) -> str:
    return HEAD + "\n" + ("x" * 69 + "\n") * (length // 70) + "y" * (length % 70) + "\n"


# name: words of sendmail, text
SUBMITTED: dict[str, tuple[list[str], str]] = {
    "hops": (["x@ok.test"], HOPS + TEXT),
    "hops, nothing else": (["x@ok.test"], HOPS + "Subject: {name}\n\nbody\n"),
    "hops, Resent": (["x@ok.test"], HOPS + "Resent-To: x@y.test\nSubject: {name}\n\nbody\n"),
    "hops, no body": (["x@ok.test"], HOPS + "Subject: {name}\n"),
    "hops, more headers than text": (["x@ok.test"], HOPS + "From: A <a>\nTo: B <b>, c\nBcc: d\nSubject: {name}\n\nx\n"),
    "hops, two": (["x@ok.test", "y@ok.test"], HOPS + TEXT),
    "hops, headers": (["-R", "hdrs", "-V", "envelope 1", "x@ok.test"], HOPS + TEXT),
    "hops, never": (["-N", "never", "x@ok.test"], HOPS + TEXT),
    "hops, success": (["-N", "success", "x@ok.test"], HOPS + TEXT),
    "hops, long": (["x@ok.test"], HOPS + _of_size(4000)),
    "hops, 8 bits": (["x@ok.test"], HOPS + EIGHT_BIT),
    "hops, multipart": (["x@ok.test"], HOPS + MULTIPART),
    "hops, from": (["-F", "Full Name", "x@ok.test"], HOPS + "Subject: {name}\n\nbody\n"),
    "hops, -t": (["-t"], HOPS + "To: x@ok.test\nCc: Y <y@ok.test>\nSubject: {name}\n\nbody\n"),
    "hops, no sender": (["-f", "", "x@ok.test"], HOPS + TEXT),
    "long headers": (["x@fail.test"], LONG + TEXT),
    "long headers, asked for": (["-R", "hdrs", "x@fail.test"], LONG + TEXT),
    "long headers, no body": (["x@fail.test"], LONG + HEAD),
    "unknown user": (["nobody-here-either@local.test"], TEXT),
    "forwarding loop": (["looping@local.test"], "Delivered-To: looping@local.test\n" + TEXT),
    "no domain": (["x@elsewhere.test"], TEXT),
    "8 bits": (["x@fail.test"], EIGHT_BIT),
    "multipart": (["x@fail.test"], MULTIPART),
    "undeclared": (["x@fail.test"], BAD_EIGHT_BIT),
    "no headers": (["x@fail.test"], "\nbody\n"),
    "no text": (["x@fail.test"], "Subject: {name}\n"),
    "next refuses": (["gone@next.test", "multi@next.test"], TEXT),
    "next refuses text": (["ok@next.test"], "X-Refuse: yes\n" + TEXT),
    "next, ORCPT": (["-N", "success,failure", "gone@next.test"], TEXT),
    "next, too long": (["ok@next.test"], _of_size(9000)),
    "no sender": (["-f", "", "x@fail.test"], TEXT),
    "no sender, long": (["-f", "", "x@fail.test"], _of_size(5000)),
    "double bounce": (["-f", "double-bounce@peer.example", "x@fail.test"], TEXT),
    **{f"size {n}": (["x@fail.test"], _of_size(n)) for n in range(2500, 3000, 25)},
}

COUNT = 93


@contextlib.contextmanager
def _next_host() -> Iterator[int]:
    """A host that takes 8000 bytes, and knows ok only; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener,), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=_talk, args=(listener.accept()[0],), daemon=True).start()


def _talk(sock: socket.socket) -> None:
    with sock, sock.makefile("rwb", buffering=0) as file, contextlib.suppress(OSError):
        file.write(b"220 next.test\r\n")
        while line := file.readline():
            word, text = line[:4].upper().strip(), line.lower()
            if word == b"EHLO":
                file.write(b"250-next.test\r\n250-SIZE 8000\r\n250 8BITMIME\r\n")
            elif b"<gone" in text:
                file.write(b"550 5.1.1 gone\r\n")
            elif b"<multi" in text:
                file.write(b"550-5.7.1 several lines\r\n550-5.7.1 with  blanks, \\, (brackets)\r\n550 5.7.1 end\r\n")
            elif word == b"DATA":
                file.write(b"354 go on\r\n")
                lines = list(iter(file.readline, b".\r\n"))
                refuse = any(part.startswith(b"X-Refuse") for part in lines)
                file.write(b"554 no\r\n" if refuse else b"250 ok\r\n")
            elif word == b"QUIT":
                file.write(b"221 bye\r\n")
                return
            else:
                file.write(b"250 ok\r\n")


def _submit(command) -> None:
    for name, (words, text) in SUBMITTED.items():
        done = command("sendmail", "-f", SENDER, *words, stdin=text.replace("{name}", name).encode())
        assert done.returncode == 0, (name, done.stderr)


def _texts(boxes: Path) -> list[str]:
    """Normalised messages, sorted."""
    return sorted(normal(path.read_bytes()).decode("utf-8", "backslashreplace") for path in boxes.rglob("new/*"))


def _hop_lines(log: str) -> list[str]:
    """What is said of mail that has come too far, up to its own end.

    Postfix claims to have told also senders who do not want to hear of it; we do not.
    """
    ids = dict.fromkeys(re.findall(r"(\w+): message rejected: hopcount exceeded", log))
    lines = [line.partition("]: ")[2] for line in log.splitlines()]
    found = [
        re.sub(r" uid=\d+ | delay=.*?, dsn|\b(\d{14}\.)?[0-9A-F]{9,12}\b", "", line)
        for queue_id in ids
        for line in lines
        if f"{queue_id}: " in line and "sender non-delivery" not in line
    ]
    return sorted(found)


def test_what_comes_back_is_what_postfix_sends_back(instance, real_postfix) -> None:
    with _next_host() as port:
        ours, theirs = both(instance, real_postfix, MAIN_CF % port)
        for mail, boxes in ((ours, ours.directory / "mail"), (theirs, theirs.top / "mail")):
            _submit(mail.command)
            ours.wait_until(lambda boxes=boxes: len(_texts(boxes)) >= COUNT)
        found, expected = _texts(ours.directory / "mail"), _texts(theirs.top / "mail")
    assert not (texts := difference_of_texts(expected, found)), texts
    if release() >= (3, 11):
        expected, found = _hop_lines(theirs.log()), _hop_lines(ours.log())
        assert not (lines := difference(expected, found)), lines
