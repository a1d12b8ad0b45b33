"""sendmail - submit a message, and the other things that programs call sendmail for

    sendmail [-t] [-i] [-f sender] [-F name] [-N dsn] [-R ret] [-V envid] [-B type] [-X V] [-G] [-v] [recipient ...]
    sendmail -bv recipient ...   a report says where it would go
    sendmail -bs                 SMTP on standard input and output
    sendmail -bp (mailq) | -bi -I (newaliases) | -bd -bl (start) | -q | -qI ID | -qR SITE

Options of the original that mean nothing here are passed over. Every fatal error exits 75, "try again", as Postfix's
does: callers shall keep the message.

Start-up is all that most calls cost, so that modules are imported where they are needed and main.cf is read by
quick_conf.

Parameters: queue_directory, message_size_limit, line_length_limit, header_size_limit, sendmail_fix_line_endings,
            authorized_submit_users, enable_long_queue_ids, export_environment, requiretls_enable
Sources: sendmail(1), commands sheet.
"""

import posix as os  # os itself would be a tenth of what sendmail takes
import sys

from pyfix.clients import compose, submit
from pyfix.clients.compose import record
from pyfix.commands import quick_conf
from pyfix.commands.sendmail_options import MODES, NAMES, REQUIRETLS, Options, Stop, from_environment, parse, scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EX_TEMPFAIL = 75
STAT_SIZE = 4  # of the cleanup service
FLUSH_FROM = 1 << 20  # bytes of records that are kept before they are written

DEFAULTS = {
    "queue_directory": "/var/spool/postfix",
    "message_size_limit": "10240000",
    "line_length_limit": "2048",
    "header_size_limit": "102400",
    "sendmail_fix_line_endings": "always",
    "authorized_submit_users": "static:anyone",
    "enable_long_queue_ids": "no",
    "export_environment": "TZ MAIL_CONFIG LANG",
    "requiretls_enable": "yes",
}


# Who sends


def _caller() -> tuple[str, str]:
    """Login name and full name of the caller. Stop: he has none."""
    import pwd

    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        raise Stop("unable to find your login name") from None
    return entry.pw_name, _full_name_of(entry.pw_name, entry.pw_gecos)


def _full_name_of(login: str, gecos: str) -> str:
    """NAME, else what /etc/passwd says up to the first punctuation, with & for the login name."""
    if name := from_environment("NAME"):
        return name
    ends = [at for at in map(gecos.find, ",;%") if at >= 0]
    return gecos[: min(ends, default=len(gecos))].replace("&", login.capitalize())


def _named_sender(text: str) -> str:
    """The address in what -f says; "" for the null sender."""
    from pyfix.commands.header_recipients import addresses

    if text in {"", "<>"}:
        return ""
    found = addresses(text)
    if len(found) > 1:
        warning(f"-f option specified malformed sender: {text}")
    return found[0] if found else ""


# The message


class Message:
    """One submission on its way, written when there is enough of it."""

    def __init__(self, begin: "Callable[[], submit.Submission]", limit: int) -> None:
        self._begin = begin
        self._limit = limit
        self._size = 0
        self._parts: list[bytes] = []
        self._waiting = 0
        self._submission: submit.Submission | None = None

    def add(self, records: bytes) -> None:
        """Some records. RefusedError: too big."""
        self._parts.append(records)
        self._size += len(records)
        self._waiting += len(records)
        if self._limit and self._size > self._limit:
            raise submit.RefusedError(STAT_SIZE, "message file too big")
        if self._waiting >= FLUSH_FROM:
            self._write()

    def _write(self) -> "submit.Submission":
        if self._submission is None:
            self._submission = self._begin()
        self._submission.write(b"".join(self._parts))
        self._parts.clear()
        self._waiting = 0
        return self._submission

    def finish(self) -> None:
        """It is complete."""
        if trouble := self._write().finish():
            _prepare()
            sys.stderr.write(f"postdrop: warning: {trouble}\n")

    def cancel(self) -> None:
        """Nothing of it stays."""
        if self._submission is not None:
            self._submission.cancel()


def _envelope(options: Options, sender: str, full_name: str, recipients: list[str]) -> "Iterator[bytes]":
    if options.sendopts:
        yield record(compose.SIZE, b"%15d %15d %15d %15d %15d %15d" % (-1, -1, -1, -1, -1, options.sendopts))
    if options.envelope_id:
        yield compose.attribute("envelope_id", options.envelope_id)
    if options.ret:
        yield compose.attribute("ret_flags", options.ret)
    yield compose.attribute("rewrite_context", options.context)
    yield record(compose.FULL, _bytes(full_name))
    yield record(compose.FROM, _bytes(sender))
    if options.encoding:
        yield compose.attribute("encoding", options.encoding)
    if trace := 512 * options.probe + 1024 * (options.verbose == 1 and not options.probe):
        yield compose.attribute("trace_flags", trace)
    if options.verp is not None:
        yield record(compose.VERP, _bytes(options.verp or "+="))
    yield from _recipients(options, recipients)
    yield record(compose.MESG)


