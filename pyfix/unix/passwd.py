"""passwd - who is a user or group of the system, and who is only not to be found now

Python says "not found" whatever went wrong. But nobody is unknown because descriptors have run out or a directory
service is away: mail would be refused or returned for it. So after a no the files of the system are tried, and the
system is asked once more, for its reason.

See also: getpwnam_r(3), which counts ENOENT, ESRCH, EBADF and EPERM among what a no may look like.
"""

import ctypes
import errno
import grp
import os
import pwd
from collections.abc import Callable
from typing import TypeVar

PASSWD, GROUP = "/etc/passwd", "/etc/group"
_NOBODY = frozenset({0, errno.ENOENT, errno.ESRCH, errno.EBADF, errno.EPERM})
_ENTRY = 256  # bytes that are enough for a struct passwd or group
_TEXT = 1 << 16  # bytes of its strings

T = TypeVar("T")


def find_user(name: str) -> pwd.struct_passwd | None:
    """The user of that name, None when there is none. OSError: that can't be said now."""
    return _find(pwd.getpwnam, name, "getpwnam_r", PASSWD)


def find_group(name: str) -> grp.struct_group | None:
    """The group of that name, None when there is none. OSError: that can't be said now."""
    return _find(grp.getgrnam, name, "getgrnam_r", GROUP)


def _find(find: Callable[[str], T], name: str, function: str, file: str) -> T | None:
    try:
        return find(name)
    except ValueError:  # no name can be like that
        return None
    except KeyError:
        os.close(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
        number = _reason(function, name)
        if number in _NOBODY:
            return None
        raise OSError(number, os.strerror(number)) from None


def _reason(function: str, name: str) -> int:
    """The error number of a look-up, 0 when it worked, or where there is no such function."""
    ask = getattr(ctypes.CDLL(None), function, None)
    if ask is None:
        return 0
    entry, text, found = (ctypes.c_char * _ENTRY)(), (ctypes.c_char * _TEXT)(), ctypes.c_void_p()
    return int(ask(os.fsencode(name), entry, text, ctypes.c_size_t(_TEXT), ctypes.byref(found)))
