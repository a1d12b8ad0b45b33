"""check_policy_service: the same questions, answers and log lines as real Postfix, from one server for both."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.ports import free_port
from tests.smtpd.beside_postfix import Beside, comparable, ours, running

ANSWERS = {
    "ok": "action=OK\n\n", "reject": "action=REJECT\n\n", "text": "action=550 5.1.1 no\n\n", "hold": "action=HOLD\n\n",
    "later": "action=DEFER_IF_PERMIT x\n\n", "foo": "action=foo\n\n", "list": "action=reject_unauth_destination\n\n",
    "table": "action=hash:x\n\n", "empty": "action=\n\n", "two": "action=REJECT a\naction=OK\n\n",
    "more": "x=y\naction=DEFER z\n\n", "none": "x=y\n\n", "word": "action\n\n", "space": "action= REJECT\n\n",
    "equals": "action = REJECT\n\n", "redirect": "action=REDIRECT x\n\n", "close": "", "dunno": "action=dunno\n\n",
}  # fmt: skip
"""By the sender's user. Empty: hang up."""
PORT = free_port()  # of the server: it stands in log lines
HELLO = b"EHLO x.y\r\n"
RCPT = b"RCPT TO:<joe@example.com>\r\n"


class PolicyServer:
    """Answers on 127.0.0.1:PORT; asked: all requests, as lists of lines."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", PORT))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, sock.makefile("rwb") as stream:
            lines: list[str] = []
            for line in stream:
                if line != b"\n":
                    lines.append(line.decode().rstrip("\n"))
                    continue
                self.asked.append(lines)
                answer = ANSWERS.get(_value(lines, "sender").partition("@")[0], "action=DUNNO\n\n")
                lines = []
                if not answer:
                    return
                stream.write(answer.encode())
                stream.flush()

    def close(self) -> None:
        self._listener.close()


def _value(lines: list[str], name: str) -> str:
    return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}=")), "")


ASK = f"check_policy_service inet:127.0.0.1:{PORT}"
EVERYWHERE = [f"smtpd_{name}_restrictions = {ASK}" for name in ("client", "recipient", "data", "end_of_data", "etrn")]
FAST = "smtpd_policy_service_try_limit = 1"
MESSAGE = [
    HELLO, b"MAIL FROM:<s@ok.test> SIZE=50\r\n", RCPT, b"RCPT TO:<ann@example.com>\r\n", b"DATA\r\n", b"hi\r\n.\r\n",
]  # fmt: skip


def from_sender(user: str) -> list[bytes]:
    return [HELLO, f"MAIL FROM:<{user}@p.test>\r\n".encode(), RCPT]


def service(spec: str) -> list[str]:
    return [f"smtpd_recipient_restrictions = check_policy_service {spec}"]


CASES: dict[str, tuple[list[str], list[bytes]]] = {
    **{
        f"answer {user}": ([f"smtpd_recipient_restrictions = {ASK}", FAST], from_sender(user))
        for user in ANSWERS
    },
    "everywhere": (EVERYWHERE, MESSAGE),
    "everywhere, others": (
        EVERYWHERE,
        [HELLO, b"MAIL FROM:<>\r\n", RCPT, b"BDAT 2 LAST\r\nxx", b"VRFY joe\r\n", b"ETRN a.b\r\n"],
    ),
    "no delay": (
        ["smtpd_delay_reject = no", *[f"smtpd_{name}_restrictions = {ASK}" for name in ("client", "helo", "sender")]],
        MESSAGE[:3],
    ),
    "in a client list": ([f"smtpd_client_restrictions = {ASK}"], from_sender("reject")),
    "nobody there": ([*service("inet:127.0.0.1:1"), "smtpd_policy_service_retry_delay = 1"], from_sender("s")),
    "nobody there, said what": (
        [*service("inet:127.0.0.1:1"), FAST, "smtpd_policy_service_default_action = DUNNO"], from_sender("s"),
    ),
    "nobody there, warned": (
        [f"smtpd_recipient_restrictions = warn_if_reject {ASK[:-5]}1", FAST], from_sender("s"),
    ),
    "no such socket": (service("unix:private/nosuch"), from_sender("s")),
    "options": (
        service(
            f"{{ inet:127.0.0.1:{PORT}, {{ default_action = DEFER brace, x }}, try_limit=1, {{policy_context = c d}} }}"
        ),
        from_sender("close"),
    ),
    "context": (service(f"{{ inet:127.0.0.1:{PORT}, policy_context=ctx }}"), from_sender("s")),
    "no server": (["smtpd_recipient_restrictions = check_policy_service"], from_sender("s")),
}  # fmt: skip


@pytest.fixture(scope="module")
def policy() -> Iterator[PolicyServer]:
    server = PolicyServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def postfix(policy: PolicyServer) -> Iterator[Beside]:
    """A running Postfix with a service for each of CASES."""
    with running({name: lines for name, (lines, _) in CASES.items()}) as beside:
        yield beside


def questions(asked: list[list[str]]) -> list[list[str]]:
    """What differs by chance is only there or not; 3.11 has two more lines."""
    return [
        [re.sub(r"^(client_port|server_port|queue_id|instance)=.+", r"\1=X", line) for line in lines][:29]
        for lines in asked
    ]


@pytest.mark.parametrize("name", CASES)
def test_questions_answers_and_log_are_those_of_postfix(
    server: Callable[..., Any], log: list[str], postfix: Beside, policy: PolicyServer, name: str
) -> None:
    lines, chunks = CASES[name]
    policy.asked = ours_asked = []
    answers = ours(server, lines, chunks, patient=True)
    policy.asked = theirs_asked = []
    assert answers == postfix.talk(name, chunks)
    assert questions(ours_asked) == questions(theirs_asked)
    assert comparable(log) == postfix.log(name)


def test_a_message_has_one_instance_and_a_connection_many_requests(
    server: Callable[..., Any], log: list[str], policy: PolicyServer
) -> None:
    policy.asked, policy.connections = [], 0
    server("\n".join(EVERYWHERE) + "\n").talk(*MESSAGE, *MESSAGE[1:], patient=True)
    instances = [_value(lines, "instance") for lines in policy.asked]
    assert policy.connections == 1
    assert len(instances) == 12
    assert len(set(instances[:6])) == len(set(instances[6:])) == 1
    assert instances[0] != instances[6]
    assert re.fullmatch(r"[0-9a-f]+\.[0-9a-f]+\.[0-9a-f]+\.[0-9a-f]+", instances[0])
    assert policy.asked[0][-2:] == ["compatibility_level=3.6", "mail_version=3.11.6"]


def test_a_connection_has_its_limit(server: Callable[..., Any], log: list[str], policy: PolicyServer) -> None:
    policy.asked, policy.connections = [], 0
    settings = f"smtpd_policy_service_request_limit = 2\nsmtpd_recipient_restrictions = {ASK}\n"
    server(settings).talk(*MESSAGE[:4], RCPT, patient=True)
    assert len(policy.asked) == 3
    assert policy.connections == 2


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("foo", 'need service transport:endpoint instead of "foo"'),
        ("{ inet:127.0.0.1:1, foo=bar }", 'unknown option: "foo = bar"'),
        ("{ inet:127.0.0.1:1, timeout }", "malformed option: missing '=' after attribute name: \"timeout\""),
        ("{ inet:127.0.0.1:1, timeout=x }", "parameter timeout: bad time value or unit: x"),
        ("{ inet:127.0.0.1:1, try_limit=x }", "bad numerical configuration: try_limit = x"),
    ],
)
def test_a_server_that_can_t_be_understood_refuses(
    server: Callable[..., Any], log: list[str], spec: str, problem: str
) -> None:
    answers = server("".join(f"{line}\n" for line in service(spec))).talk(*from_sender("s"))
    assert answers[-1] == b"451 4.3.5 Server configuration error\r\n"
    assert f"warning: {problem}" in log
