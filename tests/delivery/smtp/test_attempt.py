"""Several servers, kept connections, what is the site's trouble, what needs TLS."""

import socket

import pytest

from pyfix.clients.deliver import Flags
from pyfix.dns.answer import Record
from tests.delivery.smtp.broken import DEFAULTS, HANG_UP, Broken


def statuses(store) -> list[str]:
    return [line.partition("status=")[2] for line in store.lines if "status=" in line]
KEPT = Flags.SUCCESS | Flags.BOUNCE | Flags.CONN_LOAD | Flags.CONN_STORE
"""Of deliveries that use kept connections and leave them."""
TWO_EXCHANGERS = {
    ("d.test", "MX"): [Record("a.test", 10), Record("b.test", 20)],
    ("a.test", "A"): [Record("127.0.0.1")],
    ("b.test", "A"): [Record("127.0.0.2")],
}


@pytest.mark.parametrize(
    "answers",
    [
        {"": "450 4.3.2 busy"},
        {"": "554 5.3.2 busy"},
        {"": HANG_UP},
        {"EHLO": "421 4.3.2 busy"},
        {"MAIL": "451 4.3.0 later"},
        {"RCPT": "450 4.2.0 later"},
        {"DATA": "451 4.3.0 later"},
        {".": "451 4.3.0 later"},
        {".": HANG_UP},
    ],
    ids=str,
)
def test_temporary_trouble_goes_to_the_next_server(client, store, answers) -> None:
    with Broken(answers) as first, Broken() as second:
        queue_id = store.put("a@d.test", "b@d.test")
        answer = client.deliver(queue_id, f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}")
        assert (answer.status, answer.site.status) == (0, "")
        assert len(first.sessions) == len(second.sessions) == 1
        assert statuses(store) == ["sent (250 2.0.0 Ok: queued as 12345)"] * 2
        assert store.lines[0].startswith(f"{queue_id}: ")
        assert store.todo(queue_id) == []


@pytest.mark.parametrize(
    "answers",
    [{"MAIL": "550 5.1.8 no"}, {"RCPT": "550 5.1.1 no"}, {"DATA": "554 5.5.1 no"}, {".": "554 5.7.1 no"}],
    ids=str,
)
def test_permanent_trouble_does_not(client, store, answers) -> None:
    with Broken(answers) as first, Broken() as second:
        queue_id = store.put("a@d.test")
        answer = client.deliver(queue_id, f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}")
        assert second.sessions == []
        assert answer.bounced == 1
        assert statuses(store)[0].startswith("bounced (host 127.0.0.1[127.0.0.1] said: 5")


def test_only_those_that_are_left_go_to_the_next_server(client, store) -> None:
    with Broken({"RCPT": ["250 ok", "550 5.1.1 no", "450 4.2.0 later"]}) as first, Broken() as second:
        queue_id = store.put("a@d.test", "b@d.test", "c@d.test")
        client.deliver(queue_id, f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}")
        assert [line for line in second.sessions[0] if line.startswith("RCPT")] == ["RCPT TO:<c@d.test>"]
        assert [text.split()[0] for text in statuses(store)] == ["bounced", "sent", "sent"]


def test_with_soft_bounce_refusals_are_tried_elsewhere_and_wait(client, store) -> None:
    with Broken({"RCPT": "550 5.1.1 no"}) as first, Broken({"RCPT": "550 5.1.1 no"}) as second:
        queue_id = store.put("a@d.test")
        where = f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}"
        answer = client.deliver(queue_id, where, main_cf="soft_bounce = yes")
        assert len(second.sessions) == 1
        assert answer.status == -1
        assert statuses(store)[0].startswith("SOFTBOUNCE (host 127.0.0.1[127.0.0.1] said: 550 5.1.1 no")


def test_the_fallback_relay_comes_last(client, store) -> None:
    with Broken() as fallback:
        queue_id = store.put("a@d.test")
        client.deliver(queue_id, "no.test", main_cf=f"smtp_fallback_relay = [127.0.0.1]:{fallback.port}")
        assert statuses(store) == ["sent (250 2.0.0 Ok: queued as 12345)"]


NOT_FOUND = "(Host or domain name not found. Name service error for name=no.test type=A: "
LOOPS = "(mail for me.test loops back to myself)"
RELAY = "warning: relayhost configuration problem"
BEST_MX = "best_mx_transport = nowhere"
FALLBACK = "warning: smtp_fallback_relay configuration problem"


