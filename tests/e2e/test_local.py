"""Aliases, .forward files, mailboxes and commands: the same for real Postfix's local(8) and ours.

Each case is a main.cf, aliases, files and recipients. Both systems get the same mail; what they log of
each recipient and what they leave in mailboxes must be equal. The users are the machine's own (games,
news, ...); their mail goes below a directory of the test's, their .forward files are found there too.
"""

import os
import pwd
import re
import shutil
import smtplib
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pyfix.config.bounce_template import DEFAULTS, dump_templates

MAIN_CF = """
myhostname = mx.example.com
myorigin = example.com
mydestination = example.com, mx.example.com
virtual_mailbox_domains =
local_recipient_maps =
alias_maps = texthash:{root}/aliases
recipient_delimiter = +
mail_spool_directory = {root}/spool
forward_path = {root}/fwd/$user.forward${recipient_delimiter}${extension}, {root}/fwd/$user.forward
default_transport = retry:4.4.4 parked
default_privs = nobody
command_time_limit = 2s
soft_bounce = yes
smtputf8_enable = no
bounce_template_file = {root}/templates.cf
"""
BODY = b"Subject: t\r\nMessage-Id: <1@a.test>\r\nDate: now\r\nFrom: <s@a.test>\r\nTo: x@y.test\r\n\r\nFrom me\r\n.x\r\n"
LINE = re.compile(r"(?:local|error)\[\d+\]: (\w+): (to=<.*?)relay=\w+, delay=.*?(dsn=.*)$", re.MULTILINE)
PASSING = re.compile(r"local\[\d+\]: \w+: (passing .*)$", re.MULTILINE)
WARNING = re.compile(r"local\[\d+\]: (warning: .*)$", re.MULTILINE)
NOISE = re.compile(r"overriding earlier entry|time limit exceeded|^warning: .* timed out")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to become each recipient")


@dataclass(frozen=True)
class Case:
    """files: name below the root -> (owner, mode, text or None for a directory or "->target")."""

    recipients: tuple[str, ...]
    main_cf: str = ""
    aliases: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[str, int, str | None]] = field(default_factory=dict)
    sender: str = "s@a.test"
    body: bytes = BODY


LISTS = {
    "file": "{root}/out/file",
    "cat": '"|cat >{root}/out/cat"',
    "both": "{root}/out/both, games, ext@remote.test",
    "null": "/dev/null",
    "full": "/dev/full",
    "dir": "{root}/out",
    "exe": "{root}/exe",
    "mdir": "{root}/out/Maildir/",
    "nomdir": "{root}/Maildir/",
    "sym": "{root}/out/sym",
    "hard": "{root}/out/hard",
    "closed": "{root}/closed",
    "home": "~/foo",
    "home2": "~games/foo",
    "inc": ":include:{root}/inc.list",
    "increl": ":include:inc.list",
    "incno": ":include:{root}/nolist",
    "incww": ":include:{root}/ww.list",
    "incdir": ":include:{root}",
    "incu": ":include:{root}/incu.list",
    "list": "games, mail, ext@remote.test",
    "owner-list": "news",
    "self": "self, games",
    "loopa": "loopb",
    "loopb": "loopa",
    "nobodyknows": "doesnotexist",
    "empty": "<>",
    "bad": "a@b@, (",
    "semi": ";",
    "slash": "games+a/b",
    "quoted": '"hello world"@remote.test',
    "twice": "games, games",
}
LIST_FILES = {
    "exe": ("root", 0o777, ""),
    "closed": ("root", 0o600, "x"),
    "out/target": ("root", 0o666, ""),
    "out/sym": ("root", 0o666, "->out/target"),
    "out/hard": ("root", 0o666, ""),
    "out/hard2": ("root", 0o666, "=out/hard"),
    "inc.list": ("root", 0o644, "# comment\ngames, mail\nx@remote.test\n"),
    "ww.list": ("root", 0o666, "games\n"),
    "incu.list": ("games", 0o644, "mail\n"),
}
COMMANDS = {
    "ok": '"|echo fine"',
    "full": '"|cat >/dev/full"',
    "one": '"|echo bad thing; exit 1"',
    "code4": '"|echo 4.7.9 come later; exit 9"',
    "code5": '"|echo 5.7.9 never; exit 9"',
    "late": "\"|echo ' 5.7.9 never'; exit 67\"",
    "nul": "\"|printf 'a\\\\000b'; exit 67\"",
    "code2": '"|echo 2.7.9 never; exit 9"',
    "kill": '"|kill -9 $$"',
    "term": '"|echo hi; kill -TERM $$"',
    "nothere": '"|/nonexistent/cmd"',
    "notfound": '"|nonexistentcmd"',
    "hang": '"|echo out; sleep 60"',
    "odd": "\"|printf 'a\\\\001b\\\\tc\\\\nd'; exit 65\"",
    "env": '"|env | grep -v -e ^PWD= -e ^MAIL_CONFIG= -e ^LANG= -e ^TZ= | sort >{root}/out/env"',
    **{f"x{code}": f'"|exit {code}"' for code in range(64, 79)},
}
FORWARDS = {
    "fwd/bin.forward": ("bin", 0o644, "ext@remote.test\n\\bin\n|cat >/dev/null\n{root}/out/bin\n"),
    "fwd/sys.forward": ("sys", 0o644, ""),
    "fwd/man.forward": ("games", 0o644, "ext@remote.test\n"),
    "fwd/lp.forward": ("lp", 0o666, "ext@remote.test\n"),
    "fwd/uucp.forward": ("uucp", 0o644, "uucp, ext@remote.test\n"),
    "fwd/uucp.forward+ext": ("uucp", 0o644, '"|cat >{root}/out/uucp"\n'),
    "fwd/proxy.forward": ("proxy", 0o600, "backup@example.com, proxy@mx.example.com, ~/x\n"),
    "fwd/list.forward": ("list", 0o755, None),
    "fwd/irc.forward": ("irc", 0o644, "->fwd/bin.forward"),
    "fwd/news.forward": ("root", 0o644, ":include:{root}/secret\n"),
    "secret": ("root", 0o600, "ext@remote.test\n"),
}
FAILING = ("file", "cmd", "unknown", "inc", "incww", "incbad", "loop", "mixed", "outer",
           "home", "bad", "slashed", "full", "again", "relayed")
