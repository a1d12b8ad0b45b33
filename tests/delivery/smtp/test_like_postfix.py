"""The same broken servers, met by real Postfix and by our client: same outcome, same words, same commands.
"""

from collections.abc import Iterator

import pytest

from tests.delivery.smtp import beside
from tests.delivery.smtp.beside import PLAIN, Case, Real
from tests.delivery.smtp.broken import DRIP, HANG_UP, STALL

NO_PIPELINING = "250-broken.test\r\n250 8BITMIME"

CASES = {
    "all well": {},
    "no ESMTP in the greeting": {"": "220 broken.test"},
    "greeting 4xx": {"": "450 4.3.2 come back later"},
    "greeting 421": {"": "421 4.3.2 busy"},
    "greeting 5xx": {"": "554 5.7.1 go away"},
    "greeting of several lines": {"": "220-broken.test\r\n220 ESMTP"},
    "greeting 3xx": {"": "354 what"},
    "greeting hang up": {"": HANG_UP},
    "greeting stall": {"": STALL},
    "EHLO 5xx": {"EHLO": "502 5.5.1 no"},
    "EHLO 4xx": {"EHLO": "451 4.3.0 not now"},
    "EHLO 421": {"EHLO": "421 4.3.0 not now"},
    "EHLO hang up": {"EHLO": HANG_UP},
    "EHLO stall": {"EHLO": STALL},
    "HELO 5xx": {"EHLO": "502 5.5.1 no", "HELO": "550 5.7.1 not you"},
    "HELO 4xx": {"EHLO": "502 5.5.1 no", "HELO": "450 4.7.1 not you"},
    "MAIL 4xx": {"MAIL": "451 4.1.8 later"},
    "MAIL 5xx": {"MAIL": "550 5.1.8 no such sender"},
    "MAIL 5xx without status": {"MAIL": "550 no"},
    "MAIL 421": {"MAIL": "421 4.3.2 shutting down"},
    "MAIL hang up": {"MAIL": HANG_UP},
    "MAIL stall": {"MAIL": STALL},
    "MAIL 3xx": {"MAIL": "354 go on"},
    "MAIL status of another class": {"MAIL": "550 4.1.1 odd"},
    "RCPT 4xx": {"RCPT": "450 4.2.0 greylisted"},
    "RCPT 5xx": {"RCPT": "550 5.1.1 no such user"},
    "RCPT one of each": {"RCPT": ["250 ok", "550 5.1.1 no such user", "451 4.2.2 full"]},
    "RCPT 552": {"RCPT": "552 5.2.2 full"},
    "RCPT several lines": {"RCPT": "550-5.1.1 no such\r\n550 5.1.1 user"},
    "RCPT hang up": {"RCPT": ["250 ok", HANG_UP]},
    "RCPT stall": {"RCPT": ["250 ok", STALL]},
    "RCPT 421": {"RCPT": ["250 ok", "421 4.7.0 too many"]},
    "RCPT 3xx": {"RCPT": "354 eh"},
    "DATA 4xx": {"DATA": "451 4.3.0 later"},
    "DATA 5xx": {"DATA": "554 5.5.1 no valid recipients"},
    "DATA 250": {"DATA": "250 ok"},
    "DATA hang up": {"DATA": HANG_UP},
    "DATA stall": {"DATA": STALL},
    "text 4xx": {".": "452 4.3.1 disk full"},
    "text 5xx": {".": "554 5.7.1 spam"},
    "text hang up": {".": HANG_UP},
    "text stall": {".": STALL},
    "text 354": {".": "354 more"},
    "text unprintable": {".": "250 2.0.0 ok\x07 \x01done"},
    "text without text": {".": "250"},
    "QUIT hang up": {"QUIT": HANG_UP},
    "QUIT 5xx": {"QUIT": "500 never"},
    "size limit": {"EHLO": "250-broken.test\r\n250 SIZE 20"},
    "size garbage": {"EHLO": "250-broken.test\r\n250 SIZE abc"},
    "garbage in the greeting": {"": "hello\r\n220 broken.test ESMTP"},
    "garbage before the end": {".": "what is this\r\n250 2.0.0 ok"},
    "long line": {"MAIL": "550 5.1.0 " + "x" * 3000},
    "very many lines": {"MAIL": "\r\n".join(["550-5.1.0 " + "y" * 300] * 20) + "\r\n550 5.1.0 end"},
    "no pipelining, all well": {"EHLO": NO_PIPELINING},
    "no pipelining, MAIL 5xx": {"EHLO": NO_PIPELINING, "MAIL": "550 5.1.8 no"},
    "no pipelining, RCPT 5xx": {"EHLO": NO_PIPELINING, "RCPT": "550 5.1.1 no"},
    "no pipelining, RCPT mixed": {"EHLO": NO_PIPELINING, "RCPT": ["250 ok", "550 5.1.1 no", "450 4.2.0 wait"]},
    "no pipelining, DATA 4xx": {"EHLO": NO_PIPELINING, "DATA": "451 4.3.0 later"},
    "no pipelining, DATA hang up": {"EHLO": NO_PIPELINING, "DATA": HANG_UP},
    "no pipelining, text 5xx": {"EHLO": NO_PIPELINING, ".": "554 5.6.0 no"},
    "odd EHLO": {"EHLO": "250-broken.test says hi\r\n250-\r\n250-pipelining\r\n250-SIZE=5000\r\n250 XYZZY a b c"},
    "size twice": {"EHLO": "250-broken.test\r\n250-SIZE 20\r\n250-8BITMIME\r\n250 SIZE=5000"},
    "sizes of all kinds": {"EHLO": "250-broken.test\r\n250-SIZE x\r\n250-SIZE -5 20\r\n250-8BITMIME\r\n250 SIZE"},
    "name in the second line": {"EHLO": "250-\r\n250-8BITMIME\r\n250 SIZE 20000"},
    "garbage among keywords": {"EHLO": "250-broken.test\r\nxx SIZE 5000\r\n250\tPIPELINING\r\n250 8BITMIME"},
    "text with NUL": {"MAIL": "550-5.1.1 one\0two\r\n550 5.1.2 three\0four"},
    "many lines too long": {"MAIL": "550-a\x07\r\n550-" + "q" * 1500 + "\r\n550-" + "r" * 1500 + "\r\n550 5.1.1 z"},
    "DSN offered": {"EHLO": "250-broken.test\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES"},
}

