"""Messages record by record, without a daemon."""

import pytest

from pyfix.clients.cleanup import (
    CLEAN_END,
    END,
    FLAG_AUTOUTF8,
    FLAG_BCC_OK,
    FLAG_MAP_OK,
    FRAME,
    MORE,
    STAT_HOPS,
    STATUS,
    TEXT,
)
from pyfix.clients.cleanup_client import Message
from pyfix.clients.spares import Spares
from pyfix.config.main_cf import MainCf
from pyfix.queue import records as rec
from tests.cleanup.peer import BODY, ENVELOPE, RCPT, SENDER, TIME, A, Ours, R, comparable, lines, stream

BASE = """
myhostname = mx.example.com
mydomain = example.com
myorigin = example.com
mydestination = example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
"""
REQUIRETLS = R(rec.SIZE, b"%15d %15d %15d %15d %15d %15d" % (-1, -1, -1, -1, -1, 32))
SHORT = stream(TIME + SENDER + A("notify_flags", "4") + RCPT, lines(b"Received: x\nTo: a,\n b\n\nbody\r") + BODY)


@pytest.fixture
def ours(tmp_path):
    return lambda main_cf="": Ours(MainCf.from_text(BASE + main_cf), tmp_path)


def records(data, kind):
    return [value for _, found, value in rec.iterate(data) if found == kind]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64])
def test_pieces_make_no_difference(ours, step, monkeypatch):
    monkeypatch.setattr("pyfix.cleanup.envelope.time.time", lambda: 1764100000.0)
    cleanup = ours("enable_long_queue_ids = yes\n")  # the Message-Id with a short one tells the second
    _, whole, whole_id = cleanup.put(SHORT)
    verdict, data, queue_id = cleanup.put(SHORT, step=step)
    assert verdict == (0, "")
    ids = (whole_id.encode(), queue_id.encode())
    assert [value.replace(ids[1], ids[0]) for _, _, value in rec.iterate(data)][1:] == [
        value for _, _, value in rec.iterate(whole)
    ][1:]


def test_lines_that_are_known_to_be_clean_are_taken_as_they_are(ours):
    parts = [
        (ENVELOPE + R(rec.MESG) + lines(b"Received: x\n\nfirst"), MORE),
        (lines(b"second\nthird"), TEXT),
        (lines(b"fourth\r"), TEXT),  # not looked at: it stays
        (lines(b"fifth\r"), MORE),
        (R(rec.XTRA) + R(rec.END), MORE),
    ]
    _, data, _ = ours().put_parts(parts)
    assert records(data, rec.NORM)[-6:] == [b"", b"first", b"second", b"third", b"fourth\r", b"fifth "]


def test_a_clean_end_is_taken_as_it_is(ours):
    content = lines(b"Received: x\n\nfirst\r\nsecond")  # the CR is not looked at: it stays
    after = R(rec.XTRA) + R(rec.END)
    _, data, _ = ours().put_parts([(ENVELOPE + R(rec.MESG) + content + after, CLEAN_END)])
    assert records(data, rec.NORM)[-3:] == [b"", b"first\r", b"second"]


@pytest.mark.parametrize("cut", [-1, -30])
def test_an_end_that_is_not_all_clean_is_looked_at(ours, cut):
    whole = ENVELOPE + R(rec.MESG) + lines(b"Received: x\n\nfirst\r\nsecond third fourth fifth")
    more, rest = whole[:cut], whole[cut:]
    for first, last in ((more, rest), (whole, b"")):
        after = R(rec.XTRA) + (b"" if last else A("x", "y")) + R(rec.END)
        _, data, _ = ours().put_parts([(first, MORE), (last + after, CLEAN_END)])
        assert records(data, rec.NORM)[-3:] == [b"", b"first ", b"second third fourth fifth"]


