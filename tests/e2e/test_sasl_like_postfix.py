"""Logging in to servers, in a whole system: which keys are asked for, which connections are used again, which logins
are not tried again. Real Postfix's answers and ours.
"""

import re
import smtplib
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.asked import asked
from tests.delivery.smtp.broken import Answers, Broken
from tests.real_postfix import real_postfix

__all__ = ["real_postfix"]

PATIENCE = 20.0
ON = """
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_tls_security_level =
smtp_helo_name = client.test
smtp_dns_support_level = disabled
smtp_host_lookup = native
inet_protocols = ipv4
myhostname = mail.local.test
recipient_delimiter = +
mydestination = local.test
myorigin = origin.test
append_dot_mydomain = no
"""
OURS = "smtp_log_tls_feature_status = no\nlmtp_log_tls_feature_status = no\nsmtpd_peername_lookup = no\n"


def both_kinds(text: str) -> str:
    """The settings of smtp for lmtp too."""
    lines = [line for line in text.splitlines() if line.startswith("smtp_")]
    lmtp = "\n".join([f"l{line[1:]}" for line in lines if "helo" not in line and "sender" not in line])
    return f"{text}\n{lmtp}\n"


def ehlo(*lines: str) -> str:
    return "\r\n".join(["250-broken.test", *[f"250-{line}" for line in lines], "250 8BITMIME"])


OFFER: Answers = {"EHLO": ehlo("AUTH PLAIN"), "LHLO": ehlo("AUTH PLAIN"), "AUTH": "235 2.7.0 in"}


def send(mail, number: int, sender: str, recipient: str) -> str:
    """One message; what the log says of it when it has been tried, without what differs from run to run."""
    with smtplib.SMTP("127.0.0.1", mail.port, timeout=PATIENCE) as client:
        client.sendmail(sender, [recipient], b"Subject: t\r\n\r\nx\r\n")
    end = time.monotonic() + PATIENCE
    wanted = re.compile(rf"/[sl]mtp\[\d+\]: \w+: (to=<{re.escape(recipient)}>.* status=.*)")
    while len(found := wanted.findall(mail.log())) <= number:
        assert time.monotonic() < end, mail.log()
        time.sleep(0.02)
    return re.sub(r"(\]:)\d+|, delay=.*?(?=, dsn=)|\[/\S*\]", r"\1", found[number])


NEXTHOPS = {
    "address": "smtp:[127.0.0.1]:{port}",
    "name": "smtp:[localhost]:{port}",
    "capitals": "smtp:[LocalHost]:{port}",
    "domain": "smtp:localhost:{port}",
    "two": "smtp:[127.0.0.1]:1, localhost:{port}",
    "lmtp": "lmtp:inet:localhost:{lmtp}",
    "lmtp-address": "lmtp:inet:[127.0.0.1]:{lmtp}",
    "lmtp-bare": "lmtp:localhost:{lmtp}",
    "lmtp-socket": "lmtp:unix:{socket}",
}
SENDERS = [
    "", "User+Ext@Sub.S.Test", "user@local.test", "user+ext@local.test", "user+ext@origin.test", '"a b"@s.test', "user",
    "user+ext@[127.0.0.1]", "user+@s.test", "+x@s.test",
]  # fmt: skip
DELIVERIES = [(nexthop, SENDERS[1]) for nexthop in NEXTHOPS] + [("address", sender) for sender in SENDERS]


@pytest.mark.parametrize(
    ("by_sender", "found"), [("yes", ""), ("no", ""), ("yes", "@sub.s.test"), ("yes", "127.0.0.1")], ids=str
)
def test_passwords_are_looked_up_by_the_same_keys_in_the_same_order(
    instance, real_postfix, instance_directory: Path, by_sender: str, found: str
) -> None:
    results = []
    for make in (real_postfix, instance):
        with ExitStack() as stack:
            server = stack.enter_context(asked({rf"t\|{re.escape(found)}": "name:secret"} if found else {}))
            settings = f"{ON}smtp_sasl_password_maps = {server.memcache(instance_directory, 't')}\n"
            settings += f"smtp_sender_dependent_authentication = {by_sender}\n"
            mail = make(both_kinds(settings) + _transports(stack, instance_directory / f"s{len(results)}") + OURS)
            keys = {}
            for number, (nexthop, sender) in enumerate(DELIVERIES):
                server.keys.clear()
                send(mail, 0, sender, f"r{number}@{nexthop}.test")
                keys[nexthop, sender] = [re.sub(r":\d+$|(?<=/s)\d$", "N", key) for key in server.keys]
            mail.stop()
            results.append(keys)
    real, ours = results
    assert sum(map(len, real.values())) > len(DELIVERIES)
    assert {at: (real[at], ours[at]) for at in real if real[at] != ours[at]} == {}


def _transports(stack: ExitStack, path: Path) -> str:
    smtp, lmtp = stack.enter_context(Broken(OFFER)), stack.enter_context(Broken(OFFER, lmtp=True))
    stack.enter_context(Broken(OFFER, lmtp=True, path=str(path)))
    path.chmod(0o777)
    names = {"port": smtp.port, "lmtp": lmtp.port, "socket": str(path)}
    entries = [f"{{ {name}.test = {nexthop.format_map(names)} }}" for name, nexthop in NEXTHOPS.items()]
    return f"transport_maps = inline:{{ {', '.join(entries)} }}\n"


