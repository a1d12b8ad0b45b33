"""Real trivial-rewrite and ours give the same answers."""

import os

import pytest

from pyfix.config.main_cf import MainCf
from pyfix.maps.run_now import run_now
from pyfix.trivial_rewrite.rewrite import rewrite_address
from pyfix.trivial_rewrite.setup import set_up
from tests.real_postfix import release
from tests.trivial_rewrite.peer import Peer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: Postfix's private sockets")

BASE = """
myhostname = mx.example.com
mydomain = example.com
myorigin = example.com
mydestination = mx.example.com, example.com, localhost, both.test
virtual_alias_domains = va.test
virtual_mailbox_domains = vm.test, both.test
relay_domains = relay.test
recipient_delimiter = +
"""
TRANSPORTS = """
transport_maps = inline:{{u+x@tr.test=smtp:[full]}, {b@tr.test=smtp:[bare]}, {tr.test=lmtp:},
 {.tr.test=:[parent]:26}, {vm.test=error:}, {va.test=smtp:[never]}, {relay.test=error:5.7.1 go away},
 {example.com=discard:silently}, {other.test=:}, {*=smtp:[rest]}}
"""
OWN_TEXTS = "own texts for who has moved"
CONFIGS = {
    "plain": "",
    "transport table": TRANSPORTS,
    "parents": TRANSPORTS + "parent_domain_matches_subdomains = transport_maps\n",
    "relayhost": "relayhost = [gw.test]:587\nrelay_transport = uucp:hub\nvirtual_transport = lmtp:unix:x\n",
    "by sender": "relayhost = [gw.test]\n"
    "sender_dependent_relayhost_maps = inline:{{s@q.test=[s-relay]}, {@d.test=dunno}, {<>=[null-relay]}}\n"
    "sender_dependent_default_transport_maps = inline:{{s@q.test=slow:}, {<>=null:hop}}\n",
    "the null sender by another name": "empty_address_relayhost_maps_lookup_key = nobody@example.com\n"
    "sender_dependent_relayhost_maps = inline:{{nobody=[null-relay]}, {@example.com=[a-relay]}}\n",
    "no hacks": "swap_bangpath = no\nallow_percent_hack = no\nresolve_dequoted_address = no\n",
    "own numbers": "resolve_numeric_domain = yes\nproxy_interfaces = 192.0.2.1\nmydestination = 198.51.100.1\n",
    "ASCII only, nexthops as they are written": "smtputf8_enable = no\n"
    "transport_maps = inline:{{other.test=smtp: [x]}, {relay.test=error: 5.1.2 why}, {foo=: y}}\n",
    "others": "append_dot_mydomain = yes\nappend_at_myorigin = yes\nresolve_null_domain = yes\n"
    "resolve_numeric_domain = yes\nallow_min_user = yes\nremote_header_rewrite_domain = domain.invalid\n"
    "empty_address_recipient = nobody@vm.test\n"
    "relocated_maps = inline:{{u@vm.test=new@x}, {@other.test=gone}, {a..b=moved}}\n",
    OWN_TEXTS: "relocated_prefix_enable = no\n"
    "relocated_maps = inline:{{u@vm.test=5.1.6 has gone}, {U@vm.test=5.1.6 has gone}, {@other.test=5.1.6gone}, "
    "{@va.test=5.1.6}, {@both.test=4.2.0  later}, {@sub.relay.test=new@x}}\n",
}
DOMAINS = [
    "example.com", "EXAMPLE.com", "localhost", "other.test", "va.test", "VM.TEST", "relay.test",
    "sub.relay.test", "[127.0.0.1]", "[192.0.2.1]", "192.0.2.1", "[IPv6:::1]", "[ipv6:2001:db8::1]",
    "foo", "a_b.test", "-x.test", "x-.test", "a..b", "é.test", "[foo]", "[", " ", ".", "", "3com.test",
    "a." + "b" * 64, "x." * 130 + "y", "tr.test", "a.b.tr.test", "va.test.", "example.com..", "both.test",
    "127.0.0.1", "198.51.100.1", "::1", "[IPv6:192.0.2.1]", "[IPv6:::ffff:192.0.2.1]",
]  # fmt: skip
USERS = [
    "u", "u+x", "b+y", "U", "a%b", "a%vm.test", "h!u", "-x", "a@b", "@x:y", "a b", 'q"u', "", "a\\b",
    "owner-x", "x%y%z", "a!b!c", "u%example.com", "é", "postmaster", "a,b", "x@y@z", "u%[1.2.3.4]",
    "foo(c)", "<a", "a..b", ".", "|x",
]  # fmt: skip
ADDRESSES = [f"{user}@{domain}" for user in USERS for domain in DOMAINS] + USERS


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != OWN_TEXTS or release() >= (3, 11)])
def test_answers_are_those_of_postfix(real_postfix, name):
    peer = real_postfix(main_cf=BASE + CONFIGS[name])
    theirs = Peer(peer.queue / "private/rewrite")
    ours = set_up(MainCf.load(str(peer.config)))
    for address in ADDRESSES:
        sender = ("", "s@q.test", "x@d.test")[len(address) % 3]
        resolved, _ = run_now(ours.resolver.resolve(sender, address))
        answer = (resolved.transport, resolved.nexthop, resolved.recipient, resolved.flags)
        assert answer == theirs.resolve(sender, address), (address, sender)
        if address.strip():
            for rule in ("local", "remote"):
                rewritten = rewrite_address(ours.rules[rule], address)
                assert rewritten == theirs.rewrite(rule, address), (address, rule)