@pytest.mark.parametrize(
    ("nexthop", "main_cf", "status", "warned"),
    [
        ("[no.test]", "", f"5.4.4, status=bounced {NOT_FOUND}", []),
        ("[no.test]", "relayhost = [no.test]", f"4.3.5, status=deferred {NOT_FOUND}", [RELAY]),
        ("[no.test]", "smtp_fallback_relay = [no.test]", f"4.3.5, status=deferred {NOT_FOUND}", [FALLBACK]),
        ("[no.test] [no.test]", "", f"5.4.4, status=bounced {NOT_FOUND}", []),
        ("me.test:25", "", f"5.4.6, status=bounced {LOOPS}", []),
        ("me.test:25", f"relayhost = me.test:25\n{BEST_MX}", f"4.3.5, status=deferred {LOOPS}", [RELAY]),
        ("[no.test]", f"smtp_fallback_relay = me.test:25\n{BEST_MX}", f"4.3.5, status=deferred {LOOPS}", [FALLBACK]),
    ],
)
def test_trouble_with_a_relay_is_the_administrators(client, store, nexthop, main_cf, status, warned) -> None:
    client.resolver._records = {("me.test", "MX"): [Record("here.test", 10)], ("here.test", "A"): [Record("127.0.0.1")]}
    client.deliver(store.put("a@d.test"), nexthop, main_cf=main_cf)
    assert store.lines[-1].partition("dsn=")[2].startswith(status)
    assert [line for line in store.lines if line.startswith("warning: ")] == warned


def test_the_next_exchanger_is_tried_and_sessions_are_limited(client, store) -> None:
    with socket.socket() as closed, Broken({"RCPT": "450 4.2.0 later"}) as server:
        closed.bind(("127.0.0.2", server.port))
        names = {("d.test", "MX"): [Record("a.test", 10), Record("b.test", 20)]}
        names["a.test", "A"] = [Record("127.0.0.2")]
        names["b.test", "A"] = [Record("127.0.0.1")]
        client.resolver._records = names
        answer = client.deliver(store.put("a@d.test"), f"d.test:{server.port}")
        assert answer.site.status == ""  # the second one talked to us
        assert store.lines[0] == f"connect to a.test[127.0.0.2]:{server.port}: Connection refused"
        assert f"relay=b.test[127.0.0.1]:{server.port}, " in store.lines[1]


@pytest.mark.parametrize(
    ("answers", "site"),
    [
        ({"": "450 4.3.2 busy"}, "4.3.2"),
        ({"EHLO": HANG_UP}, "4.4.2"),
        ({"MAIL": HANG_UP}, "4.4.2"),
        ({".": HANG_UP}, "4.4.2"),
        ({"MAIL": "451 4.3.0 later"}, ""),
        ({"RCPT": "450 4.2.0 later"}, ""),
    ],
    ids=str,
)
def test_trouble_of_the_site_is_told_apart(client, store, answers, site: str) -> None:
    with Broken(answers) as server:
        answer = client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}")
    assert (answer.status, answer.site.status) == (-1, site)


def test_a_connection_lost_after_a_whole_conversation_elsewhere_is_not_the_sites(client, store) -> None:
    with Broken({"RCPT": "450 4.2.0 later"}) as first, Broken({"MAIL": HANG_UP}) as second:
        where = f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}"
        answer = client.deliver(store.put("a@d.test"), where)
    assert (answer.status, answer.site.status) == (-1, "")


@pytest.mark.parametrize("ehlo", [DEFAULTS["EHLO"], "250 broken.test"], ids=["pipelining", "no pipelining"])
def test_nothing_is_said_of_a_connection_lost_in_the_final_rset(client, store, ehlo: str) -> None:
    with Broken({"EHLO": ehlo, "DATA": "421 4.3.2 going down"}) as first, Broken() as second:
        queue_id = store.put("a@d.test")
        client.deliver(queue_id, f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}")
    said = "host 127.0.0.1[127.0.0.1] said: 421 4.3.2 going down (in reply to DATA command)"
    assert store.lines[0] == f"{queue_id}: {said}"
    assert len(store.lines) == 2


