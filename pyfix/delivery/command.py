"""command - run a program for a recipient and tell what its end means

The message goes to its standard input; what it says on standard output and error is kept up to
OUTPUT_LIMIT bytes. It leads a session of its own, so that all of it can be killed when its time is
up. It may leave its input unread, and its output may never end: neither blocks the agent.

| how it ended, first match   | status and reason                                                   |
|-----------------------------|---------------------------------------------------------------------|
| out of time                 | 5.3.0 Command time limit exceeded: "cmd"                            |
| by a signal                 | 4.3.0 Command died with signal N: "cmd"                             |
| not 0, output begins X.Y.Z  | what the output says                                                |
| a number of sysexits        | the number's (SYSEXITS)                                             |
| another number              | 5.3.0 Command died with status N: "cmd"                             |
| 0                           | sent                                                                |

All but the third add `. Command output: ...`.

Parameters: command_time_limit, local_command_shell, export_environment
Sources:    pipe(8), local(8) EXTERNAL COMMAND DELIVERY, sysexits(3)
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from pyfix.delivery import log
from pyfix.mail.dsn import STATUS, split_dsn
from pyfix.unix import msg
from pyfix.unix.as_user import as_root, can_switch

OUTPUT_LIMIT = 4096  # bytes of output that are kept
CHUNK = 65536
PATH = "/usr/bin:/bin"
SHELL = "/bin/sh"
EX_SOFTWARE = 70
TEMPFAIL = 75
COMPLAIN = 3  # descriptor on which a child says why it could not begin
HIGH = 100  # descriptors that are to be moved go above this one first, out of the way

SYSEXITS = {  # exit status: (enhanced status, words)
    64: ("5.3.0", "command line usage error"),
    65: ("5.6.0", "data format error"),
    66: ("5.3.0", "cannot open input"),
    67: ("5.1.1", "user unknown"),
    68: ("5.1.2", "host name unknown"),
    69: ("5.3.0", "service unavailable"),
    70: ("5.3.0", "internal software error"),
    71: ("4.3.0", "system resource problem"),
    72: ("5.3.0", "critical OS file missing"),
    73: ("5.2.0", "can't create user output file"),
    74: ("5.3.0", "input/output error"),
    75: ("4.3.0", "temporary failure"),
    76: ("5.5.0", "remote error in protocol"),
    77: ("5.7.0", "permission denied"),
    78: ("5.3.5", "local configuration error"),
}

_PLAIN = re.compile(r"[ \t]*[0-9A-Za-z!@%_=+:,./-][0-9A-Za-z!@%_=+:,./ \t-]*", re.ASCII)
_UNPRINTABLE = re.compile(r"[^ -~]")


class Command(NamedTuple):
    """What to run, as whom, where and for how long.

    text: the command, as reports show it; argv: its words, None: text is for split() or a shell; uid, gid:
    whom to be; environment: all of it; directory, chroot: "" for none; limit: seconds;
    file_limit: bytes of a file that it writes, 0: none; program: whose child it is, for its complaints.
    """

    text: str
    uid: int
    gid: int
    environment: Mapping[str, str]
    argv: tuple[str, ...] | None = None
    shell: str = ""
    directory: str = ""
    chroot: str = ""
    limit: float = 1000
    file_limit: int = 0
    program: str = "local"


class Ended(NamedTuple):
    """How a command ended. status: as waitpid tells it; output: printable; write_error: why it did not get all."""

    status: int
    output: str
    timed_out: bool = False
    write_error: str = ""


class Verdict(NamedTuple):
    """What that means. text: the command's own words for the DSN (x-unix), reason: for the log."""

    status: str
    reason: str
    text: str = ""


def run(command: Command, message: Iterator[bytes]) -> Ended:
    """Run it to its end. OSError: no process was to be had.

    Exceptions of `message` kill it and pass.
    """
    stdin, to_child = os.pipe()
    from_child, stdout = os.pipe()
    complaint, complain = os.pipe()
    try:
        pid = _fork(command, stdin, stdout, complain)
    except BaseException:
        os.close(to_child)
        os.close(from_child)
        os.close(complaint)
        raise
    finally:
        for fd in (stdin, stdout, complain):
            os.close(fd)
    conversation = _Conversation(to_child, from_child, time.monotonic() + command.limit)
    try:
        conversation.hold(message)
        status = conversation.wait(pid)
    except BaseException:
        _kill(pid)
        os.waitpid(pid, 0)
        raise
    finally:
        conversation.close()
        _repeat(complaint)
    if status is None:
        _kill(pid)
        _, status = os.waitpid(pid, 0)
    return Ended(status, conversation.output(), conversation.timed_out, conversation.write_error)


