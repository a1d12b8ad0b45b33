"""Reports word by word, at a fixed time."""

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from pyfix.bounce.notify import Notifier, verp_sender
from pyfix.bounce.report import wrap
from pyfix.clients.bounce import ReportRequest
from pyfix.clients.cleanup import FLAG_AUTOUTF8, FLAG_FILTER, FLAG_MAP_OK, FLAG_MILTER, FLAG_REQTLS
from pyfix.clients.cleanup_client import CleanupClient
from pyfix.clients.deliver import Flags
from pyfix.config.bounce_template import DEFAULTS, BadTemplate, Template, expand_body, load_templates, parse_templates
from pyfix.config.main_cf import MainCf
from pyfix.queue import records as rec
from pyfix.queue.directory import QueueDirectory
from pyfix.queue.file import Recipient
from pyfix.queue.logs import LogEntry, append_log
from pyfix.unix import msg
from tests.toy_cleanup import Posted, ToyCleanup

NOW = 1795241026
QUEUE_ID = "C198A22"
MAIN_CF = "myhostname = mx.a.test\nhash_queue_names =\nmail_name = Postfix\n"
USER = Recipient(631, "u@d.test", "alias@d.test", "rfc822;alias@d.test", 0)
NO_USER = LogEntry(
    USER, "5.1.1", "failed", "host mx.d.test[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)",
    "smtp", "550 5.1.1 no such user", "dns", "mx.d.test",
)  # fmt: skip
LATER = LogEntry(USER, "4.4.1", "delayed", "connect to mx.d.test: timed out")
DONE = LogEntry(Recipient(631, "u@d.test", notify=2), "2.0.0", "delivered", "delivered to maildir")
TEXT = (b"Received: from x", b"\tby y", b"Subject: hi", b"", b"body", b".dot")


class Service:
    """A notifier beside a cleanup that keeps what it gets; log: lines that were logged."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.queue = QueueDirectory(".")
        self.cleanup = ToyCleanup()
        self.templates = DEFAULTS

    def put(self, *entries: LogEntry, log: str = "bounce", text: tuple[bytes, ...] = TEXT) -> None:
        """A message, and its log."""
        head = rec.encode(rec.TIME, b"%d 0" % (NOW - 60)) + rec.encode(rec.FROM, b"s@a.test")
        head += rec.encode(rec.RCPT, b"u@d.test") + rec.encode(rec.MESG)
        body = rec.encode_text(list(text))
        data = rec.size_record(len(body), rec.SIZE_SIZE + len(head), 1) + head + body
        data += rec.encode(rec.XTRA) + rec.attribute("message_id", "<m@a.test>") + rec.encode(rec.END)
        Path(f"active/{QUEUE_ID}").write_bytes(data)
        for entry in entries:
            append_log(self.queue, log, QUEUE_ID, entry)

    def run(self, ask: Callable[[Notifier], Awaitable[bool]], main_cf: str = "") -> bool:
        """Ask for a report."""

        async def scenario() -> bool:
            async with self._listening():
                client = CleanupClient("cleanup")
                main = MainCf.from_text(MAIN_CF + main_cf)
                try:
                    return await ask(
                        Notifier(main, self.queue, client, self.templates, clock=lambda: float(NOW))
                    )
                finally:
                    client.close()
                    await asyncio.sleep(0.002)

        return asyncio.run(scenario())

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("cleanup")
        listener.listen()
        listener.setblocking(False)

        async def accept() -> None:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
            await self.cleanup.server.serve(sock)

        session = asyncio.ensure_future(accept())
        try:
            yield
        finally:
            session.cancel()
            await asyncio.gather(session, return_exceptions=True)
            listener.close()
            os.unlink("cleanup")

    @property
    def posted(self) -> list[Posted]:
        return self.cleanup.posted

    def told(self) -> list[tuple[str, str]]:
        """(sender, recipient) of each report."""
        return [(report.value(rec.FROM), report.value(rec.RCPT)) for report in self.posted]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name in ("active", "bounce", "defer", "trace"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    lines: list[str] = []
    before = msg.to(lambda _, text: lines.append(text))
    yield Service(lines)
    msg.to(*before)


def _request(sender: str = "s@a.test", **more: object) -> ReportRequest:
    return ReportRequest(QUEUE_ID, sender, **more)  # type: ignore[arg-type]


FAILURE = """\
Received: by mx.a.test (Postfix)
\tid ABCDE0; Sat, 21 Nov 2026 06:03:46 +0000 (UTC)
Date: Sat, 21 Nov 2026 06:03:46 +0000 (UTC)
From: Mail Delivery System <MAILER-DAEMON>
Subject: Undelivered Mail Returned to Sender
To: s@a.test
References: <m@a.test>
In-Reply-To: <m@a.test>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="C198A22.1795241026/mx.a.test"
Content-Transfer-Encoding: 8bit

