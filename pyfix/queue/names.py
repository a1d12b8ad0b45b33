"""names - queue ids: short and long, their parts, their hash directories

short: microseconds as five hex digits, then the inode number in hex (D9C7822AA5F).
long:  seconds (base 52, six digits or more), microseconds (base 52, four digits), the letter z,
       the inode number (base 51, so it has no z): 4jWVYn37CZzK5yP.

An id holds the file's own inode number, so two files never have the same id at the same time; a long
one is never given again at all.

Parameters: enable_long_queue_ids, hash_queue_depth. See also: queue-file sheet section 2.
"""

import re

DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"  # 52 of them, no vowels
_VALUES = {digit: value for value, digit in enumerate(DIGITS)}
_INODE_BASE = 51
_VALID_ID = re.compile(r"[A-Za-z0-9_]{1,255}", re.ASCII)
_VALID_QUEUE = re.compile(r"[A-Za-z0-9]{1,100}", re.ASCII)
_SECONDS_WIDTH = 6
_MICROSECONDS_WIDTH = 4


def encode(number: int, base: int, width: int = 1) -> str:
    """The number in digits of a queue id, filled with zeros from the left."""
    out = ""
    while number:
        number, digit = divmod(number, base)
        out = DIGITS[digit] + out
    return out.rjust(width, "0")


def decode(text: str, base: int) -> int:
    """The number that the digits stand for. ValueError: no such digits."""
    number = 0
    for digit in text:
        value = _VALUES.get(digit, base)
        if value >= base:
            raise ValueError(f"bad digit {digit!r} in queue id")
        number = number * base + value
    return number


_MICROSECONDS = tuple(a + b for a in DIGITS for b in DIGITS)  # two digits at a time
_PAIR = len(_MICROSECONDS)


def short_id(microseconds: int, inode: int) -> str:
    """The id of a file when enable_long_queue_ids is off."""
    return "%05X%X" % (microseconds, inode)  # noqa: UP031 - one format costs half of what two do


def long_id(seconds: int, microseconds: int, inode: int) -> str:
    """The id of a file when enable_long_queue_ids is on."""
    high, low = divmod(microseconds, _PAIR)
    head = encode(seconds, 52, _SECONDS_WIDTH)
    return f"{head}{_MICROSECONDS[high]}{_MICROSECONDS[low]}z{encode(inode, _INODE_BASE)}"


def is_valid(name: str) -> bool:
    """Whether this can be a queue id; other names in a queue directory are not ours."""
    return _VALID_ID.fullmatch(name) is not None


def is_valid_queue(name: str) -> bool:
    """Whether this can be the name of a queue."""
    return _VALID_QUEUE.fullmatch(name) is not None


def is_long(queue_id: str) -> bool:
    """Whether the id has the long form: its last z stands behind seconds and microseconds."""
    return queue_id.rfind("z") >= _SECONDS_WIDTH + _MICROSECONDS_WIDTH


def inode(queue_id: str) -> int:
    """The inode number in an id. ValueError: there is none."""
    if is_long(queue_id):
        return decode(queue_id[queue_id.rfind("z") + 1 :], _INODE_BASE)
    return int(queue_id[5:], 16)


def microseconds(queue_id: str) -> int:
    """The microseconds of its creation time in an id. ValueError: there are none."""
    if is_long(queue_id):
        at = queue_id.rfind("z")
        return decode(queue_id[at - _MICROSECONDS_WIDTH : at], 52)
    return int(queue_id[:5], 16)


def seconds(queue_id: str) -> int:
    """The seconds of its creation time in a long id. ValueError: there are none."""
    if not is_long(queue_id):
        raise ValueError("a short queue id has no seconds")
    return decode(queue_id[: queue_id.rfind("z") - _MICROSECONDS_WIDTH], 52)


def hash_directory(queue_id: str, depth: int) -> str:
    """Where an id lives in a hashed queue: "C/A/" at depth 2, a step for each digit of its microseconds."""
    if depth <= 0:
        return ""
    if depth == 1 and "z" not in queue_id:  # it is short, as most are
        return f"{queue_id[0]}/"
    letters = (_hex_microseconds(queue_id) if is_long(queue_id) else queue_id)[:depth].ljust(depth, "_")
    return "/".join(letters) + "/"


def _hex_microseconds(queue_id: str) -> str:
    try:
        return f"{microseconds(queue_id):05X}"
    except ValueError:
        return "00000"