def judge(ended: Ended, text: str) -> Verdict:
    """What a command's end means. text: the command as reports show it."""
    output = ended.output
    more = f". Command output: {output}" if output else ""
    if ended.timed_out:
        return Verdict("5.3.0", f'Command time limit exceeded: "{text}"{more}', output or SYSEXITS[EX_SOFTWARE][1])
    code = os.waitstatus_to_exitcode(ended.status)
    if code < 0:
        return Verdict("4.3.0", f'Command died with signal {-code}: "{text}"{more}', output)
    if code:
        return _judge_code(code, text, output, more)
    if ended.write_error:
        return Verdict("5.3.0", f'Command failed: {ended.write_error}: "{text}"')
    return Verdict("2.0.0", output)


def _judge_code(code: int, text: str, output: str, more: str) -> Verdict:
    if not output.startswith(" ") and STATUS.match(output):
        status, words = split_dsn(output, "5.3.0")
        return Verdict(with_failure(status), words, words)
    if code in SYSEXITS:
        status, words = SYSEXITS[code]
        return Verdict(status, words + more, output or words)
    reason = f'Command died with status {code}: "{text}"{more}'
    return Verdict("5.3.0", reason, output or f"unknown mail system error {code}")


def with_failure(status: str) -> str:
    """A failed command can't report success."""
    if status[0] != "2":
        return status
    msg.warning(log.ignoring_dsn("bounce_append", status))
    return "5.0.0"


def printable(output: bytes) -> str:
    """Output on one line, in characters that a log can bear."""
    text = output.decode("ascii", "replace").replace("\t", " ").replace("\n", " ")
    return _UNPRINTABLE.sub("_", text)