def test_a_client_says_clean_only_of_what_is():
    sent = []

    class Exchange:
        usable = True

        def send(self, attrs, *parts):
            sent.append(attrs)

        def hear(self, _):
            return STATUS.encode(0, ""), b""

        def close(self):
            pass

    for parts, words in (
        (({"clean": True}, {"text": True}, {"clean": True}), [CLEAN_END]),
        (({"clean": True}, {}, {"clean": True}), [END]),
        (({"clean": True}, {"text": True}, {}), [END]),
        (({"text": True, "size": FRAME}, {"clean": True}), [TEXT, CLEAN_END]),
        (({"clean": True, "size": FRAME}, {"clean": True}), [MORE, CLEAN_END]),
    ):
        message = Message(Exchange(), "X", 0, Spares(0))
        for part in parts:
            message.write(b"x" * part.pop("size", 1), **part)
        assert message.end(print) == (0, "")
        assert sent == words
        sent.clear()


def test_a_bare_cr_or_lf_in_a_line_becomes_a_space(ours):
    _, data, _ = ours().put(stream(ENVELOPE, BODY + R(rec.NORM, b"a\rb\nc") + R(rec.NORM, b"x" * 13)))
    assert records(data, rec.NORM)[-2:] == [b"a b c", b"x" * 13]


def test_a_line_end_in_a_header_can_not_make_another_header(ours):
    content = lines(b"Received: x") + R(rec.NORM, b"X: y\r\nBcc: z") + lines(b"\nbody")
    _, data, _ = ours().put(stream(ENVELOPE, content))
    assert b"X: y  Bcc: z" in records(data, rec.NORM)


@pytest.mark.parametrize("request_", [MORE, END, CLEAN_END])
def test_headers_at_the_beginning_of_a_frame_are_rewritten_where_they_stand(ours, request_):
    content = lines(b"To: a,\n b\nReceived: x\nX: y\n z\nBcc: q\nCc: c\nSubject: " + b"s" * 300 + b"\n\nbody")
    after = R(rec.XTRA) + R(rec.END)
    parts = [(ENVELOPE + R(rec.MESG), MORE), (content + (b"" if request_ == MORE else after), request_)]
    if request_ == MORE:
        parts.append((after, END))
    _, data, _ = ours().put_parts(parts)
    assert records(data, rec.NORM)[:9] == [
        b"To: a@example.com, b@example.com",
        b"Received: x",
        b"X: y",
        b" z",
        b"Cc: c@example.com",
        b"Subject: " + b"s" * 300,
        *records(data, rec.NORM)[6:9],
    ]
    assert [line.partition(b":")[0] for line in records(data, rec.NORM)[6:10]] == [b"Message-Id", b"Date", b"From", b""]


HEADS = {
    "two of a name": b"Received: x\nReceived: y\nMessage-Id: <a@b>\nMessage-Id: <c@d>",
    "white space before the colon": b"Received: x\nTo : a@b.test\nFrom:\tc@d.test",
    "a line that is no header": b"Received: x\nTo: a@b.test\nno header\nFrom: c@d.test",
    "a name alone": b"Received: x\nTo\nFrom: c@d.test",
    "no name": b"Received: x\n: y\nFrom: c@d.test",
    "a name with odd letters": b"Received: x\nT\xc3\xb6: y\nFrom: c@d.test",
    "a control character": b"Received: x\n\x01X: y\nFrom: c@d.test",
    "a continuation first": b" Received: x\nFrom: c@d.test",
    "nothing but continuations": b"Received: x\n\t\n \nTo: a@b.test\n \n",
    "other letters than ASCII": b"Received: x\nSubject: \xc3\xb6\nTo: a@b.test",
    "long lines": b"Received: " + b"x" * 200 + b"\n " + b"y" * 300 + b"\nTo: a@b.test,\n " + b"c" * 130 + b"@d.test",
    "long lines with other letters": b"Received: " + b"x" * 2000 + b"\nX: " + b"\xc3\xb6" * 80 + b"\nTo: a@b.test",
    "a dropped one": b"Received: x\nBCC: a@b.test\n c@d.test\nReturn-Path: <x>\nTo: e@f.test",
    "resent": b"Received: x\nResent-To: a@b.test\nResent-Message-Id: <x@y>\nTo: e",
    "encoding": b"Received: x\nContent-Transfer-Encoding: 8bit\nTLS-Required: no\nFrom: <>",
    "nothing": b"",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("request_", [END, CLEAN_END])
def test_headers_at_once_are_what_they_are_one_by_one(ours, head, request_, monkeypatch):
    monkeypatch.setattr("pyfix.cleanup.envelope.time.time", lambda: 1764100000.0)
    whole = stream(ENVELOPE, lines(head + b"\n\nbody" if head else b"\nbody"))
    found = []
    for parts in ([(whole, request_)], [(whole[at : at + 1], MORE) for at in range(len(whole))]):
        cleanup = ours("enable_long_queue_ids = yes\n")
        verdict, data, queue_id = cleanup.put_parts(parts)
        found.append((verdict, comparable(data, queue_id), [line.replace(queue_id, "Q") for line in cleanup.log]))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"X: " + b"y" * 83 + b"\n " + b"z" * 90 + b"\n more", [b"X: " + b"y" * 83, b" " + b"z" * 12]),
        (b"X: " + b"y" * 86 + b"\n " + b"z" * 90 + b"\n m", [b"X: " + b"y" * 86, b" " + b"z" * 9]),
        (b"X: " + b"y" * 87 + b"\n " + b"z" * 90 + b"\n m", [b"X: " + b"y" * 87]),
        (b"X: " + b"y" * 87 + b"\n " + b"z" * 8 + b"\n m", [b"X: " + b"y" * 87, b" " + b"z" * 8]),
        (b"X: " + b"y" * 98, [b"X: " + b"y" * 97]),
    ],
)
def test_the_first_header_that_is_too_long_loses_its_end(ours, header, kept):
    content = lines(b"Received: x\n" + header + b"\nY: z\n\nbody")
    _, data, _ = ours("header_size_limit = 100\n").put(stream(ENVELOPE, content))
    assert records(data, rec.NORM)[1 : len(kept) + 2] == [*kept, b"Y: z"]