FILTER = """\
/^5.1.1 unknown user: "unknown-soft/ 4.1.1 soft
/^5.1.1 unknown user: "unknown-other/ 5.7.7   in other words
/^5.1.1 unknown user: "unknown-good/ 2.1.1 good
/^5.1.1 unknown user: "unknown-none/ none
/^5.1.1 unknown user: "unknown-bad/ 5.1.x bad
/^2.0.0 delivered to command: true/ 2.7.8 hidden
/^2.0.0 delivered to command: : bad/ 5.7.8 hidden
/^4.3.0 temporary/ 5.3.0 not later but now
/^2.0.0 forwarded as/ 2.1.5 on its way
"""
PROCMAILRC = """\
SHELL=/bin/sh
EXTENSION="$1"
:0
* LOGNAME ?? news
{ EXITCODE=67 HOST }
:0 c
| { echo "$LOGNAME $HOME <$EXTENSION>"; id -un; id -gn; } >{root}/out/$LOGNAME-$EXTENSION.as
:0:
* EXTENSION ?? .
{root}/out/$LOGNAME-$EXTENSION
"""
MAILFILTER = """\
SHELL="/bin/sh"
import EXTENSION
`{ echo "$LOGNAME $HOME <$EXTENSION>"; id -un; id -gn; } >{root}/out/$LOGNAME-$EXTENSION.as`
if ($LOGNAME eq "news")
{
  EXITCODE=77
  exit
}
to "{root}/out/$LOGNAME-$1"
"""
FILTERS = {
    "procmail": Case(
        ("games+ext", "games", "news", "bin"),
        'mailbox_command = /usr/bin/procmail -a "$EXTENSION" DEFAULT={root}/spool/$USER {root}/procmailrc'
        "\ncommand_time_limit = 20s",
        files={"procmailrc": ("root", 0o644, PROCMAILRC)},
    ),
    "maildrop": Case(
        ("games+ext", "games", "news"),
        'mailbox_command = /usr/bin/maildrop {root}/fwd/$USER.filter "$EXTENSION"\ncommand_time_limit = 20s',
        files={f"fwd/{user}.filter": (user, 0o600, MAILFILTER) for user in ("games", "news")},
    ),
}
"""Programs that sort mail, as their manuals have them called."""
CASES = {
    "aliases": Case((*LISTS, "LIST", "file+ext", "both+x/y", "list+/", "a`id`b", "nobody", "postmaster",
                     "mailer-daemon", "root"), "", LISTS, LIST_FILES),
    "commands": Case((*COMMANDS, "env+e$x"), "", COMMANDS),
    "forwards": Case(("bin", "sys", "man", "lp", "uucp", "uucp+ext", "uucp+other", "proxy", "list", "irc", "news",
                      "bin+/etc", "unknown+x"), "", {}, FORWARDS),
    "mailboxes": Case(
        ("games", "games+x", "backup", "irc", "www-data", "news", "list", "root"),
        "mailbox_size_limit = 3000\nmessage_size_limit = 2000",
        files={
            "spool/backup": ("root", 0o666, "hello"),
            "spool/irc": ("root", 0o777, "->closed"),
            "closed": ("root", 0o600, "x"),
            "spool/www-data": ("root", 0o755, None),
            "spool/news": ("news", 0o600, "x" * 2900),
            "spool/list": ("list", 0o600, "-> "),
        },
    ),
    "root's spool": Case(("games", "news+x", "root"), files={"spool": ("root", 0o755, None)}),
    "group's spool": Case(("games", "news", "root"), files={"spool": (":mail", 0o2775, None)}),
    "maildir spool": Case(("games", "GAMES+x"), "mail_spool_directory = {root}/spool/"),
    # Whose it is may not hang on who is first.
    "home_mailbox": Case(
        ("games", "games+x", "mail"),
        "home_mailbox = ../..{root}/out/box",
        files={"out/box": ("games", 0o600, "")},
    ),
    "home_mailbox is a maildir": Case(
        ("games+x", "mail"),
        "home_mailbox = ../..{root}/out/dir/",
        files={"out/dir": ("games", 0o700, None)},
    ),
    "locks": Case(
        ("games", "news"),
        "mailbox_delivery_lock = dotlock, flock, fcntl\ndeliver_lock_attempts = 2\ndeliver_lock_delay = 1s",
        files={"spool/games.lock": ("root", 0o644, "")},
    ),
    "environment": Case(
        ("env",),
        "export_environment = FOO=b ar { BAR = x y } TZ MAIL_CONFIG",
        {"env": '"|env | grep -v -e ^PWD= -e ^MAIL_CONFIG= -e ^LANG= -e ^TZ= | sort >{root}/out/env"'},
    ),
    "mailbox_command": Case(
        ("games+ext", "news", "root", "nope"),
        'mailbox_command = cat >>{root}/out/$USER; echo "$EXTENSION $HOME $SHELL" >>{root}/out/$USER\n'
        "mailbox_command_maps = inline:{{{news = exit 75}}}\nprepend_delivered_header = file",
    ),
    "transports": Case(
        ("games", "news", "nope"),
        "mailbox_transport = retry:4.1.9 from mailbox_transport\nmailbox_transport_maps = "
        "inline:{{{news = error:5.1.2 news is closed}}}",
    ),
    "fallback": Case(
        ("nope", "nope2", "games", '"no pe"'),
        "fallback_transport = retry:4.1.9 fallback\nfallback_transport_maps = inline:{{{nope2 = error:5.1.2 closed}}}",
    ),
    "luser_relay": Case(("nope+ext", "nope2"), "luser_relay = $user.$extension.$local@remote.test"),
    "luser_relay to the same": Case(("nope+ext", "nope2"), "luser_relay = $recipient\nsoft_bounce = no"),
    "luser_relay to nobody": Case(("nope+ext", "nobodyknows", "list"), "luser_relay = nobodyknows@example.com",
                                  {"list": "nope, nope3@mx.example.com"}),
    "luser_relay here": Case(("nope+ext", "nope2"), "luser_relay = games+$local"),
    "extensions": Case(
        ("one+e", "list+e", "uucp+e", "inc+e"),
        "propagate_unmatched_extensions = alias, forward, include",
        {"one": "games, u@remote.test", "list": "games", "owner-list": "news", "inc": ":include:{root}/inc.list"},
        {"fwd/uucp.forward": ("uucp", 0o644, "ext@remote.test\n"), "inc.list": ("root", 0o644, "x@remote.test")},
    ),
    "owners": Case(
        ("list", "outer", "plain"),
        "expand_owner_alias = yes\nreset_owner_alias = yes\nfrozen_delivered_to = no",
        {"list": "{root}/out/list, plain", "owner-list": "news, games", "plain": "games, {root}/out/plain",
         "outer": "list, {root}/out/outer", "owner-outer": "man"},
    ),
    "failures of lists": Case(
        FAILING,
        "soft_bounce = no\nmailbox_size_limit = 50000\nmessage_size_limit = 50000\n"
        "fallback_transport_maps = inline:{{{elsewhere = error:5.1.2 closed}}}",
        {
            "file": "{root}/no/file",
            "cmd": '"|exit 67"',
            "unknown": "doesnotexist",
            "inc": ":include:{root}/nolist",
            "incww": ":include:{root}/ww.list",
            "incbad": ":include:{root}/bad.list",
            "loop": "loop2",
            "loop2": "loop3",
            "loop3": "loop2",
            "mixed": "games, {root}/no/file, unowned",
            "unowned": "{root}/no/file, {root}/out/unowned",
            "home": "~games/foo",
            "bad": "a@b@, games",
            "slashed": "\\\\nouser",
            "full": "\\\\irc",
            "again": "came",
            "came": "news",
            "relayed": "\\\\elsewhere",
            "outer": "file, {root}/no/file",
            **{f"owner-{name}": f"{name}-boss, news" for name in FAILING},
        },
        {
            "ww.list": ("root", 0o666, "games\n"),
            "bad.list": ("root", 0o644, "nobodyknows, {root}/no/file\n\"|exit 69\"\n"),
            "spool/irc": ("irc", 0o600, "x" * 49900),
        },
        body=b"Delivered-To: came@example.com\r\n" + BODY,
    ),
    "failures of what a list names": Case(
        ("list", "inlist", "both"),
        "soft_bounce = no\nallow_mail_to_commands = alias\nallow_mail_to_files = alias, include",
        {"list": "part, {root}/no/list", "owner-list": "news", "part": '{root}/no/part, "|exit 67"',
         "inlist": ":include:{root}/part.list", "owner-inlist": "news",
         "both": "games, :include:{root}/part.list, games", "owner-both": "news"},
        {"part.list": ("root", 0o644, '{root}/no/inlist\n"|true"\npart, games\n')},
    ),
    "deferred in lists": Case(
        ("list", "outer"),
        "allow_mail_to_commands = alias, include\nallow_mail_to_files = alias, include",
        {"list": '"|exit 75", :include:{root}/a.list, {root}/out/e', "outer": '"|exit 75", list, -bad'},
        {"a.list": ("root", 0o644, '{root}/out/a\n{root}/out/b, "|exit 71", {root}/out/c\n{root}/out/d\n')},
    ),
    "failures of lists, null sender": Case(
        ("list",), "soft_bounce = no", {"list": "{root}/no/file, x, news", "owner-list": "games"}, sender="",
    ),
    "failures of lists, expanded owner": Case(
        ("list", "request", "list+ext"),
        "soft_bounce = no\nexpand_owner_alias = yes\nreset_owner_alias = yes",
        {"list": "{root}/no/file, x, news", "owner-list": "games", "request": "{root}/no/file",
         "owner-request": "news, games"},
    ),
    "status filter": Case(
        ("unknown-soft", "unknown-other", "unknown-good", "unknown-none", "unknown-bad", "cmd", "cmdbad", "later",
         "list"),
        "soft_bounce = no\nlocal_delivery_status_filter = regexp:{root}/filter",
        {"cmd": '"|true"', "cmdbad": '"|: bad"', "later": '"|exit 75"', "list": "x@remote.test, games"},
        {"filter": ("root", 0o644, FILTER)},
    ),
    "no owners": Case(("list",), "owner_request_special = no", {"list": "games, x@remote.test", "owner-list": "news"}),
    "restricted": Case(
        ("cmd", "file", "inc"),
        "allow_mail_to_commands = include\nallow_mail_to_files = include",
        {"cmd": '"|cat"', "file": "{root}/out/f", "inc": ":include:{root}/inc.list"},
        {"inc.list": ("root", 0o644, "|cat\n{root}/out/inc\n")},
    ),
    "loop": Case(("games", "list"), "", {"list": "games"}, body=b"Delivered-To: GAMES@example.com\r\n" + BODY),
    # Owners are told; here by their lines in the log.
    "loops of lists": Case(
        ("came", "Came+x", "came+a/b", "plain", "outer", "n+x", "list"),
        "soft_bounce = no",
        {"came": "news", "owner-came": '"|true"', "plain": "news", "outer": "{root}/out/x, Came, plain",
         "owner-outer": "bin", "n": "news", "owner-n+x": '"|: x"', "owner-n": '"|: n"', "list": ":include:{root}/l",
         "owner-list": '"|: list"'},
        {"l": ("root", 0o644, "games, came\n")},
        sender="games@example.com",
        body=b"Delivered-To: n+x@example.com\r\nDelivered-To: plain@example.com\r\nDelivered-To: came+a/b@example.com"
        b"\r\nDelivered-To: came@example.com\r\nDelivered-To: came+x@example.com\r\n" + BODY,
    ),
    "original recipient": Case(
        ("games", "all"),
        "enable_original_recipient = no",
        {"all": '{root}/out/all, {root}/out/dir/, "|cat >{root}/out/cat; echo $ORIGINAL_RECIPIENT >>{root}/out/cat"'},
    ),
    "null sender": Case(("games", "cat"), "", {"cat": '"|cat >{root}/out/cat; echo x$SENDER. >>{root}/out/cat"'},
                        sender=""),
    "directory": Case(
        ("pwd", "games"),
        "command_execution_directory = ${extension?{root}/out}${extension:/nonexistent}\nrequire_home_directory = yes",
        {"pwd": '"|pwd >{root}/out/pwd"'},
    ),
}


