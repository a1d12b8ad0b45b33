"""qshape - the ages of queued mail by domain

    qshape [-lps] [-b buckets] [-t minutes] [-m subdomains] [-w width] [-N messages] [-n domains] [-c config_dir]
           [queue ...]

-s        sender domains, not those of recipients        -b -t     how many columns; minutes of the first one
-p        parent domains too, as .example.com            -l        columns of equal age, not twice the one before
-m N      ... with at least N subdomains (5)             -w        characters in a line, when more than 80
-N -n     on a terminal: a new table after N messages (1000), of n lines at most (20)

QUEUE: a name below queue_directory, or a path; incoming and active when none is given. Rows come with most first.
Only the envelope of each file is read.

Privileges: who may read the queue. Parameters: queue_directory. Sources: qshape(1), QSHAPE_README.
"""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

from pyfix.commands import mail_conf
from pyfix.config.params.mail import MailParams
from pyfix.queue.records import CorruptQueueFile, leading_numbers
from pyfix.queue.walk import Walk
from pyfix.unix import msg

LETTERS = "hspm:lb:t:w:N:n:c:"
USAGE = """\
Usage: {} [ -s ] [ -p ] [ -m <min_subdomains> ] [ -l ]
\t[ -b <bucket_count> ] [ -t <bucket_time> ] [ -w <terminal_width> ]
\t[ -N <batch_msg_count> ] [ -n <batch_top_domains> ]
\t[ -c <config_directory> ] [ <queue_name> ... ]
How old is queued mail, by the domains of its recipients (-s: of its senders)?
-p adds a row for each parent domain that has <min_subdomains> (5) or more.
The first column goes up to <bucket_time> (5) minutes, and each further one
twice as far as the one before it; with -l all are as wide as the first.
Queues are below queue_directory; incoming and active where none is named.
"""
WRONG = 255
"""The exit status where nothing but the usage is shown."""
NUMBERS = {"b": 10, "t": 5, "m": 5, "w": 80, "N": 1000, "n": 20}
NULL = "MAILER-DAEMON"
TOTAL = "TOTAL"
NAME = 18
"""The least room for a name."""
CLEAR = "\033[H\033[2J\033[3J"
_SIZE, _TIME, _FROM, _RCPT, _MESG, _END = b"CTSRME"

Row = list[int]


class Shape:
    """Messages counted by domain and age. limits: where each age but the last ends, in minutes."""

    def __init__(self, limits: list[int]) -> None:
        self.limits = limits
        self.rows: defaultdict[str, Row] = defaultdict(self._row)
        self.total = self._row()

    def _row(self) -> Row:
        return [0] * (len(self.limits) + 2)

    def add(self, domain: str, minutes: float) -> None:
        """One more of that age."""
        column = 1 + sum(minutes >= limit for limit in self.limits)
        for row in (self.rows[domain], self.total):
            row[0] += 1
            row[column] += 1

    def parents(self, least: int) -> dict[str, Row]:
        """Rows of parent domains, but for the topmost, which have so many subdomains."""
        rows: defaultdict[str, Row] = defaultdict(self._row)
        below: defaultdict[str, set[str]] = defaultdict(set)
        for domain, row in self.rows.items():
            child = domain
            for parent in _parents(domain):
                below[parent].add(child)
                rows[parent] = [a + b for a, b in zip(rows[parent], row, strict=True)]
                child = parent
        return {parent: row for parent, row in rows.items() if len(below[parent]) >= least}


def _parents(domain: str) -> Iterator[str]:
    """.b.c.d and .c.d for a.b.c.d."""
    labels = domain.split(".")
    for at in range(1, len(labels) - 1):
        yield "." + ".".join(labels[at:])


def limits(count: int, minutes: int, *, linear: bool) -> list[int]:
    """Where the ages of so many columns end; the last has no end."""
    return [minutes * at if linear else minutes << (at - 1) for at in range(1, count)]


def table(shape: Shape, parents: dict[str, Row], width: int, most: int = 0) -> Iterator[str]:
    """The lines. width: of each, in characters; most: lines below the head, 0 for all."""
    rows = [*shape.rows.items(), *parents.items()]
    rows.sort(key=lambda item: (-item[1][0], len(item[0]), item[0]))
    rows.insert(0, (TOTAL, shape.total))
    rows = rows[:most] if most else rows
    labels = ["T", *map(str, shape.limits), f"{(shape.limits or [0])[-1]}+"]
    widths = [
        max(2, len(label), *(len(str(row[at])) for _, row in rows)) for at, label in enumerate(labels)
    ]
    room = max(NAME, max(width, NUMBERS["w"]) - sum(widths) - len(widths))
    yield _line("", labels, widths, room)
    for name, row in rows:
        yield _line(_fitting(name, room), map(str, row), widths, room)


