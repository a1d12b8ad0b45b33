"""Our commands beside Debian's: same arguments, same standard input, same exit status and words."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyfix.queue import names
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.logs import LogEntry, Recipient, append_log
from tests.e2e.instance import RUN
from tests.queue.build import message, put
from tests.real_postfix import release

ROOT = Path(__file__).parent.parent.parent
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

DOWN = [
    *((name, "-Z") for name in ("postqueue", "postsuper", "postkick", "postlock", "postdrop", "mailq", "newaliases")),
    *((name, "-c") for name in ("postqueue", "postsuper", "postkick", "postlock", "postlog", "postdrop")),
    *((name, "-c", "/nowhere", "x") for name in ("postqueue", "postcat", "postkick", "postlog", "postdrop")),
    *((name, "-C", "/nowhere") for name in ("mailq", "newaliases", "sendmail")),
    ("postqueue", "-p"),
    ("postqueue", "-f"),
    ("postqueue", "-i", "ABCDEF"),
    ("postqueue", "-s", "example.com"),
    ("postqueue", "-s", "[1.2.3.4"),
    ("postqueue", "-s", ""),
    *(("postqueue", "-s", site) for site in ("bad site", "127.0.0.1", "[1.2.3.4]", "-x.test", "x..y", "a_b.test")),
    *(("postqueue", "-s", site) for site in ("[x]", "[::1]", "[IPv6:::1]", "[IPv6:1.2.3.4]", "[")),
    ("postqueue", "-p", "-j"),
    ("mailq",),
    ("mailq", "x"),
    ("newaliases", "x"),
    ("sendmail", "-t", "-bp"),
    ("sendmail", "-oA/nowhere", "-bi"),
    ("sendmail", "-C", "/nowhere/sendmail.cf", "x"),
    ("postkick",),
    ("postkick", "public", "pickup", "W"),
    ("postkick", "nosuch", "pickup", "W"),
    ("postlock", "{top}/box"),
    ("postlock", "{top}/box2", "nosuchcommand"),
    ("postlock", "{top}/box3", "sh", "-c", "exit 3"),
    ("postlock", "{top}/none/box", "true"),
    ("postlock", "{top}/etc", "true"),
    ("postlock", "-l", "flock", "{top}/none/box", "true"),
    ("postlog", "-p", "nosuch", "x"),
    ("postlog", "-p", "ERR", "x"),
    ("postlog", "-p", "panic", "x"),
    ("postsuper", "-d", "all"),
    ("postsuper", "-d", "x y"),
    ("postsuper", "-d", "-"),
    ("postsuper", "-p", "-s"),
    ("postsuper", "nosuch"),
    ("postsuper", "-d", "ALL", "private"),
    ("postsuper", "-d", "A", "-r", "A", "-h", "A", "-H", "A", "-e", "A", "-f", "A"),
    ("postsuper", "-e", "ALL", "maildrop"),
    ("postsuper", "hold", "-d", "ALL"),
    ("postsuper", "-d", "ABCDEF", "hold", "-s"),
    *(("postsuper", "-c", where, "-d", "ALL") for where in (".", "etc", "")),
    ("postqueue", "x", "-p"),
    ("postcat", "ABCDEF", "-q"),
    ("postkick", "public", "-v", "pickup", "W"),
    ("postmap", "inline:{a=b}", "-q", "a"),
    ("postalias", "inline:{a=b}", "-q", "a"),
    ("postconf", "mail_name", "-h"),
    ("postlog", "x", "-p", "nosuch"),
    ("postcat", "{top}/none"),
    ("postcat", "/etc/passwd"),
    ("postcat", "{top}/etc"),
    *(("sendmail", option, "") for option in ("-b", "-X", "-o", "-V", "-R")),
    ("postcat", "-q", "ABCDEF"),
    ("postcat", "-q", "x y"),
    ("postcat", "-s", "x", "/etc/passwd"),
    ("postcat", "-q", "ABCDEF", NOBODY),
    ("postsuper", "-d", "ALL", NOBODY),
    ("postkick", "public", "pickup", "W", NOBODY),
]


class Side:
    """One of the two, on the same instance."""

    def __init__(self, peer, environment, command):
        self._peer, self._environment, self._command = peer, environment, command

    def call(self, case):
        """(exit status, standard output, standard error) of a command line; its last word may say who runs it."""
        prefix, words = (case[-1], case[:-1]) if isinstance(case[-1], list) else ([], case)
        name, *words = [word.replace("{top}", str(self._peer.top)) for word in words]
        environment = {"PATH": os.environ["PATH"], "MAIL_CONFIG": str(self._peer.config), **self._environment}
        line = [*prefix, *self._command(name), *words]
        done = subprocess.run(line, env=environment, input="", capture_output=True, text=True, check=False, timeout=50)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def sides(real_postfix):
    """Two Sides of an instance that does not run; (peer, real, ours)."""
    peer = real_postfix("deliver_lock_attempts = 1\n", start=False)
    assert peer.command("postfix", "check").returncode == 0
    log = peer.top / "log/maillog"
    log.touch()
    os.chown(log, pwd.getpwnam("postfix").pw_uid, -1)  # postsuper writes it as its owner
    real = Side(peer, {"PATH": "/usr/sbin:/usr/bin:/bin"}, lambda name: [name])
    ours = Side(peer, {"PYTHONPATH": str(ROOT)}, lambda name: [sys.executable, "-c", RUN.format(name)])
    return peer, real, ours


def as_of_now(case, result):
    """Before 3.8 postlog was silent where standard error is no terminal."""
    return result[:2] if case[0] == "postlog" and release() < (3, 8) else result


def test_what_is_said_and_returned_while_the_system_is_down(sides):
    _, real, ours = sides
    with ThreadPoolExecutor(16) as pool:  # a fatal error sleeps a second
        wanted = list(pool.map(real.call, DOWN))
        found = list(pool.map(ours.call, DOWN))
    cases = zip(DOWN, wanted, found, strict=True)
    different = [(case, w, f) for case, w, f in cases if as_of_now(case, w) != as_of_now(case, f)]
    assert not different, "\n".join(map(str, different))


QUEUES = ["defer", "bounce", "maildrop", "incoming", "active", "deferred", "hold", "flush", "trace", "corrupt"]
LOOKED_THROUGH = [  # without which directories, words
    *[(QUEUES[at:], ()) for at in range(len(QUEUES))],
    ([], ("-p",)),
    *(
        (["hold"], words)
        for words in [("-d", "ALL"), ("-s", "trace"), ("-d", "ALL", "corrupt"), ("-s", "flush", "hold")]
    ),
    *((["hold"], words) for words in [("-d", "ABCDEF"), ("-r", "ABCDEF", "hold")]),
]


def instance(peer, without=()):
    """A directory with the configuration of one that has its own queue, which lacks some directories."""
    top = Path(tempfile.mkdtemp(dir=peer.top))
    shutil.copytree(peer.config, top / "etc")
    main_cf = (top / "etc/main.cf").read_text()
    (top / "etc/main.cf").write_text(main_cf.replace(str(peer.queue), f"{top}/queue"))
    for name in {*QUEUES, "public", "private", "pid", "saved"} - {*without}:
        (top / "queue" / name).mkdir(0o700, parents=True)
        shutil.chown(top / "queue" / name, "postfix")
    top.chmod(0o755)
    return top


MISPLACED = {  # message: its directory, the directories of its logs
    "first": ("deferred", ("defer", "bounce")),
    "second": ("deferred/B", ("defer/X", "defer/B")),
    "third": ("deferred/C", ()),
    "right": ("deferred/A", ("defer/A", "bounce")),
    "held": ("hold", ("defer/A",)),
    "taken": ("maildrop", ()),
    "arrived": ("incoming", ()),
}
ASKED = [
    *[(f"-{letter}", "ALL") for letter in "dhHref"],
    *[(f"-{letter}", "first", "-h", "right") for letter in "dr"],
    *[(f"-{letter}", "ALL", "maildrop", "defer") for letter in "dhHre"],
    *[(f"-{letter}", "ALL", "incoming", "deferred") for letter in "dhHre"],
    *[(f"-{letter}", each, name) for letter in "hHe" for each, name in [("taken", "maildrop"), ("held", "hold")]],
    ("-d", "ALL", "deferred"), ("-d", "taken"), ("-H", "arrived", "incoming"), ("-h", "ALL", "-r", "ALL", "hold"),
]  # fmt: skip


def misplace(queue):
    """Fill a queue with messages as they are after hash_queue_names was changed; their ids by name."""
    ids = {}
    for number, (name, (directory, logs)) in enumerate(MISPLACED.items()):
        path = queue / directory / name
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        path.touch(0o700)
        ids[name] = names.short_id(0xA0000 + number, path.stat().st_ino)
        path.rename(path.with_name(ids[name]))
        for log in logs:
            (queue / log).mkdir(0o700, exist_ok=True)
            (queue / log / ids[name]).touch(0o600)
    for path in queue.rglob("*"):
        shutil.chown(path, "postfix")
    return ids


def content(queue, ids):
    """All files, by the names of their messages, and whether they are expired."""
    by_id = {queue_id: name for name, queue_id in ids.items()}
    files = [path for path in queue.rglob("*") if path.is_file() and path.name in by_id]
    return sorted((str(p.parent.relative_to(queue)), by_id[p.name], oct(p.stat().st_mode & 0o777)) for p in files)


def test_postsuper_finds_messages_where_they_are_no_longer_wanted(sides):
    """And acts only where that makes sense. Logs: it is enough that those of deleted messages go."""
    peer, real, ours = sides

    def call(side, words):
        top = instance(peer)
        ids = misplace(top / "queue")
        status, _, said = side.call(("postsuper", "-c", str(top / "etc"), *[ids.get(word, word) for word in words]))
        for name, queue_id in ids.items():
            said = said.replace(queue_id, name)
        found = content(top / "queue", ids)
        if words[:2] == ("-d", "ALL") and words[-1] == "deferred":  # Postfix leaves their logs behind
            found = [each for each in found if each[2] != "0o600"]
        return status, said, found

    with ThreadPoolExecutor(16) as pool:
        wanted = list(pool.map(call, [real] * len(ASKED), ASKED))
        found = list(pool.map(call, [ours] * len(ASKED), ASKED))
    different = [(case, w, f) for case, w, f in zip(ASKED, wanted, found, strict=True) if w != f]
    assert not different, "\n".join(map(str, different))


BEGUN = {  # message: its directory, its mode and age in days
    "arriving": ("incoming", 0o600, 0),
    "dropped": ("maildrop", 0o600, 0),
    "restored": ("hold", 0o644, 6),
    "left": ("deferred", 0o600, 8),
    "held": ("hold", 0o700, 9),
    "other": ("hold", 0o700, 9),
    "stray": ("defer", 0o600, 9),
}
STDIN = ["sh", "-c", 'printf "ALL\\n-\\n" | "$@"', "sh"]
BEGUN_ASKED = [
    *[(f"-{letter}", name) for letter in "dhHref" for name in ("restored", "arriving", "held")],
    *[(f"-{letter}", "ALL") for letter in "dhHre"],
    ("-d", "dropped"), ("-p",), ("-s",), (), ("-d", "ALL", "hold"), ("-h", "ALL", "-d", "ALL"),
    *[(f"-{letter}", "-", STDIN) for letter in "dhf"], ("-d", "-", "-h", "ALL", STDIN), ("-d", "ALL", "defer", "flush"),
]  # fmt: skip


def test_postsuper_tells_messages_from_what_is_none(sides):
    """One that is being written, one that was left, a file whose name is no id, a log without a message."""
    peer, real, ours = sides

    def call(side, words):
        top = instance(peer)
        queue, ids = top / "queue", {"other": "no.id"}
        for number, (name, (directory, mode, days)) in enumerate(BEGUN.items()):
            path = queue / directory / name
            path.touch()
            ids.setdefault(name, names.short_id(0xA0000 + number, path.stat().st_ino))
            path = path.rename(path.with_name(ids[name]))
            path.chmod(mode)
            os.utime(path, (time.time() - days * 86400,) * 2)
            shutil.chown(path, "postfix")
        words = [word if isinstance(word, list) else ids.get(word, word) for word in words]
        status, _, said = side.call(("postsuper", "-c", str(top / "etc"), *words))
        for name, queue_id in ids.items():
            said = said.replace(queue_id, name)
        return status, said, [(re.sub(r"/\w$", "", where), *rest) for where, *rest in content(queue, ids)]

    with ThreadPoolExecutor(16) as pool:
        wanted = list(pool.map(call, [real] * len(BEGUN_ASKED), BEGUN_ASKED))
        found = list(pool.map(call, [ours] * len(BEGUN_ASKED), BEGUN_ASKED))
    different = [(case, w, f) for case, w, f in zip(BEGUN_ASKED, wanted, found, strict=True) if w != f]
    assert not different, "\n".join(map(str, different))


def test_postsuper_wants_each_directory_that_it_looks_through(sides):
    peer, real, ours = sides

    def call(side, words, top):
        return side.call(("postsuper", "-c", str(top / "etc"), *words))

    with ThreadPoolExecutor(16) as pool:  # a fatal error sleeps a second
        wanted = [pool.submit(call, real, words, instance(peer, without)) for without, words in LOOKED_THROUGH]
        found = [pool.submit(call, ours, words, instance(peer, without)) for without, words in LOOKED_THROUGH]
    assert [each.result() for each in found] == [each.result() for each in wanted]


def test_command_under_a_lock_has_the_usual_umask(sides):
    umask = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    for side in sides[1:]:
        assert side.call(("postlock", "{top}/box", "sh", "-c", "umask", umask)) == (0, "0022\n", "")


def test_lines_of_scripts_look_the_same_in_the_log(sides):
    peer, real, ours = sides
    for words in (("hello",), ("-p", "warn", "-t", "tag", "a", "b"), ("-i", "-p", "ERROR", "x"), ("",)):
        for side in (real, ours):
            side.call(("postlog", *words))
    lines = [line.partition(" peer ")[2].partition("[")[0::2] for line in peer.log().splitlines()]
    lines = [(tag, text) for tag, text in lines if tag != "postfix"]  # what `postfix check` said
    lines = [(tag, text.partition("]")[2]) for tag, text in lines]
    assert len(lines) == 8
    assert lines[0::2] == lines[1::2]


def test_submission_that_ends_in_a_record_is_malformed(sides):
    _, real, ours = sides
    for stdin in (b"", b"foo", b"F", b"F\x01"):
        said = []
        for side in (real, ours):
            name = [*side._command("postdrop")]
            environment = {"PATH": "/usr/sbin:/usr/bin", "MAIL_CONFIG": str(side._peer.config), **side._environment}
            done = subprocess.run(name, env=environment, input=stdin, capture_output=True, check=False)
            said.append((done.returncode, done.stderr.decode()))
        assert said[0] == said[1], stdin
    assert list((sides[0].queue / "maildrop").iterdir()) == []


def test_what_goes_wrong_while_the_system_runs_is_logged_too(real_postfix):
    peer = real_postfix()
    ours = Side(peer, {"PYTHONPATH": str(ROOT)}, lambda name: [sys.executable, "-c", RUN.format(name)])
    real = Side(peer, {"PATH": "/usr/sbin:/usr/bin:/bin"}, lambda name: [name])
    for case in (("postqueue", "-s", "example.net"), ("postqueue", "-i", "x y"), ("postsuper", "-d", "x y")):
        assert ours.call(case) == real.call(case)
    for _ in range(200):
        texts = re.findall(r"/(?:postqueue|postsuper)\[\d+\]: (.*)\n", peer.log())
        if len(texts) >= 8:
            break
        time.sleep(0.05)
    assert texts[0::2][:2] == texts[1::2][:2]
    assert sorted(texts[4:]) == sorted(["warning: invalid mail queue id: x y", "Deleted: 0 messages"] * 2)


STREAMS = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full"]
TOLD = [
    ("postconf", "mail_name"),
    ("postmap", "-q", "a", "inline:{a=b}"),
    ("postmap", "-s", "inline:{a=b}"),
    ("postqueue", "-p"),
    ("postqueue", "-j"),
    ("mailq",),
    ("postcat", "/nowhere"),
    ("postdrop",),
    ("postkick", "public", "pickup", "W"),
    ("postsuper", "-d", "ALL"),
    ("sendmail", "-Z"),
    ("sendmail", "-f", "a@b.test", "-bv", "c@d.test"),
]


def test_streams_that_are_closed_or_full_change_nothing(sides):
    peer, real, ours = sides
    cases = [
        (*words, ["sh", "-c", f'exec "$@" {how}', "sh"])
        for words in TOLD
        for how in STREAMS
        if words != ("postqueue", "-p") or ">&-" not in how  # before 3.8 it was the only one that minded
    ]
    said = []
    for side in (real, ours):
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(side.call, cases))
        said.append([(status, out.partition("queue_id")[0], err) for status, out, err in told])
        left = len(list((peer.queue / "maildrop").iterdir()))
        assert left == len(STREAMS)  # of -bv
        for path in (peer.queue / "maildrop").iterdir():
            path.unlink()
    different = [each for each in zip(cases, *said, strict=True) if alone(*each)]
    assert not different, "\n".join(map(str, different))


def alone(case, wanted, found):
    """Whether they differ, but for what depends on what others have put into the queue meanwhile."""
    return wanted[::2] != found[::2] if case[0] in {"postqueue", "mailq", "postsuper"} else wanted != found


@pytest.mark.parametrize(("words", "status"), [*[(words, -signal.SIGPIPE) for words in TOLD[:3]], (TOLD[3], 0)])
def test_output_that_nobody_reads_ends_a_command_quietly(sides, words, status):
    for side in sides[1:]:
        reading, writing = os.pipe()
        os.close(reading)
        environment = {"PATH": os.environ["PATH"], "MAIL_CONFIG": str(sides[0].config), **side._environment}
        line = [*side._command(words[0]), *words[1:]]
        done = subprocess.run(line, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=50)
        os.close(writing)
        assert done.returncode == status, done.stderr
        assert b"Traceback" not in done.stderr


ADDRESSES = [
    b"a\x01b@x", b"a\tb@x", b"a\nb@x", b"a\rb@x", b"a\\b@x", b'"a b"@x', b'q"uote@x', b"a\x7fb@x", b"a\x1b[31m@x",
    b"a/b@x", b"</script>@x", b"\xc3\xa9@x.test", b"\xff\xfe@x", b"\xe2\x82\xac@\xf0\x9f\x98\x80", b"l" * 300 + b"@x",
    b"a\xe2\x80\xa8b@x", b"a\xc2\xa0b@x", b"a\xe2\x80\xaeb@x", b"a\xef\xbf\xbfb@x", b"a\xe2\x80\x8bb@x",
    b"\xf3\xa0\x80\x81@x", b"a\xc2\xadb@x",
]  # fmt: skip
if release() >= (3, 11):  # before, some that are no UTF-8 were shown as they are
    ADDRESSES += [b"\xed\xa0\x80@x", b"\xc0\xaf@x", b"\xf4\x90\x80\x80@x", b"\xe2\x82@x"]


def test_queue_with_strange_addresses_is_listed_in_the_same_bytes(sides):
    peer, real, ours = sides
    queue = QueueDirectory(str(peer.queue), frozenset({"deferred", "defer"}), 1, False)
    for address in ADDRESSES:
        queue_id = put(queue, "deferred", message(address, address, b"second@x"))
        text = address.decode("utf-8", "surrogateescape")
        append_log(queue, "defer", queue_id, LogEntry(Recipient(0, text), "4.0.0", "delayed", f"why {text}"))
    put(queue, "hold", message(b"s@x", b"r@x"))
    for name in ("deferred", "defer", "hold"):
        for path in (peer.queue / name).rglob("*"):
            os.chown(path, pwd.getpwnam("postfix").pw_uid, -1)
    for words in (("postqueue", "-p"), ("postqueue", "-j")):
        wanted, found = (listed(side, words) for side in (real, ours))
        assert found == wanted


def listed(side, words):
    """The parts of a list, in the order of queue ids; without what only newer releases tell."""
    status, out, err = side.call(words)
    head, separator = (1, "\n\n") if words[1] == "-p" else (0, "\n")
    lines = re.sub(r'"orig_address": "(?:[^"\\]|\\.)*", ', "", out)
    return status, err, out.splitlines()[:head], sorted("\n".join(lines.split("\n")[head:]).split(separator))


def test_recipient_that_was_never_rewritten_is_its_own_original(sides):
    peer, _, ours = sides
    queue = QueueDirectory(str(peer.queue), frozenset({"deferred", "defer"}), 1, False)
    put(queue, "hold", message(b"s@x", b"r@x"))
    assert '"recipients": [{"orig_address": "r@x", "address": "r@x"}]' in ours.call(("postqueue", "-j"))[1]  # 3.11.7's


NO_FILE = "fatal: open logfile '{top}/log/maillog': cannot create file exclusively: No such file or directory"
NO_DIRECTORY = "fatal: open logfile '{top}/log/maillog': cannot open file: Is a directory"
NO_ROOM = "fatal: logfile '{top}/log/maillog' write error: No space left on device"
FULL, A_DIRECTORY = "ln -sf /dev/full log/maillog", "rm log/maillog; mkdir log/maillog"
UNWRITABLE = [  # what 3.11.7 says; before 3.8 postsuper did not mind
    ("rm -r log", ("postsuper",), [f"postsuper: {NO_FILE}"]),
    ("rm -r log", ("postlog", "x"), [f"postfix/postlog: {NO_FILE}"]),
    ("rm -r log", ("postmulti", "-l"), [f"postmulti: {NO_FILE}"]),
    ("rm -r log", ("postfix", "start"), [f"postfix: {NO_FILE}"]),
    ("rm -r log", ("postfix", "stop"), [f"postfix: {NO_FILE}"]),
    (A_DIRECTORY, ("postsuper", "-d", "x y"), [f"postsuper: {NO_DIRECTORY}"]),
    (A_DIRECTORY, ("postfix", "check"), [f"postfix: {NO_DIRECTORY}"]),
    (FULL, ("postsuper", "-d", "ALL"), ["postsuper: Deleted: 0 messages", f"postsuper: {NO_ROOM}"]),
    (FULL, ("postlog", "x"), ["postfix/postlog: x", f"postfix/postlog: {NO_ROOM}"]),
    (FULL, ("postlog", "-p", "fatal", "x"), ["postfix/postlog: fatal: x", f"postfix/postlog: {NO_ROOM}"]),
]  # fmt: skip


def test_administrators_hear_of_a_log_that_cannot_be_written(sides):
    peer, real, ours = sides
    for how, case, texts in UNWRITABLE:
        shutil.rmtree(peer.top / "log", ignore_errors=True)
        (peer.top / "log").mkdir()
        (peer.top / "log/maillog").touch()
        subprocess.run(["sh", "-c", how], cwd=peer.top, check=True)
        wanted = 1, "", [text.replace("{top}", str(peer.top)) for text in texts]
        assert all_of(*ours.call(case)) == wanted, case
        if release() >= (3, 11):
            assert all_of(*real.call(case)) == wanted, case


def all_of(status, out, err):
    """What a command said, but for who it is that calls it old-fashioned."""
    lines = [line for line in err.splitlines() if "backwards-compat" not in line and "COMPATIBILITY" not in line]
    return status, out, lines


def test_a_log_that_only_root_may_write_has_what_postsuper_did(sides):
    peer, *both = sides
    log = peer.top / "log/maillog"
    for at in (peer.top / "log", log):
        os.chown(at, 0, 0)
        at.chmod(0o700)
    for side in both[release() < (3, 11) :]:
        log.write_text("")
        assert side.call(("postsuper", "-d", "ALL")) == (0, "", "postsuper: Deleted: 0 messages\n")
        assert log.read_text().endswith("]: Deleted: 0 messages\n")


READ_ONLY = 'cd "$MAIL_CONFIG/.." && mount --bind queue queue && mount -o remount,ro,bind queue && exec "$@"'
NO_ROOM_LEFT = """cd "$MAIL_CONFIG/.." && mkdir -p full && mount -t tmpfs -o size=128k tmpfs full &&
cp -a queue/* full && mount --move full queue &&
{ dd if=/dev/zero of=queue/zeros bs=4k count=99 2>/dev/null; exec "$@"; }"""


def within(script):
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


def test_postsuper_fails_on_a_file_system_that_is_read_only(sides):
    peer, real, ours = sides
    queue = QueueDirectory(str(peer.queue), frozenset({"deferred", "defer"}), 1, False)
    queue_id = put(queue, "deferred", message(b"s@x", b"r@x"))
    append_log(queue, "defer", queue_id, LogEntry(Recipient(0, "r@x"), "4.0.0", "delayed", "why"))
    for name in ("deferred", "defer"):
        for path in (peer.queue / name).rglob("*"):
            os.chown(path, pwd.getpwnam("postfix").pw_uid, -1)
    ids = ("ALL", queue_id, "ABCDEF")
    cases = [("postsuper", f"-{letter}", value, within(READ_ONLY)) for letter in "dhrH" for value in ids]
    with ThreadPoolExecutor(6) as pool:
        wanted, found = (list(pool.map(side.call, cases)) for side in (real, ours))
    assert [each for each in zip(cases, wanted, found, strict=True) if each[1] != each[2]] == []
    assert [status for status, *_ in found] == [1, 1, 0] * 3 + [0] * 3


def test_postsuper_tells_that_it_could_not_put_the_queue_in_order(sides):
    peer, real, ours = sides
    misplaced = QueueDirectory(str(peer.queue), frozenset(), 0, False)
    put(misplaced, "deferred", message(b"s@x", b"r@x"))
    for path in (peer.queue / "deferred").iterdir():
        os.chown(path, pwd.getpwnam("postfix").pw_uid, -1)
    for side in (real, ours):
        status, _, err = side.call(("postsuper", "-s", within(READ_ONLY)))
        assert status == 1
        assert re.fullmatch(
            r"postsuper: fatal: rename file deferred/\w+ as deferred/\w/\w+: Read-only file system\n"
            r"postsuper: warning: OPERATION INCOMPLETE -- RERUN COMMAND TO FIX THE QUEUE FIRST\n",
            err,
        )


def test_sendmail_and_postfix_start_say_that_the_queue_has_no_room(sides):
    _, real, ours = sides
    for side in (real, ours):
        status, _, err = side.call(("sendmail", "-f", "a@x", "b@x", within(NO_ROOM_LEFT)))
        lines = [line for line in err.splitlines() if "mail_stream_cleanup" not in line]
        assert status == 75
        assert lines == [
            "postdrop: warning: uid=0: No space left on device", "sendmail: fatal: a@x(0): queue file write error"
        ]  # fmt: skip
    status, _, err = ours.call(("postfix", "start", within(NO_ROOM_LEFT)))
    assert status == 1
    assert err.endswith(
        "fatal: cannot update lock file pid/master.pid: No space left on device\n"
        "postfix/postlog: fatal: mail system startup failed\n"
    )


NOWHERE = [
    ("postqueue", "-p"), ("postsuper", "-d", "ALL"), ("postconf", "-e", "a=b"), ("mailq",), ("postlog", "x"),
    ("sendmail", "-f", "a@x", "b@x"), ("postcat", "-q", "ABCDEF"), ("postmap", "-q", "a", "inline:{a=b}"),
]  # fmt: skip


def test_a_configuration_that_is_named_by_nothing_is_not_the_systems(sides):
    cases = [(*words, ["env", "MAIL_CONFIG="]) for words in NOWHERE]
    with ThreadPoolExecutor(9) as pool:
        wanted, found = (list(pool.map(side.call, cases)) for side in sides[1:])
    both = zip(cases, wanted, found, strict=True)
    assert [each for each in both if as_of_now(each[0], each[1]) != as_of_now(each[0], each[2])] == []


def test_the_status_is_for_all_and_the_rest_for_who_administers_it(sides):
    ours = sides[2]
    status, _, err = ours.call(("postfix", "check", NOBODY))
    assert (status, err.splitlines()) == (
        1,
        [
            "postfix: error: to submit mail, use the Postfix sendmail command",
            "postfix: fatal: the postfix command is reserved for the superuser",
        ],
    )
    status, _, err = ours.call(("postfix", "status", NOBODY))
    assert (status, err.splitlines()[-1]) == (1, "postfix/postlog: the Postfix mail system is not running")
