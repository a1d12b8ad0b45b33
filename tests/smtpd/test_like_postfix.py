"""The same commands to a real Postfix smtpd and to ours must have the same answers.

Where 3.11 differs from the Postfix that is installed it is not in DIALOGS: HELP is a command, and
bare line ends and pipelining are configured here as 3.11 has them by default.
"""

import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.smtpd.beside_postfix import Beside, running

COMMON = [
    "smtpd_recipient_limit = 5",
    "message_size_limit = 100000",
    "smtpd_forbid_bare_newline = normalize",
    "smtpd_forbid_bare_newline_exclusions =",
    "smtpd_authorized_xclient_hosts =",
]
SETTINGS = {
    "usual": [],
    "stranger": ["mynetworks = 10.0.0.0/8"],
    "strict": ["strict_rfc821_envelopes = yes", "smtpd_helo_required = yes"],
    "any line end": ["smtpd_forbid_bare_newline = no"],
    "reject bare": ["smtpd_forbid_bare_newline = reject"],
}
DIALOGS: list[tuple[str, list[bytes]]] = [
    *[
        (
            name,
            [
                b"EHLO a\r\n", b"MAIL FROM:" + path + b"\r\n", b"RSET\r\n", b"MAIL FROM:<>\r\n",
                b"RCPT TO:" + path + b"\r\n", b"VRFY " + path + b"\r\n",
            ],
        )
        for name in ("usual", "strict")
        for path in (
            b"<@a,@b:>", b"<@a:>", b"<@a>", b"<@a:@b>", b"<,@a:joe>", b"<@a,b:joe>",
            b"<@a:<joe@example.com>>", b"<@a:<>>", b"<<joe@example.com>>", b"<<@a:joe>>", b"<Joe <joe>>", b"<joe>>",
        )
    ],
    *[
        (
            name,
            [
                b"EHLO a\r\n", b"MAIL FROM:<a@[bad>\r\n", b"MAIL FROM:<a@[>\r\n",
                b"MAIL FROM:<a@[192.0.2.5>x\r\n", b"MAIL FROM:<a@[192.0.2.5>\r\n",
                b"RCPT TO:<joe@[127.0.0.1>\r\n", b"RCPT TO:<joe@[IPv6:::1>\r\n",
                b"RSET\r\n", b"MAIL FROM:<a@[192.0.2.5> SIZE=9\r\n",
            ],
        )
        for name in ("usual", "strict")
    ],
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b..c> FOO\r\n", b"MAIL FROM:<a@[bad]> ENVID=a+zz\r\n",
            b"MAIL FROM:<a@b..c> SIZE=x\r\n", b"MAIL FROM:<a@\xc3\xa4.de> FOO\r\n",
            b"MAIL FROM:<a@\xc3\xa4.de> FOO SMTPUTF8\r\n", b"MAIL FROM:<\xc3\xa4@b> FOO\r\n",
            b"MAIL FROM:<a@b> <x y\r\n", b"MAIL FROM:<a@b> x\"y z\r\n", b"MAIL FROM:<a@b> x[y z]\r\n",
            b"MAIL FROM:<> FOO\r\n", b"MAIL FROM:<s@b>\r\n",
            b"RCPT TO:<joe@b..c> NOTIFY=x\r\n", b"RCPT TO:<joe@\xc3\xa4.de> ORCPT=x\r\n",
            b"RCPT TO:<nobody@example.com> FOO\r\n", b"RCPT TO:<> FOO\r\n", b"RCPT TO:<joe> <x y\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a>b@c>\r\n", b"MAIL FROM:<a>b>\r\n", b"MAIL FROM:<a b@c>(x)\r\n",
            b"RCPT TO:<a b@example.com>(x)\r\n",
            b"RCPT TO:@x.y,@z:a,b@example.com>\r\n", b"RCPT TO:<<a;b@example.com>>\r\n",
            b"RCPT TO:a<b@example.com\r\n", b"RCPT TO:<(c)@x:a@example.com>\r\n", b"RCPT TO:<a\\>\r\n",
            b"VRFY a<b\r\n", b"VRFY a <b\r\n", b"VRFY <a@\xc3\xa4.de>\r\n", b"VRFY \xc3\xa4@b\r\n",
            b"VRFY <a@\xc3\xa4.de> SMTPUTF8\r\n", b"VRFY joe  \"b c\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<MAILER-DAEMON@example.com>\r\n",
            b"RCPT TO:<Double-Bounce@mx.example.com>\r\n", b"RCPT TO:<mailer-daemon+x@example.com>\r\n",
            b"VRFY mailer-daemon\r\n", b"VRFY double-bounce\r\n", b"VRFY double-bounce-x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b> SMTPUTF8\r\n", b"MAIL FROM:<a@b> SMTPUTF8\r\n",
            b"RCPT TO:<a@\xc3\xa4.de>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"HELO\r\n", b"HELO \r\n", b"EHLO a b c\r\n", b"MAIL\r\n", b"MAIL FROM\r\n",
            b"MAIL FROM:\r\n", b"MAIL FROM: <a@b.c> FOO=bar\r\n", b"MAIL FROM:a@b.c\r\n", b"RSET x\r\n",
            b"RSET\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<>\r\n", b"RCPT TO:\r\n", b"RCPT TO:<joe>\r\n",
            b"RCPT TO:<nobody@example.com>\r\n", b"RCPT TO:<x@other.test>\r\n", b"DATA x\r\n", b"DATA\r\n",
            b".\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a b@c.d>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b,c@d>\r\n",
            b"MAIL FROM:<a@b><c@d>\r\n", b"MAIL FROM:<\"a b\"@c.d>\r\n", b"RSET\r\n",
            b"MAIL FROM:<@x.y,@z:joe@example.com>\r\n", b"RSET\r\n", b"MAIL FROM:<a@[1.2.3.4]>\r\n",
            b"RSET\r\n", b"MAIL FROM:<a@[bad]>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b@c>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a@>\r\n", b"RSET\r\n", b"MAIL FROM:<@a>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a..b@c>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b..c>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a@b\r\n", b"MAIL FROM:a@b>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b> SIZE=x\r\n",
            b"RSET\r\n", b"MAIL FROM:<a@b> SIZE=999999999\r\n",
            b"MAIL FROM:<a@b> SIZE=99999999999999999999999999\r\n", b"MAIL FROM:<a@b> BODY=x\r\n",
            b"MAIL FROM:<a@b> RET=x\r\n", b"MAIL FROM:<a@b> RET=full RET=hdrs\r\n",
            b"MAIL FROM:<a@b> ENVID=a+\r\n", b"MAIL FROM:<a@b> ENVID=\r\n", b"MAIL FROM:<a@b> AUTH=<>\r\n",
            b"RSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b> SIZE=\r\n", b"RSET\r\n", b"MAIL FROM:<a@b> XVERP\r\n",
            b"MAIL FROM:<a@b> SMTPUTF8\r\n", b"RSET\r\n", b"MAIL FROM:<\xc3\xa4@b>\r\n", b"RSET\r\n",
            b"MAIL FROM:<\xe4@b>\r\n", b"\xff\r\n", b"NOOP \xe4\r\n", b"\r\n",
            b"  \r\n", b" NOOP\r\n", b"noop a b\r\n", b"VRFY\r\n", b"VRFY joe\r\n", b"VRFY joe x\r\n",
            b"VRFY joe SMTPUTF8\r\n", b"VRFY <joe>\r\n", b"VRFY <a b>\r\n",
            b"VRFY <nobody@example.com>\r\n", b"VRFY x@other.test\r\n", b"ETRN\r\n",
            b"ETRN example.com\r\n", b"ETRN bad x\r\n", b"ETRN -x\r\n", b"AUTH PLAIN\r\n", b"STARTTLS\r\n",
            b"XCLIENT NAME=x\r\n", b"XFORWARD NAME=x\r\n", b"FOO\r\n", b"BDAT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"BDAT 10\r\n", b"0123456789", b"BDAT 10 LAST\r\n", b"0123456789",
            b"MAIL FROM:<a@b>\r\n", b"BDAT 10\r\n", b"0123456789", b"NOOP\r\n", b"MAIL FROM:<a@b>\r\n",
            b"RSET\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"BDAT 5\r\n", b"hello",
            b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"DATA\r\n", b"NOOP\r\n",
            b"VRFY joe\r\n", b"BDAT 3 LAST\r\n", b"a\r\n", b"QUIT x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"BDAT 5 FOO\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"BDAT 100001\r\n",
            b"NOOP\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe@example.com>\r\n",
            b"BDAT 99999999999999999999\r\n", b"NOOP\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe@example.com> NOTIFY=x\r\n",
            b"RCPT TO:<joe@example.com> NOTIFY=never,success\r\n",
            b"RCPT TO:<joe@example.com> NOTIFY=\r\n", b"RCPT TO:<joe@example.com> ORCPT=rfc822;x\r\n",
            b"RCPT TO:<joe@example.com> ORCPT=x\r\n", b"RCPT TO:<joe@example.com> ORCPT=rfc822;\r\n",
            b"RCPT TO:<joe@example.com> FOO\r\n",
            b"RCPT TO:<joe@example.com> NOTIFY=success NOTIFY=failure\r\n", b"RCPT TO:joe@example.com\r\n",
            b"RCPT TO:<joe>\r\n", b"RCPT TO:<postmaster>\r\n", b"RCPT TO:<joe@[127.0.0.1]>\r\n",
            b"RCPT TO:<joe@example.com>\r\n", b"RCPT TO:<joe@example.com>\r\n", b"DATA\r\n", b".\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"Subject: x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"GET /\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"1abc\r\n",
        ],
    ),
    (
        "usual",
        [
            b"\x16\x03\r\n",
        ],
    ),
    (
        "usual",
        [
            b"DATA\r\n", b"RCPT TO:<joe>\r\n", b"MAIL FROM:<a>\r\n", b"DATA\r\n", b"EHLO x\r\n",
            b"DATA\r\n", b"HELO x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"RCPT TO:<joe>\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n",
            b"RCPT TO:<nobody@example.com>\r\n", b"RCPT TO:<x@[9.9.9.9]>\r\n",
            b"RCPT TO:<@foo:joe@example.com>\r\n", b"RCPT TO:<joe%foo@example.com>\r\n",
            b"RCPT TO:<\"joe\"@example.com>\r\n", b"RCPT TO:<joe@example.com>\r\n",
            b"RCPT TO:<joe@example.com>\r\n", b"RCPT TO:<joe@example.com>\r\n",
            b"RCPT TO:<joe@example.com>\r\n", b"DATA x\r\n", b"BDAT 100001\r\n", b"NOOP\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"BDAT 10\r\n", b"1234567890",
            b"BDAT 99995\r\n", b"NOOP\r\n", b"RSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"BDAT 3\r\n", b"abc",
            b"MAIL FROM:<a@b>\r\n", b"DATA\r\n", b"RCPT TO:<joe>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b>\r\n",
            b"RCPT TO:<joe>\r\n", b"BDAT 3\r\nabcBDAT 3 LAST\r\ndefQUIT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"ETRN example.com x\r\n", b"ETRN [1.2.3.4]\r\n", b"ETRN bad..x\r\n",
            b"ETRN @example.com\r\n", b"ETRN #x\r\n", b"MAIL FROM:<>\r\n", b"ETRN example.com\r\n",
            b"VRFY joe\r\n", b"HELO x\r\n", b"AUTH PLAIN\r\n", b"STARTTLS\r\n", b"STARTTLS x\r\n",
            b"XCLIENT NAME=x\r\n", b"XFORWARD NAME=x\r\n", b"FOO\r\n", b"BDAT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO a\r\n", b"VRFY <joe>\r\n", b"VRFY \"joe x\"\r\n", b"VRFY joe@example.com SMTPUTF8\r\n",
            b"VRFY joe@example.com foo\r\n", b"VRFY nobody\r\n", b"VRFY x@other.test\r\n", b"VRFY @\r\n",
            b"VRFY <>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"NOOP\r\nNOOP\r\n",
        ],
    ),
    (
        "usual",
        [
            b"HELO x\r\nNOOP\r\n",
        ],
    ),
    (
        "usual",
        [
            b"HELO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<joe>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\nMAIL FROM:<a@b>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<joe>\r\nDATA\r\n", b"a\r\n.\r\nQUIT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<joe>\r\nDATA\r\na\r\n.\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"RSET\r\nVRFY joe\r\n", b"RSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"RSET\r\nETRN joe\r\nNOOP\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"HELO x\r\n", b"RSET\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"FOO\r\nRSET\r\nQUIT\r\nFOO\r\n",
        ],
    ),
    (
        "usual",
        [
            b"FOO\r\nFOO\r\n",
        ],
    ),
    (
        "usual",
        [
            b"QUIT\r\nFOO\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"DATA\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM: <a@b>\r\nRCPT TO: joe\r\nDATA\r\n", b"a\n.\n", b".\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\nNOOP\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"NOOP\n", b"NOOP\r\r\n",
        ],
    ),
    (
        "usual",
        [
            b"MAIL FROM:a@b\r\n", b"RSET\r\n", b"MAIL from: a @ b\r\n", b"RSET\r\n",
            b"MAIL FROM: Foo <a@b>\r\n", b"MAIL FROM:(c)a@b\r\n", b"RSET\r\n", b"MAIL FROM:<a@b>(c)\r\n",
            b"RSET\r\n", b"MAIL FROM:<<a@b>>\r\n", b"RSET\r\n", b"MAIL FROM:<\"a\\\"b\"@c>\r\n",
            b"RSET\r\n", b"MAIL FROM:<\"a>b\"@c>\r\n", b"RSET\r\n", b"MAIL FROM:<a\\@b@c>\r\n",
            b"RSET\r\n", b"MAIL FROM:<a\"b\"c@d>\r\n", b"RSET\r\n", b"MAIL FROM:< a@b >\r\n", b"RSET\r\n",
            b"MAIL FROM:<a:b@c>\r\n", b"RSET\r\n", b"MAIL FROM:<a;b@c>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a,b>\r\n", b"RSET\r\n", b"MAIL FROM:<a b>\r\n", b"RSET\r\n",
            b"MAIL FROM:<> SIZE=5\r\n", b"RSET\r\n", b"MAIL FROM:<>SIZE=5\r\n", b"RSET\r\n",
            b"MAIL FROM:<@b:a@c>\r\n", b"RSET\r\n", b"MAIL FROM:<b:a@c>\r\n", b"RSET\r\n",
            b"MAIL FROM: <@b,@c>\r\n", b"RSET\r\n", b"MAIL FROM:<@b:>\r\n", b"RSET\r\n",
            b"MAIL FROM:<@b:joe>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"MAIL FROM:<a@b.>\r\n", b"RSET\r\n", b"MAIL FROM:<.a@b>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a.@b>\r\n", b"RSET\r\n", b"MAIL FROM:<\"\">\r\n", b"RSET\r\n",
            b"MAIL FROM:<\"\"@c>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b c>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a@-b>\r\n", b"RSET\r\n", b"MAIL FROM:<a@[IPv6:::1]>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a@1.2.3.4>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b/c>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a!b>\r\n", b"RSET\r\n", b"MAIL FROM:<a%b@c@d>\r\n", b"RSET\r\n",
            b"MAIL FROM: \r\n", b"MAIL FROM :<a@b>\r\n", b"MAILFROM:<a@b>\r\n",
            b"MAIL FROM:<a@b > SIZE=1\r\n", b"RSET\r\n", b"MAIL FROM:<a@b\r\n", b"MAIL FROM:\"a b\"@c\r\n",
            b"RSET\r\n", b"MAIL FROM:<(x)a@b>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b(x)>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a(x@b>\r\n",
        ],
    ),
    (
        "strict",
        [
            b"NOOP\r\n", b"MAIL FROM:<a@b>\r\n", b"EHLO x\r\n", b"MAIL FROM:a@b\r\n",
            b"MAIL FROM:<@x:a@b>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:joe\r\n",
            b"RCPT TO:<joe>\r\n", b"RCPT TO:<joe@example.com> FOO=BAR\r\n", b"VRFY joe\r\n", b"ETRN x\r\n",
        ],
    ),
    (
        "strict",
        [
            b"VRFY joe\r\n", b"ETRN x.y\r\n", b"BDAT 0\r\n", b"DATA\r\n", b"RCPT TO:<x>\r\n",
        ],
    ),
    (
        "any line end",
        [
            b"NOOP\n", b"NOOP\nNOOP\n",
        ],
    ),
    (
        "reject bare",
        [
            b"NOOP\r\n", b"NOOP\n",
        ],
    ),
    (
        "reject bare",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"DATA\r\n", b"a\nb\r\n.\r\n",
            b"NOOP\r\n", b"NOOP\n",
        ],
    ),
    (
        "reject bare",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"BDAT 3\r\na\nb",
            b"BDAT 3 LAST\r\nxyz", b"NOOP\r\n",
        ],
    ),
    (
        "stranger",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe@other.test>\r\n",
            b"RCPT TO:<joe@example.com>\r\n", b"RCPT TO:<nobody@example.com>\r\n",
            b"RCPT TO:<@example.com:joe@other.test>\r\n", b"RCPT TO:<joe%other.test@example.com>\r\n",
            b"RCPT TO:<other.test!joe@example.com>\r\n", b"RCPT TO:<PostMaster>\r\n",
            b"RCPT TO:<joe@[127.0.0.1]>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"VRFY joe\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"STARTTLS\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"AUTH PLAIN\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"XCLIENT a\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT 0 LAST\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"AUTH\r\n", b"AUTH PLAIN =\r\n", b"XCLIENT\r\n", b"XFORWARD\r\n",
            b"MAIL FROM:<>\r\n", b"XFORWARD NAME=a\r\n", b"AUTH PLAIN\r\n", b"XCLIENT NAME=x\r\n",
            b"STARTTLS\r\n",
        ],
    ),
    (
        "usual",
        [
            b"STARTTLS\r\n", b"XCLIENT NAME=x\r\n", b"AUTH PLAIN\r\n", b"XFORWARD NAME=x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b> size=5 body=7bit ret=full envid=abc\r\n", b"RSET\r\n",
            b"MAIL FROM:<a@b> SIZE=-1\r\n", b"MAIL FROM:<a@b> SIZE\r\n",
            b"MAIL FROM:<a@b> ENVID=a ENVID=b\r\n", b"MAIL FROM:<a@b> ENVID=a+0A\r\n",
            b"MAIL FROM:<a@b> ENVID=a+2b\r\n", b"MAIL FROM:<a@b> AUTH=x\r\n", b"RSET\r\n",
            b"MAIL FROM:<a@b> SMTPUTF8=1\r\n", b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
            b"MAIL FROM:<a@b>  SIZE=1  BODY=7BIT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n",
            b"RCPT TO:<joe> ORCPT=rfc822;a+2Bb NOTIFY=success,failure,delay\r\n",
            b"RCPT TO:<joe> ORCPT=utf-8;a\\x{20AC}b\r\n", b"RCPT TO:<joe> ORCPT=utf-8;\xc3\xa4\r\n",
            b"RCPT TO:<joe> ORCPT=rfc822;\xc3\xa4\r\n", b"RCPT TO:<joe> ORCPT=;x\r\n",
            b"RCPT TO:<joe> NOTIFY=never,\r\n", b"RCPT TO:<joe> NOTIFY=never,never\r\n",
            b"RCPT TO:<joe> NOTIFY=delay,delay\r\n", b"RCPT TO:<joe> ORCPT=rfc822;a+zz\r\n",
            b"RCPT TO:<joe> ORCPT=rfc822;a ORCPT=rfc822;b\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<>\r\n", b"RCPT TO:< >\r\n",
            b"RCPT TO:joe\r\n", b"RCPT TO:<joe@>\r\n", b"RCPT TO:<joe@@example.com>\r\n", b"RCPT TO:\r\n",
            b"RCPT TO\r\n", b"RCPT\r\n", b"RCPT FROM:<joe>\r\n", b"RCPT TO:<joe@EXAMPLE.com>\r\n",
            b"RCPT TO:<JOE@example.com>\r\n", b"RCPT TO:<joe+x@example.com>\r\n",
            b"RCPT TO:<a b@example.com>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"DATA\r\n", b"a\r\n", b".\r\n",
            b"QUIT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"DATA\r\n",
            b"From x\r\n..\r\n.\r\nMAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"DATA\r\n", b".\r\n",
        ],
    ),
    (
        "usual",
        [
            b"HELO\tx\r\n", b"HELO x y\r\n", b"ehlo X\r\n", b"EHLO\r\n", b"EHLO <x>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"NOOP\x00x\r\n", b"\x00NOOP\r\n", b"NOO\x00P\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"\tNOOP\r\n", b"NOOP\t\r\n", b"MAIL\tFROM:<a@b>\r\n", b"RCPT\t\tTO:<joe>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"\"NOOP\"\r\n", b"<NOOP>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"Foo:\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"Foo : x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"foo-bar:baz\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b":x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"CONNECT x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"post\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"get x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"\xc3\xa4\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"foo\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"EXPN a\r\n", b"SEND x\r\n", b"TURN\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b> \xff\r\n", b"\xc0\x80\r\n", b"EHLO \xff\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO \xc3\xa4\r\n", b"MAIL FROM:<\xc3\xa4@\xc3\xa4.de>\r\n",
            b"RCPT TO:<\xc3\xa4@example.com>\r\n", b"VRFY \xc3\xa4\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT -1\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT 1 LAST x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT +1\r\na",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT 0 last\r\n", b"MAIL FROM:<a@b>\r\n", b"BDAT 0\r\n", b"BDAT 0 LAST\r\n",
            b"MAIL FROM:<a@b>\r\n", b"BDAT 3\r\nabc", b"MAIL FROM:<a@b>\r\n", b"RSET\r\n",
            b"MAIL FROM:<a@b>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"BDAT 3\r\nabc", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"EHLO x\r\n",
            b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"BDAT 3\r\nabc", b"EHLO y\r\n",
            b"BDAT 3 LAST\r\nabc", b"MAIL FROM:<a@b>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"BDAT 2 LAST\r\nab",
            b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"BDAT 0 LAST\r\n", b"QUIT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"QUIT\r\nNOOP\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"RSET\r\nNOOP\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"NOOP\r\nRSET\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<nobody>\r\nDATA\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<nobody>\r\nDATA\r\nQUIT\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b\r\n", b"RCPT TO:<joe\r\n", b"VRFY \"joe\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"ETRN a.b\r\n", b"ETRN @\r\n", b"ETRN a b\r\n", b"ETRN <a>\r\n",
            b"ETRN [x]\r\n", b"ETRN a-.b\r\n", b"ETRN 1.2.3.4\r\n", b"ETRN a b.c\r\n",
            b"ETRN \xc3\xa4.de\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"HELO y\r\n", b"RCPT TO:<joe>\r\n",
            b"MAIL FROM:<a@b>\r\n",
        ],
    ),
    (
        "usual",
        [
            b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"DATA\r\n", b"x\r\n.\r\n", b"QUIT\r\n",
        ],
    ),
    (
        "stranger",
        [
            b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<postmaster@example.com>\r\n",
            b"RCPT TO:<POSTMASTER>\r\n", b"RCPT TO:<abuse>\r\n", b"RCPT TO:<\"a b\"@other.test>\r\n",
            b"VRFY x@other.test\r\n", b"VRFY joe\r\n", b"ETRN other.test\r\n",
            b"RCPT TO:<x@[9.9.9.9]>\r\n", b"RCPT TO:<\"x@y\"@example.com>\r\n",
            b"RCPT TO:<x!y@example.com>\r\n", b"DATA\r\n", b"x\r\n.\r\n",
        ],
    ),
    (
        "strict",
        [
            b"MAIL FROM:<>\r\n", b"VRFY joe\r\n", b"RCPT TO:<joe>\r\n", b"BDAT 0 LAST\r\n", b"RSET\r\n",
            b"HELO y\r\n", b"MAIL FROM:<\"a b\"@c>\r\n", b"RSET\r\n", b"MAIL FROM:<a@b>x\r\n",
            b"MAIL FROM:<>\r\n", b"RCPT TO:<(x)joe@example.com>\r\n", b"RCPT TO:< joe@example.com>\r\n",
            b"RCPT TO:<joe@example.com>(x)\r\n", b"RCPT TO:<Foo <joe@example.com>>\r\n",
            b"RCPT TO:\"joe\"\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"NOOP\xc2\xa0\r\n", b"NOOP\xe2\x80\x83x\r\n", b"EHLO\xc2\xa0x\r\n", b"NOOP\x1cx\r\n",
            b"NOOP\x1f\r\n", b"NOOP\x85x\r\n", b"MAIL\xc2\xa0FROM:<a@b>\r\n", b"MAIL FROM:<a@b>\xc2\xa0SIZE=1\r\n",
            b"R\xc5\xbfET\r\n", b"ETRN [ipv6:2001:db8::1]\r\n", b"ETRN [IPV6:::1]\r\n", b"ETRN [ipv6:x]\r\n",
            b"ETRN a\xe2\x80\x83b\r\n", b"MAIL FROM:<a@b>\x1cSIZE=1\r\n", b"VRFY joe\x1cSMTPUTF8\r\n",
        ],
    ),
    (
        "usual",
        [
            b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<a\x7fb>\r\n", b"RCPT TO:<a\x01b@example.com>\r\n",
            b"RCPT TO:<\"a\tb\">\r\n", b"VRFY a\x01b\r\n",
        ],
    ),
    ("usual", [b"EHLO x\r\n", b"\xc2\xa0NOOP\r\n"]),
    ("usual", [b"EHLO x\r\n", b"\x1cNOOP\r\n"]),
    (
        "reject bare",
        [
            b"EHLO x\n",
        ],
    ),
    (
        "reject bare",
        [
            b"HELO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<joe>\r\n", b"DATA\r\n",
            b"a\r\n.\nb\r\n.\r\n", b"MAIL FROM:<a@b>\n",
        ],
    ),
]
PATIENCE = 10  # seconds, for an answer that is another one than ours