class Run:
    """One system's results."""

    def __init__(self, log: str, root: Path) -> None:
        self.log = log
        self.warnings = {_neutral(text, root) for text in WARNING.findall(log) if not NOISE.search(text)}
        self.outcomes = sorted(_neutral(to + rest, root) for _, to, rest in LINE.findall(log))
        self.passed = sorted(PASSING.findall(log))
        self.files = sorted((_name(path, root), *one) for path in _mailboxes(root) for one in _file(path, root))


def _neutral(text: str, root: Path) -> str:
    text = re.sub(r"tmp/\d+\.P\d+\.", "tmp/TIME.PID.", text.replace(str(root), "ROOT"))
    text = re.sub(r"\(alias database loop for .*\)", "(recipient nesting limit exceeded)", text)  # until 3.10
    text = re.sub(r"alias database loop for (.*)", r"recipient nesting limit exceeded for \1@example.com", text)
    return re.sub(r"(forwarded as |warning: )[0-9A-F]{8,}", r"\1QID", text)


def _mailboxes(root: Path):
    for top in (root / "spool", root / "out"):
        yield from (path for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink())


def _name(path: Path, root: Path) -> str:
    return re.sub(r"new/\d.*", "new/UNIQUE", str(path.relative_to(root)))


def _file(path: Path, root: Path):
    """Owner, group, mode and text of each message in a mailbox."""
    status = path.stat()
    text = path.read_bytes().decode("utf-8", "replace").replace(str(root), "ROOT")
    text = re.sub(r"[A-Z][a-z]{2},? +[A-Z]?[a-z]{0,2}.*:\d\d.*", "DATE", text)
    text = re.sub(r"\b[0-9A-F]{8,}\b", "QID", text)
    text = text.rstrip("\n").removeprefix("From ")
    for message in text.split("\nFrom "):  # agents work side by side
        yield status.st_uid, status.st_gid, status.st_mode & 0o7777, message.rstrip("\n")


