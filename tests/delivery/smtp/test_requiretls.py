"""Mail that requires TLS, or can do without, in a client that has none."""

import re

import pytest

from pyfix.delivery.smtp.requiretls import Policy
from pyfix.delivery.smtp.tls_level import Level
from pyfix.maps.maps import Maps
from pyfix.maps.run_now import run_now
from tests.delivery.smtp.broken import Broken

NO_MATCH = "Sender requested REQUIRETLS, but my configured TLS security level '{}' disables certificate matching"
NO_ENCRYPTION = "Sender requested REQUIRETLS, but my configured TLS security level 'none' disables encryption"
NOT_OFFERED = "Sender requested REQUIRETLS, but TLS service was not offered by host 127.0.0.1[127.0.0.1]"
NO_ENGINE = "TLS is required, but our TLS engine is unavailable"
BAD = "REQUIRETLS policy configuration error"
LAST = ". The last attempted server was 127.0.0.1"
SENT = "250 2.0.0 Ok: queued as 12345"
OFFERED = {"EHLO": "250-broken.test\r\n250 STARTTLS"}
OPTIONAL, REQUIRED = 16, 32


@pytest.mark.parametrize(
    ("level", "policy", "sendopts", "answers", "tls", "dsn", "reason"),
    [
        ("none", "enforce", REQUIRED, {}, "none?/!requiretls:nocertmatch", "5.7.10", NO_MATCH.format("none") + LAST),
        ("may", "enforce", REQUIRED, {}, "may?/!requiretls:nocertmatch", "5.7.10", NO_MATCH.format("may") + LAST),
        ("may", "", REQUIRED + OPTIONAL, {}, "may?/!requiretls:nocertmatch", "5.7.10", NO_MATCH.format("may") + LAST),
        ("none", "opportunistic", REQUIRED, {}, "none/requiretls:none", "2.0.0", SENT),
        ("may", "opportunistic", REQUIRED, {}, "may:none/requiretls:none", "2.0.0", SENT),
        ("may", "disable", REQUIRED, {}, "may:none", "2.0.0", SENT),
        (
            "none",
            "opportunistic+starttls",
            REQUIRED,
            {},
            "none?/!requiretls:noencryption",
            "5.7.10",
            NO_ENCRYPTION + LAST,
        ),
        ("may", "opportunistic+starttls", REQUIRED, {}, "may?/!requiretls:nostarttls", "5.7.30", NOT_OFFERED),
        ("may", "opportunistic+starttls", REQUIRED, OFFERED, "may?/!requiretls:nostarttls", "4.7.5", NO_ENGINE),
        ("may", "bogus", REQUIRED, {}, "may?", "4.7.10", BAD + LAST),
        ("may", "inline:{{127.0.0.1=foo}}", REQUIRED, {}, "may?", "4.7.10", BAD + LAST),
        ("may", "fail:x", REQUIRED, {}, "may?", "4.7.10", BAD + LAST),
        ("may", "inline:{{127.0.0.1=disable}}, enforce", REQUIRED, {}, "may:none", "2.0.0", SENT),
        ("may", "enforce", OPTIONAL, {}, "may:none", "2.0.0", SENT),
        ("encrypt", "enforce", OPTIONAL, {}, "may:none", "2.0.0", SENT),
        ("none", "enforce", OPTIONAL, {}, "none", "2.0.0", SENT),
        (
            "encrypt",
            "enforce",
            REQUIRED + OPTIONAL,
            {},
            "encrypt?/!requiretls:nocertmatch",
            "5.7.10",
            NO_MATCH.format("encrypt") + LAST,
        ),
        ("encrypt", "bogus", REQUIRED, {}, "encrypt?", "4.7.10", BAD + LAST),
        ("encrypt", "disable", REQUIRED, {}, "!encrypt", "4.7.5", NO_ENGINE),
        ("encrypt", "opportunistic", REQUIRED, {}, "!encrypt", "4.7.5", NO_ENGINE),
        ("encrypt", "opportunistic+starttls", REQUIRED, {}, "!encrypt", "4.7.5", NO_ENGINE),
        ("encrypt", "enforce", 0, {}, "!encrypt", "4.7.5", NO_ENGINE),
        ("verify", "enforce", REQUIRED, {}, "!verify", "4.7.5", NO_ENGINE),
    ],
)
def test_what_becomes_of_it_without_tls(client, store, level, policy, sendopts, answers, tls, dsn, reason) -> None:
    settings = f"smtp_tls_security_level = {level}\nsmtp_requiretls_policy = {policy}\n"
    with Broken(answers) as server:
        client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=settings, sendopts=sendopts)
        line = store.lines[-1]
        assert re.findall(r" tls=(\S*), dsn=(\S*), status=\w+ \((.*)\)$", line) == [(tls, dsn, reason)]
        assert len(server.sessions) == ("relay=none" not in line)
        warned = f"TLS policy lookup for [127.0.0.1]:{server.port}/127.0.0.1: {reason}"
        assert any(warned in line for line in store.lines) == reason.endswith(LAST)


@pytest.mark.parametrize("key", ["xn--bcher-kva.test", ".xn--bcher-kva.test"])
@pytest.mark.parametrize("host", ["bücher.test", "BÜCHER.test", "xn--bcher-kva.test"])
def test_policies_are_found_by_names_as_dns_has_them(key: str, host: str) -> None:
    policy = Policy(f"inline:{{{{{key}=disable}}}}, enforce", table=lambda item: Maps(item, name="test"), name="test")
    name = host if key == "xn--bcher-kva.test" else f"mx.{host}"
    assert run_now(policy.demand(name, Level("may", False, "", "", ""))) is None


def test_requiretls_can_be_disabled(client, store) -> None:
    with Broken() as server:
        settings = "requiretls_enable = no\nsmtp_requiretls_policy = enforce\n"
        client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=settings, sendopts=REQUIRED)
        assert f"status=sent ({SENT})" in store.lines[-1]
