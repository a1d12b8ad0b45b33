"""fifo - writing to a fifo that a service listens on, as services of older releases do"""

import posix as os  # os itself would be a tenth of what sendmail takes


def write(path: str, data: bytes) -> None:
    """Write at once. OSError: it is no fifo, nobody reads it, or it is full."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