def test_a_connection_is_kept_and_used_again(client, store) -> None:
    with Broken() as server:
        where = f"[127.0.0.1]:{server.port}"
        requests = [store.request(store.put(f"{name}@d.test"), where, flags=KEPT) for name in "abc"]
        client.deliver_all(requests)
    (session,) = server.sessions
    assert [line[:4] for line in session] == (
        ["EHLO"] + ["MAIL", "RCPT", "DATA", "."] + ["RSET", "MAIL", "RCPT", "DATA", "."] * 2 + ["QUIT"]
    )
    reuse = [line.partition(f":{server.port}, ")[2].partition(", delays")[0] for line in store.lines]
    assert [text.partition(" delay=")[0] for text in reuse][1:] == ["conn_use=2,", "conn_use=3,"]


def test_a_connection_is_used_again_as_often_as_the_limit_says(client, store) -> None:
    with Broken() as server:
        where = f"[127.0.0.1]:{server.port}"
        requests = [store.request(store.put(f"{name}@d.test"), where, flags=KEPT) for name in "abc"]
        client.deliver_all(requests, "smtp_connection_reuse_count_limit = 1")
    assert [session.count(".") for session in server.sessions] == [2, 1]


def test_a_refusal_on_a_kept_connection_has_the_next_exchanger_tried(client, store) -> None:
    with socket.socket() as closed, Broken({"MAIL": [DEFAULTS["MAIL"], "451 4.3.0 later"]}) as server:
        closed.bind(("127.0.0.2", server.port))
        client.resolver._records = TWO_EXCHANGERS
        where = f"d.test:{server.port}"
        client.deliver_all([store.request(store.put(f"{name}@d.test"), where, flags=KEPT) for name in "ab"])
    assert len(server.sessions) == 1
    assert store.lines[1].endswith("said: 451 4.3.0 later (in reply to MAIL FROM command)")  # without a recipient
    assert f"connect to b.test[127.0.0.2]:{server.port}: Connection refused" in store.lines[2]
    assert [text[:8] for text in statuses(store)] == ["sent (25", "deferred"]


@pytest.mark.parametrize("limit", ["smtp_mx_session_limit", "smtp_mx_address_limit"])
def test_a_kept_connection_counts_as_a_session_with_a_server(client, store, limit: str) -> None:
    with socket.socket() as closed, Broken({"MAIL": [DEFAULTS["MAIL"], "451 4.3.0 later"]}) as server:
        closed.bind(("127.0.0.2", server.port))
        client.resolver._records = TWO_EXCHANGERS
        requests = [store.request(store.put(f"{name}@d.test"), f"d.test:{server.port}", flags=KEPT) for name in "ab"]
        client.deliver_all(requests, f"{limit} = 1")
    assert f"relay=a.test[127.0.0.1]:{server.port}, conn_use=2, " in store.lines[1]
    assert len(store.lines) == 2


def test_a_new_connection_after_a_kept_one_is_not_logged_as_used_again(client, store) -> None:
    with Broken({"MAIL": [DEFAULTS["MAIL"], "451 4.3.0 later"]}) as first, Broken({"": "450 4.3.2 busy"}) as second:
        where = f"[127.0.0.1]:{first.port}, [127.0.0.1]:{second.port}"
        client.deliver_all([store.request(store.put(f"{name}@d.test"), where, flags=KEPT) for name in "ab"])
    assert len(first.sessions) == 1
    assert f"relay=127.0.0.1[127.0.0.1]:{second.port}, delay=" in store.lines[-1]


def test_a_kept_connection_to_the_fallback_relay_spares_what_failed_before_it(client, store) -> None:
    with Broken({"MAIL": HANG_UP}) as first, Broken() as fallback:
        where, main_cf = f"[127.0.0.1]:{first.port}", f"smtp_fallback_relay = [127.0.0.1]:{fallback.port}"
        client.deliver_all([store.request(store.put(f"{name}@d.test"), where, flags=KEPT) for name in "abc"], main_cf)
    assert (len(first.sessions), len(fallback.sessions)) == (1, 1)
    assert len(statuses(store)) == 3


def test_connections_to_some_destinations_are_kept_whatever_qmgr_says(client, store) -> None:
    main_cf = "smtp_connection_cache_destinations = inline:{127.0.0.1=x}"
    with Broken() as server:
        where = f"[127.0.0.1]:{server.port}"
        client.deliver_all([store.request(store.put(f"{name}@d.test"), where) for name in "ab"], main_cf)
    assert len(server.sessions) == 1