def test_a_line_of_a_header_ends_where_there_is_nul(ours):
    _, data, _ = ours().put(stream(ENVELOPE, lines(b"Received: x\nX: a\0b\n c\0\n\td\nY: z\n\nbo\0dy")))
    found = records(data, rec.NORM)
    assert found[1:5] == [b"X: a", b" c", b"\td", b"Y: z"]
    assert found[-1] == b"bo\0dy"


def test_remote_headers_are_left_alone(ours):
    envelope = TIME + A("rewrite_context", "remote") + SENDER + RCPT
    cleanup = ours()
    _, data, queue_id = cleanup.put(stream(envelope, lines(b"Received: x\nTo: a\nBcc: b\n\nbody")))
    assert records(data, rec.NORM) == [b"Received: x", b"To: a", b"", b"body"]
    assert cleanup.log == [f"{queue_id}: message-id=<>"]


def test_remote_headers_are_completed_when_that_is_wanted(ours):
    envelope = TIME + A("rewrite_context", "remote") + SENDER + RCPT
    cleanup = ours("always_add_missing_headers = yes\nremote_header_rewrite_domain = domain.invalid\n")
    _, data, _ = cleanup.put(stream(envelope, lines(b"Received: x\nTo: a\n\nbody")))
    found = records(data, rec.NORM)
    assert found[:2] == [b"Received: x", b"To: a@domain.invalid"]
    assert [line.partition(b":")[0] for line in found[2:5]] == [b"Message-Id", b"Date", b"From"]


def test_the_message_id_is_logged_and_kept(ours):
    cleanup = ours()
    _, data, queue_id = cleanup.put(stream(ENVELOPE, lines(b"Received: x\nMessage-ID:  <a@b> \n\nbody")))
    assert cleanup.log == [f"{queue_id}: message-id=<a@b> "]
    assert b"message_id=<a@b>" in records(data, rec.ATTR)


@pytest.mark.parametrize("step", [0, 1])
def test_what_stands_before_one_hop_too_many_is_told_before_it(ours, step):
    cleanup = ours("hopcount_limit = 2\n")
    text = b"received: x\nMessage-ID: <a@b>\nRECEIVED: y\n\tz\nResent-Message-Id: <c@d>\n\nbody"
    (status, _), _, queue_id = cleanup.put(stream(ENVELOPE, lines(text)), step=step)
    assert status == STAT_HOPS
    said = ["message-id=<a@b>", "message rejected: hopcount exceeded"]
    assert cleanup.log[:2] == [f"{queue_id}: {said[0]}", f"warning: {queue_id}: {said[1]}"]


