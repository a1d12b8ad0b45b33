"""standalone - one daemon by itself, without a master, its log on standard error

For tests and for looking at one program:

    python -m pyfix.server.standalone -c DIR [-o name=value] PROGRAM inet:HOST:PORT|unix:PATH [SERVICE]

    python -m pyfix.server.standalone -c DIR postdropd systemd

serves the socket that systemd hands over (postfix-postdrop.socket) until nobody has come for max_idle seconds; it logs
as a daemon of the suite. Otherwise it serves until it is killed or its standard input ends, as the caller, in
queue_directory.

    python -m pyfix.server.standalone -c DIR -S smtpd

speaks to one client on standard input and output instead (sendmail -bs). Its log goes where a daemon's goes.

    python -m pyfix.server.standalone -c DIR -S nbdb_reindexd TYPE:/PATH

makes the index of one table, if it is to be trusted.
"""

import getopt
import os
import socket
import sys
import threading
from contextlib import suppress

from pyfix.config import mailname
from pyfix.config.main_cf import BadConfig, MainCf
from pyfix.config.params.mail import MailParams
from pyfix.server import control, daemon, log, programs
from pyfix.server.context import Context
from pyfix.unix import msg, sockets

SYSTEMD = "systemd"
STAND_ALONE = {"smtpd": "pyfix.smtpd.stand_alone:StandAlone"}
"""What a program is when it serves standard input."""
REQUESTS = frozenset({"nbdb_reindexd"})
"""Those that take one request from the command line."""


def main() -> None:
    """Start, say where it listens, serve."""
    options, words = getopt.getopt(sys.argv[1:], "c:o:S")
    if ("-S", "") in options:
        alone(words[0], words[1:], dict(options)["-c"])
        return
    program, endpoint, *service = words
    chosen = dict(options)
    overrides = [value.partition("=")[::2] for name, value in options if name == "-o"]
    config = MainCf.load(chosen["-c"])
    os.chdir(MailParams(config).queue_directory)
    listener = listen(endpoint)
    ours, theirs = control.pair()
    activated = endpoint == SYSTEMD
    if not activated:
        threading.Thread(target=_until_input_ends, args=(ours,), daemon=True).start()
    order = control.Start(
        service=service[0] if service else program,
        type="unix" if activated else endpoint.partition(":")[0],
        program=program,
        overrides=tuple((name.strip(), value.strip()) for name, value in overrides),
        limit=1 if program in programs.SERIAL else 0,
    )
    msg.to_stderr(program)
    daemon.run(order, config, theirs.detach(), [listener.detach()], own_log=activated)


def alone(program: str, words: list[str], config_dir: str) -> None:
    """Be a program with -S: serve standard input, or do what the command line asks for."""
    if program in STAND_ALONE:
        serve_input(program, config_dir)
    elif program in REQUESTS:
        sys.exit(_request(program, words, config_dir))
    else:
        msg.to_stderr(program)
        msg.fatal("this program has no stand-alone mode")


def _request(program: str, words: list[str], config_dir: str) -> int:
    """The exit status."""
    try:
        config = MainCf.load(config_dir)
        os.chdir(MailParams(config).queue_directory)
        msg.to(log.sink(config, program), msg.stderr_sink(log.tag(config, program)))
        return int(programs.load(program)(Context(program, program, config)).request(words))
    except (BadConfig, OSError) as error:
        msg.fatal(str(error))
    finally:
        log.close()


def serve_input(program: str, config_dir: str) -> None:
    """One client on standard input and output."""
    import asyncio

    from pyfix.unix.loop import Loop

    msg.to_stderr("sendmail")
    try:
        config = mailname.read(MainCf.load(config_dir))
        directory = MailParams(config).queue_directory
        os.chdir(directory)
        msg.to(log.sink(config, program))
        session = programs.load(STAND_ALONE[program])(Context(program, program, config))
    except (BadConfig, OSError) as error:
        msg.fatal(str(error))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    threading.Thread(target=_copy_input, args=(ours,), daemon=True).start()
    output = threading.Thread(target=_copy_output, args=(ours,))
    output.start()
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(session.serve(theirs))
    theirs.close()
    output.join()
    log.close()


def _copy_input(ours: socket.socket) -> None:
    with suppress(OSError):
        while data := os.read(0, 65536):
            ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)


def _copy_output(ours: socket.socket) -> None:
    with suppress(OSError):
        while data := ours.recv(65536):
            while data:
                data = data[os.write(1, data) :]
    with suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)  # nobody hears the answers any more: that ends the session


def listen(endpoint: str) -> socket.socket:
    """A listening socket for `inet:HOST:PORT`, `unix:PATH` or `systemd`."""
    kind, _, where = endpoint.partition(":")
    if kind == SYSTEMD:
        return _handed_over()
    if kind == "unix":
        return sockets.listen_unix(where, 100)
    host, _, port = where.rpartition(":")
    return sockets.listen_inet(socket.AF_INET6 if ":" in host else socket.AF_INET, host, int(port), 100)


def _handed_over() -> socket.socket:
    """The first descriptor after standard error, as sd_listen_fds(3) says. BadConfig: there is none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        raise BadConfig("systemd has handed over no socket")
    sock = socket.socket(fileno=3)
    sock.setblocking(False)
    return sock


def _until_input_ends(ours: socket.socket) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    ours.close()


if __name__ == "__main__":
    main()
