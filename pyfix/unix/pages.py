"""pages - memory of this process that holds nothing"""

import ctypes
import os
import sys
from functools import cache

_DONT_NEED = 4
_PAGE = os.sysconf("SC_PAGESIZE")
_ZEROS = bytes(_PAGE)


def give_back(start: int, size: int) -> int:
    """Give back those pages between start and start + size (addresses) that hold zeros only; returns how many.

    Nobody notices: a page that is not there reads as zeros, and is there again when it is written.
    """
    if not sys.platform.startswith("linux"):
        return 0  # elsewhere a page may keep what it has
    madvise, given = _library().madvise, 0
    first, end = -(-start // _PAGE) * _PAGE, (start + size) // _PAGE * _PAGE
    for page in range(first, end, _PAGE):
        if ctypes.string_at(page, _PAGE) == _ZEROS:
            given += madvise(ctypes.c_void_p(page), ctypes.c_size_t(_PAGE), _DONT_NEED) == 0
    return given


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