def test_a_thousand_recipients_are_each_there_once(ours):
    many = b"".join(R(rec.RCPT, b"u%d@x.test" % (n % 1000)) for n in range(1500))
    _, data, _ = ours().put(stream(TIME + SENDER + many, BODY))
    assert len(records(data, rec.RCPT)) == 1000
    assert int(data[2:].split()[2]) == 1000


@pytest.mark.parametrize(
    ("main_cf", "address", "what"),
    [
        (
            "virtual_alias_expansion_limit = 2\nvirtual_alias_maps = inline:{ {r@x.test={a@b, c@d, e@f}} }\n",
            "r@x.test",
            "unreasonable virtual_alias_maps map expansion size for r@x.test",
        ),
        (
            "virtual_alias_recursion_limit = 5\nvirtual_alias_maps = pcre:{ {/^(.*)@/ x$$1@y.test} }\n",
            "r@x.test",
            "unreasonable virtual_alias_maps map nesting for r@x.test",
        ),
    ],
    ids=["expansion", "nesting"],
)
def test_aliases_without_end_are_not_followed(ours, main_cf, address, what):
    cleanup = ours(main_cf)
    verdict, _, queue_id = cleanup.put(stream(ENVELOPE, BODY))
    assert verdict == (256, "4.6.0 Alias expansion error")
    assert f"warning: {queue_id}: {what} -- message not accepted, try again later" in cleanup.log


def _sendopts(data):
    return int(records(data, rec.SIZE)[0].split()[-1])


def test_a_full_name_in_from_is_encoded_and_folded_as_postfix_does_it(ours):
    envelope = TIME + R(b"F", "Jörg Jörg Jörg Jörg Jörg Jörg Jörg Jörg ".encode()) + SENDER + RCPT
    _, data, _ = ours().put(stream(envelope, lines(b"Received: x\nSubject: y\n\nbody")))
    found = records(data, rec.NORM)
    at = found.index(b"From: =?utf-8?B?SsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2cmcgSsO2?=")
    assert found[at + 1].startswith(b"\t=?utf-8?B?cmc=?= <")
    assert _sendopts(data) == 0


@pytest.mark.parametrize(
    ("header", "sendopts"),
    [
        (b"TLS-Required: no", 16),
        (b"tls-required:No", 16),
        (b"TLS-Required:\n no", 16),
        (b"TLS-Required: no ", 0),
        (b"TLS-REQUIRED:\tno (c)", 0),
        (b"TLS-Required: foo", 0),
    ],
)
def test_tls_required_no_is_written_down(ours, header, sendopts):
    content = lines(b"Received: x\n" + header + b"\nMessage-Id: <a@b>\n\nbody")
    cleanup = ours()
    _, data, queue_id = cleanup.put(stream(ENVELOPE, content))
    assert _sendopts(data) == sendopts
    said = [] if sendopts else [f"warning: ignoring malformed header: '{header.decode()}'".replace("\t", "?")]
    assert cleanup.log == [*said, f"{queue_id}: message-id=<a@b>"]
    _, data, _ = ours("tls_required_enable = no\n").put(stream(ENVELOPE, content))
    assert _sendopts(data) == 0


@pytest.mark.parametrize(
    ("envelope", "headers", "added", "sendopts"),
    [
        (REQUIRETLS, b"", True, 32),
        (REQUIRETLS, b"Require-TLS-ESMTP: no\n", True, 32),
        (REQUIRETLS, b"TLS-Required: no\n", True, 48),
        (REQUIRETLS, b"Require-TLS-ESMTP: yes\n", False, 32),
        (b"", b"require-tls-esmtp:  yes\nTLS-Required: no\n", False, 48),
        (b"", b"Require-TLS-ESMTP: yes \n", False, 0),
        (b"", b"Require-TLS-ESMTP: no\n", False, 0),
    ],
)
def test_requiretls_is_noted_in_a_header_and_found_there(ours, envelope, headers, added, sendopts):
    content = lines(b"Received: x\n" + headers + b"Message-Id: <a@b>\n\nbody")
    _, data, _ = ours().put(stream(envelope + ENVELOPE, content))
    assert _sendopts(data) == sendopts
    assert (records(data, rec.NORM)[-3] == b"Require-TLS-ESMTP: yes") == added
    _, data, _ = ours("requiretls_esmtp_header = no\n").put(stream(envelope + ENVELOPE, content))
    assert _sendopts(data) == (sendopts & 16) + (32 if envelope else 0)
    assert records(data, rec.NORM)[-3] != b"Require-TLS-ESMTP: yes"


