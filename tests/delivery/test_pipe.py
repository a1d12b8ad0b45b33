"""pipe: what stands in master.cf, the words of the command, what comes of it."""

import os
import re
from pathlib import Path

import pytest

from pyfix.config.escapes import unescape
from pyfix.config.main_cf import MainCf
from pyfix.config.params.mail import MailParams
from pyfix.delivery.agent import Delivery
from pyfix.delivery.mail_copy import Copy
from pyfix.delivery.pipe import Pipe, UnknownMacro, expand, parse
from pyfix.queue.file import Recipient
from pyfix.server.context import Context
from pyfix.unix import msg, users
from tests import delivery_request

ROOT = os.getuid() == 0
USER = "games" if ROOT else users.caller().name
GROUPS = os.getgroups()
OWNER = users.user("nobody") if ROOT else users.caller()


def be_root_again() -> None:
    if ROOT:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(GROUPS)


@pytest.fixture
def out(store) -> Path:
    path = store.root / "out"
    path.mkdir()
    for directory in (path, *path.parents):
        if ROOT and directory.is_relative_to("/tmp"):
            os.chmod(directory, directory.stat().st_mode | 0o055)
    os.chmod(path, 0o777)
    return path


def agent(*args: str, main_cf: str = "") -> Pipe:
    text = f"mail_owner = {OWNER.name}\nrecipient_delimiter = +\n{main_cf}"
    return Pipe(Context("sink", "pipe", MainCf.from_text(text), args=args))


def deliver(store, pipe: Pipe, *recipients: str, **message) -> list[tuple[str, str, str]]:
    queue_id = store.put(*recipients, **message)
    fd = store.queue.open("active", queue_id, os.O_RDWR)
    try:
        return [(o.dsn.status, o.dsn.action, o.dsn.reason) for o in pipe.deliver(Delivery(store.request(queue_id), fd))]
    finally:
        os.close(fd)
        be_root_again()


WORDS = {
    "once": (("a", "$nexthop", "$$x"), ["a", "Next.Hop", "$x"]),
    "for each": (("-d", "${recipient}", "end"), ["-d", "U+Ext@D.test", "a b@d.test", "end"]),
    "inside": (("x${user}y",), ["xUy", "xa by"]),
    "parts": (("$(mailbox)=${extension}", "$domain"), ["U+Ext=Ext", "a b=", "D.test", "d.test"]),
    "message": (("${sender}", "$size", "${queue_id}", "$client_address"), ["S x@a.test", "77", "4D1F22A", "192.0.2.1"]),
    "no shell": (("${recipient};`id`|$$HOME",), ["U+Ext@D.test;`id`|$HOME", "a b@d.test;`id`|$HOME"]),
}


@pytest.mark.parametrize(("argv", "wanted"), WORDS.values(), ids=WORDS.keys())
def test_words(argv: tuple[str, ...], wanted: list[str]) -> None:
    assert words("", *argv) == wanted


def words(flags: str, *argv: str, sender: str = "S x@a.test", null: str = "MAILER-DAEMON") -> list[str]:
    args = (f"flags={flags}", f"user={USER}", f"null_sender={null}", f"argv={argv[0]}", *argv[1:])
    recipients = [Recipient(1, "U+Ext@D.test", "Orig@D.test"), Recipient(2, "a b@d.test")]
    about = {"size": 77, "log_client_address": "192.0.2.1"}
    request = delivery_request.request("4D1F22A", "Next.Hop", sender, recipients, **about)
    return expand(parse(args, OWNER), request, MailParams(MainCf.from_text("recipient_delimiter = +")))


def test_flags_fold_and_quote_words() -> None:
    argv = ("$sender", "$recipient", "$user", "$domain", "$nexthop", "$original_recipient")
    assert words("hqu", *argv) == [
        '"S x"@a.test', "u+ext@d.test", '"a b"@d.test', "u", "a b", "d.test", "d.test", "next.hop", "orig@d.test", "",
    ]  # fmt: skip
    assert words("q", "-f", "$sender", sender="") == ["-f", "MAILER-DAEMON"]
    assert words("q", "-f", "$sender", sender="", null="") == ["-f", ""]


