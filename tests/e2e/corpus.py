"""corpus - generated messages, each with the bytes that must arrive

A Message is what a client sends between DATA and the final dot (CRLF lines, dots not yet
stuffed) and what must lie in the mailbox after the headers that delivery adds (LF lines).
The same number always gives the same message.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

WORDS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet")


@dataclass(frozen=True)
class Message:
    """One message of the corpus; name tells its kind and number."""

    name: str
    data: bytes
    arrives: bytes
    smtputf8: bool = False


def _head(name: str, *more: bytes) -> list[bytes]:
    return [
        b"X-Corpus: " + name.encode(),
        b"From: Sender <sender@example.com>",
        b"To: user@demo.test",
        b"Date: Fri, 20 Nov 2026 12:00:00 +0000",
        b"Message-ID: <" + name.encode() + b"@example.com>",
        b"Subject: corpus " + name.encode(),
        *more,
    ]


def _message(name: str, head: list[bytes], body: list[bytes], *, smtputf8: bool = False) -> Message:
    lines = [*head, b"", *body]
    data, arrives = b"".join(line + b"\r\n" for line in lines), b"".join(line + b"\n" for line in lines)
    return Message(name, data, arrives, smtputf8)


def _words(rng: random.Random, count: int) -> bytes:
    return " ".join(rng.choice(WORDS) for _ in range(count)).encode()


def plain(name: str, rng: random.Random) -> Message:
    """Lines of words, some empty."""
    return _message(name, _head(name), [_words(rng, rng.randrange(12)) for _ in range(rng.randrange(1, 60))])


def dots(name: str, rng: random.Random) -> Message:
    """Lines that begin with dots, and look like an end of data."""
    body = [b"." * rng.randrange(1, 5) + rng.choice([b"", b"x", b" ", b"\t."]) for _ in range(20)]
    return _message(name, _head(name), body)


def long_lines(name: str, rng: random.Random) -> Message:
    """Lines around each limit of line and buffer lengths."""
    lengths = [998, 999, 2047, 2048, 2049, 4095, 4096, 4097, 65535, 65536, 100_000]
    body = [bytes(rng.choices(b"abcdefghij .", k=rng.choice(lengths))) for _ in range(4)]
    return _message(name, _head(name), body)


def eight_bit(name: str, rng: random.Random) -> Message:
    """Any octet but NUL, CR and LF."""
    octets = bytes(set(range(1, 256)) - {10, 13})
    return _message(name, _head(name), [bytes(rng.choices(octets, k=rng.randrange(200))) for _ in range(30)])


def nul(name: str, rng: random.Random) -> Message:
    """NUL octets in the body."""
    return _message(name, _head(name), [bytes(rng.choices(b"\0ab", k=40)) for _ in range(10)])


def huge_headers(name: str, rng: random.Random) -> Message:
    """A folded header of tens of kilobytes and hundreds of small ones."""
    rest = [_words(rng, 10) for _ in range(rng.randrange(300, 700))]
    folded = b"\r\n\t".join([b"X-Folded: start", *rest])
    many = [b"X-Many-%d: %s" % (n, _words(rng, 5)) for n in range(rng.randrange(100, 300))]
    message = _message(name, _head(name, folded, *many), [b"body"])
    return Message(name, message.data, message.arrives.replace(b"\r\n", b"\n"))


def mime_tree(name: str, rng: random.Random) -> Message:
    """Multiparts in multiparts, with preambles and odd boundaries."""

    def part(depth: int) -> list[bytes]:
        if depth == 0 or rng.random() < 0.3:
            return [b"Content-Type: text/plain; charset=utf-8", b"", _words(rng, 9), b"--not a boundary"]
        mark = b"=_%d_%d" % (depth, rng.randrange(10**6))
        lines = [b'Content-Type: multipart/mixed; boundary="' + mark + b'"', b"", b"preamble"]
        for _ in range(rng.randrange(1, 4)):
            lines += [b"--" + mark, *part(depth - 1)]
        return [*lines, b"--" + mark + b"--", b"epilogue"]

    first, *rest = part(4)
    return _message(name, _head(name, b"MIME-Version: 1.0", first), rest[1:])


def utf8_headers(name: str, rng: random.Random) -> Message:
    """UTF-8 in headers, as SMTPUTF8 allows."""
    subject = "".join(rng.choices("äöüßéñ漢字кот ", k=20)).encode()
    return _message(name, _head(name, b"X-Utf8: " + subject), ["grüße".encode()], smtputf8=True)


def empty_body(name: str, _: random.Random) -> Message:
    """Headers, an empty line and nothing."""
    return _message(name, _head(name), [])


def bare_cr(name: str, rng: random.Random) -> Message:
    """A CR within a line is replaced by a space (cleanup_replace_stray_cr_lf)."""
    message = _message(name, _head(name), [b"one\rtwo" + _words(rng, 3), b"\rfour"])
    return Message(name, message.data, message.arrives.replace(b"\r", b" "))


def bare_lf(name: str, rng: random.Random) -> Message:
    """A bare LF ends a line (smtpd_forbid_bare_newline = normalize)."""
    message = _message(name, _head(name), [b"one\ntwo" + _words(rng, 3), b"three\n\nfour"])
    return Message(name, message.data, message.arrives)


KINDS: list[tuple[Callable[[str, random.Random], Message], int]] = [
    (plain, 200),
    (dots, 50),
    (long_lines, 50),
    (eight_bit, 50),
    (nul, 20),
    (huge_headers, 20),
    (mime_tree, 60),
    (utf8_headers, 20),
    (empty_body, 10),
    (bare_cr, 15),
    (bare_lf, 15),
]


def corpus() -> list[Message]:
    """All messages: 510 of them."""
    messages = []
    for make, count in KINDS:
        for number in range(count):
            name = f"{make.__name__}-{number}"
            messages.append(make(name, random.Random(name)))
    return messages


def large(size: int = 25_000_000) -> Message:
    """One message of `size` bytes and some."""
    line = b"0123456789" * 7
    return _message("large-0", _head("large-0"), [line] * (size // 72))


def simple() -> list[Message]:
    """Those that every client can send: no bare CR or LF, no NUL, ASCII headers, lines under 998 bytes."""
    kinds = ("plain-", "dots-", "mime_tree-")
    return [message for message in corpus() if message.name.startswith(kinds)]


def stuffed(data: bytes) -> bytes:
    """Data as it goes over the wire: dots stuffed, final dot included."""
    text = data.replace(b"\r\n.", b"\r\n..")
    return (b"." + text if text.startswith(b".") else text) + b".\r\n"