def test_what_is_resent_may_have_no_message_id_of_its_own(ours):
    cleanup = ours()
    _, _, queue_id = cleanup.put(stream(ENVELOPE, lines(b"Received: x\nResent-To: a@b.test\n\nbody")))
    assert [line for line in cleanup.log if line.endswith("message-id=<>")] == [f"{queue_id}: message-id=<>"]


@pytest.mark.parametrize(
    ("records_of", "header", "sendopts"),
    [
        (SENDER + RCPT, "Subject: x", 0),
        (SENDER + RCPT, "Subject: ä", 3),
        (R(rec.FROM, "ä@x.test".encode()) + RCPT, "Subject: x", 7),
        (SENDER + R(rec.RCPT, "ä@x.test".encode()), "Subject: x", 1),
    ],
)
def test_smtputf8_is_wanted_where_letters_need_it_if_that_is_looked_for(ours, records_of, header, sendopts):
    content = lines(b"Received: x\n" + header.encode() + b"\n\nbody")
    _, data, _ = ours().put(stream(TIME + records_of, content), FLAG_AUTOUTF8)
    assert _sendopts(data) == sendopts


@pytest.mark.parametrize(("flags", "kind"), [(0, "rfc822"), (FLAG_AUTOUTF8, "utf-8")])
def test_the_original_recipient_has_the_type_of_its_letters(ours, flags, kind):
    recipient = R(rec.RCPT, "\xe9@x.test".encode())
    _, data, _ = ours().put(stream(TIME + A("rewrite_context", "local") + SENDER + recipient, BODY), flags)
    assert f"dsn_orig_rcpt={kind};\xe9@x.test".encode() in records(data, rec.ATTR)


def test_a_recipient_that_nothing_else_changes_has_its_copy_made(ours):
    flags = FLAG_BCC_OK | FLAG_MAP_OK
    _, data, _ = ours("recipient_bcc_maps = inline:{r@x.test=copy@d.test}\n").put(SHORT, flags)
    assert records(data, rec.RCPT) == [b"r@x.test", b"copy@d.test"]


@pytest.mark.parametrize("request_", [END, CLEAN_END])
@pytest.mark.parametrize(
    ("header", "kept"),
    [
        pytest.param(b"From: a\0b@c", b"From: a@example.com", id="sender"),
        pytest.param(b"To: a\0b", b"To: a@example.com", id="recipient"),
        pytest.param(b"From: x\0y <a@c>", b"From: x@example.com", id="name"),
        pytest.param(b"Subject: x\0y\n z", b"Subject: x", id="plain and folded"),
        pytest.param(b"Cc: <a\0b@c>, d@e", b'Cc: "<a"@example.com', id="list"),
    ],
)
def test_a_header_ends_at_a_nul_as_in_postfix(ours, request_, header, kept):
    """(The values are those that 3.7 writes.)"""
    content = lines(b"Received: x\n" + header + b"\n\nbo\0dy")
    data = ENVELOPE + R(rec.MESG) + content + R(rec.XTRA) + R(rec.END)
    verdict, data, _ = ours("remote_header_rewrite_domain =\n").put_parts([(data, request_)])
    assert verdict == (0, "")
    written = records(data, rec.NORM)
    assert kept in written
    assert b"bo\0dy" in written
    assert not any(b"\0" in line for line in written[:-1])


def test_addresses_and_attributes_in_the_envelope_end_at_a_nul(ours):
    envelope = TIME + R(rec.FROM, b"a@example.com\0x") + A("y", "1\0002") + R(rec.RCPT, b"b@example.com\0c")
    verdict, data, _ = ours().put(stream(envelope, BODY))
    assert verdict == (0, "")
    assert records(data, rec.FROM) == [b"a@example.com"]
    assert records(data, rec.RCPT) == [b"b@example.com"]
    assert b"y=1" in records(data, rec.ATTR)
