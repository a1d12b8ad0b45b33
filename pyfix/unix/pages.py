"""pages - memory that this process has mapped and does not need at once

See also: madvise(2), proc_pid_smaps(5).
"""

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import suppress

_DONT_NEED = 4
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ [1-9]")
"""One of a file, that this process only reads: start and end."""


def give_back_files() -> None:
    """Let go of what is mapped of programs and libraries until it is used again.

    Importing one uses much of it, and the kernel maps what is beside that too; of all this only a little runs.
    """
    if sys.platform.startswith("linux"):  # elsewhere a page may lose what it has
        madvise = ctypes.CDLL(None).madvise
        with suppress(OSError):
            for start, end in list(_unchanged()):
                madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _DONT_NEED)


def _unchanged() -> Iterator[tuple[int, int]]:
    """Mappings whose pages are all as they are in their files, so that nothing is lost with them."""
    found = None
    with open("/proc/self/smaps") as lines:
        for line in lines:
            if line[0] < "A" or line[0] > "Z":
                found = _MAPPING.match(line)
            elif found is not None and line.startswith("Anonymous:") and line.split()[1] == "0":
                yield int(found[1], 16), int(found[2], 16)
