"""showq - the queue report, as the showq service tells it and as its readers ask for it

The server speaks first (protocol=mail_queue_list_protocol), then one list for each message, then
an empty list, and closes. This is Postfix's own protocol, without frames: other programs read it too.
A message's list goes on with groups of four attributes, one group for each recipient; readers also
take Postfix 3.7's groups of two.

Commands import this, so it needs no event loop.

See also: ipc sheet section 3, showq.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator

from pyfix.unix import msg

PROTOCOL = "mail_queue_list_protocol"
GREETING = b"protocol\0" + PROTOCOL.encode() + b"\0\0"
END = b"\0"
QUEUES = ("maildrop", "active", "incoming", "deferred", "hold")  # the order of a report

_HEAD = ["queue_name", "queue_id", "time", "size", "forced_expire", "sender"]
_RECIPIENT = ["original_recipient", "recipient", "log_class", "reason"]


class MalformedReport(Exception):
    """What came is no queue report."""


class QueuedRecipient:
    """A recipient in a report. log_class: defer, bounce or empty; reason: what that log says."""

    __slots__ = ("address", "log_class", "original", "reason")

    def __init__(self, address: str, original: str = "", log_class: str = "", reason: str = "") -> None:
        self.address = address
        self.original = original
        self.log_class = log_class
        self.reason = reason


class QueuedMessage:
    """A message in a report.

    time: arrival, seconds; size: of the content, bytes; addresses in external form, the null sender as
    MAILER-DAEMON.
    """

    __slots__ = ("forced_expire", "queue_id", "queue_name", "recipients", "sender", "size", "time")

    def __init__(
        self,
        queue_name: str,
        queue_id: str,
        time: int,
        size: int,
        forced_expire: bool,
        sender: str,
        recipients: list[QueuedRecipient],
    ) -> None:
        self.queue_name = queue_name
        self.queue_id = queue_id
        self.time = time
        self.size = size
        self.forced_expire = forced_expire
        self.sender = sender
        self.recipients = recipients


def encode(
    queue_name: str,
    queue_id: str,
    time: int,
    size: int,
    forced_expire: bool,
    sender: str,
    recipients: Iterable[tuple[str, str, str, str]],
) -> bytes:
    """One message of a report, as QueuedMessage has it; recipients: (original, address, log_class, reason).

    Its texts are printable, so none has a NUL.
    """
    text = (
        f"queue_name\0{queue_name}\0queue_id\0{queue_id}\0time\0{time}\0size\0{size}\0"
        f"forced_expire\0{forced_expire:d}\0sender\0{sender}\0"
    )
    for original, address, log_class, reason in recipients:
        text += f"original_recipient\0{original}\0recipient\0{address}\0log_class\0{log_class}\0reason\0{reason}\0"
    return (text + "\0").encode("utf-8", "surrogateescape")


def decode(words: list[str]) -> QueuedMessage:
    """One message from the names and values of its list. MalformedReport."""
    names, values = words[::2], words[1::2]
    if names[:6] != _HEAD or len(values) != len(names):
        raise MalformedReport("malformed showq server response")
    queue_name, queue_id, time, size, forced, sender = values[:6]
    if not (time.isdecimal() and size.isdecimal()):
        raise MalformedReport("malformed showq server response")
    if names[6:] == _RECIPIENT:  # as in most messages
        recipients = [QueuedRecipient(values[7], values[6], values[8], values[9])]
    else:
        recipients = _recipients(names[6:], values[6:])
    return QueuedMessage(queue_name, queue_id, int(time), int(size), forced != "0", sender, recipients)


_SETTERS = {
    "original_recipient": "original",
    "recipient": "address",
    "log_class": "log_class",
    "reason": "reason",
}


def _recipients(names: list[str], values: list[str]) -> list[QueuedRecipient]:
    """Groups of attributes; each ends with its reason."""
    found: list[QueuedRecipient] = []
    recipient = QueuedRecipient("")
    for name, value in zip(names, values, strict=True):
        if name not in _SETTERS:
            raise MalformedReport("malformed showq server response")
        setattr(recipient, _SETTERS[name], value)
        if name == "reason":
            found.append(recipient)
            recipient = QueuedRecipient("")
    for recipient in found:  # before 3.11 there was only the defer log to have a reason from
        if recipient.reason and not recipient.log_class and "log_class" not in names:
            recipient.log_class = "defer"
    return found


def connect(path: str) -> socket.socket:
    """A connection to the service. OSError: it is not there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        msg.debug(f"connect to subsystem {path}")
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def read_report(receive: Callable[[int], bytes]) -> Iterator[QueuedMessage]:
    """The messages of a report. receive: as socket.recv. MalformedReport, OSError."""
    greeted = False
    for words in _lists(receive):
        if greeted:
            if not words:
                return
            yield decode(words)
        elif words != ["protocol", PROTOCOL]:
            raise MalformedReport("malformed showq server response")
        greeted = True
    raise MalformedReport("malformed showq server response")


def _lists(receive: Callable[[int], bytes]) -> Iterator[list[str]]:
    """Names and values of one list after the other: a list ends where a name is empty."""
    rest = b""
    words: list[str] = []
    at = 0
    while data := receive(65536):
        whole, end, rest = (rest + data).rpartition(b"\0")
        if not end:
            continue
        words += whole.decode("utf-8", "surrogateescape").split("\0")
        begin = 0
        while (at := _empty(words, at)) < len(words):
            if (at - begin) % 2 == 0:
                yield words[begin:at]
                begin = at + 1
            at += 1
        del words[:begin]
        at -= begin


def _empty(words: list[str], at: int) -> int:
    """Where the next empty word is; the number of words when there is none."""
    try:
        return words.index("", at)
    except ValueError:
        return len(words)


def ask(queue_directory: str, service: str = "showq") -> Iterator[QueuedMessage]:
    """The report of a running mail system. OSError when it does not run, MalformedReport."""
    with connect(os.path.join(queue_directory, "public", service)) as sock:
        yield from read_report(sock.recv)