def prepare(root: Path, case: Case) -> str:
    """The files; main.cf's text."""
    for name, mode in (("spool", 0o1777), ("out", 0o777), ("fwd", 0o755)):
        (root / name).mkdir()
        (root / name).chmod(mode)
    aliases = [f"{name}\t{value}\n" for name, value in case.aliases.items()]
    (root / "aliases").write_text("".join(aliases).replace("{root}", str(root)))
    (root / "templates.cf").write_text(dump_templates(DEFAULTS.values()))
    for name, (owner, mode, text) in case.files.items():
        _make(root, root / name, owner, mode, text)
    return (MAIN_CF + case.main_cf + "\n").replace("{root}", str(root)).replace("{{", "{").replace("}}", "}")


def _each_name_once(main_cf: str) -> str:
    """The last setting of each name: warnings at the start can fill real Postfix's log socket, and it hangs."""
    settings = dict(line.split(" =", 1) for line in main_cf.splitlines() if " =" in line)
    return "".join(f"{name} ={value}\n" for name, value in settings.items())


def _make(root: Path, path: Path, owner: str, mode: int, text: str | None) -> None:
    if text is None:
        path.mkdir(exist_ok=True)
    elif text.startswith("->"):
        path.symlink_to(root / text[2:].strip())
        return
    elif text.startswith("="):
        path.hardlink_to(root / text[1:])
    else:
        path.write_text(text.replace("{root}", str(root)))
    user, _, group = owner.partition(":")
    shutil.chown(path, user or None, group or pwd.getpwnam(user).pw_gid)
    path.chmod(mode)