class _Conversation:
    """Both pipes of a running command. timed_out: it was too slow; write_error: it did not get all."""

    def __init__(self, to_child: int, from_child: int, deadline: float) -> None:
        self._to = to_child
        self._from = from_child
        self._deadline = deadline
        self._said = bytearray()
        self.timed_out = False
        self.write_error = ""
        for fd in (to_child, from_child):
            os.set_blocking(fd, False)

    def hold(self, message: Iterator[bytes]) -> None:
        """Write all of the message while reading; then read to the end, or as much as is wanted."""
        for chunk in message:
            if not self._write(memoryview(chunk)):
                break
        self._close_to()
        while self._from >= 0 and len(self._said) < OUTPUT_LIMIT and not self.timed_out:
            self._poll(0, select.POLLIN)
        self._close_from()

    def wait(self, pid: int) -> int | None:
        """The status of the process; None: it has not ended in time."""
        if self.timed_out:
            return None
        ended = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(ended, select.POLLIN)
            if not poll.poll(self._left()):
                self.timed_out = True
                return None
        finally:
            os.close(ended)
        return os.waitpid(pid, 0)[1]

    def output(self) -> str:
        """What it said, up to a NUL."""
        return printable(bytes(self._said[:OUTPUT_LIMIT]).partition(b"\0")[0])

    def close(self) -> None:
        """Both pipes."""
        self._close_to()
        self._close_from()

    def _write(self, rest: memoryview) -> bool:
        """One chunk; False: the command takes no more."""
        while rest and not self.timed_out:
            if not self._poll(select.POLLOUT, select.POLLIN):
                continue
            try:
                rest = rest[os.write(self._to, rest[:CHUNK]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return False
            except OSError as error:
                self.write_error = error.strerror or str(error)
                return False
        return not self.timed_out

    def _poll(self, writing: int, reading: int) -> bool:
        """Wait for either pipe and read what is there; whether it can be written to."""
        poll = select.poll()
        if writing:
            poll.register(self._to, writing)
        if self._from >= 0:
            poll.register(self._from, reading)
        ready = dict(poll.poll(self._left()))
        if not ready:
            self.timed_out = True
        if self._from in ready:
            self._read()
        return self._to in ready

    def _read(self) -> None:
        data = os.read(self._from, CHUNK)
        if not data:
            self._close_from()
        elif len(self._said) < OUTPUT_LIMIT:
            self._said += data

    def _left(self) -> int:
        """Milliseconds."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))

    def _close_to(self) -> None:
        if self._to >= 0:
            os.close(self._to)
            self._to = -1

    def _close_from(self) -> None:
        if self._from >= 0:
            os.close(self._from)
            self._from = -1


def _kill(pid: int) -> None:
    """The process group of a child that nobody has waited for yet."""
    with as_root():
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)


def _repeat(complaint: int) -> None:
    """Log why a child could not begin, if it says so."""
    os.set_blocking(complaint, False)
    with suppress(BlockingIOError):
        text = os.read(complaint, OUTPUT_LIMIT)
        if text:
            msg.info(f"fatal: {text.decode('utf-8', 'surrogateescape')}")
    os.close(complaint)


# The child


class NoCommandError(OSError):
    """There is no such program; the user may know."""


def _fork(command: Command, stdin: int, stdout: int, complain: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        _begin(command, stdin, stdout, complain)
    except OSError as error:
        text = str(error.strerror).encode("utf-8", "surrogateescape")
        with suppress(OSError):
            os.write(COMPLAIN, text)
        if isinstance(error, NoCommandError):
            with suppress(OSError):
                os.write(2, b"%b: fatal: %b\n" % (command.program.encode(), text))
    finally:
        os._exit(TEMPFAIL)


def _begin(command: Command, stdin: int, stdout: int, complain: int) -> None:
    """Become the command. OSError whose words are complete."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, HIGH) for fd in (stdin, stdout, stdout, complain)]
    for target, source in enumerate(high):
        os.dup2(source, target, inheritable=target != COMPLAIN)
    os.closerange(COMPLAIN + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.setsid()
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.umask(0o077)
    _become(command)
    if command.file_limit:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        if hard == resource.RLIM_INFINITY or command.file_limit <= hard:
            resource.setrlimit(resource.RLIMIT_FSIZE, (command.file_limit, command.file_limit))
    if command.directory:
        where = f'cannot change directory to "{command.directory}" for uid={command.uid} gid={command.gid}'
        _say(where, os.chdir, command.directory)
    _exec(command)


def _become(command: Command) -> None:
    if command.chroot:
        with as_root():
            _say(f"chroot({command.chroot})", os.chroot, command.chroot)
            _say("chdir /", os.chdir, "/")
    if can_switch():
        os.seteuid(0)
        os.setgroups([command.gid])
        os.setresgid(command.gid, command.gid, command.gid)
        os.setresuid(command.uid, command.uid, command.uid)
    elif command.uid != os.getuid():
        raise OSError(errno.EPERM, f"cannot become uid {command.uid} without root privileges")


def _exec(command: Command) -> None:
    environment = {"PATH": PATH, **command.environment}
    if command.argv is not None:
        argv, prefix = list(command.argv), "pipe_command: "
    elif command.shell:
        argv, prefix = [*command.shell.split(), command.text], "pipe_command: "
    else:
        argv, prefix = plain_words(command.text), ""
    if argv:
        try:
            os.execvpe(argv[0], argv, environment)  # noqa: S606 - what the administrator or user wrote
        except OSError as error:
            if command.argv is not None or command.shell or "/" in argv[0] or not isinstance(error, FileNotFoundError):
                raise NoCommandError(error.errno, f"{prefix}execvp {argv[0]}: {error.strerror}") from error
    _say(f"execl {SHELL}", lambda path: os.execve(path, ["sh", "-c", command.text], environment), SHELL)  # noqa: S606


def plain_words(text: str) -> list[str]:
    """The words of a command without anything that needs a shell; else none."""
    return text.split() if _PLAIN.fullmatch(text) else []


def _say(what: str, act: Callable[[str], None], where: str) -> None:
    try:
        act(where)
    except OSError as error:
        raise OSError(error.errno, f"{what}: {error.strerror}") from error
