"""A simulated power cut: whatever disk it leaves, the real qmgr and pickup start on it and nothing promised is lost.

A scenario is recorded (disk.py) while the real daemons (suite.py) do it. Then for a cut at every operation disks are
made that there may be, qmgr and pickup are started on each, and when they have no more to do the mail is counted.
"""

import asyncio
import contextlib
import gc
import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from pyfix.clients import submit
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.commands import postsuper
from pyfix.queue import records as rec
from tests.crash.disk import ORDERED, POSIX, Power, Recorder, put, seeded
from tests.crash.suite import Suite, enter

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # daemons end in the middle of what they do
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NUMBER = re.compile(rb"^X-Number: (\d+)\n", re.MULTILINE)
FAILED = re.compile(rb"^Final-Recipient: rfc822; (\S+)\n", re.MULTILINE)
SENDER = "s@v.test"


def body(number, lines):
    return [b"X-Number: %d" % number, b"", *[b"line %d of %d" % (n, number) for n in range(lines)]]


class Mail:
    """One message of a scenario. to: who gets it; fails: who can't; told: of whom there may be reports."""

    def __init__(self, number, to=("a@v.test",), fails=(), *, lines=3, told=(), envelope=b"", headers=()):
        self.number, self.to, self.fails, self.lines, self.told = number, to, fails, lines, told
        self.envelope, self.headers = envelope, headers

    @property
    def records(self):
        """From the first on."""
        recipients = b"".join(rec.encode(rec.RCPT, one.encode()) for one in (*self.to, *self.fails))
        number, *rest = body(self.number, self.lines)
        text = rec.encode_text([number, *self.headers, *rest])
        head = self.envelope + rec.encode(rec.FROM, SENDER.encode()) + recipients + rec.encode(rec.MESG)
        return head + text + rec.encode(rec.XTRA) + rec.encode(rec.END)

    @property
    def places(self):
        """(what, address) that it must get to."""
        return [("in", address) for address in self.to] + [("report", address) for address in self.fails]


async def accept(*mails, client=None):
    """All in one batch of cleanup's. client: not a new one."""
    given, client = client, client or CleanupClient()
    handed = [await client.open(0) for _ in mails]
    for mail, message in zip(mails, handed, strict=True):
        message.write(rec.encode(rec.TIME, b"%d 0" % time.time()))
        begin = rec.encode(rec.MESG)
        message.write(mail.records.replace(begin, begin + rec.encode(rec.NORM, b"Received: x")))
    for status, _ in await asyncio.gather(*[message.finish() for message in handed]):
        assert status == 0
    if given is None:
        client.close()