def send(port: int, case: Case) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20, local_hostname="[127.0.0.1]") as client:
        for name in case.recipients:
            client.sendmail(case.sender, [f"{name}@example.com"], case.body)


def settle(log, queue: Path, wanted: int) -> str:
    """Wait until every message has been tried, and the next try is far away."""
    deadline, quiet = time.monotonic() + 40, 0
    while time.monotonic() < deadline and quiet < 3:
        seen = set(re.findall(r"qmgr\[\d+\]: (\w+): from=", log()))
        busy = any(files for name in ("incoming", "active") for _, _, files in os.walk(queue / name))
        quiet = 0 if busy or len(seen) < wanted else quiet + 1
        time.sleep(0.1)
    return log()


def _difference(ours, theirs) -> list[str]:
    """What only one of them has."""
    ours, theirs = Counter([str(item) for item in ours]), Counter([str(item) for item in theirs])
    return [f"+ {x}" for x in (ours - theirs).elements()] + [f"- {x}" for x in (theirs - ours).elements()]


@pytest.fixture
def roots():
    made = [Path(tempfile.mkdtemp(prefix="local-", dir="/tmp")) for _ in range(2)]
    for root in made:
        root.chmod(0o755)
    yield made
    for root in made:
        shutil.rmtree(root)


def run(case: Case, instance, real_postfix, roots) -> tuple[Run, Run]:
    """What comes of a case with real Postfix, and what with us."""
    theirs_root, ours_root = roots
    peer = real_postfix(prepare(theirs_root, case), start=False)
    main_cf = peer.config / "main.cf"
    main_cf.write_text(_each_name_once(main_cf.read_text()))
    past = time.time() - 60
    for path in (main_cf, theirs_root / "aliases"):
        os.utime(path, (past, past))
    peer.start()
    mail = instance(prepare(ours_root, case))
    for port in (peer.port, mail.port):
        send(port, case)
    ours = Run(settle(mail.log, mail.queue, len(case.recipients)), ours_root)
    return Run(settle(peer.log, peer.queue, len(case.recipients)), theirs_root), ours


