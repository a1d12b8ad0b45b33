"""toy_no_room - a program that comes to be never: once postlogd runs, what the zygote forks can't fork"""

import errno
import os

ZYGOTE = os.getpid()
fork = os.fork
ordered = []


def fork_for_postlogd_only():
    if os.getpid() == ZYGOTE:
        ordered.append(1)
    elif len(ordered) > 1:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()


os.fork = fork_for_postlogd_only
