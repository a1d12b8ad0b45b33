"""prctl - what Linux lets a process say about itself"""

import ctypes
import sys
from functools import cache

_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> bool:
    """Make orphans below this process its children; False where the system can't."""
    return _prctl(_SET_CHILD_SUBREAPER, 1)


def set_name(name: str) -> bool:
    """The name that ps(1) shows, its first 15 bytes."""
    return _prctl(_SET_NAME, ctypes.c_char_p(name.encode()[:15]))


def _prctl(option: int, value: object) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(_library().prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