def test_an_unknown_macro_is_the_administrators_mistake() -> None:
    for word, name in (("${bogus}", "bogus"), ("${user?{a}:{b}}", "user?{a}:{b}"), ("${ user }", " user ")):
        with pytest.raises(UnknownMacro) as found:
            words("", "x", word)
        assert str(found.value) == name


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("a$", 'empty macro name: "a$"'),
        ("$@", 'empty macro name: "$@"'),
        ("${}", 'empty macro name: "${}"'),
        ("$()", 'empty macro name: "$()"'),
        ("${user", 'truncated macro reference: "${user"'),
        ("$user$(us", 'truncated macro reference: "$user$(us"'),
    ],
)
def test_a_dollar_sign_that_names_nothing_is_no_text(store, out: Path, word: str, line: str) -> None:
    outcomes = deliver(store, agent(f"user={USER}", "argv=true", word), "u@d.test")
    assert outcomes == [("4.3.5", "delayed", "mail system configuration error")]
    assert store.lines == [f"warning: {line}"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("argv=x",), "missing user= command-line attribute"),
        ((f"user={USER}",), "missing argv= command-line attribute"),
        ((f"user={USER}", "argv="), "missing argv= command-line attribute"),
        (("user=no-such-user", "argv=x"), "get_service_attr: unknown username: no-such-user"),
        ((f"user={USER}:no-such-group", "argv=x"), "get_service_attr: unknown group: no-such-group"),
        ((f"user={USER}", "flags=Z", "argv=x"), "unknown flag: Z (ignored)"),
        ((f"user={USER}", "size=x", "argv=x"), "get_service_attr: bad size= value: x"),
        ((f"user={USER}", "foo=bar", "argv=x"), "unknown attribute name: foo=bar"),
        pytest.param(
            (f"user={OWNER.name}", "argv=x"),
            f"user= command-line attribute specifies mail system owner {OWNER.name}",
            marks=pytest.mark.skipif(not ROOT, reason="needs root: to become somebody"),
        ),
        pytest.param(
            ("user=root", "argv=x"),
            "user= command-line attribute specifies root privileges",
            marks=pytest.mark.skipif(not ROOT, reason="needs root: to become somebody"),
        ),
    ],
)
def test_what_can_not_be_ends_the_program(store, args: tuple[str, ...], words: str) -> None:
    with pytest.raises(msg.Fatal):
        parse(args, OWNER)
    assert store.lines == [f"fatal: {words}"]


def test_braces_keep_a_word_together() -> None:
    attributes = parse((f"user={USER}", "flags=DX.>", "{eol=\\r\\n}", "argv=sh", "-c", "{ echo  a b }", "{}"), OWNER)
    assert attributes.argv == ("sh", "-c", "echo  a b", "")
    assert attributes.eol == b"\r\n"
    assert attributes.copy == Copy.DELIVERED | Copy.DOT | Copy.QUOTE


def test_escapes() -> None:
    assert unescape(r"\r\n\t\\\101\0x").encode("latin-1") == b"\r\n\t\\A\0x"


def test_the_message_as_the_flags_want_it(store, out: Path) -> None:
    pipe = agent("flags=BDFOR.>", f"user={USER}", r"eol=\r\n", "argv=/bin/sh", "-c", f"cat >{out}/mail")
    content = [b"Subject: t", b"", b"From me", b".", b"..x"]
    assert deliver(store, pipe, "u@d.test", sender="s@a.test", original="o@d.test", content=content) == [
        ("2.0.0", "relayed", "delivered via sink service")
    ]
    assert re.sub(rb"  .* \d{4}\r", b"  DATE\r", (out / "mail").read_bytes()) == (
        b"From s@a.test  DATE\r\nReturn-Path: <s@a.test>\r\nX-Original-To: o@d.test\r\nDelivered-To: u@d.test\r\n"
        b"Subject: t\r\n\r\n>From me\r\n..\r\n...x\r\n\r\n"
    )