SEQUENCE = [
    ("a@s.test", "one"), ("a@s.test", "one"), ("b@s.test", "one"), ("a@s.test", "two"), ("b@s.test", "two"),
    ("", "one"), ("", "one"), ("a@s.test", "one"), ("b@s.test", "three"), ("a@s.test", "three"), ("", "two"),
]  # fmt: skip
PLACES = {"one": "[127.0.0.1]", "two": "[localhost]", "three": "127.0.0.1"}
ONE_PASSWORD = ["smtp_sasl_password_maps = inline:{127.0.0.1=host:secret}"]
PASSWORDS = ["smtp_sasl_password_maps = inline:{ {a@s.test=a:secret}, {127.0.0.1=host:secret} }"]
BY_SENDER = ["smtp_sender_dependent_authentication = yes"]
OFF = ["smtp_sasl_auth_enable = no"]
REUSE = {
    "passwords": ONE_PASSWORD,
    "passwords by sender": PASSWORDS + BY_SENDER,
    "no passwords by sender": BY_SENDER + OFF,
    "nothing enabled": PASSWORDS + BY_SENDER + OFF,
    "dummy": [*ONE_PASSWORD, "smtp_send_dummy_mail_auth = yes"],
}


def test_connections_are_used_again_for_whom_they_may_be(instance, real_postfix) -> None:
    results = []
    settings = f"{ON}smtp_connection_cache_destinations = static:all\nsmtp_connection_cache_time_limit = 100s\n"
    for make in (real_postfix, instance):
        with ExitStack() as stack:
            servers = [stack.enter_context(Broken(OFFER)) for _ in REUSE]
            entries = [
                f"{{{name}{n}.test = u{n}:{host}:{server.port}}}"
                for n, server in enumerate(servers)
                for name, host in PLACES.items()
            ]
            services = "".join([_service(f"u{n}", options) for n, options in enumerate(REUSE.values())])
            mail = make(f"{settings}transport_maps = inline:{{ {', '.join(entries)} }}\n{OURS}", services)
            results.append({case: _reuse(mail, n, servers[n]) for n, case in enumerate(REUSE)})
            mail.stop()
    for case in REUSE:
        assert results[1][case] == results[0][case], case


def _reuse(mail, number: int, server: Broken) -> tuple[list[str], list[list[str]]]:
    """What is logged, and what each connection was used for."""
    said = [send(mail, 0, sender, f"r{n}@{place}{number}.test") for n, (sender, place) in enumerate(SEQUENCE)]
    return said, [[re.sub(r" SIZE=\d+", "", line) for line in session] for session in server.sessions]


def _service(name: str, options: list[str]) -> str:
    return f"{name} unix - - n - - smtp{''.join([f' -o {{ {option} }}' for option in options])}\n"


NO = "535 5.7.8 bad password, user"
YES = "235 2.7.0 in"
FAILURES: dict[str, tuple[list[str], list[str]]] = {
    "refused": ([], [NO]),
    "refused hard": (["smtp_sasl_auth_soft_bounce = no"], [NO]),
    "not now": ([], ["454 4.7.0 not now", YES]),
    "refused with another code": ([], ["534 5.7.9 too weak", YES]),
    "refused in lines": ([], ["535-5.7.8 bad\r\n535 5.7.8 password"]),
    "refused without status": ([], ["535 no; not"]),
    "let in": ([], [YES]),
}
SERVICES = {(case, password): f"u{n}{password}" for n, case in enumerate(FAILURES) for password in ("a", "b")}


def test_logins_that_failed_are_not_tried_again(instance, real_postfix) -> None:
    results = []
    cache = "smtp_sasl_auth_cache_name = proxy:lmdb:$data_directory/failed\n"
    for make in (real_postfix, instance):
        with ExitStack() as stack:
            servers = {case: Broken({**OFFER, "AUTH": [*answers]}) for case, (_, answers) in FAILURES.items()}
            for server in servers.values():
                stack.enter_context(server)
            places = [(name, f"{name}:[127.0.0.1]:{servers[case].port}") for (case, _), name in SERVICES.items()]
            table = [f"{{{name}.test = {place}}}" for name, place in places]
            services = "proxywrite unix - - n - 1 proxymap\n"
            for (case, password), name in SERVICES.items():
                login = f"smtp_sasl_password_maps = static:user{name[:-1]}:{password}"
                services += _service(name, [login, *FAILURES[case][0]])
            mail = make(f"{ON}{cache}transport_maps = inline:{{ {', '.join(table)} }}\n{OURS}", services)
            found = {case: _failures(mail, case, servers[case]) for case in FAILURES}
            results.append({**found, "entries": _entries(mail)})
            mail.stop()
    assert len(results[0]["entries"]) == 4
    for case, found in results[0].items():
        assert results[1][case] == found, case


def _failures(mail, case: str, server: Broken) -> tuple[list[str], list[int]]:
    """What is logged, and how much is said to the server each time."""
    names = [SERVICES[case, password] for password in "aabba"]
    said = [send(mail, 0, "", f"r{n}@{name}.test") for n, name in enumerate(names)]
    return said, [len(session) for session in server.sessions]


def _entries(mail) -> list[str]:
    directory = _output(mail.command("postconf", "-xh", "data_directory")).strip()
    text = _output(mail.command("postmap", "-s", f"lmdb:{directory}/failed"))
    return re.sub(r"\b\d{10};", "TIME;", text).replace("\n535 5.7.8 pass", " 535 5.7.8 pass").splitlines()


def _output(done) -> str:
    return done.stdout if isinstance(done.stdout, str) else done.stdout.decode()