This is a MIME-encapsulated message.

--C198A22.1795241026/mx.a.test
Content-Description: Notification
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

This is the mail system at host mx.a.test.

Your message did not reach the recipients named below, and no
further attempt will be made. It is attached to this report.

If you need help, write to postmaster and send this whole report
along. Your own text may be left out.

                   The mail system

<u@d.test> (expanded from <alias@d.test>): host mx.d.test[192.0.2.1] said: 550
    5.1.1 no such user (in reply to RCPT TO command)

--C198A22.1795241026/mx.a.test
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.a.test
Original-Envelope-Id: QQ314
X-Postfix-Queue-ID: C198A22
X-Postfix-Sender: rfc822; s@a.test
Arrival-Date: Sat, 21 Nov 2026 06:02:46 +0000 (UTC)

Final-Recipient: rfc822; u@d.test
Original-Recipient: rfc822;alias@d.test
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.d.test
Diagnostic-Code: smtp; 550 5.1.1 no such user

--C198A22.1795241026/mx.a.test
Content-Description: Undelivered Message
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Return-Path: <s@a.test>
Received: from x
\tby y
Subject: hi

body
.dot

--C198A22.1795241026/mx.a.test--
"""


def test_a_failure_is_reported_in_these_words(service: Service) -> None:
    service.put(NO_USER)
    request = _request(envelope_id="QQ314")
    main_cf = "compatibility_level = 3.11\nenable_threaded_bounces = yes"
    assert service.run(lambda notifier: notifier.flush("bounce", request), main_cf)
    (report,) = service.posted
    assert report.text == FAILURE
    assert report.flags == FLAG_MAP_OK
    assert service.told() == [("", "s@a.test")]
    assert service.log == [f"{QUEUE_ID}: sender non-delivery notification: ABCDE0"]
    assert os.listdir("bounce") == []


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def test_a_delay_is_reported_and_the_log_kept(service: Service) -> None:
    service.put(LATER, log="defer")
    assert service.run(lambda notifier: notifier.warn("defer", _request()), "delay_warning_time = 4h")
    (report,) = service.posted
    assert "Subject: Delayed Mail (still being retried)\n" in report.text
    assert "more than\n4 hour(s). Attempts to deliver it go on until it is\n5 day(s) old.\n" in report.text
    assert _between(report.text, "Original-Recipient: rfc822;alias@d.test\n", "\n--") == (
        "Action: delayed\nStatus: 4.4.1\nDiagnostic-Code: X-Postfix; connect to mx.d.test: timed out\n"
        "Will-Retry-Until: Thu, 26 Nov 2026 06:02:46 +0000 (UTC)\n"
    )
    assert report.text.endswith(
        "Content-Description: Undelivered Message Headers\nContent-Type: text/rfc822-headers\n\n"
        "Return-Path: <s@a.test>\nReceived: from x\n\tby y\nSubject: hi\n\n--C198A22.1795241026/mx.a.test--\n"
    )
    assert os.listdir("defer") == [QUEUE_ID]
    assert service.log == [f"{QUEUE_ID}: sender delay notification: ABCDE0"]


@pytest.mark.parametrize(
    ("flags", "subject", "told"),
    [
        (0, "Successful Mail Delivery Report", ["u@d.test"]),
        (512, "Mail Delivery Status Report", ["u@d.test", "v@d.test"]),
        (1024, "Mail Delivery Status Report", ["u@d.test", "v@d.test"]),
    ],
    ids=["NOTIFY=SUCCESS", "sendmail -bv", "sendmail -v"],
)
def test_a_trace_is_reported(service: Service, flags: int, subject: str, told: list[str]) -> None:
    refused = LogEntry(Recipient(700, "v@d.test", notify=4), "5.1.1", "undeliverable", "no")
    service.put(DONE, refused, log="trace")
    assert service.run(lambda notifier: notifier.trace("trace", _request(flags=flags)))
    (report,) = service.posted
    assert _between(report.text, "Subject: ", "\n") == subject
    assert [line.split("; ")[1] for line in report.text.split("\n") if line.startswith("Final-")] == told
    assert "Content-Description: Message Headers\n" in report.text
    assert service.log == [f"{QUEUE_ID}: sender delivery status notification: ABCDE0"]
    assert os.listdir("trace") == []


POSTMASTER = "postmaster"
DOUBLE = "double-bounce@mx.a.test"


@pytest.mark.parametrize(
    ("sender", "classes", "told"),
    [
        ("s@a.test", "resource, software", [("", "s@a.test")]),
        ("s@a.test", "bounce", [("", "s@a.test"), (DOUBLE, "pm@a.test")]),
        ("", "resource", []),
        ("", "2bounce", [(DOUBLE, "pm2@a.test")]),
        ("", "bounce", [(DOUBLE, "pm2@a.test")]),
        (DOUBLE, "bounce, 2bounce", []),
        (DOUBLE.upper(), "bounce, 2bounce", []),
    ],
)
def test_who_is_told_of_a_failure(
    service: Service, sender: str, classes: str, told: list[tuple[str, str]]
) -> None:
    service.put(NO_USER)
    main_cf = (
        f"notify_classes = {classes}\nbounce_notice_recipient = pm@a.test\n"
        "2bounce_notice_recipient = pm2@a.test"
    )
    assert service.run(lambda notifier: notifier.flush("bounce", _request(sender)), main_cf)
    assert service.told() == told
    assert os.listdir("bounce") == []
    discarded = f"warning: {QUEUE_ID}: undeliverable postmaster notification discarded"
    assert (discarded in service.log) is (sender.lower() == DOUBLE)


@pytest.mark.parametrize(
    ("sender", "line"),
    [
        ("", f"{QUEUE_ID}: not sending trace/success notification for single-bounce message"),
        (DOUBLE, f"{QUEUE_ID}: not sending trace/success notification for double-bounce message"),
    ],
)
def test_nobody_hears_of_the_success_of_a_report(service: Service, sender: str, line: str) -> None:
    service.put(DONE, log="trace")
    assert service.run(lambda notifier: notifier.trace("trace", _request(sender)))
    assert service.posted == []
    assert service.log == [line]


@pytest.mark.parametrize(
    ("notify", "count"), [(0, 1), (1, 0), (2, 0), (4, 1), (8, 0), (12, 1)], ids=str
)
def test_only_who_wants_to_know_of_failures_is_told(service: Service, notify: int, count: int) -> None:
    service.put(LogEntry(Recipient(1, "u@d.test", notify=notify), "5.1.1", "failed", "no"))
    assert service.run(lambda notifier: notifier.flush("bounce", _request()))
    assert len(service.posted) == count
    assert os.listdir("bounce") == []


def test_a_report_that_cleanup_does_not_take_keeps_the_log(service: Service) -> None:
    service.put(NO_USER)
    service.cleanup.status = 2
    assert not service.run(lambda notifier: notifier.flush("bounce", _request()))
    assert os.listdir("bounce") == [QUEUE_ID]
    assert service.log == [
        f"warning: {QUEUE_ID}: sender notification failed to s@a.test: queue file write error"
    ]


@pytest.mark.parametrize("kind", ["flush", "verp", "trace"])
def test_what_comes_as_a_report_is_sent_is_told_by_the_next_one(service: Service, kind: str) -> None:
    """Who asked for the report has died; an agent of the next qmgr adds what became of another recipient."""
    ask: dict[str, Callable[[Notifier], Awaitable[bool]]] = {
        "flush": lambda notifier: notifier.flush("bounce", _request()),
        "verp": lambda notifier: notifier.verp("bounce", _request(), "+="),
        "trace": lambda notifier: notifier.trace("bounce", _request(flags=Flags.RECORD)),
    }
    other = LogEntry(Recipient(700, "v@d.test"), "5.1.1", "failed", "no such user either")

    async def interrupted(notifier: Notifier) -> bool:
        service.cleanup.held = True
        report = asyncio.ensure_future(ask[kind](notifier))
        while not service.cleanup.waiting:
            await asyncio.sleep(0.001)
        append_log(service.queue, "bounce", QUEUE_ID, other)
        service.cleanup.held = False
        service.cleanup.release()
        return await report

    service.put(NO_USER)
    assert not service.run(interrupted)
    assert "no such user either" not in service.posted[0].text
    assert service.run(ask[kind])
    assert "no such user either" in service.posted[-1].text
    assert os.listdir("bounce") == []


def test_a_report_to_the_postmaster_that_cleanup_does_not_take_keeps_the_log(service: Service) -> None:
    service.put(NO_USER)
    service.cleanup.status = 2
    assert not service.run(lambda notifier: notifier.flush("bounce", _request(sender="")), "notify_classes = 2bounce")
    assert os.listdir("bounce") == [QUEUE_ID]
    assert service.log == [f"warning: {QUEUE_ID}: postmaster notification failed: queue file write error"]


def test_a_template_that_can_not_be_expanded_does_not_keep_a_report_back(service: Service) -> None:
    service.templates = DEFAULTS | parse_templates("failure_template = <<EOF\ncosts ${ 5\nEOF\n", "t")
    service.put(NO_USER)
    assert service.run(lambda notifier: notifier.flush("bounce", _request()))
    assert service.told() == [("", "s@a.test")]
    assert service.log[0] == (
        'warning: t: bad $name syntax in failure template: truncated macro reference: "costs ${ 5"'
        " -- ignoring this template"
    )


def test_a_message_whose_log_is_gone_is_returned_all_the_same(service: Service) -> None:
    service.put()
    assert service.run(lambda notifier: notifier.flush("defer", _request()))
    assert "\n    --- The log of this delivery is missing ---\n" in service.posted[0].text
    assert "Content-Description: Undelivered Message\n" in service.posted[0].text


def test_a_message_that_can_not_be_read_now_is_reported_later(service: Service, monkeypatch) -> None:
    service.put(NO_USER)
    with monkeypatch.context() as patch:
        patch.setattr(QueueDirectory, "open", _full(service.queue.open))
        with pytest.raises(OSError, match="Too many open files"):
            service.run(lambda notifier: notifier.flush("bounce", _request()))
    assert service.posted == []
    assert Path(f"bounce/{QUEUE_ID}").exists()
    assert service.run(lambda notifier: notifier.flush("bounce", _request()))
    assert "Subject: hi\n" in service.posted[0].text


def _full(real: Callable[..., int]) -> Callable[..., int]:
    """What opens queue files, but not the message."""

    def opening(self: QueueDirectory, queue: str, *more: object) -> int:
        if queue == "active":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real(queue, *more)

    return opening


def test_a_message_that_is_gone_is_reported_without_it(service: Service) -> None:
    service.put(NO_USER)
    os.unlink(f"active/{QUEUE_ID}")
    assert service.run(lambda notifier: notifier.flush("bounce", _request()))
    assert "rfc822-headers" not in service.posted[0].text
    assert "Action: failed\n" in service.posted[0].text
    assert service.log[0].startswith(f"warning: open active {QUEUE_ID}: ")


@pytest.mark.parametrize(
    ("request_more", "main_cf", "text", "returned"),
    [
        ({}, "", TEXT, "Undelivered Message\nContent-Type: message/rfc822\n"),
        ({"ret_flags": 2}, "", TEXT, "Undelivered Message Headers\nContent-Type: text/rfc822-headers\n"),
        ({}, "bounce_size_limit = 20", TEXT, "Undelivered Message Headers\nContent-Type: text/rfc822-headers\n"),
        ({"sendopts": 1}, "", TEXT, "Undelivered Message\nContent-Type: message/global\n"),
        ({"sendopts": 1, "ret_flags": 2}, "", TEXT, "Undelivered Message Headers\nContent-Type: message/global-h"),
        ({"sendopts": 32}, "", TEXT, "Undelivered Message Headers\nContent-Type: text/rfc822-headers\n"),
        ({"sendopts": 32}, "requiretls_redact_dsn = no", TEXT, "Undelivered Message\nContent-Type: message/rfc822"),
    ],
)
def test_how_much_is_returned(
    service: Service, request_more: dict[str, int], main_cf: str, text: tuple[bytes, ...], returned: str
) -> None:
    service.put(NO_USER, text=text)
    assert service.run(lambda notifier: notifier.flush("bounce", _request(**request_more)), main_cf)
    assert f"Content-Description: {returned}" in service.posted[0].text


def test_tls_may_be_left_out_for_the_report_too(service: Service) -> None:
    service.put(NO_USER)
    assert service.run(lambda notifier: notifier.flush("bounce", _request(sendopts=16)))
    assert "To: s@a.test\nTLS-Required: no\nAuto-Submitted:" in service.posted[0].text


@pytest.mark.parametrize("redact", ["yes", "no"])
def test_tls_may_not_be_left_out_where_the_message_requires_it_as_well(service: Service, redact: str) -> None:
    service.put(NO_USER)
    main_cf = f"requiretls_redact_dsn = {redact}"
    assert service.run(lambda notifier: notifier.flush("bounce", _request(sendopts=16 + 32)), main_cf)
    assert "To: s@a.test\nAuto-Submitted:" in service.posted[0].text


@pytest.mark.parametrize(
    ("main_cf", "sendopts", "flags"),
    [
        ("", 0, FLAG_MAP_OK),
        ("internal_mail_filter_classes = notify, bounce", 0, FLAG_MAP_OK | FLAG_FILTER | FLAG_MILTER),
        ("compatibility_level = 3.6\nsmtputf8_autodetect_classes = all", 0, FLAG_MAP_OK | FLAG_AUTOUTF8),
        ("requiretls_redact_dsn = no", 32, FLAG_MAP_OK | FLAG_REQTLS),
    ],
)
def test_what_cleanup_does_with_reports(service: Service, main_cf: str, sendopts: int, flags: int) -> None:
    service.put(NO_USER)
    assert service.run(lambda notifier: notifier.flush("bounce", _request(sendopts=sendopts)), main_cf)
    assert service.posted[0].flags == flags


def test_verp_reports_go_to_an_address_for_each_recipient(service: Service) -> None:
    service.put(NO_USER, LogEntry(Recipient(700, "v@e.test"), "5.1.1", "failed", "no"))
    assert service.run(lambda notifier: notifier.verp("bounce", _request("owner@a.test"), "+="))
    assert service.told() == [("", "owner+u=d.test@a.test"), ("", "owner+v=e.test@a.test")]
    assert os.listdir("bounce") == []


def test_verp_addresses() -> None:
    assert verp_sender("owner-list@a.test", "u@d.test", "+=") == "owner-list+u=d.test@a.test"
    assert verp_sender("owner", "u", "-=") == "owner-u"


def test_one_recipient_is_reported_without_a_log(service: Service) -> None:
    service.put()
    assert service.run(lambda notifier: notifier.one(_request("owner@a.test"), NO_USER))
    assert service.told() == [("", "owner@a.test")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a" * 100, ["a" * 100]),
        ("<u@d.test>: " + "b" * 100, ["<u@d.test>:", "    " + "b" * 100]),
        ("x " * 39 + "yz", [("x " * 39).rstrip(), "    yz"]),
        ("x " * 39 + "y", ["x " * 39 + "y"]),
        ("two  blanks", ["two  blanks"]),
    ],
)
def test_lines_are_wrapped_at_79(text: str, lines: list[str]) -> None:
    assert wrap(text) == lines


TEMPLATES = """\
# ours
failure_template = <<END
Charset: iso-8859-1
From: Robot <MAILER-DAEMON>
Subject: Sorry $myhostname
Postmaster-Subject: Look