def test_the_original_recipient_is_not_shown_where_it_is_not_wanted(store, out: Path) -> None:
    argv = ("argv=/bin/sh", "-c", f"cat >{out}/mail; echo $$0", "${original_recipient}")
    pipe = agent("flags=O", f"user={USER}", *argv, main_cf="enable_original_recipient = no")
    assert deliver(store, pipe, "u@d.test", original="o@d.test") == [
        ("2.0.0", "relayed", "delivered via sink service (o@d.test)")
    ]
    assert b"X-Original-To" not in (out / "mail").read_bytes()


def test_without_flags_nothing_is_added(store, out: Path) -> None:
    pipe = agent(f"user={USER}", "argv=/bin/sh", "-c", f"cat >{out}/mail; echo hi", "x")
    assert deliver(store, pipe, "u@d.test", "v@d.test", content=[b"Subject: t", b"", b"From x"]) == [
        ("2.0.0", "relayed", "delivered via sink service (hi)")
    ] * 2
    assert (out / "mail").read_bytes() == b"Subject: t\n\nFrom x\n"


@pytest.mark.parametrize(
    ("args", "status", "reason"),
    [
        (("flags=X", "argv=true"), "2.0.0", "delivered via sink service"),
        (("argv=/bin/sh", "-c", "echo 4.1.1 hello; exit 3"), "4.1.1", "hello "),
        (("argv=/bin/sh", "-c", "printf %0150d 1"), "2.0.0", f"delivered via sink service ({'0' * 100})"),
        (("argv=/bin/sh", "-c", "exit 67"), "5.1.1", "user unknown"),
        (("argv=/bin/sh", "-c", "exit 99"), "5.3.0", 'Command died with status 99: "/bin/sh"'),
        (("size=3", "argv=true"), "5.2.3", "message too large"),
        (("directory=/not/there", "argv=true"), "4.3.0", "temporary failure"),
        (("argv=/not/there", "x"), "4.3.0",
         "temporary failure. Command output: pipe: fatal: pipe_command: execvp /not/there: No such file or directory "),
        (("argv=true", "${bogus}"), "4.3.5", "mail system configuration error"),
    ],
)  # fmt: skip
def test_what_comes_of_it(store, out: Path, args: tuple[str, ...], status: str, reason: str) -> None:
    assert [(s, r) for s, _, r in deliver(store, agent(f"user={USER}", *args), "u@d.test")] == [(status, reason)]


def test_final_delivery_is_said_to_be_one(store, out: Path) -> None:
    assert deliver(store, agent(f"user={USER}", "flags=X", "argv=true"), "u@d.test")[0][1] == "delivered"


def test_headers_about_one_recipient_need_one_recipient(store, out: Path) -> None:
    outcomes = deliver(store, agent(f"user={USER}", "flags=D", "argv=true"), "u@d.test", "v@d.test")
    assert outcomes == [("4.3.5", "delayed", "mail system configuration error")] * 2
    assert store.lines == ["warning: pipe flag `D' requires sink_destination_recipient_limit = 1"]


def test_a_loop_is_found(store, out: Path) -> None:
    content = [b"delivered-to: U@D.test", b"", b"x"]
    outcomes = deliver(store, agent(f"user={USER}", "flags=D", "argv=true"), "u@d.test", content=content)
    assert outcomes == [("5.4.6", "failed", "mail forwarding loop for u@d.test")]


def test_time_limit_of_the_service(store, out: Path) -> None:
    pipe = agent(f"user={USER}", "argv=sleep", "60", main_cf="sink_time_limit = 1s")
    assert deliver(store, pipe, "u@d.test") == [("5.3.0", "failed", 'Command time limit exceeded: "sleep"')]
