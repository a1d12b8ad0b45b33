"""Large content: lines of one length, and what is odd among them."""

import pytest

from pyfix.wire import smtp_event as on
from pyfix.wire.smtp_command import Limits
from pyfix.wire.smtp_data import FEW, MANY, Rows

OPENING = b"EHLO there\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
HEAD = b"Subject: an attachment\r\n\r\n"
LINE = b"VGhpcyBpcyBub3QgYSBkb3Qu" * 3 + b"Cg=="
COUNT = 4 * MANY // len(LINE)


def taken(owner, content, *, step=None, limits=None):
    one = owner(limits or Limits(exact_line_ends=True))
    one.feed(OPENING)
    content += b"\r\n.\r\nQUIT\r\n"
    for at in range(0, len(content), step or len(content)):
        one.feed(content[at : at + (step or len(content))])
    return one


def in_rows(one):
    pieces = [piece for event in one.events if isinstance(event, on.Text | on.MessageEnd) for piece in event.blocks]
    return sum(len(piece.lines) for piece in pieces if isinstance(piece, Rows))


def sizes(one):
    return [event.size for event in one.events if isinstance(event, on.MessageEnd)]


@pytest.mark.parametrize("size", [FEW, 2 * MANY])
@pytest.mark.parametrize("length", [1, 13, 76, 127])
def test_lines_of_one_length_stay_in_one_piece(owner, length, size):
    lines = [b"x" * length] * (size // length + 1)
    one = taken(owner, HEAD + b"\r\n".join(lines))
    assert one.messages == [[b"Subject: an attachment", b"", *lines]]
    assert in_rows(one) == len(lines)


def test_lines_of_one_length_are_found_behind_other_parts(owner):
    parts = [b"a note", b"", b"--next", b"Content-Type: image/png", b"", *[LINE] * COUNT, b"Qw==", b"--next--"]
    body = b"\r\n".join(parts)
    one = taken(owner, HEAD + body)
    assert b"\r\n".join(one.messages[0]) == HEAD + body
    assert in_rows(one) == COUNT


ODD = {
    "stray CR": LINE[:30] + b"\r" + LINE[31:],
    "stray LF": LINE[:30] + b"\n" + LINE[31:],
    "CR before the end": LINE[:-1] + b"\r",
    "LF before the end": LINE[:-1] + b"\n",
    "LF at the beginning": b"\n" + LINE[1:],
    "CR at the beginning": b"\r" + LINE[1:],
    "dots in front": b".." + LINE[2:],
    "LF and a dot": LINE[:30] + b"\n." + LINE[32:],
    "a lone dot between LF and CR LF": LINE[:-2] + b"\n.",
    "NUL": LINE[:30] + b"\0" + LINE[31:],
    "shorter": LINE[:-1],
    "longer": LINE + b"=",
    "empty": b"",
    "line end moved": LINE[:-1] + b"\r\n" + LINE,
    "a long line": b"y" * 5000,
}


@pytest.mark.parametrize("where", [0, 1, COUNT // 2, COUNT - 1])
@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "any"])
def test_what_is_odd_among_them_is_taken_as_in_small_pieces(owner, odd, where, exact):
    lines = [LINE] * COUNT
    lines[where] = odd
    content, limits = HEAD + b"\r\n".join(lines), Limits(exact_line_ends=exact)
    whole = taken(owner, content, limits=limits)
    pieces = taken(owner, content, step=61, limits=limits)
    assert whole.messages == pieces.messages
    assert sizes(whole) == sizes(pieces)


def test_lines_longer_than_the_limit_come_in_pieces_however_many_there_are(owner):
    limits = Limits(line_length=50)
    content = HEAD + b"\r\n".join([LINE] * COUNT)
    whole, pieces = taken(owner, content, limits=limits), taken(owner, content, step=61, limits=limits)
    assert whole.messages == pieces.messages
    assert in_rows(whole) == 0