@pytest.fixture(scope="module")
def postfix() -> Iterator[Beside]:
    with running({name: COMMON + lines for name, lines in SETTINGS.items()}) as beside:
        yield beside


def like(data: bytes) -> bytes:
    return re.sub(rb"queued as \w+", b"queued as ID", data)


def hear(sock: socket.socket, expected: bytes) -> bytes:
    """What the server says; all at once when it is what we expect."""
    heard = b""
    sock.settimeout(PATIENCE)
    try:
        while like(heard) != expected:
            data = sock.recv(65536)
            if not data:
                return like(heard) + b"<EOF>"
            heard += data
    except TimeoutError:
        pass
    except ConnectionError:
        return like(heard) + b"<EOF>"
    return like(heard)


def ask_postfix(port: int, chunks: list[bytes], ours: list[bytes]) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = [hear(sock, ours[0])]
        for chunk, expected in zip(chunks, ours[1:], strict=False):
            sock.sendall(chunk)
            answers.append(hear(sock, expected))
    return answers


@pytest.mark.parametrize(("name", "chunks"), DIALOGS, ids=[f"{number}" for number in range(len(DIALOGS))])
def test_answers_are_those_of_postfix(
    server: Callable[..., Any], postfix: Beside, name: str, chunks: list[bytes]
) -> None:
    ours = [like(answer) for answer in server("".join(f"{text}\n" for text in SETTINGS[name])).talk(*chunks)]
    assert ask_postfix(postfix.ports[name], chunks, ours) == ours