def _recipients(options: Options, recipients: list[str]) -> "Iterator[bytes]":
    for recipient in recipients:
        if options.notify and recipient:
            yield compose.attribute("notify_flags", options.notify)
        yield record(compose.RCPT, _bytes(recipient))


def _probe(sender: str, operands: list[str]) -> "Iterator[bytes]":
    """The message that asks only where it would go."""
    yield record(compose.NORM, _bytes(f"From: {sender}"))
    yield record(compose.NORM, b"Subject: probe")
    yield record(compose.CONT, b"To:")
    for at, operand in enumerate(operands, 1):
        yield record(compose.NORM, _bytes(f"\t{operand}{',' if at < len(operands) else ''}"))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _read_input() -> bytes:
    return os.read(0, 65536)


def _enqueue(options: Options, values: dict[str, str], operands: list[str]) -> None:
    """Submit what comes on standard input. Stop."""
    if options.requiretls and values["requiretls_enable"].lower() == "no":
        _ignore_requiretls(options)
    uid = os.getuid()
    login, full_name = _caller() if options.sender is None or options.full_name is None else ("", options.full_name)
    if options.full_name is not None:
        full_name = options.full_name
    if (users := values["authorized_submit_users"]) != "static:anyone":
        _may_submit(users, uid)
    if "{" in values["export_environment"]:
        _check_environment(values["export_environment"])
    sender = login if options.sender is None else _named_sender(options.sender)
    who = f"{sender}({uid})"
    if options.verp is not None and not sender:
        raise Stop(f"{who}: -V option requires non-null sender address")
    if not operands and not options.extract:
        raise Stop(f"{who}: Recipient addresses must be specified on the command line or via the -t option")
    long_ids = values["enable_long_queue_ids"].lower() == "yes"
    message = Message(
        lambda: submit.begin(values["queue_directory"], long_ids=long_ids),
        quick_conf.number(values, "message_size_limit"),
    )
    try:
        for records in _records(options, values, sender, full_name, operands, who):
            message.add(records)
        message.finish()
    except submit.RefusedError as error:
        message.cancel()
        raise Stop(f"{who}: {error or 'mail system refuses the message'}") from None
    except submit.UnavailableError as error:
        raise Stop(f"{who}: mail system is down: {error}") from None
    except OSError as error:
        message.cancel()
        _prepare()
        sys.stderr.write(f"postdrop: warning: uid={uid}: {error.strerror or error}\n")
        raise Stop(f"{who}: queue file write error") from None
    except BaseException:
        message.cancel()
        raise


def _records(
    options: Options, values: dict[str, str], sender: str, full_name: str, operands: list[str], who: str
) -> "Iterator[bytes]":
    """The whole submission."""
    from pyfix.commands.header_recipients import Header, addresses

    recipients = [address for operand in operands for address in addresses(operand) or [""]]
    yield b"".join(_envelope(options, sender, full_name, recipients))
    limit = quick_conf.number(values, "line_length_limit")
    lines = compose.pieces(_read_input, limit)
    text = compose.body(lines, values["sendmail_fix_line_endings"].lower(), dot_ends=options.dot_ends)
    end = record(compose.XTRA)
    if options.probe:
        yield from _probe(sender, operands)
    elif options.extract:
        header = Header(limit, quick_conf.number(values, "header_size_limit"))
        yield from header.records(text)
        if not header.recipients and not recipients:
            raise Stop(f"{who}: No recipient addresses found in message header")
        end += b"".join(_recipients(options, header.recipients))
    else:
        for kind, line in text:
            yield record(kind, line)
    yield end + record(compose.END)


def _ignore_requiretls(options: Options) -> None:
    for value in options.requiretls:
        warning(f"Ignoring option '-O {value}, because the configuration is 'requiretls_enable = no'")
    options.sendopts &= ~REQUIRETLS


def _may_submit(users: str, uid: int) -> None:
    """Stop: authorized_submit_users does not name this user."""
    _find_libraries()
    from pyfix.maps.run_now import run_now
    from pyfix.maps.user_acl import UserAcl

    if name := run_now(UserAcl(users, "authorized_submit_users").refused(uid)):
        raise Stop(f"User {name}({uid}) is not allowed to submit mail")


def _check_environment(exported: str) -> None:
    """Stop: nobody knows what that lets through. Postfix's hands its environment to postdrop."""
    from pyfix.config.environment import problems

    for problem in problems(exported):
        raise Stop(f"export_environment: {problem}")


# Other modes