def test_a_kept_connection_that_has_died_is_replaced_silently(client, store) -> None:
    with Broken({"RSET": HANG_UP}) as server:
        where = f"[127.0.0.1]:{server.port}"
        client.deliver_all([store.request(store.put(f"{name}@d.test"), where, flags=KEPT) for name in "ab"])
        assert len(server.sessions) == 2
        assert statuses(store) == ["sent (250 2.0.0 Ok: queued as 12345)"] * 2


@pytest.mark.parametrize("level", ["encrypt", "dane", "secure", "fingerprint"])
def test_what_must_be_encrypted_waits(client, store, level: str) -> None:
    with Broken() as server:
        main_cf = f"smtp_tls_security_level = {level}"
        client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=main_cf)
        assert server.sessions == []
    expected = f"tls=!{level}, dsn=4.7.5, status=deferred (TLS is required, but our TLS engine is unavailable)"
    assert store.lines[0].endswith(expected)


@pytest.mark.parametrize(
    ("main_cf", "features"),
    [
        ("", ", tls=may:none, dsn"),
        ("smtp_tls_security_level = none", ", tls=none, dsn"),
        ("smtp_log_tls_feature_status = no", ", delays=0/"),
    ],
)
def test_the_log_shows_what_became_of_tls(client, store, main_cf: str, features: str) -> None:
    with Broken() as server:
        client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=main_cf)
    assert features in store.lines[0]
    assert ("tls=" in store.lines[0]) is ("tls=" in features)


def test_lmtp_over_a_unix_socket(client, store) -> None:
    with Broken({".": ["250 2.0.0 one", "550 5.2.2 two"]}, lmtp=True, path="private/sink"):
        client.deliver(store.put("a@d.test", "b@d.test"), "unix:private/sink", program="lmtp")
    assert "relay=client.test[private/sink], " in store.lines[0]
    assert ", tls=none, " in store.lines[0]
    assert statuses(store) == [
        "sent (250 2.0.0 one)",
        "bounced (host client.test[private/sink] said: 550 5.2.2 two (in reply to end of DATA command))",
    ]


def test_flags_put_headers_in_front(client, store) -> None:
    with Broken() as server:
        queue_id = store.put("a@d.test", original="alias@d.test")
        client.deliver(queue_id, f"[127.0.0.1]:{server.port}", args=("flags=DOR",))
        head = b"Return-Path: <s@a.test>\r\nX-Original-To: alias@d.test\r\nDelivered-To: a@d.test\r\nSubject: test\r\n"
        assert server.texts[0].startswith(head)


def test_a_message_that_needs_smtputf8_bounces_where_it_is_not_offered(client, store) -> None:
    with Broken() as server:
        client.deliver(store.put("ä@d.test"), f"[127.0.0.1]:{server.port}", sendopts=1 | 8)
    assert statuses(store) == [
        "bounced (SMTPUTF8 is required, but was not offered by host 127.0.0.1[127.0.0.1])"
    ]
    with Broken({"EHLO": DEFAULTS["EHLO"].replace("8BITMIME", "SMTPUTF8")}) as server:
        client.deliver(store.put("ä@d.test"), f"[127.0.0.1]:{server.port}", sendopts=1 | 8)
        assert server.sessions[0][1].endswith(" SMTPUTF8")


def test_an_address_probe_ends_before_data(client, store) -> None:
    with Broken({"RCPT": ["250 2.1.5 fine", "550 5.1.1 no"]}) as server:
        queue_id = store.put("a@d.test", "b@d.test")
        client.deliver(queue_id, f"[127.0.0.1]:{server.port}", flags=Flags.SUCCESS | Flags.BOUNCE | Flags.MTA_VRFY)
        assert "DATA" not in server.sessions[0]
    assert [text.split()[0] for text in statuses(store)] == ["deliverable", "undeliverable"]


def test_an_own_address_that_is_not_ours_is_only_a_wish_unless_enforced(client, store) -> None:
    with Broken() as server:
        for name in ("no", "yes"):
            main_cf = f"smtp_bind_address = 192.0.2.1\nsmtp_bind_address_enforce = {name}"
            client.deliver(store.put("a@d.test"), f"[127.0.0.1]:{server.port}", main_cf=main_cf)
    assert store.lines[0] == "warning: bind 192.0.2.1: Cannot assign requested address"
    assert [text.split()[0] for text in statuses(store)] == ["sent", "deferred"]
