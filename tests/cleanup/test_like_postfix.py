"""Real cleanup and ours write the same records."""

import os

import pytest

from pyfix.config.main_cf import MainCf
from tests.cleanup.peer import (
    BODY,
    ENVELOPE,
    HEADERS,
    HOLD_AND_MAP,
    LOCAL,
    RCPT,
    REMOTE,
    SENDER,
    TIME,
    A,
    Ours,
    R,
    Theirs,
    comparable,
    lines,
    stream,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: Postfix's private sockets")

BASE = """
myhostname = mx.example.com
mydomain = example.com
myorigin = example.com
mydestination = mx.example.com, example.com, localhost
recipient_delimiter = +
"""
MAPS = """
canonical_maps = inline:{{@old.test=@new.test}, {u1@c.test=v1@d.test}, {u2+x@c.test=z@d.test},
 {rootx=y@d.test}, {loop1@c.test=loop2@c.test}, {loop2@c.test=loop1@c.test}, {self@c.test=SELF@c.test},
 {two@c.test={}a@c.test b@c.test}, {none@c.test=;}, {""=null@c.test}}
sender_canonical_maps = inline:{s@example.net=boss@example.net}
recipient_canonical_maps = inline:{r@x.test=rr@x.test}
virtual_alias_maps = inline:{ {one@v.test=a@d.test}, {many@v.test={a@d.test, b@d.test, "q r"@d.test}},
 {nest@v.test={many@v.test,one@v.test}}, {self@v.test={self@v.test,other@v.test}}, {@dom.test=@d.test},
 {bare=user}, {none@v.test=(x)}, {empty@v.test=<>}, {quoted@v.test="a@b"},
 {inside@v.test="a<>b"@d.test}, {pair@v.test=<>, c@d.test}, {named@v.test=x <>}, {space@v.test=< >},
 {behind@v.test=a <>b@c.test}, {signs@v.test="<>"},
 {round@v.test=dnuor@v.test}, {dnuor@v.test=round@v.test}, {name=n@d.test}}
masquerade_domains = example.com
masquerade_exceptions = root
always_bcc = archive@d.test
sender_bcc_maps = inline:{boss@example.net=sbcc@d.test}
recipient_bcc_maps = inline:{rr@x.test=rbcc@d.test}
delay_warning_time = 4h
""".replace("{}", "")
CONFIGS = {
    "plain": "",
    "maps": MAPS,
    "headers": "always_add_missing_headers = yes\nundisclosed_recipients_header = To: undisclosed-recipients:;\n"
    "message_drop_headers = x-drop, bcc\nenable_original_recipient = no\nenable_long_queue_ids = yes\n"
    "hopcount_limit = 3\nappend_dot_mydomain = yes\nremote_header_rewrite_domain = domain.invalid\n"
    "header_from_format = obsolete\npropagate_unmatched_extensions =\n" + MAPS.replace("always_bcc", "#"),
}

ADDRESS_HEADERS = [
    b"To: a", b'To: Foo Bar <a>, "B, C" <q@old.test> (comment), b', b"To: a,\n b,\n c@d.e",
    b"From: a@b.c (x (y) z) (w)", b"From: (c1) Joe (c2) Blow <a> (c3), b (c4)",
    b"To: grp: a, b@c, d (x);, e", b"To: undisclosed:;", b"To: undisclosed:;, a", b"To: a b c",
    b"To: <a> <b>", b"To: a@b@c", b"To: <@x,@y:z>", b"To: foo!bar, a%b", b"To: a;b:c", b"To: <>",
    b"To: x <>", b"To: a,,b,", b'To: "q\\"x" <l>', b"To: joe@[1.2.3.4], j", b"To: a <b", b"To: a> b",
    b"To: [x] y", b"Cc: rootx, a@", b"To: " + b", ".join(b"user%d" % n for n in range(30)), b"To: ", b"To:",
    b"To: (c)", b"To: a (unclosed", b'To: "unclosed', b"Reply-To: foo!bar", b"To: .a., b..c, d",
    b"To: a@b.c d@e.f g", b"To: Joe <a>(c) b", b"To: First . Last <a>", b"To: a\\,b, c",
    b"From: x@y (\xc3\xa9) <z>", b"To : a", b"TO: a", b'From: "Doe, J." <a>', b"To: x" + b"y" * 1900 + b"\n z",
    b"To: (" + b"c" * 400 + b") " + b"n" * 300 + b" <a>, " + b"m " * 200 + b" <b>",
    b"From: Foo <U1@C.test>, rootx+1, u1+ext@c.test, u2+x@c.test, u2@c.test", b"To: self@c.test, a@s.example.com",
    b"To: a@b.c, g", b"From: Foo <a@b.c>, g",
    b"Cc: root@s.example.com, b@sub.s.EXAMPLE.com, c@example.com", b"Resent-Reply-To: q@old.test",
    b"To: a: b <c@d>", b"To: a: b <c@d>, g: x;", b"To: g: a, h: b;, c", b"To: a:b <x>, g: c, d;", b"To: a> b: <c>",
    b"Sender: <root>\nErrors-To: r\nReturn-Receipt-To: q\nDisposition-Notification-To: z\n"  # noqa: ISC004
    b"Mail-Followup-To: w\nResent-Reply-To: d\nApparently-To: p\nDelivered-To: l\nResent-Sender: k",
]  # fmt: skip
OTHER_HEADERS = [
    b"Bcc: foo@bar\nReturn-Path: <x>\nContent-Length: 10\nResent-Bcc: a\nX-Foo: bar\nX-Drop: y", b"Resent-To: a",
    b"Resent-From: a\nResent-Message-Id: <z>", b"Content-Transfer-Encoding: 8bit", b"Content-Transfer-Encoding: binary",
    b"Content-Transfer-Encoding: quoted-printable", b"Subject: \xc3\xa9", b"not a header", b" continuation",
    b"Received: 1\n" * 49 + b"X: y", b"Received: 1\n" * 48 + b"X: y", b"Received: 1\nReceived: 2",
    b"X: a\0b\n c\0d\n\te", b"To: a\0b\n c", b"Content-Transfer-Encoding: 8bit ", b"Content-Transfer-Encoding: \n 8bit",
    b"Bcc: a (\xc3\xa9)", b"Bcc: a (\xc3\xa9)\nContent-Length: \xc3\xa9\nX-Foo: bar",
    b"Bcc: \xc3\xa9 <a>\nSubject: \xc3\xa9",
    b"X: a\rb", b"X: " + b"y" * 10 + b"\n" + b" " * 13, b"To: a\n\tb\n\n",
]  # fmt: skip
CONTENTS = [
    *[lines(HEADERS + header + b"\n\nbody") for header in ADDRESS_HEADERS + OTHER_HEADERS],
    *[lines(text + b"\n\nbody") for text in (b"Received: x", b"Received: x\nResent-From: q", b"X: y", b"")],
    *[
        lines(HEADERS + start) + end
        for start in (b"\nfoo", b"", b"X: y")
        for end in (
            b"", R(b"L", b"x"), R(b"L", b"x") + R(b"N", b""), R(b"L", b"x: y"), R(b"L", b"x: y") + R(b"N", b"z"),
            R(b"L", b" y"), R(b"L", b"y" * 2048) + R(b"L", b"z"), R(b"N", b"\0\r\xff"), R(b"w", b"x" * 20),
            R(b"R", b"x"), R(b"N", b"x" * 13) + R(b"N", b"y" * 1290 + b"\r"),
        )
    ],
]  # fmt: skip
ENVELOPES = [
    TIME + RCPT, TIME, SENDER + RCPT, TIME + SENDER, TIME + SENDER + SENDER + RCPT,
    TIME + SENDER + RCPT + R(b"N", b"x"), TIME + A("rewrite_context", "bogus") + SENDER + RCPT,
    TIME + SENDER + RCPT + RCPT + R(b"R", b"R@X.test") + R(b"O", b"o@x") + RCPT,
    TIME + R(b"A", b"foo") + SENDER + RCPT, TIME + A("foo", "") + SENDER + RCPT,
    TIME + A("ret_flags", "7") + SENDER + RCPT, TIME + A("ret_flags", "2") + A("envelope_id", "x+y") + SENDER + RCPT,
    TIME + SENDER + A("notify_flags", "6") + A("dsn_orig_rcpt", "rfc822;a@b") + R(b"O", b"a@b") + RCPT
    + A("notify_flags", "99") + R(b"R", b"q"),
    TIME + R(b"F", b"Joe Q. User") + SENDER + RCPT, TIME + R(b"F", b"Joe User") + SENDER + RCPT,
    TIME + R(b"F", b"Joe User") + R(b"S", b"") + RCPT, TIME + SENDER + R(b"R", b""),
    TIME + R(b"S", b"me") + R(b"R", b"you") + R(b"R", b"a!b") + R(b"R", b"x y@z"),
    TIME + R(b"L", b"smtp:foo") + SENDER + RCPT, TIME + SENDER + RCPT + A("foo", "bar") + R(b"R", b"z@z"),
    TIME + SENDER + R(b"V", b"+=") + RCPT, TIME + SENDER + R(b"V", b"+x") + RCPT,
    TIME + R(b"S", b"") + R(b"V", b"+=") + RCPT,
    TIME + SENDER + R(b"W", b"     1795214099") + RCPT, TIME + A("create_time", "1700000000") + SENDER + RCPT,
    TIME + R(b"f", b"4") + SENDER + RCPT, TIME + R(b"f", b"99") + SENDER + RCPT,
    TIME + SENDER + R(b"O", b"x@y") + R(b"D", b"z@y") + RCPT, TIME + SENDER + A("encoding", "8bit") + RCPT,
    TIME + b"".join(A(f"a{n}", "x") for n in range(99)) + SENDER + RCPT,
    TIME + b"".join(A(f"a{n}", "x") for n in range(100)) + SENDER + RCPT,
    TIME + A("trace_flags", "512") + SENDER + RCPT, TIME + A("trace_flags", "x") + SENDER + RCPT,
    TIME + SENDER + RCPT + R(b"p", b"              0"), TIME + SENDER + R(b"/", b"a") + RCPT,
    TIME + LOCAL + SENDER + b"".join(
        R(b"R", name) for name in (
            b"one@v.test", b"many@v.test", b"many+ext@v.test", b"nest@v.test", b"self@v.test", b"x+y@dom.test",
            b"bare", b"name+ext", b"rootx+2", b"u1+e@c.test", b"q@old.test", b"one@v.test",
        )
    ),
    TIME + LOCAL + SENDER + A("notify_flags", "6") + R(b"R", b"many@v.test") + A("notify_flags", "2")
    + R(b"R", b"one@v.test"),
    TIME + LOCAL + SENDER + R(b"R", b"round@v.test"), TIME + LOCAL + SENDER + R(b"R", b"loop1@c.test"),
    TIME + LOCAL + R(b"S", b"u@s.example.com") + R(b"R", b"u@s.example.com"),
    TIME + LOCAL + SENDER + R(b"R", b"two@c.test"), TIME + LOCAL + R(b"S", b"") + R(b"R", b"bare@[127.0.0.1]"),
    TIME + LOCAL + SENDER + R(b"R", b"one@v.test@example.com"),
    *[
        TIME + LOCAL + SENDER + R(b"R", recipient)
        for recipient in (
            b"none@v.test", b"empty@v.test", b"quoted@v.test", b"none@c.test", b"inside@v.test", b"pair@v.test",
            b"named@v.test", b"space@v.test", b"behind@v.test", b"signs@v.test",
        )
    ],
    *[
        TIME + LOCAL + R(b"S", sender) + RCPT for sender in (
            b"MAILER-DAEMON", b"mailer-daemon@Example.COM", b"MAILER-DAEMON@mx.example.com", b"mailer-daemon+x",
            b"MAILER-DAEMON@s.example.com",
        )
    ],
]  # fmt: skip
EXTRACTED = [
    R(b"R", b"new@x.y"), A("foo", "bar"), R(b"S", b"x"), R(b"r", b"x"), R(b"L", b"x:y"),
    R(b"O", b"x") + R(b"R", b"x2"), A("notify_flags", "4") + R(b"R", b"n@x.y"),
]  # fmt: skip
STREAMS = [
    *[stream(ENVELOPE, content) for content in CONTENTS],
    *[stream(TIME + REMOTE + SENDER + RCPT, content) for content in CONTENTS[::3]],
    *[stream(envelope, BODY) for envelope in ENVELOPES],
    *[stream(ENVELOPE, BODY, extracted) for extracted in EXTRACTED],
]


@pytest.mark.parametrize("name", CONFIGS)
def test_records_are_those_of_postfix(real_postfix, tmp_path, name):
    peer = real_postfix(main_cf=BASE + CONFIGS[name])
    theirs, ours = Theirs(peer.queue), Ours(MainCf.load(str(peer.config)), tmp_path)
    different = []
    for flags in (HOLD_AND_MAP, HOLD_AND_MAP | 16):
        for data in STREAMS[:: 1 if flags == HOLD_AND_MAP | 16 else 10]:
            verdict, file, queue_id = theirs.put(data, flags)
            our_verdict, our_file, our_id = ours.put(data, flags)
            expected, found = comparable(file, queue_id), comparable(our_file, our_id)
            if (verdict, expected) != (our_verdict, found):
                lost = [record for record in expected or [] if record not in (found or [])]
                added = [record for record in found or [] if record not in (expected or [])]
                different.append((data[-200:], verdict, our_verdict, lost, added))
    assert different == []
