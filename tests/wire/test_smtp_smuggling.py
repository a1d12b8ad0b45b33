"""Where one message ends must not be open to two readings (SMTP smuggling, CVE-2023-51764)."""

from typing import Any

import pytest

from pyfix.wire.smtp_command import Limits
from pyfix.wire.smtp_data import Block, up_to

BEGIN = (b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")

CONTENT = {  # name: (content, lines when only CR LF ends a message, lines when anything does)
    "dot after bare LF": (b"a\n.\r\nNOOP\r\n.\r\n", [b"a", b"NOOP"], [b"a"]),
    "dot with bare LF": (b"a\r\n.\nNOOP\r\n.\r\n", [b"a", b"NOOP"], [b"a"]),
    "dot between bare LFs": (b"a\n.\nNOOP\r\n.\r\n", [b"a", b"NOOP"], [b"a"]),
    "dot with CR CR LF": (b"a\r\n.\r\r\nNOOP\r\n.\r\n", [b"a", b"\r", b"NOOP"], [b"a"]),
    "dot after CR CR LF": (b"a\r\r\n.\r\nNOOP\r\n", [b"a\r"], [b"a"]),
    "dot after bare CR": (b"a\r.\r\nb\r\n.\r\n", [b"a\r.", b"b"], [b"a\r.", b"b"]),
    "dot with bare CR": (b"a\r\n.\rb\r\n.\r\n", [b"a", b"\rb"], [b"a", b"\rb"]),
    "CR dot at a line's start": (b"\r.\r\n.\r\n", [b"\r."], [b"\r."]),
    "stuffed dots after bare LF": (b"a\n..\nb\n\r\n.\r\n", [b"a", b".", b"b", b""], [b"a", b".", b"b", b""]),
    "bare LF lines": (b"a\nb\r\n.\r\n", [b"a", b"b"], [b"a", b"b"]),
    "dropped dot, then the end": (b"a\n.\r\n.\r\n", [b"a"], [b"a"]),
    "NUL": (b"a\0b\r\n.\r\n", [b"a\0b"], [b"a\0b"]),
    "stuffed dots": (b"..\r\n.x\r\n...\r\n.\r\n", [b".", b"x", b".."], [b".", b"x", b".."]),
    "nothing": (b".\r\n", [], []),
    "an empty line": (b"\r\n.\r\n", [b""], [b""]),
}


def first_message(owner: Any, exact: bool, *chunks: bytes) -> list[bytes]:
    one = owner(Limits(exact_line_ends=exact))
    for chunk in (*BEGIN, *chunks):
        one.feed(chunk)
    message: list[bytes] = one.messages[0]
    return message


@pytest.mark.parametrize("name", CONTENT)
def test_only_crlf_dot_crlf_ends_a_message(owner: Any, name: str) -> None:
    content, expected, _ = CONTENT[name]
    assert first_message(owner, True, content) == expected


@pytest.mark.parametrize("name", CONTENT)
def test_any_line_end_will_do_where_that_is_configured(owner: Any, name: str) -> None:
    content, _, expected = CONTENT[name]
    assert first_message(owner, False, content) == expected


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("name", CONTENT)
def test_the_same_one_byte_at_a_time_and_at_every_split(owner: Any, name: str, exact: bool) -> None:
    content = CONTENT[name][0]
    expected = CONTENT[name][1 if exact else 2]
    assert first_message(owner, exact, *(content[at : at + 1] for at in range(len(content)))) == expected
    for at in range(1, len(content)):
        assert first_message(owner, exact, content[:at], content[at:]) == expected


def test_bare_line_ends_are_told(owner: Any) -> None:
    one = owner()
    for chunk in (*BEGIN, b"a\nb\r\n.\r\n"):
        one.feed(chunk)
    assert one.events[-1].bare
    assert one.session.bare


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"From x y\r\nSubject: s\r\n.\r\n", [b"X-Mailbox-Line: From x y", b"Subject: s"]),
        (b">From x\r\n>>From y\r\nA: b\r\n.\r\n", [b"X-Mailbox-Line: >From x", b">>From y", b"A: b"]),
        (b"From x\r\n lead\r\n.\r\n", [b"X-Mailbox-Line: From x", b" lead"]),
        (b"A: b\r\nFrom x\r\n.\r\n", [b"A: b", b"From x"]),
        (b" lead\r\n\r\nb\r\n.\r\n", [b"", b" lead", b"", b"b"]),
        (b".lead\r\n.\r\n", [b"lead"]),
    ],
)
def test_top_of_a_message(owner: Any, content: bytes, lines: list[bytes]) -> None:
    assert first_message(owner, True, content) == lines
    assert first_message(owner, True, *(content[at : at + 1] for at in range(len(content)))) == lines


@pytest.mark.parametrize(
    ("limit", "lines", "partial", "size"),
    [
        (102, [[]], None, 100),
        (103, [[b"a"], []], None, 103),
        (108, [[b"a"], [b"bcd"]], None, 108),
        (112, [[b"a"], [b"bcd"]], b"ef", 112),
    ],
)
def test_content_up_to_a_limit_is_whole_lines(
    limit: int, lines: list[list[bytes]], partial: bytes | None, size: int
) -> None:
    last = Block([b"bcd"], True)
    last.partial = b"ef"
    kept, found = up_to([Block([b"a"], True), last], 112, limit)
    assert ([piece.lines for piece in kept], kept[-1].partial, found) == (lines, partial, size)


@pytest.mark.parametrize("size", [2046, 2047, 2048, 2049, 4095, 4096, 4097, 10000])
def test_long_lines_come_whole_in_pieces(owner: Any, size: int) -> None:
    content = b"a: b\r\n" + b"x" * size + b"\r\nend\r\n.\r\n"
    assert first_message(owner, True, content) == [b"a: b", b"x" * size, b"end"]
    for at in (3, 2050, 2051, 2052, 2053, 2054, 2055, 2056, len(content) - 4):
        if at < len(content):
            assert first_message(owner, True, content[:at], content[at:]) == [b"a: b", b"x" * size, b"end"]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ((b"Subject: x", b"\r\n\r\nabcdef"), [b"Subject: x", b"", b"abcdef"]),
        ((b"Subject: x\r\n\r", b"\nab\r", b"\n.\r\n."), [b"Subject: x", b"", b"ab", b".", b"."]),
        ((b"Subject: x\r\n\r", b"\nab\r", b"cd\n.\r"), [b"Subject: x", b"", b"ab\rcd", b".\r"]),
        ((b"a\r\n.\r\nb", b""), [b"a", b".", b"b"]),
        ((b"",), []),
        ((b"x" * 5000, b"y\r\nz"), [b"x" * 5000 + b"y", b"z"]),
        ((b"From x\r\nA: b", b""), [b"From x", b"A: b"]),
        ((b" lead\r\n", b"b"), [b" lead", b"b"]),
        ((b" " + b"x" * 5000,), [b" " + b"x" * 5000]),
    ],
)
def test_chunks_make_the_lines_that_they_hold(owner: Any, chunks: tuple[bytes, ...], lines: list[bytes]) -> None:
    one = owner()
    one.feed(b"EHLO x\r\n")
    one.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
    for number, chunk in enumerate(chunks, 1):
        last = b" LAST" if number == len(chunks) else b""
        for piece in (b"BDAT %d%s\r\n" % (len(chunk), last), *(chunk[at : at + 1] for at in range(len(chunk)))):
            one.feed(piece)
    assert one.messages == [lines]
