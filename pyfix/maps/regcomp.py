"""regcomp - POSIX regular expressions of the C library, through ctypes

Python's `re` takes the first alternative that matches where POSIX wants the longest, so
regexp: tables ask the library that Postfix asks. Patterns are compiled in the C locale:
a character is a byte, as in Postfix.

Layouts (64 and 32 bit): glibc keeps re_nsub after six words of struct re_pattern_buffer and
has int offsets in regmatch_t; musl keeps re_nsub first, the BSDs and macOS after a magic
number, and both have offsets of a word or more (long in musl, off_t in the BSDs).

See also: regex(3), re_format(7), uselocale(3).
"""

import ctypes
import locale
import sys
from typing import Any

_LIBC: Any = ctypes.CDLL(None)
_WORD = ctypes.sizeof(ctypes.c_size_t)
_BSD = sys.platform != "linux"
_GLIBC = hasattr(_LIBC, "gnu_get_libc_version")

_REGEXEC = _LIBC.regexec
_NO_FLAGS = ctypes.c_int(0)

EXTENDED = 1
ICASE = 2
NEWLINE = 8 if _BSD else 4
NOSUB = 4 if _BSD else 8

_REGEX_SIZE = 256  # more than regex_t has anywhere (64 in glibc and musl, 32 in the BSDs)
_NSUB_AT = 6 * _WORD if _GLIBC else _WORD if _BSD else 0
_OFFSET: type[Any] = ctypes.c_int if _GLIBC else ctypes.c_int64 if _BSD else ctypes.c_long


class BadPatternError(ValueError):
    """The pattern is no regular expression; str() is the library's message."""


class Pattern:
    """A compiled regular expression. groups: how many `()` it has."""

    __slots__ = ("_matches", "_matches_at", "_regex", "_regex_at", "_slots", "groups")

    def __init__(self, pattern: bytes, flags: int, *, captures: int = 0) -> None:
        """captures: up to which group `match` reports; with 0 it says yes or no only."""
        regex = ctypes.create_string_buffer(_REGEX_SIZE)
        status = _compile(regex, pattern, flags if captures else flags | NOSUB)
        if status:
            raise BadPatternError(_message(status, regex))
        self._regex = regex
        self.groups = ctypes.c_size_t.from_buffer(regex, _NSUB_AT).value
        slots = captures + 1 if captures else 0
        self._matches = (_OFFSET * (2 * slots))()
        # Made once, as regexec wants them: converting them takes as long as many a search.
        self._regex_at, self._slots = ctypes.byref(regex), ctypes.c_size_t(slots)
        self._matches_at = ctypes.byref(self._matches)

    def __del__(self) -> None:
        regex = getattr(self, "_regex", None)
        if regex is not None:
            _LIBC.regfree(regex)

    def search(self, text: bytes) -> bool:
        """Whether the pattern matches anywhere in the text (up to a NUL)."""
        return not _REGEXEC(self._regex_at, text, self._slots, self._matches_at, _NO_FLAGS)

    def group(self, number: int, text: bytes) -> bytes:
        """What the group took in the last match of this text; empty when it took no part."""
        start, end = self._matches[2 * number], self._matches[2 * number + 1]
        return text[start:end] if start >= 0 else b""


def _compile(regex: Any, pattern: bytes, flags: int) -> int:
    before = _LIBC.uselocale(_C_LOCALE) if _C_LOCALE else None
    try:
        status: int = _LIBC.regcomp(regex, pattern, flags)
    finally:
        if before:
            _LIBC.uselocale(before)
    return status


def _message(status: int, regex: Any) -> str:
    text = ctypes.create_string_buffer(1024)
    _LIBC.regerror(status, regex, text, len(text))
    return text.value.decode(errors="replace")


_LIBC.newlocale.restype = ctypes.c_void_p
_LIBC.newlocale.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p]
_LIBC.uselocale.restype = ctypes.c_void_p
_LIBC.uselocale.argtypes = [ctypes.c_void_p]
_LIBC.regcomp.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
_LIBC.regfree.argtypes = [ctypes.c_void_p]
_LIBC.regfree.restype = None
_LIBC.regerror.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
_C_LOCALE = _LIBC.newlocale(1 << locale.LC_CTYPE, b"C", None) if sys.platform == "linux" else None