LMTP_CASES = {
    "LMTP all well": {},
    "LMTP one of each": {".": ["250 2.1.5 ok", "550 5.7.1 spam", "452 4.2.2 full"]},
    "LMTP RCPT refused": {"RCPT": ["250 ok", "550 5.1.1 no", "250 ok"], ".": ["250 2.0.0 one", "450 4.2.0 two"]},
    "LMTP all refused": {"RCPT": "550 5.1.1 no"},
    "LMTP all refused, DATA too": {"RCPT": "550 5.1.1 no", "DATA": "503 5.5.1 no recipients"},
    "LMTP hang up after one": {".": ["250 2.1.5 ok", HANG_UP]},
    "LMTP LHLO refused": {"LHLO": "500 5.5.1 no"},
    "LMTP no pipelining": {"LHLO": "250 broken.test", ".": ["250 2.1.5 ok", "550 5.7.1 spam", "452 4.2.2 full"]},
}

HEAD = "Subject: t\nMIME-Version: 1.0\nContent-Type: "
MULTI = """multipart/mixed;
\tboundary="b 1"
Content-Transfer-Encoding: 8bit

préambule
--b 1
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

één = 1\x20\x20
\ttab\t
--b 1
Content-Type: text/plain
Content-Transfer-Encoding: 7bit

plain = plain
--b 1
Content-Type: message/rfc822
Content-Transfer-Encoding: 8bit

Subject: inner
Content-Type: text/html
Content-Transfer-Encoding: 8BIT
X-Last: 1

<p>ünder</p>
--b 1--
épilogue
"""
SEVEN_BIT = {"EHLO": "250-broken.test\r\n250 PIPELINING"}
EIGHT = "Content-Transfer-Encoding: 8bit\n"
UTF8 = HEAD + "text/plain; charset=utf-8\n"
LENGTHS = {"a": 997, "b": 998, "c": 999, "d": 3000}
CONTENTS = {
    "dots": ({}, "Subject: t\n\n.\n..\n.hidden\nend\n"),
    "long lines": ({}, "Subject: t\n\n" + "".join([char * n + "\n" for char, n in LENGTHS.items()])),
    "8bit": ({}, UTF8 + EIGHT + "\ncafé\n"),
    "7bit server": (SEVEN_BIT, UTF8 + EIGHT + "X-A: b\n\ncafé \n a=b\n"),
    "7bit server, size": ({"EHLO": "250-broken.test\r\n250 SIZE 5000"}, UTF8 + EIGHT + "\ncafé\n"),
    "SMTPUTF8 server": ({"EHLO": "250-broken.test\r\n250 SMTPUTF8"}, UTF8 + EIGHT + "\ncafé\n"),
    "8BITMIME=": ({"EHLO": "250-broken.test\r\n250 8bitmime=1"}, UTF8 + EIGHT + "\ncafé\n"),
    "7bit server, long": (SEVEN_BIT, UTF8 + EIGHT + "\n" + "é word " * 40 + "\n" + "x" * 200 + "\n"),
    "7bit server, undeclared": (SEVEN_BIT, UTF8 + "\ncafé = 1\n"),
    "7bit server, plain": (SEVEN_BIT, UTF8 + EIGHT + "\nascii = 1\n"),
    "7bit server, parts": (SEVEN_BIT, HEAD + MULTI),
    "7bit server, no MIME": (SEVEN_BIT, "Subject: t\n\nnaïve\n"),
}
GENERIC_TEXT = """\
Subject: hello
 From: joe@l.test
From: "Joe Q. Public" <joe@l.test> (comment)
To: far@d.test, x@d.test, ann@l.test, ann+ext@l.test, (huh) joe+ext@l.test
Cc: group: joe@l.test, x@y.test; "a b"@d2.test
Reply-To: JOE@L.TEST
Errors-To: joe@l.test,
  second@d.test
X-Other: joe@l.test
Disposition-Notification-To: joe@l.test
MIME-Version: 1.0
Content-Type: message/rfc822

From: joe@l.test

x
"""
GENERIC = """\
myorigin = l.test
recipient_delimiter = +
smtp_generic_maps = inline:{ {joe@l.test=joe@isp.test}, {ann=ann@isp.test}, {@d2.test=@isp2.test} }, pcre:{ {/^(r1)@/ more@isp.test} }
"""  # noqa: E501
FORWARD = "smtp_send_xforward_command = yes"
ATTRIBUTES = "250-broken.test\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"
MASKED = "smtp_pix_workaround_threshold_time = 0\nsmtp_pix_workaround_delay_time = 1"
FILTER = (
    "smtp_reply_filter = pcre:{ {/^550 5.1.8 (.*)/ 451 4.1.8 $1}, {/^550-5.1.8/ 451-nothing}, "
    "{/^250-PIPELINING/ 250-X}, {/^odd/ 451-even} }"
)
DISCARDED = "smtp_discard_ehlo_keywords = 8bitmime"
# What is set in main.cf, and what the server says.
SETTINGS = {
    "XFORWARD": (FORWARD, {"EHLO": ATTRIBUTES, "XFOR": "250 2.0.0 ok"}),
    "XFORWARD refused": (FORWARD, {"EHLO": ATTRIBUTES, "XFOR": ["250 2.0.0 ok", "501 5.5.4 no"]}),
    "XFORWARD refused, no pipelining": (
        FORWARD, {"EHLO": "250-broken.test\r\n250 XFORWARD PROTO NAME", "XFOR": "450 4.3.0 no"},
    ),
    "XFORWARD hang up": (FORWARD, {"EHLO": ATTRIBUTES, "XFOR": HANG_UP}),
    "XFORWARD some": (FORWARD, {"EHLO": "250-broken.test\r\n250 XFORWARD NAME SOURCE FOO", "XFOR": "250 ok"}),
    "XFORWARD none": (FORWARD, {}),
    "stars": (MASKED, {"": "220 *2**0****"}),
    "stars, young": (MASKED.replace("time = 0", "time = 2000000000"), {"": "220 ******"}),
    "stars, not only": (MASKED, {"": "220 **** ready"}),
    "stars, by address": (f"{MASKED}\nsmtp_pix_workaround_maps = inline:{{127.0.0.1=delay_dotcrlf}}", {"": "220 ***"}),
    "stars, nothing to do": (f"{MASKED}\nsmtp_pix_workarounds =", {"": "220 ***"}),
    "deadline": ("smtp_per_request_deadline = yes", {"MAIL": DRIP}),
    "reply filter": (FILTER, {"MAIL": "550 5.1.8 no such sender"}),
    "EHLO keywords discarded": (DISCARDED, {}),
    "EHLO keywords discarded, bad size": (DISCARDED, {"EHLO": "250-broken.test\r\n250-SIZE x\r\n250 8BITMIME"}),
    "EHLO keywords not discarded from HELO": (DISCARDED, {"EHLO": "502 5.5.1 no"}),
    "EHLO keywords not discarded before EHLO": (DISCARDED, {"": "554 5.7.1 go away"}),
    "reply filter, many lines": (FILTER, {"RCPT": "550-5.1.8 one\r\nodd\r\n550 5.1.8 two"}),
}
ALL = {
    **{case: Case(answers) for case, answers in CASES.items()},
    **{case: Case(answers, program="lmtp") for case, answers in LMTP_CASES.items()},
    **{case: Case(answers, text) for case, (answers, text) in CONTENTS.items()},
    **{case: Case(answers, PLAIN, "smtp", settings) for case, (settings, answers) in SETTINGS.items()},
    "generic maps": Case({}, GENERIC_TEXT, "smtp", GENERIC),
    "generic maps, extensions": Case({}, GENERIC_TEXT, "smtp", f"{GENERIC}propagate_unmatched_extensions = generic"),
    "generic maps, 7bit server": Case(SEVEN_BIT, UTF8 + "From: joe@l.test\n" + EIGHT + "\ncafé\n", "smtp", GENERIC),
    "generic maps, no body": Case({}, "Subject: t\nFrom: joe@l.test\n", "smtp", GENERIC),
}


@pytest.fixture(scope="module")
def real() -> Iterator[Real]:
    yield from beside.real(ALL)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.replace(" ", "-"))
def test_it_does_and_says_what_postfix_does_and_says(case: str, client, store, real) -> None:
    # Where the size limit ends the session, Postfix hangs up without QUIT.
    beside.compare(case, ALL[case], client, store, real, dialog=case != "size limit")