def arrived():
    """Where mail is: (number, what, address) -> how often. A damaged message is nobody's: it counts as itself."""
    found = Counter()
    for user in ("a", "b", "s", "late"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(f"mail/{user}/new"):
                with open(f"mail/{user}/new/{name}", "rb") as file:
                    found.update(_identified(file.read(), f"{user}@v.test"))
    with contextlib.suppress(FileNotFoundError), open("mail/box", "rb") as file:
        for text in re.split(rb"(?:\A|\n)(?=From \S)", file.read())[1:]:
            found.update(_identified(text.removesuffix(b"\n") if text.endswith(b"\n\n") else text, "box@v.test"))
    return found


def _identified(text, address):
    number = NUMBER.search(text)
    if not number:
        return [("damaged", address, text)]
    number = int(number[1])
    if text.startswith(b"Return-Path: <>\n"):
        if not text.rstrip().endswith(b"/mx.test--"):
            return [("damaged", address, text)]
        return [(number, "report", one.decode()) for one in FAILED.findall(text)]
    lines = text.partition(b"\n\n")[2].splitlines()
    if lines != body(number, len(lines))[2:]:
        return [("damaged", address, text)]
    return [(number, "in", address)]


class Scenario:
    """What happens, and how it is looked at. limit: how often a message may be there, because marks were lost."""

    limit = 2

    def __init__(self, *mails, main_cf=""):
        self.mails = {mail.number: mail for mail in mails}
        self.main_cf = main_cf

    async def prepare(self, suite):
        """Before the recording."""

    async def happen(self, suite, recorder):
        """What is recorded; recorder.say() what was promised."""

    def before(self):
        """What the administrator does before he starts the system again."""

    async def recover(self, suite):
        """After qmgr and pickup have started on a disk."""
        await suite.settle()
        if suite.ready("deferred"):
            await suite.flush()

    def problems(self, suite, said):
        """What is wrong when all has been done."""
        found = arrived()
        promised = {number for what, *numbers in said if what == "accepted" for number in numbers}
        promised -= {number for what, *numbers in said if what == "deleted" for number in numbers}
        wanted = {(number, *place) for number in promised for place in self.mails[number].places}
        allowed = {(mail.number, *place) for mail in self.mails.values() for place in mail.places}
        allowed |= {(mail.number, "report", address) for mail in self.mails.values() for address in mail.told}
        allowed |= {item for item in found if item[:2] == ("damaged", "box@v.test")}  # the end is for a mail reader
        for missing in sorted(wanted - set(found)):
            yield f"lost: {missing}"
        for wrong in set(found) - allowed:
            yield f"wrong: {wrong}"
        for item, count in found.items():
            if count > self.limit:
                yield f"{count} times: {item}"
        for queue in ("maildrop", "incoming", "active", "deferred", "hold", "corrupt"):
            if left := suite.ready(queue):
                yield f"left: {left}"


async def cuts(scenario, patch, model, states, forgotten=()):
    """How many disks there were; the test fails on the first that something is wrong with."""
    suite = Suite(scenario.main_cf)
    count = 0
    async with suite.running():
        await scenario.prepare(suite)
        recorder = Recorder(".")
        with recorder.recording(patch):
            await scenario.happen(suite, recorder)
        for directory in forgotten:
            recorder.forget(directory)
        power, chance = Power(recorder, model), seeded()
        real = Recorder(".")
        last = {path: (mode, data) for path, (_, mode, data) in power.everything().items()}
        assert last == {path: (mode, data) for path, (_, mode, data) in real.base.items()}
        done = set()
        for cut in range(len(recorder.ops) + 1):
            said = power.said(cut)
            for disk in power.disks(cut, states, chance):
                key = (len(said), frozenset(disk.items()))
                if key in done:
                    continue
                done.add(key)
                count += 1
                put(disk, recorder)
                suite.log.clear()
                scenario.before()
                async with suite.managed():
                    await scenario.recover(suite)
                for problem in scenario.problems(suite, said):
                    ops = recorder.ops[:cut][-3:]
                    head = f"after {cut} of {len(recorder.ops)} operations: {problem}"
                    pytest.fail("\n".join(map(str, [head, *ops, *disk.items(), *suite.log])), pytrace=False)
    return count


@pytest.fixture(params=[ORDERED, POSIX])
def power_cuts(request, tmp_path, monkeypatch):
    """Runs a scenario on the disks of one model; no problem may be found."""
    model = request.param
    enter(monkeypatch, tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr("pyfix.unix.fsync.kernel", lambda _: None)
    monkeypatch.setattr(submit, "os", os)  # there it is posix, which is not watched
    for name in ("pyfix.queue.directory", "pyfix.delivery.maildir", "pyfix.clients.submit"):
        monkeypatch.setattr(f"{name}.keeps_new_names", lambda _: model == ORDERED)

    def run(scenario, states=8, **options):
        return asyncio.run(cuts(scenario, monkeypatch, model, states, **options))

    yield run
    gc.collect()


class Accepting(Scenario):
    async def happen(self, suite, recorder):
        await accept(*self.mails.values())
        recorder.say("accepted", *self.mails)


class AcceptingAhead(Scenario):
    """One after the other, into files that were there before their messages: without a name, so far."""

    async def happen(self, suite, recorder):
        client = CleanupClient(ahead=1)
        for number, mail in self.mails.items():
            await accept(mail, client=client)
            recorder.say("accepted", number)
        client.close()


class Delivering(Scenario):
    """From incoming to mailboxes, with everything in between."""

    async def prepare(self, suite):
        await accept(*self.mails.values())

    async def happen(self, suite, recorder):
        recorder.say("accepted", *self.mails)
        async with suite.managed():
            await suite.settle()


class Submitting(Scenario):
    """By a maildrop file, then pickup, then all the way. The file may come back, and marks."""

    limit = 4

    async def happen(self, suite, recorder):
        for number, mail in self.mails.items():
            submission = submit.begin(os.getcwd())
            submission.write(mail.records)
            submission.finish()
            recorder.say("accepted", number)
        async with suite.managed():
            await suite.settle()


class ByService(Submitting):
    """By the postdrop service, as a user who may not write maildrop."""

    async def happen(self, suite, recorder):
        for number, mail in self.mails.items():
            await asyncio.to_thread(self._submit, mail)
            recorder.say("accepted", number)

    def _submit(self, mail):
        handed = submit.Handed("public/postdrop")
        handed.write(mail.records)
        handed.finish()


class Deferring(Scenario):
    """late@v.test has trouble in two rounds, and none later."""

    async def prepare(self, suite):
        await accept(*self.mails.values())
        Path("mail/late").touch()

    async def happen(self, suite, recorder):
        recorder.say("accepted", *self.mails)
        for _ in range(2):
            async with suite.managed():
                await suite.settle()

    def before(self):
        if os.path.isfile("mail/late"):
            os.unlink("mail/late")


class Expiring(Deferring):
    """It has trouble for ever."""

    limit = 4

    def before(self):
        pass


class Administering(Deferring):
    """What postsuper does to a deferred message. letters: its options."""

    limit = 4

    def __init__(self, letters, *mails):
        super().__init__(*mails)
        self.letters = letters

    async def prepare(self, suite):
        await super().prepare(suite)
        async with suite.managed():
            await suite.settle()

    async def happen(self, suite, recorder):
        recorder.say("accepted", *self.mails)
        for letter in self.letters:
            if letter == "d":
                recorder.say("deleted", *self.mails)
            suite.command(postsuper.main, f"-{letter}", "ALL")
        async with suite.managed():
            await suite.settle()

    def before(self):
        super().before()
        for directory, _, names in list(os.walk("hold")):
            for name in names:
                os.rename(f"{directory}/{name}", f"incoming/{name}")


def test_a_batch(power_cuts):
    power_cuts(Accepting(Mail(1), Mail(2, lines=200), Mail(3, ("a@v.test", "b@v.test")), Mail(4, lines=1)))


def test_a_long_message(power_cuts):
    power_cuts(Accepting(Mail(1), Mail(2, lines=50_000)))


def test_messages_whose_files_were_made_ahead(power_cuts):
    power_cuts(AcceptingAhead(Mail(1), Mail(2, lines=200), Mail(3)))


def test_a_delivery_to_maildirs(power_cuts):
    power_cuts(Delivering(Mail(1, ("a@v.test", "b@v.test"))))


def test_deliveries_to_maildirs_that_wait_for_the_disk_together(power_cuts):
    power_cuts(Delivering(*(Mail(number) for number in (1, 2, 3))), states=4)


def test_a_delivery_to_a_mbox(power_cuts):
    power_cuts(Delivering(Mail(1, ("box@v.test",)), Mail(2, ("box@v.test",))))


def test_bounces(power_cuts):
    """The report and its message may both come back."""
    scenario = Delivering(Mail(1, ("a@v.test",), ("nobody@v.test", "gone@v.test")))
    scenario.limit = 4
    power_cuts(scenario)


def test_a_submission(power_cuts):
    power_cuts(Submitting(Mail(1), Mail(2, (), ("nobody@v.test",))))


def test_a_submission_by_the_service(power_cuts):
    power_cuts(ByService(Mail(1), Mail(2)))


def test_a_submission_that_is_returned(power_cuts):
    hops = [b"Received: by x"] * 5
    power_cuts(Submitting(Mail(1, (), ("a@v.test",), headers=hops), main_cf="hopcount_limit = 3"), states=6)


def test_deferred_mail(power_cuts):
    power_cuts(Deferring(Mail(1, ("a@v.test", "late@v.test"))))


def test_mail_that_waited_too_long(power_cuts):
    main_cf = "maximal_queue_lifetime = 0\nbounce_queue_lifetime = 1h"
    power_cuts(Expiring(Mail(1, ("a@v.test",), ("late@v.test",)), main_cf=main_cf), states=6)


def test_a_warning_of_a_delay(power_cuts):
    scenario = Deferring(Mail(1, ("late@v.test",), told=["late@v.test"]), main_cf="delay_warning_time = 1s")
    scenario.limit = 4
    power_cuts(scenario, states=6)


def test_reports_of_success(power_cuts):
    asked = rec.attribute("notify_flags", "2")
    scenario = Delivering(Mail(1, ("a@v.test",), told=["a@v.test"], envelope=asked))
    scenario.limit = 4
    power_cuts(scenario, states=6)


@pytest.mark.parametrize("letters", ["r", "h", "hH", "d"])
def test_what_postsuper_does(power_cuts, letters):
    power_cuts(Administering(letters, Mail(1, ("late@v.test",))), states=6)


@pytest.mark.parametrize(
    ("scenario", "forgotten"),
    [
        (Accepting(Mail(1), Mail(2)), "incoming"),
        (AcceptingAhead(Mail(1), Mail(2)), "incoming"),
        (Delivering(Mail(1)), "mail/a/tmp"),
        (Delivering(Mail(1, ("box@v.test",))), "mail"),
        (Delivering(Mail(1, (), ("nobody@v.test",))), "bounce"),
        (Delivering(Mail(1, (), ("nobody@v.test",))), "incoming"),
        (Submitting(Mail(1)), "maildrop"),
        (Submitting(Mail(1)), "incoming"),
    ],
    ids=["batch", "made ahead", "maildir", "mbox", "bounce log", "report", "submission", "pickup"],
)
def test_a_forgotten_fsync_is_found_out(power_cuts, scenario, forgotten):
    with pytest.raises(pytest.fail.Exception, match=r"lost|damaged|corrupt"):
        power_cuts(scenario, forgotten=[forgotten])