def compare(ours: Run, theirs: Run) -> None:
    """Fail where they differ."""
    assert ours.outcomes
    differences = [
        line
        for name in ("outcomes", "warnings", "passed", "files")
        for line in _difference(getattr(ours, name), getattr(theirs, name))
    ]
    if differences:
        pytest.fail("\n".join(["(+ ours, - theirs)", *differences, ours.log]), pytrace=False)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_does_and_says_what_postfix_does_and_says(case: Case, instance, real_postfix, roots) -> None:
    theirs, ours = run(case, instance, real_postfix, roots)
    compare(ours, theirs)


@pytest.fixture
def system_mailboxes():
    """procmail makes an empty mailbox in /var/mail for its user, whatever it is told."""
    before = set(Path("/var/mail").iterdir())
    yield
    for path in set(Path("/var/mail").iterdir()) - before:
        if path.stat().st_size == 0:
            path.unlink()


@pytest.mark.usefixtures("system_mailboxes")
@pytest.mark.parametrize("program", FILTERS)
def test_a_filter_runs_as_the_recipient_with_the_extension(program: str, instance, real_postfix, roots) -> None:
    if not Path("/usr/bin", program).exists():
        pytest.skip(f"{program} is not installed")
    theirs, ours = run(FILTERS[program], instance, real_postfix, roots)
    compare(ours, theirs)
    games = pwd.getpwnam("games")
    files = {name: file for name, *file in ours.files}
    uid, gid, _, text = files["out/games-ext.as"]
    assert (uid, gid) == (games.pw_uid, games.pw_gid)
    assert text.startswith(f"games {games.pw_dir} <ext>")
    assert text.endswith("\ngames\ngames")
    assert "out/games-ext" in files