Dear sir,
 $mail_name at ${myhostname} ($(maximal_queue_lifetime_hours) hours, $$1)
END
"""


def test_templates_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "templates.cf"
    path.write_text(TEMPLATES)
    templates = load_templates(str(path))
    body = ("Dear sir,", " $mail_name at ${myhostname} ($(maximal_queue_lifetime_hours) hours, $$1)")
    assert templates["failure"] == Template(
        "failure", "Sorry $myhostname", body, "Look", "iso-8859-1", "Robot <MAILER-DAEMON>", str(path)
    )
    assert templates["delay"] == DEFAULTS["delay"]
    main = MainCf.from_text(MAIN_CF)
    assert expand_body(templates["failure"], main) == ["Dear sir,", " Postfix at mx.a.test (120 hours, $1)"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("failure_template\n", "f, line 1: missing '=' after attribute name: \"failure_template\""),
        ("# x\n= <<EOF\nEOF\n", 'f, line 2: missing attribute name: "= <<EOF"'),
        ("failure_template = <<\n", "f, line 1: missing end marker after <<"),
        ("failure_template = <<'EOF'\nhello\nEOF\n", "f, line 1: malformed end marker after <<"),
    ],
)
def test_bad_template_files_are_refused(text: str, why: str) -> None:
    with pytest.raises(BadTemplate) as caught:
        parse_templates(text, "f")
    assert str(caught.value) == why


def test_a_time_that_is_shown_as_zero_is_told(service: Service) -> None:
    expand_body(DEFAULTS["delay"], MainCf.from_text(MAIN_CF + "delay_warning_time = 60s"))
    assert service.log == [
        'warning: [built-in]: zero result in delay template conversion of parameter "delay_warning_time_hours"',
        'warning: please reduce time unit "hours" of "delay_warning_time_hours" in delay template',
        "warning: for instructions see the bounce(5) manual",
    ]
