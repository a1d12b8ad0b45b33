"""standalone - one daemon by itself, without a master, its log on standard error

For tests and for looking at one program:

    python -m pyfix.server.standalone -c DIR [-o name=value] PROGRAM inet:HOST:PORT|unix:PATH [SERVICE]

It serves until it is killed or its standard input ends, as the caller, in queue_directory.
"""

import getopt
import os
import socket
import sys
import threading

from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.server import control, daemon, programs
from pyfix.unix import msg, sockets


def main() -> None:
    """Start, say where it listens, serve."""
    options, words = getopt.getopt(sys.argv[1:], "c:o:")
    program, endpoint, *service = words
    chosen = dict(options)
    overrides = [value.partition("=")[::2] for name, value in options if name == "-o"]
    config = MainCf.load(chosen["-c"])
    os.chdir(MailParams(config).queue_directory)
    listener = listen(endpoint)
    ours, theirs = control.pair()
    threading.Thread(target=_until_input_ends, args=(ours,), daemon=True).start()
    order = control.Start(
        service=service[0] if service else program,
        type=endpoint.partition(":")[0],
        program=program,
        overrides=tuple((name.strip(), value.strip()) for name, value in overrides),
        limit=1 if program in programs.SERIAL else 0,
    )
    msg.to_stderr(program)
    daemon.run(order, config, theirs.detach(), [listener.detach()], own_log=False)


def listen(endpoint: str) -> socket.socket:
    """A listening socket for `inet:HOST:PORT` or `unix:PATH`."""
    kind, _, where = endpoint.partition(":")
    if kind == "unix":
        return sockets.listen_unix(where, 100)
    host, _, port = where.rpartition(":")
    return sockets.listen_inet(socket.AF_INET6 if ":" in host else socket.AF_INET, host, int(port), 100)


def _until_input_ends(ours: socket.socket) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    ours.close()


if __name__ == "__main__":
    main()