def _line(name: str, cells: Iterable[str], widths: list[int], room: int) -> str:
    return " ".join([f"{name:>{room}}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))])


def _fitting(name: str, room: int) -> str:
    """The end of a name that is too long."""
    if len(name) <= room:
        return name
    mark = ".+" if name[0] == "." else "+"
    return mark + name[len(mark) - room :]


# The queue


class Message:
    """What counts of a message. arrival: seconds since 1970."""

    def __init__(self, arrival: int, sender: str | None, recipients: list[str]) -> None:
        self.arrival = arrival
        self.sender = sender
        self.recipients = recipients


def read(path: str) -> Message | None:
    """The envelope of a queue file; None where it is gone or can't be one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _envelope(Walk(fd))
    except CorruptQueueFile:
        return None
    finally:
        os.close(fd)


def _envelope(walk: Walk) -> Message | None:
    arrival, size = 0, 0
    sender: str | None = None
    recipients: list[str] = []
    while True:
        _, kind, data = walk.next()
        if kind == _SIZE:
            size = (*leading_numbers(data), 0)[0]
        elif kind == _TIME:
            arrival = arrival or (*leading_numbers(data), 0)[0]
        elif kind == _FROM:
            sender = domain_of(data)
        elif kind == _RCPT:
            recipients.append(domain_of(data))
        elif kind == _MESG and size > 0:
            walk.jump(walk.offset + size)
        elif kind in (_MESG, _END):
            return Message(arrival, sender, recipients) if arrival else None


def domain_of(address: bytes) -> str:
    """The domain in lower case; the whole address where it has none."""
    text = address.decode("utf-8", "surrogateescape").rpartition("@")[2]
    return msg.printable(text.lower()) if address else NULL


def files(queue: str) -> Iterator[str]:
    """The files of a queue, hashed or not; a warning where there is no such queue."""
    try:
        os.stat(queue)
    except OSError as error:
        msg.warning(f"Can't stat {queue}: {error.strerror}")
        return
    for directory, below, names in os.walk(queue):
        below.sort()
        yield from (f"{directory}/{name}" for name in sorted(names))


# The command


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    words = sys.argv if argv is None else argv
    if problem := _wrong(words[1:]):
        shown = mail_conf.as_typed(words[0])
        sys.stderr.write((f"{shown}: {problem}\n" if problem != "h" else "") + USAGE.format(shown))
        return WRONG
    found, names = mail_conf.begin(argv, "qshape", LETTERS, "")
    options = dict(found)
    numbers = {letter: _number(options.get(letter, ""), default) for letter, default in NUMBERS.items()}
    root = MailParams(mail_conf.load(options.get("c"))).queue_directory
    shape = Shape(limits(numbers["b"], numbers["t"], linear="l" in options))
    terminal = sys.stdout.isatty()

    def show() -> None:
        parents = shape.parents(numbers["m"]) if "p" in options else {}
        lines = table(shape, parents, numbers["w"], numbers["n"] if terminal else 0)
        text = "".join(f"{line}\n" for line in lines)
        sys.stdout.write((CLEAR if terminal else "") + text)
        sys.stdout.flush()

    now = time.time()
    count = 0
    for name in names or ("incoming", "active"):
        for message in filter(None, map(read, files(os.path.join(root, name)))):
            _count(shape, message, now, senders="s" in options)
            count += 1
            if terminal and count % numbers["N"] == 0:
                show()
    show()
    return 0


def _wrong(words: list[str]) -> str:
    """Why only the usage is shown, "h" for -h; empty otherwise."""
    try:
        found, _ = mail_conf.options(words, LETTERS)
    except mail_conf.UsageError as error:
        return str(error).replace("invalid option -- ", "Unknown option: ").replace("'", "")
    return "h" if ("h", "") in found else ""


def _count(shape: Shape, message: Message, now: float, *, senders: bool) -> None:
    minutes = (now - message.arrival) / 60
    if not senders:
        for domain in message.recipients:
            shape.add(domain, minutes)
    elif message.sender is not None:
        shape.add(message.sender, minutes)


def _number(text: str, default: int) -> int:
    """A number above 0, else the default."""
    return int(text) if text.isdecimal() and int(text) else default


if __name__ == "__main__":
    sys.exit(main())