def _other(options: Options, mode: str) -> int:
    """What is not about submitting a message."""
    import os

    what = MODES[mode][1]
    _prepare()
    _find_libraries()
    if what == "aliases":
        from pyfix.commands import newaliases

        return newaliases.rebuild(options.directory, options.aliases)
    if what == "postfix":
        start = _program("pyfix.commands.postfix", "-c", options.directory, "start")
        os.spawnve(os.P_WAIT, *start)  # noqa: S606 - no shell is wanted
        return os.EX_OK  # whatever came of it, also when it runs already
    if what == "smtpd":
        os.execve(*_program("pyfix.server.standalone", "-c", options.directory, "-S", "smtpd"))  # noqa: S606 - the same
    from pyfix.commands import postqueue

    site, queue_id = options.flush["R"], options.flush["I"]
    words = {"list": ["-p"], "flush": ["-f"], "site": ["-s", site], "one": ["-i", queue_id]}[what]
    return postqueue.main(["postqueue", *["-v"] * options.verbose, "-c", options.directory, *words])


def _program(*module: str) -> tuple[str, list[str], dict[str, str]]:
    """How another program of ours is run: its interpreter, words and environment."""
    import os

    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return sys.executable, [sys.executable, "-P", "-s", "-m", *module], {**environment, "PYTHONPATH": source}


def _find_libraries() -> None:
    """Let modules be found that are neither Python's nor ours: conf/bin/sendmail starts without site."""
    if sys.flags.no_site:
        import site

        site.main()


# Messages to the caller, and to the log


def warning(text: str) -> None:
    """Something that the command works around."""
    _say(f"warning: {text}")


def _say(text: str) -> None:
    """text: with its severity word, if it has one."""
    from pyfix.unix import msg

    _prepare()
    sys.stderr.write(f"{_name}: {msg.printable(text)}\n")
    words = {"fatal": msg.Priority.FATAL, "warning": msg.Priority.WARNING}
    priority = words.get(text.partition(":")[0], msg.Priority.INFO)
    try:
        from pyfix.config.main_cf import MainCf
        from pyfix.server import log

        main = MainCf.load(_options.directory)
        queue = quick_conf.read(_options.directory, DEFAULTS)["queue_directory"]
        log.sink(main, "sendmail", f"{queue}/")(priority, msg.printable(text))
        log.close()
    except Exception:  # noqa: S110 - the caller has been told, a log that can't be written changes nothing
        pass


def _prepare() -> None:
    """Make sure of the standard streams, before one is used or where one is closed."""
    if _alone:
        from pyfix.unix import stdio

        stdio.prepare()


_alone = False  # a process of its own
_name = "sendmail"
_options = Options()


def main(argv: list[str] | None = None) -> int:
    """Submit a message, or be what the name or the options say."""
    global _name, _options, _alone  # noqa: PLW0603 - a process is one command
    words = sys.argv if argv is None else argv
    _alone = argv is None
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _prepare()
    _name = words[0].rpartition("/")[2].removesuffix(".py") or "sendmail"
    _options = options = Options()
    options.mode = NAMES.get(_name, "")
    try:
        return _main(words[1:], options)
    except (Stop, quick_conf.BadSettingError) as error:
        _fatal(str(error))
        return EX_TEMPFAIL


def _main(words: list[str], options: Options) -> int:
    for complaint in scan(words, options):
        _complain(complaint)
    values = quick_conf.read(options.directory, DEFAULTS)
    try:
        operands = parse(words, options)
    finally:
        for text in options.said:
            _say(text)
    _check_together(options)
    if options.nothing or options.mode == "bh":
        return 0
    mode = options.mode or next((f"q{kind}" for kind, name in options.flush.items() if name), "")
    if mode:
        if operands:
            raise Stop(f"{MODES[mode][0]} requires no recipient")
        return _other(options, mode)
    _enqueue(options, values, operands)
    if options.probe or options.verbose == 1:
        _tell_report(options)
    return 0


def _check_together(options: Options) -> None:
    """Stop: options that can't be had together."""
    if options.mode:
        others = {"t": options.extract, "qR": options.flush["R"], "qI": options.flush["I"]}
        for name in filter(others.get, others):
            raise Stop(f"-{name} can be used only in delivery mode")
    if options.probe:
        others = {"t": options.extract, "N": options.notify, "R": options.ret, "v": options.verbose == 1}
        for name in filter(others.get, others):
            raise Stop(f"-{name} option cannot be used with -bv")


def _tell_report(options: Options) -> None:
    sender = _caller()[0] if options.sender is None else _named_sender(options.sender)
    _prepare()
    sys.stdout.write(f"Mail Delivery Status Report will be mailed to <{sender}>.\n")
    sys.stdout.flush()


def _fatal(text: str) -> None:
    if text[:1] == "?":
        _complain(text[1:])
        text = f"usage: {_name} [options]"
    _say(f"fatal: {text}")


def _complain(text: str) -> None:
    """As getopt(3) does."""
    _prepare()
    sys.stderr.write(f"{_name}: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
